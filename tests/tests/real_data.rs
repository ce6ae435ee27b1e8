//! Imports of real data: everything goes in and comes out again, byte for byte.
//!
//! The data lies beside the repository; where it does not, these tests say so and pass.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::Guard;
use pocketchart_core::fhir::bundle::Bundle;
use pocketchart_core::transfer::ImportReport;
use pocketchart_tests::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// An archive, unpacked and imported into a new vault.
struct Imported {
    guard: Guard,
    report: ImportReport,
    folder: tempfile::TempDir,
    _home: tempfile::TempDir,
}

impl Imported {
    /// `None`, and a line that says why, without the data.
    fn new(archive: &str) -> Option<Self> {
        let archive = match shared_data() {
            Ok(data) => data.join(archive),
            Err(skipped) => {
                println!("{skipped}");
                return None;
            }
        };
        let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        untar(&archive, folder.path());
        let (guard, _) = make_vault(home.path());
        let report = import(&guard, &[folder.path().to_owned()]);
        Some(Self {
            guard,
            report,
            folder,
            _home: home,
        })
    }

    /// The files in the order of an import.
    fn files(&self) -> Vec<PathBuf> {
        let mut all = Vec::new();
        files(self.folder.path(), &mut all);
        let rank = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let front = ["hospital", "practitioner"];
            front.iter().position(|f| name.starts_with(f)).unwrap_or(2)
        };
        all.sort_by_key(|path| (rank(path), path.clone()));
        all
    }

    fn refusals(&self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        let all = self.report.refusals.iter();
        let mut all: Vec<_> = all.map(|r| r.to_string().replace(&folder, "")).collect();
        all.sort();
        all
    }
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else {
            all.push(path);
        }
    }
}

/// Type, id and text of each resource that an import has to take from a file, read in another way than the import does.
fn expected(text: &str, all: &mut BTreeMap<String, String>) {
    #[derive(Deserialize)]
    struct Name<'a> {
        #[serde(rename = "resourceType", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow, default)]
        id: Option<Cow<'a, str>>,
    }
    let mut add = |text: &str| {
        let name: Name<'_> = serde_json::from_str(text).unwrap();
        if let Some(id) = name.id {
            all.insert(format!("{}/{id}", name.kind), text.to_owned());
        }
    };
    let bundle = Bundle::parse(text);
    let is_taken_apart = |bundle: &Bundle<'_>| {
        let writes = bundle.entry.iter().filter_map(|e| e.request.as_ref());
        let writes = writes
            .filter(|r| matches!(&*r.method, "POST" | "PUT"))
            .count()
            > 0;
        matches!(&*bundle.kind, "collection" | "searchset" | "transaction")
            || bundle.kind == "batch" && writes
    };
    match bundle {
        Some(bundle) if is_taken_apart(&bundle) => {
            let is_request = matches!(&*bundle.kind, "transaction" | "batch");
            for entry in &bundle.entry {
                let method = entry.request.as_ref().map_or("", |r| &r.method);
                let resource = entry.resource.map(RawValue::get);
                let is_nested = resource.is_some_and(|text| Bundle::parse(text).is_some());
                if !is_nested && (!is_request || matches!(method, "POST" | "PUT")) {
                    resource.into_iter().for_each(&mut add);
                }
            }
        }
        _ => add(text.trim()),
    }
}

/// Whether `stored` is `given` but for the texts of references that mean something inside their Bundle only.
fn is_same_but_for_links(given: &str, stored: &str) -> bool {
    if given == stored {
        return true;
    }
    let (mut given, mut stored) = (given.as_bytes(), stored.as_bytes());
    loop {
        let same = given.iter().zip(stored).take_while(|(a, b)| a == b).count();
        if same == given.len() && same == stored.len() {
            return true;
        }
        // Back to the quote before the difference, then to the one behind it, on both sides.
        let Some(open) = given[..same].iter().rposition(|b| *b == b'"') else {
            return false;
        };
        let value = |text: &[u8]| {
            let length = text[open + 1..].iter().position(|b| *b == b'"')?;
            String::from_utf8(text[open + 1..open + 1 + length].to_vec()).ok()
        };
        let (Some(before), Some(after)) = (value(given), value(stored)) else {
            return false;
        };
        let is_link = before.starts_with("urn:uuid:") || before.contains("?identifier=");
        let leads = pocketchart_core::fhir::Reference::parse(&after).is_ok();
        if !is_link || !leads || !given[..open].ends_with(b"\"reference\":") {
            return false;
        }
        given = &given[open + 1 + before.len()..];
        stored = &stored[open + 1 + after.len()..];
    }
}

/// All that had to go in is there, and nothing else but `made` records; the export has their tokens.
fn assert_all_came_through(imported: &Imported, made: usize) {
    let mut wanted = BTreeMap::new();
    for file in imported.files() {
        expected(&fs::read_to_string(file).unwrap(), &mut wanted);
    }
    let guard = &imported.guard;
    let mut lines = BTreeSet::new();
    for line in exported(guard) {
        assert!(lines.insert(line), "an export says nothing twice");
    }
    assert_eq!(lines.len(), wanted.len() + made);
    for (record, given) in &wanted {
        let stored = guard.get(&name(record)).unwrap();
        assert!(stored.is_some(), "{record} is missing");
        let stored = stored.unwrap().text;
        assert!(is_same_but_for_links(given, &stored), "{record}");
        assert!(lines.contains(&compacted(&stored)), "{record}");
    }
    assert!(guard.pending(None).unwrap().is_empty());
    assert_eq!(guard.check().unwrap().problems, Vec::<String>::new());
}

/// White space outside strings dropped, one character after the other.
fn compacted(text: &str) -> String {
    let (mut out, mut in_string, mut escaped) = (String::with_capacity(text.len()), false, false);
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        out.push(c);
    }
    out
}

#[test]
fn synthea_100() {
    let Some(imported) = Imported::new("synthea-100.tar.xz") else {
        return;
    };
    let report = &imported.report;
    assert_eq!(imported.refusals(), Vec::<String>::new());
    assert_eq!(report.stored + report.unchanged, 29_408);
    assert_eq!(imported.guard.check().unwrap().records, 29_106);
    assert_eq!(report.unresolved_references, 0);
    assert_all_came_through(&imported, 0);
    // Again: nothing changes but for the 138 that stand in two forms, each of which is stored over the other.
    let again = import(&imported.guard, &[imported.folder.path().to_owned()]);
    assert_eq!(again.stored + again.unchanged, 29_408);
    assert!(again.stored <= 2 * 138, "{}", again.stored);
    assert_all_came_through(&imported, 0);
}

#[test]
fn synthea_us_core() {
    let Some(imported) = Imported::new("synthea-uscore-79.tar.xz") else {
        return;
    };
    assert_eq!(imported.refusals(), Vec::<String>::new());
    assert_eq!(imported.report.stored, 46_497);
    assert_eq!(imported.report.unresolved_references, 0);
    assert_all_came_through(&imported, 0);
}

#[test]
fn the_official_r4_examples() {
    let Some(imported) = Imported::new("r4/r4-examples.tar.xz") else {
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let list = folder.join("r4-examples-refused.txt");
    let refusals = imported.refusals().join("\n") + "\n";
    if std::env::var_os("POCKETCHART_BLESS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        fs::write(&list, &refusals).unwrap();
    }
    assert_eq!(refusals, fs::read_to_string(list).unwrap());
    assert_eq!(imported.report.files, 708);
    // Posted resources without an id: 2 in bundle-transaction, 22 in diagnosticreport-hla-genetics-..., 1 in xds-example.
    assert_all_came_through(&imported, 25);
}
