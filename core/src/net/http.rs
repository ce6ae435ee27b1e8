//! Requests and answers over HTTP and TLS.

use super::NetError;
use super::exchange::{Exchange, Head, PipedBody};
use super::wire::{Doing, Method, Reply, Request, Target, Wire};
use crate::crypto::SecretText;
use crate::fhir::{Instant, bundle, marks};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use rustls::ClientConfig;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer, so that a slow line is not an error but a silent one is.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// For a whole answer: a line that drips must not keep a vault open for hours.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// A server that is reached over HTTP.
pub(super) struct HttpWire {
    client: Client,
    base: Url,
    url: String,
    token: Option<SecretText>,
}

impl HttpWire {
    pub(super) fn new(
        base: Url,
        tls: ClientConfig,
        token: Option<SecretText>,
    ) -> Result<Self, NetError> {
        if token.as_ref().is_some_and(|token| bearer(token).is_err()) {
            return Err(NetError::BadToken);
        }
        let url = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            client: client(tls)?,
            base,
            url,
            token,
        })
    }

    fn url_of(&self, target: &Target) -> Result<Url, NetError> {
        match target {
            Target::Base => Ok(self.base.clone()),
            Target::Below(path) => self.base.join(path).map_err(|_| NetError::BadUrl),
            Target::Link(link) => {
                let url = self.base.join(link).map_err(|_| NetError::ForeignLink)?;
                if url.origin() == self.base.origin() {
                    Ok(url)
                } else {
                    Err(NetError::ForeignLink)
                }
            }
        }
    }

    fn prepared(&self, request: Request) -> Result<RequestBuilder, NetError> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Put => reqwest::Method::PUT,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
        };
        let url = self.url_of(&request.target)?;
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
        &self.url
    }

    fn send(&self, request: Request) -> Doing<'_, Result<Reply, NetError>> {
        let prepared = self.prepared(request);
        let begin = |sent: RequestBuilder| {
            Exchange::start(async move { sent.send().await.map_err(|e| NetError::of(&e)) })
        };
        // Called outside a runtime it begins with the first poll, which is inside one.
        let begun = tokio::runtime::Handle::try_current().is_ok();
        let prepared = prepared.map(|sent| match begun {
            true => Begun::Yes(begin(sent)),
            false => Begun::Not(sent),
        });
        Box::pin(async move {
            let exchange = match prepared? {
                Begun::Yes(exchange) => exchange,
                Begun::Not(sent) => begin(sent),
            };
            let (head, body) = exchange.head().await?;
            reply(&head, body)
        })
    }

    fn pause(&self, time: Duration) -> Doing<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

enum Begun {
    Yes(Exchange),
    Not(RequestBuilder),
}

fn reply(head: &Head, body: PipedBody) -> Result<Reply, NetError> {
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

/// In seconds, or as a date that the server's own clock is compared with.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, header::RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = Instant::parse_http_date(value)?;
    let now = date(headers, header::DATE)?;
    let ms = u64::try_from(until.epoch_ms() - now.epoch_ms()).unwrap_or(0);
    Some(Duration::from_millis(ms))
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

fn client(tls: ClientConfig) -> Result<Client, NetError> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .timeout(WHOLE_TIMEOUT)
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
