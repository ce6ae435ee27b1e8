//! A record that was created while its answer was lost, received under the server's id as what looked like another one, and
//! changed here under both names before it was recognised: the two are one, and nothing that was written is lost.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{Actor, EditState, Person, PullCursor, Pulled, Role};
use pocketchart_tests::little_server::{Instead, LittleServer, Ways};
use pocketchart_tests::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// Made here as `Patient/mine`, and received as `Patient/1` before anybody knew that it arrived.
async fn received_twice() -> (LittleServer, Device) {
    let ways = Ways {
        gives_ids: true,
        ..Ways::default()
    };
    let lost = AtomicU32::new(0);
    let little = LittleServer::with(ways, move |what, _| {
        let first = what.starts_with("POST Patient") && lost.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Instead {
            is_lost: true,
            ..Instead::default()
        })
    });
    let phone = little.device();
    phone.put(&patient("mine", "1"));
    assert!(phone.try_sync().await.is_err());
    let text = little.text("Patient/1").unwrap();
    let page = [resource(&text)];
    let (kind, cursor) = (page[0].kind(), PullCursor::default());
    let taken = phone
        .guard
        .take_page(phone.peer, kind, &page, &cursor, |_, _| Pulled::Take);
    assert_eq!(taken.unwrap(), [Pulled::Take]);
    (little, phone)
}

fn with(text: &str, member: &str) -> String {
    text.replacen('{', &format!("{{{member},"), 1)
}

fn put_with(phone: &Device, name: &str, member: &str) {
    let text = phone.text(name).unwrap();
    phone.put(&with(&text, member));
}

fn patients(little: &LittleServer) -> usize {
    let names = little.names();
    names.iter().filter(|it| it.starts_with("Patient/")).count()
}

/// What refers to the old name reaches the server, and says the new one.
fn is_followed(little: &LittleServer, phone: &Device) {
    let observed = little.names();
    let observed: Vec<_> = observed
        .iter()
        .filter(|it| it.starts_with("Observation/"))
        .collect();
    assert_eq!(observed.len(), 1);
    let text = little.text(observed[0]).unwrap();
    assert!(text.contains("\"reference\":\"Patient/1\""), "{text}");
    assert_eq!(phone.text(observed[0]).unwrap(), text);
}

#[tokio::test]
async fn what_was_written_under_either_name_is_in_one_record() {
    let (little, phone) = received_twice().await;
    put_with(&phone, "Patient/mine", "\"gender\":\"female\"");
    put_with(&phone, "Patient/1", "\"birthDate\":\"1970-01-01\"");
    put_with(&phone, "Patient/mine", "\"active\":true");
    phone.put(&observation("o", "mine", "1"));
    phone.sync().await;
    let text = little.text("Patient/1").unwrap();
    for member in ["\"female\"", "\"1970-01-01\"", "\"active\":true"] {
        assert!(text.contains(member), "{member} in {text}");
    }
    assert_eq!(patients(&little), 1);
    is_followed(&little, &phone);
    assert!(phone.guard.pending(None).unwrap().is_empty());
    assert_eq!(phone.text("Patient/1").unwrap(), text);
    let counts = phone.guard.status().unwrap().counts;
    assert_eq!(counts.iter().map(|(_, n)| n).sum::<u64>(), 2, "{counts:?}");
    assert_eq!(phone.guard.check().unwrap().problems, [""; 0]);
}

#[tokio::test]
async fn nothing_more_under_the_old_name_and_it_is_gone_at_once() {
    let (little, phone) = received_twice().await;
    phone.put(&observation("o", "mine", "1"));
    put_with(&phone, "Patient/1", "\"active\":true");
    let report = phone.sync().await;
    assert_eq!((report.refused, report.conflicts, report.behind), (0, 0, 0));
    assert!(
        little
            .text("Patient/1")
            .unwrap()
            .contains("\"active\":true")
    );
    assert_eq!(patients(&little), 1);
    is_followed(&little, &phone);
    assert!(phone.guard.pending(None).unwrap().is_empty());
    // Whoever still holds the old name finds it.
    let old = phone.guard.get(&name("Patient/mine")).unwrap().unwrap();
    assert_eq!(old.name.reference, name("Patient/1"));
}

#[tokio::test]
async fn where_both_changed_the_same_a_person_is_asked_with_all_of_it() {
    let (little, phone) = received_twice().await;
    put_with(&phone, "Patient/1", "\"gender\":\"female\"");
    put_with(&phone, "Patient/mine", "\"gender\":\"male\"");
    phone.put(&observation("o", "mine", "1"));
    let report = phone.sync().await;
    assert_eq!(report.refused, 0);
    assert!(little.text("Patient/1").unwrap().contains("\"female\""));
    assert_eq!(patients(&little), 1);
    let conflict = phone.guard.conflict(&name("Patient/1")).unwrap().unwrap();
    assert!(conflict.mine.unwrap().contains("\"male\""));
    assert!(conflict.theirs.unwrap().contains("\"female\""));
    assert_eq!(phone.state("Patient/mine"), None::<EditState>);
    is_followed(&little, &phone);
}

#[tokio::test]
async fn deleted_under_one_name_and_changed_under_the_other_is_a_conflict() {
    let (little, phone) = received_twice().await;
    phone.guard.delete(&name("Patient/1")).unwrap();
    put_with(&phone, "Patient/mine", "\"gender\":\"male\"");
    phone.sync().await;
    assert_eq!(little.names(), [""; 0]);
    assert_eq!(phone.state("Patient/1"), Some(EditState::Conflict));
    let conflict = phone.guard.conflict(&name("Patient/1")).unwrap().unwrap();
    assert!(conflict.mine.unwrap().contains("\"male\""));
    assert_eq!(conflict.theirs, None);
    assert_eq!(phone.state("Patient/mine"), None::<EditState>);
}

/// What waits under the server's name waits for a person: what was written under the old one waits behind it, and is not
/// made a second time.
#[tokio::test]
async fn it_waits_behind_what_waits_for_a_person() {
    let (little, phone) = received_twice().await;
    put_with(&phone, "Patient/1", "\"x\":\"poison\"");
    put_with(&phone, "Patient/mine", "\"gender\":\"male\"");
    phone.put(&observation("o", "mine", "1"));
    for _ in 0..2 {
        let report = phone.sync().await;
        assert_eq!(report.behind, 1);
        assert_eq!(phone.state("Patient/1"), Some(EditState::Refused));
        assert_eq!(phone.state("Patient/mine"), Some(EditState::Waiting));
        assert_eq!(patients(&little), 1);
    }
    is_followed(&little, &phone);
    let text = phone.text("Patient/1").unwrap();
    phone.put(&text.replace("poison", "fine"));
    phone.sync().await;
    let text = little.text("Patient/1").unwrap();
    assert!(text.contains("fine") && text.contains("\"male\""), "{text}");
    assert_eq!(patients(&little), 1);
    assert!(phone.guard.pending(None).unwrap().is_empty());
}

#[tokio::test]
async fn each_author_stands_for_what_that_author_wrote() {
    let (little, phone) = received_twice().await;
    put_with(&phone, "Patient/mine", "\"gender\":\"female\"");
    let second = Actor::new(Person::new("second"), Role::OWNER);
    let second = phone.guard.clone().acting_as(second);
    for (name, member) in [
        ("Patient/1", "\"active\":true"),
        ("Patient/mine", "\"birthDate\":\"1970-01-01\""),
    ] {
        let text = with(&phone.text(name).unwrap(), member);
        second.put(&resource(&text)).unwrap();
    }
    phone.sync().await;
    let text = little.text("Patient/1").unwrap();
    assert!(text.contains("\"female\"") && text.contains("\"1970-01-01\""));
    // Made, and then one version for each turn.
    assert!(text.contains("\"versionId\":\"4\""), "{text}");
    let accepted = phone.guard.accepted(5).unwrap();
    let one = accepted
        .iter()
        .map(|it| (it.author.as_str(), it.version.as_deref()));
    assert_eq!(one.collect::<Vec<_>>(), [("second", Some("4"))]);
}
