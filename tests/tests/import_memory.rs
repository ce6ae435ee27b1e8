//! An import's memory does not grow with the file. In a process of its own, since it looks at the whole process' peak.
//!
//! Linux only: it reads and resets the peak in /proc.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_tests::*;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Resources, and bytes of filling in each.
const RESOURCES: usize = 12_000;
const FILLING: usize = 8 * 1024;

/// Peak of the resident memory, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn filled(n: usize) -> String {
    format!(
        "{{\"resourceType\":\"Basic\",\"id\":\"r{n}\",\"x\":\"{}\"}}",
        "0123456789abcdef".repeat(FILLING / 16)
    )
}

fn write(path: &Path, front: &str, back: &str, separator: &str, wrap: impl Fn(usize) -> String) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    out.write_all(front.as_bytes()).unwrap();
    for n in 0..RESOURCES {
        let between = if n == 0 { "" } else { separator };
        write!(out, "{between}{}", wrap(n)).unwrap();
    }
    out.write_all(back.as_bytes()).unwrap();
    out.flush().unwrap();
}

#[test]
fn a_large_file_costs_no_more_memory_than_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("a.ndjson");
    write(&lines, "", "\n", "\n", filled);
    let bundle = folder.path().join("b.json");
    let front = "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[";
    write(&bundle, front, "]}", ",", |n| {
        format!(
            "{{\"fullUrl\":\"urn:uuid:r{n}\",\"resource\":{},\"request\":{{\"method\":\"POST\",\"url\":\"Basic\"}}}}",
            filled(n)
        )
    });
    for (file, stored) in [(lines, RESOURCES), (bundle, RESOURCES)] {
        let length = fs::metadata(&file).unwrap().len();
        assert!(length > 90 << 20);
        let home = tempfile::tempdir().unwrap();
        let (guard, _) = make_vault(home.path());
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = peak();
        let report = import(&guard, std::slice::from_ref(&file));
        let grown = peak().saturating_sub(before);
        assert_eq!(
            report.stored,
            stored as u64,
            "{:?}",
            report.refusals.first()
        );
        println!("{} MiB of file, {grown} KiB of memory", length >> 20);
        assert!(grown < 40 * 1024, "{grown} KiB");
    }
}
