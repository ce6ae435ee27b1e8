//! Servers whose answers to searches are wrong, endless, or lead elsewhere. On real sockets, a device and a real hub that
//! shows another face for a while.
#![allow(missing_docs, clippy::unwrap_used)]

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pocketchart_tests::hostile::*;
use pocketchart_tests::*;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The server answers searches of patients like this, and everything else honestly.
async fn searches_answered(
    answer: impl Fn(&Asked) -> Response + Send + Sync + 'static,
    expected: &str,
) -> Vec<Asked> {
    let hub = TestHub::start().await;
    let face = Hostile::before(&hub);
    let (device, work) = face.device(&hub).await;
    let before = face.asked().len();
    face.play(move |asked| (asked.method == "GET" && is_page(asked)).then(|| answer(asked)));
    ends_with(&face, &hub, &device, &work, expected).await;
    face.asked().split_off(before)
}

fn is_page(asked: &Asked) -> bool {
    asked.is_search_of("Patient") || asked.path.starts_with("/page")
}

/// A patient that only the hostile server has.
fn foreign() -> String {
    format!(
        "{{\"resourceType\":\"Patient\",\"id\":\"foreign\",\"meta\":{{\"versionId\":\"1\",\"lastUpdated\":\"2020-01-01T00:00:00Z\"}},\
         \"name\":[{{\"text\":\"{CANARY}\"}}]}}"
    )
}

fn streamed(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/fhir+json")], body).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_html_with_status_200() {
    let html = || with_type(200, "text/html", format!("<html>{CANARY}</html>"));
    searches_answered(
        move |_| html(),
        "the server's answer to a search is not FHIR: it is not JSON",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_where_a_page_was_promised() {
    searches_answered(
        |_| StatusCode::NO_CONTENT.into_response(),
        "the server answered 204 to a search",
    )
    .await;
    searches_answered(
        |_| json(200, ""),
        "the server's answer to a search is not FHIR: it ends before its end",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_with_a_persons_name_in_it() {
    let outcome = pocketchart_core::fhir::outcome::error("exception", CANARY, None);
    searches_answered(
        move |_| json(500, outcome.clone()),
        "the server answered 500 to a search (exception)",
    )
    .await;
    searches_answered(
        |_| with_type(502, "text/html", CANARY),
        "the server answered 502 to a search",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_resource_where_a_bundle_was_asked_for() {
    searches_answered(
        |_| json(200, foreign()),
        "the server's answer to a search is not FHIR: no Bundle",
    )
    .await;
    let history = page(&[], None).replace("searchset", "history");
    searches_answered(
        move |_| json(200, history.clone()),
        "the server's answer to a search is not FHIR: not a searchset",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_another_type() {
    let other = observation("o", "known", "1");
    searches_answered(
        move |_| json(200, page(&[foreign(), other.clone()], None)),
        "the server's answer to a search is not FHIR: records of a type that was not asked for",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_link_to_another_server() {
    let elsewhere = Elsewhere::start().await;
    for scheme in ["http", "https"] {
        let link = format!("{scheme}://{}/page?2", elsewhere.address);
        searches_answered(
            move |_| json(200, page(&[], Some(&link))),
            "the server linked to another server; the link was not followed",
        )
        .await;
    }
    assert_eq!(elsewhere.connections(), 0, "not even a connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_go_in_a_circle() {
    let circle = "the server's answer to a search is not FHIR: its pages go in a circle";
    let answer = |asked: &Asked| {
        let next = match asked.path.as_str() {
            "/page?2" => "/page?3",
            _ => "/page?2",
        };
        json(200, page(&[], Some(next)))
    };
    let asked = searches_answered(answer, circle).await;
    let pages = asked.iter().filter(|asked| asked.path.starts_with("/page"));
    // Two, the first again because it was asked for early, and where the sync after that goes on.
    assert!(pages.count() <= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_pages_without_an_end() {
    let n = AtomicUsize::new(0);
    let answer = move |_: &Asked| {
        let next = format!("/page?{}", n.fetch_add(1, Ordering::SeqCst));
        json(200, page(&[], Some(&next)))
    };
    let expected = "the server's answer to a search is not FHIR: page after page is empty";
    let asked = searches_answered(answer, expected).await;
    assert!(asked.len() < 400, "{} requests", asked.len());
}

/// Two pages in turn, behind links that are always new: what they bring is known each time, and it would never end.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_pages_without_an_end() {
    let hub = TestHub::start().await;
    let face = Hostile::before(&hub);
    let (device, work) = face.device(&hub).await;
    let n = AtomicUsize::new(0);
    face.play(move |asked| {
        let answer = || {
            let n = n.fetch_add(1, Ordering::SeqCst);
            let record = foreign().replace("\"foreign\"", &format!("\"foreign-{}\"", n % 2));
            json(200, page(&[record], Some(&format!("/page?{n}"))))
        };
        is_page(asked).then(answer)
    });
    let before = face.asked().len();
    let error = device.try_sync().await.err().unwrap();
    let expected = "the server's answer to a search is not FHIR: page after page is the same";
    assert_eq!(error.to_string(), expected);
    assert!(face.asked().len() - before < 100);
    face.behave();
    work.arrives(&device, &hub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_nested_deep() {
    let deep = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"x\":{}",
        "[".repeat(3_000_000)
    );
    searches_answered(
        move |_| json(200, deep.clone()),
        "the server's answer to a search is not FHIR: it is nested too deep",
    )
    .await;
}

/// Deep inside of one record: that one is left out, and counted; the others are taken.
#[tokio::test(flavor = "multi_thread")]
async fn one_record_that_is_nested_deep() {
    let hub = TestHub::start().await;
    let face = Hostile::before(&hub);
    let (device, work) = face.device(&hub).await;
    let deep = format!(
        "{{\"resourceType\":\"Patient\",\"id\":\"deep\",\"x\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    face.play(move |asked| {
        asked
            .is_search_of("Patient")
            .then(|| json(200, page(std::slice::from_ref(&deep), None)))
    });
    let report = device.sync().await;
    assert_eq!((report.skipped, report.sent), (1, 2));
    assert_eq!(device.text("Patient/deep"), None);
    work.is_safe(&device, &hub).await;
    face.behave();
    work.arrives(&device, &hub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_breaks_off() {
    let cut = || {
        let whole = page(&[foreign()], None);
        streamed(slowly(Duration::ZERO, move |n| match n {
            0 => Some(Ok(Bytes::from(whole[..whole.len() - 20].to_owned()))),
            _ => Some(Err(io::Error::other("gone"))),
        }))
    };
    searches_answered(move |_| cut(), "the server's answer broke off").await;
    // The same, said to be whole.
    let whole = page(&[foreign()], None);
    let short = whole[..whole.len() - 20].to_owned();
    searches_answered(
        move |_| json(200, short.clone()),
        "the server's answer to a search is not FHIR: it ends before its end",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_drips() {
    let begun = Instant::now();
    let drip = || {
        let piece = |_| Some(Ok(Bytes::from_static(b" ")));
        streamed(slowly(Duration::from_millis(50), piece))
    };
    searches_answered(move |_| drip(), "the server did not answer in time").await;
    assert!(begun.elapsed() < SHORT.whole * 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_stops_in_the_middle() {
    let stop = || {
        let piece = |n| match n {
            0 => Some(Ok(Bytes::from_static(b"{"))),
            _ => Some(Ok(Bytes::from_static(b" "))),
        };
        streamed(slowly(SHORT.silence * 10, piece))
    };
    searches_answered(move |_| stop(), "the server did not answer in time").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_clear_text_or_to_another_server() {
    let elsewhere = Elsewhere::start().await;
    let redirect = "the server redirects; redirects are not followed";
    for status in [301, 302, 303, 307, 308] {
        let place = format!("http://{}/fhir/Patient", elsewhere.address);
        searches_answered(
            move |_| {
                let status = StatusCode::from_u16(status).unwrap();
                (status, [(header::LOCATION, place.clone())]).into_response()
            },
            redirect,
        )
        .await;
    }
    assert_eq!(elsewhere.connections(), 0, "and the token stays here");
}

/// The token goes along with requests to its own server, as all the tests here suppose.
#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_shown_to_its_own_server() {
    let hub = TestHub::start().await;
    let face = Hostile::before(&hub);
    let (device, work) = face.device(&hub).await;
    work.arrives(&device, &hub).await;
    let asked = face.asked();
    let shown = format!("Bearer {TOKEN}");
    assert!(asked.len() > 10);
    assert!(asked.iter().all(|a| a.headers["authorization"] == shown));
}

/// A place that must never be reached.
struct Elsewhere {
    address: std::net::SocketAddr,
    seen: Arc<AtomicUsize>,
}

impl Elsewhere {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, seen }
    }

    fn connections(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}
