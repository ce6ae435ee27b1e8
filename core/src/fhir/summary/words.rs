//! Words out of FHIR's data types: concepts, references, names, dates, narrative.

use crate::fhir::instant::Span;
use serde_json::Value;

/// Characters taken from a narrative.
const NARRATIVE_CHARS: usize = 120;
/// Characters a text of a row has at most; a longer one ends in "…".
pub const MAX_CHARS: usize = 400;

/// Text for one line: white space collapsed; without what steers a terminal or turns the direction of writing, since
/// records come from outside. `None` when nothing is left.
pub fn clean(text: &str) -> Option<String> {
    clean_to(text, MAX_CHARS)
}

/// As [`clean`], for another number of characters.
pub(super) fn clean_to(text: &str, most: usize) -> Option<String> {
    let steers = |c: char| matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let mut out = String::new();
    let mut chars = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let mut word = word.chars().filter(|c| !steers(*c)).peekable();
        if word.peek().is_some() && !out.is_empty() {
            out.push(' ');
            chars += 1;
        }
        for c in word {
            if chars + 1 >= most {
                out.push('…');
                return Some(out);
            }
            out.push(c);
            chars += 1;
        }
    }
    (!out.is_empty()).then_some(out)
}

/// How a reference gets its words.
pub(super) struct Resolve<'a> {
    /// The record that refers, for what it contains.
    pub(super) resource: &'a Value,
    pub(super) look_up: &'a dyn Fn(&str) -> Option<String>,
}

impl Resolve<'_> {
    /// A concept's text, else the display of a coding, else its code; a reference's display, else the words of what it
    /// leads to; a plain text or number as it is. Of an array the first that has the better words.
    pub(super) fn words(&self, value: &Value) -> Option<String> {
        match value {
            Value::Array(all) => ["text", "display"]
                .iter()
                .find_map(|name| all.iter().find_map(|item| said(item, name)))
                .or_else(|| all.iter().find_map(|item| self.words(item))),
            Value::Object(_) => said(value, "text")
                .or_else(|| said(value, "display"))
                .or_else(|| self.words(value.get("coding")?))
                .or_else(|| said(value, "code"))
                .or_else(|| self.referred_to(value)),
            scalar => plain(scalar),
        }
    }

    fn referred_to(&self, reference: &Value) -> Option<String> {
        let target = reference.get("reference").and_then(Value::as_str);
        let contained = |id: &str| {
            let all = self.resource.get("contained")?.as_array()?;
            let found = all
                .iter()
                .find(|c| c.get("id").and_then(Value::as_str) == Some(id))?;
            // Not `words_at` with references: a contained record may refer to itself.
            let code = found.get("code").or_else(|| found.get("name"));
            code.and_then(concept).or_else(|| narrative(found))
        };
        let found = target.and_then(|target| match target.strip_prefix('#') {
            Some(id) => contained(id),
            None => (self.look_up)(target).as_deref().and_then(clean),
        });
        found
            .or_else(|| said(reference.get("identifier")?, "value"))
            .or_else(|| clean(target?))
    }
}

/// As [`Resolve::words`], without references.
pub(super) fn concept(value: &Value) -> Option<String> {
    let nothing = |_: &str| None;
    let resolve = Resolve {
        resource: &Value::Null,
        look_up: &nothing,
    };
    resolve.words(value)
}

/// A member's own text.
pub(super) fn said(value: &Value, name: &str) -> Option<String> {
    clean(value.get(name)?.as_str()?)
}

/// A string, number or boolean.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => clean(text),
        Value::Number(number) => clean(&number.to_string()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The element at a path of names; of arrays on the way the first item.
pub(super) fn first<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |at, name| {
        let at = at.as_array().map_or(Some(at), |all| all.first())?;
        at.get(name)
    })
}

/// The first words found at a path; arrays on the way are entered.
pub(super) fn words_at(value: &Value, path: &str, resolve: &Resolve<'_>) -> Option<String> {
    if let Value::Array(all) = value {
        return all.iter().find_map(|item| words_at(item, path, resolve));
    }
    match path.split_once('.') {
        Some((name, rest)) => words_at(value.get(name)?, rest, resolve),
        None => resolve.words(value.get(path)?),
    }
}

/// The name people call somebody by: of a list of `HumanName` the first that is not an old one; its parts in order.
pub fn person_name(names: &Value) -> Option<String> {
    let whole = |name: &Value| {
        said(name, "text").or_else(|| {
            let parts = ["given", "family", "suffix"];
            let parts = parts.iter().filter_map(|part| name.get(*part));
            let parts = parts.flat_map(|part| match part {
                Value::Array(all) => all.iter().filter_map(plain).collect(),
                one => plain(one).into_iter().collect::<Vec<_>>(),
            });
            clean(&parts.collect::<Vec<_>>().join(" "))
        })
    };
    let Value::Array(all) = names else {
        return names.is_object().then(|| whole(names)).flatten();
    };
    let is_old = |name: &Value| {
        matches!(
            name.get("use").and_then(Value::as_str),
            Some("old" | "maiden")
        )
    };
    let mut current = all.iter().filter(|name| !is_old(name));
    let all = || all.iter().filter(|name| name.is_object());
    current
        .find_map(|name| name.is_object().then(|| whole(name)).flatten())
        .or_else(|| all().find_map(whole))
}

/// A time of any form as text: as written, of a period its start, of a schedule its first event; an age with its unit.
pub fn date(value: &Value) -> Option<String> {
    if let Value::String(text) = value {
        return clean(text);
    }
    let text = |path| first(value, path).and_then(Value::as_str).and_then(clean);
    text("start")
        .or_else(|| clean(&format!("until {}", text("end")?)))
        .or_else(|| date(first(value, "event")?.as_array()?.first()?))
        .or_else(|| date(first(value, "repeat.boundsPeriod")?))
        .or_else(|| super::quantity(value))
        .or_else(|| super::measure::range(value))
        .or_else(|| concept(value.get("code")?))
}

/// The civil day (or month, or year) of a FHIR date, in the zone it was written in. Other text as it is.
pub fn day(date: &str) -> &str {
    match date.split_once('T') {
        Some((day, _)) if Span::parse(date).is_ok() => day,
        _ => date,
    }
}

/// A FHIR date with its time to the minute and its zone: "2026-11-24 06:40 UTC". Other text as it is.
pub fn minute(date: &str) -> String {
    let parts = || {
        Span::parse(date).ok()?;
        let (day, time) = date.split_once('T')?;
        let clock = time.get(..5)?;
        let zone = time.find(['Z', '+', '-']).map_or("", |at| &time[at..]);
        Some(match zone {
            "" => format!("{day} {clock}"),
            "Z" | "+00:00" | "-00:00" => format!("{day} {clock} UTC"),
            zone => format!("{day} {clock} {zone}"),
        })
    };
    parts().unwrap_or_else(|| date.to_owned())
}

/// The text of the narrative, without its tags.
pub(super) fn narrative(resource: &Value) -> Option<String> {
    let html = first(resource, "text.div")?.as_str()?;
    let mut text = String::new();
    for piece in html.split('<') {
        text.push(' ');
        text.push_str(piece.split_once('>').map_or("", |(_, text)| text));
    }
    for (entity, meant) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&nbsp;", " "),
        ("&#160;", " "),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, meant);
    }
    clean_to(&text, NARRATIVE_CHARS)
}

/// The clinical status where there is one, else the status; with what limits it.
pub(super) fn state_of(resource: &Value) -> Option<String> {
    let mut parts = Vec::new();
    let status = ["clinicalStatus", "status"];
    parts.extend(status.iter().find_map(|name| code_of(resource.get(*name)?)));
    let verified = resource.get("verificationStatus").and_then(code_of);
    parts.extend(verified.filter(|v| v != "confirmed"));
    if resource.get("active") == Some(&Value::Bool(false)) {
        parts.push("inactive".into());
    }
    let has_died = match resource.get("deceasedBoolean") {
        Some(died) => died == &Value::Bool(true),
        None => resource.get("deceasedDateTime").is_some(),
    };
    if has_died {
        parts.push("deceased".into());
    }
    if resource.get("doNotPerform") == Some(&Value::Bool(true)) {
        parts.push("NOT to be given or done".into());
    }
    clean(&parts.join(", "))
}

/// The code itself of a `code` or a concept: states are known by their codes.
pub(super) fn code_of(value: &Value) -> Option<String> {
    first(value, "coding.code")
        .and_then(plain)
        .or_else(|| concept(value))
}
