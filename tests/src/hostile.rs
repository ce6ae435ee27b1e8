//! A server that can turn hostile: a real hub behind a face that plays tricks with some requests and passes the others
//! on. What a device must not lose by it is checked here as well.

use crate::tls::{self, Authority};
use crate::{Device, TestHub, exported, fail, patient, required};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_server::tls_rustls::RustlsConfig;
use pocketchart_core::net::{Patience, Server};
use rustls::ServerConfig;
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Stands in whatever a hostile server says: it must not come back in any error.
pub const CANARY: &str = "Jane Doe 1970-01-01 canary";

/// What the device shows this server, and must show no other.
pub const TOKEN: &str = "the-token-of-this-device";

/// Long enough for an honest server on this machine, and no longer than a test may wait.
pub const SHORT: Patience = Patience {
    connect: Duration::from_secs(5),
    silence: Duration::from_secs(2),
    whole: Duration::from_secs(4),
};

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// GET, PUT, ...
    pub method: String,
    /// With the query: `/Patient?_count=1`.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Asked {
    /// A search of this type.
    pub fn is_search_of(&self, kind: &str) -> bool {
        self.method == "GET" && self.path.starts_with(&format!("/{kind}?"))
    }
}

type Trick = Arc<dyn Fn(&Asked) -> Option<Response> + Send + Sync>;

/// The face of a hub.
#[derive(Clone)]
pub struct Hostile {
    /// Where it is.
    pub url: String,
    /// Whom it is known by, if it speaks TLS.
    pub authority: Option<Arc<Authority>>,
    tls: Option<RustlsConfig>,
    state: Arc<State>,
}

struct State {
    trick: Mutex<Option<Trick>>,
    asked: Mutex<Vec<Asked>>,
    hub: String,
    token: String,
    client: reqwest::Client,
}

impl Hostile {
    /// In clear text, which is allowed on this machine.
    pub fn before(hub: &TestHub) -> Self {
        let state = Arc::new(State::of(hub));
        let listener = required(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        required(listener.set_nonblocking(true));
        let url = format!("http://{}", required(listener.local_addr()));
        let listener = required(tokio::net::TcpListener::from_std(listener));
        let app = app(&state);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            url,
            authority: None,
            tls: None,
            state,
        }
    }

    /// With TLS, under `config` at first.
    pub fn with_tls(hub: &TestHub, authority: Authority, config: ServerConfig) -> Self {
        let state = Arc::new(State::of(hub));
        let (url, tls) = tls::serve_changing(config, app(&state));
        Self {
            url,
            authority: Some(Arc::new(authority)),
            tls: Some(tls),
            state,
        }
    }

    /// From now on `trick` answers what it wants to.
    pub fn play(&self, trick: impl Fn(&Asked) -> Option<Response> + Send + Sync + 'static) {
        *lock(&self.state.trick) = Some(Arc::new(trick));
    }

    /// From now on it is the hub's honest face.
    pub fn behave(&self) {
        *lock(&self.state.trick) = None;
        if let (Some(tls), Some(authority)) = (&self.tls, &self.authority) {
            tls.reload_from_config(Arc::new(authority.certificate().server()));
        }
    }

    /// What arrived so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }

    /// A client that trusts its authority and has this token.
    pub fn client(&self, token: Option<&str>) -> Server {
        let pem = self.authority.as_ref().map(|a| a.pem.as_str());
        let server = Server::with_patience(&self.url, pem, token, SHORT);
        server.unwrap_or_else(|e| fail(&e))
    }

    /// From now on new connections find this configuration.
    pub fn speak(&self, config: ServerConfig) {
        if let Some(tls) = &self.tls {
            tls.reload_from_config(Arc::new(config));
        }
    }

    /// A device that met the server while it was honest, with work that waits for it now.
    pub async fn device(&self, hub: &TestHub) -> (Device, Work) {
        let client = hub.client();
        let text = patient("known", "1");
        let known = client.put("Patient/known", &text, None);
        assert_eq!(required(known.await).status, 201);
        let device = Device::of(self.client(Some(TOKEN)));
        device.sync().await;
        let edited = device.text("Patient/known").unwrap_or_default();
        device.put(&edited.replace("\"1\"}]", "\"2\"}]"));
        device.put(&patient("fresh", "3"));
        let stored = exported(&device.guard);
        // A new client, whose connections are new.
        let server = self.client(Some(TOKEN));
        (Device { server, ..device }, Work { stored })
    }
}

/// One hostile sync: it ends with exactly this error, which holds nothing that the server said; nothing is lost by it; and
/// once the server behaves, everything goes through.
pub async fn ends_with(
    face: &Hostile,
    hub: &TestHub,
    device: &Device,
    work: &Work,
    expected: &str,
) {
    let error = match device.try_sync().await {
        Ok(report) => panic(&format!(
            "it went through: {report:?} instead of: {expected}"
        )),
        Err(error) => error,
    };
    assert_eq!(error.to_string(), expected);
    for shown in [error.to_string(), format!("{error:?}")] {
        for secret in [CANARY, TOKEN, "Patient/", "127.0.0.1"] {
            assert!(!shown.contains(secret), "{secret} stands in: {shown}");
        }
    }
    work.is_safe(device, hub).await;
    face.behave();
    work.arrives(device, hub).await;
}

#[allow(clippy::panic)] // As an assertion.
fn panic(text: &str) -> ! {
    panic!("{text}")
}

/// What waits on a device: a change of `Patient/known` and the new `Patient/fresh`.
pub struct Work {
    stored: Vec<String>,
}

impl Work {
    /// After a hostile sync: the records are those of before, and both changes wait or are with the hub.
    pub async fn is_safe(&self, device: &Device, hub: &TestHub) {
        assert_eq!(texts(device), self.texts(), "what is stored changed");
        for (id, phone) in [("known", "\"2\"}]"), ("fresh", "\"3\"}]")] {
            let path = format!("Patient/{id}");
            let waits = device.state(&path).is_some();
            let there = required(hub.client().get(&path).await).text;
            assert!(waits || there.contains(phone), "{path} is lost");
        }
    }

    /// After an honest sync: both changes are with the hub, and nothing waits any more.
    pub async fn arrives(&self, device: &Device, hub: &TestHub) {
        device.sync().await;
        let pending = device.guard.pending(None).unwrap_or_else(|e| fail(&e));
        assert_eq!(pending.len(), 0, "{:?}", pending.first().map(|p| p.state));
        for (id, phone) in [("known", "\"2\"}]"), ("fresh", "\"3\"}]")] {
            let there = required(hub.client().get(&format!("Patient/{id}")).await).text;
            assert!(there.contains(phone), "{id}: {there}");
            assert!(device.text(&format!("Patient/{id}")).is_some());
        }
    }

    fn texts(&self) -> Vec<Value> {
        self.stored.iter().map(|text| without_meta(text)).collect()
    }
}

/// The records as they are, apart from what a server adds to those it took.
fn texts(device: &Device) -> Vec<Value> {
    let all = exported(&device.guard);
    all.iter().map(|text| without_meta(text)).collect()
}

fn without_meta(text: &str) -> Value {
    let mut record: Value = required(serde_json::from_str(text));
    if let Some(members) = record.as_object_mut() {
        members.remove("meta");
    }
    record
}

impl State {
    fn of(hub: &TestHub) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = required(reqwest::Certificate::from_pem(hub.ca_pem.as_bytes()));
        let client = reqwest::Client::builder()
            .add_root_certificate(authority)
            .no_proxy()
            .build();
        Self {
            trick: Mutex::new(None),
            asked: Mutex::new(Vec::new()),
            hub: hub.hub.ready().url.clone(),
            token: hub.token.trim().to_owned(),
            client: required(client),
        }
    }

    async fn answer(&self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let body = required(axum::body::to_bytes(body, usize::MAX).await);
        let asked = Asked {
            method: head.method.to_string(),
            path: head.uri.to_string(),
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        lock(&self.asked).push(asked.clone());
        let trick = lock(&self.trick).clone();
        match trick.and_then(|trick| trick(&asked)) {
            Some(answer) => answer,
            None => self.honest(&asked).await,
        }
    }

    /// The hub's answer, asked with its own token.
    async fn honest(&self, asked: &Asked) -> Response {
        let url = format!("{}{}", self.hub, asked.path);
        let mut headers = asked.headers.clone();
        for gone in [
            header::HOST,
            header::AUTHORIZATION,
            header::CONTENT_LENGTH,
            header::ACCEPT_ENCODING,
        ] {
            headers.remove(gone);
        }
        let method: axum::http::Method = required(asked.method.parse());
        let request = self
            .client
            .request(method, url)
            .headers(headers)
            .bearer_auth(&self.token)
            .body(asked.body.clone());
        let answer = required(request.send().await);
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        (status, headers, required(answer.bytes().await)).into_response()
    }
}

fn app(state: &Arc<State>) -> Router {
    let state = Arc::clone(state);
    Router::new().fallback(move |request: Request| {
        let state = Arc::clone(&state);
        async move { state.answer(request).await }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer in JSON.
pub fn json(status: u16, text: impl Into<String>) -> Response {
    with_type(status, "application/fhir+json", text)
}

/// An answer of another kind.
pub fn with_type(status: u16, kind: &'static str, text: impl Into<String>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, kind)], text.into()).into_response()
}

/// What a page of a search says, with these entries' resources.
pub fn page(resources: &[String], next: Option<&str>) -> String {
    let entries: Vec<String> = resources
        .iter()
        .map(|text| format!("{{\"resource\":{text}}}"))
        .collect();
    let link = next.map_or(String::new(), |url| {
        format!("\"link\":[{{\"relation\":\"next\",\"url\":\"{url}\"}}],")
    });
    format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",{link}\"entry\":[{}]}}",
        entries.join(",")
    )
}

/// A body that `write` gives piece by piece, each after a pause; `None` ends it, and an error breaks it off.
pub fn slowly(
    pause: Duration,
    mut write: impl FnMut(usize) -> Option<std::io::Result<Bytes>> + Send + 'static,
) -> Body {
    let (give, take) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        for n in 0.. {
            let Some(piece) = write(n) else { return };
            if give.send(piece).await.is_err() {
                return;
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    });
    Body::from_stream(Pieces(take))
}

struct Pieces(tokio::sync::mpsc::Receiver<std::io::Result<Bytes>>);

impl futures_core::Stream for Pieces {
    type Item = std::io::Result<Bytes>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
