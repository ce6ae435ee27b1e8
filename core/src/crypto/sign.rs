//! Statements that are signed: policies, certificates of people, records of changes (Ed25519, RFC 8032).
//!
//! Each kind of statement has a label that is signed along, from one registry, so that a signature made for one purpose
//! is never taken for another. The text form is `payload.signature`, both in base64url (RFC 4648, 5) without padding:
//! it stands in headers, JSON and URLs as it is.

use super::Key;
use super::secret::KEY_BYTES;
use crate::rng::NoRandomness;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Who may do what.
    Policy,
    /// Which key a person signs with, and in which role.
    Certificate,
    /// That a person changed a record.
    ChangeRecord,
    /// That a device holds the key it wants to be enrolled with.
    Enrolment,
    /// How far a vault and its audit trail had come.
    Anchor,
}

impl Statement {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Policy,
        Self::Certificate,
        Self::ChangeRecord,
        Self::Enrolment,
        Self::Anchor,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Certificate => "certificate",
            Self::ChangeRecord => "change-record",
            Self::Enrolment => "enrolment",
            Self::Anchor => "anchor",
        }
    }

    /// What is signed: the label, and behind a zero the payload.
    fn message(self, payload: &str) -> Vec<u8> {
        [
            b"pocketchart/1/sign/",
            self.label().as_bytes(),
            &[0],
            payload.as_bytes(),
        ]
        .concat()
    }
}

/// The text is no statement that this key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit")]
pub struct BadSignature;

/// A key that signs. Zeroed when dropped; `Debug` shows nothing.
pub struct SigningKey {
    seed: Key,
}

impl SigningKey {
    /// A new one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn make_random() -> Result<Self, NoRandomness> {
        Ok(Self {
            seed: Key::make_random()?,
        })
    }

    /// The one with this seed.
    pub fn from_seed(seed: Key) -> Self {
        Self { seed }
    }

    /// What it is made from, to be wrapped and kept.
    pub fn seed(&self) -> &Key {
        &self.seed
    }

    /// What others check its signatures with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.dalek().verifying_key().to_bytes())
    }

    /// Made anew for each use: the expanded key is in memory no longer than that.
    fn dalek(&self) -> ed25519_dalek::SigningKey {
        ed25519_dalek::SigningKey::from_bytes(self.seed.expose())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The public half of a [`SigningKey`]; hex where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(#[serde(with = "hex::serde")] [u8; KEY_BYTES]);

impl PublicKey {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`BadSignature`] when it is something else.
    pub fn parse(text: &str) -> Result<Self, BadSignature> {
        let mut bytes = [0; KEY_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| BadSignature)?;
        Ok(Self(bytes))
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Signs `payload` as a statement of this kind.
pub fn state(key: &SigningKey, statement: Statement, payload: &str) -> String {
    let signature = key.dalek().sign(&statement.message(payload));
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(payload),
        URL_SAFE_NO_PAD.encode(signature.to_bytes())
    )
}

/// The payload of a statement that `key` signed.
///
/// # Errors
/// [`BadSignature`].
pub fn read(key: &PublicKey, statement: Statement, text: &str) -> Result<String, BadSignature> {
    let (payload, signature) = split(text)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&key.0).map_err(|_| BadSignature)?;
    // Strict: no key or signature of which several forms would be taken.
    key.verify_strict(&statement.message(&payload), &signature)
        .map_err(|_| BadSignature)?;
    Ok(payload)
}

/// The payload, whoever signed it: to see whose key to check it with, and for nothing else.
///
/// # Errors
/// [`BadSignature`] when the text has not the form of a statement.
pub fn peek(text: &str) -> Result<String, BadSignature> {
    split(text).map(|(payload, _)| payload)
}

fn split(text: &str) -> Result<(String, Signature), BadSignature> {
    let (payload, signature) = text.split_once('.').ok_or(BadSignature)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| BadSignature);
    let payload = String::from_utf8(decode(payload)?).map_err(|_| BadSignature)?;
    let signature = Signature::from_slice(&decode(signature)?).map_err(|_| BadSignature)?;
    Ok((payload, signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn seeded(hex_seed: &str) -> SigningKey {
        SigningKey::from_seed(Key::filled_by(|out| hex::decode_to_slice(hex_seed, out)).unwrap())
    }

    #[test]
    fn no_two_statements_share_a_label() {
        let labels: HashSet<_> = Statement::ALL.iter().map(|s| s.label()).collect();
        assert_eq!(labels.len(), Statement::ALL.len());
        assert!(labels.iter().all(|l| !l.contains('\0')));
    }

    #[test]
    fn what_was_signed_is_read_and_nothing_else() {
        let (key, other) = (
            SigningKey::make_random().unwrap(),
            SigningKey::make_random().unwrap(),
        );
        let text = state(&key, Statement::Policy, "{\"a\":1}");
        assert_eq!(
            read(&key.public(), Statement::Policy, &text).unwrap(),
            "{\"a\":1}"
        );
        assert_eq!(peek(&text).unwrap(), "{\"a\":1}");
        assert!(read(&other.public(), Statement::Policy, &text).is_err());
        assert!(read(&key.public(), Statement::Certificate, &text).is_err());
        for at in 0..text.len() {
            let mut bad = text.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            let bad = String::from_utf8(bad).unwrap();
            assert!(
                read(&key.public(), Statement::Policy, &bad).is_err(),
                "byte {at}"
            );
        }
        for bad in ["", ".", "a.b", &text[..text.len() - 1], &format!("{text}A")] {
            assert!(read(&key.public(), Statement::Policy, bad).is_err());
        }
    }

    /// RFC 8032, 7.1, tests 1 to 3, through the same crate.
    #[test]
    fn rfc_8032() {
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let key = seeded(seed);
            assert_eq!(key.public().to_string(), public);
            let made = key.dalek().sign(&hex::decode(message).unwrap());
            assert_eq!(hex::encode(made.to_bytes()), signature);
        }
    }

    #[test]
    fn debug_shows_nothing_and_keys_are_hex() {
        let key = SigningKey::make_random().unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
        let text = serde_json::to_string(&key.public()).unwrap();
        assert_eq!(text, format!("\"{}\"", key.public()));
        assert_eq!(
            PublicKey::parse(&key.public().to_string()),
            Ok(key.public())
        );
        assert!(PublicKey::parse("00").is_err());
    }
}
