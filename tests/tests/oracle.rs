//! The oracle answers other people's vectors by R4's reading, and reads records as the extraction does.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::fhir::extract::{self, Value as Extracted};
use pocketchart_core::fhir::params::{self, Profile};
use pocketchart_core::fhir::{Reference, Resource, ResourceType};
use pocketchart_tests::generate::{self, Random};
use pocketchart_tests::oracle::{self, Found};
use pocketchart_tests::synthea;
use pocketchart_tests::vectors::{self, Coverage, EXCEPTIONS, Vector};
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs the covered ones. Returns how many there were, and counts the others by reason.
fn run(vectors: &[Vector], others: &mut BTreeMap<String, usize>) -> usize {
    let (mut passed, mut wrong) = (0, Vec::new());
    for vector in vectors {
        match vector.coverage() {
            Coverage::Covered => {}
            Coverage::Later(reason) => {
                *others.entry(reason).or_default() += 1;
                continue;
            }
            Coverage::Excepted(reason) => {
                *others.entry(reason.to_owned()).or_default() += 1;
                continue;
            }
        }
        let records: Vec<Value> = vector
            .resources
            .iter()
            .map(|r| serde_json::from_str(r).unwrap())
            .collect();
        let found = vector
            .query
            .as_ref()
            .map(|query| oracle::evaluate(&records, query, vector.now));
        match vector.judge(found) {
            Ok(()) => passed += 1,
            Err(what) => wrong.push(what),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    passed
}

#[test]
fn every_covered_vector_passes() {
    let (microsoft, android) = match (vectors::microsoft(), vectors::android()) {
        (Ok(microsoft), Ok(android)) => (microsoft, android),
        (Err(reason), _) | (_, Err(reason)) => return println!("skipped: {reason}"),
    };
    let mut others = BTreeMap::new();
    let passed = (run(&microsoft, &mut others), run(&android, &mut others));
    println!(
        "{} of {} and {} of {} pass; not covered:",
        passed.0,
        microsoft.len(),
        passed.1,
        android.len()
    );
    for (reason, count) in &others {
        println!("{count:4}  {reason}");
    }
    for (part, _) in EXCEPTIONS {
        let named = microsoft
            .iter()
            .chain(&android)
            .filter(|v| v.name.contains(part))
            .count();
        assert_eq!(named, 1, "{part} names one vector");
    }
}

/// Synthea first; the official examples have the types that it lacks.
const ARCHIVES: [&str; 3] = [
    "synthea-uscore-79.tar.xz",
    "synthea-100.tar.xz",
    "r4/r4-examples.tar.xz",
];

#[test]
fn every_search_that_us_core_requires_finds_what_it_was_made_of() {
    let mut records = Vec::new();
    for archive in ARCHIVES {
        match synthea::records(archive) {
            Ok(more) => records.extend(more),
            Err(reason) => return println!("skipped: {reason}"),
        }
    }
    // Of each type some hundred are enough to hit, and quick to look through.
    let mut counts = BTreeMap::<String, usize>::new();
    let few = records.into_iter().filter(|record| {
        let count = counts
            .entry(record["resourceType"].to_string())
            .or_default();
        *count += 1;
        *count <= 600
    });
    let few: Vec<Value> = few.collect();
    let (vectors, unmet) = vectors::us_core(&few).unwrap();
    let mut others = BTreeMap::new();
    let passed = run(&vectors, &mut others);
    println!(
        "{passed} of {} pass; not covered: {others:?}; no record has values for: {unmet:?}",
        vectors.len() + unmet.len()
    );
    assert!(passed > 30, "{passed}");
}

/// A value in a form that both sides can be brought to.
fn plain(found: &Found) -> Vec<String> {
    let one = match found {
        Found::Text(text) => format!("text {text}"),
        Found::Token { system, code } => format!("token {system}|{code}"),
        Found::Reference(written) => {
            let local = oracle::local(written).map(|(kind, id)| Reference { kind, id });
            format!("reference {local:?} {written}")
        }
        Found::Date(first, end) => format!("date {first} {end}"),
        Found::Number(number) => format!("number {:?}", number.to_string().parse::<f64>().unwrap()),
        Found::Quantity {
            value,
            system,
            code,
            unit,
        } => {
            let value: f64 = value.to_string().parse().unwrap();
            let by_unit = format!("quantity {value:?} |{unit}");
            let by_code = format!("quantity {value:?} {system}|{code}");
            return match (code.as_str(), unit.as_str()) {
                ("", unit) => vec![format!("quantity {value:?} {system}|{unit}")],
                (code, unit) if unit.is_empty() || code == unit => vec![by_code],
                _ => vec![by_code, by_unit],
            };
        }
        Found::Uri(uri) => format!("uri {uri}"),
    };
    vec![one]
}

fn extracted(value: &Extracted<'_>) -> String {
    match value {
        Extracted::Text(text) => format!("text {text}"),
        Extracted::Token { system, code } => format!("token {system}|{code}"),
        Extracted::Reference { local, url } => format!("reference {local:?} {url}"),
        Extracted::Date(span) => format!("date {} {}", span.first.epoch_ms(), span.end.epoch_ms()),
        Extracted::Number(number) => format!("number {number:?}"),
        Extracted::Quantity {
            value,
            system,
            code,
        } => format!("quantity {value:?} {system}|{code}"),
        Extracted::Uri(uri) => format!("uri {uri}"),
    }
}

/// Compares the extraction's values of a resource with the oracle's, parameter by parameter.
fn assert_same_values(text: &str, record: &Value) {
    let Ok(resource) = Resource::parse(text.as_bytes()) else {
        return;
    };
    let mut out = Vec::new();
    extract::extract(&resource, Profile::Full, &mut out);
    for parameter in params::of(resource.kind()) {
        let mut theirs: Vec<String> = out
            .iter()
            .filter(|found| found.parameter == parameter.number)
            .map(|found| extracted(&found.value))
            .collect();
        let mut ours: Vec<String> = oracle::values(record, parameter)
            .iter()
            .flat_map(plain)
            .collect();
        theirs.sort();
        ours.sort();
        assert_eq!(theirs, ours, "{} of {text}", parameter.code);
    }
}

#[test]
fn the_extraction_finds_what_the_oracle_finds_in_generated_records() {
    for seed in 0..300 {
        let case = generate::case(seed, Profile::Full);
        for (text, record) in case.texts.iter().zip(&case.records) {
            assert_same_values(text, record);
        }
    }
}

#[test]
fn the_extraction_finds_what_the_oracle_finds_in_real_records() {
    for archive in ARCHIVES {
        match synthea::records(archive) {
            Ok(records) => {
                let step = records.len() / 1500 + 1;
                for record in records.iter().step_by(step) {
                    assert_same_values(&record.to_string(), record);
                }
            }
            Err(reason) => println!("skipped: {reason}"),
        }
    }
}

/// A search that never finds anything compares nothing.
#[test]
fn generated_searches_find_something_and_pages_add_up() {
    let (mut some, mut all) = (0, 0);
    let mut kinds = BTreeMap::<String, usize>::new();
    for seed in 0..2000 {
        let case = generate::case(seed, Profile::Full);
        let ids = oracle::evaluate(&case.records, &case.query, case.now);
        let of_kind = case
            .records
            .iter()
            .filter(|r| r["resourceType"] == case.query.kind.name())
            .count();
        some += usize::from(!ids.is_empty());
        all += usize::from(ids.len() == of_kind);
        for criterion in &case.query.criteria {
            let shown = format!("{:?}", criterion.condition);
            let kind: String = shown.split([' ', '"']).next().unwrap().into();
            let kind = if kind.contains("Id(") {
                "Id".into()
            } else {
                kind
            };
            *kinds.entry(kind).or_default() += 1;
        }
        let mut paged = Vec::new();
        for number in 0.. {
            let page = oracle::page(&case.records, &case.query, case.now, number);
            paged.extend(page.ids);
            if !page.more {
                break;
            }
        }
        assert_eq!(paged, ids, "seed {seed}");
        // What the generator asks survives being printed.
        let printed = case.query.to_string();
        let read = pocketchart_core::fhir::search::Query::parse(&printed);
        assert_eq!(read, Ok(case.query), "seed {seed}");
    }
    println!("{some} of 2000 searches find something, {all} find all; {kinds:?}");
    assert!(some > 800 && all < 1500, "{some} {all}");
}

#[test]
fn searches_are_drawn_over_given_records() {
    let records = match synthea::records("synthea-100.tar.xz") {
        Ok(records) => records,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let texts: Vec<String> = records
        .iter()
        .step_by(97)
        .map(ToString::to_string)
        .collect();
    let mut some = 0;
    for seed in 0..100 {
        let case = generate::over(texts.clone(), &mut Random::new(seed), Profile::Default);
        some += usize::from(!oracle::evaluate(&case.records, &case.query, case.now).is_empty());
    }
    println!("{some} of 100 searches find something");
    assert!(some > 40, "{some}");
}

#[test]
fn missing_values_come_last_in_both_directions() {
    let records: Vec<Value> = ["{\"resourceType\":\"Patient\",\"id\":\"a\"}",
        "{\"resourceType\":\"Patient\",\"id\":\"b\",\"name\":[{\"family\":\"Öz\"},{\"family\":\"Ab\"}]}",
        "{\"resourceType\":\"Patient\",\"id\":\"c\",\"name\":[{\"family\":\"mo\"}]}"]
        .iter().map(|t| serde_json::from_str(t).unwrap()).collect();
    let kind = ResourceType::named("Patient").unwrap();
    let sorted = |key: &str| {
        let query =
            pocketchart_core::fhir::search::Query::from_parameters(kind, [("_sort", key)]).unwrap();
        oracle::evaluate(
            &records,
            &query,
            pocketchart_core::fhir::Instant::from_epoch_ms(0),
        )
    };
    assert_eq!(sorted("family"), ["b", "c", "a"]);
    assert_eq!(sorted("-family"), ["b", "c", "a"]);
    assert_eq!(sorted("-_id"), ["c", "b", "a"]);
}
