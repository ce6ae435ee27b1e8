//! A device joins a hub by code, is known by a token of its own, and is shut out again. On real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::people::{Applied, EnrolmentCode, PeopleError};
use pocketchart_core::access::{AccessError, Actor, AuditKind, Person, Role, fingerprint};
use pocketchart_core::fhir::outcome;
use pocketchart_core::net::{NetError, Server};
use pocketchart_core::sync::{JoinError, Joined, SyncError, join};
use pocketchart_tests::hand_clock::HandClock;
use pocketchart_tests::staff::*;
use pocketchart_tests::*;
use serde_json::json;

async fn waiting(guard: &pocketchart_core::access::Guard, code: &EnrolmentCode) -> String {
    match join(guard, code).await.unwrap() {
        Joined::Waiting { fingerprint } => fingerprint,
        Joined::Done { .. } => unreachable!("nobody approved it"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_joins_once_it_is_approved_and_its_code_is_used_up() {
    let hub = TestHub::start().await;
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let code = hub.code(&tablet_grant()).await;

    // Both sides show the same fingerprint, and asking again changes nothing.
    let shown = waiting(&guard, &code).await;
    assert_eq!(shown, fingerprint(&guard.device_key().unwrap().public()));
    assert_eq!(waiting(&guard, &code).await, shown);
    let people = hub.people().await;
    assert_eq!(people["devices"].as_array().unwrap().len(), 1);
    assert_eq!(people["devices"][0]["fingerprint"], json!(shown));
    assert_eq!(people["devices"][0]["state"], "waiting");
    assert!(guard.peers().unwrap().is_empty(), "nothing is kept yet");

    hub.approve(&shown.to_lowercase(), None).await;
    let joined = join(&guard, &code).await.unwrap();
    let Joined::Done { url, facility, .. } = joined else {
        panic!("it was approved")
    };
    assert_eq!(url, hub.hub.ready().url);
    assert_eq!(facility.as_deref(), Some("north"));
    assert!(guard.authority().unwrap().is_some());
    let people = hub.people().await;
    assert_eq!(people["devices"][0]["state"], "approved");
    assert!(people["devices"][0]["seen"].is_string());

    // Once.
    assert!(matches!(join(&guard, &code).await, Err(JoinError::BadCode)));
    let other = tempfile::tempdir().unwrap();
    let (other, _) = make_vault(other.path());
    assert!(matches!(join(&other, &code).await, Err(JoinError::BadCode)));
    let kinds: Vec<_> = trail(&hub.guard);
    let devices = kinds.iter().filter(|e| e.kind == AuditKind::Device);
    assert!(
        devices.count() >= 6,
        "code, application and approval are audited"
    );
}

/// The hub's answer with the token may be lost: the device asks again, and the token that nobody has is dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again() {
    let hub = TestHub::start().await;
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let code = hub.code(&tablet_grant()).await;
    let shown = waiting(&guard, &code).await;
    hub.approve(&shown, None).await;
    let application = guard.application(&code).unwrap();
    let body = json!({ "application": application }).to_string();
    let lost = hub
        .client_with_token(None)
        .post("$enrol", body)
        .await
        .unwrap();
    assert_eq!(lost.status, 200);
    let lost: serde_json::Value = serde_json::from_str(&lost.text).unwrap();
    let lost = hub.client_with_token(lost["token"].as_str());

    assert!(matches!(
        join(&guard, &code).await.unwrap(),
        Joined::Done { .. }
    ));
    assert_eq!(lost.get("Patient").await.unwrap().status, 401);
    let settings = guard.peers().unwrap().remove(0).2;
    let own = hub.client_with_token(settings.token.as_deref());
    assert_eq!(own.get("Patient").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_hub_than_the_codes_is_told_nothing() {
    let (hub, stranger) = (TestHub::start().await, TestHub::start().await);
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let code = hub.code(&tablet_grant()).await;
    // The stranger answers at the address that the code names.
    let text = code.to_string();
    let place = |hub: &TestHub| hub.hub.ready().url.replace("https://", "");
    let there = text.replace(&place(&hub), &place(&stranger));
    assert_ne!(there, text);
    let refused = join(&guard, &EnrolmentCode::parse(&there).unwrap()).await;
    assert!(
        matches!(refused, Err(JoinError::Net(NetError::Untrusted(_)))),
        "{refused:?}"
    );
    let heard = trail(&stranger.guard);
    assert!(heard.iter().all(|e| e.kind != AuditKind::Device));
    assert!(guard.peers().unwrap().is_empty());
    // The code is good as before.
    waiting(&guard, &code).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_one_devices_and_wrong_ones_are_refused() {
    let hub = TestHub::start().await;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, _) = make_vault(first.path());
    let (second, _) = make_vault(second.path());
    let code = hub.code(&tablet_grant()).await;
    let shown = waiting(&first, &code).await;
    assert!(matches!(
        join(&second, &code).await,
        Err(JoinError::BadCode)
    ));
    // Turned away before it came in: the operator looked at the wrong fingerprint.
    hub.revoke(&shown).await;
    assert!(matches!(join(&first, &code).await, Err(JoinError::BadCode)));
    let made_up = "pocketchart://127.0.0.1:1/fhir#1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA";
    let made_up = EnrolmentCode::parse(made_up).unwrap();
    let application = first.application(&made_up).unwrap();
    for body in [
        json!({ "application": application }),
        json!({ "application": "a.b" }),
    ] {
        let nobody = hub.client_with_token(None);
        let answer = nobody.post("$enrol", body.to_string()).await.unwrap();
        assert_eq!(answer.status, 403, "{}", answer.text);
        assert_eq!(outcome::codes(&answer.text).as_deref(), Some("forbidden"));
    }
    for bad in [
        json!({ "name": "t" }),
        json!({ "name": "t", "patient": "p", "facility": "f", "person": null, "role": null }),
        json!({ "name": "t", "patient": null, "facility": null, "person": null, "role": null }),
        json!({ "name": "t", "patient": null, "facility": "f", "person": "x", "role": "owner" }),
        json!({ "name": "t", "patient": null, "facility": "f", "person": "x", "role": null }),
        json!({ "name": "t", "patient": "a b", "facility": null, "person": null, "role": null }),
    ] {
        let answer = hub.operate("enrol", bad).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_is_out_at_once_and_keeps_its_work() {
    let hub = TestHub::start().await;
    let tablet = hub.joined(&tablet_grant()).await;
    let id = tablet.guard.device().unwrap();
    assert_eq!(tablet.server.get("Patient").await.unwrap().status, 200);
    tablet.put(&patient("a", "1"));
    hub.revoke(&id).await;
    assert_eq!(tablet.server.get("Patient").await.unwrap().status, 401);
    assert!(matches!(
        tablet.try_sync().await,
        Err(SyncError::Unauthorized)
    ));
    assert_eq!(tablet.guard.pending(None).unwrap().len(), 1);
    assert!(tablet.text("Patient/a").is_some());
    // It can be enrolled again; what waits goes on waiting for its author.
    let again = hub
        .joined_with(tablet.guard, tablet.home, &tablet_grant())
        .await;
    assert_eq!(again.guard.device().unwrap(), id);
    assert_eq!(again.guard.pending(None).unwrap().len(), 1);
    assert_eq!(again.server.get("Patient").await.unwrap().status, 200);
}

/// A hub that moved is the same server: nothing stands twice, and what waited goes out.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_at_another_address_stays_the_same_server() {
    let hub = TestHub::start().await;
    let client = hub.client();
    let stored = client.put("Patient/a", &patient("a", "1"), None).await;
    assert_eq!(stored.unwrap().status, 201);
    let tablet = hub.joined(&tablet_grant()).await;
    tablet.sync().await;
    tablet.put(&patient("b", "2"));
    let old = hub.hub.ready().url.clone();

    let hub = hub.moved().await;
    assert_ne!(hub.hub.ready().url, old);
    let people = hub.people().await;
    let owner = people["members"][0]["fingerprint"].as_str().unwrap();
    hub.approve(owner, Some(Role::PHYSICIAN)).await;
    let tablet = hub
        .joined_with(tablet.guard, tablet.home, &tablet_grant())
        .await;
    let peers = tablet.guard.peers().unwrap();
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].1, hub.hub.ready().url);
    tablet.sync().await;
    assert!(tablet.guard.pending(None).unwrap().is_empty());
    let counts = tablet.guard.status().unwrap().counts;
    assert_eq!(counts.iter().map(|(_, n)| n).sum::<u64>(), 2);
    let there = hub.client().get("Patient/b").await.unwrap();
    assert_eq!(there.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_keep_a_token_does_not_ask_for_one() {
    let hub = TestHub::start().await;
    let tablet = hub.joined(&tablet_grant()).await;
    let nurse = Actor {
        person: Person::new("nurse-1"),
        role: Role::NURSE,
        ..Actor::owner()
    };
    let nurse = tablet.guard.acting_as(nurse);
    let code = hub.code(&tablet_grant()).await;
    let refused = join(&nurse, &code).await;
    assert!(
        matches!(refused, Err(JoinError::Access(AccessError::NotAllowed(_)))),
        "{refused:?}"
    );
    // The token that everybody on this tablet syncs with still holds.
    assert_eq!(tablet.server.get("Patient").await.unwrap().status, 200);
    waiting(&tablet.guard, &code).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operator_operates() {
    let hub = TestHub::start().await;
    let tablet = hub.joined(&tablet_grant()).await;
    let token = tablet.guard.peers().unwrap().remove(0).2.token;
    let url = hub.hub.ready().url.replace("/fhir", "/operator");
    let ca = tablet.guard.peers().unwrap().remove(0).2.ca_pem;
    let as_device = Server::new(&url, ca.as_deref(), token.as_deref()).unwrap();
    let nobody = Server::new(&url, ca.as_deref(), None).unwrap();
    for path in ["enrol", "approve", "revoke"] {
        let body = match path {
            "enrol" => json!(tablet_grant()),
            _ => json!({ "id": tablet.guard.device().unwrap(), "role": Role::NURSE }),
        };
        let answer = as_device.post(path, body.to_string()).await.unwrap();
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
        let answer = nobody.post(path, body.to_string()).await.unwrap();
        assert_eq!(answer.status, 401, "{path}");
    }
    assert_eq!(as_device.get("people").await.unwrap().status, 403);
    assert_eq!(tablet.server.get("Patient").await.unwrap().status, 200);
}

#[test]
fn a_code_is_good_for_a_quarter_of_an_hour_and_a_device_may_wait_a_day() {
    let clock = std::sync::Arc::new(HandClock::default());
    let forward = |minutes: u64| clock.forward(60 * minutes);
    let home = tempfile::tempdir().unwrap();
    let (hub, _) = make_vault_at(home.path(), clock.clone());
    let device = tempfile::tempdir().unwrap();
    let (device, _) = make_vault(device.path());
    let application = || {
        let secret = hub.enrol(&tablet_grant()).unwrap();
        let code = EnrolmentCode::new("https://127.0.0.1:1/fhir", [0; 32], &secret).unwrap();
        device.application(&code).unwrap()
    };
    let (late, early) = (application(), application());
    forward(14);
    assert!(matches!(hub.apply(&early), Ok(Applied::Waiting { .. })));
    forward(1);
    let refused = hub.apply(&late);
    assert!(matches!(
        refused,
        Err(AccessError::People(PeopleError::BadCode))
    ));
    // It came in time, and now waits for the operator.
    forward(23 * 60);
    assert!(matches!(hub.apply(&early), Ok(Applied::Waiting { .. })));
    forward(60);
    assert!(hub.apply(&early).is_err());
}

/// Anybody can send applications, so a wrong code must not cost the hub an entry each: a full disk shuts everybody out.
#[tokio::test(flavor = "multi_thread")]
async fn guessed_codes_are_counted_and_fill_nothing() {
    let hub = TestHub::start().await;
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let made_up = "pocketchart://127.0.0.1:1/fhir#1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA";
    let made_up = EnrolmentCode::parse(made_up).unwrap();
    let body = json!({ "application": guard.application(&made_up).unwrap() }).to_string();
    let nobody = hub.client_with_token(None);
    // The hub's key is made, and whatever else the first one makes.
    nobody.post("$enrol", body.clone()).await.unwrap();
    let kinds = || {
        let mut kinds: Vec<AuditKind> = trail(&hub.guard).into_iter().map(|e| e.kind).collect();
        kinds.retain(|kind| *kind != AuditKind::Denied);
        kinds
    };
    let before = kinds();
    for _ in 0..5 {
        let answer = nobody.post("$enrol", body.clone()).await.unwrap();
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
    assert_eq!(kinds(), before);
    let denied = trail(&hub.guard);
    assert!(denied.iter().any(|e| e.kind == AuditKind::Denied));
}

/// A hub that cannot look a token up must not say that the token is not good: the device would ask for a new code.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_cannot_look_says_so() {
    let hub = TestHub::start().await;
    let tablet = hub.joined(&tablet_grant()).await;
    assert_eq!(tablet.server.get("Patient").await.unwrap().status, 200);
    hub.guard.clone().lock().unwrap();
    assert_eq!(tablet.server.get("Patient").await.unwrap().status, 503);
}
