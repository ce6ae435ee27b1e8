//! One value of a search parameter: from text to an operand, and back.

use super::decimal::Decimal;
use super::escape::{escape, split, unescape};
use super::model::{Operand, Prefix, TextMatch};
use crate::fhir::instant::Span;
use crate::fhir::params::{Parameter, ParameterKind};
use crate::fhir::{Instant, Reference, ResourceId, ResourceType};

/// Why a value does not fit its parameter: what would fit. Never repeats the value.
pub(super) type Why = String;

/// Reads one value of a comma list, escapes and all. `how` is for strings, `of` the type that a `:Type` modifier names.
pub(super) fn read(
    parameter: &Parameter,
    text: &str,
    how: TextMatch,
    of: Option<ResourceType>,
) -> Result<Operand, Why> {
    if text.is_empty() {
        return Err("a value is missing".into());
    }
    match parameter.kind {
        ParameterKind::String => Ok(Operand::Text {
            text: plain(text)?,
            how,
        }),
        ParameterKind::Uri => plain(text).map(Operand::Uri),
        ParameterKind::Token => token(text),
        ParameterKind::Reference => reference(parameter, &plain(text)?, of),
        ParameterKind::Date => {
            let (prefix, text) = prefixed(text);
            let span = span(text)?;
            Ok(Operand::Date { prefix, span })
        }
        ParameterKind::Number => {
            let (prefix, text) = prefixed(text);
            let value = Decimal::parse(text).map_err(|e| e.to_string())?;
            Ok(Operand::Number { prefix, value })
        }
        ParameterKind::Quantity => quantity(text),
    }
}

/// Reads one value of `_id`.
pub(super) fn read_id(text: &str) -> Result<Operand, Why> {
    let id = ResourceId::new(text).map_err(|e| e.to_string())?;
    Ok(Operand::Id(id))
}

fn plain(text: &str) -> Result<String, Why> {
    unescape(text).map_err(|e| e.to_string())
}

fn token(text: &str) -> Result<Operand, Why> {
    let expected = || "expected code, system|code, |code or system|".to_owned();
    let filled = |text: String| Some(text).filter(|t| !t.is_empty());
    let (system, code) = match *split(text, '|').as_slice() {
        [code] => (None, filled(plain(code)?)),
        [system, code] => (Some(plain(system)?), filled(plain(code)?)),
        _ => return Err(expected()),
    };
    if code.is_none() && system.as_deref().is_none_or(str::is_empty) {
        return Err(expected());
    }
    Ok(Operand::Token { system, code })
}

fn reference(parameter: &Parameter, text: &str, of: Option<ResourceType>) -> Result<Operand, Why> {
    let expected = || "expected Type/id, an id or an absolute URL".to_owned();
    let is_local = text.matches('/').count() == 1;
    if is_local && let Ok(Reference { kind, id }) = Reference::parse(text) {
        if of.is_some_and(|of| of != kind) {
            return Err("the type in the value is not that of the modifier".into());
        }
        return Ok(Operand::Reference {
            kind: Some(kind),
            id: Some(id),
            url: None,
        });
    }
    if let Ok(id) = ResourceId::new(text) {
        return Ok(Operand::Reference {
            // Where only one type can be meant, it is.
            kind: of.or(only_target(parameter)),
            id: Some(id),
            url: None,
        });
    }
    if of.is_none() && has_scheme(text) {
        return Ok(Operand::Reference {
            kind: None,
            id: None,
            url: Some(text.to_owned()),
        });
    }
    Err(expected())
}

fn only_target(parameter: &Parameter) -> Option<ResourceType> {
    match parameter.targets {
        [only] => ResourceType::named(only),
        _ => None,
    }
}

/// Whether a text starts like `http:` or `urn:` (RFC 3986, 3.1).
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(allowed)
            && !rest.is_empty()
    })
}

fn quantity(text: &str) -> Result<Operand, Why> {
    let (prefix, text) = prefixed(text);
    let parts = split(text, '|');
    if parts.len() > 3 {
        return Err("expected number, number|system|code or number||code".into());
    }
    let mut parts = parts.into_iter();
    let number = parts.next().unwrap_or_default();
    let mut next = || -> Result<Option<String>, Why> {
        let part = plain(parts.next().unwrap_or_default())?;
        Ok(Some(part).filter(|p| !p.is_empty()))
    };
    Ok(Operand::Quantity {
        prefix,
        value: Decimal::parse(number).map_err(|e| e.to_string())?,
        system: next()?,
        code: next()?,
    })
}

const PREFIXES: [(&str, Prefix); 9] = [
    ("eq", Prefix::Eq),
    ("ne", Prefix::Ne),
    ("gt", Prefix::Gt),
    ("lt", Prefix::Lt),
    ("ge", Prefix::Ge),
    ("le", Prefix::Le),
    ("sa", Prefix::Sa),
    ("eb", Prefix::Eb),
    ("ap", Prefix::Ap),
];

fn prefixed(text: &str) -> (Prefix, &str) {
    PREFIXES
        .into_iter()
        .find_map(|(written, prefix)| Some((prefix, text.strip_prefix(written)?)))
        .unwrap_or((Prefix::Eq, text))
}

/// A date's span. A text finer than a millisecond stands between two milliseconds, unless the finer digits are zeros: its
/// span is empty. Cut off, `15.5000001` would find what happened at `15.500`.
fn span(text: &str) -> Result<Span, Why> {
    let span = Span::parse(text).map_err(|e| e.to_string())?;
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.split(|c: char| !c.is_ascii_digit()).next();
    let finer = digits.and_then(|d| d.get(3..)).unwrap_or_default();
    let first = if finer.bytes().any(|b| b != b'0') {
        span.end
    } else {
        span.first
    };
    Ok(Span { first, ..span })
}

/// The operand as text that [`read`] reads as the same.
pub(super) fn print(operand: &Operand) -> String {
    match operand {
        Operand::Id(id) => id.to_string(),
        Operand::Token { system, code } => {
            let code = escape(code.as_deref().unwrap_or_default());
            match system {
                Some(system) => format!("{}|{code}", escape(system)),
                None => code,
            }
        }
        Operand::Text { text, .. } | Operand::Uri(text) => escape(text),
        Operand::Reference { kind, id, url } => match (kind, id, url) {
            (Some(kind), Some(id), _) => format!("{kind}/{id}"),
            (None, Some(id), _) => id.to_string(),
            (_, None, url) => escape(url.as_deref().unwrap_or_default()),
        },
        Operand::Date { prefix, span } => format!("{}{}", print_prefix(*prefix), print_span(span)),
        Operand::Number { prefix, value } => format!("{}{value}", print_prefix(*prefix)),
        Operand::Quantity {
            prefix,
            value,
            system,
            code,
        } => {
            let number = format!("{}{value}", print_prefix(*prefix));
            let part = |text: &Option<String>| escape(text.as_deref().unwrap_or_default());
            if system.is_none() && code.is_none() {
                number
            } else {
                format!("{number}|{}|{}", part(system), part(code))
            }
        }
    }
}

fn print_prefix(prefix: Prefix) -> &'static str {
    let written = PREFIXES
        .into_iter()
        .find(|(_, p)| *p == prefix && *p != Prefix::Eq);
    written.map_or("", |(written, _)| written)
}

/// The shortest date in UTC that has this span.
fn print_span(span: &Span) -> String {
    let whole = span.first.to_string();
    for length in [4, 7, 10, 16, 19, 21, 22, 23] {
        let cut = whole.get(..length).unwrap_or(&whole);
        let zone = if length > 10 { "Z" } else { "" };
        let text = format!("{cut}{zone}");
        if Span::parse(&text).as_ref() == Ok(span) {
            return text;
        }
    }
    // An empty one: half a millisecond before its end.
    let before = Instant::from_epoch_ms(span.first.epoch_ms() - 1).to_string();
    format!("{}5Z", before.trim_end_matches('Z'))
}
