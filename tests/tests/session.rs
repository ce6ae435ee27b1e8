//! A session locks itself on a clock that runs through sleep, and a lock is a lock.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{AccessError, Actor, AuditKind, Guard, Opening, Person, Role};
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::LOWEST_COST;
use pocketchart_core::session::{IdleTimes, Session};
use pocketchart_core::vault::{NewSecret, NewSlot, VaultError, With};
use pocketchart_tests::hand_clock::HandClock;
use pocketchart_tests::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const IDLE: IdleTimes = IdleTimes::USUAL;
const NURSE_WORDS: &str = "ferry thimble orchard 19";

fn try_unlock(home: &Path) -> Result<Guard, AccessError> {
    let clock = Arc::new(HandClock::default());
    Guard::unlock(home, &passphrase(PASSPHRASE), clock)
}

#[test]
fn it_locks_after_the_idle_time_and_not_before() {
    let home = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let (guard, _) = make_vault_at(home.path(), clock.clone());
    let session = Session::start(guard, IDLE, clock.clone());
    for _ in 0..3 {
        clock.forward(299);
        session
            .guard()
            .unwrap()
            .put(&resource(&patient("a", "1")))
            .unwrap();
    }
    assert!(matches!(
        try_unlock(home.path()),
        Err(AccessError::Vault(VaultError::InUse { .. }))
    ));
    // The device sleeps: no timer fires, the wall clock may stand; the first call finds the time gone.
    clock.forward(300);
    assert!(session.guard().is_err());
    assert!(session.guard().is_err(), "and it stays locked");
    clock.forward(1);
    assert!(session.guard().is_err());
    // The vault is free again, and the lock is in the trail.
    let guard = try_unlock(home.path()).unwrap();
    let kinds: Vec<AuditKind> = trail(&guard).into_iter().map(|entry| entry.kind).collect();
    assert_eq!(
        kinds[kinds.len() - 2..],
        [AuditKind::Lock, AuditKind::Unlock]
    );
}

/// Staff share devices, and go away from them: their time is shorter.
#[test]
fn the_idle_time_goes_by_who_has_it_and_whether_it_is_in_front() {
    let clock = Arc::new(HandClock::default());
    let starts = |role: Role| {
        let home = tempfile::tempdir().unwrap();
        let (guard, _) = make_vault_at(home.path(), clock.clone());
        let guard = guard.acting_as(Actor::new(Person::new("p"), role));
        (Session::start(guard, IDLE, clock.clone()), home)
    };
    for (role, seconds) in [
        (Role::OWNER, 300),
        (Role::PATIENT, 300),
        (Role::NURSE, 120),
        (Role::PHYSICIAN, 120),
        (Role::named("no such role"), 120),
    ] {
        let (session, _home) = starts(role.clone());
        clock.forward(seconds - 1);
        assert!(session.guard().is_ok(), "{role}");
        clock.forward(seconds);
        assert!(session.guard().is_err(), "{role}");
    }
    // In the background 30 seconds are left, and calls put nothing off.
    let (session, _home) = starts(Role::OWNER);
    session.background().unwrap();
    clock.forward(29);
    session.guard().unwrap();
    clock.forward(1);
    assert!(session.guard().is_err());
    assert!(session.foreground().is_err(), "too late");
    // Back in time: the whole again.
    let (session, _home) = starts(Role::OWNER);
    session.background().unwrap();
    clock.forward(29);
    session.foreground().unwrap();
    clock.forward(299);
    assert!(session.guard().is_ok());
    // Going to the background never lengthens what was left.
    clock.forward(290);
    session.background().unwrap();
    clock.forward(10);
    assert!(session.guard().is_err());
    let second = Duration::from_secs(1);
    let shorter = IdleTimes {
        staff: second,
        ..IdleTimes::USUAL
    };
    assert_eq!(IDLE.shortened_to(shorter).staff, second);
    assert_eq!(shorter.shortened_to(IDLE), shorter);
}

#[tokio::test]
async fn a_session_changes_hands_and_times() {
    let home = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let (guard, _) = make_vault_at(home.path(), clock.clone());
    let nurse = Person::new("nurse-1");
    let slot = NewSlot {
        label: String::new(),
        secret: NewSecret::Passphrase {
            text: SecretText::new(NURSE_WORDS.into()),
            cost: LOWEST_COST,
            evaluate: false,
        },
    };
    guard
        .add_person(&nurse, &Role::NURSE, slot, None)
        .await
        .unwrap();
    let session = Session::start(guard, IDLE, clock.clone());
    let before = session.guard().unwrap();
    let (wrong, right) = (passphrase(PASSPHRASE), passphrase(NURSE_WORDS));
    let opening = |secret| Opening {
        person: &nurse,
        with: With::Secret(secret),
        gate: None,
    };
    assert!(session.switch(&opening(&wrong)).await.is_err());
    assert_eq!(*session.guard().unwrap().person(), Person::owner());
    session.switch(&opening(&right)).await.unwrap();
    assert_eq!(*session.guard().unwrap().person(), nurse);
    assert!(matches!(before.status(), Err(AccessError::Locked)));
    clock.forward(119);
    assert!(session.guard().is_ok());
    clock.forward(120);
    assert!(session.guard().is_err());
    // Locked is locked: nobody changes hands with a closed vault.
    assert!(matches!(
        session.switch(&opening(&right)).await,
        Err(AccessError::Locked)
    ));
    try_unlock(home.path()).unwrap();
}

#[test]
fn locking_by_hand_is_at_once_and_twice_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let (guard, _) = make_vault_at(home.path(), clock.clone());
    let session = Session::start(guard, IDLE, clock);
    session.lock().unwrap();
    session.lock().unwrap();
    assert!(session.guard().is_err());
    try_unlock(home.path()).unwrap();
}

/// A sync or a hub may hold a clone for hours: a lock closes the vault for it too.
#[test]
fn a_lock_holds_for_every_clone() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let held = guard.clone();
    let session = Session::start(guard, IDLE, Arc::new(HandClock::default()));
    held.put(&resource(&patient("a", "1"))).unwrap();
    session.lock().unwrap();
    assert!(matches!(
        held.get(&name("Patient/a")),
        Err(AccessError::Locked)
    ));
    assert!(matches!(
        held.put(&resource(&patient("a", "2"))),
        Err(AccessError::Locked)
    ));
    assert!(matches!(held.status(), Err(AccessError::Locked)));
    // Files closed, lock file free, and locking again is no error.
    assert!(!home.path().join("vault/store-1.db-wal").exists());
    try_unlock(home.path()).unwrap();
    held.lock().unwrap();
}

/// Readers and writers at work while it locks: none of them gets through afterwards, and nothing is half-written.
#[test]
fn a_lock_comes_between_running_calls() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let guard = guard.clone();
            std::thread::spawn(move || {
                let mut done = 0;
                loop {
                    let text = patient(&format!("w{worker}-{done}"), "1");
                    match guard.put(&resource(&text)) {
                        Ok(_) => done += 1,
                        Err(AccessError::Locked | AccessError::StoredUnnoted(_)) => return done,
                        Err(error) => panic!("{error}"),
                    }
                    let _ = guard.status();
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    guard.lock().unwrap();
    let done: u64 = workers
        .into_iter()
        .map(|worker| worker.join().unwrap())
        .sum();
    let guard = try_unlock(home.path()).unwrap();
    let stored: u64 = guard.status().unwrap().counts.iter().map(|(_, n)| n).sum();
    // A write that the lock came between was stored or not; one that was acknowledged was.
    assert!(
        stored >= done && stored <= done + 4,
        "{stored} stored, {done} acknowledged"
    );
    assert!(done > 0);
    assert!(guard.check().unwrap().problems.is_empty());
}
