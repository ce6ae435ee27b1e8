//! What is measured in a process of its own; each answers with one line of JSON.

use crate::measure;
use crate::plain::{self, Change};
use crate::watched::Watched;
use pocketchart_core::access::{Guard, PeerSettings};
use pocketchart_core::net::Server;
use pocketchart_core::sync::{self, Progress, Report, SyncRun};
use pocketchart_tests::draw::Draw;
use pocketchart_tests::helios::fill;
use pocketchart_tests::{make_vault, resource, synthea, unlock};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Edits of one push.
const EDITS: usize = 500;
/// Types whose records may have a note.
const NOTED: [&str; 4] = ["Observation", "Condition", "Procedure", "Immunization"];

pub(crate) async fn run(what: &[&str]) {
    let answer = match what {
        // By hand, for a server to look at with a profiler.
        ["fill", url] => {
            fill(
                &plain_server(url),
                &synthea::records("synthea-100.tar.xz").unwrap(),
            )
            .await;
            Value::Null
        }
        ["create", home, url] => create(Path::new(home), url),
        ["plain", url, types, sort, page, ahead] => {
            let types: Vec<String> = types.split(',').map(str::to_owned).collect();
            download(url, &types, sort, page.parse().unwrap(), *ahead == "ahead").await
        }
        ["sync", home, url] => sync(Path::new(home), url).await,
        ["watch", home, url, log] => watch(Path::new(home), url, Path::new(log)).await,
        ["push", home, url, turn, together] => {
            push(
                Path::new(home),
                url,
                turn.parse().unwrap(),
                together.parse().unwrap(),
            )
            .await
        }
        _ => panic!("{what:?}"),
    };
    println!("{answer}");
}

fn plain_server(url: &str) -> Server {
    Server::new(url, None, None).unwrap()
}

fn create(home: &Path, url: &str) -> Value {
    let (guard, _) = make_vault(home);
    let server = plain_server(url);
    guard
        .remember_peer(server.url(), &PeerSettings::default())
        .unwrap();
    Value::Null
}

async fn download(url: &str, types: &[String], sort: &str, page: usize, ahead: bool) -> Value {
    let start = Instant::now();
    let done = plain::download(&plain_server(url), types, sort, page, ahead).await;
    json!({
        "wall_ms": ms(start.elapsed()), "cpu_ms": ms(measure::cpu()),
        "bytes": done.bytes, "pages": done.pages,
    })
}

async fn synced(
    guard: &Guard,
    server: &Server,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Report {
    let peer = guard.peers().unwrap()[0].0;
    let run = SyncRun {
        guard,
        server,
        peer,
        patient: None,
        progress,
    };
    run.run().await.unwrap()
}

async fn sync(home: &Path, url: &str) -> Value {
    let guard = unlock(home);
    assert!(measure::reset_peak(), "this system does not tell");
    let (server, cpu, start) = (plain_server(url), measure::cpu(), Instant::now());
    let report = synced(&guard, &server, &|_| {}).await;
    let (wall, after) = (start.elapsed(), measure::cpu());
    let (peak, _) = measure::resident();
    json!({
        "wall_ms": ms(wall), "cpu_ms": ms(after), "sync_cpu_ms": ms(after - cpu), "peak_mib": peak,
        "received": report.received, "known": report.known, "pages": report.pages,
    })
}

/// As [`sync`], with every request written down.
async fn watch(home: &Path, url: &str, log: &Path) -> Value {
    let guard = unlock(home);
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(log)
        .unwrap();
    let (server, watched) = Watched::new(plain_server(url), Some(file));
    let report = synced(&guard, &server, &|_| {}).await;
    let asked: Vec<String> = watched.all().into_iter().map(|went| went.what).collect();
    json!({
        "asked": asked, "received": report.received, "known": report.known,
        "records": guard.fingerprints().unwrap().len(),
    })
}

/// Edits of records that no earlier turn touched, pushed; and as many others, sent by a plain client in transactions of
/// `together`.
async fn push(home: &Path, url: &str, turn: usize, together: usize) -> Value {
    let guard = unlock(home);
    let mut names: Vec<_> = guard
        .fingerprints()
        .unwrap()
        .into_iter()
        .map(|(name, _)| name.reference)
        .collect();
    names.retain(|name| NOTED.contains(&name.kind.name()));
    names.sort_by_key(ToString::to_string);
    Draw::new(13).shuffle(&mut names);
    let mut changes = Vec::with_capacity(2 * EDITS);
    for name in &names[turn * 2 * EDITS..][..2 * EDITS] {
        let record = guard.get(name).unwrap().unwrap();
        let mut value: Value = serde_json::from_str(&record.text).unwrap();
        value["note"] = json!([{"text": "seen again, nothing new to report"}]);
        let change: Change = (name.to_string(), value.to_string(), record.version.unwrap());
        changes.push(change);
    }
    let (ours, theirs) = changes.split_at(EDITS);
    for (_, text, _) in ours {
        guard.put(&resource(text)).unwrap();
    }
    // Half of the others before it, half after it: who is first finds a colder server.
    let (before, after) = theirs.split_at(EDITS / 2);
    let plain = plain_server(url);
    // What the server is, is asked by both: here once, there by the sync.
    let asked = Instant::now();
    sync::probe(&plain).await.unwrap();
    let mut plain_time = asked.elapsed() + plain::transactions(&plain, before, together).await;
    let (server, watched) = Watched::new(plain_server(url), None);
    let sent_at = Mutex::new(None);
    let (cpu, start) = (measure::cpu(), Instant::now());
    let report = synced(&guard, &server, &|progress| {
        if matches!(progress, Progress::Sending { .. }) {
            *sent_at.lock().unwrap() = Some((start.elapsed(), measure::cpu()));
        }
    })
    .await;
    assert_eq!(
        (report.sent, report.conflicts, report.refused),
        (EDITS as u64, 0, 0),
        "{report:?}"
    );
    let (push_time, push_cpu) = sent_at.lock().unwrap().unwrap();
    plain_time += plain::transactions(&plain, after, together).await;
    let writes: Vec<_> = watched
        .all()
        .into_iter()
        .filter(|went| !went.what.starts_with("GET"))
        .collect();
    let divided: Vec<usize> = writes.iter().map(|went| went.entries).collect();
    let waited: Duration = writes.iter().filter_map(|went| went.time).sum();
    json!({
        "push_ms": ms(push_time), "plain_ms": ms(plain_time), "waited_ms": ms(waited),
        "push_cpu_ms": ms(push_cpu - cpu), "divided": divided,
    })
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
