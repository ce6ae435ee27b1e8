//! The guard itself: what it holds, and how it comes to be.

use super::audit::{AuditError, AuditKind, AuditLog};
pub(super) use super::note::Digested;
use super::policy::{self, Action, InForce, VaultAction};
use super::{AccessError, Actor, Person};
use crate::clock::Clock;
use crate::crypto::passphrase_hash::Cost;
use crate::crypto::sign::SigningKey;
use crate::crypto::{Key, SecretText};
use crate::fhir::Instant;
use crate::rng;
use crate::store::{Durability, Permit, Reader, Store, StoreError, Tx};
use crate::vault::{self, RecoveryCode, Secret, Vault};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// An open vault in one person's hands. Clones share the vault; a lock locks them all, and the last
/// one to go closes it too.
#[derive(Clone)]
pub struct Guard {
    pub(super) shared: Arc<Shared>,
    pub(super) actor: Arc<Actor>,
    /// What this person signs with.
    pub(super) key: Option<Arc<SigningKey>>,
}

pub(super) struct Shared {
    /// `None` once it is locked, whoever still holds a clone.
    open: RwLock<Option<Open>>,
    /// Set before the lock waits for its turn, so that nothing new begins meanwhile.
    locking: AtomicBool,
    sync_turn: tokio::sync::Mutex<()>,
    /// The device's id, once it was asked for.
    pub(super) device: OnceLock<String>,
    pub(super) clock: Arc<dyn Clock>,
    /// Who may do what.
    pub(super) policy: RwLock<Arc<InForce>>,
}

/// What a lock closes and zeroes.
pub(super) struct Open {
    store: Store,
    audit: Mutex<AuditLog>,
    pub(super) cursor_key: Key,
    /// Of this opening: page links of another are refused.
    pub(super) opening: [u8; 16],
    /// Last, so that the files are closed before the vault's lock is given up.
    pub(super) vault: Vault,
}

impl Open {
    pub(super) fn audit(&self) -> MutexGuard<'_, AuditLog> {
        self.audit.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        actor: Actor,
        clock: Arc<dyn Clock>,
        confirm: impl FnOnce(&RecoveryCode) -> Result<(), E>,
    ) -> Result<Self, E> {
        let vault = vault::create(home, passphrase, cost, |vault, code| {
            build(vault).map_err(Creation::Failed)?;
            confirm(code).map_err(Creation::Declined)
        });
        match vault {
            Ok(vault) => Ok(Self::over(vault, actor, clock)?),
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
        actor: Actor,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccessError> {
        Self::over(vault::unlock(home, secret)?, actor, clock)
    }

    fn over(vault: Vault, actor: Actor, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let audit = AuditLog::open(&vault.audit().path, vault.audit().key, vault.audit().salt)?;
        let store = Store::open(&vault.store().path, vault.store().key, vault.store().salt)?;
        let open = Open {
            store,
            audit: Mutex::new(audit),
            cursor_key: vault.cursor_key(),
            opening: rng::make_bytes()?,
            vault,
        };
        let shared = Shared {
            open: RwLock::new(Some(open)),
            locking: AtomicBool::new(false),
            sync_turn: tokio::sync::Mutex::new(()),
            device: OnceLock::new(),
            clock,
            policy: RwLock::new(Arc::new(policy::shipped())),
        };
        let guard = Self {
            shared: Arc::new(shared),
            actor: Arc::new(actor),
            key: None,
        };
        guard.note_lost_changes()?;
        guard.load_policy()?;
        guard.note(AuditKind::Unlock, "", None, None)?;
        Ok(guard)
    }

    /// Compares the store with what the audit trail acknowledged. A loss is written down before anything else is, and
    /// the store's revision goes on behind the lost ones: else new changes would take their numbers, and the loss would
    /// no longer show.
    fn note_lost_changes(&self) -> Result<(), AccessError> {
        let revision = self.read_for_device(|reader| reader.revision())?;
        let (acknowledged, newest) = self.with_audit(|log| log.acknowledged())?;
        if revision >= acknowledged {
            return Ok(());
        }
        let lost = LostChanges {
            changes: acknowledged - revision,
            newest,
        };
        self.with_audit(|log| log.remember_loss(acknowledged, lost))?;
        self.note(
            AuditKind::Lost,
            "",
            Some(Digested::counted(u64::try_from(lost.changes).unwrap_or(0))),
            Some(acknowledged),
        )?;
        self.write(Durability::Full, |tx| tx.go_on_behind(acknowledged))?;
        Ok(())
    }

    /// The same vault in another person's hands.
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            actor: Arc::new(actor),
            key: None,
        }
    }

    /// The same vault in the hands of a person who signs what he changes.
    pub fn acting_with(&self, actor: Actor, key: Arc<SigningKey>) -> Self {
        Self {
            key: Some(key),
            ..self.acting_as(actor)
        }
    }

    /// Who acts.
    pub fn person(&self) -> &Person {
        &self.actor.person
    }

    /// Who acts, and in which role.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Waits until no other sync of this vault runs; the next one waits until the answer is dropped. Two at once would
    /// each take the other's writes for a stranger's, and report conflicts that are none.
    pub async fn sync_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.sync_turn.lock().await
    }

    /// Whether the store was found older than what the audit trail acknowledged, now or at an earlier opening, and
    /// nobody has taken note of it yet.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn lost_changes(&self) -> Result<Option<LostChanges>, AccessError> {
        self.with_audit(|log| log.loss())
    }

    /// A person has taken note of the loss: it is not reported any more. The trail keeps it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn accept_loss(&self) -> Result<(), AccessError> {
        self.must(VaultAction::Upkeep)?;
        self.audited(AuditKind::Write, "loss accepted", |guard| {
            guard
                .with_audit(|log| log.forget_loss())
                .map(|()| ((), None))
        })
    }

    /// Locks, for all clones: writes it to the trail, stops running reads, waits for running writes, closes the files and
    /// zeroes the keys. Locking twice is no error.
    ///
    /// # Errors
    /// [`AccessError::Audit`] when the trail could not be written. It is locked all the same.
    pub fn lock(self) -> Result<(), AccessError> {
        let noted = match self.note(AuditKind::Lock, "", None, None) {
            Err(AccessError::Locked) => Ok(()),
            other => other,
        };
        self.shared.locking.store(true, Ordering::SeqCst);
        if let Some(open) = &*self
            .shared
            .open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
        {
            open.store.interrupt();
        }
        *self
            .shared
            .open
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
        noted
    }

    /// Reads from the store what this person may read.
    pub(super) fn read<R, E: From<StoreError> + Into<AccessError>>(
        &self,
        body: impl FnOnce(&Reader<'_>) -> Result<R, E>,
    ) -> Result<R, AccessError> {
        self.read_where(Action::Read, body)
    }

    /// Reads from the store what this person may see where `action` is done.
    pub(super) fn read_where<R, E: From<StoreError> + Into<AccessError>>(
        &self,
        action: Action,
        body: impl FnOnce(&Reader<'_>) -> Result<R, E>,
    ) -> Result<R, AccessError> {
        self.read_any(action, body)?.map_err(Into::into)
    }

    /// Reads for the device itself, whoever has it in hand: what a sync sends, what a rebuild looks at. Nothing of it may
    /// be handed to the person.
    pub(super) fn read_for_device<R, E: From<StoreError> + Into<AccessError>>(
        &self,
        body: impl FnOnce(&Reader<'_>) -> Result<R, E>,
    ) -> Result<R, AccessError> {
        self.with_open(|open| {
            open.store
                .read(&Permit::granted(), body)
                .map_err(Into::into)
        })
    }

    /// As [`Guard::read_where`], for a body with an error of its own.
    pub(super) fn read_any<R, E: From<StoreError>>(
        &self,
        action: Action,
        body: impl FnOnce(&Reader<'_>) -> Result<R, E>,
    ) -> Result<Result<R, E>, AccessError> {
        let permit = Permit::seeing(self.view(action));
        self.with_open(|open| Ok(open.store.read(&permit, body)))
    }

    /// Writes to the store. What the body reads through the store's public functions is what this person may read; what
    /// it writes was judged, or is the device's own.
    pub(super) fn write<R, E: From<StoreError> + Into<AccessError>>(
        &self,
        durability: Durability,
        body: impl FnOnce(&mut Tx<'_>) -> Result<R, E>,
    ) -> Result<(R, i64), AccessError> {
        let permit = Permit::seeing(self.view(Action::Search));
        self.with_open(|open| {
            open.store
                .write(&permit, durability, body)
                .map_err(Into::into)
        })
    }

    /// Page MACs and structure of the store.
    pub(super) fn check_store(&self) -> Result<Vec<String>, AccessError> {
        self.with_open(|open| Ok(open.store.check(&Permit::granted())?))
    }

    /// Runs `body` on the open vault. Never call one within another: a lock may wait between them.
    pub(super) fn with_open<R>(
        &self,
        body: impl FnOnce(&Open) -> Result<R, AccessError>,
    ) -> Result<R, AccessError> {
        if self.shared.locking.load(Ordering::SeqCst) {
            return Err(AccessError::Locked);
        }
        match &*self
            .shared
            .open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
        {
            Some(open) => body(open),
            None => Err(AccessError::Locked),
        }
    }

    pub(super) fn with_audit<R>(
        &self,
        body: impl FnOnce(&mut AuditLog) -> Result<R, AuditError>,
    ) -> Result<R, AccessError> {
        self.with_open(|open| Ok(body(&mut open.audit())?))
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guard({}, {})", self.actor.person, self.actor.role)
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
