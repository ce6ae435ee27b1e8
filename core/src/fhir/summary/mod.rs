//! One row of a list for any record: what it is, when it happened, what was found, in which state it is.
//!
//! People read records as rows, and real data has holes: no name, no date, text only, a medicine that stands in another
//! record. A blank row would hide a record, so there is always something to read, whatever the JSON holds.

mod measure;
mod words;

#[cfg(test)]
mod tests;

pub use measure::{
    BloodPressure, DOSAGE_CHARS, dosage, interpretation, measured, quantity, reference_range,
};
pub use words::{MAX_CHARS, clean, date, day, minute, person_name};

use serde_json::Value;
use words::{Resolve, first, narrative, state_of, words_at};

/// Elements that say what a record is, best first, where a type has its own. Arrays on the way are entered.
fn own_elements(kind: &str) -> &'static [&'static str] {
    match kind {
        "AllergyIntolerance" => &["code", "reaction.substance"],
        "Appointment" | "AppointmentResponse" | "Slot" => &[
            "serviceType",
            "appointmentType",
            "reasonCode",
            "description",
            "serviceCategory",
            "specialty",
        ],
        "CarePlan" => &["title", "category", "description"],
        "CareTeam" => &["name", "category", "reasonCode"],
        "Claim" | "ExplanationOfBenefit" => &["item.productOrService", "type"],
        "Communication" | "CommunicationRequest" => {
            &["topic", "payload.contentString", "category", "reasonCode"]
        }
        "Composition" | "List" | "Questionnaire" => &["title", "code", "type"],
        "Consent" => &["category", "scope"],
        "Coverage" => &["type", "payor"],
        "Device" => &["deviceName.name", "type", "modelNumber"],
        "DocumentReference" => &[
            "type",
            "description",
            "category",
            "content.attachment.title",
        ],
        "Encounter" => &["type", "serviceType", "reasonCode", "class"],
        "FamilyMemberHistory" => &["condition.code", "relationship", "name"],
        "Goal" => &["description", "category"],
        "HealthcareService" | "Location" | "Organization" => &["name", "type", "alias"],
        "ImagingStudy" => &[
            "description",
            "procedureCode",
            "series.description",
            "series.modality",
        ],
        "Media" => &["content.title", "type", "view"],
        "Medication" => &[
            "code",
            "ingredient.itemCodeableConcept",
            "ingredient.itemReference",
        ],
        "MedicationAdministration"
        | "MedicationDispense"
        | "MedicationRequest"
        | "MedicationStatement" => &["medicationCodeableConcept", "medicationReference"],
        "PractitionerRole" => &["practitioner", "code", "specialty"],
        "Provenance" => &["activity", "target"],
        "QuestionnaireResponse" => &["questionnaire", "item.text"],
        "Schedule" => &["serviceType", "actor"],
        "SupplyDelivery" => &[
            "suppliedItem.itemCodeableConcept",
            "suppliedItem.itemReference",
            "type",
        ],
        _ => &[],
    }
}

/// Elements that say what a record is, for all other types and where the type's own are missing.
const ELEMENTS: [&str; 14] = [
    "code",
    "vaccineCode",
    "type",
    "title",
    "name",
    "description",
    "serviceType",
    "topic",
    "category",
    "reasonCode",
    "activity",
    "subtype",
    "url",
    "identifier.value",
];

/// Elements that say when it happened, best first: the clinical time before the time of writing it down.
const DATES: [&str; 25] = [
    "effective",
    "onset",
    "occurrence",
    "occurred",
    "performed",
    "period",
    "start",
    "started",
    "whenHandedOver",
    "whenPrepared",
    "authoredOn",
    "authored",
    "recordedDate",
    "date",
    "dateTime",
    "created",
    "sent",
    "recorded",
    "issued",
    "birthDate",
    "servicePeriod",
    "billablePeriod",
    "executionPeriod",
    "timestamp",
    "lastOccurrence",
];

/// Forms that an element with `[x]` has when it is a time.
const FORMS: [&str; 9] = [
    "", "DateTime", "Period", "Date", "Instant", "Timing", "Age", "Range", "String",
];

/// Elements that say most about a record beside what it is, where there is nothing measured.
fn remarks(kind: &str) -> &'static [&'static str] {
    match kind {
        "Patient" | "Person" | "Practitioner" | "RelatedPerson" => &["gender"],
        "Appointment" => &["comment", "patientInstruction", "description"],
        "Condition" => &["severity", "stage.summary"],
        "DiagnosticReport" => &["conclusion", "conclusionCode"],
        "DocumentReference" => &["description", "content.attachment.title"],
        "Encounter" => &["reasonCode", "reasonReference.display"],
        "Location" | "Organization" => &["address.city"],
        "Procedure" => &["outcome", "reasonCode"],
        _ => &[],
    }
}

/// A record as a row of a list. All texts are one line, without control characters, and not longer than
/// [`MAX_CHARS`] characters; a dosage has [`DOSAGE_CHARS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSummary {
    /// What it is in words: a code's text, else its display, else the code; a person's name. Never empty.
    pub what: String,
    /// The clinical date as it was written, whatever its precision ([`day`] cuts it to the day).
    pub when: Option<String>,
    /// What was measured or answered, with its unit and flag ("128/82 mmHg", "7.9 % (high)"); for other types the remark
    /// that says most: how a medicine is taken, what an allergy does.
    pub value: Option<String>,
    /// Status, with what limits it ("active, unconfirmed").
    pub state: Option<String>,
}

impl RecordSummary {
    /// The row for a resource's text. Anything gives a row, text that is no JSON too.
    pub fn of_text(text: &str) -> Self {
        let resource: Value = serde_json::from_str(text).unwrap_or_default();
        Self::of(&resource, &|_| None)
    }

    /// The row for a resource. `look_up` is asked for the words of a record that this one refers to (`Medication/1`).
    pub fn of(resource: &Value, look_up: &dyn Fn(&str) -> Option<String>) -> Self {
        let kind = first(resource, "resourceType").and_then(Value::as_str);
        let kind = kind.unwrap_or_default();
        let resolve = Resolve { resource, look_up };
        Self {
            what: what(resource, kind, &resolve),
            when: when(resource),
            value: value(resource, kind, &resolve),
            state: state_of(resource),
        }
    }
}

fn what(resource: &Value, kind: &str, resolve: &Resolve<'_>) -> String {
    let words = |path: &&str| words_at(resource, path, resolve);
    resource
        .get("name")
        .and_then(person_name)
        .or_else(|| own_elements(kind).iter().find_map(words))
        // Before the general elements: of a medicine that is told in the narrative only, "Outpatient" would be a lie.
        .or_else(|| narrative(resource).filter(|_| !own_elements(kind).is_empty()))
        .or_else(|| ELEMENTS.iter().find_map(words))
        .or_else(|| narrative(resource))
        .unwrap_or_else(|| {
            let id = resource.get("id").and_then(Value::as_str);
            let name = clean(&format!("{kind} {}", id.unwrap_or_default()));
            name.unwrap_or_else(|| "record without words".into())
        })
}

fn when(resource: &Value) -> Option<String> {
    DATES
        .iter()
        .flat_map(|name| FORMS.iter().map(move |form| (name, form)))
        .find_map(|(name, form)| date(resource.get(format!("{name}{form}"))?))
}

fn value(resource: &Value, kind: &str, resolve: &Resolve<'_>) -> Option<String> {
    match kind {
        "Observation" => measured(resource),
        "AllergyIntolerance" => allergy(resource, resolve),
        "MedicationRequest" | "MedicationDispense" => dosage(resource.get("dosageInstruction")?),
        "MedicationStatement" | "MedicationAdministration" => dosage(resource.get("dosage")?),
        _ => remarks(kind)
            .iter()
            .find_map(|path| words_at(resource, path, resolve)),
    }
}

/// "hives, wheezing (high risk)".
fn allergy(resource: &Value, resolve: &Resolve<'_>) -> Option<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut signs: Vec<String> = Vec::new();
    for reaction in resource.get("reaction").map(list).unwrap_or_default() {
        for sign in reaction.get("manifestation").map(list).unwrap_or_default() {
            signs.extend(resolve.words(&sign).filter(|s| !signs.contains(s)));
        }
    }
    let signs = (!signs.is_empty()).then(|| signs.join(", "));
    let is_high = resource.get("criticality").and_then(Value::as_str) == Some("high");
    let all = match (signs, is_high) {
        (Some(signs), true) => format!("{signs} (high risk)"),
        (Some(signs), false) => signs,
        (None, true) => "high risk".into(),
        (None, false) => return None,
    };
    clean(&all)
}
