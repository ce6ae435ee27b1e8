//! Whom we trust: the public web's authorities, and the operator's own.
//!
//! A configuration of our own, because reqwest's default brings a platform verifier that panics at the first handshake
//! on Android.

use super::NetError;
use super::pin::PinnedAuthority;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::sync::Arc;

/// TLS 1.3 and 1.2 with ring; `ca_pem` adds the operator's authorities.
pub(super) fn client(ca_pem: Option<&str>) -> Result<ClientConfig, NetError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(pem) = ca_pem {
        let mut added = 0;
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| NetError::BadCertificate)?;
            roots
                .add(certificate)
                .map_err(|_| NetError::BadCertificate)?;
            added += 1;
        }
        if added == 0 {
            return Err(NetError::BadCertificate);
        }
    }
    Ok(finished(
        builder()?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    ))
}

/// As [`client`], trusting one authority and nobody else.
pub(super) fn pinned(authority: Arc<PinnedAuthority>) -> Result<ClientConfig, NetError> {
    let builder = builder()?.dangerous();
    Ok(finished(
        builder
            .with_custom_certificate_verifier(authority)
            .with_no_client_auth(),
    ))
}

/// What does the cryptography.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, NetError> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|_| NetError::Tls)
}

fn finished(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
