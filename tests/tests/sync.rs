//! Devices and a hub: both directions, conflicts kept, lost answers found out.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{EditState, PeerSettings, Pending, PullCursor, Pulled, Saved};
use pocketchart_core::fhir::bundle::Bundle;
use pocketchart_core::fhir::{Instant, Resource, ResourceType};
use pocketchart_core::net::Server;
use pocketchart_core::sync::SyncError;
use pocketchart_tests::*;
use std::sync::Arc;

async fn served(hub: &TestHub, path: &str) -> String {
    let answer = hub.client().get(path).await.unwrap();
    assert_eq!(answer.status, 200, "{path}");
    answer.text
}

fn waiting(device: &Device) -> Vec<Pending> {
    device.guard.pending(None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_travels_and_all_sides_hold_the_servers_bytes() {
    let hub = TestHub::start().await;
    let (phone, tablet) = (hub.device(), hub.device());
    phone.put(&patient("a", "+49 1"));
    phone.put(&observation("o", "a", "1.00"));
    let report = phone.sync().await;
    assert_eq!((report.sent, report.received, report.known), (2, 0, 2));
    assert!(waiting(&phone).is_empty());
    assert_eq!(tablet.sync().await.received, 2);
    for name in ["Patient/a", "Observation/o"] {
        let text = served(&hub, name).await;
        assert_eq!(phone.text(name).unwrap(), text);
        assert_eq!(tablet.text(name).unwrap(), text);
    }
    assert!(
        served(&hub, "Observation/o")
            .await
            .contains("\"value\":1.00")
    );

    tablet.put(&patient("a", "+49 2"));
    tablet.put(&patient("a", "+49 3"));
    assert_eq!(
        tablet.sync().await.sent,
        1,
        "two changes of one record are one write"
    );
    assert_eq!(phone.sync().await.received, 1);
    assert!(phone.text("Patient/a").unwrap().contains("+49 3"));
    assert_eq!(
        Resource::parse_text(&served(&hub, "Patient/a").await)
            .unwrap()
            .version(),
        Some("2")
    );
    // Nothing new: nothing sent, nothing received.
    let quiet = phone.sync().await;
    assert_eq!((quiet.sent, quiet.received, quiet.conflicts), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_on_both_sides_becomes_a_kept_conflict_and_stops_nothing_else() {
    let hub = TestHub::start().await;
    let (phone, tablet) = (hub.device(), hub.device());
    phone.put(&patient("a", "1"));
    phone.sync().await;
    tablet.sync().await;
    phone.put(&patient("a", "phone's"));
    tablet.put(&patient("a", "tablet's"));
    tablet.put(&patient("b", "other"));
    phone.sync().await;
    let report = tablet.sync().await;
    assert_eq!((report.conflicts, report.sent), (1, 1));
    assert_eq!(tablet.state("Patient/a"), Some(EditState::Conflict));
    assert!(
        tablet.text("Patient/a").unwrap().contains("tablet's"),
        "the person's own words stay in sight"
    );
    assert!(
        served(&hub, "Patient/a").await.contains("phone's"),
        "the server's were not overwritten"
    );
    assert!(served(&hub, "Patient/b").await.contains("other"));
    // It waits: through further syncs, a further edit, and a restart.
    tablet.put(&patient("a", "tablet's second"));
    let report = tablet.sync().await;
    assert_eq!((report.conflicts, report.sent), (0, 0));
    let Device { guard, home, .. } = tablet;
    drop(guard);
    let guard = unlock(home.path());
    let pending = guard.pending(None).unwrap();
    assert_eq!(
        (pending[0].state, pending[0].changes),
        (EditState::Conflict, 2)
    );
    assert!(
        pending[0]
            .mine
            .as_deref()
            .unwrap()
            .contains("tablet's second")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_before_the_push_never_overwrites_a_local_change() {
    let hub = TestHub::start().await;
    let (phone, tablet) = (hub.device(), hub.device());
    phone.put(&patient("a", "1"));
    phone.sync().await;
    tablet.sync().await;
    tablet.put(&patient("a", "tablet's"));
    // A tablet that only pulls: the same page, taken by hand.
    phone.put(&patient("a", "phone's"));
    phone.sync().await;
    let theirs = served(&hub, "Patient/a").await;
    let kind = ResourceType::named("Patient").unwrap();
    let peer = tablet.guard.peers().unwrap()[0].0;
    let cursor = tablet.guard.pull_cursor(peer, kind).unwrap();
    tablet
        .guard
        .take_page(peer, kind, &[resource(&theirs)], &cursor, |_, _| {
            Pulled::Conflict
        })
        .unwrap();
    assert!(tablet.text("Patient/a").unwrap().contains("tablet's"));
    assert_eq!(tablet.state("Patient/a"), Some(EditState::Conflict));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_found_out_and_nothing_is_doubled() {
    let hub = TestHub::start().await;
    let phone = hub.device();
    phone.put(&patient("new", "1"));
    phone.put(&patient("old", "1"));
    phone.sync().await;
    phone.put(&patient("new2", "1"));
    phone.put(&patient("old", "2"));
    // What a push does until the answer is lost: keep what is sent, send it, and die.
    let bundle = waiting(&phone);
    phone.guard.mark_sent(&bundle).unwrap();
    for pending in &bundle {
        let path = pending.name.reference.to_string();
        let mine = pending.mine.as_deref().unwrap();
        let answer = phone
            .server
            .put(&path, mine, pending.base_version.as_deref())
            .await
            .unwrap();
        assert!(matches!(answer.status, 200 | 201));
    }
    // An edit made before the next sync is neither lost nor mixed into what was under way.
    phone.put(&patient("old", "3"));
    let report = phone.sync().await;
    assert_eq!((report.sent, report.conflicts), (3, 0));
    assert!(waiting(&phone).is_empty());
    let version = |text: &str| {
        Resource::parse_text(text)
            .unwrap()
            .version()
            .map(str::to_owned)
    };
    assert_eq!(
        version(&served(&hub, "Patient/new2").await).as_deref(),
        Some("1")
    );
    let old = served(&hub, "Patient/old").await;
    assert_eq!(
        version(&old).as_deref(),
        Some("3"),
        "1, the lost 2, and the later edit"
    );
    assert!(old.contains("\"3\""));
    assert_eq!(phone.text("Patient/old").unwrap(), old);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_go_up_and_never_over_a_newer_version() {
    let hub = TestHub::start().await;
    let (phone, tablet) = (hub.device(), hub.device());
    for id in ["a", "b", "c"] {
        phone.put(&patient(id, "1"));
    }
    phone.sync().await;
    tablet.sync().await;
    phone.guard.delete(&name("Patient/a")).unwrap();
    phone.guard.delete(&name("Patient/b")).unwrap();
    tablet.put(&patient("b", "2"));
    tablet.sync().await;
    let report = phone.sync().await;
    assert_eq!((report.sent, report.conflicts), (1, 1));
    assert_eq!(hub.client().get("Patient/a").await.unwrap().status, 410);
    assert!(served(&hub, "Patient/b").await.contains("\"2\""));
    assert_eq!(phone.state("Patient/b"), Some(EditState::Conflict));
    // Deleted there, edited here: a conflict too, and the edit is still in sight.
    tablet.put(&patient("a", "3"));
    assert_eq!(tablet.sync().await.conflicts, 1);
    assert!(tablet.text("Patient/a").unwrap().contains("\"3\""));
    // Made and deleted before any sync: nothing to send.
    phone.put(&patient("d", "1"));
    assert_eq!(
        phone.guard.delete(&name("Patient/d")).unwrap(),
        Some(Saved::Withdrawn)
    );
    assert_eq!(phone.sync().await.sent, 0);
    assert_eq!(hub.client().get("Patient/d").await.unwrap().status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_go_in_bundles_and_one_stale_one_does_not_hold_them_up() {
    let hub = TestHub::start().await;
    let (phone, tablet) = (hub.device(), hub.device());
    for n in 0..120 {
        phone.put(&observation(&format!("o{n}"), "p", "1"));
    }
    assert_eq!(phone.sync().await.sent, 120);
    assert_eq!(tablet.sync().await.received, 120);
    for n in 0..120 {
        tablet.put(&observation(&format!("o{n}"), "p", "2"));
    }
    phone.put(&observation("o7", "p", "3"));
    phone.sync().await;
    let report = tablet.sync().await;
    assert_eq!((report.sent, report.conflicts), (119, 1));
    assert_eq!(tablet.state("Observation/o7"), Some(EditState::Conflict));
    assert_eq!(waiting(&tablet).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patients_phone_holds_that_patient_and_the_directory_only() {
    let hub = TestHub::start().await;
    let tablet = hub.device();
    for id in ["a", "b"] {
        tablet.put(&patient(id, "1"));
        tablet.put(&observation(&format!("o-{id}"), id, "1"));
    }
    tablet.put("{\"resourceType\":\"Organization\",\"id\":\"org\"}");
    tablet.sync().await;
    let mut phone = hub.device();
    phone.patient = Some("a".into());
    assert_eq!(phone.sync().await.received, 3);
    for (name, there) in [
        ("Patient/a", true),
        ("Observation/o-a", true),
        ("Organization/org", true),
        ("Patient/b", false),
        ("Observation/o-b", false),
    ] {
        assert_eq!(phone.text(name).is_some(), there, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_pull_goes_on_where_it_was() {
    let hub = TestHub::start().await;
    let tablet = hub.device();
    for n in 0..450 {
        tablet.put(&observation(&format!("o{n}"), "p", "1"));
    }
    tablet.sync().await;
    let phone = hub.device();
    // Take one page by hand, as a sync does that is killed after it.
    let kind = ResourceType::named("Observation").unwrap();
    let answer = phone
        .server
        .get("Observation?_sort=_lastUpdated,_id&_count=200")
        .await
        .unwrap();
    let bundle = Bundle::parse(&answer.text).unwrap();
    let page: Vec<_> = bundle
        .entry
        .iter()
        .map(|e| resource(e.resource.unwrap().get()))
        .collect();
    let cursor = PullCursor {
        newest: page.iter().filter_map(Resource::last_updated).max(),
        next: bundle.link("next").map(str::to_owned),
    };
    let peer = phone.guard.peers().unwrap()[0].0;
    phone
        .guard
        .take_page(peer, kind, &page, &cursor, |_, _| Pulled::Take)
        .unwrap();
    let report = phone.sync().await;
    assert_eq!(
        (report.received, report.known),
        (250, 0),
        "the first page was not fetched again"
    );
    // A link the server no longer takes: the cursor's time says where to begin.
    let stale = PullCursor {
        next: Some("Observation?_cursor=AAAA".into()),
        ..cursor
    };
    phone
        .guard
        .take_page(peer, kind, &[], &stale, |_, _| Pulled::Take)
        .unwrap();
    assert_eq!(phone.sync().await.received, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_and_unauthorised_lose_nothing() {
    let hub = TestHub::start().await;
    let phone = hub.device();
    phone.put(&patient("a", "1"));
    let stranger = Device {
        server: hub.client_with_token(Some("wrong")),
        ..phone
    };
    assert!(matches!(
        stranger.try_sync().await,
        Err(SyncError::Unauthorized)
    ));
    let phone = Device {
        server: hub.client(),
        ..stranger
    };
    hub.hub.stop().await.unwrap();
    let error = phone.try_sync().await.unwrap_err();
    assert!(
        matches!(&error, SyncError::Net(net) if net.is_offline()),
        "{error}"
    );
    assert_eq!(waiting(&phone).len(), 1);
    assert!(phone.text("Patient/a").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_other_patients_reads_them_from_the_beginning() {
    let hub = TestHub::start().await;
    let tablet = hub.device();
    for id in ["b", "a"] {
        tablet.put(&patient(id, "1"));
        tablet.sync().await;
    }
    let mut phone = hub.device();
    for (patient, received) in [(Some("a"), 1), (Some("a"), 0), (None, 1)] {
        phone.patient = patient.map(str::to_owned);
        let settings = PeerSettings {
            patient: phone.patient.clone(),
            ..PeerSettings::default()
        };
        phone
            .guard
            .remember_peer(phone.server.url(), &settings)
            .unwrap();
        assert_eq!(phone.sync().await.received, received, "{patient:?}");
    }
    assert!(
        phone.text("Patient/b").is_some(),
        "older than all that was seen before"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_link_to_elsewhere_does_not_stop_every_later_sync() {
    let hub = TestHub::start().await;
    let phone = hub.device();
    let cursor = PullCursor {
        newest: Some(Instant::from_epoch_ms(1)),
        next: Some("https://elsewhere.example/Patient?page=2".into()),
    };
    let kind = ResourceType::named("Patient").unwrap();
    phone
        .guard
        .take_page(phone.peer, kind, &[], &cursor, |_, _| Pulled::Take)
        .unwrap();
    phone.sync().await;
}

/// Nothing of a person goes to a server that has not shown that it is one: a mistyped address, a portal, a web page.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_before_the_server_has_shown_what_it_is() {
    use axum::http::StatusCode;
    let statement = |kind: &str, version: &str, types: &str| {
        format!(
            "{{\"resourceType\":\"{kind}\",\"fhirVersion\":\"{version}\",\"rest\":[{{\"resource\":[{types}]}}]}}"
        )
    };
    let one = "{\"type\":\"Patient\"}";
    for (status, metadata) in [
        (StatusCode::NOT_FOUND, String::new()),
        (StatusCode::OK, "<html>Welcome</html>".into()),
        (StatusCode::OK, statement("Patient", "4.0.1", one)),
        (
            StatusCode::OK,
            statement("CapabilityStatement", "5.0.0", one),
        ),
        (
            StatusCode::OK,
            statement("CapabilityStatement", "4.0.1", ""),
        ),
    ] {
        let posts = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = posts.clone();
        let app = axum::Router::new()
            .route(
                "/metadata",
                axum::routing::get(move || async move { (status, metadata) }),
            )
            .fallback(move || async move {
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                "hello"
            });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let phone = Device::of(Server::new(&url, None, None).unwrap());
        phone.put(&patient("a", "1"));
        assert!(phone.try_sync().await.is_err());
        assert_eq!(posts.load(std::sync::atomic::Ordering::SeqCst), 0);
        let waits = waiting(&phone);
        assert_eq!(
            (waits[0].state, waits[0].sent.is_none()),
            (EditState::Waiting, true)
        );
    }
}
