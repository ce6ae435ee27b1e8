//! The open audit file and the chain of its entries.

use super::about;
use super::anchor::Head;
use super::{AuditEntry, AuditError};
use crate::access::LostChanges;
use crate::crypto::Key;
use crate::crypto::kdf::{self, Purpose};
use crate::fhir::Instant;
use crate::store::StoreError;
use crate::store::database::{self, Ladder};
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, TransactionBehavior};
use sha2::Sha256;
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

pub(super) const LADDER: Ladder = Ladder {
    application_id: 0x5043_4131,
    steps: &[
        include_str!("../migrations/audit-0001.sql"),
        include_str!("../migrations/audit-0002.sql"),
    ],
};
/// A page that is asked for again within this time after its entry, by the same person, is the same look at it: screens
/// ask again whenever something changed. Counted from the entry, so that a screen left open has one each time.
const SAME_LOOK: Duration = Duration::from_secs(10);
/// Entries that are remembered for it.
const REMEMBERED: usize = 32;

/// The open audit file.
pub(in crate::access) struct AuditLog {
    pub(super) connection: Connection,
    /// What `PRAGMA synchronous` stands at.
    durable: bool,
    /// Newest entries of kinds that repeat on a screen, and when they were written on the clock that nobody can set.
    recent: VecDeque<(Duration, AuditEntry)>,
}

/// Where the chain goes on.
pub(super) struct Chain {
    pub(super) seq: i64,
    pub(super) key: Key,
    pub(super) mac: [u8; 32],
}

impl AuditLog {
    /// Makes the file.
    pub(in crate::access) fn create(
        path: &Path,
        key: &Key,
        salt: &[u8; 16],
        vault: &[u8; 16],
    ) -> Result<(), AuditError> {
        database::create(path, key, salt, LADDER)?;
        let connection = database::open(path, key, salt, LADDER)?;
        begin(&connection, key, vault)
    }

    pub(in crate::access) fn open(
        path: &Path,
        key: &Key,
        salt: &[u8; 16],
    ) -> Result<Self, AuditError> {
        Ok(Self {
            connection: database::open(path, key, salt, LADDER)?,
            durable: true,
            recent: VecDeque::with_capacity(REMEMBERED),
        })
    }

    /// Appends an entry. When this answers, what the entry is about may happen. `since_boot` tells a second look at the
    /// same page from the first.
    pub(in crate::access) fn append(
        &mut self,
        entry: &AuditEntry,
        since_boot: Duration,
    ) -> Result<(), AuditError> {
        let repeats = entry.kind.repeats_on_a_screen();
        if repeats && self.was_just_written(entry, since_boot) {
            return Ok(());
        }
        self.make_durable(entry.kind.must_survive_power_loss())?;
        let body = serde_json::to_string(entry).map_err(|_| StoreError::Codec)?;
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let chain = chain(&tx)?;
        let seq = chain.seq + 1;
        let mac = mac(&chain.key, &chain.mac, seq, &body)?;
        tx.prepare_cached("INSERT INTO entry (seq, body, mac) VALUES (?1, ?2, ?3)")?
            .execute((seq, &body, &mac[..]))?;
        let sql = "UPDATE chain SET seq = ?1, next_key = ?2, mac = ?3";
        tx.prepare_cached(sql)?
            .execute((seq, &next_key(&chain.key).expose()[..], &mac[..]))?;
        if let Some(revision) = entry.revision {
            let sql = "UPDATE chain SET revision = ?1, revision_at_ms = ?2 WHERE revision < ?1";
            tx.prepare_cached(sql)?.execute((revision, entry.at_ms))?;
        }
        tx.commit()?;
        if repeats {
            self.recent.truncate(REMEMBERED - 1);
            self.recent.push_front((since_boot, entry.clone()));
        }
        Ok(())
    }

    fn was_just_written(&self, entry: &AuditEntry, since_boot: Duration) -> bool {
        self.recent.iter().any(|(at, before)| {
            let same = entry.digest.is_some()
                && AuditEntry {
                    at_ms: entry.at_ms,
                    ..before.clone()
                } == *entry;
            same && since_boot.saturating_sub(*at) < SAME_LOOK
        })
    }

    fn make_durable(&mut self, durable: bool) -> Result<(), AuditError> {
        if self.durable != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.durable = durable;
        }
        Ok(())
    }

    /// Where the chain stands.
    pub(in crate::access) fn head(&self) -> Result<Head, AuditError> {
        head(&self.connection)
    }

    /// Newest store revision that a write was acknowledged with, and when.
    pub(in crate::access) fn acknowledged(&self) -> Result<(i64, Instant), AuditError> {
        let sql = "SELECT revision, revision_at_ms FROM chain";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Instant::from_epoch_ms(row.get(1)?)));
        Ok(self.connection.query_row(sql, [], row)?)
    }

    /// Keeps a loss until a person takes note of it. `acknowledged`: the revision that shows it; the same loss, found
    /// again because the store could not be lifted above it, counts once.
    pub(in crate::access) fn remember_loss(
        &mut self,
        acknowledged: i64,
        lost: LostChanges,
    ) -> Result<(), AuditError> {
        self.make_durable(true)?;
        let sql = "UPDATE chain SET lost_changes = lost_changes + ?2, lost_newest_ms = ?3, lost_revision = ?1
                   WHERE lost_revision <> ?1";
        self.connection
            .execute(sql, (acknowledged, lost.changes, lost.newest.epoch_ms()))?;
        Ok(())
    }

    /// The loss that is kept.
    pub(in crate::access) fn loss(&self) -> Result<Option<LostChanges>, AuditError> {
        let sql = "SELECT lost_changes, lost_newest_ms FROM chain";
        let row = |row: &rusqlite::Row<'_>| {
            Ok(LostChanges {
                changes: row.get(0)?,
                newest: Instant::from_epoch_ms(row.get(1)?),
            })
        };
        let lost = self.connection.query_row(sql, [], row)?;
        Ok((lost.changes > 0).then_some(lost))
    }

    /// Forgets it.
    pub(in crate::access) fn forget_loss(&mut self) -> Result<(), AuditError> {
        self.connection
            .execute("UPDATE chain SET lost_changes = 0", [])?;
        Ok(())
    }

    /// Newest entry that an anchor was kept for; 0: there never was one.
    pub(in crate::access) fn anchored(&self) -> Result<i64, AuditError> {
        let sql = "SELECT anchored FROM chain";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// An anchor for this entry lies outside of the file by now.
    pub(in crate::access) fn set_anchored(&mut self, seq: i64) -> Result<(), AuditError> {
        self.make_durable(true)?;
        self.connection
            .execute("UPDATE chain SET anchored = ?1", [seq])?;
        Ok(())
    }

    /// Brings some more entries into the index of patients and people. `true`: all are in it.
    pub(in crate::access) fn index_step(&mut self) -> Result<bool, AuditError> {
        self.make_durable(false)?;
        about::index_step(&mut self.connection)
    }

    /// Page MACs and structure of the file.
    pub(in crate::access) fn check(&self) -> Result<Vec<String>, AuditError> {
        Ok(database::check(&self.connection)?)
    }
}

/// The row that a new chain begins with.
pub(super) fn begin(
    connection: &Connection,
    key: &Key,
    vault: &[u8; 16],
) -> Result<(), AuditError> {
    let first = first_key(key, vault);
    let sql = "INSERT INTO chain (one, seq, next_key, mac, revision, revision_at_ms, lost_changes, lost_newest_ms,
                                  lost_revision) VALUES (1, 0, ?1, ?2, 0, 0, 0, 0, -1)";
    connection.execute(sql, (&first.expose()[..], &[0_u8; 32][..]))?;
    Ok(())
}

pub(super) fn first_key(file_key: &Key, vault: &[u8; 16]) -> Key {
    kdf::derive(file_key, Purpose::AuditChain, vault, 1)
}

pub(super) fn next_key(key: &Key) -> Key {
    kdf::derive(key, Purpose::AuditRatchet, &[], 1)
}

pub(super) fn head(connection: &Connection) -> Result<Head, AuditError> {
    let chain = chain(connection)?;
    Ok(Head {
        seq: chain.seq,
        mac: chain.mac,
    })
}

pub(super) fn chain(connection: &Connection) -> Result<Chain, AuditError> {
    let mut statement = connection.prepare_cached("SELECT seq, next_key, mac FROM chain")?;
    let mut rows = statement.query([])?;
    let row = rows.next()?.ok_or(AuditError::Broken { seq: 0 })?;
    let seq = row.get(0)?;
    let broken = || AuditError::Broken { seq };
    let (key, mac) = (
        row.get_ref(1)?.as_blob().unwrap_or_default(),
        row.get_ref(2)?.as_blob().unwrap_or_default(),
    );
    Ok(Chain {
        seq,
        key: Key::filled_by(|out| {
            (key.len() == out.len())
                .then(|| out.copy_from_slice(key))
                .ok_or_else(broken)
        })?,
        mac: mac.try_into().map_err(|_| broken())?,
    })
}

pub(super) fn mac(
    key: &Key,
    before: &[u8; 32],
    seq: i64,
    body: &str,
) -> Result<[u8; 32], AuditError> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.expose()).map_err(|_| AuditError::Broken { seq })?;
    mac.update(before);
    mac.update(&seq.to_be_bytes());
    mac.update(body.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}
