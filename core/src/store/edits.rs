//! Local changes: what waits to be sent, and the versions kept until it is settled.
//!
//! A changed record keeps `base` (the server's bytes the change started from) once, however often it changes; `mine` is
//! its body; `sent` is exactly what is under way. An outbox row leaves only in the transaction that stores the answer.

use super::records::{NewBody, Origin, Record, RecordName, reference_of};
use super::view::View;
use super::{PeerId, Reader, StoreError, Tx};
use crate::fhir::{Reference, Resource};
use rusqlite::{OptionalExtension, Row};

/// Where a local change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditState {
    /// Waits to be sent, or for the answer.
    Waiting,
    /// The server has a newer version: waits for a person.
    Conflict,
    /// The server refused it: waits for a person.
    Refused,
}

/// What became of a local change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// Stored, and waiting to be sent.
    Queued,
    /// Stored; but the server has a newer version, so nothing is sent until a person decides.
    InConflict,
    /// The bytes are those that are there already; nothing is sent.
    Unchanged,
    /// Nothing is left to send: what was never sent was deleted again, or changed back.
    Withdrawn,
}

/// How a change is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentKind {
    /// PUT of a text.
    Put,
    /// DELETE.
    Delete,
}

/// A changed record, for the push.
#[derive(Clone)]
pub struct Pending {
    /// Its name.
    pub name: RecordName,
    /// Where the change stands.
    pub state: EditState,
    /// The server's version it started from; `None`: made here.
    pub base_version: Option<String>,
    /// What the person wrote; `None`: deleted.
    pub mine: Option<String>,
    /// What is under way since an earlier push, whose answer never came.
    pub sent: Option<(SentKind, Option<String>)>,
    /// Changes of this record that wait.
    pub changes: u64,
    /// When the oldest of them was made.
    pub since: crate::fhir::Instant,
    /// Issue codes, where the server refused it, or what it waits for there.
    pub refusal: Option<String>,
    /// The signed records of what is sent: the newest of each author, oldest first. Empty where the newest change has
    /// none.
    pub records: Vec<String>,
    pub(super) newest_seq: i64,
    pub(super) rid: i64,
}

/// The row of `edit`.
pub(super) struct EditRow {
    pub(super) state: EditState,
    pub(super) deleted: bool,
    pub(super) base: Option<Vec<u8>>,
    pub(super) base_version: Option<String>,
    pub(super) sent_kind: Option<SentKind>,
    pub(super) sent: Option<Vec<u8>>,
    pub(super) sent_seq: Option<i64>,
    pub(super) theirs_version: Option<String>,
}

/// Who changes something, and when.
#[derive(Clone, Copy)]
pub(crate) struct Author<'a> {
    pub(crate) person: &'a str,
    pub(crate) change_id: &'a str,
    pub(crate) at_ms: i64,
    /// Signs for the person, where the person has a key.
    pub(crate) signer: Option<&'a dyn Signs>,
}

/// What is known about a change when it is stored.
pub(crate) struct ChangeFacts<'a> {
    /// UUID of the change.
    pub(crate) change: &'a str,
    /// Number of the change in this vault.
    pub(crate) sequence: i64,
    /// Number of the server in this vault.
    pub(crate) peer: i64,
    /// The record.
    pub(crate) record: &'a Reference,
    /// The server's version it started from.
    pub(crate) base: Option<&'a str>,
    /// The change of the same record that was under way when this one was made: the server's answer to it, not known
    /// yet, will be what this one replaces.
    pub(crate) after: Option<&'a str>,
    /// The exact bytes; `None`: a deletion.
    pub(crate) text: Option<&'a str>,
}

/// Signs changes.
pub(crate) trait Signs {
    /// The signed record of a change.
    fn sign(&self, facts: &ChangeFacts<'_>) -> String;
}

impl Reader<'_> {
    pub(super) fn edit_row(&self, rid: i64) -> Result<Option<EditRow>, StoreError> {
        let sql =
            "SELECT state, deleted, base, base_version, sent_kind, sent, sent_seq, theirs_version
                   FROM edit WHERE rid = ?1";
        let read = |row: &Row<'_>| {
            Ok(EditRow {
                state: state_of(row.get(0)?),
                deleted: row.get(1)?,
                base: row.get(2)?,
                base_version: row.get(3)?,
                sent_kind: row.get::<_, Option<i64>>(4)?.map(kind_of),
                sent: row.get(5)?,
                sent_seq: row.get(6)?,
                theirs_version: row.get(7)?,
            })
        };
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row([rid], read)
            .optional()?)
    }

    /// The server of a local change (a deletion, where there is no record) to the record called `name`.
    pub(crate) fn edited_on(&self, name: &Reference) -> Result<Option<PeerId>, StoreError> {
        let sql = "SELECT peer FROM rkey JOIN edit USING (rid) WHERE type = ?1 AND id = ?2 ORDER BY peer LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let peer = statement
            .query_row((name.kind.number(), name.id.as_str()), |row| row.get(0))
            .optional()?;
        Ok(peer.map(PeerId))
    }

    /// Changed records of `peer` (of all peers: `None`), in the order of their oldest waiting change.
    pub(crate) fn pending(&self, peer: Option<PeerId>) -> Result<Vec<Pending>, StoreError> {
        let sql = "SELECT edit.rid, rkey.peer, rkey.type, rkey.id, edit.state, edit.base_version, edit.deleted,
                          body.bytes, edit.sent_kind, edit.sent, edit.refusal,
                          count(outbox.seq), max(outbox.seq), min(outbox.at_ms), min(outbox.seq) AS oldest,
                          edit.sent_seq
                   FROM edit JOIN rkey USING (rid) LEFT JOIN body USING (rid) LEFT JOIN outbox USING (rid)
                   WHERE ?1 IS NULL OR rkey.peer = ?1 GROUP BY edit.rid ORDER BY oldest";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([peer.map(|p| p.0)])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(self.pending_of(row)?);
        }
        Ok(all)
    }

    /// The signed records of the changes up to `upto` (all: `None`), the newest of each author.
    fn records_upto(&self, rid: i64, upto: Option<i64>) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT author, record FROM outbox WHERE rid = ?1 AND seq <= ?2 ORDER BY seq";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((rid, upto.unwrap_or(i64::MAX)))?;
        let mut newest: Vec<(String, Option<Vec<u8>>)> = Vec::new();
        while let Some(row) = rows.next()? {
            let author: String = row.get(0)?;
            newest.retain(|(other, _)| *other != author);
            newest.push((author, row.get(1)?));
        }
        if newest.last().is_none_or(|(_, record)| record.is_none()) {
            return Ok(Vec::new());
        }
        let records = newest.into_iter().filter_map(|(_, record)| record);
        records
            .map(|packed| self.unpack(&packed, "change record", rid))
            .collect()
    }

    /// As [`Reader::pending`], those that may be seen: by what was written, or where it was deleted by what stood there.
    pub(crate) fn pending_seen(&self, peer: Option<PeerId>) -> Result<Vec<Pending>, StoreError> {
        let mut seen = Vec::new();
        for pending in self.pending(peer)? {
            let kind = pending.name.reference.kind;
            let may = match (self.view, &pending.mine) {
                (View::All, _) => true,
                (_, Some(_)) => self.may_see(pending.rid, kind)?,
                (_, None) => match self.edit_row(pending.rid)?.and_then(|edit| edit.base) {
                    Some(packed) => {
                        let text = self.unpack(&packed, "base", pending.rid)?;
                        self.may_see_text(pending.name.peer, &text)?
                    }
                    None => false,
                },
            };
            if may {
                seen.push(pending);
            }
        }
        Ok(seen)
    }

    /// How many records have changes that wait.
    pub(crate) fn waiting(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM edit";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Changes that no server has acknowledged, changed records that a person must decide about, and wishes that are not
    /// over.
    pub(crate) fn unsent_changes(&self) -> Result<u64, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM outbox)
                        + (SELECT count(*) FROM edit WHERE rid NOT IN (SELECT rid FROM outbox))
                        + (SELECT count(*) FROM wish WHERE state < 2)";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    fn pending_of(&self, row: &Row<'_>) -> Result<Pending, StoreError> {
        let rid: i64 = row.get(0)?;
        let text = |column: usize, what| -> Result<Option<String>, StoreError> {
            let packed = row.get_ref(column)?.as_blob_or_null().unwrap_or_default();
            packed
                .map(|packed| self.unpack(packed, what, rid))
                .transpose()
        };
        let deleted: bool = row.get(6)?;
        let reference = reference_of(
            rid,
            row.get(2)?,
            row.get_ref(3)?.as_str().unwrap_or_default(),
        )?;
        let sent = text(9, "sent")?;
        let records = self.records_upto(rid, row.get::<_, Option<i64>>(15)?)?;
        Ok(Pending {
            records,
            name: RecordName {
                peer: PeerId(row.get(1)?),
                reference,
            },
            state: state_of(row.get(4)?),
            base_version: row.get(5)?,
            mine: if deleted { None } else { text(7, "body")? },
            sent: row
                .get::<_, Option<i64>>(8)?
                .map(|kind| (kind_of(kind), sent)),
            changes: row.get(11)?,
            since: crate::fhir::Instant::from_epoch_ms(row.get::<_, Option<i64>>(13)?.unwrap_or(0)),
            refusal: row.get(10)?,
            newest_seq: row.get::<_, Option<i64>>(12)?.unwrap_or(0),
            rid,
        })
    }
}

impl Tx<'_> {
    /// Stores what a person wrote and queues it.
    pub(crate) fn put_local(
        &self,
        peer: PeerId,
        resource: &Resource<'_>,
        author: Author<'_>,
    ) -> Result<Saved, StoreError> {
        self.must_not_be_served()?;
        let rid = self.intern(peer.0, resource.name())?;
        let edit = self.edit_row(rid)?;
        let body = self.record_at(rid)?;
        // What the server refused can be sent again as it is.
        let refused = edit
            .as_ref()
            .is_some_and(|edit| edit.state == EditState::Refused);
        if !refused
            && body
                .as_ref()
                .is_some_and(|body| body.text == resource.text())
        {
            return Ok(Saved::Unchanged);
        }
        match &edit {
            None => self.start_edit(rid, body.as_ref(), false)?,
            Some(edit) => {
                let base = edit
                    .base
                    .as_ref()
                    .map(|packed| self.unpack(packed, "base", rid))
                    .transpose()?;
                if base.as_deref() == Some(resource.text()) && edit.is_untouched_by_server() {
                    self.settle_at(peer, rid, resource)?;
                    return Ok(Saved::Withdrawn);
                }
                self.retry_edit(rid, false)?;
            }
        }
        let version = body.as_ref().and_then(|b| b.version.as_deref());
        self.set_body(
            peer.0,
            rid,
            resource,
            &NewBody {
                version,
                updated_ms: author.at_ms,
                origin: Origin::Local,
            },
        )?;
        let name = RecordName {
            peer,
            reference: resource.name().clone(),
        };
        self.queue(rid, &name, Some(resource.text()), author)?;
        Ok(saved_as(edit.as_ref()))
    }

    /// Deletes a record here and queues the deletion. `None`: there is no such record.
    pub(crate) fn delete_local(
        &self,
        name: &RecordName,
        author: Author<'_>,
    ) -> Result<Option<Saved>, StoreError> {
        self.must_not_be_served()?;
        let Some(body) = self.standing(name)? else {
            return Ok(None);
        };
        let rid = body.rid;
        let edit = self.edit_row(rid)?;
        match &edit {
            None => self.start_edit(rid, Some(&body), true)?,
            Some(edit) if edit.base.is_none() && edit.is_untouched_by_server() => {
                self.remove_body(name.peer.0, rid)?;
                self.drop_edit(rid)?;
                return Ok(Some(Saved::Withdrawn));
            }
            Some(_) => self.retry_edit(rid, true)?,
        }
        self.remove_body(name.peer.0, rid)?;
        self.queue(rid, name, None, author)?;
        Ok(Some(saved_as(edit.as_ref())))
    }

    /// Keeps what goes out now, before it goes: exact bytes, and the newest change in them. `false`: the record was
    /// changed or withdrawn since it was read, and must not be sent as it was.
    pub(crate) fn mark_sent(&self, pending: &Pending) -> Result<bool, StoreError> {
        let kind = if pending.mine.is_some() {
            SentKind::Put
        } else {
            SentKind::Delete
        };
        let packed = pending
            .mine
            .as_deref()
            .map(|text| self.pack(text))
            .transpose()?;
        let sql = "UPDATE edit SET sent_kind = ?2, sent = ?3, sent_seq = ?4
                   WHERE rid = ?1 AND state = 0 AND sent_kind IS NULL
                   AND (SELECT max(seq) FROM outbox WHERE rid = ?1) = ?4";
        let marked = self.connection.prepare_cached(sql)?.execute((
            pending.rid,
            kind as i64 + 1,
            packed,
            pending.newest_seq,
        ))?;
        Ok(marked == 1)
    }

    /// The server took a PUT; these are its bytes. Changes made meanwhile stay, and start from them.
    pub(crate) fn settle_put(
        &self,
        name: &RecordName,
        answer: &Resource<'_>,
    ) -> Result<(), StoreError> {
        let Some((rid, sent_seq)) = self.under_way(name)? else {
            return Ok(());
        };
        if self.has_newer_changes(rid, sent_seq)? {
            let sql = "UPDATE edit SET state = 0, base = ?2, base_version = ?3, sent_kind = NULL, sent = NULL,
                       sent_seq = NULL, theirs = NULL, theirs_version = NULL, refusal = NULL WHERE rid = ?1";
            self.connection.prepare_cached(sql)?.execute((
                rid,
                self.pack(answer.text())?,
                answer.version(),
            ))?;
            Ok(())
        } else {
            self.settle_at(name.peer, rid, answer)
        }
    }

    /// The server no longer has the record, as we asked. What was written here meanwhile stays, as a new record.
    pub(crate) fn settle_delete(&self, name: &RecordName) -> Result<(), StoreError> {
        let Some((rid, sent_seq)) = self.under_way(name)? else {
            return Ok(());
        };
        let rewritten = self.record_at(rid)?.is_some();
        if self.has_newer_changes(rid, sent_seq)? && rewritten {
            let sql = "UPDATE edit SET state = 0, base = NULL, base_version = NULL, sent_kind = NULL, sent = NULL,
                       sent_seq = NULL, refusal = NULL WHERE rid = ?1";
            self.connection.prepare_cached(sql)?.execute([rid])?;
            return Ok(());
        }
        self.drop_edit(rid)
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
        let packed = theirs
            .map(|resource| self.pack(resource.text()))
            .transpose()?;
        let sql = "UPDATE edit SET state = 1, theirs = ?2, theirs_version = ?3, sent_kind = NULL, sent = NULL,
                   sent_seq = NULL WHERE rid = ?1";
        let version = theirs.and_then(Resource::version);
        self.connection
            .prepare_cached(sql)?
            .execute((rid, packed, version))?;
        Ok(())
    }

    /// The server refused for good what was sent. It stays here, with the codes of the refusal; but what was written
    /// meanwhile nobody has refused, and it is tried.
    pub(crate) fn mark_refused(&self, name: &RecordName, codes: &str) -> Result<(), StoreError> {
        let Some((rid, sent_seq)) = self.under_way(name)? else {
            return Ok(());
        };
        let sql = "UPDATE edit SET sent_kind = NULL, sent = NULL, sent_seq = NULL,
                   state = iif(newer, 0, 2), refusal = iif(newer, NULL, ?3)
                   FROM (SELECT EXISTS (SELECT 1 FROM outbox WHERE rid = ?1 AND seq > ?2) AS newer)
                   WHERE rid = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, sent_seq, codes))?;
        Ok(())
    }

    /// What was refused with just these codes is sent again: the rules have changed since.
    pub(crate) fn send_refused_again(&self, codes: &str) -> Result<(), StoreError> {
        let sql = "UPDATE edit SET state = 0, refusal = NULL WHERE state = 2 AND refusal = ?1";
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
        Ok(())
    }

    /// The record's row and the newest change in what is under way. An answer to something else (another sync was
    /// quicker) settles nothing: what waits here now is not what the server answered to.
    fn under_way(&self, name: &RecordName) -> Result<Option<(i64, i64)>, StoreError> {
        let Some(rid) = self.rid(name.peer.0, &name.reference)? else {
            return Ok(None);
        };
        let sent_seq = self.edit_row(rid)?.and_then(|edit| edit.sent_seq);
        Ok(sent_seq.map(|seq| (rid, seq)))
    }

    /// Body := the server's bytes; nothing waits any more.
    pub(super) fn settle_at(
        &self,
        peer: PeerId,
        rid: i64,
        server: &Resource<'_>,
    ) -> Result<(), StoreError> {
        self.drop_edit(rid)?;
        let updated_ms = server
            .last_updated()
            .map_or(0, crate::fhir::Instant::epoch_ms);
        let new = NewBody {
            version: server.version(),
            updated_ms,
            origin: Origin::Server,
        };
        self.set_body(peer.0, rid, server, &new)
    }

    /// Removes what the answer covers from the outbox; whether something newer waits.
    fn has_newer_changes(&self, rid: i64, upto: i64) -> Result<bool, StoreError> {
        let sql = "DELETE FROM outbox WHERE rid = ?1 AND seq <= ?2";
        self.connection.prepare_cached(sql)?.execute((rid, upto))?;
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE rid = ?1)";
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row([rid], |row| row.get(0))?)
    }

    fn start_edit(&self, rid: i64, base: Option<&Record>, deleted: bool) -> Result<(), StoreError> {
        // Packed anew, without a dictionary: unsent work must outlive every dictionary.
        let packed = base.map(|base| self.pack(&base.text)).transpose()?;
        let version = base.and_then(|base| base.version.as_deref());
        let sql =
            "INSERT INTO edit (rid, state, deleted, base, base_version) VALUES (?1, 0, ?2, ?3, ?4)";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, deleted, packed, version))?;
        Ok(())
    }

    /// A further change: what the server refused is tried again, a conflict stays one.
    fn retry_edit(&self, rid: i64, deleted: bool) -> Result<(), StoreError> {
        // Whoever saves again what was refused stands for it alone: what the others signed was not taken.
        let sql = "UPDATE outbox SET record = NULL
                   WHERE rid = ?1 AND EXISTS (SELECT 1 FROM edit WHERE rid = ?1 AND state = 2)";
        self.connection.prepare_cached(sql)?.execute([rid])?;
        let sql = "UPDATE edit SET deleted = ?2, refusal = NULL, state = CASE state WHEN 2 THEN 0 ELSE state END
                   WHERE rid = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, deleted))?;
        Ok(())
    }

    /// Adds a change to the outbox, with its signed record, in the transaction of the change.
    fn queue(
        &self,
        rid: i64,
        name: &RecordName,
        text: Option<&str>,
        author: Author<'_>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO outbox (rid, change_id, author, at_ms) VALUES (?1, ?2, ?3, ?4)";
        let values = (rid, author.change_id, author.person, author.at_ms);
        self.connection.prepare_cached(sql)?.execute(values)?;
        let Some(signer) = author.signer else {
            return Ok(());
        };
        let sequence = self.connection.last_insert_rowid();
        let edit = self.edit_row(rid)?;
        let sent_seq = edit.as_ref().and_then(|edit| edit.sent_seq);
        let base = edit.and_then(|edit| edit.base_version);
        let after: Option<String> = match sent_seq {
            Some(seq) => self
                .connection
                .prepare_cached("SELECT change_id FROM outbox WHERE seq = ?1")?
                .query_row([seq], |row| row.get(0))
                .optional()?,
            None => None,
        };
        let record = signer.sign(&ChangeFacts {
            change: author.change_id,
            sequence,
            peer: name.peer.0,
            record: &name.reference,
            base: base.as_deref(),
            after: after.as_deref(),
            text,
        });
        let sql = "UPDATE outbox SET record = ?2 WHERE seq = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((sequence, self.pack(&record)?))?;
        Ok(())
    }

    fn drop_edit(&self, rid: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM outbox WHERE rid = ?1")?
            .execute([rid])?;
        self.connection
            .prepare_cached("DELETE FROM edit WHERE rid = ?1")?
            .execute([rid])?;
        Ok(())
    }
}

impl EditRow {
    /// Nothing was sent that may have arrived, and the server has nothing newer.
    fn is_untouched_by_server(&self) -> bool {
        self.sent_kind.is_none() && self.state != EditState::Conflict
    }
}

/// What a further change of a record with this edit is.
fn saved_as(edit: Option<&EditRow>) -> Saved {
    match edit {
        Some(edit) if edit.state == EditState::Conflict => Saved::InConflict,
        _ => Saved::Queued,
    }
}

fn state_of(number: i64) -> EditState {
    match number {
        0 => EditState::Waiting,
        1 => EditState::Conflict,
        _ => EditState::Refused,
    }
}

fn kind_of(number: i64) -> SentKind {
    if number == 1 {
        SentKind::Put
    } else {
        SentKind::Delete
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({:?}, {:?})", self.name.reference, self.state)
    }
}
