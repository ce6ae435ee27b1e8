//! New keys for a vault in use, slots taken out of it, and its end.
//!
//! All of it happens while nothing else runs on the vault: the guards there are wait, and go on behind it as if nothing
//! had been, on other files. Gates and people are asked while nothing waits.

use super::audit::AuditKind;
use super::guard::Open;
use super::note::Note;
use super::policy::VaultAction;
use super::{AccessError, Guard, Opening};
use crate::store::{CopyWay, Permit, Reader, Store, Target, with_side_files};
use crate::vault::{
    Gate, GateError, RecoveryCode, SlotId, SlotKind, SlotSummary, Switch, VaultError,
};
use std::path::Path;

/// What a new data key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rekeyed {
    /// Size of the store's file before.
    pub bytes_before: u64,
    /// And now.
    pub bytes_now: u64,
}

/// What may happen to slots that are not at hand when the root key changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// They keep the change from happening.
    Refuse,
    /// They go: their people must be enrolled again.
    Drop,
}

impl Guard {
    /// Puts the store into a new file under a new key, and deletes the old one. `progress` gets what is copied, and of how
    /// much; it must not call this guard, which waits as all others do.
    ///
    /// # Errors
    /// [`AccessError`]: nothing was changed. [`VaultError::Unclear`]: the vault is closed; it opens again with all that is
    /// in it.
    pub fn rekey(
        &self,
        way: CopyWay,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Rekeyed, AccessError> {
        self.must(VaultAction::Keys)?;
        self.audited(AuditKind::Keys, "new data key", |guard| {
            let done = guard.with_open_mut(|open| new_data_key(open, way, &mut progress))?;
            Ok::<_, AccessError>((done, Some(guard.read(|reader| reader.revision())?)))
        })
    }

    /// Opens another slot of the vault, so that it stays when the root key changes. Whose hands the vault is in does not
    /// change.
    ///
    /// # Errors
    /// [`AccessError`].
    pub async fn at_hand(&self, opening: &Opening<'_>) -> Result<Switch, AccessError> {
        let switching = self.with_open(|open| Ok(open.vault.switching()))?;
        let opener = opening.opener(&*self.shared.clock);
        Ok(switching.open(&opener).await?)
    }

    /// Takes a slot out for good: its keys in the gate first, then the slot from both generations of the header, then the
    /// store gets a new key. Where the slot was typed (a passphrase, a recovery code), or its gate is not here, the root
    /// key changes too: then only slots `present`, and the one that is open, stay. Answers with those that went.
    ///
    /// # Errors
    /// [`AccessError::NotAllowed`] by the policy, for slots of others; [`AccessError::WouldDrop`] names the slots that are not at hand; [`AccessError::RemovedNotRekeyed`]: the slot is
    /// gone, and the records still lie under the old key. Every other error: nothing was changed (but a key in the gate
    /// may be gone).
    pub async fn remove_slot(
        &self,
        slot: SlotId,
        present: &[Switch],
        absent: Absent,
        gate: Option<&dyn Gate>,
        progress: impl FnMut(u64, u64),
    ) -> Result<Vec<SlotSummary>, AccessError> {
        let (found, person) = self.with_open(|open| {
            let mut slots = open.vault.slots().into_iter();
            let found = slots.find(|other| other.id == slot);
            let found = found.ok_or(VaultError::NoSlot { id: slot })?;
            Ok((found, open.vault.person().to_owned()))
        })?;
        let typed = matches!(found.kind, SlotKind::Passphrase | SlotKind::Recovery);
        self.must_be_theirs(&person, &[found])?;
        let dropped = |rotate| {
            let others = |open: &Open| Ok(open.vault.dropped_with(slot, present, rotate)?);
            let dropped = self.with_open(others)?;
            if absent == Absent::Drop {
                self.must_be_theirs(&person, &dropped)?;
            }
            refuse_unless(absent, &dropped)?;
            let what = format!("slot {slot} removed{}", with_others(&dropped));
            self.note(AuditKind::Slots, &what, None, None)?;
            Ok::<_, AccessError>((dropped, what))
        };
        let (mut others, mut what) = dropped(typed)?;
        let destroyed = self.destroy_in_gate(slot, gate).await?;
        let rotate = typed || !destroyed;
        if rotate != typed {
            (others, what) = dropped(rotate)?;
        }
        for other in &others {
            self.destroy_in_gate(other.id, gate).await?;
        }
        self.exchange(&what, progress, |open| {
            Ok(open.vault.remove_slot(slot, present, rotate)?)
        })?;
        Ok(others)
    }

    /// Puts a new recovery code in the place of the old one, and changes the root and the store's key. `confirm` gets the
    /// code, which is stored nowhere: show it, and refuse when the person did not take it down; then the old one holds.
    /// Answers with the slots that went, since they were neither open nor `present`.
    ///
    /// # Errors
    /// As [`Guard::remove_slot`], or what `confirm` answered.
    pub fn replace_recovery_code<E: From<AccessError>>(
        &self,
        present: &[Switch],
        absent: Absent,
        progress: impl FnMut(u64, u64),
        confirm: impl FnOnce(&RecoveryCode) -> Result<(), E>,
    ) -> Result<Vec<SlotSummary>, E> {
        let code = self.next_recovery_code(present, absent)?;
        confirm(&code)?;
        Ok(self.put_recovery_code(&code, present, absent, progress)?)
    }

    /// A code that may take the place of the recovery code, by [`Guard::put_recovery_code`]: as
    /// [`Guard::replace_recovery_code`], in two steps.
    ///
    /// # Errors
    /// As [`Guard::replace_recovery_code`].
    pub fn next_recovery_code(
        &self,
        present: &[Switch],
        absent: Absent,
    ) -> Result<RecoveryCode, AccessError> {
        self.must(VaultAction::Keys)?;
        let dropped = self.with_open(|open| Ok(open.vault.dropped_with_recovery(present)?))?;
        refuse_unless(absent, &dropped)?;
        Ok(RecoveryCode::make()?)
    }

    /// Puts a code that the person has taken down in the place of the old one.
    ///
    /// # Errors
    /// As [`Guard::replace_recovery_code`].
    pub fn put_recovery_code(
        &self,
        code: &RecoveryCode,
        present: &[Switch],
        absent: Absent,
        progress: impl FnMut(u64, u64),
    ) -> Result<Vec<SlotSummary>, AccessError> {
        self.must(VaultAction::Keys)?;
        let dropped = self.with_open(|open| Ok(open.vault.dropped_with_recovery(present)?))?;
        refuse_unless(absent, &dropped)?;
        let what = format!("recovery code replaced{}", with_others(&dropped));
        self.note(AuditKind::Slots, &what, None, None)?;
        self.exchange(&what, progress, |open| {
            Ok(open.vault.replace_recovery(code, present)?)
        })?;
        Ok(dropped)
    }

    /// Whether the vault was opened with its recovery code, which should be replaced once it was used.
    ///
    /// # Errors
    /// [`AccessError::Locked`].
    pub fn opened_by_recovery_code(&self) -> Result<bool, AccessError> {
        self.with_open(|open| {
            let slots = open.vault.slots();
            Ok(slots
                .iter()
                .any(|slot| slot.is_open && slot.kind == SlotKind::Recovery))
        })
    }

    /// Changes that no server has, and that a wipe would destroy.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn unsent_changes(&self) -> Result<u64, AccessError> {
        self.with_open(unsent)
    }

    /// Destroys the vault: the keys first, then the files. Unsent changes keep it from happening, unless `lose_unsent`.
    /// Answers with the number of keys that the gate did not destroy.
    ///
    /// # Errors
    /// [`AccessError::Unsent`]: nothing was changed. A [`VaultError`]: the vault is closed, and a wipe that has begun goes
    /// on with [`crate::vault::wipe`].
    pub async fn wipe(
        &self,
        lose_unsent: bool,
        gate: Option<&dyn Gate>,
    ) -> Result<usize, AccessError> {
        self.must(VaultAction::Keys)?;
        self.note(AuditKind::Wipe, "", None, None)?;
        // Counted and closed at once: no change can come in between.
        let check = |open: &Open| match unsent(open)? {
            changes if changes > 0 && !lose_unsent => Err(AccessError::Unsent { changes }),
            _ => Ok(()),
        };
        let vault = self.take_apart(check)?;
        Ok(vault.into_wipe()?.run(gate).await?)
    }

    /// Destroys a slot's keys in the gate; gone already is gone. `false`: there is no gate here.
    async fn destroy_in_gate(
        &self,
        slot: SlotId,
        gate: Option<&dyn Gate>,
    ) -> Result<bool, AccessError> {
        let alias = self.with_open(|open| Ok(open.vault.alias_of(slot)))?;
        let (Some(alias), Some(gate)) = (alias, gate) else {
            return Ok(false);
        };
        match gate.destroy(&alias).await {
            Ok(()) | Err(GateError::Lost) => Ok(true),
            Err(GateError::Unavailable) => Ok(false),
            Err(error) => Err(VaultError::from(error).into()),
        }
    }

    /// Exchanges slots, and then the store's key. `what` is in the trail already, and is again once the slots are
    /// exchanged, with or without the new key.
    fn exchange(
        &self,
        what: &str,
        mut progress: impl FnMut(u64, u64),
        slots: impl FnOnce(&mut Open) -> Result<(), AccessError>,
    ) -> Result<(), AccessError> {
        let exchanged = self.with_open_mut(|open| {
            match slots(open) {
                // The new data key brings two more generations of the header, so that the old slot is in neither.
                Ok(()) | Err(AccessError::Vault(VaultError::Unsettled { .. })) => {}
                Err(error) => return Err(error),
            }
            open.cursor_key = open.vault.cursor_key();
            match new_data_key(open, CopyWay::Pages, &mut progress) {
                Ok(_) => Ok(()),
                Err(error @ AccessError::Vault(VaultError::Unclear { .. })) => Err(error),
                Err(source) => Err(AccessError::RemovedNotRekeyed {
                    source: Box::new(source),
                }),
            }
        });
        if matches!(
            exchanged,
            Ok(()) | Err(AccessError::RemovedNotRekeyed { .. })
        ) {
            self.enter(Note {
                done: true,
                ..Note::of(AuditKind::Slots, what)
            })?;
        }
        exchanged
    }

    /// Nobody takes a way in from somebody else, be it that it would only go along with one's own.
    fn must_be_theirs(&self, person: &str, slots: &[SlotSummary]) -> Result<(), AccessError> {
        if slots.iter().any(|slot| slot.person != person) {
            self.must(VaultAction::Keys)?;
        }
        Ok(())
    }
}

/// Copies the store into a new file, has the header name it, and goes on with it.
fn new_data_key(
    open: &mut Open,
    way: CopyWay,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Rekeyed, AccessError> {
    let new = open.vault.draft_store()?;
    let target = open.vault.drafted(&new);
    let path = target.path.clone();
    let to = Target {
        path: &path,
        key: target.key,
        salt: target.salt,
    };
    let bytes_before = bytes_of(&open.vault.store().path);
    open.store.copy_to(&Permit::granted(), to, way, progress)?;
    let adopted = match Store::open(&path, target.key, target.salt) {
        Ok(store) => open
            .vault
            .adopt_store(new)
            .map(|()| store)
            .map_err(AccessError::from),
        Err(error) => Err(error.into()),
    };
    match adopted {
        // The old store is closed here.
        Ok(store) => open.store = store,
        // Which of the two files is the store shows at the next opening.
        Err(error @ AccessError::Vault(VaultError::Unclear { .. })) => return Err(error),
        Err(error) => {
            for file in with_side_files(&path) {
                let _ = std::fs::remove_file(file);
            }
            return Err(error);
        }
    }
    open.vault.clear_leftovers();
    Ok(Rekeyed {
        bytes_before,
        bytes_now: bytes_of(&path),
    })
}

fn bytes_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn unsent(open: &Open) -> Result<u64, AccessError> {
    let count = |reader: &Reader<'_>| reader.unsent_changes();
    Ok(open.store.read(&Permit::granted(), count)?)
}

fn refuse_unless(absent: Absent, dropped: &[SlotSummary]) -> Result<(), AccessError> {
    if dropped.is_empty() || absent == Absent::Drop {
        return Ok(());
    }
    Err(AccessError::WouldDrop {
        slots: dropped.to_vec(),
    })
}

/// " with 2 others: ...", for the trail.
fn with_others(dropped: &[SlotSummary]) -> String {
    if dropped.is_empty() {
        return String::new();
    }
    let ids: Vec<String> = dropped.iter().map(|slot| slot.id.to_string()).collect();
    format!(" and dropped with it: {}", ids.join(", "))
}

#[cfg(test)]
mod tests;
