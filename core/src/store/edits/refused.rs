//! What a server does not take.

use crate::store::{RecordName, StoreError, Tx};

impl Tx<'_> {
    /// The server refused for good what was sent. It stays here, with the codes of the refusal and what the server said to
    /// a person; but what was written meanwhile nobody has refused, and it is tried, with everything in it.
    pub(crate) fn mark_refused(
        &self,
        name: &RecordName,
        codes: &str,
        words: Option<&str>,
    ) -> Result<(), StoreError> {
        let Some((rid, sent_seq)) = self.under_way(name)? else {
            return Ok(());
        };
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE rid = ?1 AND seq > ?2)";
        let is_newer: bool = self
            .connection
            .prepare_cached(sql)?
            .query_row((rid, sent_seq), |row| row.get(0))?;
        let edit = self.edit_row(rid)?;
        if is_newer && edit.is_some_and(|edit| edit.deleted && edit.base.is_none()) {
            // Made and deleted, and no server has it.
            return self.drop_edit(rid);
        }
        // What must go together stands or falls together.
        let is_tried = is_newer && !self.is_in_group(rid)?;
        let (state, codes) = match is_tried {
            true => (0, None),
            false => (2, Some([codes, words.unwrap_or_default()].join("\n"))),
        };
        let sql = "UPDATE edit SET sent_kind = NULL, sent = NULL, sent_seq = NULL, state = ?2, refusal = ?3
                   WHERE rid = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, state, codes))?;
        self.touch(name.reference.kind);
        if is_tried {
            self.write_over_refused(name, rid, sent_seq)?;
        }
        Ok(())
    }

    /// The turn up to `seq` was refused, and the next one stands for it too.
    fn write_over_refused(&self, name: &RecordName, rid: i64, seq: i64) -> Result<(), StoreError> {
        let Some(edit) = self.edit_row(rid)? else {
            return Ok(());
        };
        let turns = self.turns(rid, &edit)?;
        let refused = turns.iter().take_while(|turn| turn.seq <= seq);
        let saw = refused
            .clone()
            .last()
            .and_then(|turn| turn.shown.as_deref());
        let kind = name.reference.kind;
        // The next turn may have seen a merge with an older version than the one that is there by now.
        let would_see = edit
            .theirs
            .as_deref()
            .and_then(|theirs| self.fold(kind, &edit, refused, theirs));
        let saw_newest = saw.is_some() && saw == would_see.as_deref();
        self.join_turns(rid, seq)?;
        if saw.is_some() && !saw_newest {
            return self.turn_into_conflict(name.peer.0, rid);
        }
        if let Some(theirs) = edit.theirs.as_deref().filter(|_| saw_newest) {
            self.start_from(rid, Some(theirs), edit.theirs_version.as_deref())?;
        }
        match self.show_merged(name, rid)? {
            true => Ok(()),
            false => self.turn_into_conflict(name.peer.0, rid),
        }
    }

    fn is_in_group(&self, rid: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE rid = ?1 AND together IS NOT NULL)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([rid], |row| row.get(0))?)
    }

    /// What was refused with this record, since they must go together, is tried again with it.
    pub(super) fn reopen_group(&self, rid: i64) -> Result<(), StoreError> {
        let touched = "SELECT DISTINCT type FROM rkey JOIN outbox USING (rid) WHERE together IN
                   (SELECT together FROM outbox WHERE rid = ?1 AND together IS NOT NULL)";
        self.touch_rows(touched, rid)?;
        let sql = "UPDATE edit SET state = 0, refusal = NULL WHERE state = 2 AND rid IN
                   (SELECT rid FROM outbox WHERE together IN
                   (SELECT together FROM outbox WHERE rid = ?1 AND together IS NOT NULL))";
        self.connection.prepare_cached(sql)?.execute([rid])?;
        Ok(())
    }

    /// What was refused with just these codes is sent again: the rules have changed since.
    pub(crate) fn send_refused_again(&self, codes: &str) -> Result<(), StoreError> {
        let touched = "SELECT DISTINCT type FROM rkey JOIN edit USING (rid) WHERE state = ?1";
        self.touch_rows(touched, 2)?;
        let sql = "UPDATE edit SET state = 0, refusal = NULL WHERE state = 2
                   AND (refusal = ?1 OR substr(refusal, 1, length(?1) + 1) = ?1 || char(10))";
        self.connection.prepare_cached(sql)?.execute([codes])?;
        Ok(())
    }

    /// The server does not take it yet, but may later: it waits on, with the codes of what it waits for.
    pub(crate) fn mark_waiting(&self, name: &RecordName, codes: &str) -> Result<(), StoreError> {
        let Some((rid, _)) = self.under_way(name)? else {
            return Ok(());
        };
        let sql = "UPDATE edit SET sent_kind = NULL, sent = NULL, sent_seq = NULL, state = 0, refusal = ?2
                   WHERE rid = ?1";
        self.connection.prepare_cached(sql)?.execute((rid, codes))?;
        self.touch(name.reference.kind);
        Ok(())
    }
}
