//! What a Bundle is to an import, entry by entry.
//!
//! Two passes: the first one learns where each `urn:` name leads and finds what makes the whole Bundle unusable, the
//! second one hands out the resources. Both judge an entry by the same function.

use super::Reason;
use super::entry::{Head, Piece};
use super::names::Links;
use super::scan::{ScanError, Scanner};
use crate::fhir::Reference;
use crate::fhir::links::is_urn;
use crate::fhir::resource::MAX_BYTES;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::io::BufRead;

/// An entry holds a resource and a little more.
pub(super) const ENTRY_BYTES: usize = MAX_BYTES + 64 * 1024;

/// Types of Bundles that are taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// collection, searchset: records side by side.
    Set,
    /// All or nothing, as its sender meant it.
    Transaction,
    /// Requests side by side.
    Batch,
}

/// What the first pass learned.
pub(super) struct Outline {
    pub(super) kind: Kind,
    pub(super) links: Links,
    /// Makes the Bundle unusable: the entry, and why.
    pub(super) unusable: Option<(Option<u64>, Reason)>,
}

/// The first pass over a value. `None`: it is to be kept as one record, or is none at all; then it may not have been
/// read to its end.
pub(super) fn outline<R: BufRead>(scanner: &mut Scanner<R>) -> Result<Option<Outline>, ScanError> {
    let (mut is_bundle, mut type_code) = (false, String::new());
    let (mut writes, mut bad_entries) = (false, false);
    let mut links = Links::default();
    let mut names = Names::default();
    let ended = walk(scanner, &mut |part| {
        match part {
            Part::Member { name, value } => match name {
                "resourceType" => {
                    is_bundle = serde_json::from_slice(value).is_ok_and(|t: String| t == "Bundle");
                    return Ok::<_, ScanError>(is_bundle);
                }
                "type" => type_code = serde_json::from_slice(value).unwrap_or_default(),
                "entry" => bad_entries = true,
                _ => {}
            },
            Part::Entry(piece) => {
                // The Bundle's type may stand behind its entries.
                let Ok(head) = Head::read(&piece) else {
                    return Ok(true);
                };
                writes |= head.writes();
                let kind = if head.request.is_some() {
                    Kind::Transaction
                } else {
                    Kind::Set
                };
                if let Ok(judged) = head.judge(kind, piece.number)
                    && let Some(name) = &judged.name
                {
                    names.add(name, piece.number);
                    if let Some(url) = judged.full_url.as_deref().filter(|url| is_urn(url)) {
                        links.add(url, name);
                    }
                }
            }
        }
        Ok(true)
    })?;
    let kind = match type_code.as_str() {
        "collection" | "searchset" => Kind::Set,
        "transaction" => Kind::Transaction,
        // A batch that only reads has nothing to take apart.
        "batch" if writes => Kind::Batch,
        _ => return Ok(None),
    };
    if !ended || !is_bundle {
        return Ok(None);
    }
    links.sort();
    let mut unusable = bad_entries.then_some((None, Reason::EntriesAreNoArray));
    if kind == Kind::Transaction
        && let Some((first, second)) = names.first_double()
    {
        unusable = Some((Some(second), Reason::TwiceInTransaction { first }));
    }
    Ok(Some(Outline {
        kind,
        links,
        unusable,
    }))
}

/// The second pass: every entry of the Bundle that comes next.
pub(super) fn each_entry<R: BufRead, E: From<ScanError>>(
    scanner: &mut Scanner<R>,
    mut take: impl FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    walk(scanner, &mut |part| match part {
        Part::Entry(piece) => take(piece).map(|()| true),
        Part::Member { .. } => Ok(true),
    })
    .map(|_| ())
}

enum Part<'a> {
    Member { name: &'a str, value: &'a [u8] },
    Entry(Piece<'a>),
}

/// Walks over the members of an object and the items of its `entry`. `false`: `visit` ended it, or it is no object.
fn walk<R: BufRead, E: From<ScanError>>(
    scanner: &mut Scanner<R>,
    visit: &mut dyn FnMut(Part<'_>) -> Result<bool, E>,
) -> Result<bool, E> {
    if !scanner.step(b'{')? {
        return Ok(false);
    }
    let (mut name, mut value, mut first, mut number) = (Vec::new(), Vec::new(), true, 0);
    while scanner.member(&mut name, &mut first)? {
        let place = scanner.syntax();
        let Ok(name) = serde_json::from_slice::<String>(&name) else {
            return Err(place.into());
        };
        if name == "entry" && scanner.peek()? == Some(b'[') {
            scanner.step(b'[')?;
            let mut first = true;
            while scanner.item(&mut first)? {
                number += 1;
                let cut = scanner.value(ENTRY_BYTES, &mut value)?;
                let bytes = &value[..];
                let piece = Piece { number, cut, bytes };
                if !visit(Part::Entry(piece))? {
                    return Ok(false);
                }
            }
            continue;
        }
        let cut = scanner.value(MAX_BYTES, &mut value)?;
        let whole = u64::try_from(value.len()).is_ok_and(|kept| kept == cut.bytes);
        // What is passed over must be JSON all the same: else a damaged file would go in by halves.
        if whole && serde_json::from_slice::<&RawValue>(&value).is_err() {
            return Err(place.into());
        }
        let (name, value) = (name.as_str(), &value[..]);
        if !visit(Part::Member { name, value })? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Names of a transaction's entries, to find doubles among them: 16 bytes each.
#[derive(Default)]
struct Names(Vec<([u8; 12], u32)>);

impl Names {
    fn add(&mut self, name: &Reference, number: u64) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(self.0.len() / 4 + 64);
        }
        let mut key = [0; 12];
        let digest = Sha256::digest(name.to_string());
        key.copy_from_slice(&digest[..12]);
        self.0
            .push((key, u32::try_from(number).unwrap_or(u32::MAX)));
    }

    /// The entries of the first name that stands twice.
    fn first_double(mut self) -> Option<(u64, u64)> {
        self.0.sort_unstable();
        self.0
            .windows(2)
            .filter(|pair| pair[0].0 == pair[1].0)
            .map(|pair| (pair[0].1.into(), pair[1].1.into()))
            .min_by_key(|(_, second): &(u64, u64)| *second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlined(text: &str) -> Option<Outline> {
        outline(&mut Scanner::new(text.as_bytes())).unwrap()
    }

    const UUID: &str = "61ebe359-bfdc-4613-8bf2-c5e300945f0a";

    #[test]
    fn which_bundles_are_taken_apart() {
        let kind = |text: &str| outlined(text).map(|outline| outline.kind);
        let bundle = |code: &str, entry: &str| {
            format!(r#"{{"entry":[{entry}],"type":"{code}","resourceType":"Bundle"}}"#)
        };
        assert_eq!(kind(&bundle("collection", "")), Some(Kind::Set));
        assert_eq!(kind(&bundle("searchset", "")), Some(Kind::Set));
        assert_eq!(kind(&bundle("transaction", "")), Some(Kind::Transaction));
        assert_eq!(
            kind(&bundle("batch", r#"{"request":{"method":"POST"}}"#)),
            Some(Kind::Batch)
        );
        assert_eq!(
            kind(&bundle("batch", r#"{"request":{"method":"GET"}}"#)),
            None
        );
        for code in [
            "document",
            "message",
            "history",
            "transaction-response",
            "batch-response",
            "",
        ] {
            assert_eq!(kind(&bundle(code, "")), None, "{code}");
        }
        for other in [
            "[]",
            "7",
            r#"{"type":"collection"}"#,
            r#"{"resourceType":"Patient","type":"collection"}"#,
        ] {
            assert_eq!(kind(other), None, "{other}");
        }
    }

    #[test]
    fn links_may_point_forward_and_doubles_are_found() {
        let entry = |url: &str, id: &str| {
            format!(
                r#"{{"fullUrl":"{url}","resource":{{"resourceType":"Patient","id":"{id}"}},"request":{{"method":"PUT","url":"Patient/{id}"}}}}"#
            )
        };
        let text = |code: &str| {
            format!(
                r#"{{"resourceType":"Bundle","type":"{code}","entry":[{},{},{}]}}"#,
                entry("urn:uuid:x", "a"),
                entry(&format!("urn:uuid:{UUID}"), "b"),
                entry("http://x/Patient/a", "a"),
            )
        };
        let outline = outlined(&text("transaction")).unwrap();
        assert_eq!(
            outline
                .links
                .get(&format!("urn:uuid:{UUID}"))
                .unwrap()
                .to_string(),
            "Patient/b"
        );
        assert!(outline.links.get("http://x/Patient/a").is_none());
        assert_eq!(
            outline.unusable,
            Some((Some(3), Reason::TwiceInTransaction { first: 1 }))
        );
        assert_eq!(outlined(&text("collection")).unwrap().unusable, None);
        assert_eq!(outlined(&text("batch")).unwrap().unusable, None);
        let text = r#"{"resourceType":"Bundle","type":"collection","entry":{}}"#;
        assert_eq!(
            outlined(text).unwrap().unusable,
            Some((None, Reason::EntriesAreNoArray))
        );
    }
}
