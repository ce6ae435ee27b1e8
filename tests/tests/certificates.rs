//! Whom a hub certifies, for which place or patient, and when that ends. On real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::Role;
use pocketchart_core::access::people::Grant;
use pocketchart_core::crypto::sign::SigningKey;
use pocketchart_tests::staff::*;
use pocketchart_tests::*;
use serde_json::{Value, json};

/// The grant names one person for the moment of approval. Whoever has the tablet's token later must not become that
/// person by naming a key.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_after_the_approval_waits_for_one_of_its_own() {
    let hub = TestHub::start().await;
    let grant = Grant {
        person: Some(PHYSICIAN.into()),
        role: Some(Role::PHYSICIAN),
        ..tablet_grant()
    };
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    add_member(&guard, PHYSICIAN, Role::PHYSICIAN).await;
    let tablet = hub.joined_with(guard, home, &grant).await;
    let of_physician = |people: &Value| -> Vec<String> {
        let members = people["members"].as_array().unwrap().clone();
        let theirs = members.iter().filter(|m| m["person"] == PHYSICIAN);
        theirs
            .map(|m| m["state"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of_physician(&hub.people().await), ["approved"]);

    let stolen = SigningKey::make_random().unwrap();
    let body = json!({ "members": [{ "person": PHYSICIAN, "key": stolen.public() }] });
    let answer = tablet.server.post("$members", body.to_string()).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut states = of_physician(&hub.people().await);
    states.sort();
    assert_eq!(states, ["approved", "waiting"]);
}

/// What the hub thinks of the people on a device is no reason to keep back what waits on it.
#[tokio::test(flavor = "multi_thread")]
async fn work_goes_up_though_the_hub_takes_no_more_people() {
    let hub = TestHub::start().await;
    let tablet = in_hands(staffed(&hub).await, NURSE).await;
    tablet.sync().await;
    hub.approve_members(&STAFF).await;
    let member = |n| json!({ "person": format!("p{n}"), "key": SigningKey::make_random().unwrap().public() });
    let fill = |from: usize, count: usize| {
        let members: Vec<Value> = (from..from + count).map(member).collect();
        let server = &tablet.server;
        let body = json!({ "members": members }).to_string();
        async move { server.post("$members", body).await.unwrap().status }
    };
    let mut n = 0;
    while fill(n, 1).await == 200 {
        n += 1;
    }
    let tablet = in_hands(tablet, "owner").await;
    add_member(&tablet.guard, "one-more", Role::NURSE).await;
    let tablet = in_hands(tablet, NURSE).await;
    tablet.put(&observation("a", "p", "1"));
    assert_eq!(tablet.sync().await.sent, 1);
}

/// A certificate says whose chart, or which place, the device was approved for. Approved for another, it ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_given_to_another_patient_writes_no_more_as_the_first() {
    let hub = TestHub::start().await;
    for id in ["p1", "p2"] {
        let (path, text) = (format!("Patient/{id}"), patient(id, "1"));
        hub.client().put(&path, &text, None).await.unwrap();
    }
    let phone = hub.joined(&phone_grant("p1")).await;
    phone.sync().await;
    let text = phone.text("Patient/p1").unwrap();
    let Device { guard, home, .. } = phone;
    let phone = hub.joined_with(guard, home, &phone_grant("p2")).await;
    phone.put(&text.replace("\"1\"}]", "\"2\"}]"));
    let report = phone.sync().await;
    assert_eq!((report.sent, report.refused), (0, 1));
    assert_eq!(phone.guard.pending(None).unwrap().len(), 1, "it is kept");
    let there = hub.client().get("Patient/p1").await.unwrap().text;
    assert!(there.contains("\"1\"}]"), "{there}");
    let text = phone.text("Patient/p2").unwrap();
    phone.put(&text.replace("\"1\"}]", "\"2\"}]"));
    assert_eq!(phone.sync().await.sent, 1);
}

/// The same of a place: the staff of a tablet that moves are approved anew, and what waits is held until then.
#[tokio::test(flavor = "multi_thread")]
async fn a_tablet_that_moves_has_its_people_approved_anew() {
    let hub = TestHub::start().await;
    let tablet = in_hands(staffed(&hub).await, NURSE).await;
    tablet.sync().await;
    hub.approve_members(&STAFF).await;
    tablet.sync().await;
    assert_eq!(tablet.guard.actor().role, Role::NURSE);
    let Device { guard, home, .. } = in_hands(tablet, "owner").await;
    let south = Grant {
        facility: Some("south".into()),
        ..tablet_grant()
    };
    let tablet = in_hands(hub.joined_with(guard, home, &south).await, NURSE).await;
    tablet.put(&observation("a", "p", "1"));
    assert_eq!(tablet.sync().await.held, 1);
    hub.approve_members(&STAFF).await;
    assert_eq!(tablet.sync().await.sent, 1);
    let tablet = in_hands(tablet, PHYSICIAN).await;
    assert_eq!(tablet.guard.actor().facility.as_deref(), Some("south"));
}
