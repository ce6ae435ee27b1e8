//! One function per interaction. Each takes a guard for the caller, and answers.

use crate::answer::{Answer, Problem, json, versioned};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use pocketchart_core::access::{Act, Fetched, Guard, Precondition, Write};
use pocketchart_core::fhir::bundle::{Writer, etag_version};
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Reference, Resource, ResourceId, ResourceType, marks};
use std::borrow::Cow;

/// Where a request came in, as far as links in the answer need it.
pub(crate) struct Base(pub(crate) String);

pub(crate) fn search(guard: &Guard, base: &Base, kind: &str, parameters: &str) -> Answer {
    let kind = type_named(kind)?;
    // Every answer is JSON, so asking for it changes nothing; asking for anything else is refused.
    let (format, rest): (Vec<_>, Vec<_>) =
        form_urlencoded::parse(parameters.as_bytes()).partition(|(name, _)| name == "_format");
    if let Some((_, other)) = format.iter().find(|(_, value)| !value.contains("json")) {
        let text = format!(
            "_format {}: this server answers in JSON only",
            other.chars().take(40).collect::<String>()
        );
        return Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not-supported",
            text,
        ));
    }
    let query = Query::from_parameters(kind, rest)?;
    let page = guard.search(&query)?;
    let url = |query: &Query| format!("{}/{query}", base.0);
    let this = url(&query);
    let next = page.next.as_ref().map(url);
    let mut links = vec![("self", this.as_str())];
    links.extend(next.as_deref().map(|next| ("next", next)));
    let mut bundle = Writer::new("searchset", &links);
    if let Some(total) = page.total {
        bundle.total(total);
    }
    for record in &page.records {
        bundle.found(
            &format!("{}/{}", base.0, record.name.reference),
            &record.text,
        );
    }
    for record in &page.included {
        bundle.included(
            &format!("{}/{}", base.0, record.name.reference),
            &record.text,
        );
    }
    Ok(json(StatusCode::OK, bundle.finish()))
}

pub(crate) fn read(guard: &Guard, kind: &str, id: &str) -> Answer {
    let name = name_of(kind, id)?;
    match guard.fetch(&name)? {
        Fetched::Found(record) => {
            let version = record.version.unwrap_or_default();
            Ok(versioned(
                StatusCode::OK,
                record.text,
                &version,
                record.updated,
            ))
        }
        Fetched::Gone => Err(Problem::new(
            StatusCode::GONE,
            "deleted",
            format!("{name} is deleted"),
        )),
        Fetched::Unknown => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("{name} is not known"),
        )),
    }
}

pub(crate) fn put(
    guard: &Guard,
    base: &Base,
    kind: &str,
    id: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Answer {
    let name = name_of(kind, id)?;
    let resource = Resource::parse(body)?;
    if *resource.name() != name {
        let text = "the resource's type and id are not those of the URL";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", text).at(format!("{kind}.id")));
    }
    let writes = [Write {
        act: Act::Put(resource),
        condition: condition_of(headers)?,
        change: change_of(headers),
    }];
    let done = guard.commit(&writes).map_err(|(_, error)| error)?;
    let Some(committed) = done.into_iter().flatten().next() else {
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "exception",
            "nothing was stored",
        ));
    };
    let status = if committed.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let version = committed.version.to_string();
    let text = committed
        .text
        .filter(|_| prefer(headers) != Some("minimal"))
        .unwrap_or_default();
    let mut response = versioned(status, text, &version, committed.at);
    let location = format!("{}/{}/_history/{version}", base.0, committed.name);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(crate) fn delete(guard: &Guard, kind: &str, id: &str, headers: &HeaderMap) -> Answer {
    let name = name_of(kind, id)?;
    let writes = [Write {
        act: Act::Delete(name.clone()),
        condition: condition_of(headers)?,
        change: change_of(headers),
    }];
    let done = guard.commit(&writes).map_err(|(_, error)| error)?;
    // Deleting twice is no error; deleting what never was is a typing error more often than not.
    let deleted = done.into_iter().flatten().next().is_some();
    if !deleted && matches!(guard.fetch(&name)?, Fetched::Unknown) {
        let text = format!("{name} is not known");
        return Err(Problem::new(StatusCode::NOT_FOUND, "not-found", text));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// `return=` of the Prefer header.
pub(crate) fn prefer(headers: &HeaderMap) -> Option<&str> {
    let values = headers
        .get_all(header::HeaderName::from_static("prefer"))
        .iter();
    let mut preferences = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']));
    preferences.find_map(|preference| preference.trim().strip_prefix("return="))
}

/// The signed change record of a write.
fn change_of(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let value = headers.get(marks::CHANGE_HEADER)?;
    Some(Cow::Borrowed(value.to_str().ok()?))
}

fn condition_of(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let text = |name| {
        headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap_or_default())
    };
    let absent = match text(header::IF_NONE_MATCH) {
        None => false,
        Some("*") => true,
        Some(_) => {
            let text = "If-None-Match takes * only";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "not-supported", text));
        }
    };
    Ok(Precondition {
        version: text(header::IF_MATCH).map(|etag| etag_version(etag).to_owned()),
        absent,
    })
}

fn type_named(kind: &str) -> Result<ResourceType, Problem> {
    ResourceType::named(kind).ok_or_else(|| {
        let text = "the URL names no FHIR R4 resource type";
        Problem::new(StatusCode::NOT_FOUND, "not-supported", text)
    })
}

fn name_of(kind: &str, id: &str) -> Result<Reference, Problem> {
    let kind = type_named(kind)?;
    let id = ResourceId::new(id)
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "value", e.to_string()))?;
    Ok(Reference { kind, id })
}
