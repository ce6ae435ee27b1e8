//! Who asks: from the headers of a request to the guard that its handler works with.
//!
//! Every request but those for `metadata` and `/health` goes through here before its body is read. Handlers have no other
//! guard than their caller's, so what a caller may not see no handler can hand out.

use crate::answer::Problem;
use crate::app::App;
use crate::limits::{DRAIN_BYTES, DRAIN_TIMEOUT};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pocketchart_core::access::Guard;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Who sent a request, in its extensions.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The vault in this caller's hands.
    pub(crate) guard: Guard,
}

/// The SHA-256 of a token. Hashes are compared, so that neither length nor time tells anything about the token.
pub(crate) fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Who the headers say the caller is; `None`: nobody whom this hub knows.
async fn caller_of(app: &App, headers: &HeaderMap) -> Option<Caller> {
    let hash = hash_of(bearer(headers)?);
    if bool::from(hash.ct_eq(&app.admin_token_hash)) {
        return Some(Caller {
            guard: app.guard.clone(),
        });
    }
    None
}

/// The token of the Authorization header. The scheme's name has no case (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// Lets known callers through, with their [`Caller`].
pub(crate) async fn authenticate(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(caller) = caller_of(&app, request.headers()).await {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    app.denied.note(&app.guard);
    // Read what is still coming, a little: some clients take an answer before the end of their request for an error.
    let _ = tokio::time::timeout(
        DRAIN_TIMEOUT,
        axum::body::to_bytes(request.into_body(), DRAIN_BYTES),
    )
    .await;
    let text = "a bearer token is needed (the token file of the hub names one)";
    Problem::new(StatusCode::UNAUTHORIZED, "login", text).into_response()
}
