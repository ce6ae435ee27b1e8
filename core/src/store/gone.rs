//! Records that a server no longer has, or no longer hands out, and records that it has in an older version than it had.

use super::edits::EditState;
use super::records::{NewBody, Origin, Record, RecordName};
use super::{PeerId, StoreError, Tx};
use crate::fhir::{Instant, Resource};

/// How a record is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The server says that it was deleted.
    Deleted,
    /// The server does not know it, and does not say that it ever did.
    Unknown,
    /// The server has lost it: an older copy of it was put back.
    Lost,
    /// The server has it, and not for us.
    Unshared,
}

/// What became of it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It is not here any more.
    Removed,
    /// It was changed here: a conflict now, or one already.
    Conflict,
    /// It is here and nowhere else, and stays.
    Kept,
    /// Nothing to do.
    Nothing,
}

impl Tx<'_> {
    /// Takes a record out that its server no longer has. What was written here is never lost by it.
    pub(crate) fn drop_gone(&self, name: &RecordName, gone: Gone) -> Result<Dropped, StoreError> {
        let Some(rid) = self.rid(name.peer.0, &name.reference)? else {
            return Ok(Dropped::Nothing);
        };
        if let Some(edit) = self.edit_row(rid)? {
            let was_there = edit.base_version.is_some() || edit.theirs_version.is_some();
            let is_known = edit.state == EditState::Conflict && edit.theirs_version.is_none();
            // Unshared: it stays listed as not accepted, and can be sent. A deletion is settled by its own push.
            if gone == Gone::Unshared || edit.deleted || !was_there || is_known {
                return Ok(Dropped::Nothing);
            }
            self.mark_conflict(name, None)?;
            return Ok(Dropped::Conflict);
        }
        if self.record_at(rid)?.is_none() {
            return Ok(Dropped::Nothing);
        }
        // Work that the server took from us, and of which it knows nothing now, is nowhere else.
        let is_only_here = gone == Gone::Lost || gone == Gone::Unknown && self.was_accepted(rid)?;
        if is_only_here {
            return Ok(Dropped::Kept);
        }
        self.remove_body(name.peer.0, rid)?;
        Ok(Dropped::Removed)
    }

    fn was_accepted(&self, rid: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM accepted WHERE rid = ?1)";
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row([rid], |row| row.get(0))?)
    }

    /// The server has an older version than it had: what stands here is nowhere else. It waits for a person, as a
    /// conflict in which nobody wrote anything.
    pub(super) fn keep_newer(
        &self,
        peer: PeerId,
        record: &Record,
        older: &Resource<'_>,
    ) -> Result<(), StoreError> {
        let newer = Resource::parse_text(&record.text).map_err(|_| StoreError::DamagedValue {
            what: "body",
            row: record.rid,
        })?;
        let packed = self.pack(older.text())?;
        let sql =
            "INSERT INTO edit (rid, state, deleted, base, base_version, theirs, theirs_version)
                   VALUES (?1, 1, 0, ?2, ?3, ?2, ?3)";
        self.connection
            .prepare_cached(sql)?
            .execute((record.rid, packed, older.version()))?;
        // Unsent work is packed so that it outlives every dictionary.
        let new = NewBody {
            version: record.version.as_deref(),
            updated_ms: Instant::epoch_ms(record.updated),
            origin: Origin::Local,
        };
        self.set_body_over(Some(record), peer.0, record.rid, &newer, &new)
    }
}
