//! In which order changes go, how many at once, and what stays one; with servers of several kinds.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::EditState;
use pocketchart_core::sync::SyncError;
use pocketchart_tests::little_server::{Instead, LittleServer, Ways};
use pocketchart_tests::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn basic(id: &str, refers_to: &[&str], words: &str) -> String {
    let links: Vec<String> = refers_to
        .iter()
        .map(|to| format!("{{\"url\":\"urn:x\",\"valueReference\":{{\"reference\":\"{to}\"}}}}"))
        .collect();
    let links = match links.is_empty() {
        true => String::new(),
        false => format!(",\"extension\":[{}]", links.join(",")),
    };
    format!(
        "{{\"resourceType\":\"Basic\",\"id\":\"{id}\"{links},\"code\":{{\"text\":\"{words}\"}}}}"
    )
}

#[tokio::test]
async fn what_is_referred_to_goes_first_and_what_refers_to_a_refused_record_waits() {
    let little = LittleServer::new(Ways::default());
    let phone = little.device();
    // Written in the wrong order, and one at a time to the server's mind.
    phone.put(&observation("o", "p", "1"));
    phone.put(&patient("p", "1"));
    phone.put(&observation("waits", "bad", "1"));
    phone.put(&basic("waits-too", &["Observation/waits"], "x"));
    phone.put(&patient("bad", "poison"));
    phone.put(&patient("q", "1"));
    let report = phone.sync().await;
    assert_eq!((report.sent, report.refused, report.behind), (3, 1, 2));
    assert_eq!(little.names(), ["Observation/o", "Patient/p", "Patient/q"]);
    assert_eq!(phone.state("Patient/bad"), Some(EditState::Refused));
    // They wait, and are not refused; once the record is put right, they go.
    for name in ["Observation/waits", "Basic/waits-too"] {
        assert_eq!(phone.state(name), Some(EditState::Waiting), "{name}");
    }
    let again = phone.sync().await;
    assert_eq!((again.sent, again.refused, again.behind), (0, 0, 2));
    phone.put(&patient("bad", "good"));
    assert_eq!(phone.sync().await.sent, 3);
    assert!(phone.guard.pending(None).unwrap().is_empty());
}

#[tokio::test]
async fn the_servers_words_are_for_whoever_made_the_change() {
    let little = LittleServer::new(Ways::default());
    let phone = little.device();
    phone.put(&patient("bad", "poison"));
    phone.sync().await;
    let pending = phone.guard.pending(None).unwrap();
    assert_eq!(pending[0].refusal.as_deref(), Some("422 business-rule"));
    assert_eq!(pending[0].words.as_deref(), Some("Jane Doe may not"));
    assert!(!format!("{pending:?}").contains("Jane"));
}

#[tokio::test]
async fn a_circle_and_what_was_written_together_are_one_transaction() {
    let ways = Ways {
        most_entries: 2,
        ..Ways::default()
    };
    let little = LittleServer::new(ways);
    let phone = little.device();
    phone.put(&basic("a", &["Basic/b"], "x"));
    phone.put(&basic("b", &["Basic/a"], "x"));
    let (slot, visit) = (
        r#"{"resourceType":"Slot","id":"s","status":"busy"}"#,
        r#"{"resourceType":"Appointment","id":"v","slot":[{"reference":"Slot/s"}]}"#,
    );
    let both = [resource(visit), resource(slot)];
    phone.guard.put_together(&both).unwrap();
    for n in 0..5 {
        phone.put(&patient(&format!("p{n}"), "1"));
    }
    assert_eq!(phone.sync().await.sent, 9);
    let writes = little.writes();
    let whole = writes.iter().filter(|it| *it == "POST 2 entries").count();
    assert!(whole >= 2, "{writes:?}");
    let singles = [
        "PUT Basic/a",
        "PUT Basic/b",
        "PUT Slot/s",
        "PUT Appointment/v",
    ];
    assert!(
        !writes.iter().any(|it| singles.contains(&it.as_str())),
        "{writes:?}"
    );
}

#[tokio::test]
async fn what_must_go_together_is_refused_together_and_tried_again_together() {
    let little = LittleServer::new(Ways::default());
    let phone = little.device();
    let slot = r#"{"resourceType":"Slot","id":"s","status":"busy","comment":"poison"}"#;
    let visit = r#"{"resourceType":"Appointment","id":"v","slot":[{"reference":"Slot/s"}]}"#;
    let both = [resource(visit), resource(slot)];
    phone.guard.put_together(&both).unwrap();
    let report = phone.sync().await;
    assert_eq!((report.sent, report.refused), (0, 2));
    assert!(little.names().is_empty(), "not half of it");
    phone.put(&slot.replace("poison", "fine"));
    assert_eq!(phone.state("Appointment/v"), Some(EditState::Waiting));
    assert_eq!(phone.sync().await.sent, 2);
    assert_eq!(little.names(), ["Appointment/v", "Slot/s"]);
}

#[tokio::test]
async fn transactions_shrink_to_what_a_server_takes_and_stay_so() {
    let ways = Ways {
        most_entries: 7,
        ..Ways::default()
    };
    let little = LittleServer::new(ways);
    let phone = little.device();
    for n in 0..120 {
        phone.put(&patient(&format!("p{n:03}"), "1"));
    }
    assert_eq!(phone.sync().await.sent, 120);
    let writes = little.writes();
    let refused = writes
        .iter()
        .filter_map(|it| it.strip_prefix("POST ")?.strip_suffix(" entries"))
        .filter(|n| n.parse::<usize>().unwrap() > 7)
        .count();
    assert!(refused < 10, "found out once: {writes:?}");
    assert!(writes.len() < 40, "{}", writes.len());
}

#[tokio::test]
async fn one_poisoned_record_costs_a_few_requests_and_nobody_else_anything() {
    let little = LittleServer::new(Ways::default());
    let phone = little.device();
    for n in 0..100 {
        let words = if n == 33 { "poison" } else { "1" };
        phone.put(&patient(&format!("p{n:03}"), words));
    }
    let report = phone.sync().await;
    assert_eq!((report.sent, report.refused), (99, 1));
    assert!(little.writes().len() < 20);
}

#[tokio::test]
async fn a_busy_server_is_waited_for_and_a_very_busy_one_is_asked_later() {
    let asked = AtomicU32::new(0);
    let busy = move |what: &str, _: &str| {
        let first = what.starts_with("PUT") && asked.fetch_add(1, Ordering::SeqCst) < 2;
        first.then(|| Instead {
            status: 429,
            retry_after: Some(Duration::from_secs(3)),
            ..Instead::default()
        })
    };
    let little = LittleServer::with(Ways::default(), busy);
    let phone = little.device();
    phone.put(&patient("a", "1"));
    assert_eq!(phone.sync().await.sent, 1);
    let paused = little.paused();
    assert_eq!(paused.len(), 2);
    let few = Duration::from_secs(3)..Duration::from_secs(5);
    assert!(paused.iter().all(|it| few.contains(it)), "{paused:?}");

    for wait in [Duration::from_secs(120), Duration::from_secs(1)] {
        let little = LittleServer::with(Ways::default(), move |what, _| {
            what.starts_with("PUT").then(|| Instead {
                status: 503,
                retry_after: Some(wait),
                ..Instead::default()
            })
        });
        let phone = little.device();
        phone.put(&patient("a", "1"));
        let stopped = phone.try_sync().await.unwrap_err();
        let SyncError::Busy {
            status, wait: said, ..
        } = stopped
        else {
            unreachable!("{stopped}");
        };
        assert_eq!((status, said), (503, wait));
        assert!(little.paused().len() < 6, "no endless loop");
        assert_eq!(phone.guard.pending(None).unwrap().len(), 1);
    }
}

/// Whether it reads many records in one request, or each by itself.
#[tokio::test]
async fn where_no_versions_are_compared_they_are_compared_here() {
    for takes_batches in [true, false] {
        let ways = Ways {
            compares_versions: false,
            ..Ways::default()
        };
        let reads = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&reads);
        let little = LittleServer::with(ways, move |what, _| {
            if what.starts_with("GET Patient/") {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            let refused = what.starts_with("GET batch") && !takes_batches;
            refused.then(|| Instead {
                status: 405,
                ..Instead::default()
            })
        });
        let phone = little.device();
        for id in ["a", "b", "c"] {
            phone.put(&patient(id, "1"));
        }
        let report = phone.sync().await;
        assert_eq!(
            (report.sent, report.unguarded),
            (3, 0),
            "nothing is written over"
        );
        for id in ["a", "b", "c"] {
            let text = phone.text(&format!("Patient/{id}")).unwrap();
            phone.put(&text.replace("\"1\"}]", "\"2\"}]"));
        }
        // Meanwhile somebody else writes there, and nobody would say so.
        let theirs = little
            .text("Patient/a")
            .unwrap()
            .replace("\"1\"}]", "\"9\"}]");
        little.write(&theirs);
        reads.store(0, Ordering::SeqCst);
        let report = phone.sync().await;
        assert_eq!((report.sent, report.conflicts, report.unguarded), (2, 1, 2));
        assert_eq!(reads.load(Ordering::SeqCst) == 0, takes_batches);
        assert!(little.text("Patient/a").unwrap().contains("\"9\"}]"));
        for id in ["b", "c"] {
            let text = little.text(&format!("Patient/{id}")).unwrap();
            assert!(text.contains("\"2\"}]"));
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_on_the_way_doubles_nothing() {
    let lost = AtomicU32::new(0);
    let little = LittleServer::with(Ways::default(), move |what, _| {
        let first = what.starts_with("POST") && lost.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Instead {
            is_lost: true,
            ..Instead::default()
        })
    });
    let phone = little.device();
    for id in ["a", "b"] {
        phone.put(&patient(id, "1"));
    }
    assert!(matches!(phone.try_sync().await, Err(SyncError::Net(_))));
    let report = phone.sync().await;
    assert_eq!((report.sent, report.conflicts), (2, 0));
    for id in ["a", "b"] {
        let text = little.text(&format!("Patient/{id}")).unwrap();
        assert!(text.contains("\"versionId\":\"1\""), "{text}");
    }
}
