//! Opening one encrypted database file, and bringing its schema up to date. The store and the audit file share this.

use super::StoreError;
use crate::crypto::Key;
use pocketchart_sqlcipher::{Mode, OpenError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// The steps a schema went through, oldest first. A step, once released, is never edited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ladder {
    /// Marks what the file is for (`PRAGMA application_id`), so that a store is never opened as an audit file.
    pub(crate) application_id: i32,
    /// SQL of step 1, 2, ...
    pub(crate) steps: &'static [&'static str],
}

/// Makes a new file and its schema.
pub(crate) fn create(
    path: &Path,
    key: &Key,
    salt: &[u8; 16],
    ladder: Ladder,
) -> Result<(), StoreError> {
    let mut connection = pocketchart_sqlcipher::open(path, key.expose(), salt, Mode::Create)?;
    connection.pragma_update(None, "application_id", ladder.application_id)?;
    prepare(&connection)?;
    climb(&mut connection, ladder, path)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop(connection);
    pocketchart_sqlcipher::verify_salt(path, salt)?;
    Ok(())
}

/// Opens an existing file for writing and climbs the ladder.
pub(crate) fn open(
    path: &Path,
    key: &Key,
    salt: &[u8; 16],
    ladder: Ladder,
) -> Result<Connection, StoreError> {
    let mut connection = connect(path, key, salt, Mode::ReadWrite)?;
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id != ladder.application_id {
        return Err(StoreError::Damaged {
            file: name_of(path),
        });
    }
    prepare(&connection)?;
    climb(&mut connection, ladder, path)?;
    Ok(connection)
}

/// A further connection to a file that [`open`] opened before.
pub(crate) fn open_reader(
    path: &Path,
    key: &Key,
    salt: &[u8; 16],
) -> Result<Connection, StoreError> {
    let connection = connect(path, key, salt, Mode::ReadWrite)?;
    prepare(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The vault header vouches for the key (its key check held), so a file that the key does not open is damaged.
fn connect(path: &Path, key: &Key, salt: &[u8; 16], mode: Mode) -> Result<Connection, StoreError> {
    match pocketchart_sqlcipher::open(path, key.expose(), salt, mode) {
        Err(OpenError::KeyRejected { .. }) => Err(StoreError::Damaged {
            file: name_of(path),
        }),
        other => Ok(other?),
    }
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(5))?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::ReadOnly);
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On Apple systems fsync does not reach the disk without these; elsewhere they do nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 8000)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A plan depends on the statement alone. Without this SQLite prepares many statements anew whenever another value is
    // bound: that was a quarter of an import and two fifths of a search for 50 records.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// All missing steps in one transaction: either the newest schema or the one before, never between.
fn climb(connection: &mut Connection, ladder: Ladder, path: &Path) -> Result<(), StoreError> {
    let known = i64::try_from(ladder.steps.len()).unwrap_or(i64::MAX);
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer {
            file: name_of(path),
            found,
            known,
        });
    }
    let done = usize::try_from(found).map_err(|_| StoreError::Damaged {
        file: name_of(path),
    })?;
    for step in &ladder.steps[done..] {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", known)?;
    tx.commit()?;
    Ok(())
}

/// Page MACs and structure of one database: what is wrong; empty: nothing. Brings the WAL in first, since only the
/// file itself has its MACs checked here.
pub(crate) fn check(connection: &Connection) -> Result<Vec<String>, StoreError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let mut wrong = pocketchart_sqlcipher::page_mac_errors(connection)?;
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let answers: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    wrong.extend(answers.into_iter().filter(|answer| answer != "ok"));
    Ok(wrong)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Runs `ladder` from every step up and checks that each way ends in the same schema.
#[cfg(test)]
pub(crate) fn assert_every_step_climbs(ladder: Ladder) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = Key::make_random().expect("a key");
    let schema = |from: usize| {
        let path = folder.path().join(format!("{from}.db"));
        let older = Ladder {
            steps: &ladder.steps[..from],
            ..ladder
        };
        create(&path, &key, &[7; 16], older).expect("an older file");
        let connection = open(&path, &key, &[7; 16], ladder).expect("the climb");
        let mut rows = connection
            .prepare("SELECT type, name, sql FROM sqlite_master ORDER BY name")
            .expect("SQL");
        let all: Result<Vec<(String, String, Option<String>)>, _> = rows
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .expect("rows")
            .collect();
        all.expect("a schema")
    };
    let fresh = schema(ladder.steps.len());
    assert!(!fresh.is_empty());
    for from in 0..ladder.steps.len() {
        assert_eq!(schema(from), fresh, "from step {from}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Ladder = Ladder {
        application_id: 77,
        steps: &[
            "CREATE TABLE a (x)",
            "ALTER TABLE a ADD COLUMN y; CREATE TABLE b (z)",
        ],
    };

    #[test]
    fn a_ladder_climbs_from_every_step() {
        assert_every_step_climbs(TWO);
    }

    #[test]
    fn a_failing_step_leaves_the_schema_before() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("x.db"), Key::make_random().unwrap());
        create(
            &path,
            &key,
            &[7; 16],
            Ladder {
                steps: &TWO.steps[..1],
                ..TWO
            },
        )
        .unwrap();
        let broken = Ladder {
            steps: &["", "CREATE TABLE c (x)", "CREATE TABLE a (x)"],
            ..TWO
        };
        assert!(open(&path, &key, &[7; 16], broken).is_err());
        let connection = open(
            &path,
            &key,
            &[7; 16],
            Ladder {
                steps: &TWO.steps[..1],
                ..TWO
            },
        )
        .unwrap();
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_master", [], |r| r.get(0))
            .unwrap();
        assert_eq!(tables, 1);
    }

    #[test]
    fn newer_and_other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("x.db"), Key::make_random().unwrap());
        create(&path, &key, &[7; 16], TWO).unwrap();
        let older = open(
            &path,
            &key,
            &[7; 16],
            Ladder {
                steps: &TWO.steps[..1],
                ..TWO
            },
        );
        assert!(matches!(
            older,
            Err(StoreError::Newer {
                found: 2,
                known: 1,
                ..
            })
        ));
        let other = open(
            &path,
            &key,
            &[7; 16],
            Ladder {
                application_id: 78,
                ..TWO
            },
        );
        assert!(matches!(other, Err(StoreError::Damaged { .. })));
        // The vault's key check vouches for the key, so what it does not open is damage, not a wrong key.
        let wrong = open(&path, &Key::make_random().unwrap(), &[7; 16], TWO);
        assert!(matches!(wrong, Err(StoreError::Damaged { .. })));
        assert!(open(&path, &key, &[7; 16], TWO).is_ok());
    }
}
