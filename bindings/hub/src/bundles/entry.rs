//! One entry of a Bundle as the request it is.

use super::{Reading, Request};
use crate::answer::Problem;
use crate::ask::{Ask, parameters_of};
use crate::headers::precondition;
use crate::names::{record_named, type_named, version_named};
use crate::negotiate::JSON_PATCH;
use crate::search::across_types;
use crate::write::{condition, id_in, is_of_type};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pocketchart_core::access::{Act, Asked, Write};
use pocketchart_core::fhir::bundle::{self, Entry};
use pocketchart_core::fhir::patch::Patch;
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Resource, ResourceType, json};
use std::borrow::Cow;

/// A problem and where in the entry it is.
type Misplaced = (Problem, &'static str);

const METHOD: &str = "request.method";
const URL: &str = "request.url";
const RESOURCE: &str = "resource";

/// Reads an entry.
pub(super) fn request_of<'a>(ask: &Ask, entry: &'a Entry<'_>) -> Result<Request<'a>, Misplaced> {
    let request = entry.request.as_ref().ok_or_else(|| {
        let text = "an entry of a transaction or batch needs a request";
        (Problem::bad("required", text), "request")
    })?;
    let mut read = Reading::default();
    let act = match request.method.as_ref() {
        "GET" => {
            let asked = asked(ask, request)?;
            read.known = request.if_none_match.as_deref().map(str::to_owned);
            if let Asked::Search(query) = &asked {
                read.query = Some(query.clone());
            }
            Act::Read(asked)
        }
        method => {
            let target = Target::of(ask, request)?;
            act(method, target, request, entry)?
        }
    };
    let is_read = matches!(act, Act::Read(_));
    let if_none_match = request.if_none_match.as_deref().filter(|_| !is_read);
    let condition = precondition(request.if_match.as_deref(), if_none_match)
        .map_err(|why| (Problem::bad("not-supported", why), "request"))?;
    let write = Write {
        act,
        condition,
        change: entry.change().map(Cow::Borrowed),
        signed: entry.signed_content().map(Cow::Borrowed),
        full_url: entry.full_url.as_deref().map(Cow::Borrowed),
    };
    Ok(Request { write, read })
}

/// What a write's url leads to.
enum Target<'u> {
    Kind(ResourceType),
    Record(ResourceType, &'u str),
    Found(ResourceType, &'u str),
}

impl<'u> Target<'u> {
    fn of(ask: &Ask, request: &'u bundle::Request<'_>) -> Result<Self, Misplaced> {
        let (path, query) = split(ask, &request.url);
        let mut parts = path.split('/');
        let kind = type_named(parts.next().unwrap_or_default());
        // In a Bundle the url is part of the body: 400, not 404.
        let kind = kind.map_err(|_| {
            let text = "the url names no FHIR R4 resource type";
            (Problem::bad("not-supported", text), URL)
        })?;
        match (parts.next(), parts.next(), query) {
            (None, _, None) => Ok(Self::Kind(kind)),
            (None, _, Some(query)) => Ok(Self::Found(kind, query)),
            (Some(id), None, None) => Ok(Self::Record(kind, id)),
            _ => {
                let text = "the url is not Type, Type/id or Type?search";
                Err((Problem::bad("not-supported", text), URL))
            }
        }
    }
}

/// Path and query of a url that is relative to the base, or below it.
fn split<'u>(ask: &Ask, url: &'u str) -> (&'u str, Option<&'u str>) {
    let below = url.strip_prefix(ask.base.as_str()).unwrap_or(url);
    let below = below.trim_start_matches('/');
    match below.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (below, None),
    }
}

fn act<'a>(
    method: &str,
    target: Target<'_>,
    request: &bundle::Request<'_>,
    entry: &'a Entry<'_>,
) -> Result<Act<'a>, Misplaced> {
    let at = |place| move |problem| (problem, place);
    let search = |kind, query| condition(kind, query).map_err(at(URL));
    let sent = || {
        let text = format!("a {method} needs a resource");
        let missing = (Problem::bad("required", text), RESOURCE);
        entry.resource.map(|raw| raw.get()).ok_or(missing)
    };
    Ok(match (method, target) {
        ("POST", Target::Kind(kind)) => {
            let text = sent()?;
            is_of_type(text, kind).map_err(at(RESOURCE))?;
            let unless = request.if_none_exist.as_deref();
            let unless = unless.map(|query| condition(kind, query)).transpose();
            let unless = unless.map_err(at("request.ifNoneExist"))?;
            let text = Cow::Borrowed(text);
            Act::Create { text, unless }
        }
        ("PUT", Target::Record(kind, id)) => {
            let name = record_named(kind.name(), id).map_err(at(URL))?;
            let resource = Resource::parse_text(sent()?).map_err(|e| (e.into(), RESOURCE))?;
            if *resource.name() != name {
                let text = "the url does not name the resource";
                return Err((Problem::bad("invalid", text), URL));
            }
            Act::Put(resource)
        }
        ("PUT", Target::Found(kind, query)) => {
            let text = sent()?;
            is_of_type(text, kind).map_err(at(RESOURCE))?;
            let id = id_in(text).map_err(at(RESOURCE))?;
            let (query, text) = (search(kind, query)?, Cow::Borrowed(text));
            Act::PutFound { query, text, id }
        }
        ("PATCH", Target::Record(kind, id)) => {
            let name = record_named(kind.name(), id).map_err(at(URL))?;
            let patch = patch_in(sent()?).map_err(at(RESOURCE))?;
            Act::Patch { name, patch }
        }
        ("PATCH", Target::Found(kind, query)) => {
            let (query, patch) = (
                search(kind, query)?,
                patch_in(sent()?).map_err(at(RESOURCE))?,
            );
            Act::PatchFound { query, patch }
        }
        ("DELETE", Target::Record(kind, id)) => {
            Act::Delete(record_named(kind.name(), id).map_err(at(URL))?)
        }
        ("DELETE", Target::Found(kind, query)) => Act::DeleteFound(search(kind, query)?),
        ("POST" | "PUT" | "PATCH" | "DELETE", _) => {
            let text = format!("a {method} goes to another kind of url");
            return Err((Problem::bad("value", text), URL));
        }
        _ => {
            let text = "methods in a Bundle are GET, POST, PUT, PATCH and DELETE";
            return Err((Problem::bad("not-supported", text), METHOD));
        }
    })
}

fn asked(ask: &Ask, request: &bundle::Request<'_>) -> Result<Asked, Misplaced> {
    let at_url = |problem| (problem, URL);
    let (path, query) = split(ask, &request.url);
    let parts: Vec<&str> = path.split('/').collect();
    let parameters = parameters_of(query.unwrap_or_default());
    match parts[..] {
        [kind, id] if parameters.is_empty() => {
            Ok(Asked::Record(record_named(kind, id).map_err(at_url)?))
        }
        [kind, id, "_history", version] if parameters.is_empty() => Ok(Asked::Version(
            record_named(kind, id).map_err(at_url)?,
            version_named(version).map_err(at_url)?,
        )),
        [""] => Err((across_types(), URL)),
        [kind] => {
            let kind = type_named(kind).map_err(at_url)?;
            let query = Query::from_parameters(kind, parameters).map_err(|e| (e.into(), URL))?;
            if query.cursor.is_some() {
                let text = "a page link is followed by itself, not in a Bundle";
                return Err((Problem::bad("not-supported", text), URL));
            }
            Ok(Asked::Search(query))
        }
        _ => {
            let text = "a GET in a Bundle reads Type/id, Type/id/_history/version or Type?search";
            Err((Problem::bad("not-supported", text), URL))
        }
    }
}

/// R4: a JSON Patch travels in a Bundle as a Binary.
fn patch_in(text: &str) -> Result<Patch, Problem> {
    let member = |wanted: &str| {
        let members = json::members(text).unwrap_or_default();
        let found = members.into_iter().find(|(name, _)| name == wanted);
        found.and_then(|(_, value)| json::string(value).map(Cow::into_owned))
    };
    let is_patch = member("resourceType").is_some_and(|kind| kind == "Binary")
        && member("contentType").is_some_and(|kind| kind == JSON_PATCH);
    let data = member("data").filter(|_| is_patch);
    let bytes = data.and_then(|data| STANDARD.decode(data).ok());
    let patch = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let patch = patch.ok_or_else(|| {
        let text =
            format!("a PATCH needs a Binary of contentType {JSON_PATCH} with its data in base64");
        Problem::bad("not-supported", text)
    })?;
    Ok(Patch::parse(&patch)?)
}
