//! The groups of resource types that a policy may name instead of each type.
//!
//! Fixed lists, not "whatever R4 puts into a compartment": a policy must mean the same in the next version of this
//! program.

/// What a group's name stands for.
pub(super) enum Group {
    /// All types.
    Everything,
    /// These.
    Some(&'static [&'static str]),
}

/// In no patient's compartment: who there is, where, and when they have time (design, "Access control").
pub(super) const DIRECTORY: &[&str] = &[
    "HealthcareService",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Schedule",
    "Slot",
];

/// What is known of a patient's health, and what is done about it.
pub(super) const CLINICAL: &[&str] = &[
    "AdverseEvent",
    "AllergyIntolerance",
    "Binary",
    "BodyStructure",
    "CarePlan",
    "CareTeam",
    "ClinicalImpression",
    "Communication",
    "CommunicationRequest",
    "Composition",
    "Condition",
    "Consent",
    "DetectedIssue",
    "Device",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GuidanceResponse",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "List",
    "Media",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "MolecularSequence",
    "NutritionOrder",
    "Observation",
    "Procedure",
    "Provenance",
    "QuestionnaireResponse",
    "RequestGroup",
    "RiskAssessment",
    "ServiceRequest",
    "Specimen",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "VisionPrescription",
];

/// Who a patient is, appointments and bills.
pub(super) const ADMINISTRATIVE: &[&str] = &[
    "Account",
    "Appointment",
    "AppointmentResponse",
    "ChargeItem",
    "Claim",
    "ClaimResponse",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "EnrollmentRequest",
    "ExplanationOfBenefit",
    "Invoice",
    "Patient",
    "RelatedPerson",
];

/// The group of this name.
pub(super) fn group(name: &str) -> Option<Group> {
    match name {
        "*" => Some(Group::Everything),
        "directory" => Some(Group::Some(DIRECTORY)),
        "clinical" => Some(Group::Some(CLINICAL)),
        "administrative" => Some(Group::Some(ADMINISTRATIVE)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{ResourceType, compartment};

    #[test]
    fn groups_name_types_and_do_not_overlap() {
        let mut seen = std::collections::HashSet::new();
        for name in [DIRECTORY, CLINICAL, ADMINISTRATIVE].concat() {
            assert!(ResourceType::named(name).is_some(), "{name}");
            assert!(seen.insert(name), "{name}");
        }
    }

    /// What is in a compartment is in a group, or left out on purpose.
    #[test]
    fn compartments_are_covered() {
        // Others' names stand in them, or they are the trail, research, or a shape without a meaning of its own.
        let left_out = [
            "AuditEvent",
            "Basic",
            "Group",
            "MeasureReport",
            "Person",
            "ResearchSubject",
        ];
        for kind in ResourceType::all().filter(|kind| compartment::can_hold(*kind)) {
            let named = [DIRECTORY, CLINICAL, ADMINISTRATIVE].concat();
            let (in_group, is_left_out) = (
                named.contains(&kind.name()),
                left_out.contains(&kind.name()),
            );
            assert!(in_group != is_left_out, "{kind}");
        }
    }
}
