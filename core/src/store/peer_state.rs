//! What syncs learned about a server. Nobody sets it, and all of it may be lost without harm but time.

use super::{PeerId, Reader, StoreError, Tx};
use crate::fhir::{Reference, ResourceType};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What syncs learned about one server. Times in ms since 1970; names are `Type/id`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerState {
    /// How far behind the newest stamp a pull begins, where records have shown up late; 0: none has.
    pub window_ms: i64,
    /// How the key of its newest connection was agreed.
    pub group: Option<String>,
    /// It asked not to be asked before.
    pub not_before_ms: Option<i64>,
    /// When the newest sync that went through ended.
    pub last_sync_ms: Option<i64>,
    /// Most changes that it took in one transaction, where it does not take as many as are sent.
    pub entries: Option<usize>,
    /// Types whose cursor is older than the window: nothing comes behind it any more. The cursor it is about.
    pub settled: BTreeMap<String, i64>,
    /// Deletions.
    pub history: HistoryState,
    /// The slow comparison of ids and versions.
    pub round: Round,
    /// Records it did not know when they were asked for, and when that was seen first.
    pub missing: BTreeMap<String, i64>,
    /// Records that could not be taken, and why, until they come through.
    pub skipped: BTreeMap<String, String>,
    /// Records that are here and were there once, and that it has lost since.
    pub only_here: BTreeSet<String>,
    /// When it was seen that an older copy of it had been put back, until all was compared.
    pub restored_ms: Option<i64>,
    /// So many records were missing there at once that none was deleted here.
    pub stopped: Option<Stopped>,
    /// A person has said that they may be deleted, in this round.
    pub deletions_allowed: bool,
}

/// How far the deletions of a server were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryState {
    /// Up to when, by the server's clock.
    pub since_ms: Option<i64>,
    /// Up to when for a type, where there is no history of all types.
    pub types: BTreeMap<String, i64>,
    /// When its types were asked.
    pub types_asked_ms: Option<i64>,
    /// When the history of all types was refused.
    pub refused_ms: Option<i64>,
    /// When a type's was.
    pub types_refused_ms: BTreeMap<String, i64>,
}

/// Where the comparison of ids and versions stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Round {
    /// The type whose turn it is; none: the first.
    pub kind: Option<String>,
    /// Where in it, by `lastUpdated`.
    pub from_ms: Option<i64>,
    /// When it last went on.
    pub at_ms: Option<i64>,
    /// Records deleted in this round.
    pub deleted: u64,
    /// Rounds that were completed.
    pub rounds: u64,
    /// Types that it cannot list by id alone.
    pub whole: BTreeSet<String>,
}

/// Too much was missing at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// When it was seen.
    pub at_ms: i64,
    /// Records that were missing.
    pub missing: u64,
    /// Of so many.
    pub of: u64,
}

/// What is known here about a record, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The server's version.
    pub version: Option<String>,
    /// Its stamp there, ms since 1970.
    pub updated_ms: i64,
    /// A local change waits.
    pub is_edited: bool,
}

/// Records of a type that came from a server, by their stamps: `from` included, `end` excluded (none: to the end).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stretch {
    /// By id.
    pub records: BTreeMap<String, Standing>,
    /// Where it ends.
    pub end_ms: Option<i64>,
}

impl Reader<'_> {
    /// What was learned about `peer`.
    pub(crate) fn peer_state(&self, peer: PeerId) -> Result<PeerState, StoreError> {
        let sql = "SELECT state FROM peer WHERE peer = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let packed: Option<Option<Vec<u8>>> =
            statement.query_row([peer.0], |row| row.get(0)).optional()?;
        let Some(packed) = packed.flatten() else {
            return Ok(PeerState::default());
        };
        let text = self.unpack(&packed, "peer state", peer.0)?;
        // Of another program version, perhaps. It is learned again.
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// The next records of a type from a stamp on: about `limit`, and all of one stamp together.
    pub(crate) fn stretch(
        &self,
        peer: PeerId,
        kind: ResourceType,
        from_ms: i64,
        limit: usize,
    ) -> Result<Stretch, StoreError> {
        // By the index of `_lastUpdated`: walking over the bodies would read every one of them.
        let sql = "SELECT rkey.id, body.version, body.updated_ms,
                          EXISTS (SELECT 1 FROM edit WHERE edit.rid = rkey.rid)
                   FROM ix JOIN rkey USING (rid) JOIN body USING (rid)
                   WHERE ix.p = (SELECT p FROM parameter WHERE type = ?1 AND code = '_lastUpdated')
                   AND ix.v >= ?2 AND rkey.peer = ?3 AND body.version IS NOT NULL ORDER BY ix.v";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((kind.number(), from_ms, peer.0))?;
        let mut stretch = Stretch::default();
        let mut last = from_ms;
        while let Some(row) = rows.next()? {
            let standing = Standing {
                version: row.get(1)?,
                updated_ms: row.get(2)?,
                is_edited: row.get(3)?,
            };
            if stretch.records.len() >= limit && standing.updated_ms > last {
                stretch.end_ms = Some(standing.updated_ms);
                break;
            }
            last = standing.updated_ms;
            stretch.records.insert(row.get(0)?, standing);
        }
        Ok(stretch)
    }

    /// What is known about a record of `peer`; `None`: nothing stands here.
    pub(crate) fn standing_of(
        &self,
        peer: PeerId,
        name: &Reference,
    ) -> Result<Option<Standing>, StoreError> {
        let Some(rid) = self.rid(peer.0, name)? else {
            return Ok(None);
        };
        let sql = "SELECT body.version, body.updated_ms, edit.rid IS NOT NULL, body.rid IS NOT NULL
                   FROM rkey LEFT JOIN body USING (rid) LEFT JOIN edit USING (rid) WHERE rkey.rid = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row<'_>| {
            let standing = Standing {
                version: row.get(0)?,
                updated_ms: row.get::<_, Option<i64>>(1)?.unwrap_or(0),
                is_edited: row.get(2)?,
            };
            let is_there: bool = row.get(3)?;
            Ok((is_there || standing.is_edited).then_some(standing))
        };
        Ok(statement.query_row([rid], read)?)
    }

    /// How many records came from `peer`.
    pub(crate) fn records_from(&self, peer: PeerId) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM rkey JOIN body USING (rid) WHERE peer = ?1";
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row([peer.0], |row| row.get(0))?)
    }
}

impl Tx<'_> {
    /// Changes what is known about `peer`.
    pub(crate) fn note_peer_state(
        &self,
        peer: PeerId,
        note: impl FnOnce(&mut PeerState),
    ) -> Result<(), StoreError> {
        let before = self.peer_state(peer)?;
        let mut after = before.clone();
        note(&mut after);
        if after == before {
            return Ok(());
        }
        let text = serde_json::to_string(&after).map_err(|_| StoreError::Codec)?;
        self.connection
            .prepare_cached("UPDATE peer SET state = ?2 WHERE peer = ?1")?
            .execute((peer.0, self.pack(&text)?))?;
        Ok(())
    }

    /// Everything is read from `peer` from the beginning.
    pub(crate) fn forget_cursors(&self, peer: PeerId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM pull_cursor WHERE peer = ?1")?
            .execute([peer.0])?;
        Ok(())
    }
}
