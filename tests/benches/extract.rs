//! How fast a record is read: MB of compact JSON a second, on one core.
//!
//! `cargo bench -p pocketchart-tests --bench extract`. A figure says little without the machine's own speed beside it, so the
//! first rows are copies of the same bytes and serde_json skipping over them.

use pocketchart_core::fhir::Resource;
use pocketchart_core::fhir::extract::{self, Found};
use pocketchart_core::fhir::params::Profile;
use pocketchart_tests::clinic;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 40;

fn main() {
    let text = clinic();
    let lines: Vec<&str> = text.lines().collect();
    println!(
        "{} resources, {:.1} MB, best of {ROUNDS}",
        lines.len(),
        text.len() as f64 / 1e6
    );

    measure("copy", &lines, |line| black_box(line.to_owned()).len());
    measure("serde_json, skip all", &lines, |line| {
        usize::from(serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok())
    });
    measure("parse", &lines, |line| {
        usize::from(Resource::parse(line.as_bytes()).is_ok())
    });
    for (name, profile) in [
        ("parse + extract default", Profile::Default),
        ("parse + extract full", Profile::Full),
    ] {
        let mut found: Vec<Found<'_>> = Vec::new();
        measure(name, &lines, |line| {
            let Ok(resource) = Resource::parse(line.as_bytes()) else {
                return 0;
            };
            let before = found.len();
            extract::extract(&resource, profile, &mut found);
            let count = found.len() - before;
            found.clear();
            count
        });
    }
}

fn measure<'a>(name: &str, lines: &[&'a str], mut each: impl FnMut(&'a str) -> usize) {
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let mut best = f64::MAX;
    let mut sum = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        sum = lines
            .iter()
            .map(|line| black_box(each(black_box(line))))
            .sum();
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{name:26} {:7.0} MB/s   {:6.2} us a resource   ({:.2} values each)",
        bytes as f64 / best / 1e6,
        best * 1e6 / lines.len() as f64,
        sum as f64 / lines.len() as f64
    );
}
