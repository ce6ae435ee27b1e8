//! What the hub does with records: serve them, and commit what clients send.

use super::audit::AuditKind;
use super::guard::Digested;
use super::policy::{Action, Judged, VaultAction, Wish};
use super::{AccessError, Actor, Guard};
use crate::fhir::{Reference, Resource};
use crate::store::{Committed, Durability, Precondition, Record, StoreError};
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

impl<'a> Write<'a> {
    fn wish<'w>(&'w self, actor: &'w Actor) -> Wish<'w> {
        let (name, new) = match &self.act {
            Act::Put(resource) => (resource.name(), Some(resource)),
            Act::Delete(name) => (name, None),
        };
        Wish {
            expects_version: self.condition.version.is_some(),
            ..Wish::served(name, new, actor)
        }
    }

    fn name(&self) -> &Reference {
        match &self.act {
            Act::Put(resource) => resource.name(),
            Act::Delete(name) => name,
        }
    }
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
        let fetched = self.read(|reader| {
            Ok::<_, StoreError>(match reader.record(&whole)? {
                Some(record) => Fetched::Found(record),
                None if reader.is_gone(name)? => Fetched::Gone,
                None => Fetched::Unknown,
            })
        })?;
        let found = match &fetched {
            Fetched::Found(record) => Some(record.text.as_str()),
            Fetched::Gone | Fetched::Unknown => None,
        };
        self.note(
            AuditKind::Read,
            &name.to_string(),
            Some(Digested::of(found)),
            None,
        )?;
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
        let what = match writes {
            [one] => one.name().to_string(),
            many => format!("transaction of {}", many.len()),
        };
        let mut at_entry = 0;
        let result = self.written(&what, |guard| {
            guard.write(Durability::Full, |tx| {
                let wishes: Vec<Wish<'_>> = writes
                    .iter()
                    .map(|write| write.wish(&guard.actor))
                    .collect();
                let judged = guard.judge(tx, false, &wishes).map_err(|(at, error)| {
                    at_entry = at;
                    error
                })?;
                let stamp = tx.next_stamp(guard.shared.clock.now())?;
                let mut done = Vec::with_capacity(writes.len());
                for (index, (write, judged)) in writes.iter().zip(judged).enumerate() {
                    at_entry = index;
                    let condition = &write.condition;
                    done.push(match &write.act {
                        Act::Put(resource) => Some(tx.serve_put(resource, condition, stamp)??),
                        Act::Delete(name) if judged == Judged::Absent => {
                            tx.serve_delete_of_nothing(name, condition)??
                        }
                        Act::Delete(name) => tx.serve_delete(name, condition, stamp)??,
                    });
                }
                Ok::<_, AccessError>(done)
            })
        });
        result.map_err(|error| (at_entry, error))
    }
}
