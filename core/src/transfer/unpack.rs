//! What a Bundle is to an import, entry by entry.
//!
//! Two passes: the first one learns where each `urn:` name leads and finds what makes the whole Bundle unusable, the
//! second one hands out the resources. Both judge an entry by the same function.

use super::Reason;
use super::names::{Links, is_urn};
use super::scan::{Cut, ScanError, Scanner};
use crate::fhir::resource::MAX_BYTES;
use crate::fhir::{InvalidResource, Reference, ResourceId, ResourceType};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::BufRead;
use uuid::Uuid;

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

/// One entry as it was cut out.
pub(super) struct Piece<'a> {
    /// 1-based.
    pub(super) number: u64,
    pub(super) cut: Cut,
    /// Its text, or the front of it.
    pub(super) bytes: &'a [u8],
}

/// A resource that goes in.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) text: &'a str,
    /// Its name, where type and id can be read.
    pub(super) name: Option<Reference>,
    /// The id it gets, since it has none.
    pub(super) made_id: Option<ResourceId>,
    pub(super) full_url: Option<Cow<'a, str>>,
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

/// What an import reads of an entry.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(rename = "fullUrl", borrow, default)]
    full_url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request: Option<Request<'a>>,
}

#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    url: Cow<'a, str>,
}

impl<'a> Head<'a> {
    /// Reads the head of an entry.
    pub(super) fn read(piece: &Piece<'a>) -> Result<Self, Reason> {
        let kept = u64::try_from(piece.bytes.len()).unwrap_or(u64::MAX);
        if kept < piece.cut.bytes {
            let bytes = usize::try_from(piece.cut.bytes).unwrap_or(usize::MAX);
            return Err(InvalidResource::TooLarge { bytes }.into());
        }
        let text = std::str::from_utf8(piece.bytes).map_err(|e| InvalidResource::NotUtf8 {
            at: e.valid_up_to(),
        })?;
        serde_json::from_str(text).map_err(|e| {
            let (line, column) = (e.line(), e.column());
            InvalidResource::NotAnObject { line, column }.into()
        })
    }

    /// Whether a POST goes to the resource's own type: anything else is an operation (`ValueSet/$lookup`).
    fn creates(&self, kind: Option<ResourceType>) -> bool {
        let url = self.request.as_ref().map_or("", |r| r.url.as_ref());
        let path = url.split('?').next().unwrap_or_default();
        let last = path.trim_end_matches('/').rsplit('/').next();
        let last = last.unwrap_or_default();
        last.is_empty() || kind.is_none_or(|kind| kind.name() == last)
    }

    fn writes(&self) -> bool {
        let method = self.request.as_ref().map(|r| r.method.as_ref());
        matches!(method, Some("POST" | "PUT"))
    }

    /// What becomes of the entry.
    pub(super) fn judge(self, kind: Kind, number: u64) -> Result<Judged<'a>, Reason> {
        let method = self.request.as_ref().map_or("", |r| r.method.as_ref());
        let is_request = kind != Kind::Set;
        if is_request && !self.writes() {
            return Err(Reason::Method);
        }
        let text = self.resource.ok_or(Reason::NoResource)?.get();
        let look = Look::at(text.as_bytes());
        if look.kind.is_some_and(|kind| kind.name() == "Bundle") {
            return Err(Reason::NestedBundle);
        }
        let mut id = look.id;
        let mut made_id = None;
        if look.has_no_id && is_request && method == "POST" {
            let made = make_id(self.full_url.as_deref(), number, text);
            made_id = ResourceId::new(&made).ok();
            id.clone_from(&made_id);
        }
        let name = look.kind.zip(id).map(|(kind, id)| Reference { kind, id });
        if is_request && method == "POST" && !self.creates(look.kind) {
            return Err(Reason::OtherUrl);
        }
        if is_request
            && method == "PUT"
            && let (Some(name), Some(request)) = (&name, &self.request)
            && let Ok(target) = Reference::parse(request.url.trim_start_matches('/'))
            && target != *name
        {
            return Err(Reason::OtherUrl);
        }
        Ok(Judged {
            text,
            name,
            made_id,
            full_url: self.full_url,
        })
    }
}

/// Type and id of a text that may be cut off, in the order they stand in, without reading further than needed.
pub(super) struct Look {
    pub(super) kind: Option<ResourceType>,
    pub(super) id: Option<ResourceId>,
    /// Read to its end, and no member is called `id`.
    has_no_id: bool,
}

impl Look {
    pub(super) fn at(text: &[u8]) -> Self {
        let mut look = Self {
            kind: None,
            id: None,
            has_no_id: false,
        };
        let mut has_id = false;
        let ended = look.read(text, &mut has_id).unwrap_or(false);
        look.has_no_id = ended && !has_id;
        look
    }

    fn read(&mut self, text: &[u8], has_id: &mut bool) -> Result<bool, ScanError> {
        let mut scanner = Scanner::new(text);
        if !scanner.step(b'{')? {
            return Ok(false);
        }
        let (mut name, mut value, mut first) = (Vec::new(), Vec::new(), true);
        while scanner.member(&mut name, &mut first)? {
            // 200 bytes hold every type and id, written with escapes too.
            scanner.value(200, &mut value)?;
            let text = || serde_json::from_slice::<String>(&value).ok();
            match name.as_slice() {
                b"\"resourceType\"" => self.kind = text().and_then(|t| ResourceType::named(&t)),
                b"\"id\"" => {
                    *has_id = true;
                    self.id = text().and_then(|t| ResourceId::new(&t).ok());
                }
                _ => {}
            }
            if self.kind.is_some() && *has_id {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As [`Look::at`], for the resource inside the text of an entry.
    pub(super) fn in_entry(entry: &[u8]) -> Self {
        let mut scanner = Scanner::new(entry);
        let (mut name, mut first) = (Vec::new(), true);
        let mut find = || -> Result<&[u8], ScanError> {
            if scanner.step(b'{')? {
                while scanner.member(&mut name, &mut first)? {
                    if name == b"\"resource\"" {
                        return Ok(scanner.rest());
                    }
                    scanner.value(0, &mut Vec::new())?;
                }
            }
            Ok(&[])
        };
        Self::at(find().unwrap_or_default())
    }

    /// `Type/id`.
    pub(super) fn name(self) -> Option<Reference> {
        let (kind, id) = self.kind.zip(self.id)?;
        Some(Reference { kind, id })
    }
}

/// The id of a posted resource that has none: the UUID of its `fullUrl`, else one made from the entry itself, so that
/// importing a file again finds the same records.
fn make_id(full_url: Option<&str>, number: u64, text: &str) -> String {
    let url = full_url.unwrap_or_default();
    if let Some(uuid) = url.get(9..).and_then(|rest| Uuid::try_parse(rest).ok())
        && is_urn(url)
    {
        return uuid.hyphenated().to_string();
    }
    let mut digest = Sha256::new();
    digest.update(b"pocketchart import\0");
    digest.update(number.to_be_bytes());
    digest.update(url);
    digest.update([0]);
    digest.update(text);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    // RFC 9562: version 8 is for ids made in one's own way.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes).hyphenated().to_string()
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

    fn judged(kind: Kind, entry: &str) -> Result<(Option<String>, Option<String>), Reason> {
        let cut = Cut {
            line: 1,
            column: 0,
            bytes: entry.len() as u64,
        };
        let piece = Piece {
            number: 1,
            cut,
            bytes: entry.as_bytes(),
        };
        Head::read(&piece)?.judge(kind, 1).map(|judged| {
            (
                judged.name.map(|n| n.to_string()),
                judged.made_id.map(|i| i.to_string()),
            )
        })
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

    #[test]
    fn a_posted_resource_without_id_gets_one() {
        let entry = |url: &str| {
            format!(
                r#"{{"fullUrl":"{url}","resource":{{"resourceType":"Patient"}},"request":{{"method":"POST","url":"Patient"}}}}"#
            )
        };
        let by_url = judged(Kind::Transaction, &entry(&format!("urn:uuid:{UUID}"))).unwrap();
        assert_eq!(by_url, (Some(format!("Patient/{UUID}")), Some(UUID.into())));
        let made = judged(Kind::Batch, &entry("urn:uuid:1")).unwrap();
        assert_eq!(made, judged(Kind::Batch, &entry("urn:uuid:1")).unwrap());
        assert_ne!(made, judged(Kind::Batch, &entry("urn:uuid:2")).unwrap());
        assert_eq!(
            judged(Kind::Set, &entry("urn:uuid:1")).unwrap(),
            (None, None)
        );
        // An id that breaks the grammar is refused later, not replaced.
        let bad =
            r#"{"resource":{"resourceType":"Patient","id":"a/b"},"request":{"method":"POST"}}"#;
        assert_eq!(judged(Kind::Transaction, bad).unwrap(), (None, None));
    }

    #[test]
    fn entries_that_stay_out() {
        let reason = |kind, entry: &str| judged(kind, entry).unwrap_err();
        let bundle = r#"{"resource":{"resourceType":"Bundle","id":"b","type":"collection"},"request":{"method":"PUT"}}"#;
        assert_eq!(reason(Kind::Set, bundle), Reason::NestedBundle);
        assert_eq!(reason(Kind::Transaction, bundle), Reason::NestedBundle);
        assert_eq!(reason(Kind::Set, "{}"), Reason::NoResource);
        for method in ["GET", "DELETE", "PATCH", "HEAD", ""] {
            let entry = format!(
                r#"{{"request":{{"method":"{method}"}},"resource":{{"resourceType":"Patient","id":"a"}}}}"#
            );
            assert_eq!(reason(Kind::Transaction, &entry), Reason::Method);
            assert!(judged(Kind::Set, &entry).is_ok());
        }
        let operation = r#"{"request":{"method":"POST","url":"ValueSet/$lookup"},"resource":{"resourceType":"Parameters"}}"#;
        assert_eq!(reason(Kind::Batch, operation), Reason::OtherUrl);
        let other = r#"{"request":{"method":"PUT","url":"Patient/b"},"resource":{"resourceType":"Patient","id":"a"}}"#;
        assert_eq!(reason(Kind::Transaction, other), Reason::OtherUrl);
        assert!(matches!(
            reason(Kind::Set, "[]x"),
            Reason::Resource(InvalidResource::NotAnObject { .. })
        ));
    }

    #[test]
    fn a_look_needs_only_the_front() {
        let look = Look::at(br#"{"resourceType":"Patient","id":"a","x":[1,2"#);
        assert_eq!(look.name().unwrap().to_string(), "Patient/a");
        assert!(Look::at(br#"{"x":1"#).name().is_none());
        let look = Look::in_entry(
            br#"{"fullUrl":"x", "resource": {"id":"a","resourceType":"Patient","x":"#,
        );
        assert_eq!(look.name().unwrap().to_string(), "Patient/a");
        assert!(Look::in_entry(b"{}").name().is_none());
    }
}
