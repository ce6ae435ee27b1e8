//! Records in one vault: exact bytes, search, local changes, and what survives.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{
    AccessError, AuditKind, EditState, Origin, PeerSettings, PullCursor, Pulled, Saved,
};
use pocketchart_core::clock::Clock;
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Instant, ResourceType};
use pocketchart_tests::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock that moves by a millisecond each time it is read: no two changes share a stamp.
#[derive(Default)]
struct Steps(AtomicI64);

impl Clock for Steps {
    fn now(&self) -> Instant {
        Instant::from_epoch_ms(1_795_478_400_000 + self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn since_boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn ids(guard: &pocketchart_core::access::Guard, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = Some(Query::parse(query).unwrap());
    while let Some(query) = next {
        let page = guard.search(&query).unwrap();
        assert!(page.records.len() <= query.count);
        found.extend(page.records.iter().map(|r| r.name.reference.id.to_string()));
        next = page.next;
    }
    found
}

#[test]
fn bytes_come_back_exactly_and_survive_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let texts = [
        " {\"resourceType\":\"Patient\",\n\t\"id\":\"a\", \"x\":1.00, \"_birthDate\":{\"z\":[]},\"n\":1E2,\"u\":\"\\u00e9\"} ".to_owned(),
        patient("b", "+49 1"),
        format!("{{\"resourceType\":\"Binary\",\"id\":\"c\",\"data\":\"{}\"}}", "QUJD".repeat(100_000)),
    ];
    for text in &texts {
        assert_eq!(guard.put(&resource(text)).unwrap(), Saved::Queued);
    }
    drop(guard);
    let guard = unlock(home.path());
    for text in &texts {
        let record = guard.get(resource(text).name()).unwrap().unwrap();
        assert_eq!(record.text, *text);
        assert_eq!(record.origin, Origin::Local);
        assert_eq!(record.version, None);
    }
    assert!(guard.get(&name("Patient/none")).unwrap().is_none());
    assert!(guard.lost_changes().unwrap().is_none());
    let check = guard.check().unwrap();
    assert_eq!((check.problems, check.records), (vec![], 3));
}

#[test]
fn search_by_patient_id_and_time_pages_without_gaps_or_doubles() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault_at(home.path(), Arc::new(Steps::default()));
    for n in 0..25 {
        guard
            .put(&resource(&observation(
                &format!("o{n}"),
                if n % 5 == 0 { "q" } else { "p" },
                "1",
            )))
            .unwrap();
    }
    guard.put(&resource(&patient("p", "1"))).unwrap();
    assert_eq!(ids(&guard, "Observation?_count=4").len(), 25);
    let of_p = ids(&guard, "Observation?patient=p&_count=3&_sort=-_lastUpdated");
    assert_eq!(of_p.len(), 20);
    assert_eq!(of_p[0], "o24");
    let mut forward = ids(&guard, "Observation?patient=Patient/p&_count=7");
    forward.reverse();
    assert_eq!(forward, of_p);
    assert_eq!(ids(&guard, "Observation?_id=o3,o1,nope&_count=1").len(), 2);
    assert_eq!(ids(&guard, "Observation?_id=o5,o1&patient=q"), ["o5"]);
    assert!(ids(&guard, "Observation?_lastUpdated=lt2020").is_empty());
    assert_eq!(
        ids(&guard, "Observation?_lastUpdated=ge2020&patient=q").len(),
        5
    );
    assert!(ids(&guard, "Observation?patient=unknown").is_empty());
    assert_eq!(ids(&guard, "Patient"), ["p"]);

    // A page link holds for its own search only.
    let page = guard
        .search(&Query::parse("Observation?_count=2").unwrap())
        .unwrap();
    let mut other = page.next.unwrap();
    other.count = 3;
    assert!(matches!(guard.search(&other), Err(AccessError::Cursor(_))));
}

#[test]
fn a_page_stays_right_while_others_write() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    for n in 10..30 {
        guard
            .put(&resource(&observation(&format!("o{n}"), "p", "1")))
            .unwrap();
    }
    let first = guard
        .search(&Query::parse("Observation?_count=10").unwrap())
        .unwrap();
    guard.delete(&name("Observation/o10")).unwrap();
    guard.put(&resource(&observation("o11", "p", "2"))).unwrap();
    let second = guard.search(&first.next.unwrap()).unwrap();
    let seen: Vec<_> = second
        .records
        .iter()
        .map(|r| r.name.reference.id.to_string())
        .collect();
    assert_eq!(seen, (20..30).map(|n| format!("o{n}")).collect::<Vec<_>>());
}

#[test]
fn an_update_moves_its_index_rows() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    guard.put(&resource(&observation("o", "p", "1"))).unwrap();
    guard.put(&resource(&observation("o", "q", "1"))).unwrap();
    assert!(ids(&guard, "Observation?patient=p").is_empty());
    assert_eq!(ids(&guard, "Observation?patient=q"), ["o"]);
    guard.delete(&name("Observation/o")).unwrap();
    assert!(ids(&guard, "Observation?patient=q").is_empty());
    assert!(ids(&guard, "Observation").is_empty());
}

#[test]
fn the_outbox_keeps_one_row_per_change_and_forgets_what_was_never_sent() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    assert_eq!(
        guard.put(&resource(&patient("a", "1"))).unwrap(),
        Saved::Queued
    );
    assert_eq!(
        guard.put(&resource(&patient("a", "1"))).unwrap(),
        Saved::Unchanged
    );
    assert_eq!(
        guard.put(&resource(&patient("a", "2"))).unwrap(),
        Saved::Queued
    );
    assert_eq!(
        guard.put(&resource(&patient("b", "1"))).unwrap(),
        Saved::Queued
    );
    let pending = guard.pending(None).unwrap();
    assert_eq!(pending.len(), 2);
    assert_eq!(
        (pending[0].name.reference.to_string(), pending[0].changes),
        ("Patient/a".into(), 2)
    );
    assert_eq!(pending[0].state, EditState::Waiting);
    assert_eq!(pending[0].mine.as_deref(), Some(patient("a", "2").as_str()));
    assert_eq!(
        guard.delete(&name("Patient/a")).unwrap(),
        Some(Saved::Withdrawn)
    );
    assert_eq!(guard.delete(&name("Patient/a")).unwrap(), None);
    assert_eq!(guard.pending(None).unwrap().len(), 1);
    assert!(guard.get(&name("Patient/a")).unwrap().is_none());
}

/// Undoing a deletion must not make a record of another server's.
#[test]
fn a_record_written_again_after_its_deletion_goes_back_to_its_server() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let [_, second] = ["https://one.example/fhir", "https://two.example/fhir"]
        .map(|url| guard.remember_peer(url, &PeerSettings::default()).unwrap());
    let kind = ResourceType::named("Patient").unwrap();
    let (text, cursor) = (patient("a", "1"), PullCursor::default());
    guard
        .take_page(second, kind, &[resource(&text)], &cursor, |_, _| {
            Pulled::Take
        })
        .unwrap();
    guard.delete(&name("Patient/a")).unwrap();
    guard.put(&resource(&patient("a", "2"))).unwrap();
    let pending = guard.pending(None).unwrap();
    assert_eq!((pending.len(), pending[0].name.peer), (1, second));
}

/// Whatever stamp a server invents, the index row it makes is found again when the record changes.
#[test]
fn an_update_moves_the_row_of_an_absurd_stamp() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let peer = guard
        .remember_peer("https://one.example/fhir", &PeerSettings::default())
        .unwrap();
    let kind = ResourceType::named("Patient").unwrap();
    for at in [
        "-000500-01-01T00:00:00Z",
        "9999-12-30T22:00:00.999Z",
        "2026-01-01T00:00:00Z",
    ] {
        let text = format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"a\",\"meta\":{{\"lastUpdated\":\"{at}\"}}}}"
        );
        guard
            .take_page(
                peer,
                kind,
                &[resource(&text)],
                &PullCursor::default(),
                |_, _| Pulled::Take,
            )
            .unwrap();
        assert_eq!(ids(&guard, "Patient"), ["a"], "{at}");
    }
}

#[test]
fn each_release_and_each_write_is_in_the_audit_trail() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    guard.put(&resource(&patient("a", "1"))).unwrap();
    guard.get(&name("Patient/a")).unwrap();
    guard.get(&name("Patient/none")).unwrap();
    guard
        .search(&Query::parse("Patient?_id=a").unwrap())
        .unwrap();
    guard.lock().unwrap();
    let guard = unlock(home.path());
    let trail: Vec<String> = trail(&guard)
        .into_iter()
        .map(|e| {
            format!(
                "{} {:?} {} {:?} {}",
                e.person,
                e.kind,
                e.what,
                e.count,
                e.revision.is_some()
            )
        })
        .collect();
    assert_eq!(
        trail,
        [
            "owner Unlock  None false",
            "owner Write secret device-key None false",
            "owner Written secret device-key None true",
            "owner Write Patient/a None false",
            "owner Written Patient/a None true",
            "owner Read Patient/a Some(1) false",
            "owner Read Patient/none Some(0) false",
            "owner Search Patient?_id=a&_sort=_lastUpdated%2C_id&_count=50 Some(1) false",
            "owner Lock  None false",
            "owner Unlock  None false",
        ]
    );
    // Reading the trail and checking it are entries too.
    assert_eq!(guard.check().unwrap().audit_entries, 12);
}

/// An older copy of the store beside a newer audit trail: opens, and says so.
#[test]
fn a_store_behind_its_audit_trail_is_reported() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    guard.put(&resource(&patient("a", "1"))).unwrap();
    guard.get(&name("Patient/a")).unwrap();
    drop(guard);
    let store = home.path().join("vault/store-1.db");
    assert!(
        !home.path().join("vault/store-1.db-wal").exists(),
        "closing brings the WAL in"
    );
    let older = std::fs::read(&store).unwrap();
    let guard = unlock(home.path());
    for n in 0..3 {
        guard
            .put(&resource(&patient("a", &format!("2{n}"))))
            .unwrap();
    }
    drop(guard);
    std::fs::write(&store, &older).unwrap();
    let guard = unlock(home.path());
    let lost = guard.lost_changes().unwrap().unwrap();
    assert_eq!(lost.changes, 3);
    assert!(guard.check().unwrap().problems[0].contains("3 changes lost"));
    assert_eq!(
        guard.get(&name("Patient/a")).unwrap().unwrap().text,
        patient("a", "1")
    );
    // New changes must not take the lost ones' place: it is still reported, until a person has taken note.
    for n in 0..9 {
        guard
            .put(&resource(&patient("a", &format!("3{n}"))))
            .unwrap();
    }
    drop(guard);
    for _ in 0..2 {
        let guard = unlock(home.path());
        assert_eq!(guard.lost_changes().unwrap().unwrap().changes, 3);
        assert_eq!(guard.check().unwrap().problems.len(), 1);
    }
    unlock(home.path()).accept_loss().unwrap();
    let guard = unlock(home.path());
    assert!(guard.lost_changes().unwrap().is_none());
    assert!(guard.check().unwrap().problems.is_empty());
    let lost: Vec<_> = trail(&guard)
        .into_iter()
        .filter(|e| e.kind == AuditKind::Lost)
        .collect();
    assert_eq!(
        (lost.len(), lost[0].count),
        (1, Some(3)),
        "the trail keeps it"
    );
}

#[test]
fn a_damaged_or_foreign_store_is_named_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    guard.put(&resource(&patient("a", "1"))).unwrap();
    drop(guard);
    let store = home.path().join("vault/store-1.db");
    let good = std::fs::read(&store).unwrap();
    let open = || {
        pocketchart_core::access::Guard::unlock(
            home.path(),
            &passphrase(PASSPHRASE),
            Arc::new(pocketchart_core::clock::SystemClock),
        )
    };
    let mut first_page = good.clone();
    first_page[100] ^= 1;
    let mut salt = good.clone();
    salt[0] ^= 1;
    for (bad, words) in [
        (first_page, "is damaged"),
        (salt, "16 bytes"),
        (
            b"SQLite format 3\0 and so on, in clear".to_vec(),
            "not encrypted",
        ),
        (good[..10].to_vec(), "16 bytes"),
    ] {
        std::fs::write(&store, &bad).unwrap();
        let error = open().unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
        assert_eq!(std::fs::read(&store).unwrap(), bad, "{words}");
    }
    std::fs::remove_file(&store).unwrap();
    assert!(open().is_err());
    assert!(!store.exists(), "a missing store is never made anew");
    std::fs::write(&store, &good).unwrap();
    assert!(open().unwrap().check().unwrap().problems.is_empty());
}

/// One flipped bit in each page of the closed store: opening, reading or checking says so, and no read ever answers
/// with other bytes.
#[test]
fn one_flipped_bit_in_each_page_is_found_and_never_served() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let long: String = (0..60_000_u32)
        .map(|n| char::from(b'a' + u8::try_from(n * n % 23).unwrap()))
        .collect();
    let texts: Vec<String> = (0..6)
        .map(|n| patient(&format!("p{n}"), &long[n * 9000..n * 9000 + 8000]))
        .collect();
    texts
        .iter()
        .for_each(|text| assert_eq!(guard.put(&resource(text)).unwrap(), Saved::Queued));
    drop(guard);
    let store = home.path().join("vault/store-1.db");
    let good = std::fs::read(&store).unwrap();
    let pages = good.len() / 4096;
    assert!(pages > 15, "{pages}");
    let mut found_by_check = 0;
    for page in 0..pages {
        let mut bad = good.clone();
        bad[page * 4096 + 1000] ^= 4;
        std::fs::write(&store, &bad).unwrap();
        let opened = pocketchart_core::access::Guard::unlock(
            home.path(),
            &passphrase(PASSPHRASE),
            Arc::new(pocketchart_core::clock::SystemClock),
        );
        let Ok(guard) = opened else { continue };
        for text in &texts {
            if let Ok(Some(record)) = guard.get(resource(text).name()) {
                assert_eq!(record.text, *text, "page {page}");
            }
        }
        found_by_check += 1;
        match guard.check() {
            Ok(check) => assert!(!check.problems.is_empty(), "page {page}"),
            Err(error) => assert!(
                error.to_string().contains("damaged"),
                "page {page}: {error}"
            ),
        }
    }
    assert!(found_by_check > 5, "{found_by_check} of {pages}");
}
