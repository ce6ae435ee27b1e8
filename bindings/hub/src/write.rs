//! Creating, updating, patching, deleting: one record, named or found by a condition.

use crate::answer::{Answer, Problem, empty, json, versioned};
use crate::ask::Ask;
use crate::headers::{self, Return};
use crate::names::{record_named, type_named};
use crate::read::{never_was, no_parameters, unknown};
use axum::http::{HeaderValue, Response, StatusCode, header};
use pocketchart_core::access::{Act, Committed, Done, Write};
use pocketchart_core::fhir::patch::Patch;
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{
    Reference, Resource, ResourceId, ResourceType, json as text, outcome,
};
use std::borrow::Cow;

pub(crate) fn create(ask: &Ask, kind: &str, body: &[u8]) -> Answer {
    let kind = type_named(kind)?;
    let body = utf8(body)?;
    is_of_type(body, kind)?;
    let unless = match headers::if_none_exist(&ask.headers)? {
        Some(query) => Some(condition(kind, query)?),
        // Not R4's way, but that of some clients. Ignored, it would make a second record.
        None if !ask.parameters.is_empty() => Some(condition_of(ask, kind.name())?),
        None => None,
    };
    let text = Cow::Borrowed(body);
    answered(ask, Act::Create { text, unless })
}

pub(crate) fn put(ask: &Ask, kind: &str, id: &str, body: &[u8]) -> Answer {
    no_parameters(ask)?;
    let name = record_named(kind, id)?;
    let resource = Resource::parse(body)?;
    if *resource.name() != name {
        let text = "the resource's type and id are not those of the URL";
        return Err(Problem::bad("invalid", text).at(format!("{kind}.id")));
    }
    answered(ask, Act::Put(resource))
}

pub(crate) fn put_found(ask: &Ask, kind: &str, body: &[u8]) -> Answer {
    let query = condition_of(ask, kind)?;
    let body = utf8(body)?;
    is_of_type(body, query.kind)?;
    let id = id_in(body)?;
    let text = Cow::Borrowed(body);
    answered(ask, Act::PutFound { query, text, id })
}

pub(crate) fn patch(ask: &Ask, kind: &str, id: &str, body: &[u8]) -> Answer {
    no_parameters(ask)?;
    let name = record_named(kind, id)?;
    let patch = Patch::parse(utf8(body)?)?;
    answered(ask, Act::Patch { name, patch })
}

pub(crate) fn patch_found(ask: &Ask, kind: &str, body: &[u8]) -> Answer {
    let query = condition_of(ask, kind)?;
    let patch = Patch::parse(utf8(body)?)?;
    answered(ask, Act::PatchFound { query, patch })
}

pub(crate) fn delete(ask: &Ask, kind: &str, id: &str) -> Answer {
    no_parameters(ask)?;
    answered(ask, Act::Delete(record_named(kind, id)?))
}

pub(crate) fn delete_found(ask: &Ask, kind: &str) -> Answer {
    answered(ask, Act::DeleteFound(condition_of(ask, kind)?))
}

fn answered(ask: &Ask, act: Act<'_>) -> Answer {
    let deleted = match &act {
        Act::Delete(name) => Some(name.clone()),
        _ => None,
    };
    let write = Write {
        act,
        condition: headers::condition(&ask.headers)?,
        change: headers::change(&ask.headers),
        signed: None,
        full_url: None,
    };
    match ask.guard.commit_one(write)? {
        Done::Written(committed) => Ok(written(ask, committed)),
        Done::Present(record) | Done::Record(record) => {
            let version = record.version.unwrap_or_default();
            let response = body_of(ask, StatusCode::OK, Some(record.text));
            let response = versioned(response, &version, record.updated);
            Ok(located(ask, response, &record.name.reference, &version))
        }
        // Deleting twice is no error; deleting what never was is a typing error more often than not.
        _ => match deleted {
            Some(name) if never_was(&ask.guard, &name)? => Err(unknown(&name)),
            _ => Ok(empty(StatusCode::NO_CONTENT)),
        },
    }
}

fn written(ask: &Ask, committed: Committed) -> Response<axum::body::Body> {
    let version = committed.version.to_string();
    let Some(text) = committed.text else {
        return versioned(empty(StatusCode::NO_CONTENT), &version, committed.at);
    };
    let status = match committed.created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let response = versioned(body_of(ask, status, Some(text)), &version, committed.at);
    located(ask, response, &committed.name, &version)
}

/// What `Prefer: return=` asks for; without it the resource.
fn body_of(ask: &Ask, status: StatusCode, text: Option<String>) -> Response<axum::body::Body> {
    match headers::returned(&ask.headers) {
        Some(Return::Minimal) => empty(status),
        Some(Return::Outcome) => json(status, outcome::information("stored")),
        Some(Return::Representation) | None => json(status, text.unwrap_or_default()),
    }
}

fn located(
    ask: &Ask,
    mut response: Response<axum::body::Body>,
    name: &Reference,
    version: &str,
) -> Response<axum::body::Body> {
    let location = format!("{}/{name}/_history/{version}", ask.base);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The condition in a URL.
fn condition_of(ask: &Ask, kind: &str) -> Result<Query, Problem> {
    let kind = type_named(kind)?;
    Ok(Query::from_parameters(
        kind,
        ask.parameters.iter().map(|(name, value)| (name, value)),
    )?)
}

/// A condition, written as in a URL: with or without the type, as clients send it.
pub(crate) fn condition(kind: ResourceType, query: &str) -> Result<Query, Problem> {
    let query = query.split_once('?').map_or(query, |(_, query)| query);
    Ok(Query::parse(&format!("{kind}?{query}"))?)
}

pub(crate) fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|e| {
        let text = format!("not UTF-8 (byte {})", e.valid_up_to());
        Problem::bad("structure", text)
    })
}

/// Whether a body that has no id yet is a resource of this type.
pub(crate) fn is_of_type(body: &str, kind: ResourceType) -> Result<(), Problem> {
    let members = text::members(body).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        let text = format!("the resource is not a JSON object (line {line}, column {column})");
        Problem::bad("structure", text)
    })?;
    let given = members.iter().find(|(name, _)| name == "resourceType");
    match given.and_then(|(_, value)| text::string(value)) {
        Some(given) if given == kind.name() => Ok(()),
        Some(_) => {
            let text = format!("the resource is no {kind}, which the URL names");
            Err(Problem::bad("invalid", text).at("Resource.resourceType"))
        }
        None => {
            let text = "resourceType is missing";
            Err(Problem::bad("required", text).at("Resource.resourceType"))
        }
    }
}

/// The id in a body, if it has one.
pub(crate) fn id_in(body: &str) -> Result<Option<ResourceId>, Problem> {
    let members = text::members(body).unwrap_or_default();
    let Some((_, id)) = members.iter().find(|(name, _)| name == "id") else {
        return Ok(None);
    };
    let id = text::string(id).and_then(|id| ResourceId::new(&id).ok());
    let bad = || Problem::bad("value", "the resource's id is none").at("Resource.id");
    Ok(Some(id.ok_or_else(bad)?))
}
