//! Requests and answers over HTTP and TLS.

use super::ahead::{Scout, Slots};
use super::exchange::{Exchange, Head, PipedBody};
use super::handshakes::Handshakes;
use super::tls::Tls;
use super::wire::{Doing, Method, Reply, Request, Target, Wire};
use super::{NetError, error};
use crate::crypto::SecretText;
use crate::fhir::{Instant, bundle, marks};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, Url};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;

/// How long a server is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// Between two pieces of an answer, so that a slow line is not an error but a silent one is.
    pub silence: Duration,
    /// For a whole answer: a line that drips must not keep a vault open for hours.
    pub whole: Duration,
}

impl Patience {
    /// For people who wait.
    pub const USUAL: Self = Self {
        connect: Duration::from_secs(10),
        silence: Duration::from_secs(60),
        whole: Duration::from_secs(15 * 60),
    };
}

/// A server that is reached over HTTP.
pub(super) struct HttpWire(Arc<Road>);

/// What requests need, also those that nobody asked for yet.
pub(super) struct Road {
    client: Client,
    base: Url,
    url: String,
    token: Option<SecretText>,
    handshakes: Arc<Handshakes>,
    pub(super) slots: Slots,
}

impl HttpWire {
    pub(super) fn new(
        base: Url,
        tls: Tls,
        token: Option<SecretText>,
        patience: Patience,
    ) -> Result<Self, NetError> {
        if token.as_ref().is_some_and(|token| bearer(token).is_err()) {
            return Err(NetError::BadToken);
        }
        let url = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self(Arc::new(Road {
            client: client(tls.config, patience)?,
            base,
            url,
            token,
            handshakes: tls.handshakes,
            slots: Slots::default(),
        })))
    }
}

impl Road {
    fn url_of(&self, target: &Target) -> Result<Url, NetError> {
        match target {
            Target::Base => Ok(self.base.clone()),
            Target::Below(path) => self.base.join(path).map_err(|_| NetError::BadUrl),
            Target::Link(link) => self.linked(link),
        }
    }

    /// Where a link of the server's leads.
    pub(super) fn linked(&self, link: &str) -> Result<Url, NetError> {
        let url = self.base.join(link).map_err(|_| NetError::ForeignLink)?;
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            Err(NetError::ForeignLink)
        }
    }

    /// GET of a page that leads to a further one.
    pub(super) fn begin(
        road: &Arc<Self>,
        url: Url,
        scout: Option<Scout>,
    ) -> Result<Exchange, NetError> {
        let sent = road.asked(reqwest::Method::GET, url)?;
        Ok(Exchange::start(
            answered(sent, Arc::clone(&road.handshakes)),
            scout,
        ))
    }

    /// As [`Road::begin`]; somebody wants it.
    fn begin_wanted(road: &Arc<Self>, url: Url) -> Result<Exchange, NetError> {
        let scout = Scout::new(road.slots.open(road, true));
        Self::begin(road, url, Some(scout))
    }

    /// What every request has.
    fn asked(&self, method: reqwest::Method, url: Url) -> Result<RequestBuilder, NetError> {
        let mut sent = self
            .client
            .request(method, url)
            .header(header::ACCEPT, "application/fhir+json")
            // A server's search cache would hide what was written a moment ago.
            .header(header::CACHE_CONTROL, "no-cache")
            // Strict: a filter the server does not know must be an error, or the whole table comes down.
            .header("prefer", "handling=strict");
        if let Some(token) = &self.token {
            sent = sent.header(header::AUTHORIZATION, bearer(token)?);
        }
        Ok(sent)
    }

    fn prepared(&self, request: Request) -> Result<RequestBuilder, NetError> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Put => reqwest::Method::PUT,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
        };
        let url = self.url_of(&request.target)?;
        let mut sent = self.asked(method, url)?;
        if let Some(body) = request.body {
            sent = match request.is_plain_json {
                true => sent.header(header::CONTENT_TYPE, "application/json"),
                false => sent
                    .header(header::CONTENT_TYPE, "application/fhir+json; charset=utf-8")
                    .header("prefer", "return=representation"),
            };
            sent = sent.body(body);
        }
        if let Some(version) = &request.if_match {
            sent = sent.header(header::IF_MATCH, bundle::etag(version));
        }
        if request.if_absent {
            sent = sent.header(header::IF_NONE_MATCH, "*");
        }
        if let Some(search) = request.if_none_exist {
            sent = sent.header("if-none-exist", search);
        }
        if let Some(records) = request.change {
            sent = sent.header(marks::CHANGE_HEADER, records);
        }
        Ok(sent)
    }
}

impl Wire for HttpWire {
    fn url(&self) -> &str {
        &self.0.url
    }

    fn send(&self, request: Request) -> Doing<'_, Result<Reply, NetError>> {
        // Called outside a runtime it begins with the first poll, which is inside one.
        if tokio::runtime::Handle::try_current().is_ok() {
            let begun = Begun::new(&self.0, request);
            Box::pin(async move { begun?.reply(&self.0).await })
        } else {
            Box::pin(async move { Begun::new(&self.0, request)?.reply(&self.0).await })
        }
    }

    fn group(&self) -> Option<String> {
        self.0.handshakes.group()
    }

    fn pause(&self, time: Duration) -> Doing<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// A request that is under way.
enum Begun {
    Now(Exchange),
    /// It was before anybody asked.
    Before(Exchange, Url),
}

impl Begun {
    fn new(road: &Arc<Road>, request: Request) -> Result<Self, NetError> {
        if !request.looks_ahead {
            let sent = road.prepared(request)?;
            let answered = answered(sent, Arc::clone(&road.handshakes));
            return Ok(Self::Now(Exchange::start(answered, None)));
        }
        let url = road.url_of(&request.target)?;
        match road.slots.take(&url) {
            Some(early) => Ok(Self::Before(early.wanted(), url)),
            None => Road::begin_wanted(road, url).map(Self::Now),
        }
    }

    async fn reply(self, road: &Arc<Road>) -> Result<Reply, NetError> {
        let (head, body) = match self {
            Self::Now(exchange) => exchange.head().await?,
            Self::Before(exchange, url) => match exchange.head().await {
                Ok((head, body)) if head.status == 200 => (head, body),
                // Perhaps it was only too early for the server.
                _ => Road::begin_wanted(road, url)?.head().await?,
            },
        };
        reply(head, body)
    }
}

/// Waits for the head of the answer. Old machines on the way drop connections whose first message is longer than they
/// know: it is made once more with a short one. Nothing of the request was sent by then.
async fn answered(
    request: RequestBuilder,
    handshakes: Arc<Handshakes>,
) -> Result<Response, NetError> {
    let again = request.try_clone();
    let before = handshakes.count();
    let error = match request.send().await {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    let is_cut = error.is_connect() && error::has_no_tls_cause(&error);
    match again {
        Some(again) if is_cut && handshakes.were_not_answered(before) => {
            handshakes.begin_short(true);
            let answer = again.send().await;
            if answer.as_ref().is_err_and(reqwest::Error::is_connect) {
                // It was not that.
                handshakes.begin_short(false);
            }
            answer.map_err(|e| NetError::of(&e))
        }
        _ => Err(NetError::of(&error)),
    }
}

fn reply(head: Head, body: PipedBody) -> Result<Reply, NetError> {
    if (300..400).contains(&head.status) && head.status != 304 {
        return Err(NetError::Redirect);
    }
    let headers = &head.headers;
    let version = text(headers, header::ETAG);
    Ok(Reply {
        status: head.status,
        version: version.map(|etag| bundle::etag_version(etag).to_owned()),
        modified: date(headers, header::LAST_MODIFIED),
        date: date(headers, header::DATE),
        retry_after: retry_after(headers),
        location: text(headers, header::LOCATION).map(str::to_owned),
        body: Box::new(body),
    })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<Instant> {
    Instant::parse_http_date(text(headers, name)?)
}

/// Nobody is sent away for longer.
const LONGEST_AWAY: Duration = Duration::from_secs(24 * 60 * 60);

/// In seconds, or as a date that the server's own clock is compared with.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, header::RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_AWAY));
    }
    let until = Instant::parse_http_date(value)?;
    let now = date(headers, header::DATE)?;
    let ms = u64::try_from(until.epoch_ms() - now.epoch_ms()).unwrap_or(0);
    Some(Duration::from_millis(ms).min(LONGEST_AWAY))
}

pub(super) fn base_of(base: &str) -> Result<Url, NetError> {
    let mut url = Url::parse(base).map_err(|_| NetError::BadUrl)?;
    let host = url.host_str().ok_or(NetError::BadUrl)?;
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(NetError::Insecure),
        _ => return Err(NetError::BadUrl),
    }
    let with_credentials = !url.username().is_empty() || url.password().is_some();
    if url.query().is_some() || url.fragment().is_some() || with_credentials {
        return Err(NetError::BadUrl);
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// HTTP/1.1: a sync reads one answer at a time, and over HTTP/2 a server in the field gave half as much (ADR 0017).
fn client(tls: ClientConfig, patience: Patience) -> Result<Client, NetError> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(patience.connect)
        .read_timeout(patience.silence)
        .timeout(patience.whole)
        .user_agent(concat!("pocketchart/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .build()
        .map_err(|_| NetError::Tls)
}

fn bearer(token: &SecretText) -> Result<HeaderValue, NetError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| NetError::BadToken)?;
    value.set_sensitive(true);
    Ok(value)
}
