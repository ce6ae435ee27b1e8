//! Reading JSON without taking it apart.
//!
//! `serde_json::Value` rounds `1.00` to `1.0` or reorders members unless asked not to, and builds a tree for what is
//! mostly skipped. These helpers hand out borrowed pieces of the text instead, and know where each piece stands.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// Deepest nesting accepted. The deepest of the 708 official R4 examples reaches 24.
pub const MAX_DEPTH: usize = 64;

/// One member of an object: its name, unescaped, and its value as it stands in the text.
pub type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The members of an object in their order, duplicates included.
///
/// # Errors
/// The text is not one JSON object.
pub fn members(text: &str) -> Result<Vec<Member<'_>>, serde_json::Error> {
    serde_json::from_str::<Members<'_>>(text).map(|m| m.0)
}

/// The items of an array, or the value itself as the only one: FHIR paths treat both alike.
pub fn items(value: &RawValue) -> Vec<&RawValue> {
    if value.get().starts_with('[') {
        serde_json::from_str(value.get()).unwrap_or_default()
    } else {
        vec![value]
    }
}

/// A JSON string's value; `None` for anything else.
pub fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(value.get())
        .ok()
        .map(|t| t.0)
}

/// `text` as a JSON string, quotes included.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Where `part`, borrowed from `whole`, stands in it. `None` when it was not borrowed from there.
pub fn span(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// Whether objects and arrays nest deeper than [`MAX_DEPTH`]. Looks at bytes only, so it is safe on any input and
/// can run before anything that could recurse.
pub fn is_too_deep(bytes: &[u8]) -> bool {
    is_deeper_than(bytes, MAX_DEPTH)
}

/// As [`is_too_deep`], for another number of levels.
pub(super) fn is_deeper_than(bytes: &[u8], levels: usize) -> bool {
    // Counting is many times faster than following strings, and most texts hold few brackets.
    let opens = |byte: &&u8| matches!(byte, b'{' | b'[');
    if bytes.iter().filter(opens).count() <= levels {
        return false;
    }
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = behind_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                if depth > levels {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// The place behind the quote that closes the string whose text starts at `at`. Most of a record is strings, so eight
/// bytes are looked at together.
fn behind_string(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // The lowest bit set is at the first byte equal to `byte`; higher ones may be false alarms.
    let equal = |word: u64, byte: u8| {
        let zero = word ^ (ONES * u64::from(byte));
        zero.wrapping_sub(ONES) & !zero & (ONES << 7)
    };
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(chunk) = rest.first_chunk() {
            let word = u64::from_le_bytes(*chunk);
            let hits = equal(word, b'"') | equal(word, b'\\');
            let skip = hits.trailing_zeros() / 8;
            at += skip as usize;
            if skip == 8 {
                continue;
            }
        }
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            _ => at += 1,
        }
    }
    at
}

struct Members<'a>(Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::with_capacity(16);
                while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    all.push((name.0, value));
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_order_and_tokens() {
        let text = r#"{"b": 1.00 ,"a":[1, 2],"b":null}"#;
        let all = members(text).unwrap();
        let seen: Vec<_> = all.iter().map(|(n, v)| (n.as_ref(), v.get())).collect();
        assert_eq!(seen, [("b", "1.00"), ("a", "[1, 2]"), ("b", "null")]);
    }

    #[test]
    fn a_piece_knows_where_it_stands() {
        let text = r#" {"id": "x","v":1.00}"#;
        let value = members(text).unwrap()[1].1;
        assert_eq!(&text[span(text, value.get()).unwrap()], "1.00");
        assert_eq!(span(text, "1.00"), None);
    }

    #[test]
    fn escaped_names_are_read() {
        assert_eq!(members(r#"{"met\u0061":1}"#).unwrap()[0].0, "meta");
    }

    proptest::proptest! {
        /// The quick way finds the depth that looking at each byte finds.
        #[test]
        fn depth_is_as_bytes_say(text in r#"[\[\]{}"\\\\a,é]{0,90}"#, levels in 0_usize..6) {
            let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
            for byte in text.bytes() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_string => escaped = true,
                    b'"' => in_string = !in_string,
                    b'{' | b'[' if !in_string => depth += 1,
                    b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                    _ => {}
                }
                deepest = deepest.max(depth);
            }
            proptest::prop_assert_eq!(is_deeper_than(text.as_bytes(), levels), deepest > levels);
        }
    }

    #[test]
    fn depth_counts_brackets_outside_strings_only() {
        assert!(!is_too_deep(br#"{"a":"[[[[\"[[[[[["}"#));
        assert!(!is_too_deep("[".repeat(MAX_DEPTH).as_bytes()));
        assert!(is_too_deep("[".repeat(MAX_DEPTH + 1).as_bytes()));
        assert!(!is_too_deep("[]".repeat(10_000).as_bytes()));
    }
}
