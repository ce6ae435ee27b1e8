//! What the simulation found (`core/src/sync/simulation`), each as a story of its own: there a number means another world
//! after the next change.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{Actor, EditState, Guard, Person, Role};
use pocketchart_tests::little_server::{Instead, LittleServer, Ways};
use pocketchart_tests::*;
use std::sync::{Arc, Mutex};

fn person(language: &str, phone: &str, born: &str) -> String {
    format!(
        "{{\"resourceType\":\"Patient\",\"id\":\"a\",\"language\":\"{language}\",\
         \"telecom\":[{{\"system\":\"phone\",\"value\":\"{phone}\"}}],\"birthDate\":\"{born}\"}}"
    )
}

/// A record that arrived, of which the answer was lost.
async fn created_unheard() -> (LittleServer, Device) {
    let is_lost = |asked: &str, _: &str| {
        asked.starts_with("PUT").then(|| Instead {
            is_lost: true,
            ..Instead::default()
        })
    };
    let little = LittleServer::with(Ways::default(), is_lost);
    let phone = little.device();
    phone.put(&person("en", "1", "1980"));
    phone.try_sync().await.unwrap_err();
    assert_eq!(little.names(), ["Patient/a"]);
    (little, phone)
}

/// Created, the answer lost, and deleted by others before anybody asked. Made again it would undo what they did, unseen.
#[tokio::test]
async fn what_was_created_and_deleted_there_is_not_made_again() {
    let (little, phone) = created_unheard().await;
    phone.server.delete("Patient/a", None).await.unwrap();
    assert_eq!(phone.sync().await.conflicts, 1);
    assert!(little.names().is_empty());
    assert_eq!(phone.state("Patient/a"), Some(EditState::Conflict));
    assert!(phone.text("Patient/a").unwrap().contains("\"en\""));
}

/// The same, and deleted here too, before it is known or after: nothing is left that a person could decide, or look at.
#[tokio::test]
async fn what_was_created_and_deleted_on_both_sides_is_over() {
    for is_known in [true, false] {
        let (little, phone) = created_unheard().await;
        phone.server.delete("Patient/a", None).await.unwrap();
        if is_known {
            assert_eq!(phone.sync().await.conflicts, 1);
        }
        assert!(phone.guard.delete(&name("Patient/a")).unwrap().is_some());
        phone.sync().await;
        assert_eq!(phone.state("Patient/a"), None);
        assert_eq!(phone.guard.unsent_changes().unwrap(), 0);
        assert!(little.names().is_empty() && phone.text("Patient/a").is_none());
    }
}

/// The first author's turn is merged with version 2, the second author writes on that merge, version 3 comes, and then
/// the first turn is refused: the second must not go over version 3 as if its author had seen it.
#[tokio::test]
async fn what_was_written_on_an_older_merge_does_not_replace_a_newer_version() {
    let hands: Arc<Mutex<Option<(LittleServer, Guard, u32)>>> = Arc::default();
    let held = Arc::clone(&hands);
    let little = LittleServer::with(Ways::default(), move |asked, _| {
        let mut held = held.lock().unwrap();
        let (there, here, puts) = held.as_mut()?;
        if !asked.starts_with("PUT") {
            return None;
        }
        *puts += 1;
        match *puts {
            1 => there.write(&person("en", "1", "1982")),
            2 => {
                let second = Actor::new(Person::new("second"), Role::OWNER);
                let merged = here.get(&name("Patient/a")).unwrap().unwrap().text;
                assert!(merged.contains("poison") && merged.contains("1982"));
                let text = merged.replace("poison", "fr");
                here.acting_as(second).put(&resource(&text)).unwrap();
                there.write(&person("en", "1", "1983"));
            }
            _ => return None,
        }
        Some(Instead {
            status: 412,
            ..Instead::default()
        })
    });
    let phone = little.device();
    phone.put(&person("en", "1", "1981"));
    phone.sync().await;
    *hands.lock().unwrap() = Some((little.clone(), phone.guard.clone(), 0));
    let text = phone.text("Patient/a").unwrap();
    phone.put(&text.replace("\"en\"", "\"poison\""));
    for _ in 0..4 {
        phone.sync().await;
    }
    assert!(hands.lock().unwrap().as_ref().unwrap().2 >= 3);
    assert!(little.text("Patient/a").unwrap().contains("1983"));
    assert_eq!(phone.state("Patient/a"), Some(EditState::Conflict));
    assert!(phone.text("Patient/a").unwrap().contains("\"fr\""));
}
