//! A record that the server gave another id: it is called that here too.

use crate::fhir::links::{Follower, with_id};
use crate::fhir::params::{self, ParameterKind};
use crate::fhir::{Instant, Reference, Resource, ResourceId, ResourceType, refers};
use crate::store::records::NewBody;
use crate::store::{PeerId, Reader, RecordName, StoreError, Tx};
use std::collections::BTreeSet;

/// Kind of the registry's rows that say what a record was called before.
pub(super) const RENAMED: &str = "renamed";

impl Reader<'_> {
    /// What the record is called now that was made here under this name.
    pub(crate) fn renamed(&self, name: &Reference) -> Result<Option<Reference>, StoreError> {
        let id = self.registered(RENAMED, &name.to_string())?;
        let id = id.and_then(|id| ResourceId::new(&id).ok());
        Ok(id.map(|id| Reference {
            kind: name.kind,
            id,
        }))
    }

    /// Rows of the records that the index knows to refer to this one.
    fn referring(&self, rid: i64) -> Result<Vec<i64>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT p, type, code FROM parameter")?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        let sql = "SELECT rid FROM ix WHERE p = ?1 AND v = ?2";
        let mut lookup = self.connection.prepare_cached(sql)?;
        while let Some(row) = rows.next()? {
            let (p, kind): (i64, i64) = (row.get(0)?, row.get(1)?);
            let code = row.get_ref(2)?.as_str().unwrap_or_default();
            let parameter = ResourceType::numbered(kind).and_then(|kind| params::find(kind, code));
            if parameter.is_some_and(|it| it.kind == ParameterKind::Reference) {
                let rids = lookup.query_map((p, rid), |row| row.get(0))?;
                for rid in rids {
                    found.push(rid?);
                }
            }
        }
        Ok(found)
    }

    /// Rows of changed records whose texts no index knows all of: earlier turns, merges, what waits for a person.
    fn with_more_texts(&self) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT rid FROM edit WHERE state <> 0 OR mine IS NOT NULL
                   UNION SELECT rid FROM outbox WHERE ends <> 0";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rids = statement.query_map([], |row| row.get(0))?;
        Ok(rids.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// The server took a record that was made here, under the id that `answer` has. `referring`: records that refer to it,
    /// as far as they are known; those that the index knows are found. `false`: what was written since under the old name
    /// has to wait for what waits under the new one (see `joined`).
    pub(crate) fn settle_created(
        &self,
        name: &RecordName,
        answer: &Resource<'_>,
        referring: &[RecordName],
        at: Instant,
    ) -> Result<bool, StoreError> {
        let new = RecordName {
            peer: name.peer,
            reference: answer.name().clone(),
        };
        if new == *name {
            self.settle_put(name, answer, at)?;
            return Ok(true);
        }
        let Some((rid, seq)) = self.under_way(name)? else {
            return Ok(true);
        };
        let referring = self.all_referring(name.peer, rid, referring)?;
        let new_rid = self.intern(new.peer.0, &new.reference)?;
        let id = new.reference.id.as_str();
        self.register(RENAMED, &name.reference.to_string(), id)?;
        let is_settled = match self.edit_row(new_rid)? {
            Some(_) => self.give_way(name, rid, new_rid, seq, answer, at)?,
            None => {
                self.note_accepted(rid, seq, answer.version(), at)?;
                self.move_edit(name, rid, &new, new_rid)?;
                if let Some(edit) = self.edit_row(new_rid)? {
                    self.settle_turn(&new, new_rid, &edit, seq, answer)?;
                }
                true
            }
        };
        self.rename_in_all(referring, [rid, new_rid], &name.reference, &new.reference)?;
        Ok(is_settled)
    }

    /// Rows of all records that may say this name somewhere.
    pub(super) fn all_referring(
        &self,
        peer: PeerId,
        rid: i64,
        known: &[RecordName],
    ) -> Result<BTreeSet<i64>, StoreError> {
        let mut rids: BTreeSet<i64> = self.referring(rid)?.into_iter().collect();
        rids.extend(self.with_more_texts()?);
        for name in known {
            rids.extend(self.rid(peer.0, &name.reference)?);
        }
        Ok(rids)
    }

    pub(super) fn rename_in_all(
        &self,
        mut rids: BTreeSet<i64>,
        more: [i64; 2],
        old: &Reference,
        new: &Reference,
    ) -> Result<(), StoreError> {
        rids.extend(more);
        let follower = Follower::default();
        rids.into_iter()
            .try_for_each(|rid| self.rename_in(rid, &follower, old, new))
    }

    /// The change is of a record with another name, of which there is no change.
    pub(super) fn move_edit(
        &self,
        old: &RecordName,
        rid: i64,
        new: &RecordName,
        new_rid: i64,
    ) -> Result<(), StoreError> {
        let body = self.record_at(rid)?;
        self.move_accepted(rid, new_rid)?;
        for table in ["edit", "outbox"] {
            let sql = format!("UPDATE {table} SET rid = ?2 WHERE rid = ?1");
            self.connection
                .prepare_cached(&sql)?
                .execute((rid, new_rid))?;
        }
        let id = new.reference.id.as_str();
        self.change_other_texts(new_rid, |text| with_id(text, id))?;
        let Some(body) = body else {
            return Ok(());
        };
        self.remove_body(old.peer.0, rid)?;
        if let Some(text) = with_id(&body.text, id) {
            self.set_text(
                new.peer,
                new_rid,
                &text,
                &NewBody {
                    version: body.version.as_deref(),
                    updated_ms: body.updated.epoch_ms(),
                    origin: body.origin,
                },
            )?;
        }
        Ok(())
    }

    /// What a server took of the record is of that with the new name.
    pub(super) fn move_accepted(&self, rid: i64, new_rid: i64) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM accepted WHERE rid = ?2 AND EXISTS (SELECT 1 FROM accepted WHERE rid = ?1)",
            "UPDATE accepted SET rid = ?2 WHERE rid = ?1",
        ] {
            self.connection
                .prepare_cached(sql)?
                .execute((rid, new_rid))?;
        }
        Ok(())
    }

    /// All that is kept of a record says the new name where it said the old one.
    fn rename_in(
        &self,
        rid: i64,
        follower: &Follower,
        old: &Reference,
        new: &Reference,
    ) -> Result<(), StoreError> {
        if let Some(record) = self.record_at(rid)?
            && let Some(text) = refers::renamed(follower, &record.text, old, new)
        {
            self.set_text(
                record.name.peer,
                rid,
                &text,
                &NewBody {
                    version: record.version.as_deref(),
                    updated_ms: record.updated.epoch_ms(),
                    origin: record.origin,
                },
            )?;
        }
        self.change_other_texts(rid, |text| refers::renamed(follower, text, old, new))
    }

    /// Exchanges what is kept of a changed record beside its body; `None`: it stays.
    fn change_other_texts(
        &self,
        rid: i64,
        change: impl Fn(&str) -> Option<String>,
    ) -> Result<(), StoreError> {
        let Some(edit) = self.edit_row(rid)? else {
            return Ok(());
        };
        if let Some(text) = edit.mine.as_deref().and_then(&change) {
            self.connection
                .prepare_cached("UPDATE edit SET mine = ?2 WHERE rid = ?1")?
                .execute((rid, self.pack(&text)?))?;
        }
        let turns = self.turns(rid, &edit)?;
        for turn in turns.iter().filter(|turn| !turn.is_newest) {
            for (column, text) in [("text", &turn.text), ("shown", &turn.shown)] {
                if let Some(text) = text.as_deref().and_then(&change) {
                    let sql = format!("UPDATE outbox SET {column} = ?2 WHERE seq = ?1");
                    self.connection
                        .prepare_cached(&sql)?
                        .execute((turn.seq, self.pack(&text)?))?;
                }
            }
        }
        Ok(())
    }

    fn set_text(
        &self,
        peer: PeerId,
        rid: i64,
        text: &str,
        new: &NewBody<'_>,
    ) -> Result<(), StoreError> {
        let damaged = |_| StoreError::DamagedValue {
            what: "body",
            row: rid,
        };
        let resource = Resource::parse_text(text).map_err(damaged)?;
        self.set_body(peer.0, rid, &resource, new)
    }
}
