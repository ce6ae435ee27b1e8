//! What goes back to a client: resources as they are stored, and errors as OperationOutcomes.

use crate::people::problem_of;
use axum::body::Body;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use pocketchart_core::access::{
    AccessError, AuditError, ChangeRefused, Refused, StoreError, Unfit,
};
use pocketchart_core::fhir::patch::PatchError;
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
    /// For the program at the other end, see `fhir::marks::REFUSAL`.
    reason: Option<ChangeRefused>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            code,
            text: text.into(),
            expression: None,
            reason: None,
            headers: Vec::new(),
        }
    }

    /// A request that R4 does not know, or whose parts do not fit together.
    pub(crate) fn bad(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, text)
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    /// When to come back.
    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        self.with("retry-after", HeaderValue::from(seconds))
    }

    /// The OperationOutcome.
    pub(crate) fn outcome(&self) -> String {
        match self.reason {
            Some(reason) => outcome::refusal(reason.code(), &self.text),
            None => outcome::error(self.code, &self.text, self.expression.as_deref()),
        }
    }

    /// Says where, unless that is known more closely.
    pub(crate) fn within(mut self, place: &str) -> Self {
        self.expression = Some(match self.expression.take() {
            Some(inner) => format!("{place}.resource.ofType({inner})"),
            None => place.to_owned(),
        });
        self
    }

    /// Says where.
    pub(crate) fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = json(self.status, self.outcome());
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"pocketchart-hub\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        headers.extend(
            self.headers
                .into_iter()
                .map(|(name, value)| (Some(name), value)),
        );
        response
    }
}

impl From<InvalidResource> for Problem {
    fn from(error: InvalidResource) -> Self {
        let (status, code) = match error {
            InvalidResource::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-long"),
            InvalidResource::UnknownType => (StatusCode::BAD_REQUEST, "not-supported"),
            InvalidResource::MissingType | InvalidResource::MissingId => {
                (StatusCode::BAD_REQUEST, "required")
            }
            _ => (StatusCode::BAD_REQUEST, "structure"),
        };
        let place = match error {
            InvalidResource::MissingId | InvalidResource::BadId(_) => Some("id"),
            InvalidResource::BadMeta(_) => Some("meta"),
            InvalidResource::MissingType | InvalidResource::UnknownType => Some("resourceType"),
            InvalidResource::Duplicate(name) => Some(name),
            _ => None,
        };
        let problem = Self::new(status, code, error.to_string());
        match place {
            Some(name) => problem.at(format!("Resource.{name}")),
            None => problem,
        }
    }
}

impl From<Unfit> for Problem {
    fn from(error: Unfit) -> Self {
        let (status, code) = match &error {
            Unfit::Several => (StatusCode::PRECONDITION_FAILED, "multiple-matches"),
            Unfit::NoMatch | Unfit::Unknown(_) => (StatusCode::NOT_FOUND, "not-found"),
            Unfit::Gone(_) => (StatusCode::GONE, "deleted"),
            Unfit::OtherId => (StatusCode::BAD_REQUEST, "invalid"),
            Unfit::Twice(_) | Unfit::SameFullUrl => (StatusCode::BAD_REQUEST, "duplicate"),
            Unfit::Reference { several: true } => (StatusCode::BAD_REQUEST, "multiple-matches"),
            Unfit::Reference { several: false } => (StatusCode::BAD_REQUEST, "not-found"),
            Unfit::ReferenceQuery(_) => (StatusCode::BAD_REQUEST, "value"),
            Unfit::NoCondition => (StatusCode::BAD_REQUEST, "required"),
            Unfit::Patch(error) => return error.clone().into(),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<PatchError> for Problem {
    fn from(error: PatchError) -> Self {
        let (status, code) = match &error {
            PatchError::Malformed { .. } => (StatusCode::BAD_REQUEST, "structure"),
            PatchError::TooMany => (StatusCode::BAD_REQUEST, "too-long"),
            PatchError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-long"),
            // RFC 5789, 2.2: understood, and not to be done on this resource.
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "processing"),
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
            AccessError::Unfit(error) => error.into(),
            AccessError::NotStrict(error) => Self::bad("structure", error.to_string()),
            AccessError::Locked => {
                let text = "the hub is stopping";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "transient", text).retry_after(5)
            }
            AccessError::Refused(refused @ (Refused::Stale { .. } | Refused::Exists { .. })) => {
                Self::new(
                    StatusCode::PRECONDITION_FAILED,
                    "conflict",
                    refused.to_string(),
                )
            }
            AccessError::Refused(Refused::Meta { why, .. }) => why.into(),
            // As a version that is not there any more: the device reads what is, and finds out.
            AccessError::Change(error @ ChangeRefused::Repeated) => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "conflict",
                error.to_string(),
            ),
            AccessError::Change(error) => Self {
                reason: Some(error),
                ..Self::new(StatusCode::FORBIDDEN, "forbidden", error.to_string())
            },
            AccessError::People(error) => problem_of(&error),
            AccessError::Cursor(error) => {
                Self::new(StatusCode::BAD_REQUEST, "value", error.to_string())
            }
            AccessError::NotAllowed(refusal) => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", refusal.to_string())
            }
            AccessError::Store(error @ StoreError::CompartmentsUnknown) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "transient",
                error.to_string(),
            ),
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

/// No body. Nothing between hub and client may keep it.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// With the headers of one version of a record.
pub(crate) fn versioned(
    mut response: Response<Body>,
    version: &str,
    at: Instant,
) -> Response<Body> {
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&bundle::etag(version)) {
        headers.insert(header::ETAG, etag);
    }
    if let Ok(date) = HeaderValue::from_str(&at.to_http_date()) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    response
}
