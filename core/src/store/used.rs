//! What of a store is still used: the rest does not come along when it is copied row by row.
//!
//! A deletion leaves things behind on purpose, since looking for their last user would cost more than they do: terms
//! (identifiers, phone numbers), names of records that nobody has or refers to, dictionaries that no body is packed
//! with. Where it is not certain that something is dead, it is kept.

use super::{Reader, StoreError};
use crate::fhir::ResourceType;
use crate::fhir::params::{self, ParameterKind};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::collections::{HashMap, HashSet};

/// Which columns hold a record's row number. The index is looked at by itself; a table that is not named here may hold
/// them in any column, so that every number in it counts.
const RECORD_COLUMNS: &[(&str, &[&str])] = &[
    ("accepted", &["rid"]),
    ("body", &["rid"]),
    ("change_made", &["rid"]),
    ("clinical", &["rid"]),
    ("compartment", &["rid", "patient"]),
    ("dictionary", &[]),
    ("edit", &["rid"]),
    ("ix", &[]),
    ("outbox", &["rid"]),
    ("parameter", &[]),
    ("peer", &[]),
    ("pull_cursor", &[]),
    ("registry", &[]),
    ("rkey", &[]),
    ("secret", &[]),
    ("setting", &[]),
    ("term", &[]),
    ("version", &["rid"]),
    ("wish", &[]),
];

/// What is used.
pub(super) struct Used {
    /// `None`: all of them.
    terms: Option<Numbers>,
    records: Option<Numbers>,
    dictionaries: HashSet<i64>,
}

/// A set of row numbers, which begin at 1 and have few gaps.
#[derive(Default)]
struct Numbers(Vec<u64>);

impl Numbers {
    /// Beyond any table that was ever filled, and 32 MiB of memory.
    const LIMIT: i64 = 1 << 28;

    fn add(&mut self, number: i64) {
        let Some((word, bit)) = Self::place(number) else {
            return;
        };
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// Whether it is in; what is too large to be told is.
    fn has(&self, number: i64) -> bool {
        Self::place(number)
            .is_none_or(|(word, bit)| self.0.get(word).is_some_and(|bits| bits & bit != 0))
    }

    fn place(number: i64) -> Option<(usize, u64)> {
        let at = usize::try_from(number)
            .ok()
            .filter(|_| number < Self::LIMIT)?;
        Some((at / 64, 1 << (at % 64)))
    }
}

impl Used {
    /// Looks through the index and every table with row numbers.
    pub(super) fn of(reader: &Reader<'_>) -> Result<Self, StoreError> {
        let connection = reader.connection;
        let sql = "SELECT dict FROM body UNION SELECT dict FROM version";
        let mut statement = connection.prepare(sql)?;
        let dictionaries = statement
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut used = Self {
            terms: None,
            records: None,
            dictionaries,
        };
        if reader.index_is_old()? {
            // Rows of another generation mean what that one knew.
            return Ok(used);
        }
        let (mut terms, mut records) = (Numbers::default(), Numbers::default());
        let kinds = parameters(reader)?;
        let mut statement = connection.prepare("SELECT p, v, o, rid FROM ix")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            records.add(row.get(3)?);
            let (v, o) = (number(row, 1)?, number(row, 2)?);
            match kinds.get(&row.get(0)?) {
                Some(ParameterKind::Quantity) => o.into_iter().for_each(|o| terms.add(o)),
                Some(ParameterKind::Reference) => v.into_iter().for_each(|v| records.add(v)),
                Some(ParameterKind::Token | ParameterKind::Uri) => {
                    v.into_iter().for_each(|v| terms.add(v))
                }
                Some(_) => {}
                None => return Ok(used),
            }
        }
        drop(rows);
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let mut statement = connection.prepare(sql)?;
        let tables: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for table in tables {
            add_records(connection, &table, &mut records)?;
        }
        (used.terms, used.records) = (Some(terms), Some(records));
        Ok(used)
    }

    /// Whether a row of this table comes along. Its own number is in its first column.
    pub(super) fn keeps(&self, table: &str, row: &Row<'_>) -> Result<bool, StoreError> {
        Ok(match table {
            "term" => is_in(self.terms.as_ref(), row.get(0)?),
            "rkey" => is_in(self.records.as_ref(), row.get(0)?),
            "dictionary" => self.dictionaries.contains(&row.get(0)?),
            "setting" => !matches!(
                row.get_ref(0)?.as_str(),
                Ok("reindexed_rid" | "reindexing_generation")
            ),
            _ => true,
        })
    }
}

fn is_in(numbers: Option<&Numbers>, number: i64) -> bool {
    numbers.is_none_or(|numbers| numbers.has(number))
}

/// What each parameter's rows hold; `None`: a parameter this program does not know.
fn parameters(reader: &Reader<'_>) -> Result<HashMap<i64, ParameterKind>, StoreError> {
    let mut statement = reader
        .connection
        .prepare("SELECT p, type, code FROM parameter")?;
    let mut rows = statement.query([])?;
    let mut kinds = HashMap::new();
    while let Some(row) = rows.next()? {
        let code: String = row.get(2)?;
        let found = ResourceType::numbered(row.get(1)?).and_then(|kind| params::find(kind, &code));
        if let Some(parameter) = found {
            kinds.insert(row.get(0)?, parameter.kind);
        }
    }
    Ok(kinds)
}

/// The row numbers of records in one table.
fn add_records(
    connection: &Connection,
    table: &str,
    records: &mut Numbers,
) -> Result<(), StoreError> {
    let known = RECORD_COLUMNS.iter().find(|(name, _)| *name == table);
    let columns = match known {
        Some((_, [])) => return Ok(()),
        Some((_, columns)) => columns.join(", "),
        None => "*".to_owned(),
    };
    let mut statement = connection.prepare(&format!("SELECT {columns} FROM {table}"))?;
    let count = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for at in 0..count {
            number(row, at)?
                .into_iter()
                .for_each(|rid| records.add(rid));
        }
    }
    Ok(())
}

fn number(row: &Row<'_>, at: usize) -> Result<Option<i64>, StoreError> {
    Ok(match row.get_ref(at)? {
        ValueRef::Integer(number) => Some(number),
        _ => None,
    })
}
