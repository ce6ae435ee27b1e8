//! Ways into the vault: made, shown, taken out; and its end.

use super::{Inner, Session};
use crate::memory::Live;
use crate::redacted::redacted;
use crate::vault::Asked;
use crate::{PocketchartError, SlotInfo, UnlockWith, runtime};
use pocketchart_core::access::{Absent, Guard};
use pocketchart_core::crypto::SecretText;
use pocketchart_core::vault::{self, NewSecret, RecoveryCode, SlotId, SlotSummary, Switch};
use std::sync::{Arc, Mutex, PoisonError};

/// A slot to be made. Names are what a lock screen shows: at most 64 characters, which whoever has the device can read.
#[derive(Clone, uniffi::Enum)]
#[uniffi::export(Display)]
pub enum NewSlot {
    /// What only the gate gives back. A passphrase or PIN, and a recovery code, come first.
    Gate {
        /// Its name.
        name: String,
    },
    /// A PIN, together with the gate.
    Pin {
        /// Its name.
        name: String,
        /// At least six, and not the first that anyone tries.
        digits: String,
    },
    /// A passphrase.
    Passphrase {
        /// Its name.
        name: String,
        /// It must be hard to guess: [`judge_passphrase`](crate::judge_passphrase).
        text: String,
        /// Whether the gate has a part in it: then it opens on this device only, and cannot be guessed elsewhere.
        on_this_device_only: bool,
    },
}

redacted!(NewSlot);

/// A recovery code that is to take the place of the one before. Closing it leaves the one before.
#[derive(uniffi::Object)]
pub struct NewRecoveryCode {
    state: Mutex<Option<Next>>,
    inner: Arc<Inner>,
    _live: Live,
}

struct Next {
    code: RecoveryCode,
    present: Vec<Switch>,
    absent: Absent,
}

impl NewSlot {
    pub(crate) fn in_core(self, inner: &Inner) -> vault::NewSlot {
        let cost = inner.place.cost;
        match self {
            Self::Gate { name } => vault::NewSlot {
                label: name,
                secret: NewSecret::Gate,
            },
            Self::Pin { name, digits } => vault::NewSlot {
                label: name,
                secret: NewSecret::Pin {
                    pin: SecretText::new(digits),
                    cost,
                },
            },
            Self::Passphrase {
                name,
                text,
                on_this_device_only,
            } => vault::NewSlot {
                label: name,
                secret: NewSecret::Passphrase {
                    text: SecretText::new(text),
                    cost,
                    evaluate: on_this_device_only,
                },
            },
        }
    }
}

#[uniffi::export]
impl Session {
    /// The vault's slots, with the roles of their people.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub fn slots(&self) -> Result<Vec<SlotInfo>, PocketchartError> {
        runtime::here(|| all(&self.inner.core.guard()?))
    }

    /// Makes another slot for the person who has the vault.
    ///
    /// # Errors
    /// [`PocketchartError::WeakSecret`], [`PocketchartError::SecondSlotFirst`], [`PocketchartError::NeedsGate`], the errors
    /// of the gate and others; there is no new slot then.
    pub async fn add_slot(&self, slot: NewSlot) -> Result<SlotInfo, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::detached(async move {
            let guard = inner.core.guard()?;
            let new = slot.in_core(&inner);
            let id = guard.add_slot(new, inner.place.gate()).await?.to_string();
            let slots = all(&guard)?;
            let made = slots.into_iter().find(|slot| slot.id == id);
            made.ok_or(PocketchartError::NoSuchSlot)
        })
        .await
    }

    /// Takes a slot out for good: its key in the gate first, then the slot, then the records get a new key. Where it was
    /// typed (a passphrase, the recovery code) the vault's root key changes too: then only the slots that `present` opens
    /// stay, and the one that is open. Answers with others that went along; those only go with `drop_others`.
    ///
    /// # Errors
    /// [`PocketchartError::WouldDropSlots`] without `drop_others`; [`PocketchartError::SlotIsOpen`];
    /// [`PocketchartError::LastWayIn`]; [`PocketchartError::NotAllowed`] for slots of others: nothing was changed (but a key
    /// in the gate may be gone). [`PocketchartError::RemovedNotRekeyed`]: the slot is gone.
    #[uniffi::method(default(present = [], drop_others = false))]
    pub async fn remove_slot(
        &self,
        id: String,
        present: Vec<UnlockWith>,
        drop_others: bool,
    ) -> Result<Vec<SlotInfo>, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::detached(async move {
            let guard = inner.core.guard()?;
            let slot = SlotId::parse(&id).ok_or(PocketchartError::NoSuchSlot)?;
            let (present, absent) = at_hand(&inner, &guard, present, drop_others).await?;
            let gate = inner.place.gate();
            let removed = guard.remove_slot(slot, &present, absent, gate, |_, _| {});
            Ok(without_roles(&removed.await?))
        })
        .await
    }

    /// Whether this is the vault's recovery code, for a person who wants to know whether the note at home still helps. It
    /// opens nothing and changes nothing.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub async fn verify_recovery_code(&self, text: String) -> Result<bool, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::detached(async move {
            let guard = inner.core.guard()?;
            let with = UnlockWith::RecoveryCode { text };
            match at_hand(&inner, &guard, vec![with], false).await {
                Ok(_) => Ok(true),
                Err(PocketchartError::WrongSecret | PocketchartError::NoSuchSlot) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Makes a recovery code that is to replace the one before, which holds until [`NewRecoveryCode::confirm`]. The root
    /// key changes with it: `present` and `drop_others` as in [`Session::remove_slot`].
    ///
    /// # Errors
    /// [`PocketchartError::WouldDropSlots`]; [`PocketchartError::NotAllowed`].
    #[uniffi::method(default(present = [], drop_others = false))]
    pub async fn new_recovery_code(
        &self,
        present: Vec<UnlockWith>,
        drop_others: bool,
    ) -> Result<Arc<NewRecoveryCode>, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::detached(async move {
            let guard = inner.core.guard()?;
            let (present, absent) = at_hand(&inner, &guard, present, drop_others).await?;
            let code = guard.next_recovery_code(&present, absent)?;
            Ok(Arc::new(NewRecoveryCode {
                state: Mutex::new(Some(Next {
                    code,
                    present,
                    absent,
                })),
                inner: Arc::clone(&inner),
                _live: Live::new(),
            }))
        })
        .await
    }

    /// Whether the vault was opened with its recovery code, which is best replaced once it was used.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub fn opened_by_recovery_code(&self) -> Result<bool, PocketchartError> {
        runtime::here(|| Ok(self.inner.core.guard()?.opened_by_recovery_code()?))
    }

    /// Destroys the vault for good: the keys first, then the files. This session is over then. Answers with the number of
    /// keys that the gate did not destroy: they open nothing any more.
    ///
    /// # Errors
    /// [`PocketchartError::UnsentChanges`] where work would be lost and nobody said `even_unsent`: nothing was changed.
    /// [`PocketchartError::NotAllowed`]. [`PocketchartError::Storage`]: [`Vault::wipe`](crate::Vault::wipe) goes on.
    pub async fn wipe(&self, even_unsent: bool) -> Result<u64, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::detached(async move {
            let guard = inner.core.guard()?;
            let left = guard.wipe(even_unsent, inner.place.gate()).await?;
            inner.core.lock()?;
            Ok(u64::try_from(left).unwrap_or(u64::MAX))
        })
        .await
    }
}

#[uniffi::export]
impl NewRecoveryCode {
    /// The code, in seven groups of four: to be shown this once. It is stored nowhere.
    ///
    /// # Errors
    /// [`PocketchartError::Closed`] once it was confirmed or abandoned.
    pub fn code(&self) -> Result<String, PocketchartError> {
        runtime::here(|| self.with(|next| next.code.to_text().expose().to_owned()))
    }

    /// The person typed the code back: it takes the place of the one before, under a new root key. Answers with the slots
    /// that went, since they were not present.
    ///
    /// # Errors
    /// [`PocketchartError::WrongSecret`]: it is another text, and may be typed again. [`PocketchartError::Closed`];
    /// [`PocketchartError::Locked`]: the code before holds.
    pub async fn confirm(&self, typed: String) -> Result<Vec<SlotInfo>, PocketchartError> {
        if !runtime::here(|| self.with(|next| next.code.is(&typed)))? {
            return Err(PocketchartError::WrongSecret);
        }
        let next = self.take().ok_or(PocketchartError::Closed)?;
        let inner = Arc::clone(&self.inner);
        runtime::blocking(move || {
            let guard = inner.core.guard()?;
            let Next {
                code,
                present,
                absent,
            } = next;
            let dropped = guard.put_recovery_code(&code, &present, absent, |_, _| {})?;
            Ok(without_roles(&dropped))
        })
        .await
    }

    /// The code before stays. Closing the object does the same.
    ///
    /// # Errors
    /// None; every export can fail.
    pub fn abandon(&self) -> Result<(), PocketchartError> {
        runtime::here(|| {
            drop(self.take());
            Ok(())
        })
    }
}

impl NewRecoveryCode {
    fn take(&self) -> Option<Next> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn with<R>(&self, look: impl FnOnce(&Next) -> R) -> Result<R, PocketchartError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.as_ref().map(look).ok_or(PocketchartError::Closed)
    }
}

/// Slots with the roles of their people.
fn all(guard: &Guard) -> Result<Vec<SlotInfo>, PocketchartError> {
    let people = guard.people()?;
    let role = |slot: &SlotSummary| {
        let whose = |person: &&pocketchart_core::access::PersonSummary| {
            let id = person.person.id();
            id == slot.person || (slot.person.is_empty() && id == "owner")
        };
        let person = people.iter().find(whose)?;
        Some(person.role.name().to_owned())
    };
    let slots = guard.slots()?;
    Ok(slots
        .iter()
        .map(|slot| SlotInfo::of(slot, role(slot)))
        .collect())
}

fn without_roles(slots: &[SlotSummary]) -> Vec<SlotInfo> {
    slots.iter().map(|slot| SlotInfo::of(slot, None)).collect()
}

/// The slots whose secrets are given along, opened, and what becomes of the others.
async fn at_hand(
    inner: &Inner,
    guard: &Guard,
    present: Vec<UnlockWith>,
    drop_others: bool,
) -> Result<(Vec<Switch>, Absent), PocketchartError> {
    let slots = guard.slots()?;
    let mut opened = Vec::with_capacity(present.len());
    for with in present {
        let asked = Asked::of(with, &slots)?;
        opened.push(guard.at_hand(&asked.opening(inner.place.gate())).await?);
    }
    let absent = match drop_others {
        true => Absent::Drop,
        false => Absent::Refuse,
    };
    Ok((opened, absent))
}
