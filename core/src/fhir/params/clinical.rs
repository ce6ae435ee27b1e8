//! The clinical date of each type: when what the record says happened, as its R4 date parameter has it.
//!
//! Records of a patient or with a code are kept in this order, so that "the newest ones" are read, not sorted.
//! Only dates that a record has once: of several there would be no one place in the order.

use super::{Parameter, find, of};
use crate::fhir::ResourceType;

/// The parameter that says when a record of this type happened; `None`: the type has no such date.
pub fn clinical_date(kind: ResourceType) -> Option<&'static Parameter> {
    let code = match kind.name() {
        "AllergyIntolerance"
        | "Appointment"
        | "CarePlan"
        | "DiagnosticReport"
        | "DocumentReference"
        | "Encounter"
        | "Immunization"
        | "List"
        | "Observation"
        | "Procedure"
        | "RiskAssessment"
        | "EpisodeOfCare"
        | "Flag"
        | "Composition"
        | "Consent"
        | "ImmunizationEvaluation"
        | "FamilyMemberHistory"
        | "SupplyRequest"
        | "AuditEvent"
        | "Invoice" => "date",
        "Condition" => "recorded-date",
        "MedicationRequest" => "authoredon",
        "MedicationAdministration" => "effective-time",
        "MedicationStatement" => "effective",
        "MedicationDispense" => "whenhandedover",
        "ServiceRequest" | "QuestionnaireResponse" => "authored",
        "Task" => "authored-on",
        "Slot" => "start",
        "Goal" => "start-date",
        "ImagingStudy" => "started",
        "Claim"
        | "ExplanationOfBenefit"
        | "CoverageEligibilityRequest"
        | "CoverageEligibilityResponse" => "created",
        "Media" => "created",
        "Communication" => "sent",
        "Provenance" => "recorded",
        _ => return None,
    };
    find(kind, code).filter(|parameter| parameter.in_default)
}

/// The parameter of a type with this number.
pub fn numbered(kind: ResourceType, number: u16) -> Option<&'static Parameter> {
    of(kind).iter().find(|parameter| parameter.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::params::ParameterKind;

    #[test]
    fn each_is_an_indexed_date() {
        let dated: Vec<_> = ResourceType::all().filter_map(clinical_date).collect();
        assert!(dated.iter().all(|p| p.kind == ParameterKind::Date));
        for name in [
            "Observation",
            "Encounter",
            "Condition",
            "Procedure",
            "MedicationRequest",
            "Appointment",
        ] {
            assert!(
                ResourceType::named(name).and_then(clinical_date).is_some(),
                "{name}"
            );
        }
    }
}
