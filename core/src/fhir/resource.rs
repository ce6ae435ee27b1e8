//! One resource as somebody wrote it, with the few facts about it that everything needs.

use super::{Instant, Reference, ResourceId, ResourceType, json};
use serde_json::value::RawValue;

/// Largest resource accepted: 16 MiB.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A checked resource, borrowed from its text. The text is never changed.
#[derive(Debug, Clone)]
pub struct Resource<'a> {
    text: &'a str,
    members: Vec<json::Member<'a>>,
    name: Reference,
    version: Option<String>,
    last_updated: Option<Instant>,
}

/// Why a text is not a resource this house takes. Messages never repeat content, since content is PHI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResource {
    /// Empty input.
    #[error("the resource is empty")]
    Empty,
    /// Longer than [`MAX_BYTES`].
    #[error("the resource has {bytes} bytes; at most {MAX_BYTES} are taken")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the resource is not UTF-8 (byte {at})")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// Nested deeper than [`json::MAX_DEPTH`].
    #[error("the resource is nested deeper than {} levels", json::MAX_DEPTH)]
    TooDeep,
    /// Not one JSON object.
    #[error("the resource is not a JSON object (line {line}, column {column})")]
    NotAnObject {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
    },
    /// A member that must be single stands twice.
    #[error("the member {0} stands twice")]
    Duplicate(&'static str),
    /// `resourceType` is missing or no string.
    #[error("resourceType is missing")]
    MissingType,
    /// Not a type of FHIR R4.
    #[error("resourceType is not a FHIR R4 resource type")]
    UnknownType,
    /// `id` is missing or no string.
    #[error("id is missing")]
    MissingId,
    /// `id` breaks the grammar.
    #[error("id: {0}")]
    BadId(#[from] super::id::InvalidId),
    /// `meta` is no object, or its versionId or lastUpdated is malformed.
    #[error("meta: {0}")]
    BadMeta(&'static str),
}

impl<'a> Resource<'a> {
    /// Checks bytes from outside: size, UTF-8, depth, JSON, type, id and meta.
    ///
    /// # Errors
    /// [`InvalidResource`] says which check failed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InvalidResource> {
        let text = std::str::from_utf8(bytes).map_err(|e| InvalidResource::NotUtf8 {
            at: e.valid_up_to(),
        })?;
        Self::parse_text(text)
    }

    /// As [`Resource::parse`], for text.
    ///
    /// # Errors
    /// [`InvalidResource`] says which check failed.
    pub fn parse_text(text: &'a str) -> Result<Self, InvalidResource> {
        if text.trim().is_empty() {
            return Err(InvalidResource::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(InvalidResource::TooLarge { bytes: text.len() });
        }
        // Splitting the top level does not recurse, so depth can be looked at member by member, most of them flat.
        let members =
            json::members(text).map_err(|e| match json::is_too_deep(text.as_bytes()) {
                true => InvalidResource::TooDeep,
                false => InvalidResource::NotAnObject {
                    line: e.line(),
                    column: e.column(),
                },
            })?;
        let is_too_deep =
            |value: &RawValue| json::is_deeper_than(value.get().as_bytes(), json::MAX_DEPTH - 1);
        if members.iter().any(|(_, value)| is_too_deep(value)) {
            return Err(InvalidResource::TooDeep);
        }
        let kind = single(&members, "resourceType")?
            .and_then(json::string)
            .ok_or(InvalidResource::MissingType)?;
        let kind = ResourceType::named(&kind).ok_or(InvalidResource::UnknownType)?;
        let id = single(&members, "id")?
            .and_then(json::string)
            .ok_or(InvalidResource::MissingId)?;
        let id = ResourceId::new(&id)?;
        let (version, last_updated) = read_meta(single(&members, "meta")?)?;
        Ok(Self {
            text,
            members,
            name: Reference { kind, id },
            version,
            last_updated,
        })
    }

    /// The text, as it was written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// `Type/id`.
    pub fn name(&self) -> &Reference {
        &self.name
    }

    /// Its type.
    pub fn kind(&self) -> ResourceType {
        self.name.kind
    }

    /// `meta.versionId`.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// `meta.lastUpdated`.
    pub fn last_updated(&self) -> Option<Instant> {
        self.last_updated
    }

    /// The top-level members in their order.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members
            .iter()
            .map(|(name, value)| (name.as_ref(), *value))
    }

    /// The value of a top-level member.
    pub fn member(&self, name: &str) -> Option<&'a RawValue> {
        self.members
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| *v)
    }
}

/// The one member called `name`.
pub(super) fn single<'a>(
    members: &[json::Member<'a>],
    name: &'static str,
) -> Result<Option<&'a RawValue>, InvalidResource> {
    let mut found = members.iter().filter(|(n, _)| n == name).map(|(_, v)| *v);
    let first = found.next();
    if found.next().is_some() {
        return Err(InvalidResource::Duplicate(name));
    }
    Ok(first)
}

fn read_meta(
    meta: Option<&RawValue>,
) -> Result<(Option<String>, Option<Instant>), InvalidResource> {
    let Some(meta) = meta else {
        return Ok((None, None));
    };
    let members =
        json::members(meta.get()).map_err(|_| InvalidResource::BadMeta("it is not an object"))?;
    let text = |name| -> Result<Option<String>, InvalidResource> {
        let Some(value) = single(&members, name)? else {
            return Ok(None);
        };
        let text = json::string(value).ok_or(InvalidResource::BadMeta(
            "versionId and lastUpdated are strings",
        ))?;
        Ok(Some(text.into_owned()))
    };
    let version = text("versionId")?;
    if version
        .as_deref()
        .is_some_and(|v| ResourceId::new(v).is_err())
    {
        return Err(InvalidResource::BadMeta(
            "versionId breaks the grammar of ids",
        ));
    }
    let last_updated = text("lastUpdated")?
        .map(|t| {
            Instant::parse(&t)
                .map_err(|_| InvalidResource::BadMeta("lastUpdated is not an instant"))
        })
        .transpose()?;
    Ok((version, last_updated))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> InvalidResource {
        Resource::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn facts_are_read_and_text_is_kept() {
        let text = " {\"id\":\"a\",\"resourceType\":\"Patient\",\n\"meta\":{\"versionId\":\"3\",\"lastUpdated\":\"2026-01-02T03:04:05Z\"},\"x\":1.00}";
        let resource = Resource::parse(text.as_bytes()).unwrap();
        assert_eq!(resource.name().to_string(), "Patient/a");
        assert_eq!(resource.version(), Some("3"));
        assert_eq!(
            resource.last_updated().unwrap().to_string(),
            "2026-01-02T03:04:05.000Z"
        );
        assert_eq!(resource.text(), text);
        assert_eq!(resource.member("x").unwrap().get(), "1.00");
    }

    #[test]
    fn bad_input_gets_a_named_reason_without_content() {
        assert_eq!(refusal(""), InvalidResource::Empty);
        assert_eq!(
            refusal("[1]"),
            InvalidResource::NotAnObject { line: 1, column: 0 }
        );
        assert!(matches!(
            refusal("{\"id\":"),
            InvalidResource::NotAnObject { line: 1, .. }
        ));
        assert!(matches!(
            refusal("{\"id\":\"a\"} x"),
            InvalidResource::NotAnObject { .. }
        ));
        assert_eq!(refusal("{\"id\":\"a\"}"), InvalidResource::MissingType);
        assert_eq!(
            refusal("{\"resourceType\":\"Patent\",\"id\":\"a\"}"),
            InvalidResource::UnknownType
        );
        assert_eq!(
            refusal("{\"resourceType\":\"Patient\"}"),
            InvalidResource::MissingId
        );
        assert!(matches!(
            refusal("{\"resourceType\":\"Patient\",\"id\":\"a/b\"}"),
            InvalidResource::BadId(_)
        ));
        assert_eq!(
            refusal("{\"resourceType\":\"Patient\",\"id\":\"a\",\"id\":\"b\"}"),
            InvalidResource::Duplicate("id")
        );
        assert!(matches!(
            refusal("{\"resourceType\":\"Patient\",\"id\":\"a\",\"meta\":[]}"),
            InvalidResource::BadMeta(_)
        ));
        assert_eq!(refusal(&"[".repeat(10_000)), InvalidResource::TooDeep);
        assert_eq!(
            Resource::parse(b"{\"a\":\"\xff\"}").unwrap_err(),
            InvalidResource::NotUtf8 { at: 6 }
        );
        let large = " ".repeat(MAX_BYTES) + "{}";
        assert_eq!(
            refusal(&large),
            InvalidResource::TooLarge {
                bytes: MAX_BYTES + 2
            }
        );
    }
}
