//! Transactions and batches.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_tests::http::{Reply, Rest};
use pocketchart_tests::*;
use serde_json::{Value, json};

fn entry(full_url: &str, resource: Value, method: &str, url: &str) -> Value {
    let mut entry = json!({ "request": { "method": method, "url": url } });
    if !full_url.is_empty() {
        entry["fullUrl"] = json!(full_url);
    }
    if !resource.is_null() {
        entry["resource"] = resource;
    }
    entry
}

fn with(mut entry: Value, name: &str, value: &str) -> Value {
    entry["request"][name] = json!(value);
    entry
}

fn known_as(value: &str) -> Value {
    json!({ "resourceType": "Patient", "identifier": [{ "system": "urn:s", "value": value }] })
}

fn about(patient: &str) -> Value {
    json!({ "resourceType": "Observation", "subject": { "reference": patient } })
}

async fn bundle(rest: &Rest, kind: &str, entries: &[Value]) -> Reply {
    let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": entries });
    rest.write("POST", "", &[], &bundle.to_string()).await
}

fn statuses(reply: &Reply) -> Vec<String> {
    let entries = reply.json()["entry"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let status = |entry: &Value| entry["response"]["status"].as_str().unwrap()[..3].to_owned();
    entries.iter().map(status).collect()
}

fn location(reply: &Reply, at: usize) -> String {
    let reply = reply.json();
    let location = reply["entry"][at]["response"]["location"].as_str().unwrap();
    location.split("/_history").next().unwrap().to_owned()
}

async fn subject(rest: &Rest, name: &str) -> String {
    let read = rest.get(name).await.json();
    read["subject"]["reference"].as_str().unwrap().to_owned()
}

async fn count(rest: &Rest, search: &str) -> usize {
    let found = rest.get(search).await.json();
    found["entry"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_refer_to_each_other_are_stored_with_their_names() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let (a, b) = (
        "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",
        "urn:oid:1.2.3",
    );
    // The reference comes first, and it is a circle.
    let patient = json!({ "resourceType": "Patient", "link": [{ "other": { "reference": b } }] });
    let other = json!({ "resourceType": "Patient", "link": [{ "other": { "reference": a } }] });
    let sent = [
        entry(
            "",
            about(&a.to_uppercase().replace("URN:UUID", "urn:uuid")),
            "POST",
            "Observation",
        ),
        entry(a, patient, "POST", "Patient"),
        entry(b, other, "POST", "Patient"),
        entry(
            "http://x/Patient/7",
            json!({ "resourceType": "Patient", "id": "7" }),
            "POST",
            "Patient",
        ),
        entry("", about("Patient/7"), "POST", "Observation"),
        entry("", about("http://x/Patient/7"), "POST", "Observation"),
        entry("", about("urn:uuid:not-in-here"), "POST", "Observation"),
    ];
    let answer = bundle(&rest, "transaction", &sent).await;
    assert_eq!(statuses(&answer), ["201"; 7]);
    assert_eq!(answer.json()["type"], "transaction-response");
    let (one, two) = (location(&answer, 1), location(&answer, 2));
    assert_eq!(subject(&rest, &location(&answer, 0)).await, one);
    let read = rest.get(&one).await.json();
    assert_eq!(read["link"][0]["other"]["reference"], two.as_str());
    let read = rest.get(&two).await.json();
    assert_eq!(read["link"][0]["other"]["reference"], one.as_str());
    let seven = location(&answer, 3);
    assert_ne!(seven, "Patient/7");
    for at in [4, 5] {
        assert_eq!(subject(&rest, &location(&answer, at)).await, seven);
    }
    assert_eq!(
        subject(&rest, &location(&answer, 6)).await,
        "urn:uuid:not-in-here"
    );
    // What was rewritten is what is found.
    let id = one.strip_prefix("Patient/").unwrap();
    assert_eq!(count(&rest, &format!("Observation?subject={id}")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_references_find_records_of_before_and_of_the_same_transaction() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let old = rest
        .write("POST", "Patient", &[], &known_as("old").to_string())
        .await;
    let sent = [
        entry(
            "",
            about("Patient?identifier=urn:s|old"),
            "POST",
            "Observation",
        ),
        entry(
            "",
            about("Patient?identifier=urn:s|new"),
            "POST",
            "Observation",
        ),
        entry("", known_as("new"), "POST", "Patient"),
    ];
    let answer = bundle(&rest, "transaction", &sent).await;
    assert_eq!(statuses(&answer), ["201"; 3]);
    let name = format!("Patient/{}", old.created_id());
    assert_eq!(subject(&rest, &location(&answer, 0)).await, name);
    assert_eq!(
        subject(&rest, &location(&answer, 1)).await,
        location(&answer, 2)
    );
    // Each is its first version, and was never anything else.
    let history = rest
        .get(&format!("{}/_history", location(&answer, 1)))
        .await;
    assert_eq!(history.json()["entry"].as_array().unwrap().len(), 1);

    rest.write("POST", "Patient", &[], &known_as("old").to_string())
        .await;
    for (link, code) in [
        ("Patient?identifier=urn:s|old", "multiple-matches"),
        ("Patient?identifier=urn:s|none", "not-found"),
        ("Patient?nonsense=1", "value"),
        ("Patient?", "required"),
    ] {
        let sent = [
            entry("", known_as("x"), "POST", "Patient"),
            entry("", about(link), "POST", "Observation"),
        ];
        let answer = bundle(&rest, "transaction", &sent).await;
        assert_eq!(answer.codes(), (400, code.into()), "{link}");
        assert!(answer.text.contains("Bundle.entry[1]"), "{}", answer.text);
    }
    assert_eq!(count(&rest, "Patient?identifier=urn:s|x").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_goes_in_its_order_and_answers_in_the_request_s() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    for id in ["a", "b", "c"] {
        let text = patient(id, "1");
        rest.write("PUT", &format!("Patient/{id}"), &[], &text)
            .await;
    }
    let patch = r#"[{"op":"add","path":"/active","value":true}]"#;
    let data = base64_of(patch.as_bytes());
    let binary = json!({ "resourceType": "Binary", "contentType": "application/json-patch+json", "data": data });
    let twin: Value = serde_json::from_str(&patient("b", "2")).unwrap();
    let sent = [
        entry("", Value::Null, "GET", "Patient/c"),
        entry("", Value::Null, "GET", "Patient?_id=a"),
        with(
            entry("", binary, "PATCH", "Patient/c"),
            "ifMatch",
            "W/\"1\"",
        ),
        entry("", twin, "PUT", "Patient/b"),
        with(
            entry("", known_as("1"), "POST", "Patient"),
            "ifNoneExist",
            "_id=a",
        ),
        entry("", Value::Null, "DELETE", "Patient/a"),
        entry("", Value::Null, "DELETE", "Patient/never"),
        with(
            entry("", Value::Null, "GET", "Patient/b"),
            "ifNoneMatch",
            "W/\"2\"",
        ),
        entry("", Value::Null, "GET", "Patient/b/_history/1"),
    ];
    let answer = bundle(&rest, "transaction", &sent).await;
    // Deleted before the create looked for it, patched before it was read.
    assert_eq!(
        statuses(&answer),
        [
            "200", "200", "200", "200", "201", "204", "204", "304", "200"
        ]
    );
    let json = answer.json();
    assert_eq!(json["entry"][0]["resource"]["active"], true);
    assert_eq!(json["entry"][0]["response"]["etag"], "W/\"2\"");
    assert_eq!(json["entry"][1]["resource"]["type"], "searchset");
    assert!(json["entry"][1]["resource"].get("entry").is_none());
    assert!(json["entry"][7].get("resource").is_none());
    assert_eq!(json["entry"][8]["resource"]["meta"]["versionId"], "1");
    let stamps: Vec<_> = [2, 3, 4]
        .map(|n| json["entry"][n]["response"]["lastModified"].clone())
        .into();
    assert!(
        stamps.windows(2).all(|two| two[0] == two[1]),
        "one stamp: {stamps:?}"
    );
}

fn base64_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let part = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = part(0) << 16 | part(1) << 8 | part(2);
        for digit in 0..4 {
            let six = (word >> (18 - 6 * digit)) & 63;
            match digit <= chunk.len() {
                true => out.push(char::from(DIGITS[six as usize])),
                false => out.push('='),
            }
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_entry_leaves_nothing_of_its_transaction() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    rest.write("PUT", "Patient/a", &[], &patient("a", "1"))
        .await;
    let put = |id: &str| {
        entry(
            "",
            serde_json::from_str(&patient(id, "2")).unwrap(),
            "PUT",
            &format!("Patient/{id}"),
        )
    };
    let unless = |entry| with(entry, "ifNoneExist", "identifier=urn:s|1");
    let mut named = entry("urn:uuid:1", known_as("1"), "POST", "Patient");
    named["fullUrl"] = json!("urn:uuid:1");
    for (bad, status, code) in [
        (vec![with(put("a"), "ifMatch", "W/\"9\"")], 412, "conflict"),
        (vec![with(put("a"), "ifNoneMatch", "*")], 412, "conflict"),
        (vec![put("a"), put("a")], 400, "duplicate"),
        (
            vec![put("a"), entry("", Value::Null, "DELETE", "Patient/a")],
            400,
            "duplicate",
        ),
        (
            vec![
                put("a"),
                entry("", patient_json("a"), "PUT", "Patient?_id=a"),
            ],
            400,
            "duplicate",
        ),
        (vec![named.clone(), named], 400, "duplicate"),
        (
            vec![unless(entry("", known_as("1"), "POST", "Patient")); 2],
            412,
            "multiple-matches",
        ),
        (
            vec![entry("", Value::Null, "GET", "Patient/zz")],
            404,
            "not-found",
        ),
        (
            vec![entry(
                "",
                json!({ "resourceType": "Patient", "id": "a" }),
                "PATCH",
                "Patient/a",
            )],
            400,
            "not-supported",
        ),
        (
            vec![entry("", Value::Null, "POST", "Patient")],
            400,
            "required",
        ),
        (
            vec![entry("", Value::Null, "POST", "Patient/$x")],
            400,
            "value",
        ),
        (
            vec![entry("", known_as("1"), "OPTIONS", "Patient")],
            400,
            "not-supported",
        ),
        (
            vec![entry("", Value::Null, "DELETE", "Patient")],
            400,
            "value",
        ),
        (vec![json!({ "resource": known_as("1") })], 400, "required"),
    ] {
        let mut sent = vec![put("new")];
        sent.extend(bad);
        let answer = bundle(&rest, "transaction", &sent).await;
        assert_eq!(answer.codes(), (status, code.into()), "{sent:?}");
        assert!(answer.text.contains("Bundle.entry["), "{}", answer.text);
        assert_eq!(rest.get("Patient/new").await.status, 404, "{sent:?}");
    }
    assert_eq!(rest.get("Patient/a").await.header("etag"), "W/\"1\"");
    assert_eq!(count(&rest, "Patient?identifier=urn:s|1").await, 0);
}

fn patient_json(id: &str) -> Value {
    serde_json::from_str(&patient(id, "2")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_of_a_batch_stands_for_itself() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let sent = [
        entry("", patient_json("a"), "PUT", "Patient/a"),
        with(
            entry("", patient_json("a"), "PUT", "Patient/a"),
            "ifMatch",
            "W/\"9\"",
        ),
        entry("", Value::Null, "GET", "Patient/a"),
        entry("", Value::Null, "GET", "Patient/zz"),
        entry("", Value::Null, "GET", "Patient?nam=x"),
        entry("", known_as("1"), "POST", "Patient"),
        entry("", Value::Null, "GET", "Patient?identifier=urn:s|1"),
        entry("", Value::Null, "DELETE", "Patient/a"),
        entry("", Value::Null, "GET", "Patient/a"),
        entry("", json!({ "resourceType": "Patent" }), "POST", "Patent"),
    ];
    let answer = bundle(&rest, "batch", &sent).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["type"], "batch-response");
    assert_eq!(
        statuses(&answer),
        [
            "201", "412", "200", "404", "400", "201", "200", "204", "410", "400"
        ]
    );
    let json = answer.json();
    for failed in [1, 3, 4, 8, 9] {
        let outcome = &json["entry"][failed]["response"]["outcome"];
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        let place = outcome["issue"][0]["expression"][0].as_str().unwrap();
        assert!(
            place.starts_with(&format!("Bundle.entry[{failed}]")),
            "{place}"
        );
    }
    let found = &json["entry"][6]["resource"];
    assert_eq!(found["entry"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_decide_what_a_transaction_answers() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let sent = json!({ "resourceType": "Bundle", "type": "transaction",
        "entry": [entry("", patient_json("a"), "PUT", "Patient/a")] });
    for (prefer, resource, outcome) in [
        ("return=minimal", false, false),
        ("handling=strict", false, false),
        ("return=representation", true, false),
        ("return=OperationOutcome", false, true),
    ] {
        let headers = [("prefer", prefer)];
        let answer = rest
            .write("POST", "", &headers, &sent.to_string())
            .await
            .json();
        let entry = &answer["entry"][0];
        assert_eq!(entry.get("resource").is_some(), resource, "{prefer}");
        assert_eq!(
            entry["response"].get("outcome").is_some(),
            outcome,
            "{prefer}"
        );
    }
}
