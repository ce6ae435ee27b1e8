//! Pages, deletions and the comparison against real servers: our hub, and Helios.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::net::Server;
use pocketchart_tests::hand_clock::HandClock;
use pocketchart_tests::helios::Helios;
use pocketchart_tests::*;
use std::sync::Arc;

/// Records enough for several pages; what becomes of some of them at the server is found out here.
async fn deletions_arrive(server: &Server, records: usize, test: &str) {
    let clock = Arc::new(HandClock::default());
    let shared: Arc<dyn pocketchart_core::clock::Clock> = clock.clone();
    let phone = Device::at(server.clone(), shared);
    let report = phone.sync().await;
    assert_eq!(report.received, records as u64, "{test}");
    assert!(report.pages > 3, "{test}: {report:?}");
    let server = &phone.server;
    for id in ["p0007", "p2003"] {
        let status = server
            .delete(&format!("Patient/{id}"), None)
            .await
            .unwrap()
            .status;
        assert!(matches!(status, 200 | 204), "{test}: {status}");
    }
    // Deleted and made again: it is there.
    let name = "Patient/p0009";
    server.delete(name, None).await.unwrap();
    let again = patient("p0009", "again");
    let status = server.put(name, &again, None).await.unwrap().status;
    assert!(matches!(status, 200 | 201), "{test}: {status}");
    let report = phone.sync().await;
    assert_eq!(
        (report.deleted, report.received),
        (2, 1),
        "{test}: {report:?}"
    );
    assert_eq!(phone.text("Patient/p0007"), None);
    assert!(phone.text("Patient/p0009").unwrap().contains("again"));
    let report = phone.sync().await;
    assert_eq!(
        (report.deleted, report.received),
        (0, 0),
        "{test}: {report:?}"
    );
    // A whole round finds nothing wrong.
    let mut rounds = 0;
    for _ in 0..30 {
        clock.forward(700);
        let report = phone.sync().await;
        let found = (
            report.deleted,
            report.healed,
            report.restored,
            report.stopped,
        );
        assert_eq!(found, (0, 0, false, None), "{test}");
        let state = phone.guard.peer_state(phone.peer).unwrap();
        assert!(state.missing.is_empty() && state.skipped.is_empty());
        rounds = state.round.rounds;
        if rounds > 0 {
            break;
        }
    }
    assert_eq!(rounds, 1, "{test}");
}

fn patients() -> Vec<String> {
    (0..2_500)
        .map(|n| patient(&format!("p{n:04}"), "1"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_our_hub() {
    let hub = TestHub::start().await;
    for part in patients().chunks(500) {
        let mut bundle = pocketchart_core::fhir::bundle::Writer::new("transaction", &[]);
        for text in part {
            let name = resource(text).name().to_string();
            bundle.put(&name, text, None, false);
        }
        let answer = hub.client().transaction(bundle.finish()).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    deletions_arrive(&hub.client(), 2_500, "hub").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_helios() {
    let Some(helios) = Helios::start("from_helios").await else {
        return;
    };
    let patients: Vec<_> = patients()
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    helios.fill(&patients).await;
    deletions_arrive(&helios.server(), 2_500, "helios").await;
}
