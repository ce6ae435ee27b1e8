//! A hub's vault with a few records of two patients, and everybody who may come to it.

use crate::{fail, make_vault, required, resource};
use pocketchart_core::access::{
    AccessError, Act, Actor, Done, Guard, Person, Precondition, Role, Write,
};
use pocketchart_core::fhir::ResourceId;
use pocketchart_core::fhir::params::Profile;
use pocketchart_core::fhir::search::Query;

/// A hub's vault with two patients, a and b, one Practitioner, one Slot.
pub struct Clinic {
    /// In the owner's hands.
    pub owner: Guard,
    _home: tempfile::TempDir,
}

/// Somebody in a role.
pub fn actor(role: Role) -> Actor {
    Actor::new(Person::new(role.name().to_owned()), role)
}

/// The person who is this Patient.
pub fn patient_actor(id: &str) -> Actor {
    Actor {
        patient: Some(required(ResourceId::new(id))),
        ..Actor::new(Person::new(format!("person-{id}")), Role::PATIENT)
    }
}

/// An Observation of a patient's.
pub fn seen_by(patient: &str, id: &str, at: u8) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","subject":{{"reference":"Patient/{patient}"}},"performer":[{{"reference":"Practitioner/dr"}}],"effectiveDateTime":"2026-01-{at:02}","code":{{"coding":[{{"system":"s","code":"c"}}]}}}}"#
    )
}

/// A Patient.
pub fn person(id: &str, identifier: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"mrn","value":"{identifier}"}}],"name":[{{"family":"Name-{id}"}}],"telecom":[{{"value":"1"}}],"birthDate":"1990-01-01"}}"#
    )
}

/// An Appointment of a patient's for a Slot.
pub fn appointment(id: &str, patient: &str, slot: &str) -> String {
    format!(
        r#"{{"resourceType":"Appointment","id":"{id}","status":"booked","identifier":[{{"system":"s","value":"{patient}"}}],"slot":[{{"reference":"Slot/{slot}"}}],"participant":[{{"actor":{{"reference":"Patient/{patient}"}},"status":"accepted"}}]}}"#
    )
}

/// The Slot.
pub fn slot(status: &str) -> String {
    format!(
        r#"{{"resourceType":"Slot","id":"s1","schedule":{{"reference":"Schedule/1"}},"status":"{status}","start":"2026-12-01T08:00:00Z","end":"2026-12-01T08:30:00Z"}}"#
    )
}

/// An act without a condition.
pub fn write(act: Act<'_>) -> Write<'_> {
    Write {
        act,
        condition: Precondition::default(),
        change: None,
        signed: None,
        full_url: None,
    }
}

/// Stores a record at the hub.
pub fn put(guard: &Guard, text: &str) -> Result<Done, AccessError> {
    guard.commit_one(write(Act::Put(resource(text))))
}

/// Stores records in one transaction.
pub fn put_all(guard: &Guard, texts: &[&str]) -> Result<Vec<Done>, AccessError> {
    let writes: Vec<Write<'_>> = texts
        .iter()
        .map(|text| write(Act::Put(resource(text))))
        .collect();
    guard.commit(&writes).map_err(|(_, error)| error)
}

impl Clinic {
    /// Filled.
    pub fn filled() -> Self {
        let home = required(tempfile::tempdir());
        let (owner, _) = make_vault(home.path());
        required(owner.set_profile(Profile::Full));
        assert!(required(owner.reindex(|_| true)));
        required(owner.serve());
        let clinic = Self { owner, _home: home };
        for text in [
            person("a", "111"),
            person("b", "222"),
            r#"{"resourceType":"Practitioner","id":"dr","name":[{"family":"Doc"}]}"#.into(),
            seen_by("a", "oa1", 1),
            seen_by("a", "oa2", 3),
            appointment("ab", "b", "s9"),
            slot("free"),
        ] {
            required(put(&clinic.owner, &text));
        }
        for n in 0..12 {
            required(put(&clinic.owner, &seen_by("b", &format!("ob{n}"), n + 2)));
        }
        clinic
    }

    /// In the hands of the patient a.
    pub fn a(&self) -> Guard {
        self.owner.acting_as(patient_actor("a"))
    }

    /// In the hands of somebody in this role.
    pub fn of(&self, role: Role) -> Guard {
        self.owner.acting_as(actor(role))
    }
}

/// A search.
pub fn query(text: &str) -> Query {
    required(Query::parse(text))
}

/// What a search shows, included records too.
pub fn ids(guard: &Guard, text: &str) -> Vec<String> {
    let page = required(guard.search(&query(text)));
    let all = page.records.iter().chain(&page.included);
    all.map(|record| record.name.reference.to_string())
        .collect()
}

/// The words of a refusal.
pub fn refusal(error: AccessError) -> String {
    match error {
        AccessError::NotAllowed(refusal) => refusal.to_string(),
        other => fail(&other),
    }
}
