//! The 146 concrete resource types of FHIR R4 (4.0.1), as numbers.
//!
//! R4 is frozen, so a type's place in this sorted list is its number on disk for ever: never insert or reorder.
//! Beside each type stand the elements behind its R4 search parameter `patient` (source: `search-parameters.json`
//! of R4, expressions restricted to this type).

use std::fmt;

/// One concrete R4 resource type.
///
/// ```
/// use pocketchart_core::fhir::ResourceType;
/// assert_eq!(ResourceType::named("Patient").map(|t| t.name()), Some("Patient"));
/// assert!(ResourceType::named("patient").is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType(u8);

impl ResourceType {
    /// The type called `name` (case matters, as in FHIR).
    pub fn named(name: &str) -> Option<Self> {
        let at = TYPES.binary_search_by_key(&name, |row| row.0).ok()?;
        u8::try_from(at).ok().map(Self)
    }

    /// The type with this number on disk.
    pub fn numbered(number: i64) -> Option<Self> {
        let number = u8::try_from(number).ok()?;
        (usize::from(number) < TYPES.len()).then_some(Self(number))
    }

    /// Its number on disk.
    pub fn number(self) -> i64 {
        i64::from(self.0)
    }

    /// Its FHIR name.
    pub fn name(self) -> &'static str {
        TYPES[usize::from(self.0)].0
    }

    /// Element paths (`participant.actor`) that may refer to the patient a record of this type is about.
    pub fn patient_paths(self) -> &'static [&'static str] {
        TYPES[usize::from(self.0)].1
    }

    /// Whether the search parameter `patient` exists for this type. `Patient` itself counts: it is about itself.
    pub fn is_about_a_patient(self) -> bool {
        !self.patient_paths().is_empty() || self.name() == "Patient"
    }

    /// All types in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TYPES.len()).filter_map(|n| u8::try_from(n).ok().map(Self))
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[rustfmt::skip]
const TYPES: [(&str, &[&str]); 146] = [
    ("Account", &["subject"]),
    ("ActivityDefinition", &[]),
    ("AdverseEvent", &[]),
    ("AllergyIntolerance", &["patient"]),
    ("Appointment", &["participant.actor"]),
    ("AppointmentResponse", &["actor"]),
    ("AuditEvent", &["agent.who", "entity.what"]),
    ("Basic", &["subject"]),
    ("Binary", &[]),
    ("BiologicallyDerivedProduct", &[]),
    ("BodyStructure", &["patient"]),
    ("Bundle", &[]),
    ("CapabilityStatement", &[]),
    ("CarePlan", &["subject"]),
    ("CareTeam", &["subject"]),
    ("CatalogEntry", &[]),
    ("ChargeItem", &["subject"]),
    ("ChargeItemDefinition", &[]),
    ("Claim", &["patient"]),
    ("ClaimResponse", &["patient"]),
    ("ClinicalImpression", &["subject"]),
    ("CodeSystem", &[]),
    ("Communication", &["subject"]),
    ("CommunicationRequest", &["subject"]),
    ("CompartmentDefinition", &[]),
    ("Composition", &["subject"]),
    ("ConceptMap", &[]),
    ("Condition", &["subject"]),
    ("Consent", &["patient"]),
    ("Contract", &["subject"]),
    ("Coverage", &["beneficiary"]),
    ("CoverageEligibilityRequest", &["patient"]),
    ("CoverageEligibilityResponse", &["patient"]),
    ("DetectedIssue", &["patient"]),
    ("Device", &["patient"]),
    ("DeviceDefinition", &[]),
    ("DeviceMetric", &[]),
    ("DeviceRequest", &["subject"]),
    ("DeviceUseStatement", &["subject"]),
    ("DiagnosticReport", &["subject"]),
    ("DocumentManifest", &["subject"]),
    ("DocumentReference", &["subject"]),
    ("EffectEvidenceSynthesis", &[]),
    ("Encounter", &["subject"]),
    ("Endpoint", &[]),
    ("EnrollmentRequest", &["candidate"]),
    ("EnrollmentResponse", &[]),
    ("EpisodeOfCare", &["patient"]),
    ("EventDefinition", &[]),
    ("Evidence", &[]),
    ("EvidenceVariable", &[]),
    ("ExampleScenario", &[]),
    ("ExplanationOfBenefit", &["patient"]),
    ("FamilyMemberHistory", &["patient"]),
    ("Flag", &["subject"]),
    ("Goal", &["subject"]),
    ("GraphDefinition", &[]),
    ("Group", &[]),
    ("GuidanceResponse", &["subject"]),
    ("HealthcareService", &[]),
    ("ImagingStudy", &["subject"]),
    ("Immunization", &["patient"]),
    ("ImmunizationEvaluation", &["patient"]),
    ("ImmunizationRecommendation", &["patient"]),
    ("ImplementationGuide", &[]),
    ("InsurancePlan", &[]),
    ("Invoice", &["subject"]),
    ("Library", &[]),
    ("Linkage", &[]),
    ("List", &["subject"]),
    ("Location", &[]),
    ("Measure", &[]),
    ("MeasureReport", &["subject"]),
    ("Media", &["subject"]),
    ("Medication", &[]),
    ("MedicationAdministration", &["subject"]),
    ("MedicationDispense", &["subject"]),
    ("MedicationKnowledge", &[]),
    ("MedicationRequest", &["subject"]),
    ("MedicationStatement", &["subject"]),
    ("MedicinalProduct", &[]),
    ("MedicinalProductAuthorization", &[]),
    ("MedicinalProductContraindication", &[]),
    ("MedicinalProductIndication", &[]),
    ("MedicinalProductIngredient", &[]),
    ("MedicinalProductInteraction", &[]),
    ("MedicinalProductManufactured", &[]),
    ("MedicinalProductPackaged", &[]),
    ("MedicinalProductPharmaceutical", &[]),
    ("MedicinalProductUndesirableEffect", &[]),
    ("MessageDefinition", &[]),
    ("MessageHeader", &[]),
    ("MolecularSequence", &["patient"]),
    ("NamingSystem", &[]),
    ("NutritionOrder", &["patient"]),
    ("Observation", &["subject"]),
    ("ObservationDefinition", &[]),
    ("OperationDefinition", &[]),
    ("OperationOutcome", &[]),
    ("Organization", &[]),
    ("OrganizationAffiliation", &[]),
    ("Parameters", &[]),
    ("Patient", &[]),
    ("PaymentNotice", &[]),
    ("PaymentReconciliation", &[]),
    ("Person", &["link.target"]),
    ("PlanDefinition", &[]),
    ("Practitioner", &[]),
    ("PractitionerRole", &[]),
    ("Procedure", &["subject"]),
    ("Provenance", &["target"]),
    ("Questionnaire", &[]),
    ("QuestionnaireResponse", &["subject"]),
    ("RelatedPerson", &["patient"]),
    ("RequestGroup", &["subject"]),
    ("ResearchDefinition", &[]),
    ("ResearchElementDefinition", &[]),
    ("ResearchStudy", &[]),
    ("ResearchSubject", &["individual"]),
    ("RiskAssessment", &["subject"]),
    ("RiskEvidenceSynthesis", &[]),
    ("Schedule", &[]),
    ("SearchParameter", &[]),
    ("ServiceRequest", &["subject"]),
    ("Slot", &[]),
    ("Specimen", &["subject"]),
    ("SpecimenDefinition", &[]),
    ("StructureDefinition", &[]),
    ("StructureMap", &[]),
    ("Subscription", &[]),
    ("Substance", &[]),
    ("SubstanceNucleicAcid", &[]),
    ("SubstancePolymer", &[]),
    ("SubstanceProtein", &[]),
    ("SubstanceReferenceInformation", &[]),
    ("SubstanceSourceMaterial", &[]),
    ("SubstanceSpecification", &[]),
    ("SupplyDelivery", &["patient"]),
    ("SupplyRequest", &[]),
    ("Task", &["for"]),
    ("TerminologyCapabilities", &[]),
    ("TestReport", &[]),
    ("TestScript", &[]),
    ("ValueSet", &[]),
    ("VerificationResult", &[]),
    ("VisionPrescription", &["patient"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn names_are_sorted_so_that_look_up_finds_each() {
        for kind in ResourceType::all() {
            assert_eq!(ResourceType::named(kind.name()), Some(kind));
            assert_eq!(ResourceType::numbered(kind.number()), Some(kind));
        }
        assert_eq!(ResourceType::numbered(146), None);
        assert_eq!(ResourceType::numbered(-1), None);
    }

    #[test]
    fn numbers_on_disk_never_change() {
        let mut names = Sha256::new();
        for kind in ResourceType::all() {
            names.update(kind.name());
            names.update(b"\n");
        }
        let digest = hex::encode(names.finalize());
        assert_eq!(
            digest,
            "07e475727c0d89a50e24ce31500d27fab96134c77a2c164ecacbb35d9d1532ea"
        );
    }

    #[test]
    fn patient_paths_come_from_r4() {
        let paths = |name: &str| ResourceType::named(name).map(ResourceType::patient_paths);
        assert_eq!(paths("Observation"), Some(&["subject"][..]));
        assert_eq!(paths("Appointment"), Some(&["participant.actor"][..]));
        assert_eq!(paths("Organization"), Some(&[][..]));
    }
}
