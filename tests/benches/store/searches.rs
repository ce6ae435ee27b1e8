//! The four searches a chart is made of, each for many patients.

use crate::measure::Latencies;
use pocketchart_core::access::Guard;
use pocketchart_core::fhir::search::Query;
use serde_json::Value;
use std::collections::HashMap;

/// How many times a search is asked.
const CALLS: usize = 500;

/// What to ask about a patient.
pub(crate) struct Subject {
    pub(crate) patient: String,
    /// The first letters of a name.
    pub(crate) prefix: String,
    /// System and value.
    pub(crate) identifier: (String, String),
    /// System and code of one of the patient's observations.
    pub(crate) code: (String, String),
}

pub(crate) const NAMES: [&str; 4] = [
    "50 newest observations of a patient",
    "name prefix",
    "identifier",
    "code + patient",
];

/// The patients that have observations, over and over, in an order that is not that of the files.
pub(crate) fn subjects(lines: &[String]) -> Vec<Subject> {
    let mut codes: HashMap<String, Vec<(String, String)>> = HashMap::new();
    let mut patients = Vec::new();
    for line in lines {
        let is = |kind: &str| line.starts_with(&format!("{{\"resourceType\":\"{kind}\""));
        if is("Patient") {
            patients.push(serde_json::from_str::<Value>(line).unwrap());
        } else if is("Observation") {
            let observation: Value = serde_json::from_str(line).unwrap();
            let patient = text(&observation, "/subject/reference");
            let code = (
                text(&observation, "/code/coding/0/system"),
                text(&observation, "/code/coding/0/code"),
            );
            codes.entry(patient).or_default().push(code);
        }
    }
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap_or(0) % below
    };
    let mut all = Vec::new();
    while all.len() < CALLS {
        let patient = &patients[random(patients.len())];
        let id = text(patient, "/id");
        let Some(codes) = codes.get(&format!("Patient/{id}")) else {
            continue;
        };
        let code = codes[random(codes.len())].clone();
        let identifier = (
            text(patient, "/identifier/0/system"),
            text(patient, "/identifier/0/value"),
        );
        all.push(Subject {
            patient: id,
            prefix: text(patient, "/name/0/family").chars().take(3).collect(),
            identifier,
            code,
        });
    }
    all
}

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// The search string.
pub(crate) fn query(which: usize, subject: &Subject) -> Query {
    let Subject {
        patient,
        prefix,
        identifier: (system, value),
        code: (code_system, code),
    } = subject;
    let text = match which {
        0 => format!("Observation?patient={patient}&_sort=-date&_count=50"),
        1 => format!("Patient?name={prefix}"),
        2 => format!("Patient?identifier={system}|{value}"),
        _ => format!("Observation?patient={patient}&code={code_system}|{code}"),
    };
    Query::parse(&text).unwrap()
}

/// One of the searches for each subject, its audit entry included.
pub(crate) fn measure(guard: &Guard, which: usize, subjects: &[Subject]) -> Latencies {
    let mut latencies = Latencies::default();
    for subject in subjects {
        let query = query(which, subject);
        let page = latencies.time(|| guard.search(&query).unwrap());
        assert!(!page.records.is_empty(), "{query} finds nothing");
    }
    latencies
}
