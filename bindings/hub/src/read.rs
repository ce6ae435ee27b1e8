//! Reading one record, one version, a history.

use crate::answer::{Answer, Problem, empty, json, versioned};
use crate::ask::Ask;
use crate::names::{record_named, version_named};
use axum::http::{StatusCode, header};
use pocketchart_core::access::{Fetched, Guard, HistoryPage, Version};
use pocketchart_core::fhir::bundle::{Answered, Writer, etag_version};
use pocketchart_core::fhir::history::{HistoryQuery, Scope};
use pocketchart_core::fhir::{Instant, Reference};

pub(crate) fn read(ask: &Ask, kind: &str, id: &str) -> Answer {
    let name = record_named(kind, id)?;
    no_parameters(ask)?;
    match ask.guard.fetch(&name)? {
        Fetched::Found(record) => {
            let version = record.version.unwrap_or_default();
            let kept = is_known(ask, &name, &version, record.updated)?;
            let response = match kept {
                true => empty(StatusCode::NOT_MODIFIED),
                false => json(StatusCode::OK, record.text),
            };
            Ok(versioned(response, &version, record.updated))
        }
        Fetched::Gone => Err(gone(&name)),
        Fetched::Unknown => Err(unknown(&name)),
    }
}

/// Whether the client has this version already (RFC 9110, 13.2.2).
fn is_known(ask: &Ask, name: &Reference, version: &str, at: Instant) -> Result<bool, Problem> {
    let text = |name| ask.headers.get(name)?.to_str().ok();
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        let mut tags = tags.split(',').map(str::trim);
        return Ok(tags.any(|tag| tag == "*" || etag_version(tag) == version));
    }
    let Some(since) = text(header::IF_MODIFIED_SINCE).and_then(Instant::parse_http_date) else {
        return Ok(false);
    };
    let second = |at: Instant| at.epoch_ms().div_euclid(1000);
    // The header has whole seconds. Of two versions within one, it would hide the second.
    Ok(second(at) <= second(since) && !ask.guard.changed_twice_in_a_second(name, at)?)
}

pub(crate) fn version(ask: &Ask, kind: &str, id: &str, version: &str) -> Answer {
    let name = record_named(kind, id)?;
    no_parameters(ask)?;
    let number = version_named(version)?;
    let Some(version) = ask.guard.version(&name, number)? else {
        return Err(unknown(&name));
    };
    let Version { text, at, .. } = version;
    let text = text.ok_or_else(|| gone(&name))?;
    Ok(versioned(
        json(StatusCode::OK, text),
        &number.to_string(),
        at,
    ))
}

pub(crate) fn history(ask: &Ask, scope: Scope) -> Answer {
    let query = HistoryQuery::from_parameters(scope, ask.parameters.iter().map(pair))?;
    let page = ask.guard.history(&query)?;
    if let (true, Scope::Record(name)) = (page.versions.is_empty(), &query.scope) {
        // Nothing in this span, or nothing at all?
        if matches!(ask.guard.fetch(name)?, Fetched::Unknown) {
            return Err(unknown(name));
        }
    }
    Ok(json(StatusCode::OK, written(&ask.base, &query, &page)))
}

fn pair((name, value): &(String, String)) -> (&str, &str) {
    (name, value)
}

fn written(base: &str, query: &HistoryQuery, page: &HistoryPage) -> String {
    let this = format!("{base}/{query}");
    let next = page.next.as_ref().map(|next| format!("{base}/{next}"));
    let mut links = vec![("self", this.as_str())];
    links.extend(next.as_deref().map(|next| ("next", next)));
    let mut bundle = Writer::new("history", &links);
    for version in &page.versions {
        let number = version.number.to_string();
        let (method, status) = match (&version.text, version.created) {
            (None, _) => ("DELETE", "204 No Content"),
            (Some(_), true) => ("PUT", "201 Created"),
            (Some(_), false) => ("PUT", "200 OK"),
        };
        let url = version.name.to_string();
        let location = format!("{url}/_history/{number}");
        let answered = Answered {
            status,
            location: version.text.as_ref().map(|_| location.as_str()),
            version: Some(&number),
            at: Some(version.at),
            resource: version.text.as_deref(),
            outcome: None,
        };
        bundle.version(&format!("{base}/{url}"), method, &url, &answered);
    }
    bundle.finish()
}

/// `_summary` and `_elements` of a read, and whatever stands behind the name of a record: an answer that is not what was
/// asked for would look complete.
pub(crate) fn no_parameters(ask: &Ask) -> Result<(), Problem> {
    match ask.parameters.first() {
        None => Ok(()),
        Some(_) if crate::headers::is_lenient(&ask.headers) => Ok(()),
        Some((name, _)) => {
            let name: String = name.chars().take(80).collect();
            let text = format!("{name} is not supported here");
            Err(Problem::bad("not-supported", text))
        }
    }
}

pub(crate) fn gone(name: &Reference) -> Problem {
    Problem::new(StatusCode::GONE, "deleted", format!("{name} is deleted"))
}

pub(crate) fn unknown(name: &Reference) -> Problem {
    let text = format!("{name} is not known");
    Problem::new(StatusCode::NOT_FOUND, "not-found", text)
}

/// Whether a delete that found nothing was about something that never was: a typing error more often than not.
pub(crate) fn never_was(guard: &Guard, name: &Reference) -> Result<bool, Problem> {
    Ok(matches!(guard.fetch(name)?, Fetched::Unknown))
}
