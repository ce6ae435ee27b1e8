//! The store in a new file, under a new key and salt.
//!
//! A new data key is a new file: `PRAGMA rekey` would rewrite the open one in place, and every other connection would
//! see "not a database" from then on. Two ways, and the same checks behind both:
//!
//! - **pages**: SQLite's online backup, which reads each page with the old key and writes it with the new one. Fast, and
//!   the copy is the same database, free pages included;
//! - **rows**: table by table in the order of their keys. What is dead does not come along (free pages, deleted rows,
//!   terms and names that nothing refers to any more, dictionaries that no record is packed with), and the file gets as
//!   small as its content.
//!
//! The copy is an ordinary file that nobody knows until the vault's header names it. So it is written without a journal,
//! and what went wrong with it is deleted. It counts only once it was compared with the original, row by row.

use super::transaction::Db;
use super::used::Used;
use super::{Reader, StoreError, database, index};
use crate::crypto::Key;
use pocketchart_sqlcipher::Mode;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Of every database here.
const PAGE_BYTES: u64 = 4096;
/// Pages copied between two reports of progress.
const PAGES: i32 = 1_000;
/// Rows copied between two reports of progress.
const ROWS: u64 = 5_000;
/// Cache of the copy's connection; what does not fit is written as it comes.
const CACHE_KIB: i64 = 8 * 1024;

/// How a store gets into a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyWay {
    /// Page by page, as it is.
    Pages,
    /// Row by row, without what is dead.
    Rows,
}

/// Where a copy goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) path: &'a Path,
    pub(crate) key: &'a Key,
    pub(crate) salt: &'a [u8; 16],
}

/// SHA-256 over all rows of a table, in the order of its key, and their number.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    rows: u64,
    digest: [u8; 32],
}

/// One table, as the schema says.
struct Table {
    name: String,
    sql: String,
    columns: Vec<String>,
    /// What its rows are ordered by.
    key: String,
}

/// Copies the store that `reader` reads into a new file. `progress` gets what is done, and of how much.
///
/// # Errors
/// [`StoreError`]; then there is no copy. The original is never changed.
pub(super) fn run(
    reader: &Reader<'_>,
    target: Target<'_>,
    way: CopyWay,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    room_for(reader.connection, target.path)?;
    let copy = make(target)?;
    let copied = match way {
        CopyWay::Pages => copy_pages(reader.connection, copy, progress),
        CopyWay::Rows => copy_rows(reader, copy, progress),
    };
    let checked = copied.and_then(|contents| verify(target, &contents));
    if checked.is_err() {
        // Ours, and no copy. What cannot be removed now is cleared at the next unlock.
        for file in with_side_files(target.path) {
            let _ = std::fs::remove_file(file);
        }
    }
    checked
}

/// A database file, and what SQLite keeps beside it.
pub(crate) fn with_side_files(path: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

/// Refuses beforehand where the copy would not fit: a disk that is full to the brim takes the next capture too.
fn room_for(source: &Connection, path: &Path) -> Result<(), StoreError> {
    const SPARE_BYTES: u64 = 4 * 1024 * 1024;
    let pages: u64 = source.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let needed_bytes = pages * PAGE_BYTES + SPARE_BYTES;
    match free_bytes(path.parent().unwrap_or(path)) {
        Some(free_bytes) if free_bytes < needed_bytes => Err(StoreError::NoRoom {
            needed_mib: needed_bytes.div_ceil(1024 * 1024),
            free_mib: free_bytes / (1024 * 1024),
        }),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Not known here: a full disk is noticed when the copy meets it.
#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

/// A new file for the copy. Without a journal and without syncs: it is nobody's database yet.
fn make(target: Target<'_>) -> Result<Connection, StoreError> {
    let connection =
        pocketchart_sqlcipher::open(target.path, target.key.expose(), target.salt, Mode::Create)?;
    connection.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

fn copy_pages(
    source: &Connection,
    mut to: Connection,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<(String, Content)>, StoreError> {
    {
        let backup = Backup::new(source, &mut to)?;
        loop {
            let step = backup.step(PAGES)?;
            let at = backup.progress();
            let count = |n: i32| u64::try_from(n).unwrap_or(0);
            progress(count(at.pagecount - at.remaining), count(at.pagecount));
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                // Nobody else has either file open for writing.
                _ => return Err(StoreError::Database { code: 5 }),
            }
        }
    }
    drop(to);
    let mut contents = Vec::new();
    for table in tables(source)? {
        contents.push((table.name.clone(), content(source, &table, &|_| Ok(true))?));
    }
    Ok(contents)
}

fn copy_rows(
    reader: &Reader<'_>,
    to: Connection,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<(String, Content)>, StoreError> {
    let source = reader.connection;
    let used = Used::of(reader)?;
    // An index that is being built beside the old one begins again.
    let all = tables(source)?
        .into_iter()
        .filter(|table| !index::is_half_built(&table.name));
    let all: Vec<Table> = all.collect();
    let mut total = 0;
    for table in &all {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        total += source.query_row(&sql, [], |row| row.get::<_, u64>(0))?;
    }
    for pragma in ["application_id", "user_version"] {
        let value: i64 = source.pragma_query_value(None, pragma, |row| row.get(0))?;
        to.pragma_update(None, pragma, value)?;
    }
    to.execute_batch("BEGIN")?;
    // The table of counters comes by itself with the first table that has one.
    for table in all.iter().filter(|table| !table.sql.is_empty()) {
        to.execute_batch(&table.sql)?;
    }
    let mut contents = Vec::new();
    let mut done = 0;
    for table in &all {
        let columns = table.columns.join(", ");
        let places = vec!["?"; table.columns.len()].join(", ");
        if table.sql.is_empty() {
            // Filled by the inserts before it, up to the numbers that are still there: it must know the dead ones too.
            to.execute_batch(&format!("DELETE FROM {}", table.name))?;
        }
        let sql = format!("INSERT INTO {} ({columns}) VALUES ({places})", table.name);
        let mut insert = to.prepare(&sql)?;
        let mut take = |row: &Row<'_>| -> Result<bool, StoreError> {
            done += 1;
            if done % ROWS == 0 {
                progress(done, total);
            }
            if !used.keeps(&table.name, row)? {
                return Ok(false);
            }
            for at in 0..table.columns.len() {
                insert.raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(row.get_ref(at)?))?;
            }
            insert.raw_execute()?;
            Ok(true)
        };
        contents.push((table.name.clone(), walk(source, table, &mut take)?));
    }
    let sql =
        "SELECT sql FROM sqlite_master WHERE type <> 'table' AND sql IS NOT NULL ORDER BY name";
    let mut statement = source.prepare(sql)?;
    let mut rest = statement.query([])?;
    while let Some(row) = rest.next()? {
        to.execute_batch(row.get_ref(0)?.as_str().unwrap_or_default())?;
    }
    to.execute_batch("COMMIT")?;
    progress(total, total);
    Ok(contents)
}

/// All tables, the one with SQLite's own counters last.
fn tables(connection: &Connection) -> Result<Vec<Table>, StoreError> {
    let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'table'
               AND (name NOT LIKE 'sqlite\\_%' ESCAPE '\\' OR name = 'sqlite_sequence')
               ORDER BY name = 'sqlite_sequence', name";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
        let mut info = connection.prepare("SELECT name, pk FROM pragma_table_info(?1)")?;
        let columns: Vec<(String, i64)> = info
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut key: Vec<&(String, i64)> = columns.iter().filter(|(_, pk)| *pk > 0).collect();
        key.sort_by_key(|(_, pk)| *pk);
        let key: Vec<&str> = key.into_iter().map(|(name, _)| name.as_str()).collect();
        all.push(Table {
            key: if key.is_empty() {
                "rowid".into()
            } else {
                key.join(", ")
            },
            sql: if name == "sqlite_sequence" {
                String::new()
            } else {
                sql
            },
            columns: columns.into_iter().map(|(name, _)| name).collect(),
            name,
        });
    }
    Ok(all)
}

/// Walks over a table in the order of its key; the content is that of the rows which `take` took.
fn walk(
    connection: &Connection,
    table: &Table,
    take: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
) -> Result<Content, StoreError> {
    let columns = table.columns.join(", ");
    let sql = format!(
        "SELECT {columns} FROM {} ORDER BY {}",
        table.name, table.key
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut digest = Sha256::new();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        if !take(row)? {
            continue;
        }
        count += 1;
        for at in 0..table.columns.len() {
            add(&mut digest, row.get_ref(at)?);
        }
    }
    Ok(Content {
        rows: count,
        digest: digest.finalize().into(),
    })
}

fn content(
    connection: &Connection,
    table: &Table,
    keep: &dyn Fn(&Row<'_>) -> Result<bool, StoreError>,
) -> Result<Content, StoreError> {
    walk(connection, table, &mut |row| keep(row))
}

/// Kind, length and bytes: no two rows give the same.
fn add(digest: &mut Sha256, value: ValueRef<'_>) {
    let (kind, bytes): (u8, &[u8]) = match &value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(n) => (1, &n.to_be_bytes()),
        ValueRef::Real(n) => (2, &n.to_bits().to_be_bytes()),
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(blob) => (4, blob),
    };
    digest.update([kind]);
    digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(bytes);
}

/// Opens the copy as the store it is going to be: page MACs, structure, references, every row, every body's own check.
/// Then it is on the disk.
fn verify(target: Target<'_>, contents: &[(String, Content)]) -> Result<(), StoreError> {
    let differs = |what: &str| StoreError::CopyDiffers {
        what: what.to_owned(),
    };
    let copy = Db::open(target.path, target.key, target.salt)?;
    let connection = &copy.connection;
    if !database::check(connection)?.is_empty() {
        return Err(differs("its pages"));
    }
    if connection.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err(differs("its references"));
    }
    let found = tables(connection)?;
    let same = |(name, _): &(String, Content)| found.iter().any(|table| table.name == *name);
    if found.len() != contents.len() || !contents.iter().all(same) {
        return Err(differs("its tables"));
    }
    for (table, (name, expected)) in found.iter().zip(contents) {
        if table.name != *name || content(connection, table, &|_| Ok(true))? != *expected {
            return Err(differs(name));
        }
    }
    copy.reader().each_record(|record| record.map(drop))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop(copy);
    pocketchart_sqlcipher::verify_salt(target.path, target.salt)?;
    let synced = File::options()
        .read(true)
        .write(true)
        .open(target.path)
        .and_then(|file| file.sync_all());
    synced.map_err(|_| StoreError::Disk { code: 10 })
}

#[cfg(test)]
mod tests;
