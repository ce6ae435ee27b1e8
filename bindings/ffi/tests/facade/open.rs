//! What opens a vault through the facade, what does not, and what a locked one still does: nothing.

use crate::common::*;
use pocketchart::{LockState, NewSlot, PassphraseJudgement, SlotKind, UnlockWith, Vault};
use pocketchart_tests::fake_gate::Behaviour;
use std::time::Duration;

fn pin_slot() -> NewSlot {
    NewSlot::Pin {
        name: "PIN".into(),
        digits: PIN.into(),
    }
}

fn gate_slot() -> NewSlot {
    NewSlot::Gate {
        name: "Finger".into(),
    }
}

fn words(text: &str) -> NewSlot {
    NewSlot::Passphrase {
        name: "Words".into(),
        text: text.into(),
        on_this_device_only: false,
    }
}

#[test]
fn there_is_a_vault_once_its_code_was_typed_back() {
    let place = Place::new();
    let vault = place.vault();
    assert!(!vault.exists().unwrap());
    assert_eq!(code(wait(vault.unlock(passphrase(PASSPHRASE)))), "no_vault");
    assert_eq!(code(wait(vault.create("12345678".into()))), "weak_secret");

    let new = wait(vault.create(PASSPHRASE.into())).unwrap();
    let shown = new.recovery_code().unwrap();
    assert_eq!(shown.len(), 34);
    assert!(!vault.exists().unwrap(), "nobody has written the code down");
    assert_eq!(code(wait(new.confirm("something".into()))), "wrong_secret");
    let sloppy = shown.to_lowercase().replace('-', " ");
    let session = wait(new.confirm(sloppy)).unwrap();
    assert!(vault.exists().unwrap());
    assert_eq!(code(new.recovery_code()), "closed");
    assert_eq!(code(wait(new.confirm(shown.clone()))), "closed");
    assert_eq!(code(wait(vault.create(PASSPHRASE.into()))), "in_use");

    let person = session.person().unwrap();
    assert!(person.is_owner && person.role == "owner" && person.id == "owner");
    assert!(wait(session.verify_recovery_code(shown.clone())).unwrap());
    assert!(!wait(session.verify_recovery_code("0000".into())).unwrap());
    wait(session.lock()).unwrap();
    assert_eq!(code(wait(vault.create(PASSPHRASE.into()))), "vault_exists");

    let opened = place
        .unlock(UnlockWith::RecoveryCode { text: shown })
        .unwrap();
    assert!(opened.opened_by_recovery_code().unwrap());
}

#[test]
fn an_abandoned_vault_is_none() {
    let place = Place::new();
    let new = wait(place.vault().create(PASSPHRASE.into())).unwrap();
    new.abandon().unwrap();
    assert_eq!(code(new.recovery_code()), "closed");
    assert!(!place.vault().exists().unwrap());
    // Closing the object does the same, and leaves the place free.
    drop(wait(place.vault().create(PASSPHRASE.into())).unwrap());
    assert!(!place.vault().exists().unwrap());
    place.created();
}

#[test]
fn the_wrong_secret_opens_nothing() {
    let place = Place::new();
    drop(place.created());
    assert_eq!(
        code(place.unlock(passphrase("plum orbit lantern 43"))),
        "wrong_secret"
    );
    for text in ["", "0000-0000-0000-0000-0000-0000-0000", "no code"] {
        let with = UnlockWith::RecoveryCode { text: text.into() };
        assert_eq!(code(place.unlock(with)), "wrong_secret");
    }
    let pin = UnlockWith::Pin {
        person: None,
        digits: PIN.into(),
    };
    assert_eq!(code(place.unlock(pin)), "no_such_slot");
    assert_eq!(code(place.unlock(by_gate())), "no_such_slot");
    let other = UnlockWith::Gate {
        slot: Some("nothing".into()),
        reason: String::new(),
    };
    assert_eq!(code(place.unlock(other)), "no_such_slot");
    assert!(place.unlock(passphrase(PASSPHRASE)).is_ok());
}

#[test]
fn a_finger_opens_and_a_lying_gate_opens_nothing() {
    let place = Place::new();
    let (session, _) = place.created();
    let made = wait(session.add_slot(gate_slot())).unwrap();
    assert_eq!(made.kind, SlotKind::Gate);
    assert!(made.needs_gate && !made.is_open);
    assert_eq!(made.role.as_deref(), Some("owner"));
    wait(session.lock()).unwrap();

    for (behaviour, expected) in [
        (Behaviour::SaysYes, "wrong_secret"),
        (Behaviour::WrongBytes, "wrong_secret"),
        (Behaviour::OneByteLess, "wrong_secret"),
        (Behaviour::OneByteMore, "wrong_secret"),
        (Behaviour::SealsNothing, "wrong_secret"),
        (Behaviour::Panics, "internal"),
    ] {
        place.behave(behaviour);
        assert_eq!(code(place.unlock(by_gate())), expected, "{behaviour:?}");
    }
    use pocketchart_core::vault::GateError as G;
    for (error, expected) in [
        (G::Refused, "gate_refused"),
        (G::Cancelled, "gate_cancelled"),
        (G::LockedOut, "gate_locked_out"),
        (G::Lost, "gate_lost"),
        (G::TryAgain, "gate_try_again"),
        (G::Unavailable, "gate_unavailable"),
    ] {
        place.behave(Behaviour::Fails(error));
        assert_eq!(code(place.unlock(by_gate())), expected);
    }
    assert_eq!(
        code(wait(place.vault_with(None).unlock(by_gate()))),
        "needs_gate"
    );
    place.behave(Behaviour::Works);
    assert!(place.unlock(by_gate()).is_ok());
    place.gate.lose_keys();
    assert_eq!(code(place.unlock(by_gate())), "gate_lost");
}

/// Kotlin's or Swift's own exception: the facade hears of it as the conversion that uniffi calls.
#[test]
fn an_undeclared_exception_of_a_gate_is_to_be_tried_again_and_says_nothing() {
    let thrown = uniffi::UnexpectedUniFFICallbackError {
        reason: "java.lang.Error: Kim Kowalski at Main.kt".into(),
    };
    let error = pocketchart::GateError::from(thrown);
    assert_eq!(error, pocketchart::GateError::TryAgain);
    assert_eq!(error.to_string(), "try again");
}

/// A gate that never answers keeps nobody else out, and ends with whoever asked.
#[test]
fn a_hanging_gate_holds_nothing_up() {
    let place = Place::new();
    let (session, _) = place.created();
    wait(session.add_slot(gate_slot())).unwrap();
    wait(session.lock()).unwrap();
    place.behave(Behaviour::Hangs);
    let asked = place.gate.asked();
    let hangs = place.vault();
    assert!(wait_for(hangs.unlock(by_gate()), Duration::from_millis(200)).is_none());
    assert!(place.gate.asked() > asked);
    let session = place.unlock(passphrase(PASSPHRASE)).unwrap();
    let switching = session.switch_person(by_gate());
    assert!(wait_for(switching, Duration::from_millis(200)).is_none());
    assert!(session.person().unwrap().is_owner);
}

#[test]
fn a_pin_is_counted_and_waited_for() {
    let place = Place::new();
    let (session, _) = place.created();
    assert_eq!(
        code(wait(session.add_slot(NewSlot::Pin {
            name: String::new(),
            digits: "123456".into(),
        }))),
        "weak_secret"
    );
    wait(session.add_slot(pin_slot())).unwrap();
    assert_eq!(code(wait(session.add_slot(pin_slot()))), "already_there");
    wait(session.lock()).unwrap();
    let pin = |digits: &str| UnlockWith::Pin {
        person: None,
        digits: digits.into(),
    };
    for _ in 0..5 {
        assert_eq!(code(place.unlock(pin("000001"))), "wrong_secret");
    }
    let waits = place.unlock(pin(PIN)).err().unwrap();
    assert_eq!(
        waits.to_string(),
        "wait: too many wrong tries; the next one in 30 seconds"
    );
    place.clock.forward(31);
    assert!(place.unlock(pin(PIN)).is_ok());
}

#[test]
fn a_second_way_in_comes_before_a_finger_and_one_stays() {
    let place = Place::new();
    let (session, recovery) = place.created();
    let slots = session.slots().unwrap();
    assert_eq!(slots.len(), 2);
    let open = slots.iter().find(|slot| slot.is_open).unwrap();
    assert_eq!(
        code(wait(session.remove_slot(open.id.clone(), vec![], true))),
        "slot_is_open"
    );
    assert_eq!(
        code(wait(session.remove_slot("nothing".into(), vec![], true))),
        "no_such_slot"
    );
    let second = wait(session.add_slot(words(NURSE_WORDS))).unwrap();
    let with = UnlockWith::RecoveryCode { text: recovery };
    // The recovery code is not at hand, and would go with the root key.
    assert_eq!(
        code(wait(session.remove_slot(second.id.clone(), vec![], false))),
        "would_drop_slots"
    );
    let gone = wait(session.remove_slot(second.id.clone(), vec![with], false)).unwrap();
    assert!(gone.is_empty());
    assert!(session.slots().unwrap().iter().all(|s| s.id != second.id));
    wait(session.lock()).unwrap();
    assert_eq!(code(place.unlock(passphrase(NURSE_WORDS))), "wrong_secret");
    assert!(place.unlock(passphrase(PASSPHRASE)).is_ok());
}

#[test]
fn a_new_recovery_code_holds_once_it_was_typed_back() {
    let place = Place::new();
    let (session, old) = place.created();
    let next = wait(session.new_recovery_code(vec![], false)).unwrap();
    let shown = next.code().unwrap();
    assert_ne!(shown, old);
    assert_eq!(code(wait(next.confirm(old.clone()))), "wrong_secret");
    assert!(wait(session.verify_recovery_code(old.clone())).unwrap());
    assert!(wait(next.confirm(shown.clone())).unwrap().is_empty());
    assert_eq!(code(next.code()), "closed");
    assert!(!wait(session.verify_recovery_code(old.clone())).unwrap());
    assert!(wait(session.verify_recovery_code(shown.clone())).unwrap());
    let left = wait(session.new_recovery_code(vec![], false)).unwrap();
    left.abandon().unwrap();
    assert!(wait(session.verify_recovery_code(shown)).unwrap());
}

#[test]
fn after_lock_nothing_is_answered() {
    let place = Place::new();
    let (session, _) = place.created();
    let LockState::Open { seconds_left } = session.lock_state().unwrap() else {
        panic!("it is open")
    };
    assert_eq!(seconds_left, 300);
    let ticks = session.observe(vec![]).unwrap();
    assert!(wait(ticks.next()).unwrap().is_some());
    wait(session.lock()).unwrap();
    wait(session.lock()).unwrap();
    assert_eq!(session.lock_state().unwrap(), LockState::Locked);
    assert_eq!(wait(ticks.next()).unwrap(), None);
    let text = pocketchart_tests::patient("a", "1");
    let answers = [
        code(session.person()),
        code(session.slots()),
        code(session.observe(vec![])),
        code(session.background()),
        code(session.foreground()),
        code(session.servers()),
        code(wait(session.put(text))),
        code(wait(session.get("Patient/a".into()))),
        code(wait(session.delete("Patient/a".into()))),
        code(wait(session.search("Patient".into(), None))),
        code(wait(session.conflicts())),
        code(wait(session.outbox())),
        code(wait(session.quarantine())),
        code(wait(session.visits())),
        code(wait(session.people())),
        code(wait(session.sync_state())),
        code(wait(session.warnings())),
        code(wait(session.who_saw("a".into(), None))),
        code(wait(session.add_slot(pin_slot()))),
        code(wait(session.switch_person(passphrase(PASSPHRASE)))),
        code(wait(session.new_recovery_code(vec![], false))),
        code(wait(session.wipe(true))),
        code(sync(&session)),
    ];
    assert_eq!(answers, ["locked"; 23]);
}

#[test]
fn it_locks_by_time_and_a_call_puts_that_off_in_front_only() {
    let place = Place::new();
    let (session, _) = place.created();
    place.clock.forward(200);
    wait(session.search("Patient".into(), None)).unwrap();
    place.clock.forward(200);
    assert!(session.person().is_ok(), "looking puts nothing off");
    session.background().unwrap();
    wait(session.search("Patient".into(), None)).unwrap();
    place.clock.forward(29);
    session.foreground().unwrap();
    place.clock.forward(299);
    assert!(matches!(
        session.lock_state().unwrap(),
        LockState::Open { seconds_left: 1 }
    ));
    place.clock.forward(1);
    assert_eq!(code(wait(session.search("Patient".into(), None))), "locked");
    assert_eq!(session.lock_state().unwrap(), LockState::Locked);
}

/// Nobody calls, and the keys go all the same: the timer looks every ten seconds.
#[test]
fn it_locks_though_nobody_calls() {
    let place = Place::new();
    let (session, _) = place.created();
    let ticks = session.observe(vec!["Patient".into()]).unwrap();
    assert!(wait(ticks.next()).unwrap().is_some());
    place.clock.forward(301);
    let ended = wait_for(ticks.next(), Duration::from_secs(30));
    assert_eq!(ended.unwrap().unwrap(), None);
    assert!(place.unlock(passphrase(PASSPHRASE)).is_ok());
}

#[test]
fn whoever_waits_for_the_lock_hears_of_it() {
    let place = Place::new();
    let (session, _) = place.created();
    let quiet = Duration::from_millis(200);
    assert!(wait_for(session.until_locked(), quiet).is_none());
    let waiting = {
        let session = std::sync::Arc::clone(&session);
        std::thread::spawn(move || wait(session.until_locked()))
    };
    wait(session.add_person("nurse-1".into(), "nurse".into(), words(NURSE_WORDS))).unwrap();
    let nurse = UnlockWith::Passphrase {
        person: Some("nurse-1".into()),
        text: NURSE_WORDS.into(),
    };
    wait(session.switch_person(nurse)).unwrap();
    assert!(wait_for(session.until_locked(), quiet).is_none());
    assert!(!waiting.is_finished(), "in other hands is not locked");
    wait(session.lock()).unwrap();
    waiting.join().unwrap().unwrap();
    wait(session.until_locked()).unwrap();
}

#[test]
fn a_forgotten_session_is_locked() {
    let place = Place::new();
    let (session, _) = place.created();
    assert_eq!(code(place.unlock(passphrase(PASSPHRASE))), "in_use");
    let ticks = session.observe(vec![]).unwrap();
    assert!(wait(ticks.next()).unwrap().is_some());
    drop(session);
    assert_eq!(wait(ticks.next()).unwrap(), None);
    assert!(place.unlock(passphrase(PASSPHRASE)).is_ok());
}

#[test]
fn a_tablet_changes_hands() {
    let place = Place::new();
    let (session, _) = place.created();
    assert_eq!(
        code(wait(session.add_person(
            "nurse-1".into(),
            "wizard".into(),
            words(NURSE_WORDS)
        ))),
        "bad_input"
    );
    let made =
        wait(session.add_person("nurse-1".into(), "nurse".into(), words(NURSE_WORDS))).unwrap();
    assert_eq!((made.id.as_str(), made.slots), ("nurse-1", 1));
    assert_eq!(
        code(wait(session.add_person(
            "nurse-1".into(),
            "nurse".into(),
            words(NURSE_WORDS)
        ))),
        "already_there"
    );
    let ticks = session.observe(vec!["Patient".into()]).unwrap();
    assert!(wait(ticks.next()).unwrap().is_some());
    let nurse = |text: &str| UnlockWith::Passphrase {
        person: Some("nurse-1".into()),
        text: text.into(),
    };
    assert_eq!(
        code(wait(session.switch_person(nurse(PASSPHRASE)))),
        "wrong_secret"
    );
    assert!(session.person().unwrap().is_owner, "as it was");
    let now = wait(session.switch_person(nurse(NURSE_WORDS))).unwrap();
    assert_eq!((now.id.as_str(), now.role.as_str()), ("nurse-1", "nurse"));
    assert_eq!(
        wait(ticks.next()).unwrap(),
        None,
        "what was the owner's ended"
    );
    assert_eq!(
        code(wait(session.new_recovery_code(vec![], true))),
        "not_allowed"
    );
    assert_eq!(code(wait(session.wipe(true))), "not_allowed");
    // A lock screen knows whose slots there are.
    let known = place.vault().slots().unwrap();
    let theirs = known
        .iter()
        .find(|slot| slot.person.as_deref() == Some("nurse-1"));
    assert_eq!(theirs.map(|slot| slot.label.as_str()), Some("Words"));
    assert!(theirs.is_some_and(|slot| slot.role.is_none()));
    wait(session.switch_person(passphrase(PASSPHRASE))).unwrap();
    assert_eq!(wait(session.people()).unwrap().len(), 2);
}

#[test]
fn a_wipe_looks_for_unsent_work_first() {
    let place = Place::new();
    let (session, _) = place.created();
    wait(session.add_slot(gate_slot())).unwrap();
    assert_eq!(place.gate.keys(), 1);
    wait(session.put(pocketchart_tests::patient("a", "1"))).unwrap();
    let refused = wait(session.wipe(false)).unwrap_err();
    assert_eq!(refused.code(), "unsent_changes");
    assert!(refused.to_string().contains("(1)"));
    let vault = place.vault();
    assert_eq!(code(wait(vault.wipe(true))), "in_use");
    wait(session.lock()).unwrap();
    assert_eq!(code(wait(vault.wipe(false))), "unsent_changes");
    assert_eq!(wait(vault.wipe(true)).unwrap(), 0);
    assert_eq!(place.gate.keys(), 0);
    assert!(!vault.exists().unwrap() && !vault.wipe_was_interrupted().unwrap());
    assert_eq!(code(wait(vault.wipe(true))), "no_vault");
    let (session, _) = place.created();
    assert_eq!(wait(session.wipe(false)).unwrap(), 0);
    assert_eq!(code(session.person()), "locked");
    assert!(!vault.exists().unwrap());
}

#[test]
fn small_questions() {
    use PassphraseJudgement as J;
    let judge = |text: &str| pocketchart::judge_passphrase(text.into()).unwrap();
    assert_eq!(judge("short"), J::TooShort);
    assert_eq!(judge("Password1!"), J::Guessable);
    assert_eq!(judge(PASSPHRASE), J::Good);
    let ids = [(); 2].map(|()| pocketchart::new_record_id().unwrap());
    assert!(ids[0] != ids[1] && ids[0].len() == 36);
    assert_eq!(
        pocketchart::library_version().unwrap(),
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(code(Vault::new(String::new(), None)), "bad_input");
}
