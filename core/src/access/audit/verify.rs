//! Does the trail still say what was written?
//!
//! The chain is computed anew from its first key, one entry at a time, and the table of whom entries are about is held
//! against them. What cannot be seen here: a tail that was cut off together with the row that names the end, as an
//! older copy of the file has it, unless an anchor outside of the file names a later entry.

use super::about::{self, entry_of};
use super::anchor::Anchor;
use super::chain::{Chain, chain, first_key, mac, next_key};
use super::{AuditEntry, AuditError};
use crate::crypto::Key;
use rusqlite::{Connection, Statement};

/// Entries between two questions whether to go on.
const STEP: i64 = 1_000;

/// Checks everything in one snapshot. Answers with the number of entries. `goes_on` is asked now and then.
pub(super) fn verify(
    connection: &mut Connection,
    file_key: &Key,
    vault: &[u8; 16],
    anchor: Option<&Anchor>,
    goes_on: impl Fn() -> bool,
) -> Result<i64, AuditError> {
    let tx = connection.transaction()?;
    let end = chain(&tx)?;
    let mut index = Index::of(&tx)?;
    let mut at = Chain {
        seq: 0,
        key: first_key(file_key, vault),
        mac: [0; 32],
    };
    let mut statement = tx.prepare("SELECT seq, body, mac FROM entry ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let broken = || AuditError::Broken { seq };
        let body = row.get_ref(1)?.as_str().map_err(|_| broken())?;
        let expected = mac(&at.key, &at.mac, at.seq + 1, body)?;
        if seq != at.seq + 1 || row.get_ref(2)?.as_blob().ok() != Some(&expected[..]) {
            return Err(broken());
        }
        if let Some(anchor) = anchor.filter(|a| a.head.seq == seq && a.head.mac != expected) {
            return Err(AuditError::Forked { seq, at: anchor.at });
        }
        index.hold_against(seq, &entry_of(row, seq)?)?;
        at = Chain {
            seq,
            key: next_key(&at.key),
            mac: expected,
        };
        if seq % STEP == 0 && !goes_on() {
            return Err(AuditError::Stopped);
        }
    }
    let fits = (at.seq, at.mac) == (end.seq, end.mac) && at.key.expose() == end.key.expose();
    if !fits {
        return Err(AuditError::Broken { seq: at.seq + 1 });
    }
    index.end(&tx)?;
    match anchor {
        Some(anchor) if anchor.head.seq > at.seq => Err(AuditError::Cut {
            found: at.seq,
            anchored: anchor.head.seq,
            at: anchor.at,
        }),
        _ => Ok(at.seq),
    }
}

/// The table, while the entries go by.
struct Index<'c> {
    row: Statement<'c>,
    to: i64,
    seen: i64,
}

impl<'c> Index<'c> {
    fn of(connection: &'c Connection) -> Result<Self, AuditError> {
        let sql = "SELECT 1 FROM about WHERE kind = ?1 AND id = ?2 AND seq = ?3";
        Ok(Self {
            row: connection.prepare(sql)?,
            to: connection.query_row("SELECT indexed_to FROM chain", [], |row| row.get(0))?,
            seen: 0,
        })
    }

    /// Every row that the entry gives is there.
    fn hold_against(&mut self, seq: i64, entry: &AuditEntry) -> Result<(), AuditError> {
        if seq > self.to {
            return Ok(());
        }
        for (whose, id) in about::rows(entry) {
            if !self.row.exists((whose.number(), id, seq))? {
                return Err(AuditError::Index { seq });
            }
            self.seen += 1;
        }
        Ok(())
    }

    /// And no other row is.
    fn end(self, connection: &Connection) -> Result<(), AuditError> {
        let count: i64 =
            connection.query_row("SELECT count(*) FROM about", [], |row| row.get(0))?;
        if count == self.seen {
            return Ok(());
        }
        // Which one: entries are few behind a wrong row, so look at each that the table names.
        let mut named = connection.prepare(
            "SELECT about.seq, entry.body, count(*) FROM about LEFT JOIN entry ON entry.seq = about.seq
             GROUP BY about.seq ORDER BY about.seq",
        )?;
        let mut rows = named.query([])?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            let count: usize = row.get(2)?;
            let right = match row.get_ref(1)? {
                rusqlite::types::ValueRef::Null => 0,
                _ => about::rows(&entry_of(row, seq)?).len(),
            };
            if seq > self.to || right != count {
                return Err(AuditError::Index { seq });
            }
        }
        Err(AuditError::Index { seq: self.to })
    }
}
