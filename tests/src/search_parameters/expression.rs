//! The subset of FHIRPath that R4's search parameters are compiled from, and R4's table of elements that turns model paths
//! into JSON paths with types.
//!
//! Paths, `as(T)` and `(X as T)`, `.where(resolve() is T)`, `.where(member='text')`.

use std::collections::BTreeMap;
use std::fmt::Write;

/// One element of R4: its types, and what a Reference or canonical may lead to.
pub(super) struct Element {
    types: Vec<String>,
    targets: Vec<String>,
}

pub(super) type Elements = BTreeMap<String, Element>;

/// One step of an expression.
pub(super) enum Step {
    Name(String),
    As(String),
    ResolvesTo(String),
    Equal(String, String),
}

/// A value the compiled path leads to.
pub(super) struct Leaf {
    pub(super) path: String,
    pub(super) kind: String,
    /// What a reference leads to; empty: any.
    pub(super) targets: Vec<String>,
}

pub(super) fn read_elements(text: &str) -> Elements {
    let list = |column: Option<&&str>| -> Vec<String> {
        column
            .into_iter()
            .flat_map(|c| c.split('|'))
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let rows = text.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let element = Element {
            types: list(columns.get(5)),
            targets: list(columns.get(6)),
        };
        Some(((*columns.get(2)?).to_owned(), element))
    });
    rows.collect()
}

/// `text` at the `at`s outside parentheses and quotes.
pub(super) fn split(text: &str, at: char) -> Vec<&str> {
    let (mut depth, mut quoted, mut start, mut parts) = (0, false, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth -= 1,
            _ if c == at && depth == 0 && !quoted => {
                parts.push(text[start..i].trim());
                start = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

pub(super) fn read_steps(text: &str) -> Result<Vec<Step>, String> {
    if let [path, of] = text.split(" as ").collect::<Vec<_>>()[..]
        && !of.contains(')')
    {
        let mut steps = read_steps(path.trim())?;
        steps.push(Step::As(of.trim().into()));
        return Ok(steps);
    }
    let mut steps = Vec::new();
    for part in split(text, '.') {
        let inside = |head: &str| {
            part.strip_prefix(head)
                .and_then(|rest| rest.strip_suffix(')'))
                .map(str::trim)
        };
        if let Some(inner) = inside("(") {
            steps.extend(read_steps(inner)?);
        } else if let Some(of) = inside("as(") {
            steps.push(Step::As(of.into()));
        } else if let Some(condition) = inside("where(") {
            steps.push(read_condition(condition)?);
        } else if part.chars().all(char::is_alphanumeric) {
            steps.push(Step::Name(part.into()));
        } else {
            return Err(format!(
                "`{part}` is not of the compiled subset of FHIRPath"
            ));
        }
    }
    Ok(steps)
}

fn read_condition(text: &str) -> Result<Step, String> {
    if let Some(of) = text.strip_prefix("resolve() is ") {
        return Ok(Step::ResolvesTo(of.trim().into()));
    }
    let equal = text
        .split_once('=')
        .map(|(name, value)| (name.trim(), value.trim()));
    match equal
        .and_then(|(name, value)| Some((name, value.strip_prefix('\'')?.strip_suffix('\'')?)))
    {
        Some((name, value)) => Ok(Step::Equal(name.into(), value.into())),
        None => Err(format!(
            "`where({text})` is not of the compiled subset of FHIRPath"
        )),
    }
}

/// Follows the steps through R4's elements.
pub(super) fn resolve(
    elements: &Elements,
    base: &str,
    steps: &[Step],
) -> Result<Vec<Leaf>, String> {
    /// Where a path has come to: the JSON path, the choice not yet made, R4's path of the element.
    struct At {
        path: String,
        choice: bool,
        element: String,
    }
    let mut at = At {
        path: String::new(),
        choice: false,
        element: base.into(),
    };
    let mut wanted: Option<String> = None;
    for step in steps {
        match step {
            Step::Name(name) => {
                let inside = if at.path.is_empty() {
                    base.to_owned()
                } else {
                    content(elements, &at.element, at.choice)?
                };
                let element = format!("{inside}.{name}");
                let choice = !elements.contains_key(&element);
                let element = if choice { element + "[x]" } else { element };
                if !elements.contains_key(&element) {
                    return Err(format!("R4 has no element {element}"));
                }
                let dot = if at.path.is_empty() { "" } else { "." };
                at = At {
                    path: format!("{}{dot}{name}", at.path),
                    choice,
                    element,
                };
            }
            Step::As(of) => {
                let element = elements.get(&at.element).ok_or("no element")?;
                if at.choice {
                    let allowed = element.types.iter().any(|t| t == of);
                    if !allowed {
                        return Err(format!("{} is never a {of}", at.element));
                    }
                    // From here on the element stands for one type of the choice.
                    at = At {
                        path: format!("{}{}", at.path, capital(of)),
                        choice: false,
                        element: format!("{}:{of}", at.element),
                    };
                } else if element.types != [of.clone()] {
                    return Err(format!("{} is never a {of}", at.element));
                }
            }
            Step::ResolvesTo(of) => wanted = Some(of.clone()),
            Step::Equal(name, value) => {
                let _ = write!(at.path, "[{name}={value}]");
            }
        }
    }
    let (element, only) = match at.element.rsplit_once("]:") {
        Some((choice, of)) => (format!("{choice}]"), Some(of.to_owned())),
        None => (at.element.clone(), None),
    };
    let element = elements.get(&element).ok_or("no element")?;
    let leaves = element
        .types
        .iter()
        .filter(|t| only.as_ref().is_none_or(|only| only == *t))
        .map(|of| {
            let kind = if of.starts_with("http://hl7.org/fhirpath/") {
                "string"
            } else {
                of
            };
            let filter = wanted
                .as_ref()
                .map(|of| format!("({of})"))
                .unwrap_or_default();
            let suffix = if at.choice {
                capital(of)
            } else {
                String::new()
            };
            Leaf {
                path: format!("{}{suffix}:{kind}{filter}", at.path),
                kind: kind.to_owned(),
                targets: wanted
                    .iter()
                    .cloned()
                    .chain(element.targets.iter().filter(|_| wanted.is_none()).cloned())
                    .collect(),
            }
        });
    Ok(leaves.collect())
}

/// R4's path under which the members of this element stand.
fn content(elements: &Elements, at: &str, choice: bool) -> Result<String, String> {
    if let Some((_, of)) = at.rsplit_once("]:") {
        return Ok(of.into());
    }
    let types = elements
        .get(at)
        .map(|e| e.types.as_slice())
        .unwrap_or_default();
    match types {
        _ if choice => Err(format!("{at} is a choice")),
        [one] if one == "BackboneElement" || one == "Element" => Ok(at.into()),
        [one] if one.starts_with('#') => Ok(one[1..].into()),
        [one] => Ok(one.clone()),
        _ => Err(format!("{at} has no single type")),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|c| c.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
