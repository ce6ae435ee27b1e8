//! What a server refuses in a text before it keeps it for ever: things that other programs read in two ways.
//!
//! A device takes what servers send as it comes; a hub decides what others will have to read.

use super::json;

/// Why a text is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStrict {
    /// A top-level member stands twice: some programs read the first, others the last. Only plain element names are
    /// repeated in messages.
    #[error("the member {0} stands twice")]
    Duplicate(String),
    /// Half of a surrogate pair: most programs cannot read the text at all.
    #[error("a lone surrogate (\\ud800 to \\udfff without its other half) stands at byte {at}")]
    LoneSurrogate {
        /// Offset in the text.
        at: usize,
    },
}

/// Checks the text of a resource, which must be valid JSON.
///
/// # Errors
/// [`NotStrict`] names the first fault.
pub fn check(text: &str) -> Result<(), NotStrict> {
    if let Some(at) = lone_surrogate(text.as_bytes()) {
        return Err(NotStrict::LoneSurrogate { at });
    }
    let members = json::members(text).unwrap_or_default();
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    match names.windows(2).find(|two| two[0] == two[1]) {
        Some(two) => Err(NotStrict::Duplicate(shown(two[0]))),
        None => Ok(()),
    }
}

/// A name that looks like an element's. Others could be anything.
fn shown(name: &str) -> String {
    let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let shown = if plain { name } else { "(of an unusual name)" };
    shown.to_owned()
}

fn lone_surrogate(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        match unit(bytes, at) {
            Some(0xd800..=0xdbff) => match unit(bytes, at + 6) {
                Some(0xdc00..=0xdfff) => at += 12,
                _ => return Some(at),
            },
            Some(0xdc00..=0xdfff) => return Some(at),
            // An escaped backslash, too, is two bytes.
            _ => at += 2,
        }
    }
    None
}

/// The UTF-16 unit of the escape at `at`, if one stands there.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogates_come_in_pairs() {
        for good in [
            r#"{"a":"\ud83d\ude00"}"#,
            r#"{"a":"\\ud800"}"#,
            r#"{"a":"\u00e9\n"}"#,
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            r#"{"a":"\ud83d"}"#,
            r#"{"a":"\ude00\ud83d"}"#,
            r#"{"a":"\ud83dx\ude00"}"#,
            r#"{"a":"\uD83D\n"}"#,
            r#"{"\udfff":1}"#,
        ] {
            assert!(
                matches!(check(bad), Err(NotStrict::LoneSurrogate { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn members_stand_once_and_only_plain_names_are_repeated() {
        assert_eq!(check(r#"{"a":{"b":1,"b":2}}"#), Ok(()));
        let twice = |text| check(text).unwrap_err().to_string();
        assert!(twice(r#"{"name":1,"b":2,"n\u0061me":3}"#).contains("name"));
        assert!(!twice(r#"{"Jane Doe":1,"Jane Doe":2}"#).contains("Jane"));
    }
}
