//! Signed changes that come merged, and what is only said to be one.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{AuditEntry, AuditKind};
use pocketchart_core::fhir::bundle::Writer;
use pocketchart_tests::forger::*;
use pocketchart_tests::staff::*;
use pocketchart_tests::*;
use serde_json::Value;

/// A signed change may come merged with what others changed since; the hub does that merge again, and believes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_be_a_merge_is_one_or_is_refused() {
    let hub = TestHub::start().await;
    let forger = Forger::joined(&hub).await;
    let client = hub.client();
    let text = |value: &str, note: &str| {
        let text = observation("m", "p", value);
        text.replace(
            "\"subject\"",
            &format!("\"note\":[{{\"text\":\"{note}\"}}],\"subject\""),
        )
    };
    let path = "Observation/m";
    client.put(path, &text("1", "first"), None).await.unwrap();
    let first = client.get(path).await.unwrap().text;
    // Somebody else changes the note, while the nurse measured again.
    let second = first.replace("first", "second");
    client.put(path, &second, Some("1")).await.unwrap();
    let second = client.get(path).await.unwrap().text;
    let mine = first.replace("\"value\":1", "\"value\":2");
    let honest = second.replace("\"value\":1", "\"value\":2");
    let record = |text: &str, base: Option<&str>| forger.honest(path, Some(text), base);
    let clash = first.replace("first", "third");
    let cases = [
        // More than the merge; less than it; another's words alone.
        (
            honest.replace("second", "2nd"),
            mine.clone(),
            record(&mine, Some("1")),
            "2",
            "change-not-merged",
        ),
        (
            mine.clone(),
            mine.clone(),
            record(&mine, Some("1")),
            "2",
            "change-not-merged",
        ),
        (
            second.clone(),
            mine.clone(),
            record(&mine, Some("1")),
            "2",
            "change-not-merged",
        ),
        // Not what was signed.
        (
            honest.clone(),
            first.clone(),
            record(&mine, Some("1")),
            "2",
            "change-of-other-content",
        ),
        // On a version that never was, on none, and on the newest: then it would be no merge.
        (
            honest.clone(),
            mine.clone(),
            record(&mine, Some("7")),
            "2",
            "change-not-merged",
        ),
        (
            honest.clone(),
            mine.clone(),
            record(&mine, None),
            "2",
            "change-not-merged",
        ),
        (
            honest.clone(),
            mine.clone(),
            record(&mine, Some("2")),
            "2",
            "change-not-merged",
        ),
        // Both sides changed one thing: that is a person's to decide.
        (
            clash.clone(),
            clash.clone(),
            record(&clash, Some("1")),
            "2",
            "change-not-merged",
        ),
        (
            second.replace("second", "third"),
            clash.clone(),
            record(&clash, Some("1")),
            "2",
            "change-not-merged",
        ),
    ];
    let send = async |sent: &str, own: &str, record: &Value, version: &str| {
        let mut bundle = Writer::new("transaction", &[]);
        let change = signed(&forger.nurse, record);
        bundle.put_merged(path, sent, Some(version), &change, own);
        forger.server.transaction(bundle.finish()).await.unwrap()
    };
    for (n, (sent, own, record, version, wanted)) in cases.iter().enumerate() {
        let answer = send(sent, own, record, version).await;
        assert_eq!(
            reason(&answer),
            (403, Some((*wanted).to_owned())),
            "case {n}"
        );
        let mut entries = trail(&hub.guard).into_iter();
        let is_denial = |entry: &AuditEntry| entry.kind == AuditKind::Denied;
        let denied = entries.rfind(is_denial).unwrap();
        assert_eq!(denied.rule.as_deref(), Some(*wanted), "case {n}");
    }
    // Over a version that is not the newest it is stale, as any write.
    let honest_record = record(&mine, Some("1"));
    assert_eq!(send(&honest, &mine, &honest_record, "1").await.status, 412);
    assert_eq!(client.get(path).await.unwrap().text, second);
    let answer = send(&honest, &mine, &honest_record, "2").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let there = client.get(path).await.unwrap().text;
    assert!(there.contains("second") && there.contains("\"value\":2"));
    let entries = trail(&hub.guard).into_iter();
    let mut written =
        entries.filter(|entry| entry.kind == AuditKind::Written && entry.what == path);
    let last = written.next_back().unwrap();
    assert_eq!((last.person.as_str(), last.role.as_str()), (NURSE, "nurse"));
    let again = send(&honest, &mine, &honest_record, "3").await;
    assert_eq!(again.status, 412, "taken before: {}", again.text);
}
