//! After a vault is locked, nothing of its records and keys is left in this process' own heap.
//!
//! Linux only: it reads /proc/self/mem. The allocator is the one that the shipped program has.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{Guard, Importing, Opening, Person, Role};
use pocketchart_core::clock::SystemClock;
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::LOWEST_COST;
use pocketchart_core::fhir::Instant;
use pocketchart_core::fhir::search::Query;
use pocketchart_core::vault::{self, Moment, NewSecret, NewSlot, Opener, Secret, With};
use pocketchart_tests::fake_gate::FakeGate;
use pocketchart_tests::*;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// What is looked for, in two halves so that this program's own text does not hold it.
const CANARY: (&str, &str) = ("Zyxwv-Canary-", "Qwertz-7731");

/// How often the canary stands in readable and writable memory, outside the buffers of the search itself.
fn copies() -> usize {
    copies_of(&needle())
}

/// As [`copies`], of other bytes. `needle` itself does not count.
fn copies_of(needle: &[u8]) -> usize {
    const PIECE: usize = 1 << 20;
    // Made before the map is read, and skipped: the search must not find what it read itself.
    let mut piece = vec![0_u8; PIECE];
    let own = piece.as_ptr().addr()..piece.as_ptr().addr() + PIECE;
    let own_needle = needle.as_ptr().addr()..needle.as_ptr().addr() + needle.len();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut memory = File::open("/proc/self/mem").unwrap();
    let mut found = 0;
    for line in maps
        .lines()
        .filter(|line| line.contains(" rw") && !line.contains("[v"))
    {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let (from, to) = (
            usize::from_str_radix(from, 16).unwrap(),
            usize::from_str_radix(to, 16).unwrap(),
        );
        let mut at = from;
        while at < to {
            let wanted = PIECE.min(to - at);
            memory.seek(SeekFrom::Start(at as u64)).unwrap();
            let Ok(read) = memory.read(&mut piece[..wanted]) else {
                break;
            };
            if read == 0 {
                break;
            }
            let hits = piece[..read]
                .windows(needle.len())
                .enumerate()
                .filter(|(_, window)| *window == needle);
            found += hits
                .filter(|(offset, _)| {
                    !own.contains(&(at + offset)) && !own_needle.contains(&(at + offset))
                })
                .count();
            // Overlap, so that a copy across two pieces counts.
            at += if read == wanted && wanted == PIECE {
                PIECE - needle.len() + 1
            } else {
                read
            };
        }
    }
    found
}

/// Files in every form that an import reads; their records come in the place of some that are there.
fn files_with(canary: &str, folder: &Path) -> Vec<PathBuf> {
    let lines: String = (60..80)
        .map(|n| patient(&format!("i{n}"), &format!("{canary} {n}")) + "\n")
        .collect();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(lines.as_bytes()).unwrap();
    let entry = patient("i80", canary);
    let bundle = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{{\"resource\":{entry}}}]}}"
    );
    let files = [
        ("a.ndjson", lines.clone().into_bytes()),
        ("b.ndjson.gz", packer.finish().unwrap()),
        (
            "c.ndjson.zst",
            zstd::bulk::compress(lines.as_bytes(), 3).unwrap(),
        ),
        ("d.json", bundle.into_bytes()),
    ];
    let write = |(name, bytes): &(&str, Vec<u8>)| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    files.iter().map(write).collect()
}

fn needle() -> Vec<u8> {
    [CANARY.0.as_bytes(), CANARY.1.as_bytes()].concat()
}

/// The scans look at the whole process, so one test's buffers are the other's findings.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Kept so that the bytes themselves stand nowhere.
fn masked(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0xA5).collect()
}

/// How often the bytes behind `masked` stand in memory.
fn copies_behind(hidden: &[u8]) -> usize {
    let bytes = masked(hidden);
    copies_of(&bytes)
}

/// The claim is about the heap; a stack is written over by the next calls that go as deep.
#[inline(never)]
fn use_the_stack() {
    std::hint::black_box([0x5A_u8; 256 * 1024]);
}

/// What a person typed, what the gate gave, and what a person signs with: all gone once the vault is in another
/// person's hands, and once it is locked.
#[tokio::test]
async fn no_secret_of_a_person_is_left_after_a_switch_or_a_lock() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let (gate, nurse) = (FakeGate::default(), Person::new("nurse-1"));
    // As long as a PIN may be: six digits stand in memory by chance.
    let pin: String = (0..32_u32)
        .map(|n| char::from(b'0' + u8::try_from((n * n * n + 7 * n) % 97 % 10).unwrap()))
        .collect();
    let hidden_pin = masked(pin.as_bytes());
    let typed = Secret::Pin(SecretText::new(pin));
    let new = |secret| NewSlot {
        label: String::new(),
        secret,
    };
    let pin_again = || {
        let text = String::from_utf8(masked(&hidden_pin)).unwrap();
        SecretText::new(text)
    };
    let slot = new(NewSecret::Pin {
        pin: pin_again(),
        cost: LOWEST_COST,
    });
    guard
        .add_person(&nurse, &Role::NURSE, slot, Some(&gate))
        .await
        .unwrap();
    let by_pin = |secret| Opening {
        person: &nurse,
        with: With::Secret(secret),
        gate: Some(&gate),
    };
    let guard = guard.switch_person(&by_pin(&typed)).await.unwrap();
    guard
        .add_slot(new(NewSecret::Gate), Some(&gate))
        .await
        .unwrap();
    guard.lock().unwrap();
    let hidden_release = masked(&gate.secrets().pop().unwrap());
    // The seed, through the vault itself.
    let opener = Opener {
        person: nurse.id(),
        with: With::Secret(&typed),
        gate: Some(&gate),
        at: Moment {
            since_boot: std::time::Duration::ZERO,
            wall_ms: 0,
        },
    };
    let vault = vault::unlock_with(home.path(), &opener).await.unwrap();
    let hidden_seed = masked(vault.signing_key().unwrap().seed().expose());
    drop(vault);

    let clock = || Arc::new(SystemClock);
    for by_gate in [false, true] {
        let opened = if by_gate {
            Guard::unlock_by_gate(home.path(), &nurse, &gate, "", clock()).await
        } else {
            Guard::unlock_with(home.path(), &by_pin(&typed), clock()).await
        };
        let guard = opened.unwrap();
        assert!(guard.public_key().unwrap().is_some());
        assert!(copies_behind(&hidden_seed) > 0, "the search finds the seed");
        let mine = passphrase(PASSPHRASE);
        let owner = Opening {
            person: &Person::owner(),
            with: With::Secret(&mine),
            gate: None,
        };
        let guard = guard.switch_person(&owner).await.unwrap();
        use_the_stack();
        assert_eq!(copies_behind(&hidden_seed), 0, "the seed, after the switch");
        let back = guard.switch_person(&by_pin(&typed)).await.unwrap();
        assert!(copies_behind(&hidden_seed) > 0);
        back.lock().unwrap();
        use_the_stack();
        assert_eq!(copies_behind(&hidden_seed), 0, "the seed, after the lock");
    }
    assert!(copies_behind(&hidden_pin) > 0, "the search finds the PIN");
    assert!(copies_behind(&hidden_release) > 0, "and the gate's secret");
    drop(typed);
    gate.lose_keys();
    use_the_stack();
    assert_eq!(copies_behind(&hidden_pin), 0, "the PIN");
    assert_eq!(copies_behind(&hidden_release), 0, "the gate's secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_lock() {
    let _turn = ONE_AT_A_TIME.lock().await;
    assert_eq!(copies(), 0, "before anything happened");
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    {
        let canary = String::from_utf8(needle()).unwrap();
        for n in 0..300 {
            let text = patient(&format!("p{n}"), &format!("{canary} {n}"));
            guard.put(&resource(&text)).unwrap();
        }
        let mut query = Some(Query::parse("Patient?_count=100&_sort=-_lastUpdated").unwrap());
        while let Some(next) = query {
            query = guard.search(&next).unwrap().next;
        }
        for n in 0..50 {
            guard.delete(&name(&format!("Patient/p{n}"))).unwrap();
        }
        let files = tempfile::tempdir().unwrap();
        import(&guard, &files_with(&canary, files.path()));
        guard.check().unwrap();
        // An import, dictionaries made of it, and bodies packed with them.
        let texts: Vec<String> = (0..1300)
            .map(|n| observation(&format!("o{n}"), "p1", &format!("\"{canary} {n}\"")))
            .collect();
        let resources: Vec<_> = texts.iter().map(|text| resource(text)).collect();
        let how = Importing {
            as_edits: false,
            durable: true,
            at: Instant::from_epoch_ms(1_000),
        };
        guard
            .import(&[("x".into(), resources.len())], &resources, how)
            .unwrap();
        assert!(guard.repack(|| true).unwrap());
        let sorted = Query::parse("Observation?_sort=status,-date&_count=100").unwrap();
        assert_eq!(guard.search(&sorted).unwrap().records.len(), 100);
        let held = guard.get(&name("Patient/p99")).unwrap().unwrap();
        assert!(held.text.contains(&canary));
        assert!(copies() > 0, "the search finds what is there");
    }
    guard.lock().unwrap();
    assert_eq!(copies(), 0, "copies left after lock");
    // And the records are still there.
    let counts = unlock(home.path()).status().unwrap().counts;
    assert_eq!((counts[0].1, counts[1].1), (1300, 271));
}
