//! Who saw what, and what the trail and its anchor can show of a vault that was tampered with.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{
    AccessError, Act, Actor, AnchorFinding, AnchorPlace, AnchorPlaceError, AuditError, AuditKind,
    Change, Guard, PeerSettings, Person, Precondition, Role, TrailFilter, Write,
};
use pocketchart_core::clock::SystemClock;
use pocketchart_core::fhir::params::Profile;
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Reference, ResourceId};
use pocketchart_tests::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

fn id(text: &str) -> ResourceId {
    ResourceId::new(text).unwrap()
}

fn put(guard: &Guard, text: &str) {
    guard.put(&resource(text)).unwrap();
}

fn actor(person: &str, role: Role) -> Actor {
    Actor::new(Person::new(person), role)
}

/// A place like a phone's keychain: it is not among the files.
#[derive(Default)]
struct Keychain {
    bytes: Mutex<Option<Vec<u8>>>,
    broken: Mutex<bool>,
}

impl AnchorPlace for Keychain {
    fn load(&self) -> Result<Option<Vec<u8>>, AnchorPlaceError> {
        match *self.broken.lock().unwrap() {
            true => Err(AnchorPlaceError),
            false => Ok(self.bytes.lock().unwrap().clone()),
        }
    }

    fn store(&self, bytes: &[u8]) -> Result<(), AnchorPlaceError> {
        if *self.broken.lock().unwrap() {
            return Err(AnchorPlaceError);
        }
        *self.bytes.lock().unwrap() = Some(bytes.to_vec());
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A vault with some copies of its folder beside it.
struct Place {
    folder: tempfile::TempDir,
    keychain: Arc<Keychain>,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            keychain: Arc::default(),
        };
        let (guard, _) = make_vault(&place.home());
        guard.lock().unwrap();
        place
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn keep(&self, name: &str) {
        copy(&self.home().join("vault"), &self.folder.path().join(name));
    }

    fn put_back(&self, name: &str) {
        fs::remove_dir_all(self.home().join("vault")).unwrap();
        copy(&self.folder.path().join(name), &self.home().join("vault"));
    }

    fn put_back_file(&self, name: &str, file: &str) {
        let from = self.folder.path().join(name).join(file);
        fs::copy(from, self.home().join("vault").join(file)).unwrap();
    }

    fn open(&self) -> (Guard, AnchorFinding) {
        let guard = unlock(&self.home());
        let finding = guard.watch_anchor(self.keychain.clone()).unwrap();
        (guard, finding)
    }

    fn work(&self, patients: &[&str]) {
        let (guard, _) = self.open();
        for patient_id in patients {
            put(&guard, &patient(patient_id, "1"));
        }
        guard.lock().unwrap();
    }
}

/// Every file as it was: nothing in the vault can tell. The anchor can, and nothing else.
#[test]
fn an_older_home_put_back_is_reported_with_the_anchor_and_only_then() {
    let place = Place::new();
    let (guard, finding) = place.open();
    assert_eq!(finding, AnchorFinding::First);
    guard.lock().unwrap();
    place.work(&["a"]);
    place.keep("older");
    place.work(&["b", "c"]);
    let (guard, finding) = place.open();
    assert_eq!(finding, AnchorFinding::Sound);
    guard.lock().unwrap();

    place.put_back("older");
    // The gap, and docs/audit.md names it: without the anchor this is a sound vault.
    let guard = unlock(&place.home());
    assert_eq!(
        (guard.lost_changes().unwrap(), guard.missed()),
        (None, None)
    );
    assert!(guard.check().unwrap().problems.is_empty());
    guard.verify_trail().unwrap();
    drop(guard);
    place.put_back("older");

    let (guard, finding) = place.open();
    let AnchorFinding::Older(missed) = finding else {
        unreachable!("{finding}");
    };
    // Two puts, and unlock, lock, unlock, lock around them with four entries of their own.
    assert_eq!((missed.changes, missed.entries), (2, 8));
    let words = missed.to_string();
    assert!(
        words.contains("2 changes and 8 audit entries lost"),
        "{words}"
    );
    let check = guard.check().unwrap();
    assert!(check.problems.contains(&words), "{:?}", check.problems);
    assert!(matches!(
        guard.verify_trail(),
        Err(AccessError::Audit(
            AuditError::Cut { .. } | AuditError::Forked { .. }
        ))
    ));
    // Nothing is blocked, and it goes along until a person has taken note of it.
    put(&guard, &patient("d", "1"));
    guard.lock().unwrap();
    for _ in 0..2 {
        let (guard, finding) = place.open();
        assert_eq!(finding, AnchorFinding::Older(missed));
        guard.lock().unwrap();
    }
    let (guard, _) = place.open();
    guard.accept_loss().unwrap();
    guard.lock().unwrap();
    let (guard, finding) = place.open();
    assert_eq!(finding, AnchorFinding::Sound);
    assert!(guard.check().unwrap().problems.is_empty());
    let rollbacks = trail(&guard)
        .iter()
        .filter(|e| e.kind == AuditKind::Rollback)
        .count();
    assert_eq!(rollbacks, 1, "the trail keeps it, once");
}

/// The audit file alone is put back, with a store that is newer: allowed, since a kill leaves it so.
#[test]
fn a_cut_tail_is_found_back_to_the_anchor_and_not_behind_it() {
    let place = Place::new();
    place.work(&["a"]);
    place.keep("before");
    place.work(&["b"]);
    place.keep("anchored");
    // Opened without the place, so no newer anchor is made.
    let guard = unlock(&place.home());
    put(&guard, &patient("c", "1"));
    guard.lock().unwrap();

    place.put_back_file("anchored", "audit-1.db");
    let (guard, finding) = place.open();
    // The gap: what came after the newest anchor was cut off, and nothing shows it.
    assert_eq!(finding, AnchorFinding::Sound);
    guard.verify_trail().unwrap();
    assert!(guard.check().unwrap().problems.is_empty());
    drop(guard);

    place.put_back_file("before", "audit-1.db");
    let (guard, finding) = place.open();
    let AnchorFinding::Older(missed) = finding else {
        unreachable!("{finding}");
    };
    assert_eq!((missed.changes, missed.entries), (0, 4));
    let error = guard.verify_trail().unwrap_err();
    assert!(matches!(
        error,
        AccessError::Audit(AuditError::Cut { .. } | AuditError::Forked { .. })
    ));
}

#[test]
fn an_anchor_that_is_gone_warns_and_one_that_is_unreadable_is_not_overwritten() {
    let place = Place::new();
    place.work(&["a"]);
    let anchor = place.keychain.bytes.lock().unwrap().take();
    let (guard, finding) = place.open();
    assert_eq!(finding, AnchorFinding::Gone);
    put(&guard, &patient("b", "1"));
    assert_eq!(
        trail(&guard)
            .iter()
            .filter(|e| e.kind == AuditKind::Rollback)
            .count(),
        1
    );
    guard.lock().unwrap();
    let (guard, finding) = place.open();
    assert_eq!(finding, AnchorFinding::Sound, "a new one was made");
    drop(guard);
    // Another vault's, or rubbish.
    *place.keychain.bytes.lock().unwrap() = Some(b"{}".to_vec());
    let (guard, finding) = place.open();
    assert_eq!(finding, AnchorFinding::Gone);
    drop(guard);
    *place.keychain.bytes.lock().unwrap() = anchor.clone();
    *place.keychain.broken.lock().unwrap() = true;
    let (guard, finding) = place.open();
    assert_eq!(finding, AnchorFinding::Unanswered);
    *place.keychain.broken.lock().unwrap() = false;
    guard.lock().unwrap();
    assert_eq!(*place.keychain.bytes.lock().unwrap(), anchor);
}

/// A hub keeps anchors too; what it kept shows the same.
#[test]
fn an_anchor_that_a_hub_kept_shows_an_older_home() {
    let place = Place::new();
    // The first change of all makes the device's key too.
    place.work(&["z"]);
    place.keep("older");
    let guard = unlock(&place.home());
    put(&guard, &patient("a", "1"));
    let anchor = guard.anchor().unwrap();
    assert_eq!(guard.compare_anchor(&anchor).unwrap(), None);
    guard.lock().unwrap();
    place.put_back("older");
    let guard = unlock(&place.home());
    let missed = guard.compare_anchor(&anchor).unwrap().unwrap();
    assert_eq!((missed.changes, missed.entries), (1, 3));
    let other = pocketchart_core::access::Anchor {
        vault: [0; 16],
        ..anchor
    };
    assert_eq!(guard.compare_anchor(&other).unwrap(), None);
}

/// Whatever wrote to the store: an older copy of it beside the newer trail is reported, with the number of changes.
#[test]
fn a_lost_write_of_every_kind_is_reported() {
    type Work = fn(&Guard, &Path);
    let works: [(&str, Work, i64); 9] = [
        ("put", |guard, _| put(guard, &patient("b", "1")), 1),
        (
            "delete",
            |guard, _| {
                guard.delete(&name("Patient/a")).unwrap();
            },
            1,
        ),
        (
            "import",
            |guard, folder| {
                let file = folder.join("b.json");
                fs::write(&file, patient("b", "1")).unwrap();
                import(guard, &[file]);
            },
            // Its records, and its end.
            2,
        ),
        (
            "import as edits",
            |guard, folder| {
                let file = folder.join("b.json");
                fs::write(&file, patient("b", "1")).unwrap();
                import_as(guard, &[file], true);
            },
            2,
        ),
        (
            "settings",
            |guard, _| {
                guard
                    .remember_peer("https://x.example/fhir", &PeerSettings::default())
                    .unwrap();
            },
            1,
        ),
        ("secret", |guard, _| guard.keep_secret("n", "v").unwrap(), 1),
        (
            "profile",
            |guard, _| guard.set_profile(Profile::Full).unwrap(),
            1,
        ),
        (
            "commit",
            |guard, _| {
                let text = patient("c", "1");
                let write = Write {
                    act: Act::Put(resource(&text)),
                    condition: Precondition::default(),
                    change: None,
                    signed: None,
                    full_url: None,
                };
                guard.commit(&[write]).unwrap();
            },
            1,
        ),
        (
            "three",
            |guard, _| {
                for n in ["b", "c", "d"] {
                    put(guard, &patient(n, "1"));
                }
            },
            3,
        ),
    ];
    for (what, work, lost) in works {
        let place = Place::new();
        place.work(&["a"]);
        place.keep("older");
        let guard = unlock(&place.home());
        work(&guard, place.folder.path());
        guard.lock().unwrap();
        let guard = unlock(&place.home());
        assert_eq!(guard.lost_changes().unwrap(), None, "{what}");
        guard.lock().unwrap();
        place.put_back_file("older", "store-1.db");
        let guard = unlock(&place.home());
        let found = guard.lost_changes().unwrap().map(|lost| lost.changes);
        assert_eq!(found, Some(lost), "{what}");
    }
}

#[test]
fn entries_say_whose_records_and_who() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    for text in [
        patient("a", "1"),
        patient("b", "1"),
        observation("o", "a", "1"),
        observation("p", "b", "1"),
    ] {
        put(&guard, &text);
    }
    let nurse = Actor {
        device: Some("tablet-7".into()),
        facility: Some("ward".into()),
        ..actor("nina", Role::OWNER)
    };
    let guard = guard.acting_as(nurse);
    let before = trail(&guard).len();
    guard.get(&name("Observation/o")).unwrap();
    let search = |text: &str| guard.search(&Query::parse(text).unwrap()).unwrap();
    search("Observation");
    search("Observation?_id=o&_include=Observation:subject");
    search("Observation?_id=none");
    // It moves from one patient to another: it concerns both.
    put(&guard, &observation("o", "b", "2"));
    guard.delete(&name("Observation/p")).unwrap();
    guard.fetch(&name("Patient/a")).unwrap();
    let said: Vec<String> = trail(&guard)[before..]
        .iter()
        .map(|e| {
            assert_eq!((e.person.as_str(), e.role.as_str()), ("nina", "owner"));
            assert_eq!(e.device.as_deref(), Some("tablet-7"));
            assert_eq!(e.facility.as_deref(), Some("ward"));
            let what = e.what.split('?').next().unwrap();
            let change = e.change.map(|c| format!("{c:?}")).unwrap_or_default();
            format!("{} {what} {change} [{}]", e.kind, e.patients.join(" "))
        })
        .collect();
    assert_eq!(
        said,
        [
            "read Observation/o  [a]",
            "search Observation  [a b]",
            "search Observation  [a]",
            "search Observation  []",
            "write Observation/o Update [a b]",
            "written Observation/o Update [a b]",
            "write delete Observation/p Delete [b]",
            "written delete Observation/p Delete [b]",
            "read Patient/a  [a]",
        ]
    );
}

#[test]
fn a_transaction_says_of_all_its_patients_and_a_first_write_that_it_creates() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    guard.serve().unwrap();
    let (a, o) = (patient("a", "1"), observation("o", "b", "1"));
    let write = |act| Write {
        act,
        condition: Precondition::default(),
        change: None,
        signed: None,
        full_url: None,
    };
    let puts = [write(Act::Put(resource(&a))), write(Act::Put(resource(&o)))];
    guard.commit(&puts).unwrap();
    guard.commit(&puts[..1]).unwrap();
    let gone = Act::Delete(name("Patient/a"));
    guard.commit(&[write(gone)]).unwrap();
    let written: Vec<_> = trail(&guard)
        .into_iter()
        .filter(|e| e.kind == AuditKind::Written && e.what != "serve")
        .map(|e| (e.what, e.change, e.patients.join(" ")))
        .collect();
    let said = |what: &str, change, patients: &str| (what.to_owned(), change, patients.to_owned());
    assert_eq!(
        written,
        [
            said("transaction of 2", None, "a b"),
            said("Patient/a", Some(Change::Update), "a"),
            said("delete Patient/a", Some(Change::Delete), "a"),
        ]
    );
}

#[test]
fn who_saw_a_patient_is_for_owner_auditor_and_the_patient() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    for text in [patient("a", "1"), patient("b", "1")] {
        put(&guard, &text);
    }
    let nurse = guard.acting_as(actor("nina", Role::OWNER));
    nurse
        .search(&Query::parse("Patient?name=x,y&_id=a,b").unwrap())
        .unwrap();
    nurse.search(&Query::parse("Patient").unwrap()).unwrap();
    nurse.get(&name("Patient/b")).unwrap();

    let seen = |guard: &Guard| -> Vec<String> {
        let page = guard.who_saw(&id("a"), None, None).unwrap();
        let entries = page.entries.into_iter();
        entries
            .map(|(_, e)| format!("{} {} {} {:?}", e.person, e.kind, e.what, e.patients))
            .collect()
    };
    let all = seen(&guard);
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all[0].starts_with("nina search Patient?"), "{all:?}");
    assert!(all[0].ends_with(r#"["a", "b"]"#), "{all:?}");
    assert!(all[1].starts_with("owner written Patient/a"), "{all:?}");

    let auditor = guard.acting_as(actor("otto", Role::AUDITOR));
    assert_eq!(seen(&auditor).len(), 4, "and that the owner asked");
    let ana = Actor {
        patient: Some(id("a")),
        ..actor("ana", Role::PATIENT)
    };
    let ana = guard.acting_as(ana);
    let hers = seen(&ana);
    assert_eq!(hers.len(), 5);
    assert_eq!(hers[2], r#"nina search Patient ["a"]"#, "nobody else's");
    assert!(!hers.iter().any(|line| line.contains('b')), "{hers:?}");

    let refused = |guard: &Guard, filter: &TrailFilter| {
        assert!(matches!(
            guard.trail(filter),
            Err(AccessError::NotAllowed(_))
        ));
    };
    refused(&ana, &TrailFilter::about(id("b")));
    refused(&ana, &TrailFilter::default());
    for role in [Role::NURSE, Role::PHYSICIAN, Role::FRONT_DESK, Role::ADMIN] {
        let staff = guard.acting_as(actor("s", role));
        refused(&staff, &TrailFilter::about(id("a")));
        assert!(staff.verify_trail().is_err());
        let take = |_: &str| Ok::<_, AccessError>(());
        assert!(staff.export_trail(take).is_err());
    }
    let denied: Vec<_> = trail(&guard)
        .into_iter()
        .filter(|e| e.kind == AuditKind::Denied)
        .collect();
    assert_eq!(denied.len(), 2 + 4 * 3);
    assert!(denied.iter().all(|e| e.rule.is_some()));
    guard.verify_trail().unwrap();
}

/// Looks go on at full speed and none is lost while others write, and each chain holds.
#[test]
fn readers_and_an_import_write_one_unbroken_trail() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let file = home.path().join("c.ndjson");
    fs::write(&file, clinic()).unwrap();
    let entries = std::thread::scope(|scope| {
        let importer = scope.spawn(|| import(&guard, std::slice::from_ref(&file)));
        let mut looks = 0;
        while !importer.is_finished() || looks < 50 {
            guard.get(&name(&format!("Patient/x{looks}"))).unwrap();
            looks += 1;
        }
        importer.join().unwrap();
        looks
    });
    let all = trail(&guard);
    let reads = all.iter().filter(|e| e.kind == AuditKind::Read).count();
    assert_eq!(reads, entries);
    guard.verify_trail().unwrap();
    // Whose they are is found for every page, also where the index follows far behind.
    let ids: Vec<Reference> = all.iter().filter_map(|e| e.record()).take(3).collect();
    for one in ids {
        let page = guard.who_saw(&one.id, None, None).unwrap();
        assert_eq!(page.entries[0].1.what, one.to_string());
    }
    guard.verify_trail().unwrap();
    let clock = Arc::new(SystemClock);
    let opened = Guard::unlock(home.path(), &passphrase(PASSPHRASE), clock);
    assert!(opened.is_err(), "one process has it");
}
