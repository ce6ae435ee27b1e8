//! What the hub takes and in which form, and what it says otherwise.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_hub::{Limits, Options};
use pocketchart_tests::http::Rest;
use pocketchart_tests::*;
use std::time::Duration;

async fn hub_with(limits: Limits) -> TestHub {
    TestHub::start_with(Options { limits, log: None }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_urls_headers_and_bundles_have_a_length() {
    let hub = hub_with(Limits {
        body_bytes: 10_000,
        entries: 3,
        ..Limits::default()
    })
    .await;
    let rest = Rest::of(&hub);
    let large = format!(
        "{{\"resourceType\":\"Basic\",\"id\":\"a\",\"x\":\"{}\"}}",
        "y".repeat(10_000)
    );
    let answer = rest.write("PUT", "Basic/a", &[], &large).await;
    assert_eq!(answer.codes(), (413, "too-long".into()));
    let long = format!("Patient?_id={}", "y".repeat(9_000));
    assert_eq!(rest.get(&long).await.codes(), (414, "too-long".into()));
    let value = "y".repeat(17_000);
    let answer = rest.send("GET", "Patient", &[("x-long", &value)], "").await;
    assert_eq!(answer.codes(), (431, "too-long".into()));
    let entry = "{\"request\":{\"method\":\"GET\",\"url\":\"Patient\"}}";
    for (kind, entries, status) in [
        ("transaction", 3, 200),
        ("transaction", 4, 413),
        ("batch", 4, 413),
    ] {
        let body = format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\",\"entry\":[{}]}}",
            vec![entry; entries].join(",")
        );
        assert_eq!(
            rest.write("POST", "", &[], &body).await.status,
            status,
            "{kind} {entries}"
        );
    }
    // Depth: of a resource, inside a Bundle, and of a patch.
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let resource = format!("{{\"resourceType\":\"Basic\",\"id\":\"a\",\"x\":{deep}}}");
    let put = rest.write("PUT", "Basic/a", &[], &resource).await;
    assert_eq!(put.codes(), (400, "structure".into()));
    assert!(put.text.contains("nested deeper"), "{}", put.text);
    let post = rest.write("POST", "Basic", &[], &resource).await;
    assert_eq!(post.codes(), (400, "structure".into()));
    let patch = format!("[{{\"op\":\"add\",\"path\":\"/x\",\"value\":{deep}}}]");
    let headers = [("content-type", "application/json-patch+json")];
    let answer = rest.send("PATCH", "Basic/a", &headers, &patch).await;
    assert_eq!(answer.codes(), (400, "structure".into()));
    let page = rest.get("Patient?_count=100000").await.json();
    assert!(
        page["link"][0]["url"]
            .as_str()
            .unwrap()
            .contains("_count=1000&")
            || page["link"][0]["url"]
                .as_str()
                .unwrap()
                .ends_with("_count=1000")
    );
}

/// A stream that says it will go on and never does.
fn stalled() -> reqwest::Body {
    let parts = Stalled(Some(b"{\"resourceType\":".to_vec()));
    reqwest::Body::wrap_stream(parts)
}

struct Stalled(Option<Vec<u8>>);

impl futures_core::Stream for Stalled {
    type Item = Result<Vec<u8>, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        match self.0.take() {
            Some(part) => std::task::Poll::Ready(Some(Ok(part))),
            None => std::task::Poll::Pending,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_stalls_is_given_up_and_holds_nothing() {
    let hub = hub_with(Limits {
        receive: Duration::from_millis(200),
        open: 1,
        ..Limits::default()
    })
    .await;
    let rest = Rest::of(&hub);
    let answer = rest
        .try_send("PUT", "Basic/a", &[], stalled())
        .await
        .unwrap();
    assert_eq!(answer.codes(), (408, "timeout".into()));
    assert_eq!(rest.get("Patient").await.status, 200);
    // Least of all a request that needs no token.
    let nobody = Rest::at(&hub.hub.ready().url, &hub.ca_pem, "none");
    let stalls = nobody.try_send("POST", "$enrol", &[], stalled());
    let answer = tokio::time::timeout(Duration::from_secs(10), stalls).await;
    assert_eq!(answer.unwrap().unwrap().codes(), (408, "timeout".into()));
    assert_eq!(rest.get("Patient").await.status, 200);
    let large = vec![b' '; 64 * 1024];
    let answer = nobody.try_send("POST", "$enrol", &[], large).await.unwrap();
    assert_eq!(answer.codes(), (413, "too-long".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_told_to_come_back() {
    let hub = hub_with(Limits {
        open: 2,
        ..Limits::default()
    })
    .await;
    let rest = std::sync::Arc::new(Rest::of(&hub));
    let mut held = Vec::new();
    for _ in 0..2 {
        let rest = rest.clone();
        held.push(tokio::spawn(async move {
            // The one that asks below may be there first.
            while let Ok(reply) = rest.try_send("PUT", "Basic/a", &[], stalled()).await {
                assert_eq!(reply.status, 503);
            }
        }));
    }
    let mut refused = rest.get("Patient").await;
    while refused.status == 200 {
        refused = rest.get("Patient").await;
    }
    assert_eq!(refused.codes(), (503, "throttled".into()));
    assert_eq!(refused.header("retry-after"), "2");
    for task in held {
        task.abort();
    }
    // Their places are given back when they go.
    while rest.get("Patient").await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_json_and_so_are_requests() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let hapi = "application/fhir+xml;q=1.0, application/fhir+json;q=1.0, application/xml+fhir;q=0.9, application/json+fhir;q=0.9";
    for (accept, status) in [
        (hapi, 200),
        ("*/*", 200),
        ("application/json", 200),
        ("application/fhir+xml", 406),
        ("text/html", 406),
    ] {
        for path in ["Patient", "metadata"] {
            let answer = rest.send("GET", path, &[("accept", accept)], "").await;
            assert_eq!(answer.status, status, "{accept}");
            let json = "application/fhir+json; charset=utf-8";
            assert_eq!(answer.header("content-type"), json);
        }
    }
    let xml = [("accept", "application/fhir+xml")];
    assert_eq!(
        rest.send("GET", "Patient?_format=json", &xml, "")
            .await
            .status,
        200
    );
    assert_eq!(
        rest.get("Patient?_format=application/fhir%2Bjson&_pretty=true")
            .await
            .status,
        200
    );
    assert_eq!(
        rest.get("Patient?_format=xml").await.codes(),
        (406, "not-supported".into())
    );
    assert_eq!(rest.get("metadata?_format=xml").await.status, 406);
    for (method, path, kind) in [
        ("PUT", "Patient/a", "application/fhir+xml"),
        ("POST", "Patient", "text/xml"),
        ("POST", "", "application/xml"),
        ("POST", "Patient/_search", "application/fhir+json"),
        ("PATCH", "Patient/a", "application/fhir+json"),
        (
            "PUT",
            "Patient/a",
            "application/fhir+json; charset=iso-8859-1",
        ),
    ] {
        let answer = rest
            .send(method, path, &[("content-type", kind)], "<x/>")
            .await;
        assert_eq!(
            answer.codes(),
            (415, "not-supported".into()),
            "{method} {path} {kind}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_an_outcome_that_says_what_to_do() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let origin = hub.hub.ready().url.replace("/fhir", "");
    for (method, path, status, words) in [
        ("GET", "nowhere/at/all/and/more", 404, "no such address"),
        ("GET", "Patent", 404, "R4 resource type"),
        ("GET", "", 400, "one resource type"),
        ("GET", "?_type=Patient", 400, "one resource type"),
        ("POST", "_search", 400, "one resource type"),
        (
            "GET",
            "Patient/_search",
            405,
            "not supported at this address",
        ),
        (
            "DELETE",
            "Patient/a/_history/1",
            405,
            "not supported at this address",
        ),
        ("TRACE", "Patient", 405, "not supported at this address"),
        ("GET", "Patient/a?_elements=id", 400, "_elements"),
        ("GET", "Patient?_summary=count", 400, "_summary"),
    ] {
        let answer = rest.send(method, path, &[], "").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert_eq!(
            answer.json()["resourceType"],
            "OperationOutcome",
            "{method} {path}"
        );
        assert!(
            answer.text.contains(words),
            "{method} {path}: {}",
            answer.text
        );
        assert_eq!(
            answer.header("allow").is_empty(),
            status != 405,
            "{method} {path}"
        );
    }
    let health = rest.get(&format!("{origin}/health")).await;
    assert_eq!((health.status, health.text.as_str()), (200, "ok\n"));
    assert!(!health.header("x-request-id").is_empty());
    let answer = rest
        .write(
            "PUT",
            "Patient/a",
            &[],
            "{\"resourceType\":\"Patient\",\"id\":\"a/b\"}",
        )
        .await;
    assert_eq!(answer.json()["issue"][0]["expression"][0], "Resource.id");
}
