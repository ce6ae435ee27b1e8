//! The guard itself: what it holds, and how it comes to be.

use super::audit::{AuditError, AuditKind, AuditLog, State, Watch};
use super::changes::Changes;
use super::keys::actor_of;
pub(super) use super::note::Digested;
use super::policy::{self, Action, InForce, VaultAction};
use super::{AccessError, Actor, Person};
use crate::clock::Clock;
use crate::crypto::passphrase_hash::Cost;
use crate::crypto::{Key, SecretText};
use crate::fhir::Instant;
use crate::store::{Durability, Permit, Reader, Store, StoreError, Tx};
use crate::vault::{self, RecoveryCode, Secret, Vault, VaultError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

/// An open vault in one person's hands. Clones share the vault; a lock locks them all, and the last
/// one to go closes it too.
#[derive(Clone)]
pub struct Guard {
    pub(super) shared: Arc<Shared>,
    pub(super) actor: Arc<Actor>,
    /// In whose hands the vault was when this guard was made.
    holder: u64,
}

pub(super) struct Shared {
    /// `None` once it is locked, whoever still holds a clone.
    open: RwLock<Option<Open>>,
    /// Set before the lock waits for its turn, so that nothing new begins meanwhile.
    pub(super) locking: AtomicBool,
    /// How the vault was when it was opened.
    pub(super) found: State,
    pub(super) watch: Mutex<Watch>,
    /// Grows by one each time that the vault changes hands; only ever written while nothing else runs on it.
    holder: AtomicU64,
    sync_turn: tokio::sync::Mutex<()>,
    /// The device's id, once it was asked for.
    pub(super) device: OnceLock<String>,
    pub(super) clock: Arc<dyn Clock>,
    /// Who may do what.
    pub(super) policy: RwLock<Arc<InForce>>,
    /// What changed, for those who watch.
    pub(super) changes: Changes,
}

/// What a lock closes and zeroes.
pub(super) struct Open {
    pub(super) store: Store,
    audit: Mutex<AuditLog>,
    pub(super) cursor_key: Key,
    /// Last, so that the files are closed before the vault's lock is given up.
    pub(super) vault: Vault,
}

impl Shared {
    /// The guards that there are end.
    pub(super) fn next_holder(&self) -> u64 {
        let next = self.holder.fetch_add(1, Ordering::SeqCst) + 1;
        self.changes.wake();
        next
    }
}

impl Open {
    /// The trail's writer. Held for one entry at a time.
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
        clock: Arc<dyn Clock>,
        confirm: impl FnOnce(&RecoveryCode) -> Result<(), E>,
    ) -> Result<Self, E> {
        let vault = vault::create(home, passphrase, cost, |vault, code| {
            build(vault).map_err(Creation::Failed)?;
            confirm(code).map_err(Creation::Declined)
        });
        match vault {
            Ok(vault) => Ok(Self::over(vault, clock)?),
            Err(Creation::Failed(error)) => Err(error.into()),
            Err(Creation::Declined(error)) => Err(error),
        }
    }

    /// As [`Guard::create`], in two steps: there is a vault once [`NewVault::finish`] is through, so that a person has all
    /// the time to write the code down.
    ///
    /// # Errors
    /// [`AccessError`]; then there is no vault.
    pub fn draft(
        home: &Path,
        passphrase: SecretText,
        cost: Cost,
        clock: Arc<dyn Clock>,
    ) -> Result<NewVault, AccessError> {
        let draft = vault::draft(home, passphrase, cost, build)?;
        Ok(NewVault { draft, clock })
    }

    /// Opens the vault in `home` with what its owner typed, where no gate has a part in it. For everybody and
    /// everything else: [`Guard::unlock_with`].
    ///
    /// # Errors
    /// [`AccessError`]; nothing was changed.
    pub fn unlock(
        home: &Path,
        secret: &Secret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccessError> {
        Self::over(vault::unlock(home, secret)?, clock)
    }

    pub(super) fn over(mut vault: Vault, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let actor = actor_of(&vault);
        let audit = AuditLog::open(&vault.audit().path, vault.audit().key, vault.audit().salt)?;
        let store = Store::open(&vault.store().path, vault.store().key, vault.store().salt)?;
        let found = State {
            generation: vault.generation(),
            seq: audit.head()?.seq,
            revision: store.read(&Permit::granted(), |reader| reader.revision())?,
        };
        // What a kill left of a change of keys. Where it cannot be finished now, the next opening tries again.
        let _ = vault.settle();
        vault.clear_leftovers();
        let open = Open {
            store,
            audit: Mutex::new(audit),
            cursor_key: vault.cursor_key(),
            vault,
        };
        let shared = Shared {
            open: RwLock::new(Some(open)),
            locking: AtomicBool::new(false),
            found,
            watch: Mutex::default(),
            holder: AtomicU64::new(0),
            sync_turn: tokio::sync::Mutex::new(()),
            device: OnceLock::new(),
            clock,
            policy: RwLock::new(Arc::new(policy::shipped())),
            changes: Changes::since(found.revision),
        };
        let guard = Self {
            shared: Arc::new(shared),
            actor: Arc::new(actor),
            holder: 0,
        };
        guard.note_lost_changes()?;
        guard.load_policy()?;
        guard.load_missed_at_hub()?;
        guard.note(AuditKind::Unlock, "", None, None)?;
        guard.settle_tries()?;
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
            holder: self.holder,
        }
    }

    /// A guard over what is shared, for whoever had it in hand then.
    pub(super) fn handed(shared: Arc<Shared>, actor: Arc<Actor>, holder: u64) -> Self {
        Self {
            shared,
            actor,
            holder,
        }
    }

    /// In whose hands the vault was when this guard was made.
    pub(super) fn holder(&self) -> u64 {
        self.holder
    }

    /// The guard of whoever has the vault now.
    pub(super) fn of_holder(&self, holder: u64, actor: Actor) -> Self {
        Self {
            holder,
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
            guard.with_audit(|log| log.forget_loss())?;
            guard.forget_missed()?;
            Ok::<_, AccessError>(((), None))
        })
    }

    /// Locks, for all clones: writes it to the trail, stops running reads, waits for running writes, closes the files and
    /// zeroes the keys. Locking twice is no error, nor is locking when the vault is in another person's hands by now:
    /// for this guard it is locked already, and theirs goes on.
    ///
    /// # Errors
    /// [`AccessError::Audit`] when the trail could not be written. It is locked all the same.
    pub fn lock(self) -> Result<(), AccessError> {
        let noted = self.note(AuditKind::Lock, "", None, None);
        let anchored = self.keep_anchor();
        let noted = match noted.and(anchored) {
            Err(AccessError::Locked) => Ok(()),
            other => other,
        };
        if !self.is_holder() {
            return Ok(());
        }
        self.shared.locking.store(true, Ordering::SeqCst);
        if let Some(open) = &*self.opened() {
            open.store.interrupt();
        }
        *self
            .shared
            .open
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.changes.wake();
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
        let written = self.with_open(|open| {
            open.store
                .write(&permit, durability, body)
                .map_err(Into::into)
        })?;
        let revision = written.revision;
        self.shared.changes.note(&written.touched, revision);
        Ok((written.answer, revision))
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
        match &*self.opened() {
            Some(open) if self.is_holder() => body(open),
            _ => Err(AccessError::Locked),
        }
    }

    /// As [`Guard::with_open`], while nothing else runs on the vault: for what changes the header or whose it is. Where the
    /// disk may hold either generation of the header, nobody goes on with one of them: the vault is closed.
    pub(super) fn with_open_mut<R>(
        &self,
        body: impl FnOnce(&mut Open) -> Result<R, AccessError>,
    ) -> Result<R, AccessError> {
        if self.shared.locking.load(Ordering::SeqCst) {
            return Err(AccessError::Locked);
        }
        let open = &self.shared.open;
        let mut whole = open.write().unwrap_or_else(PoisonError::into_inner);
        let answer = match whole.as_mut() {
            Some(open) if self.is_holder() => body(open),
            _ => Err(AccessError::Locked),
        };
        if matches!(answer, Err(AccessError::Vault(VaultError::Unclear { .. }))) {
            *whole = None;
            self.shared.changes.wake();
        }
        answer
    }

    /// Closes the databases and takes the vault out, for all clones, if `check` agrees.
    pub(super) fn take_apart(
        &self,
        check: impl FnOnce(&Open) -> Result<(), AccessError>,
    ) -> Result<Vault, AccessError> {
        if self.shared.locking.load(Ordering::SeqCst) {
            return Err(AccessError::Locked);
        }
        let open = &self.shared.open;
        let mut whole = open.write().unwrap_or_else(PoisonError::into_inner);
        check(
            whole
                .as_ref()
                .filter(|_| self.is_holder())
                .ok_or(AccessError::Locked)?,
        )?;
        let open = whole.take().ok_or(AccessError::Locked)?;
        self.shared.changes.wake();
        Ok(open.vault)
    }

    /// Stops what reads now.
    pub(super) fn interrupt_reads(&self) -> Result<(), AccessError> {
        self.with_open(|open| {
            open.store.interrupt();
            Ok(())
        })
    }

    fn opened(&self) -> RwLockReadGuard<'_, Option<Open>> {
        let open = &self.shared.open;
        open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_holder(&self) -> bool {
        self.holder == self.shared.holder.load(Ordering::SeqCst)
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

/// A vault that nobody has written the recovery code of down yet. Dropping it leaves no vault.
pub struct NewVault {
    draft: vault::Draft,
    clock: Arc<dyn Clock>,
}

impl NewVault {
    /// The recovery code, which is stored nowhere: to be shown.
    pub fn code(&self) -> &RecoveryCode {
        self.draft.code()
    }

    /// It was written down: from here on there is a vault, open in its owner's hands.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn finish(self) -> Result<Guard, AccessError> {
        Guard::over(self.draft.finish()?, self.clock)
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

impl<E> From<VaultError> for Creation<E> {
    fn from(error: VaultError) -> Self {
        Self::Failed(error.into())
    }
}
