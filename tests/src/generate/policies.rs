//! Random policies, and people whom they are about. As JSON, for a slow reader and the core's own to read alike.

use super::Random;
use serde_json::{Value, json};

const TYPES: [&str; 7] = [
    "Patient",
    "Observation",
    "Encounter",
    "Condition",
    "RiskAssessment",
    "ValueSet",
    "Appointment",
];
const SCOPES: [&str; 7] = [
    "own",
    "panel",
    "panel",
    "facility",
    "facility",
    "directory",
    "all",
];
const READING: [&str; 3] = ["read", "search", "export"];
const WRITING: [&str; 3] = ["create", "update", "delete"];
const ELEMENTS: [&str; 8] = [
    "status",
    "subject",
    "code",
    "name",
    "gender",
    "valueString",
    "participant",
    "meta",
];

/// Roles that a drawn policy may know; one is never in it.
pub const ROLES: [&str; 7] = ["r0", "r1", "r2", "r0", "r1", "r2", "unknown"];
/// People; one has no panels.
pub const PEOPLE: [&str; 3] = ["n0", "n1", "stranger"];
/// Patients of the generated records: some are there, some are only referred to, one is neither.
pub const PATIENTS: [&str; 6] = ["p0", "p1", "p2", "p7", "gone", "nobody"];
/// Facilities; one is not in any policy.
pub const FACILITIES: [&str; 3] = ["f0", "f1", "elsewhere"];

/// A policy of this version.
pub fn policy(random: &mut Random, version: u64) -> Value {
    let patients = |random: &mut Random| -> Vec<&str> {
        let mut some: Vec<&str> = PATIENTS
            .into_iter()
            .filter(|_| random.percent(50))
            .collect();
        // Some panels are large: they are looked up in another way.
        if random.percent(30) {
            some.extend(MANY);
        }
        some
    };
    let panels =
        json!({ "a": { "patients": patients(random) }, "b": { "patients": patients(random) } });
    let some_panels = |random: &mut Random| -> Vec<&str> {
        ["a", "b"]
            .into_iter()
            .filter(|_| random.percent(50))
            .collect()
    };
    let mut facilities = serde_json::Map::new();
    for name in ["f0", "f1", "*"] {
        if random.percent(50) {
            let facility = if random.percent(25) {
                json!("everything")
            } else {
                json!({ "panels": some_panels(random) })
            };
            facilities.insert(name.into(), facility);
        }
    }
    let mut roles = serde_json::Map::new();
    for role in &ROLES[..3] {
        let rules: Vec<Value> = (0..1 + random.below(5))
            .map(|at| rule(random, at))
            .collect();
        roles.insert((*role).into(), Value::Array(rules));
    }
    json!({
        "format": 1, "version": version, "issued": "2026-11-24", "roles": roles, "panels": panels,
        "people": { "n0": { "panels": some_panels(random) }, "n1": { "panels": some_panels(random) } },
        "facilities": facilities,
    })
}

fn rule(random: &mut Random, at: usize) -> Value {
    let types = match random.below(5) {
        0 | 3 => json!("*"),
        1 => json!(["directory", random.pick(&TYPES)]),
        _ => {
            let some: Vec<&str> = TYPES.into_iter().filter(|_| random.percent(45)).collect();
            if some.is_empty() {
                json!(["Observation"])
            } else {
                json!(some)
            }
        }
    };
    let mut actions: Vec<&str> = READING.into_iter().filter(|_| random.percent(85)).collect();
    actions.extend(WRITING.into_iter().filter(|_| random.percent(40)));
    if actions.is_empty() {
        actions.push("search");
    }
    let mut rule = json!({ "id": format!("rule-{at}"), "types": types, "actions": actions, "scope": random.pick(&SCOPES) });
    if actions.contains(&"update") && random.percent(50) {
        let fields: Vec<&str> = ELEMENTS
            .into_iter()
            .filter(|_| random.percent(40))
            .collect();
        rule["fields"] = json!(fields);
    }
    if actions.contains(&"update") && random.percent(20) {
        let from: Vec<&str> = ["a", "final", "ab"]
            .into_iter()
            .filter(|_| random.percent(50))
            .collect();
        rule["transition"] = json!({ "element": "status", "from": from, "to": ["a", "final"] });
    }
    rule
}

const MANY: [&str; 12] = [
    "p1", "p2", "p3", "p4", "p5", "p6", "p8", "p9", "p10", "p11", "p12", "p13",
];
