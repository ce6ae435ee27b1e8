//! Many runs, one run, and what to do with a seed that fails.

use super::run::{Failure, Plan, Summary};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What failed, and the command that shows how.
pub(super) fn replay_of(seed: u64) -> String {
    format!(
        "POCKETCHART_SEED={seed} cargo test -p pocketchart-core --lib simulation::replay -- --nocapture"
    )
}

pub(super) fn run(plan: &Plan) -> Result<Summary, Failure> {
    let caught = catch_unwind(AssertUnwindSafe(|| plan.run()));
    caught.unwrap_or_else(|_| {
        Err(Failure {
            what: "it panicked".into(),
        })
    })
}

/// Does `work` for `count` numbers from `first` on, on all processors. What panics is told by its number.
pub(super) fn each<T: Send>(
    first: u64,
    count: u64,
    work: impl Fn(u64) -> T + Sync,
) -> (Vec<T>, Vec<String>) {
    let next = AtomicU64::new(first);
    let found = Mutex::new((Vec::new(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= first + count || found.lock().unwrap().1.len() >= 5 {
                        return;
                    }
                    let done = catch_unwind(AssertUnwindSafe(|| work(number)));
                    let mut found = found.lock().unwrap();
                    match done {
                        Ok(done) => found.0.push(done),
                        Err(_) => found.1.push(format!("{number} panicked")),
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// Runs `count` seeds from `first` on, until some have failed.
pub(super) fn many(
    first: u64,
    count: u64,
    plan: impl Fn(u64) -> Plan + Sync,
) -> (Summary, Vec<(u64, String)>) {
    let failed = AtomicU64::new(0);
    let (done, panics) = each(first, count, |seed| {
        if failed.load(Ordering::SeqCst) >= 5 {
            return None;
        }
        let outcome = run(&plan(seed));
        failed.fetch_add(u64::from(outcome.is_err()), Ordering::SeqCst);
        Some((seed, outcome))
    });
    assert!(panics.is_empty(), "{panics:?}");
    let mut sum = Summary::default();
    let mut failures = Vec::new();
    for (seed, outcome) in done.into_iter().flatten() {
        match outcome {
            Ok(summary) => sum.add(&summary),
            Err(failure) => failures.push((seed, failure.what)),
        }
    }
    failures.sort();
    (sum, failures)
}

#[test]
fn seeds() {
    let count = number("POCKETCHART_SEEDS").unwrap_or(300);
    let first = number("POCKETCHART_FIRST_SEED").unwrap_or(1);
    let started = std::time::Instant::now();
    let (sum, failed) = many(first, count, Plan::any);
    println!("{count} seeds in {:?}: {sum:?}", started.elapsed());
    let told: Vec<String> = failed
        .iter()
        .map(|(seed, what)| format!("seed {seed}: {what}\n  {}", replay_of(*seed)))
        .collect();
    assert!(failed.is_empty(), "{}", told.join("\n"));
}

/// Tells the story of the one seed that is named; without one there is nothing to tell.
pub(super) fn retell() {
    let Some(seed) = number("POCKETCHART_SEED") else {
        return;
    };
    let plan = Plan {
        told: true,
        ..Plan::any(seed)
    };
    if let Err(failure) = run(&plan) {
        panic!("seed {seed}: {}", failure.what);
    }
}

/// The honest server, no faults: what is left is what people do to each other.
#[test]
fn honest() {
    let (sum, failed) = many(1, 20, Plan::honest);
    println!("{sum:?}");
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(sum.edits > 200 && sum.syncs > 100, "{sum:?}");
}
