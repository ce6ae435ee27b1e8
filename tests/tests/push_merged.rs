//! What both sides changed is merged where nobody has to be asked, and goes out as its author's.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{AuditKind, EditState, Incoming, Local, PullCursor, Pulled, Saved};
use pocketchart_core::fhir::marks;
use pocketchart_core::net::Server;
use pocketchart_tests::helios::Helios;
use pocketchart_tests::little_server::{Instead, LittleServer, Ways};
use pocketchart_tests::staff::*;
use pocketchart_tests::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn person(phone: &str, birth: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"a","telecom":[{{"system":"phone","value":"{phone}","use":"home"}}],"birthDate":"{birth}"}}"#
    )
}

fn people_who_wrote(hub: &TestHub, what: &str) -> Vec<String> {
    let written = trail(&hub.guard)
        .into_iter()
        .filter(|entry| entry.kind == AuditKind::Written && entry.what == what);
    written.map(|entry| entry.person).collect()
}

/// A hub with a patient, and a tablet that knows it, whose people are approved.
async fn with_a_patient() -> (TestHub, Device) {
    let hub = TestHub::start().await;
    let (client, text) = (hub.client(), person("1", "2000"));
    let put = client.put("Patient/a", &text, None).await.unwrap();
    assert_eq!(put.status, 201);
    let tablet = staffed(&hub).await;
    tablet.sync().await;
    hub.approve_members(&STAFF).await;
    tablet.sync().await;
    (hub, tablet)
}

/// Somebody else changes it at the hub.
async fn there(hub: &TestHub, old: &str, new: &str) {
    let text = hub.client().get("Patient/a").await.unwrap().text;
    let version = resource(&text).version().map(str::to_owned);
    let text = text.replace(old, new);
    let client = hub.client();
    let put = client.put("Patient/a", &text, version.as_deref());
    assert_eq!(put.await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_other_elements_are_merged_and_both_devices_agree() {
    let hub = TestHub::start().await;
    let (phone, tablet) = (hub.device(), hub.device());
    phone.put(&person("1", "2000"));
    phone.sync().await;
    tablet.sync().await;
    let edit = |device: &Device, old: &str, new: &str| {
        let text = device.text("Patient/a").unwrap();
        assert_eq!(device.put(&text.replace(old, new)), Saved::Queued);
    };
    edit(&phone, "\"1\"", "\"2\"");
    edit(&tablet, "2000", "2001");
    assert_eq!(phone.sync().await.sent, 1);
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.merged, report.conflicts), (1, 1, 0));
    phone.sync().await;
    let there = hub.client().get("Patient/a").await.unwrap().text;
    assert!(there.contains("\"2\"") && there.contains("2001"), "{there}");
    for device in [&phone, &tablet] {
        assert_eq!(device.text("Patient/a").unwrap(), there);
        assert!(device.guard.pending(None).unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_change_is_still_its_authors_and_was_signed_before_the_merge() {
    let (hub, tablet) = with_a_patient().await;
    let tablet = in_hands(tablet, NURSE).await;
    let text = tablet.text("Patient/a").unwrap();
    tablet.put(&text.replace("\"1\"", "\"2\""));
    there(&hub, "2000", "2001").await;
    // In other hands by the time it goes out.
    let tablet = in_hands(tablet, PHYSICIAN).await;
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.merged, report.refused), (1, 1, 0));
    assert_eq!(people_who_wrote(&hub, "Patient/a").last().unwrap(), NURSE);
    let there = hub.client().get("Patient/a").await.unwrap().text;
    assert!(there.contains("\"2\"") && there.contains("2001"));
    assert_eq!(tablet.text("Patient/a").unwrap(), there);
}

/// The next author wrote on a merge that a pull had made: what they signed is what they saw and changed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_on_a_merge_starts_from_it() {
    let (hub, tablet) = with_a_patient().await;
    let tablet = in_hands(tablet, NURSE).await;
    let text = tablet.text("Patient/a").unwrap();
    tablet.put(&text.replace("\"1\"", "\"2\""));
    there(&hub, "2000", "2001").await;
    // Only the pull comes through.
    let theirs = hub.client().get("Patient/a").await.unwrap().text;
    let taken = pull_by_hand(&tablet, &theirs, |_, _| Pulled::Merged);
    assert_eq!(taken, Pulled::Merged);
    let merged = tablet.text("Patient/a").unwrap();
    assert!(
        merged.contains("\"2\"") && merged.contains("2001"),
        "{merged}"
    );
    let tablet = in_hands(tablet, PHYSICIAN).await;
    tablet.put(&merged.replace("\"home\"", "\"work\""));
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.refused, report.conflicts), (2, 0, 0));
    let people = people_who_wrote(&hub, "Patient/a");
    assert_eq!(people[people.len() - 2..], [NURSE, PHYSICIAN]);
    let there = hub.client().get("Patient/a").await.unwrap().text;
    assert!(there.contains("\"2\"") && there.contains("2001") && there.contains("work"));
    assert_eq!(tablet.text("Patient/a").unwrap(), there);
}

/// As a sync does that ends after its pull: what the server has is taken, and nothing was sent.
fn pull_by_hand(device: &Device, text: &str, rules: fn(&Local, &Incoming<'_>) -> Pulled) -> Pulled {
    let page = [resource(text)];
    let cursor = PullCursor::default();
    let taken = device
        .guard
        .take_page(device.peer, page[0].kind(), &page, &cursor, rules);
    taken.unwrap()[0]
}

/// Two authors' turns, and then the hub's version: the second turn was written on the first, which nobody but this tablet
/// has ever seen as it was. The hub could not do that merge again, so a person looks at it; nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_the_hub_cannot_check_waits_for_a_person() {
    let (hub, tablet) = with_a_patient().await;
    let tablet = in_hands(tablet, NURSE).await;
    let text = tablet.text("Patient/a").unwrap();
    tablet.put(&text.replace("\"1\"", "\"2\""));
    let tablet = in_hands(tablet, PHYSICIAN).await;
    let text = tablet.text("Patient/a").unwrap();
    tablet.put(&text.replace("\"home\"", "\"work\""));
    there(&hub, "2000", "2001").await;
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.conflicts, report.refused), (1, 1, 0));
    let there = hub.client().get("Patient/a").await.unwrap().text;
    assert!(
        there.contains("\"2\"") && there.contains("2001"),
        "the nurse's turn went"
    );
    assert_eq!(tablet.state("Patient/a"), Some(EditState::Conflict));
    assert!(tablet.text("Patient/a").unwrap().contains("work"));
}

/// Medicines and allergies are never merged without a look.
#[tokio::test(flavor = "multi_thread")]
async fn some_types_are_a_persons_to_merge() {
    let hub = TestHub::start().await;
    let (phone, tablet) = (hub.device(), hub.device());
    let text =
        r#"{"resourceType":"AllergyIntolerance","id":"a","criticality":"low","type":"allergy"}"#;
    phone.put(text);
    phone.sync().await;
    tablet.sync().await;
    let edit = |device: &Device, old: &str, new: &str| {
        let text = device.text("AllergyIntolerance/a").unwrap();
        device.put(&text.replace(old, new));
    };
    edit(&phone, "\"low\"", "\"high\"");
    edit(&tablet, "\"allergy\"", "\"intolerance\"");
    phone.sync().await;
    let report = tablet.sync().await;
    assert_eq!((report.merged, report.conflicts), (0, 1));
    assert_eq!(
        tablet.state("AllergyIntolerance/a"),
        Some(EditState::Conflict)
    );
}

#[tokio::test]
async fn a_write_that_others_wrote_on_since_is_recognised() {
    let little = LittleServer::new(Ways::default());
    let phone = little.device();
    phone.put(&person("1", "2000"));
    phone.sync().await;
    let text = phone.text("Patient/a").unwrap();
    phone.put(&text.replace("\"1\"", "\"2\""));
    // It arrived, the answer was lost, and somebody wrote on.
    let bundle = phone.guard.pending(None).unwrap();
    phone.guard.mark_sent(&bundle).unwrap();
    little.write(&text.replace("\"1\"", "\"2\""));
    little.write(&text.replace("\"1\"", "\"2\"").replace("2000", "2001"));
    little.writes();
    let report = phone.sync().await;
    assert_eq!((report.sent, report.conflicts), (1, 0));
    assert!(little.writes().is_empty(), "nothing is sent again");
    assert_eq!(phone.text("Patient/a"), little.text("Patient/a"));
}

/// A gender was added to this, and the phone has it under way. What became of it is not known here.
async fn with_a_gender_under_way(little: &LittleServer) -> (Device, String, String) {
    let phone = little.device();
    phone.put(&person("1", "2000"));
    phone.sync().await;
    let text = phone.text("Patient/a").unwrap();
    let longer = text.replace("\"birthDate\"", "\"gender\":\"other\",\"birthDate\"");
    phone.put(&longer.replace("\"1\"", "\"2\""));
    let longer = phone.text("Patient/a").unwrap();
    assert!(longer.contains("gender"));
    let bundle = phone.guard.pending(None).unwrap();
    phone.guard.mark_sent(&bundle).unwrap();
    (phone, text, longer)
}

/// It says this of histories (0: what it has), and counts them.
fn asked_for_history(status: u16) -> (LittleServer, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let little = LittleServer::with(Ways::default(), move |asked, _| {
        let is_it = asked.contains("/_history");
        counted.fetch_add(usize::from(is_it), Ordering::SeqCst);
        (is_it && status > 0).then(|| Instead {
            status,
            ..Instead::default()
        })
    });
    (little, asked)
}

/// It arrived, the answer was lost, and somebody took back what it added. Sent or merged again, it would come back.
#[tokio::test]
async fn what_others_took_back_of_a_write_does_not_come_back() {
    for status in [0, 403, 404, 405, 501] {
        let (little, asked) = asked_for_history(status);
        let (phone, text, longer) = with_a_gender_under_way(&little).await;
        little.write(&longer);
        // Without the gender again, and with another birth date.
        little.write(&text.replace("\"1\"", "\"2\"").replace("2000", "2001"));
        // The person wrote on meanwhile.
        phone.put(&longer.replace("\"home\"", "\"work\""));
        let report = phone.sync().await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let there = little.text("Patient/a").unwrap();
        assert!(!there.contains("gender"), "{there}");
        assert!(there.contains("\"2\"") && there.contains("2001"));
        let here = phone.text("Patient/a").unwrap();
        if status == 0 {
            assert_eq!((report.sent, report.conflicts), (2, 0));
            assert!(there.contains("work"), "{there}");
            assert_eq!(here, there);
        } else {
            assert_eq!((report.sent, report.conflicts), (0, 1));
            assert_eq!(phone.state("Patient/a"), Some(EditState::Conflict));
            assert!(here.contains("work") && here.contains("gender"));
        }
    }
}

/// A server that fails is asked another time.
#[tokio::test]
async fn a_history_that_fails_decides_nothing() {
    let (little, _) = asked_for_history(500);
    let (phone, text, longer) = with_a_gender_under_way(&little).await;
    little.write(&longer);
    little.write(&text.replace("2000", "2001"));
    phone.try_sync().await.unwrap_err();
    assert_eq!(phone.state("Patient/a"), Some(EditState::Waiting));
    assert_eq!(phone.text("Patient/a").unwrap(), longer);
}

/// Two others wrote, and what was sent is in no version: it is merged, as if it had never been sent.
#[tokio::test]
async fn what_is_in_no_version_did_not_arrive() {
    let (little, asked) = asked_for_history(0);
    let (phone, text, _) = with_a_gender_under_way(&little).await;
    little.write(&text.replace("2000", "2001"));
    little.write(&text.replace("2000", "2002"));
    let report = phone.sync().await;
    assert_eq!((report.merged, report.sent, report.conflicts), (1, 1, 0));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let there = little.text("Patient/a").unwrap();
    assert!(there.contains("gender") && there.contains("2002"));
}

/// What was there before counts for nothing: an old version had by chance all that was sent.
#[tokio::test]
async fn a_version_older_than_the_one_to_be_replaced_is_not_ours() {
    let (little, _) = asked_for_history(0);
    let with_gender =
        person("2", "2000").replace("\"birthDate\"", "\"gender\":\"other\",\"birthDate\"");
    little.write(&with_gender);
    let phone = little.device();
    little.write(&person("1", "2000"));
    let text = little.text("Patient/a").unwrap();
    let taken = pull_by_hand(&phone, &text, |_, _| Pulled::Take);
    assert_eq!(taken, Pulled::Take);
    phone.put(
        &text
            .replace("\"1\"", "\"2\"")
            .replace("\"birthDate\"", "\"gender\":\"other\",\"birthDate\""),
    );
    let bundle = phone.guard.pending(None).unwrap();
    phone.guard.mark_sent(&bundle).unwrap();
    little.write(&person("1", "2001"));
    little.write(&person("1", "2002"));
    let report = phone.sync().await;
    assert_eq!((report.merged, report.sent, report.conflicts), (1, 1, 0));
    let there = little.text("Patient/a").unwrap();
    assert!(
        there.contains("gender") && there.contains("2002"),
        "{there}"
    );
}

/// The ordinary ways cost nothing: no answer was lost, or a counted version shows that only one other wrote.
#[tokio::test]
async fn no_history_is_read_without_need() {
    let (little, asked) = asked_for_history(405);
    let (phone, text, _) = with_a_gender_under_way(&little).await;
    little.write(&text.replace("2000", "2001"));
    let report = phone.sync().await;
    assert_eq!((report.merged, report.sent, report.conflicts), (1, 1, 0));
    let text = phone.text("Patient/a").unwrap();
    phone.put(&text.replace("\"home\"", "\"work\""));
    little.write(&text.replace("2001", "2002"));
    little.write(&text.replace("2001", "2003"));
    let report = phone.sync().await;
    assert_eq!((report.merged, report.sent, report.conflicts), (1, 1, 0));
    let there = little.text("Patient/a").unwrap();
    assert!(there.contains("gender") && there.contains("2003") && there.contains("work"));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// Somebody adds what was sent from here, unheard, and takes it back.
async fn a_history_tells(phone: &Device, others: &Server) {
    phone.put(&person("1", "2000"));
    phone.sync().await;
    let text = phone.text("Patient/a").unwrap();
    let longer = text.replace("\"birthDate\"", "\"gender\":\"other\",\"birthDate\"");
    phone.put(&longer);
    let bundle = phone.guard.pending(None).unwrap();
    phone.guard.mark_sent(&bundle).unwrap();
    for text in [&longer, &text] {
        let now = others.get("Patient/a").await.unwrap().text;
        let version = resource(&now).version().map(str::to_owned);
        let put = others.put("Patient/a", text, version.as_deref());
        assert_eq!(put.await.unwrap().status, 200);
    }
    let report = phone.sync().await;
    assert_eq!((report.sent, report.merged, report.conflicts), (1, 0, 0));
    let now = others.get("Patient/a").await.unwrap().text;
    assert!(!now.contains("gender"), "{now}");
    assert_eq!(phone.text("Patient/a").unwrap(), now);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hubs_history_tells_too() {
    let hub = TestHub::start().await;
    a_history_tells(&hub.device(), &hub.client()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_helios_tells_too() {
    if let Some(helios) = Helios::start("the_history_of_helios_tells_too").await {
        a_history_tells(&helios.device(), &helios.server()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_says_that_it_takes_them() {
    let hub = TestHub::start().await;
    let statement = hub.client().get("metadata").await.unwrap().text;
    assert!(statement.contains(marks::SIGNED_CONTENT));
}
