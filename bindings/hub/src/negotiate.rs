//! In which form answers go out and requests come in: JSON. Anything else is refused before it is read.

use crate::answer::Problem;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// What the body of a PATCH is.
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
/// What the body of a `_search` is.
const FORM: &str = "application/x-www-form-urlencoded";

/// Lets through what can be answered in JSON and is sent in the form its method needs.
pub(crate) async fn negotiate(request: Request, next: Next) -> Response {
    if let Err(refusal) = check(&request) {
        return refusal.into_response();
    }
    next.run(request).await
}

fn check(request: &Request) -> Result<(), Problem> {
    let query = request.uri().query().unwrap_or_default();
    let formats = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "_format");
    let mut asked = None;
    for (_, format) in formats {
        asked = Some(check_format(&format)?);
    }
    // R4: `_format` overrides Accept.
    if asked.is_none() && !accepts_json(request.headers()) {
        return Err(not_acceptable("the Accept header"));
    }
    check_content(request)
}

/// `_format`, wherever it stands.
pub(crate) fn check_format(format: &str) -> Result<(), Problem> {
    match is_json(format) {
        true => Ok(()),
        false => Err(not_acceptable("_format")),
    }
}

fn not_acceptable(what: &str) -> Problem {
    let text = format!("{what}: this server answers in JSON only (application/fhir+json)");
    Problem::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text)
}

/// `json`, and the media types that mean it. A plus in a URL arrives as a space.
fn is_json(name: &str) -> bool {
    let name = name.split(';').next().unwrap_or_default().trim();
    let name = name.replace(' ', "+").to_ascii_lowercase();
    let names = [
        "json",
        "application/json",
        "application/fhir+json",
        "application/json+fhir",
        "text/json",
    ];
    names.contains(&name.as_str())
}

/// Whether any part of Accept takes JSON. HAPI's client by default prefers XML and takes JSON.
fn accepts_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| {
            let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
            let refused = parameters.split(';').any(|parameter| {
                let value = parameter.trim().strip_prefix("q=");
                value.is_some_and(|q| q.trim().parse().is_ok_and(|q: f32| q <= 0.0))
            });
            let name = name.trim();
            !refused && (matches!(name, "*/*" | "application/*") || is_json(name))
        })
}

/// A body without a Content-Type is taken for what its method needs.
fn check_content(request: &Request) -> Result<(), Problem> {
    let Some(given) = request.headers().get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let given = given.to_str().unwrap_or_default();
    let (name, parameters) = given.split_once(';').unwrap_or((given, ""));
    let charset = parameters.trim().to_ascii_lowercase();
    let other_charset = charset.contains("charset=") && !charset.contains("utf-8");
    let is_search = request.uri().path().ends_with("/_search");
    let (fits, wanted) = match *request.method() {
        Method::PATCH => (name.trim().eq_ignore_ascii_case(JSON_PATCH), JSON_PATCH),
        Method::POST if is_search => (name.trim().eq_ignore_ascii_case(FORM), FORM),
        Method::POST | Method::PUT => (is_json(name), "application/fhir+json"),
        _ => return Ok(()),
    };
    if fits && !other_charset {
        return Ok(());
    }
    let text = format!("the body must be {wanted} in UTF-8");
    let refusal = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text);
    Err(match *request.method() {
        // RFC 5789, 3.1
        Method::PATCH => refusal.with("accept-patch", HeaderValue::from_static(JSON_PATCH)),
        _ => refusal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        accepts_json(&headers)
    }

    #[test]
    fn accept_headers_of_the_field() {
        let hapi = "application/fhir+xml;q=1.0, application/fhir+json;q=1.0, application/xml+fhir;q=0.9, application/json+fhir;q=0.9";
        for good in [
            hapi,
            "*/*",
            "text/html, application/*;q=0.8",
            "application/fhir+json; fhirVersion=4.0",
            "Application/JSON",
            "json",
        ] {
            assert!(takes(good), "{good}");
        }
        for bad in [
            "application/fhir+xml",
            "text/html",
            "application/fhir+json;q=0",
            "application/fhir+turtle, text/xml",
        ] {
            assert!(!takes(bad), "{bad}");
        }
        assert!(accepts_json(&HeaderMap::new()));
    }

    #[test]
    fn formats() {
        for good in [
            "json",
            "application/fhir json",
            "application/fhir+json;charset=utf-8",
        ] {
            assert!(check_format(good).is_ok(), "{good}");
        }
        for bad in ["xml", "", "application/fhir+xml", "jsonx"] {
            assert!(check_format(bad).is_err(), "{bad}");
        }
    }
}
