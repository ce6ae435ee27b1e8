//! Records through the facade: pages, texts, changes, and what is told of them.

use crate::common::*;
use pocketchart::{RecordState, SaveState, Session};
use pocketchart_tests::{observation, patient};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn search(session: &Session, query: &str, cursor: Option<String>) -> pocketchart::SummaryPage {
    wait(session.search(query.into(), cursor)).unwrap()
}

#[test]
fn what_was_put_is_read_back_byte_for_byte() {
    let place = Place::new();
    let (session, _) = place.created();
    let text = patient("a", "Zoë 💊 \\u0041");
    let saved = wait(session.put(text.clone())).unwrap();
    assert_eq!(saved.reference, "Patient/a");
    assert_eq!(saved.state, SaveState::Queued);
    let read = wait(session.get("Patient/a".into())).unwrap();
    assert_eq!(read.json, text);
    assert_eq!((read.version, read.state), (None, RecordState::Waiting));
    assert_eq!(
        wait(session.put(text)).unwrap().state,
        SaveState::Unchanged,
        "the same bytes again"
    );
    let gone = wait(session.delete("Patient/a".into())).unwrap();
    assert_eq!(gone.state, SaveState::Withdrawn);
    assert_eq!(code(wait(session.get("Patient/a".into()))), "not_found");
    assert_eq!(code(wait(session.delete("Patient/a".into()))), "not_found");
}

#[test]
fn what_is_no_record_and_no_search_is_refused() {
    let place = Place::new();
    let (session, _) = place.created();
    for bad in ["", "{}", "[1]", r#"{"resourceType":"Patient"}"#, "\u{0}"] {
        assert_eq!(code(wait(session.put(bad.into()))), "bad_input", "{bad:?}");
    }
    for bad in ["Patient", "Patient/a/_history/1", "patient/a", ""] {
        assert_eq!(code(wait(session.get(bad.into()))), "bad_input", "{bad}");
    }
    for bad in ["", "patient", "Patient?nothing=1", "Patient?_cursor=1"] {
        let page = wait(session.search(bad.into(), None));
        assert_eq!(code(page), "bad_input", "{bad}");
    }
    let forged = wait(session.search("Patient".into(), Some("AAAA".into())));
    assert_eq!(code(forged), "bad_input");
    assert_eq!(code(session.observe(vec!["patient".into()])), "bad_input");
}

#[test]
fn pages_have_at_most_a_hundred_rows_and_follow_each_other() {
    let place = Place::new();
    let (session, _) = place.created();
    for n in 0..130 {
        wait(session.put(observation(&format!("o{n}"), "p", &n.to_string()))).unwrap();
    }
    let first = search(&session, "Observation?_count=500&_total=accurate", None);
    assert_eq!((first.items.len(), first.total), (100, Some(130)));
    let next = first.next.clone().unwrap();
    let second = search(
        &session,
        "Observation?_count=500&_total=accurate",
        Some(next.clone()),
    );
    assert_eq!((second.items.len(), second.next.is_none()), (30, true));
    let all: BTreeSet<&str> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|row| row.reference.as_str())
        .collect();
    assert_eq!(all.len(), 130);
    assert!(
        first
            .items
            .iter()
            .all(|row| row.is_waiting && row.kind == "Observation")
    );
    assert!(first.items[0].value.is_some() && !first.items[0].what.is_empty());
    // A link is of its own search alone.
    let other = wait(session.search("Observation?_count=10".into(), Some(next)));
    assert_eq!(code(other), "bad_input");
}

/// A medicine that stands in another record is named all the same, as the command line does.
#[test]
fn a_row_knows_the_words_of_what_it_refers_to() {
    let place = Place::new();
    let (session, _) = place.created();
    for text in [
        r#"{"resourceType":"Medication","id":"m","code":{"text":"Paracetamol 500 mg"}}"#,
        r#"{"resourceType":"MedicationRequest","id":"r","status":"active","intent":"order","medicationReference":{"reference":"Medication/m"},"subject":{"reference":"Patient/a"}}"#,
    ] {
        wait(session.put(text.into())).unwrap();
    }
    let page = search(
        &session,
        "MedicationRequest?_include=MedicationRequest:medication",
        None,
    );
    assert_eq!(page.items[0].what, "Paracetamol 500 mg");
    assert!(page.items[1].is_included && page.items[1].reference == "Medication/m");
}

#[test]
fn the_first_tick_is_there_at_once_and_others_follow_changes() {
    let place = Place::new();
    let (session, _) = place.created();
    let both = ["Patient".to_owned(), "Observation".to_owned()];
    let ticks = session.observe(both.to_vec()).unwrap();
    let first = wait(ticks.next()).unwrap().unwrap();
    assert_eq!(first.kinds, both);
    let quiet = Duration::from_millis(300);
    assert!(wait_for(ticks.next(), quiet).is_none(), "nothing changed");

    // To read and to search is to change nothing; and another type is not ours.
    search(&session, "Patient", None);
    wait(session.put(r#"{"resourceType":"Device","id":"d"}"#.into())).unwrap();
    assert!(wait_for(ticks.next(), quiet).is_none());

    wait(session.put(patient("a", "1"))).unwrap();
    let tick = wait(ticks.next()).unwrap().unwrap();
    assert_eq!(tick.kinds, ["Patient"]);
    assert!(tick.revision > first.revision);
    // What nobody waited for is told to whoever looks late, once.
    wait(session.put(observation("o", "a", "1"))).unwrap();
    wait(session.delete("Patient/a".into())).unwrap();
    let late = wait(ticks.next()).unwrap().unwrap();
    assert_eq!(late.kinds, both);
    assert!(wait_for(ticks.next(), quiet).is_none());
    ticks.close().unwrap();
    assert_eq!(wait(ticks.next()).unwrap(), None);
}

#[test]
fn many_changes_are_few_ticks() {
    let place = Place::new();
    let (session, _) = place.created();
    let ticks = session.observe(vec!["Observation".into()]).unwrap();
    wait(ticks.next()).unwrap();
    let begun = Instant::now();
    let writer = {
        let session = Arc::clone(&session);
        std::thread::spawn(move || {
            for n in 0..200 {
                wait(session.put(observation(&format!("o{n}"), "p", "1"))).unwrap();
            }
        })
    };
    let (mut told, mut last) = (0, 0);
    while let Some(tick) = wait_for(ticks.next(), Duration::from_secs(1)) {
        let tick = tick.unwrap().unwrap();
        assert!(tick.revision > last, "it only grows");
        (told, last) = (told + 1, tick.revision);
    }
    writer.join().unwrap();
    let tenths = begun.elapsed().as_millis() / 100;
    assert!(
        told >= 1 && told <= tenths + 2,
        "{told} ticks in {tenths} tenths of a second"
    );
    assert_eq!(
        search(&session, "Observation?_total=accurate", None).total,
        Some(200)
    );
}

/// A call that is dropped has told nothing: the next one does.
#[test]
fn a_dropped_wait_loses_no_tick() {
    let place = Place::new();
    let (session, _) = place.created();
    let ticks = session.observe(vec!["Patient".into()]).unwrap();
    wait(ticks.next()).unwrap();
    let mut dropped = 0;
    for n in 0..20 {
        assert!(drop_after(ticks.next(), 1).is_none());
        wait(session.put(patient(&format!("p{n}"), "1"))).unwrap();
        // Within the tenth of a second after the tick before it waits on, and is dropped there.
        if drop_after(ticks.next(), 1).is_none() {
            let tick = wait_for(ticks.next(), Duration::from_secs(10));
            assert!(tick.is_some_and(|tick| tick.unwrap().is_some()), "{n}");
            dropped += 1;
        }
    }
    assert!(dropped > 0, "no wait was dropped");
}

/// Whoever waits in `next` hears of the end by another thread's call.
#[test]
fn close_ends_a_waiting_call() {
    let place = Place::new();
    let (session, _) = place.created();
    let ticks = session.observe(vec![]).unwrap();
    assert!(wait(ticks.next()).unwrap().unwrap().kinds.len() > 100);
    let closer = {
        let ticks = Arc::clone(&ticks);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            ticks.close().unwrap();
        })
    };
    assert_eq!(wait(ticks.next()).unwrap(), None);
    closer.join().unwrap();
}

/// A nurse hears of what a nurse may read.
#[test]
fn ticks_name_only_what_this_person_may_read() {
    let place = Place::new();
    let (session, _) = place.created();
    let all = session.observe(vec![]).unwrap();
    let owners = wait(all.next()).unwrap().unwrap().kinds;
    let slot = pocketchart::NewSlot::Passphrase {
        name: String::new(),
        text: NURSE_WORDS.into(),
        on_this_device_only: false,
    };
    wait(session.add_person("p-1".into(), "patient".into(), slot)).unwrap();
    let with = pocketchart::UnlockWith::Passphrase {
        person: Some("p-1".into()),
        text: NURSE_WORDS.into(),
    };
    wait(session.switch_person(with)).unwrap();
    let all = session.observe(vec![]).unwrap();
    let theirs = wait(all.next()).unwrap().unwrap().kinds;
    assert!(
        theirs.len() < owners.len(),
        "{} of {}",
        theirs.len(),
        owners.len()
    );
    assert!(!theirs.contains(&"AuditEvent".to_owned()));
}

#[test]
fn a_thousand_calls_at_once_are_all_answered() {
    let place = Place::new();
    let (session, _) = place.created();
    wait(session.put(patient("a", "1"))).unwrap();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let session = Arc::clone(&session);
            std::thread::spawn(move || {
                for _ in 0..125 {
                    assert!(wait(session.get("Patient/a".into())).is_ok());
                }
            })
        })
        .collect();
    for call in calls {
        call.join().unwrap();
    }
}

#[test]
fn who_saw_a_patient_is_told_to_whoever_may_know() {
    let place = Place::new();
    let (session, _) = place.created();
    wait(session.put(patient("a", "1"))).unwrap();
    wait(session.get("Patient/a".into())).unwrap();
    let page = wait(session.who_saw("Patient/a".into(), None)).unwrap();
    let acts: Vec<&str> = page.items.iter().map(|one| one.act.as_str()).collect();
    assert!(
        acts.contains(&"read") && acts.contains(&"written"),
        "{acts:?}"
    );
    assert!(page.items.iter().all(|one| one.person == "owner"));
    assert!(
        page.items
            .windows(2)
            .all(|pair| pair[0].number > pair[1].number)
    );
    assert_eq!(code(wait(session.who_saw("a b".into(), None))), "bad_input");
    assert_eq!(
        code(wait(session.who_saw("a".into(), Some("x".into())))),
        "bad_input"
    );
    let warnings = wait(session.warnings()).unwrap();
    assert_eq!(warnings.lost_changes, None);
    assert!(!warnings.is_older_than_anchor);
    wait(session.accept_loss()).unwrap();
}
