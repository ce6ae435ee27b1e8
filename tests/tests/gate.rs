//! A gate opens a slot with bytes or not at all: one that lies, hangs or panics opens nothing and changes nothing.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{AccessError, AuditKind, Guard, Opening, Person, Role};
use pocketchart_core::clock::SystemClock;
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::LOWEST_COST;
use pocketchart_core::vault::{
    Gate, GateError, NewSecret, NewSlot, Secret, SlotKind, VaultError, WeakPin, With,
    slots_before_unlock,
};
use pocketchart_tests::fake_gate::{Behaviour, FakeGate};
use pocketchart_tests::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PIN: &str = "739148";

fn slot(secret: NewSecret) -> NewSlot {
    NewSlot {
        label: String::new(),
        secret,
    }
}

fn new_pin(text: &str) -> NewSlot {
    slot(NewSecret::Pin {
        pin: SecretText::new(text.into()),
        cost: LOWEST_COST,
    })
}

fn new_passphrase(text: &str, evaluate: bool) -> NewSlot {
    slot(NewSecret::Passphrase {
        text: SecretText::new(text.into()),
        cost: LOWEST_COST,
        evaluate,
    })
}

async fn by_gate(home: &Path, gate: &FakeGate) -> Result<Guard, AccessError> {
    let clock = Arc::new(SystemClock);
    Guard::unlock_by_gate(home, &Person::owner(), gate, "open your records", clock).await
}

async fn by_secret(
    home: &Path,
    secret: Secret,
    gate: Option<&FakeGate>,
) -> Result<Guard, AccessError> {
    let opening = Opening {
        person: &Person::owner(),
        with: With::Secret(&secret),
        gate: gate.map(|gate| gate as &dyn Gate),
    };
    Guard::unlock_with(home, &opening, Arc::new(SystemClock)).await
}

fn pin(text: &str) -> Secret {
    Secret::Pin(SecretText::new(text.into()))
}

/// Both generations of the header.
fn headers(home: &Path) -> [Vec<u8>; 2] {
    let read = |name: &str| std::fs::read(home.join("vault").join(name)).unwrap_or_default();
    [read("header"), read("header.prev")]
}

/// A vault with a record, a gate slot and a PIN slot.
async fn gated() -> (tempfile::TempDir, FakeGate) {
    let home = tempfile::tempdir().unwrap();
    let gate = FakeGate::default();
    let (guard, _) = make_vault(home.path());
    guard.put(&resource(&patient("a", "1"))).unwrap();
    guard
        .add_slot(slot(NewSecret::Gate), Some(&gate))
        .await
        .unwrap();
    guard.add_slot(new_pin(PIN), Some(&gate)).await.unwrap();
    guard.lock().unwrap();
    // The first opening after a change settles both generations; from here on nothing is written.
    unlock(home.path()).lock().unwrap();
    (home, gate)
}

fn assert_whole(guard: Guard) {
    assert!(guard.get(&name("Patient/a")).unwrap().is_some());
    guard.lock().unwrap();
}

#[tokio::test]
async fn each_slot_opens_the_same_vault() {
    let (home, gate) = gated().await;
    let home = home.path();
    assert_whole(by_gate(home, &gate).await.unwrap());
    assert_whole(by_secret(home, pin(PIN), Some(&gate)).await.unwrap());
    assert_whole(by_secret(home, passphrase(PASSPHRASE), None).await.unwrap());
    let guard = unlock(home);
    let kinds: Vec<_> = guard
        .slots()
        .unwrap()
        .iter()
        .map(|s| (s.kind, s.needs_gate, s.signs))
        .collect();
    assert_eq!(
        kinds,
        [
            (SlotKind::Passphrase, false, true),
            (SlotKind::Recovery, false, true),
            (SlotKind::Gate, true, true),
            (SlotKind::Pin, true, true)
        ]
    );
    let key = guard.public_key().unwrap().unwrap();
    guard.lock().unwrap();
    let guard = by_gate(home, &gate).await.unwrap();
    assert_eq!(
        guard.public_key().unwrap(),
        Some(key),
        "one person, one key"
    );
}

#[tokio::test]
async fn a_lying_gate_opens_nothing_and_changes_nothing() {
    let (home, gate) = gated().await;
    let home = home.path();
    let before = headers(home);
    let wrong = |error: &AccessError| matches!(error, AccessError::Vault(VaultError::WrongSecret));
    for (behaviour, released, evaluated) in [
        (Behaviour::SaysYes, None, Some(GateError::TryAgain)),
        (Behaviour::WrongBytes, None, None),
        (Behaviour::OneByteLess, None, Some(GateError::TryAgain)),
        (Behaviour::OneByteMore, None, Some(GateError::TryAgain)),
        (Behaviour::Erratic, None, None),
        (Behaviour::SealsNothing, None, None),
        (
            Behaviour::Fails(GateError::Refused),
            Some(GateError::Refused),
            Some(GateError::Refused),
        ),
        (
            Behaviour::Fails(GateError::Lost),
            Some(GateError::Lost),
            Some(GateError::Lost),
        ),
        (
            Behaviour::Fails(GateError::Unavailable),
            Some(GateError::Unavailable),
            Some(GateError::Unavailable),
        ),
    ] {
        gate.behave(behaviour);
        let expect = |error: AccessError, gate_error: Option<GateError>| match gate_error {
            None => assert!(wrong(&error), "{behaviour:?}: {error}"),
            Some(expected) => assert!(
                matches!(error, AccessError::Vault(VaultError::Gate(got)) if got == expected),
                "{behaviour:?}: {error}"
            ),
        };
        expect(by_gate(home, &gate).await.unwrap_err(), released);
        assert!(headers(home) == before, "{behaviour:?}");
        expect(
            by_secret(home, pin(PIN), Some(&gate)).await.unwrap_err(),
            evaluated,
        );
        gate.behave(Behaviour::Works);
        assert_whole(by_secret(home, pin(PIN), Some(&gate)).await.unwrap());
        assert_whole(by_gate(home, &gate).await.unwrap());
        assert!(headers(home) == before, "{behaviour:?}: as it was");
    }
}

#[tokio::test]
async fn a_hanging_gate_can_be_left_and_holds_nobody_up() {
    let (home, gate) = gated().await;
    let home = home.path();
    let before = headers(home);
    gate.behave(Behaviour::Hangs);
    let mut hanging = Box::pin(by_gate(home, &gate));
    let left = tokio::time::timeout(Duration::from_millis(20), &mut hanging).await;
    assert!(left.is_err(), "it hangs");
    // It still does, and nothing is locked: not the vault for another process, not the open one for its person.
    assert_whole(unlock(home));
    drop(hanging);
    assert!(headers(home) == before);
    let guard = unlock(home);
    let adding = guard.add_slot(
        new_passphrase("another lamp on the quay 7", true),
        Some(&gate),
    );
    assert!(
        tokio::time::timeout(Duration::from_millis(20), adding)
            .await
            .is_err()
    );
    assert!(guard.get(&name("Patient/a")).unwrap().is_some());
    assert_eq!(guard.slots().unwrap().len(), 4);
    guard.lock().unwrap();
    gate.behave(Behaviour::Works);
    assert_whole(by_gate(home, &gate).await.unwrap());
}

#[tokio::test]
async fn a_gate_that_panics_breaks_nothing() {
    let (home, gate) = gated().await;
    let path = home.path().to_owned();
    let before = headers(&path);
    gate.behave(Behaviour::Panics);
    let gate = Arc::new(gate);
    let task = {
        let (gate, path) = (gate.clone(), path.clone());
        tokio::spawn(async move { by_gate(&path, &gate).await.map(drop) })
    };
    assert!(task.await.unwrap_err().is_panic());
    assert!(headers(&path) == before);
    let guard = unlock(&path);
    let task = {
        let (gate, guard) = (gate.clone(), guard.clone());
        tokio::spawn(async move {
            guard
                .add_slot(slot(NewSecret::Gate), Some(&*gate))
                .await
                .map(drop)
        })
    };
    assert!(task.await.unwrap_err().is_panic());
    assert_whole(guard);
    gate.behave(Behaviour::Works);
    assert_whole(by_gate(&path, &gate).await.unwrap());
}

#[tokio::test]
async fn a_lost_key_ends_that_slot_only_and_says_so() {
    let (home, gate) = gated().await;
    let home = home.path();
    gate.lose_keys();
    let error = by_gate(home, &gate).await.unwrap_err();
    assert!(
        error.to_string().contains("gone from this device for good"),
        "{error}"
    );
    let error = by_secret(home, pin(PIN), Some(&gate)).await.unwrap_err();
    assert!(
        matches!(error, AccessError::Vault(VaultError::Gate(GateError::Lost))),
        "{error}"
    );
    let guard = unlock(home);
    assert_eq!(
        guard.slots().unwrap().len(),
        4,
        "nothing is removed by itself"
    );
    // A second gate slot beside the dead one opens.
    guard
        .add_slot(slot(NewSecret::Gate), Some(&gate))
        .await
        .unwrap();
    guard.lock().unwrap();
    assert_whole(by_gate(home, &gate).await.unwrap());
}

#[tokio::test]
async fn no_slot_is_made_with_a_lying_gate() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let gate = FakeGate::default();
    let before = headers(home.path());
    for behaviour in [
        Behaviour::Fails(GateError::Cancelled),
        Behaviour::SaysYes,
        Behaviour::OneByteLess,
        Behaviour::OneByteMore,
        Behaviour::Erratic,
        Behaviour::SealsNothing,
    ] {
        gate.behave(behaviour);
        let made = guard.add_slot(new_pin(PIN), Some(&gate)).await;
        let error = made.unwrap_err();
        assert!(
            matches!(error, AccessError::Vault(VaultError::Gate(_))),
            "{behaviour:?}: {error}"
        );
        assert_eq!(gate.keys(), 0, "{behaviour:?}: no key is left behind");
    }
    // What it hands out as sealed must not be the secret itself.
    gate.behave(Behaviour::SealsNothing);
    assert!(
        guard
            .add_slot(slot(NewSecret::Gate), Some(&gate))
            .await
            .is_err()
    );
    assert_eq!(gate.keys(), 0);
    assert!(headers(home.path()) == before);
}

#[tokio::test]
async fn a_gate_slot_is_never_the_only_one() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let gate = FakeGate::default();
    let nurse = Person::new("nurse-1");
    let added = guard
        .add_person(&nurse, &Role::NURSE, slot(NewSecret::Gate), Some(&gate))
        .await;
    assert!(matches!(
        added,
        Err(AccessError::Vault(VaultError::SecondSlotFirst))
    ));
    assert_eq!(
        (gate.keys(), gate.asked()),
        (0, 0),
        "the gate was not asked"
    );
    assert_eq!(guard.people().unwrap().len(), 1);
}

#[tokio::test]
async fn a_pin_needs_a_gate_and_some_thought() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let gate = FakeGate::default();
    let refused = guard.add_slot(new_pin(PIN), None).await.unwrap_err();
    assert!(matches!(
        refused,
        AccessError::Vault(VaultError::NeedsGate {
            kind: SlotKind::Pin
        })
    ));
    assert!(refused.to_string().contains("key store"), "{refused}");
    for trivial in ["123456", "121212", "000000", "12345"] {
        let refused = guard.add_slot(new_pin(trivial), Some(&gate)).await;
        assert!(matches!(
            refused,
            Err(AccessError::Vault(VaultError::WeakPin(
                WeakPin::Trivial | WeakPin::NotDigits
            )))
        ));
    }
    guard.add_slot(new_pin(PIN), Some(&gate)).await.unwrap();
    // Two would double the tries.
    let second = guard.add_slot(new_pin("918273"), Some(&gate)).await;
    assert!(matches!(
        second,
        Err(AccessError::Vault(VaultError::HasSlot { .. }))
    ));
    guard.lock().unwrap();
    // The right PIN opens nothing without the gate, or with another one's key.
    let none = by_secret(home.path(), pin(PIN), None).await.unwrap_err();
    assert!(matches!(
        none,
        AccessError::Vault(VaultError::NeedsGate { .. })
    ));
    let other = by_secret(home.path(), pin(PIN), Some(&FakeGate::default())).await;
    assert!(matches!(
        other,
        Err(AccessError::Vault(VaultError::Gate(GateError::Lost)))
    ));
    assert!(by_secret(home.path(), pin(PIN), Some(&gate)).await.is_ok());
}

#[tokio::test]
async fn a_passphrase_bound_to_the_device_opens_with_its_gate_only() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let gate = FakeGate::default();
    let words = "another lamp on the quay 7";
    guard
        .add_slot(new_passphrase(words, true), Some(&gate))
        .await
        .unwrap();
    guard.lock().unwrap();
    let secret = || passphrase(words);
    assert!(by_secret(home.path(), secret(), Some(&gate)).await.is_ok());
    let without = by_secret(home.path(), secret(), None).await.unwrap_err();
    assert!(
        matches!(without, AccessError::Vault(VaultError::NeedsGate { .. })),
        "{without}"
    );
    let without = Guard::unlock(home.path(), &secret(), Arc::new(SystemClock)).unwrap_err();
    assert!(
        matches!(without, AccessError::Vault(VaultError::NeedsGate { .. })),
        "{without}"
    );
    // The owner's passphrase is not counted, however often it is wrong.
    for _ in 0..12 {
        let wrong = by_secret(
            home.path(),
            passphrase("plum orbit lantern 43"),
            Some(&gate),
        )
        .await;
        assert!(matches!(
            wrong,
            Err(AccessError::Vault(VaultError::WrongSecret))
        ));
    }
    assert!(!home.path().join("vault/tries").exists());
}

/// Kills at any moment between counting and answering cost a try, and give none.
#[tokio::test]
async fn a_try_is_counted_before_it_is_made() {
    let (home, gate) = gated().await;
    let home = home.path();
    gate.behave(Behaviour::Hangs);
    for _ in 0..5 {
        let trying = by_secret(home, pin(PIN), Some(&gate));
        assert!(
            tokio::time::timeout(Duration::from_millis(300), trying)
                .await
                .is_err()
        );
    }
    gate.behave(Behaviour::Works);
    let error = by_secret(home, pin(PIN), Some(&gate)).await.unwrap_err();
    assert!(
        matches!(error, AccessError::Vault(VaultError::Wait { .. })),
        "{error}"
    );
    // Another slot opens, and the trail hears of all five.
    let guard = unlock(home);
    let tried: Vec<_> = trail(&guard)
        .into_iter()
        .filter(|entry| entry.kind == AuditKind::FailedTries)
        .collect();
    assert_eq!(tried.iter().map(|e| e.count.unwrap()).sum::<u64>(), 5);
    let id = guard.slots().unwrap()[3].id.to_string();
    assert!(tried[0].what.contains(&id), "{}", tried[0].what);
    guard.lock().unwrap();
    let again = trail(&unlock(home));
    assert_eq!(
        again
            .iter()
            .filter(|e| e.kind == AuditKind::FailedTries)
            .count(),
        1,
        "told once"
    );
}

#[tokio::test]
async fn lock_screens_see_labels_before_anything_is_opened() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(slots_before_unlock(home.path()).unwrap(), None);
    let (guard, _) = make_vault(home.path());
    let mut new = new_passphrase("another lamp on the quay 7", false);
    new.label = "Ward 3, Nurse Ruiz".into();
    guard
        .add_person(&Person::new("ruiz"), &Role::NURSE, new, None)
        .await
        .unwrap();
    let mut shouting = new_passphrase("another lamp on the quay 7", false);
    shouting.label = "\u{1b}[2J".into();
    let refused = guard
        .add_person(&Person::new("x"), &Role::NURSE, shouting, None)
        .await;
    assert!(matches!(
        refused,
        Err(AccessError::Vault(VaultError::BadName {
            what: "label",
            ..
        }))
    ));
    guard.lock().unwrap();
    let slots = slots_before_unlock(home.path()).unwrap().unwrap();
    assert_eq!(
        (slots[2].person.as_str(), slots[2].label.as_str()),
        ("ruiz", "Ward 3, Nurse Ruiz")
    );
}
