//! The file, its chain and its index, without a vault around them.

use super::chain::{LADDER, begin, first_key};
use super::who::TrailFilter;
use super::*;
use crate::crypto::Key;
use crate::fhir::{Instant, ResourceId};
use crate::store::database::{self, Ladder};
use std::path::Path;
use std::time::Duration;

const VAULT: [u8; 16] = [3; 16];
const SALT: [u8; 16] = [1; 16];

fn entry(what: &str, revision: Option<i64>) -> AuditEntry {
    AuditEntry {
        what: what.into(),
        revision,
        patients: vec!["7".into(), "8".into()],
        ..AuditEntry::new(1_000, "owner", AuditKind::Written)
    }
}

fn append(log: &mut AuditLog, entry: &AuditEntry) {
    log.append(entry, Duration::ZERO).unwrap();
}

struct Trail {
    log: AuditLog,
    key: Key,
    folder: tempfile::TempDir,
}

impl Trail {
    /// Twenty entries, all in the index.
    fn filled() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("audit.db"), Key::make_random().unwrap());
        AuditLog::create(&path, &key, &SALT, &VAULT).unwrap();
        let mut log = AuditLog::open(&path, &key, &SALT).unwrap();
        for n in 1..=20 {
            append(&mut log, &entry(&format!("Observation/{n}"), Some(n)));
        }
        assert!(log.index_step().unwrap());
        Self { log, key, folder }
    }

    fn reader(&self) -> AuditReader {
        AuditReader::open(&self.folder.path().join("audit.db"), &self.key, &SALT).unwrap()
    }

    fn verify(&self, anchor: Option<&Anchor>) -> Result<i64, AuditError> {
        self.reader().verify(&self.key, &VAULT, anchor, || true)
    }

    fn anchor(&self) -> Anchor {
        Anchor {
            vault: VAULT,
            generation: 1,
            head: self.log.head().unwrap(),
            revision: 20,
            at: Instant::from_epoch_ms(5_000),
        }
    }
}

#[test]
fn the_ladder_climbs_from_every_step() {
    database::assert_every_step_climbs(LADDER);
}

#[test]
fn entries_come_back_and_the_chain_holds() {
    let trail = Trail::filled();
    assert_eq!(trail.verify(None).unwrap(), 20);
    let entries = trail.reader().forward(4, 6, 9).unwrap();
    assert_eq!(
        entries,
        [
            (5, entry("Observation/5", Some(5))),
            (6, entry("Observation/6", Some(6)))
        ]
    );
    assert_eq!(
        trail.log.acknowledged().unwrap(),
        (20, Instant::from_epoch_ms(1_000))
    );
    assert!(trail.log.check().unwrap().is_empty());
}

#[test]
fn changed_removed_inserted_and_reordered_entries_are_found() {
    for (sql, at) in [
        (
            "UPDATE entry SET body = replace(body, 'tion/7', 'tion/8') WHERE seq = 7",
            7,
        ),
        ("UPDATE entry SET mac = zeroblob(32) WHERE seq = 7", 7),
        ("DELETE FROM entry WHERE seq = 7", 8),
        ("DELETE FROM entry WHERE seq = 20", 20),
        ("DELETE FROM entry WHERE seq = 1", 2),
        (
            "DELETE FROM entry WHERE seq = 7; UPDATE entry SET seq = seq - 1 WHERE seq > 7",
            7,
        ),
        (
            "UPDATE entry SET seq = 100 WHERE seq = 7; UPDATE entry SET seq = 7 WHERE seq = 8; UPDATE entry SET seq = 8 WHERE seq = 100",
            7,
        ),
        (
            "UPDATE entry SET seq = -seq WHERE seq >= 7; UPDATE entry SET seq = 1 - seq WHERE seq < 0;
             INSERT INTO entry SELECT 7, body, mac FROM entry WHERE seq = 6",
            7,
        ),
        ("INSERT INTO entry SELECT 21, body, mac FROM entry WHERE seq = 20", 21),
        ("UPDATE chain SET next_key = zeroblob(32)", 21),
        ("UPDATE chain SET seq = 19", 21),
    ] {
        let trail = Trail::filled();
        trail.log.connection.execute_batch(sql).unwrap();
        let error = trail.verify(None).unwrap_err();
        assert!(
            matches!(error, AuditError::Broken { seq } if seq == at),
            "{sql}: {error}"
        );
        assert_eq!(error.entry(), Some(at));
    }
}

#[test]
fn an_index_that_disagrees_with_the_entries_is_found() {
    for (sql, at) in [
        (
            "DELETE FROM about WHERE kind = 0 AND id = '7' AND seq = 5",
            5,
        ),
        (
            "UPDATE about SET id = '9' WHERE kind = 0 AND id = '7' AND seq = 5",
            5,
        ),
        ("DELETE FROM about WHERE kind = 1 AND seq = 5", 5),
        ("INSERT INTO about VALUES (0, '9', 6)", 6),
        ("INSERT INTO about VALUES (0, '9', 400)", 400),
        ("DELETE FROM about", 1),
        ("UPDATE chain SET indexed_to = 10", 11),
    ] {
        let trail = Trail::filled();
        trail.log.connection.execute_batch(sql).unwrap();
        let error = trail.verify(None).unwrap_err();
        assert!(
            matches!(error, AuditError::Index { seq } if seq == at),
            "{sql}: {error}"
        );
    }
}

/// Entries that came after the index was made are in no row yet: that is no disagreement.
#[test]
fn the_index_follows_behind() {
    let mut trail = Trail::filled();
    for n in 21..=200 {
        append(&mut trail.log, &entry(&format!("Observation/{n}"), None));
    }
    assert_eq!(trail.verify(None).unwrap(), 200);
    let mut steps = 1;
    while !trail.log.index_step().unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 3, "64 entries each");
    assert_eq!(trail.verify(None).unwrap(), 200);
}

#[test]
fn a_cut_tail_is_found_as_far_back_as_the_anchor() {
    // The chain row is cut back with the entries, as whoever holds the key can: each older file was whole once.
    let mut trail = Trail::filled();
    let copy_of = |trail: &Trail, name: &str| {
        let path = trail.folder.path().join(name);
        let sql = "SELECT count(*) FROM entry";
        let _: i64 = trail
            .log
            .connection
            .query_row(sql, [], |r| r.get(0))
            .unwrap();
        trail
            .log
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        std::fs::copy(trail.folder.path().join("audit.db"), &path).unwrap();
        path
    };
    let verify = |trail: &Trail, path: &Path, anchor: Option<&Anchor>| {
        let mut reader = AuditReader::open(path, &trail.key, &SALT).unwrap();
        reader.verify(&trail.key, &VAULT, anchor, || true)
    };
    let before = copy_of(&trail, "before.db");
    append(&mut trail.log, &entry("Observation/21", None));
    let anchor = trail.anchor();
    append(&mut trail.log, &entry("Observation/22", None));
    let after = copy_of(&trail, "after.db");
    append(&mut trail.log, &entry("Observation/23", None));
    assert_eq!(trail.verify(Some(&anchor)).unwrap(), 23);

    let error = verify(&trail, &before, Some(&anchor)).unwrap_err();
    assert!(
        matches!(
            error,
            AuditError::Cut {
                found: 20,
                anchored: 21,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.entry(), Some(21));
    // The gap, and it is named in docs/audit.md: nothing outside of the file knows of entry 23.
    assert_eq!(verify(&trail, &after, Some(&anchor)).unwrap(), 22);
    // Without an anchor neither is seen.
    assert_eq!(verify(&trail, &before, None).unwrap(), 20);

    // The older file went on: as long as the anchored one, and another.
    let mut log = AuditLog::open(&before, &trail.key, &SALT).unwrap();
    for n in 21..30 {
        append(&mut log, &entry(&format!("Patient/{n}"), None));
    }
    drop(log);
    let error = verify(&trail, &before, Some(&anchor)).unwrap_err();
    assert!(
        matches!(error, AuditError::Forked { seq: 21, .. }),
        "{error}"
    );
}

#[test]
fn a_check_can_be_stopped() {
    let mut trail = Trail::filled();
    for _ in 0..1_000 {
        append(&mut trail.log, &entry("Observation/1", None));
    }
    let stopped = trail.reader().verify(&trail.key, &VAULT, None, || false);
    assert!(matches!(stopped, Err(AuditError::Stopped)));
}

#[test]
fn old_keys_are_gone() {
    let trail = Trail::filled();
    let now: Vec<u8> = trail
        .log
        .connection
        .query_row("SELECT next_key FROM chain", [], |r| r.get(0))
        .unwrap();
    assert_ne!(now, first_key(&trail.key, &VAULT).expose());
}

/// A file of the first release: its entries verify, read, and are found by the patient they name.
#[test]
fn a_trail_of_the_first_release_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (path, key) = (folder.path().join("audit.db"), Key::make_random().unwrap());
    let older = Ladder {
        steps: &LADDER.steps[..1],
        ..LADDER
    };
    database::create(&path, &key, &SALT, older).unwrap();
    let connection = database::open(&path, &key, &SALT, older).unwrap();
    begin(&connection, &key, &VAULT).unwrap();
    let body = r#"{"at_ms":5,"person":"owner","kind":"read","what":"Patient/1","count":1}"#;
    let first = first_key(&key, &VAULT);
    let mac = chain::mac(&first, &[0; 32], 1, body).unwrap();
    connection
        .execute("INSERT INTO entry VALUES (1, ?1, ?2)", (body, &mac[..]))
        .unwrap();
    let next = chain::next_key(&first);
    let sql = "UPDATE chain SET seq = 1, next_key = ?1, mac = ?2";
    connection
        .execute(sql, (&next.expose()[..], &mac[..]))
        .unwrap();
    drop(connection);

    let mut log = AuditLog::open(&path, &key, &SALT).unwrap();
    append(&mut log, &entry("Observation/2", None));
    while !log.index_step().unwrap() {}
    let mut reader = AuditReader::open(&path, &key, &SALT).unwrap();
    assert_eq!(reader.verify(&key, &VAULT, None, || true).unwrap(), 2);
    let about = TrailFilter::about(ResourceId::new("1").unwrap());
    let page = reader.page(&about, || true).unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].1.what, "Patient/1");
    assert_eq!(page.entries[0].1.role, "");
}

#[test]
fn pages_are_newest_first_and_meet_without_a_gap() {
    let mut trail = Trail::filled();
    let other = AuditEntry {
        patients: vec!["9".into()],
        via: Some("doctor".into()),
        ..AuditEntry::new(9_000, "nurse", AuditKind::Read)
    };
    append(&mut trail.log, &other);
    while !trail.log.index_step().unwrap() {}
    let reader = trail.reader();
    let seqs = |filter: &TrailFilter| {
        let page = reader.page(filter, || true).unwrap();
        let seqs: Vec<i64> = page.entries.iter().map(|(seq, _)| *seq).collect();
        (seqs, page.next)
    };
    let mut filter = TrailFilter {
        limit: 8,
        ..TrailFilter::about(ResourceId::new("7").unwrap())
    };
    let (first, next) = seqs(&filter);
    assert_eq!((first, next), ((13..=20).rev().collect(), Some(13)));
    filter.before = next;
    let (second, next) = seqs(&filter);
    assert_eq!((second, next), ((5..=12).rev().collect(), Some(5)));
    filter.before = next;
    assert_eq!(seqs(&filter), ((1..=4).rev().collect(), None));
    for person in ["nurse", "doctor"] {
        let by = TrailFilter {
            person: Some(person.into()),
            ..TrailFilter::default()
        };
        assert_eq!(seqs(&by), (vec![21], None), "{person}");
    }
    let reads = TrailFilter {
        kinds: vec![AuditKind::Read, AuditKind::Search],
        ..TrailFilter::default()
    };
    assert_eq!(seqs(&reads), (vec![21], None));
    let early = TrailFilter {
        span: crate::fhir::instant::Span::parse("1970-01-01T00:00:01Z").ok(),
        kinds: vec![AuditKind::Written],
        limit: 1,
        ..TrailFilter::default()
    };
    assert_eq!(seqs(&early), (vec![20], Some(20)));
    let none = TrailFilter::about(ResourceId::new("10").unwrap());
    assert_eq!(seqs(&none), (vec![], None));
}

/// The same page asked for again within ten seconds is one look at it; anything else is not.
#[test]
fn a_second_look_at_the_same_page_is_one() {
    let mut trail = Trail::filled();
    let page = AuditEntry {
        digest: Some("d".into()),
        count: Some(1),
        what: "Patient".into(),
        ..AuditEntry::new(1_000, "nurse", AuditKind::Search)
    };
    let mut at = |entry: AuditEntry, s: u64| {
        let before = trail.log.head().unwrap().seq;
        trail.log.append(&entry, Duration::from_secs(s)).unwrap();
        trail.log.head().unwrap().seq - before
    };
    assert_eq!(at(page.clone(), 100), 1);
    let later = AuditEntry {
        at_ms: 7_000,
        ..page.clone()
    };
    assert_eq!(at(later.clone(), 106), 0);
    assert_eq!(at(later.clone(), 109), 0);
    assert_eq!(at(later, 110), 1, "a screen left open has one each time");
    for (what, other) in [
        (
            "person",
            AuditEntry {
                person: "x".into(),
                ..page.clone()
            },
        ),
        (
            "role",
            AuditEntry {
                role: "x".into(),
                ..page.clone()
            },
        ),
        (
            "device",
            AuditEntry {
                device: Some("x".into()),
                ..page.clone()
            },
        ),
        (
            "digest",
            AuditEntry {
                digest: Some("x".into()),
                ..page.clone()
            },
        ),
        (
            "query",
            AuditEntry {
                what: "x".into(),
                ..page.clone()
            },
        ),
        (
            "reason",
            AuditEntry {
                reason: Some("x".into()),
                ..page.clone()
            },
        ),
    ] {
        assert_eq!(at(other, 111), 1, "{what}");
    }
    let write = AuditEntry {
        kind: AuditKind::Write,
        ..page
    };
    assert_eq!((at(write.clone(), 111), at(write, 111)), (1, 1));
}

/// Reads and what can be pulled again may go with the power; everything else is on the disk before it happens.
#[test]
fn only_reads_and_pulled_pages_do_not_wait_for_the_disk() {
    let mut trail = Trail::filled();
    let mut quick = Vec::new();
    for kind in AuditKind::ALL {
        append(&mut trail.log, &AuditEntry::new(0, "p", kind));
        let level: i64 = trail
            .log
            .connection
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .unwrap();
        match level {
            1 => quick.push(kind.name()),
            other => assert_eq!(other, 2, "FULL"),
        }
    }
    assert_eq!(
        quick,
        ["read", "search", "pull", "import", "check", "trail"]
    );
}
