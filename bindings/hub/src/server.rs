//! Starting and stopping.

use crate::app::App;
use crate::auth::hash_of;
use crate::files::write_private;
use crate::identity::Identity;
use crate::limits::{GRACE, Limits, MAX_HEAD_BYTES};
use crate::log::{Log, LogForm};
use crate::router::router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use pocketchart_core::access::{AccessError, Actor, Guard, Role};
use serde::Serialize;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// How a hub is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// What it takes.
    pub limits: Limits,
    /// One line for each request, on standard error.
    pub log: Option<LogForm>,
}

/// A running hub.
pub struct Hub {
    ready: Ready,
    handle: axum_server::Handle<SocketAddr>,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Hub {
    /// Starts a hub over an open vault. `home` gets the certificate and the token in the folder `hub`.
    ///
    /// # Errors
    /// [`HubError`]; then nothing listens.
    pub async fn start(guard: Guard, home: &Path, address: SocketAddr) -> Result<Self, HubError> {
        Self::start_with(guard, home, address, Options::default()).await
    }

    /// As [`Hub::start`], with other limits, or with a log.
    ///
    /// # Errors
    /// [`HubError`]; then nothing listens.
    pub async fn start_with(
        guard: Guard,
        home: &Path,
        address: SocketAddr,
        options: Options,
    ) -> Result<Self, HubError> {
        // The hub acts for whoever holds its admin token: nobody gets that by opening a slot of their own.
        if guard.actor().role != Role::OWNER {
            let what = "serve this vault as a hub";
            return Err(AccessError::OwnerOnly { what }.into());
        }
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
        let url = format!("https://{address}/fhir");
        write_private(&folder.join("url"), url.as_bytes())?;

        let app = App::new(
            guard,
            hash_of(&identity.admin_token),
            identity.ca_sha256()?,
            address,
            options.limits,
        );
        let handle = axum_server::Handle::new();
        // Without it each small answer waits for the acknowledgement of the one before: 40 ms.
        let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
        let mut server = axum_server::from_tcp(listener)
            .map_err(listen)?
            .acceptor(acceptor)
            .handle(handle.clone());
        // The timer of the head is on by default: 30 s.
        let mut builder = server.http_builder().http1();
        builder.max_buf_size(MAX_HEAD_BYTES);
        let list = u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX);
        server.http_builder().http2().max_header_list_size(list);
        let service = router(app, Log::start(options.log))
            .into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(server.serve(service));
        let ready = Ready {
            url,
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
    pub fn write_ready_file(&self, path: &Path) -> Result<(), HubError> {
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
