//! Servers that give records ids of their own: the record, and all that refers to it, is called that here too.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::EditState;
use pocketchart_core::sync::SyncError;
use pocketchart_tests::little_server::{Instead, LittleServer, Ways};
use pocketchart_tests::*;
use std::sync::atomic::{AtomicU32, Ordering};

const GIVES_IDS: Ways = Ways {
    compares_versions: true,
    gives_ids: true,
    says_so: true,
    most_entries: usize::MAX,
    targets_must_exist: true,
};

/// Whether the server says so, or only shows it.
fn both() -> [Ways; 2] {
    let silent = Ways {
        says_so: false,
        ..GIVES_IDS
    };
    [GIVES_IDS, silent]
}

#[tokio::test]
async fn what_refers_to_a_record_follows_it_to_its_new_name() {
    for ways in both() {
        let little = LittleServer::new(ways);
        let phone = little.device();
        phone.put(&observation("o1", "mine", "1.00"));
        phone.put(&patient("mine", "1"));
        phone.put(&observation("o2", "mine", "2"));
        let report = phone.sync().await;
        assert_eq!((report.sent, report.refused, report.behind), (3, 0, 0));
        let names = little.names();
        assert_eq!(names.len(), 3, "{names:?}");
        let patient = names.iter().find(|it| it.starts_with("Patient/")).unwrap();
        for observed in names.iter().filter(|it| it.starts_with("Observation/")) {
            let text = little.text(observed).unwrap();
            assert!(
                text.contains(&format!("\"reference\":\"{patient}\"")),
                "{text}"
            );
            assert_eq!(phone.text(observed).unwrap(), text);
        }
        assert!(phone.guard.pending(None).unwrap().is_empty());
        // Whoever still holds the old name finds it.
        let old = phone.guard.get(&name("Patient/mine")).unwrap().unwrap();
        assert_eq!(old.name.reference, name(patient));
        let counts = phone.guard.status().unwrap().counts;
        assert_eq!(counts.iter().map(|(_, n)| n).sum::<u64>(), 3, "{counts:?}");
        assert_eq!(phone.guard.check().unwrap().problems, [""; 0]);
        // From then on it is a record like others.
        let text = phone.text(patient).unwrap();
        phone.put(&text.replace("\"1\"}]", "\"2\"}]"));
        assert_eq!(phone.sync().await.sent, 1);
        assert!(little.text(patient).unwrap().contains("\"2\"}]"));
    }
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_found_again_and_not_doubled() {
    for ways in both() {
        let lost = AtomicU32::new(0);
        let little = LittleServer::with(ways, move |what, _| {
            let first =
                what.starts_with("POST Patient") && lost.fetch_add(1, Ordering::SeqCst) == 0;
            first.then(|| Instead {
                is_lost: true,
                ..Instead::default()
            })
        });
        let phone = little.device();
        phone.put(&patient("mine", "1"));
        phone.put(&observation("o", "mine", "1"));
        assert!(matches!(phone.try_sync().await, Err(SyncError::Net(_))));
        // It is edited before anybody knows what became of it.
        phone.put(&patient("mine", "2"));
        let report = phone.sync().await;
        assert_eq!((report.sent, report.refused, report.conflicts), (3, 0, 0));
        let names = little.names();
        assert_eq!(names.len(), 2, "{names:?}");
        let patient = little.text("Patient/1").unwrap();
        assert!(patient.contains("\"2\"}]") && patient.contains("\"versionId\":\"2\""));
        let observed = little.text(&names[0]).unwrap();
        assert!(
            observed.contains("\"reference\":\"Patient/1\""),
            "{observed}"
        );
    }
}

#[tokio::test]
async fn two_equal_readings_are_two() {
    let little = LittleServer::new(GIVES_IDS);
    let phone = little.device();
    let one = r#"{"resourceType":"Observation","id":"one","valueQuantity":{"value":1.00}}"#;
    phone.put(one);
    phone.put(&one.replace("\"one\"", "\"two\""));
    assert_eq!(phone.sync().await.sent, 2);
    assert_eq!(little.names().len(), 2);
}

#[tokio::test]
async fn a_circle_is_created_in_one_transaction() {
    let little = LittleServer::new(GIVES_IDS);
    let phone = little.device();
    let (visit, slot) = (
        r#"{"resourceType":"Appointment","id":"v","slot":[{"reference":"Slot/s"}]}"#,
        r#"{"resourceType":"Slot","id":"s","extension":[{"url":"urn:x","valueReference":{"reference":"Appointment/v"}}]}"#,
    );
    let both = [resource(visit), resource(slot)];
    phone.guard.put_together(&both).unwrap();
    assert_eq!(phone.sync().await.sent, 2);
    assert_eq!(little.writes(), ["POST 2 entries"]);
    let names = little.names();
    let (visit, slot) = (
        little.text(&names[0]).unwrap(),
        little.text(&names[1]).unwrap(),
    );
    assert!(visit.contains(&names[1]), "{visit}");
    assert!(slot.contains(&names[0]), "{slot}");
    for name in &names {
        assert_eq!(phone.text(name), little.text(name));
        assert_eq!(phone.state(name), None::<EditState>);
    }
}

#[tokio::test]
async fn what_waits_for_a_person_or_was_written_by_another_is_renamed_too() {
    let little = LittleServer::new(GIVES_IDS);
    let phone = little.device();
    phone.put(&patient("mine", "1"));
    // Refused, and waiting for a person.
    let refused = observation("bad", "mine", "1").replace("\"id\"", "\"x\":\"poison\",\"id\"");
    phone.put(&refused);
    let report = phone.sync().await;
    assert_eq!((report.sent, report.refused), (1, 1));
    let kept = phone.text("Observation/bad").unwrap();
    assert!(kept.contains("\"reference\":\"Patient/1\""), "{kept}");
    phone.put(&kept.replace("poison", "fine"));
    assert_eq!(phone.sync().await.sent, 1);
}
