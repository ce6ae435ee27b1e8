//! The guard itself: what it holds, and how it comes to be.

use super::audit::{AuditEntry, AuditError, AuditKind, AuditLog};
use super::{AccessError, Person, Role};
use crate::clock::Clock;
use crate::crypto::passphrase_hash::Cost;
use crate::crypto::{Key, SecretText};
use crate::fhir::Instant;
use crate::store::Store;
use crate::vault::{self, RecoveryCode, Secret, Vault};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// An open vault in one person's hands. Clones share the vault; the last one to go closes it and zeroes its keys.
#[derive(Clone)]
pub struct Guard {
    pub(super) shared: Arc<Shared>,
    pub(super) person: Person,
    pub(super) role: Role,
}

pub(super) struct Shared {
    pub(super) store: Store,
    audit: Mutex<AuditLog>,
    sync_turn: tokio::sync::Mutex<()>,
    pub(super) cursor_key: Key,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lost: Option<LostChanges>,
    /// Last, so that the files are closed before the vault's lock is given up.
    pub(super) vault: Vault,
}

/// The store is older than what the audit trail acknowledged: an older copy of the file was put back, or a part of
/// it was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostChanges {
    /// How many changes are missing.
    pub changes: i64,
    /// When the newest of them was acknowledged.
    pub newest: Instant,
}

impl Guard {
    /// Makes a vault in `home` and opens it. `confirm` gets the recovery code, which is stored nowhere: show it, and
    /// refuse when the person did not take it down; then there is no vault.
    ///
    /// # Errors
    /// [`AccessError`], or what `confirm` answered; then there is no vault.
    pub fn create<E: From<AccessError>>(
        home: &Path,
        passphrase: SecretText,
        cost: Cost,
        person: Person,
        clock: Arc<dyn Clock>,
        confirm: impl FnOnce(&RecoveryCode) -> Result<(), E>,
    ) -> Result<Self, E> {
        let vault = vault::create(home, passphrase, cost, |vault, code| {
            build(vault).map_err(Creation::Failed)?;
            confirm(code).map_err(Creation::Declined)
        });
        match vault {
            Ok(vault) => Ok(Self::over(vault, person, clock)?),
            Err(Creation::Failed(error)) => Err(error.into()),
            Err(Creation::Declined(error)) => Err(error),
        }
    }

    /// Opens the vault in `home`.
    ///
    /// # Errors
    /// [`AccessError`]; nothing was changed.
    pub fn unlock(
        home: &Path,
        secret: &Secret,
        person: Person,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccessError> {
        Self::over(vault::unlock(home, secret)?, person, clock)
    }

    fn over(vault: Vault, person: Person, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let role = Role::Everything;
        let audit = AuditLog::open(&vault.audit().path, vault.audit().key, vault.audit().salt)?;
        let store = Store::open(&vault.store().path, vault.store().key, vault.store().salt)?;
        let revision = store.read(&role.permit(), |reader| reader.revision())?;
        let (acknowledged, newest) = audit.acknowledged()?;
        let behind = acknowledged - revision;
        let lost = (behind > 0).then_some(LostChanges {
            changes: behind,
            newest,
        });
        let cursor_key = vault.cursor_key();
        let shared = Shared {
            store,
            audit: Mutex::new(audit),
            sync_turn: tokio::sync::Mutex::new(()),
            cursor_key,
            clock,
            lost,
            vault,
        };
        let guard = Self {
            shared: Arc::new(shared),
            person,
            role,
        };
        guard.note(AuditKind::Unlock, "", None, None)?;
        Ok(guard)
    }

    /// The same vault in another person's hands.
    pub fn acting_as(&self, person: Person) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            person,
            role: self.role,
        }
    }

    /// Who acts.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// Waits until no other sync of this vault runs; the next one waits until the answer is dropped. Two at once would
    /// each take the other's writes for a stranger's, and report conflicts that are none.
    pub async fn sync_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.sync_turn.lock().await
    }

    /// Whether the store is older than what the audit trail acknowledged.
    pub fn lost_changes(&self) -> Option<LostChanges> {
        self.shared.lost
    }

    /// Writes that the vault is locked, and stops running reads. Call it before the last clone goes.
    ///
    /// # Errors
    /// [`AccessError::Audit`]. The vault is closed all the same once the clones are gone.
    pub fn lock(self) -> Result<(), AccessError> {
        self.shared.store.interrupt();
        self.note(AuditKind::Lock, "", None, None)
    }

    /// Writes an audit entry. What it is about happens after this, never before.
    pub(super) fn note(
        &self,
        kind: AuditKind,
        what: &str,
        texts: Option<Digested>,
        revision: Option<i64>,
    ) -> Result<(), AccessError> {
        let entry = AuditEntry {
            at_ms: self.shared.clock.now().epoch_ms(),
            person: self.person.id().to_owned(),
            kind,
            what: what.to_owned(),
            count: texts.as_ref().map(|t| t.count),
            digest: texts.map(|t| t.digest),
            revision,
        };
        Ok(self.with_audit(|log| log.append(&entry))?)
    }

    pub(super) fn with_audit<R>(
        &self,
        body: impl FnOnce(&mut AuditLog) -> Result<R, AuditError>,
    ) -> Result<R, AuditError> {
        body(
            &mut self
                .shared
                .audit
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guard({}, {:?})", self.person, self.role)
    }
}

/// Count and SHA-256 of some texts, each preceded by its length.
pub(super) struct Digested {
    pub(super) count: u64,
    pub(super) digest: String,
}

impl Digested {
    pub(super) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut digest = Sha256::new();
        let mut count = 0;
        for text in texts {
            digest.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(text);
            count += 1;
        }
        Self {
            count,
            digest: hex::encode(digest.finalize()),
        }
    }
}

/// Makes the files of a new vault.
fn build(vault: &Vault) -> Result<(), AccessError> {
    let (store, audit) = (vault.store(), vault.audit());
    Store::create(&store.path, store.key, store.salt)?;
    AuditLog::create(&audit.path, audit.key, audit.salt, vault.id())?;
    Ok(())
}

/// Why a vault was not made.
enum Creation<E> {
    Failed(AccessError),
    Declined(E),
}

impl<E> From<vault::VaultError> for Creation<E> {
    fn from(error: vault::VaultError) -> Self {
        Self::Failed(error.into())
    }
}
