//! Turns: what one author wrote in a row, and what it was written on.

use super::merging::merged;
use super::rows::EditRow;
use crate::fhir::ResourceType;
use crate::store::records::Record;
use crate::store::{Reader, StoreError, Tx};
use rusqlite::{OptionalExtension, Row};

/// The changes of one author in a row; they go out as one write.
pub(in crate::store) struct Turn {
    /// Number of its newest change.
    pub(super) seq: i64,
    /// Its id.
    pub(super) change: String,
    /// What its author left behind, to the byte; `None`: deleted.
    pub(super) text: Option<String>,
    /// What the next turn was written on, where that is another text.
    pub(super) shown: Option<String>,
    /// The signed record of its newest change.
    pub(super) record: Option<String>,
    /// What it is sent together with.
    pub(super) together: Vec<String>,
    /// Nobody wrote on since: its text is what people see, or what they would see.
    pub(super) is_newest: bool,
}

impl Turn {
    /// What the next turn was written on; `None`: on a deletion.
    pub(super) fn left(&self) -> Option<&str> {
        self.shown.as_deref().or(self.text.as_deref())
    }
}

/// The newest row of a record in the outbox.
struct Newest {
    seq: i64,
    author: String,
}

impl Reader<'_> {
    /// The turns of a changed record, oldest first.
    pub(in crate::store) fn turns(
        &self,
        rid: i64,
        edit: &EditRow,
    ) -> Result<Vec<Turn>, StoreError> {
        let sql = "SELECT seq, record, ends, text, shown, together, change_id FROM outbox WHERE rid = ?1 ORDER BY seq";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([rid])?;
        let (mut turns, mut together, mut last) = (Vec::new(), Vec::new(), None);
        while let Some(row) = rows.next()? {
            if let Some(group) = row.get::<_, Option<String>>(5)?
                && !together.contains(&group)
            {
                together.push(group);
            }
            let turn = Turn {
                seq: row.get(0)?,
                change: row.get(6)?,
                text: self.text_in(row, 3, "turn", rid)?,
                shown: self.text_in(row, 4, "turn", rid)?,
                record: self.text_in(row, 1, "change record", rid)?,
                together: Vec::new(),
                is_newest: false,
            };
            if row.get::<_, i64>(2)? == 0 {
                last = Some(turn);
                continue;
            }
            let together = std::mem::take(&mut together);
            turns.push(Turn { together, ..turn });
            last = None;
        }
        if let Some(turn) = last {
            let text = self.newest_text(rid, edit)?;
            turns.push(Turn {
                text,
                together,
                is_newest: true,
                ..turn
            });
        }
        Ok(turns)
    }

    /// What the newest author left behind; `None`: deleted.
    pub(super) fn newest_text(
        &self,
        rid: i64,
        edit: &EditRow,
    ) -> Result<Option<String>, StoreError> {
        match (edit.deleted, &edit.mine) {
            (true, _) => Ok(None),
            (_, Some(mine)) => Ok(Some(mine.clone())),
            _ => Ok(self.record_at(rid)?.map(|record| record.text)),
        }
    }

    /// Where the turn that goes next ends; `None`: nothing waits.
    pub(super) fn next_ends_at(&self, rid: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT coalesce((SELECT min(seq) FROM outbox WHERE rid = ?1 AND ends <> 0),
                                   (SELECT max(seq) FROM outbox WHERE rid = ?1))";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([rid], |row| row.get(0))?)
    }

    fn newest(&self, rid: i64) -> Result<Option<Newest>, StoreError> {
        let sql = "SELECT seq, author FROM outbox WHERE rid = ?1 ORDER BY seq DESC LIMIT 1";
        let read = |row: &Row<'_>| {
            Ok(Newest {
                seq: row.get(0)?,
                author: row.get(1)?,
            })
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([rid], read).optional()?)
    }

    /// The last change before `seq` that is sent apart from it.
    pub(super) fn turn_before(&self, rid: i64, seq: i64) -> Result<Option<String>, StoreError> {
        let sql = "SELECT change_id FROM outbox WHERE rid = ?1 AND seq < ?2 AND ends <> 0 ORDER BY seq DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement
            .query_row((rid, seq), |row| row.get(0))
            .optional()?)
    }

    /// What `turns` make of `theirs`, each merged into what the one before made. `None`: a person has to look at it.
    pub(super) fn fold<'t>(
        &self,
        kind: ResourceType,
        edit: &EditRow,
        turns: impl IntoIterator<Item = &'t Turn>,
        theirs: &str,
    ) -> Option<String> {
        let mut from = edit.base.as_deref();
        let mut now = theirs.to_owned();
        for turn in turns {
            now = merged(kind, from?, turn.text.as_deref()?, &now)?;
            from = turn.left();
        }
        Some(now)
    }
}

impl Tx<'_> {
    /// Prepares a further change by `author` to a record that has one already.
    pub(super) fn begin_or_go_on(
        &self,
        rid: i64,
        kind: ResourceType,
        edit: &EditRow,
        body: Option<&Record>,
        author: &str,
    ) -> Result<(), StoreError> {
        let Some(newest) = self.newest(rid)? else {
            return Ok(());
        };
        if newest.author != author || edit.sent_seq == Some(newest.seq) {
            return self.end_turn(rid, newest.seq, edit, body);
        }
        self.look_at_merge(rid, kind, edit)
    }

    /// The turn up to `seq` is over: its exact bytes stay, whatever is written next.
    fn end_turn(
        &self,
        rid: i64,
        seq: i64,
        edit: &EditRow,
        body: Option<&Record>,
    ) -> Result<(), StoreError> {
        let text = self.newest_text(rid, edit)?;
        let shown = edit
            .mine
            .as_ref()
            .and(body)
            .map(|record| record.text.as_str());
        let ends = if edit.deleted { 2 } else { 1 };
        let sql = "UPDATE outbox SET ends = ?2, text = ?3, shown = ?4 WHERE seq = ?1";
        self.connection.prepare_cached(sql)?.execute((
            seq,
            ends,
            self.packed(text.as_deref())?,
            self.packed(shown)?,
        ))?;
        self.forget_mine(rid)
    }

    /// Whoever writes on a merged text has looked at the merge: that is what it starts from now.
    pub(super) fn look_at_merge(
        &self,
        rid: i64,
        kind: ResourceType,
        edit: &EditRow,
    ) -> Result<(), StoreError> {
        let Some(theirs) = edit.theirs.as_deref().filter(|_| edit.is_merged()) else {
            return Ok(());
        };
        let mut turns = self.turns(rid, edit)?;
        turns.pop();
        let Some(before) = turns.last() else {
            self.start_from(rid, Some(theirs), edit.theirs_version.as_deref())?;
            return self.forget_mine(rid);
        };
        // Earlier turns still start from the old one. They leave behind what they make of the newer.
        let left = self.fold(kind, edit, &turns, theirs);
        let sql = "UPDATE outbox SET shown = ?2 WHERE seq = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((before.seq, self.packed(left.as_deref())?))?;
        self.forget_mine(rid)
    }

    pub(super) fn forget_mine(&self, rid: i64) -> Result<(), StoreError> {
        let sql = "UPDATE edit SET mine = NULL WHERE rid = ?1";
        self.connection.prepare_cached(sql)?.execute([rid])?;
        Ok(())
    }

    /// The turns up to `seq` are no turns of their own any more: whoever wrote on stands for them, and what their authors
    /// signed was not taken.
    pub(super) fn join_turns(&self, rid: i64, seq: i64) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET record = NULL, ends = 0, text = NULL, shown = NULL WHERE rid = ?1 AND seq <= ?2";
        self.connection.prepare_cached(sql)?.execute((rid, seq))?;
        Ok(())
    }
}
