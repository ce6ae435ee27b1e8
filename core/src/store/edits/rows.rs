//! The row of a local change, and the small steps that all others are made of.

use super::{EditState, SentKind, kind_of, state_of};
use crate::fhir::{Instant, Reference, Resource};
use crate::store::records::{NewBody, Origin, Record};
use crate::store::{PeerId, Reader, StoreError, Tx};
use rusqlite::{OptionalExtension, Row};

/// The row of `edit`, its texts unpacked.
pub(in crate::store) struct EditRow {
    pub(in crate::store) state: EditState,
    pub(in crate::store) deleted: bool,
    pub(in crate::store) base: Option<String>,
    pub(in crate::store) base_version: Option<String>,
    pub(in crate::store) sent_kind: Option<SentKind>,
    pub(in crate::store) sent: Option<String>,
    pub(in crate::store) sent_seq: Option<i64>,
    pub(in crate::store) theirs: Option<String>,
    pub(in crate::store) theirs_version: Option<String>,
    /// What the newest author wrote, where people see another text, since it was merged.
    pub(in crate::store) mine: Option<String>,
    pub(in crate::store) refusal: Option<String>,
}

impl EditRow {
    /// Nothing was sent that may have arrived, and the server has nothing newer.
    pub(super) fn is_untouched_by_server(&self) -> bool {
        self.sent_kind.is_none() && self.theirs.is_none() && self.state != EditState::Conflict
    }

    /// In conflict since the server has it no more.
    pub(super) fn is_deleted_there(&self) -> bool {
        self.state == EditState::Conflict && self.theirs.is_none()
    }

    /// Issue codes of the server's refusal, or what it waits for there.
    pub(super) fn codes(&self) -> Option<String> {
        let codes = self.refusal.as_deref()?.lines().next();
        codes.map(str::to_owned)
    }

    /// What the server said of the refusal to a person.
    pub(super) fn words(&self) -> Option<String> {
        let (_, words) = self.refusal.as_deref()?.split_once('\n')?;
        (!words.is_empty()).then(|| words.to_owned())
    }

    /// What people see holds what others changed since.
    pub(in crate::store) fn is_merged(&self) -> bool {
        self.theirs.is_some() && self.state != EditState::Conflict
    }

    /// The server's newest version that whoever looks at the record here sees something of.
    pub(super) fn seen_version(&self) -> Option<&str> {
        match self.state {
            EditState::Conflict => self.base_version.as_deref(),
            _ => self
                .theirs_version
                .as_deref()
                .or(self.base_version.as_deref()),
        }
    }
}

impl Reader<'_> {
    pub(in crate::store) fn edit_row(&self, rid: i64) -> Result<Option<EditRow>, StoreError> {
        let sql =
            "SELECT state, deleted, base, base_version, sent_kind, sent, sent_seq, theirs, theirs_version, mine,
                          refusal FROM edit WHERE rid = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([rid])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(Some(EditRow {
            state: state_of(row.get(0)?),
            deleted: row.get(1)?,
            base: self.text_in(row, 2, "base", rid)?,
            base_version: row.get(3)?,
            sent_kind: row.get::<_, Option<i64>>(4)?.map(kind_of),
            sent: self.text_in(row, 5, "sent", rid)?,
            sent_seq: row.get(6)?,
            theirs: self.text_in(row, 7, "theirs", rid)?,
            theirs_version: row.get(8)?,
            mine: self.text_in(row, 9, "mine", rid)?,
            refusal: row.get(10)?,
        }))
    }

    /// A packed text that may be missing.
    pub(super) fn text_in(
        &self,
        row: &Row<'_>,
        column: usize,
        what: &'static str,
        rid: i64,
    ) -> Result<Option<String>, StoreError> {
        let packed = row.get_ref(column)?.as_blob_or_null().unwrap_or_default();
        packed
            .map(|packed| self.unpack(packed, what, rid))
            .transpose()
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
}

impl Tx<'_> {
    /// A text for a column of `edit` or `outbox`. Without a dictionary: unsent work must outlive every dictionary.
    pub(super) fn packed(&self, text: Option<&str>) -> Result<Option<Vec<u8>>, StoreError> {
        text.map(|text| self.pack(text)).transpose()
    }

    pub(super) fn start_edit(
        &self,
        rid: i64,
        base: Option<&Record>,
        deleted: bool,
    ) -> Result<(), StoreError> {
        let packed = self.packed(base.map(|base| base.text.as_str()))?;
        let version = base.and_then(|base| base.version.as_deref());
        let sql =
            "INSERT INTO edit (rid, state, deleted, base, base_version) VALUES (?1, 0, ?2, ?3, ?4)";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, deleted, packed, version))?;
        self.touch_row(rid)
    }

    pub(super) fn drop_edit(&self, rid: i64) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM outbox WHERE rid = ?1",
            "DELETE FROM edit WHERE rid = ?1",
        ] {
            self.connection.prepare_cached(sql)?.execute([rid])?;
        }
        self.touch_row(rid)
    }

    /// The change starts from another version of the server's from now on; what is under way, or waits for a decision, is
    /// over.
    pub(super) fn start_from(
        &self,
        rid: i64,
        base: Option<&str>,
        version: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE edit SET state = 0, base = ?2, base_version = ?3, sent_kind = NULL, sent = NULL,
                   sent_seq = NULL, theirs = NULL, theirs_version = NULL, refusal = NULL WHERE rid = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, self.packed(base)?, version))?;
        self.touch_row(rid)
    }

    /// What people see of a changed record, from now on.
    pub(super) fn show(&self, peer: i64, rid: i64, text: &str) -> Result<(), StoreError> {
        let damaged = |_| StoreError::DamagedValue {
            what: "local change",
            row: rid,
        };
        let resource = Resource::parse_text(text).map_err(damaged)?;
        let old = self.record_at(rid)?;
        if old.as_ref().is_some_and(|old| old.text == text) {
            return Ok(());
        }
        let new = NewBody {
            version: old.as_ref().and_then(|old| old.version.as_deref()),
            updated_ms: old.as_ref().map_or(0, |old| old.updated.epoch_ms()),
            origin: Origin::Local,
        };
        self.set_body_over(old.as_ref(), peer, rid, &resource, &new)
    }

    /// Body := the server's bytes; nothing waits any more.
    pub(in crate::store) fn settle_at(
        &self,
        peer: PeerId,
        rid: i64,
        server: &Resource<'_>,
    ) -> Result<(), StoreError> {
        self.drop_edit(rid)?;
        let new = NewBody {
            version: server.version(),
            updated_ms: server.last_updated().map_or(0, Instant::epoch_ms),
            origin: Origin::Server,
        };
        self.set_body(peer.0, rid, server, &new)
    }
}
