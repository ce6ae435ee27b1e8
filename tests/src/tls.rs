//! TLS servers with certificates of every kind, on real sockets.

use crate::required;
use axum_server::tls_rustls::RustlsConfig;
use pocketchart_core::clock::{Clock, SystemClock};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

/// An authority that was made for a test.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    /// Its certificate.
    pub der: CertificateDer<'static>,
    /// Its certificate as text.
    pub pem: String,
}

/// A server's certificate, with what it sends along.
pub struct Certificate {
    /// The server's own first.
    pub chain: Vec<CertificateDer<'static>>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    /// One of this name.
    pub fn named(name: &str) -> Self {
        let key = required(KeyPair::generate());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = required(params.self_signed(&key));
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            params,
            key,
        }
    }

    /// A certificate for this machine, valid now.
    pub fn certificate(&self) -> Certificate {
        self.certificate_for("127.0.0.1", -1, 1)
    }

    /// A certificate for `name`, valid between two days counted from today.
    pub fn certificate_for(&self, name: &str, from: i64, until: i64) -> Certificate {
        let mut params = required(CertificateParams::new(vec![name.to_owned()]));
        (params.not_before, params.not_after) = (day(from), day(until));
        let key = required(KeyPair::generate());
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = required(params.signed_by(&key, &issuer));
        Certificate {
            chain: vec![certificate.der().clone()],
            pem: certificate.pem(),
            key,
        }
    }
}

impl Authority {
    /// A certificate for this machine that a server's certificate signed, which it must not; both are sent.
    pub fn certificate_by_a_certificate(&self) -> Certificate {
        let middle = self.certificate();
        let mut params = required(CertificateParams::new(vec!["127.0.0.1".to_owned()]));
        (params.not_before, params.not_after) = (day(-1), day(1));
        let issuer_params = required(CertificateParams::new(vec!["127.0.0.1".to_owned()]));
        let issuer = Issuer::from_params(&issuer_params, &middle.key);
        let key = required(KeyPair::generate());
        let certificate = required(params.signed_by(&key, &issuer));
        let mut chain = vec![certificate.der().clone()];
        chain.extend(middle.chain);
        Certificate {
            chain,
            pem: certificate.pem(),
            key,
        }
    }
}

fn day(offset: i64) -> time::OffsetDateTime {
    let seconds = SystemClock.now().epoch_ms() / 1000 + offset * 86_400;
    required(time::OffsetDateTime::from_unix_timestamp(seconds))
}

impl Certificate {
    /// Its own certificate and its key as text.
    pub fn pem(&self) -> (&str, String) {
        (&self.pem, self.key.serialize_pem())
    }

    /// As a server that is up to date.
    pub fn server(&self) -> ServerConfig {
        self.server_with(default_provider(), rustls::ALL_VERSIONS)
    }

    /// As a server with this cryptography and these versions.
    pub fn server_with(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(Arc::new(provider));
        let builder = required(builder.with_protocol_versions(versions));
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let config = builder.with_no_client_auth();
        required(config.with_single_cert(self.chain.clone(), key))
    }
}

/// Serves `app` under `config` on a port of its own until the runtime ends; answers with its URL.
pub fn serve(config: ServerConfig, app: axum::Router) -> String {
    serve_changing(config, app).0
}

/// As [`serve`]; new connections find whatever the configuration was changed to.
pub fn serve_changing(config: ServerConfig, app: axum::Router) -> (String, RustlsConfig) {
    let listener = required(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    required(listener.set_nonblocking(true));
    let address = required(listener.local_addr());
    let tls = RustlsConfig::from_config(Arc::new(config));
    let server = required(axum_server::from_tcp_rustls(listener, tls.clone()));
    tokio::spawn(server.serve(app.into_make_service()));
    (format!("https://{address}"), tls)
}
