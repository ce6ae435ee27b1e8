//! Starting, routing, authentication, stopping.

use crate::answer::{Answer, Problem};
use crate::handlers::{self, Base};
use crate::identity::Identity;
use crate::{answer, capability, transaction};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use pocketchart_core::access::{AccessError, Actor, Guard};
use pocketchart_core::clock::{Clock, SystemClock};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Largest request body: a transaction of some hundred records with attachments.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// Requests worked on at once; further ones wait.
const MAX_CONCURRENT: usize = 32;
/// For a whole request, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// What is still read of a request that was turned away.
const DRAIN_BYTES: usize = 4 * 1024 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// What running requests get when the hub stops.
const GRACE: Duration = Duration::from_secs(5);

/// Why the hub does not run.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The vault.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The address cannot be listened on.
    #[error("listening on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// 0.0.0.0 or [::].
    #[error("listen on one address of this machine: a certificate cannot name them all")]
    NoOneAddress,
    /// A file beside the vault.
    #[error("writing {file}: {source}")]
    File {
        /// Its name.
        file: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The certificate authority, certificate or token could not be made or read.
    #[error("the hub's certificate could not be made or read")]
    Identity,
    /// The server ended by itself.
    #[error("the server stopped: {0}")]
    Serve(io::Error),
}

/// Where a running hub is found: the content of the ready file.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Base URL.
    pub url: String,
    /// Certificate of the hub's own authority (PEM).
    pub ca_file: PathBuf,
    /// The admin token.
    pub token_file: PathBuf,
}

/// A running hub.
pub struct Hub {
    ready: Ready,
    handle: axum_server::Handle<SocketAddr>,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

#[derive(Clone)]
struct App {
    guard: Guard,
    token_hash: [u8; 32],
    /// For requests that name no host.
    address: SocketAddr,
    slots: Arc<Semaphore>,
    denied: Arc<Denied>,
}

impl Hub {
    /// Starts a hub over an open vault. `home` gets the certificate and the token in the folder `hub`.
    ///
    /// # Errors
    /// [`HubError`]; then nothing listens.
    pub async fn start(
        guard: Guard,
        home: &FilePath,
        address: SocketAddr,
    ) -> Result<Self, HubError> {
        let guard = guard.acting_as(Actor::hub_admin());
        if address.ip().is_unspecified() {
            return Err(HubError::NoOneAddress);
        }
        guard.serve()?;
        let identity = Identity::of(&guard)?;
        let listen = |source| HubError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let tls = RustlsConfig::from_config(Arc::new(identity.tls(address.ip())?));

        let file = |source| HubError::File {
            file: "the home folder".into(),
            source,
        };
        let folder = std::path::absolute(home).map_err(file)?.join("hub");
        let (ca_file, token_file) = (folder.join("ca.pem"), folder.join("token"));
        write_private(&ca_file, identity.ca_cert_pem.as_bytes())?;
        write_private(&token_file, identity.admin_token.as_bytes())?;

        let app = App {
            guard,
            token_hash: Sha256::digest(&identity.admin_token).into(),
            address,
            slots: Arc::new(Semaphore::new(MAX_CONCURRENT)),
            denied: Arc::default(),
        };
        let handle = axum_server::Handle::new();
        // Without it each small answer waits for the acknowledgement of the one before: 40 ms.
        let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
        let server = axum_server::from_tcp(listener)
            .map_err(listen)?
            .acceptor(acceptor)
            .handle(handle.clone());
        let task = tokio::spawn(server.serve(router(app).into_make_service()));
        let ready = Ready {
            url: format!("https://{address}/fhir"),
            ca_file,
            token_file,
        };
        Ok(Self {
            ready,
            handle,
            task,
        })
    }

    /// Where it is found.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Writes the ready file, whole or not at all.
    ///
    /// # Errors
    /// [`HubError::File`].
    pub fn write_ready_file(&self, path: &FilePath) -> Result<(), HubError> {
        let text = serde_json::to_string(&self.ready).map_err(|_| HubError::Identity)?;
        write_private(path, text.as_bytes())
    }

    /// Takes no new requests, lets running ones finish, and stops.
    ///
    /// # Errors
    /// [`HubError::Serve`].
    pub async fn stop(self) -> Result<(), HubError> {
        self.handle.graceful_shutdown(Some(GRACE));
        self.finished().await
    }

    /// Waits until the server ends by itself.
    ///
    /// # Errors
    /// [`HubError::Serve`].
    pub async fn finished(self) -> Result<(), HubError> {
        match self.task.await {
            Ok(ended) => ended.map_err(HubError::Serve),
            Err(_) => Err(HubError::Serve(io::Error::other("its task ended"))),
        }
    }
}

fn router(app: App) -> Router {
    let fhir = Router::new()
        .route("/{kind}/{id}", get(read).put(put).delete(delete))
        .route("/{kind}", get(search))
        .route("/", post(transact))
        .layer(middleware::from_fn_with_state(app.clone(), authenticate))
        .route("/metadata", get(metadata));
    let without_slash =
        post(transact).layer(middleware::from_fn_with_state(app.clone(), authenticate));
    // Under the same limits: a base URL works with and without the slash behind it.
    let limited = Router::new()
        .route("/fhir", without_slash)
        .nest("/fhir/", fhir)
        .layer(middleware::from_fn(in_time))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .merge(limited)
        .fallback(|| async {
            Problem::new(
                StatusCode::NOT_FOUND,
                "not-found",
                "no such address on this server",
            )
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "not-supported",
                "this method is not supported here yet",
            )
        })
        .with_state(app)
}

/// A request that stalls is given up: a tablet that lost its signal must not hold anything here.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "the request took too long",
        )
        .into_response(),
    }
}

async fn authenticate(State(app): State<App>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    // The scheme's name has no case (RFC 9110, 11.1).
    let token = given
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, token)| token.trim());
    // Hashes are compared, so that neither length nor time tells anything about the token.
    let hash: [u8; 32] = Sha256::digest(token).into();
    if bool::from(hash.ct_eq(&app.token_hash)) {
        return next.run(request).await;
    }
    app.denied.note(&app.guard);
    // Read what is still coming, a little: some clients take an answer before the end of their request for an error.
    let _ = tokio::time::timeout(
        DRAIN_TIMEOUT,
        axum::body::to_bytes(request.into_body(), DRAIN_BYTES),
    )
    .await;
    let text = "a bearer token is needed (the token file of the hub names one)";
    Problem::new(StatusCode::UNAUTHORIZED, "login", text).into_response()
}

/// Requests without a valid token: counted, and written to the audit trail at most once a second, so that nobody can
/// fill the disk by knocking.
#[derive(Default)]
struct Denied {
    count: AtomicU64,
    noted_s: AtomicU64,
}

impl Denied {
    fn note(&self, guard: &Guard) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let now_s = SystemClock.since_boot().as_secs() + 1;
        if self.noted_s.swap(now_s, Ordering::Relaxed) != now_s {
            let count = self.count.swap(0, Ordering::Relaxed);
            let guard = guard.clone();
            // What cannot be noted is turned away all the same; the count goes with the next one.
            drop(tokio::task::spawn_blocking(move || {
                guard.note_denied(count)
            }));
        }
    }
}

/// Type and id in the URL, and a body: extracted by hand, so that what is wrong with them is answered as an
/// OperationOutcome like everything else.
type Name = Result<Path<(String, String)>, PathRejection>;
type Body = Result<Bytes, BytesRejection>;

async fn metadata(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Answer {
    let base = base_of(&app, &uri, &headers);
    Ok(answer::json(
        StatusCode::OK,
        capability::statement(&base.0, &SystemClock.now().to_string()),
    ))
}

async fn search(
    State(app): State<App>,
    kind: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let base = base_of(&app, &uri, &headers);
    let Path(kind) = kind?;
    off_the_reactor(app, move |guard| {
        handlers::search(guard, &base, &kind, &query.unwrap_or_default())
    })
    .await
}

async fn read(State(app): State<App>, path: Name) -> Answer {
    let Path((kind, id)) = path?;
    off_the_reactor(app, move |guard| handlers::read(guard, &kind, &id)).await
}

async fn put(
    State(app): State<App>,
    path: Name,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let base = base_of(&app, &uri, &headers);
    let (Path((kind, id)), body) = (path?, body?);
    off_the_reactor(app, move |guard| {
        handlers::put(guard, &base, &kind, &id, &headers, &body)
    })
    .await
}

async fn delete(State(app): State<App>, path: Name, headers: HeaderMap) -> Answer {
    let Path((kind, id)) = path?;
    off_the_reactor(app, move |guard| {
        handlers::delete(guard, &kind, &id, &headers)
    })
    .await
}

async fn transact(State(app): State<App>, headers: HeaderMap, body: Body) -> Answer {
    let body = body?;
    let whole = handlers::prefer(&headers) == Some("representation");
    off_the_reactor(app, move |guard| transaction::run(guard, &body, whole)).await
}

/// The database blocks; the threads that serve connections must not.
async fn off_the_reactor(app: App, work: impl FnOnce(&Guard) -> Answer + Send + 'static) -> Answer {
    // Taken when the request is complete, so that slow senders do not keep the quick ones out.
    let Ok(_slot) = app.slots.clone().acquire_owned().await else {
        let text = "the hub is stopping";
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "transient",
            text,
        ));
    };
    let done = tokio::task::spawn_blocking(move || work(&app.guard)).await;
    done.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "exception",
            "the request failed",
        ))
    })
}

/// The base URL as this client reached it: its `next` links must have the origin it talks to.
fn base_of(app: &App, uri: &Uri, headers: &HeaderMap) -> Base {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let authority = uri
        .authority()
        .map(axum::http::uri::Authority::as_str)
        .or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    match authority.filter(|authority| !authority.is_empty() && authority.chars().all(plain)) {
        Some(authority) => Base(format!("https://{authority}/fhir")),
        None => Base(format!("https://{}/fhir", app.address)),
    }
}

fn write_private(path: &FilePath, bytes: &[u8]) -> Result<(), HubError> {
    // A name of its own: never one that may be somebody's.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || -> io::Result<()> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            let mut builder = fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder)?;
        }
        let _ = fs::remove_file(&temporary);
        let mut options = fs::OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    write().map_err(|source| HubError::File { file, source })
}
