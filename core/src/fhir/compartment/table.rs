//! Generated from R4's CompartmentDefinition for patients; do not edit. Make it again with
//! `cargo run -p pocketchart-tests --bin compile-search-parameters -- --compartment ../shared/data/r4 > core/src/fhir/compartment/table.rs`.

/// Hash (FNV-1a, 32 bits) of the rows below.
pub(super) const GENERATION: u32 = 0x05a0_8161;

/// By the numbers of the types: where a reference to a patient makes a record part of the patient's compartment.
pub(super) static PATHS: [&[&str]; 146] = [
    &["subject"], // Account
    &[], // ActivityDefinition
    &["subject"], // AdverseEvent
    &["asserter", "patient", "recorder"], // AllergyIntolerance
    &["participant.actor"], // Appointment
    &["actor"], // AppointmentResponse
    &["agent.who", "entity.what"], // AuditEvent
    &["author", "subject"], // Basic
    &[], // Binary
    &[], // BiologicallyDerivedProduct
    &["patient"], // BodyStructure
    &[], // Bundle
    &[], // CapabilityStatement
    &["activity.detail.performer", "subject"], // CarePlan
    &["participant.member", "subject"], // CareTeam
    &[], // CatalogEntry
    &["subject"], // ChargeItem
    &[], // ChargeItemDefinition
    &["patient", "payee.party"], // Claim
    &["patient"], // ClaimResponse
    &["subject"], // ClinicalImpression
    &[], // CodeSystem
    &["recipient", "sender", "subject"], // Communication
    &["recipient", "requester", "sender", "subject"], // CommunicationRequest
    &[], // CompartmentDefinition
    &["attester.party", "author", "subject"], // Composition
    &[], // ConceptMap
    &["asserter", "subject"], // Condition
    &["patient"], // Consent
    &[], // Contract
    &["beneficiary", "payor", "policyHolder", "subscriber"], // Coverage
    &["patient"], // CoverageEligibilityRequest
    &["patient"], // CoverageEligibilityResponse
    &["patient"], // DetectedIssue
    &["patient"], // Device
    &[], // DeviceDefinition
    &[], // DeviceMetric
    &["performer", "subject"], // DeviceRequest
    &["subject"], // DeviceUseStatement
    &["subject"], // DiagnosticReport
    &["author", "recipient", "subject"], // DocumentManifest
    &["author", "subject"], // DocumentReference
    &[], // EffectEvidenceSynthesis
    &["subject"], // Encounter
    &[], // Endpoint
    &["candidate"], // EnrollmentRequest
    &[], // EnrollmentResponse
    &["patient"], // EpisodeOfCare
    &[], // EventDefinition
    &[], // Evidence
    &[], // EvidenceVariable
    &[], // ExampleScenario
    &["patient", "payee.party"], // ExplanationOfBenefit
    &["patient"], // FamilyMemberHistory
    &["subject"], // Flag
    &["subject"], // Goal
    &[], // GraphDefinition
    &["member.entity"], // Group
    &[], // GuidanceResponse
    &[], // HealthcareService
    &["subject"], // ImagingStudy
    &["patient"], // Immunization
    &["patient"], // ImmunizationEvaluation
    &["patient"], // ImmunizationRecommendation
    &[], // ImplementationGuide
    &[], // InsurancePlan
    &["recipient", "subject"], // Invoice
    &[], // Library
    &[], // Linkage
    &["source", "subject"], // List
    &[], // Location
    &[], // Measure
    &["subject"], // MeasureReport
    &["subject"], // Media
    &[], // Medication
    &["performer.actor", "subject"], // MedicationAdministration
    &["receiver", "subject"], // MedicationDispense
    &[], // MedicationKnowledge
    &["subject"], // MedicationRequest
    &["subject"], // MedicationStatement
    &[], // MedicinalProduct
    &[], // MedicinalProductAuthorization
    &[], // MedicinalProductContraindication
    &[], // MedicinalProductIndication
    &[], // MedicinalProductIngredient
    &[], // MedicinalProductInteraction
    &[], // MedicinalProductManufactured
    &[], // MedicinalProductPackaged
    &[], // MedicinalProductPharmaceutical
    &[], // MedicinalProductUndesirableEffect
    &[], // MessageDefinition
    &[], // MessageHeader
    &["patient"], // MolecularSequence
    &[], // NamingSystem
    &["patient"], // NutritionOrder
    &["performer", "subject"], // Observation
    &[], // ObservationDefinition
    &[], // OperationDefinition
    &[], // OperationOutcome
    &[], // Organization
    &[], // OrganizationAffiliation
    &[], // Parameters
    &["link.other"], // Patient
    &[], // PaymentNotice
    &[], // PaymentReconciliation
    &["link.target"], // Person
    &[], // PlanDefinition
    &[], // Practitioner
    &[], // PractitionerRole
    &["performer.actor", "subject"], // Procedure
    &["target"], // Provenance
    &[], // Questionnaire
    &["author", "subject"], // QuestionnaireResponse
    &["patient"], // RelatedPerson
    &["action.participant", "subject"], // RequestGroup
    &[], // ResearchDefinition
    &[], // ResearchElementDefinition
    &[], // ResearchStudy
    &["individual"], // ResearchSubject
    &["subject"], // RiskAssessment
    &[], // RiskEvidenceSynthesis
    &["actor"], // Schedule
    &[], // SearchParameter
    &["performer", "subject"], // ServiceRequest
    &[], // Slot
    &["subject"], // Specimen
    &[], // SpecimenDefinition
    &[], // StructureDefinition
    &[], // StructureMap
    &[], // Subscription
    &[], // Substance
    &[], // SubstanceNucleicAcid
    &[], // SubstancePolymer
    &[], // SubstanceProtein
    &[], // SubstanceReferenceInformation
    &[], // SubstanceSourceMaterial
    &[], // SubstanceSpecification
    &["patient"], // SupplyDelivery
    &["deliverTo"], // SupplyRequest
    &[], // Task
    &[], // TerminologyCapabilities
    &[], // TestReport
    &[], // TestScript
    &[], // ValueSet
    &[], // VerificationResult
    &["patient"], // VisionPrescription
];
