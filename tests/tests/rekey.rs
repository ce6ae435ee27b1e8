//! New keys, removed slots and wipes, killed with SIGKILL at random points: whatever is left opens, with everything in
//! it, or (after a wipe has begun) never again. Every single step is stopped at in `core/src/access/rekey/tests.rs`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use pocketchart_core::access::{Absent, AccessError, CopyWay, Guard, Importing, Opening, Person};
use pocketchart_core::clock::SystemClock;
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::LOWEST_COST;
use pocketchart_core::fhir::Resource;
use pocketchart_core::vault::{self, NewSecret, NewSlot, RecoveryCode, Secret, VaultError, With};
use pocketchart_tests::*;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

const KILLS: u32 = 50;
const SECOND: &str = "walnut harbour stencil 7";
const CHILD: &str = "POCKETCHART_REKEY_CHILD";

/// A vault that two passphrases and a recovery code open, with records from a server and changes that wait.
struct Template {
    home: tempfile::TempDir,
    code: String,
    content: Vec<String>,
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

fn open(home: &Path, secret: &Secret) -> Result<Guard, AccessError> {
    Guard::unlock(home, secret, Arc::new(SystemClock))
}

fn import_all(guard: &Guard, texts: &[&str]) {
    let batch: Vec<Resource<'_>> = texts.iter().map(|text| resource(text)).collect();
    let how = Importing {
        as_edits: false,
        durable: true,
        at: guard.now(),
    };
    guard
        .import(&[("clinic".into(), batch.len())], &batch, how)
        .unwrap();
}

fn content(guard: &Guard) -> Vec<String> {
    let fingerprints = guard.fingerprints().unwrap();
    let mut all: Vec<String> = fingerprints
        .iter()
        .map(|(name, digest)| format!("{} {digest:?}", name.reference))
        .collect();
    let status = guard.status().unwrap();
    all.extend(status.waiting.iter().map(|waiting| format!("{waiting:?}")));
    all.push(status.revision.to_string());
    all
}

fn template() -> Template {
    let home = tempfile::tempdir().unwrap();
    let (guard, code) = make_vault(home.path());
    let clinic = clinic();
    let texts: Vec<&str> = clinic.lines().take(300).collect();
    import_all(&guard, &texts);
    for n in 0..20 {
        guard
            .put(&resource(&patient(&format!("mine-{n}"), "555-0100")))
            .unwrap();
    }
    let new = NewSlot {
        label: "second".into(),
        secret: NewSecret::Passphrase {
            text: SecretText::new(SECOND.into()),
            cost: LOWEST_COST,
            evaluate: false,
        },
    };
    run(guard.add_slot(new, None)).unwrap();
    let content = content(&guard);
    guard.lock().unwrap();
    Template {
        home,
        code: code.to_text().expose().to_owned(),
        content,
    }
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

/// Not a test: the process that is killed. It says "ready" when it begins and "done" when the call has answered.
#[test]
#[ignore = "run by the tests here, in a process of its own"]
fn the_child() {
    let Ok(what) = std::env::var(CHILD) else {
        return;
    };
    let mut parts = what.splitn(3, ' ');
    let (work, code, home) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    let home = Path::new(home);
    let guard = open(home, &Secret::Recovery(RecoveryCode::parse(code).unwrap())).unwrap();
    let first = passphrase(PASSPHRASE);
    let opening = Opening {
        person: &Person::owner(),
        with: With::Secret(&first),
        gate: None,
    };
    let kept = [run(guard.at_hand(&opening)).unwrap()];
    let second = guard
        .slots()
        .unwrap()
        .into_iter()
        .find(|slot| slot.label == "second")
        .unwrap()
        .id;
    println!("\nready");
    match work {
        "pages" => drop(guard.rekey(CopyWay::Pages, |_, _| ()).unwrap()),
        "rows" => drop(guard.rekey(CopyWay::Rows, |_, _| ()).unwrap()),
        "remove" => {
            let removed = guard.remove_slot(second, &kept, Absent::Refuse, None, |_, _| ());
            assert!(run(removed).unwrap().is_empty());
        }
        "wipe" => drop(run(guard.wipe(true, None)).unwrap()),
        other => panic!("{other}"),
    }
    println!("\ndone");
}

/// Runs the child on `home` and kills it after a random part of `longest`. Answers whether it said that it was done,
/// and how long it took if nobody killed it.
fn killed(
    work: &str,
    template: &Template,
    home: &Path,
    longest: Option<Duration>,
) -> (bool, Duration) {
    copy(template.home.path(), home);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--ignored", "--nocapture"])
        .env(
            CHILD,
            format!("{work} {} {}", template.code, home.display()),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert!(
        lines.any(|line| line == "ready"),
        "{work}: the child did not begin"
    );
    let begun = Instant::now();
    if let Some(longest) = longest {
        let nanos = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .subsec_nanos();
        let part = nanos.wrapping_mul(2_654_435_761) >> 16;
        std::thread::sleep(longest * part / 0xffff);
        child.kill().unwrap();
    }
    let done = lines.any(|line| line == "done");
    let took = begun.elapsed();
    child.wait().unwrap();
    (done, took)
}

/// Runs and kills it [`KILLS`] times; `check` gets what is left, and whether the call had answered.
fn kill_often(work: &str, template: &Template, check: impl Fn(&Path, bool)) {
    let whole = tempfile::tempdir().unwrap();
    let (done, took) = killed(work, template, whole.path(), None);
    assert!(done, "{work}");
    check(whole.path(), true);
    let mut unfinished = 0;
    for _ in 0..KILLS {
        let home = tempfile::tempdir().unwrap();
        let (done, _) = killed(work, template, home.path(), Some(took));
        unfinished += u32::from(!done);
        check(home.path(), done);
    }
    println!("{work}: {unfinished} of {KILLS} were killed before they answered; whole in {took:?}");
    assert!(unfinished > 0, "no kill came before the end");
}

fn holds(home: &Path, template: &Template, secret: &Secret) {
    let guard = open(home, secret).unwrap();
    assert_eq!(content(&guard), template.content);
    assert_eq!(guard.check().unwrap().problems, Vec::<String>::new());
    guard.put(&resource(&patient("after", "1"))).unwrap();
    guard.lock().unwrap();
    let stores = std::fs::read_dir(home.join("vault")).unwrap();
    let stores = stores.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .starts_with("store-")
    });
    assert_eq!(stores.count(), 1, "what the kill left is cleared");
    let guard = open(home, secret).unwrap();
    assert_eq!(
        guard.get(&name("Patient/after")).unwrap().unwrap().text,
        patient("after", "1")
    );
    guard.lock().unwrap();
}

#[test]
fn a_new_data_key_survives_kills() {
    let template = template();
    for work in ["pages", "rows"] {
        kill_often(work, &template, |home, _| {
            holds(home, &template, &passphrase(PASSPHRASE))
        });
    }
}

#[test]
fn a_removed_slot_stays_out_and_everybody_else_in() {
    let template = template();
    kill_often("remove", &template, |home, answered| {
        if answered {
            let refused = open(home, &passphrase(SECOND)).err().unwrap();
            assert!(
                matches!(refused, AccessError::Vault(VaultError::WrongSecret)),
                "{refused}"
            );
            // Nor by the generation before, which takes over from a header that is cut off.
            let header = home.join("vault/header");
            let good = std::fs::read(&header).unwrap();
            std::fs::write(&header, &good[..20]).unwrap();
            assert!(open(home, &passphrase(SECOND)).is_err());
            std::fs::write(&header, good).unwrap();
        }
        holds(home, &template, &passphrase(PASSPHRASE));
    });
}

#[test]
fn a_wipe_that_was_killed_opens_nothing_and_goes_on() {
    let template = template();
    kill_often("wipe", &template, |home, answered| {
        match open(home, &passphrase(PASSPHRASE)) {
            Ok(guard) => {
                assert!(!answered);
                assert_eq!(content(&guard), template.content);
                guard.lock().unwrap();
            }
            Err(AccessError::Vault(VaultError::WipeInterrupted)) => assert!(!answered),
            Err(AccessError::Vault(VaultError::Missing { .. })) => {}
            Err(other) => panic!("{other}"),
        }
        match run(vault::wipe(home, None)) {
            Ok(_) => assert!(!answered),
            Err(VaultError::Missing { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        let left: BTreeSet<_> = std::fs::read_dir(home)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, BTreeSet::from(["lock".into()]));
    });
}

/// The committed patients: what is left of the file once only the living come along, and what it takes, beside a plain
/// copy of the same file.
#[test]
fn a_compacted_file_is_as_small_as_its_content() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let clinic = clinic();
    let texts: Vec<&str> = clinic.lines().collect();
    // Too few at a time to choose dictionaries from: packed anew afterwards, which leaves pages free.
    texts.chunks(300).for_each(|part| import_all(&guard, part));
    guard.repack(|| true).unwrap();
    guard.lock().unwrap();
    let guard = unlock(home.path());
    let before = content(&guard);
    let json: usize = texts.iter().map(|text| text.len()).sum();
    let bytes = |n: u64| {
        std::fs::metadata(home.path().join(format!("vault/store-{n}.db")))
            .unwrap()
            .len()
    };

    let begun = Instant::now();
    std::fs::copy(
        home.path().join("vault/store-1.db"),
        home.path().join("plain"),
    )
    .unwrap();
    std::fs::File::open(home.path().join("plain"))
        .unwrap()
        .sync_all()
        .unwrap();
    let plain = begun.elapsed();
    let begun = Instant::now();
    let pages = guard.rekey(CopyWay::Pages, |_, _| ()).unwrap();
    let by_pages = begun.elapsed();
    let begun = Instant::now();
    let rows = guard.rekey(CopyWay::Rows, |_, _| ()).unwrap();
    let by_rows = begun.elapsed();
    println!(
        "{} of JSON; file {} ({:.2}), by pages {} ({:.2}), by rows {} ({:.2}); plain copy {plain:?}, by pages {by_pages:?}, \
         by rows {by_rows:?}",
        json,
        pages.bytes_before,
        ratio(pages.bytes_before, json),
        pages.bytes_now,
        ratio(pages.bytes_now, json),
        rows.bytes_now,
        ratio(rows.bytes_now, json),
    );
    assert_eq!(
        (rows.bytes_before, rows.bytes_now),
        (pages.bytes_now, bytes(3))
    );
    assert!(rows.bytes_now * 10 < rows.bytes_before * 9, "{rows:?}");
    assert!(
        !home.path().join("vault/store-1.db").exists()
            && !home.path().join("vault/store-2.db").exists()
    );
    assert_eq!(content(&guard), before);
    assert!(guard.check().unwrap().problems.is_empty());
}

fn ratio(bytes: u64, json: usize) -> f64 {
    bytes as f64 / json as f64
}
