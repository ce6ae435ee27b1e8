//! Answers without an end, and bombs: what a device holds of them stays small, whatever comes. In a process of its own,
//! and one after the other, since it looks at the whole process' peak (with the hub and the hostile server in it).
//!
//! Linux only: it reads and resets the peak in /proc.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use pocketchart_core::net::{Patience, Server};
use pocketchart_tests::hostile::*;
use pocketchart_tests::*;
use std::fs;
use std::io::Write;
use std::time::Duration;

const MIB: usize = 1 << 20;

const TOO_LONG: &str =
    "the server's answer is too long (a page may have 128 MiB, anything else 32)";

/// Peak of the resident memory, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// `path` is answered by `answer`: the sync ends with `expected`, within `most` bytes. What waits goes out afterwards.
async fn answered(
    what: &str,
    path: &'static str,
    answer: impl Fn() -> Response + Send + Sync + 'static,
    expected: &str,
    most: usize,
) {
    let hub = TestHub::start().await;
    let face = Hostile::before(&hub);
    let (device, work) = face.device(&hub).await;
    // Patient: what is tested is not the time.
    let server = Server::with_patience(&face.url, None, Some(TOKEN), Patience::USUAL);
    let device = Device {
        server: server.unwrap(),
        ..device
    };
    face.play(move |asked| asked.path.starts_with(path).then(&answer));
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak();
    let begun = std::time::Instant::now();
    let error = device.try_sync().await.err().unwrap();
    let grown = peak().saturating_sub(before);
    println!(
        "{what}: {} MiB of memory, {:.1?}",
        grown / MIB,
        begun.elapsed()
    );
    assert_eq!(error.to_string(), expected, "{what}");
    assert!(grown < most, "{what}: {} MiB", grown / MIB);
    face.behave();
    work.arrives(&device, &hub).await;
}

fn endless(start: &'static str, piece: impl Fn(usize) -> Bytes + Send + 'static) -> Response {
    let body = slowly(Duration::ZERO, move |n| match n {
        0 => Some(Ok(Bytes::from_static(start.as_bytes()))),
        n => Some(Ok(piece(n))),
    });
    ([(header::CONTENT_TYPE, "application/fhir+json")], body).into_response()
}

/// `start`, and then 400 MiB of spaces, packed.
fn bomb(start: &str) -> Bytes {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(start.as_bytes()).unwrap();
    let spaces = vec![b' '; MIB];
    for _ in 0..400 {
        packed.write_all(&spaces).unwrap();
    }
    packed.finish().unwrap().into()
}

const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"searchset","#;
const SEARCH: &str = "/Patient?";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_without_an_end_fills_the_memory() {
    let spaces = Bytes::from(vec![b' '; 64 * 1024]);

    let blank = spaces.clone();
    let answer = move || {
        let blank = blank.clone();
        endless("{", move |_| blank.clone())
    };
    answered("endless metadata", "/metadata", answer, TOO_LONG, 72 * MIB).await;

    let blank = spaces.clone();
    let answer = move || {
        let blank = blank.clone();
        endless(BUNDLE, move |_| blank.clone())
    };
    answered("an endless page", SEARCH, answer, TOO_LONG, 24 * MIB).await;

    // Around records only so much may stand.
    let letters = Bytes::from(vec![b'a'; 64 * 1024]);
    let text = letters.clone();
    let answer = move || {
        let text = text.clone();
        let start =
            r#"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":""#;
        endless(start, move |_| text.clone())
    };
    let around = "the server's answer to a search is not FHIR: too much stands around the records";
    answered("an endless link", SEARCH, answer, around, 24 * MIB).await;

    let answer = move || {
        let text = letters.clone();
        let start = r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"a","x":""#;
        endless(start, move |_| text.clone())
    };
    answered("an endless record", SEARCH, answer, TOO_LONG, 48 * MIB).await;

    // Ten gigabytes, were they ever read.
    let answer = || {
        let filling = "0123456789abcdef".repeat(MIB / 16);
        let start = r#"{"resourceType":"Bundle","type":"searchset","entry":[{}"#;
        endless(start, move |n| {
            format!(r#",{{"resource":{{"resourceType":"Patient","id":"h{n}","x":"{filling}"}}}}"#)
                .into()
        })
    };
    answered("an endless Bundle", SEARCH, answer, TOO_LONG, 64 * MIB).await;

    for (what, path, start, most) in [
        ("a bomb of a page", SEARCH, BUNDLE, 24 * MIB),
        ("a bomb of metadata", "/metadata", "{", 72 * MIB),
    ] {
        let packed = bomb(start);
        assert!(packed.len() < 4 * MIB, "{}", packed.len());
        let answer = move || {
            let kind = [
                (header::CONTENT_TYPE, "application/fhir+json"),
                (header::CONTENT_ENCODING, "gzip"),
            ];
            (kind, Body::from(packed.clone())).into_response()
        };
        answered(what, path, answer, TOO_LONG, most).await;
    }
}
