//! Changes of a resource's text that an import or a transaction makes: what a reference says, and which id the resource
//! has. Every other byte stays.

use super::{Reference, json};
use memchr::memchr2;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::ops::Range;

/// What a link of a resource leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This record.
    Record(Reference),
    /// What this calls it; needs no escapes.
    Called(String),
    /// It stays as it is.
    Same,
    /// It should lead somewhere and does not.
    Nowhere,
}

/// A text whose links were followed.
#[derive(Debug, PartialEq, Eq)]
pub struct Followed<'a> {
    /// The new text.
    pub text: Cow<'a, str>,
    /// `urn:` references that lead nowhere.
    pub lost_urns: u64,
    /// Conditional references that lead nowhere.
    pub lost_searches: u64,
}

/// Finds the elements that may hold links: `Reference.reference`, and the R4 elements of type uri and url that a
/// transaction's `urn:` names may stand in (R4 http.html, "Transaction Processing Rules").
pub struct Follower {
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
    /// As [`Follower::follow`], for every `Reference.reference`: in a transaction also `Patient/1` and absolute URLs may
    /// name an entry.
    pub fn follow_all<'a>(&self, text: &'a str, lead: impl FnMut(&str) -> Target) -> Followed<'a> {
        self.follow_some(text, true, lead)
    }

    /// Asks `lead` where each link of `text`, which must be valid JSON, leads to, and writes that in its place.
    pub fn follow<'a>(&self, text: &'a str, lead: impl FnMut(&str) -> Target) -> Followed<'a> {
        self.follow_some(text, false, lead)
    }

    fn follow_some<'a>(
        &self,
        text: &'a str,
        every_reference: bool,
        mut lead: impl FnMut(&str) -> Target,
    ) -> Followed<'a> {
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        let (mut lost_urns, mut lost_searches) = (0, 0);
        for (at, name) in self.names.iter().enumerate() {
            let is_reference = at == 0;
            for start in name.find_iter(text.as_bytes()) {
                let Some(range) = string_after(text, start, name.needle().len()) else {
                    continue;
                };
                let link = unescaped(&text[range.clone()]);
                let asks = is_reference && (every_reference || link.contains('?'));
                if !(is_urn(&link) || asks) {
                    continue;
                }
                match lead(&link) {
                    Target::Record(target) => edits.push((range, target.to_string())),
                    Target::Called(words) => edits.push((range, words)),
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

fn edited(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(text.len() + 16 * edits.len());
    let mut done = 0;
    for (range, target) in edits {
        out.push_str(&text[done..range.start]);
        // Type and id need no escapes.
        out.push_str(target);
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

/// Whether `text` is a name that means something inside its Bundle only.
pub fn is_urn(text: &str) -> bool {
    let starts = |prefix: &str| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    starts("urn:uuid:") || starts("urn:oid:")
}

/// `text`, a resource, with this id: in the place of the one it has, else behind its `resourceType`. `None` when it has
/// no type, or an id twice.
pub fn with_id(text: &str, id: &str) -> Option<String> {
    let members = json::members(text).ok()?;
    let mut ids = members.iter().filter(|(name, _)| name == "id");
    let (range, new) = match (ids.next(), ids.next()) {
        (Some((_, old)), None) => (json::span(text, old.get())?, format!("\"{id}\"")),
        (None, _) => {
            let (_, kind) = members.iter().find(|(name, _)| name == "resourceType")?;
            let behind = json::span(text, kind.get())?.end;
            (behind..behind, format!(",\"id\":\"{id}\""))
        }
        _ => return None,
    };
    Some(format!(
        "{}{new}{}",
        &text[..range.start],
        &text[range.end..]
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
        assert_eq!(
            with_id(r#"{"id" : 7, "resourceType":"Basic"}"#, "i").unwrap(),
            r#"{"id" : "i", "resourceType":"Basic"}"#
        );
        assert_eq!(with_id("{}", "i"), None);
        assert_eq!(
            with_id(r#"{"resourceType":"Basic","id":"a","id":"b"}"#, "i"),
            None
        );
    }

    #[test]
    fn in_a_transaction_every_reference_is_asked() {
        let text = r#"{"a":{"reference":"Patient/1"},"url":"Patient/1","b":{"reference":"http://h/Patient/1"}}"#;
        let followed = Follower::default().follow_all(text, |link| match link {
            "Patient/1" => Target::Record(Reference::parse("Patient/a").unwrap()),
            _ => Target::Same,
        });
        assert_eq!(followed.text, text.replacen("Patient/1", "Patient/a", 1));
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
