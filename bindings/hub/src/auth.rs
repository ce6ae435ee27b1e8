//! Who asks: from the headers of a request to the guard that its handler works with.
//!
//! Every request but those for `metadata`, `$enrol` and `/health` goes through here before its body is read. Handlers have no other
//! guard than their caller's, so what a caller may not see no handler can hand out.

use crate::answer::Problem;
use crate::app::App;
use crate::limits::{DRAIN_BYTES, DRAIN_TIMEOUT, failed};
use crate::log::Asker;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pocketchart_core::access::Guard;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use subtle::ConstantTimeEq;

/// Who sent a request, in its extensions.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The vault in this caller's hands.
    pub(crate) guard: Guard,
}

impl Caller {
    /// What a line of the log calls this caller: the device's id at this hub.
    fn name(&self) -> String {
        let actor = self.guard.actor();
        actor.device.clone().unwrap_or_else(|| "admin".into())
    }
}

/// The SHA-256 of a token. Hashes are compared, so that neither length nor time tells anything about the token.
pub(crate) fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Whose token that is; `None`: nobody's whom this hub knows. A hub that cannot look says that instead: a device whose
/// token is turned away needs a new code, and one that is told to come back does not.
async fn caller_of(
    app: &App,
    token: Option<String>,
    is_local: bool,
) -> Result<Option<Caller>, Problem> {
    let Some(token) = token else { return Ok(None) };
    if bool::from(hash_of(&token).ct_eq(&app.admin_token_hash)) {
        // It lies in a file of this machine and is for programs of this machine.
        return Ok(is_local.then(|| Caller {
            guard: app.guard.clone(),
        }));
    }
    let guard = app.guard.clone();
    let found = tokio::task::spawn_blocking(move || {
        let actor = guard.holder_of_token(&token)?;
        Ok(actor.map(|actor| Caller {
            guard: guard.acting_as(actor),
        }))
    });
    found.await.unwrap_or_else(|_| Err(failed()))
}

/// Whether the request comes from this machine.
fn is_local(app: &App, request: &Request) -> bool {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    from.is_some_and(|ConnectInfo(from)| {
        let from = from.ip().to_canonical();
        from.is_loopback() || from == app.address.ip().to_canonical()
    })
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
    let token = bearer(request.headers()).map(str::to_owned);
    let is_local = is_local(&app, &request);
    let caller = match caller_of(&app, token, is_local).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if let Some(caller) = caller {
        let asker = Asker(caller.name());
        request.extensions_mut().insert(caller);
        let mut response = next.run(request).await;
        response.extensions_mut().insert(asker);
        return response;
    }
    app.denied.note(&app.guard);
    // Read what is still coming, a little: some clients take an answer before the end of their request for an error.
    let _ = tokio::time::timeout(
        DRAIN_TIMEOUT,
        axum::body::to_bytes(request.into_body(), DRAIN_BYTES),
    )
    .await;
    let text = "a bearer token is needed: an enrolled device has one (the hub's token file is for its own machine)";
    Problem::new(StatusCode::UNAUTHORIZED, "login", text).into_response()
}
