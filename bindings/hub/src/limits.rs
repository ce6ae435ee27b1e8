//! What one client may ask of the hub, so that the others are still answered. Each limit has its reason beside it.

use crate::answer::Problem;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Largest request body: a transaction of some hundred records with attachments.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// Requests worked on at once; further ones wait.
pub(crate) const MAX_CONCURRENT: usize = 32;
/// For a whole request, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// What is still read of a request that was turned away.
pub(crate) const DRAIN_BYTES: usize = 4 * 1024 * 1024;
/// How long it is still read.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// What running requests get when the hub stops.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// A request that stalls is given up: a tablet that lost its signal must not hold anything here.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "the request took too long",
        )
        .into_response(),
    }
}
