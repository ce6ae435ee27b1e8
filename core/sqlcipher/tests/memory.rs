//! After the database is closed, no decrypted text is left in this process.
//!
//! One test in a process of its own: it looks through all memory by /proc/self/mem. The canaries are made by SQL and
//! read through borrowed pointers, so that the only copies are SQLite's. While the database is open the same scan
//! must find thousands, or the check proves nothing. (With the wipe taken out by hand 60,130 copies were left.)
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use pocketchart_sqlcipher::{Mode, open};
use zeroize::{Zeroize, Zeroizing};

/// The text searched for, each byte XORed with 0xFF, so that the needle itself is never found.
const NEEDLE: [u8; 14] = {
    let mut needle = *b"Zq7CanaryInRAM";
    let mut i = 0;
    while i < needle.len() {
        needle[i] ^= 0xFF;
        i += 1;
    }
    needle
};
const KEY: [u8; 32] = *b"k7#Pq2!xW9$mZ4&cT6*vB1(nR8)jL3^h";
const RAW_KEY_NEEDLE: [u8; 32] = {
    let mut needle = KEY;
    let mut i = 0;
    while i < needle.len() {
        needle[i] ^= 0xFF;
        i += 1;
    }
    needle
};
/// The first 16 digits.
const HEX_KEY_NEEDLE: [u8; 16] = {
    let mut needle = *b"6b37235071322178";
    let mut i = 0;
    while i < needle.len() {
        needle[i] ^= 0xFF;
        i += 1;
    }
    needle
};
const SALT: [u8; 16] = *b"salt-for-testing";

static BUFFER: Mutex<[u8; 1 << 20]> = Mutex::new([0; 1 << 20]);

/// How often the needle lies in writable memory, the scan's own buffer excluded.
fn copies_in_memory(needle: &[u8]) -> usize {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut buffer = BUFFER.lock().unwrap();
    let own = buffer.as_ptr() as u64..buffer.as_ptr() as u64 + buffer.len() as u64;
    let mut found = 0;
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let (mut at, end) = (
            u64::from_str_radix(start, 16).unwrap(),
            u64::from_str_radix(end, 16).unwrap(),
        );
        while at < end {
            if own.contains(&at) {
                at = own.end;
                continue;
            }
            let stop = if at < own.start {
                end.min(own.start)
            } else {
                end
            };
            let want = usize::try_from(stop - at).unwrap().min(buffer.len());
            let Ok(read) = memory.read_at(&mut buffer[..want], at) else {
                break;
            };
            if read < needle.len() {
                break;
            }
            found += buffer[..read]
                .windows(needle.len())
                .filter(|window| {
                    window
                        .iter()
                        .zip(needle)
                        .all(|(seen, needle)| !seen == *needle)
                })
                .count();
            // Overlap, so that a copy across two reads is not missed.
            at += if at + read as u64 == stop {
                read
            } else {
                read - needle.len() + 1
            } as u64;
        }
    }
    buffer.fill(0);
    found
}

#[test]
fn nothing_decrypted_is_left_after_close() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let text = "char(90,113,55,67,97,110,97,114,121,73,110,82,65,77)";
    let conn = open(&path, &KEY, &SALT, Mode::Create).unwrap();
    assert_eq!(copies_in_memory(&NEEDLE), 0, "the needle hides itself");
    conn.execute_batch(&format!(
        "PRAGMA journal_mode = wal; PRAGMA cache_size = -32000;
         CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT);
         CREATE INDEX i ON t(text);
         CREATE VIRTUAL TABLE f USING fts5(text);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO t SELECT i, {text} || printf('%06d', i * 7919 % 20000) FROM n;
         INSERT INTO t SELECT 30000 + id, text || zeroblob(id * 40) FROM t WHERE id < 300;
         INSERT INTO f SELECT text FROM t WHERE id < 2000;"
    ))
    .unwrap();
    // A sort in memory, strings that grow by reallocation, a search, a reader beside the writer.
    let reader = open(&path, &KEY, &SALT, Mode::ReadOnly).unwrap();
    for conn in [&conn, &reader] {
        let mut sort = conn
            .prepare("SELECT text FROM t ORDER BY substr(text, 18), id DESC")
            .unwrap();
        let mut rows = sort.query([]).unwrap();
        let mut bytes = 0;
        while let Some(row) = rows.next().unwrap() {
            bytes += row.get_ref(0).unwrap().as_bytes().unwrap().len();
        }
        assert!(bytes > 400_000);
        let long: i64 = conn
            .query_row("SELECT length(group_concat(text)) FROM t", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert!(long > 400_000);
        let hits: i64 = conn
            .query_row(
                &format!("SELECT count(*) FROM f WHERE f MATCH {text} || '000001' || '*'"),
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert!(hits <= 1);
    }

    let open_copies = copies_in_memory(&NEEDLE);
    assert!(
        open_copies > 1000,
        "the scan sees what is there: {open_copies}"
    );
    reader.close().unwrap();
    conn.close().unwrap();
    let left = copies_in_memory(&NEEDLE);
    println!("{open_copies} copies while open, {left} after close");
    assert_eq!(left, 0, "of {open_copies}");

    let mut held = Zeroizing::new(KEY.to_vec());
    assert!(
        copies_in_memory(&RAW_KEY_NEEDLE) >= 1,
        "the scan sees a key"
    );
    held.zeroize();
    drop(held);
    // Neither the raw key (which an AES key schedule starts with) nor its hexadecimal form.
    assert_eq!(copies_in_memory(&RAW_KEY_NEEDLE), 0, "the raw key");
    assert_eq!(
        copies_in_memory(&HEX_KEY_NEEDLE),
        0,
        "the key in hexadecimal"
    );
}
