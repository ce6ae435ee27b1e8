//! What a record is found by, the slow way: over a tree of `serde_json`, one parameter and one path after the other.
//!
//! It shares the paths of the parameter table and the reading of single dates with the core's extraction, and nothing else; the two have to agree.

use pocketchart_core::fhir::extract::{Found, Value as Found1};
use pocketchart_core::fhir::instant::Span;
use pocketchart_core::fhir::params::{self, ParameterKind, Profile};
use pocketchart_core::fhir::{Instant, Reference, ResourceType};
use serde_json::Value;
use std::borrow::Cow;

/// The values of a record, in no order that matters.
pub fn extract(resource: &Value, profile: Profile) -> Vec<Found<'static>> {
    let kind = resource["resourceType"]
        .as_str()
        .and_then(ResourceType::named);
    let mut found = Vec::new();
    for parameter in kind.map(params::of).unwrap_or_default() {
        if profile == Profile::Default && !parameter.in_default {
            continue;
        }
        let mut values = Vec::new();
        for path in parameter.paths {
            let (steps, of) = path.rsplit_once(':').unwrap_or((path, ""));
            if of == "false" {
                if values.is_empty() {
                    values.push(token("", "false"));
                }
                continue;
            }
            for value in follow(resource, steps) {
                make(parameter.kind, of, value, &mut values);
            }
        }
        let number = parameter.number;
        found.extend(values.into_iter().map(|value| Found {
            parameter: number,
            value,
        }));
    }
    found
}

/// All values at a path such as `telecom[system=phone].value`.
fn follow<'a>(resource: &'a Value, steps: &str) -> Vec<&'a Value> {
    let mut at = vec![resource];
    let mut rest = steps;
    while !rest.is_empty() {
        let name: &str = rest.split(['.', '[']).next().unwrap_or(rest);
        rest = &rest[name.len()..];
        at = at
            .into_iter()
            .filter_map(|value| value.get(name))
            .flat_map(flat)
            .collect();
        if let Some((filter, behind)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            let (member, wanted) = filter.split_once('=').unwrap_or((filter, ""));
            at.retain(|value| value.get(member).and_then(Value::as_str) == Some(wanted));
            rest = behind;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    at
}

fn flat(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        value => vec![value],
    }
}

fn make(kind: ParameterKind, of: &str, value: &Value, out: &mut Vec<Found1<'static>>) {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let itself = value.as_str().filter(|text| !text.is_empty());
    let parts = |names: &[&str]| -> Vec<String> {
        let all = names
            .iter()
            .filter_map(|name| value.get(name))
            .flat_map(flat);
        all.filter_map(Value::as_str)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
            .collect()
    };
    match (kind, of) {
        (ParameterKind::Token, "CodeableConcept") => {
            for coding in value.get("coding").into_iter().flat_map(flat) {
                make(kind, "Coding", coding, out);
            }
        }
        (ParameterKind::Token, "Coding" | "Identifier") => {
            let code = text(if of == "Coding" { "code" } else { "value" });
            if !(code.is_empty() && text("system").is_empty()) {
                out.push(token(&text("system"), &code));
            }
        }
        (ParameterKind::Token, "ContactPoint") => {
            if !text("value").is_empty() {
                out.push(token("", &text("value")));
            }
        }
        (ParameterKind::Token, "boolean") => {
            out.extend(value.as_bool().map(|b| token("", &b.to_string())))
        }
        (ParameterKind::Token, "exists") => out.extend(itself.map(|_| token("", "true"))),
        (ParameterKind::Token, _) => out.extend(itself.map(|text| token("", text))),
        (ParameterKind::String, "HumanName") => {
            out.extend(
                parts(&["text", "family", "given", "prefix", "suffix"])
                    .into_iter()
                    .map(|t| Found1::Text(t.into())),
            );
        }
        (ParameterKind::String, "Address") => {
            let names = [
                "text",
                "line",
                "city",
                "district",
                "state",
                "postalCode",
                "country",
            ];
            out.extend(parts(&names).into_iter().map(|t| Found1::Text(t.into())));
        }
        (ParameterKind::String, _) => {
            out.extend(itself.map(|text| Found1::Text(Cow::Owned(text.to_owned()))))
        }
        (ParameterKind::Reference, "canonical" | "uri") => {
            out.extend(itself.map(reference));
            let bare = itself
                .and_then(|text| text.split_once('|'))
                .map(|(bare, _)| bare);
            out.extend(bare.filter(|bare| !bare.is_empty()).map(reference));
        }
        (ParameterKind::Reference, _) => {
            let url = text("reference");
            let wanted = of
                .strip_prefix("Reference(")
                .map(|of| of.trim_end_matches(')'));
            if !url.is_empty() && wanted.is_none_or(|wanted| leads_to(&url, &text("type"), wanted))
            {
                out.push(reference(&url));
            }
        }
        (ParameterKind::Date, "Period") => out.extend(period(value).map(Found1::Date)),
        (ParameterKind::Date, "Timing") => out.extend(timing(value).map(Found1::Date)),
        (ParameterKind::Date, "instant") => {
            out.extend(date(value).map(|span| {
                let end = Instant::from_epoch_ms(span.first.epoch_ms() + 1);
                Found1::Date(Span { end, ..span })
            }));
        }
        (ParameterKind::Date, _) => out.extend(date(value).map(Found1::Date)),
        (ParameterKind::Number, "Range") => {
            for end in ["low", "high"]
                .iter()
                .filter_map(|end| value.get(end))
                .flat_map(flat)
            {
                out.extend(end.get("value").and_then(number).map(Found1::Number));
            }
        }
        (ParameterKind::Number, _) => out.extend(number(value).map(Found1::Number)),
        (ParameterKind::Quantity, "Range") => {
            for end in ["low", "high"]
                .iter()
                .filter_map(|end| value.get(end))
                .flat_map(flat)
            {
                make(kind, "Quantity", end, out);
            }
        }
        (ParameterKind::Quantity, _) => {
            let (system, code) = match of {
                "Money" => ("urn:iso:std:iso:4217".to_owned(), text("currency")),
                _ if text("code").is_empty() => (text("system"), text("unit")),
                _ => (text("system"), text("code")),
            };
            out.extend(
                value
                    .get("value")
                    .and_then(number)
                    .map(|value| Found1::Quantity {
                        value,
                        system: system.into(),
                        code: code.clone().into(),
                    }),
            );
            let unit = text("unit");
            if of != "Money" && !unit.is_empty() && unit != code {
                out.extend(
                    value
                        .get("value")
                        .and_then(number)
                        .map(|value| Found1::Quantity {
                            value,
                            system: "".into(),
                            code: unit.into(),
                        }),
                );
            }
        }
        (ParameterKind::Uri, _) => {
            out.extend(itself.map(|text| Found1::Uri(text.to_owned().into())))
        }
    }
}

fn token(system: &str, code: &str) -> Found1<'static> {
    Found1::Token {
        system: system.to_owned().into(),
        code: code.to_owned().into(),
    }
}

fn reference(url: &str) -> Found1<'static> {
    Found1::Reference {
        local: Reference::parse(url).ok(),
        url: url.to_owned().into(),
    }
}

fn leads_to(url: &str, stated: &str, wanted: &str) -> bool {
    let parts: Vec<&str> = url
        .split("/_history/")
        .next()
        .unwrap_or(url)
        .split('/')
        .collect();
    let is_absolute = url.starts_with("http://") || url.starts_with("https://");
    let kind = match parts[..] {
        [kind, _] if Reference::parse(url).is_ok() => kind,
        [.., kind, _] if is_absolute && ResourceType::named(kind).is_some() => kind,
        _ => stated,
    };
    kind == wanted
}

fn date(value: &Value) -> Option<Span> {
    Span::parse(value.as_str()?).ok()
}

fn period(value: &Value) -> Option<Span> {
    let end = |name: &str| value.get(name).filter(|end| !end.is_null());
    let (start, end) = (end("start"), end("end"));
    start.or(end)?;
    let first = start.map_or(Some(Instant::from_epoch_ms(i64::MIN)), |d| {
        Some(date(d)?.first)
    })?;
    let end = end.map_or(Some(Instant::from_epoch_ms(i64::MAX)), |d| {
        Some(date(d)?.end)
    })?;
    (first < end).then_some(Span { first, end })
}

fn timing(value: &Value) -> Option<Span> {
    let events: Vec<Span> = value
        .get("event")
        .into_iter()
        .flat_map(flat)
        .filter_map(date)
        .collect();
    let first = events.iter().map(|span| span.first).min();
    let end = events.iter().map(|span| span.end).max();
    match (first, end) {
        (Some(first), Some(end)) => Some(Span { first, end }),
        _ => period(value.get("repeat")?.get("boundsPeriod")?),
    }
}

fn number(value: &Value) -> Option<f64> {
    value
        .as_number()?
        .to_string()
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite())
}
