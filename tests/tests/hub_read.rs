//! Reading from the hub: conditional reads, versions, histories.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::fhir::Instant;
use pocketchart_tests::http::Rest;
use pocketchart_tests::*;
use serde_json::Value;

/// Patient/a in versions 1 and 2, deleted (3), again (4); Observation/o once.
async fn story(rest: &Rest) -> Vec<String> {
    let mut served = Vec::new();
    for phone in ["1", "2"] {
        let text = patient("a", phone);
        served.push(rest.write("PUT", "Patient/a", &[], &text).await.text);
    }
    assert_eq!(rest.send("DELETE", "Patient/a", &[], "").await.status, 204);
    let text = patient("a", "4");
    served.push(rest.write("PUT", "Patient/a", &[], &text).await.text);
    let text = observation("o", "a", "1.50");
    served.push(rest.write("PUT", "Observation/o", &[], &text).await.text);
    served
}

fn entries(bundle: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = |entry: &Value| {
        assert_eq!(
            entry["request"]["method"] == "DELETE",
            entry.get("resource").is_none()
        );
        (
            text(&entry["request"]["method"]),
            text(&entry["response"]["status"])[..3].to_owned(),
            text(&entry["response"]["etag"]),
        )
    };
    let all = bundle["entry"].as_array().cloned().unwrap_or_default();
    all.iter().map(each).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_are_served_as_they_were() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let served = story(&rest).await;
    for (version, text) in [(1, &served[0]), (2, &served[1]), (4, &served[2])] {
        let read = rest.get(&format!("Patient/a/_history/{version}")).await;
        assert_eq!((read.status, &read.text), (200, text));
        assert_eq!(read.header("etag"), format!("W/\"{version}\""));
        assert!(!read.header("last-modified").is_empty());
    }
    let gone = rest.get("Patient/a/_history/3").await;
    assert_eq!(gone.codes(), (410, "deleted".into()));
    for absent in ["5", "0", "x", "1.0"] {
        let read = rest.get(&format!("Patient/a/_history/{absent}")).await;
        assert_eq!(read.codes(), (404, "not-found".into()), "{absent}");
    }
    // Packing the store tighter changes no version.
    assert!(hub.guard.repack(|| true).unwrap());
    assert_eq!(rest.get("Patient/a/_history/1").await.text, served[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_hold_every_version_and_tombstone_newest_first() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let served = story(&rest).await;
    let of = |method: &str, status: &str, version: u32| {
        (
            method.to_owned(),
            status.to_owned(),
            format!("W/\"{version}\""),
        )
    };
    let record = rest.get("Patient/a/_history").await;
    let bundle = record.json();
    assert_eq!(bundle["type"], "history");
    let all = [
        of("PUT", "201", 4),
        of("DELETE", "204", 3),
        of("PUT", "200", 2),
        of("PUT", "201", 1),
    ];
    assert_eq!(entries(&bundle), all);
    for text in &served[..3] {
        assert!(record.text.contains(text), "byte for byte");
    }
    assert_eq!(entries(&rest.get("Patient/_history").await.json()), all);
    let system = rest.get("_history").await.json();
    assert_eq!(entries(&system).len(), 5);
    assert_eq!(system["entry"][0]["request"]["url"], "Observation/o");
    assert!(entries(&rest.get("Encounter/_history").await.json()).is_empty());

    let unknown = rest.get("Patient/zz/_history").await;
    assert_eq!(unknown.codes(), (404, "not-found".into()));
    for (query, code) in [("_since=x", "value"), ("_sinc=2026", "not-supported")] {
        let answer = rest.get(&format!("Patient/_history?{query}")).await;
        assert_eq!(answer.codes(), (400, code.into()), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn since_and_at_choose_versions_by_time() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    story(&rest).await;
    let history = rest.get("Patient/a/_history").await.json();
    let at = |entry: usize| {
        let text = history["entry"][entry]["response"]["lastModified"].as_str();
        text.unwrap().to_owned()
    };
    // The second version: the stamp itself is part of "since".
    let since = rest
        .get(&format!("Patient/a/_history?_since={}", at(2)))
        .await;
    assert_eq!(entries(&since.json()).len(), 3);
    let whole = rest.get(&format!("_history?_since={}", at(1))).await;
    assert_eq!(entries(&whole.json()).len(), 3);
    let moment = Instant::parse(&at(2)).unwrap();
    let then = rest.get(&format!("Patient/a/_history?_at={moment}")).await;
    let versions: Vec<_> = entries(&then.json()).into_iter().map(|e| e.2).collect();
    assert_eq!(versions, ["W/\"2\""]);
    let before = rest.get("Patient/_history?_at=1999").await;
    assert!(entries(&before.json()).is_empty());
    let never = rest
        .get("Patient/a/_history?_since=2999-01-01T00:00:00Z")
        .await;
    assert_eq!((never.status, entries(&never.json()).len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_history_hold_each_version_once_while_others_write() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    for n in 0..12 {
        let text = observation(&format!("o{}", n % 5), "p", &format!("{n}.0"));
        let name = format!("Observation/o{}", n % 5);
        rest.write("PUT", &name, &[], &text).await;
    }
    for scope in [
        "Observation/_history",
        "_history",
        "Observation/o1/_history",
    ] {
        let mut url = format!("{scope}?_count=2");
        let mut seen = Vec::new();
        for page in 0.. {
            assert!(page < 20, "paging ends");
            let bundle = rest.get(&url).await.json();
            assert!(entries(&bundle).len() <= 2);
            for entry in bundle["entry"].as_array().unwrap() {
                let (url, etag) = (&entry["request"]["url"], &entry["response"]["etag"]);
                seen.push(format!("{url} {etag}"));
            }
            // Written meanwhile: newer than everything on later pages.
            let text = observation("o1", "p", "9.9");
            rest.write("PUT", "Observation/o1", &[], &text).await;
            let links = bundle["link"].as_array().unwrap();
            match links.iter().find(|link| link["relation"] == "next") {
                Some(link) => url = link["url"].as_str().unwrap().to_owned(),
                None => break,
            }
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{scope}");
        assert!(seen.len() >= 3, "{scope}");
    }
    // A link of one history opens no other.
    let first = rest.get("Observation/_history?_count=2").await.json();
    let next = first["link"][1]["url"].as_str().unwrap();
    for other in [
        next.replace("Observation/_history", "_history"),
        next.replace("_count=2", "_count=3"),
        next.replace("_cursor=", "_cursor=A"),
    ] {
        assert_eq!(rest.get(&other).await.codes(), (400, "value".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_reads_send_nothing_that_is_known() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let text = patient("a", "1");
    let created = rest.write("PUT", "Patient/a", &[], &text).await;
    let (etag, modified) = (created.header("etag"), created.header("last-modified"));
    for (name, value, status) in [
        ("if-none-match", etag, 304),
        ("if-none-match", "W/\"7\", W/\"1\"", 304),
        ("if-none-match", "W/\"2\"", 200),
        ("if-modified-since", modified, 304),
        ("if-modified-since", "Tue, 24 Nov 1998 06:40:03 GMT", 200),
        ("if-modified-since", "yesterday", 200),
    ] {
        let read = rest.send("GET", "Patient/a", &[(name, value)], "").await;
        assert_eq!(read.status, status, "{name}: {value}");
        assert_eq!(read.text.is_empty(), status == 304);
        assert_eq!(read.header("etag"), etag);
    }
    // The tag decides where both are there.
    let both = [
        ("if-none-match", "W/\"2\""),
        ("if-modified-since", modified),
    ];
    assert_eq!(rest.send("GET", "Patient/a", &both, "").await.status, 200);

    // Two versions within one second have the same Last-Modified: the second must not be hidden.
    let mut changed = rest.write("PUT", "Patient/a", &[], &text).await;
    let mut modified = String::new();
    while changed.header("last-modified") != modified {
        modified = changed.header("last-modified").to_owned();
        changed = rest.write("PUT", "Patient/a", &[], &text).await;
    }
    let since = [("if-modified-since", modified.as_str())];
    assert_eq!(rest.send("GET", "Patient/a", &since, "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_a_body() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let created = rest
        .write("PUT", "Patient/a", &[], &patient("a", "1"))
        .await;
    let head = rest.send("HEAD", "Patient/a", &[], "").await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("etag"), created.header("etag"));
    assert_eq!(
        head.header("content-length"),
        created.text.len().to_string()
    );
    assert_eq!(rest.send("HEAD", "Patient/b", &[], "").await.status, 404);
}
