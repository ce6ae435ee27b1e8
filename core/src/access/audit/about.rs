//! Which entries are about whom: a table made from the entries, so that "who saw this patient" reads no more than its
//! answer.
//!
//! It follows behind the chain: a page with fifty patients would otherwise change fifty pages of the file before it is
//! released. Who asks first brings it up to date, some entries at a time, so that nobody's entry waits for long.

use super::{AuditEntry, AuditError};
use rusqlite::{Connection, TransactionBehavior};

/// Entries of one step.
const STEP: i64 = 64;

/// What an id in the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// A patient's.
    Patient,
    /// The person's who acted, or who handed a change on.
    Person,
}

impl Whose {
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Patient => 0,
            Self::Person => 1,
        }
    }
}

/// The rows of one entry, each once.
pub(super) fn rows(entry: &AuditEntry) -> Vec<(Whose, String)> {
    let mut patients = entry.about();
    patients.sort_unstable();
    patients.dedup();
    let mut all: Vec<_> = patients
        .into_iter()
        .map(|id| (Whose::Patient, id))
        .collect();
    all.push((Whose::Person, entry.person.clone()));
    if let Some(via) = entry.via.as_ref().filter(|id| **id != entry.person) {
        all.push((Whose::Person, via.clone()));
    }
    all
}

/// Brings some more entries into the table. `true`: all are in it.
pub(super) fn index_step(connection: &mut Connection) -> Result<bool, AuditError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = "SELECT indexed_to, seq FROM chain";
    let (from, end): (i64, i64) = tx
        .prepare_cached(sql)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if from >= end {
        return Ok(true);
    }
    let to = end.min(from.saturating_add(STEP));
    {
        let sql = "SELECT seq, body FROM entry WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
        let mut entries = tx.prepare_cached(sql)?;
        // A row that is there already was put there by hand; a check reports what it should not say.
        let mut insert =
            tx.prepare_cached("INSERT OR IGNORE INTO about (kind, id, seq) VALUES (?1, ?2, ?3)")?;
        let mut found = entries.query((from, to))?;
        while let Some(row) = found.next()? {
            let seq: i64 = row.get(0)?;
            for (whose, id) in rows(&entry_of(row, seq)?) {
                insert.execute((whose.number(), id, seq))?;
            }
        }
    }
    tx.prepare_cached("UPDATE chain SET indexed_to = ?1")?
        .execute([to])?;
    tx.commit()?;
    Ok(to == end)
}

/// The entry in a row of `seq, body`.
pub(super) fn entry_of(row: &rusqlite::Row<'_>, seq: i64) -> Result<AuditEntry, AuditError> {
    let body = row.get_ref(1)?.as_str().unwrap_or_default();
    serde_json::from_str(body).map_err(|_| AuditError::Broken { seq })
}
