//! What goes back to a client: resources as they are stored, and errors as OperationOutcomes.

use axum::body::Body;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use pocketchart_core::access::{AccessError, AuditError, Refused, StoreError};
use pocketchart_core::fhir::search::InvalidQuery;
use pocketchart_core::fhir::{Instant, InvalidResource, bundle, outcome};

pub(crate) type Answer = Result<Response<Body>, Problem>;

/// Why a request was not answered.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    code: &'static str,
    text: String,
    expression: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            code,
            text: text.into(),
            expression: None,
        }
    }

    /// Says where.
    pub(crate) fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let text = outcome::error(self.code, &self.text, self.expression.as_deref());
        let mut response = json(self.status, text);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"pocketchart-hub\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<InvalidResource> for Problem {
    fn from(error: InvalidResource) -> Self {
        let (status, code) = match error {
            InvalidResource::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-long"),
            InvalidResource::UnknownType => (StatusCode::NOT_FOUND, "not-supported"),
            InvalidResource::MissingType | InvalidResource::MissingId => {
                (StatusCode::BAD_REQUEST, "required")
            }
            _ => (StatusCode::BAD_REQUEST, "structure"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let text = "the request's body is larger than this server takes";
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text);
        }
        Self::new(
            StatusCode::BAD_REQUEST,
            "structure",
            "the request's body could not be read",
        )
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "value",
            "the URL is not percent-encoded UTF-8",
        )
    }
}

impl From<InvalidQuery> for Problem {
    fn from(error: InvalidQuery) -> Self {
        let code = match error {
            InvalidQuery::Unknown { .. } | InvalidQuery::Unsupported { .. } => "not-supported",
            _ => "value",
        };
        Self::new(StatusCode::BAD_REQUEST, code, error.to_string())
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Resource(error) => error.into(),
            AccessError::Refused(refused @ (Refused::Stale { .. } | Refused::Exists { .. })) => {
                Self::new(
                    StatusCode::PRECONDITION_FAILED,
                    "conflict",
                    refused.to_string(),
                )
            }
            AccessError::Refused(Refused::Meta { why, .. }) => why.into(),
            AccessError::Cursor(error) => {
                Self::new(StatusCode::BAD_REQUEST, "value", error.to_string())
            }
            AccessError::Store(error @ StoreError::NotIndexed { .. }) => {
                Self::new(StatusCode::BAD_REQUEST, "not-supported", error.to_string())
            }
            AccessError::Store(error @ StoreError::DiskFull)
            | AccessError::Audit(AuditError::Store(error @ StoreError::DiskFull)) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "no-store",
                error.to_string(),
            ),
            other => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "exception",
                other.to_string(),
            ),
        }
    }
}

/// A FHIR JSON body. Nothing between hub and client may keep it.
pub(crate) fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/fhir+json; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A body with the headers of one version of a record.
pub(crate) fn versioned(
    status: StatusCode,
    text: String,
    version: &str,
    at: Instant,
) -> Response<Body> {
    let mut response = json(status, text);
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&bundle::etag(version)) {
        headers.insert(header::ETAG, etag);
    }
    if let Ok(date) = HeaderValue::from_str(&at.to_http_date()) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    response
}
