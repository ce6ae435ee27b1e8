//! Wrong PINs and wrong staff passphrases: counted before they are looked at, and what ends when there were too many.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{AccessError, AuditKind, Guard, Role};
use pocketchart_core::vault::{Secret, VaultError};
use pocketchart_tests::fake_gate::FakeGate;
use pocketchart_tests::hand_clock::HandClock;
use pocketchart_tests::shared_tablet::*;
use pocketchart_tests::*;
use std::sync::Arc;

#[tokio::test]
async fn ten_wrong_pins_end_the_slot_and_the_next_opening_removes_and_audits_it() {
    let home = tempfile::tempdir().unwrap();
    let gate = FakeGate::default();
    let clock = Arc::new(HandClock::default());
    let (guard, code) = make_vault_at(home.path(), clock.clone());
    guard
        .add_person(&nurse(), &Role::NURSE, new_pin(), Some(&gate))
        .await
        .unwrap();
    let slot = guard.slots().unwrap()[2].id;
    guard.lock().unwrap();
    let (wrong, right) = (pin("918273"), pin(PIN));
    let attempt = |secret| open(home.path(), opening(&NURSE, secret, Some(&gate)), &clock);
    for _ in 0..4 {
        assert!(matches!(
            attempt(&wrong).await,
            Err(AccessError::Vault(VaultError::WrongSecret))
        ));
    }
    // The right one clears the row, and what went before is in the trail.
    attempt(&right).await.unwrap().lock().unwrap();
    for n in 1..=10 {
        if n > 5 {
            assert!(
                matches!(
                    attempt(&right).await,
                    Err(AccessError::Vault(VaultError::Wait { .. }))
                ),
                "{n}"
            );
            clock.forward(3600);
        }
        let error = attempt(&wrong).await.unwrap_err();
        if n < 10 {
            assert!(
                matches!(error, AccessError::Vault(VaultError::WrongSecret)),
                "{n}: {error}"
            );
        } else {
            assert!(
                matches!(error, AccessError::Vault(VaultError::SlotEnded { .. })),
                "{error}"
            );
        }
    }
    assert_eq!(
        gate.keys(),
        0,
        "the gate's key is destroyed: that alone ends it"
    );
    clock.forward(1_000_000);
    let error = attempt(&right).await.unwrap_err();
    assert!(
        matches!(error, AccessError::Vault(VaultError::SlotEnded { .. })),
        "{error}"
    );

    let guard = Guard::unlock(home.path(), &Secret::Recovery(code), clock.clone()).unwrap();
    assert!(guard.slots().unwrap().iter().all(|s| s.id != slot));
    let tried: Vec<_> = trail(&guard)
        .into_iter()
        .filter(|entry| entry.kind == AuditKind::FailedTries)
        .map(|entry| (entry.person, entry.count.unwrap(), entry.what))
        .collect();
    let what = format!("slot {slot} of nurse-1");
    assert_eq!(
        tried,
        [
            ("nurse-1".to_owned(), 4, what.clone()),
            ("owner".to_owned(), 10, what)
        ]
    );
    for generation in ["header", "header.prev"] {
        let bytes = std::fs::read(home.path().join("vault").join(generation)).unwrap();
        let found = String::from_utf8_lossy(&bytes).contains(&slot.to_string());
        assert!(!found, "{generation} holds it still");
    }
    assert_eq!(guard.people().unwrap()[1].slots, 0);
    // They can be enrolled anew, with a new key.
    let before = guard.people().unwrap()[1].public_key;
    let after = guard
        .add_person(&nurse(), &Role::NURSE, new_pin(), Some(&gate))
        .await
        .unwrap();
    assert_ne!(before, after);
    guard.lock().unwrap();
    attempt(&right).await.unwrap().lock().unwrap();
}

/// A passphrase is changed by adding the new one and removing the old one. Between the two, each opens, and opening by
/// one is no wrong try at the other.
#[tokio::test]
async fn two_passphrases_of_one_person_are_one_try() {
    let (home, _) = shared_vault().await;
    let clock = Arc::new(HandClock::default());
    let (first, second) = (
        passphrase(NURSE_WORDS),
        passphrase("kettle marble inlet 33"),
    );
    let guard = open(home.path(), opening(&NURSE, &first, None), &clock)
        .await
        .unwrap();
    guard
        .add_slot(words("kettle marble inlet 33"), None)
        .await
        .unwrap();
    guard.lock().unwrap();
    for secret in [&second, &first].into_iter().cycle().take(24) {
        open(home.path(), opening(&NURSE, secret, None), &clock)
            .await
            .unwrap()
            .lock()
            .unwrap();
    }
    let tries = std::fs::read_to_string(home.path().join("vault/tries")).unwrap();
    assert_eq!(tries, "{}");
    // Ten wrong ones end both.
    let wrong = passphrase("ferry thimble orchard 20");
    for _ in 0..10 {
        clock.forward(3600);
        assert!(
            open(home.path(), opening(&NURSE, &wrong, None), &clock)
                .await
                .is_err()
        );
    }
    for secret in [&first, &second] {
        let refused = open(home.path(), opening(&NURSE, secret, None), &clock).await;
        assert!(matches!(
            refused,
            Err(AccessError::Vault(VaultError::SlotEnded { .. }))
        ));
    }
    assert_eq!(unlock(home.path()).slots().unwrap().len(), 2);
}

#[tokio::test]
async fn a_staff_passphrase_is_counted_too_and_ends_without_a_gate() {
    let (home, _) = shared_vault().await;
    let clock = Arc::new(HandClock::default());
    let (wrong, right) = (
        passphrase("ferry thimble orchard 20"),
        passphrase(NURSE_WORDS),
    );
    for _ in 0..10 {
        clock.forward(3600);
        assert!(
            open(home.path(), opening(&NURSE, &wrong, None), &clock)
                .await
                .is_err()
        );
    }
    clock.forward(1_000_000);
    let error = open(home.path(), opening(&NURSE, &right, None), &clock)
        .await
        .unwrap_err();
    assert!(
        matches!(error, AccessError::Vault(VaultError::SlotEnded { .. })),
        "{error}"
    );
    // The owner never waits, and takes it out by opening.
    let guard = unlock(home.path());
    assert_eq!(guard.slots().unwrap().len(), 2);
    assert!(guard.get(&name("Patient/a")).unwrap().is_some());
}

/// A damaged or unreadable count must not keep the owner out, and must not let the nurse guess on.
#[tokio::test]
async fn an_unreadable_count_keeps_only_those_out_who_are_counted() {
    let (home, _) = shared_vault().await;
    let clock = Arc::new(HandClock::default());
    std::fs::create_dir(home.path().join("vault/tries")).unwrap();
    let right = passphrase(NURSE_WORDS);
    let refused = open(home.path(), opening(&NURSE, &right, None), &clock).await;
    assert!(matches!(
        refused,
        Err(AccessError::Vault(VaultError::Io { .. }))
    ));
    unlock(home.path()).lock().unwrap();
}
