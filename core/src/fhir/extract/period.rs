//! Periods and Timings as spans, and the one moment of a record that "newest first" means.

use crate::fhir::instant::Span;
use crate::fhir::{Instant, json};
use serde_json::value::RawValue;

/// The span of a Period whose ends have been read. `None` for an end: not there, so open; `Some(None)`: there but
/// malformed, and then the whole Period is as if absent, like one that ends before it starts or has no end at all.
pub(super) fn between(start: Option<Option<Span>>, end: Option<Option<Span>>) -> Option<Span> {
    if start.is_none() && end.is_none() {
        return None;
    }
    let first = match start {
        None => Instant::from_epoch_ms(i64::MIN),
        Some(start) => start?.first,
    };
    let end = match end {
        None => Instant::from_epoch_ms(i64::MAX),
        Some(end) => end?.end,
    };
    (first < end).then_some(Span { first, end })
}

/// A Period.
pub(super) fn period(raw: &RawValue) -> Option<Span> {
    let members = json::members(raw.get()).ok()?;
    let end = |name: &str| {
        let raw = last(&members, name).filter(|raw| raw.get() != "null")?;
        Some(date(raw))
    };
    between(end("start"), end("end"))
}

/// A Timing: from its first event to its last, or else the bounds it repeats in.
pub(super) fn timing(raw: &RawValue) -> Option<Span> {
    let members = json::members(raw.get()).ok()?;
    let events = last(&members, "event").map(flat).unwrap_or_default();
    let events = events.into_iter().filter_map(date);
    let hull = events.reduce(|all, one| Span {
        first: all.first.min(one.first),
        end: all.end.max(one.end),
    });
    hull.or_else(|| {
        let repeat = json::members(last(&members, "repeat")?.get()).ok()?;
        period(last(&repeat, "boundsPeriod")?)
    })
}

/// The items of an array, and of arrays in it; anything else is its own only item.
pub(super) fn flat(raw: &RawValue) -> Vec<&RawValue> {
    if raw.get().starts_with('[') {
        json::items(raw).into_iter().flat_map(flat).collect()
    } else {
        vec![raw]
    }
}

fn last<'a>(members: &[json::Member<'a>], name: &str) -> Option<&'a RawValue> {
    members.iter().rev().find(|(n, _)| n == name).map(|m| m.1)
}

fn date(raw: &RawValue) -> Option<Span> {
    Span::parse(&json::string(raw)?).ok()
}
