//! Searching one type, by URL or by form.

use crate::answer::{Answer, Problem, json};
use crate::ask::{Ask, Parameters};
use crate::headers::is_lenient;
use crate::names::type_named;
use axum::http::StatusCode;
use pocketchart_core::access::Page;
use pocketchart_core::fhir::bundle::Writer;
use pocketchart_core::fhir::outcome;
use pocketchart_core::fhir::search::{InvalidQuery, Query};

/// `more`: parameters of a form, behind those of the URL.
pub(crate) fn search(ask: &Ask, kind: &str, more: Parameters) -> Answer {
    let kind = type_named(kind)?;
    let all = ask.parameters.iter().chain(&more);
    let all = all.map(|(name, value)| (name, value));
    let (query, left_out) = match is_lenient(&ask.headers) {
        true => Query::leniently(kind, all)?,
        false => (Query::from_parameters(kind, all)?, Vec::new()),
    };
    let page = ask.guard.search(&query)?;
    Ok(json(
        StatusCode::OK,
        written(&ask.base, &query, &page, &left_out),
    ))
}

/// The page as a Bundle. Its self link is the search as it was run.
pub(crate) fn written(base: &str, query: &Query, page: &Page, left_out: &[InvalidQuery]) -> String {
    let url = |query: &Query| format!("{base}/{query}");
    let this = url(query);
    let next = page.next.as_ref().map(url);
    let mut links = vec![("self", this.as_str())];
    links.extend(next.as_deref().map(|next| ("next", next)));
    let mut bundle = Writer::new("searchset", &links);
    if let Some(total) = page.total {
        bundle.total(total);
    }
    for record in &page.records {
        let url = format!("{base}/{}", record.name.reference);
        bundle.found(&url, &record.text);
    }
    for record in &page.included {
        let url = format!("{base}/{}", record.name.reference);
        bundle.included(&url, &record.text);
    }
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        let text = format!("left out: {}", names.join("; "));
        bundle.outcome(&outcome::warning("not-supported", &text));
    }
    bundle.finish()
}

/// A search over all types.
pub(crate) fn across_types() -> Problem {
    let text =
        "a search names one resource type: Patient?... (searches across types are not supported)";
    Problem::bad("not-supported", text)
}
