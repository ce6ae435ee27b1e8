//! Each change is its author's, whoever is logged in when it goes up, and nobody else's. On real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

use axum::http::{HeaderMap, Uri};
use pocketchart_core::access::{AuditEntry, AuditKind, EditState, Guard, Role};
use pocketchart_core::crypto::sign::SigningKey;
use pocketchart_core::fhir::bundle::Writer;
use pocketchart_core::net::Server;
use pocketchart_tests::forger::*;
use pocketchart_tests::staff::*;
use pocketchart_tests::*;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Who wrote a record on the hub, by its audit trail: person, role, device.
fn writers(hub: &TestHub, what: &str) -> Vec<(String, String, Option<String>)> {
    let written = trail(&hub.guard)
        .into_iter()
        .filter(|entry| entry.kind == AuditKind::Written);
    written
        .filter(|entry| entry.what == what)
        .map(|entry| (entry.person, entry.role, entry.device))
        .collect()
}

fn denials(hub: &TestHub) -> Vec<AuditEntry> {
    let mut entries = trail(&hub.guard);
    entries.retain(|entry| entry.kind == AuditKind::Denied);
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_nurse_logged_in_a_physicians_waiting_change_is_the_physicians() {
    let hub = TestHub::start().await;
    let tablet = in_hands(staffed(&hub).await, PHYSICIAN).await;
    tablet.put(&observation("a", "p", "1"));
    let tablet = in_hands(tablet, NURSE).await;
    tablet.put(&observation("b", "p", "1"));

    // Nobody has approved them yet: their changes wait, and are not refused for good.
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.held, report.refused), (0, 2, 0));
    assert_eq!(tablet.state("Observation/a"), Some(EditState::Waiting));
    let held = tablet.guard.pending(None).unwrap();
    assert!(held.iter().all(|p| p.sent.is_none()));
    assert_eq!(held[0].refusal.as_deref(), Some("author-not-approved"));
    // Capture stays open meanwhile.
    tablet.put(&observation("b", "p", "2"));
    assert_eq!(tablet.sync().await.held, 2);
    let mut denied = denials(&hub);
    denied.retain(|entry| entry.rule.as_deref() == Some("author-not-approved"));
    assert!(denied.len() >= 4, "each try of each change is audited");

    hub.approve_members(&STAFF).await;
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.held), (2, 0));
    assert!(tablet.guard.pending(None).unwrap().is_empty());
    let device = tablet.guard.device().unwrap();
    let of = |person: &str, role: &str| vec![(person.into(), role.into(), Some(device.clone()))];
    assert_eq!(writers(&hub, "Observation/a"), of(PHYSICIAN, "physician"));
    assert_eq!(writers(&hub, "Observation/b"), of(NURSE, "nurse"));
    assert!(
        hub.client()
            .get("Observation/b")
            .await
            .unwrap()
            .text
            .contains("\"value\":2")
    );

    // The device takes their roles from the certificates it got.
    let people = tablet.guard.people().unwrap();
    assert!(people.iter().filter(|p| !p.certificate.is_empty()).count() == 2);
    assert_eq!(tablet.guard.actor().role, Role::NURSE);
    let tablet = in_hands(tablet, PHYSICIAN).await;
    assert_eq!(tablet.guard.actor().facility.as_deref(), Some("north"));

    // A deletion is somebody's too. Who may make one is the front desk, of the calendar.
    let mut tablet = in_hands(tablet, "owner").await;
    add_member(&tablet.guard, "desk-1", Role::FRONT_DESK).await;
    tablet.sync().await;
    hub.approve_members(&[("desk-1", Role::FRONT_DESK)]).await;
    tablet = in_hands(tablet, "desk-1").await;
    tablet.put(r#"{"resourceType":"Slot","id":"s","status":"free"}"#);
    assert_eq!(tablet.sync().await.sent, 1);
    tablet.guard.delete(&name("Slot/s")).unwrap();
    let tablet = in_hands(tablet, NURSE).await;
    assert_eq!(tablet.sync().await.sent, 1);
    assert_eq!(writers(&hub, "delete Slot/s"), of("desk-1", "front-desk"));
    assert_eq!(hub.client().get("Slot/s").await.unwrap().status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_authors_of_one_record_each_write_what_they_wrote() {
    let hub = TestHub::start().await;
    let tablet = in_hands(staffed(&hub).await, PHYSICIAN).await;
    tablet.put(&observation("a", "p", "1"));
    let tablet = in_hands(tablet, NURSE).await;
    tablet.put(&observation("a", "p", "2"));
    tablet.put(&observation("a", "p", "3"));
    let pending = tablet.guard.pending(None).unwrap();
    assert_eq!(pending[0].changes, 3);
    assert_eq!(pending[0].authors, [PHYSICIAN, NURSE]);
    assert!(
        pending[0]
            .going
            .text
            .as_ref()
            .unwrap()
            .contains("\"value\":1}")
    );
    assert!(pending[0].mine.as_ref().unwrap().contains("\"value\":3}"));
    assert_eq!(tablet.sync().await.held, 1);
    let people = || -> Vec<String> {
        let writers = writers(&hub, "Observation/a").into_iter();
        writers.map(|w| w.0).collect()
    };
    // The first of the two is approved: their turn goes, the other's waits.
    let first: Vec<_> = STAFF
        .iter()
        .filter(|(who, _)| *who == PHYSICIAN)
        .cloned()
        .collect();
    hub.approve_members(&first).await;
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.held), (1, 1));
    assert_eq!(people(), [PHYSICIAN]);
    hub.approve_members(&STAFF).await;
    assert_eq!(tablet.sync().await.sent, 1);
    assert_eq!(people(), [PHYSICIAN, NURSE]);
    let versions = hub.client().get("Observation/a/_history/1").await.unwrap();
    assert!(
        versions.text.contains("\"value\":1}"),
        "the physician's exact words"
    );
    assert_eq!(
        hub.client()
            .get("Observation/a/_history/3")
            .await
            .unwrap()
            .status,
        404
    );
    assert!(
        tablet
            .text("Observation/a")
            .unwrap()
            .contains("\"value\":3")
    );
}

/// A nurse may change a telephone number and not a birth date, whoever's birth date waits beside it; and in the same push
/// each of them is judged for what they changed themselves.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_with_the_rights_of_whose_change_waits() {
    let hub = TestHub::start().await;
    let client = hub.client();
    let put = client.put("Patient/p", &patient("p", "1"), None).await;
    assert_eq!(put.unwrap().status, 201);
    let tablet = in_hands(staffed(&hub).await, PHYSICIAN).await;
    tablet.sync().await;
    hub.approve_members(&STAFF).await;
    let born = "\"birthDate\":\"2001-01-01\",\"telecom\"";
    let text = tablet.text("Patient/p").unwrap();
    tablet.put(&text.replace("\"telecom\"", born));
    let tablet = in_hands(tablet, NURSE).await;
    let text = tablet.text("Patient/p").unwrap();
    tablet.put(&text.replace("\"1\"}]", "\"2\"}]"));
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.refused), (2, 0));
    let people: Vec<String> = writers(&hub, "Patient/p")
        .into_iter()
        .map(|w| w.0)
        .collect();
    assert_eq!(people[people.len() - 2..], [PHYSICIAN, NURSE]);
    // On the device the nurse could not even have written it.
    let text = tablet.text("Patient/p").unwrap().replace("2001", "2002");
    assert!(tablet.guard.put(&resource(&text)).is_err());
}

/// What is written while an earlier change is under way does not know its version yet; it names that change instead.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_during_a_push_is_taken_on_top_of_it() {
    let hub = TestHub::start().await;
    let tablet = in_hands(staffed(&hub).await, NURSE).await;
    tablet.sync().await;
    hub.approve_members(&STAFF).await;
    tablet.put(&observation("old", "p", "1"));
    tablet.sync().await;
    for (lost, round) in [(true, 2), (false, 4)] {
        tablet.put(&observation("old", "p", &round.to_string()));
        let bundle = tablet.guard.pending(None).unwrap();
        tablet.guard.mark_sent(&bundle).unwrap();
        if lost {
            let one = &bundle[0];
            let (mine, base) = (one.mine.as_deref().unwrap(), one.base_version.as_deref());
            let path = one.name.reference.to_string();
            let change = one.going.record.clone().unwrap();
            let sent = tablet.server.put_signed(&path, mine, base, Some(&change));
            assert_eq!(sent.await.unwrap().status, 200);
        }
        // Two edits, of which the second says nothing about the first.
        tablet.put(&observation("old", "p", "50"));
        tablet.put(&observation("old", "p", &(round + 1).to_string()));
        let report = tablet.sync().await;
        assert_eq!((report.sent, report.refused, report.conflicts), (2, 0, 0));
        let there = hub.client().get("Observation/old").await.unwrap();
        assert_eq!(tablet.text("Observation/old").unwrap(), there.text);
        assert!(there.text.contains(&format!("\"value\":{}}}", round + 1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_refused_from_then_on_and_the_work_stays() {
    let hub = TestHub::start().await;
    let tablet = in_hands(staffed(&hub).await, PHYSICIAN).await;
    tablet.sync().await;
    hub.approve_members(&STAFF).await;
    tablet.put(&observation("a", "p", "1"));
    assert_eq!(tablet.sync().await.sent, 1);
    tablet.put(&observation("a", "p", "2"));
    let people = hub.people().await;
    let members = people["members"].as_array().unwrap();
    let physician = members.iter().find(|m| m["person"] == PHYSICIAN).unwrap();
    hub.revoke(physician["id"].as_str().unwrap()).await;
    let tablet = in_hands(tablet, NURSE).await;
    tablet.put(&observation("b", "p", "1"));
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.refused), (1, 1));
    assert_eq!(tablet.state("Observation/a"), Some(EditState::Refused));
    let kept = tablet.guard.pending(None).unwrap();
    assert_eq!(
        kept[0].refusal.as_deref(),
        Some("403 forbidden author-revoked")
    );
    assert!(kept[0].mine.as_deref().unwrap().contains("\"value\":2"));
    assert!(
        hub.client()
            .get("Observation/a")
            .await
            .unwrap()
            .text
            .contains("\"value\":1")
    );
    // On the device the role is gone with the next opening.
    let tablet = in_hands(tablet, PHYSICIAN).await;
    assert_eq!(tablet.guard.actor().role, Role::named("removed"));
    // Somebody else may stand for the same words.
    let tablet = in_hands(tablet, NURSE).await;
    let text = tablet.text("Observation/a").unwrap();
    tablet.put(&text);
    assert_eq!(tablet.sync().await.sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patients_own_phone_writes_as_that_patient() {
    let hub = TestHub::start().await;
    hub.client()
        .put("Patient/p1", &patient("p1", "1"), None)
        .await
        .unwrap();
    let phone = hub.joined(&phone_grant("p1")).await;
    assert_eq!(phone.patient.as_deref(), Some("p1"));
    phone.sync().await;
    let text = phone
        .text("Patient/p1")
        .unwrap()
        .replace("\"1\"}]", "\"2\"}]");
    phone.put(&text);
    assert_eq!(phone.sync().await.sent, 1);
    let (person, role, device) = writers(&hub, "Patient/p1").pop().unwrap();
    assert_eq!((person.as_str(), role.as_str()), ("patient-p1", "patient"));
    assert_eq!(device, Some(phone.guard.device().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_moved_and_repeated_records_are_refused_and_audited() {
    let hub = TestHub::start().await;
    let forger = Forger::joined(&hub).await;
    let elsewhere = Forger::joined(&hub).await;
    let text = observation("a", "p", "1");
    let honest = forger.honest("Observation/a", Some(&text), None);
    let by_nurse = |record: &Value| signed(&forger.nurse, record);
    let stranger = SigningKey::make_random().unwrap();
    let many = vec![by_nurse(&honest); 17].join(",");
    let cases = [
        (None, "change-unsigned"),
        // The nurse's key, and the physician's name; the physician's key, and the nurse's signature.
        (
            Some(by_nurse(&with(&honest, "author", json!(PHYSICIAN)))),
            "change-of-another-author",
        ),
        (
            Some(by_nurse(&with(
                &honest,
                "key",
                json!(forger.physician.public()),
            ))),
            "change-bad-signature",
        ),
        (Some("a.b".into()), "change-bad-signature"),
        (Some(String::new()), "change-bad-signature"),
        (Some(many), "change-bad-signature"),
        (
            Some(signed(
                &stranger,
                &with(&honest, "key", json!(stranger.public())),
            )),
            "author-not-approved",
        ),
        (
            Some(by_nurse(&with(&honest, "device", json!(elsewhere.device)))),
            "change-of-another-device",
        ),
        (
            Some(by_nurse(&with(&honest, "vault", json!(hex(&[8; 16]))))),
            "change-of-another-device",
        ),
        // Another device's nurse, with this device's name on it.
        (
            Some(signed(
                &elsewhere.nurse,
                &with(&honest, "key", json!(elsewhere.nurse.public())),
            )),
            "change-of-another-device",
        ),
        (
            Some(by_nurse(&with(&honest, "record", json!("Observation/b")))),
            "change-of-another-record",
        ),
        (
            Some(by_nurse(&forger.honest(
                "Observation/a",
                Some(&observation("a", "p", "2")),
                None,
            ))),
            "change-of-other-content",
        ),
        (
            Some(by_nurse(&forger.honest("Observation/a", None, None))),
            "change-of-other-content",
        ),
        (
            Some(by_nurse(&with(&honest, "base", json!("1")))),
            "change-of-another-version",
        ),
    ];
    for (n, (change, wanted)) in cases.iter().enumerate() {
        let sent = forger
            .server
            .put_signed("Observation/a", &text, None, change.as_deref());
        let answer = sent.await.unwrap();
        assert_eq!(
            reason(&answer),
            (403, Some((*wanted).to_owned())),
            "case {n}"
        );
        let denied = denials(&hub).pop().unwrap();
        assert_eq!(denied.rule.as_deref(), Some(*wanted), "case {n}");
        assert_eq!(denied.device.as_deref(), Some(forger.device.as_str()));
    }
    assert_eq!(hub.client().get("Observation/a").await.unwrap().status, 404);

    // The honest one is taken, once.
    let change = by_nurse(&honest);
    let put = |base| {
        forger
            .server
            .put_signed("Observation/a", &text, base, Some(&change))
    };
    assert_eq!(put(None).await.unwrap().status, 201);
    assert_eq!(put(None).await.unwrap().status, 412);
    assert_eq!(reason(&put(Some("1")).await.unwrap()).0, 412);
    // Nor after the record is gone.
    hub.client()
        .delete("Observation/a", Some("1"))
        .await
        .unwrap();
    assert_eq!(put(None).await.unwrap().status, 412);
    assert_eq!(writers(&hub, "Observation/a").len(), 1);

    // A create's outcome nobody can have signed.
    let fresh = by_nurse(&forger.honest("Observation/c", Some(&observation("c", "p", "1")), None));
    let mut bundle = Writer::new("transaction", &[]);
    bundle.put_signed(
        "Observation/c",
        &observation("c", "p", "1"),
        None,
        true,
        Some(&fresh),
    );
    bundle.put_signed(
        "Observation/d",
        &observation("d", "p", "1"),
        None,
        true,
        Some(&fresh),
    );
    let answer = forger.server.transaction(bundle.finish()).await.unwrap();
    assert_eq!(
        reason(&answer),
        (403, Some("change-of-other-content".into()))
    );
    assert_eq!(hub.client().get("Observation/c").await.unwrap().status, 404);
    let mut bundle = Writer::new("transaction", &[]);
    bundle.put_signed(
        "Observation/c",
        &observation("c", "p", "1"),
        None,
        true,
        Some(&fresh),
    );
    let by_physician = with(
        &with(
            &forger.honest("Observation/d", Some(&observation("d", "p", "1")), None),
            "author",
            json!(PHYSICIAN),
        ),
        "key",
        json!(forger.physician.public()),
    );
    let by_physician = signed(&forger.physician, &by_physician);
    bundle.put_signed(
        "Observation/d",
        &observation("d", "p", "1"),
        None,
        true,
        Some(&by_physician),
    );
    let answer = forger.server.transaction(bundle.finish()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(writers(&hub, "Observation/c")[0].0, NURSE);
    assert_eq!(writers(&hub, "Observation/d")[0].0, PHYSICIAN);
}

/// What a server says of itself that has two types and no word of change records.
const ANOTHER_SERVER: &str = r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1",
    "rest":[{"resource":[{"type":"Patient"}]}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn another_server_sees_nothing_of_it() {
    type Heard = Arc<Mutex<Vec<(Uri, HeaderMap, String)>>>;
    let heard: Heard = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let into = Arc::clone(&heard);
    let answer = move |uri: Uri, headers: HeaderMap, body: String| async move {
        into.lock().unwrap().push((uri.clone(), headers, body));
        match uri.path() {
            "/metadata" => ANOTHER_SERVER,
            _ => r#"{"resourceType":"Bundle","type":"searchset"}"#,
        }
    };
    let app = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let tablet = Device::of(Server::new(&url, None, None).unwrap());
    for id in ["a", "b"] {
        tablet.put(&patient(id, "1"));
    }
    let signed = |guard: &Guard| {
        let pending = guard.pending(None).unwrap();
        pending.iter().all(|one| one.going.record.is_some())
    };
    assert!(signed(&tablet.guard));
    let _ = tablet.try_sync().await;
    let heard = heard.lock().unwrap();
    assert!(
        heard
            .iter()
            .any(|(_, _, body)| body.contains("transaction"))
    );
    for (uri, headers, body) in heard.iter() {
        assert!(headers.get("x-pocketchart-change").is_none());
        assert!(!body.contains("pocketchart:change"), "{uri}");
        assert!(!uri.path().contains('$'), "{uri}");
    }
}

/// What other entries call each other is not signed: it must not change what somebody signed.
#[tokio::test(flavor = "multi_thread")]
async fn signed_bytes_are_stored_as_they_were_signed() {
    let hub = TestHub::start().await;
    let forger = Forger::joined(&hub).await;
    let (about_p, q) = (observation("a", "p", "1"), patient("q", "1"));
    let mut bundle = Writer::new("transaction", &[]);
    for (record, text) in [("Observation/a", &about_p), ("Patient/q", &q)] {
        let change = signed(&forger.nurse, &forger.honest(record, Some(text), None));
        bundle.put_signed(record, text, None, true, Some(&change));
    }
    let bundle = bundle.finish();
    let at = bundle.rfind("{\"extension\"").unwrap();
    let moved = format!(
        "{}{{\"fullUrl\":\"https://elsewhere/Patient/p\",{}",
        &bundle[..at],
        &bundle[at + 1..]
    );
    let answer = forger.server.transaction(moved).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    let stored = hub.client().get("Observation/a").await.unwrap().text;
    assert!(
        stored.contains("Patient/p") && !stored.contains("Patient/q"),
        "{stored}"
    );
}

/// "Gone already" ends a deletion on the device. It must not be said of a record that stands, and that its author only
/// may not see.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_change_of_what_its_author_may_not_see_is_refused() {
    let hub = TestHub::start().await;
    let forger = Forger::joined(&hub).await;
    let client = hub.client();
    for (id, patient) in [("theirs", "p1"), ("others", "p2")] {
        let text = observation(id, patient, "1");
        let path = format!("Observation/{id}");
        client.put(&path, &text, None).await.unwrap();
    }
    let policy = r#"{"format":1,"version":2,"issued":"2026-11-24","panels":{"east":{"patients":["p1"]}},
        "people":{"nurse-1":{"panels":["east"]}},"roles":{
        "nurse":[{"id":"r","types":["Observation"],"actions":["read","search","create","update","delete"],"scope":"panel"}],
        "tablet":[{"id":"r","types":["Observation"],"actions":["read","search"],"scope":"all"}]}}"#;
    hub.guard.sign_and_install_policy(policy).unwrap();
    for (id, status) in [("others", 403), ("theirs", 204)] {
        let path = format!("Observation/{id}");
        let change = signed(&forger.nurse, &forger.honest(&path, None, Some("1")));
        let sent = forger.server.delete_signed(&path, Some("1"), Some(&change));
        let answer = sent.await.unwrap();
        assert_eq!(answer.status, status, "{id}: {}", answer.text);
    }
    // Nor "another version" of one: the device would try it again for ever, and tell nobody.
    let (path, text) = ("Observation/others", observation("others", "p1", "2"));
    let change = signed(&forger.nurse, &forger.honest(path, Some(&text), Some("1")));
    let sent = forger
        .server
        .put_signed(path, &text, Some("1"), Some(&change));
    assert_eq!(sent.await.unwrap().status, 403);
    assert_eq!(client.get("Observation/others").await.unwrap().status, 200);
    assert_eq!(client.get("Observation/theirs").await.unwrap().status, 410);
    // What is gone is gone, whoever asks.
    let change = signed(
        &forger.nurse,
        &forger.honest("Observation/theirs", None, None),
    );
    let again = forger
        .server
        .delete_signed("Observation/theirs", None, Some(&change));
    assert_eq!(again.await.unwrap().status, 204);
}
