//! Where in a resource something stands, in a form that stays right when lists change: items are named by what they are.

use std::fmt;
use std::str::FromStr;

/// A place in a resource: `telecom[phone|555-01].value`.
///
/// Items of a list are named by their identity: an element id, system and value, system and code, a reference, a use, a
/// url. A second item of the same identity is `[phone|555-01#1]`; an item without any is named by its position in the
/// base, from 0: `line[#0]`. A backslash stands before `.`, `[`, `]`, `#` and itself in names. The whole resource is
/// `$this`, as in FHIRPath.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Step>);

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// An element; of a choice (`value[x]`) without its type.
    Element(String),
    /// An item of a list.
    Item {
        /// Its identity; empty when it has none.
        key: String,
        /// Which of the items with this identity, from 0; without identity its position.
        nth: usize,
    },
}

/// Not the form of a [`Path`]. Does not repeat it, since identities are PHI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a path such as name[official].family (character {at})")]
pub struct InvalidPath {
    /// Where it stops to be one, in characters from 0.
    pub at: usize,
}

const ROOT: &str = "$this";

impl Path {
    /// Its steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(ROOT);
        }
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Element(name) => {
                    if at > 0 {
                        f.write_str(".")?;
                    }
                    // The one name that could be taken for the whole resource.
                    if at == 0 && self.0.len() == 1 && name == ROOT {
                        f.write_str("\\")?;
                    }
                    escaped(f, name)?;
                }
                Step::Item { key, nth } => {
                    f.write_str("[")?;
                    escaped(f, key)?;
                    if key.is_empty() || *nth > 0 {
                        write!(f, "#{nth}")?;
                    }
                    f.write_str("]")?;
                }
            }
        }
        Ok(())
    }
}

fn escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if matches!(c, '.' | '[' | ']' | '#' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

/// Without identities, which are PHI.
impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({} steps)", self.0.len())
    }
}

impl FromStr for Path {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        if text == ROOT {
            return Ok(Self::default());
        }
        let mut steps = Vec::new();
        let mut chars = text.chars().enumerate().peekable();
        let mut name = String::new();
        let mut is_open = true;
        while let Some((at, c)) = chars.next() {
            let wrong = InvalidPath { at };
            match c {
                '\\' => {
                    if !is_open {
                        return Err(wrong);
                    }
                    name.push(chars.next().ok_or(wrong)?.1);
                }
                '.' => {
                    if is_open {
                        steps.push(element(&mut name));
                    } else if !name.is_empty() {
                        return Err(wrong);
                    }
                    is_open = true;
                }
                '[' => {
                    if is_open {
                        steps.push(element(&mut name));
                    }
                    is_open = false;
                    steps.push(item(&mut chars).ok_or(wrong)?);
                }
                ']' | '#' => return Err(wrong),
                _ if !is_open => return Err(wrong),
                _ => name.push(c),
            }
        }
        if is_open {
            steps.push(element(&mut name));
        }
        Ok(Self(steps))
    }
}

fn element(name: &mut String) -> Step {
    Step::Element(std::mem::take(name))
}

/// What stands behind a `[`, to its `]`.
fn item(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<Step> {
    let mut key = String::new();
    let mut nth: Option<String> = None;
    loop {
        match chars.next()?.1 {
            '\\' if nth.is_none() => key.push(chars.next()?.1),
            '#' if nth.is_none() => nth = Some(String::new()),
            ']' => break,
            '[' => return None,
            c => nth.as_mut().unwrap_or(&mut key).push(c),
        }
    }
    let nth = match nth {
        Some(digits) => digits.parse().ok()?,
        None if key.is_empty() => return None,
        None => 0,
    };
    Some(Step::Item { key, nth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_read_as_they_are_printed() {
        for text in [
            "$this",
            "birthDate",
            "telecom[phone|555-01].value",
            "telecom[phone|555-01#1]",
            "name[official].given[#0]",
            r"identifier[http://a\.org/x|1\]].value",
        ] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        for bad in ["a[", "a[]", "a]", "a[#x]", "a[b]c", "a\\", "#"] {
            assert!(bad.parse::<Path>().is_err(), "{bad}");
        }
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            "[a-c.\\[\\]#\\\\$]{0,4}".prop_map(Step::Element),
            ("[a-c.\\[\\]#\\\\|]{0,4}", 0_usize..3).prop_map(|(key, nth)| Step::Item { key, nth }),
        ]
    }

    proptest! {
        #[test]
        fn every_path_is_read_as_it_is_printed(first in "[a-c.#$]{0,4}|\\$this", rest in prop::collection::vec(step(), 0..5)) {
            let mut steps = vec![Step::Element(first)];
            steps.extend(rest);
            let path = Path(steps);
            prop_assert_eq!(path.to_string().parse::<Path>().unwrap(), path);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            if let Ok(path) = text.parse::<Path>() {
                prop_assert_eq!(path.to_string().parse::<Path>().unwrap(), path);
            }
        }
    }
}
