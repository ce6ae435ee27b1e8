//! The trail as FHIR R4 AuditEvents, by IHE's Basic Audit Log Patterns (BALP) 1.1.
//!
//! Every entry gives at least one event, so that none can be missing unseen; one about several patients gives one for
//! each, as BALP asks. Ids are made of the vault's id and the entry's number: exported twice, an event is the same one.
//! Where BALP has a pattern the event says so in `meta.profile`; failures, and what BALP does not know (unlocking,
//! keys, whole files), are plain AuditEvents. Nothing of a record is in them: the trail does not have it.
//!
//! <https://profiles.ihe.net/ITI/BALP/content.html>

use super::{AuditEntry, AuditKind, Change};
use crate::fhir::{Instant, Reference};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const REST: &str = "http://hl7.org/fhir/restful-interaction";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const PURPOSE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const SUCCESS: &str = "0";
const MINOR_FAILURE: &str = "4";
const SERIOUS_FAILURE: &str = "8";

impl AuditEntry {
    /// The entry with number `seq` in the trail of `vault` as AuditEvents: one, or one for each patient.
    pub fn to_events(&self, vault: &[u8; 16], seq: i64) -> Vec<String> {
        let vault = hex::encode(vault);
        let patients = self.about();
        let event = Event {
            vault: &vault,
            seq,
            entry: self,
            pattern: Pattern::of(self),
        };
        if patients.is_empty() {
            return vec![event.text(None, 0)];
        }
        let each = patients.iter().enumerate();
        each.map(|(nth, patient)| event.text(Some(patient), nth))
            .collect()
    }
}

/// How FHIR speaks of a kind of act.
struct Pattern {
    /// The end of BALP's canonical URL; "Patient" stands before it where a patient is known.
    profile: Option<&'static str>,
    kind: Coding,
    subtypes: Vec<Coding>,
    action: &'static str,
    outcome: &'static str,
}

type Coding = (&'static str, &'static str, &'static str);

const RESTFUL: Coding = (EVENT_TYPE, "rest", "Restful Operation");
const APPLICATION: Coding = (DCM, "110100", "Application Activity");
const LOG_USED: Coding = (DCM, "110101", "Audit Log Used");
const EXPORT: Coding = (DCM, "110106", "Export");
const IMPORT: Coding = (DCM, "110107", "Import");
const ALERT: Coding = (DCM, "110113", "Security Alert");
const AUTHENTICATION: Coding = (DCM, "110114", "User Authentication");
const LOGIN: Coding = (DCM, "110122", "Login");
const LOGOUT: Coding = (DCM, "110123", "Logout");
const OVERRIDE: Coding = (DCM, "110127", "Emergency Override Started");
const CONFIGURATION: Coding = (DCM, "110129", "Security Configuration");
const RESTRICTED: Coding = (DCM, "110132", "Use of Restricted Function");
const ROLES: Coding = (DCM, "110136", "Security Roles Changed");
const USERS: Coding = (DCM, "110137", "User Security Attributes Changed");
const DISCLOSE: Coding = (LIFECYCLE, "disclose", "Disclose Record Lifecycle Event");

impl Pattern {
    fn of(entry: &AuditEntry) -> Self {
        let plain = |kind, subtype: Option<Coding>, action, outcome| Self {
            profile: None,
            kind,
            subtypes: subtype.into_iter().collect(),
            action,
            outcome,
        };
        let rest = |profile, interaction, action| Self {
            profile: Some(profile),
            ..plain(
                RESTFUL,
                Some((REST, interaction, interaction)),
                action,
                SUCCESS,
            )
        };
        match entry.kind {
            AuditKind::Unlock | AuditKind::Switch => {
                plain(AUTHENTICATION, Some(LOGIN), "E", SUCCESS)
            }
            AuditKind::Lock => plain(AUTHENTICATION, Some(LOGOUT), "E", SUCCESS),
            AuditKind::FailedTries => plain(AUTHENTICATION, Some(LOGIN), "E", MINOR_FAILURE),
            // A look-up that found nothing is a failure, which BALP's patterns leave out.
            AuditKind::Read if entry.count == Some(0) => {
                plain(RESTFUL, Some((REST, "read", "read")), "R", MINOR_FAILURE)
            }
            AuditKind::Read => rest("Read", "read", "R"),
            AuditKind::Search => rest("Query", "search", "E"),
            AuditKind::Write => Self {
                // What only was about to happen is no success that a pattern describes.
                profile: None,
                ..Self::of_write(entry, rest)
            },
            AuditKind::Written => Self::of_write(entry, rest),
            AuditKind::Pull | AuditKind::Import => plain(IMPORT, None, "C", SUCCESS),
            AuditKind::Push => plain(EXPORT, None, "R", SUCCESS),
            AuditKind::Export if !entry.about().is_empty() => Self {
                profile: Some("PrivacyDisclosure.Source"),
                ..plain(EXPORT, Some(DISCLOSE), "R", SUCCESS)
            },
            AuditKind::Export => plain(EXPORT, None, "R", SUCCESS),
            AuditKind::Check => plain(APPLICATION, None, "E", SUCCESS),
            AuditKind::Trail => plain(LOG_USED, None, "R", SUCCESS),
            AuditKind::Denied => plain(ALERT, Some(RESTRICTED), "E", SERIOUS_FAILURE),
            AuditKind::BreakGlass => plain(ALERT, Some(OVERRIDE), "E", SUCCESS),
            AuditKind::Policy => plain(ALERT, Some(ROLES), "U", SUCCESS),
            AuditKind::People | AuditKind::Slots => plain(ALERT, Some(USERS), "U", SUCCESS),
            AuditKind::Device | AuditKind::Keys => plain(ALERT, Some(CONFIGURATION), "U", SUCCESS),
            AuditKind::Wipe => plain(ALERT, Some(CONFIGURATION), "D", SUCCESS),
            AuditKind::Lost | AuditKind::Rollback => plain(ALERT, None, "E", SERIOUS_FAILURE),
        }
    }

    fn of_write(
        entry: &AuditEntry,
        rest: impl Fn(&'static str, &'static str, &'static str) -> Self,
    ) -> Self {
        match entry.change {
            Some(Change::Create) => rest("Create", "create", "C"),
            Some(Change::Delete) => rest("Delete", "delete", "D"),
            None if entry.what.starts_with("delete ") => rest("Delete", "delete", "D"),
            Some(Change::Update) | None => rest("Update", "update", "U"),
        }
    }

    /// The canonical URL. A pattern about a record has to name one.
    fn profile(&self, entry: &AuditEntry, patient: Option<&String>) -> Option<String> {
        let name = self.profile?;
        let names_all = matches!(entry.kind, AuditKind::Search | AuditKind::Export);
        if !names_all && entry.record().is_none() {
            return None;
        }
        let of_patient = if patient.is_some() && entry.kind != AuditKind::Export {
            "Patient"
        } else {
            ""
        };
        Some(format!("{BALP}{of_patient}{name}"))
    }

    /// Roles of client and server, and of the person.
    fn agents(&self, entry: &AuditEntry) -> (Coding, Coding, Coding) {
        const SOURCE: Coding = (DCM, "110153", "Source Role ID");
        const DESTINATION: Coding = (DCM, "110152", "Destination Role ID");
        const RECIPIENT: Coding = (PARTICIPATION, "IRCP", "information recipient");
        const AUTHOR: Coding = (PARTICIPATION, "AUT", "author (originator)");
        match (entry.kind, self.action) {
            (AuditKind::Write | AuditKind::Written, "D") => (
                (DCM, "110150", "Application"),
                (PARTICIPANT, "custodian", "Custodian"),
                AUTHOR,
            ),
            (AuditKind::Write | AuditKind::Written | AuditKind::Import, _) => {
                (SOURCE, DESTINATION, AUTHOR)
            }
            // By BALP the query flows, not its answer.
            (AuditKind::Search, _) => (SOURCE, DESTINATION, RECIPIENT),
            _ => (DESTINATION, SOURCE, RECIPIENT),
        }
    }
}

struct Event<'a> {
    vault: &'a str,
    seq: i64,
    entry: &'a AuditEntry,
    pattern: Pattern,
}

impl Event<'_> {
    fn text(&self, patient: Option<&String>, nth: usize) -> String {
        let (entry, pattern) = (self.entry, &self.pattern);
        let mut event = json!({
            "resourceType": "AuditEvent",
            "id": self.id(nth),
            "type": coding(pattern.kind),
            "action": pattern.action,
            "recorded": Instant::from_epoch_ms(entry.at_ms).to_string(),
            "outcome": pattern.outcome,
            "agent": self.agents(),
            "source": self.source(),
            "entity": self.entities(patient),
        });
        let subtypes: Vec<Value> = pattern.subtypes.iter().copied().map(coding).collect();
        if !subtypes.is_empty() {
            event["subtype"] = subtypes.into();
        }
        if let Some(profile) = pattern.profile(entry, patient) {
            event["meta"] = json!({ "profile": [profile] });
        }
        if let Some(words) = self.outcome_words() {
            event["outcomeDesc"] = words.into();
        }
        let purpose = match entry.kind {
            AuditKind::BreakGlass => Some(json!({
                "coding": [{ "system": PURPOSE, "code": "BTG", "display": "break the glass" }],
            })),
            _ => entry.reason.as_ref().map(|_| json!({})),
        };
        if let Some(mut purpose) = purpose {
            if let Some(reason) = &entry.reason {
                purpose["text"] = reason.as_str().into();
            }
            event["purposeOfEvent"] = json!([purpose]);
        }
        event.to_string()
    }

    fn id(&self, nth: usize) -> String {
        match nth {
            0 => format!("{}-{}", self.vault, self.seq),
            _ => format!("{}-{}-{}", self.vault, self.seq, nth + 1),
        }
    }

    fn outcome_words(&self) -> Option<String> {
        let entry = self.entry;
        if let Some(rule) = &entry.rule {
            return Some(rule.clone());
        }
        match entry.kind {
            AuditKind::Read if entry.count == Some(0) => Some("no such record here".into()),
            AuditKind::Write => Some("about to be written".into()),
            AuditKind::FailedTries | AuditKind::Denied => {
                entry.count.map(|count| format!("{count} times"))
            }
            AuditKind::Lost => entry.count.map(|count| format!("{count} changes lost")),
            AuditKind::Policy
            | AuditKind::People
            | AuditKind::Device
            | AuditKind::Slots
            | AuditKind::Keys => Some(
                if entry.done {
                    "done"
                } else {
                    "about to be done"
                }
                .into(),
            ),
            _ => None,
        }
    }

    fn agents(&self) -> Value {
        let entry = self.entry;
        let (client, server, user) = self.pattern.agents(entry);
        let vault = self.vault_uri();
        let mut person = json!({
            "type": { "coding": [coding(user)] },
            "who": self.person(&entry.person),
            "name": entry.person,
            "requestor": true,
        });
        if !entry.role.is_empty() {
            person["role"] = json!([{ "text": entry.role }]);
        }
        let machine = entry.device.as_deref().unwrap_or("localhost");
        let mut agents = vec![
            json!({
                "type": { "coding": [coding(client)] },
                "who": { "display": machine },
                "requestor": false,
                "network": { "address": machine, "type": "1" },
            }),
            json!({
                "type": { "coding": [coding(server)] },
                "who": self.observer(),
                "requestor": false,
                "network": { "address": vault, "type": "5" },
            }),
            person,
        ];
        if let Some(via) = &entry.via {
            agents.push(json!({
                "type": { "coding": [coding((PARTICIPANT, "enterer", "Enterer"))] },
                "who": self.person(via),
                "name": via,
                "requestor": false,
            }));
        }
        agents.into()
    }

    fn source(&self) -> Value {
        let mut source = json!({ "observer": self.observer() });
        if let Some(facility) = &self.entry.facility {
            source["site"] = facility.as_str().into();
        }
        source
    }

    fn entities(&self, patient: Option<&String>) -> Value {
        let entry = self.entry;
        let mut entities = Vec::new();
        match (entry.kind, entry.record()) {
            // FHIR has no empty values.
            (AuditKind::Search, _) if !entry.what.is_empty() => entities.push(json!({
                "type": coding((ENTITY_TYPE, "2", "System Object")),
                "role": coding((OBJECT_ROLE, "24", "Query")),
                "query": STANDARD.encode(&entry.what),
            })),
            (_, Some(record)) => entities.push(json!({
                "type": coding((ENTITY_TYPE, "2", "System Object")),
                "role": coding((OBJECT_ROLE, "4", "Domain Resource")),
                "what": reference(&record),
            })),
            (_, None) if !entry.what.is_empty() => entities.push(json!({
                "type": coding((ENTITY_TYPE, "2", "System Object")),
                "role": coding((OBJECT_ROLE, "20", "Job")),
                "what": { "display": entry.what },
            })),
            (_, None) => {}
        }
        if let Some(patient) = patient {
            entities.push(json!({
                "type": coding((ENTITY_TYPE, "1", "Person")),
                "role": coding((OBJECT_ROLE, "1", "Patient")),
                "what": { "reference": format!("Patient/{patient}") },
            }));
        }
        entities.push(self.own_entity());
        entities.into()
    }

    /// The entry itself: what ties the event to the trail that can be verified.
    fn own_entity(&self) -> Value {
        let entry = self.entry;
        let mut details = vec![
            ("entry", self.seq.to_string()),
            ("kind", entry.kind.name().into()),
        ];
        details.extend(entry.count.map(|count| ("count", count.to_string())));
        details.extend(entry.digest.clone().map(|digest| ("sha-256", digest)));
        details.extend(
            entry
                .revision
                .map(|revision| ("revision", revision.to_string())),
        );
        let details: Vec<Value> = details
            .into_iter()
            .map(|(name, value)| json!({ "type": name, "valueString": value }))
            .collect();
        json!({
            "type": coding((ENTITY_TYPE, "4", "Other")),
            "role": coding((OBJECT_ROLE, "13", "Security Resource")),
            "name": "entry of the audit trail",
            "detail": details,
        })
    }

    fn observer(&self) -> Value {
        json!({
            "identifier": { "system": "urn:ietf:rfc:3986", "value": self.vault_uri() },
            "display": "Pocketchart vault",
        })
    }

    fn person(&self, id: &str) -> Value {
        json!({ "identifier": { "system": self.vault_uri(), "value": id } })
    }

    /// The vault's id is 16 random bytes; this is the form in which URIs may hold them.
    fn vault_uri(&self) -> String {
        let v = self.vault;
        let part = |from, to| v.get(from..to).unwrap_or_default();
        format!(
            "urn:uuid:{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
    }
}

fn coding((system, code, display): Coding) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

fn reference(record: &Reference) -> Value {
    json!({ "reference": record.to_string() })
}
