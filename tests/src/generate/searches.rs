//! Random searches, by text through the parser, whose values are drawn from records.

use super::Random;
use super::records::{CODES, DATES, NUMBERS, REFERENCES, SYSTEMS, UNITS, URIS, WORDS};
use crate::oracle::{Found, local, values};
use pocketchart_core::fhir::params::{self, Parameter, ParameterKind, Profile};
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Instant, ResourceType};
use serde_json::Value;

/// A search over one of the records' types. Values are mostly drawn from the records, so that they are found.
pub(super) fn draw(records: &[Value], random: &mut Random, profile: Profile) -> Query {
    let named = |record: &Value| ResourceType::named(record.get("resourceType")?.as_str()?);
    let kinds: Vec<ResourceType> = records.iter().filter_map(named).collect();
    if kinds.is_empty() {
        return crate::required(Query::parse("Patient"));
    }
    let kind = kinds[random.below(kinds.len())];
    let of_kind: Vec<&Value> = records.iter().filter(|r| named(r) == Some(kind)).collect();
    let parameters: Vec<&'static Parameter> = params::of(kind)
        .iter()
        .filter(|p| profile.holds(p))
        .collect();
    let mut pairs: Vec<(String, String)> = Vec::new();
    for _ in 0..[0, 1, 1, 1, 2, 2, 3][random.below(7)] {
        pairs.push(criterion(&of_kind, &parameters, random));
    }
    if random.percent(8) {
        let ids: Vec<&str> = of_kind
            .iter()
            .filter_map(|r| r.get("id")?.as_str())
            .collect();
        let drawn: Vec<&str> = (0..1 + random.below(4))
            .map(|_| random.pick(&ids))
            .collect();
        let name = random.pick(&["_id", "_id", "_id:not"]);
        pairs.push((name.into(), drawn.join(",")));
    }
    if random.percent(60) {
        pairs.push(("_sort".into(), sort(&parameters, random)));
    }
    if random.percent(70) {
        pairs.push(("_count".into(), (1 + random.below(9)).to_string()));
    }
    if random.percent(20) {
        pairs.push(("_total".into(), "accurate".into()));
    }
    let is_reference = |p: &&&Parameter| p.kind == ParameterKind::Reference;
    if random.percent(15) {
        let all: Vec<&Parameter> = parameters.iter().filter(is_reference).copied().collect();
        if !all.is_empty() {
            let parameter = random.pick(&all);
            let target = parameter.targets.first().filter(|_| random.percent(40));
            let target = target.map_or(String::new(), |t| format!(":{t}"));
            pairs.push((
                "_include".into(),
                format!("{kind}:{}{target}", parameter.code),
            ));
        }
    }
    if random.percent(15) {
        let from = kinds[random.below(kinds.len())];
        let all: Vec<&Parameter> = params::of(from)
            .iter()
            .filter(|p| profile.holds(p) && p.may_target(kind))
            .collect();
        if !all.is_empty() {
            pairs.push((
                "_revinclude".into(),
                format!("{from}:{}", random.pick(&all).code),
            ));
        }
    }
    crate::required(Query::from_parameters(kind, pairs))
}

fn sort(parameters: &[&'static Parameter], random: &mut Random) -> String {
    use ParameterKind::{Date, Number, String, Token};
    let mut codes: Vec<&str> = parameters
        .iter()
        .filter(|p| matches!(p.kind, Date | String | Token | Number))
        .map(|p| p.code)
        .collect();
    codes.push("_id");
    let mut keys = Vec::new();
    for _ in 0..1 + random.below(2) {
        let code = codes.remove(random.below(codes.len()));
        keys.push(format!(
            "{}{code}",
            if random.percent(50) { "-" } else { "" }
        ));
    }
    keys.join(",")
}

fn criterion(
    records: &[&Value],
    parameters: &[&'static Parameter],
    random: &mut Random,
) -> (String, String) {
    let mut parameter = random.pick(parameters);
    let mut pool: Vec<Found> = Vec::new();
    // Most parameters have no values in a small set: look for one that has.
    for _ in 0..if random.percent(85) { 12 } else { 1 } {
        let record = random.pick(records);
        pool = values(record, parameter);
        if !pool.is_empty() {
            break;
        }
        parameter = random.pick(parameters);
    }
    if pool.is_empty() {
        pool = records
            .iter()
            .take(50)
            .flat_map(|r| values(r, parameter))
            .collect();
    }
    if random.percent(10) {
        return (
            format!("{}:missing", parameter.code),
            random.percent(50).to_string(),
        );
    }
    let modifier = match parameter.kind {
        ParameterKind::String => random.pick(&["", "", ":exact", ":contains"]),
        ParameterKind::Token => random.pick(&["", "", ":not"]),
        _ => "",
    };
    let count = if random.percent(25) {
        2 + random.below(2)
    } else {
        1
    };
    let drawn: Vec<String> = (0..count)
        .map(|_| operand(parameter, &pool, modifier, random))
        .collect();
    (format!("{}{modifier}", parameter.code), drawn.join(","))
}

fn operand(parameter: &Parameter, pool: &[Found], modifier: &str, random: &mut Random) -> String {
    let prefix = random.pick(&["", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]);
    let found = if pool.is_empty() || random.percent(15) {
        None
    } else {
        Some(&pool[random.below(pool.len())])
    };
    match (parameter.kind, found) {
        (ParameterKind::String, found) => {
            let text = match found {
                Some(Found::Text(text)) => text.as_str(),
                _ => random.pick(&WORDS),
            };
            escaped(&cut(text, modifier, random))
        }
        (ParameterKind::Token, found) => {
            let (system, code) = match found {
                Some(Found::Token { system, code }) => (system.as_str(), code.as_str()),
                _ => (random.pick(&SYSTEMS), random.pick(&CODES)),
            };
            let (system, code) = (escaped(system), escaped(code));
            match random.below(6) {
                0..=2 if !code.is_empty() => code,
                3 if !code.is_empty() => format!("|{code}"),
                4 if !system.is_empty() => format!("{system}|"),
                _ if system.is_empty() && code.is_empty() => "a".into(),
                _ => format!("{system}|{code}"),
            }
        }
        (ParameterKind::Reference, found) => {
            let written = match found {
                Some(Found::Reference(written)) => written.as_str(),
                _ => random.pick(&REFERENCES),
            };
            match local(written) {
                Some((kind, id)) if random.percent(60) => format!("{kind}/{id}"),
                Some((_, id)) => id.to_string(),
                None if written.starts_with("http") || written.starts_with("urn:") => {
                    escaped(written)
                }
                None => "p1".into(),
            }
        }
        (ParameterKind::Date, Some(Found::Date(first, end))) => {
            let at = if random.percent(70) { *first } else { *end };
            let shift = [0, 0, 0, 1, -1, 86_400_000, -60_000][random.below(7)];
            format!("{prefix}{}", date(at.saturating_add(shift), random))
        }
        (ParameterKind::Date, _) => {
            let valid: Vec<&str> = DATES
                .into_iter()
                .filter(|d| crate::oracle::date(d).is_some())
                .collect();
            format!("{prefix}{}", random.pick(&valid))
        }
        (ParameterKind::Number, found) => {
            let _ = found;
            format!("{prefix}{}", random.pick(&NUMBERS))
        }
        (ParameterKind::Quantity, found) => {
            let (system, code, unit) = match found {
                Some(Found::Quantity {
                    system, code, unit, ..
                }) => (escaped(system), escaped(code), escaped(unit)),
                _ => (
                    random.pick(&SYSTEMS).into(),
                    random.pick(&UNITS).into(),
                    random.pick(&UNITS).into(),
                ),
            };
            let number = match found {
                Some(Found::Quantity { value, .. }) if random.percent(60) => value.to_string(),
                _ => random.pick(&NUMBERS).into(),
            };
            match random.below(4) {
                0 => format!("{prefix}{number}"),
                1 => format!("{prefix}{number}||{code}"),
                2 => format!("{prefix}{number}||{unit}"),
                _ => format!("{prefix}{number}|{system}|{code}"),
            }
        }
        (ParameterKind::Uri, found) => match found {
            Some(Found::Uri(uri)) => escaped(uri),
            _ => escaped(random.pick(&URIS)),
        },
    }
}

/// A part of a text that the modifier may find, sometimes with other capitals.
fn cut(text: &str, modifier: &str, random: &mut Random) -> String {
    let chars: Vec<char> = text.chars().collect();
    let start = if modifier == ":contains" {
        random.below(chars.len())
    } else {
        0
    };
    let rest = &chars[start.min(chars.len())..];
    let length = if modifier == ":exact" && random.percent(80) {
        rest.len()
    } else {
        1 + random.below(rest.len())
    };
    let part: String = rest.iter().take(length).collect();
    let part = if random.percent(20) {
        part.to_uppercase()
    } else {
        part
    };
    if part.is_empty() { "x".into() } else { part }
}

/// A moment at some precision.
fn date(at_ms: i64, random: &mut Random) -> String {
    let at_ms = at_ms.clamp(-60_000_000_000_000, 250_000_000_000_000);
    let text = Instant::from_epoch_ms(at_ms).to_string();
    let length = [4, 7, 10, 10, 10, 16, 19, 23][random.below(8)];
    let zone = if length > 10 { "Z" } else { "" };
    format!(
        "{}{zone}",
        text.get(..length).unwrap_or(&text).trim_end_matches('Z')
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | ',' | '|' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
