//! A record that has two names here: the one that it was made under, and the server's.
//!
//! It does where its creation arrived, nobody knew of that yet, and it was received as what looked like another record.
//! People may have changed both. What waits under the server's name goes first, since it was written on the server's
//! version. What was written under the old name meanwhile stays there, as under way, and then meets the server's version
//! as that of any other device would: it is merged, or a person is asked, with all that was written. Each author's turns
//! stay that author's.

use super::created::RENAMED;
use crate::fhir::{Instant, Reference, Resource, ResourceId};
use crate::store::{Reader, RecordName, StoreError, Tx};
use rusqlite::OptionalExtension;

/// Kind of the registry's rows that say which record a change has made, while that one has changes of its own. Not by the
/// name: a record that is made under the same one later is another.
const ARRIVED: &str = "arrived";

impl Reader<'_> {
    /// What is under way made the record that is called this now, and waits for what waits there.
    pub(in crate::store) fn arrived_as(
        &self,
        name: &RecordName,
        rid: i64,
        seq: i64,
    ) -> Result<Option<RecordName>, StoreError> {
        let Some(change) = self.change_at(rid, seq)? else {
            return Ok(None);
        };
        let id = self.registered(ARRIVED, &change)?;
        let id = id.and_then(|id| ResourceId::new(&id).ok());
        Ok(id.map(|id| RecordName {
            peer: name.peer,
            reference: Reference {
                kind: name.reference.kind,
                id,
            },
        }))
    }

    fn change_at(&self, rid: i64, seq: i64) -> Result<Option<String>, StoreError> {
        let sql = "SELECT change_id FROM outbox WHERE rid = ?1 AND seq = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement
            .query_row((rid, seq), |row| row.get(0))
            .optional()?)
    }

    fn is_newer_there(&self, rid: i64, seq: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE rid = ?1 AND seq > ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((rid, seq), |row| row.get(0))?)
    }
}

impl Tx<'_> {
    /// The change up to `seq` made a record that was received and changed here under the server's name. `false`: more was
    /// written under the old name, and waits.
    pub(super) fn give_way(
        &self,
        old: &RecordName,
        rid: i64,
        new_rid: i64,
        seq: i64,
        answer: &Resource<'_>,
        at: Instant,
    ) -> Result<bool, StoreError> {
        if self.is_newer_there(rid, seq)? {
            if let Some(change) = self.change_at(rid, seq)? {
                self.register(ARRIVED, &change, answer.name().id.as_str())?;
            }
            return Ok(false);
        }
        // All that was written under the old name is in what was received.
        let sql = "SELECT EXISTS (SELECT 1 FROM accepted WHERE rid = ?1)";
        let is_later_accepted: bool = self
            .connection
            .prepare_cached(sql)?
            .query_row([new_rid], |row| row.get(0))?;
        if !is_later_accepted {
            self.note_accepted(rid, seq, answer.version(), at)?;
            self.move_accepted(rid, new_rid)?;
        }
        if self.record_at(rid)?.is_some() {
            self.remove_body(old.peer.0, rid)?;
        }
        self.drop_edit(rid)?;
        Ok(true)
    }

    /// What waits under the old name of a record joins what stands under the server's, once nothing else waits there.
    /// `None`: the record is not known to have another name.
    pub(crate) fn join(
        &self,
        name: &RecordName,
        referring: &[RecordName],
        at: Instant,
    ) -> Result<Option<bool>, StoreError> {
        let Some((rid, seq)) = self.under_way(name)? else {
            return Ok(None);
        };
        let Some(new) = self.arrived_as(name, rid, seq)? else {
            return Ok(None);
        };
        let new_rid = self.intern(new.peer.0, &new.reference)?;
        if self.edit_row(new_rid)?.is_some() {
            return Ok(Some(false));
        }
        if let Some(change) = self.change_at(rid, seq)? {
            self.unregister(ARRIVED, &change)?;
        }
        let Some(there) = self.record_at(new_rid)? else {
            self.join_deleted(name, rid, &new, new_rid, seq, referring, at)?;
            return Ok(Some(true));
        };
        let damaged = |_| StoreError::DamagedValue {
            what: "body",
            row: new_rid,
        };
        let there = Resource::parse_text(&there.text).map_err(damaged)?;
        Ok(Some(self.settle_created(name, &there, referring, at)?))
    }

    /// As [`Tx::join`], where the server has the record no more: deleted there and changed here.
    #[allow(clippy::too_many_arguments)] // Both names, both rows.
    fn join_deleted(
        &self,
        name: &RecordName,
        rid: i64,
        new: &RecordName,
        new_rid: i64,
        seq: i64,
        referring: &[RecordName],
        at: Instant,
    ) -> Result<(), StoreError> {
        let referring = self.all_referring(name.peer, rid, referring)?;
        self.register(
            RENAMED,
            &name.reference.to_string(),
            new.reference.id.as_str(),
        )?;
        self.note_accepted(rid, seq, None, at)?;
        self.move_edit(name, rid, new, new_rid)?;
        let is_more = self.dequeue(new_rid, seq)?;
        let is_deleted = self.edit_row(new_rid)?.is_some_and(|edit| edit.deleted);
        if is_more && !is_deleted {
            self.mark_conflict(new, None)?;
        } else {
            if self.record_at(new_rid)?.is_some() {
                self.remove_body(new.peer.0, new_rid)?;
            }
            self.drop_edit(new_rid)?;
        }
        self.rename_in_all(referring, [rid, new_rid], &name.reference, &new.reference)
    }
}
