//! What a record is found by: one walk over its text, driven by the parameter table.
//!
//! Nothing is parsed into a tree. [`Resource`] knows where its top-level members stand; the walk enters those that some
//! parameter of its type wants, borrows the texts it finds there and skips everything else. `_id` is the record's own key
//! and not among the values; contained resources are no records of their own and are not looked into.

mod make;
mod path;
mod period;
mod plan;
mod walk;

use self::plan::Plan;
use self::walk::Walk;
use super::instant::Span;
use super::params::{self, Profile};
use super::{Reference, Resource, json};
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Of this file: change it whenever [`extract`] would give other values for the same text and table.
const CODE: u32 = 2;

/// Changes whenever [`extract`] would give other values for the same text, so that a store knows that its index is old.
pub const GENERATION: u32 = params::GENERATION
    .wrapping_mul(31)
    .wrapping_add(super::fold::FOLD_GENERATION)
    .wrapping_mul(31)
    .wrapping_add(CODE);

/// One value that a resource is found by, borrowed from its text where no escape stands in the way.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A code in a system; an empty text is none.
    Token {
        /// URI of the code system or identifier namespace.
        system: Cow<'a, str>,
        /// The code, identifier, contact detail, `true` or `false`.
        code: Cow<'a, str>,
    },
    /// As written; folding is the store's.
    Text(Cow<'a, str>),
    /// Another record.
    Reference {
        /// When it is written `Type/id`, with or without a version.
        local: Option<Reference>,
        /// As written.
        url: Cow<'a, str>,
    },
    /// A date of any precision, a Period or a Timing.
    Date(Span),
    /// A plain number.
    Number(f64),
    /// A number with a unit.
    Quantity {
        /// Its value.
        value: f64,
        /// Of the unit.
        system: Cow<'a, str>,
        /// The unit's code, or else the unit as printed.
        code: Cow<'a, str>,
    },
    /// A URI as written.
    Uri(Cow<'a, str>),
}

/// One value and the parameter it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'a> {
    /// `params::Parameter::number`, of the resource's type.
    pub parameter: u16,
    /// The value.
    pub value: Value<'a>,
}

/// Appends what `resource` is found by under `profile` to `out`, in the order of the text. A value that stands there
/// twice is given twice.
pub fn extract<'a>(resource: &Resource<'a>, profile: Profile, out: &mut Vec<Found<'a>>) {
    let plan = Plan::of(resource.kind(), profile);
    let before = out.len();
    for (name, raw) in resource.members() {
        let wanted = plan.root.members.iter().find(|m| m.name == name);
        if let Some(node) = wanted.and_then(|member| member.child.as_ref()) {
            let mut text = serde_json::Deserializer::from_str(raw.get());
            // The text was checked when the resource was made: this cannot fail.
            let walked = Walk { node, out }.deserialize(&mut text);
            debug_assert!(walked.is_ok());
        }
    }
    for parameter in &plan.otherwise_false {
        if !out[before..].iter().any(|f| f.parameter == *parameter) {
            out.push(make::otherwise_false(*parameter));
        }
    }
}

/// When what the record tells happened, in ms since 1970: the clinical time that "newest of a patient" sorts by.
/// `None` when it says nothing of the kind, as a Location does.
pub fn clinical_time(resource: &Resource<'_>) -> Option<i64> {
    period::clinical_time(resource)
}

/// Patients the resource is about, each once, sorted. A Patient is about itself.
pub fn patients(resource: &Resource<'_>) -> Vec<Reference> {
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
    patients
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

    fn about(text: &str) -> Vec<String> {
        let resource = Resource::parse(text.as_bytes()).unwrap();
        patients(&resource)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn direct_nested_and_repeated_references() {
        assert_eq!(
            about(r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/1"}}"#),
            ["Patient/1"]
        );
        assert_eq!(
            about(
                r#"{"resourceType":"Appointment","id":"o","participant":[{"actor":{"reference":"Practitioner/9"}},
                {"actor":{"reference":"Patient/2"}},{"actor":{"reference":"Patient/1"}},{"status":"x"},{"actor":{"reference":"Patient/2"}}]}"#
            ),
            ["Patient/1", "Patient/2"]
        );
        assert_eq!(
            about(r#"{"resourceType":"Patient","id":"1"}"#),
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
            assert!(about(odd).is_empty(), "{odd}");
        }
    }
}
