//! One FHIR server as a client feels it: ingest in transactions, reading pages, single reads. See run.sh.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::fhir::Resource;
use pocketchart_core::fhir::bundle::{Bundle, Writer};
use pocketchart_core::net::Server;
use pocketchart_tests::clinic;
use std::time::Instant;

/// Entries of a transaction.
const TOGETHER: usize = 200;
/// Single reads.
const READS: usize = 3000;

/// `NAME URL [CA-FILE TOKEN-FILE]`; prints one line: name, resources/s in, resources/s out, ms of single reads (p50, p99).
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [name, url, files @ ..] = &arguments[..] else {
        // `cargo bench --workspace` names no server.
        println!("run tests/benches/hub/run.sh");
        return;
    };
    let read = |at: usize| {
        files
            .get(at)
            .map(|file| std::fs::read_to_string(file).unwrap())
    };
    let server = Server::new(url, read(0).as_deref(), read(1).as_deref()).unwrap();
    let text = clinic();
    let records: Vec<(String, &str)> = text
        .lines()
        .map(|line| (Resource::parse_text(line).unwrap().name().to_string(), line))
        .collect();

    let start = Instant::now();
    for part in records.chunks(TOGETHER) {
        let mut bundle = Writer::new("transaction", &[]);
        for (name, text) in part {
            bundle.put(name, text, None, false);
        }
        let answer = server.transaction(bundle.finish()).await.unwrap();
        assert_eq!(answer.status, 200, "{name}: {:.300}", answer.text);
    }
    let ingest = rate(records.len(), start);

    let start = Instant::now();
    let mut seen = 0;
    let mut answer = server.get("Observation?_count=500").await.unwrap();
    loop {
        let bundle = Bundle::parse(&answer.text).unwrap();
        seen += bundle.entry.len();
        let Some(next) = bundle.link("next").map(str::to_owned) else {
            break;
        };
        answer = server.follow(&next).await.unwrap();
    }
    let pages = rate(seen, start);
    let wanted = records
        .iter()
        .filter(|(name, _)| name.starts_with("Observation/"));
    assert_eq!(seen, wanted.count(), "{name}: all of them, once");

    let mut times = Vec::with_capacity(READS);
    for at in 0..READS {
        // In no order that a cache would like.
        let (record, _) = &records[at * 7919 % records.len()];
        let start = Instant::now();
        let answer = server.get(record).await.unwrap();
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(answer.status, 200);
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[times.len() * percent / 100];
    println!("{name} {ingest:.0} {pages:.0} {:.2} {:.2}", at(50), at(99));
}

#[allow(clippy::cast_precision_loss)] // Counts far below 2^52.
fn rate(count: usize, start: Instant) -> f64 {
    count as f64 / start.elapsed().as_secs_f64()
}
