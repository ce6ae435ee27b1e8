//! New slots and new members.
//!
//! In three parts, as opening is: the plan is checked against the header, the slot's key is made (by a slow hash, by a
//! gate; no lock is held), and the header is written with the slot in it. A kill before the last leaves a key in the
//! gate that nobody knows of, and the vault as it was.

use super::error::VaultError;
use super::gate::{Gate, GateError, GatePolicy};
use super::header::{Header, Member};
use super::keys::Vault;
use super::slot::{Kdf, Secret, Shape, Slot, SlotId, SlotKind, is_label, is_plain_name};
use super::{passphrase, pin};
use crate::crypto::passphrase_hash::Cost;
use crate::crypto::sign::SigningKey;
use crate::crypto::{Key, SecretText};

const MAX_PERSON_BYTES: usize = 64;
/// Ids that mean someone already.
const TAKEN: [&str; 2] = ["owner", "hub-admin"];

/// A slot to be made.
#[derive(Debug)]
pub struct NewSlot {
    /// What a lock screen shows; may be empty. At most 64 characters. Whoever has the device can read it.
    pub label: String,
    /// What is to open it.
    pub secret: NewSecret,
}

/// What is to open a new slot.
#[derive(Debug)]
pub enum NewSecret {
    /// A passphrase.
    Passphrase {
        /// It must be hard to guess.
        text: SecretText,
        /// Cost of a guess.
        cost: Cost,
        /// Whether the gate has a part in it: then it opens on this device only, and cannot be guessed elsewhere.
        evaluate: bool,
    },
    /// A PIN; always with the gate.
    Pin {
        /// At least six digits, not the first that anyone tries.
        pin: SecretText,
        /// Cost of a guess.
        cost: Cost,
    },
    /// What only the gate gives back.
    Gate,
}

impl NewSecret {
    fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase { .. } => SlotKind::Passphrase,
            Self::Pin { .. } => SlotKind::Pin,
            Self::Gate => SlotKind::Gate,
        }
    }
}

/// A slot that may be made.
#[derive(Debug)]
pub struct Plan {
    slot: Slot,
    secret: Opens,
}

/// A slot whose key is there.
#[derive(Debug)]
pub struct Ready {
    slot: Slot,
    key: Key,
}

/// What will open it, in the form that slots take.
#[derive(Debug)]
enum Opens {
    Typed(Secret),
    Gate,
}

impl Ready {
    /// The slot's name to be.
    pub fn id(&self) -> SlotId {
        self.slot.id
    }
}

impl Plan {
    fn new(vault: &[u8; 16], person: &str, new: NewSlot) -> Result<Self, VaultError> {
        if !is_label(&new.label) {
            return Err(VaultError::BadName {
                what: "label",
                rule: "at most 64 characters, on one line",
            });
        }
        let kind = new.secret.kind();
        let (kdf, evaluate, secret) = match new.secret {
            NewSecret::Passphrase {
                text,
                cost,
                evaluate,
            } => {
                passphrase::check(text.expose())?;
                (
                    Kdf::Argon2id(cost),
                    evaluate,
                    Opens::Typed(Secret::Passphrase(text)),
                )
            }
            NewSecret::Pin { pin, cost } => {
                pin::check(pin.expose())?;
                (Kdf::Argon2id(cost), true, Opens::Typed(Secret::Pin(pin)))
            }
            NewSecret::Gate => (Kdf::HkdfSha256, false, Opens::Gate),
        };
        let shape = Shape {
            kind,
            kdf,
            person: person.to_owned(),
            label: new.label,
            evaluate,
        };
        Ok(Self {
            slot: Slot::draft(vault, shape)?,
            secret,
        })
    }

    /// Makes the slot's key. Keys that were made in the gate for nothing are destroyed there.
    ///
    /// # Errors
    /// [`VaultError::NeedsGate`] where there is none and it takes one; [`VaultError::Gate`]. Nothing was changed.
    pub async fn make_key(self, gate: Option<&dyn Gate>) -> Result<Ready, VaultError> {
        if !self.slot.needs_gate() {
            let Opens::Typed(secret) = &self.secret else {
                return Err(VaultError::NeedsGate {
                    kind: self.slot.kind,
                });
            };
            let key = self.slot.key(secret)?;
            return Ok(Ready {
                slot: self.slot,
                key,
            });
        }
        let gate = gate.ok_or(VaultError::NeedsGate {
            kind: self.slot.kind,
        })?;
        let alias = self.slot.alias.clone();
        let made = match self.secret {
            Opens::Gate => released(self.slot, gate).await,
            Opens::Typed(secret) => evaluated(self.slot, &secret, gate).await,
        };
        if made.is_err() {
            let _ = gate.destroy(&alias).await;
        }
        made
    }
}

/// A key from 32 bytes that from now on only the gate gives back.
async fn released(mut slot: Slot, gate: &dyn Gate) -> Result<Ready, VaultError> {
    let secret = Key::make_random()?;
    let sealed = gate
        .enroll(&slot.alias, GatePolicy::Person, secret.expose())
        .await?;
    // A gate that seals nothing would have the secret stand in the header.
    let in_clear = sealed
        .windows(secret.expose().len())
        .any(|part| part == secret.expose());
    slot.sealed = sealed;
    if in_clear || !slot.is_sane() {
        return Err(VaultError::Gate(GateError::TryAgain));
    }
    let key = slot.key_released(secret.expose());
    let key = key.ok_or(VaultError::Gate(GateError::TryAgain))?;
    Ok(Ready { slot, key })
}

/// A key from what was typed and the gate's keyed function, which must answer the same twice.
async fn evaluated(slot: Slot, secret: &Secret, gate: &dyn Gate) -> Result<Ready, VaultError> {
    gate.enroll(&slot.alias, GatePolicy::Evaluate, &[]).await?;
    let hashed = slot.hash(secret)?;
    let first = gate.evaluate(&slot.alias, hashed.expose()).await?;
    let second = gate.evaluate(&slot.alias, hashed.expose()).await?;
    let key = slot.key_evaluated(&hashed, &first);
    let sound = *first == *second && first[..] != hashed.expose()[..];
    let key = key
        .filter(|_| sound)
        .ok_or(VaultError::Gate(GateError::TryAgain))?;
    Ok(Ready { slot, key })
}

impl Vault {
    /// Plans another slot for the person whose slot is open.
    ///
    /// # Errors
    /// [`VaultError`] says which rule it breaks.
    pub fn plan_slot(&self, new: NewSlot) -> Result<Plan, VaultError> {
        let plan = Plan::new(self.id(), &self.opened.person, new)?;
        self.check_rules(&plan.slot)?;
        Ok(plan)
    }

    /// Plans the first slot of a new person, or of one who has none any more.
    ///
    /// # Errors
    /// [`VaultError`] says which rule it breaks.
    pub fn plan_person(&self, person: &str, role: &str, new: NewSlot) -> Result<Plan, VaultError> {
        let rule = "1 to 64 letters, digits, dots and dashes, and not \"owner\" or \"hub-admin\"";
        let usable = |text: &str| {
            (1..=MAX_PERSON_BYTES).contains(&text.len())
                && is_plain_name(text)
                && !TAKEN.contains(&text)
        };
        for (what, text) in [("person", person), ("role", role)] {
            if !usable(text) {
                return Err(VaultError::BadName { what, rule });
            }
        }
        let plan = Plan::new(self.id(), person, new)?;
        self.check_new_person(person)?;
        self.check_rules(&plan.slot)?;
        Ok(plan)
    }

    /// Writes the header with the planned slot in it. Every slot of a person holds the same signing key.
    ///
    /// # Errors
    /// [`VaultError`]; the slot is not there then, or (where the disk failed while it was written) the next opening
    /// shows it.
    pub fn add_slot(&mut self, ready: Ready) -> Result<SlotId, VaultError> {
        let Ready { mut slot, key } = ready;
        if slot.person != self.opened.person {
            return Err(VaultError::NoSuchSlot { kind: slot.kind });
        }
        self.check_rules(&slot)?;
        let mut header = self.header.next();
        let made = self.give_signing_key(&mut header)?;
        slot.wrap_root(&header.vault, &key, &self.root)?;
        if let Some(signing) = made.as_ref().or(self.opened.signing_key.as_ref()) {
            slot.wrap_signing_key(&header.vault, &key, signing)?;
        }
        let id = slot.id;
        header.slots.push(slot);
        self.commit(header)?;
        self.opened.signing_key = made.or_else(|| self.opened.signing_key.take());
        Ok(id)
    }

    /// Writes the header with the planned slot and its person, who gets a signing key of their own. One who was here
    /// before gets a new key: the old one went with the last slot.
    ///
    /// # Errors
    /// As [`Vault::add_slot`].
    pub fn add_person(&mut self, role: &str, ready: Ready) -> Result<Member, VaultError> {
        let Ready { mut slot, key } = ready;
        self.check_new_person(&slot.person)?;
        let mut header = self.header.next();
        let made = self.give_signing_key(&mut header)?;
        let signing = SigningKey::make_random()?;
        slot.wrap_root(&header.vault, &key, &self.root)?;
        slot.wrap_signing_key(&header.vault, &key, &signing)?;
        let member = Member {
            person: slot.person.clone(),
            role: role.to_owned(),
            public_key: signing.public(),
            certificate: String::new(),
        };
        header.members.retain(|other| other.person != slot.person);
        header.members.push(member.clone());
        header.slots.push(slot);
        self.commit(header)?;
        self.opened.signing_key = made.or_else(|| self.opened.signing_key.take());
        Ok(member)
    }

    /// Gives the person whose slot is open a signing key, if there is none: a vault that an older program made has
    /// none. Written when it is needed, not when such a vault is opened: an older program still opens it until then.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn ensure_signing_key(&mut self) -> Result<(), VaultError> {
        let mut header = self.header.next();
        if let Some(made) = self.give_signing_key(&mut header)? {
            self.commit(header)?;
            self.opened.signing_key = Some(made);
        }
        Ok(())
    }

    /// Takes slots out. The header is written twice, so that the generation that is kept does not hold them either.
    /// The caller has destroyed their keys in the gate.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn remove_slots(&mut self, slots: &[SlotId]) -> Result<(), VaultError> {
        if self
            .header
            .slots
            .iter()
            .any(|slot| slots.contains(&slot.id))
        {
            let mut header = self.header.next();
            header.slots.retain(|slot| !slots.contains(&slot.id));
            self.commit(header)?;
            self.commit(self.header.next())?;
        }
        Ok(())
    }

    fn check_new_person(&self, person: &str) -> Result<(), VaultError> {
        if self.header.slots.iter().any(|slot| slot.person == person) {
            let person = person.to_owned();
            return Err(VaultError::PersonExists { person });
        }
        Ok(())
    }

    fn check_rules(&self, new: &Slot) -> Result<(), VaultError> {
        let slots = &self.header.slots;
        let theirs = |kind| {
            slots
                .iter()
                .any(|s| s.person == new.person && s.kind == kind)
        };
        if new.kind == SlotKind::Pin && theirs(new.kind) {
            return Err(VaultError::HasSlot { kind: new.kind });
        }
        let second = theirs(SlotKind::Passphrase) || theirs(SlotKind::Pin);
        let recovery = slots.iter().any(|slot| slot.kind == SlotKind::Recovery);
        if new.kind == SlotKind::Gate && !(second && recovery) {
            return Err(VaultError::SecondSlotFirst);
        }
        Ok(())
    }

    /// A signing key for the open person in `header`, if there is no such member yet.
    fn give_signing_key(&self, header: &mut Header) -> Result<Option<SigningKey>, VaultError> {
        let opened = &self.opened;
        if header.member(&opened.person).is_some() {
            return Ok(None);
        }
        let made = SigningKey::make_random()?;
        header.members.push(Member {
            person: opened.person.clone(),
            role: "owner".into(),
            public_key: made.public(),
            certificate: String::new(),
        });
        let vault = header.vault;
        for slot in header.slots.iter_mut().filter(|slot| slot.id == opened.id) {
            slot.wrap_signing_key(&vault, &opened.key, &made)?;
        }
        Ok(Some(made))
    }
}
