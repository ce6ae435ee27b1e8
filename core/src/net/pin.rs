//! Trusting exactly one authority, known by the SHA-256 of its certificate: how a device meets a hub for the first time.
//!
//! The server sends its authority along. It is compared with what stands in the enrolment code and then is the only root
//! that the server's own certificate may lead to, name and dates included: our authority merely lying beside a
//! stranger's certificate proves nothing. All of this happens in the handshake, before a byte of a request goes out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};

/// Takes a server whose certificate the pinned authority has signed, and no other.
#[derive(Debug)]
pub(super) struct PinnedAuthority {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
    algorithms: WebPkiSupportedAlgorithms,
    seen: OnceLock<CertificateDer<'static>>,
}

impl PinnedAuthority {
    pub(super) fn new(sha256: [u8; 32], provider: Arc<CryptoProvider>) -> Self {
        Self {
            sha256,
            algorithms: provider.signature_verification_algorithms,
            provider,
            seen: OnceLock::new(),
        }
    }

    /// The authority's certificate, once a server has proved that it is its: PEM.
    pub(super) fn seen_pem(&self) -> Option<String> {
        let text = STANDARD.encode(self.seen.get()?);
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .map(|at| &text[at..text.len().min(at + 64)])
            .collect();
        Some(format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            lines.join("\n")
        ))
    }
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_pinned =
            |cert: &&CertificateDer<'_>| Sha256::digest(cert.as_ref())[..] == self.sha256;
        let authority = intermediates
            .iter()
            .find(is_pinned)
            .ok_or(CertificateError::UnknownIssuer)?
            .clone()
            .into_owned();
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let provider = Arc::clone(&self.provider);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon))?;
        let verified =
            verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)?;
        let _ = self.seen.set(authority);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    struct Authority {
        key: KeyPair,
        params: CertificateParams,
        der: CertificateDer<'static>,
    }

    fn authority() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let der = params.self_signed(&key).unwrap().der().clone();
        Authority { key, params, der }
    }

    impl Authority {
        fn leaf(self, name: &str) -> CertificateDer<'static> {
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let issuer = Issuer::new(self.params, self.key);
            let key = KeyPair::generate().unwrap();
            params.signed_by(&key, &issuer).unwrap().der().clone()
        }
    }

    fn check(
        pinned: &PinnedAuthority,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
    ) -> bool {
        let name = ServerName::try_from("hub.example").unwrap();
        let verified = pinned.verify_server_cert(leaf, sent, &name, &[], UnixTime::now());
        verified.is_ok()
    }

    #[test]
    fn only_what_the_pinned_authority_signed_is_taken() {
        let (ours, rogue) = (authority(), authority());
        let (our_ca, rogue_ca) = (ours.der.clone(), rogue.der.clone());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pinned = PinnedAuthority::new(Sha256::digest(&our_ca).into(), provider);
        let rogue_leaf = rogue.leaf("hub.example");
        // Our authority, appended to a stranger's certificate.
        for sent in [
            vec![our_ca.clone()],
            vec![rogue_ca.clone()],
            vec![rogue_ca, our_ca.clone()],
            vec![],
        ] {
            assert!(!check(&pinned, &rogue_leaf, &sent));
        }
        assert!(pinned.seen_pem().is_none());
        // A self-signed certificate that is the authority itself, and one for another name.
        assert!(!check(&pinned, &our_ca, std::slice::from_ref(&our_ca)));
        let leaf = ours.leaf("hub.example");
        assert!(!check(&pinned, &leaf, &[]));
        assert!(check(&pinned, &leaf, std::slice::from_ref(&our_ca)));
        assert!(pinned.seen_pem().is_some());
        let elsewhere = authority();
        let ca = elsewhere.der.clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let other = PinnedAuthority::new(Sha256::digest(&ca).into(), provider);
        assert!(!check(&other, &elsewhere.leaf("other.example"), &[ca]));
    }
}
