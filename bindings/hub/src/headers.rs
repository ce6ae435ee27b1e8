//! What headers ask for: conditions and preferences.

use crate::answer::Problem;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use pocketchart_core::access::Precondition;
use pocketchart_core::fhir::bundle::etag_version;
use pocketchart_core::fhir::marks;
use std::borrow::Cow;

/// What a write's answer holds (`Prefer: return=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    Minimal,
    Representation,
    Outcome,
}

/// `return=` of the Prefer header.
pub(crate) fn returned(headers: &HeaderMap) -> Option<Return> {
    match preference(headers, "return")? {
        "minimal" => Some(Return::Minimal),
        "representation" => Some(Return::Representation),
        "OperationOutcome" => Some(Return::Outcome),
        _ => None,
    }
}

/// Whether unknown search parameters may be left out. Only where it is asked for: R4 would rather have servers ignore
/// them, but a mistyped `patient=` that is ignored shows another patient's results (ADR 0015).
pub(crate) fn is_lenient(headers: &HeaderMap) -> bool {
    preference(headers, "handling") == Some("lenient")
}

fn preference<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let values = headers.get_all(HeaderName::from_static("prefer")).iter();
    let mut preferences = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|preference| preference.split_once('='));
    let (_, value) = preferences.find(|(n, _)| n.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"'))
}

/// If-Match and If-None-Match of a write.
pub(crate) fn condition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let text = |name: HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default().trim())
    };
    precondition(text(header::IF_MATCH), text(header::IF_NONE_MATCH))
        .map_err(|why| Problem::new(StatusCode::BAD_REQUEST, "not-supported", why))
}

/// The same from their values.
pub(crate) fn precondition(
    if_match: Option<&str>,
    if_none_match: Option<&str>,
) -> Result<Precondition, &'static str> {
    let mut condition = Precondition::default();
    match if_none_match {
        None => {}
        Some("*") => condition.absent = true,
        Some(_) => return Err("a write's If-None-Match takes * only"),
    }
    match if_match {
        None => {}
        Some("*") => condition.present = true,
        Some(several) if several.contains(',') => return Err("If-Match names one version"),
        Some(one) => condition.version = Some(etag_version(one).to_owned()),
    }
    Ok(condition)
}

/// The signed change record of a write.
pub(crate) fn change(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let value = headers.get(marks::CHANGE_HEADER)?;
    Some(Cow::Borrowed(value.to_str().ok()?))
}

/// If-None-Exist: the search string, without a type.
pub(crate) fn if_none_exist(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(HeaderName::from_static("if-none-exist")) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| {
        let text = "If-None-Exist is written as in a URL, percent-encoded";
        Problem::new(StatusCode::BAD_REQUEST, "value", text)
    })?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(prefer: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in prefer {
            headers.append("prefer", value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn preferences_in_all_spellings() {
        for one in [
            &["return=representation; handling=lenient"][..],
            &["handling=lenient", "return=representation"],
            &["respond-async, Return = \"representation\",handling=lenient"],
        ] {
            let headers = headers(one);
            assert_eq!(returned(&headers), Some(Return::Representation), "{one:?}");
            assert!(is_lenient(&headers), "{one:?}");
        }
        assert_eq!(returned(&headers(&["return=nonsense"])), None);
        assert!(!is_lenient(&headers(&[])));
        assert!(!is_lenient(&headers(&["handling=strict"])));
    }

    #[test]
    fn conditions() {
        let one = precondition(Some("W/\"3\""), None).unwrap();
        assert_eq!(one.version.as_deref(), Some("3"));
        assert!(precondition(Some("*"), None).unwrap().present);
        assert!(precondition(None, Some("*")).unwrap().absent);
        assert!(precondition(Some("W/\"1\", W/\"2\""), None).is_err());
        assert!(precondition(None, Some("W/\"1\"")).is_err());
    }
}
