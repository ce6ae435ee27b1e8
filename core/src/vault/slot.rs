//! Slots: each wraps the root key under one secret, and its member's signing key beside it.
//!
//! A slot says itself of which format it is: one that an older program made cannot be written anew without its secret,
//! and so keeps its form in a header of the newer format. What a wrapped root key is bound to is frozen per format.

use super::VaultError;
use super::recovery::RecoveryCode;
use crate::crypto::envelope::{self, NONCE_BYTES, SealError};
use crate::crypto::kdf::{self, Purpose};
use crate::crypto::passphrase_hash::{self, Cost};
use crate::crypto::sign::SigningKey;
use crate::crypto::{Key, SecretText};
use crate::rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// The format of slots that are made now.
const FORMAT: u32 = 2;
const FIRST_FORMAT: u32 = 1;
/// More than any gate needs: StrongBox and the Secure Enclave seal 32 bytes into less than 200.
const MAX_SEALED_BYTES: usize = 2048;
const MAX_LABEL_CHARACTERS: usize = 64;
const MAX_NAME_BYTES: usize = 128;
const GATE_BYTES: usize = 32;

/// What a person types to open a vault.
#[derive(Debug)]
pub enum Secret {
    /// A passphrase.
    Passphrase(SecretText),
    /// A PIN; opens only together with a gate.
    Pin(SecretText),
    /// A recovery code.
    Recovery(RecoveryCode),
}

impl Secret {
    /// The kind of slot it belongs to.
    pub fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Pin(_) => SlotKind::Pin,
            Self::Recovery(_) => SlotKind::Recovery,
        }
    }
}

/// What kind of secret opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotKind {
    /// A passphrase.
    Passphrase,
    /// A recovery code.
    Recovery,
    /// What the gate releases: a finger, a face, the desktop's login.
    Gate,
    /// A PIN.
    Pin,
}

impl SlotKind {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Recovery => "recovery code",
            Self::Gate => "gate",
            Self::Pin => "PIN",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Passphrase => 0,
            Self::Recovery => 1,
            Self::Gate => 2,
            Self::Pin => 3,
        }
    }
}

impl fmt::Display for SlotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A slot's name: random, and no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotId(#[serde(with = "hex::serde")] pub(super) [u8; 16]);

impl SlotId {
    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotId({self})")
    }
}

/// How a secret becomes the key that wraps the root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kdf {
    /// For what people choose.
    Argon2id(Cost),
    /// For 128 random bits and more, where slowness adds nothing.
    HkdfSha256,
}

/// One slot as it stands in the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slot {
    #[serde(default = "first_format", skip_serializing_if = "is_first_format")]
    pub(super) format: u32,
    pub(super) id: SlotId,
    pub(super) kind: SlotKind,
    pub(super) kdf: Kdf,
    #[serde(with = "hex::serde")]
    pub(super) salt: [u8; 16],
    /// Name of the keys in the gate; empty for slots without one.
    pub(super) alias: String,
    /// Whose it is; empty: the owner's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) person: String,
    /// What a lock screen shows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) label: String,
    /// What the gate answered when it sealed this slot's secret.
    #[serde(default, with = "hex::serde", skip_serializing_if = "Vec::is_empty")]
    pub(super) sealed: Vec<u8>,
    /// Whether what was typed goes through the gate's keyed function.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) evaluate: bool,
    #[serde(with = "hex::serde")]
    pub(super) wrapped_root: Vec<u8>,
    /// The member's signing key under this slot's key; empty where the slot was made without one.
    #[serde(default, with = "hex::serde", skip_serializing_if = "Vec::is_empty")]
    pub(super) signing_key: Vec<u8>,
}

fn first_format() -> u32 {
    FIRST_FORMAT
}

fn is_first_format(format: &u32) -> bool {
    *format == FIRST_FORMAT
}

/// What a new slot is to be.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) kind: SlotKind,
    pub(super) kdf: Kdf,
    pub(super) person: String,
    pub(super) label: String,
    pub(super) evaluate: bool,
}

/// What an opened slot gave.
pub(super) struct Unwrapped {
    pub(super) root: Key,
    pub(super) signing_key: Option<SigningKey>,
}

impl Slot {
    /// A slot that wraps nothing yet. Slots that need a gate get an alias that no other slot has.
    pub(super) fn draft(vault: &[u8; 16], shape: Shape) -> Result<Self, VaultError> {
        let id = SlotId(rng::make_bytes()?);
        let gated = shape.evaluate || shape.kind == SlotKind::Gate;
        Ok(Self {
            format: FORMAT,
            id,
            kind: shape.kind,
            kdf: shape.kdf,
            salt: rng::make_bytes()?,
            alias: if gated {
                format!("pocketchart.{}.{id}", hex::encode(vault))
            } else {
                String::new()
            },
            person: shape.person,
            label: shape.label,
            sealed: Vec::new(),
            evaluate: shape.evaluate,
            wrapped_root: Vec::new(),
            signing_key: Vec::new(),
        })
    }

    /// Whether no secret opens it without the gate.
    pub(super) fn needs_gate(&self) -> bool {
        self.evaluate || self.kind == SlotKind::Gate
    }

    /// Whether wrong tries are counted: where a person at the screen could guess another's secret. The owner's
    /// passphrase and the recovery code withstand guessing by themselves.
    pub(super) fn counts_tries(&self) -> bool {
        match self.kind {
            SlotKind::Pin => true,
            SlotKind::Passphrase => !self.person.is_empty(),
            SlotKind::Gate | SlotKind::Recovery => false,
        }
    }

    /// Checked before anything of it is used, and before any key is known.
    pub(super) fn is_sane(&self) -> bool {
        let cost = match self.kdf {
            Kdf::Argon2id(cost) => cost.is_sane(),
            Kdf::HkdfSha256 => true,
        };
        let first = || {
            self.person.is_empty()
                && self.label.is_empty()
                && self.sealed.is_empty()
                && !self.evaluate
                && matches!(self.kind, SlotKind::Passphrase | SlotKind::Recovery)
        };
        cost && match self.format {
            FIRST_FORMAT => first(),
            FORMAT => {
                self.sealed.len() <= MAX_SEALED_BYTES
                    && is_label(&self.label)
                    && is_plain_name(&self.person)
                    && is_plain_name(&self.alias)
            }
            _ => false,
        }
    }

    /// Wraps the root key under the slot's key. Everything else of the slot stands by now.
    pub(super) fn wrap_root(
        &mut self,
        vault: &[u8; 16],
        key: &Key,
        root: &Key,
    ) -> Result<(), VaultError> {
        let nonce: [u8; NONCE_BYTES] = rng::make_bytes()?;
        let sealed = envelope::seal(key, nonce, &self.bound_to(vault), root.expose());
        self.wrapped_root = sealed.map_err(|_| VaultError::HeaderDamaged { what: "root key" })?;
        Ok(())
    }

    /// Wraps the member's signing key: under the slot's key, never under the root key, which every member has.
    pub(super) fn wrap_signing_key(
        &mut self,
        vault: &[u8; 16],
        key: &Key,
        signing_key: &SigningKey,
    ) -> Result<(), VaultError> {
        let wrapping = self.signing_wrap(key);
        let nonce: [u8; NONCE_BYTES] = rng::make_bytes()?;
        let bound = self.signing_bound_to(vault);
        let sealed = envelope::seal(&wrapping, nonce, &bound, signing_key.seed().expose());
        self.signing_key = sealed.map_err(|_| VaultError::HeaderDamaged {
            what: "a signing key",
        })?;
        Ok(())
    }

    /// What it wraps, if `key` is the slot's key; else [`VaultError::WrongSecret`].
    pub(super) fn open(&self, vault: &[u8; 16], key: &Key) -> Result<Unwrapped, VaultError> {
        let tampered = VaultError::Tampered { what: "a key slot" };
        let root = match envelope::open(key, &self.bound_to(vault), &self.wrapped_root) {
            Ok(opened) => of_32_bytes(&opened)?,
            Err(SealError::WrongKey) => return Err(VaultError::WrongSecret),
            Err(_) => return Err(tampered),
        };
        let signing_key = if self.signing_key.is_empty() {
            None
        } else {
            let bound = self.signing_bound_to(vault);
            let opened = envelope::open(&self.signing_wrap(key), &bound, &self.signing_key);
            let seed = opened.map_err(|_| tampered)?;
            Some(SigningKey::from_seed(of_32_bytes(&seed)?))
        };
        Ok(Unwrapped { root, signing_key })
    }

    /// The slot's key from what was typed, where no gate has a part in it.
    pub(super) fn key(&self, secret: &Secret) -> Result<Key, VaultError> {
        match (secret, self.kdf) {
            (Secret::Recovery(code), Kdf::HkdfSha256) => Ok(self.key_of_code(code)),
            _ if self.evaluate => Err(VaultError::NeedsGate { kind: self.kind }),
            _ => {
                let hashed = self.hash(secret)?;
                Ok(kdf::derive(&hashed, Purpose::WrapRootKey, &self.id.0, 1))
            }
        }
    }

    /// The key of a recovery slot.
    pub(super) fn key_of_code(&self, code: &RecoveryCode) -> Key {
        let purpose = Purpose::WrapRootKey;
        kdf::derive_from(code.bits(), &self.salt, purpose, &self.id.0, 1)
    }

    /// Argon2id of what was typed: the slow half, and what a gate's keyed function takes.
    pub(super) fn hash(&self, secret: &Secret) -> Result<Key, VaultError> {
        match (secret, self.kdf) {
            (Secret::Passphrase(text) | Secret::Pin(text), Kdf::Argon2id(cost)) => {
                Ok(passphrase_hash::hash(text.expose(), &self.salt, cost)?)
            }
            _ => Err(VaultError::HeaderDamaged {
                what: "a slot's kind and key derivation do not match",
            }),
        }
    }

    /// The slot's key from the hash of what was typed and what the gate made of it. `None`: that is no answer of a
    /// keyed function.
    pub(super) fn key_evaluated(&self, hashed: &Key, evaluated: &[u8]) -> Option<Key> {
        (evaluated.len() == GATE_BYTES).then(|| {
            let mut both = Zeroizing::new([0; 2 * GATE_BYTES]);
            both[..GATE_BYTES].copy_from_slice(hashed.expose());
            both[GATE_BYTES..].copy_from_slice(evaluated);
            let purpose = Purpose::WrapRootKeyEvaluated;
            kdf::derive_from(&*both, &self.salt, purpose, &self.id.0, 1)
        })
    }

    /// The slot's key from what the gate released. `None`: that is not what was sealed, whatever the gate says.
    pub(super) fn key_released(&self, released: &[u8]) -> Option<Key> {
        (released.len() == GATE_BYTES).then(|| {
            let purpose = Purpose::WrapRootKeyReleased;
            kdf::derive_from(released, &self.salt, purpose, &self.id.0, 1)
        })
    }

    fn signing_wrap(&self, key: &Key) -> Key {
        kdf::derive(key, Purpose::WrapSigningKey, &self.id.0, 1)
    }

    fn signing_bound_to(&self, vault: &[u8; 16]) -> Vec<u8> {
        let mut out = b"pocketchart/2/signing-key".to_vec();
        out.extend(vault);
        out.extend(self.id.0);
        out.extend(self.person.as_bytes());
        out
    }

    /// Everything about the slot that must not be exchanged: what the wrapped key is bound to.
    fn bound_to(&self, vault: &[u8; 16]) -> Vec<u8> {
        let mut out = if self.format == FIRST_FORMAT {
            b"pocketchart/1/slot".to_vec()
        } else {
            b"pocketchart/2/slot".to_vec()
        };
        out.extend(vault);
        out.extend(self.id.0);
        out.push(self.kind.number());
        match self.kdf {
            Kdf::Argon2id(cost) => {
                out.push(1);
                out.extend(cost.memory_kib.to_be_bytes());
                out.extend(cost.passes.to_be_bytes());
            }
            Kdf::HkdfSha256 => out.push(2),
        }
        out.extend(self.salt);
        if self.format == FIRST_FORMAT {
            out.extend(self.alias.as_bytes());
            return out;
        }
        out.push(u8::from(self.evaluate));
        for part in [
            self.alias.as_bytes(),
            self.person.as_bytes(),
            self.label.as_bytes(),
            &self.sealed,
        ] {
            out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend(part);
        }
        out
    }
}

/// Whether a lock screen may show this before anybody has proved anything.
pub(super) fn is_label(text: &str) -> bool {
    text.chars().count() <= MAX_LABEL_CHARACTERS && !text.chars().any(char::is_control)
}

/// Letters, digits, dots, dashes; also empty.
pub(super) fn is_plain_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
}

fn of_32_bytes(bytes: &[u8]) -> Result<Key, VaultError> {
    Key::filled_by(|out| {
        (bytes.len() == out.len())
            .then(|| out.copy_from_slice(bytes))
            .ok_or(VaultError::HeaderDamaged {
                what: "the length of a wrapped key",
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::passphrase_hash::LOWEST_COST;
    use sha2::{Digest, Sha256};

    fn slot() -> Slot {
        Slot {
            format: FORMAT,
            id: SlotId([1; 16]),
            kind: SlotKind::Pin,
            kdf: Kdf::Argon2id(LOWEST_COST),
            salt: [2; 16],
            alias: "a.b".into(),
            person: "nurse-1".into(),
            label: "W\u{e4}rd 3".into(),
            sealed: vec![9, 8],
            evaluate: true,
            wrapped_root: Vec::new(),
            signing_key: Vec::new(),
        }
    }

    fn key(byte: u8) -> Key {
        Key::filled_by(|out| {
            out.fill(byte);
            Ok::<_, ()>(())
        })
        .unwrap()
    }

    /// Frozen: slots of format 2 must open for ever. Computed with another implementation (Python's hmac).
    #[test]
    fn what_a_slot_derives_and_is_bound_to_is_frozen() {
        let released = slot().key_released(&[3; 32]).unwrap();
        assert_eq!(
            hex::encode(released.expose()),
            "b7f8ce2aff37da3ccf1edffbf3f885084c0a34b497a7ae6ea55dd19273a69703"
        );
        let evaluated = slot().key_evaluated(&key(4), &[5; 32]).unwrap();
        assert_eq!(
            hex::encode(evaluated.expose()),
            "b7b5b0d188c7dc8055a1ca76f303baf532f8be7318ed5659acab733153af6fb6"
        );
        assert_eq!(
            hex::encode(slot().signing_wrap(&key(6)).expose()),
            "977d0830377bf7ae687d7f875a01aea91b39cb90c4441ec083af90efa15541e7"
        );
        assert_eq!(
            hex::encode(Sha256::digest(slot().bound_to(&[7; 16]))),
            "559f2c40878237dad6eb7a684be199bf07639e2a6b199cb0244841fa4aa4c3a6"
        );
        assert_eq!(
            hex::encode(slot().signing_bound_to(&[7; 16])),
            "706f636b657463686172742f322f7369676e696e672d6b657907070707070707070707070707070707010101010101010101010101010101016e757273652d31"
        );
    }

    #[test]
    fn a_gate_gives_32_bytes_or_none() {
        for wrong in [0, 1, 31, 33, 64] {
            let bytes = vec![3; wrong];
            assert!(slot().key_released(&bytes).is_none());
            assert!(slot().key_evaluated(&key(4), &bytes).is_none());
        }
    }

    #[test]
    fn everything_that_must_not_be_exchanged_is_bound() {
        let base = slot().bound_to(&[7; 16]);
        let changes: [fn(&mut Slot); 9] = [
            |s| s.id.0[0] ^= 1,
            |s| s.kind = SlotKind::Passphrase,
            |s| s.kdf = Kdf::HkdfSha256,
            |s| s.salt[0] ^= 1,
            |s| s.evaluate = false,
            // A character that moves from one field to the next.
            |s| (s.alias, s.person) = ("a.bn".into(), "urse-1".into()),
            |s| s.label.clear(),
            |s| s.sealed.clear(),
            |s| s.format = FIRST_FORMAT,
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut changed = slot();
            change(&mut changed);
            assert_ne!(changed.bound_to(&[7; 16]), base, "change {n}");
        }
        assert_ne!(slot().bound_to(&[8; 16]), base);
    }
}
