//! Local changes with all that is kept of them, for the simulation in `sync`: it judges what a device holds.

use super::edits::EditState;
use super::records::{RecordName, reference_of};
use super::{PeerId, Reader, StoreError};

/// A changed record with every version that is kept.
pub(crate) struct Inspected {
    pub(crate) name: RecordName,
    pub(crate) state: EditState,
    pub(crate) deleted: bool,
    pub(crate) base: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) mine: Option<String>,
    pub(crate) theirs: Option<String>,
    pub(crate) base_version: Option<String>,
    pub(crate) theirs_version: Option<String>,
    pub(crate) under_way: bool,
    /// The record that the server made of it, where what waits of that one goes first.
    pub(crate) arrived_as: Option<RecordName>,
    pub(crate) refusal: Option<String>,
    /// Rows of the outbox.
    pub(crate) changes: u64,
    /// Groups that they belong to.
    pub(crate) together: Vec<String>,
}

impl Reader<'_> {
    /// All of them, and the number of outbox rows that belong to none.
    pub(crate) fn inspect(&self) -> Result<(Vec<Inspected>, u64), StoreError> {
        let sql = "SELECT rid, rkey.peer, rkey.type, rkey.id, state, deleted, base, body.bytes, mine, theirs, base_version,
                          theirs_version, sent_kind IS NOT NULL, refusal,
                          (SELECT count(*) FROM outbox WHERE outbox.rid = edit.rid),
                          (SELECT group_concat(together) FROM outbox WHERE outbox.rid = edit.rid),
                          sent_seq
                   FROM edit JOIN rkey USING (rid) LEFT JOIN body USING (rid) ORDER BY rid";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let rid: i64 = row.get(0)?;
            let text = |column: usize| -> Result<Option<String>, StoreError> {
                let packed = row.get_ref(column)?.as_blob_or_null().unwrap_or_default();
                packed
                    .map(|packed| self.unpack(packed, "edit", rid))
                    .transpose()
            };
            let id = row.get_ref(3)?.as_str().unwrap_or_default();
            let name = RecordName {
                peer: PeerId(row.get(1)?),
                reference: reference_of(rid, row.get(2)?, id)?,
            };
            let sent_seq: Option<i64> = row.get(16)?;
            all.push(Inspected {
                arrived_as: match sent_seq {
                    Some(seq) => self.arrived_as(&name, rid, seq)?,
                    None => None,
                },
                name,
                state: match row.get(4)? {
                    0 => EditState::Waiting,
                    1 => EditState::Conflict,
                    _ => EditState::Refused,
                },
                deleted: row.get(5)?,
                base: text(6)?,
                body: text(7)?,
                mine: text(8)?,
                theirs: text(9)?,
                base_version: row.get(10)?,
                theirs_version: row.get(11)?,
                under_way: row.get(12)?,
                refusal: row.get(13)?,
                changes: row.get(14)?,
                together: row
                    .get::<_, Option<String>>(15)?
                    .map(|all| all.split(',').map(str::to_owned).collect())
                    .unwrap_or_default(),
            });
        }
        let sql = "SELECT count(*) FROM outbox WHERE rid NOT IN (SELECT rid FROM edit)";
        let orphans = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok((all, orphans))
    }
}
