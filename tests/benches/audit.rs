//! What an audited read costs, beside the same read whose entry was just written: quiet, and while a first load runs.
//!
//! `cargo bench -p pocketchart-tests --bench audit`. The guard has no way to read without an entry. But a second look at
//! the same page within ten seconds is one look, so the same read again, on a clock that stands, is the baseline: it
//! searches, unpacks, looks up the patients and takes the digest, and writes nothing. On a clock that moves on by
//! more than that, each look has its entry.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::Guard;
use pocketchart_core::clock::{Clock, SystemClock};
use pocketchart_core::fhir::Instant;
use pocketchart_core::fhir::search::Query;
use pocketchart_tests::{clinic, import, make_vault_at, patient};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant as Wall};

/// As in the program.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// Pages looked at, each three times.
const LOOKS: usize = 3_000;
/// What the other thread stores meanwhile.
const LOADED: usize = 150_000;

/// Stands until it is moved.
#[derive(Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Instant {
        SystemClock.now()
    }

    fn since_boot(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let (guard, _) = make_vault_at(&folder.path().join("home"), clock.clone());
    let file = folder.path().join("clinic.ndjson");
    fs::write(&file, clinic()).unwrap();
    import(&guard, &[file]);
    let charts = patients(&guard)
        .iter()
        .map(|id| format!("Observation?patient={id}&_sort=-date&_count=50"))
        .collect::<Vec<_>>();
    let others: Vec<String> = (0..60)
        .map(|n| patient(&format!("other-{n}"), "1"))
        .collect();
    let file = folder.path().join("others.ndjson");
    fs::write(&file, others.join("\n")).unwrap();
    import(&guard, &[file]);
    let list = ["Patient?_count=50".to_owned()];
    println!("{LOOKS} looks each; CPU time of the thread that looks, and the wall's, in us");
    for (name, queries) in [
        ("50 observations of a patient", &charts[..]),
        ("a list of 50 patients", &list[..]),
    ] {
        println!("{name}");
        let (mut audited, mut plain) = looks(&guard, &clock, queries, |at| at < LOOKS);
        audited.print("  quiet, audited");
        plain.print("  quiet, the same without its entry");
        let load = load(folder.path(), name.len());
        let (mut audited, mut plain) = thread::scope(|scope| {
            let loading = scope.spawn(|| import(&guard, &[load]));
            looks(&guard, &clock, queries, |at| {
                at < LOOKS && !loading.is_finished()
            })
        });
        audited.print("  during a first load, audited");
        plain.print("  during a first load, without");
    }
    println!(
        "{} entries, and the chain holds",
        guard.verify_trail().unwrap()
    );
}

fn patients(guard: &Guard) -> Vec<String> {
    let query = Query::parse("Patient?_count=100").unwrap();
    let page = guard.search(&query).unwrap();
    let ids = page.records.iter();
    ids.map(|record| record.name.reference.id.to_string())
        .collect()
}

/// Three looks at each page: one that warms up, one with its entry, one without.
fn looks(
    guard: &Guard,
    clock: &HandClock,
    queries: &[String],
    goes_on: impl Fn(usize) -> bool,
) -> (Latencies, Latencies) {
    let (mut audited, mut plain) = (Latencies::default(), Latencies::default());
    let queries: Vec<Query> = queries.iter().map(|q| Query::parse(q).unwrap()).collect();
    let entries = || guard.anchor().unwrap().head.seq;
    let mut at = 0;
    while goes_on(at) {
        let query = &queries[at % queries.len()];
        let look = || guard.search(query).unwrap();
        look();
        clock.0.fetch_add(11, Ordering::Relaxed);
        audited.time(look);
        let before = (at % 100 == 0).then(entries);
        plain.time(look);
        // A load writes entries of its own, a few; a look that should have none is seen when it is quiet.
        if let Some(before) = before {
            assert!(entries() - before <= 1, "the baseline wrote an entry");
        }
        at += 1;
    }
    (audited, plain)
}

/// A file for a first load.
fn load(folder: &Path, salt: usize) -> std::path::PathBuf {
    let mut text = String::new();
    for n in 0..LOADED {
        let patient = n % 2_000;
        let _ = writeln!(
            text,
            "{{\"resourceType\":\"Observation\",\"id\":\"load-{salt}-{n}\",\"status\":\"final\",\"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"718-7\"}}]}},\"subject\":{{\"reference\":\"Patient/load-{patient}\"}},\"effectiveDateTime\":\"2026-01-{:02}\",\"valueQuantity\":{{\"value\":{n},\"unit\":\"g/dL\"}}}}",
            n % 28 + 1
        );
    }
    let file = folder.join(format!("load-{salt}.ndjson"));
    fs::write(&file, text).unwrap();
    file
}

/// Of the thread that asks: the load has one of its own.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.cast_unsigned(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[derive(Default)]
struct Latencies {
    cpu: Vec<f64>,
    wall: Vec<f64>,
}

impl Latencies {
    fn time<R>(&mut self, work: impl FnOnce() -> R) {
        let (start, wall) = (cpu(), Wall::now());
        let answer = work();
        self.wall.push(wall.elapsed().as_secs_f64() * 1e6);
        self.cpu
            .push(cpu().saturating_sub(start).as_secs_f64() * 1e6);
        drop(answer);
    }

    fn print(&mut self, name: &str) {
        let at = |all: &mut Vec<f64>, part: usize| {
            all.sort_by(f64::total_cmp);
            let index = (all.len() * part / 100).min(all.len().saturating_sub(1));
            all.get(index).copied().unwrap_or(f64::NAN)
        };
        println!(
            "{name:38} CPU p50 {:6.0} p99 {:6.0}   wall p50 {:6.0} p99 {:6.0}   ({} looks)",
            at(&mut self.cpu, 50),
            at(&mut self.cpu, 99),
            at(&mut self.wall, 50),
            at(&mut self.wall, 99),
            self.cpu.len()
        );
    }
}
