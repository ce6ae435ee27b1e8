//! What crosses beside the answers: texts of errors, what a panic prints, what is left behind by a caller that goes away.

use crate::common::*;
use pocketchart::{NewSlot, PocketchartError, UnlockWith};
use pocketchart_core::access::AccessError;
use pocketchart_core::vault::VaultError;
use pocketchart_tests::fake_gate::Behaviour;
use pocketchart_tests::{observation, patient};
use std::collections::BTreeSet;
use std::process::Command;

/// Set for the program of its own in which the gate panics.
const PANICS: &str = "POCKETCHART_TEST_PANICS";
const PAYLOAD: &str = "as it was told to";

#[test]
fn a_panic_prints_its_place_and_comes_out_as_a_fault() {
    if std::env::var_os(PANICS).is_some() {
        return;
    }
    let own = std::env::current_exe().unwrap();
    let child = Command::new(own)
        .args([
            "--exact",
            "boundary::panics_in_a_program_of_its_own",
            "--nocapture",
        ])
        .env(PANICS, "1")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr),
    );
    assert!(child.status.success(), "{out}{err}");
    assert!(
        err.contains("pocketchart: internal error at tests/src/fake_gate.rs:"),
        "{err}"
    );
    for text in [out, err] {
        assert!(
            !text.contains(PAYLOAD) && !text.contains("panicked at"),
            "{text}"
        );
    }
}

/// The other half of the test above.
#[test]
fn panics_in_a_program_of_its_own() {
    if std::env::var_os(PANICS).is_none() {
        return;
    }
    let place = Place::new();
    let (session, _) = place.created();
    let slot = NewSlot::Gate {
        name: String::new(),
    };
    wait(session.add_slot(slot)).unwrap();
    wait(session.lock()).unwrap();
    place.behave(Behaviour::Panics);
    let error = place.unlock(by_gate()).err().unwrap();
    assert_eq!(error.to_string(), "internal: a fault of this library");
    // It goes on as if nothing had been.
    assert!(place.unlock(passphrase(PASSPHRASE)).is_ok());
}

/// Inner errors that hold paths, people and records come out without any.
#[test]
fn errors_hold_a_code_and_nothing_of_anyone() {
    let home = std::path::PathBuf::from("/data/user/0/kim.kowalski");
    let inner: Vec<AccessError> = vec![
        VaultError::Missing { home: home.clone() }.into(),
        VaultError::Exists { home: home.clone() }.into(),
        VaultError::HeaderMissing { home }.into(),
        VaultError::InUse {
            process: "kim.kowalski".into(),
        }
        .into(),
        VaultError::PersonExists {
            person: "kim.kowalski".into(),
        }
        .into(),
        VaultError::Io {
            doing: "reading",
            file: "kim.kowalski".into(),
            source: std::io::Error::other("kim.kowalski"),
        }
        .into(),
        pocketchart_core::access::StoreError::Ambiguous {
            name: "Patient/kim.kowalski".into(),
        }
        .into(),
        pocketchart_core::access::StoreError::CopyDiffers {
            what: "kim.kowalski".into(),
        }
        .into(),
        pocketchart_core::access::NotResolved::Changed(pocketchart_tests::name(
            "Patient/kim.kowalski",
        ))
        .into(),
    ];
    for error in inner {
        assert!(
            format!("{error} {error:?}").contains("kim.kowalski"),
            "the test sees nothing"
        );
        let error = PocketchartError::from(error);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("kim"), "{text}");
        assert!(text.starts_with(&format!("{}: ", error.code())), "{text}");
    }
}

/// A text of a person in what was typed stays out of every error that it causes.
#[test]
fn what_was_typed_is_not_repeated() {
    let place = Place::new();
    let (session, _) = place.created();
    let typed = "Kowalski-1234";
    let errors = [
        wait(session.get(format!("Patient/{typed} x"))).err(),
        wait(session.get(format!("Patient/{typed}"))).err(),
        wait(session.put(format!("{{\"resourceType\":\"Patient\",\"{typed}\":"))).err(),
        wait(session.search(format!("Patient?birthdate={typed}"), None)).err(),
        wait(session.search(format!("{typed}?a=b"), None)).err(),
        wait(session.search(format!("Patient?{typed}=b"), None)).err(),
        wait(session.search("Patient".into(), Some(typed.into()))).err(),
        session.observe(vec![typed.into()]).err(),
        wait(session.join_hub(format!("pocketchart://{typed}"))).err(),
        wait(session.add_server(typed.into(), None, None, None)).err(),
        wait(session.who_saw(format!("{typed} x"), None)).err(),
        wait(session.call_off(typed.into())).err(),
        place.unlock(passphrase(typed)).err(),
        wait(session.switch_person(passphrase(typed))).err(),
    ];
    for (at, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {at} did not fail"));
        assert!(!error.to_string().contains("owalski"), "{error}");
    }
}

#[test]
fn texts_of_what_crosses_hold_nothing_of_it() {
    let with = UnlockWith::Passphrase {
        person: Some("kim".into()),
        text: PASSPHRASE.into(),
    };
    let slot = NewSlot::Pin {
        name: "kim".into(),
        digits: PIN.into(),
    };
    let place = Place::new();
    let (session, _) = place.created();
    wait(session.put(patient("kim", "1"))).unwrap();
    let record = wait(session.get("Patient/kim".into())).unwrap();
    let page = wait(session.search("Patient".into(), None)).unwrap();
    let texts = [
        format!("{with} {with:?}"),
        format!("{slot} {slot:?}"),
        format!("{record} {record:?}"),
        format!("{page} {page:?}"),
        format!("{} {:?}", page.items[0], page.items[0]),
    ];
    for text in &texts {
        for part in ["kim", PIN, "plum", "Patient"] {
            assert!(!text.contains(part), "{text}");
        }
    }
    assert_eq!(texts[2], "RecordText(..) RecordText(..)");
}

/// Codes are for programs: each is another one, and none changes its form.
#[test]
fn codes_are_stable() {
    use PocketchartError as E;
    let some = [
        E::Locked,
        E::Closed,
        E::NoVault,
        E::WrongSecret,
        E::Wait(7),
        E::GateCancelled,
        E::BadInput("x"),
        E::NotAllowed,
        E::NotFound,
        E::Offline,
        E::Cancelled,
        E::Tampered,
        E::UnsentChanges(3),
        E::Internal,
    ];
    let codes: Vec<&str> = some.iter().map(E::code).collect();
    assert_eq!(
        codes,
        [
            "locked",
            "closed",
            "no_vault",
            "wrong_secret",
            "wait",
            "gate_cancelled",
            "bad_input",
            "not_allowed",
            "not_found",
            "offline",
            "cancelled",
            "tampered",
            "unsent_changes",
            "internal"
        ]
    );
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), some.len());
    assert_eq!(
        E::BadInput("no FHIR R4 type").to_string(),
        "bad_input: no FHIR R4 type"
    );
}

/// Whatever a caller was waiting at when it went away: what was asked for happens once, whole, or not at all.
#[test]
fn a_caller_that_goes_away_tears_nothing() {
    let place = Place::new();
    let (session, _) = place.created();
    for polls in 1..=4 {
        let id = format!("a{polls}");
        let put = session.put(patient(&id, "1"));
        let _ = drop_after(put, polls);
        until("the put is there", || {
            wait(session.get(format!("Patient/{id}"))).is_ok()
        });
        let _ = drop_after(session.delete(format!("Patient/{id}")), polls);
        until("the delete is through", || {
            wait(session.get(format!("Patient/{id}"))).is_err()
        });
    }
    for polls in 1..=3 {
        let slots = session.slots().unwrap().len();
        let slot = NewSlot::Gate {
            name: format!("finger {polls}"),
        };
        let _ = drop_after(session.add_slot(slot), polls);
        until("the slot is there", || {
            session.slots().unwrap().len() == slots + 1
        });
        assert_eq!(place.gate.keys(), polls);
    }
    for polls in 1..=3 {
        let slots = session.slots().unwrap();
        let gate = slots.iter().find(|slot| slot.needs_gate).unwrap();
        let _ = drop_after(session.remove_slot(gate.id.clone(), vec![], false), polls);
        until("the slot is gone", || {
            session.slots().unwrap().len() == slots.len() - 1
        });
    }
    assert_eq!(place.gate.keys(), 0);
    // A lock that nobody waits for locks; an unlock that nobody takes leaves nothing open.
    let _ = drop_after(session.lock(), 1);
    until("it is locked", || session.person().is_err());
    for polls in 1..=3 {
        let vault = place.vault();
        drop(drop_after(vault.unlock(passphrase(PASSPHRASE)), polls));
        until("it can be opened", || {
            place.unlock(passphrase(PASSPHRASE)).is_ok()
        });
    }
    let other = Place::new();
    for polls in 1..=3 {
        drop(drop_after(other.vault().create(PASSPHRASE.into()), polls));
        until("a draft is gone", || {
            let new = wait(other.vault().create(PASSPHRASE.into()));
            new.is_ok_and(|new| new.abandon().is_ok())
        });
        assert!(!other.vault().exists().unwrap());
    }
}

/// The same calls, again and again: nothing stays behind.
#[cfg(feature = "diagnostics")]
#[test]
fn nothing_stays_behind_of_many_calls() {
    let own = std::env::current_exe().unwrap();
    if std::env::var_os(PANICS).is_none() {
        // In a program of its own: others allocate beside it.
        let child = Command::new(own)
            .args([
                "--exact",
                "boundary::nothing_stays_behind_of_many_calls",
                "--nocapture",
            ])
            .env(PANICS, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&child.stderr)
        );
        return;
    }
    let place = Place::new();
    let (session, _) = place.created();
    for n in 0..50 {
        wait(session.put(observation(&format!("o{n}"), "p", "1"))).unwrap();
    }
    let round = |times: usize| {
        for _ in 0..times {
            wait(session.get("Observation/o1".into())).unwrap();
            assert!(wait(session.get("Observation/none".into())).is_err());
            assert_eq!(
                wait(session.search("Observation?_count=50".into(), None))
                    .unwrap()
                    .items
                    .len(),
                50
            );
            let ticks = session.observe(vec!["Patient".into()]).unwrap();
            wait(ticks.next()).unwrap();
            let _ = drop_after(ticks.next(), 1);
            token().cancel().unwrap();
            session.lock_state().unwrap();
            session.person().unwrap();
            session.slots().unwrap();
        }
    };
    round(300);
    let (bytes, objects) = (
        pocketchart::bytes_in_use().unwrap(),
        pocketchart::live_objects().unwrap(),
    );
    assert!(bytes > 0 && objects >= 1);
    round(1000);
    let grown = pocketchart::bytes_in_use().unwrap() - bytes;
    println!("{grown} bytes more in use after 1,000 rounds");
    // Buffers of the database and of the runtime's queues breathe; a forgotten record of each call would be 250 kB.
    assert!(grown < 100_000, "{grown} bytes");
    assert_eq!(pocketchart::live_objects().unwrap(), objects);
    drop(session);
    // The vaults of `Place` are gone with their statements.
    until("no object is left", || {
        pocketchart::live_objects().unwrap() == 0
    });
}
