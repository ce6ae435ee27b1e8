//! No plaintext outside the process: not in the files, not in temporary files, not on stderr.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pocketchart_sqlcipher::{Mode, open};

const KEY: [u8; 32] = [0x4b; 32];
const SALT: [u8; 16] = *b"salt-for-testing";
const CANARY: &[u8] = b"CanaryOfPlaintext";

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// The ordinary files this process has open, deleted ones included.
fn open_files() -> Vec<(PathBuf, PathBuf)> {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| {
            let fd = entry.ok()?.path();
            let target = fs::read_link(&fd).ok()?;
            fs::metadata(&fd).ok()?.is_file().then_some((fd, target))
        })
        .collect()
}

#[test]
fn no_file_holds_a_canary_not_even_in_the_middle_of_a_big_sort() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    let elsewhere: Vec<PathBuf> = open_files()
        .into_iter()
        .map(|(_, target)| target)
        .filter(|target| !target.starts_with(folder.path()))
        .collect();
    conn.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 500; PRAGMA cache_size = 50;
         CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT);
         CREATE VIRTUAL TABLE f USING fts5(text);",
    )
    .unwrap();
    conn.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
         INSERT INTO t SELECT i, 'CanaryOfPlaintext ' || hex(randomblob(100)) FROM n",
        [],
    )
    .unwrap();
    conn.execute("INSERT INTO f SELECT text FROM t LIMIT 500", [])
        .unwrap();

    let mut sort = conn
        .prepare("SELECT text FROM t GROUP BY substr(text, 40), id ORDER BY substr(text, 60)")
        .unwrap();
    let mut rows = sort.query([]).unwrap();
    assert!(rows.next().unwrap().is_some());
    let mut seen = 0;
    for (fd, target) in open_files() {
        if elsewhere.contains(&target) {
            continue;
        }
        let name = target.to_string_lossy().into_owned();
        assert!(!name.contains("(deleted)"), "a temporary file: {name}");
        if target.starts_with(folder.path()) {
            assert!(!contains(&fs::read(&fd).unwrap(), CANARY), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "the database, its -wal and its -shm");
    let wal = fs::metadata(folder.path().join("store.db-wal"))
        .unwrap()
        .len();
    assert!(wal > 1 << 20, "the -wal was really in use: {wal}");
    while rows.next().unwrap().is_some() {}
    drop(rows);
    drop(sort);
    conn.close().unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 5 << 20);
    assert!(!contains(&bytes, CANARY));
}

/// SQLCipher reports failed codes on stderr by default. The child process is this test run again.
#[test]
fn a_wrong_key_and_a_damaged_page_print_nothing() {
    const FILE: &str = "POCKETCHART_TEST_FILE";
    if let Some(path) = std::env::var_os(FILE) {
        let path = Path::new(&path);
        assert!(open(path, &[9; 32], &SALT, Mode::ReadWrite).is_err());
        let conn = open(path, &KEY, &SALT, Mode::ReadWrite).unwrap();
        assert!(
            conn.query_row("SELECT sum(length(text)) FROM t", [], |_| Ok(()))
                .is_err()
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    conn.execute_batch(
        "CREATE TABLE t(text TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
         INSERT INTO t SELECT hex(randomblob(100)) FROM n;",
    )
    .unwrap();
    conn.close().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() - 2000;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();

    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_wrong_key_and_a_damaged_page_print_nothing",
            "--nocapture",
        ])
        .env(FILE, &path)
        .output()
        .unwrap();
    assert!(child.status.success());
    assert_eq!(String::from_utf8_lossy(&child.stderr), "");
}
