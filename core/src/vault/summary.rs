//! What a list of slots shows.

use super::VaultError;
use super::files::Layout;
use super::header;
use super::keys::Vault;
use super::slot::{Slot, SlotId, SlotKind};
use std::path::Path;

/// One slot, without anything that opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSummary {
    /// Its name.
    pub id: SlotId,
    /// What opens it.
    pub kind: SlotKind,
    /// Whose it is; empty: the owner's.
    pub person: String,
    /// What a lock screen shows.
    pub label: String,
    /// Whether it opens on this device only.
    pub needs_gate: bool,
    /// Whether it holds the member's signing key. Slots that an older program made do not, until they are replaced.
    pub signs: bool,
    /// Whether it is the one that opened the vault.
    pub is_open: bool,
}

impl SlotSummary {
    fn of(slot: &Slot, open: Option<SlotId>) -> Self {
        Self {
            id: slot.id,
            kind: slot.kind,
            person: slot.person.clone(),
            label: slot.label.clone(),
            needs_gate: slot.needs_gate(),
            signs: !slot.signing_key.is_empty(),
            is_open: open == Some(slot.id),
        }
    }

    /// As a person knows it: kind, whose, name.
    pub fn in_words(&self) -> String {
        let person = if self.person.is_empty() {
            "the owner"
        } else {
            &self.person
        };
        format!("the {} of {person} (slot {})", self.kind, self.id)
    }
}

impl Vault {
    /// Its slots.
    pub fn slots(&self) -> Vec<SlotSummary> {
        let open = Some(self.opened.id);
        self.header
            .slots
            .iter()
            .map(|slot| SlotSummary::of(slot, open))
            .collect()
    }
}

impl Vault {
    /// The slot's name in the gate; `None`: it needs none.
    pub fn alias_of(&self, slot: SlotId) -> Option<String> {
        let found = self.header.slots.iter().find(|other| other.id == slot);
        found
            .filter(|slot| slot.needs_gate())
            .map(|slot| slot.alias.clone())
    }
}

/// The slots as the header claims them, for a lock screen. Nobody has vouched for them: whoever can write to the folder
/// can write a label. `None`: there is no vault.
///
/// # Errors
/// [`VaultError`].
pub fn slots_before_unlock(home: &Path) -> Result<Option<Vec<SlotSummary>>, VaultError> {
    let found = header::read(&Layout::of(home))?;
    Ok(found.map(|unverified| {
        let slots = &unverified.header.slots;
        slots
            .iter()
            .map(|slot| SlotSummary::of(slot, None))
            .collect()
    }))
}
