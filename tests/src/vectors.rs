//! Other people's search tests, as data: what they store, what they ask, what has to come back by R4's reading.
//!
//! Whether a vector is covered is not written down: the parser says "not supported yet" or it does not. The few others
//! that do not pass stand in [`EXCEPTIONS`], each with its reason.

use crate::oracle::{Found, local, values};
use pocketchart_core::fhir::params;
use pocketchart_core::fhir::search::{InvalidQuery, Query};
use pocketchart_core::fhir::{Instant, ResourceType};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// One vector.
#[derive(Debug, Clone)]
pub struct Vector {
    /// Where it comes from, and its query.
    pub name: String,
    /// What is stored, as text; distinct by type and id.
    pub resources: Arc<Vec<String>>,
    /// What is asked, or the parser's refusal.
    pub query: Result<Query, InvalidQuery>,
    /// What has to come back.
    pub expected: Expected,
    /// When it is asked.
    pub now: Instant,
}

/// What has to come back of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// These ids and no others, in any order.
    Ids(Vec<String>),
    /// At least this id.
    Including(String),
    /// An error.
    Refused,
}

/// Whether a vector can be asked, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// It has to pass.
    Covered,
    /// Its feature comes later: the parser's own words.
    Later(String),
    /// It does not pass: the reason of [`EXCEPTIONS`].
    Excepted(&'static str),
}

/// Vectors that do not pass although the parser takes them: (part of the name, reason). As few as can be.
pub const EXCEPTIONS: [(&str, &str); 3] = [
    (
        "date?date=eb1979-12-31T23:59:59.9999999",
        "counts in 100 ns: our precision is the millisecond, and what ends with the millisecond that the searched moment \
         lies in counts as ended before it",
    ),
    (
        "reference?organization=Organization/ijk",
        "stores the reference `ijk`: R4 (references.html) has Type/id, a URL or #id, so it refers to no Organization",
    ),
    (
        "search_quantity_canonical?",
        "finds g by mg: conversion of UCUM units is not supported yet, and without it the search is a plain one",
    ),
];

impl Vector {
    /// Whether an engine's answer (ids in any order) is what has to come back.
    ///
    /// # Errors
    /// Both, in words.
    pub fn judge(&self, found: Result<Vec<String>, &InvalidQuery>) -> Result<(), String> {
        let sorted = |ids: &[String]| {
            let mut ids = ids.to_vec();
            ids.sort();
            ids
        };
        let holds = match (&self.expected, &found) {
            (Expected::Ids(ids), Ok(found)) => sorted(ids) == sorted(found),
            (Expected::Including(id), Ok(found)) => found.contains(id),
            (Expected::Refused, Err(_)) => true,
            _ => false,
        };
        if holds {
            return Ok(());
        }
        Err(format!(
            "{}: expected {:?}, found {found:?}",
            self.name, self.expected
        ))
    }

    /// Whether it can be asked.
    pub fn coverage(&self) -> Coverage {
        let known = EXCEPTIONS.iter().find(|(part, _)| self.name.contains(part));
        match (&self.query, known) {
            (_, Some((_, reason))) => Coverage::Excepted(reason),
            (Err(error @ InvalidQuery::Unsupported { .. }), _) => {
                Coverage::Later(error.to_string())
            }
            _ => Coverage::Covered,
        }
    }
}

/// `../shared` of the repository, or `POCKETCHART_SHARED`.
///
/// # Errors
/// A line that says which test data is missing, for the test to print behind `skipped: `.
pub fn shared(part: &str) -> Result<PathBuf, String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("POCKETCHART_SHARED").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| root.join("../../shared"));
    let path = folder.join(part);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "{} is not there (POCKETCHART_SHARED names the folder)",
            path.display()
        ))
    }
}

fn load(part: &str) -> Result<Value, String> {
    let text = std::fs::read_to_string(shared(part)?).map_err(|e| e.to_string())?;
    serde_json::from_str(&text).map_err(|e| e.to_string())
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The vectors' values are not percent-encoded.
fn read(kind: &str, query: &str) -> Result<Query, InvalidQuery> {
    let kind = ResourceType::named(kind).ok_or(InvalidQuery::Type)?;
    Query::from_parameters(
        kind,
        query.split('&').filter_map(|pair| pair.split_once('=')),
    )
}

fn now() -> Instant {
    Instant::from_epoch_ms(1_795_478_400_000)
}

/// Microsoft's FHIR server: suites of fixtures, queries and the fixtures that match.
///
/// # Errors
/// Why there are none.
pub fn microsoft() -> Result<Vec<Vector>, String> {
    let mut vectors = Vec::new();
    for suite in items(&load("vectors/search-ms-fhir-server.json")?, "suites") {
        let (name, kind) = (text(suite, "name"), text(suite, "resourceType"));
        let mut ids = Vec::new();
        let mut texts = Vec::new();
        for (at, fixture) in items(suite, "fixtures").iter().enumerate() {
            let mut fixture = fixture.clone();
            // Upstream's server gives out ids; some fixtures share one.
            let mut id = text(&fixture, "id").to_owned();
            if id.is_empty() || ids.contains(&id) {
                id = format!("{name}-{at}");
                fixture["id"] = Value::from(id.as_str());
            }
            // Upstream stores decimals with the digits they were written with.
            let decimals = items(suite, "fixture_decimals")
                .get(at)
                .and_then(Value::as_str);
            if let Some(number) = decimals.and_then(|d| serde_json::from_str(d).ok()) {
                fixture["valueQuantity"]["value"] = number;
            }
            ids.push(id);
            texts.push(fixture.to_string());
        }
        let resources = Arc::new(texts);
        for vector in items(suite, "vectors") {
            let query = text(vector, "query");
            let on = Some(text(vector, "on"))
                .filter(|on| !on.is_empty())
                .unwrap_or(kind);
            let by_spec = vector
                .get("expect_r4_spec")
                .or_else(|| vector.get("expect"));
            let matched = by_spec.and_then(Value::as_array).into_iter().flatten();
            let at = |v: &Value| usize::try_from(v.as_u64()?).ok();
            let matched = matched.filter_map(|v| ids.get(at(v)?).cloned());
            vectors.push(Vector {
                name: format!("microsoft {name}?{query}"),
                resources: Arc::clone(&resources),
                query: read(on, query),
                expected: if vector.get("error").is_some() {
                    Expected::Refused
                } else {
                    Expected::Ids(matched.collect())
                },
                now: now(),
            });
        }
    }
    Ok(vectors)
}

/// The Android FHIR SDK: one resource, one query, match or not.
///
/// # Errors
/// Why there are none.
pub fn android() -> Result<Vec<Vector>, String> {
    let all = load("vectors/search-android-fhir.json")?;
    let vector = |vector: &Value| {
        let resource = &vector["resource"];
        let matched = vector["match"].as_bool() == Some(true);
        let id = text(resource, "id").replace('_', "-");
        let mut resource = resource.clone();
        resource["id"] = Value::from(id.as_str());
        Vector {
            name: format!("android {}?{}", text(vector, "name"), text(vector, "query")),
            resources: Arc::new(vec![resource.to_string()]),
            query: read(text(&resource, "resourceType"), text(vector, "query")),
            expected: Expected::Ids(if matched { vec![id] } else { Vec::new() }),
            now: now(),
        }
    };
    Ok(items(&all, "vectors").iter().map(vector).collect())
}

/// US Core 6.1's searches, one vector for each combination that a server SHALL support: a query made of the values of one
/// of `records`, which it has to find. Second, the combinations that no record has values for.
///
/// # Errors
/// Why there are none.
pub fn us_core(records: &[Value]) -> Result<(Vec<Vector>, Vec<String>), String> {
    let path = shared("vectors/us-core-6.1-required-searches.tsv")?;
    let table = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let mut by_kind: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for record in records {
        by_kind
            .entry(text(record, "resourceType"))
            .or_default()
            .push(record);
    }
    let mut stored: BTreeMap<&str, Arc<Vec<String>>> = BTreeMap::new();
    for (kind, of_kind) in &by_kind {
        let texts = of_kind.iter().map(ToString::to_string).collect();
        stored.insert(kind, Arc::new(texts));
    }
    let (mut vectors, mut unmet) = (Vec::new(), Vec::new());
    for line in table.lines().filter(|line| line.ends_with("\tSHALL")) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (kind, codes) = (fields[0], fields[1]);
        let name = format!("us-core {kind}?{}", codes.replace(',', "&"));
        let of_kind = by_kind.get(kind).map_or(&[][..], Vec::as_slice);
        let hit = of_kind
            .iter()
            .find_map(|record| Some((record, asked(kind, codes, record)?)));
        let Some((record, pairs)) = hit else {
            unmet.push(name);
            continue;
        };
        let Some(of) = ResourceType::named(kind) else {
            return Err(format!("{kind} is no type of R4"));
        };
        vectors.push(Vector {
            name,
            resources: stored.get(kind).cloned().unwrap_or_default(),
            query: Query::from_parameters(of, pairs),
            expected: Expected::Including(text(record, "id").to_owned()),
            now: now(),
        });
    }
    Ok((vectors, unmet))
}

/// One value of each parameter, as a search for it.
fn asked(kind: &str, codes: &str, record: &Value) -> Option<Vec<(String, String)>> {
    let kind = ResourceType::named(kind)?;
    let pair = |code: &str| {
        if code == "_id" {
            return Some((code.to_owned(), text(record, "id").to_owned()));
        }
        let Some(parameter) = params::find(kind, code) else {
            // The parser will say so.
            return Some((code.to_owned(), "x".to_owned()));
        };
        let values = values(record, parameter);
        let escaped = |text: &str| {
            text.replace('\\', "\\\\")
                .replace(',', "\\,")
                .replace('|', "\\|")
        };
        let value = values.iter().find_map(|value| match value {
            Found::Text(text) => Some(escaped(text)),
            Found::Token { system, code } if system.is_empty() => Some(escaped(code)),
            Found::Token { system, code } => Some(format!("{}|{}", escaped(system), escaped(code))),
            Found::Reference(written) => local(written)
                .map(|(kind, id)| format!("{kind}/{id}"))
                .or_else(|| written.starts_with("urn:").then(|| escaped(written))),
            Found::Date(first, _) if *first > 0 => {
                Some(format!("ge{}", Instant::from_epoch_ms(*first)))
            }
            _ => None,
        });
        Some((code.to_owned(), value?))
    };
    codes.split(',').map(pair).collect()
}
