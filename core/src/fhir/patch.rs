//! JSON Patch (RFC 6902) on a resource's text.
//!
//! Not by the `json-patch` crate: it works on `serde_json` trees, whose `remove` moves the last member into the gap, and
//! printing a tree rewrites every escape of the record. Here only the objects and arrays on the way to a change are taken
//! apart; everything else is carried over as the text it was, so `1.00`, `\u00e9` and the order of members stay.

use super::resource::MAX_BYTES;
use super::{InvalidResource, Resource, json};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Operations a patch has at most: a form has fewer fields, and each may walk the whole record.
pub const MAX_OPERATIONS: usize = 1000;

/// Why a patch is none, or does not fit the resource. Says which operation, never what it would have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Not an array of operations with what each of them needs.
    #[error("the patch is not a JSON Patch (RFC 6902){}", at.map(|n| format!(": operation {n} is malformed")).unwrap_or_default())]
    Malformed {
        /// The operation, from 0; `None`: the whole.
        at: Option<usize>,
    },
    /// More than [`MAX_OPERATIONS`].
    #[error("the patch has more than {MAX_OPERATIONS} operations")]
    TooMany,
    /// A path leads nowhere, or where nothing can be done.
    #[error("operation {at}: its path leads nowhere in this resource")]
    NoPlace {
        /// The operation, from 0.
        at: usize,
    },
    /// A `test` did not hold.
    #[error("operation {at}: the tested value is another one")]
    TestFailed {
        /// The operation, from 0.
        at: usize,
    },
    /// The result would be larger than a resource may be.
    #[error("operation {at}: the resource would become too large")]
    TooLarge {
        /// The operation, from 0.
        at: usize,
    },
    /// What came out is no resource.
    #[error("after the patch: {0}")]
    Result(InvalidResource),
    /// FHIR lets no patch change them.
    #[error("a patch may not change the resource's type or id")]
    OtherName,
}

/// A patch, checked as far as it can be without a resource.
#[derive(Debug, Clone)]
pub struct Patch {
    operations: Vec<Operation>,
}

#[derive(Clone)]
struct Operation {
    path: Pointer,
    act: Act,
}

#[derive(Clone)]
enum Act {
    /// Values are JSON texts.
    Add(String),
    Remove,
    Replace(String),
    Move(Pointer),
    Copy(Pointer),
    Test(String),
}

/// A JSON Pointer (RFC 6901), taken apart.
#[derive(Clone, PartialEq, Eq)]
struct Pointer(Vec<String>);

#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow, default)]
    from: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    /// [`PatchError::Malformed`] and [`PatchError::TooMany`].
    pub fn parse(text: &str) -> Result<Self, PatchError> {
        let whole = PatchError::Malformed { at: None };
        if json::is_too_deep(text.as_bytes()) {
            return Err(whole);
        }
        let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| whole)?;
        if parts.len() > MAX_OPERATIONS {
            return Err(PatchError::TooMany);
        }
        let parsed = parts.iter().enumerate().map(|(at, part)| {
            Operation::parse(part.get()).ok_or(PatchError::Malformed { at: Some(at) })
        });
        Ok(Self {
            operations: parsed.collect::<Result<_, _>>()?,
        })
    }

    /// The text of `resource` with all operations done, or none of them.
    ///
    /// # Errors
    /// [`PatchError`].
    pub fn apply(&self, resource: &Resource<'_>) -> Result<String, PatchError> {
        let patched = self.apply_to(resource.text())?;
        let after = Resource::parse_text(&patched).map_err(PatchError::Result)?;
        if after.name() != resource.name() {
            return Err(PatchError::OtherName);
        }
        Ok(patched)
    }

    /// As [`Patch::apply`], on any valid JSON.
    ///
    /// # Errors
    /// [`PatchError`].
    pub fn apply_to(&self, text: &str) -> Result<String, PatchError> {
        let mut root = Node::Raw(text.trim());
        let mut bytes = text.len();
        for (at, operation) in self.operations.iter().enumerate() {
            let place = || PatchError::NoPlace { at };
            let path = &operation.path.0;
            match &operation.act {
                Act::Add(value) => {
                    bytes += value.len();
                    root.add(path, Node::Raw(value)).ok_or_else(place)?;
                }
                Act::Remove => drop(root.remove(path).ok_or_else(place)?),
                Act::Replace(value) => {
                    bytes += value.len();
                    *root.find(path).ok_or_else(place)? = Node::Raw(value);
                }
                Act::Move(from) if *from == operation.path => {
                    root.find(path).ok_or_else(place)?;
                }
                Act::Move(from) => {
                    let moved = root.remove(&from.0).ok_or_else(place)?;
                    root.add(path, moved).ok_or_else(place)?;
                }
                Act::Copy(from) => {
                    let copied = root.find(&from.0).ok_or_else(place)?.clone();
                    bytes += copied.printed().len();
                    if bytes > 2 * MAX_BYTES {
                        return Err(PatchError::TooLarge { at });
                    }
                    root.add(path, copied).ok_or_else(place)?;
                }
                Act::Test(value) => {
                    let found = root.find(path).ok_or_else(place)?.printed();
                    if !is_equal(&found, value) {
                        return Err(PatchError::TestFailed { at });
                    }
                }
            }
            if bytes > 2 * MAX_BYTES {
                return Err(PatchError::TooLarge { at });
            }
        }
        Ok(root.printed())
    }
}

impl Operation {
    fn parse(text: &str) -> Option<Self> {
        // serde refuses a member that stands twice.
        let written: Written<'_> = serde_json::from_str(text).ok()?;
        let path = Pointer::parse(&written.path)?;
        let from = || Pointer::parse(written.from.as_deref()?);
        // `null` is a value, and serde takes it for none.
        let value = || match written.value {
            Some(value) => Some(value.get().to_owned()),
            None => {
                let members = json::members(text).ok()?;
                let (_, value) = members.iter().find(|(name, _)| name == "value")?;
                Some(value.get().to_owned())
            }
        };
        let act = match written.op.as_ref() {
            "add" => Act::Add(value()?),
            "remove" => Act::Remove,
            "replace" => Act::Replace(value()?),
            "move" => Act::Move(from().filter(|from| !from.is_above(&path))?),
            "copy" => Act::Copy(from()?),
            "test" => Act::Test(value()?),
            _ => return None,
        };
        Some(Self { path, act })
    }
}

impl Pointer {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        let steps = text.strip_prefix('/')?.split('/').map(|step| {
            let rest = step.replace("~0", "").replace("~1", "");
            (!rest.contains('~')).then(|| step.replace("~1", "/").replace("~0", "~"))
        });
        let steps: Vec<String> = steps.collect::<Option<_>>()?;
        (steps.len() <= json::MAX_DEPTH).then_some(Self(steps))
    }

    /// Whether `other` lies inside what this one points at.
    fn is_above(&self, other: &Self) -> bool {
        self.0.len() < other.0.len() && other.0.starts_with(&self.0)
    }
}

/// A JSON value, taken apart as far as it was needed.
#[derive(Clone)]
enum Node<'a> {
    Raw(&'a str),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    Array(Vec<Node<'a>>),
}

impl<'a> Node<'a> {
    /// Takes the outermost level apart. A name that stands twice has no place: nobody can say which one is meant.
    fn open(&mut self) -> Option<()> {
        let Self::Raw(text) = *self else {
            return Some(());
        };
        if text.starts_with('{') {
            let members = json::members(text).ok()?;
            let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
            names.sort_unstable();
            if names.windows(2).any(|two| two[0] == two[1]) {
                return None;
            }
            let raw = |(name, value): json::Member<'a>| (name, Node::Raw(value.get()));
            *self = Self::Object(members.into_iter().map(raw).collect());
        } else if text.starts_with('[') {
            let items: Vec<&'a RawValue> = serde_json::from_str(text).ok()?;
            *self = Self::Array(
                items
                    .into_iter()
                    .map(|item| Self::Raw(item.get()))
                    .collect(),
            );
        } else {
            return None;
        }
        Some(())
    }

    fn step(&mut self, name: &str) -> Option<&mut Self> {
        self.open()?;
        match self {
            Self::Object(members) => members
                .iter_mut()
                .find(|(n, _)| n == name)
                .map(|(_, node)| node),
            Self::Array(items) => items.get_mut(index(name)?),
            Self::Raw(_) => None,
        }
    }

    fn find(&mut self, path: &[String]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, name| node.step(name))
    }

    fn add(&mut self, path: &[String], value: Self) -> Option<()> {
        let Some((last, parents)) = path.split_last() else {
            *self = value;
            return Some(());
        };
        let parent = self.find(parents)?;
        parent.open()?;
        match parent {
            Self::Object(members) => match members.iter_mut().find(|(n, _)| n == last) {
                Some((_, old)) => *old = value,
                None => members.push((Cow::Owned(last.clone()), value)),
            },
            Self::Array(items) => {
                let at = if last == "-" {
                    items.len()
                } else {
                    index(last)?
                };
                if at > items.len() {
                    return None;
                }
                items.insert(at, value);
            }
            Self::Raw(_) => return None,
        }
        Some(())
    }

    fn remove(&mut self, path: &[String]) -> Option<Self> {
        let (last, parents) = path.split_last()?;
        let parent = self.find(parents)?;
        parent.open()?;
        match parent {
            Self::Object(members) => {
                let at = members.iter().position(|(name, _)| name == last)?;
                Some(members.remove(at).1)
            }
            Self::Array(items) => {
                let at = index(last).filter(|at| *at < items.len())?;
                Some(items.remove(at))
            }
            Self::Raw(_) => None,
        }
    }

    fn printed(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }

    fn print(&self, out: &mut String) {
        match self {
            Self::Raw(text) => out.push_str(text),
            Self::Object(members) => {
                out.push('{');
                for (at, (name, node)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&json::quoted(name));
                    out.push(':');
                    node.print(out);
                }
                out.push('}');
            }
            Self::Array(items) => {
                out.push('[');
                for (at, node) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    node.print(out);
                }
                out.push(']');
            }
        }
    }
}

/// RFC 6901: digits, without a zero in front.
fn index(text: &str) -> Option<usize> {
    let is_plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// Equality of RFC 6902, 4.6: the order of members does not count, and numbers are compared by value.
fn is_equal(a: &str, b: &str) -> bool {
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => {
                by_value(&a.to_string()) == by_value(&b.to_string())
            }
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), Value::Object(b)) => {
                let is_there = |(name, a)| b.get(name).is_some_and(|b| same(a, b));
                a.len() == b.len() && a.iter().all(is_there)
            }
            _ => a == b,
        }
    }
    match (serde_json::from_str(a), serde_json::from_str(b)) {
        (Ok(a), Ok(b)) => same(&a, &b),
        _ => false,
    }
}

/// A JSON number as sign, digits without zeros at the ends, and exponent.
fn by_value(number: &str) -> (bool, String, i64) {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let kept = all.trim_end_matches('0');
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 2);
    let fraction = i64::try_from(fraction.len()).unwrap_or(0);
    let cut = i64::try_from(all.len() - kept.len()).unwrap_or(0);
    let kept = kept.trim_start_matches('0');
    if kept.is_empty() {
        return (false, String::new(), 0);
    }
    (
        negative,
        kept.to_owned(),
        exponent.saturating_sub(fraction).saturating_add(cut),
    )
}

/// Without values, which are PHI.
impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.act {
            Act::Add(_) => "add",
            Act::Remove => "remove",
            Act::Replace(_) => "replace",
            Act::Move(_) => "move",
            Act::Copy(_) => "copy",
            Act::Test(_) => "test",
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(text: &str, patch: &str) -> Result<String, PatchError> {
        Patch::parse(patch)?.apply_to(text)
    }

    #[test]
    fn untouched_parts_keep_every_byte() {
        let text = r#"{"z":1.00,"a":{ "e" : "\u00e9", "n":1E2 },"gone":1,"m":[ 1.0 , 2.50],"y":0}"#;
        let patch = r#"[{"op":"remove","path":"/gone"},{"op":"replace","path":"/m/0","value":7.70},{"op":"add","path":"/new","value":{"x": 1}}]"#;
        assert_eq!(
            patched(text, patch).unwrap(),
            r#"{"z":1.00,"a":{ "e" : "\u00e9", "n":1E2 },"m":[7.70,2.50],"y":0,"new":{"x": 1}}"#
        );
    }

    #[test]
    fn numbers_are_tested_by_value_and_nothing_else_is() {
        for (a, b, equal) in [
            ("1.00", "1", true),
            ("100", "1e2", true),
            ("-0", "0.0", true),
            ("0.001", "1E-3", true),
            ("10", "1", false),
            ("-1", "1", false),
            ("\"1\"", "1", false),
            ("12345678901234567890.1", "12345678901234567890.2", false),
            (r#"{"a":1,"b":[1.0]}"#, r#"{"b":[1],"a":1}"#, true),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, false),
        ] {
            assert_eq!(is_equal(a, b), equal, "{a} {b}");
        }
    }

    #[test]
    fn type_and_id_stay_and_the_result_is_a_resource() {
        let resource =
            Resource::parse_text(r#"{"resourceType":"Patient","id":"a","x":1}"#).unwrap();
        let apply = |patch: &str| Patch::parse(patch).unwrap().apply(&resource);
        for path in ["/id", "/resourceType"] {
            let value = if path == "/id" { "b" } else { "Group" };
            let patch = format!(r#"[{{"op":"replace","path":"{path}","value":"{value}"}}]"#);
            assert_eq!(apply(&patch), Err(PatchError::OtherName));
        }
        for patch in [
            r#"[{"op":"remove","path":"/id"}]"#,
            r#"[{"op":"replace","path":"","value":[]}]"#,
            r#"[{"op":"add","path":"/meta","value":3}]"#,
        ] {
            assert!(
                matches!(apply(patch), Err(PatchError::Result(_))),
                "{patch}"
            );
        }
        let deep = format!(
            r#"[{{"op":"add","path":"/d","value":{}1{}}}]"#,
            "[".repeat(60),
            "]".repeat(60)
        );
        let wrap =
            r#"[{"op":"copy","from":"/d","path":"/e"},{"op":"move","from":"/d","path":"/e/0"}]"#;
        assert!(apply(&deep).is_ok());
        assert!(apply(wrap).is_err());
    }

    #[test]
    fn a_patch_cannot_grow_without_bounds() {
        let many = vec![r#"{"op":"test","path":"","value":1}"#; MAX_OPERATIONS + 1].join(",");
        assert_eq!(
            Patch::parse(&format!("[{many}]")).unwrap_err(),
            PatchError::TooMany
        );
        let double: Vec<String> = (0..60)
            .map(|n| format!(r#"{{"op":"copy","from":"","path":"/a{n}"}}"#))
            .collect();
        let double = double.join(",");
        let text = format!(r#"{{"x":"{}"}}"#, "y".repeat(1000));
        assert!(matches!(
            patched(&text, &format!("[{double}]")),
            Err(PatchError::TooLarge { .. })
        ));
        let far = format!(r#"[{{"op":"remove","path":"{}"}}]"#, "/a".repeat(65));
        assert!(Patch::parse(&far).is_err());
    }

    #[test]
    fn errors_name_the_operation_and_no_value() {
        let error = patched(
            r#"{"a":"Jane"}"#,
            r#"[{"op":"test","path":"/a","value":"Jane"},{"op":"test","path":"/a","value":"Joan"}]"#,
        );
        assert_eq!(error, Err(PatchError::TestFailed { at: 1 }));
        let twice = patched(r#"{"a":1,"a":2}"#, r#"[{"op":"remove","path":"/a"}]"#);
        assert_eq!(twice, Err(PatchError::NoPlace { at: 0 }));
        let debug = format!(
            "{:?}",
            Patch::parse(r#"[{"op":"add","path":"/a","value":"Jane"}]"#)
        );
        assert!(!debug.contains("Jane"));
    }
}
