//! The parameter table is what the tool makes, and the fast extraction finds what the slow one finds.

#![allow(clippy::unwrap_used)]

use pocketchart_core::fhir::extract::{self, Found};
use pocketchart_core::fhir::params::{self, Profile};
use pocketchart_core::fhir::{Resource, ResourceType};
use pocketchart_tests::{clinic, search_parameters, shared, slow_extract};
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

#[test]
fn the_committed_table_is_what_the_tool_makes() {
    let Some(r4) = shared("data/r4", "the_committed_table_is_what_the_tool_makes") else {
        return;
    };
    let compiled = search_parameters::compile(&r4).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/fhir/params/table.rs");
    let committed = std::fs::read_to_string(file).unwrap();
    assert!(
        committed == compiled.table,
        "make core/src/fhir/params/table.rs again"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/fhir/compartment/table.rs");
    let committed = std::fs::read_to_string(file).unwrap();
    assert!(
        committed == compiled.compartment,
        "make core/src/fhir/compartment/table.rs again"
    );
    let rows = |only_default: bool| -> usize {
        let all = ResourceType::all().flat_map(params::of);
        all.filter(|p| !only_default || p.in_default).count()
    };
    assert_eq!(
        (rows(false), rows(true)),
        (compiled.in_full, compiled.in_default)
    );
    for (of, code, _) in &compiled.left_out {
        let of = ResourceType::named(of)
            .or(ResourceType::named("Basic"))
            .unwrap();
        assert!(params::is_known(of, code), "{of}?{code}");
    }
}

#[test]
fn the_default_profile_serves_us_core() {
    let vectors = "vectors/us-core-6.1-required-searches.tsv";
    let Some(file) = shared(vectors, "the_default_profile_serves_us_core") else {
        return;
    };
    for line in std::fs::read_to_string(file).unwrap().lines().skip(1) {
        let mut columns = line.split('\t');
        let kind = ResourceType::named(columns.next().unwrap()).unwrap();
        for code in columns
            .next()
            .unwrap()
            .split(',')
            .filter(|code| *code != "_id")
        {
            let found = params::find(kind, code);
            assert!(found.is_some_and(|p| p.in_default), "{kind}?{code}");
        }
    }
}

#[test]
fn rows_are_sorted_and_numbered_once() {
    for kind in ResourceType::all() {
        let all = params::of(kind);
        assert!(all.is_sorted_by(|a, b| a.code < b.code), "{kind}");
        let numbers: BTreeSet<u16> = all.iter().map(|p| p.number).collect();
        assert_eq!(numbers.len(), all.len(), "{kind}");
        assert!(
            kind.patient_paths().is_empty()
                || params::find(kind, "patient").is_some_and(|p| p.in_default),
            "{kind}"
        );
    }
}

/// How many values were compared.
fn compare(text: &str) -> usize {
    let Ok(resource) = Resource::parse(text.as_bytes()) else {
        return 0;
    };
    let tree: Value = serde_json::from_str(text).unwrap();
    let mut count = 0;
    for profile in [Profile::Default, Profile::Full] {
        let mut fast = Vec::new();
        extract::extract(&resource, profile, &mut fast);
        count = fast.len();
        let sorted = |values: Vec<Found<'_>>| {
            let mut lines: Vec<String> = values.iter().map(|found| format!("{found:?}")).collect();
            lines.sort();
            lines
        };
        assert_eq!(
            sorted(fast),
            sorted(slow_extract::extract(&tree, profile)),
            "{}",
            resource.name()
        );
    }
    extract::patients(&resource);
    count
}

#[test]
fn fast_and_slow_agree_on_the_clinic() {
    let values: usize = clinic().lines().map(compare).sum();
    assert!(values > 40_000, "{values}");
}

#[test]
fn fast_and_slow_agree_on_the_official_examples() {
    let Some(file) = shared(
        "data/r4/r4-examples.tar.xz",
        "fast_and_slow_agree_on_the_official_examples",
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar")
        .arg("-xJf")
        .arg(&file)
        .arg("-C")
        .arg(folder.path())
        .status();
    if !unpacked.is_ok_and(|status| status.success()) {
        eprintln!(
            "skipped: fast_and_slow_agree_on_the_official_examples: tar cannot unpack xz here"
        );
        return;
    }
    let (mut files, mut values) = (0, 0);
    let mut folders = vec![folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                files += 1;
                values += compare(&text);
            }
        }
    }
    assert!(files >= 700, "{files}");
    assert!(values > 5_000, "{values}");
}

/// Texts that mean something to some parameter, and texts that mean nothing to any.
fn scalars() -> impl Strategy<Value = Value> {
    let texts = [
        "",
        "a",
        "phone",
        "email",
        "depends-on",
        "2024",
        "2024-02-30",
        "2024-02-29T10:00:01.5+01:00",
        "9999-12-31",
        "0000",
        "Patient/1",
        "Patient/1/_history/2",
        "https://h/fhir/Patient/1",
        "https://h/fhir/Patient/1/_history/2",
        "#p",
        "urn:uuid:1",
        "http://a/b|1.0",
        "|1",
        "Patient",
        "Piña \"x\"\n",
        "1",
        "true",
        "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
    ];
    let numbers = [
        "1",
        "1.00",
        "-0",
        "1e400",
        "-1E-400",
        "123456789012345678901234567890.5",
    ];
    prop_oneof![
        6 => prop::sample::select(texts.to_vec()).prop_map(Value::from),
        1 => prop::sample::select(numbers.to_vec()).prop_map(|n| serde_json::from_str(n).unwrap()),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

/// Every name that a path or a compound value of the table has, each alone.
fn names() -> Vec<String> {
    let more = [
        "coding",
        "system",
        "code",
        "value",
        "unit",
        "currency",
        "low",
        "high",
        "reference",
        "type",
        "start",
        "end",
        "event",
        "repeat",
        "boundsPeriod",
        "text",
        "family",
        "given",
        "line",
        "_birthDate",
        "contained",
        "extension",
        "url",
    ];
    let paths = ResourceType::all()
        .flat_map(params::of)
        .flat_map(|p| p.paths);
    let names = paths.flat_map(|path| {
        path.rsplit_once(':')
            .unwrap()
            .0
            .split(['.', '[', ']', '=', '/', ':'])
    });
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).chain(more).collect();
    names.into_iter().map(str::to_owned).collect()
}

fn trees(names: Vec<String>) -> impl Strategy<Value = Value> {
    scalars().prop_recursive(5, 60, 8, move |inner| {
        let member = (prop::sample::select(names.clone()), inner.clone());
        prop_oneof![
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
            4 => prop::collection::vec(member, 0..8).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// A record of a type with trees where the type's own members stand.
fn records() -> impl Strategy<Value = String> {
    let kinds: Vec<ResourceType> = ResourceType::all().collect();
    let all = names();
    prop::sample::select(kinds).prop_flat_map(move |kind| {
        let own = params::of(kind).iter().flat_map(|p| p.paths);
        let mut own: Vec<String> = own
            .map(|p| p.split(['.', '[', ':']).next().unwrap().to_owned())
            .collect();
        own.retain(|name| !name.is_empty() && name != "meta");
        own.extend(["contained".to_owned(), "_birthDate".to_owned()]);
        let near = params::of(kind)
            .iter()
            .flat_map(|p| p.paths)
            .flat_map(|p| p.rsplit_once(':').unwrap().0.split(['.', '[']));
        let mut inner: Vec<String> = near
            .map(str::to_owned)
            .filter(|name| !name.is_empty())
            .collect();
        inner.extend(all.clone());
        prop::collection::vec((prop::sample::select(own), trees(inner)), 0..12).prop_map(
            move |members| {
                let mut record: Map<String, Value> = members.into_iter().collect();
                record.insert("resourceType".into(), kind.name().into());
                record.insert("id".into(), "x".into());
                Value::Object(record).to_string()
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever stands where, nothing panics and both find the same.
    #[test]
    fn fast_and_slow_agree_on_odd_records(text in records()) {
        compare(&text);
    }
}
