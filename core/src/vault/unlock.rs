//! Opening a vault, and opening another person's slot of an open one.
//!
//! Both go in three parts: the slots are read, the slot's key is made (which may take a slow hash and a person's
//! finger), the slot is opened. No lock is held in the middle part, so a hanging gate keeps nobody out, and dropping
//! the future there leaves everything as it was, save a try that is counted.

use super::error::VaultError;
use super::files::Layout;
use super::gate::{Gate, GateError};
use super::header::{self, Unverified};
use super::keys::Vault;
use super::lock_file::LockFile;
use super::slot::{Secret, Slot, SlotId, SlotKind, Unwrapped};
use super::tries::{LAST_TRY, Moment, Tries};
use crate::crypto::Key;
use std::path::Path;

/// Who opens, with what, and when.
#[derive(Clone, Copy)]
pub struct Opener<'a> {
    /// Whose slots are tried; empty: the owner's.
    pub person: &'a str,
    /// With what.
    pub with: With<'a>,
    /// The device's gate, where there is one.
    pub gate: Option<&'a dyn Gate>,
    /// Now, for the waits between wrong tries.
    pub at: Moment,
}

/// With what a slot is opened.
#[derive(Clone, Copy)]
pub enum With<'a> {
    /// What a person typed.
    Secret(&'a Secret),
    /// What the gate releases; the reason is shown to the person.
    Gate {
        /// Such as "open your records".
        reason: &'a str,
    },
}

impl With<'_> {
    fn kind(&self) -> SlotKind {
        match self {
            Self::Secret(secret) => secret.kind(),
            Self::Gate { .. } => SlotKind::Gate,
        }
    }
}

/// Another person's slot, opened; for [`Vault::switch`].
pub struct Switch {
    pub(super) slot: Slot,
    pub(super) key: Key,
    pub(super) unwrapped: Unwrapped,
}

/// Opens the vault in `home` with what its owner typed, where that needs no gate.
///
/// # Errors
/// [`VaultError`]. Nothing is changed on disk.
pub fn unlock(home: &Path, secret: &Secret) -> Result<Vault, VaultError> {
    let layout = Layout::of(home);
    let (lock, unverified) = read(home, &layout)?;
    let kind = secret.kind();
    let mut refusal = VaultError::NoSuchSlot { kind };
    let (id, slots) = (unverified.header.vault, unverified.header.slots.clone());
    for slot in candidates(&slots, "", kind) {
        if slot.needs_gate() {
            refusal = VaultError::NeedsGate { kind };
            continue;
        }
        let key = slot.key(secret)?;
        match slot.open(&id, &key) {
            Ok(unwrapped) => {
                return Vault::assemble(layout, lock, unverified, slot, key, unwrapped);
            }
            Err(VaultError::WrongSecret) => refusal = VaultError::WrongSecret,
            Err(error) => return Err(error),
        }
    }
    Err(refusal)
}

/// Opens the vault in `home` for a person, with a gate if there is one.
///
/// # Errors
/// [`VaultError`]. Nothing is changed on disk but the count of wrong tries.
pub async fn unlock_with(home: &Path, opener: &Opener<'_>) -> Result<Vault, VaultError> {
    let layout = Layout::of(home);
    let (lock, unverified) = read(home, &layout)?;
    drop(lock);
    let (id, slots) = (unverified.header.vault, unverified.header.slots);
    let tries = Tries::of_closed(&layout);
    let opened = attempt(&id, &slots, &tries, opener).await?;
    // Read again: it was not locked meanwhile. A slot that is gone by now does not count.
    let (lock, unverified) = read(home, &layout)?;
    let header = &unverified.header;
    if header.vault != id || !header.slots.contains(&opened.slot) {
        let kind = opened.slot.kind;
        return Err(VaultError::NoSuchSlot { kind });
    }
    let Switch {
        slot,
        key,
        unwrapped,
    } = opened;
    Vault::assemble(layout, lock, unverified, &slot, key, unwrapped)
}

/// Makes the slot's key from what was given.
pub(super) async fn key_of(slot: &Slot, opener: &Opener<'_>) -> Result<Key, VaultError> {
    let kind = slot.kind;
    let gate = || opener.gate.ok_or(VaultError::NeedsGate { kind });
    match opener.with {
        With::Gate { reason } => {
            let released = gate()?.release(&slot.alias, &slot.sealed, reason).await?;
            slot.key_released(&released).ok_or(VaultError::WrongSecret)
        }
        With::Secret(secret) if slot.evaluate => {
            let gate = gate()?;
            let hashed = slot.hash(secret)?;
            let evaluated = gate.evaluate(&slot.alias, hashed.expose()).await?;
            let key = slot.key_evaluated(&hashed, &evaluated);
            key.ok_or(VaultError::Gate(GateError::TryAgain))
        }
        With::Secret(secret) => slot.key(secret),
    }
}

/// Tries the person's slots of this kind. What is typed is tried at all of them as one try: it is counted at each before
/// any is looked at, and where one opens it was wrong at none.
pub(super) async fn attempt(
    vault: &[u8; 16],
    slots: &[Slot],
    tries: &Tries,
    opener: &Opener<'_>,
) -> Result<Switch, VaultError> {
    let kind = opener.with.kind();
    let mut refusal = VaultError::NoSuchSlot { kind };
    let mut open = Vec::new();
    for slot in candidates(slots, opener.person, kind) {
        let begun = match slot.counts_tries() {
            true => tries.begin(slot.id, kind, opener.at),
            false => Ok(()),
        };
        match begun {
            Ok(()) => open.push(slot),
            Err(error) => {
                // Once more: a kill may have come between the last try and this.
                if matches!(error, VaultError::SlotEnded { .. }) {
                    end(slot, opener).await;
                }
                refusal = error;
            }
        }
    }
    let mut wrong: Vec<&Slot> = Vec::new();
    for (at, slot) in open.iter().enumerate() {
        let opened = match key_of(slot, opener).await {
            Ok(key) => slot.open(vault, &key).map(|unwrapped| (key, unwrapped)),
            Err(error) => Err(error),
        };
        match opened {
            Ok((key, unwrapped)) => {
                // What cannot be written down counts as a wrong try, and keeps the right person out no further.
                let others = counted(&open);
                let _ = tries.undo(
                    &others
                        .into_iter()
                        .filter(|id| *id != slot.id)
                        .collect::<Vec<_>>(),
                );
                if slot.counts_tries() {
                    let _ = tries.succeeded(slot.id);
                }
                let slot = (*slot).clone();
                return Ok(Switch {
                    slot,
                    key,
                    unwrapped,
                });
            }
            Err(VaultError::WrongSecret) => {
                wrong.push(slot);
                refusal = VaultError::WrongSecret;
            }
            // No answer was no guess; the next one may open all the same.
            Err(error @ (VaultError::NeedsGate { .. } | VaultError::Gate(GateError::Lost))) => {
                tries.undo(&counted(&[*slot]))?;
                refusal = error;
            }
            Err(error) => {
                tries.undo(&counted(&open[at..]))?;
                return Err(error);
            }
        }
    }
    for slot in wrong.into_iter().filter(|slot| slot.counts_tries()) {
        if tries.get(slot.id)?.failed >= LAST_TRY {
            end(slot, opener).await;
            refusal = VaultError::SlotEnded { kind };
        }
    }
    Err(refusal)
}

/// Those of the slots whose tries are counted.
fn counted(slots: &[&Slot]) -> Vec<SlotId> {
    let counted = slots.iter().filter(|slot| slot.counts_tries());
    counted.map(|slot| slot.id).collect()
}

/// Takes the gate's half of the slot's key away. Where that fails, the count still keeps the slot shut, and the next
/// try asks again.
async fn end(slot: &Slot, opener: &Opener<'_>) {
    if let Some(gate) = opener.gate.filter(|_| slot.needs_gate()) {
        let _ = gate.destroy(&slot.alias).await;
    }
}

fn candidates<'a>(
    slots: &'a [Slot],
    person: &'a str,
    kind: SlotKind,
) -> impl Iterator<Item = &'a Slot> {
    slots
        .iter()
        .filter(move |slot| slot.kind == kind && slot.person == person)
}

pub(super) fn read(home: &Path, layout: &Layout) -> Result<(LockFile, Unverified), VaultError> {
    let home_of = || home.to_owned();
    if layout.wiping().exists() {
        return Err(VaultError::WipeInterrupted);
    }
    if !super::exists(home)? {
        return Err(VaultError::Missing { home: home_of() });
    }
    let lock = LockFile::take(&layout.lock())?;
    match header::read(layout)? {
        Some(unverified) => Ok((lock, unverified)),
        None => Err(VaultError::HeaderMissing { home: home_of() }),
    }
}
