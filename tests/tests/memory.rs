//! After a vault is locked, nothing of its records and keys is left in this process' own heap.
//!
//! Linux only: it reads /proc/self/mem. The allocator is the one that the shipped program has.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::Importing;
use pocketchart_core::fhir::Instant;
use pocketchart_core::fhir::search::Query;
use pocketchart_tests::*;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// What is looked for, in two halves so that this program's own text does not hold it.
const CANARY: (&str, &str) = ("Zyxwv-Canary-", "Qwertz-7731");

/// How often the canary stands in readable and writable memory, outside the buffers of the search itself.
fn copies() -> usize {
    const PIECE: usize = 1 << 20;
    // Made before the map is read, and skipped: the search must not find what it read itself.
    let mut piece = vec![0_u8; PIECE];
    let own = piece.as_ptr().addr()..piece.as_ptr().addr() + PIECE;
    let needle = needle();
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

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_lock() {
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
