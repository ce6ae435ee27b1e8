//! An open vault: the root key and what hangs on it.

use super::error::VaultError;
use super::files::Layout;
use super::header::{self, DatabaseFile, Header, Member, Unverified};
use super::lock_file::LockFile;
use super::slot::{Slot, SlotId, Unwrapped};
use super::tries::{FailedTries, LAST_TRY, Tries};
use super::unlock::{self, Opener, Switch};
use crate::crypto::Key;
use crate::crypto::envelope::{self, NONCE_BYTES};
use crate::crypto::kdf::{self, Purpose};
use crate::crypto::sign::SigningKey;
use crate::rng;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// An unlocked vault. Dropping it zeroes the keys and lets another process open the vault.
#[derive(Debug)]
pub struct Vault {
    pub(super) layout: Layout,
    pub(super) header: Header,
    pub(super) root: Key,
    pub(super) store_key: Key,
    pub(super) audit_key: Key,
    pub(super) opened: OpenSlot,
    pub(super) tries: Arc<Tries>,
    pub(super) lock: LockFile,
}

/// The slot that is open: whose hands the vault is in.
#[derive(Debug)]
pub(super) struct OpenSlot {
    pub(super) id: SlotId,
    pub(super) person: String,
    /// Wraps the root key, and is kept so that a new root key can be wrapped.
    pub(super) key: Key,
    pub(super) signing_key: Option<SigningKey>,
}

/// What is needed to open another person's slot of an open vault while no lock is held.
pub struct Switching {
    vault: [u8; 16],
    slots: Vec<Slot>,
    tries: Arc<Tries>,
}

/// Where a database file is and what opens it.
#[derive(Debug)]
pub struct DatabaseKey<'a> {
    /// The file.
    pub path: PathBuf,
    /// Its SQLCipher key.
    pub key: &'a Key,
    /// Its first 16 bytes.
    pub salt: &'a [u8; 16],
}

/// Whether `home` holds a vault, complete or not.
///
/// # Errors
/// [`VaultError::Io`] when the folder may not be looked into.
pub fn exists(home: &Path) -> Result<bool, VaultError> {
    let vault = Layout::of(home).vault;
    vault
        .try_exists()
        .map_err(VaultError::io("looking into", home))
}

impl Switching {
    /// Opens a slot. Right or wrong, the person who has the vault open notices nothing of it.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn open(&self, opener: &Opener<'_>) -> Result<Switch, VaultError> {
        unlock::attempt(&self.vault, &self.slots, &self.tries, opener).await
    }
}

impl Vault {
    /// The vault's id: random, and no secret.
    pub fn id(&self) -> &[u8; 16] {
        &self.header.vault
    }

    /// How often its header was written.
    pub fn generation(&self) -> u64 {
        self.header.generation
    }

    /// The database of records.
    pub fn store(&self) -> DatabaseKey<'_> {
        self.database(&self.header.store, &self.store_key)
    }

    /// The database of the audit trail.
    pub fn audit(&self) -> DatabaseKey<'_> {
        self.database(&self.header.audit, &self.audit_key)
    }

    /// The slot that is open.
    pub fn open_slot(&self) -> SlotId {
        self.opened.id
    }

    /// Whose slot is open; empty: the owner's.
    pub fn person(&self) -> &str {
        &self.opened.person
    }

    /// The person whose slot is open, as the header knows them.
    pub fn member(&self) -> Option<&Member> {
        self.header.member(&self.opened.person)
    }

    /// Everybody the header knows.
    pub fn members(&self) -> &[Member] {
        &self.header.members
    }

    /// What the person whose slot is open signs with. `None`: the slot was made by an older program.
    pub fn signing_key(&self) -> Option<&SigningKey> {
        self.opened.signing_key.as_ref()
    }

    /// Begins a change of person.
    pub fn switching(&self) -> Switching {
        Switching {
            vault: *self.id(),
            slots: self.header.slots.clone(),
            tries: Arc::clone(&self.tries),
        }
    }

    /// Puts the vault in the hands of whoever opened the other slot. The keys of the slot before are zeroed.
    ///
    /// # Errors
    /// [`VaultError::NoSuchSlot`] when the slot is gone by now, [`VaultError::Tampered`] when it wraps another root key.
    pub fn switch(&mut self, switch: Switch) -> Result<(), VaultError> {
        let Switch {
            slot,
            key,
            unwrapped,
        } = switch;
        if !self.header.slots.contains(&slot) {
            return Err(VaultError::NoSuchSlot { kind: slot.kind });
        }
        if !bool::from(unwrapped.root.expose().ct_eq(self.root.expose())) {
            return Err(VaultError::Tampered { what: "a key slot" });
        }
        self.opened = OpenSlot::of(&self.header, &slot, key, unwrapped.signing_key);
        Ok(())
    }

    /// Wrong tries that nobody was told of, for the audit trail.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub fn failed_tries(&self) -> Result<Vec<FailedTries>, VaultError> {
        let mut all = Vec::new();
        for slot in self.header.slots.iter().filter(|slot| slot.counts_tries()) {
            let count = self.tries.get(slot.id)?;
            if count.unnoted > 0 {
                all.push(FailedTries {
                    slot: slot.id,
                    person: slot.person.clone(),
                    count: count.unnoted,
                });
            }
        }
        Ok(all)
    }

    /// The audit trail has them.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub fn tries_noted(&self) -> Result<(), VaultError> {
        let present: Vec<_> = self.header.slots.iter().map(|slot| slot.id).collect();
        self.tries.noted(&present)
    }

    /// Slots that the last wrong try ended, and that still stand in the header.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub fn ended_slots(&self) -> Result<Vec<SlotId>, VaultError> {
        let mut all = Vec::new();
        for slot in self.header.slots.iter().filter(|slot| slot.counts_tries()) {
            if self.tries.get(slot.id)?.failed >= LAST_TRY {
                all.push(slot.id);
            }
        }
        Ok(all)
    }

    /// The key that seals search cursors.
    pub fn cursor_key(&self) -> Key {
        kdf::derive(&self.root, Purpose::CursorSeal, self.id(), 1)
    }

    pub(super) fn database<'a>(&self, file: &'a DatabaseFile, key: &'a Key) -> DatabaseKey<'a> {
        DatabaseKey {
            path: self.layout.vault.join(&file.name),
            key,
            salt: &file.salt,
        }
    }

    /// Writes `header` and takes it for the vault's.
    pub(super) fn commit(&mut self, header: Header) -> Result<(), VaultError> {
        header::commit(&self.layout, &header, &self.mac_key())?;
        self.header = header;
        Ok(())
    }

    /// The vault behind an opened slot, once the header's MAC holds.
    pub(super) fn assemble(
        layout: Layout,
        lock: LockFile,
        unverified: Unverified,
        slot: &Slot,
        key: Key,
        unwrapped: Unwrapped,
    ) -> Result<Self, VaultError> {
        let id = unverified.header.vault;
        let Unwrapped { root, signing_key } = unwrapped;
        let header = unverified.verify(&mac_key_of(&root, &id))?;
        let store_key = unwrap_key(&root, &id, Purpose::WrapDataKey, &header.store)?;
        let audit_key = unwrap_key(&root, &id, Purpose::WrapAuditKey, &header.audit)?;
        Ok(Self {
            opened: OpenSlot::of(&header, slot, key, signing_key),
            tries: Arc::new(Tries::of_open(&layout)),
            layout,
            header,
            root,
            store_key,
            audit_key,
            lock,
        })
    }

    pub(super) fn mac_key(&self) -> Key {
        mac_key_of(&self.root, self.id())
    }
}

/// The key of the header's MAC under a root key.
pub(super) fn mac_key_of(root: &Key, vault: &[u8; 16]) -> Key {
    kdf::derive(root, Purpose::HeaderMac, vault, 1)
}

impl OpenSlot {
    /// A signing key that is not the one the header names was replaced by a newer one, and signs nothing any more.
    pub(super) fn of(
        header: &Header,
        slot: &Slot,
        key: Key,
        signing_key: Option<SigningKey>,
    ) -> Self {
        let member = header.member(&slot.person);
        let named = |key: &SigningKey| member.is_some_and(|m| m.public_key == key.public());
        Self {
            id: slot.id,
            person: slot.person.clone(),
            key,
            signing_key: signing_key.filter(named),
        }
    }
}

/// A database file with a new key and salt.
pub(super) fn make_database(
    root: &Key,
    vault: &[u8; 16],
    wrap: Purpose,
    name: &str,
) -> Result<(DatabaseFile, Key), VaultError> {
    let key = Key::make_random()?;
    let mut file = DatabaseFile {
        name: name.to_owned(),
        salt: rng::make_bytes()?,
        key_version: 1,
        wrapped_key: Vec::new(),
        key_check: kdf::key_check(&key, vault, 1),
    };
    wrap_key(root, vault, wrap, &mut file, &key)?;
    Ok((file, key))
}

/// Wraps a database's key under a root key.
pub(super) fn wrap_key(
    root: &Key,
    vault: &[u8; 16],
    wrap: Purpose,
    file: &mut DatabaseFile,
    key: &Key,
) -> Result<(), VaultError> {
    let nonce: [u8; NONCE_BYTES] = rng::make_bytes()?;
    let wrapping = kdf::derive(root, wrap, vault, file.key_version);
    let sealed = envelope::seal(&wrapping, nonce, &bound_to(vault, file), key.expose());
    file.wrapped_key = sealed.map_err(|_| VaultError::HeaderDamaged {
        what: "a database key",
    })?;
    Ok(())
}

fn unwrap_key(
    root: &Key,
    vault: &[u8; 16],
    wrap: Purpose,
    file: &DatabaseFile,
) -> Result<Key, VaultError> {
    let tampered = || VaultError::Tampered {
        what: "a database key",
    };
    let wrapping = kdf::derive(root, wrap, vault, file.key_version);
    let opened = envelope::open(&wrapping, &bound_to(vault, file), &file.wrapped_key)
        .map_err(|_| tampered())?;
    let key = Key::filled_by(|out| {
        (opened.len() == out.len())
            .then(|| out.copy_from_slice(&opened))
            .ok_or_else(tampered)
    })?;
    if kdf::key_check(&key, vault, file.key_version) == file.key_check {
        Ok(key)
    } else {
        Err(tampered())
    }
}

fn bound_to(vault: &[u8; 16], file: &DatabaseFile) -> Vec<u8> {
    [
        b"pocketchart/1/database".as_slice(),
        vault,
        &file.salt,
        &file.key_version.to_be_bytes(),
        file.name.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests;
