//! What is under way.

use super::{Pending, SentKind};
use crate::seeded::{self, Bug};
use crate::store::{RecordName, StoreError, Tx};

impl Tx<'_> {
    /// Keeps what goes out now, before it goes: exact bytes, and the newest change in them. `false`: the record was
    /// changed or withdrawn since it was read, and must not be sent as it was.
    pub(crate) fn mark_sent(&self, pending: &Pending) -> Result<bool, StoreError> {
        let going = &pending.going;
        if self.next_ends_at(pending.rid)? != Some(going.upto) {
            return Ok(false);
        }
        let kind = match going.text {
            Some(_) => SentKind::Put,
            None => SentKind::Delete,
        };
        let sql = "UPDATE edit SET sent_kind = ?2, sent = ?3, sent_seq = ?4
                   WHERE rid = ?1 AND state = 0 AND sent_kind IS NULL
                   AND coalesce(theirs_version, base_version) IS ?5";
        let marked = self.connection.prepare_cached(sql)?.execute((
            pending.rid,
            kind as i64 + 1,
            self.packed(going.text.as_deref())?,
            going.upto,
            &going.version,
        ))?;
        if seeded::has(Bug::DequeueOnError) {
            self.drop_edit(pending.rid)?;
        }
        Ok(marked == 1)
    }

    /// What was marked does not go after all, or is known not to have arrived: it waits as before.
    pub(crate) fn unmark_sent(&self, name: &RecordName) -> Result<(), StoreError> {
        let Some((rid, _)) = self.under_way(name)? else {
            return Ok(());
        };
        let sql = "UPDATE edit SET sent_kind = NULL, sent = NULL, sent_seq = NULL WHERE rid = ?1";
        self.connection.prepare_cached(sql)?.execute([rid])?;
        Ok(())
    }

    /// The record's row and the newest change in what is under way. An answer to something else (another sync was
    /// quicker) settles nothing: what waits here now is not what the server answered to.
    pub(super) fn under_way(&self, name: &RecordName) -> Result<Option<(i64, i64)>, StoreError> {
        let Some(rid) = self.rid(name.peer.0, &name.reference)? else {
            return Ok(None);
        };
        let sent_seq = self.edit_row(rid)?.and_then(|edit| edit.sent_seq);
        Ok(sent_seq.map(|seq| (rid, seq)))
    }
}
