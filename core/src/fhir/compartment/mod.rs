//! Whose record is it? The patient compartment of FHIR R4.
//!
//! R4 says for each type which references put a record into a patient's compartment. Access is decided by that, and
//! must not depend on which search parameters a vault happens to index; so the definition is a table of its own.
//!
//! Where a record says a thing twice (two members of one name), both count: for reading that only makes it visible to
//! those it names, and a write has to be allowed for all of them.

#[rustfmt::skip] // Rows are read in columns.
mod table;

use super::{Reference, Resource, ResourceId, ResourceType, json};
use serde_json::value::RawValue;

/// Of this file: change it whenever [`patients_of`] would answer otherwise for the same text and table.
const CODE: u32 = 1;

/// Changes whenever [`patients_of`] would answer otherwise for the same text.
pub const GENERATION: u32 = table::GENERATION.wrapping_mul(31).wrapping_add(CODE);

/// Whether records of this type can be in a patient's compartment at all.
pub fn can_hold(kind: ResourceType) -> bool {
    kind.name() == "Patient" || !paths(kind).is_empty()
}

/// Ids of the patients in whose compartments `resource` is, each once, sorted. A Patient is in its own.
///
/// ```
/// use pocketchart_core::fhir::{Resource, compartment::patients_of};
/// let text = r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/7"}}"#;
/// let patients = patients_of(&Resource::parse_text(text)?);
/// assert_eq!(patients.len(), 1);
/// assert_eq!(patients[0].as_str(), "7");
/// # Ok::<(), pocketchart_core::fhir::InvalidResource>(())
/// ```
pub fn patients_of(resource: &Resource<'_>) -> Vec<ResourceId> {
    let mut patients = Vec::new();
    for path in paths(resource.kind()) {
        let mut steps = path.split('.');
        let Some(first) = steps.next() else { continue };
        for (_, value) in resource.members().filter(|(name, _)| *name == first) {
            collect(value, steps.clone(), &mut patients);
        }
    }
    if resource.kind().name() == "Patient" {
        patients.push(resource.name().id.clone());
    }
    patients.sort();
    patients.dedup();
    patients
}

fn paths(kind: ResourceType) -> &'static [&'static str] {
    let at = usize::try_from(kind.number()).unwrap_or(usize::MAX);
    table::PATHS.get(at).copied().unwrap_or_default()
}

fn collect<'a>(
    value: &RawValue,
    mut steps: impl Iterator<Item = &'a str> + Clone,
    patients: &mut Vec<ResourceId>,
) {
    let step = steps.next();
    let wanted = step.unwrap_or("reference");
    for item in json::items(value) {
        // What is no object has no members, and is nobody's.
        let members = json::members(item.get()).unwrap_or_default();
        for (_, next) in members.iter().filter(|(name, _)| name == wanted) {
            if step.is_some() {
                collect(next, steps.clone(), patients);
            } else if let Some(text) = json::string(next)
                && let Ok(reference) = Reference::parse(&text)
                && reference.kind.name() == "Patient"
            {
                patients.push(reference.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let resource = Resource::parse(text.as_bytes()).unwrap();
        let patients = patients_of(&resource);
        patients.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_reference_of_the_definition_counts() {
        for (text, patients) in [
            (r#"{"resourceType":"Patient","id":"1"}"#, "1"),
            (
                r#"{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"Patient/0"},"type":"seealso"}]}"#,
                "0 1",
            ),
            (
                r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/1"},"performer":[{"reference":"Practitioner/9"},{"reference":"Patient/2/_history/4"}]}"#,
                "1 2",
            ),
            (
                r#"{"resourceType":"Appointment","id":"o","participant":[{"actor":{"reference":"Patient/2"}},{"status":"x"},
                {"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Patient/2"}}]}"#,
                "1 2",
            ),
            (
                r#"{"resourceType":"CarePlan","id":"o","activity":[{"detail":{"performer":[{"reference":"Patient/3"}]}}]}"#,
                "3",
            ),
            (
                r#"{"resourceType":"Coverage","id":"o","policyHolder":{"reference":"Patient/4"},"payor":[{"reference":"Organization/1"}]}"#,
                "4",
            ),
            (
                r#"{"resourceType":"Device","id":"o","patient":{"reference":"Patient/5"}}"#,
                "5",
            ),
            (
                r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/1","reference":"Patient/2"},"subject":{"reference":"Patient/3"}}"#,
                "1 2 3",
            ),
        ] {
            assert_eq!(of(text).join(" "), patients, "{text}");
        }
    }

    #[test]
    fn what_names_no_patient_is_in_no_compartment() {
        for odd in [
            r#"{"resourceType":"Observation","id":"o"}"#,
            r#"{"resourceType":"Observation","id":"o","subject":null}"#,
            r#"{"resourceType":"Observation","id":"o","subject":[[{}]]}"#,
            r##"{"resourceType":"Observation","id":"o","subject":{"reference":"#p"}}"##,
            r#"{"resourceType":"Observation","id":"o","subject":{"reference":7}}"#,
            r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Group/1"}}"#,
            r#"{"resourceType":"Observation","id":"o","subject":{"reference":"https://h/Patient/1"}}"#,
            r#"{"resourceType":"Observation","id":"o","focus":[{"reference":"Patient/1"}]}"#,
            r#"{"resourceType":"Organization","id":"o","subject":{"reference":"Patient/1"}}"#,
        ] {
            assert!(of(odd).is_empty(), "{odd}");
        }
    }

    /// Design, "Access control": these are in no patient's compartment. (A Schedule can be, where its actor is a patient.)
    #[test]
    fn the_directory_is_in_none() {
        let can = |name: &str| ResourceType::named(name).map(can_hold);
        for name in [
            "Practitioner",
            "PractitionerRole",
            "Organization",
            "Location",
            "HealthcareService",
            "Slot",
            "Medication",
        ] {
            assert_eq!(can(name), Some(false), "{name}");
        }
        for name in ["Patient", "Device", "Schedule", "Observation"] {
            assert_eq!(can(name), Some(true), "{name}");
        }
    }
}
