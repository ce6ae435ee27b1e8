//! What an answer makes of a local change.

use super::rows::EditRow;
use super::{EditState, Pending};
use crate::fhir::{Instant, Resource, content, merge};
use crate::store::{RecordName, StoreError, Tx};

impl Tx<'_> {
    /// The server took a PUT; these are its bytes. Changes made meanwhile stay, and start from them.
    pub(crate) fn settle_put(
        &self,
        name: &RecordName,
        answer: &Resource<'_>,
        at: Instant,
    ) -> Result<(), StoreError> {
        let Some((rid, sent_seq)) = self.under_way(name)? else {
            return Ok(());
        };
        let Some(edit) = self.edit_row(rid)? else {
            return Ok(());
        };
        self.note_accepted(rid, sent_seq, answer.version(), at)?;
        self.settle_turn(name, rid, &edit, sent_seq, answer)
    }

    /// The server took a PUT, as the version `made`, and others wrote on: it has `now`.
    pub(crate) fn settle_seen(
        &self,
        name: &RecordName,
        made: &Resource<'_>,
        now: &Resource<'_>,
        at: Instant,
    ) -> Result<(), StoreError> {
        let Some((rid, _)) = self.under_way(name)? else {
            return Ok(());
        };
        self.settle_put(name, made, at)?;
        match self.edit_row(rid)? {
            None => self.settle_at(name.peer, rid, now),
            Some(edit) if edit.state == EditState::Conflict => self.mark_conflict(name, Some(now)),
            Some(_) if made.version() == now.version() && made.version().is_some() => Ok(()),
            Some(_) => self.meet(name, now).map(drop),
        }
    }

    /// The turn that goes next would change nothing: the server has that already. Unless it was changed meanwhile.
    pub(crate) fn settle_no_op(&self, pending: &Pending) -> Result<(), StoreError> {
        let (rid, upto) = (pending.rid, pending.going.upto);
        let (Some(edit), Some(over)) = (self.edit_row(rid)?, &pending.going.over) else {
            return Ok(());
        };
        if self.next_ends_at(rid)? != Some(upto)
            || edit.seen_version() != pending.going.version.as_deref()
        {
            return Ok(());
        }
        let damaged = |_| StoreError::DamagedValue {
            what: "base",
            row: rid,
        };
        let over = Resource::parse_text(over).map_err(damaged)?;
        self.settle_turn(&pending.name, rid, &edit, upto, &over)
    }

    /// The server has what the turn up to `sent_seq` says, in these bytes.
    pub(super) fn settle_turn(
        &self,
        name: &RecordName,
        rid: i64,
        edit: &EditRow,
        sent_seq: i64,
        answer: &Resource<'_>,
    ) -> Result<(), StoreError> {
        let turns = self.turns(rid, edit)?;
        self.dequeue(rid, sent_seq)?;
        if turns.last().is_none_or(|turn| turn.seq <= sent_seq) {
            return self.settle_at(name.peer, rid, answer);
        }
        let left = turns.iter().find(|turn| turn.seq == sent_seq);
        let left = left.and_then(|turn| turn.left());
        let next = turns.iter().find(|turn| turn.seq > sent_seq);
        let is_deletion = next.is_some_and(|turn| turn.text.is_none());
        let is_same = left.is_some_and(|left| {
            // Whoever deleted it may not have seen what the server only rewrote, but has seen all that there is.
            let is_all_seen = || merge::holds(None, answer.text(), left);
            content::is_same(left, answer.text()) || (is_deletion && is_all_seen())
        });
        // What comes next was written on what this turn left behind, which the server may have in another form: merged with
        // what others changed, or rewritten.
        let base = if is_same { Some(answer.text()) } else { left };
        self.start_from(rid, base, answer.version())?;
        if !is_same {
            self.set_theirs(rid, answer)?;
        }
        match self.show_merged(name, rid)? {
            true => Ok(()),
            false => self.mark_conflict(name, Some(answer)),
        }
    }

    /// The server no longer has the record, as we asked. What was written here meanwhile stays, as a new record.
    pub(crate) fn settle_delete(&self, name: &RecordName, at: Instant) -> Result<(), StoreError> {
        let Some((rid, sent_seq)) = self.under_way(name)? else {
            return Ok(());
        };
        self.note_accepted(rid, sent_seq, None, at)?;
        let is_newer = self.dequeue(rid, sent_seq)?;
        if is_newer && self.record_at(rid)?.is_some() {
            return self.start_from(rid, None, None);
        }
        self.drop_edit(rid)
    }

    /// The server has a newer version than the change started from, and nothing is under way any more: both are merged,
    /// or wait for a person. Whether they were merged.
    pub(crate) fn meet(
        &self,
        name: &RecordName,
        theirs: &Resource<'_>,
    ) -> Result<bool, StoreError> {
        let Some(rid) = self.rid(name.peer.0, &name.reference)? else {
            return Ok(false);
        };
        let sql = "UPDATE edit SET sent_kind = NULL, sent = NULL, sent_seq = NULL WHERE rid = ?1 AND state = 0";
        if self.connection.prepare_cached(sql)?.execute([rid])? == 0 {
            return Ok(false);
        }
        self.set_theirs(rid, theirs)?;
        self.touch(name.reference.kind);
        let is_merged = self.show_merged(name, rid)?;
        if !is_merged {
            self.turn_into_conflict(name.peer.0, rid)?;
        }
        Ok(is_merged)
    }

    /// Both sides changed the record. All versions are kept until a person decides; `None`: deleted there.
    pub(crate) fn mark_conflict(
        &self,
        name: &RecordName,
        theirs: Option<&Resource<'_>>,
    ) -> Result<(), StoreError> {
        let Some(rid) = self.rid(name.peer.0, &name.reference)? else {
            return Ok(());
        };
        let edit = self.edit_row(rid)?;
        if theirs.is_none() && edit.is_some_and(|edit| edit.deleted && edit.base.is_none()) {
            // Made here, deleted there, and deleted here too: nothing is left to decide, and no text to show.
            return self.drop_edit(rid);
        }
        let packed = self.packed(theirs.map(Resource::text))?;
        let sql = "UPDATE edit SET theirs = ?2, theirs_version = ?3 WHERE rid = ?1";
        let version = theirs.and_then(Resource::version);
        self.connection
            .prepare_cached(sql)?
            .execute((rid, packed, version))?;
        self.turn_into_conflict(name.peer.0, rid)
    }

    /// The change waits for a person, with the versions that it has.
    pub(super) fn turn_into_conflict(&self, peer: i64, rid: i64) -> Result<(), StoreError> {
        let edit = self.edit_row(rid)?;
        // A merge that is none any more: people see again what was written here.
        if let Some(mine) = edit.and_then(|edit| edit.mine.filter(|_| !edit.deleted)) {
            self.show(peer, rid, &mine)?;
        }
        let sql =
            "UPDATE edit SET state = 1, sent_kind = NULL, sent = NULL, sent_seq = NULL, mine = NULL
                   WHERE rid = ?1";
        self.connection.prepare_cached(sql)?.execute([rid])?;
        self.touch_row(rid)
    }

    /// Removes what the answer covers from the outbox; whether something newer waits.
    pub(super) fn dequeue(&self, rid: i64, upto: i64) -> Result<bool, StoreError> {
        let sql = "DELETE FROM outbox WHERE rid = ?1 AND seq <= ?2";
        self.connection.prepare_cached(sql)?.execute((rid, upto))?;
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE rid = ?1)";
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row([rid], |row| row.get(0))?)
    }

    fn set_theirs(&self, rid: i64, theirs: &Resource<'_>) -> Result<(), StoreError> {
        let sql = "UPDATE edit SET theirs = ?2, theirs_version = ?3 WHERE rid = ?1";
        self.connection.prepare_cached(sql)?.execute((
            rid,
            self.pack(theirs.text())?,
            theirs.version(),
        ))?;
        Ok(())
    }

    /// Lets people see what their changes and the server's newer version make together. `false`: somebody has to look at
    /// it first.
    pub(super) fn show_merged(&self, name: &RecordName, rid: i64) -> Result<bool, StoreError> {
        let Some(edit) = self.edit_row(rid)? else {
            return Ok(true);
        };
        let turns = self.turns(rid, &edit)?;
        let Some(newest) = turns.last() else {
            return Ok(true);
        };
        let shown = match &edit.theirs {
            None => newest.text.clone(),
            Some(theirs) => match self.fold(name.reference.kind, &edit, &turns, theirs) {
                Some(shown) => Some(shown),
                None => return Ok(is_untouched_deletion(&edit, theirs, turns.len())),
            },
        };
        let Some(shown) = shown else {
            return Ok(true);
        };
        self.show(name.peer.0, rid, &shown)?;
        let mine = newest.text.as_deref().filter(|mine| *mine != shown);
        let sql = "UPDATE edit SET mine = ?2 WHERE rid = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, self.packed(mine)?))?;
        Ok(true)
    }
}

/// A deletion of what nobody changed meanwhile.
fn is_untouched_deletion(edit: &EditRow, theirs: &str, turns: usize) -> bool {
    let base = edit.base.as_deref();
    edit.deleted && turns == 1 && base.is_some_and(|base| content::is_same(base, theirs))
}
