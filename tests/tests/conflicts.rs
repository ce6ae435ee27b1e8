//! What both sides changed waits for a person: seen with all its versions, decided in every way, and stopping nothing else.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{
    AccessError, Actor, AuditKind, EditState, Guard, NotResolved, Person, Resolution, Role, Saved,
    WaitsFor,
};
use pocketchart_core::fhir::merge::Side;
use pocketchart_tests::staff::*;
use pocketchart_tests::*;
use std::collections::BTreeMap;

const A: &str = "Patient/a";

/// With a phone number and a birth date, and whatever else.
fn person(phone: &str, birth: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"a","telecom":[{{"system":"phone","value":"{phone}","use":"home"}}],"birthDate":"{birth}"{more}}}"#
    )
}

/// A phone and a tablet that both changed phone number and birth date; the tablet knows it.
async fn in_conflict(hub: &TestHub) -> (Device, Device) {
    let (phone, tablet) = (hub.device(), hub.device());
    phone.put(&person("1", "2000", ""));
    phone.sync().await;
    tablet.sync().await;
    phone.put(&person("2", "2001", r#","gender":"female""#));
    phone.sync().await;
    tablet.put(&person("3", "2002", r#","active":true"#));
    assert_eq!(tablet.sync().await.conflicts, 1);
    assert_eq!(tablet.state(A), Some(EditState::Conflict));
    (phone, tablet)
}

async fn served(hub: &TestHub, path: &str) -> String {
    hub.client().get(path).await.unwrap().text
}

/// Both devices and the hub hold one text.
async fn all_agree(hub: &TestHub, devices: [&Device; 2]) -> String {
    let there = served(hub, A).await;
    for device in devices {
        device.sync().await;
        assert_eq!(device.text(A).as_deref(), Some(there.as_str()));
        assert_eq!(device.state(A), None);
    }
    there
}

fn refusal(result: Result<Saved, AccessError>) -> NotResolved {
    match result.unwrap_err() {
        AccessError::NotResolved(why) => why,
        other => unreachable!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_seen_with_all_its_versions() {
    let hub = TestHub::start().await;
    let (_, tablet) = in_conflict(&hub).await;
    let all = tablet.guard.conflicts().unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].waits_for, WaitsFor::BothChanged);
    assert_eq!(all[0].authors[0].id(), "owner");
    let seen = tablet.guard.conflict(&name(A)).unwrap().unwrap();
    assert!(seen.base.unwrap().contains("2000"));
    assert!(seen.mine.unwrap().contains("2002"));
    assert!(seen.theirs.unwrap().contains("2001"));
    assert_eq!(seen.theirs_version.as_deref(), Some("2"));
    let found: Vec<(String, String)> = seen
        .differences
        .iter()
        .map(|d| (d.clash.path.to_string(), d.words.clone()))
        .collect();
    let expected = [
        ("telecom[phone|1].value", "Phone number 1: value"),
        ("birthDate", "Date of birth"),
    ];
    assert_eq!(
        found,
        expected.map(|(path, words)| (path.to_owned(), words.to_owned()))
    );
    let clash = &seen.differences[1].clash;
    assert_eq!(clash.mine.as_deref(), Some("\"2002\""));
    // A look is a read.
    let entry = trail(&tablet.guard)
        .into_iter()
        .rev()
        .find(|e| e.kind == AuditKind::Read && e.what == A)
        .unwrap();
    assert_eq!(
        (entry.count, entry.patients),
        (Some(3), vec!["a".to_owned()])
    );
    // Nothing waits of others.
    assert!(tablet.guard.conflict(&name("Patient/b")).unwrap().is_none());
    // Neither text shows in what programs print.
    let seen = format!("{:?}", tablet.guard.conflict(&name(A)).unwrap());
    assert!(!seen.contains("200"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_can_be_taken() {
    let hub = TestHub::start().await;
    let (phone, tablet) = in_conflict(&hub).await;
    assert_eq!(
        tablet
            .guard
            .resolve(&name(A), &Resolution::Side(Side::Mine))
            .unwrap(),
        Saved::Queued
    );
    assert_eq!(tablet.state(A), Some(EditState::Waiting));
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.conflicts), (1, 0));
    let there = all_agree(&hub, [&phone, &tablet]).await;
    // Mine where both changed it, and what each changed alone.
    assert!(there.contains("\"3\"") && there.contains("2002"));
    assert!(there.contains("female") && there.contains("active"));

    let hub = TestHub::start().await;
    let (phone, tablet) = in_conflict(&hub).await;
    assert_eq!(
        tablet
            .guard
            .resolve(&name(A), &Resolution::Side(Side::Theirs))
            .unwrap(),
        Saved::Withdrawn
    );
    assert_eq!(tablet.state(A), None);
    assert_eq!(tablet.sync().await.sent, 0);
    let there = all_agree(&hub, [&phone, &tablet]).await;
    assert!(there.contains("2001") && !there.contains("active"));
    assert!(there.contains("\"versionId\":\"2\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_path_can_be_decided() {
    let hub = TestHub::start().await;
    let (phone, tablet) = in_conflict(&hub).await;
    let sides = |paths: &[(&str, Side)]| {
        let sides = paths
            .iter()
            .map(|(path, side)| (path.parse().unwrap(), *side));
        Resolution::ByPath(sides.collect::<BTreeMap<_, _>>())
    };
    let resolve = |paths: &[(&str, Side)]| tablet.guard.resolve(&name(A), &sides(paths));
    let (number, birth) = ("telecom[phone|1].value", "birthDate");
    let undecided = refusal(resolve(&[(birth, Side::Mine)]));
    assert_eq!(
        undecided.to_string(),
        "1 of the differences in Patient/a are not decided"
    );
    let unknown = refusal(resolve(&[
        (birth, Side::Mine),
        (number, Side::Theirs),
        ("gender", Side::Mine),
    ]));
    assert!(matches!(
        unknown,
        NotResolved::UnknownPath { unknown: 1, .. }
    ));
    assert_eq!(
        tablet.state(A),
        Some(EditState::Conflict),
        "nothing was decided"
    );
    resolve(&[(birth, Side::Mine), (number, Side::Theirs)]).unwrap();
    assert_eq!(tablet.sync().await.sent, 1);
    let there = all_agree(&hub, [&phone, &tablet]).await;
    assert!(
        there.contains("2002")
            && there.contains("\"2\"")
            && there.contains("female")
            && there.contains("active")
    );
    // Decided once.
    assert!(matches!(refusal(resolve(&[])), NotResolved::NoConflict(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_text_can_be_written() {
    let hub = TestHub::start().await;
    let (phone, tablet) = in_conflict(&hub).await;
    let other = Resolution::Edited(patient("b", "1"));
    assert!(matches!(
        refusal(tablet.guard.resolve(&name(A), &other)),
        NotResolved::OtherRecord { .. }
    ));
    let broken = Resolution::Edited("{}".into());
    assert!(matches!(
        tablet.guard.resolve(&name(A), &broken),
        Err(AccessError::Resource(_))
    ));
    // The server's version that was looked at is not the newest.
    let edited = Resolution::Edited(person("4", "2004", ""));
    let stale = tablet.guard.resolve_seen(&name(A), &edited, Some("1"));
    assert!(matches!(refusal(stale), NotResolved::Changed(_)));
    tablet
        .guard
        .resolve_seen(&name(A), &edited, Some("2"))
        .unwrap();
    tablet.sync().await;
    let there = all_agree(&hub, [&phone, &tablet]).await;
    assert!(there.contains("2004") && there.contains("\"versionId\":\"3\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_there_and_edited_here() {
    for side in [Side::Mine, Side::Theirs] {
        let hub = TestHub::start().await;
        let (phone, tablet) = (hub.device(), hub.device());
        phone.put(&patient("a", "1"));
        phone.sync().await;
        tablet.sync().await;
        phone.guard.delete(&name(A)).unwrap();
        phone.sync().await;
        tablet.put(&patient("a", "2"));
        assert_eq!(tablet.sync().await.conflicts, 1);
        let seen = tablet.guard.conflict(&name(A)).unwrap().unwrap();
        assert_eq!(seen.about.waits_for, WaitsFor::DeletedThere);
        assert!(seen.theirs.is_none() && seen.differences.is_empty());
        let by_path = Resolution::ByPath(BTreeMap::new());
        assert!(matches!(
            refusal(tablet.guard.resolve(&name(A), &by_path)),
            NotResolved::NoPaths(_)
        ));
        tablet
            .guard
            .resolve(&name(A), &Resolution::Side(side))
            .unwrap();
        tablet.sync().await;
        match side {
            Side::Mine => assert!(all_agree(&hub, [&phone, &tablet]).await.contains("\"2\"")),
            Side::Theirs => {
                assert_eq!((tablet.text(A), tablet.state(A)), (None, None));
                assert_eq!(hub.client().get(A).await.unwrap().status, 410);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_here_and_edited_there() {
    for side in [Side::Mine, Side::Theirs] {
        let hub = TestHub::start().await;
        let (phone, tablet) = (hub.device(), hub.device());
        phone.put(&patient("a", "1"));
        phone.sync().await;
        tablet.sync().await;
        phone.put(&patient("a", "2"));
        phone.sync().await;
        tablet.guard.delete(&name(A)).unwrap();
        assert_eq!(tablet.sync().await.conflicts, 1);
        let all = tablet.guard.conflicts().unwrap();
        assert_eq!(all[0].waits_for, WaitsFor::DeletedHere);
        tablet
            .guard
            .resolve(&name(A), &Resolution::Side(side))
            .unwrap();
        tablet.sync().await;
        match side {
            Side::Mine => {
                assert_eq!((tablet.text(A), tablet.state(A)), (None, None));
                assert_eq!(hub.client().get(A).await.unwrap().status, 410);
            }
            Side::Theirs => assert!(all_agree(&hub, [&phone, &tablet]).await.contains("\"2\"")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_survives_a_restart_and_stops_nothing_else() {
    let hub = TestHub::start().await;
    let (phone, tablet) = in_conflict(&hub).await;
    tablet.put(&observation("o", "a", "5"));
    assert_eq!(tablet.sync().await.sent, 1);
    // The server goes on meanwhile.
    phone.put(&person("9", "2001", r#","gender":"female""#));
    phone.sync().await;
    tablet.sync().await;
    let Device {
        guard,
        home,
        server,
        ..
    } = tablet;
    drop(guard);
    let guard = unlock(home.path());
    let seen = guard.conflict(&name(A)).unwrap().unwrap();
    assert!(
        seen.theirs.unwrap().contains("\"9\""),
        "the newest of the server's"
    );
    assert!(seen.mine.unwrap().contains("2002") && seen.base.unwrap().contains("2000"));
    guard
        .resolve(&name(A), &Resolution::Side(Side::Mine))
        .unwrap();
    let peer = guard.peers().unwrap()[0].0;
    let tablet = Device {
        guard,
        home,
        server,
        patient: None,
        peer,
    };
    assert_eq!(tablet.sync().await.sent, 1);
    all_agree(&hub, [&phone, &tablet]).await;
}

/// A nurse's edit on a shared tablet against a physician's at another; the decision is the nurse's, and the hub judges and
/// audits it as hers.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_signed_by_whoever_decides() {
    let hub = TestHub::start().await;
    let tablet = staffed(&hub).await;
    tablet.sync().await;
    hub.approve_members(&STAFF).await;
    let tablet = in_hands(tablet, PHYSICIAN).await;
    tablet.put(&observation("o", "p", "1"));
    tablet.sync().await;
    let there = served(&hub, "Observation/o").await;
    let other = hub.device();
    other.sync().await;
    other.put(&there.replace(":1}", ":2}"));
    other.sync().await;
    tablet.put(&there.replace(":1}", ":3}"));
    assert_eq!(tablet.sync().await.conflicts, 1);
    let tablet = in_hands(tablet, NURSE).await;
    let waiting = tablet.guard.conflicts().unwrap();
    assert_eq!(waiting[0].authors[0].id(), PHYSICIAN);
    tablet
        .guard
        .resolve(&name("Observation/o"), &Resolution::Side(Side::Mine))
        .unwrap();
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.refused, report.conflicts), (1, 0, 0));
    assert!(served(&hub, "Observation/o").await.contains(":3}"));
    let written = trail(&hub.guard)
        .into_iter()
        .rev()
        .find(|e| e.kind == AuditKind::Written && e.what == "Observation/o");
    assert_eq!(written.unwrap().person, NURSE);
    let decided = trail(&tablet.guard)
        .into_iter()
        .rev()
        .find(|e| e.kind == AuditKind::Written && e.what == "Observation/o");
    assert_eq!(decided.unwrap().person, NURSE);
}

/// A role that may not read the record: no sight of it, no say in it.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_a_record_decides_nothing_about_it() {
    let hub = TestHub::start().await;
    let tablet = hub.device();
    let other = hub.device();
    other.put(&observation("o", "p", "1"));
    other.sync().await;
    tablet.sync().await;
    other.put(&observation("o", "p", "2"));
    other.sync().await;
    tablet.put(&observation("o", "p", "3"));
    tablet.sync().await;
    add_member(&tablet.guard, "desk-1", Role::FRONT_DESK).await;
    let tablet = in_hands(tablet, "desk-1").await;
    let o = name("Observation/o");
    assert!(tablet.guard.conflicts().unwrap().is_empty());
    assert!(tablet.guard.conflict(&o).unwrap().is_none());
    for side in [Side::Mine, Side::Theirs] {
        let refused = tablet.guard.resolve(&o, &Resolution::Side(side));
        assert!(matches!(refusal(refused), NotResolved::NoConflict(_)));
    }
    assert_eq!(tablet.guard.status().unwrap().waiting_unseen, 1);
}

/// Somebody who wrote it and lost the right to read it since: sees that part, may give it up, and decides nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn authors_without_rights_see_their_own_part_and_may_give_it_up() {
    let hub = TestHub::start().await;
    let (tablet, other) = (hub.device(), hub.device());
    other.put(&observation("o", "p", "1"));
    other.sync().await;
    tablet.sync().await;
    other.put(&observation("o", "p", "2"));
    other.sync().await;
    let hands = |person: &str, role: Role| {
        tablet
            .guard
            .acting_as(Actor::new(Person::new(person), role))
    };
    let nurse = hands("nurse-1", Role::NURSE);
    nurse.put(&resource(&observation("o", "p", "3"))).unwrap();
    tablet.sync().await;
    let o = name("Observation/o");
    let (theirs, mine) = (Resolution::Side(Side::Theirs), Resolution::Side(Side::Mine));
    let moved = hands("nurse-1", Role::FRONT_DESK);
    assert_eq!(
        moved.conflicts().unwrap()[0].waits_for,
        WaitsFor::BothChanged
    );
    let seen = moved.conflict(&o).unwrap().unwrap();
    assert!(seen.is_own_part_only && seen.mine.unwrap().contains(":3}"));
    assert!(seen.base.is_none() && seen.theirs.is_none() && seen.differences.is_empty());
    assert!(matches!(
        refusal(moved.resolve(&o, &mine)),
        NotResolved::NoConflict(_)
    ));
    // Another at the same desk wrote nothing of it.
    let another = hands("desk-1", Role::FRONT_DESK);
    assert!(matches!(
        refusal(another.resolve(&o, &theirs)),
        NotResolved::NoConflict(_)
    ));
    assert_eq!(moved.resolve(&o, &theirs).unwrap(), Saved::Withdrawn);
    assert!(tablet.text("Observation/o").unwrap().contains(":2}"));
    assert_eq!(tablet.state("Observation/o"), None);
}

/// Seen but not writable: the policy's refusal, and it is in the trail.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_decides_nothing() {
    let hub = TestHub::start().await;
    let tablet = hub.device();
    let request = |status: &str| {
        format!(
            r#"{{"resourceType":"MedicationRequest","id":"m","status":"{status}","intent":"order","subject":{{"reference":"Patient/p"}},"medicationCodeableConcept":{{"text":"x"}}}}"#
        )
    };
    let other = hub.device();
    other.put(&request("active"));
    other.sync().await;
    tablet.sync().await;
    other.put(&request("on-hold"));
    other.sync().await;
    tablet.put(&request("stopped"));
    tablet.sync().await;
    add_member(&tablet.guard, NURSE, Role::NURSE).await;
    add_member(&tablet.guard, PHYSICIAN, Role::PHYSICIAN).await;
    let tablet = in_hands(tablet, NURSE).await;
    let m = name("MedicationRequest/m");
    let seen = tablet.guard.conflict(&m).unwrap().unwrap();
    assert_eq!(seen.differences[0].clash.path.to_string(), "status");
    for resolution in [
        Resolution::Side(Side::Mine),
        Resolution::Side(Side::Theirs),
        Resolution::Edited(request("draft")),
    ] {
        let refused = tablet.guard.resolve(&m, &resolution);
        assert!(
            matches!(refused, Err(AccessError::NotAllowed(_))),
            "{refused:?}"
        );
    }
    assert_eq!(
        trail(&tablet.guard)
            .iter()
            .filter(|e| e.kind == AuditKind::Denied && e.person == NURSE)
            .count(),
        3
    );
    let tablet = in_hands(tablet, PHYSICIAN).await;
    tablet
        .guard
        .resolve(&m, &Resolution::Side(Side::Mine))
        .unwrap();
    assert_eq!(
        tablet.state("MedicationRequest/m"),
        Some(EditState::Waiting)
    );
}

fn refused_here(guard: &Guard) -> Vec<String> {
    let all = guard.conflicts().unwrap();
    let refused = all.iter().filter(|one| one.waits_for == WaitsFor::Refused);
    refused.map(|one| one.name.reference.to_string()).collect()
}

/// What a server refused is given up or sent again, by whoever wrote it or may write it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_given_up_or_sent_again() {
    let hub = TestHub::start().await;
    let phone = hub.device();
    phone.put(&patient("a", "1"));
    phone.put(&patient("b", "1"));
    phone.sync().await;
    let base = phone.text(A);
    // The hub takes no member twice.
    let twice = |text: String| text.replacen('{', "{\"language\":\"en\",\"language\":\"en\",", 1);
    let bad = |id: &str| twice(patient(id, "2"));
    phone.put(&bad("a"));
    phone.put(&bad("b"));
    phone.put(&bad("c"));
    phone.sync().await;
    assert_eq!(refused_here(&phone.guard).len(), 3);
    let seen = phone.guard.conflict(&name(A)).unwrap().unwrap();
    assert_eq!(seen.about.waits_for, WaitsFor::Refused);
    assert_eq!(seen.differences.len(), 1, "what was to be changed");
    let mine = Resolution::Side(Side::Mine);
    assert!(matches!(
        refusal(phone.guard.resolve(&name(A), &mine)),
        NotResolved::Refused(_)
    ));
    phone.guard.discard_refused(&name(A)).unwrap();
    assert_eq!((phone.text(A), phone.state(A)), (base, None));
    // Made here: nothing is left of it.
    phone.guard.discard_refused(&name("Patient/c")).unwrap();
    assert_eq!(phone.text("Patient/c"), None);
    phone.guard.send_again(&name("Patient/b")).unwrap();
    assert_eq!(phone.state("Patient/b"), Some(EditState::Waiting));
    let report = phone.sync().await;
    assert_eq!((report.sent, report.refused), (0, 1));
    assert_eq!(refused_here(&phone.guard), ["Patient/b"]);
    let again = phone.guard.send_again(&name(A)).unwrap_err();
    assert!(matches!(
        again,
        AccessError::NotResolved(NotResolved::NotRefused(_))
    ));
    let given_up = trail(&phone.guard)
        .into_iter()
        .filter(|e| e.kind == AuditKind::Written && e.what.starts_with("give up"));
    assert_eq!(given_up.count(), 2);
    // Neither the desk may do that to another's words.
    add_member(&phone.guard, "desk-1", Role::FRONT_DESK).await;
    phone.put(&twice(observation("x", "a", "1")));
    phone.sync().await;
    let phone = in_hands(phone, "desk-1").await;
    let other = phone
        .guard
        .discard_refused(&name("Observation/x"))
        .unwrap_err();
    assert!(matches!(
        other,
        AccessError::NotResolved(NotResolved::NotRefused(_))
    ));
}
