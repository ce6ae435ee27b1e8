//! What the hub does with records: serve them, and commit what clients send.

use super::audit::AuditKind;
use super::authorship::{self, Author};
use super::guard::Digested;
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

impl Write<'_> {
    pub(super) fn name(&self) -> &Reference {
        match &self.act {
            Act::Put(resource) => resource.name(),
            Act::Delete(name) => name,
        }
    }
}

/// Each one who takes part in `writes`, as one who acts, and what that person's part is.
fn parts(caller: &Guard, writes: &[Write<'_>], authors: &[Vec<Author>]) -> Vec<(Guard, String)> {
    let mut parts: Vec<(Guard, Vec<&Reference>)> = Vec::new();
    for (write, authors) in writes.iter().zip(authors) {
        let actors: Vec<&Actor> = match authors.as_slice() {
            [] => vec![&caller.actor],
            signed => signed.iter().map(|author| &author.actor).collect(),
        };
        for actor in actors {
            match parts.iter_mut().find(|(guard, _)| *guard.actor == *actor) {
                Some((_, names)) => names.push(write.name()),
                None => parts.push((caller.acting_as(actor.clone()), vec![write.name()])),
            }
        }
    }
    if parts.is_empty() {
        return vec![(caller.clone(), "transaction of 0".into())];
    }
    let what = |names: Vec<&Reference>| match names.as_slice() {
        [one] => one.to_string(),
        many => format!("transaction of {}", many.len()),
    };
    parts
        .into_iter()
        .map(|(guard, names)| (guard, what(names)))
        .collect()
}

impl Guard {
    /// A write with the audit entries of everyone who takes part: the intents before it, the revision after it.
    fn written_by<R>(
        &self,
        parts: &[(Guard, String)],
        write: impl FnOnce(&Self) -> Result<(R, i64), AccessError>,
    ) -> Result<R, AccessError> {
        for (guard, what) in parts {
            guard.note(AuditKind::Write, what, None, None)?;
        }
        let (answer, revision) = write(self)?;
        for (guard, what) in parts {
            match guard.note(AuditKind::Written, what, None, Some(revision)) {
                Ok(()) => {}
                Err(AccessError::Audit(error)) => return Err(AccessError::StoredUnnoted(error)),
                Err(other) => return Err(other),
            }
        }
        Ok(answer)
    }

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
        let mut authors = Vec::with_capacity(writes.len());
        for (index, write) in writes.iter().enumerate() {
            authors.push(self.authors_of(write).map_err(|error| (index, error))?);
        }
        let mut at_entry = 0;
        let result = self.written_by(&parts(self, writes, &authors), |guard| {
            guard.write(Durability::Full, |tx| {
                let stamp = tx.next_stamp(guard.shared.clock.now())?;
                let mut done = Vec::with_capacity(writes.len());
                for (index, (write, authors)) in writes.iter().zip(&authors).enumerate() {
                    at_entry = index;
                    authorship::must_fit(tx, write, authors)?;
                    let condition = &write.condition;
                    let committed = match &write.act {
                        Act::Put(resource) => Some(tx.serve_put(resource, condition, stamp)??),
                        Act::Delete(name) => tx.serve_delete(name, condition, stamp)??,
                    };
                    if let Some(committed) = &committed {
                        authorship::note(tx, committed, authors)?;
                    }
                    done.push(committed);
                }
                Ok::<_, AccessError>(done)
            })
        });
        result.map_err(|error| (at_entry, error))
    }
}
