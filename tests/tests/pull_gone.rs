//! What a device does when records are gone on their server, hidden, lost, or older than they were.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{EditState, PeerState, Stopped};
use pocketchart_tests::hand_clock::HandClock;
use pocketchart_tests::toy_server::*;
use pocketchart_tests::*;
use std::sync::Arc;

/// A device, its clock, and a server that both have these patients.
struct Pair {
    server: ToyServer,
    phone: Device,
    clock: Arc<HandClock>,
}

impl Pair {
    async fn with(patients: usize, habits: impl FnOnce(&mut Toy)) -> Self {
        let server = ToyServer::new(&["Patient"]);
        habits(&mut server.toy());
        for n in 0..patients {
            server.toy().put(&patient(&format!("p{n:03}"), "1"));
            server.toy().pass(1);
        }
        server.toy().pass(3600);
        let clock = Arc::new(HandClock::default());
        let shared: Arc<dyn pocketchart_core::clock::Clock> = clock.clone();
        let phone = Device::at(server.wire.server(), shared);
        let pair = Self {
            server,
            phone,
            clock,
        };
        assert_eq!(pair.phone.sync().await.received, patients as u64);
        pair
    }

    /// A sync after some time.
    async fn later(&self, seconds: u64) -> pocketchart_core::sync::Report {
        self.clock.forward(seconds);
        self.server.toy().pass(i64::try_from(seconds).unwrap());
        self.phone.sync().await
    }

    fn state(&self) -> PeerState {
        self.phone.guard.peer_state(self.phone.peer).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.phone.text(name).is_some()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_tells_of_deletions_with_the_next_sync() {
    for of_types in [false, true] {
        let pair = Pair::with(3, |toy| {
            toy.has_history = !of_types;
            toy.has_type_history = of_types;
        })
        .await;
        pair.server.toy().delete("Patient/p001");
        let report = pair.later(120).await;
        assert_eq!((report.deleted, report.received), (1, 0));
        assert!(!pair.has("Patient/p001") && pair.has("Patient/p000"));
        assert_eq!(pair.later(120).await.deleted, 0);
        let names: Vec<String> = trail(&pair.phone.guard)
            .into_iter()
            .map(|e| e.what)
            .collect();
        assert!(
            names.contains(&"Patient/p001 deleted there".into()),
            "{names:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_history_absence_is_asked_about() {
    let pair = Pair::with(3, |_| {}).await;
    pair.server.toy().delete("Patient/p001");
    // Lists may leave out what is there.
    pair.server.toy().unlisted.push("Patient/p002".into());
    let report = pair.later(120).await;
    assert_eq!(report.deleted, 1);
    assert!(!pair.has("Patient/p001") && pair.has("Patient/p002"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_history_is_remembered_and_absence_is_asked_about() {
    let pair = Pair::with(3, |toy| toy.has_history = true).await;
    // It declares one, and does not give it.
    pair.server.toy().has_history = false;
    pair.server.toy().forbidden.push("Patient/p000".into());
    let toy = pair.server.toy().clone();
    drop(toy);
    pair.server.toy().delete("Patient/p001");
    let report = pair.later(700).await;
    assert_eq!((report.deleted, report.unshared), (1, 1));
    assert!(!pair.has("Patient/p000"), "no longer shared");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_counts_when_it_comes_twice_a_window_apart() {
    let pair = Pair::with(3, |toy| toy.says_gone = false).await;
    pair.server.toy().delete("Patient/p001");
    assert_eq!(pair.later(120).await.deleted, 0);
    assert!(pair.has("Patient/p001"));
    assert_eq!(pair.state().missing.len(), 1);
    assert_eq!(pair.later(1).await.deleted, 0, "too soon");
    assert_eq!(pair.later(120).await.deleted, 1);
    assert!(!pair.has("Patient/p001"));
    assert!(pair.state().missing.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_that_was_a_mistake_is_forgotten() {
    let pair = Pair::with(3, |toy| toy.says_gone = false).await;
    let record = pair.server.toy().records.remove("Patient/p001").unwrap();
    pair.later(120).await;
    assert_eq!(pair.state().missing.len(), 1);
    pair.server
        .toy()
        .records
        .insert("Patient/p001".into(), record);
    assert_eq!(pair.later(120).await.deleted, 0);
    assert!(pair.has("Patient/p001") && pair.state().missing.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_at_once_are_shown_and_kept_until_a_person_agrees() {
    let pair = Pair::with(100, |toy| toy.has_history = true).await;
    for n in 0..60 {
        pair.server.toy().delete(&format!("Patient/p{n:03}"));
    }
    let report = pair.later(120).await;
    assert_eq!(report.deleted, 0);
    let stopped = report.stopped.unwrap();
    assert_eq!((stopped.missing, stopped.of), (60, 100));
    let shown: Option<Stopped> = pair.phone.guard.status().unwrap().learned[0].stopped;
    assert_eq!(shown, Some(stopped));
    assert!(pair.later(120).await.stopped.is_some(), "and again");
    pair.phone.guard.allow_deletions(pair.phone.peer).unwrap();
    assert_eq!(pair.later(120).await.deleted, 60);
    assert_eq!(pair.state().stopped, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lists_nothing_any_more_deletes_nothing() {
    let pair = Pair::with(30, |toy| toy.says_gone = false).await;
    pair.server.toy().records.clear();
    for _ in 0..4 {
        let report = pair.later(120).await;
        assert_eq!(report.deleted, 0);
        assert!(report.stopped.is_some());
    }
    assert!(pair.has("Patient/p000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_there_and_edited_here_is_a_conflict() {
    let pair = Pair::with(2, |toy| toy.has_history = true).await;
    pair.server.toy().delete("Patient/p000");
    pair.clock.forward(120);
    pair.server.toy().pass(120);
    // Written while the sync is under way: after the push, before the deletion is known.
    let guard = pair.phone.guard.clone();
    let phone = &pair.phone;
    let once = std::sync::Once::new();
    let write = move |_: pocketchart_core::sync::Progress| {
        once.call_once(|| {
            let edited = patient("p000", "2");
            guard.put(&resource(&edited)).unwrap();
        });
    };
    let run = pocketchart_core::sync::SyncRun {
        guard: &phone.guard,
        server: &phone.server,
        peer: phone.peer,
        patient: None,
        progress: &write,
    };
    let report = run.run().await.unwrap();
    assert_eq!((report.deleted, report.conflicts), (0, 1));
    assert_eq!(phone.state("Patient/p000"), Some(EditState::Conflict));
    assert!(phone.text("Patient/p000").unwrap().contains("\"2\""));
    assert_eq!(pair.later(120).await.conflicts, 0, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_put_back_is_told_and_nothing_newer_is_lost() {
    for has_history in [false, true] {
        let pair = Pair::with(3, |toy| toy.has_history = has_history).await;
        let backup = pair.server.toy().records.clone();
        pair.server.toy().pass(60);
        pair.server.toy().put(&patient("p001", "newer"));
        pair.server.toy().put(&patient("new", "1"));
        assert_eq!(pair.later(120).await.received, 2);
        pair.server.toy().records = backup;
        let mut restored = false;
        for _ in 0..3 {
            let report = pair.later(700).await;
            restored |= report.restored;
            assert_eq!(report.deleted, 0);
        }
        assert!(restored, "history: {has_history}");
        assert!(pair.phone.text("Patient/p001").unwrap().contains("newer"));
        assert_eq!(pair.phone.state("Patient/p001"), Some(EditState::Conflict));
        assert!(pair.has("Patient/new"), "kept");
        let state = pair.state();
        assert!(state.only_here.contains("Patient/new"), "shown: {state:?}");
        assert_eq!(state.restored_ms, None, "all was compared");
        assert_eq!(
            pair.server.toy().records.len(),
            3,
            "nothing was sent by itself"
        );
    }
}
