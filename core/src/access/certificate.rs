//! Certificates: what an authority says about a person and the key that person signs with.
//!
//! The authority is a hub, or the owner of a vault that has no hub. A device takes a member's role from the certificate
//! and from nowhere else; the hub judges a pushed change by the certificate of its author. Neither believes a name that
//! somebody typed in.

use super::{Actor, Person, Role};
use crate::crypto::sign::{self, PublicKey, SigningKey, Statement};
use crate::fhir::{Instant, ResourceId};
use serde::{Deserialize, Serialize};

/// Longest text that is read as a certificate.
const MAX_BYTES: usize = 4096;
const VERSION: u32 = 1;

/// What is certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The authority's key.
    pub issuer: PublicKey,
    /// Who.
    pub person: Person,
    /// In which role.
    pub role: Role,
    /// The `Patient` that is this person.
    pub patient: Option<ResourceId>,
    /// Where the person works.
    pub facility: Option<String>,
    /// What the person signs with.
    pub public_key: PublicKey,
    /// When it was issued.
    pub issued: Instant,
    /// Counts the authority's certificates; the newest one of a key is the one that holds.
    pub serial: u64,
}

/// Why a certificate does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// No certificate, or not signed by this authority.
    #[error("the certificate is not this authority's")]
    NotIssued,
    /// It is for another key than the one asked about.
    #[error("the certificate is for another key")]
    OtherKey,
}

/// The signed text. Its fields stay in this order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    v: u32,
    issuer: PublicKey,
    person: Person,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patient: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    facility: Option<String>,
    key: PublicKey,
    issued_ms: i64,
    serial: u64,
}

impl Certificate {
    /// Signs it. `issuer` is the authority's key, whatever the field says.
    pub fn issue(&self, issuer: &SigningKey) -> String {
        let payload = Payload {
            v: VERSION,
            issuer: issuer.public(),
            person: self.person.clone(),
            role: self.role.clone(),
            patient: self.patient.as_ref().map(ResourceId::to_string),
            facility: self.facility.clone(),
            key: self.public_key,
            issued_ms: self.issued.epoch_ms(),
            serial: self.serial,
        };
        // Strings and numbers: this cannot fail. An empty text would verify nowhere.
        let payload = serde_json::to_string(&payload).unwrap_or_default();
        sign::state(issuer, Statement::Certificate, &payload)
    }

    /// Reads a certificate that `authority` issued.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn verify(authority: &PublicKey, text: &str) -> Result<Self, BadCertificate> {
        if text.len() > MAX_BYTES {
            return Err(BadCertificate::NotIssued);
        }
        let payload = sign::read(authority, Statement::Certificate, text)
            .map_err(|_| BadCertificate::NotIssued)?;
        let payload: Payload =
            serde_json::from_str(&payload).map_err(|_| BadCertificate::NotIssued)?;
        if payload.v != VERSION || payload.issuer != *authority {
            return Err(BadCertificate::NotIssued);
        }
        let patient = payload.patient.as_deref().map(ResourceId::new);
        Ok(Self {
            issuer: payload.issuer,
            person: payload.person,
            role: payload.role,
            patient: patient.transpose().map_err(|_| BadCertificate::NotIssued)?,
            facility: payload.facility,
            public_key: payload.key,
            issued: Instant::from_epoch_ms(payload.issued_ms),
            serial: payload.serial,
        })
    }

    /// Who holds `key`, if `authority` says so in `text`.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn holder(
        authority: &PublicKey,
        text: &str,
        key: &PublicKey,
    ) -> Result<Actor, BadCertificate> {
        let certificate = Self::verify(authority, text)?;
        if certificate.public_key == *key {
            Ok(certificate.actor())
        } else {
            Err(BadCertificate::OtherKey)
        }
    }

    /// The person as one who acts.
    pub fn actor(&self) -> Actor {
        Actor {
            person: self.person.clone(),
            role: self.role.clone(),
            patient: self.patient.clone(),
            facility: self.facility.clone(),
            device: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Key;

    fn key(byte: u8) -> SigningKey {
        let seed = Key::filled_by(|out| {
            out.fill(byte);
            Ok::<_, ()>(())
        });
        SigningKey::from_seed(seed.unwrap())
    }

    fn nurse(issuer: &SigningKey, holder: &SigningKey) -> Certificate {
        Certificate {
            issuer: issuer.public(),
            person: Person::new("n1"),
            role: Role::NURSE,
            patient: None,
            facility: Some("north".into()),
            public_key: holder.public(),
            issued: Instant::from_epoch_ms(1_000),
            serial: 7,
        }
    }

    #[test]
    fn what_is_issued_is_read_back() {
        let (hub, nurse_key) = (key(1), key(2));
        let certificate = nurse(&hub, &nurse_key);
        let text = certificate.issue(&hub);
        assert_eq!(
            Certificate::verify(&hub.public(), &text),
            Ok(certificate.clone())
        );
        let actor = Certificate::holder(&hub.public(), &text, &nurse_key.public()).unwrap();
        assert_eq!(
            (actor.person.id(), actor.role, actor.facility.as_deref()),
            ("n1", Role::NURSE, Some("north"))
        );
        let patient = Certificate {
            role: Role::PATIENT,
            patient: Some(ResourceId::new("p1").unwrap()),
            ..certificate
        };
        let text = patient.issue(&hub);
        assert_eq!(Certificate::verify(&hub.public(), &text), Ok(patient));
    }

    #[test]
    fn another_authority_another_key_and_another_statement_are_refused() {
        let (hub, other, nurse_key) = (key(1), key(3), key(2));
        let text = nurse(&hub, &nurse_key).issue(&hub);
        assert_eq!(
            Certificate::verify(&other.public(), &text),
            Err(BadCertificate::NotIssued)
        );
        assert_eq!(
            Certificate::holder(&hub.public(), &text, &other.public()),
            Err(BadCertificate::OtherKey)
        );
        // A certificate a person signs for himself says his own key as the issuer.
        let own = nurse(&nurse_key, &nurse_key).issue(&nurse_key);
        assert_eq!(
            Certificate::verify(&hub.public(), &own),
            Err(BadCertificate::NotIssued)
        );
        let payload = sign::peek(&text).unwrap();
        let as_policy = sign::state(&hub, Statement::Policy, &payload);
        for bad in [as_policy.as_str(), "", "a.b", &"x".repeat(MAX_BYTES + 1)] {
            assert_eq!(
                Certificate::verify(&hub.public(), bad),
                Err(BadCertificate::NotIssued)
            );
        }
        // Fields this program does not know could limit what it says: it is not taken.
        let limited = payload.replacen("{", "{\"until\":1,", 1);
        let limited = sign::state(&hub, Statement::Certificate, &limited);
        assert_eq!(
            Certificate::verify(&hub.public(), &limited),
            Err(BadCertificate::NotIssued)
        );
    }
}
