//! What signs on a device: the device's own key, and the key of whoever's slot is open.
//!
//! A device is known to a hub by a key that it made itself, so its id stands before any hub has heard of it, and what
//! was written before the device joined names the right device.

use super::change::Signer;
use super::{AccessError, Guard};
use crate::crypto::Key;
use crate::crypto::sign::{PublicKey, SigningKey};
use crate::store::{Durability, StoreError};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const DEVICE_KEY: &str = "device-key";
const AUTHORITY_KEY: &str = "authority-key";

/// The id that a device's key gives it: 32 hexadecimal digits.
pub fn device_id(key: &PublicKey) -> String {
    let digest = Sha256::digest([b"pocketchart/1/device/", key.bytes().as_slice()].concat());
    hex::encode(&digest[..16])
}

/// What two people compare, one looking at the hub and one at the device: `K7QD-2M9X-TT4A`, 60 bits of the key's digest
/// in Crockford's alphabet.
pub fn fingerprint(key: &PublicKey) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digest = Sha256::digest([b"pocketchart/1/fingerprint/", key.bytes().as_slice()].concat());
    let mut bits = digest
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| usize::from(byte >> at & 1)));
    let mut letters = || {
        let at = bits.by_ref().take(5).fold(0, |value, bit| value << 1 | bit);
        char::from(ALPHABET[at])
    };
    let groups: Vec<String> = (0..3)
        .map(|_| (0..4).map(|_| letters()).collect())
        .collect();
    groups.join("-")
}

impl Guard {
    /// The key this device is known by; made when it is first asked for.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn device_key(&self) -> Result<SigningKey, AccessError> {
        self.kept_key(DEVICE_KEY)
    }

    /// The key this vault certifies with, as a hub or as the owner of a vault that has no hub; made when it is first
    /// asked for.
    pub(super) fn authority_key(&self) -> Result<SigningKey, AccessError> {
        self.kept_key(AUTHORITY_KEY)
    }

    /// This device's id.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn device(&self) -> Result<String, AccessError> {
        if let Some(known) = self.shared.device.get() {
            return Ok(known.clone());
        }
        let id = device_id(&self.device_key()?.public());
        Ok(self.shared.device.get_or_init(|| id).clone())
    }

    /// The id of this vault.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn vault_id(&self) -> Result<[u8; 16], AccessError> {
        self.with_open(|open| Ok(*open.vault.id()))
    }

    /// Whoever acts, as one who signs; `None`: this person has no key.
    pub(super) fn signer(&self) -> Result<Option<Signer>, AccessError> {
        let seed = self.with_signer(|key| {
            key.map(|key| {
                Key::filled_by(|out| {
                    out.copy_from_slice(key.seed().expose());
                    Ok::<_, AccessError>(())
                })
            })
        })?;
        let Some(seed) = seed.transpose()? else {
            return Ok(None);
        };
        Ok(Some(Signer {
            key: SigningKey::from_seed(seed),
            person: self.actor.person.id().to_owned(),
            vault: self.vault_id()?,
            device: self.device()?,
        }))
    }

    fn kept_key(&self, name: &str) -> Result<SigningKey, AccessError> {
        let damaged = || StoreError::DamagedValue {
            what: "signing key",
            row: 0,
        };
        if let Some(kept) = self.kept(name)? {
            let seed = Key::filled_by(|out| {
                hex::decode_to_slice(kept.as_bytes(), out).map_err(|_| damaged())
            })?;
            return Ok(SigningKey::from_seed(seed));
        }
        let key = SigningKey::make_random()?;
        let text = Zeroizing::new(hex::encode(key.seed().expose()));
        let is_kept = self.written(&format!("secret {name}"), |guard| {
            guard.write(Durability::Full, |tx| {
                let is_first = tx.secret(name)?.map(Zeroizing::new).is_none();
                if is_first {
                    tx.set_secret(name, &text)?;
                }
                Ok::<_, StoreError>(is_first)
            })
        })?;
        // Two may ask for the first time at once: what was signed with the other key would be nobody's.
        match is_kept {
            true => Ok(key),
            false => self.kept_key(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both stand in what was signed or written down: they never change.
    #[test]
    fn ids_and_fingerprints_are_frozen() {
        let key = PublicKey::parse(&"ab".repeat(32)).unwrap();
        assert_eq!(device_id(&key), "46185ddcf39cc642abbca5b39ec05990");
        assert_eq!(fingerprint(&key), "522T-1GWR-TY13");
        let other = PublicKey::parse(&"ac".repeat(32)).unwrap();
        assert_ne!(fingerprint(&key), fingerprint(&other));
    }
}
