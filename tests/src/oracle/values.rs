//! What a resource is found by, read from its JSON tree by walking the parameter's paths literally.

use super::scalars::{Exact, date};
use pocketchart_core::fhir::params::{Parameter, ParameterKind};
use pocketchart_core::fhir::{ResourceId, ResourceType};
use serde_json::Value;

/// The ends of time (years 1 and 9999), for Periods that are open at an end.
const FOREVER: (i64, i64) = (-62_135_596_800_000, 253_402_300_799_999);

/// One value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Of a string parameter, as written.
    Text(String),
    /// Of a token parameter.
    Token {
        /// Empty: none.
        system: String,
        /// Empty: none.
        code: String,
    },
    /// Of a reference parameter, as written.
    Reference(String),
    /// `[first, end)` in ms since 1970.
    Date(i64, i64),
    /// Of a number parameter.
    Number(Exact),
    /// Of a quantity parameter.
    Quantity {
        /// Its number.
        value: Exact,
        /// System of the unit.
        system: String,
        /// Code of the unit.
        code: String,
        /// The unit as printed.
        unit: String,
    },
    /// Of a uri parameter.
    Uri(String),
}

/// All values of a parameter in a resource.
pub fn values(resource: &Value, parameter: &Parameter) -> Vec<Found> {
    let mut found = Vec::new();
    for path in parameter.paths {
        // The type stands behind the last colon; a filter's URL has colons of its own.
        let (steps, kind) = path.rsplit_once(':').unwrap_or((path, ""));
        if kind == "false" {
            if found.is_empty() {
                found.push(token("", "false"));
            }
            continue;
        }
        for element in walk(resource, &split_steps(steps)) {
            read(element, kind, parameter.kind, &mut found);
        }
    }
    found
}

/// `a.b[c=d.e].f` to `a`, `b[c=d.e]`, `f`.
fn split_steps(path: &str) -> Vec<&str> {
    let (mut steps, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in path.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            '.' if depth == 0 => {
                steps.push(&path[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    steps.push(&path[start..]);
    steps
}

fn walk<'a>(value: &'a Value, steps: &[&str]) -> Vec<&'a Value> {
    if let Value::Array(items) = value {
        return items.iter().flat_map(|item| walk(item, steps)).collect();
    }
    let Some((step, rest)) = steps.split_first() else {
        return vec![value];
    };
    let (name, filter) = match step.split_once('[') {
        Some((name, filter)) => (name, filter.trim_end_matches(']').split_once('=')),
        None => (*step, None),
    };
    let Some(next) = value.get(name) else {
        return Vec::new();
    };
    let items = match next {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    let kept = items
        .into_iter()
        .filter(|item| filter.is_none_or(|(member, wanted)| text(item, member) == wanted));
    kept.flat_map(|item| walk(item, rest)).collect()
}

/// A string member, or nothing.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn token(system: &str, code: &str) -> Found {
    let (system, code) = (system.to_owned(), code.to_owned());
    Found::Token { system, code }
}

fn read(element: &Value, kind: &str, wanted: ParameterKind, found: &mut Vec<Found>) {
    match wanted {
        ParameterKind::String => strings(element, kind, found),
        ParameterKind::Token => tokens(element, kind, found),
        ParameterKind::Date => found.extend(dates(element, kind)),
        ParameterKind::Reference => {
            references(element, kind, found);
        }
        ParameterKind::Uri => {
            if let Some(uri) = element.as_str().filter(|u| !u.is_empty()) {
                found.push(Found::Uri(uri.to_owned()));
            }
        }
        ParameterKind::Number => numbers(element, kind, found),
        ParameterKind::Quantity => quantities(element, kind, found),
    }
}

/// A versioned canonical is found with its version and without.
fn references(element: &Value, kind: &str, found: &mut Vec<Found>) {
    let mut push = |text: &str| {
        if !text.is_empty() {
            found.push(Found::Reference(text.to_owned()));
        }
    };
    let Some(to) = kind.strip_prefix("Reference") else {
        let canonical = element.as_str().unwrap_or_default();
        push(canonical);
        if let Some((bare, _)) = canonical.split_once('|') {
            push(bare);
        }
        return;
    };
    let written = text(element, "reference");
    // `(Patient)` stands for FHIRPath's `where(resolve() is Patient)`.
    let wanted = to.trim_matches(['(', ')']);
    if wanted.is_empty() || leads_to(written, text(element, "type")) == wanted {
        push(written);
    }
}

/// The type a reference says it leads to: in `Type/id`, in the last but one step of a URL, or in `Reference.type`.
fn leads_to<'a>(written: &'a str, stated: &'a str) -> &'a str {
    let steps: Vec<&str> = written
        .split("/_history/")
        .next()
        .unwrap_or_default()
        .split('/')
        .collect();
    let named = steps.len().checked_sub(2).map_or("", |at| steps[at]);
    let is_url = written.starts_with("http://") || written.starts_with("https://");
    if local(written).is_some() || (is_url && ResourceType::named(named).is_some()) {
        named
    } else {
        stated
    }
}

fn numbers(element: &Value, kind: &str, found: &mut Vec<Found>) {
    match (kind, element) {
        ("Range", range) => {
            for end in ["low", "high"].iter().filter_map(|end| range.get(end)) {
                numbers(end, "Quantity", found);
            }
        }
        (_, Value::Number(number)) => {
            found.extend(Exact::parse(&number.to_string()).map(Found::Number));
        }
        ("Quantity", quantity) => {
            if let Some(value) = quantity.get("value") {
                numbers(value, "decimal", found);
            }
        }
        _ => {}
    }
}

fn strings(element: &Value, kind: &str, found: &mut Vec<Found>) {
    let parts: &[&str] = match kind {
        "HumanName" => &["text", "family", "given", "prefix", "suffix"],
        "Address" => &[
            "text",
            "line",
            "city",
            "district",
            "state",
            "postalCode",
            "country",
        ],
        _ => {
            if let Some(text) = element.as_str().filter(|t| !t.is_empty()) {
                found.push(Found::Text(text.to_owned()));
            }
            return;
        }
    };
    for part in parts {
        for item in walk(element, &[*part]) {
            strings(item, "string", found);
        }
    }
}

fn tokens(element: &Value, kind: &str, found: &mut Vec<Found>) {
    let (system, code) = match kind {
        "CodeableConcept" => {
            for coding in walk(element, &["coding"]) {
                tokens(coding, "Coding", found);
            }
            return;
        }
        "Coding" => (text(element, "system"), text(element, "code")),
        "Identifier" => (text(element, "system"), text(element, "value")),
        "ContactPoint" => ("", text(element, "value")),
        "exists" if element.as_str().is_some_and(|t| !t.is_empty()) => ("", "true"),
        "exists" => return,
        "boolean" => match element {
            Value::Bool(true) => ("", "true"),
            Value::Bool(false) => ("", "false"),
            _ => return,
        },
        _ => ("", element.as_str().unwrap_or_default()),
    };
    if !code.is_empty() || !system.is_empty() {
        found.push(token(system, code));
    }
}

fn dates(element: &Value, kind: &str) -> Option<Found> {
    let (first, end) = match kind {
        "Period" => period(element)?,
        "Timing" => timing(element)?,
        // R4: an instant has no width. One millisecond is the least there is here.
        "instant" => {
            let (first, _) = date(element.as_str()?)?;
            (first, first + 1)
        }
        _ => date(element.as_str()?)?,
    };
    Some(Found::Date(first, end))
}

/// A Period with an end that is no date, or that ends before it starts, is as if absent.
fn period(element: &Value) -> Option<(i64, i64)> {
    let (start, end) = (text(element, "start"), text(element, "end"));
    if start.is_empty() && end.is_empty() {
        return None;
    }
    let first = if start.is_empty() {
        FOREVER.0
    } else {
        date(start)?.0
    };
    let end = if end.is_empty() {
        FOREVER.1
    } else {
        date(end)?.1
    };
    (first < end).then_some((first, end))
}

/// From the first event to the last, or else the bounds.
fn timing(element: &Value) -> Option<(i64, i64)> {
    let events = walk(element, &["event"]);
    let events = events.iter().filter_map(|e| date(e.as_str()?));
    events
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        .or_else(|| period(element.get("repeat")?.get("boundsPeriod")?))
}

fn quantities(element: &Value, kind: &str, found: &mut Vec<Found>) {
    if kind == "Range" {
        for end in ["low", "high"] {
            if let Some(end) = element.get(end) {
                quantities(end, "Quantity", found);
            }
        }
        return;
    }
    let Some(Value::Number(number)) = element.get("value") else {
        return;
    };
    let Some(value) = Exact::parse(&number.to_string()) else {
        return;
    };
    let (system, code, unit) = match kind {
        "Money" => ("urn:iso:std:iso:4217", text(element, "currency"), ""),
        _ => (
            text(element, "system"),
            text(element, "code"),
            text(element, "unit"),
        ),
    };
    let (system, code, unit) = (system.to_owned(), code.to_owned(), unit.to_owned());
    found.push(Found::Quantity {
        value,
        system,
        code,
        unit,
    });
}

/// Type and id of `Type/id` and `Type/id/_history/n`.
pub fn local(written: &str) -> Option<(ResourceType, ResourceId)> {
    let parts: Vec<&str> = written.split('/').collect();
    match *parts.as_slice() {
        [kind, id] => Some((ResourceType::named(kind)?, ResourceId::new(id).ok()?)),
        [kind, id, "_history", version] if !version.is_empty() => {
            Some((ResourceType::named(kind)?, ResourceId::new(id).ok()?))
        }
        _ => None,
    }
}
