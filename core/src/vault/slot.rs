//! Slots: each wraps the root key under one secret.

use super::recovery::RecoveryCode;
use super::{VaultError, passphrase};
use crate::crypto::envelope::{self, NONCE_BYTES, SealError};
use crate::crypto::kdf::{self, Purpose};
use crate::crypto::passphrase_hash::{self, Cost};
use crate::crypto::{Key, SecretText};
use crate::rng;
use serde::{Deserialize, Serialize};

/// What a person brings to open a vault.
#[derive(Debug)]
pub enum Secret {
    /// A passphrase.
    Passphrase(SecretText),
    /// A recovery code.
    Recovery(RecoveryCode),
}

/// What kind of secret opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Passphrase,
    Recovery,
}

/// How a secret becomes the key that wraps the root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kdf {
    /// For what people choose.
    Argon2id(Cost),
    /// For 128 random bits, where slowness adds nothing.
    HkdfSha256,
}

/// One slot as it stands in the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slot {
    #[serde(with = "hex::serde")]
    pub(super) id: [u8; 16],
    pub(super) kind: Kind,
    pub(super) kdf: Kdf,
    #[serde(with = "hex::serde")]
    pub(super) salt: [u8; 16],
    /// Name of the key in the gate; empty for slots without one.
    pub(super) alias: String,
    #[serde(with = "hex::serde")]
    pub(super) wrapped_root: Vec<u8>,
}

impl Secret {
    fn kind(&self) -> Kind {
        match self {
            Self::Passphrase(_) => Kind::Passphrase,
            Self::Recovery(_) => Kind::Recovery,
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Recovery => "recovery code",
        }
    }
}

impl Slot {
    /// A new slot that wraps `root` under `secret`. A passphrase must be strong enough.
    pub(super) fn make(
        vault: &[u8; 16],
        root: &Key,
        secret: &Secret,
        cost: Cost,
    ) -> Result<Self, VaultError> {
        if let Secret::Passphrase(text) = secret {
            passphrase::check(text.expose())?;
        }
        let mut slot = Self {
            id: rng::make_bytes()?,
            kind: secret.kind(),
            kdf: match secret {
                Secret::Passphrase(_) => Kdf::Argon2id(cost),
                Secret::Recovery(_) => Kdf::HkdfSha256,
            },
            salt: rng::make_bytes()?,
            alias: String::new(),
            wrapped_root: Vec::new(),
        };
        let key = slot.key(secret)?;
        let nonce: [u8; NONCE_BYTES] = rng::make_bytes()?;
        let sealed = envelope::seal(&key, nonce, &slot.bound_to(vault), root.expose());
        slot.wrapped_root = sealed.map_err(|_| VaultError::HeaderDamaged { what: "root key" })?;
        Ok(slot)
    }

    /// The root key, if `secret` is the one. Slots of another kind cost nothing: they are passed over.
    fn open(&self, vault: &[u8; 16], secret: &Secret) -> Result<Key, SlotRefusal> {
        let key = self.key(secret).map_err(SlotRefusal::Other)?;
        let opened = match envelope::open(&key, &self.bound_to(vault), &self.wrapped_root) {
            Ok(opened) => opened,
            Err(SealError::WrongKey) => return Err(SlotRefusal::WrongSecret),
            Err(_) => {
                return Err(SlotRefusal::Other(VaultError::Tampered {
                    what: "a key slot",
                }));
            }
        };
        let damaged = || {
            SlotRefusal::Other(VaultError::HeaderDamaged {
                what: "root key length",
            })
        };
        Key::filled_by(|out| {
            (opened.len() == out.len())
                .then(|| out.copy_from_slice(&opened))
                .ok_or_else(damaged)
        })
    }

    fn key(&self, secret: &Secret) -> Result<Key, VaultError> {
        let damaged = VaultError::HeaderDamaged {
            what: "a slot's kind and key derivation do not match",
        };
        match (secret, self.kdf) {
            (Secret::Passphrase(text), Kdf::Argon2id(cost)) => {
                let hashed = passphrase_hash::hash(text.expose(), &self.salt, cost)?;
                Ok(kdf::derive(&hashed, Purpose::WrapRootKey, &self.id, 1))
            }
            (Secret::Recovery(code), Kdf::HkdfSha256) => Ok(kdf::derive_from(
                code.bits(),
                &self.salt,
                Purpose::WrapRootKey,
                &self.id,
                1,
            )),
            _ => Err(damaged),
        }
    }

    /// Everything about the slot that must not be exchanged: what the wrapped key is bound to.
    fn bound_to(&self, vault: &[u8; 16]) -> Vec<u8> {
        let mut out = b"pocketchart/1/slot".to_vec();
        out.extend(vault);
        out.extend(self.id);
        match (self.kind, self.kdf) {
            (kind, Kdf::Argon2id(cost)) => {
                out.extend([kind as u8, 1]);
                out.extend(cost.memory_kib.to_be_bytes());
                out.extend(cost.passes.to_be_bytes());
            }
            (kind, Kdf::HkdfSha256) => out.extend([kind as u8, 2]),
        }
        out.extend(self.salt);
        out.extend(self.alias.as_bytes());
        out
    }
}

enum SlotRefusal {
    WrongSecret,
    Other(VaultError),
}

/// Tries `secret` on every slot of its kind.
pub(super) fn open_any(
    vault: &[u8; 16],
    slots: &[Slot],
    secret: &Secret,
) -> Result<Key, VaultError> {
    let mut refusal = VaultError::NoSuchSlot {
        kind: secret.kind().name(),
    };
    for slot in slots.iter().filter(|slot| slot.kind == secret.kind()) {
        match slot.open(vault, secret) {
            Ok(root) => return Ok(root),
            Err(SlotRefusal::WrongSecret) => refusal = VaultError::WrongSecret,
            Err(SlotRefusal::Other(error)) => return Err(error),
        }
    }
    Err(refusal)
}
