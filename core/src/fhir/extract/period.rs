//! Periods and Timings as spans, and the one moment of a record that "newest first" means.

use crate::fhir::instant::Span;
use crate::fhir::{Instant, Resource, json};
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

/// Where a record says when it happened, best first.
const MOMENTS: [&str; 33] = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "effectiveTiming",
    "onsetDateTime",
    "onsetPeriod",
    "period",
    "started",
    "start",
    "authoredOn",
    "authored",
    "occurrenceDateTime",
    "occurrencePeriod",
    "occurrenceTiming",
    "performedDateTime",
    "performedPeriod",
    "whenHandedOver",
    "whenPrepared",
    "sent",
    "timestamp",
    "billablePeriod",
    "recordedDate",
    "recorded",
    "issued",
    "dateAsserted",
    "startDate",
    "date",
    "dateTime",
    "created",
    "receivedTime",
    "authoredDate",
    "identifiedDateTime",
    "birthDate",
];

/// When what the record tells happened, in ms since 1970: the first moment of the best element that holds a date, or the
/// last one where only an end is known. `None` when it says nothing of the kind, as a Location does.
pub(super) fn clinical_time(resource: &Resource<'_>) -> Option<i64> {
    let mut best: Option<(usize, i64)> = None;
    for (name, raw) in resource.members() {
        let Some(rank) = MOMENTS.iter().position(|moment| *moment == name) else {
            continue;
        };
        if best.is_some_and(|(known, _)| known <= rank) {
            continue;
        }
        let span = match raw.get().as_bytes().first() {
            Some(b'"') => date(raw),
            Some(b'{') if name.ends_with("Timing") => timing(raw),
            Some(b'{') => period(raw),
            _ => None,
        };
        best = span.map(|span| (rank, moment(span))).or(best);
    }
    best.map(|(_, at_ms)| at_ms)
}

fn moment(span: Span) -> i64 {
    if span.first == Instant::from_epoch_ms(i64::MIN) {
        span.end.epoch_ms() - 1
    } else {
        span.first.epoch_ms()
    }
}
