//! From what stands in a record to a value of a parameter. Empty, malformed and infinite values are as if absent.

use super::plan::{Make, Slot};
use super::walk::{Scalar, Slots};
use super::{Found, Value, period};
use crate::fhir::instant::Span;
use crate::fhir::{Instant, Reference, ResourceType};
use std::borrow::Cow;

/// System of Money's currencies (R4 search, 3.1.1.4.11).
const CURRENCIES: &str = "urn:iso:std:iso:4217";

/// The value of an element that is a string, number or boolean.
pub(super) fn from_scalar<'a>(
    parameter: u16,
    make: Make,
    scalar: &Scalar<'a>,
    out: &mut Vec<Found<'a>>,
) {
    let mut push = |value| out.push(Found { parameter, value });
    match (make, scalar) {
        (Make::TokenOfBoolean, Scalar::Boolean(value)) => push(token("", boolean(*value))),
        (Make::TokenOfPresence, Scalar::Text(text)) if !text.is_empty() => {
            push(token("", boolean(true)));
        }
        (Make::Number, Scalar::Number(number)) if number.is_finite() => {
            push(Value::Number(*number));
        }
        (_, Scalar::Text(text)) if !text.is_empty() => match make {
            Make::TokenOfText => push(token("", text.clone())),
            Make::Text => push(Value::Text(text.clone())),
            Make::Uri => push(Value::Uri(text.clone())),
            Make::Date => {
                if let Ok(span) = Span::parse(text) {
                    push(Value::Date(span));
                }
            }
            Make::Instant => {
                if let Ok(Span { first, .. }) = Span::parse(text) {
                    let end = Instant::from_epoch_ms(first.epoch_ms() + 1);
                    push(Value::Date(Span { first, end }));
                }
            }
            Make::Canonical => {
                push(reference(text.clone()));
                if let Some(bare) = before_version(text) {
                    push(reference(bare));
                }
            }
            _ => {}
        },
        _ => {}
    }
}

/// The value of an element that is an object.
pub(super) fn from_object<'a>(
    parameter: u16,
    make: Make,
    slots: &Slots<'a>,
    out: &mut Vec<Found<'a>>,
) {
    let value = match make {
        Make::Token => {
            let (system, code) = (slots.text(Slot::First), slots.text(Slot::Second));
            (!system.is_empty() || !code.is_empty()).then_some(Value::Token { system, code })
        }
        Make::TokenOfContact => {
            let code = slots.text(Slot::Second);
            (!code.is_empty()).then(|| token("", code))
        }
        Make::Reference(target) => {
            let url = slots.text(Slot::Second);
            (!url.is_empty()).then(|| reference(url)).filter(|value| {
                target.is_none_or(|target| leads_to(value, &slots.text(Slot::First), target))
            })
        }
        Make::Period => period_of(slots).map(Value::Date),
        Make::NumberOfQuantity => slots.number(Slot::Third).map(Value::Number),
        Make::Quantity => slots.number(Slot::Third).map(|value| Value::Quantity {
            value,
            system: slots.text(Slot::First),
            code: Some(slots.text(Slot::Second))
                .filter(|code| !code.is_empty())
                .unwrap_or_else(|| slots.text(Slot::Fourth)),
        }),
        Make::Money => slots.number(Slot::Third).map(|value| Value::Quantity {
            value,
            system: Cow::Borrowed(CURRENCIES),
            code: slots.text(Slot::Second),
        }),
        _ => None,
    };
    out.extend(value.map(|value| Found { parameter, value }));
    if make == Make::Quantity {
        out.extend(printed_unit(slots).map(|value| Found { parameter, value }));
    }
}

/// `5||mg` finds the unit's code or the unit as printed (R4 search, quantity): where both stand there and differ, the
/// printed one is a second value, without a system.
fn printed_unit<'a>(slots: &Slots<'a>) -> Option<Value<'a>> {
    let (code, unit) = (slots.text(Slot::Second), slots.text(Slot::Fourth));
    if code.is_empty() || unit.is_empty() || code == unit {
        return None;
    }
    Some(Value::Quantity {
        value: slots.number(Slot::Third)?,
        system: Cow::Borrowed(""),
        code: unit,
    })
}

/// `false` for a parameter that says so where nothing was found.
pub(super) fn otherwise_false<'a>(parameter: u16) -> Found<'a> {
    Found {
        parameter,
        value: token("", boolean(false)),
    }
}

fn token<'a>(system: &'static str, code: impl Into<Cow<'a, str>>) -> Value<'a> {
    Value::Token {
        system: Cow::Borrowed(system),
        code: code.into(),
    }
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn reference(url: Cow<'_, str>) -> Value<'_> {
    let local = Reference::parse(&url).ok();
    Value::Reference { local, url }
}

/// `http://a/b|1.0` is also found as `http://a/b` (R4 search, 3.1.1.4.13).
fn before_version<'a>(url: &Cow<'a, str>) -> Option<Cow<'a, str>> {
    let bare = match url {
        Cow::Borrowed(url) => Cow::Borrowed(url.split_once('|')?.0),
        Cow::Owned(url) => Cow::Owned(url.split_once('|')?.0.to_owned()),
    };
    (!bare.is_empty()).then_some(bare)
}

/// R4 writes `where(resolve() is Patient)`; without looking the record up, its type is what the reference says: in
/// `Type/id`, at the end of an absolute URL, or in `Reference.type`.
fn leads_to(value: &Value<'_>, stated: &str, target: ResourceType) -> bool {
    match value {
        Value::Reference {
            local: Some(local), ..
        } => local.kind == target,
        Value::Reference { url, .. } => {
            kind_in_url(url).or_else(|| ResourceType::named(stated)) == Some(target)
        }
        _ => false,
    }
}

/// The type in `https://server/base/Type/id[/_history/n]`.
fn kind_in_url(url: &str) -> Option<ResourceType> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return None;
    }
    let url = url.split_once("/_history/").map_or(url, |(url, _)| url);
    ResourceType::named(url.rsplit('/').nth(1)?)
}

fn period_of(slots: &Slots<'_>) -> Option<Span> {
    let end = |slot| {
        slots
            .is_set(slot)
            .then(|| Span::parse(&slots.text(slot)).ok())
    };
    period::between(end(Slot::First), end(Slot::Second))
}
