//! Searching by form, and what becomes of parameters that the hub does not know.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_tests::http::Rest;
use pocketchart_tests::*;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn three_patients(rest: &Rest) {
    for (id, family) in [("a", "Lopez"), ("b", "Lopez"), ("c", "Smith")] {
        let text = format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"{id}\",\"name\":[{{\"family\":\"{family}\"}}]}}"
        );
        rest.write("PUT", &format!("Patient/{id}"), &[], &text)
            .await;
    }
}

fn ids(bundle: &serde_json::Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let id = |e: &serde_json::Value| e["resource"]["id"].as_str().unwrap_or("-").to_owned();
    entries.iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_searches_as_the_url_does() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    three_patients(&rest).await;
    let by_url = rest.get("Patient?name=lopez&_count=1").await.json();
    for (path, form) in [
        ("Patient/_search", "name=lopez&_count=1"),
        ("Patient/_search?_count=1", "name=lopez"),
        ("Patient/_search?name=lopez&_count=1", ""),
        ("Patient/_search", "name=lopez&_count=1&_format=json"),
    ] {
        let found = rest.send("POST", path, &[FORM], form).await;
        assert_eq!(found.status, 200, "{path} {form}");
        assert_eq!(ids(&found.json()), ids(&by_url));
        let bundle = found.json();
        assert_eq!(bundle["link"][0]["url"], by_url["link"][0]["url"]);
        // Pages go on by GET.
        let next = bundle["link"][1]["url"].as_str().unwrap();
        assert_eq!(ids(&rest.get(next).await.json()), ["b"]);
    }
    for (form, status) in [
        ("nam=x", 400),
        ("_format=xml", 406),
        ("_count=1&_count=2", 400),
    ] {
        let refused = rest.send("POST", "Patient/_search", &[FORM], form).await;
        assert_eq!(refused.status, status, "{form}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_parameters_are_errors_unless_the_client_says_otherwise() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    three_patients(&rest).await;
    let search =
        async |prefer: &str, query: &str| rest.send("GET", query, &[("prefer", prefer)], "").await;
    for prefer in ["handling=strict", "return=minimal"] {
        for name in ["nonsense", "_summary", "_elements"] {
            let answer = search(prefer, &format!("Patient?{name}=x")).await;
            assert_eq!(answer.codes(), (400, "not-supported".into()), "{prefer}");
            assert!(answer.text.contains(name));
        }
    }
    let lenient = search(
        "handling=lenient",
        "Patient?nonsense=1&name=lopez&_summary=text",
    )
    .await;
    let bundle = lenient.json();
    assert_eq!(ids(&bundle), ["a", "b", "-"]);
    let told = &bundle["entry"][2];
    assert_eq!(told["search"]["mode"], "outcome");
    let text = told["resource"]["issue"][0]["diagnostics"]
        .as_str()
        .unwrap();
    assert!(
        text.contains("nonsense") && text.contains("_summary"),
        "{text}"
    );
    let this = bundle["link"][0]["url"].as_str().unwrap();
    assert!(
        this.contains("name=lopez") && !this.contains("nonsense"),
        "{this}"
    );
    assert_eq!(ids(&rest.get(this).await.json()), ["a", "b"]);
    // A modifier or a value that is not understood is never left out (R4 search, "Modifiers").
    for query in [
        "name:soundex=x",
        "birthdate=soon",
        "nonsense:x=1",
        "_count=0",
    ] {
        let answer = search("handling=lenient", &format!("Patient?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
    // Conditions of writes are strict whatever is preferred.
    let headers = [("prefer", "handling=lenient")];
    let deleted = rest
        .send("DELETE", "Patient?nonsense=1", &headers, "")
        .await;
    assert_eq!(deleted.codes(), (400, "not-supported".into()));
}
