//! Who may see and do what, decided slowly from the policy's JSON and the records' trees.
//!
//! Written from docs/policy.md and R4's CompartmentDefinition alone: it shares no table, no parser and no predicate with
//! the core. Where the two differ, one of them lets somebody see too much or too little.

use super::{Found, local, values};
use pocketchart_core::fhir::{ResourceType, params};
use serde_json::Value;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Who<'a> {
    /// Id of the person.
    pub person: &'a str,
    /// Name of the role.
    pub role: &'a str,
    /// The person's own Patient.
    pub patient: Option<&'a str>,
    /// Where the person works.
    pub facility: Option<&'a str>,
}

/// Parameters by which R4 puts a record into a patient's compartment, of the types that are generated.
const COMPARTMENT: &[(&str, &[&str])] = &[
    ("Patient", &["link"]),
    ("Observation", &["subject", "performer"]),
    ("Encounter", &["patient"]),
    ("Condition", &["patient", "asserter"]),
    ("RiskAssessment", &["subject"]),
    ("Appointment", &["actor"]),
];

const DIRECTORY: &[&str] = &[
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "HealthcareService",
    "Schedule",
    "Slot",
    "Medication",
];

/// Ids of the patients a record is about.
pub fn patients_of(record: &Value) -> Vec<String> {
    let kind = record["resourceType"].as_str().unwrap_or_default();
    let mut patients = Vec::new();
    if kind == "Patient" {
        patients.extend(record["id"].as_str().map(str::to_owned));
    }
    let codes = COMPARTMENT.iter().find(|(of, _)| *of == kind);
    for code in codes.map(|(_, codes)| *codes).unwrap_or_default() {
        let parameter = ResourceType::named(kind).and_then(|kind| params::find(kind, code));
        for found in parameter.map(|p| values(record, p)).unwrap_or_default() {
            if let Found::Reference(written) = found
                && let Some((kind, id)) = local(&written)
                && kind.name() == "Patient"
            {
                patients.push(id.to_string());
            }
        }
    }
    patients
}

fn rules<'p>(policy: &'p Value, who: &Who<'_>, action: &str, kind: &str) -> Vec<&'p Value> {
    let all = policy["roles"][who.role].as_array().into_iter().flatten();
    let names = |rule: &Value, member: &str, name: &str| match &rule[member] {
        Value::String(one) => one == name,
        Value::Array(all) => all.iter().any(|one| one == name),
        _ => false,
    };
    all.filter(|rule| names(rule, "actions", action))
        .filter(|rule| {
            names(rule, "types", kind)
                || names(rule, "types", "*")
                || (names(rule, "types", "directory") && DIRECTORY.contains(&kind))
        })
        .collect()
}

/// Patients of some panels.
fn of_panels(policy: &Value, names: &Value) -> Vec<String> {
    let names = names.as_array().into_iter().flatten();
    let patients = names.filter_map(|name| policy["panels"][name.as_str()?]["patients"].as_array());
    let ids = patients.flatten().filter_map(Value::as_str);
    ids.map(str::to_owned).collect()
}

/// What a scope stands for: `Err(true)`: everything, `Err(false)`: what is nobody's, else patients.
fn scope(policy: &Value, who: &Who<'_>, rule: &Value) -> Result<Vec<String>, bool> {
    match rule["scope"].as_str().unwrap_or_default() {
        "all" => Err(true),
        "directory" => Err(false),
        "own" => Ok(who.patient.iter().map(|id| (*id).to_owned()).collect()),
        "panel" => Ok(of_panels(policy, &policy["people"][who.person]["panels"])),
        _ => {
            let all = &policy["facilities"];
            let named = who.facility.and_then(|name| all.get(name));
            match named.or_else(|| all.get("*")) {
                Some(Value::String(_)) => Err(true),
                Some(facility) => Ok(of_panels(policy, &facility["panels"])),
                None => Ok(Vec::new()),
            }
        }
    }
}

/// Whether the role may do that on records of the type at all.
pub fn may_at_all(policy: &Value, who: &Who<'_>, action: &str, kind: &str) -> bool {
    !rules(policy, who, action, kind).is_empty()
}

/// Whether one record may be seen where `action` is done.
pub fn may_see(policy: &Value, who: &Who<'_>, action: &str, record: &Value) -> bool {
    let kind = record["resourceType"].as_str().unwrap_or_default();
    let patients = patients_of(record);
    rules(policy, who, action, kind)
        .into_iter()
        .any(|rule| match scope(policy, who, rule) {
            Err(everything) => everything || patients.is_empty(),
            Ok(theirs) => patients.iter().any(|id| theirs.contains(id)),
        })
}

/// The records that may be seen where `action` is done.
pub fn visible(policy: &Value, who: &Who<'_>, action: &str, records: &[Value]) -> Vec<Value> {
    let seen = records
        .iter()
        .filter(|record| may_see(policy, who, action, record));
    seen.cloned().collect()
}

/// Whether a write is allowed, judged as it would be by somebody who reads both versions aloud. `old` is `None` where
/// nothing stands, or nothing that the person may read.
pub fn may_write(
    policy: &Value,
    who: &Who<'_>,
    action: &str,
    old: Option<&Value>,
    new: Option<&Value>,
) -> bool {
    let Some(some) = old.or(new) else {
        return false;
    };
    let kind = some["resourceType"].as_str().unwrap_or_default();
    rules(policy, who, action, kind).into_iter().any(|rule| {
        let within = |record: &Value| {
            let patients = patients_of(record);
            match scope(policy, who, rule) {
                Err(everything) => everything || patients.is_empty(),
                Ok(theirs) => !patients.is_empty() && patients.iter().all(|id| theirs.contains(id)),
            }
        };
        if !old.into_iter().chain(new).all(within) {
            return false;
        }
        let (Some(old), Some(new)) = (old, new) else {
            return true;
        };
        let fields_fit = match rule["fields"].as_array() {
            None => true,
            Some(fields) => {
                let members = |of: &Value| -> Vec<String> {
                    let all = of.as_object().into_iter().flatten();
                    all.map(|(name, _)| name.clone()).collect()
                };
                let mut names = members(old);
                names.extend(members(new));
                names.iter().all(|name| {
                    let plain = |of: &Value| {
                        let mut value = of.get(name).cloned();
                        if let Some(Value::Object(meta)) = value.as_mut().filter(|_| name == "meta")
                        {
                            meta.remove("versionId");
                            meta.remove("lastUpdated");
                        }
                        value.filter(|value| name != "meta" || value != &serde_json::json!({}))
                    };
                    let element = name.trim_start_matches('_');
                    plain(old) == plain(new) || fields.iter().any(|field| field == element)
                })
            }
        };
        let transition = &rule["transition"];
        let fits = match transition["element"].as_str() {
            None => true,
            Some(element) => {
                let has = |member: &str, value: &Value| {
                    let all = transition[member].as_array().into_iter().flatten();
                    let value = value.as_str().unwrap_or_default();
                    all.clone().count() == 0 || all.into_iter().any(|one| one == value)
                };
                has("from", &old[element]) && has("to", &new[element])
            }
        };
        fields_fit && fits
    })
}
