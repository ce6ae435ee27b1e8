//! Every step of a change of keys: stopped there as a kill does it, and failing there as a full disk does it.

use super::*;
use crate::access::{AuditEntry, AuditKind, Person};
use crate::clock::SystemClock;
use crate::crypto::SecretText;
use crate::crypto::passphrase_hash::LOWEST_COST;
use crate::fhir::Resource;
use crate::vault::{self, GateFuture, GatePolicy, NewSecret, NewSlot, Secret, With};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

const FIRST: &str = "plum orbit lantern 42";
const SECOND: &str = "walnut harbour stencil 7";

struct Home {
    folder: tempfile::TempDir,
    code: String,
}

fn passphrase(text: &str) -> Secret {
    Secret::Passphrase(SecretText::new(text.into()))
}

fn recovery(code: &str) -> Secret {
    Secret::Recovery(RecoveryCode::parse(code).unwrap())
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn open(home: &Path, secret: &Secret) -> Result<Guard, AccessError> {
    Guard::unlock(home, secret, Arc::new(SystemClock))
}

fn text(n: usize) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"p{n}","birthDate":"19{:02}-01-01"}}"#,
        n % 90
    )
}

fn put(guard: &Guard, n: usize) {
    guard.put(&Resource::parse_text(&text(n)).unwrap()).unwrap();
}

/// A vault with some records that wait to be sent, opened by two passphrases and a recovery code.
fn made() -> (Home, Guard) {
    let folder = tempfile::tempdir().unwrap();
    let mut code = String::new();
    let guard = Guard::create(
        folder.path(),
        SecretText::new(FIRST.into()),
        LOWEST_COST,
        Arc::new(SystemClock),
        |shown| {
            code = shown.to_text().expose().to_owned();
            Ok::<_, AccessError>(())
        },
    );
    let guard = guard.unwrap();
    (0..5).for_each(|n| put(&guard, n));
    let new = NewSlot {
        label: "second".into(),
        secret: NewSecret::Passphrase {
            text: SecretText::new(SECOND.into()),
            cost: LOWEST_COST,
            evaluate: false,
        },
    };
    run(guard.add_slot(new, None)).unwrap();
    (Home { folder, code }, guard)
}

impl Home {
    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Everything in a vault that a person would miss.
fn content(guard: &Guard) -> Vec<String> {
    let mut all: Vec<String> = guard
        .fingerprints()
        .unwrap()
        .into_iter()
        .map(|(name, digest)| format!("{} {}", name.reference, hex::encode(digest)))
        .collect();
    let waiting = guard.status().unwrap().waiting;
    all.extend(waiting.into_iter().map(|waiting| format!("{waiting:?}")));
    all.push(format!("revision {}", guard.status().unwrap().revision));
    all
}

fn slot_of(guard: &Guard, label: &str) -> SlotId {
    guard
        .slots()
        .unwrap()
        .into_iter()
        .find(|slot| slot.label == label)
        .unwrap()
        .id
}

fn at_hand(guard: &Guard, secret: &Secret) -> Switch {
    let opening = Opening {
        person: &Person::owner(),
        with: With::Secret(secret),
        gate: None,
    };
    run(guard.at_hand(&opening)).unwrap()
}

/// Removes the second passphrase slot, keeping the recovery code.
fn remove_second(guard: &Guard, code: &str) -> Result<Vec<SlotSummary>, AccessError> {
    let kept = [at_hand(guard, &recovery(code))];
    let second = slot_of(guard, "second");
    run(guard.remove_slot(second, &kept, Absent::Refuse, None, |_, _| ()))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The folder as a kill would leave it, before each change of the disk that `work` makes, and after the last.
fn snapshots<R>(home: &Path, work: impl FnOnce() -> R) -> (Vec<tempfile::TempDir>, R) {
    let taken = Rc::new(RefCell::new(Vec::new()));
    let (list, from) = (Rc::clone(&taken), home.to_owned());
    let take = move || {
        let snapshot = tempfile::tempdir().unwrap();
        copy(&from, snapshot.path());
        list.borrow_mut().push(snapshot);
        Ok(())
    };
    let answer = vault::watched(take, work);
    let snapshot = tempfile::tempdir().unwrap();
    copy(home, snapshot.path());
    taken.borrow_mut().push(snapshot);
    (taken.take(), answer)
}

fn files(home: &Path) -> BTreeSet<String> {
    let folder = std::fs::read_dir(home.join("vault")).unwrap();
    folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn whole(home: &Path, secret: &Secret, expected: &[String]) {
    let guard = open(home, secret).unwrap();
    assert_eq!(content(&guard), expected);
    assert_eq!(guard.check().unwrap().problems, Vec::<String>::new());
    // It can be written, and is found again.
    put(&guard, 70);
    guard.lock().unwrap();
    let left = files(home);
    let stores = left
        .iter()
        .filter(|name| name.starts_with("store-"))
        .count();
    assert_eq!(stores, 1, "{left:?}");
    let guard = open(home, secret).unwrap();
    assert_eq!(content(&guard).len(), expected.len() + 2);
    guard.lock().unwrap();
}

#[test]
fn a_new_data_key_is_killed_at_every_step() {
    for way in [CopyWay::Pages, CopyWay::Rows] {
        let (home, guard) = made();
        let before = content(&guard);
        let (kills, rekeyed) = snapshots(home.path(), || {
            // While it is copied, too.
            guard.rekey(way, |_, _| ())
        });
        rekeyed.unwrap();
        assert_eq!(content(&guard), before);
        guard.lock().unwrap();
        assert!(kills.len() > 10, "{}", kills.len());
        for (at, kill) in kills.iter().enumerate() {
            println!("{way:?}, step {at} of {}", kills.len());
            whole(kill.path(), &recovery(&home.code), &before);
        }
        whole(home.path(), &passphrase(FIRST), &before);
        assert!(files(home.path()).contains("store-2.db"));
    }
}

#[test]
fn a_copy_that_was_cut_off_is_cleared_and_its_name_is_free_again() {
    let (home, guard) = made();
    let before = content(&guard);
    let copies = RefCell::new(Vec::new());
    let rekeyed = guard.rekey(CopyWay::Rows, |_, _| {
        let snapshot = tempfile::tempdir().unwrap();
        copy(home.path(), snapshot.path());
        copies.borrow_mut().push(snapshot);
    });
    rekeyed.unwrap();
    guard.lock().unwrap();
    let copies = copies.into_inner();
    assert!(!copies.is_empty());
    for kill in copies {
        assert!(files(kill.path()).contains("store-2.db"));
        std::fs::write(kill.path().join("vault/store-7.db-wal"), b"x").unwrap();
        std::fs::write(kill.path().join("vault/store-x.db"), b"a person's").unwrap();
        std::fs::write(kill.path().join("vault/store-07.db"), b"a person's").unwrap();
        let guard = open(kill.path(), &recovery(&home.code)).unwrap();
        assert_eq!(content(&guard), before);
        let left = files(kill.path());
        assert!(
            !left.contains("store-2.db") && !left.contains("store-7.db-wal"),
            "{left:?}"
        );
        assert!(
            left.contains("store-x.db") && left.contains("store-07.db"),
            "{left:?}"
        );
        guard.rekey(CopyWay::Pages, |_, _| ()).unwrap();
        assert!(files(kill.path()).contains("store-2.db"));
    }
}

/// The header that a torn write falls back to finds its store, at every step, and brings no removed slot back.
#[test]
fn a_removal_is_killed_at_every_step() {
    let (home, guard) = made();
    let before = content(&guard);
    let (kills, removed) = snapshots(home.path(), || remove_second(&guard, &home.code));
    assert_eq!(removed.unwrap(), []);
    assert_eq!(content(&guard), before);
    guard.lock().unwrap();
    assert!(kills.len() > 20, "{}", kills.len());
    let mut opens = Vec::new();
    for kill in &kills {
        opens.push(open(kill.path(), &passphrase(SECOND)).is_ok());
        whole(kill.path(), &passphrase(FIRST), &before);
        whole_again(kill.path(), &home.code);
    }
    // Once it does not open any more, it never does again.
    assert!(opens.is_sorted_by(|a, b| a >= b), "{opens:?}");
    assert_eq!((opens.first(), opens.last()), (Some(&true), Some(&false)));
    for torn in [false, true] {
        if torn {
            std::fs::write(home.path().join("vault/header"), b"PCHDR1\n").unwrap();
        }
        let refused = open(home.path(), &passphrase(SECOND)).err().unwrap();
        assert!(
            matches!(refused, AccessError::Vault(VaultError::WrongSecret)),
            "{refused}"
        );
        let guard = open(home.path(), &passphrase(FIRST)).unwrap();
        assert_eq!(content(&guard), before);
        guard.lock().unwrap();
    }
}

/// A torn header gives way to the one before it, whose store is there.
fn whole_again(home: &Path, code: &str) {
    if !home.join("vault/header.prev").exists() {
        return;
    }
    let header = home.join("vault/header");
    let good = std::fs::read(&header).unwrap();
    std::fs::write(&header, &good[..good.len() / 2]).unwrap();
    let guard = open(home, &recovery(code)).unwrap();
    assert_eq!(content(&guard).len(), 13, "with the record that was put");
    guard.lock().unwrap();
    std::fs::write(&header, good).unwrap();
}

/// The disk fails at one step, and from there on or only there. What is written afterwards is never lost.
#[test]
fn a_failing_disk_loses_nothing_at_any_step() {
    let (home, guard) = made();
    let second = slot_of(&guard, "second");
    guard.lock().unwrap();
    let code = recovery(&home.code);
    let mut closed = 0;
    for (stays_broken, removal) in [(true, true), (true, false), (false, true), (false, false)] {
        for fails_at in 1.. {
            let folder = tempfile::tempdir().unwrap();
            copy(home.path(), folder.path());
            let guard = open(folder.path(), &code).unwrap();
            let step = Rc::new(std::cell::Cell::new(0));
            let at = Rc::clone(&step);
            let hook = move || {
                at.set(at.get() + 1);
                if at.get() == fails_at || (stays_broken && at.get() > fails_at) {
                    return Err(io::Error::other("made to fail"));
                }
                Ok(())
            };
            let answer = vault::watched(hook, || {
                if removal {
                    run(guard.remove_slot(second, &[], Absent::Drop, None, |_, _| ())).map(drop)
                } else {
                    guard.rekey(CopyWay::Pages, |_, _| ()).map(drop)
                }
            });
            let mut expected = 5;
            if guard.status().is_ok() {
                put(&guard, 50);
                expected += 1;
                guard.clone().lock().unwrap();
            } else {
                let unclear = matches!(answer, Err(AccessError::Vault(VaultError::Unclear { .. })));
                assert!(unclear, "step {fails_at}: {answer:?}");
                closed += 1;
            }
            drop(guard);
            let opened = open(folder.path(), &code).unwrap();
            let waiting = opened.status().unwrap().waiting.len();
            assert_eq!(waiting, expected, "step {fails_at}: {answer:?}");
            assert!(opened.check().unwrap().problems.is_empty());
            if removal && answer.is_ok() {
                let slots = opened.slots().unwrap();
                assert!(
                    slots.iter().all(|slot| slot.id != second),
                    "step {fails_at}"
                );
            }
            opened.lock().unwrap();
            if step.get() < fails_at {
                break;
            }
        }
    }
    assert!(
        closed > 0,
        "the disk failed between the two names of a header"
    );
}

/// Readers and writers of other clones wait, and go on with the new files.
#[test]
fn others_go_on_while_the_key_changes() {
    let (home, guard) = made();
    let workers: Vec<_> = (0..3)
        .map(|worker| {
            let guard = guard.clone();
            std::thread::spawn(move || {
                for n in 0..40 {
                    put(&guard, 100 * worker + 100 + n);
                    assert!(guard.status().unwrap().counts[0].1 > 5);
                }
            })
        })
        .collect();
    for way in [CopyWay::Pages, CopyWay::Rows, CopyWay::Pages] {
        guard.rekey(way, |_, _| ()).unwrap();
    }
    workers
        .into_iter()
        .for_each(|worker| worker.join().unwrap());
    assert_eq!(guard.status().unwrap().waiting.len(), 125);
    assert!(guard.check().unwrap().problems.is_empty());
    guard.lock().unwrap();
    let guard = open(home.path(), &passphrase(FIRST)).unwrap();
    assert_eq!(guard.status().unwrap().waiting.len(), 125);
}

#[test]
fn slots_that_are_not_at_hand_are_named_before_they_go() {
    let (home, guard) = made();
    let second = slot_of(&guard, "second");
    let none = |absent| run(guard.remove_slot(second, &[], absent, None, |_, _| ()));
    let refused = none(Absent::Refuse).unwrap_err();
    let AccessError::WouldDrop { slots } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(slots.len(), 1);
    assert_eq!(slots[0].kind, SlotKind::Recovery);
    assert!(
        refused
            .to_string()
            .contains("the recovery code of the owner"),
        "{refused}"
    );
    let cursor_key = *guard
        .with_open(|open| Ok(*open.cursor_key.expose()))
        .as_ref()
        .unwrap();
    let dropped = none(Absent::Drop).unwrap();
    assert_eq!(dropped, *slots);
    assert_ne!(
        cursor_key,
        *guard
            .with_open(|open| Ok(*open.cursor_key.expose()))
            .as_ref()
            .unwrap()
    );
    // The one that is open is the last way in, and cannot go.
    let open_one = guard.slots().unwrap()[0].id;
    let refused = run(guard.remove_slot(open_one, &[], Absent::Drop, None, |_, _| ()));
    assert!(matches!(
        refused,
        Err(AccessError::Vault(VaultError::SlotIsOpen))
    ));
    let refused = none(Absent::Drop).unwrap_err();
    assert!(
        refused.to_string().contains(&second.to_string()),
        "{refused}"
    );
    guard.lock().unwrap();
    assert!(open(home.path(), &recovery(&home.code)).is_err());
    assert!(open(home.path(), &passphrase(SECOND)).is_err());
    let guard = open(home.path(), &passphrase(FIRST)).unwrap();
    let trail = guard.audit_trail().unwrap();
    let noted = |what: &str| {
        let about =
            |entry: &&AuditEntry| entry.kind == AuditKind::Slots && entry.what.contains(what);
        let done: Vec<bool> = trail.iter().filter(about).map(|entry| entry.done).collect();
        done == [false, true]
    };
    assert!(noted(&format!("slot {second} removed and dropped with it")));
}

#[test]
fn a_used_recovery_code_is_replaced() {
    let (home, guard) = made();
    guard.lock().unwrap();
    let guard = open(home.path(), &recovery(&home.code)).unwrap();
    assert!(guard.opened_by_recovery_code().unwrap());
    // A person who did not take it down keeps the old one.
    let declined =
        guard.replace_recovery_code(&[], Absent::Drop, |_, _| (), |_| Err(AccessError::Locked));
    assert!(declined.is_err());
    let (first, second) = (passphrase(FIRST), passphrase(SECOND));
    let kept = [at_hand(&guard, &first)];
    let refused = guard.replace_recovery_code(&kept, Absent::Refuse, |_, _| (), |_| Ok(()));
    assert!(matches!(
        refused,
        Err::<_, AccessError>(AccessError::WouldDrop { .. })
    ));
    let mut new = String::new();
    let dropped = guard.replace_recovery_code(
        &kept,
        Absent::Drop,
        |_, _| (),
        |code| {
            new = code.to_text().expose().to_owned();
            Ok::<_, AccessError>(())
        },
    );
    assert_eq!(dropped.unwrap().len(), 1);
    let before = content(&guard);
    // The code that is open now is the new one, so that the old one can be replaced from it again.
    assert!(guard.opened_by_recovery_code().unwrap());
    guard.lock().unwrap();
    for refused in [&recovery(&home.code), &second] {
        assert!(open(home.path(), refused).is_err());
    }
    for opens in [&recovery(&new), &first] {
        let guard = open(home.path(), opens).unwrap();
        assert_eq!(content(&guard), before);
        assert!(
            guard.public_key().unwrap().is_some(),
            "the signing key came along"
        );
        guard.lock().unwrap();
    }
}

/// A gate in memory.
#[derive(Default)]
struct Memory {
    keys: Mutex<BTreeSet<String>>,
    refuses: Option<GateError>,
}

impl Gate for Memory {
    fn enroll<'a>(
        &'a self,
        alias: &'a str,
        _: GatePolicy,
        secret: &'a [u8],
    ) -> GateFuture<'a, Vec<u8>> {
        self.keys.lock().unwrap().insert(alias.to_owned());
        Box::pin(async move { Ok(secret.iter().map(|byte| byte ^ 0x5a).collect()) })
    }

    fn release<'a>(
        &'a self,
        _: &'a str,
        sealed: &'a [u8],
        _: &'a str,
    ) -> GateFuture<'a, zeroize::Zeroizing<Vec<u8>>> {
        Box::pin(async move {
            Ok(zeroize::Zeroizing::new(
                sealed.iter().map(|byte| byte ^ 0x5a).collect(),
            ))
        })
    }

    fn evaluate<'a>(
        &'a self,
        _: &'a str,
        input: &'a [u8],
    ) -> GateFuture<'a, zeroize::Zeroizing<Vec<u8>>> {
        Box::pin(async move {
            Ok(zeroize::Zeroizing::new(
                input.iter().map(|byte| byte ^ 0xa5).collect(),
            ))
        })
    }

    fn destroy<'a>(&'a self, alias: &'a str) -> GateFuture<'a, ()> {
        if let Some(error) = self.refuses {
            return Box::pin(async move { Err(error) });
        }
        let there = self.keys.lock().unwrap().remove(alias);
        Box::pin(async move { if there { Ok(()) } else { Err(GateError::Lost) } })
    }
}

#[test]
fn a_gate_slot_ends_in_the_gate_and_takes_nobody_along() {
    let (_home, guard) = made();
    let gate = Memory::default();
    let add = |label: &str| {
        let new = NewSlot {
            label: label.into(),
            secret: NewSecret::Gate,
        };
        run(guard.add_slot(new, Some(&gate))).unwrap()
    };
    let (first, _) = (add("finger"), add("face"));
    assert_eq!(gate.keys.lock().unwrap().len(), 2);
    let remove = |gate| run(guard.remove_slot(first, &[], Absent::Refuse, gate, |_, _| ()));
    // A gate that does not answer: nothing was changed.
    let broken = Memory {
        refuses: Some(GateError::TryAgain),
        ..Memory::default()
    };
    assert!(matches!(
        remove(Some(&broken)),
        Err(AccessError::Vault(VaultError::Gate(_)))
    ));
    assert_eq!(guard.slots().unwrap().len(), 5);
    // Without the gate its key stays, so that the root key has to change.
    let none = Memory {
        refuses: Some(GateError::Unavailable),
        ..Memory::default()
    };
    for gone in [None, Some(&none as &dyn Gate)] {
        assert!(matches!(remove(gone), Err(AccessError::WouldDrop { slots }) if slots.len() == 3));
    }
    assert_eq!(remove(Some(&gate)).unwrap(), []);
    assert_eq!(gate.keys.lock().unwrap().len(), 1);
    assert_eq!(guard.slots().unwrap().len(), 4);
}

#[test]
fn a_wipe_is_killed_at_every_step_and_goes_on() {
    let (home, guard) = made();
    let gate = Memory::default();
    let new = NewSlot {
        label: "finger".into(),
        secret: NewSecret::Gate,
    };
    run(guard.add_slot(new, Some(&gate))).unwrap();
    std::fs::create_dir(home.path().join("hub")).unwrap();
    std::fs::write(home.path().join("hub/token"), b"secret").unwrap();
    std::fs::write(home.path().join("mine.txt"), b"a person's").unwrap();
    assert!(matches!(
        run(vault::wipe(home.path(), None)),
        Err(VaultError::InUse { .. })
    ));
    let refused = run(guard.wipe(false, Some(&gate)));
    assert!(matches!(refused, Err(AccessError::Unsent { changes: 5 })));
    assert_eq!(guard.unsent_changes().unwrap(), 5);
    let (kills, wiped) = snapshots(home.path(), || run(guard.wipe(true, Some(&gate))));
    assert_eq!(wiped.unwrap(), 0);
    assert!(gate.keys.lock().unwrap().is_empty());
    assert!(matches!(guard.status(), Err(AccessError::Locked)));
    let mut opened = Vec::new();
    for kill in &kills {
        let begun = vault::wipe_was_interrupted(kill.path());
        let answer = open(kill.path(), &passphrase(FIRST));
        match &answer {
            Ok(guard) => assert_eq!(guard.status().unwrap().waiting.len(), 5),
            Err(AccessError::Vault(VaultError::WipeInterrupted)) => assert!(begun),
            Err(AccessError::Vault(VaultError::Missing { .. })) => {}
            Err(other) => panic!("{other}"),
        }
        opened.push(answer.is_ok());
        drop(answer);
        if begun {
            let again = Memory {
                refuses: Some(GateError::TryAgain),
                ..Memory::default()
            };
            // The key in the gate is asked for again as long as its name is known; without the header it opens nothing.
            assert!(run(vault::wipe(kill.path(), Some(&again))).unwrap() <= 1);
            assert!(is_wiped(kill.path()));
        }
    }
    assert!(opened.is_sorted_by(|a, b| a >= b), "{opened:?}");
    assert!(opened[0] && !opened[opened.len() - 1]);
    assert!(is_wiped(home.path()));
    assert!(matches!(
        run(vault::wipe(home.path(), None)),
        Err(VaultError::Missing { .. })
    ));
    // The place is free for a new vault.
    let made = Guard::create(
        home.path(),
        SecretText::new(FIRST.into()),
        LOWEST_COST,
        Arc::new(SystemClock),
        |_| Ok::<_, AccessError>(()),
    );
    made.unwrap();
}

/// Nothing of ours is left but the lock file, and nothing of anybody else's is gone.
fn is_wiped(home: &Path) -> bool {
    let names: BTreeSet<PathBuf> = std::fs::read_dir(home)
        .unwrap()
        .map(|entry| PathBuf::from(entry.unwrap().file_name()))
        .collect();
    names == BTreeSet::from(["lock".into(), "mine.txt".into()])
}
