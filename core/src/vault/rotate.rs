//! New keys in an open vault.
//!
//! Every change here is one header that takes the place of another: a kill before leaves the old keys, a kill after the
//! new ones. But the header before stays behind as `header.prev`, for a torn write, and what it names must be there as
//! long as it can be fallen back to. So each such change writes the header **twice**: behind the second one neither
//! generation names the old file, or holds the old slot, and only then the old file goes. What a kill leaves between the
//! two is finished at the next opening ([`Vault::settle`], [`Vault::clear_leftovers`]).

use super::VaultError;
use super::files;
use super::header::{self, DatabaseFile, Header, Outcome};
use super::keys::{self, DatabaseKey, Vault};
use super::recovery::RecoveryCode;
use super::slot::{Kdf, Shape, Slot, SlotId, SlotKind};
use super::summary::SlotSummary;
use super::unlock::Switch;
use crate::crypto::Key;
use crate::crypto::kdf::Purpose;

/// A file for the store that the vault does not name yet.
#[derive(Debug)]
pub struct NewStore {
    file: DatabaseFile,
    key: Key,
}

/// How far a change of the header came. In either case it holds.
#[derive(Debug)]
pub(super) enum Settled {
    /// Neither generation knows what was before.
    Fully,
    /// The generation before still does; the next opening tries again.
    NotYet(VaultError),
}

impl Vault {
    /// Name, key and salt for the store's next file. Nothing is made yet, and no file of that name is there.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn draft_store(&self) -> Result<NewStore, VaultError> {
        let number = number_of(&self.header.store.name, "store-").unwrap_or(0);
        let taken = |n: &u64| self.layout.vault.join(format!("store-{n}.db")).exists();
        // A file that is left over from a killed attempt keeps its name until it is cleared.
        let next = (number + 1..).find(|n| !taken(n)).unwrap_or(number + 1);
        let name = format!("store-{next}.db");
        let (file, key) = keys::make_database(&self.root, self.id(), Purpose::WrapDataKey, &name)?;
        Ok(NewStore { file, key })
    }

    /// Where that file goes, and what is to open it.
    pub fn drafted<'a>(&self, new: &'a NewStore) -> DatabaseKey<'a> {
        self.database(&new.file, &new.key)
    }

    /// The store is in `new` from now on. Close the old file, then [`Vault::clear_leftovers`] deletes it: not before
    /// neither generation of the header names it.
    ///
    /// # Errors
    /// [`VaultError::Unclear`]: the vault must be closed at once. Every other error: nothing was changed.
    pub fn adopt_store(&mut self, new: NewStore) -> Result<(), VaultError> {
        // The file's name must be as lasting as the header that gives it.
        files::sync_folder(&self.layout.vault)?;
        let header = Header {
            store: new.file,
            ..self.header.next()
        };
        // Where the second write failed the old file stays, and the next opening settles it.
        self.commit_twice(header, None)?;
        self.store_key = new.key;
        Ok(())
    }

    /// Slots that would go together with `slot`: their secrets are not at hand, and the root key changes.
    ///
    /// # Errors
    /// [`VaultError`] where the slot cannot be removed, with or without the others.
    pub fn dropped_with(
        &self,
        slot: SlotId,
        present: &[Switch],
        rotate: bool,
    ) -> Result<Vec<SlotSummary>, VaultError> {
        let all = self.slots();
        if !all.iter().any(|other| other.id == slot) {
            return Err(VaultError::NoSlot { id: slot });
        }
        if slot == self.opened.id {
            return Err(VaultError::SlotIsOpen);
        }
        let (staying, dropped) = self.divide(&[slot], present, rotate);
        check_ways_in(&staying)?;
        Ok(dropped)
    }

    /// Slots that would go with every recovery code, when a new one takes its place.
    ///
    /// # Errors
    /// [`VaultError`] where it cannot be replaced.
    pub fn dropped_with_recovery(
        &self,
        present: &[Switch],
    ) -> Result<Vec<SlotSummary>, VaultError> {
        let (_, dropped) = self.divide(&self.recovery_slots(), present, true);
        Ok(dropped)
    }

    /// Takes a slot out, and with `rotate` exchanges the root key: whoever held the slot may have kept the old one. The
    /// slots whose keys are at hand are wrapped anew, the others go. `dropped_with` says which.
    ///
    /// # Errors
    /// [`VaultError::Unclear`]: close the vault at once. [`VaultError::Unsettled`]: it is done, but for the generation
    /// before. Every other error: nothing was changed.
    pub fn remove_slot(
        &mut self,
        slot: SlotId,
        present: &[Switch],
        rotate: bool,
    ) -> Result<(), VaultError> {
        self.dropped_with(slot, present, rotate)?;
        self.exchange_slots(&[slot], present, rotate, None)
    }

    /// Puts a new recovery code in the place of every other one, and exchanges the root key.
    ///
    /// # Errors
    /// As [`Vault::remove_slot`].
    pub fn replace_recovery(
        &mut self,
        code: &RecoveryCode,
        present: &[Switch],
    ) -> Result<(), VaultError> {
        let shape = Shape {
            kind: SlotKind::Recovery,
            kdf: Kdf::HkdfSha256,
            person: String::new(),
            label: String::new(),
            evaluate: false,
        };
        let mut slot = Slot::draft(self.id(), shape)?;
        let key = slot.key_of_code(code);
        // The code is the owner's. Opened by someone else, the vault does not know what the owner signs with.
        if let Some(signing) = self
            .opened
            .signing_key
            .as_ref()
            .filter(|_| self.opened.person.is_empty())
        {
            slot.wrap_signing_key(self.id(), &key, signing)?;
        }
        let old = self.recovery_slots();
        self.exchange_slots(&old, present, true, Some((slot, key)))
    }

    fn recovery_slots(&self) -> Vec<SlotId> {
        let slots = self.header.slots.iter();
        slots
            .filter(|slot| slot.kind == SlotKind::Recovery)
            .map(|slot| slot.id)
            .collect()
    }

    /// The slots that stay when `gone` are taken out, and those that are dropped with them.
    fn divide(
        &self,
        gone: &[SlotId],
        present: &[Switch],
        rotate: bool,
    ) -> (Vec<SlotSummary>, Vec<SlotSummary>) {
        self.slots()
            .into_iter()
            .filter(|slot| !gone.contains(&slot.id))
            .partition(|slot| !rotate || self.key_at_hand(slot.id, present).is_some())
    }

    fn key_at_hand<'a>(&'a self, slot: SlotId, present: &'a [Switch]) -> Option<&'a Key> {
        if slot == self.opened.id {
            return Some(&self.opened.key);
        }
        present
            .iter()
            .find(|other| other.slot.id == slot)
            .map(|other| &other.key)
    }

    fn exchange_slots(
        &mut self,
        gone: &[SlotId],
        present: &[Switch],
        rotate: bool,
        new: Option<(Slot, Key)>,
    ) -> Result<(), VaultError> {
        let id = *self.id();
        let root = rotate.then(Key::make_random).transpose()?;
        let mut header = self.header.next();
        header.slots.retain(|slot| {
            !gone.contains(&slot.id) && (!rotate || self.key_at_hand(slot.id, present).is_some())
        });
        let root_now = root.as_ref().unwrap_or(&self.root);
        if let Some(root) = &root {
            for slot in &mut header.slots {
                if let Some(key) = self.key_at_hand(slot.id, present) {
                    slot.wrap_root(&id, key, root)?;
                }
            }
            for (purpose, file, key) in [
                (Purpose::WrapDataKey, &mut header.store, &self.store_key),
                (Purpose::WrapAuditKey, &mut header.audit, &self.audit_key),
            ] {
                keys::wrap_key(root, &id, purpose, file, key)?;
            }
        }
        let open_is_gone = gone.contains(&self.opened.id);
        let mut opens = None;
        if let Some((mut slot, key)) = new {
            slot.wrap_root(&id, &key, root_now)?;
            opens = open_is_gone.then_some((slot.id, key));
            header.slots.push(slot);
        }
        let settled = self.commit_twice(header, root)?;
        if let Some((id, key)) = opens {
            (self.opened.id, self.opened.key) = (id, key);
        }
        match settled {
            Settled::Fully => Ok(()),
            Settled::NotYet(source) => Err(VaultError::Unsettled {
                source: Box::new(source),
            }),
        }
    }

    /// Finishes what a kill left between two writes of the header: the generation before must not bring back a slot that
    /// was removed, nor name a file that can go. Call it once the store it names was opened.
    ///
    /// # Errors
    /// [`VaultError`] where the header could not be written; the vault is open all the same.
    pub fn settle(&mut self) -> Result<(), VaultError> {
        let [newest, before] = header::generations(&self.layout);
        let same = |before: &Header| {
            before.slots == self.header.slots
                && before.store == self.header.store
                && before.audit == self.header.audit
        };
        // Opened with the generation before: the newest one is torn, and nothing is touched.
        if newest.as_ref() != Some(&self.header) || before.as_ref().is_none_or(same) {
            return Ok(());
        }
        self.commit_once(self.header.next(), &self.mac_key())
    }

    /// Deletes database files of ours that no generation of the header names: a killed copy, or an old store whose
    /// deletion was cut off. Files that do not bear our names are never touched, and nothing is as long as one of the
    /// headers cannot be read: it may name any of them.
    pub fn clear_leftovers(&self) {
        let [newest, before] = header::generations(&self.layout);
        let before_is_there = self.layout.previous_header().exists();
        if newest.as_ref() != Some(&self.header) || before.is_some() != before_is_there {
            return;
        }
        let named: Vec<String> = [newest, before]
            .into_iter()
            .flatten()
            .flat_map(|header| [header.store.name, header.audit.name])
            .collect();
        let Ok(folder) = std::fs::read_dir(&self.layout.vault) else {
            return;
        };
        for entry in folder.flatten() {
            let name = entry.file_name();
            let Some(database) = name.to_str().and_then(database_of) else {
                continue;
            };
            if !named.iter().any(|named| named == database) {
                // Left for the next opening where it does not work.
                let _ = files::remove(&entry.path());
            }
        }
    }

    /// Writes `header` as the next two generations. `root`: a new root key, which takes effect with it.
    pub(super) fn commit_twice(
        &mut self,
        header: Header,
        root: Option<Key>,
    ) -> Result<Settled, VaultError> {
        let mac_key = match &root {
            Some(root) => keys::mac_key_of(root, self.id()),
            None => self.mac_key(),
        };
        self.commit_once(header, &mac_key)?;
        if let Some(root) = root {
            self.root = root;
        }
        Ok(match self.commit_once(self.header.next(), &mac_key) {
            Ok(()) => Settled::Fully,
            Err(error) => Settled::NotYet(error),
        })
    }

    fn commit_once(&mut self, header: Header, mac_key: &Key) -> Result<(), VaultError> {
        match header::commit_and_look(&self.layout, &header, mac_key) {
            Outcome::Written => {
                self.header = header;
                Ok(())
            }
            Outcome::NotWritten(error) => Err(error),
            Outcome::Unclear(error) => Err(VaultError::Unclear {
                source: Box::new(error),
            }),
        }
    }
}

/// What must be left of the ways in: one that no device can lose, and nobody with a gate alone.
fn check_ways_in(staying: &[SlotSummary]) -> Result<(), VaultError> {
    let typed =
        |slot: &&SlotSummary| matches!(slot.kind, SlotKind::Passphrase | SlotKind::Recovery);
    if !staying.iter().filter(typed).any(|slot| !slot.needs_gate) {
        return Err(VaultError::LastWayIn);
    }
    let alone = |gate: &&SlotSummary| {
        gate.kind == SlotKind::Gate
            && !staying
                .iter()
                .any(|other| other.person == gate.person && other.kind != SlotKind::Gate)
    };
    if staying.iter().any(|slot| alone(&slot)) {
        return Err(VaultError::OnlyGateLeft);
    }
    Ok(())
}

/// n of `store-<n>.db`.
fn number_of(name: &str, kind: &str) -> Option<u64> {
    let digits = name.strip_prefix(kind)?.strip_suffix(".db")?;
    // As we write it: no sign, no zeros in front.
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// The database that a file of ours belongs to: itself, or the one it is kept beside.
fn database_of(file: &str) -> Option<&str> {
    let ends = ["-wal", "-shm", "-journal"];
    let database = ends
        .iter()
        .find_map(|end| file.strip_suffix(end))
        .unwrap_or(file);
    let ours = ["store-", "audit-"]
        .iter()
        .any(|kind| number_of(database, kind).is_some());
    ours.then_some(database)
}
