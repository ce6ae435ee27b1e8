//! The audit trail: who saw or changed what, in a file of its own.
//!
//! Its own file, so that a first load that keeps the store's writer busy never keeps a reader waiting. An entry is
//! written before its record is handed out, so the trail may say "about to be released" of something that never was;
//! never the other way round.
//!
//! Entries form a chain of MACs whose key moves on with each entry (a ratchet). Without an operator who holds the first
//! key elsewhere it can be recomputed by whoever holds the vault's root key: it shows accidents, not insiders.

mod entry;

pub use entry::{AuditEntry, AuditKind, Change};

use super::LostChanges;
use crate::crypto::Key;
use crate::crypto::kdf::{self, Purpose};
use crate::fhir::Instant;
use crate::store::StoreError;
use crate::store::database::{self, Ladder};
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, TransactionBehavior};
use sha2::Sha256;
use std::path::Path;

const LADDER: Ladder = Ladder {
    application_id: 0x5043_4131,
    steps: &[include_str!("../migrations/audit-0001.sql")],
};

/// Why the audit trail did not take or give an entry.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Its file.
    #[error("audit trail: {0}")]
    Store(#[from] StoreError),
    /// The chain does not hold.
    #[error("audit trail: entry {seq} was changed, or one before it was removed")]
    Broken {
        /// The first entry that does not fit.
        seq: i64,
    },
}

impl From<rusqlite::Error> for AuditError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The open audit file.
pub(super) struct AuditLog {
    connection: Connection,
}

/// Where the chain goes on.
struct Chain {
    seq: i64,
    key: Key,
    mac: [u8; 32],
}

impl AuditLog {
    /// Makes the file.
    pub(super) fn create(
        path: &Path,
        key: &Key,
        salt: &[u8; 16],
        vault: &[u8; 16],
    ) -> Result<(), AuditError> {
        database::create(path, key, salt, LADDER)?;
        let connection = database::open(path, key, salt, LADDER)?;
        let first = first_key(key, vault);
        let sql = "INSERT INTO chain (one, seq, next_key, mac, revision, revision_at_ms, lost_changes, lost_newest_ms,
                                      lost_revision) VALUES (1, 0, ?1, ?2, 0, 0, 0, 0, -1)";
        connection.execute(sql, (&first.expose()[..], &[0_u8; 32][..]))?;
        Ok(())
    }

    pub(super) fn open(path: &Path, key: &Key, salt: &[u8; 16]) -> Result<Self, AuditError> {
        Ok(Self {
            connection: database::open(path, key, salt, LADDER)?,
        })
    }

    /// Appends an entry. When this answers, what the entry is about may happen.
    pub(super) fn append(&mut self, entry: &AuditEntry) -> Result<(), AuditError> {
        let level = if entry.kind.must_survive_power_loss() {
            "FULL"
        } else {
            "NORMAL"
        };
        self.connection.pragma_update(None, "synchronous", level)?;
        let body = serde_json::to_string(entry).map_err(|_| StoreError::Codec)?;
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let chain = chain(&tx)?;
        let seq = chain.seq + 1;
        let mac = mac(&chain.key, &chain.mac, seq, &body)?;
        tx.prepare_cached("INSERT INTO entry (seq, body, mac) VALUES (?1, ?2, ?3)")?
            .execute((seq, &body, &mac[..]))?;
        let next = kdf::derive(&chain.key, Purpose::AuditRatchet, &[], 1);
        let sql = "UPDATE chain SET seq = ?1, next_key = ?2, mac = ?3";
        tx.prepare_cached(sql)?
            .execute((seq, &next.expose()[..], &mac[..]))?;
        if let Some(revision) = entry.revision {
            let sql = "UPDATE chain SET revision = ?1, revision_at_ms = ?2 WHERE revision < ?1";
            tx.prepare_cached(sql)?.execute((revision, entry.at_ms))?;
        }
        tx.commit()?;
        Ok(())
    }

    /// Newest store revision that a write was acknowledged with, and when.
    pub(super) fn acknowledged(&self) -> Result<(i64, Instant), AuditError> {
        let sql = "SELECT revision, revision_at_ms FROM chain";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Instant::from_epoch_ms(row.get(1)?)));
        Ok(self.connection.query_row(sql, [], row)?)
    }

    /// Keeps a loss until a person takes note of it. `acknowledged`: the revision that shows it; the same loss, found
    /// again because the store could not be lifted above it, counts once.
    pub(super) fn remember_loss(
        &mut self,
        acknowledged: i64,
        lost: LostChanges,
    ) -> Result<(), AuditError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let sql = "UPDATE chain SET lost_changes = lost_changes + ?2, lost_newest_ms = ?3, lost_revision = ?1
                   WHERE lost_revision <> ?1";
        self.connection
            .execute(sql, (acknowledged, lost.changes, lost.newest.epoch_ms()))?;
        Ok(())
    }

    /// The loss that is kept.
    pub(super) fn loss(&self) -> Result<Option<LostChanges>, AuditError> {
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
    pub(super) fn forget_loss(&mut self) -> Result<(), AuditError> {
        self.connection
            .execute("UPDATE chain SET lost_changes = 0", [])?;
        Ok(())
    }

    /// All entries, oldest first.
    pub(super) fn entries(&self) -> Result<Vec<AuditEntry>, AuditError> {
        let mut statement = self
            .connection
            .prepare("SELECT seq, body FROM entry ORDER BY seq")?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            let body = row.get_ref(1)?.as_str().unwrap_or_default();
            all.push(serde_json::from_str(body).map_err(|_| AuditError::Broken { seq })?);
        }
        Ok(all)
    }

    /// Recomputes the whole chain. Answers with the number of entries.
    ///
    /// What it cannot see: a tail that was cut off together with the `chain` row, as an older copy of the file has it.
    pub(super) fn verify(&self, key: &Key, vault: &[u8; 16]) -> Result<i64, AuditError> {
        let end = chain(&self.connection)?;
        let mut at = Chain {
            seq: 0,
            key: first_key(key, vault),
            mac: [0; 32],
        };
        let mut statement = self
            .connection
            .prepare("SELECT seq, body, mac FROM entry ORDER BY seq")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            let body = row
                .get_ref(1)?
                .as_str()
                .map_err(|_| AuditError::Broken { seq })?;
            let expected = mac(&at.key, &at.mac, at.seq + 1, body)?;
            if seq != at.seq + 1 || row.get_ref(2)?.as_blob().ok() != Some(&expected[..]) {
                return Err(AuditError::Broken { seq });
            }
            at = Chain {
                seq,
                key: kdf::derive(&at.key, Purpose::AuditRatchet, &[], 1),
                mac: expected,
            };
        }
        let fits = (at.seq, at.mac) == (end.seq, end.mac) && at.key.expose() == end.key.expose();
        if fits {
            Ok(at.seq)
        } else {
            Err(AuditError::Broken { seq: at.seq + 1 })
        }
    }

    /// Page MACs and structure of the file.
    pub(super) fn check(&self) -> Result<Vec<String>, AuditError> {
        Ok(database::check(&self.connection)?)
    }
}

fn first_key(file_key: &Key, vault: &[u8; 16]) -> Key {
    kdf::derive(file_key, Purpose::AuditChain, vault, 1)
}

fn chain(connection: &Connection) -> Result<Chain, AuditError> {
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

fn mac(key: &Key, before: &[u8; 32], seq: i64, body: &str) -> Result<[u8; 32], AuditError> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.expose()).map_err(|_| AuditError::Broken { seq })?;
    mac.update(before);
    mac.update(&seq.to_be_bytes());
    mac.update(body.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: [u8; 16] = [3; 16];

    fn entry(what: &str, revision: Option<i64>) -> AuditEntry {
        AuditEntry {
            what: what.into(),
            revision,
            ..AuditEntry::new(1_000, "owner", AuditKind::Written)
        }
    }

    fn filled(folder: &Path) -> (AuditLog, Key) {
        let (path, key) = (folder.join("audit.db"), Key::make_random().unwrap());
        AuditLog::create(&path, &key, &[1; 16], &VAULT).unwrap();
        let mut log = AuditLog::open(&path, &key, &[1; 16]).unwrap();
        for n in 1..=20 {
            log.append(&entry(&format!("Patient/{n}"), Some(n)))
                .unwrap();
        }
        (log, key)
    }

    #[test]
    fn the_ladder_climbs_from_every_step() {
        database::assert_every_step_climbs(LADDER);
    }

    #[test]
    fn entries_come_back_and_the_chain_holds() {
        let folder = tempfile::tempdir().unwrap();
        let (log, key) = filled(folder.path());
        assert_eq!(log.verify(&key, &VAULT).unwrap(), 20);
        assert_eq!(log.entries().unwrap()[4], entry("Patient/5", Some(5)));
        assert_eq!(
            log.acknowledged().unwrap(),
            (20, Instant::from_epoch_ms(1_000))
        );
        assert!(log.check().unwrap().is_empty());
    }

    #[test]
    fn changed_removed_and_reordered_entries_are_found() {
        for sql in [
            "UPDATE entry SET body = replace(body, 'Patient/7', 'Patient/8') WHERE seq = 7",
            "UPDATE entry SET mac = zeroblob(32) WHERE seq = 7",
            "DELETE FROM entry WHERE seq = 7",
            "DELETE FROM entry WHERE seq = 20",
            "DELETE FROM entry WHERE seq = 1",
            "DELETE FROM entry WHERE seq = 7; UPDATE entry SET seq = seq - 1 WHERE seq > 7",
            "UPDATE entry SET seq = 100 WHERE seq = 7; UPDATE entry SET seq = 7 WHERE seq = 8; UPDATE entry SET seq = 8 WHERE seq = 100",
            "INSERT INTO entry SELECT 21, body, mac FROM entry WHERE seq = 20",
            "UPDATE chain SET next_key = zeroblob(32)",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (log, key) = filled(folder.path());
            log.connection.execute_batch(sql).unwrap();
            assert!(
                matches!(log.verify(&key, &VAULT), Err(AuditError::Broken { .. })),
                "{sql}"
            );
        }
    }

    #[test]
    fn old_keys_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (log, key) = filled(folder.path());
        let now: Vec<u8> = log
            .connection
            .query_row("SELECT next_key FROM chain", [], |r| r.get(0))
            .unwrap();
        assert_ne!(now, first_key(&key, &VAULT).expose());
    }
}
