//! What raises a tick, what does not, and when it is over.

use super::*;
use crate::access::{PeerSettings, Pending};
use crate::clock::SystemClock;
use crate::crypto::SecretText;
use crate::crypto::passphrase_hash::LOWEST_COST;
use crate::fhir::Resource;
use crate::fhir::search::Query;

fn vault() -> (tempfile::TempDir, Guard) {
    let home = tempfile::tempdir().unwrap();
    let passphrase = SecretText::new("plum orbit lantern 42".into());
    let clock = Arc::new(SystemClock);
    let new = Guard::draft(home.path(), passphrase, LOWEST_COST, clock).unwrap();
    (home, new.finish().unwrap())
}

fn kind(name: &str) -> ResourceType {
    ResourceType::named(name).unwrap()
}

fn put(guard: &Guard, text: &str) {
    guard.put(&Resource::parse_text(text).unwrap()).unwrap();
}

const A: &str = r#"{"resourceType":"Patient","id":"a","birthDate":"2000-01-01"}"#;

/// All types, with the first tick behind it.
fn observed(guard: &Guard) -> Ticks {
    let mut ticks = guard.observe(&[]).unwrap();
    assert!(ticks.take().is_some_and(|tick| tick.kinds.len() > 100));
    assert_eq!(ticks.take(), None);
    ticks
}

fn told(ticks: &mut Ticks) -> Vec<&'static str> {
    let tick = ticks.take().unwrap();
    tick.kinds.into_iter().map(ResourceType::name).collect()
}

/// The one change that waits, as it is sent.
fn sent(guard: &Guard) -> Pending {
    let pending = guard.pending(None).unwrap().remove(0);
    assert_eq!(guard.mark_sent(&[&pending]).unwrap(), [true]);
    pending
}

#[test]
fn what_is_read_is_no_change() {
    let (_home, guard) = vault();
    put(&guard, A);
    let mut ticks = observed(&guard);
    let name = crate::fhir::Reference::parse("Patient/a").unwrap();
    guard.get(&name).unwrap();
    guard.search(&Query::parse("Patient").unwrap()).unwrap();
    guard.conflict(&name).unwrap();
    guard.status().unwrap();
    put(&guard, A);
    assert_eq!(ticks.take(), None, "the same bytes again, too");
}

#[test]
fn where_a_change_stands_is_one() {
    let (_home, guard) = vault();
    guard
        .remember_peer("https://localhost", &PeerSettings::default())
        .unwrap();
    put(&guard, A);
    let mut ticks = observed(&guard);
    let pending = sent(&guard);
    guard
        .mark_refused(&pending.name, "invalid", Some("no"))
        .unwrap();
    assert_eq!(told(&mut ticks), ["Patient"]);
    guard.send_again(&pending.name.reference).unwrap();
    assert_eq!(told(&mut ticks), ["Patient"]);
    let pending = sent(&guard);
    guard.mark_waiting(&pending.name, "not-approved").unwrap();
    assert_eq!(told(&mut ticks), ["Patient"]);
    let theirs = A.replace("2000", "2001");
    let theirs = Resource::parse_text(&theirs).unwrap();
    guard.mark_conflict(&pending.name, Some(&theirs)).unwrap();
    assert_eq!(told(&mut ticks), ["Patient"]);
    let side = crate::access::Resolution::Side(crate::fhir::merge::Side::Theirs);
    guard.resolve(&pending.name.reference, &side).unwrap();
    assert_eq!(told(&mut ticks), ["Patient"]);
    assert_eq!(ticks.take(), None);
}

#[test]
fn changes_of_a_type_come_together_and_each_to_whoever_watches_it() {
    let (_home, guard) = vault();
    let mut patients = guard.observe(&[kind("Patient")]).unwrap();
    let first = patients.take().unwrap();
    assert_eq!(first.kinds, [kind("Patient")]);
    let mut all = observed(&guard);
    put(&guard, r#"{"resourceType":"Device","id":"d"}"#);
    assert_eq!(patients.take(), None);
    for n in 0..5 {
        put(&guard, &A.replace("\"a\"", &format!("\"a{n}\"")));
    }
    let tick = patients.take().unwrap();
    assert_eq!(tick.kinds, [kind("Patient")]);
    assert!(tick.revision > first.revision);
    assert_eq!(tick.revision, guard.status().unwrap().revision);
    assert_eq!(patients.take(), None);
    assert_eq!(told(&mut all), ["Device", "Patient"]);
    // A transaction that did not come to be is no change.
    assert!(
        guard
            .delete(&crate::fhir::Reference::parse("Patient/none").unwrap())
            .unwrap()
            .is_none()
    );
    assert_eq!(all.take(), None);
}

#[test]
fn new_rules_change_everything() {
    let (_home, guard) = vault();
    let mut ticks = observed(&guard);
    guard.shared.changes.note_all();
    assert!(told(&mut ticks).len() > 100);
}

#[test]
fn it_is_over_with_the_lock_and_keeps_no_vault_open() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (home, guard) = vault();
    let mut ticks = observed(&guard);
    let other = guard.clone();
    guard.lock().unwrap();
    assert!(!runtime.block_on(ticks.wait()));
    assert_eq!(ticks.take(), None);
    assert!(matches!(other.observe(&[]), Err(AccessError::Locked)));

    let secret = crate::vault::Secret::Passphrase(SecretText::new("plum orbit lantern 42".into()));
    let guard = Guard::unlock(home.path(), &secret, Arc::new(SystemClock)).unwrap();
    let mut ticks = observed(&guard);
    drop(guard);
    assert!(!runtime.block_on(ticks.wait()));
    assert!(Guard::unlock(home.path(), &secret, Arc::new(SystemClock)).is_ok());
}
