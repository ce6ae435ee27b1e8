//! Placeholder until the tool has written this file.

use super::Parameter;
use super::ParameterKind::{Date, Reference, String, Token, Uri};

/// Hash of the rows below.
pub const GENERATION: u32 = 0x0000_0001;

const fn row(
    number: u16,
    code: &'static str,
    kind: super::ParameterKind,
    in_default: bool,
    targets: &'static [&'static str],
    paths: &'static [&'static str],
) -> Parameter {
    Parameter {
        number,
        code,
        kind,
        in_default,
        targets,
        paths,
    }
}

#[rustfmt::skip]
pub(super) static PARAMETERS: [&[Parameter]; 146] = [
    &[ // Account
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ActivityDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // AdverseEvent
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // AllergyIntolerance
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Appointment
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // AppointmentResponse
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // AuditEvent
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Basic
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Binary
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // BiologicallyDerivedProduct
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // BodyStructure
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Bundle
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // CapabilityStatement
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // CarePlan
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // CareTeam
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // CatalogEntry
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ChargeItem
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ChargeItemDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Claim
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ClaimResponse
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ClinicalImpression
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // CodeSystem
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Communication
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // CommunicationRequest
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // CompartmentDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Composition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ConceptMap
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Condition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Consent
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Contract
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Coverage
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // CoverageEligibilityRequest
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // CoverageEligibilityResponse
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // DetectedIssue
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Device
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // DeviceDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // DeviceMetric
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // DeviceRequest
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // DeviceUseStatement
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // DiagnosticReport
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // DocumentManifest
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // DocumentReference
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // EffectEvidenceSynthesis
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Encounter
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Endpoint
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // EnrollmentRequest
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // EnrollmentResponse
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // EpisodeOfCare
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // EventDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Evidence
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // EvidenceVariable
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ExampleScenario
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ExplanationOfBenefit
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // FamilyMemberHistory
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Flag
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Goal
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // GraphDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Group
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // GuidanceResponse
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // HealthcareService
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ImagingStudy
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Immunization
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ImmunizationEvaluation
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ImmunizationRecommendation
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ImplementationGuide
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // InsurancePlan
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Invoice
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Library
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Linkage
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // List
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Location
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Measure
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MeasureReport
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Media
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Medication
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicationAdministration
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicationDispense
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicationKnowledge
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicationRequest
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicationStatement
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProduct
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProductAuthorization
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProductContraindication
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProductIndication
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProductIngredient
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProductInteraction
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProductManufactured
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProductPackaged
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProductPharmaceutical
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MedicinalProductUndesirableEffect
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MessageDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MessageHeader
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // MolecularSequence
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // NamingSystem
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // NutritionOrder
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Observation
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
        row(4, "code", Token, true, &[], &["code:CodeableConcept"]),
        row(5, "date", Date, true, &[], &["effectiveDateTime:dateTime"]),
        row(6, "patient", Reference, true, &["Patient"], &["subject:Reference(Patient)"]),
    ],
    &[ // ObservationDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // OperationDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // OperationOutcome
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Organization
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // OrganizationAffiliation
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Parameters
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Patient
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
        row(4, "birthdate", Date, true, &[], &["birthDate:date"]),
        row(5, "family", String, true, &[], &["name.family:string"]),
        row(6, "gender", Token, true, &[], &["gender:code"]),
        row(7, "name", String, true, &[], &["name:HumanName"]),
    ],
    &[ // PaymentNotice
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // PaymentReconciliation
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Person
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // PlanDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Practitioner
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // PractitionerRole
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Procedure
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Provenance
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Questionnaire
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // QuestionnaireResponse
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // RelatedPerson
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // RequestGroup
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ResearchDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ResearchElementDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ResearchStudy
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ResearchSubject
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // RiskAssessment
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // RiskEvidenceSynthesis
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Schedule
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SearchParameter
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ServiceRequest
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Slot
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Specimen
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SpecimenDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // StructureDefinition
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // StructureMap
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Subscription
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Substance
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SubstanceNucleicAcid
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SubstancePolymer
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SubstanceProtein
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SubstanceReferenceInformation
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SubstanceSourceMaterial
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SubstanceSpecification
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SupplyDelivery
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // SupplyRequest
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // Task
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // TerminologyCapabilities
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // TestReport
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // TestScript
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // ValueSet
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // VerificationResult
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
    &[ // VisionPrescription
        row(1, "_lastUpdated", Date, true, &[], &["meta.lastUpdated:instant"]),
        row(2, "_profile", Uri, true, &[], &["meta.profile:canonical"]),
        row(3, "_tag", Token, true, &[], &["meta.tag:Coding"]),
    ],
];

#[rustfmt::skip]
pub(super) static UNCOMPILED: [&[&str]; 146] = [&[]; 146];
