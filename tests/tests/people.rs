//! Several people, one vault: who has it open, who was shut out, and what is left of whoever had it before.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::people::{Certified, MemberKey, PeopleError};
use pocketchart_core::access::{
    Absent, AccessError, Actor, AuditKind, Certificate, CopyWay, Guard, Person, Policy, Role,
    TrailFilter, VaultAction,
};
use pocketchart_core::crypto::sign::SigningKey;
use pocketchart_core::fhir::Instant;
use pocketchart_core::vault::{RecoveryCode, Secret, SlotKind, VaultError};
use pocketchart_tests::fake_gate::FakeGate;
use pocketchart_tests::hand_clock::HandClock;
use pocketchart_tests::shared_tablet::*;
use pocketchart_tests::*;
use std::path::Path;
use std::sync::Arc;

#[tokio::test]
async fn each_person_opens_their_own_slot_and_is_who_they_are() {
    let (home, _) = shared_vault().await;
    let clock = Arc::new(HandClock::default());
    let secret = passphrase(NURSE_WORDS);
    let guard = open(home.path(), opening(&nurse(), &secret, None), &clock)
        .await
        .unwrap();
    assert_eq!(*guard.actor(), Actor::new(nurse(), Role::NURSE));
    let people = guard.people().unwrap();
    assert_eq!(people.len(), 2);
    assert_eq!(
        (
            people[0].person.clone(),
            people[0].role.clone(),
            people[0].slots
        ),
        (Person::owner(), Role::OWNER, 2)
    );
    assert_eq!(
        (
            people[1].person.clone(),
            people[1].role.clone(),
            people[1].slots
        ),
        (nurse(), Role::NURSE, 1)
    );
    assert_eq!(guard.public_key().unwrap(), Some(people[1].public_key));
    assert_ne!(people[0].public_key, people[1].public_key);
    // Nobody signs for another: not the open slot's key for whoever acts by another name.
    assert_eq!(
        guard.acting_as(Actor::hub_admin()).public_key().unwrap(),
        None
    );
    guard.lock().unwrap();
    let owner = unlock(home.path());
    assert_eq!(*owner.actor(), Actor::owner());
    assert_eq!(owner.public_key().unwrap(), Some(people[0].public_key));
    owner.lock().unwrap();
    // One person's secret is not another's, and the sync way in is the owner's.
    let mine = passphrase(PASSPHRASE);
    let wrong = open(home.path(), opening(&nurse(), &mine, None), &clock)
        .await
        .unwrap_err();
    assert!(
        matches!(wrong, AccessError::Vault(VaultError::WrongSecret)),
        "{wrong}"
    );
    let wrong = Guard::unlock(home.path(), &secret, clock.clone()).unwrap_err();
    assert!(
        matches!(wrong, AccessError::Vault(VaultError::WrongSecret)),
        "{wrong}"
    );
    let nobody = Person::new("nobody");
    let wrong = open(home.path(), opening(&nobody, &secret, None), &clock)
        .await
        .unwrap_err();
    assert!(
        matches!(wrong, AccessError::Vault(VaultError::NoSuchSlot { .. })),
        "{wrong}"
    );
}

#[tokio::test]
async fn an_open_tablet_changes_hands_and_the_guards_before_end_at_once() {
    let (home, _) = shared_vault().await;
    let owner = unlock(home.path());
    let (held, for_another) = (owner.clone(), owner.acting_as(Actor::hub_admin()));
    let (wrong, right) = (
        passphrase("ferry thimble orchard 20"),
        passphrase(NURSE_WORDS),
    );
    let refused = owner.switch_person(&opening(&nurse(), &wrong, None)).await;
    assert!(matches!(
        refused,
        Err(AccessError::Vault(VaultError::WrongSecret))
    ));
    assert!(
        held.get(&name("Patient/a")).unwrap().is_some(),
        "a wrong try takes nothing away"
    );

    let guard = owner
        .switch_person(&opening(&nurse(), &right, None))
        .await
        .unwrap();
    for ended in [&owner, &held, &for_another] {
        assert!(matches!(
            ended.get(&name("Patient/a")),
            Err(AccessError::Locked)
        ));
        assert!(matches!(
            ended.put(&resource(&patient("b", "1"))),
            Err(AccessError::Locked)
        ));
        assert!(matches!(ended.slots(), Err(AccessError::Locked)));
        assert!(matches!(ended.public_key(), Err(AccessError::Locked)));
    }
    // Locking an ended guard is no error, and takes nothing from who has the vault now.
    held.lock().unwrap();
    assert!(guard.get(&name("Patient/a")).unwrap().is_some());
    assert_eq!(*guard.actor(), Actor::new(nurse(), Role::NURSE));
    assert_eq!(
        guard.public_key().unwrap(),
        Some(guard.people().unwrap()[1].public_key)
    );
    // The trail is not a nurse's to read.
    assert!(guard.trail(&TrailFilter::default()).is_err());
    let trail = trail(&guard);
    let switch = trail
        .iter()
        .find(|entry| entry.kind == AuditKind::Switch)
        .unwrap();
    assert_eq!(
        (switch.person.as_str(), switch.what.as_str()),
        ("nurse-1", "from owner")
    );
    let tried = trail
        .iter()
        .find(|entry| entry.kind == AuditKind::FailedTries)
        .unwrap();
    assert_eq!(tried.count, Some(1), "the wrong try was handed over");
    // And back.
    let mine = passphrase(PASSPHRASE);
    let owner = guard
        .switch_person(&opening(&Person::owner(), &mine, None))
        .await
        .unwrap();
    assert!(matches!(guard.status(), Err(AccessError::Locked)));
    assert_eq!(*owner.actor(), Actor::owner());
    owner.lock().unwrap();
}

/// Each writes a header of its own; none is written over another.
#[tokio::test(flavor = "multi_thread")]
async fn people_that_are_added_at_once_are_all_there() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let guard = guard.clone();
            let person = Person::new(format!("n{n}"));
            tokio::spawn(async move {
                let key = guard.add_person(&person, &Role::NURSE, words(NURSE_WORDS), None);
                key.await.unwrap()
            })
        })
        .collect();
    let mut keys = Vec::new();
    for task in tasks {
        keys.push(task.await.unwrap());
    }
    guard.lock().unwrap();
    let guard = unlock(home.path());
    let mut there: Vec<_> = guard
        .people()
        .unwrap()
        .into_iter()
        .map(|p| p.public_key)
        .collect();
    there.retain(|key| keys.contains(key));
    assert_eq!(there.len(), 8);
    guard.lock().unwrap();
    let clock = Arc::new(HandClock::default());
    let secret = passphrase(NURSE_WORDS);
    for n in 0..8 {
        let person = Person::new(format!("n{n}"));
        let guard = open(home.path(), opening(&person, &secret, None), &clock)
            .await
            .unwrap();
        guard.lock().unwrap();
    }
}

/// Both ask at once; whoever comes second has lost the vault to the first.
#[tokio::test(flavor = "multi_thread")]
async fn two_changes_of_person_at_once_leave_one_holder() {
    let (home, _) = shared_vault().await;
    let owner = unlock(home.path());
    let secret = passphrase(NURSE_WORDS);
    let person = nurse();
    let (of, other) = (
        opening(&person, &secret, None),
        opening(&person, &secret, None),
    );
    let (first, second) = tokio::join!(owner.switch_person(&of), owner.switch_person(&other));
    let mut held: Vec<_> = [first, second].into_iter().collect();
    held.retain(Result::is_ok);
    assert_eq!(held.len(), 1, "the other one answered Locked");
    let guard = held.remove(0).unwrap();
    assert!(guard.status().is_ok());
    guard.lock().unwrap();
    unlock(home.path()).lock().unwrap();
}

#[tokio::test]
async fn only_the_owner_or_an_admin_adds_people_and_everyone_their_own_slots() {
    let (home, _) = shared_vault().await;
    let owner = unlock(home.path());
    let admin = Person::new("admin-1");
    owner
        .add_person(&admin, &Role::ADMIN, words("kettle marble inlet 31"), None)
        .await
        .unwrap();
    for (person, role) in [
        ("owner", "nurse"),
        ("hub-admin", "nurse"),
        ("", "nurse"),
        ("a b", "nurse"),
        ("x", "owner"),
        ("x", ""),
    ] {
        let refused = owner
            .add_person(
                &Person::new(person),
                &Role::named(role),
                words(NURSE_WORDS),
                None,
            )
            .await;
        assert!(
            matches!(refused, Err(AccessError::Vault(VaultError::BadName { .. }))),
            "{person}/{role}"
        );
    }
    let again = owner
        .add_person(&nurse(), &Role::ADMIN, words(NURSE_WORDS), None)
        .await;
    assert!(matches!(
        again,
        Err(AccessError::Vault(VaultError::PersonExists { .. }))
    ));
    let weak = owner
        .add_person(&Person::new("x"), &Role::NURSE, words("password"), None)
        .await;
    assert!(matches!(weak, Err(AccessError::Vault(VaultError::Weak(_)))));

    let secret = passphrase(NURSE_WORDS);
    let guard = owner
        .switch_person(&opening(&nurse(), &secret, None))
        .await
        .unwrap();
    let refused = guard
        .add_person(
            &Person::new("x"),
            &Role::NURSE,
            words("kettle marble inlet 32"),
            None,
        )
        .await;
    assert!(matches!(refused, Err(AccessError::NotAllowed(_))));
    let gate = FakeGate::default();
    let key = guard.public_key().unwrap();
    guard.add_slot(new_pin(), Some(&gate)).await.unwrap();
    guard
        .add_slot(words("kettle marble inlet 33"), None)
        .await
        .unwrap();
    let second = guard.add_slot(new_pin(), Some(&gate)).await;
    assert!(matches!(
        second,
        Err(AccessError::Vault(VaultError::HasSlot {
            kind: SlotKind::Pin
        }))
    ));
    let for_another = guard
        .acting_as(Actor::owner())
        .add_slot(new_pin(), Some(&gate))
        .await;
    assert!(matches!(for_another, Err(AccessError::OwnerOnly { .. })));
    guard.lock().unwrap();
    let clock = Arc::new(HandClock::default());
    let secret = pin(PIN);
    let guard = open(home.path(), opening(&nurse(), &secret, Some(&gate)), &clock)
        .await
        .unwrap();
    assert_eq!(
        guard.public_key().unwrap(),
        key,
        "every slot of a person signs with the same key"
    );
    let secret = passphrase("kettle marble inlet 31");
    let guard = guard
        .switch_person(&opening(&admin, &secret, None))
        .await
        .unwrap();
    guard
        .add_person(
            &Person::new("x"),
            &Role::NURSE,
            words("kettle marble inlet 34"),
            None,
        )
        .await
        .unwrap();
}

/// The vault that main made before people came: its files are frozen under tests/data.
#[tokio::test]
async fn a_vault_of_format_1_opens_and_takes_people_in() {
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/vault-format-1");
    let home = tempfile::tempdir().unwrap();
    let vault = home.path().join("vault");
    std::fs::create_dir(&vault).unwrap();
    for file in ["header", "store-1.db", "audit-1.db"] {
        std::fs::copy(frozen.join(file), vault.join(file)).unwrap();
    }
    let header = std::fs::read(vault.join("header")).unwrap();
    let guard = unlock(home.path());
    assert_eq!(*guard.actor(), Actor::owner());
    guard.put(&resource(&patient("a", "1"))).unwrap();
    assert_eq!(guard.public_key().unwrap(), None);
    assert!(
        std::fs::read(vault.join("header")).unwrap() == header,
        "opening writes no header"
    );
    guard
        .add_person(&nurse(), &Role::NURSE, words(NURSE_WORDS), None)
        .await
        .unwrap();
    assert!(
        guard.public_key().unwrap().is_some(),
        "the owner has a key by now"
    );
    guard.lock().unwrap();
    let text = std::fs::read_to_string(frozen.join("recovery-code")).unwrap();
    let code = Secret::Recovery(RecoveryCode::parse(&text).unwrap());
    let clock = Arc::new(HandClock::default());
    let guard = Guard::unlock(home.path(), &code, clock.clone()).unwrap();
    assert!(guard.get(&name("Patient/a")).unwrap().is_some());
    let secret = passphrase(NURSE_WORDS);
    let guard = guard
        .switch_person(&opening(&NURSE, &secret, None))
        .await
        .unwrap();
    assert!(guard.get(&name("Patient/a")).unwrap().is_some());
    let owner = guard.acting_as(Actor::owner());
    assert!(owner.check().unwrap().problems.is_empty());
}

/// header, header.prev, what a temporary file holds; and how many people there are then.
type Left<'a> = (
    &'a [u8],
    Option<&'a [u8]>,
    Option<(&'a str, &'a [u8])>,
    usize,
);

/// What a kill leaves while the header is written: each state opens, with the new person or without.
#[tokio::test]
async fn a_kill_at_any_step_of_adding_a_person_leaves_a_vault_that_opens() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    guard.put(&resource(&patient("a", "1"))).unwrap();
    let path = |name: &str| home.path().join("vault").join(name);
    let old = std::fs::read(path("header")).unwrap();
    guard
        .add_person(&nurse(), &Role::NURSE, words(NURSE_WORDS), None)
        .await
        .unwrap();
    guard.lock().unwrap();
    let new = std::fs::read(path("header")).unwrap();
    assert!(std::fs::read(path("header.prev")).unwrap() == old);
    let half = &new[..new.len() / 2];
    let states: [Left<'_>; 6] = [
        (&old, None, Some(("header.prev.tmp", half)), 1),
        (&old, Some(&old), None, 1),
        (&old, Some(&old), Some(("header.tmp", half)), 1),
        (&old, Some(&old), Some(("header.tmp", &new)), 1),
        (half, Some(&old), None, 1),
        (&new, Some(&old), None, 2),
    ];
    for (n, (header, previous, temporary, people)) in states.into_iter().enumerate() {
        for name in ["header", "header.prev", "header.tmp", "header.prev.tmp"] {
            let _ = std::fs::remove_file(path(name));
        }
        std::fs::write(path("header"), header).unwrap();
        if let Some(bytes) = previous {
            std::fs::write(path("header.prev"), bytes).unwrap();
        }
        if let Some((name, bytes)) = temporary {
            std::fs::write(path(name), bytes).unwrap();
        }
        let guard = unlock(home.path());
        assert!(
            guard.get(&name("Patient/a")).unwrap().is_some(),
            "state {n}"
        );
        assert_eq!(guard.people().unwrap().len(), people, "state {n}");
        if people == 1 {
            guard
                .add_person(&nurse(), &Role::NURSE, words(NURSE_WORDS), None)
                .await
                .unwrap();
        }
        guard.lock().unwrap();
    }
}

/// The policy says who looks after people and keys; one's own slots are one's own.
#[tokio::test]
async fn the_policy_decides_about_people_and_keys() {
    let (home, _) = shared_vault().await;
    let clock = Arc::new(HandClock::default());
    let gate = FakeGate::default();
    let owner = unlock(home.path());
    let add = async |guard: &Guard, person: &str, role: Role, text: &str| {
        let person = Person::new(person);
        guard.add_person(&person, &role, words(text), None).await
    };
    let admin_words = "kettle marble inlet 31";
    add(&owner, "admin-1", Role::ADMIN, admin_words)
        .await
        .unwrap();
    owner.lock().unwrap();

    // By the shipped policy: a nurse has her own slots, and no other keys.
    let secret = passphrase(NURSE_WORDS);
    let person = nurse();
    let guard = open(home.path(), opening(&person, &secret, None), &clock)
        .await
        .unwrap();
    let pin_slot = guard.add_slot(new_pin(), Some(&gate)).await.unwrap();
    let by_policy = |refused: Result<(), AccessError>| {
        assert!(
            matches!(refused, Err(AccessError::NotAllowed(_))),
            "{refused:?}"
        );
    };
    by_policy(guard.rekey(CopyWay::Pages, |_, _| ()).map(drop));
    by_policy(guard.wipe(true, None).await.map(drop));
    by_policy(guard.accept_loss());
    by_policy(
        guard
            .replace_recovery_code(&[], Absent::Drop, |_, _| (), |_| Ok::<_, AccessError>(()))
            .map(drop),
    );
    let slots = guard.slots().unwrap();
    let others = slots.iter().find(|slot| slot.person == "admin-1").unwrap();
    let remove = async |guard: &Guard, slot, absent| {
        let removed = guard.remove_slot(slot, &[], absent, Some(&gate), |_, _| ());
        removed.await.map(drop)
    };
    by_policy(remove(&guard, others.id, Absent::Drop).await);
    remove(&guard, pin_slot, Absent::Refuse).await.unwrap();
    guard.add_slot(new_pin(), Some(&gate)).await.unwrap();
    guard.lock().unwrap();

    // Her passphrase was typed: without it the root key changes, and everybody who is not there would have to go.
    let secret = pin(PIN);
    let guard = open(home.path(), opening(&person, &secret, Some(&gate)), &clock)
        .await
        .unwrap();
    let slots = guard.slots().unwrap();
    let own = slots
        .iter()
        .find(|slot| slot.person == "nurse-1" && slot.kind == SlotKind::Passphrase)
        .unwrap();
    let (owner, owners) = (Person::owner(), passphrase(PASSPHRASE));
    let owners = opening(&owner, &owners, None);
    let present = [guard.at_hand(&owners).await.unwrap()];
    let removed = guard.remove_slot(own.id, &present, Absent::Drop, Some(&gate), |_, _| ());
    by_policy(removed.await.map(drop));
    assert_eq!(guard.slots().unwrap().len(), slots.len());
    guard.lock().unwrap();

    // Another policy: the nurse looks after people, the admin does not any more.
    let owner = unlock(home.path());
    let mut policy: serde_json::Value = serde_json::from_str(Policy::shipped_text()).unwrap();
    policy["version"] = 2.into();
    let staff = serde_json::json!([{ "id": "staff", "actions": ["people"] }]);
    policy["roles"]["nurse"] = staff;
    policy["roles"]["admin"] = serde_json::json!([{ "id": "keys", "actions": ["keys"] }]);
    owner.sign_and_install_policy(&policy.to_string()).unwrap();
    let guard = owner
        .switch_person(&opening(&person, &secret, Some(&gate)))
        .await
        .unwrap();
    add(&guard, "nurse-2", Role::NURSE, "kettle marble inlet 32")
        .await
        .unwrap();
    let (admin, secret) = (Person::new("admin-1"), passphrase(admin_words));
    let guard = guard
        .switch_person(&opening(&admin, &secret, None))
        .await
        .unwrap();
    let refused = add(&guard, "nurse-3", Role::NURSE, "kettle marble inlet 33").await;
    by_policy(refused.map(drop));
    guard.rekey(CopyWay::Pages, |_, _| ()).unwrap();
}

/// Whoever operates a hub may what the policy says, and no device may, whatever it says.
#[test]
fn the_policy_decides_who_operates_a_hub() {
    let home = tempfile::tempdir().unwrap();
    let (hub, _) = make_vault(home.path());
    let as_role = |role| hub.acting_as(Actor::new(Person::new("x"), role));
    as_role(Role::ADMIN).hub_people().unwrap();
    let refused = as_role(Role::NURSE).hub_people();
    assert!(matches!(refused, Err(AccessError::NotAllowed(_))));
    for role in [Role::ADMIN, Role::OWNER] {
        let from_a_device = Actor {
            device: Some("d".into()),
            ..Actor::new(Person::new("x"), role)
        };
        let refused = hub.acting_as(from_a_device).revoke("abcd");
        assert!(matches!(
            refused,
            Err(AccessError::People(PeopleError::NotTheOperator))
        ));
    }
}

/// Whoever has two slots can take one of them out, and nobody else's with it: not the owner's, not the recovery code.
#[tokio::test]
async fn nobody_but_who_is_in_charge_drops_the_slots_of_others() {
    let (home, code) = shared_vault().await;
    let clock = Arc::new(HandClock::default());
    let secret = passphrase(NURSE_WORDS);
    let guard = open(home.path(), opening(&nurse(), &secret, None), &clock)
        .await
        .unwrap();
    let second = guard
        .add_slot(words("kettle marble inlet 33"), None)
        .await
        .unwrap();
    let before = guard.slots().unwrap().len();
    let removed = guard
        .remove_slot(second, &[], Absent::Drop, None, |_, _| ())
        .await;
    assert!(
        matches!(removed, Err(AccessError::NotAllowed(_))),
        "{removed:?}"
    );
    assert_eq!(guard.slots().unwrap().len(), before);
    guard.lock().unwrap();
    let owner = Guard::unlock(home.path(), &Secret::Recovery(code), clock.clone()).unwrap();
    owner.lock().unwrap();
}

/// A hub certifies people in roles. It cannot make anybody the owner, whom no policy limits.
#[tokio::test]
async fn no_certificate_makes_an_owner() {
    let home = tempfile::tempdir().unwrap();
    let (owner, _) = make_vault(home.path());
    let key = owner
        .add_person(&nurse(), &Role::NURSE, words(NURSE_WORDS), None)
        .await
        .unwrap();
    let hub = SigningKey::make_random().unwrap();
    let certificate = Certificate {
        issuer: hub.public(),
        person: Person::owner(),
        role: Role::OWNER,
        patient: None,
        facility: None,
        public_key: key,
        issued: Instant::from_epoch_ms(1),
        serial: 1,
    };
    let said = Certified {
        member: MemberKey {
            person: nurse(),
            key,
        },
        certificate: Some(certificate.issue(&hub)),
        revoked: false,
    };
    owner.take_certificates(hub.public(), &[said]).unwrap();
    let secret = passphrase(NURSE_WORDS);
    let guard = owner
        .switch_person(&opening(&nurse(), &secret, None))
        .await
        .unwrap();
    assert_ne!(guard.actor().role, Role::OWNER);
    assert!(guard.must(VaultAction::Keys).is_err());
    // Capture stays open to the role that this vault's owner gave.
    assert_eq!(guard.actor().role, Role::NURSE);
}

/// What is signed with a key that is not the one that is kept would be nobody's.
#[test]
fn those_who_ask_for_the_devices_key_at_once_get_one() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let start = std::sync::Barrier::new(8);
    let ask = || {
        start.wait();
        guard.device_key().unwrap().public()
    };
    let keys: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let kept = guard.device_key().unwrap().public();
    assert!(keys.iter().all(|key| *key == kept));
}
