//! Whose change goes when: what one author wrote in a row is one write, under that author's name, and nothing of it is
//! lost or mixed with another's. What would change nothing is not sent.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{AuditKind, EditState, Guard, Role, Saved};
use pocketchart_tests::staff::*;
use pocketchart_tests::*;

fn people_who_wrote(hub: &TestHub, what: &str) -> Vec<String> {
    let written = trail(&hub.guard)
        .into_iter()
        .filter(|entry| entry.kind == AuditKind::Written && entry.what == what);
    written.map(|entry| entry.person).collect()
}

/// A tablet whose nurse and physician are approved.
async fn approved(hub: &TestHub) -> Device {
    let tablet = staffed(hub).await;
    tablet.sync().await;
    hub.approve_members(&STAFF).await;
    tablet.sync().await;
    tablet
}

fn what_goes(guard: &Guard) -> (Option<String>, u64) {
    let pending = guard.pending(None).unwrap();
    (pending[0].going.text.clone(), pending[0].changes)
}

#[tokio::test(flavor = "multi_thread")]
async fn authors_take_turns_and_each_turn_is_one_version() {
    let hub = TestHub::start().await;
    let tablet = in_hands(approved(&hub).await, PHYSICIAN).await;
    tablet.put(&observation("a", "p", "1"));
    tablet.put(&observation("a", "p", "2"));
    let tablet = in_hands(tablet, NURSE).await;
    tablet.put(&observation("a", "p", "3"));
    let tablet = in_hands(tablet, PHYSICIAN).await;
    tablet.put(&observation("a", "p", "4"));
    tablet.put(&observation("a", "p", "5"));
    assert_eq!(
        what_goes(&tablet.guard),
        (Some(observation("a", "p", "2")), 5)
    );
    assert!(
        tablet
            .text("Observation/a")
            .unwrap()
            .contains("\"value\":5")
    );
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.conflicts, report.refused), (3, 0, 0));
    assert_eq!(
        people_who_wrote(&hub, "Observation/a"),
        [PHYSICIAN, NURSE, PHYSICIAN]
    );
    for (version, value) in [(1, 2), (2, 3), (3, 5)] {
        let path = format!("Observation/a/_history/{version}");
        let text = hub.client().get(&path).await.unwrap().text;
        assert!(text.contains(&format!("\"value\":{value}}}")), "{version}");
    }
    let there = hub.client().get("Observation/a").await.unwrap();
    assert_eq!(tablet.text("Observation/a").unwrap(), there.text);

    let accepted = tablet.guard.accepted(5).unwrap();
    assert_eq!(accepted.len(), 1, "the newest of each record");
    assert_eq!(accepted[0].author, PHYSICIAN);
    assert_eq!(accepted[0].version.as_deref(), Some("3"));
    assert_eq!(accepted[0].by, tablet.peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_takes_its_turn_too() {
    let hub = TestHub::start().await;
    let tablet = in_hands(approved(&hub).await, "owner").await;
    add_member(&tablet.guard, "desk-1", Role::FRONT_DESK).await;
    add_member(&tablet.guard, "desk-2", Role::FRONT_DESK).await;
    tablet.sync().await;
    let desk = [("desk-1", Role::FRONT_DESK), ("desk-2", Role::FRONT_DESK)];
    hub.approve_members(&desk).await;
    let slot = |status: &str| format!(r#"{{"resourceType":"Slot","id":"s","status":"{status}"}}"#);
    let tablet = in_hands(tablet, "desk-1").await;
    tablet.put(&slot("free"));
    assert_eq!(tablet.sync().await.sent, 1);
    tablet.put(&slot("busy"));
    let tablet = in_hands(tablet, "desk-2").await;
    tablet.guard.delete(&name("Slot/s")).unwrap();
    let tablet = in_hands(tablet, "desk-1").await;
    tablet.put(&slot("entered-in-error"));
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.refused, report.conflicts), (3, 0, 0));
    assert_eq!(people_who_wrote(&hub, "Slot/s"), ["desk-1"; 3]);
    assert_eq!(people_who_wrote(&hub, "delete Slot/s"), ["desk-2"]);
    let there = hub.client().get("Slot/s").await.unwrap().text;
    assert!(there.contains("entered-in-error") && there.contains("\"versionId\":\"4\""));

    // Made by one and deleted by another before any server heard of it: nothing to send.
    tablet.put(&slot("free").replace("\"s\"", "\"t\""));
    let tablet = in_hands(tablet, "desk-2").await;
    let deleted = tablet.guard.delete(&name("Slot/t")).unwrap();
    assert_eq!(deleted, Some(Saved::Withdrawn));
    assert_eq!(tablet.sync().await.sent, 0);
    assert_eq!(hub.client().get("Slot/t").await.unwrap().status, 404);
}

/// What a server refused of one author, and another wrote on since: the other stands for it, and is judged for all.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_wrote_on_what_was_refused_stands_for_it() {
    let hub = TestHub::start().await;
    let tablet = in_hands(approved(&hub).await, PHYSICIAN).await;
    tablet.put(&observation("a", "p", "1"));
    let tablet = in_hands(tablet, NURSE).await;
    tablet.put(&observation("a", "p", "2"));
    let people = hub.people().await;
    let mut members = people["members"].as_array().unwrap().iter();
    let physician = members.find(|m| m["person"] == PHYSICIAN).unwrap();
    hub.revoke(physician["id"].as_str().unwrap()).await;
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.refused), (0, 1));
    assert_eq!(tablet.state("Observation/a"), Some(EditState::Waiting));
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.refused), (1, 0));
    assert_eq!(people_who_wrote(&hub, "Observation/a"), [NURSE]);
    let there = hub.client().get("Observation/a").await.unwrap().text;
    assert!(there.contains("\"value\":2}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_is_not_sent() {
    let hub = TestHub::start().await;
    let phone = hub.device();
    phone.put(&patient("a", "1"));
    phone.sync().await;
    let text = phone.text("Patient/a").unwrap();
    assert_eq!(
        phone.put(&text.replace(", \"id\"", ",\"id\"")),
        Saved::Queued
    );
    let report = phone.sync().await;
    assert_eq!((report.sent, report.conflicts), (0, 0));
    assert!(phone.guard.pending(None).unwrap().is_empty());
    assert_eq!(phone.text("Patient/a").unwrap(), text, "the server's bytes");
    // `1.0` is another value than `1.00`.
    phone.put(&text.replace("1.00", "1.0"));
    assert_eq!(phone.sync().await.sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_together_waits_together() {
    let hub = TestHub::start().await;
    let phone = hub.device();
    let (a, b, c) = (patient("a", "1"), patient("b", "1"), patient("c", "1"));
    let both = [resource(&a), resource(&b)];
    let saved = phone.guard.put_together(&both).unwrap();
    assert_eq!(saved, [Saved::Queued, Saved::Queued]);
    phone.guard.put_together(&[resource(&c)]).unwrap();
    let pending = phone.guard.pending(None).unwrap();
    let groups: Vec<_> = pending.iter().map(|p| p.going.together.clone()).collect();
    assert_eq!(groups[0].len(), 1);
    assert_eq!(groups[0], groups[1]);
    assert_eq!(groups[2], [""; 0]);
    // A correction belongs to it as well.
    phone.put(&patient("a", "2"));
    let pending = phone.guard.pending(None).unwrap();
    assert_eq!(pending[0].going.together, groups[0]);
}

/// A shrunk panel, a removed certificate: the record leaves the person's sight, and not the work that nobody has taken.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_wrote_stays_theirs_to_read_when_the_record_leaves_their_scope() {
    let hub = TestHub::start().await;
    for id in ["p1", "p2"] {
        let path = format!("Patient/{id}");
        hub.client()
            .put(&path, &patient(id, "1"), None)
            .await
            .unwrap();
    }
    let tablet = in_hands(approved(&hub).await, NURSE).await;
    tablet.put(&observation("mine", "p2", "7"));
    let tablet = in_hands(tablet, PHYSICIAN).await;
    tablet.put(&observation("theirs", "p2", "8"));
    let policy = |version: u32, patients: &str| {
        format!(
            r#"{{"format":1,"version":{version},"issued":"2026-11-24","panels":{{"east":{{"patients":[{patients}]}}}},
        "people":{{"nurse-1":{{"panels":["east"]}},"physician-1":{{"panels":["east"]}}}},"roles":{{
        "nurse":[{{"id":"r","types":["Observation"],"actions":["read","search","create","update"],"scope":"panel"}}],
        "physician":[{{"id":"r","types":["Observation"],"actions":["read","search","create","update"],"scope":"panel"}}],
        "tablet":[{{"id":"r","types":["Observation","Patient"],"actions":["read","search"],"scope":"all"}}]}}}}"#
        )
    };
    hub.guard
        .sign_and_install_policy(&policy(2, r#""p1""#))
        .unwrap();
    let report = tablet.sync().await;
    assert_eq!(
        (report.sent, report.refused),
        (0, 2),
        "for now they may not"
    );
    let tablet = in_hands(tablet, NURSE).await;
    let seen = tablet.guard.pending(None).unwrap();
    assert_eq!(seen.len(), 1, "their own, and nobody else's");
    assert!(seen[0].mine.as_ref().unwrap().contains("\"value\":7"));
    let status = tablet.guard.status().unwrap();
    assert_eq!((status.waiting.len(), status.waiting_unseen), (1, 1));
    assert!(
        tablet.text("Observation/mine").is_none(),
        "the record itself is out of sight"
    );
    // Once the panel is wide again, all of it is delivered as its authors'.
    hub.guard
        .sign_and_install_policy(&policy(3, r#""p1","p2""#))
        .unwrap();
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.refused), (2, 0));
    assert_eq!(people_who_wrote(&hub, "Observation/mine"), [NURSE]);
    assert_eq!(people_who_wrote(&hub, "Observation/theirs"), [PHYSICIAN]);
    assert_eq!(tablet.state("Observation/mine"), None::<EditState>);
}
