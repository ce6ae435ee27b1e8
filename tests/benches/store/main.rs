//! What the store costs, beside baselines in the same run: CPU time of imports, sizes, memory, and four searches.
//!
//! `cargo bench -p pocketchart-tests --bench store`; `tests/benches/run.sh` adds the same import by a build without a key.
//! A figure says little on another computer; the ratios between them say more.
#![allow(missing_docs, clippy::unwrap_used)]

mod android;
mod corpus;
mod measure;
mod persons;
mod policy;
mod searches;

use android::Android;
use corpus::Corpus;
use measure::{best, timed, us_each};
use pocketchart_core::access::{CopyWay, Guard};
use pocketchart_core::fhir::Resource;
use pocketchart_core::fhir::extract;
use pocketchart_core::fhir::params::Profile;
use pocketchart_core::fhir::search::Query;
use pocketchart_core::transfer::Import;
use pocketchart_core::vault;
use pocketchart_sqlcipher::Mode;
use pocketchart_tests::{PASSPHRASE, make_vault, passphrase, unlock};
use searches::Subject;
use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// As in the program.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

const UNKEYED: bool = cfg!(pocketchart_unkeyed);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--memory", home, what] => return memory(Path::new(home), Path::new(what)),
        ["--only-import", ..] => return only_import(),
        ["--only-keys", ..] => return only_keys(),
        ["--only-persons", ..] => return persons::measure(),
        ["--only-policy", ..] => return only_policy(),
        _ => {}
    }
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::make(folder.path());
    println!(
        "{}: {} resources, {:.1} MB compact JSON; best of 3, CPU time of the process{}",
        corpus.what,
        corpus.lines.len(),
        corpus.bytes() as f64 / 1e6,
        if UNKEYED { "; NOT ENCRYPTED" } else { "" }
    );
    reading(&corpus);
    let bodies = best(|| raw_bodies(&corpus));
    row(
        "raw insert of packed bodies, no index",
        &corpus,
        bodies,
        bodies,
    );
    let (home, import) = imports(&corpus, bodies);
    let android_file = folder.path().join("android.db");
    let mut android = Android::create(&android_file);
    let time = android.fill(&corpus.lines);
    android.checkpoint();
    row(
        "Android FHIR SDK's tables, our extraction",
        &corpus,
        time,
        import,
    );
    sizes(&corpus, home.path(), &android_file);
    new_keys(home.path());
    let subjects = searches::subjects(&corpus.lines);
    peaks(&corpus, home.path(), &subjects);
    persons::measure();
    let guard = unlock(home.path());
    policy::measure(&guard, &subjects);
    for (which, name) in searches::NAMES.iter().enumerate() {
        println!("{name}");
        let mut ours = searches::measure(&guard, which, &subjects);
        println!("  with its audit entry   {}", ours.line());
        println!(
            "  Android's, no audit    {}",
            android.search(which, &subjects).line()
        );
    }
}

fn row(name: &str, corpus: &Corpus, time: Duration, beside: Duration) {
    println!(
        "{name:44} {:8.1} us a resource   {:6.2} x",
        us_each(time, corpus.lines.len()),
        time.as_secs_f64() / beside.as_secs_f64()
    );
}

/// What reading alone costs.
fn reading(corpus: &Corpus) {
    let mega = |time: Duration| corpus.bytes() as f64 / time.as_secs_f64() / 1e6;
    let skip = best(|| {
        let each = |line: &String| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
        timed(|| assert!(corpus.lines.iter().all(each))).0
    });
    let mut found = Vec::new();
    let extract = best(|| {
        let (time, ()) = timed(|| {
            for line in &corpus.lines {
                let resource = Resource::parse_text(line).unwrap();
                extract::extract(&resource, Profile::Default, &mut found);
                black_box(found.len());
                found.clear();
            }
        });
        time
    });
    println!("{:44} {:8.0} MB/s", "serde_json, skipping all", mega(skip));
    println!(
        "{:44} {:8.0} MB/s            {:6.2} x",
        "parse + extract",
        mega(extract),
        extract.as_secs_f64() / skip.as_secs_f64()
    );
}

/// The least that keeping the texts could cost: packed as ours are, in the same table, nothing else.
fn raw_bodies(corpus: &Corpus) -> Duration {
    use zstd::zstd_safe::CParameter;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.db");
    let mut connection =
        pocketchart_sqlcipher::open(&path, &[7; 32], &[9; 16], Mode::Create).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 8000;
             CREATE TABLE body (rid INTEGER PRIMARY KEY, dict INTEGER NOT NULL, bytes BLOB NOT NULL, version TEXT,
             updated_ms INTEGER NOT NULL, origin INTEGER NOT NULL, revision INTEGER NOT NULL) STRICT",
        )
        .unwrap();
    let mut packer = zstd::bulk::Compressor::new(3).unwrap();
    packer
        .set_parameter(CParameter::ChecksumFlag(true))
        .unwrap();
    let (time, ()) = timed(|| {
        for lines in corpus.lines.chunks(10_000) {
            let tx = connection.transaction().unwrap();
            let sql = "INSERT INTO body (dict, bytes, version, updated_ms, origin, revision) VALUES (0, ?1, NULL, 0, 0, 1)";
            let mut insert = tx.prepare_cached(sql).unwrap();
            for line in lines {
                insert
                    .execute([packer.compress(line.as_bytes()).unwrap()])
                    .unwrap();
            }
            drop(insert);
            tx.commit().unwrap();
        }
    });
    time
}

/// An import by the product, into a new vault.
fn import(paths: &[PathBuf], count: usize) -> (Duration, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let (time, ()) = timed(|| run(&guard, paths));
    let records: u64 = guard.status().unwrap().counts.iter().map(|(_, n)| n).sum();
    assert_eq!(usize::try_from(records), Ok(count));
    guard.lock().unwrap();
    (time, home)
}

fn run(guard: &Guard, paths: &[PathBuf]) {
    let import = Import {
        guard,
        as_edits: false,
        progress: &mut |_| true,
    };
    import.run(paths).unwrap();
}

fn imports(corpus: &Corpus, beside: Duration) -> (tempfile::TempDir, Duration) {
    let mut kept = None;
    let lines = best(|| {
        let (time, home) = import(std::slice::from_ref(&corpus.ndjson), corpus.lines.len());
        kept = Some(home);
        time
    });
    row("import, NDJSON", corpus, lines, beside);
    if let Some(bundles) = &corpus.bundles {
        let time = best(|| import(std::slice::from_ref(bundles), corpus.lines.len()).0);
        row(
            "import, the Bundles with their references",
            corpus,
            time,
            beside,
        );
    }
    (kept.unwrap(), lines)
}

fn only_policy() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::make(folder.path());
    let (_, home) = import(std::slice::from_ref(&corpus.ndjson), corpus.lines.len());
    policy::measure(&unlock(home.path()), &searches::subjects(&corpus.lines));
}

fn only_import() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::make(folder.path());
    let time = best(|| import(std::slice::from_ref(&corpus.ndjson), corpus.lines.len()).0);
    println!(
        "{} {:.2}",
        if UNKEYED { "unkeyed" } else { "keyed" },
        us_each(time, corpus.lines.len())
    );
}

/// Lengths of the files, against the compact JSON.
fn sizes(corpus: &Corpus, home: &Path, android: &Path) {
    let line = |name: &str, bytes: u64| {
        let ratio = bytes as f64 / corpus.bytes() as f64;
        println!(
            "{name:44} {:8.1} MB              {ratio:6.2} x",
            bytes as f64 / 1e6
        );
    };
    line("database after the import", length(home));
    let (free, pages) = free_pages(home);
    println!("  {free} of {pages} pages free");
    let guard = unlock(home);
    let (time, _) = timed(|| guard.repack(|| true).unwrap());
    guard.lock().unwrap();
    row("repack with dictionaries", corpus, time, time);
    line("database after it", length(home));
    let (free, pages) = free_pages(home);
    println!("  {free} of {pages} pages free");
    line("database without them", length(home) - free * 4096);
    line(
        "Android FHIR SDK's tables",
        fs::metadata(android).unwrap().len(),
    );
}

fn only_keys() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::make(folder.path());
    println!(
        "{}: {:.1} MB compact JSON",
        corpus.what,
        corpus.bytes() as f64 / 1e6
    );
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    pocketchart_tests::import(&guard, std::slice::from_ref(&corpus.ndjson));
    guard.repack(|| true).unwrap();
    guard.lock().unwrap();
    println!(
        "{:44} {:8.2} x the JSON",
        "database, packed",
        length(home.path()) as f64 / corpus.bytes() as f64
    );
    new_keys(home.path());
    println!(
        "{:44} {:8.2} x the JSON",
        "database, compacted",
        length(home.path()) as f64 / corpus.bytes() as f64
    );
}

/// What a new data key costs, beside a plain copy of the same file that is as durable. Wall clock too: much of it is the
/// disk's. The first turn of the row copy makes the file smaller; the second one finds it so.
fn new_keys(home: &Path) {
    let guard = unlock(home);
    let ways = [
        ("pages", CopyWay::Pages),
        ("rows", CopyWay::Rows),
        ("rows, again", CopyWay::Rows),
    ];
    for (name, way) in ways {
        let store = fs::read_dir(home.join("vault"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let store = store.into_iter().find(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("store-") && name.ends_with(".db")
        });
        let plain = home.join("plain");
        let wall = Instant::now();
        let (copy_cpu, ()) = timed(|| {
            fs::copy(store.unwrap(), &plain).unwrap();
            fs::File::open(&plain).unwrap().sync_all().unwrap();
        });
        let copy_wall = wall.elapsed();
        fs::remove_file(&plain).unwrap();
        let wall = Instant::now();
        let (cpu, rekeyed) = timed(|| guard.rekey(way, |_, _| ()).unwrap());
        let wall = wall.elapsed();
        let mb = rekeyed.bytes_before as f64 / 1e6;
        let ms = |time: Duration| time.as_secs_f64() * 1e3 / mb;
        println!(
            "new data key, by {name:26} {:8.2} ms/MB CPU {:8.2} wall; plain copy {:6.2} CPU {:6.2} wall; {mb:.1} -> {:.1} MB",
            ms(cpu),
            ms(wall),
            ms(copy_cpu),
            ms(copy_wall),
            rekeyed.bytes_now as f64 / 1e6
        );
    }
    assert!(guard.check().unwrap().problems.is_empty());
    guard.lock().unwrap();
}

fn store_path(home: &Path) -> PathBuf {
    vault::unlock(home, &passphrase(PASSPHRASE))
        .unwrap()
        .store()
        .path
}

fn length(home: &Path) -> u64 {
    fs::metadata(store_path(home)).unwrap().len()
}

/// Free pages, and all.
fn free_pages(home: &Path) -> (u64, u64) {
    let vault = vault::unlock(home, &passphrase(PASSPHRASE)).unwrap();
    let store = vault.store();
    let connection =
        pocketchart_sqlcipher::open(&store.path, store.key.expose(), store.salt, Mode::ReadWrite)
            .unwrap();
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    };
    (pragma("freelist_count"), pragma("page_count"))
}

/// Peaks of memory, in processes of their own.
fn peaks(corpus: &Corpus, full: &Path, subjects: &[Subject]) {
    let home = tempfile::tempdir().unwrap();
    make_vault(home.path()).0.lock().unwrap();
    let asked = home.path().join("searches");
    let queries = |which| {
        subjects
            .iter()
            .map(move |subject| searches::query(which, subject))
    };
    let queries: Vec<String> = (0..searches::NAMES.len())
        .flat_map(queries)
        .map(|query| query.to_string())
        .collect();
    fs::write(&asked, queries.join("\n")).unwrap();
    for (home, what) in [(home.path(), &corpus.ndjson), (full, &asked)] {
        let mut child = Command::new(env::current_exe().unwrap());
        child.arg("--memory").arg(home).arg(what);
        assert!(child.status().unwrap().success());
    }
}

fn memory(home: &Path, what: &Path) {
    let guard = unlock(home);
    let peak = |name: &str| {
        let (peak, present) = measure::resident();
        println!("{name:44} {peak:8.1} MiB peak, {present:.1} MiB then");
        measure::reset_peak()
    };
    if !measure::reset_peak() {
        println!("this system cannot reset the peak: each of these includes those before it");
    }
    if what.extension().is_some() {
        run(&guard, &[what.to_owned()]);
        peak("memory, import into an empty vault");
        guard.repack(|| true).unwrap();
        peak("memory, repack behind it");
        return;
    }
    peak("memory, a full vault unlocked");
    let queries = fs::read_to_string(what).unwrap();
    for query in queries.lines() {
        black_box(guard.search(&Query::parse(query).unwrap()).unwrap());
    }
    peak("memory, 2,000 searches in it");
}
