//! The servers a vault syncs with, and how far each was read.

use super::{Reader, StoreError, Tx};
use crate::fhir::{Instant, ResourceType};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A server, by its number in this vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub(super) i64);

impl PeerId {
    /// The first server; records made here belong to it. On the hub: the hub itself.
    pub const FIRST: Self = Self(1);

    /// Its number.
    pub(crate) fn number(self) -> i64 {
        self.0
    }
}

/// What is known about a server beside its URL.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerSettings {
    /// Certificates (PEM) of the operator's own authority.
    pub ca_pem: Option<String>,
    /// Bearer token.
    pub token: Option<String>,
    /// Id of the only patient whose records are read; none: everything the token may see.
    pub patient: Option<String>,
}

/// The token is a secret.
impl fmt::Debug for PeerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerSettings(..)")
    }
}

/// How far one type was read from one server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullCursor {
    /// Newest `lastUpdated` seen.
    pub newest: Option<Instant>,
    /// Link to the next page, where the last pull was cut off.
    pub next: Option<String>,
}

impl Reader<'_> {
    /// Servers with a URL, in the order they were added.
    pub(crate) fn peers(&self) -> Result<Vec<(PeerId, String, PeerSettings)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT peer, url, settings FROM peer WHERE url IS NOT NULL ORDER BY peer",
        )?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let peer = row.get(0)?;
            let text = self.unpack(
                row.get_ref(2)?.as_blob().unwrap_or_default(),
                "peer settings",
                peer,
            )?;
            let damaged = |_| StoreError::DamagedValue {
                what: "peer settings",
                row: peer,
            };
            all.push((
                PeerId(peer),
                row.get(1)?,
                serde_json::from_str(&text).map_err(damaged)?,
            ));
        }
        Ok(all)
    }

    /// How far `kind` was read from `peer`.
    pub(crate) fn pull_cursor(
        &self,
        peer: PeerId,
        kind: ResourceType,
    ) -> Result<PullCursor, StoreError> {
        let sql = "SELECT newest_ms, next FROM pull_cursor WHERE peer = ?1 AND type = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
        };
        let Some((newest_ms, next)) = statement
            .query_row((peer.0, kind.number()), row)
            .optional()?
        else {
            return Ok(PullCursor::default());
        };
        let next = next
            .map(|packed| self.unpack(&packed, "pull cursor", kind.number()))
            .transpose()?;
        Ok(PullCursor {
            newest: Some(Instant::from_epoch_ms(newest_ms)),
            next,
        })
    }
}

impl Tx<'_> {
    /// Makes the row of [`PeerId::FIRST`].
    pub(super) fn ensure_first_peer(&self) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO peer (peer, url, settings) VALUES (?1, NULL, ?2)";
        self.connection
            .execute(sql, (PeerId::FIRST.0, self.pack("{}")?))?;
        Ok(())
    }

    /// Remembers a server. The first one gets the records made before it was known. Where other records are to be read
    /// from now on, they are read from the beginning: a cursor says nothing about what was left out before.
    pub(crate) fn remember_peer(
        &self,
        url: &str,
        settings: &PeerSettings,
    ) -> Result<PeerId, StoreError> {
        let text = serde_json::to_string(settings).map_err(|_| StoreError::Codec)?;
        let packed = self.pack(&text)?;
        for (peer, known_url, known) in self.peers()? {
            if known_url == url && known.patient != settings.patient {
                self.connection
                    .prepare_cached("DELETE FROM pull_cursor WHERE peer = ?1")?
                    .execute([peer.0])?;
            }
        }
        let known = "UPDATE peer SET settings = ?2 WHERE url = ?1 RETURNING peer";
        let first =
            "UPDATE peer SET url = ?1, settings = ?2 WHERE peer = 1 AND url IS NULL RETURNING peer";
        let new = "INSERT INTO peer (url, settings) VALUES (?1, ?2) RETURNING peer";
        for sql in [known, first] {
            let mut statement = self.connection.prepare_cached(sql)?;
            let found = statement
                .query((url, &packed))?
                .next()?
                .map(|row| row.get(0))
                .transpose()?;
            if let Some(peer) = found {
                return Ok(PeerId(peer));
            }
        }
        Ok(PeerId(
            self.connection
                .prepare_cached(new)?
                .query_row((url, &packed), |row| row.get(0))?,
        ))
    }

    /// A known server at another address: its records stay its records. What was cut off in the middle is read from the
    /// beginning, because its link leads to the old address.
    pub(crate) fn move_peer(
        &self,
        peer: PeerId,
        url: &str,
        settings: &PeerSettings,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(settings).map_err(|_| StoreError::Codec)?;
        let packed = self.pack(&text)?;
        let known = self.peers()?.into_iter().find(|(known, ..)| *known == peer);
        let other_records = known.is_none_or(|(_, _, known)| known.patient != settings.patient);
        self.connection
            .prepare_cached("DELETE FROM pull_cursor WHERE peer = ?1 AND (?2 OR next IS NOT NULL)")?
            .execute((peer.0, other_records))?;
        self.connection
            .prepare_cached("UPDATE peer SET url = ?2, settings = ?3 WHERE peer = ?1")?
            .execute((peer.0, url, packed))?;
        Ok(())
    }

    /// Moves a pull cursor; belongs into the transaction of the page it describes.
    pub(crate) fn set_pull_cursor(
        &self,
        peer: PeerId,
        kind: ResourceType,
        cursor: &PullCursor,
    ) -> Result<(), StoreError> {
        let Some(newest) = cursor.newest else {
            return Ok(());
        };
        let next = cursor
            .next
            .as_deref()
            .map(|url| self.pack(url))
            .transpose()?;
        let sql = "INSERT INTO pull_cursor (peer, type, newest_ms, next) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT DO UPDATE SET newest_ms = excluded.newest_ms, next = excluded.next";
        self.connection.prepare_cached(sql)?.execute((
            peer.0,
            kind.number(),
            newest.epoch_ms(),
            next,
        ))?;
        Ok(())
    }
}
