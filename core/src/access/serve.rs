//! What the hub does with records: serve them, and commit what clients send.

use super::audit::AuditKind;
use super::concerned::{self, Writing};
use super::note::{Digested, Note};
use super::{AccessError, Guard};
use crate::fhir::{Reference, Resource};
use crate::store::{Committed, Durability, Precondition, Reader, Record, StoreError};
use std::borrow::Cow;

/// One write of a client.
#[derive(Debug)]
pub struct Write<'a> {
    /// What is written.
    pub act: Act<'a>,
    /// What must hold.
    pub condition: Precondition,
    /// The signed change record that came with it.
    pub change: Option<Cow<'a, str>>,
}

/// What a write does.
#[derive(Debug)]
pub enum Act<'a> {
    /// Create or update: the resource as it was sent.
    Put(Resource<'a>),
    /// Delete.
    Delete(Reference),
}

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

/// What the entries of these writes say.
fn writing_of(reader: &Reader<'_>, writes: &[Write<'_>]) -> Result<Writing, StoreError> {
    let mut all = Writing::named(format!("transaction of {}", writes.len()));
    for write in writes {
        let one = match &write.act {
            Act::Put(resource) => Writing::of_put(reader, resource)?,
            Act::Delete(name) => Writing::of_delete(reader, name)?,
        };
        if writes.len() == 1 {
            return Ok(one);
        }
        all.patients.extend(one.patients);
    }
    all.patients.sort_unstable();
    all.patients.dedup();
    Ok(all)
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

    /// Commits all of `writes` under one `lastUpdated`, or none of them. `None` in the answer: a delete that found
    /// nothing to delete.
    ///
    /// # Errors
    /// The index of the write that was refused, and why.
    pub fn commit(
        &self,
        writes: &[Write<'_>],
    ) -> Result<Vec<Option<Committed>>, (usize, AccessError)> {
        let mut at_entry = 0;
        let writing = self.read(|reader| writing_of(reader, writes));
        let writing = writing.map_err(|error| (0, error))?;
        let result = self.written_as(&writing, |guard| {
            guard.write(Durability::Full, |tx| {
                let stamp = tx.next_stamp(guard.shared.clock.now())?;
                let mut done = Vec::with_capacity(writes.len());
                for (index, write) in writes.iter().enumerate() {
                    at_entry = index;
                    let condition = &write.condition;
                    done.push(match &write.act {
                        Act::Put(resource) => Some(tx.serve_put(resource, condition, stamp)??),
                        Act::Delete(name) => tx.serve_delete(name, condition, stamp)??,
                    });
                }
                Ok::<_, AccessError>(done)
            })
        });
        result.map_err(|error| (at_entry, error))
    }
}
