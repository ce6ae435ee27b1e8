//! A vault that is closed: what can be seen of it, making it, opening it, destroying it.

use crate::gate::ForeignGate;
use crate::memory::Live;
use crate::redacted::redacted;
use crate::{KeyGate, NewVault, PocketchartError, Session, panic, runtime};
use pocketchart_core::access::{Guard, Opening, Person};
use pocketchart_core::clock::{Clock, SystemClock};
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::{Cost, DEFAULT_COST};
use pocketchart_core::session::IdleTimes;
use pocketchart_core::vault::{
    self, Gate, RecoveryCode, Secret, SlotSummary, With, slots_before_unlock, wipe_was_interrupted,
};
use std::path::PathBuf;
use std::sync::Arc;

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SlotKind {
    /// A passphrase.
    Passphrase,
    /// The recovery code.
    Recovery,
    /// What the gate releases: a finger, a face.
    Gate,
    /// A PIN, together with the gate.
    Pin,
}

/// One way of opening a vault, without anything that opens it.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct SlotInfo {
    /// Its name.
    pub id: String,
    /// What opens it.
    pub kind: SlotKind,
    /// Whose it is; `None`: the owner's.
    pub person: Option<String>,
    /// As what that person works; `None`: not known while the vault is closed.
    pub role: Option<String>,
    /// What a lock screen shows. While the vault is closed nobody vouches for it.
    pub label: String,
    /// Kind, whose and name, in words.
    pub words: String,
    /// Whether it opens on this device only.
    pub needs_gate: bool,
    /// Whether what its person writes is signed.
    pub signs: bool,
    /// Whether the vault is open by it.
    pub is_open: bool,
}

/// With what a vault is opened.
#[derive(Clone, uniffi::Enum)]
#[uniffi::export(Display)]
pub enum UnlockWith {
    /// A passphrase.
    Passphrase {
        /// Whose; `None`: the owner's.
        person: Option<String>,
        /// What was typed.
        text: String,
    },
    /// A PIN, together with the gate.
    Pin {
        /// Whose; `None`: the owner's.
        person: Option<String>,
        /// What was typed.
        digits: String,
    },
    /// The recovery code.
    RecoveryCode {
        /// What was typed.
        text: String,
    },
    /// What the gate releases.
    Gate {
        /// A slot of the person who is to be let in; `None`: the owner.
        slot: Option<String>,
        /// Shown to the person, such as "Open your records".
        reason: String,
    },
}

redacted!(SlotInfo, UnlockWith);

/// A folder with a vault, or for one. Making the object opens and changes nothing.
#[derive(uniffi::Object)]
pub struct Vault {
    place: Place,
    _live: Live,
}

/// Where a vault is, and what it is opened with besides a secret.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) home: PathBuf,
    pub(crate) gate: Option<Arc<dyn Gate>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) idle: IdleTimes,
    pub(crate) cost: Cost,
}

impl Place {
    pub(crate) fn gate(&self) -> Option<&dyn Gate> {
        self.gate.as_deref()
    }
}

/// Whose slot is opened, and with what: what is asked for, in the core's terms.
pub(crate) struct Asked {
    person: Person,
    secret: Option<Secret>,
    reason: String,
}

impl Asked {
    /// `slots`: to find whose slot it is.
    pub(crate) fn of(with: UnlockWith, slots: &[SlotSummary]) -> Result<Self, PocketchartError> {
        let of = |person: Option<String>| person.map_or_else(Person::owner, Person::new);
        let typed = |person, secret| Self {
            person,
            secret: Some(secret),
            reason: String::new(),
        };
        Ok(match with {
            UnlockWith::Passphrase { person, text } => {
                typed(of(person), Secret::Passphrase(SecretText::new(text)))
            }
            UnlockWith::Pin { person, digits } => {
                typed(of(person), Secret::Pin(SecretText::new(digits)))
            }
            UnlockWith::RecoveryCode { text } => {
                // A typing error opens nothing, as another code does.
                let code = RecoveryCode::parse(&text);
                let code = code.map_err(|_| PocketchartError::WrongSecret)?;
                typed(Person::owner(), Secret::Recovery(code))
            }
            UnlockWith::Gate { slot, reason } => {
                let person = match slot {
                    None => Person::owner(),
                    Some(id) => {
                        let found = slots.iter().find(|slot| slot.id.to_string() == id);
                        let found = found.ok_or(PocketchartError::NoSuchSlot)?;
                        of(Some(found.person.clone()).filter(|person| !person.is_empty()))
                    }
                };
                Self {
                    person,
                    secret: None,
                    reason,
                }
            }
        })
    }

    pub(crate) fn opening<'a>(&'a self, gate: Option<&'a dyn Gate>) -> Opening<'a> {
        Opening {
            person: &self.person,
            with: match &self.secret {
                Some(secret) => With::Secret(secret),
                None => With::Gate {
                    reason: &self.reason,
                },
            },
            gate,
        }
    }

    /// Whether a person is asked by the device, and may be kept waiting.
    pub(crate) fn asks_a_person(&self) -> bool {
        self.secret.is_none()
    }
}

impl SlotInfo {
    pub(crate) fn of(slot: &SlotSummary, role: Option<String>) -> Self {
        Self {
            id: slot.id.to_string(),
            kind: match slot.kind {
                vault::SlotKind::Passphrase => SlotKind::Passphrase,
                vault::SlotKind::Recovery => SlotKind::Recovery,
                vault::SlotKind::Gate => SlotKind::Gate,
                vault::SlotKind::Pin => SlotKind::Pin,
            },
            person: Some(slot.person.clone()).filter(|person| !person.is_empty()),
            role,
            label: slot.label.clone(),
            words: slot.in_words(),
            needs_gate: slot.needs_gate,
            signs: slot.signs,
            is_open: slot.is_open,
        }
    }
}

impl Vault {
    /// As [`Vault::new`], under another clock, with other idle times and another cost of a guess: for tests in Rust.
    pub fn under(
        home: PathBuf,
        gate: Option<Arc<dyn KeyGate>>,
        clock: Arc<dyn Clock>,
        idle: IdleTimes,
        cost: Cost,
    ) -> Arc<Self> {
        panic::install_hook();
        let gate = gate.map(|gate| Arc::new(ForeignGate(gate)) as Arc<dyn Gate>);
        Arc::new(Self {
            place: Place {
                home,
                gate,
                clock,
                idle,
                cost,
            },
            _live: Live::new(),
        })
    }
}

#[uniffi::export]
impl Vault {
    /// `home`: a folder of the app's own, which no backup takes along. `gate`: the device's key store, where there is one.
    ///
    /// # Errors
    /// [`PocketchartError::BadInput`] for an empty path.
    #[uniffi::constructor]
    pub fn new(
        home: String,
        gate: Option<Arc<dyn KeyGate>>,
    ) -> Result<Arc<Self>, PocketchartError> {
        if home.is_empty() {
            return Err(PocketchartError::BadInput("an empty path"));
        }
        let clock = Arc::new(SystemClock);
        Ok(Self::under(
            home.into(),
            gate,
            clock,
            IdleTimes::USUAL,
            DEFAULT_COST,
        ))
    }

    /// Whether there is a vault, be it that it opens or not. A look into a folder.
    ///
    /// # Errors
    /// [`PocketchartError::Storage`].
    pub fn exists(&self) -> Result<bool, PocketchartError> {
        runtime::here(|| Ok(vault::exists(&self.place.home)?))
    }

    /// Whether a wipe was begun and not finished: nothing opens any more, and [`Vault::wipe`] goes on with it.
    ///
    /// # Errors
    /// None; every export can fail.
    pub fn wipe_was_interrupted(&self) -> Result<bool, PocketchartError> {
        runtime::here(|| Ok(wipe_was_interrupted(&self.place.home)))
    }

    /// The slots, for a lock screen. Nobody has vouched for them yet. Empty: there is no vault.
    ///
    /// # Errors
    /// [`PocketchartError::Damaged`] and others of the header.
    pub fn slots(&self) -> Result<Vec<SlotInfo>, PocketchartError> {
        runtime::here(|| {
            let slots = slots_before_unlock(&self.place.home)?.unwrap_or_default();
            Ok(slots.iter().map(|slot| SlotInfo::of(slot, None)).collect())
        })
    }

    /// Puts a vault together, opened by `passphrase` and by a recovery code. There is one once
    /// [`NewVault::confirm`] has the code typed back.
    ///
    /// # Errors
    /// [`PocketchartError::WeakSecret`], [`PocketchartError::VaultExists`] and others; then there is no new vault.
    pub async fn create(&self, passphrase: String) -> Result<Arc<NewVault>, PocketchartError> {
        let place = self.place.clone();
        runtime::blocking(move || {
            let passphrase = SecretText::new(passphrase);
            let clock = Arc::clone(&place.clock);
            let draft = Guard::draft(&place.home, passphrase, place.cost, clock)?;
            Ok(NewVault::of(draft, place))
        })
        .await
    }

    /// Opens the vault. The gate is asked with no lock held. Where the device asks a person, dropping the call ends the
    /// question; everything else goes on to its end, and a session that nobody takes is locked.
    ///
    /// # Errors
    /// [`PocketchartError::WrongSecret`], [`PocketchartError::Wait`], the errors of the gate and others. Nothing was changed
    /// but the count of wrong tries.
    pub async fn unlock(&self, with: UnlockWith) -> Result<Arc<Session>, PocketchartError> {
        let place = self.place.clone();
        let asked = runtime::blocking(move || {
            let slots = slots_before_unlock(&place.home)?.unwrap_or_default();
            Asked::of(with, &slots)
        })
        .await?;
        let (place, is_tied) = (self.place.clone(), asked.asks_a_person());
        let work = async move {
            let clock = Arc::clone(&place.clock);
            let guard =
                Guard::unlock_with(&place.home, &asked.opening(place.gate()), clock).await?;
            Session::start(guard, place)
        };
        match is_tied {
            true => runtime::tied(work).await,
            false => runtime::detached(work).await,
        }
    }

    /// Destroys the closed vault for good: the keys first, then the files. It can be interrupted anywhere, and called
    /// again. Answers with the number of keys that the gate did not destroy: they open nothing any more.
    ///
    /// Whether changes wait in it that no server has is known only while it is open: [`Session::wipe`] looks. So this
    /// wants `even_unsent`, unless it goes on with a wipe that was begun.
    ///
    /// # Errors
    /// [`PocketchartError::UnsentChanges`] without `even_unsent`; [`PocketchartError::InUse`] while it is open;
    /// [`PocketchartError::NoVault`]; [`PocketchartError::Storage`]: call it again.
    pub async fn wipe(&self, even_unsent: bool) -> Result<u64, PocketchartError> {
        let place = self.place.clone();
        runtime::detached(async move {
            if !even_unsent && vault::exists(&place.home)? && !wipe_was_interrupted(&place.home) {
                return Err(PocketchartError::UnsentChanges(0));
            }
            let left = vault::wipe(&place.home, place.gate()).await?;
            Ok(u64::try_from(left).unwrap_or(u64::MAX))
        })
        .await
    }
}
