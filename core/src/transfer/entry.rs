//! What becomes of one entry of a Bundle that is taken apart.

use super::Reason;
use super::scan::{Cut, ScanError, Scanner};
use super::unpack::Kind;
use crate::fhir::links::is_urn;
use crate::fhir::{InvalidResource, Reference, ResourceId, ResourceType};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use uuid::Uuid;

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

/// What an import reads of an entry.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(rename = "fullUrl", borrow, default)]
    full_url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) request: Option<Request<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Request<'a> {
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

    pub(super) fn writes(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

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
