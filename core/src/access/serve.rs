//! What the hub does with records: serve them, and commit what clients send.

use super::audit::AuditKind;
use super::{AccessError, Guard};
use crate::fhir::{Reference, Resource};
use crate::store::{Committed, Durability, Precondition, Record, StoreError};

/// One write of a client.
#[derive(Debug)]
pub enum Write<'a> {
    /// Create or update.
    Put {
        /// The resource as it was sent.
        resource: Resource<'a>,
        /// What must hold.
        condition: Precondition,
    },
    /// Delete.
    Delete {
        /// The record.
        name: Reference,
        /// What must hold.
        condition: Precondition,
    },
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
    fn name(&self) -> &Reference {
        match self {
            Self::Put { resource, .. } => resource.name(),
            Self::Delete { name, .. } => name,
        }
    }
}

impl Guard {
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
        if matches!(fetched, Fetched::Found(_)) {
            self.note(AuditKind::Read, &name.to_string(), None, None)?;
        }
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
                let stamp = tx.next_stamp(guard.shared.clock.now())?;
                let mut done = Vec::with_capacity(writes.len());
                for (index, write) in writes.iter().enumerate() {
                    at_entry = index;
                    done.push(match write {
                        Write::Put {
                            resource,
                            condition,
                        } => Some(tx.serve_put(resource, condition, stamp)??),
                        Write::Delete { name, condition } => {
                            tx.serve_delete(name, condition, stamp)??
                        }
                    });
                }
                Ok::<_, AccessError>(done)
            })
        });
        result.map_err(|error| (at_entry, error))
    }
}
