//! Whom we trust: the public web's authorities, and the operator's own.
//!
//! A configuration of our own, because reqwest's default brings a platform verifier that panics at the first handshake
//! on Android.

use super::NetError;
use super::handshakes::{Handshakes, Watched};
use super::key_exchange::X25519_ML_KEM_768;
use super::pin::PinnedAuthority;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, Tls12Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// A configuration, and what its handshakes come to.
pub(super) struct Tls {
    pub(super) config: ClientConfig,
    pub(super) handshakes: Arc<Handshakes>,
}

/// TLS 1.3 and 1.2; `ca_pem` adds the operator's authorities.
pub(super) fn client(ca_pem: Option<&str>) -> Result<Tls, NetError> {
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
    let provider = Arc::new(crypto_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
        .build()
        .map_err(|_| NetError::BadCertificate)?;
    trusting(verifier, provider)
}

/// As [`client`], trusting one authority and nobody else.
pub(super) fn pinned(authority: Arc<PinnedAuthority>) -> Result<Tls, NetError> {
    trusting(authority, Arc::new(crypto_provider()))
}

/// What does the cryptography, here and in the hub: ring, and X25519MLKEM768 before its own groups.
pub fn crypto_provider() -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.kx_groups.insert(0, X25519_ML_KEM_768);
    provider
}

fn trusting(
    verifier: Arc<dyn ServerCertVerifier>,
    provider: Arc<CryptoProvider>,
) -> Result<Tls, NetError> {
    let handshakes = Arc::new(Handshakes::new());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|_| NetError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Watched::new(verifier, Arc::clone(&handshakes)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed TLS 1.2 session would be an old key again.
    config.resumption =
        Resumption::store(Arc::clone(&handshakes) as _).tls12_resumption(Tls12Resumption::Disabled);
    Ok(Tls { config, handshakes })
}
