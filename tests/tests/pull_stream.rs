//! Pages that are stored while they arrive: when the next one is asked for, and what is left when one breaks off.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use pocketchart_core::net::NetError;
use pocketchart_core::sync::SyncError;
use pocketchart_tests::scripted::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const MIB: usize = 1024 * 1024;

fn basic(id: &str, padding: usize) -> String {
    format!(
        "{{\"resourceType\":\"Basic\",\"id\":\"{id}\",\"x\":\"{}\"}}",
        "x".repeat(padding)
    )
}

/// A server of one type whose pages are these.
fn pages(answer: impl Fn(&str) -> Said + Send + Sync + 'static) -> Scripted {
    Scripted::new(move |asked| match asked {
        "GET metadata" => Said::ok(knows(&["Basic"])),
        asked => answer(asked),
    })
}

fn bytes(text: &str) -> Piece {
    Piece::Bytes(text.as_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_is_asked_for_before_this_one_ends_and_stored_after_it() {
    let asked_early = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked_early);
    let me: Arc<std::sync::OnceLock<Scripted>> = Arc::default();
    let itself = Arc::clone(&me);
    let server = pages(move |asked| match asked {
        "GET next" => Said::ok(page(&[stored(&basic("b", 0), 1, 2000)], None)),
        _ => {
            let text = page(&[stored(&basic("a", 0), 1, 1000)], Some("next"));
            let (front, rest) = text.split_at(text.find("\"entry\"").unwrap());
            let (seen, itself) = (Arc::clone(&seen), Arc::clone(&itself));
            let look = move || {
                let was = itself.get().unwrap().was_asked("GET next");
                seen.store(was, Ordering::SeqCst);
            };
            let pieces = [bytes(front), Piece::Then(Box::new(look)), bytes(rest)];
            Said {
                status: 200,
                date: None,
                pieces: VecDeque::from(pieces),
            }
        }
    });
    assert!(me.set(server.clone()).is_ok());
    let phone = server.device();
    let report = phone.sync().await;
    assert_eq!((report.received, report.pages), (2, 2));
    assert!(asked_early.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_breaks_off_stores_nothing_and_the_next_sync_goes_on_there() {
    let turn = Arc::new(AtomicUsize::new(0));
    let server = pages(move |asked| {
        let second = page(&[stored(&basic("b", 0), 1, 2000)], None);
        match asked {
            "GET next" if turn.fetch_add(1, Ordering::SeqCst) == 0 => Said {
                status: 200,
                date: None,
                pieces: VecDeque::from([
                    bytes(&second[..second.len() - 1]),
                    Piece::Broken(NetError::Offline),
                ]),
            },
            "GET next" => Said::ok(second),
            _ => Said::ok(page(&[stored(&basic("a", 0), 1, 1000)], Some("next"))),
        }
    });
    let phone = server.device();
    assert!(matches!(
        phone.try_sync().await,
        Err(SyncError::Net(NetError::Offline))
    ));
    assert!(phone.text("Basic/a").is_some());
    assert_eq!(
        phone.text("Basic/b"),
        None,
        "nothing of a page without its end"
    );
    server.asked();
    assert_eq!(phone.sync().await.received, 1);
    assert_eq!(server.asked(), ["GET metadata", "GET next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_pages_cut_off_are_errors_that_say_so() {
    let whole = page(&[stored(&basic("a", 0), 1, 1000)], None);
    let cases = [
        (
            whole[..whole.len() - 1].to_owned(),
            "it ends before its end",
        ),
        ("<html></html>".to_owned(), "it is not JSON"),
        (whole.replace("searchset", "history"), "not a searchset"),
        (whole.replacen("Bundle", "OperationOutcome", 1), "no Bundle"),
        (
            whole.replace("\"Basic\"", "\"Patient\""),
            "records of a type that was not asked for",
        ),
        (format!("{whole}x"), "it is not JSON"),
    ];
    for (text, why) in cases {
        let phone = pages(move |_| Said::ok(text.clone())).device();
        match phone.try_sync().await {
            Err(SyncError::NotFhir { what, .. }) => assert_eq!(what, why),
            other => panic!("{why}: {other:?}"),
        }
        assert_eq!(phone.text("Basic/a"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_too_large_is_left_out_and_the_others_come() {
    let server = pages(|_| {
        let large = "x".repeat(17 * MIB);
        let records = [
            stored(&basic("a", 0), 1, 1000),
            stored(&basic("large", 0), 1, 2000).replace("\"\"", &format!("\"{large}\"")),
            stored(&basic("c", 0), 1, 3000),
        ];
        Said::ok(page(&records, None))
    });
    let phone = server.device();
    let report = phone.sync().await;
    assert_eq!((report.received, report.skipped), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_longer_than_what_is_held_is_stored_in_parts_and_its_cursor_last() {
    let turn = Arc::new(AtomicUsize::new(0));
    let server = pages(move |_| {
        let records: Vec<String> = (0..12)
            .map(|n| stored(&basic(&format!("r{n}"), MIB), 1, 1000 + n))
            .collect();
        let text = page(&records, None);
        let is_first = turn.fetch_add(1, Ordering::SeqCst) == 0;
        let length = if is_first { text.len() - 1 } else { text.len() };
        let pieces = text.as_bytes()[..length].chunks(MIB);
        let mut said = Said::ok("");
        said.pieces = pieces.map(|piece| Piece::Bytes(piece.to_vec())).collect();
        said
    });
    let phone = server.device();
    assert!(phone.try_sync().await.is_err(), "cut off");
    assert!(phone.text("Basic/r0").is_some());
    assert_eq!(phone.text("Basic/r11"), None);
    server.asked();
    let report = phone.sync().await;
    assert_eq!(report.received + report.known, 12);
    let asked = server.asked();
    assert!(
        !asked[1].contains("_lastUpdated="),
        "from the beginning: {asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_in_a_circle_and_foreign_links_stop_the_pull() {
    let circle = pages(|_| Said::ok(page::<&str>(&[], Some("next"))));
    let error = circle.device().try_sync().await.unwrap_err();
    assert!(error.to_string().contains("circle"), "{error}");
    let foreign = pages(|_| {
        let records = [stored(&basic("a", 0), 1, 1000)];
        Said::ok(page(&records, Some("https://elsewhere.example/")))
    });
    let phone = foreign.device();
    assert!(matches!(
        phone.try_sync().await,
        Err(SyncError::Net(NetError::ForeignLink))
    ));
    assert!(phone.text("Basic/a").is_some(), "the page itself was taken");
}
