//! The enrolment code: what an operator shows and a device scans, and what the device sends for it.
//!
//! The code holds the hub's address, the SHA-256 of its certificate authority, and a secret that is good once. The device
//! compares the authority before it sends a byte, so a stranger in the network learns nothing, not even the secret.

use super::super::Person;
use crate::crypto::sign::{self, BadSignature, PublicKey, SigningKey, Statement};
use crate::rng::{self, NoRandomness};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

const SCHEME: &str = "pocketchart://";
const VERSION: &str = "1";
const SECRET_BYTES: usize = 16;
const MAX_BYTES: usize = 512;
/// Longest application that is read.
const MAX_APPLICATION_BYTES: usize = 12 * 1024;
const MAX_MEMBERS: usize = 64;

/// The text is no enrolment code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no enrolment code (pocketchart://...); was all of it copied?")]
pub struct BadCode;

/// What an operator hands to a device.
pub struct EnrolmentCode {
    /// The hub's base URL.
    pub url: String,
    /// SHA-256 of the certificate (DER) of the hub's own authority.
    pub ca_sha256: [u8; 32],
    secret: Zeroizing<String>,
}

impl EnrolmentCode {
    /// A code for the hub at `url` with a secret that the hub made.
    ///
    /// # Errors
    /// [`BadCode`] when the URL is not one of a hub.
    pub fn new(url: &str, ca_sha256: [u8; 32], secret: &str) -> Result<Self, BadCode> {
        let code = Self {
            url: url.to_owned(),
            ca_sha256,
            secret: Zeroizing::new(secret.to_owned()),
        };
        Self::parse(&code.to_string())
    }

    /// Reads `pocketchart://HOST:PORT/PATH#1.AUTHORITY.SECRET`.
    ///
    /// # Errors
    /// [`BadCode`].
    pub fn parse(text: &str) -> Result<Self, BadCode> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(BadCode);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(BadCode)?;
        let (place, fragment) = rest.split_once('#').ok_or(BadCode)?;
        let mut parts = fragment.split('.');
        let (Some(VERSION), Some(authority), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadCode);
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]/_~".contains(c);
        if place.is_empty() || place.starts_with('/') || !place.chars().all(plain) {
            return Err(BadCode);
        }
        let authority = URL_SAFE_NO_PAD.decode(authority).map_err(|_| BadCode)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).map_err(|_| BadCode)?);
        if bytes.len() != SECRET_BYTES {
            return Err(BadCode);
        }
        Ok(Self {
            url: format!("https://{place}"),
            ca_sha256: authority.try_into().map_err(|_| BadCode)?,
            secret: Zeroizing::new(secret.to_owned()),
        })
    }

    /// The one-time secret.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

/// The whole code, secret and all: for the screen that shows it.
impl fmt::Display for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.url.strip_prefix("https://").unwrap_or_default();
        let authority = URL_SAFE_NO_PAD.encode(self.ca_sha256);
        let secret = self.secret.as_str();
        write!(f, "{SCHEME}{place}#{VERSION}.{authority}.{secret}")
    }
}

/// Without the secret.
impl fmt::Debug for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnrolmentCode({})", self.url)
    }
}

/// A new one-time secret: 128 random bits.
pub(super) fn make_secret() -> Result<Zeroizing<String>, NoRandomness> {
    let bytes = Zeroizing::new(rng::make_bytes::<SECRET_BYTES>()?);
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// What the hub keeps of a secret or a token.
pub(super) fn hash_of(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

/// A person of a device and the key that person signs with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberKey {
    /// The person, as the device calls them.
    pub person: Person,
    /// What they sign with.
    pub key: PublicKey,
}

/// What a device sends for a code: that it holds the key it wants to be known by.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    v: u32,
    /// The code's secret. Signed along, so that an application fits one code only.
    secret: String,
    /// The device's key.
    pub key: PublicKey,
    /// Id of the device's vault, in hex.
    pub vault: String,
    /// The people on it.
    pub members: Vec<MemberKey>,
}

impl Application {
    /// Signs an application.
    pub fn state(
        key: &SigningKey,
        code: &EnrolmentCode,
        vault: &[u8; 16],
        members: Vec<MemberKey>,
    ) -> String {
        let application = Self {
            v: 1,
            secret: code.secret.to_string(),
            key: key.public(),
            vault: hex::encode(vault),
            members,
        };
        // Strings and numbers: this cannot fail. An empty text would verify nowhere.
        let payload = Zeroizing::new(serde_json::to_string(&application).unwrap_or_default());
        sign::state(key, Statement::Enrolment, &payload)
    }

    /// Reads one that the key in it has signed.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(text: &str) -> Result<Self, BadSignature> {
        if text.len() > MAX_APPLICATION_BYTES {
            return Err(BadSignature);
        }
        let named: Self = serde_json::from_str(&sign::peek(text)?).map_err(|_| BadSignature)?;
        let payload = sign::read(&named.key, Statement::Enrolment, text)?;
        let application: Self = serde_json::from_str(&payload).map_err(|_| BadSignature)?;
        let is_hex = application.vault.len() == 32
            && application.vault.bytes().all(|b| b.is_ascii_hexdigit());
        if application.v == 1 && is_hex && application.members.len() <= MAX_MEMBERS {
            Ok(application)
        } else {
            Err(BadSignature)
        }
    }

    /// The code's secret.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> EnrolmentCode {
        let secret = make_secret().unwrap();
        EnrolmentCode::new("https://192.168.1.5:8443/fhir", [9; 32], &secret).unwrap()
    }

    #[test]
    fn a_code_is_read_back_and_is_short() {
        let code = code();
        let text = code.to_string();
        assert!(text.len() < 120, "{} characters", text.len());
        let read = EnrolmentCode::parse(&format!(" {text}\n")).unwrap();
        assert_eq!((read.url, read.ca_sha256), (code.url.clone(), [9; 32]));
        assert_eq!(read.secret, code.secret);
        assert!(!format!("{code:?}").contains(code.secret()));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let text = code().to_string();
        let (front, secret) = text.rsplit_once('.').unwrap();
        for bad in [
            "",
            "https://192.168.1.5:8443/fhir",
            front,
            &text[..text.len() - 1],
            &format!("{text}A"),
            &format!("{text}.x"),
            &text.replace("#1.", "#2."),
            &text.replace("192.168.1.5", "user@evil"),
            &text.replace("192.168.1.5:8443", ""),
            &format!("pocketchart://h/fhir#1.AAAA.{secret}"),
        ] {
            assert!(EnrolmentCode::parse(bad).is_err(), "{bad}");
        }
        let secret = make_secret().unwrap();
        assert!(EnrolmentCode::new("http://h/fhir", [9; 32], &secret).is_err());
    }

    #[test]
    fn an_application_proves_the_key_it_names() {
        let (key, other) = (
            SigningKey::make_random().unwrap(),
            SigningKey::make_random().unwrap(),
        );
        let code = code();
        let text = Application::state(&key, &code, &[1; 16], Vec::new());
        let read = Application::verify(&text).unwrap();
        assert_eq!((read.key, read.secret()), (key.public(), code.secret()));
        let payload = sign::peek(&text).unwrap();
        let forged = sign::state(&other, Statement::Enrolment, &payload);
        let as_change = sign::state(&key, Statement::ChangeRecord, &payload);
        let long = "x".repeat(MAX_APPLICATION_BYTES + 1);
        for bad in [&forged, &as_change, &long, ""] {
            assert!(Application::verify(bad).is_err());
        }
    }
}
