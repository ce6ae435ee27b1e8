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
/// runs before anything that could recurse.
pub fn is_too_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
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

    #[test]
    fn depth_counts_brackets_outside_strings_only() {
        assert!(!is_too_deep(br#"{"a":"[[[[\"[[[[[["}"#));
        assert!(!is_too_deep("[".repeat(MAX_DEPTH).as_bytes()));
        assert!(is_too_deep("[".repeat(MAX_DEPTH + 1).as_bytes()));
        assert!(!is_too_deep("[]".repeat(10_000).as_bytes()));
    }
}
