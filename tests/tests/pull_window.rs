//! Where a pull begins, what it costs when nothing is new, and what finds records that it missed.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::fhir::Instant;
use pocketchart_tests::hand_clock::HandClock;
use pocketchart_tests::toy_server::*;
use pocketchart_tests::*;
use std::sync::Arc;

fn device(server: &ToyServer) -> (Device, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    let shared: Arc<dyn pocketchart_core::clock::Clock> = clock.clone();
    (Device::at(server.wire.server(), shared), clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_new_is_one_round_trip_a_type() {
    let types = ["Patient", "Condition", "Observation", "Encounter"];
    for has_type_history in [false, true] {
        let server = ToyServer::new(&types);
        server.toy().has_type_history = has_type_history;
        for n in 0..30 {
            server.toy().put(&patient(&format!("p{n}"), "1"));
            server
                .toy()
                .put(&observation(&format!("o{n}"), "p1", "1.0"));
        }
        server.toy().pass(3600);
        let (phone, _) = device(&server);
        assert_eq!(phone.sync().await.received, 60);
        server.wire.asked();
        for _ in 0..2 {
            let report = phone.sync().await;
            assert_eq!((report.received, report.pages), (0, 4));
            let asked = server.wire.asked();
            assert_eq!(asked.len(), 1 + types.len(), "{asked:?}");
        }
        // All of one stamp come again, and no more: the cursor is older than the window.
        assert_eq!(phone.sync().await.known, 60);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_younger_than_the_window_is_looked_at_again_and_then_no_more() {
    let server = ToyServer::new(&["Patient"]);
    for n in 0..10 {
        server.toy().put(&patient(&format!("p{n}"), "1"));
        server.toy().pass(1);
    }
    let (phone, _) = device(&server);
    assert_eq!(phone.sync().await.received, 10);
    assert_eq!(phone.sync().await.known, 10);
    server.toy().pass(600);
    phone.sync().await;
    assert_eq!(phone.sync().await.known, 1, "the newest one");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_arrivals_widen_the_window() {
    let server = ToyServer::new(&["Patient"]);
    server.toy().put(&patient("a", "1"));
    let (phone, _) = device(&server);
    phone.sync().await;
    // Its transaction began 50 s ago.
    let begun = server.toy().now_ms - 50_000;
    server.toy().put_at(&patient("late", "1"), begun);
    assert_eq!(phone.sync().await.received, 1);
    let state = phone.guard.peer_state(phone.peer).unwrap();
    assert_eq!(state.window_ms, 100_000);
    let asked = |server: &ToyServer| server.wire.asked()[1].clone();
    asked(&server);
    phone.sync().await;
    let from = Instant::from_epoch_ms(server.toy().now_ms - 100_000);
    assert!(asked(&server).contains(&format!("_lastUpdated=ge{from}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_from_the_far_future_hides_nothing() {
    for has_date in [true, false] {
        let server = ToyServer::new(&["Patient"]);
        server.toy().has_date = has_date;
        server.toy().put(&patient("a", "1"));
        let future = Instant::parse("9999-01-01T00:00:00Z").unwrap().epoch_ms();
        server.toy().put_at(&patient("z", "1"), future);
        let (phone, _) = device(&server);
        assert_eq!(phone.sync().await.received, 2);
        server.toy().pass(5);
        server.toy().put(&patient("b", "1"));
        assert_eq!(phone.sync().await.received, 1, "date: {has_date}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_found_by_the_comparison() {
    for has_elements in [true, false] {
        let server = ToyServer::new(&["Condition", "Patient"]);
        server.toy().has_elements = has_elements;
        for n in 0..5 {
            server.toy().put(&patient(&format!("p{n}"), "1"));
            server.toy().pass(60);
        }
        let (phone, clock) = device(&server);
        assert_eq!(phone.sync().await.received, 5);
        // Far behind the cursor: a new record, and another version of a known one.
        let long_ago = server.toy().now_ms - 280_000;
        server.toy().put_at(&patient("missed", "1"), long_ago);
        server.toy().put_at(&patient("p1", "2"), long_ago);
        let report = phone.sync().await;
        assert_eq!(
            (report.received, report.healed),
            (0, 0),
            "not by the cursor"
        );
        clock.forward(61);
        server.toy().pass(61);
        let report = phone.sync().await;
        assert_eq!(
            (report.received, report.healed),
            (2, 2),
            "elements: {has_elements}"
        );
        assert!(phone.text("Patient/missed").is_some());
        assert!(phone.text("Patient/p1").unwrap().contains("\"2\""));
        let state = phone.guard.peer_state(phone.peer).unwrap();
        assert_eq!(state.window_ms, 440_000, "it was late by 220 s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_types_are_compared_in_stretches_that_go_on_where_they_were() {
    let server = ToyServer::new(&["Patient"]);
    server.toy().page = 300;
    for n in 0..12_000 {
        server.toy().put(&patient(&format!("p{n:05}"), "1"));
        server.toy().now_ms += 10;
    }
    server.toy().pass(3600);
    let (phone, clock) = device(&server);
    assert_eq!(phone.sync().await.received, 12_000);
    for name in ["Patient/p00003", "Patient/p11999"] {
        server.toy().delete(name);
    }
    let mut deleted = Vec::new();
    for _ in 0..2 {
        clock.forward(61);
        deleted.push(phone.sync().await.deleted);
    }
    assert_eq!(deleted, [1, 1]);
    assert_eq!(phone.guard.peer_state(phone.peer).unwrap().round.rounds, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_could_not_be_taken_are_named_until_they_come() {
    let server = ToyServer::new(&["Patient"]);
    server.toy().put(&patient("good", "1"));
    server.toy().put(&patient("bad", "1"));
    let good = server.toy().records["Patient/bad"].2.clone();
    let broken = good
        .as_ref()
        .map(|text| text.replace("\"versionId\":\"1\"", "\"versionId\":1"));
    if let Some(record) = server.toy().records.get_mut("Patient/bad") {
        record.2 = broken;
    }
    let (phone, _) = device(&server);
    assert_eq!(phone.sync().await.skipped, 1);
    let status = phone.guard.status().unwrap();
    let skipped: Vec<(&String, &String)> = status.learned[0].skipped.iter().collect();
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].0, "Patient/bad");
    assert!(skipped[0].1.starts_with("meta:"), "{skipped:?}");
    server.toy().records.get_mut("Patient/bad").unwrap().2 = good;
    assert_eq!(phone.sync().await.received, 1);
    assert!(phone.guard.status().unwrap().learned[0].skipped.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_with_the_same_names_stay_apart() {
    let server = ToyServer::new(&["Patient"]);
    server.toy().put(&patient("1", "first"));
    let (mut phone, clock) = device(&server);
    phone.sync().await;
    let other = ToyServer::new(&["Patient"]);
    other.toy().put(&patient("1", "second"));
    other.toy().pass(3600);
    let first = phone.peer;
    phone.server = other.wire.server();
    phone.peer = phone
        .guard
        .remember_peer("https://other.example", &Default::default())
        .unwrap();
    assert_ne!(first, phone.peer);
    assert_eq!(phone.sync().await.received, 1);
    let texts = exported(&phone.guard);
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts.iter().any(|t| t.contains("first")) && texts.iter().any(|t| t.contains("second"))
    );
    // Deleted on one: the other's stays.
    other.toy().delete("Patient/1");
    clock.forward(120);
    assert_eq!(phone.sync().await.deleted, 1);
    assert!(phone.text("Patient/1").unwrap().contains("first"));
}
