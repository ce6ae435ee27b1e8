//! `bench`: what the store costs on this computer, beside baselines in the same run.
//!
//! On the committed patients, so that everyone can repeat it. What needs a way past the guard (bare inserts, a build
//! without a key, other programs' tables) is measured by `tests/benches/run.sh` and stays out of the program.

use crate::args::Global;
use crate::demo;
use crate::failure::Failure;
use crate::output::{count, grouped, line, result};
use pocketchart_core::access::Guard;
use pocketchart_core::fhir::Resource;
use pocketchart_core::fhir::extract;
use pocketchart_core::fhir::params::Profile;
use pocketchart_core::fhir::search::Query;
use pocketchart_core::transfer::Import;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The best of so many rounds counts: the least disturbed one.
const ROUNDS: usize = 3;
/// How often each search is asked.
const CALLS: usize = 500;

pub(crate) fn run(global: &Global) -> Result<ExitCode, Failure> {
    let lines = demo::patients()?;
    let bytes: usize = lines.iter().map(String::len).sum();
    let folder = tempfile::tempdir().map_err(Failure::file("making", Path::new("a folder")))?;
    let records = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    if !global.json {
        let megabytes = bytes as f64 / 1e6;
        line(&format!(
            "{}, {megabytes:.1} MB; CPU time, best of {ROUNDS}",
            count(records, "record")
        ));
    }

    let mega = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    let (skip, read) = (mega(skipping(&lines)?), mega(reading(&lines)?));
    let object = json!({ "bench": "parse + extract", "mb_per_s": read, "skipping_mb_per_s": skip });
    let words = format!("parse + extract      {read:7.0} MB/s   skipping alone: {skip:.0} MB/s");
    result(global, &words, &object);

    let each = |time: Duration| time.as_secs_f64() * 1e6 / lines.len() as f64;
    let packed = each(packing(&lines)?);
    let mut best = Duration::MAX;
    for round in 0..ROUNDS {
        let (time, guard) = import(folder.path(), &format!("vault{round}"), &lines)?;
        best = best.min(time);
        guard.lock()?;
    }
    let imported = each(best);
    let object =
        json!({ "bench": "import", "us_per_record": imported, "packing_us_per_record": packed });
    let words = format!(
        "import               {imported:7.1} us a record   packing the texts alone: {packed:.1} us"
    );
    result(global, &words, &object);

    let (_, guard) = import(folder.path(), "vault", &lines)?;
    guard.repack(|| true)?;
    for (name, queries) in searches(&lines)? {
        let (p50, p99) = latencies(&guard, &queries)?;
        let object = json!({ "bench": name, "p50_us": p50, "p99_us": p99, "calls": queries.len() });
        let words = format!("{name:36} p50 {p50:5.0} us   p99 {p99:5.0} us, audit entry included");
        result(global, &words, &object);
    }
    guard.lock()?;
    let length = length(&folder.path().join("vault"))?;
    let ratio = length as f64 / bytes as f64;
    let object = json!({ "bench": "size", "bytes": length, "json_bytes": bytes, "ratio": ratio });
    let words = format!(
        "the vault's files    {ratio:7.2} of the JSON ({} kB)",
        grouped(length / 1000)
    );
    result(global, &words, &object);
    Ok(ExitCode::SUCCESS)
}

/// CPU time of this process; elsewhere than on Unix the wall's.
fn now() -> Duration {
    #[cfg(unix)]
    {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }
    #[cfg(not(unix))]
    {
        use std::sync::LazyLock;
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

fn best(mut work: impl FnMut() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = now();
        work()?;
        best = best.min(now().saturating_sub(start));
    }
    Ok(best)
}

fn skipping(lines: &[String]) -> Result<Duration, Failure> {
    best(|| {
        for line in lines {
            let _ = black_box(serde_json::from_str::<&serde_json::value::RawValue>(line));
        }
        Ok(())
    })
}

fn reading(lines: &[String]) -> Result<Duration, Failure> {
    let mut found = Vec::new();
    best(|| {
        for line in lines {
            if let Ok(resource) = Resource::parse_text(line) {
                extract::extract(&resource, Profile::Default, &mut found);
            }
            black_box(found.len());
            found.clear();
        }
        Ok(())
    })
}

fn packing(lines: &[String]) -> Result<Duration, Failure> {
    let failed = |source| Failure::File {
        doing: "packing",
        file: "the texts".into(),
        source,
    };
    let mut packer = zstd::bulk::Compressor::new(3).map_err(failed)?;
    best(|| {
        for line in lines {
            black_box(packer.compress(line.as_bytes()).map_err(failed)?);
        }
        Ok(())
    })
}

/// Imports everything into a new vault, as `pocketchart import` does.
fn import(folder: &Path, name: &str, lines: &[String]) -> Result<(Duration, Guard), Failure> {
    let file = folder.join("records.ndjson");
    fs::write(&file, lines.join("\n")).map_err(Failure::file("writing", &file))?;
    let guard = demo::create_vault(folder, &folder.join(name))?;
    let start = now();
    let import = Import {
        guard: &guard,
        as_edits: false,
        progress: &mut |_| true,
    };
    import.run(&[file])?;
    Ok((now().saturating_sub(start), guard))
}

/// The searches of a chart, each about many patients.
fn searches(lines: &[String]) -> Result<Vec<(&'static str, Vec<Query>)>, Failure> {
    let text = |value: &Value, pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let mut patients = Vec::new();
    let mut codes: HashMap<String, Vec<String>> = HashMap::new();
    for line in lines {
        let Ok(record) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        match text(&record, "/resourceType").as_str() {
            "Patient" => patients.push(record),
            "Observation" => {
                let coding = |part| text(&record, &format!("/code/coding/0/{part}"));
                let code = format!("{}|{}", coding("system"), coding("code"));
                let patient = text(&record, "/subject/reference");
                codes.entry(patient).or_default().push(code);
            }
            _ => {}
        }
    }
    let mut all = [
        ("50 newest observations of a patient", Vec::new()),
        ("patients by the start of a name", Vec::new()),
        ("patient by identifier", Vec::new()),
        ("a code of a patient", Vec::new()),
    ];
    for (at, patient) in patients.iter().cycle().take(CALLS).enumerate() {
        let name = format!("Patient/{}", text(patient, "/id"));
        let start: String = text(patient, "/name/0/family").chars().take(3).collect();
        let (system, value) = (
            text(patient, "/identifier/0/system"),
            text(patient, "/identifier/0/value"),
        );
        let codes = codes.get(&name).map(Vec::as_slice).unwrap_or_default();
        let code = codes.get(at * 31 % codes.len().max(1));
        let code = code.map(String::as_str).unwrap_or_default();
        let wanted = [
            format!("Observation?patient={name}&_sort=-date&_count=50"),
            format!("Patient?name={start}"),
            format!("Patient?identifier={system}|{value}"),
            format!("Observation?patient={name}&code={code}"),
        ];
        for ((_, queries), wanted) in all.iter_mut().zip(wanted) {
            queries.push(Query::parse(&wanted).map_err(|e| Failure::Usage(e.to_string()))?);
        }
    }
    Ok(all.into())
}

/// p50 and p99 in microseconds by the wall clock: what a person waits for.
fn latencies(guard: &Guard, queries: &[Query]) -> Result<(f64, f64), Failure> {
    let mut all = Vec::with_capacity(queries.len());
    for query in queries {
        let start = Instant::now();
        black_box(guard.search(query)?);
        all.push(start.elapsed().as_secs_f64() * 1e6);
    }
    all.sort_by(f64::total_cmp);
    let at = |part: usize| all.get(all.len() * part / 100).copied().unwrap_or(f64::NAN);
    Ok((at(50), at(99)))
}

/// Length of all files in a folder.
fn length(home: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in fs::read_dir(home).map_err(Failure::file("reading", home))? {
        let entry = entry.map_err(Failure::file("reading", home))?;
        let about = entry.metadata().map_err(Failure::file("reading", home))?;
        sum += if about.is_dir() {
            length(&entry.path())?
        } else {
            about.len()
        };
    }
    Ok(sum)
}
