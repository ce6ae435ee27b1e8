//! References between records. They resolve inside the server (peer) a record came from.

use super::{ResourceId, ResourceType};
use std::fmt;

/// `Type/id`: the name of one record on one server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The record's type.
    pub kind: ResourceType,
    /// The record's id.
    pub id: ResourceId,
}

/// The text is not `Type/id` with an R4 type and a valid id. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected TYPE/ID with a FHIR R4 resource type, such as Patient/123")]
pub struct InvalidReference;

impl Reference {
    /// Reads `Type/id`, with or without a trailing `/_history/n`. Absolute URLs, `urn:` and `#contained` are not ours.
    ///
    /// # Errors
    /// [`InvalidReference`].
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let mut parts = text.split('/');
        let kind = parts
            .next()
            .and_then(ResourceType::named)
            .ok_or(InvalidReference)?;
        let id = parts
            .next()
            .and_then(|id| ResourceId::new(id).ok())
            .ok_or(InvalidReference)?;
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => {}
            (Some("_history"), Some(version), None) if !version.is_empty() => {}
            _ => return Err(InvalidReference),
        }
        Ok(Self { kind, id })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_references_with_and_without_a_version() {
        for good in ["Patient/1", "Patient/1/_history/3"] {
            assert_eq!(Reference::parse(good).unwrap().to_string(), "Patient/1");
        }
        for bad in [
            "",
            "Patient",
            "Patient/",
            "patient/1",
            "Patient/1/",
            "Patient/1/_history",
            "http://x/Patient/1",
            "#p",
            "Patient/1/x/2",
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }
}
