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

    /// `code=value` of everything found, in the full profile.
    fn found(text: &str) -> Vec<String> {
        let resource = Resource::parse(text.as_bytes()).unwrap();
        let mut found = Vec::new();
        extract(&resource, Profile::Full, &mut found);
        let line = |one: &Found<'_>| {
            let mut all = params::of(resource.kind()).iter();
            let code = all.find(|p| p.number == one.parameter).unwrap().code;
            let value = match &one.value {
                Value::Token { system, code } => format!("{system}|{code}"),
                Value::Text(text) | Value::Uri(text) => text.to_string(),
                Value::Reference { local, url } => format!("{url} {}", local.is_some()),
                Value::Date(span) => format!("{} {}", span.first, span.end),
                Value::Number(number) => number.to_string(),
                Value::Quantity {
                    value,
                    system,
                    code,
                } => format!("{value}|{system}|{code}"),
            };
            format!("{code}={value}")
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn a_patient() {
        let text = r#"{"resourceType":"Patient","id":"1","contained":[{"resourceType":"Patient","id":"c","gender":"male"}],
            "meta":{"lastUpdated":"2024-02-29T10:00:00Z","tag":[{"system":"s","code":"t"}]},"active":true,"_gender":{"id":"x"},
            "identifier":[{"system":"urn:mrn","value":"7","type":{"text":"MRN"}}],"gender":"female","deceasedDateTime":"2024",
            "name":[{"family":"Pi\u00f1a","given":["Ana","B"],"use":"official"}],"telecom":[{"value":"1","system":"phone"},{"system":"fax","value":"2"}]}"#;
        assert_eq!(
            found(text),
            [
                "_lastUpdated=2024-02-29T10:00:00.000Z 2024-02-29T10:00:00.001Z",
                "_tag=s|t",
                "active=|true",
                "identifier=urn:mrn|7",
                "gender=|female",
                "death-date=2024-01-01T00:00:00.000Z 2025-01-01T00:00:00.000Z",
                "deceased=|true",
                "family=Piña",
                "name=Piña",
                "given=Ana",
                "name=Ana",
                "given=B",
                "name=B",
                "phone=|1",
                "telecom=|1",
                "telecom=|2",
            ]
        );
        assert_eq!(
            found(r#"{"resourceType":"Patient","id":"1"}"#),
            ["deceased=|false"]
        );
    }

    #[test]
    fn an_observation() {
        let text = r#"{"resourceType":"Observation","id":"1","subject":{"reference":"https://h/fhir/Patient/1"},"performer":[{"reference":"Patient/2/_history/3"},{"display":"x"}],
            "effectivePeriod":{"end":"2024-02"},"valueQuantity":{"value":7.50,"unit":"kg"},"component":[{"code":{"coding":[{"code":"a"},{}],"text":"x"},"valueQuantity":{"value":"1"}}]}"#;
        assert_eq!(
            found(text),
            [
                "patient=https://h/fhir/Patient/1 false",
                "subject=https://h/fhir/Patient/1 false",
                "performer=Patient/2/_history/3 true",
                "date=0001-01-01T00:00:00.000Z 2024-03-01T00:00:00.000Z",
                "combo-value-quantity=7.5||kg",
                "value-quantity=7.5||kg",
                "combo-code=|a",
                "component-code=|a",
            ]
        );
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
