//! One request as handlers see it: who asks, where, and with which headers and parameters.

use crate::answer::Problem;
use crate::app::App;
use crate::auth::Caller;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use pocketchart_core::access::Guard;

/// Name and value, decoded.
pub(crate) type Parameters = Vec<(String, String)>;

/// One request.
pub(crate) struct Ask {
    /// The vault in the caller's hands.
    pub(crate) guard: Guard,
    /// The base URL as this client reached it: its `next` links must have the origin it talks to.
    pub(crate) base: String,
    pub(crate) headers: HeaderMap,
    /// Of the URL, without those that say how the answer is written.
    pub(crate) parameters: Parameters,
    /// Entries that a Bundle may have.
    pub(crate) max_entries: usize,
}

impl FromRequestParts<App> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Some(caller) = parts.extensions.get::<Caller>() else {
            let text = "a bearer token is needed";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "login", text));
        };
        Ok(Self {
            guard: caller.guard.clone(),
            base: base_of(app, &parts.uri, &parts.headers),
            headers: parts.headers.clone(),
            parameters: parameters_of(parts.uri.query().unwrap_or_default()),
            max_entries: app.limits.entries,
        })
    }
}

/// The parameters in `text`, which is written as in a URL. `_format` was looked at before, and `_pretty` asks for
/// white space only.
pub(crate) fn parameters_of(text: &str) -> Parameters {
    form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .filter(|(name, _)| name != "_format" && name != "_pretty")
        .collect()
}

/// The base URL as a client reached it.
pub(crate) fn base_of(app: &App, uri: &Uri, headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let authority = uri.authority().map(Authority::as_str).or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    match authority.filter(|authority| !authority.is_empty() && authority.chars().all(plain)) {
        Some(authority) => format!("https://{authority}/fhir"),
        None => format!("https://{}/fhir", app.address),
    }
}
