//! What opens, what is refused, and that a refusal changes nothing.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use pocketchart_sqlcipher::{Mode, OpenError, open, page_mac_errors, verify_salt};
use rusqlite::Connection;

const KEY: [u8; 32] = [0x4b; 32];
const OTHER_KEY: [u8; 32] = [0x4c; 32];
const SALT: [u8; 16] = *b"salt-for-testing";
const PAGE_BYTES: usize = 4096;

/// A folder that disappears, and a database name in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

fn fill(conn: &Connection, rows: i64) {
    conn.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT, bytes BLOB)")
        .unwrap();
    conn.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO t SELECT i, printf('%0300d', i), zeroblob(i * 50 % 6000) FROM n",
        [rows],
    )
    .unwrap();
}

/// A closed database with 200 rows.
fn sample(path: &Path) {
    let conn = open(path, &KEY, &SALT, Mode::Create).unwrap();
    fill(&conn, 200);
    conn.close().unwrap();
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with("-shm"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    all.sort();
    all
}

/// Opens, expects the refusal, and that every file is as before.
fn assert_refused(folder: &Path, path: &Path, key: &[u8; 32], expected: fn(&OpenError) -> bool) {
    let before = files(folder);
    for mode in [Mode::ReadWrite, Mode::ReadOnly] {
        let error = open(path, key, &SALT, mode).unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(!error.to_string().contains('/'), "{error}");
        assert_eq!(files(folder), before, "{mode:?} changed something");
    }
}

#[test]
fn rows_come_back_exactly() {
    let (_folder, path) = place();
    let rows: Vec<(i64, String, Vec<u8>)> = (0..500_i64)
        .map(|i| {
            let bytes = (0..i * 17 % 9001).map(|b| (b * i) as u8).collect();
            (i, format!("row {i} äß漢\u{0}\u{1F9EA}"), bytes)
        })
        .collect();
    let mut conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    conn.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT, bytes BLOB)")
        .unwrap();
    let batch = conn.transaction().unwrap();
    for row in &rows {
        batch
            .execute("INSERT INTO t VALUES (?1, ?2, ?3)", (row.0, &row.1, &row.2))
            .unwrap();
    }
    batch.commit().unwrap();
    conn.close().unwrap();

    for mode in [Mode::ReadWrite, Mode::ReadOnly] {
        let conn = open(&path, &KEY, &SALT, mode).unwrap();
        let back: Vec<(i64, String, Vec<u8>)> = conn
            .prepare("SELECT * FROM t ORDER BY id")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(back, rows);
        assert!(page_mac_errors(&conn).unwrap().is_empty());
    }
}

#[test]
fn read_only_does_not_write() {
    let (_folder, path) = place();
    sample(&path);
    let conn = open(&path, &KEY, &SALT, Mode::ReadOnly).unwrap();
    let error = conn.execute("DELETE FROM t", []).unwrap_err();
    assert_eq!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::ReadOnly)
    );
}

#[test]
fn a_wrong_key_is_rejected_and_changes_nothing() {
    let (folder, path) = place();
    sample(&path);
    assert_refused(folder.path(), &path, &OTHER_KEY, |error| {
        matches!(error, OpenError::KeyRejected { .. })
    });
    let text = open(&path, &OTHER_KEY, &SALT, Mode::ReadWrite)
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        "store.db: wrong key or damaged file; nothing was changed"
    );
}

/// SQLite checkpoints a left-over `-wal` when the last connection closes, whether or not the key was right.
#[test]
fn a_wrong_key_leaves_the_wal_of_a_killed_process_alone() {
    let (folder, path) = place();
    let conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    fill(&conn, 200);
    let killed = tempfile::tempdir().unwrap();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(folder.path().join(name), killed.path().join(name)).unwrap();
    }
    let path = killed.path().join("store.db");
    assert_refused(killed.path(), &path, &OTHER_KEY, |error| {
        matches!(error, OpenError::KeyRejected { .. })
    });

    let conn = open(&path, &KEY, &SALT, Mode::ReadWrite).unwrap();
    let rows: i64 = conn
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 200);
    conn.close().unwrap();
    assert!(
        !killed.path().join("store.db-wal").exists(),
        "with the right key it is checkpointed"
    );
}

/// What the engine writes when nobody gives it a key, which link order can bring about.
#[test]
fn an_unencrypted_database_is_refused() {
    let (folder, path) = place();
    let (_first, other) = place();
    sample(&other);
    fill(&Connection::open(&path).unwrap(), 50);
    assert!(fs::read(&path).unwrap().starts_with(b"SQLite format 3\0"));
    assert_refused(folder.path(), &path, &KEY, |error| {
        matches!(error, OpenError::Plaintext { .. })
    });
}

#[test]
fn a_file_in_auto_vacuum_mode_is_refused() {
    let (folder, path) = place();
    let (_first, other) = place();
    sample(&other);
    let conn = Connection::open(&path).unwrap();
    let (key, salt) = (hex::encode(KEY), hex::encode(SALT));
    conn.execute_batch(&format!(
        "PRAGMA key = \"x'{key}{salt}'\"; PRAGMA cipher_hmac_algorithm = HMAC_SHA256; PRAGMA auto_vacuum = FULL;"
    ))
    .unwrap();
    fill(&conn, 50);
    conn.close().unwrap();
    assert_refused(folder.path(), &path, &KEY, |error| {
        matches!(error, OpenError::AutoVacuum { .. })
    });
}

#[test]
fn another_salt_is_refused() {
    let (folder, path) = place();
    sample(&path);
    let mut bytes = fs::read(&path).unwrap();
    bytes[15] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_refused(folder.path(), &path, &KEY, |error| {
        matches!(error, OpenError::SaltMismatch { .. })
    });
    assert!(verify_salt(&path, &SALT).is_err());
}

#[test]
fn what_is_not_a_file_of_ours_is_refused() {
    let (folder, path) = place();
    assert_refused(folder.path(), &path, &KEY, |error| {
        matches!(error, OpenError::Missing { .. })
    });
    for bytes in [&b""[..], b"short", &SALT[..15]] {
        // An empty file is an empty database to SQLite.
        fs::write(&path, bytes).unwrap();
        assert_refused(folder.path(), &path, &KEY, |error| {
            matches!(error, OpenError::SaltMismatch { .. })
        });
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = open(&path, &KEY, &SALT, Mode::ReadWrite).unwrap_err();
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
    let error = open(Path::new("/nowhere/store.db"), &KEY, &SALT, Mode::Create).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_the_file_is_refused_but_not_in_its_folder() {
    let (folder, path) = place();
    sample(&path);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for mode in [Mode::ReadWrite, Mode::ReadOnly] {
        assert!(matches!(
            open(&link, &KEY, &SALT, mode),
            Err(OpenError::NotAFile { .. })
        ));
    }
    assert!(matches!(
        open(&link, &KEY, &SALT, Mode::Create),
        Err(OpenError::Exists { .. })
    ));

    let linked = folder.path().join("linked-folder");
    std::os::unix::fs::symlink(folder.path(), &linked).unwrap();
    open(&linked.join("store.db"), &KEY, &SALT, Mode::ReadWrite).unwrap();
}

#[test]
fn creating_never_replaces() {
    let (folder, path) = place();
    sample(&path);
    let before = files(folder.path());
    let error = open(&path, &KEY, &SALT, Mode::Create).unwrap_err();
    assert!(matches!(error, OpenError::Exists { .. }), "{error:?}");
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_new_file_carries_its_salt_at_once_and_opens_again() {
    let (_folder, path) = place();
    drop(open(&path, &KEY, &SALT, Mode::Create).unwrap());
    verify_salt(&path, &SALT).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), PAGE_BYTES as u64);
    open(&path, &KEY, &SALT, Mode::ReadWrite).unwrap();
}

/// Cut within a page, at a page, and within the first one: refused, or the loss is found by the checks.
#[test]
fn a_truncated_file_does_not_pass() {
    let (folder, path) = place();
    sample(&path);
    let whole = fs::read(&path).unwrap();
    let cuts = [
        17,
        1000,
        PAGE_BYTES - 1,
        PAGE_BYTES,
        PAGE_BYTES * 3,
        PAGE_BYTES * 3 + 5,
        whole.len() - PAGE_BYTES,
    ];
    for cut in cuts {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_refused(folder.path(), &path, &KEY, |error| {
            matches!(
                error,
                OpenError::KeyRejected { .. } | OpenError::Damaged { .. }
            )
        });
    }
}

#[test]
fn one_flipped_bit_in_each_page_is_found() {
    let (_folder, path) = place();
    sample(&path);
    let whole = fs::read(&path).unwrap();
    let pages = whole.len() / PAGE_BYTES;
    assert!(pages > 50);
    for page in 0..pages {
        let mut bytes = whole.clone();
        // Anywhere but the salt: cipher text, IV and code alike.
        let offset = [16, 2000, 4050, 4070, 4095][page % 5];
        bytes[page * PAGE_BYTES + offset] ^= 1 << (page % 8);
        fs::write(&path, bytes).unwrap();
        match open(&path, &KEY, &SALT, Mode::ReadOnly) {
            Ok(conn) => assert_eq!(
                page_mac_errors(&conn).unwrap(),
                [format!("HMAC verification failed for page {}", page + 1)]
            ),
            Err(error) => assert!(page == 0 && matches!(error, OpenError::KeyRejected { .. })),
        }
    }
}

#[test]
fn pages_moved_or_zeroed_are_found() {
    let (_folder, path) = place();
    sample(&path);
    let whole = fs::read(&path).unwrap();
    let mut swapped = whole.clone();
    swapped.copy_within(2 * PAGE_BYTES..3 * PAGE_BYTES, 3 * PAGE_BYTES);
    let mut zeroed = whole;
    zeroed[3 * PAGE_BYTES..4 * PAGE_BYTES].fill(0);
    for bytes in [swapped, zeroed] {
        fs::write(&path, bytes).unwrap();
        let conn = open(&path, &KEY, &SALT, Mode::ReadOnly).unwrap();
        assert_eq!(
            page_mac_errors(&conn).unwrap(),
            ["HMAC verification failed for page 4"]
        );
    }
}

/// `ATTACH ... KEY ''` would write a plaintext copy, `VACUUM` works through an attached file.
#[test]
fn nothing_can_be_attached_even_if_the_limit_is_raised() {
    use rusqlite::limits::Limit;
    let (folder, path) = place();
    let conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    fill(&conn, 10);
    let copy = folder.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    for raised in [false, true] {
        if raised {
            conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 10).unwrap();
        }
        assert!(conn.execute("ATTACH ?1 AS plain KEY ''", [copy]).is_err());
        assert!(
            conn.execute("ATTACH ':memory:' AS plain KEY ''", [])
                .is_err()
        );
        assert!(conn.execute("VACUUM INTO ?1", [copy]).is_err());
        assert!(conn.execute("VACUUM", []).is_err());
        assert!(!Path::new(copy).exists());
    }
    let loads = conn.query_row("SELECT load_extension('x')", [], |_| Ok(()));
    assert!(loads.is_err());
}

#[test]
fn the_settings_are_what_the_module_promises() {
    let (_folder, path) = place();
    let conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    let number = |pragma: &str| -> i64 {
        conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(number("secure_delete"), 1);
    assert_eq!(number("trusted_schema"), 0);
    assert_eq!(number("temp_store"), 2);
    let text = |pragma: &str| -> String {
        conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(text("cipher_provider"), "pocketchart-rustcrypto");
    assert_eq!(text("cipher_version"), "4.20.0 community");
    assert_eq!(text("cipher_hmac_algorithm"), "HMAC_SHA256");
    assert_eq!(text("page_size"), "4096");
    let fts: i64 = conn
        .query_row(
            "SELECT sqlite_compileoption_used('ENABLE_FTS5')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(fts, 1);
}

#[cfg(unix)]
#[test]
fn every_file_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = place();
    let conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    fill(&conn, 10);
    let mut seen = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 3, "the database, its -wal and its -shm");
}

/// An IV used twice under one key shows which pages begin alike.
#[test]
fn ivs_are_unique_over_ten_thousand_page_writes() {
    const WAL_HEADER_BYTES: usize = 32;
    const FRAME_HEADER_BYTES: usize = 24;
    let (folder, path) = place();
    let conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    conn.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF;
         CREATE TABLE t(id INTEGER PRIMARY KEY, bytes BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2600)
         INSERT INTO t SELECT i, zeroblob(3800) FROM n;",
    )
    .unwrap();
    for _ in 0..3 {
        conn.execute("UPDATE t SET bytes = randomblob(3800)", [])
            .unwrap();
    }
    let wal = fs::read(folder.path().join("store.db-wal")).unwrap();
    let frames = wal[WAL_HEADER_BYTES..].chunks_exact(FRAME_HEADER_BYTES + PAGE_BYTES);
    // The end of a page: IV (16 bytes), code (32 bytes).
    let mut ivs: Vec<&[u8]> = frames
        .map(|frame| &frame[frame.len() - 48..frame.len() - 32])
        .collect();
    let written = ivs.len();
    assert!(written > 10_000, "{written}");
    ivs.sort_unstable();
    ivs.dedup();
    assert_eq!(ivs.len(), written);
}

/// A SQLCipher file as stock SQLCipher makes it (HMAC-SHA512), under its own key, is not ours.
#[test]
fn two_vaults_do_not_open_each_other() {
    let (_a, first) = place();
    let (_b, second) = place();
    sample(&first);
    drop(open(&second, &OTHER_KEY, &SALT, Mode::Create).unwrap());
    open(&second, &OTHER_KEY, &SALT, Mode::ReadWrite).unwrap();
    assert!(matches!(
        open(&second, &KEY, &SALT, Mode::ReadWrite),
        Err(OpenError::KeyRejected { .. })
    ));
    assert!(matches!(
        open(&first, &OTHER_KEY, &SALT, Mode::ReadWrite),
        Err(OpenError::KeyRejected { .. })
    ));
}

#[test]
fn connections_work_from_several_threads() {
    let (_folder, path) = place();
    let conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    fill(&conn, 200);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let conn = open(&path, &KEY, &SALT, Mode::ReadOnly).unwrap();
                    let rows: i64 = conn
                        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
                        .unwrap();
                    assert_eq!(rows, 200);
                }
            });
        }
    });
}
