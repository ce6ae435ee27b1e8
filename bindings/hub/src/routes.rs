//! From a request to the handler's arguments, and off the threads that serve connections.

use crate::answer::{self, Answer, Problem};
use crate::app::App;
use crate::ask::{Ask, base_of, parameters_of};
use crate::names::{record_named, type_named};
use crate::negotiate::check_format;
use crate::{bundles, capability, read, search, write};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use pocketchart_core::clock::{Clock, SystemClock};
use pocketchart_core::fhir::history::Scope;

/// Parts of the URL, and a body: extracted by hand, so that what is wrong with them is answered as an OperationOutcome
/// like everything else.
type Kind = Result<Path<String>, PathRejection>;
type Name = Result<Path<(String, String)>, PathRejection>;
type Version = Result<Path<(String, String, String)>, PathRejection>;
type Body = Result<Bytes, BytesRejection>;

pub(crate) async fn metadata(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Answer {
    let base = base_of(&app, &uri, &headers);
    let now = SystemClock.now().to_string();
    let statement = capability::statement(&base, &now);
    Ok(answer::json(StatusCode::OK, statement))
}

pub(crate) async fn across_types() -> Problem {
    search::across_types()
}

pub(crate) async fn find(State(app): State<App>, ask: Ask, kind: Kind) -> Answer {
    let Path(kind) = kind?;
    app.off_the_reactor(ask, move |ask| search::search(ask, &kind, Vec::new()))
        .await
}

pub(crate) async fn find_by_form(
    State(app): State<App>,
    ask: Ask,
    kind: Kind,
    body: Body,
) -> Answer {
    let (Path(kind), body) = (kind?, body?);
    let form = write::utf8(&body)?;
    for (name, value) in form_urlencoded::parse(form.as_bytes()) {
        if name == "_format" {
            check_format(&value)?;
        }
    }
    let more = parameters_of(form);
    app.off_the_reactor(ask, move |ask| search::search(ask, &kind, more))
        .await
}

pub(crate) async fn read(State(app): State<App>, ask: Ask, path: Name) -> Answer {
    let Path((kind, id)) = path?;
    app.off_the_reactor(ask, move |ask| read::read(ask, &kind, &id))
        .await
}

pub(crate) async fn version(State(app): State<App>, ask: Ask, path: Version) -> Answer {
    let Path((kind, id, version)) = path?;
    app.off_the_reactor(ask, move |ask| read::version(ask, &kind, &id, &version))
        .await
}

pub(crate) async fn history_of_record(State(app): State<App>, ask: Ask, path: Name) -> Answer {
    let Path((kind, id)) = path?;
    let scope = Scope::Record(record_named(&kind, &id)?);
    app.off_the_reactor(ask, move |ask| read::history(ask, scope))
        .await
}

pub(crate) async fn history_of_type(State(app): State<App>, ask: Ask, kind: Kind) -> Answer {
    let scope = Scope::Kind(type_named(&kind?.0)?);
    app.off_the_reactor(ask, move |ask| read::history(ask, scope))
        .await
}

pub(crate) async fn history_of_all(State(app): State<App>, ask: Ask) -> Answer {
    app.off_the_reactor(ask, move |ask| read::history(ask, Scope::All))
        .await
}

pub(crate) async fn create(State(app): State<App>, ask: Ask, kind: Kind, body: Body) -> Answer {
    let (Path(kind), body) = (kind?, body?);
    app.off_the_reactor(ask, move |ask| write::create(ask, &kind, &body))
        .await
}

pub(crate) async fn put(State(app): State<App>, ask: Ask, path: Name, body: Body) -> Answer {
    let (Path((kind, id)), body) = (path?, body?);
    app.off_the_reactor(ask, move |ask| write::put(ask, &kind, &id, &body))
        .await
}

pub(crate) async fn put_found(State(app): State<App>, ask: Ask, kind: Kind, body: Body) -> Answer {
    let (Path(kind), body) = (kind?, body?);
    app.off_the_reactor(ask, move |ask| write::put_found(ask, &kind, &body))
        .await
}

pub(crate) async fn patch(State(app): State<App>, ask: Ask, path: Name, body: Body) -> Answer {
    let (Path((kind, id)), body) = (path?, body?);
    app.off_the_reactor(ask, move |ask| write::patch(ask, &kind, &id, &body))
        .await
}

pub(crate) async fn patch_found(
    State(app): State<App>,
    ask: Ask,
    kind: Kind,
    body: Body,
) -> Answer {
    let (Path(kind), body) = (kind?, body?);
    app.off_the_reactor(ask, move |ask| write::patch_found(ask, &kind, &body))
        .await
}

pub(crate) async fn delete(State(app): State<App>, ask: Ask, path: Name) -> Answer {
    let Path((kind, id)) = path?;
    app.off_the_reactor(ask, move |ask| write::delete(ask, &kind, &id))
        .await
}

pub(crate) async fn delete_found(State(app): State<App>, ask: Ask, kind: Kind) -> Answer {
    let Path(kind) = kind?;
    app.off_the_reactor(ask, move |ask| write::delete_found(ask, &kind))
        .await
}

pub(crate) async fn bundle(State(app): State<App>, ask: Ask, body: Body) -> Answer {
    let body = body?;
    app.off_the_reactor(ask, move |ask| bundles::run(ask, &body))
        .await
}
