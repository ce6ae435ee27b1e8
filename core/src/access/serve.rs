//! What the hub does with its vault: make it one that is served, and serve single records.

use super::audit::AuditKind;
use super::concerned;
use super::note::{Digested, Note};
use super::policy::{Action, VaultAction};
use super::{AccessError, Guard};
use crate::fhir::Reference;
use crate::store::{Durability, Record, StoreError};

/// What a read of one record finds.
#[derive(Debug)]
pub enum Fetched {
    /// The record.
    Found(Record),
    /// It was here and is deleted.
    Gone,
    /// It was never here.
    Unknown,
}

impl Guard {
    /// Writes down that requests without a valid token came in, `count` of them.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn note_denied(&self, count: u64) -> Result<(), AccessError> {
        self.note(
            AuditKind::Denied,
            "no valid token",
            Some(Digested::counted(count)),
            None,
        )
    }

    /// Makes this vault one that is served: from now on it is changed by clients of its hub only.
    ///
    /// # Errors
    /// [`AccessError::VaultOfADevice`] when something in it waits for a server, or a server is known: a record without a
    /// version, or with another server's, would be overwritten unseen.
    pub fn serve(&self) -> Result<(), AccessError> {
        self.must(VaultAction::Settings)?;
        self.written("serve", |guard| {
            guard.write(Durability::Full, |tx| {
                if !tx.pending(None)?.is_empty() || !tx.peers()?.is_empty() {
                    return Err(AccessError::VaultOfADevice);
                }
                Ok(tx.set_served()?)
            })
        })?;
        // What was imported before gets its first version, some records at a time.
        let mut left = true;
        while left {
            left = self.written("serve", |guard| {
                guard.write(Durability::Normal, |tx| {
                    let at = tx.next_stamp(guard.shared.clock.now())?;
                    tx.adopt_step(at)
                })
            })?;
        }
        Ok(())
    }

    /// Reads one record for a client.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn fetch(&self, name: &Reference) -> Result<Fetched, AccessError> {
        self.must_at_all(Action::Read, name.kind)?;
        let whole = Self::on_first_peer(name);
        let (fetched, patients) = self.read(|reader| {
            let record = reader.record(&whole)?;
            let patients = concerned::on(reader, &record)?;
            let fetched = match record {
                Some(record) => Fetched::Found(record),
                None if reader.is_gone(name)? => Fetched::Gone,
                None => Fetched::Unknown,
            };
            Ok::<_, StoreError>((fetched, patients))
        })?;
        let found = match &fetched {
            Fetched::Found(record) => Some(record.text.as_str()),
            Fetched::Gone | Fetched::Unknown => None,
        };
        self.enter(Note {
            texts: Some(Digested::of(found)),
            patients,
            ..Note::of(AuditKind::Read, &name.to_string())
        })?;
        Ok(fetched)
    }
}
