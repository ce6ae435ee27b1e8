//! Changes of a resource's text that an import makes: what a reference says, and an id where there is none. Every other
//! byte stays.

use super::names::is_urn;
use crate::fhir::{Reference, json};
use memchr::memchr2;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::ops::Range;

/// What a link of a resource leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// This record.
    Record(Reference),
    /// It stays as it is.
    Same,
    /// It should lead somewhere and does not.
    Nowhere,
}

/// A text whose links were followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Followed<'a> {
    /// The new text.
    pub(super) text: Cow<'a, str>,
    /// `urn:` references that lead nowhere.
    pub(super) lost_urns: u64,
    /// Conditional references that lead nowhere.
    pub(super) lost_searches: u64,
}

/// Finds the elements that may hold links: `Reference.reference`, and the R4 elements of type uri and url that a
/// transaction's `urn:` names may stand in (R4 http.html, "Transaction Processing Rules").
pub(super) struct Follower {
    names: [Finder<'static>; 4],
}

impl Default for Follower {
    fn default() -> Self {
        let names = ["\"reference\"", "\"url\"", "\"valueUri\"", "\"valueUrl\""];
        Self {
            names: names.map(Finder::new),
        }
    }
}

impl Follower {
    /// Asks `lead` where each link of `text`, which must be valid JSON, leads to, and writes that in its place.
    pub(super) fn follow<'a>(
        &self,
        text: &'a str,
        mut lead: impl FnMut(&str) -> Target,
    ) -> Followed<'a> {
        let mut edits: Vec<(Range<usize>, Reference)> = Vec::new();
        let (mut lost_urns, mut lost_searches) = (0, 0);
        for (at, name) in self.names.iter().enumerate() {
            let is_reference = at == 0;
            for start in name.find_iter(text.as_bytes()) {
                let Some(range) = string_after(text, start, name.needle().len()) else {
                    continue;
                };
                let link = unescaped(&text[range.clone()]);
                if !(is_urn(&link) || is_reference && link.contains('?')) {
                    continue;
                }
                match lead(&link) {
                    Target::Record(target) => edits.push((range, target)),
                    Target::Nowhere if is_urn(&link) && is_reference => lost_urns += 1,
                    Target::Nowhere if is_reference => lost_searches += 1,
                    Target::Nowhere | Target::Same => {}
                }
            }
        }
        let text = if edits.is_empty() {
            Cow::Borrowed(text)
        } else {
            edits.sort_by_key(|(range, _)| range.start);
            Cow::Owned(edited(text, &edits))
        };
        Followed {
            text,
            lost_urns,
            lost_searches,
        }
    }
}

fn edited(text: &str, edits: &[(Range<usize>, Reference)]) -> String {
    let mut out = String::with_capacity(text.len() + 16 * edits.len());
    let mut done = 0;
    for (range, target) in edits {
        out.push_str(&text[done..range.start]);
        // Type and id need no escapes.
        out.push_str(target.kind.name());
        out.push('/');
        out.push_str(target.id.as_str());
        done = range.end;
    }
    out.push_str(&text[done..]);
    out
}

/// The inside of the string that is the value of the member whose name, quotes included, stands at `start`.
fn string_after(text: &str, start: usize, length: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // In valid JSON a quote behind a backslash is inside a string; any other is the edge of one.
    if start > 0 && bytes[start - 1] == b'\\' {
        return None;
    }
    let next = |from: usize| {
        let rest = bytes.get(from..)?;
        let skipped = rest
            .iter()
            .position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n'))?;
        Some((from + skipped, rest[skipped]))
    };
    let (colon, b':') = next(start + length)? else {
        return None;
    };
    let (quote, b'"') = next(colon + 1)? else {
        return None;
    };
    let mut at = quote + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(quote + 1..at);
        }
        at += 2;
    }
}

fn unescaped(inside: &str) -> Cow<'_, str> {
    if inside.contains('\\') {
        serde_json::from_str(&format!("\"{inside}\""))
            .map_or(Cow::Borrowed(inside), |text: String| Cow::Owned(text))
    } else {
        Cow::Borrowed(inside)
    }
}

/// `text`, a resource without an id, with one: behind its `resourceType`. `None` when it has none.
pub(super) fn with_id(text: &str, id: &str) -> Option<String> {
    let members = json::members(text).ok()?;
    let (_, kind) = members.iter().find(|(name, _)| name == "resourceType")?;
    let behind = json::span(text, kind.get())?.end;
    Some(format!(
        "{},\"id\":\"{id}\"{}",
        &text[..behind],
        &text[behind..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn follow(text: &str) -> Followed<'_> {
        Follower::default().follow(text, |link| match link {
            "urn:uuid:1" => Target::Record(Reference::parse("Patient/a").unwrap()),
            "Basic?identifier=s|v" => Target::Record(Reference::parse("Basic/b").unwrap()),
            "urn:oid:9" => Target::Same,
            _ => Target::Nowhere,
        })
    }

    #[test]
    fn references_are_exchanged_and_nothing_else() {
        let text = r#"{"a":{"reference" : "urn:uuid:1"},"b":[{"reference":"urn\u003auuid:1", "n":1.00}],"url":"urn:uuid:1",
            "c":{"reference":"Basic?identifier=s|v"},"valueUri":"urn:uuid:1","d":{"reference":"urn:oid:9"}}"#;
        let want = r#"{"a":{"reference" : "Patient/a"},"b":[{"reference":"Patient/a", "n":1.00}],"url":"Patient/a",
            "c":{"reference":"Basic/b"},"valueUri":"Patient/a","d":{"reference":"urn:oid:9"}}"#;
        let followed = follow(text);
        assert_eq!(followed.text, want);
        assert_eq!((followed.lost_urns, followed.lost_searches), (0, 0));
    }

    #[test]
    fn what_only_looks_like_a_reference_stays() {
        for text in [
            r#"{"value":"urn:uuid:1","system":"urn:uuid:1"}"#,
            r#"{"div":"\"reference\":\"urn:uuid:1\""}"#,
            r#"{"code":"reference","x":"urn:uuid:1"}"#,
            r#"{"reference":{"reference":7},"url":"http://x?identifier=s|v"}"#,
            r##"{"reference":"#urn","url":"Basic?identifier=s|v"}"##,
            r#"["reference"]"#,
        ] {
            let followed = follow(text);
            assert!(matches!(followed.text, Cow::Borrowed(_)), "{text}");
            assert_eq!(
                (followed.lost_urns, followed.lost_searches),
                (0, 0),
                "{text}"
            );
        }
    }

    #[test]
    fn what_leads_nowhere_is_counted_and_stays() {
        let text =
            r#"[{"reference":"urn:uuid:2"},{"reference":"Patient?name=x"},{"url":"urn:uuid:3"}]"#;
        let followed = follow(text);
        assert_eq!(followed.text, text);
        assert_eq!((followed.lost_urns, followed.lost_searches), (1, 1));
    }

    #[test]
    fn an_id_goes_behind_the_type() {
        assert_eq!(
            with_id(r#"{ "x":1.00, "resourceType" : "Basic" , "y":[]}"#, "i").unwrap(),
            r#"{ "x":1.00, "resourceType" : "Basic","id":"i" , "y":[]}"#
        );
        assert_eq!(with_id("{}", "i"), None);
    }

    proptest! {
        /// Any valid JSON keeps its bytes where no link leads anywhere.
        #[test]
        fn texts_stay(key in r#"(reference|url|[a-z]{0,3})"#, value in "\\PC{0,12}", spaces in "[ \n\t]{0,2}") {
            let text = format!("{{{spaces}{}{spaces}:{spaces}{}}}", json::quoted(&key), json::quoted(&value));
            let followed = Follower::default().follow(&text, |_| Target::Nowhere);
            prop_assert_eq!(followed.text.as_ref(), text.as_str());
        }
    }
}
