//! The hub as a FHIR client sees it, on a real socket with TLS.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::AccessError;
use pocketchart_core::fhir::bundle::{Bundle, Writer};
use pocketchart_core::fhir::{Resource, outcome};
use pocketchart_core::net::{Answer, NetError, Server};
use pocketchart_tests::*;

fn codes(answer: &Answer) -> (u16, String) {
    (
        answer.status,
        outcome::codes(&answer.text).unwrap_or_else(|| format!("no outcome: {}", answer.text)),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_is_served_and_only_meta_is_spliced() {
    let hub = TestHub::start().await;
    let client = hub.client();
    let sent = "\n{ \"resourceType\":\"Patient\",\"id\":\"a\", \"x\":1.00, \"u\":\"\\u00e9\",\"name\":[] }\n";
    let created = client.put("Patient/a", sent, None).await.unwrap();
    assert_eq!(
        (created.status, created.version.as_deref()),
        (201, Some("1"))
    );
    let stored = Resource::parse_text(&created.text).unwrap();
    let at = stored.last_updated().unwrap();
    let meta =
        format!("\"id\":\"a\",\"meta\":{{\"versionId\":\"1\",\"lastUpdated\":\"{at}\"}}, \"x\"");
    assert_eq!(
        created.text,
        sent.trim().replace("\"id\":\"a\", \"x\"", &meta)
    );

    let read = client.get("Patient/a").await.unwrap();
    assert_eq!(
        (read.status, &read.text, read.version.as_deref()),
        (200, &created.text, Some("1"))
    );
    let found = client.get("Patient?_id=a").await.unwrap();
    let bundle = Bundle::parse(&found.text).unwrap();
    assert_eq!(bundle.entry[0].resource.unwrap().get(), created.text);

    let updated = client
        .put("Patient/a", &created.text, Some("1"))
        .await
        .unwrap();
    assert_eq!(
        (updated.status, updated.version.as_deref()),
        (200, Some("2"))
    );
    assert!(
        Resource::parse_text(&updated.text)
            .unwrap()
            .last_updated()
            .unwrap()
            > at
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions_and_deletes() {
    let hub = TestHub::start().await;
    let client = hub.client();
    let text = patient("a", "1");
    assert_eq!(
        codes(&client.put("Patient/a", &text, Some("1")).await.unwrap()),
        (412, "conflict".into())
    );
    assert_eq!(
        client.put("Patient/a", &text, None).await.unwrap().status,
        201
    );
    assert_eq!(
        codes(&client.put("Patient/a", &text, None).await.unwrap()),
        (412, "conflict".into())
    );
    assert_eq!(
        codes(&client.put("Patient/a", &text, Some("7")).await.unwrap()),
        (412, "conflict".into())
    );
    assert_eq!(
        codes(&client.delete("Patient/a", Some("7")).await.unwrap()),
        (412, "conflict".into())
    );
    assert_eq!(
        client.delete("Patient/a", Some("1")).await.unwrap().status,
        204
    );
    assert_eq!(
        codes(&client.get("Patient/a").await.unwrap()),
        (410, "deleted".into())
    );
    assert_eq!(client.delete("Patient/a", None).await.unwrap().status, 204);
    assert_eq!(
        codes(&client.get("Patient/b").await.unwrap()),
        (404, "not-found".into())
    );
    assert_eq!(
        codes(&client.delete("Patient/b", None).await.unwrap()),
        (404, "not-found".into())
    );
    // A record that comes back goes on counting: its old version never names another text.
    let again = client.put("Patient/a", &text, None).await.unwrap();
    assert_eq!((again.status, again.version.as_deref()), (201, Some("3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_each_record_once_and_link_to_the_origin_in_use() {
    let hub = TestHub::start().await;
    let client = hub.client();
    let mut transaction = Writer::new("transaction", &[]);
    for n in 0..25 {
        transaction.put(
            &format!("Observation/o{n}"),
            &observation(&format!("o{n}"), "p", "1.50"),
            None,
            true,
        );
    }
    assert_eq!(
        client
            .transaction(transaction.finish())
            .await
            .unwrap()
            .status,
        200
    );

    let by_name = hub.client_at(&hub.hub.ready().url.replace("127.0.0.1", "localhost"));
    for client in [&client, &by_name] {
        let mut answer = client
            .get("Observation?patient=p&_count=10&_sort=_lastUpdated,_id")
            .await
            .unwrap();
        let mut ids = Vec::new();
        loop {
            let bundle = Bundle::parse(&answer.text).unwrap();
            assert!(bundle.entry.len() <= 10);
            for entry in &bundle.entry {
                let resource = Resource::parse_text(entry.resource.unwrap().get()).unwrap();
                assert_eq!(
                    resource.member("valueQuantity").unwrap().get(),
                    "{\"value\":1.50}"
                );
                ids.push(resource.name().id.to_string());
            }
            let Some(next) = bundle.link("next") else {
                break;
            };
            answer = client.follow(next).await.unwrap();
        }
        // One transaction is one stamp, so ids decide the order.
        let mut sorted: Vec<_> = (0..25).map(|n| format!("o{n}")).collect();
        sorted.sort();
        assert_eq!(ids, sorted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_all_or_nothing_and_says_which_entry() {
    let hub = TestHub::start().await;
    let client = hub.client();
    client
        .put("Patient/a", &patient("a", "1"), None)
        .await
        .unwrap();
    let mut transaction = Writer::new("transaction", &[]);
    transaction.put("Patient/b", &patient("b", "1"), None, false);
    transaction.put("Patient/a", &patient("a", "2"), Some("9"), false);
    let refused = client.transaction(transaction.finish()).await.unwrap();
    assert_eq!(codes(&refused), (412, "conflict".into()));
    assert!(refused.text.contains("Bundle.entry[1]"), "{}", refused.text);
    assert_eq!(client.get("Patient/b").await.unwrap().status, 404);

    let mut transaction = Writer::new("transaction", &[]);
    transaction.put("Patient/b", &patient("b", "1"), None, false);
    transaction.put("Patient/a", &patient("a", "2"), Some("1"), false);
    let answer = client.transaction(transaction.finish()).await.unwrap();
    let bundle = Bundle::parse(&answer.text).unwrap();
    let statuses: Vec<_> = bundle
        .entry
        .iter()
        .map(|e| e.response.as_ref().unwrap().code())
        .collect();
    assert_eq!(statuses, [Some(201), Some(200)]);
    let served = client.get("Patient/a").await.unwrap().text;
    assert_eq!(bundle.entry[1].resource.unwrap().get(), served);

    let put = |url: &str, method: &str, id: &str| {
        let resource = patient(id, "1");
        format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{{\"resource\":{resource},\
             \"request\":{{\"method\":\"{method}\",\"url\":\"{url}\"}}}}]}}"
        )
    };
    let twice = format!(
        "[{0},{0}]",
        "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"z\"},\"request\":{\"method\":\"PUT\",\"url\":\"Patient/z\"}}"
    );
    for (body, code, place) in [
        (
            put("Patient/x", "PUT", "y"),
            "invalid",
            "Bundle.entry[0].request.url",
        ),
        (
            put("Patient/y", "POST", "y"),
            "value",
            "Bundle.entry[0].request.url",
        ),
        (
            put("nonsense", "PUT", "y"),
            "not-supported",
            "Bundle.entry[0].request.url",
        ),
        (
            put("Patient/y", "PUT", "y").replace("\"Patient\",", "\"Patent\","),
            "not-supported",
            "Bundle.entry[0].resource",
        ),
        (
            format!("{{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":{twice}}}"),
            "duplicate",
            "entry[1]",
        ),
        (
            "{\"resourceType\":\"Bundle\",\"type\":\"collection\"}".into(),
            "not-supported",
            "Bundle.type",
        ),
        ("{}".into(), "structure", ""),
        ("".into(), "structure", ""),
    ] {
        let answer = client.transaction(body.clone()).await.unwrap();
        assert!((400..500).contains(&answer.status), "{body}");
        assert_eq!(codes(&answer).1, code, "{body}");
        assert!(answer.text.contains(place), "{place}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_outcomes_that_name_the_fault() {
    let hub = TestHub::start().await;
    let client = hub.client();
    for (path, status, code, words) in [
        (
            "Patient?nam=x",
            400,
            "not-supported",
            "unknown search parameter nam",
        ),
        (
            "Patient?name:text=x",
            400,
            "not-supported",
            "not supported yet",
        ),
        ("Patient?_cursor=AAAA", 400, "value", "page link"),
        (
            "Patient?_lastUpdated=yesterday",
            400,
            "value",
            "_lastUpdated",
        ),
        ("Patient?_format=xml", 406, "not-supported", "JSON"),
        ("Patent", 404, "not-supported", "resource type"),
        ("Patient/a_b", 400, "value", "id"),
        ("Patient/%ff", 400, "value", "percent-encoded"),
        ("Patient/a/_history/1", 404, "not-found", "not known"),
    ] {
        let answer = client.get(path).await.unwrap();
        assert_eq!(codes(&answer), (status, code.into()), "{path}");
        assert!(answer.text.contains(words), "{path}: {}", answer.text);
    }
    assert_eq!(
        client.get("Patient?_format=json").await.unwrap().status,
        200
    );
    for (path, body, status) in [
        ("Patient/a", "not JSON", 400),
        (
            "Patient/a",
            "{\"resourceType\":\"Patient\",\"id\":\"b\"}",
            400,
        ),
        ("Patient/a", "{\"resourceType\":\"Patient\"}", 400),
        ("Patient/a", "", 400),
        (
            "Patient/a",
            &format!(
                "{{\"resourceType\":\"Patient\",\"id\":\"a\",\"x\":{}1{}}}",
                "[".repeat(9000),
                "]".repeat(9000)
            ),
            400,
        ),
    ] {
        assert_eq!(
            client.put(path, body, None).await.unwrap().status,
            status,
            "{body:.60}"
        );
    }
    let large = format!(
        "{{\"resourceType\":\"Binary\",\"id\":\"a\",\"data\":\"{}\"}}",
        "A".repeat(17 * 1024 * 1024)
    );
    assert_eq!(
        codes(&client.put("Binary/a", &large, None).await.unwrap()),
        (413, "too-long".into())
    );
    // Small enough as it was sent, too large with its meta.
    let frame = "{\"resourceType\":\"Binary\",\"id\":\"a\",\"data\":\"\"}".len();
    let full = format!(
        "{{\"resourceType\":\"Binary\",\"id\":\"a\",\"data\":\"{}\"}}",
        "A".repeat(16 * 1024 * 1024 - frame)
    );
    assert_eq!(
        codes(&client.put("Binary/a", &full, None).await.unwrap()),
        (413, "too-long".into())
    );
    assert!(
        hub.guard.status().unwrap().counts.is_empty(),
        "nothing was stored"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_or_the_authority_nothing_is_told() {
    let hub = TestHub::start().await;
    hub.client()
        .put("Patient/a", &patient("a", "1"), None)
        .await
        .unwrap();
    for token in [None, Some("wrong"), Some("")] {
        let client = hub.client_with_token(token);
        assert_eq!(
            codes(&client.get("Patient/a").await.unwrap()),
            (401, "login".into())
        );
        assert_eq!(
            codes(&client.get("Patient").await.unwrap()),
            (401, "login".into())
        );
        assert_eq!(
            client
                .put("Patient/b", &patient("b", "1"), None)
                .await
                .unwrap()
                .status,
            401
        );
        assert_eq!(client.transaction("{}".into()).await.unwrap().status, 401);
        assert_eq!(client.delete("Patient/a", None).await.unwrap().status, 401);
        assert_eq!(client.get("metadata").await.unwrap().status, 200);
    }
    let stranger = Server::new(&hub.hub.ready().url, None, Some("x")).unwrap();
    assert!(matches!(
        stranger.get("metadata").await,
        Err(NetError::Untrusted(_))
    ));
    let clear = Server::new(&hub.hub.ready().url.replace("https", "http"), None, None).unwrap();
    assert!(clear.get("metadata").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_a_capability_statement() {
    let hub = TestHub::start().await;
    let answer = hub.client().get("metadata").await.unwrap();
    let statement: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(statement["resourceType"], "CapabilityStatement");
    assert_eq!(statement["fhirVersion"], "4.0.1");
    assert_eq!(
        statement["rest"][0]["resource"].as_array().unwrap().len(),
        146
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_hub_is_the_same_hub() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let hub = pocketchart_hub::Hub::start(guard.clone(), home.path(), address)
            .await
            .unwrap();
        let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
        let (ca, token) = (read(&hub.ready().ca_file), read(&hub.ready().token_file));
        let client = Server::new(&hub.ready().url, Some(&ca), Some(&token)).unwrap();
        assert_eq!(client.get("Patient").await.unwrap().status, 200);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                std::fs::metadata(&hub.ready().token_file)
                    .unwrap()
                    .permissions()
                    .mode()
                    & 0o777,
                0o600
            );
        }
        let ready = home.path().join("ready.json");
        hub.write_ready_file(&ready).unwrap();
        let json: serde_json::Value = serde_json::from_str(&read(&ready)).unwrap();
        assert_eq!(json["url"], hub.ready().url);
        seen.push((ca, token));
        hub.stop().await.unwrap();
        assert!(client.get("metadata").await.is_err());
    }
    assert_eq!(seen[0], seen[1]);
}

/// The base URL without its slash is the same address: same limits, same token.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_transaction_goes_to_the_base_url_with_and_without_a_slash() {
    let hub = TestHub::start().await;
    let ready = hub.hub.ready();
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    // reqwest itself, since our own client always writes the slash.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(read(&ready.ca_file).as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .add_root_certificate(authority)
        .build()
        .unwrap();
    let large = format!(
        "{{\"resourceType\":\"Binary\",\"id\":\"a\",\"data\":\"{}\"}}",
        "A".repeat(3 * 1024 * 1024)
    );
    for slash in ["/", ""] {
        let mut transaction = Writer::new("transaction", &[]);
        transaction.put("Binary/a", &large, None, false);
        let request = client
            .post(format!("{}{slash}", ready.url))
            .body(transaction.finish());
        let refused = request.try_clone().unwrap().send().await.unwrap();
        assert_eq!(refused.status().as_u16(), 401, "{slash}");
        let answer = request.bearer_auth(read(&ready.token_file)).send().await;
        assert_eq!(answer.unwrap().status().as_u16(), 200, "{slash}");
    }
}

/// A hub over a device's vault would overwrite what waits there: it knows no version of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_vault_with_waiting_changes_or_a_server_is_no_hub() {
    use pocketchart_core::access::PeerSettings;
    use pocketchart_hub::{Hub, HubError};
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    guard.put(&resource(&patient("a", "1"))).unwrap();
    let start = || Hub::start(guard.clone(), home.path(), address);
    assert!(matches!(
        start().await,
        Err(HubError::Access(AccessError::VaultOfADevice))
    ));
    guard.delete(&name("Patient/a")).unwrap();
    start().await.unwrap().stop().await.unwrap();
    let server = "https://one.example/fhir";
    guard
        .remember_peer(server, &PeerSettings::default())
        .unwrap();
    assert!(matches!(
        start().await,
        Err(HubError::Access(AccessError::VaultOfADevice))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_of_the_hub_are_those_of_the_store() {
    let hub = TestHub::start().await;
    let client = hub.client();
    for (id, family) in [("a", "M\u{fc}ller"), ("b", "Muller"), ("c", "Smith")] {
        let text = format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"{id}\",\"name\":[{{\"family\":\"{family}\"}}],\"birthDate\":\"198{}\"}}",
            id.len()
        );
        client
            .put(&format!("Patient/{id}"), &text, None)
            .await
            .unwrap();
        let text = observation(&format!("o-{id}"), id, "1");
        client
            .put(&format!("Observation/o-{id}"), &text, None)
            .await
            .unwrap();
    }
    let answer = client
        .get("Patient?name=mul&_total=accurate&_revinclude=Observation:patient&_count=1")
        .await
        .unwrap();
    let bundle = Bundle::parse(&answer.text).unwrap();
    assert!(answer.text.contains("\"total\":2"), "{}", answer.text);
    let modes: Vec<_> = bundle
        .entry
        .iter()
        .map(|e| e.search.as_ref().unwrap().mode.to_string())
        .collect();
    assert_eq!(modes, ["match", "include"]);
    assert!(bundle.link("next").is_some());
    let statement = client.get("metadata").await.unwrap().text;
    assert!(statement.contains("{\"name\":\"birthdate\",\"type\":\"date\"}"));
}

/// Records that were imported before the hub first started get their first version then.
#[tokio::test(flavor = "multi_thread")]
async fn imported_records_are_served_with_a_version() {
    use pocketchart_core::access::Importing;
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let text = patient("a", "1");
    let how = Importing {
        as_edits: false,
        durable: true,
        at: pocketchart_core::fhir::Instant::from_epoch_ms(5),
    };
    guard
        .import(&[("x".into(), 1)], &[resource(&text)], how)
        .unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let hub = pocketchart_hub::Hub::start(guard.clone(), home.path(), address)
        .await
        .unwrap();
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let (ca, token) = (read(&hub.ready().ca_file), read(&hub.ready().token_file));
    let client = Server::new(&hub.ready().url, Some(&ca), Some(&token)).unwrap();
    let served = client.get("Patient/a").await.unwrap();
    assert_eq!((served.status, served.version.as_deref()), (200, Some("1")));
    assert_eq!(
        client
            .put("Patient/a", &served.text, Some("1"))
            .await
            .unwrap()
            .version
            .as_deref(),
        Some("2")
    );
    // From then on the vault is changed through the hub only.
    assert!(
        guard
            .import(&[("x".into(), 1)], &[resource(&text)], how)
            .is_err()
    );
}
