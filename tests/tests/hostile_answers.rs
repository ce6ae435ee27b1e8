//! Servers whose answers to anything but a search are wrong: what they say of themselves, and what they make of a write.
//! On real sockets, a device and a real hub that shows another face for a while.
#![allow(missing_docs, clippy::unwrap_used)]

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pocketchart_core::access::EditState;
use pocketchart_core::fhir::{Instant, meta, outcome};
use pocketchart_tests::hostile::*;
use pocketchart_tests::*;
use std::time::Duration;

/// The server says of itself what `answer` gives.
async fn metadata_answered(answer: impl Fn() -> Response + Send + Sync + 'static, expected: &str) {
    let hub = TestHub::start().await;
    let face = Hostile::before(&hub);
    let (device, work) = face.device(&hub).await;
    let before = face.asked().len();
    face.play(move |asked| (asked.path == "/metadata").then(&answer));
    let error = device.try_sync().await.err().unwrap();
    assert_eq!(error.to_string(), expected);
    assert_eq!(
        face.asked().len(),
        before + 1,
        "nothing of a person was sent"
    );
    ends_with(&face, &hub, &device, &work, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_site_where_a_fhir_server_was_named() {
    metadata_answered(
        || with_type(200, "text/html", format!("<html>{CANARY}</html>")),
        "the server's answer to metadata is not FHIR: no CapabilityStatement in JSON",
    )
    .await;
    metadata_answered(
        || json(200, patient("known", CANARY)),
        "the server's answer to metadata is not FHIR: no CapabilityStatement",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_is_an_error() {
    let expected = "the server answered 500 to metadata (is the address complete?) (exception)";
    metadata_answered(
        || json(500, outcome::error("exception", CANARY, None)),
        expected,
    )
    .await;
    metadata_answered(
        || StatusCode::NO_CONTENT.into_response(),
        "the server answered 204 to metadata (is the address complete?)",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_is_nested_deep() {
    metadata_answered(
        || json(200, "{\"x\":".repeat(1_000_000)),
        "the server's answer to metadata is not FHIR: no CapabilityStatement in JSON",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_another_generation() {
    metadata_answered(
        || {
            json(
                200,
                r#"{"resourceType":"CapabilityStatement","fhirVersion":"5.0.0","rest":[{"resource":[{"type":"Patient"}]}]}"#,
            )
        },
        "the server's answer to metadata is not FHIR: not FHIR R4 (4.0)",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_without_an_end() {
    metadata_answered(
        || {
            let mut answer = json(200, "{}");
            for n in 0..5000 {
                let name: header::HeaderName = format!("x-{n}").parse().unwrap();
                answer.headers_mut().insert(name, CANARY.parse().unwrap());
            }
            answer
        },
        "the server cannot be reached",
    )
    .await;
}

fn is_write(asked: &Asked) -> bool {
    matches!(asked.method.as_str(), "PUT" | "POST")
}

/// Writes, and with them reads of single records, are answered by `answer`, and not passed on.
async fn writes_answered(
    answer: impl Fn(&Asked) -> Option<Response> + Send + Sync + 'static,
    expected: &str,
) {
    let hub = TestHub::start().await;
    let face = Hostile::before(&hub);
    let (device, work) = face.device(&hub).await;
    face.play(answer);
    ends_with(&face, &hub, &device, &work, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_at_the_server() {
    // Where the server may still be there, what was a transaction is tried piece by piece.
    let all = [
        (500, "write"),
        (502, "transaction"),
        (503, "write"),
        (504, "write"),
    ];
    for (status, doing) in all {
        writes_answered(
            move |asked| {
                is_write(asked).then(|| json(status, outcome::error("exception", CANARY, None)))
            },
            &format!("the server answered {status} to a {doing} (exception)"),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_answered_by_a_web_site() {
    writes_answered(
        |asked| is_write(asked).then(|| with_type(200, "text/html", CANARY)),
        "the server's answer to a transaction is not FHIR: no Bundle",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_breaks_off() {
    writes_answered(
        |asked| {
            is_write(asked).then(|| {
                let body = slowly(Duration::ZERO, |n| match n {
                    0 => Some(Ok("{\"resourceType\":".into())),
                    _ => Some(Err(std::io::Error::other("gone"))),
                });
                body.into_response()
            })
        },
        "the server's answer broke off",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_never_answered() {
    writes_answered(
        |asked| {
            is_write(asked)
                .then(|| slowly(SHORT.silence * 10, |_| Some(Ok(" ".into()))).into_response())
        },
        "the server did not answer in time",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_redirected_to_another_server() {
    let hub = TestHub::start().await;
    let elsewhere = Hostile::before(&hub);
    for status in [301, 302, 303, 307, 308] {
        let place = elsewhere.url.clone();
        writes_answered(
            move |asked| {
                is_write(asked).then(|| {
                    let to = format!("{place}{}", asked.path);
                    let status = StatusCode::from_u16(status).unwrap();
                    (status, [(header::LOCATION, to)]).into_response()
                })
            },
            "the server redirects; redirects are not followed",
        )
        .await;
    }
    assert!(
        elsewhere.asked().is_empty(),
        "neither records nor the token went there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_entries_than_were_sent() {
    writes_answered(
        |asked| {
            is_write(asked).then(|| {
                json(200, r#"{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"200"}}]}"#)
            })
        },
        "the server's answer to a transaction is not FHIR: another number of entries",
    )
    .await;
}

/// `text` as a server has it.
fn stored(text: &str) -> String {
    meta::splice(&resource(text), 7, Instant::from_epoch_ms(1_000)).unwrap()
}

/// The answers to a transaction's two entries are exchanged, and so are the records at their addresses.
#[tokio::test(flavor = "multi_thread")]
async fn records_whose_ids_are_swapped() {
    let other = |path: &str| {
        let id = match path {
            "/Patient/known" => "fresh",
            _ => "known",
        };
        json(200, stored(&patient(id, CANARY)))
    };
    let swapped = format!(
        r#"{{"resourceType":"Bundle","type":"transaction-response","entry":[
        {{"response":{{"status":"200","etag":"W/\"7\""}},"resource":{}}},
        {{"response":{{"status":"201","etag":"W/\"7\""}},"resource":{}}}]}}"#,
        stored(&patient("fresh", CANARY)),
        stored(&patient("known", CANARY)),
    );
    writes_answered(
        move |asked| match asked.method.as_str() {
            "POST" if asked.path == "/" => Some(json(200, swapped.clone())),
            "GET" if asked.path.starts_with("/Patient/") => Some(other(&asked.path)),
            _ => None,
        },
        "the server's answer to a read is not FHIR: another record",
    )
    .await;
}

/// As above, where changes go one by one.
#[tokio::test(flavor = "multi_thread")]
async fn single_records_whose_ids_are_swapped() {
    writes_answered(
        move |asked| match asked.method.as_str() {
            "POST" => Some(json(400, "{}")),
            "PUT" => Some(json(200, stored(&patient("else", CANARY)))),
            _ => None,
        },
        "the server's answer to a read is not FHIR: another record",
    )
    .await;
}

/// Another type at a record's address.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_type_where_one_was_written() {
    writes_answered(
        move |asked| match asked.method.as_str() {
            "POST" => Some(json(400, "{}")),
            "PUT" | "GET" if asked.path.starts_with("/Patient/") => {
                Some(json(200, stored(&observation("known", "known", "1"))))
            }
            _ => None,
        },
        "the server's answer to a read is not FHIR: another record",
    )
    .await;
}

/// The server claims to have taken everything, and has nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_promise_without_a_body() {
    let hub = TestHub::start().await;
    let face = Hostile::before(&hub);
    let (device, work) = face.device(&hub).await;
    face.play(move |asked| is_write(asked).then(|| StatusCode::NO_CONTENT.into_response()));
    // Whether that is an error or a reason to ask again: nothing is lost by it, and nothing counts as sent.
    let sent = device.try_sync().await.map_or(0, |report| report.sent);
    assert_eq!(sent, 0);
    work.is_safe(&device, &hub).await;
    for path in ["Patient/known", "Patient/fresh"] {
        assert_eq!(device.state(path), Some(EditState::Waiting), "{path}");
    }
    face.behave();
    work.arrives(&device, &hub).await;
}

/// The refusal of one record holds a person's name: the codes are kept, the words are not.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_with_a_persons_name_in_it() {
    let hub = TestHub::start().await;
    let face = Hostile::before(&hub);
    let (device, _) = face.device(&hub).await;
    face.play(move |asked| {
        is_write(asked).then(|| json(422, outcome::error("business-rule", CANARY, None)))
    });
    assert_eq!(device.sync().await.refused, 2);
    for pending in device.guard.pending(None).unwrap() {
        assert_eq!(pending.state, EditState::Refused);
        assert_eq!(pending.refusal.as_deref(), Some("422 business-rule"));
    }
}

/// A server that is busy says for how long; that is kept until it is met again.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_remembered_as_such() {
    for status in [429, 503] {
        let hub = TestHub::start().await;
        let face = Hostile::before(&hub);
        let (device, work) = face.device(&hub).await;
        face.play(move |asked| {
            asked.is_search_of("Patient").then(|| {
                let mut answer = json(status, CANARY);
                let seconds = header::HeaderValue::from_static("120");
                answer.headers_mut().insert(header::RETRY_AFTER, seconds);
                answer
            })
        });
        let before = device.guard.now().epoch_ms();
        assert!(device.try_sync().await.is_err());
        let state = || device.guard.peer_state(device.peer).unwrap();
        let until = state().not_before_ms.unwrap() - before;
        assert!((120_000..130_000).contains(&until), "{until}");
        work.is_safe(&device, &hub).await;
        face.behave();
        work.arrives(&device, &hub).await;
        assert_eq!(state().not_before_ms, None);
        assert!(state().last_sync_ms.unwrap() >= before);
        assert_eq!(state().group, None, "in clear text");
    }
}
