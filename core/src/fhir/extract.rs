//! One pass over a resource: the terms it is found by.
//!
//! The index of this version holds the patient reference; `_id` is the record's own key, and `_lastUpdated` is known to
//! the store, which also gives it to records that no server has stamped yet.

use super::{Reference, Resource, json};
use serde_json::value::RawValue;

/// Changes whenever [`terms`] would give other terms for the same text, so that a store knows that its index is old.
pub const GENERATION: u32 = 1;

/// What one resource is found by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// Patients it is about, each once, sorted. A Patient is about itself.
    pub patients: Vec<Reference>,
}

/// The terms of `resource`.
pub fn terms(resource: &Resource<'_>) -> Terms {
    let mut patients = Vec::new();
    for path in resource.kind().patient_paths() {
        let mut steps = path.split('.');
        let first = steps.next().and_then(|name| resource.member(name));
        if let Some(value) = first {
            collect(value, steps, &mut patients);
        }
    }
    if resource.kind().name() == "Patient" {
        patients.push(resource.name().clone());
    }
    patients.sort();
    patients.dedup();
    Terms { patients }
}

fn collect<'a>(
    value: &RawValue,
    mut steps: impl Iterator<Item = &'a str> + Clone,
    found: &mut Vec<Reference>,
) {
    let step = steps.next();
    for item in json::items(value) {
        let Ok(members) = json::members(item.get()) else {
            continue;
        };
        let wanted = step.unwrap_or("reference");
        let Some((_, next)) = members.iter().find(|(name, _)| name == wanted) else {
            continue;
        };
        if step.is_some() {
            collect(next, steps.clone(), found);
        } else if let Some(text) = json::string(next)
            && let Ok(reference) = Reference::parse(&text)
            && reference.kind.name() == "Patient"
        {
            found.push(reference);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patients(text: &str) -> Vec<String> {
        let resource = Resource::parse(text.as_bytes()).unwrap();
        terms(&resource)
            .patients
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn direct_nested_and_repeated_references() {
        assert_eq!(
            patients(
                r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/1"}}"#
            ),
            ["Patient/1"]
        );
        assert_eq!(
            patients(
                r#"{"resourceType":"Appointment","id":"o","participant":[{"actor":{"reference":"Practitioner/9"}},
                {"actor":{"reference":"Patient/2"}},{"actor":{"reference":"Patient/1"}},{"status":"x"},{"actor":{"reference":"Patient/2"}}]}"#
            ),
            ["Patient/1", "Patient/2"]
        );
        assert_eq!(
            patients(r#"{"resourceType":"Patient","id":"1"}"#),
            ["Patient/1"]
        );
    }

    #[test]
    fn odd_shapes_give_no_terms_and_no_panic() {
        for odd in [
            r#"{"resourceType":"Observation","id":"o","subject":null}"#,
            r#"{"resourceType":"Observation","id":"o","subject":[[{}]]}"#,
            r##"{"resourceType":"Observation","id":"o","subject":{"reference":"#p"}}"##,
            r#"{"resourceType":"Observation","id":"o","subject":{"reference":7}}"#,
            r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Group/1"}}"#,
            r#"{"resourceType":"Organization","id":"o","subject":{"reference":"Patient/1"}}"#,
        ] {
            assert!(patients(odd).is_empty(), "{odd}");
        }
    }
}
