//! What a hub and the tablets that joined it tell each other besides records: the policy, and how far a vault has come.
//! On real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{
    AccessError, AuditKind, BadPolicy, EditState, Guard, Missed, Person, Policy, Role, sign_policy,
};
use pocketchart_core::crypto::sign::SigningKey;
use pocketchart_tests::staff::*;
use pocketchart_tests::*;
use serde_json::{Value, json};
use std::path::Path;

/// A tablet with a certified nurse, in the owner's hands.
async fn with_a_nurse(hub: &TestHub) -> Device {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    add_member(&guard, NURSE, Role::NURSE).await;
    let tablet = hub.joined_with(guard, home, &tablet_grant()).await;
    hub.approve_members(&[(NURSE, Role::NURSE)]).await;
    tablet.sync().await;
    tablet
}

/// The shipped policy in another version, with other rules for a nurse.
fn policy(version: u64, nurse: Value) -> String {
    let mut policy: Value = serde_json::from_str(Policy::shipped_text()).unwrap();
    policy["version"] = json!(version);
    policy["roles"]["nurse"] = nurse;
    policy.to_string()
}

/// A nurse writes what is observed, and sees nothing.
fn blind(version: u64) -> String {
    let care = json!({ "id": "care", "types": ["Observation"], "actions": ["create", "update"], "scope": "facility" });
    policy(version, json!([care]))
}

fn version_in_force(guard: &Guard) -> u64 {
    guard.policy().unwrap().version
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hubs_policy_reaches_a_tablet_and_loses_no_work() {
    let hub = TestHub::start().await;
    let tablet = in_hands(with_a_nurse(&hub).await, NURSE).await;
    tablet.put(&observation("a", "p", "1"));
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.policy), (1, None));
    tablet.put(&observation("a", "p", "2"));
    tablet.put(&observation("b", "p", "1"));
    hub.guard.sign_and_install_policy(&blind(2)).unwrap();

    // At once, for whoever is logged in; and what this person may not see any more goes out all the same.
    let report = tablet.sync().await;
    assert_eq!(report.policy, Some(Ok(2)));
    assert_eq!(version_in_force(&tablet.guard), 2);
    assert!(!matches!(
        tablet.guard.get(&name("Observation/a")),
        Ok(Some(_))
    ));
    assert_eq!(hub.client().get("Observation/b").await.unwrap().status, 200);
    assert_eq!(tablet.sync().await.policy, None, "it is known by now");

    // The hub does not take the change of what its author may not see: it is kept, and listed for the owner, and for its
    // author: their own words.
    let status = tablet.guard.status().unwrap();
    assert_eq!((status.waiting.len(), status.waiting_unseen), (1, 0));
    let own = tablet.guard.pending(None).unwrap();
    assert!(own[0].mine.as_ref().unwrap().contains("\"value\":2"));
    let tablet = in_hands(tablet, "owner").await;
    let kept = tablet.guard.status().unwrap().waiting;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].name.reference, name("Observation/a"));
    assert_eq!(kept[0].authors, [Person::new(NURSE)]);
    assert_eq!(kept[0].refusal.as_deref(), Some("403 forbidden"));
    assert!(
        tablet
            .text("Observation/a")
            .unwrap()
            .contains("\"value\":2")
    );
    let installed: Vec<_> = trail(&tablet.guard)
        .into_iter()
        .filter(|entry| entry.kind == AuditKind::Policy)
        .map(|entry| (entry.what, entry.done))
        .collect();
    let what = "of the hub, version 2".to_owned();
    assert!(installed.contains(&(what.clone(), false)) && installed.contains(&(what, true)));

    // A policy that lets them again brings it out.
    hub.guard
        .sign_and_install_policy(&policy(3, shipped_rules("nurse")))
        .unwrap();
    let report = tablet.sync().await;
    assert_eq!((report.policy, report.sent), (Some(Ok(3)), 1));
    assert!(tablet.guard.status().unwrap().waiting.is_empty());
}

fn shipped_rules(role: &str) -> Value {
    let policy: Value = serde_json::from_str(Policy::shipped_text()).unwrap();
    policy["roles"][role].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_broken_or_older_policy_is_refused_and_reported() {
    let hub = TestHub::start().await;
    let tablet = with_a_nurse(&hub).await;
    hub.guard.sign_and_install_policy(&blind(2)).unwrap();
    let second = hub.guard.secret("policy").unwrap().unwrap();
    hub.guard.sign_and_install_policy(&blind(3)).unwrap();
    assert_eq!(tablet.sync().await.policy, Some(Ok(3)));

    let foreign = sign_policy(&SigningKey::make_random().unwrap(), &blind(9));
    for handed in [foreign.as_str(), "a.b", second.as_str()] {
        hub.guard.keep_secret("policy", handed).unwrap();
        // Twice: it is said each time.
        for _ in 0..2 {
            let refused = tablet.sync().await.policy.unwrap().unwrap_err();
            match handed == second.as_str() {
                true => assert_eq!(
                    refused,
                    BadPolicy::NotNewer {
                        found: 2,
                        current: 3
                    }
                ),
                false => assert!(matches!(refused, BadPolicy::Signature(_)), "{refused}"),
            }
            assert_eq!(version_in_force(&tablet.guard), 3);
        }
    }
    let denied = trail(&tablet.guard)
        .into_iter()
        .filter(|entry| entry.kind == AuditKind::Denied && entry.what == "policy of the hub");
    assert_eq!(denied.count(), 6);

    // Nor does the tablet make one of its own; and what holds, holds at the next opening.
    for refused in [
        tablet.guard.sign_and_install_policy(&blind(9)),
        tablet.guard.install_policy(&foreign),
    ] {
        let Err(AccessError::Policy(refused @ BadPolicy::NotTheHubs { .. })) = refused else {
            panic!("{refused:?}")
        };
        assert!(
            refused
                .to_string()
                .contains("signed by the hub's authority")
        );
    }
    tablet.guard.clone().lock().unwrap();
    assert_eq!(version_in_force(&unlock(tablet.home.path())), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_before_the_join_holds_until_the_hubs_arrives() {
    let hub = TestHub::start().await;
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    guard.sign_and_install_policy(&blind(7)).unwrap();
    let mut tablet = hub.joined_with(guard, home, &tablet_grant()).await;
    tablet.guard.clone().lock().unwrap();
    tablet.guard = unlock(tablet.home.path());
    assert_eq!(version_in_force(&tablet.guard), 7);
    // Another authority's numbers say nothing about this one's.
    hub.guard.sign_and_install_policy(&blind(2)).unwrap();
    assert_eq!(tablet.sync().await.policy, Some(Ok(2)));

    // A patient's own phone gets none: a policy names other patients, and its owner is limited by none.
    let phone = hub.joined(&phone_grant("p")).await;
    assert_eq!(phone.sync().await.policy, None);
    assert_eq!(phone.guard.policy_digest().unwrap(), None);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        match file.file_type().unwrap().is_dir() {
            true => copy(&file.path(), &to.join(file.file_name())),
            false => {
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_home_put_back_shows_at_the_next_sync() {
    let hub = TestHub::start().await;
    let mut tablet = with_a_nurse(&hub).await;
    let report = tablet.sync().await;
    assert_eq!((report.missed, report.anchored), (None, true));
    let before = tablet.guard.anchor().unwrap();
    tablet.guard.clone().lock().unwrap();
    let older = tempfile::tempdir().unwrap();
    copy(tablet.home.path(), older.path());

    tablet.guard = unlock(tablet.home.path());
    tablet = in_hands(tablet, NURSE).await;
    for id in ["a", "b", "c"] {
        tablet.put(&observation(id, "p", "1"));
    }
    let report = tablet.sync().await;
    assert_eq!(
        (report.sent, report.missed, report.anchored),
        (3, None, true)
    );
    let after = tablet.guard.anchor().unwrap();
    tablet.guard.clone().lock().unwrap();
    std::fs::remove_dir_all(tablet.home.path()).unwrap();
    copy(older.path(), tablet.home.path());

    // Put back: the next sync says by how much, and does all that it does otherwise.
    tablet.guard = unlock(tablet.home.path());
    assert_eq!(tablet.guard.missed(), None, "nothing here can know it");
    let report = tablet.sync().await;
    let missed = Missed {
        // The sync's own anchor, a moment before ours.
        at: report.missed.unwrap().at,
        generations: after.generation - before.generation,
        // The copy has the entry of its lock.
        entries: after.head.seq - before.head.seq - 1,
        changes: after.revision - before.revision,
    };
    assert!(missed.changes >= 3 && (before.at..=after.at).contains(&missed.at));
    assert_eq!((report.missed, report.anchored), (Some(missed), false));
    assert_eq!(report.received, 3);
    tablet = in_hands(tablet, NURSE).await;
    tablet.put(&observation("d", "p", "1"));
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.missed), (1, Some(missed)));

    // Until a person takes note, over a new opening too; the trail has it once.
    tablet.guard.clone().lock().unwrap();
    tablet.guard = unlock(tablet.home.path());
    assert_eq!(tablet.guard.status().unwrap().missed, Some(missed));
    assert_eq!(tablet.guard.check().unwrap().problems, [missed.to_string()]);
    assert_eq!(tablet.sync().await.missed, Some(missed));
    let rollbacks = trail(&tablet.guard)
        .into_iter()
        .filter(|entry| entry.kind == AuditKind::Rollback);
    assert_eq!(rollbacks.count(), 1);

    // The same copy again: the hub kept what shows it.
    tablet.guard.clone().lock().unwrap();
    std::fs::remove_dir_all(tablet.home.path()).unwrap();
    copy(older.path(), tablet.home.path());
    tablet.guard = unlock(tablet.home.path());
    assert_eq!(tablet.sync().await.missed, Some(missed));

    tablet.guard.accept_loss().unwrap();
    assert_eq!(tablet.guard.missed(), None);
    for _ in 0..2 {
        let report = tablet.sync().await;
        assert_eq!((report.missed, report.anchored), (None, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_keeps_the_newest_anchor_of_a_device_and_no_others() {
    let hub = TestHub::start().await;
    let tablet = with_a_nurse(&hub).await;
    let hand = async |anchor: &str| {
        let body = json!({ "anchor": anchor }).to_string();
        let answer = tablet.server.post("$anchor", body).await.unwrap();
        (answer.status, answer.text)
    };
    let older = tablet.guard.signed_anchor().unwrap();
    tablet.put(&patient("a", "1"));
    let newer = tablet.guard.signed_anchor().unwrap();
    assert!(hand(&newer).await.1.contains("\"taken\":true"));
    let (status, text) = hand(&older).await;
    assert_eq!(status, 200);
    let text: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&text["taken"], &text["before"]),
        (&json!(false), &json!(newer))
    );

    let anchor = tablet.guard.anchor().unwrap();
    let stranger = SigningKey::make_random().unwrap();
    let mut other_vault = anchor.clone();
    other_vault.vault = [7; 16];
    let key = tablet.guard.device_key().unwrap();
    let long = "x".repeat(4096);
    for bad in [anchor.signed(&stranger), other_vault.signed(&key), long] {
        assert_eq!(hand(&bad).await.0, 403);
    }
    let (_, text) = hand(&older).await;
    assert!(text.contains(&newer), "nothing of that came in its place");
    // Nobody but a device has one.
    let operator = hub.client();
    let body = json!({ "anchor": newer }).to_string();
    let answer = operator.post("$anchor", body).await.unwrap();
    assert_eq!(answer.status, 404);

    // A server that this vault has not joined is told nothing, and nothing is claimed.
    let stranger = Device::of(hub.client());
    stranger.put(&patient("z", "1"));
    let report = stranger.sync().await;
    assert_eq!(
        (report.sent, report.missed, report.anchored),
        (1, None, false)
    );
}

/// Certificate taken back, or slots taken out: what such a person wrote and nobody has sent stays, listed as theirs.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_person_wrote_waits_under_their_name() {
    let hub = TestHub::start().await;
    let tablet = in_hands(with_a_nurse(&hub).await, NURSE).await;
    tablet.put(&observation("a", "p", "1"));
    let tablet = in_hands(tablet, "owner").await;
    add_member(&tablet.guard, "nurse-2", Role::NURSE).await;
    let tablet = in_hands(tablet, "nurse-2").await;
    tablet.put(&observation("b", "p", "1"));
    let tablet = in_hands(tablet, "owner").await;

    // One is revoked at the hub, the other's only slot is taken out here before the hub knows of the person.
    let people = hub.people().await;
    let member = people["members"].as_array().unwrap().iter();
    let mut member = member.filter(|member| member["person"] == NURSE);
    hub.revoke(member.next().unwrap()["id"].as_str().unwrap())
        .await;
    let listed = || {
        let mut waiting = tablet.guard.status().unwrap().waiting;
        waiting.sort_by_key(|it| it.name.reference.to_string());
        let of = |it: &pocketchart_core::access::Waiting| (it.authors.clone(), it.state);
        waiting.iter().map(of).collect::<Vec<_>>()
    };
    let (first, second) = (vec![Person::new(NURSE)], vec![Person::new("nurse-2")]);
    tablet.sync().await;
    let expected = [
        (first.clone(), EditState::Refused),
        (second.clone(), EditState::Waiting),
    ];
    assert_eq!(listed(), expected);
    let slots = tablet.guard.slots().unwrap();
    let theirs = slots.iter().find(|slot| slot.person == "nurse-2").unwrap();
    let absent = pocketchart_core::access::Absent::Drop;
    tablet
        .guard
        .remove_slot(theirs.id, &[], absent, None, |_, _| {})
        .await
        .unwrap();
    for _ in 0..3 {
        tablet.sync().await;
        assert_eq!(
            listed(),
            expected,
            "nothing is dropped, however often it is tried"
        );
    }
    let waiting = tablet.guard.pending(None).unwrap();
    assert!(waiting.iter().all(|pending| pending.mine.is_some()));
    // It was signed while the slot was there: once the hub approves the key it goes out as theirs.
    hub.approve_members(&[("nurse-2", Role::NURSE)]).await;
    assert_eq!(tablet.sync().await.sent, 1);
    assert_eq!(listed(), expected[..1]);
}
