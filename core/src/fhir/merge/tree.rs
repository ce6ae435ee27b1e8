//! A text taken apart once, every piece with its place in the text and a hash of what it says.
//!
//! Hashes make "are these two the same?" cheap at every level; they are only a filter, equal hashes are looked at.

use crate::fhir::json;
use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// One JSON value.
pub(super) struct Node<'a> {
    /// As it stands in the text.
    pub(super) raw: &'a str,
    pub(super) kind: Kind<'a>,
    hash: u64,
    /// Says nothing: `null`, `{}`, `[]`, or made of nothing else. Some servers drop such members.
    pub(super) is_empty: bool,
}

pub(super) enum Kind<'a> {
    Scalar,
    /// An object in which a member stands twice: nobody can say which one is meant, so it is never looked into.
    Opaque,
    Object(Vec<Member<'a>>),
    Array(Vec<Node<'a>>),
}

pub(super) struct Member<'a> {
    /// Unescaped.
    pub(super) name: Cow<'a, str>,
    /// As it stands in the text, quotes included.
    pub(super) written: &'a str,
    pub(super) value: Node<'a>,
}

impl<'a> Node<'a> {
    /// `None`: no JSON, or nested too deep.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if json::is_too_deep(text.as_bytes()) {
            return None;
        }
        // From here on the text is known to be JSON, and a walk over its bytes is enough.
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
        Scan { text, at: 0 }.value()
    }

    pub(super) fn members(&self) -> Option<&[Member<'a>]> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> Option<&[Node<'a>]> {
        match &self.kind {
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn member(&self, name: &str) -> Option<&Node<'a>> {
        let found = self.members()?.iter().find(|m| m.name == name)?;
        Some(&found.value)
    }

    /// A JSON string's value.
    pub(super) fn string(&self) -> Option<Cow<'a, str>> {
        unescaped(self.raw)
    }

    pub(super) fn is_scalar(&self) -> bool {
        matches!(self.kind, Kind::Scalar)
    }

    /// Of equal nodes the same; strict equality and [`Node::is_alike`] both imply it.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether both say the same: order of members, white space and escapes do not count; `1.0` and `1.00` differ.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        if self.hash != other.hash {
            return false;
        }
        if self.raw == other.raw {
            return true;
        }
        match (&self.kind, &other.kind) {
            (Kind::Scalar, Kind::Scalar) => {
                matches!((self.string(), other.string()), (Some(a), Some(b)) if a == b)
            }
            (Kind::Object(a), Kind::Object(b)) => {
                a.len() == b.len()
                    && all_found(a, b, |a, b| b.is_some_and(|b| a.value.is_same(&b.value)))
            }
            (Kind::Array(a), Kind::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b))
            }
            _ => false,
        }
    }

    /// As [`Node::is_same`], but numbers are equal by value and members that say nothing are not there: what servers make
    /// of a text is still the text.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        if self.hash != other.hash {
            return false;
        }
        match (&self.kind, &other.kind) {
            (Kind::Scalar, Kind::Scalar) => match (self.string(), other.string()) {
                (Some(a), Some(b)) => a == b,
                (None, None) => number(self.raw) == number(other.raw),
                _ => false,
            },
            (Kind::Object(a), Kind::Object(b)) => {
                let alike = |a: &Member<'a>, b: Option<&Member<'a>>| {
                    a.value.is_empty || b.is_some_and(|b| a.value.is_alike(&b.value))
                };
                all_found(a, b, alike) && all_found(b, a, |b, a| b.value.is_empty || a.is_some())
            }
            (Kind::Array(a), Kind::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_alike(b))
            }
            _ => self.raw == other.raw,
        }
    }
}

/// `holds` for each of `a`, with the member of `b` that has its name.
fn all_found<'t, 'a>(
    a: &'t [Member<'a>],
    b: &'t [Member<'a>],
    holds: impl Fn(&'t Member<'a>, Option<&'t Member<'a>>) -> bool,
) -> bool {
    if a.len().max(b.len()) <= 16 {
        return a
            .iter()
            .all(|m| holds(m, b.iter().find(|o| o.name == m.name)));
    }
    let by_name: std::collections::HashMap<&str, &Member<'a>> =
        b.iter().map(|m| (m.name.as_ref(), m)).collect();
    a.iter()
        .all(|m| holds(m, by_name.get(m.name.as_ref()).copied()))
}

/// A number without what does not change its value: sign, digits without zeros around them, power of ten. Other tokens as
/// they are.
fn number(token: &str) -> (bool, Cow<'_, str>, i64) {
    let as_it_is = (false, Cow::Borrowed(token), i64::MIN);
    if !token.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return as_it_is;
    }
    let (mantissa, power) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let Ok(power) = power.parse::<i32>() else {
        return as_it_is;
    };
    let negative = mantissa.starts_with('-');
    let mantissa = mantissa.trim_start_matches('-');
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return (false, Cow::Borrowed(""), 0);
    }
    let places = i64::try_from(part.len()).unwrap_or(i64::MAX / 4);
    let zeros = i64::try_from(significant.len() - trimmed.len()).unwrap_or(i64::MAX / 4);
    let power = i64::from(power) - places + zeros;
    (negative, Cow::Owned(trimmed.to_owned()), power)
}

fn unescaped(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    // A lone surrogate is no string that could be compared.
    serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
}

fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn value(&mut self) -> Option<Node<'a>> {
        self.skip_space();
        let start = self.at;
        match self.peek()? {
            b'{' => {
                let members = self.object()?;
                Some(object(self.text.get(start..self.at)?, members))
            }
            b'[' => {
                let items = self.array()?;
                let hash = items
                    .iter()
                    .fold(2, |so_far: u64, item| hash_of((so_far, item.hash)));
                Some(Node {
                    raw: self.text.get(start..self.at)?,
                    is_empty: items.iter().all(|item| item.is_empty),
                    hash,
                    kind: Kind::Array(items),
                })
            }
            first => {
                let raw = if first == b'"' {
                    self.string()?
                } else {
                    self.token()?
                };
                let hash = match unescaped(raw) {
                    Some(string) => hash_of((0_u8, string)),
                    None => hash_of((1_u8, number(raw))),
                };
                Some(Node {
                    raw,
                    is_empty: raw == "null",
                    hash,
                    kind: Kind::Scalar,
                })
            }
        }
    }

    fn object(&mut self) -> Option<Vec<Member<'a>>> {
        self.at += 1;
        let mut members = Vec::new();
        loop {
            self.skip_space();
            match self.peek()? {
                b'}' => {
                    self.at += 1;
                    return Some(members);
                }
                b',' => self.at += 1,
                _ => {
                    let written = self.string()?;
                    self.skip_space();
                    self.at += 1;
                    members.push(Member {
                        name: unescaped(written).unwrap_or(Cow::Borrowed(written)),
                        written,
                        value: self.value()?,
                    });
                }
            }
        }
    }

    fn array(&mut self) -> Option<Vec<Node<'a>>> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            match self.peek()? {
                b']' => {
                    self.at += 1;
                    return Some(items);
                }
                b',' => self.at += 1,
                _ => items.push(self.value()?),
            }
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        let mut at = start + 1;
        loop {
            let rest = self.text.as_bytes().get(at..)?;
            at += memchr::memchr2(b'"', b'\\', rest)?;
            if self.text.as_bytes().get(at) == Some(&b'"') {
                self.at = at + 1;
                return self.text.get(start..self.at);
            }
            at += 2;
        }
    }

    fn token(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let ends = |c: char| matches!(c, ',' | ']' | '}') || c.is_ascii_whitespace();
        let token = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += token.len().max(1);
        Some(token)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

fn object<'a>(raw: &'a str, members: Vec<Member<'a>>) -> Node<'a> {
    if stands_twice(&members) {
        return Node {
            raw,
            kind: Kind::Opaque,
            hash: hash_of(raw),
            is_empty: false,
        };
    }
    // A sum, since order does not count.
    let hash = members
        .iter()
        .filter(|m| !m.value.is_empty)
        .fold(3, |so_far: u64, m| {
            so_far.wrapping_add(hash_of((&m.name, m.value.hash)))
        });
    Node {
        raw,
        is_empty: members.iter().all(|m| m.value.is_empty),
        hash,
        kind: Kind::Object(members),
    }
}

fn stands_twice(members: &[Member<'_>]) -> bool {
    if members.len() <= 16 {
        return members
            .iter()
            .enumerate()
            .any(|(at, m)| members[..at].iter().any(|earlier| earlier.name == m.name));
    }
    let mut seen = HashSet::new();
    members.iter().any(|m| !seen.insert(m.name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node<'_> {
        Node::parse(text).unwrap()
    }

    #[test]
    fn pieces_are_found_as_they_stand() {
        let text = " {\"a\": 1.00 ,\"b\\n\":[ null,\"x\\\"]\" ],\"c\":{}} ";
        let all = node(text);
        assert_eq!(all.raw, text.trim());
        let members = all.members().unwrap();
        assert_eq!(members[0].value.raw, "1.00");
        assert_eq!(
            (members[1].name.as_ref(), members[1].written),
            ("b\n", "\"b\\n\"")
        );
        assert_eq!(
            members[1].value.items().unwrap()[1].string().unwrap(),
            "x\"]"
        );
        for bad in ["", "{", "{\"a\":}", "[1,]", "{} {}", &"[".repeat(65)] {
            assert!(Node::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn sameness_is_of_values_and_keeps_precision() {
        for (a, b, same, alike) in [
            (
                r#"{"a":1,"b":"\u00e9"}"#,
                r#"{ "b":"é", "a":1}"#,
                true,
                true,
            ),
            ("1.0", "1.00", false, true),
            ("1E2", "100", false, true),
            ("-0.0", "0", false, true),
            ("10", "100", false, false),
            ("12.50e-1", "1.25", false, true),
            (r#"{"a":1,"b":[]}"#, r#"{"a":1}"#, false, true),
            (r#"{"a":1,"b":{"c":null}}"#, r#"{"a":1}"#, false, true),
            (r#"{"a":1,"a":1}"#, r#"{"a":1, "a":1}"#, false, false),
            (r#""1""#, "1", false, false),
            ("true", "true", true, true),
            ("[1,2]", "[2,1]", false, false),
        ] {
            let (x, y) = (node(a), node(b));
            assert_eq!((x.is_same(&y), x.is_alike(&y)), (same, alike), "{a} {b}");
            assert_eq!((y.is_same(&x), y.is_alike(&x)), (same, alike), "{b} {a}");
        }
    }
}
