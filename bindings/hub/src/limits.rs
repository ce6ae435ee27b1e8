//! What one client may ask of the hub, so that the others are still answered. Each limit has its reason beside it.

use crate::answer::Problem;
use crate::app::App;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// What the hub takes. The defaults are for one clinic on one small computer.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a request's body. 64 MiB: a transaction of some hundred records with attachments.
    pub body_bytes: usize,
    /// Bytes of all headers. 16 KiB: tokens and change records are far below one.
    pub header_bytes: usize,
    /// Bytes of path and query. 8 KiB: longer searches go to `_search`.
    pub url_bytes: usize,
    /// Entries of a Bundle. 5,000: a transaction holds the only writer while it runs.
    pub entries: usize,
    /// For receiving a whole request. 60 s: a tablet that lost its signal must not hold anything here.
    pub receive: Duration,
    /// For working on it. 60 s: whoever waits longer has given up.
    pub work: Duration,
    /// Requests worked on at once; further ones wait. 32: each may hold a page of 32 MiB.
    pub concurrent: usize,
    /// Requests received, waiting or worked on at once; further ones are told to come back. 256: each may hold a body.
    pub open: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024 * 1024,
            header_bytes: 16 * 1024,
            url_bytes: 8 * 1024,
            entries: 5_000,
            receive: Duration::from_secs(60),
            work: Duration::from_secs(60),
            concurrent: 32,
            open: 256,
        }
    }
}

/// What is still read of a request that was turned away.
pub(crate) const DRAIN_BYTES: usize = 4 * 1024 * 1024;
/// How long it is still read.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// What running requests get when the hub stops.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// Bytes of a request's head that are read before it is looked at. Three times what is allowed, so that a little too much is
/// still answered properly.
pub(crate) const MAX_HEAD_BYTES: usize = 48 * 1024;

/// Refuses what is too long in its head, or one request too many.
pub(crate) async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let url = request
        .uri()
        .path_and_query()
        .map_or(0, |url| url.as_str().len());
    if url > app.limits.url_bytes {
        let text = "the URL is too long: send long searches to Type/_search";
        return Problem::new(StatusCode::URI_TOO_LONG, "too-long", text).into_response();
    }
    if bytes > app.limits.header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let text = "the headers of the request are too long";
        return Problem::new(status, "too-long", text).into_response();
    }
    let Ok(_open) = app.open.clone().try_acquire_owned() else {
        let text = "too many requests at once: come back in a moment";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "throttled", text);
        return problem.retry_after(2).into_response();
    };
    next.run(request).await
}

/// Receives the whole body before anything is done, in time and in bounds.
pub(crate) async fn receive(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let whole = Bytes::from_request(Request::from_parts(parts.clone(), body), &());
    match tokio::time::timeout(app.limits.receive, whole).await {
        Ok(Ok(bytes)) => {
            next.run(Request::from_parts(parts, Body::from(bytes)))
                .await
        }
        Ok(Err(rejection)) => Problem::from(rejection).into_response(),
        Err(_) => {
            let text = "the request took too long to arrive";
            let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", text);
            let close = HeaderValue::from_static("close");
            problem.with("connection", close).into_response()
        }
    }
}

/// Works on a request in a task of its own.
pub(crate) async fn work(State(app): State<App>, request: Request, next: Next) -> Response {
    apart(next.run(request), app.limits.work).await
}

/// What panics in it ends it alone, and what takes too long is not waited for. A write that is under way then is finished
/// all the same.
async fn apart(
    answer: impl Future<Output = Response> + Send + 'static,
    limit: Duration,
) -> Response {
    match tokio::time::timeout(limit, tokio::spawn(answer)).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => failed().into_response(),
        Err(_) => {
            let text = "the request takes too long; a write may still be done: read before you send it again";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", text);
            problem.retry_after(10).into_response()
        }
    }
}

/// Something that should not happen. What it was stays here: it could hold anything.
pub(crate) fn failed() -> Problem {
    let text = "the request failed; the hub goes on";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(response: Response) -> (u16, String) {
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        (status, String::from_utf8(body.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_ends_its_request_alone_and_tells_nothing() {
        let panics = async {
            assert_eq!("Jane Doe", "", "Jane Doe");
            Response::new(Body::empty())
        };
        let (status, text) = told(apart(panics, Duration::from_secs(60)).await).await;
        assert_eq!(status, 500);
        assert!(
            text.contains("OperationOutcome") && !text.contains("Jane"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn what_takes_too_long_is_not_waited_for() {
        let (status, text) = told(apart(std::future::pending(), Duration::ZERO).await).await;
        assert_eq!(status, 503);
        assert!(text.contains("read before you send it again"), "{text}");
    }
}
