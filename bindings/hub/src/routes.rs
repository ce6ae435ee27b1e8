//! From a request to the handler's arguments, and off the threads that serve connections.

use crate::answer::{self, Answer};
use crate::app::App;
use crate::auth::Caller;
use crate::handlers::{self, Base};
use crate::{capability, transaction};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use pocketchart_core::clock::{Clock, SystemClock};

/// Type and id in the URL, and a body: extracted by hand, so that what is wrong with them is answered as an
/// OperationOutcome like everything else.
type Name = Result<Path<(String, String)>, PathRejection>;
type Body = Result<Bytes, BytesRejection>;

pub(crate) async fn metadata(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Answer {
    let base = base_of(&app, &uri, &headers);
    Ok(answer::json(
        StatusCode::OK,
        capability::statement(&base.0, &SystemClock.now().to_string()),
    ))
}

pub(crate) async fn search(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    kind: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let base = base_of(&app, &uri, &headers);
    let Path(kind) = kind?;
    app.off_the_reactor(caller, move |guard| {
        handlers::search(guard, &base, &kind, &query.unwrap_or_default())
    })
    .await
}

pub(crate) async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Name,
) -> Answer {
    let Path((kind, id)) = path?;
    app.off_the_reactor(caller, move |guard| handlers::read(guard, &kind, &id))
        .await
}

pub(crate) async fn put(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Name,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let base = base_of(&app, &uri, &headers);
    let (Path((kind, id)), body) = (path?, body?);
    app.off_the_reactor(caller, move |guard| {
        handlers::put(guard, &base, &kind, &id, &headers, &body)
    })
    .await
}

pub(crate) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Name,
    headers: HeaderMap,
) -> Answer {
    let Path((kind, id)) = path?;
    app.off_the_reactor(caller, move |guard| {
        handlers::delete(guard, &kind, &id, &headers)
    })
    .await
}

pub(crate) async fn transact(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let body = body?;
    let whole = handlers::prefer(&headers) == Some("representation");
    app.off_the_reactor(caller, move |guard| transaction::run(guard, &body, whole))
        .await
}

/// The base URL as this client reached it: its `next` links must have the origin it talks to.
fn base_of(app: &App, uri: &Uri, headers: &HeaderMap) -> Base {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let authority = uri
        .authority()
        .map(axum::http::uri::Authority::as_str)
        .or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    match authority.filter(|authority| !authority.is_empty() && authority.chars().all(plain)) {
        Some(authority) => Base(format!("https://{authority}/fhir")),
        None => Base(format!("https://{}/fhir", app.address)),
    }
}
