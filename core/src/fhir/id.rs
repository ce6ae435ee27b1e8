//! Resource ids, checked once at the door so that the rest of the house can put them in URLs and file keys.

use std::fmt;

/// A FHIR `id`: 1 to 64 of `A-Z a-z 0-9 - .` (R4 datatypes, `id`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(Box<str>);

/// The text breaks the grammar of FHIR ids. Does not repeat the text: ids can be made of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 letters, digits, '-' or '.'")]
pub struct InvalidId;

impl ResourceId {
    /// Checks `text` against the grammar.
    ///
    /// # Errors
    /// [`InvalidId`].
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        // `.` and `..` fit the grammar but change the path of a URL.
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(allowed)
            && text != "."
            && text != "..";
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for good in ["1", "a.b-C", &"x".repeat(64)] {
            assert!(ResourceId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a_b", "é", "..", ".", " 1", &"x".repeat(65)] {
            assert!(ResourceId::new(bad).is_err(), "{bad}");
        }
    }
}
