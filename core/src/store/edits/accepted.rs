//! Which server took which change.

use crate::fhir::Instant;
use crate::store::records::{RecordName, reference_of};
use crate::store::{PeerId, Reader, StoreError, Tx};

/// The newest change of a record that a server took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The record.
    pub name: RecordName,
    /// UUID of the change.
    pub change: String,
    /// Id of its author.
    pub author: String,
    /// The server that took it; may be another one than the record's own.
    pub by: PeerId,
    /// The version it made there; `None`: it was a deletion, or the server gives no versions.
    pub version: Option<String>,
    /// When this device learned of it.
    pub at: Instant,
}

impl Reader<'_> {
    /// What servers took, newest first, of records that may be seen.
    pub(crate) fn accepted(&self, limit: usize) -> Result<Vec<Accepted>, StoreError> {
        let sql =
            "SELECT rid, rkey.peer, type, id, change_id, author, accepted.peer, version, at_ms
                   FROM accepted JOIN rkey USING (rid) ORDER BY at_ms DESC, rid DESC";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while all.len() < limit
            && let Some(row) = rows.next()?
        {
            let rid = row.get(0)?;
            let id = row.get_ref(3)?.as_str().unwrap_or_default();
            let reference = reference_of(rid, row.get(2)?, id)?;
            if !self.may_see(rid, reference.kind)? {
                continue;
            }
            all.push(Accepted {
                name: RecordName {
                    peer: PeerId(row.get(1)?),
                    reference,
                },
                change: row.get(4)?,
                author: row.get(5)?,
                by: PeerId(row.get(6)?),
                version: row.get(7)?,
                at: Instant::from_epoch_ms(row.get(8)?),
            });
        }
        Ok(all)
    }
}

impl Tx<'_> {
    /// Notes that the record's server took its changes up to `seq`. Before they leave the outbox.
    pub(super) fn note_accepted(
        &self,
        rid: i64,
        seq: i64,
        version: Option<&str>,
        at: Instant,
    ) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO accepted (rid, change_id, author, peer, version, at_ms)
                   SELECT rid, change_id, author, (SELECT peer FROM rkey WHERE rkey.rid = ?1), ?3, ?4
                   FROM outbox WHERE rid = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1
                   ON CONFLICT (rid) DO UPDATE SET change_id = excluded.change_id, author = excluded.author,
                   peer = excluded.peer, version = excluded.version, at_ms = excluded.at_ms";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, seq, version, at.epoch_ms()))?;
        Ok(())
    }
}
