//! Transaction Bundles of PUTs: all of them under one `lastUpdated`, or none.

use crate::answer::{Answer, Problem, json};
use axum::http::StatusCode;
use pocketchart_core::access::{Act, Guard, Precondition, Write};
use pocketchart_core::fhir::bundle::{Bundle, Entry, Writer, etag_version};
use pocketchart_core::fhir::{Reference, Resource};
use std::borrow::Cow;
use std::collections::HashSet;

/// Runs the transaction in `body`. `return_resources`: the answer holds the stored resources.
pub(crate) fn run(guard: &Guard, body: &[u8], return_resources: bool) -> Answer {
    let text = std::str::from_utf8(body).map_err(|e| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "structure",
            format!("not UTF-8 (byte {})", e.valid_up_to()),
        )
    })?;
    let bundle = Bundle::parse(text).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "structure",
            "the body is not a FHIR Bundle in JSON",
        )
    })?;
    if bundle.kind != "transaction" {
        let text = "only Bundles of type transaction are taken";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "not-supported", text).at("Bundle.type"));
    }
    let mut writes = Vec::with_capacity(bundle.entry.len());
    let mut names = HashSet::new();
    for (index, entry) in bundle.entry.iter().enumerate() {
        let resource = put_of(entry)
            .map_err(|(problem, place)| problem.at(format!("Bundle.entry[{index}].{place}")))?;
        if !names.insert(resource.0.name().clone()) {
            let text = "the same record stands twice in one transaction";
            let place = format!("Bundle.entry[{index}].request.url");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "duplicate", text).at(place));
        }
        writes.push(Write {
            act: Act::Put(resource.0),
            condition: resource.1,
            change: entry.change().map(Cow::Borrowed),
        });
    }
    let done = guard
        .commit(&writes)
        .map_err(|(index, error)| Problem::from(error).at(format!("Bundle.entry[{index}]")))?;
    let mut answer = Writer::new("transaction-response", &[]);
    for committed in done.into_iter().flatten() {
        let status = if committed.created {
            "201 Created"
        } else {
            "200 OK"
        };
        let version = committed.version.to_string();
        let location = format!("{}/_history/{version}", committed.name);
        let resource = committed.text.as_deref().filter(|_| return_resources);
        answer.answered(status, &location, &version, committed.at, resource);
    }
    Ok(json(StatusCode::OK, answer.finish()))
}

type Misplaced = (Problem, &'static str);

fn put_of<'a>(entry: &Entry<'a>) -> Result<(Resource<'a>, Precondition), Misplaced> {
    let bad = |code, text: &str, place| (Problem::new(StatusCode::BAD_REQUEST, code, text), place);
    let request = entry
        .request
        .as_ref()
        .ok_or_else(|| bad("required", "a transaction entry needs a request", "request"))?;
    if request.method != "PUT" {
        return Err(bad(
            "not-supported",
            "only PUT is taken in a transaction",
            "request.method",
        ));
    }
    if request.if_none_exist.is_some() {
        return Err(bad(
            "not-supported",
            "ifNoneExist is not supported yet",
            "request.ifNoneExist",
        ));
    }
    let name = Reference::parse(&request.url).map_err(|e| {
        (
            Problem::new(StatusCode::BAD_REQUEST, "value", e.to_string()),
            "request.url",
        )
    })?;
    let raw = entry
        .resource
        .ok_or_else(|| bad("required", "a PUT needs a resource", "resource"))?;
    let resource = Resource::parse_text(raw.get()).map_err(|e| (Problem::from(e), "resource"))?;
    if *resource.name() != name {
        return Err(bad(
            "invalid",
            "the url does not name the resource",
            "request.url",
        ));
    }
    let absent = match request.if_none_match.as_deref() {
        None => false,
        Some("*") => true,
        Some(_) => {
            return Err(bad(
                "not-supported",
                "ifNoneMatch takes * only",
                "request.ifNoneMatch",
            ));
        }
    };
    let version = request
        .if_match
        .as_deref()
        .map(|etag| etag_version(etag).to_owned());
    Ok((resource, Precondition { version, absent }))
}
