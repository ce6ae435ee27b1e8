//! Reading the trail, on a connection of its own: whoever looks at it, checks it or exports it keeps no entry waiting.

use super::about::{Whose, entry_of};
use super::anchor::Anchor;
use super::who::{TrailFilter, TrailPage};
use super::{AuditEntry, AuditError, verify};
use crate::crypto::Key;
use crate::store::database;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// Entries looked at between two questions whether to go on.
const STEP: usize = 1_000;

/// A connection that only reads.
pub(in crate::access) struct AuditReader {
    connection: Connection,
}

impl AuditReader {
    pub(in crate::access) fn open(
        path: &Path,
        key: &Key,
        salt: &[u8; 16],
    ) -> Result<Self, AuditError> {
        Ok(Self {
            connection: database::open_reader(path, key, salt)?,
        })
    }

    /// The newest entries that fit, newest first. Those of one patient or person must be in the index by now.
    pub(in crate::access) fn page(
        &self,
        filter: &TrailFilter,
        goes_on: impl Fn() -> bool,
    ) -> Result<TrailPage, AuditError> {
        let before = filter.before.unwrap_or(i64::MAX);
        let wanted = match (&filter.patient, &filter.person) {
            (Some(patient), _) => Some((Whose::Patient, patient.as_str())),
            (None, Some(person)) => Some((Whose::Person, person.as_str())),
            (None, None) => None,
        };
        let (sql, values) = match wanted {
            Some((whose, id)) => (
                "SELECT entry.seq, entry.body FROM about CROSS JOIN entry ON entry.seq = about.seq
                 WHERE about.kind = ?1 AND about.id = ?2 AND about.seq < ?3 ORDER BY about.seq DESC",
                vec![
                    Value::from(whose.number()),
                    Value::from(id.to_owned()),
                    Value::from(before),
                ],
            ),
            None => (
                "SELECT seq, body FROM entry WHERE seq < ?1 ORDER BY seq DESC",
                vec![Value::from(before)],
            ),
        };
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let (mut entries, mut looked_at) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            let entry = entry_of(row, seq)?;
            if filter.fits(&entry) {
                if entries.len() == filter.limit {
                    let next = entries.last().map(|(seq, _)| *seq);
                    return Ok(TrailPage { entries, next });
                }
                entries.push((seq, entry));
            }
            looked_at += 1;
            if looked_at % STEP == 0 && !goes_on() {
                return Err(AuditError::Stopped);
            }
        }
        Ok(TrailPage {
            entries,
            next: None,
        })
    }

    /// Up to `limit` entries behind number `after` and up to `end`, oldest first.
    pub(in crate::access) fn forward(
        &self,
        after: i64,
        end: i64,
        limit: usize,
    ) -> Result<Vec<(i64, AuditEntry)>, AuditError> {
        let sql = "SELECT seq, body FROM entry WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((after, end, limit))?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            entries.push((seq, entry_of(row, seq)?));
        }
        Ok(entries)
    }

    /// The MAC of entry `seq`, as it stands there.
    pub(in crate::access) fn mac_of(&self, seq: i64) -> Result<Option<[u8; 32]>, AuditError> {
        let sql = "SELECT mac FROM entry WHERE seq = ?1";
        let mac: Option<Vec<u8>> = self
            .connection
            .query_row(sql, [seq], |row| row.get(0))
            .optional()?;
        // One of another length is none that an anchor could name.
        Ok(mac.map(|mac| mac.try_into().unwrap_or([0; 32])))
    }

    /// Checks the whole trail; see [`verify::verify`].
    pub(in crate::access) fn verify(
        &mut self,
        file_key: &Key,
        vault: &[u8; 16],
        anchor: Option<&Anchor>,
        goes_on: impl Fn() -> bool,
    ) -> Result<i64, AuditError> {
        verify::verify(&mut self.connection, file_key, vault, anchor, goes_on)
    }
}
