//! The hub's own certificate authority and admin token, made on first start and kept in the encrypted vault.

use crate::HubError;
use pocketchart_core::access::Guard;
use pocketchart_core::clock::{Clock, SystemClock};
use pocketchart_core::fhir::Instant;
use pocketchart_core::net::crypto_provider;
use pocketchart_core::rng;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroize;

const SECRET: &str = "hub-identity";
const DAY_MS: i64 = 86_400_000;
const CA_DAYS: i64 = 3650;
/// A server key lives in memory only and is made anew at each start; browsers refuse more than 398 days.
const SERVER_DAYS: i64 = 397;

/// What the hub is recognised by.
#[derive(Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Tells one hub's authority from another's.
    ca_name: String,
    ca_key_pem: String,
    /// For clients to trust.
    pub(crate) ca_cert_pem: String,
    /// For scripts on the hub's own machine.
    pub(crate) admin_token: String,
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.ca_key_pem.zeroize();
        self.admin_token.zeroize();
    }
}

impl Identity {
    /// Reads the identity from the vault, or makes one.
    pub(crate) fn of(guard: &Guard) -> Result<Self, HubError> {
        if let Some(kept) = guard.secret(SECRET)? {
            return serde_json::from_str(&kept).map_err(|_| HubError::Identity);
        }
        let key = KeyPair::generate().map_err(|_| HubError::Identity)?;
        let tag: [u8; 4] = rng::make_bytes().map_err(|_| HubError::Identity)?;
        let ca_name = format!("Pocketchart hub authority {}", hex_of(&tag));
        let cert = ca_params(&ca_name)
            .self_signed(&key)
            .map_err(|_| HubError::Identity)?;
        let token: [u8; 32] = rng::make_bytes().map_err(|_| HubError::Identity)?;
        let identity = Self {
            ca_name,
            ca_key_pem: key.serialize_pem(),
            ca_cert_pem: cert.pem(),
            admin_token: hex_of(&token),
        };
        let text = serde_json::to_string(&identity).map_err(|_| HubError::Identity)?;
        guard.keep_secret(SECRET, &text)?;
        Ok(identity)
    }

    /// SHA-256 of the authority's certificate, which devices are told.
    pub(crate) fn ca_sha256(&self) -> Result<[u8; 32], HubError> {
        Ok(Sha256::digest(self.ca_der()?).into())
    }

    fn ca_der(&self) -> Result<CertificateDer<'static>, HubError> {
        CertificateDer::from_pem_slice(self.ca_cert_pem.as_bytes()).map_err(|_| HubError::Identity)
    }

    /// TLS 1.3 and 1.2 with a fresh server certificate for this machine's loopback names and `address`.
    pub(crate) fn tls(&self, address: IpAddr) -> Result<ServerConfig, HubError> {
        let failed = |_| HubError::Identity;
        let ca_key = KeyPair::from_pem(&self.ca_key_pem).map_err(failed)?;
        let mut names = vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        if !address.is_loopback() {
            names.push(address.to_string());
        }
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "Pocketchart hub");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (day(-1), day(SERVER_DAYS - 1));
        let key = KeyPair::generate().map_err(failed)?;
        let cert = params
            .signed_by(&key, &Issuer::new(ca_params(&self.ca_name), ca_key))
            .map_err(failed)?;

        // The authority goes along: a device that joins compares it with its code.
        let chain = vec![cert.der().clone(), self.ca_der()?];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(crypto_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|_| HubError::Identity)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The same at each start: a server certificate names its issuer by these.
fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (day(-1), day(CA_DAYS));
    params
}

/// Midnight (UTC) of the day that many days from now.
fn day(offset: i64) -> time::OffsetDateTime {
    let at = Instant::from_epoch_ms(SystemClock.now().epoch_ms() + offset * DAY_MS).to_string();
    let part = |range| {
        at.get(range)
            .and_then(|digits: &str| digits.parse::<u16>().ok())
            .unwrap_or(1)
    };
    let small = |range| u8::try_from(part(range)).unwrap_or(1);
    rcgen::date_time_ymd(i32::from(part(0..4)), small(5..7), small(8..10))
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
