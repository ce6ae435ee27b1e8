//! What carries requests to a server and answers back.
//!
//! A trait, so that the simulation of `sync` can put a server, a network and a clock of its own behind the very code that
//! runs on phones. Requests say what FHIR needs of HTTP and no more; how that becomes headers is `http`'s matter.

use super::{Answer, MAX_WHOLE_BYTES, NetError};
use crate::fhir::Instant;
use std::pin::Pin;
use std::time::Duration;

/// Something that is under way.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One server behind some network.
pub trait Wire: Send + Sync {
    /// The base URL without a slash at the end: how a server is remembered.
    fn url(&self) -> &str;

    /// Sends a request. It begins when this is called, and its answer comes in while the caller is busy with something
    /// else; dropping what is answered ends it.
    fn send(&self, request: Request) -> Doing<'_, Result<Reply, NetError>>;

    /// Waits, on the clock that goes with this network.
    fn pause(&self, time: Duration) -> Doing<'_, ()>;

    /// How the key of the newest connection was agreed (`X25519MLKEM768`); none: not by TLS, or nothing was sent yet.
    fn group(&self) -> Option<String> {
        None
    }
}

/// What is asked of a server.
#[derive(Clone, Default)]
pub struct Request {
    /// What is done.
    pub method: Method,
    /// With what.
    pub target: Target,
    /// JSON.
    pub body: Option<String>,
    /// `If-Match`: the version (not an ETag) that may be replaced.
    pub if_match: Option<String>,
    /// `If-None-Match: *`: nothing may stand there.
    pub if_absent: bool,
    /// `If-None-Exist`: a search that must find nothing.
    pub if_none_exist: Option<String>,
    /// The signed records of the change.
    pub change: Option<String>,
    /// The body is no FHIR resource.
    pub is_plain_json: bool,
    /// The page that this one links to will be wanted too, again with this flag: a network may ask for it before.
    pub looks_ahead: bool,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// PUT.
    Put,
    /// POST.
    Post,
    /// DELETE.
    Delete,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// The base URL itself.
    #[default]
    Base,
    /// Below it: `Patient/1`, `Patient?_count=5`.
    Below(String),
    /// A link that the server gave, followed verbatim unless it leads to another origin.
    Link(String),
}

/// The head of an answer, and its body as it comes.
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// Version in the ETag.
    pub version: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<Instant>,
    /// `Date`: the server's clock.
    pub date: Option<Instant>,
    /// `Retry-After`, from now.
    pub retry_after: Option<Duration>,
    /// `Location`.
    pub location: Option<String>,
    /// The body.
    pub body: Box<dyn Body>,
}

/// A body that comes in pieces.
pub trait Body: Send {
    /// The next piece; `None` at the end.
    fn chunk(&mut self) -> Doing<'_, Result<Option<Vec<u8>>, NetError>>;
}

impl Request {
    /// GET of `path` below the base URL.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            target: Target::Below(path.into()),
            ..Self::default()
        }
    }

    /// GET of a link that the server gave.
    pub fn follow(link: impl Into<String>) -> Self {
        Self {
            target: Target::Link(link.into()),
            ..Self::default()
        }
    }

    /// PUT of a resource. `if_match`: the version that may be replaced; `None`: nothing may stand there yet.
    pub fn put(path: &str, body: String, if_match: Option<&str>, change: Option<&str>) -> Self {
        Self {
            method: Method::Put,
            target: Target::Below(path.to_owned()),
            body: Some(body),
            if_match: if_match.map(str::to_owned),
            if_absent: if_match.is_none(),
            change: change.map(str::to_owned),
            ..Self::default()
        }
    }

    /// DELETE, if `if_match` is still the version.
    pub fn delete(path: &str, if_match: Option<&str>, change: Option<&str>) -> Self {
        Self {
            method: Method::Delete,
            target: Target::Below(path.to_owned()),
            if_match: if_match.map(str::to_owned),
            change: change.map(str::to_owned),
            ..Self::default()
        }
    }

    /// POST of a resource under an id of the server's. `unless`: a search that must find nothing.
    pub fn create(kind: &str, body: String, unless: Option<&str>) -> Self {
        Self {
            method: Method::Post,
            target: Target::Below(kind.to_owned()),
            body: Some(body),
            if_none_exist: unless.map(str::to_owned),
            ..Self::default()
        }
    }

    /// POST of a transaction or batch Bundle.
    pub fn transaction(body: String) -> Self {
        Self {
            method: Method::Post,
            body: Some(body),
            ..Self::default()
        }
    }

    /// POST of a JSON text that is no resource.
    pub fn post_json(path: &str, body: String) -> Self {
        Self {
            method: Method::Post,
            target: Target::Below(path.to_owned()),
            body: Some(body),
            is_plain_json: true,
            ..Self::default()
        }
    }
}

impl Reply {
    /// Waits for the whole body.
    ///
    /// # Errors
    /// [`NetError`]; a body longer than 32 MiB is one.
    pub async fn answer(mut self) -> Result<Answer, NetError> {
        let mut body = Vec::new();
        while let Some(piece) = self.body.chunk().await? {
            if body.len() + piece.len() > MAX_WHOLE_BYTES {
                return Err(NetError::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
        let text = match String::from_utf8(body) {
            Ok(text) => text,
            // An error page in another encoding is an error all the same: its status is what counts.
            Err(_) if !(200..300).contains(&self.status) => String::new(),
            Err(_) => return Err(NetError::NotText),
        };
        Ok(Answer {
            status: self.status,
            version: self.version,
            modified: self.modified,
            date: self.date,
            retry_after: self.retry_after,
            location: self.location,
            text,
        })
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({:?})", self.method)
    }
}
