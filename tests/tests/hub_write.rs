//! Writing to the hub: create, update, patch, delete, named and by condition.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_tests::http::Rest;
use pocketchart_tests::*;

const PATCH: (&str, &str) = ("content-type", "application/json-patch+json");

/// A patient with an identifier.
fn known_as(value: &str, more: &str) -> String {
    format!(
        "{{\"resourceType\":\"Patient\",\"identifier\":[{{\"system\":\"urn:s\",\"value\":\"{value}\"}}]{more}}}"
    )
}

async fn total(rest: &Rest, search: &str) -> u64 {
    let found = rest.get(&format!("{search}&_total=accurate")).await;
    found.json()["total"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_record_gets_an_id_from_the_server() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let sent = "{\"resourceType\":\"Patient\",\"id\":\"mine\", \"x\":1.00}";
    let created = rest.write("POST", "Patient", &[], sent).await;
    assert_eq!(created.status, 201);
    let id = created.created_id();
    assert_ne!(id, "mine");
    assert_eq!(created.header("etag"), "W/\"1\"");
    assert!(!created.header("last-modified").is_empty());
    let read = rest.get(created.header("location")).await;
    assert_eq!((read.status, &read.text), (200, &created.text));
    assert!(read.text.contains(&format!("\"id\":\"{id}\"")));
    assert!(read.text.contains("\"x\":1.00"), "{}", read.text);
    assert_eq!(rest.get("Patient/mine").await.status, 404);

    for (path, body, code, place) in [
        (
            "Patient",
            "{\"resourceType\":\"Group\"}",
            "invalid",
            "Resource.resourceType",
        ),
        (
            "Patient",
            "{\"id\":\"a\"}",
            "required",
            "Resource.resourceType",
        ),
        (
            "Patient",
            "{\"resourceType\":\"Patient\"",
            "structure",
            "line 1",
        ),
        ("Patient", "[]", "structure", "not a JSON object"),
        ("Patient", "", "structure", "line"),
        (
            "Patient",
            "{\"resourceType\":\"Patient\",\"meta\":7}",
            "structure",
            "meta",
        ),
    ] {
        let answer = rest.write("POST", path, &[], body).await;
        assert_eq!(answer.codes(), (400, code.into()), "{body}");
        assert!(answer.text.contains(place), "{body}: {}", answer.text);
    }
    let other = rest.write("POST", "Patent", &[], "{}").await;
    assert_eq!(other.codes(), (404, "not-supported".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_create_creates_once() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let unless = [("if-none-exist", "identifier=urn:s|1")];
    let first = rest
        .write("POST", "Patient", &unless, &known_as("1", ""))
        .await;
    let again = rest
        .write("POST", "Patient", &unless, &known_as("1", ""))
        .await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(again.header("etag"), "W/\"1\"");
    assert_eq!(total(&rest, "Patient?identifier=urn:s|1").await, 1);
    // With the type in front, as some clients send it.
    let typed = [("if-none-exist", "Patient?identifier=urn:s%7C1")];
    let again = rest
        .write("POST", "Patient", &typed, &known_as("1", ""))
        .await;
    assert_eq!(again.status, 200);
    // As fhirpy sends it.
    let url = "Patient?identifier=urn:s|1";
    let again = rest.write("POST", url, &[], &known_as("1", "")).await;
    assert_eq!(again.status, 200);
    let url = "Patient/a?identifier=urn:s|1";
    let named = rest.write("PUT", url, &[], &patient("a", "1")).await;
    assert_eq!(named.codes(), (400, "not-supported".into()));

    rest.write("POST", "Patient", &[], &known_as("1", "")).await;
    let several = rest
        .write("POST", "Patient", &unless, &known_as("1", ""))
        .await;
    assert_eq!(several.codes(), (412, "multiple-matches".into()));
    for (query, code) in [
        ("", "required"),
        ("nonsense=1", "not-supported"),
        ("_count=1", "required"),
    ] {
        let unless = [("if-none-exist", query)];
        let answer = rest
            .write("POST", "Patient", &unless, &known_as("9", ""))
            .await;
        assert_eq!(answer.codes(), (400, code.into()), "{query}");
    }
    assert_eq!(total(&rest, "Patient?identifier=urn:s|9").await, 0);
}

/// Conditions are looked up inside the write's own transaction.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_conditional_creates_at_once_one_creates() {
    let hub = TestHub::start().await;
    let rest = std::sync::Arc::new(Rest::of(&hub));
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let rest = rest.clone();
        tasks.push(tokio::spawn(async move {
            let unless = [("if-none-exist", "identifier=urn:s|1")];
            rest.write("POST", "Patient", &unless, &known_as("1", ""))
                .await
        }));
    }
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses[14..], [200, 201]);
    assert_eq!(total(&rest, "Patient?identifier=urn:s|1").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_update_updates_what_it_finds_or_creates() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let url = "Patient?identifier=urn:s|1";
    let created = rest.write("PUT", url, &[], &known_as("1", "")).await;
    assert_eq!(created.status, 201);
    let id = created.created_id();
    let updated = rest
        .write("PUT", url, &[], &known_as("1", ",\"active\":true"))
        .await;
    assert_eq!((updated.status, updated.created_id()), (200, id.clone()));
    assert_eq!(updated.header("etag"), "W/\"2\"");
    let mine = known_as("1", &format!(",\"id\":\"{id}\""));
    assert_eq!(rest.write("PUT", url, &[], &mine).await.status, 200);
    let other = known_as("1", ",\"id\":\"other\"");
    assert_eq!(
        rest.write("PUT", url, &[], &other).await.codes(),
        (400, "invalid".into())
    );

    // Nothing matches: update as create under the id that was sent, unless something else stands there.
    let url = "Patient?identifier=urn:s|2";
    let sent = known_as("2", ",\"id\":\"two\"");
    let created = rest.write("PUT", url, &[], &sent).await;
    assert_eq!((created.status, created.created_id()), (201, "two".into()));
    let taken = known_as("3", ",\"id\":\"two\"");
    let answer = rest
        .write("PUT", "Patient?identifier=urn:s|3", &[], &taken)
        .await;
    assert_eq!(answer.codes(), (400, "invalid".into()));

    rest.write("POST", "Patient", &[], &known_as("1", "")).await;
    let several = rest
        .write("PUT", "Patient?identifier=urn:s|1", &[], &known_as("1", ""))
        .await;
    assert_eq!(several.codes(), (412, "multiple-matches".into()));
    let all = rest.write("PUT", "Patient", &[], &known_as("1", "")).await;
    assert_eq!(all.codes(), (400, "required".into()));
    // The condition on the version holds for what was found.
    let stale = [("if-match", "W/\"7\"")];
    let answer = rest.write("PUT", "Patient?_id=two", &stale, &sent).await;
    assert_eq!(answer.codes(), (412, "conflict".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_delete_deletes_one_or_nothing() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    for value in ["1", "2", "2"] {
        rest.write("POST", "Patient", &[], &known_as(value, ""))
            .await;
    }
    let delete = async |query: &str| {
        rest.send("DELETE", &format!("Patient{query}"), &[], "")
            .await
    };
    assert_eq!(delete("?identifier=urn:s|1").await.status, 204);
    assert_eq!(delete("?identifier=urn:s|1").await.status, 204);
    assert_eq!(total(&rest, "Patient?identifier=urn:s|1").await, 0);
    assert_eq!(
        delete("?identifier=urn:s|2").await.codes(),
        (412, "multiple-matches".into())
    );
    assert_eq!(delete("").await.codes(), (400, "required".into()));
    assert_eq!(
        delete("?nam=x").await.codes(),
        (400, "not-supported".into())
    );
    assert_eq!(total(&rest, "Patient?identifier=urn:s|2").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_kept_by_if_match() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let text = patient("a", "1");
    let put = async |headers: &[(&str, &str)]| rest.write("PUT", "Patient/a", headers, &text).await;
    let stale = (412, "conflict".to_owned());
    assert_eq!(put(&[("if-match", "*")]).await.codes(), stale);
    assert_eq!(put(&[("if-match", "W/\"1\"")]).await.codes(), stale);
    assert_eq!(put(&[("if-none-match", "*")]).await.status, 201);
    assert_eq!(put(&[("if-none-match", "*")]).await.codes(), stale);
    assert_eq!(put(&[("if-match", "*")]).await.header("etag"), "W/\"2\"");
    for right in ["W/\"2\"", "\"3\"", "4"] {
        assert_eq!(put(&[("if-match", right)]).await.status, 200, "{right}");
    }
    let answer = put(&[("if-match", "W/\"2\"")]).await;
    assert!(
        answer.text.contains("it is at version 5"),
        "{}",
        answer.text
    );
    for odd in [
        ("if-match", "W/\"4\", W/\"5\""),
        ("if-none-match", "W/\"1\""),
    ] {
        assert_eq!(put(&[odd]).await.codes(), (400, "not-supported".into()));
    }
    let delete = async |tag: &str| {
        rest.send("DELETE", "Patient/a", &[("if-match", tag)], "")
            .await
    };
    assert_eq!(delete("W/\"4\"").await.codes(), stale);
    let deleted = delete("W/\"5\"").await;
    assert_eq!((deleted.status, deleted.header("etag")), (204, "W/\"6\""));
    assert_eq!(delete("*").await.codes(), stale);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let text = "{\"resourceType\":\"Observation\",\"id\":\"o\",\"z\":{ \"e\":\"\\u00e9\", \"n\":1.00 },\
                \"valueQuantity\":{\"value\":7.0,\"unit\":\"mg\"},\"note\":[{\"text\":\"x\"}]}";
    rest.write("PUT", "Observation/o", &[], text).await;
    let patch = async |path: &str, headers: &[(&str, &str)], body: &str| {
        let mut all = vec![PATCH];
        all.extend_from_slice(headers);
        rest.send("PATCH", path, &all, body).await
    };
    let body = r#"[{"op":"test","path":"/valueQuantity/value","value":7.00},{"op":"replace","path":"/valueQuantity/value","value":7.50}]"#;
    let patched = patch("Observation/o", &[("if-match", "W/\"1\"")], body).await;
    assert_eq!((patched.status, patched.header("etag")), (200, "W/\"2\""));
    let part = "\"z\":{ \"e\":\"\\u00e9\", \"n\":1.00 },\"valueQuantity\":{\"value\":7.50,\"unit\":\"mg\"},\"note\":[{\"text\":\"x\"}]}";
    assert!(patched.text.ends_with(part), "{}", patched.text);
    assert_eq!(rest.get("Observation/o").await.text, patched.text);

    let stale = patch("Observation/o", &[("if-match", "W/\"1\"")], body).await;
    assert_eq!(stale.codes(), (412, "conflict".into()));
    for (body, status, code) in [
        ("{}", 400, "structure"),
        ("not JSON", 400, "structure"),
        (r#"[{"op":"jump","path":"/a"}]"#, 400, "structure"),
        (
            r#"[{"op":"replace","path":"/id","value":"p"}]"#,
            422,
            "processing",
        ),
        (r#"[{"op":"remove","path":"/nowhere"}]"#, 422, "processing"),
        (
            r#"[{"op":"test","path":"/id","value":"p"}]"#,
            422,
            "processing",
        ),
        (
            r#"[{"op":"add","path":"/x","value":"\ud800"}]"#,
            400,
            "structure",
        ),
    ] {
        let answer = patch("Observation/o", &[], body).await;
        assert_eq!(answer.codes(), (status, code.into()), "{body}");
    }
    let found = patch(
        "Observation?_id=o",
        &[],
        r#"[{"op":"remove","path":"/note"}]"#,
    )
    .await;
    assert_eq!((found.status, found.header("etag")), (200, "W/\"3\""));
    let nobody = patch("Observation?_id=zz", &[], "[]").await;
    assert_eq!(nobody.codes(), (404, "not-found".into()));
    assert_eq!(
        patch("Observation/zz", &[], "[]").await.codes(),
        (404, "not-found".into())
    );
    rest.send("DELETE", "Observation/o", &[], "").await;
    assert_eq!(
        patch("Observation/o", &[], "[]").await.codes(),
        (410, "deleted".into())
    );
    let json = rest.write("PATCH", "Observation/o", &[], "[]").await;
    assert_eq!(json.codes(), (415, "not-supported".into()));
    assert_eq!(json.header("accept-patch"), "application/json-patch+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_programs_would_read_in_two_ways_is_refused_by_name() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    for (more, words) in [
        (",\"gender\":\"male\",\"gender\":\"female\"", "gender"),
        (",\"id\":\"a\"", "id"),
        (",\"x\":\"\\ud83d\"", "surrogate"),
    ] {
        let body = format!("{{\"resourceType\":\"Patient\",\"id\":\"a\"{more}}}");
        let bundle = format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{{\"resource\":{body},\
             \"request\":{{\"method\":\"PUT\",\"url\":\"Patient/a\"}}}}]}}"
        );
        for (method, path, body) in [
            ("PUT", "Patient/a", &body),
            ("POST", "Patient", &body),
            ("POST", "", &bundle),
        ] {
            let answer = rest.write(method, path, &[], body).await;
            assert_eq!(answer.codes(), (400, "structure".into()), "{method} {body}");
            assert!(answer.text.contains(words), "{method}: {}", answer.text);
        }
    }
    assert!(hub.guard.status().unwrap().counts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_decide_what_a_write_answers() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    for (prefer, first) in [
        ("return=minimal", ""),
        ("return=representation", "{\"resourceType\":\"Patient\""),
        (
            "return=OperationOutcome",
            "{\"resourceType\":\"OperationOutcome\"",
        ),
        ("return=nonsense", "{\"resourceType\":\"Patient\""),
    ] {
        let headers = [("prefer", prefer)];
        let text = patient("a", "1");
        let put = rest.write("PUT", "Patient/a", &headers, &text).await;
        assert!(put.status < 300 && !put.header("etag").is_empty());
        assert!(put.text.starts_with(first), "{prefer}: {}", put.text);
        assert_eq!(put.text.is_empty(), first.is_empty(), "{prefer}");
    }
}
