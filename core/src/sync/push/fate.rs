//! What became of a write whose answer was lost, or that was refused, once the record was read again. Pure.

use crate::fhir::{content, merge};
use crate::seeded::{self, Bug};

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It did not arrive: the same can be sent again.
    NotArrived,
    /// It arrived: what was read is the answer.
    Arrived,
    /// The server has something else.
    Newer,
    /// The server had it and has it no more.
    Gone,
}

/// What a write was to replace.
#[derive(Clone, Copy)]
pub(super) struct Over<'a> {
    /// The server's version; `None`: nothing was there, or the server gives none.
    pub(super) version: Option<&'a str>,
    /// Its text; `None`: nothing was there.
    pub(super) text: Option<&'a str>,
}

/// The server's copy as it was read again.
#[derive(Clone, Copy)]
pub(super) struct There<'a> {
    pub(super) version: Option<&'a str>,
    pub(super) text: &'a str,
}

/// What became of a PUT of `sent`; `there` is `None` where there is nothing.
pub(super) fn of_put(sent: &str, over: Over<'_>, there: Option<There<'_>>) -> Fate {
    match there {
        None if over.text.is_none() => Fate::NotArrived,
        None => Fate::Gone,
        Some(there) if is_untouched(over, there) => Fate::NotArrived,
        Some(there) if arrived(sent, over, there.text) => Fate::Arrived,
        Some(_) => Fate::Newer,
    }
}

/// What became of a DELETE.
pub(super) fn of_delete(over: Over<'_>, there: Option<There<'_>>) -> Fate {
    match there {
        None => Fate::Arrived,
        Some(there) if is_untouched(over, there) => Fate::NotArrived,
        Some(_) => Fate::Newer,
    }
}

pub(super) fn is_untouched(over: Over<'_>, there: There<'_>) -> bool {
    match (over.version, there.version) {
        (Some(over), Some(there)) => over == there,
        // A server without versions: only its bytes can tell.
        _ => over
            .text
            .is_some_and(|text| content::is_same(text, there.text)),
    }
}

/// Exactly one write made `there` out of what was to be replaced: if it is not ours, ours never arrived. Only versions that
/// are counted tell.
pub(super) fn is_next(over: Over<'_>, there: There<'_>) -> bool {
    let number = |version: &str| version.parse::<u64>().ok();
    let before = match (over.version, over.text) {
        (Some(version), _) => number(version),
        (None, None) => Some(0),
        (None, Some(_)) => None,
    };
    let next = before.and_then(|before| before.checked_add(1));
    next.is_some() && there.version.and_then(number) == next
}

/// Whoever wrote since: our write is in there.
pub(super) fn arrived(sent: &str, over: Over<'_>, there: &str) -> bool {
    !seeded::has(Bug::RetryWithoutRecognition) && merge::holds(over.text, sent, there)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"{"resourceType":"Patient","id":"a","n":1}"#;
    const MINE: &str = r#"{"resourceType":"Patient","id":"a","n":2}"#;
    const THEIRS: &str = r#"{"resourceType":"Patient","id":"a","n":3}"#;

    fn there(text: &'static str, version: &'static str) -> Option<There<'static>> {
        Some(There {
            text,
            version: Some(version),
        })
    }

    const NEW: Over<'_> = Over {
        version: None,
        text: None,
    };
    const OLD: Over<'_> = Over {
        version: Some("1"),
        text: Some(BASE),
    };

    #[test]
    fn lost_answers_are_found_out() {
        assert_eq!(of_put(MINE, NEW, None), Fate::NotArrived);
        assert_eq!(of_put(MINE, OLD, None), Fate::Gone);
        assert_eq!(of_put(MINE, OLD, there(THEIRS, "1")), Fate::NotArrived);
        assert_eq!(of_put(MINE, OLD, there(MINE, "2")), Fate::Arrived);
        assert_eq!(of_put(MINE, NEW, there(MINE, "1")), Fate::Arrived);
        assert_eq!(of_put(MINE, OLD, there(THEIRS, "2")), Fate::Newer);
        assert_eq!(of_put(MINE, NEW, there(THEIRS, "1")), Fate::Newer);
        assert_eq!(of_delete(OLD, None), Fate::Arrived);
        assert_eq!(of_delete(OLD, there(THEIRS, "1")), Fate::NotArrived);
        assert_eq!(of_delete(OLD, there(THEIRS, "2")), Fate::Newer);
    }

    #[test]
    fn one_write_more_is_no_two() {
        let (old, other) = (
            OLD,
            Over {
                version: Some("x1"),
                ..OLD
            },
        );
        let is_next = |over, version| is_next(over, there(THEIRS, version).unwrap());
        assert!(is_next(old, "2") && is_next(NEW, "1"));
        assert!(!is_next(old, "3") && !is_next(old, "1") && !is_next(NEW, "2"));
        assert!(!is_next(other, "x2") && !is_next(other, "2") && !is_next(old, "x2"));
        let unversioned = Over {
            version: None,
            ..OLD
        };
        assert!(!is_next(unversioned, "1"));
    }

    #[test]
    fn without_versions_the_bytes_tell() {
        let plain = |text| {
            Some(There {
                text,
                version: None,
            })
        };
        let over = Over {
            version: None,
            text: Some(BASE),
        };
        assert_eq!(of_put(MINE, over, plain(BASE)), Fate::NotArrived);
        assert_eq!(of_put(MINE, over, plain(MINE)), Fate::Arrived);
        assert_eq!(of_put(MINE, over, plain(THEIRS)), Fate::Newer);
        assert_eq!(of_delete(over, plain(BASE)), Fate::NotArrived);
        assert_eq!(of_delete(over, plain(THEIRS)), Fate::Newer);
    }
}
