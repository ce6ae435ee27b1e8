//! A device and servers that answer as a script says: badly, late, or in between.
#![allow(missing_docs, clippy::unwrap_used)]

use axum::http::{Method, StatusCode, Uri};
use pocketchart_core::access::{EditState, Guard, Pending, PullCursor, Pulled, Saved};
use pocketchart_core::fhir::bundle::Bundle;
use pocketchart_core::fhir::{Instant, Resource, ResourceType, meta};
use pocketchart_core::net::Server;
use pocketchart_core::sync::SyncError;
use pocketchart_tests::*;
use std::sync::{Arc, Mutex};

async fn served(hub: &TestHub, path: &str) -> String {
    let answer = hub.client().get(path).await.unwrap();
    assert_eq!(answer.status, 200, "{path}");
    answer.text
}

/// What a server says of itself that has one type.
const KNOWS_ONE_TYPE: &str = r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"resource":[{"type":"Basic"}]}]}"#;

/// And one that compares versions of Patients.
const COMPARES_VERSIONS: &str = r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"resource":[{"type":"Patient","versioning":"versioned-update"}]}]}"#;

/// And what it answers to a search of it.
const NOTHING_FOUND: &str = r#"{"resourceType":"Bundle","type":"searchset"}"#;

fn waiting(device: &Device) -> Vec<Pending> {
    device.guard.pending(None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_marked_but_never_arrived_is_sent_again() {
    let hub = TestHub::start().await;
    let phone = hub.device();
    phone.put(&patient("a", "1"));
    phone.guard.mark_sent(&waiting(&phone)).unwrap();
    assert_eq!(phone.sync().await.sent, 1);
    phone.put(&patient("a", "2"));
    phone.guard.mark_sent(&waiting(&phone)).unwrap();
    // Meanwhile someone else changed it: a conflict, not a resend.
    let text = served(&hub, "Patient/a")
        .await
        .replace("\"1\"}]", "\"9\"}]");
    assert_eq!(
        hub.client()
            .put("Patient/a", &text, Some("1"))
            .await
            .unwrap()
            .status,
        200
    );
    let report = phone.sync().await;
    assert_eq!((report.sent, report.conflicts), (0, 1));
    assert_eq!(phone.state("Patient/a"), Some(EditState::Conflict));
}

/// A server that refuses one record for good, and fails on another.
async fn moody_server() -> String {
    use axum::extract::Path;
    use axum::http::StatusCode;
    use axum::routing::get;
    let refusal = |code: &str| pocketchart_core::fhir::outcome::error(code, "Jane Doe", None);
    let put = move |Path(id): Path<String>, body: String| async move {
        match id.as_str() {
            "bad" => (StatusCode::UNPROCESSABLE_ENTITY, refusal("business-rule")),
            "down" => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
            _ => {
                let sent = Resource::parse_text(&body).unwrap();
                let at = Instant::from_epoch_ms(1);
                (StatusCode::CREATED, meta::splice(&sent, 1, at).unwrap())
            }
        }
    };
    let metadata = || async { COMPARES_VERSIONS };
    let app = axum::Router::new()
        .route("/metadata", get(metadata))
        .route("/Patient", get(|| async { NOTHING_FOUND }))
        .route(
            "/Patient/{id}",
            get(|| async { StatusCode::NOT_FOUND }).put(put),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_set_aside_with_the_reason_and_tried_again_after_an_edit() {
    let server = Server::new(&moody_server().await, None, None).unwrap();
    let phone = Device::of(server);
    for id in ["a", "bad", "b"] {
        phone.put(&patient(id, "1"));
    }
    let report = phone.sync().await;
    assert_eq!((report.sent, report.refused), (2, 1));
    let waits = waiting(&phone);
    assert_eq!((waits.len(), waits[0].state), (1, EditState::Refused));
    assert_eq!(
        waits[0].refusal.as_deref(),
        Some("422 business-rule"),
        "codes, never the server's words"
    );
    let again = phone.sync().await;
    assert_eq!(
        (again.sent, again.refused),
        (0, 0),
        "not tried again by itself"
    );
    phone.put(&patient("bad", "2"));
    assert_eq!(phone.state("Patient/bad"), Some(EditState::Waiting));
    assert_eq!(phone.sync().await.refused, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_server_stops_the_push_and_the_change_waits_as_sent() {
    let server = Server::new(&moody_server().await, None, None).unwrap();
    let phone = Device::of(server);
    phone.put(&patient("down", "1"));
    for _ in 0..2 {
        assert!(matches!(
            phone.try_sync().await,
            Err(SyncError::Server { status: 503, .. })
        ));
        let waits = waiting(&phone);
        assert_eq!(waits[0].state, EditState::Waiting);
        assert!(
            waits[0].sent.is_some(),
            "asked about before it is sent again"
        );
    }
}

/// A device whose server answers as `script` says (method, path, body), and has no Patient to show.
async fn scripted<F>(script: F) -> Device
where
    F: Fn(&str, &str, &str) -> (u16, String) + Clone + Send + Sync + 'static,
{
    let answer = async move |method: Method, uri: Uri, body: String| match uri.path() {
        "/metadata" => (StatusCode::OK, COMPARES_VERSIONS.to_owned()),
        "/Patient" if method == Method::GET => (StatusCode::OK, NOTHING_FOUND.to_owned()),
        path => {
            let (status, text) = script(method.as_str(), path, &body);
            (StatusCode::from_u16(status).unwrap(), text)
        }
    };
    let app = axum::Router::new()
        .fallback(answer)
        .layer(axum::extract::DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Device::of(Server::new(&url, None, None).unwrap())
}

/// `text` as a server has it at `version`.
fn stored(text: &str, version: u64) -> String {
    meta::splice(&resource(text), version, Instant::from_epoch_ms(1_000)).unwrap()
}

/// Patients that came from the server.
fn take(device: &Device, texts: &[String]) {
    let texts: Vec<String> = texts.iter().map(|text| stored(text, 1)).collect();
    let page: Vec<_> = texts.iter().map(|text| resource(text)).collect();
    let kind = ResourceType::named("Patient").unwrap();
    let cursor = PullCursor::default();
    let taken = device
        .guard
        .take_page(device.peer, kind, &page, &cursor, |_, _| Pulled::Take);
    assert_eq!(taken.unwrap().len(), texts.len());
}

/// A person who writes `text` at the moment when the server is asked: once, when `guard` was put in.
#[derive(Clone, Default)]
struct Meanwhile(Arc<Mutex<Option<(Guard, String)>>>);

impl Meanwhile {
    fn prepare(&self, device: &Device, text: String) {
        *self.0.lock().unwrap() = Some((device.guard.clone(), text));
    }

    fn happens(&self) {
        if let Some((guard, text)) = self.0.lock().unwrap().take() {
            assert_eq!(guard.put(&resource(&text)).unwrap(), Saved::Queued);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_its_deletion_is_under_way_still_waits() {
    let meanwhile = Meanwhile::default();
    let person = meanwhile.clone();
    let phone = scripted(move |method, _, body| match method {
        "GET" => {
            person.happens();
            (404, String::new())
        }
        _ => (201, stored(body, 1)),
    })
    .await;
    take(&phone, &[patient("a", "1")]);
    phone.guard.delete(&name("Patient/a")).unwrap();
    meanwhile.prepare(&phone, patient("a", "again"));
    assert_eq!(
        phone.sync().await.sent,
        2,
        "the deletion, then the new record"
    );
    assert_eq!(
        phone.text("Patient/a").unwrap(),
        stored(&patient("a", "again"), 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_taken_back_before_it_goes_is_not_sent_and_settles_nothing() {
    let hub = TestHub::start().await;
    let phone = hub.device();
    phone.put(&patient("a", "1"));
    phone.put(&patient("b", "1"));
    let bundle = waiting(&phone);
    assert_eq!(
        phone.guard.delete(&name("Patient/a")).unwrap(),
        Some(Saved::Withdrawn)
    );
    phone.put(&patient("b", "2"));
    assert_eq!(phone.guard.mark_sent(&bundle).unwrap(), [false, false]);
    // An answer to something that is not under way (another sync was quicker) leaves what waits alone.
    phone.put(&patient("a", "new"));
    for pending in &bundle {
        let answer = stored(pending.mine.as_deref().unwrap(), 1);
        let settled = [(pending.name.clone(), resource(&answer))];
        phone.guard.settle_puts(&settled).unwrap();
        phone.guard.settle_delete(&pending.name).unwrap();
        phone
            .guard
            .mark_refused(&pending.name, "422", None)
            .unwrap();
    }
    assert_eq!(phone.sync().await.sent, 2);
    assert!(served(&hub, "Patient/a").await.contains("\"new\""));
    assert!(served(&hub, "Patient/b").await.contains("\"2\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_refused_inside_an_accepted_transaction_was_not_sent() {
    let phone = scripted(|method, path, body| match (method, path) {
        ("POST", _) => {
            let entry = |status| format!("{{\"response\":{{\"status\":\"{status}\"}}}}");
            let entries = [entry("412"), entry("200"), entry("422")].join(",");
            (200, format!("{{\"resourceType\":\"Bundle\",\"type\":\"transaction-response\",\"entry\":[{entries}]}}"))
        }
        ("GET", "/Patient/a") => (200, stored(&patient("a", "theirs"), 2)),
        ("GET", "/Patient/b") => (200, stored(&patient("b", "mine"), 2)),
        ("PUT", "/Patient/a") => (412, String::new()),
        _ => (422, body.to_owned()),
    })
    .await;
    let texts = |words| ["a", "b", "c"].map(|id| patient(id, words));
    take(&phone, &texts("1"));
    texts("mine")
        .iter()
        .for_each(|text| assert_eq!(phone.put(text), Saved::Queued));
    let report = phone.sync().await;
    assert_eq!((report.sent, report.conflicts, report.refused), (1, 1, 1));
    assert!(phone.text("Patient/a").unwrap().contains("mine"));
    assert_eq!(phone.state("Patient/a"), Some(EditState::Conflict));
    assert_eq!(phone.state("Patient/b"), None);
    assert_eq!(phone.state("Patient/c"), Some(EditState::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn created_in_a_transaction_although_it_had_a_version_is_a_conflict() {
    let phone = scripted(|_, _, body| {
        let bundle = Bundle::parse(body).unwrap();
        let entry = |text: &str| {
            let text = stored(text, 1);
            format!("{{\"resource\":{text},\"response\":{{\"status\":\"201 Created\"}}}}")
        };
        let entries: Vec<String> = bundle
            .entry
            .iter()
            .map(|e| entry(e.resource.unwrap().get()))
            .collect();
        (
            200,
            format!(
                "{{\"resourceType\":\"Bundle\",\"type\":\"transaction-response\",\"entry\":[{}]}}",
                entries.join(",")
            ),
        )
    })
    .await;
    take(&phone, &[patient("a", "1")]);
    phone.put(&patient("a", "mine"));
    phone.put(&patient("new", "mine"));
    let report = phone.sync().await;
    assert_eq!((report.sent, report.conflicts), (1, 1));
    assert_eq!(
        phone.state("Patient/a"),
        Some(EditState::Conflict),
        "deleted there, edited here"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_corrected_while_the_first_text_is_refused_goes_next_time() {
    let meanwhile = Meanwhile::default();
    let person = meanwhile.clone();
    let phone = scripted(move |_, _, body| {
        if body.contains("bad") {
            person.happens();
            (422, String::new())
        } else {
            (201, stored(body, 1))
        }
    })
    .await;
    phone.put(&patient("a", "bad"));
    meanwhile.prepare(&phone, patient("a", "good"));
    assert_eq!(phone.sync().await.refused, 1);
    assert_eq!(phone.state("Patient/a"), Some(EditState::Waiting));
    assert_eq!(phone.sync().await.sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_too_large_to_hold_are_asked_for_in_smaller_ones() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let page = async move |uri: Uri| {
        let query = uri.query().unwrap_or_default().to_owned();
        let large = !query.ends_with("_count=1");
        log.lock().unwrap().push(query);
        let padding = " ".repeat(if large { 129 * 1024 * 1024 } else { 0 });
        let record = stored(&patient("a", "1"), 1);
        format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",{padding}\"entry\":[{{\"resource\":{record}}}]}}"
        )
    };
    let metadata = async || KNOWS_ONE_TYPE.replace("Basic", "Patient");
    let app = axum::Router::new()
        .route("/metadata", axum::routing::get(metadata))
        .route("/Patient", axum::routing::get(page));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let phone = Device::of(Server::new(&url, None, None).unwrap());
    assert_eq!(phone.sync().await.received, 1);
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_changes_go_in_transactions_a_server_takes() {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&sizes);
    let phone = scripted(move |method, path, body| {
        if (method, path) == ("POST", "/") {
            let bundle = Bundle::parse(body).unwrap();
            // Between them it is read what arrived, in batches.
            if bundle.kind == "transaction" {
                log.lock().unwrap().push(bundle.entry.len());
            }
        }
        (if method == "GET" { 404 } else { 400 }, String::new())
    })
    .await;
    for n in 0..8 {
        phone.put(&patient(&format!("p{n}"), &"1".repeat(3 * 1024 * 1024)));
    }
    assert_eq!(phone.sync().await.refused, 8);
    // What fails is halved.
    assert_eq!(*sizes.lock().unwrap(), [5, 2, 3, 2, 3, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_syncs_of_one_vault_take_turns() {
    let puts = Arc::new(Mutex::new(0));
    let count = Arc::clone(&puts);
    let phone = scripted(move |method, _, body| match method {
        "PUT" => {
            *count.lock().unwrap() += 1;
            std::thread::sleep(std::time::Duration::from_millis(50));
            (201, stored(body, 1))
        }
        _ => (404, String::new()),
    })
    .await;
    phone.put(&patient("a", "1"));
    let (first, second) = tokio::join!(phone.sync(), phone.sync());
    assert_eq!((first.sent + second.sent, *puts.lock().unwrap()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_the_server_fails_on_does_not_hold_up_the_others() {
    let phone = scripted(|method, path, body| match (method, path) {
        ("PUT", "/Patient/a" | "/Patient/c") => (500, String::new()),
        ("PUT", _) => (201, stored(body, 1)),
        ("GET", _) => (404, String::new()),
        _ => (500, String::new()),
    })
    .await;
    for id in ["a", "b", "c", "d"] {
        phone.put(&patient(id, "1"));
    }
    // The transaction fails as a whole, and nobody knows why; the next sync asks one by one.
    for _ in 0..2 {
        let failed = phone.try_sync().await;
        assert!(matches!(failed, Err(SyncError::Server { status: 500, .. })));
    }
    let names: Vec<String> = waiting(&phone)
        .iter()
        .map(|pending| pending.name.reference.to_string())
        .collect();
    assert_eq!(names, ["Patient/a", "Patient/c"]);
}
