//! Who saw this patient? Which entries somebody may see, and what of them.
//!
//! A patient has a right to know who looked at their records, and none to know who else was on the same page.

use super::{AuditEntry, AuditKind};
use crate::access::{Actor, Role};
use crate::fhir::ResourceId;
use crate::fhir::instant::Span;

/// Entries that are asked for; the newest come first.
#[derive(Debug, Clone)]
pub struct TrailFilter {
    /// About this patient.
    pub patient: Option<ResourceId>,
    /// By this person, or handed on by them.
    pub person: Option<String>,
    /// Of these kinds; empty: of all.
    pub kinds: Vec<AuditKind>,
    /// Written in this time, by the wall clock of the device.
    pub span: Option<Span>,
    /// Older than the entry of this number: where the page before ended.
    pub before: Option<i64>,
    /// Most entries of one page.
    pub limit: usize,
}

impl Default for TrailFilter {
    fn default() -> Self {
        Self {
            patient: None,
            person: None,
            kinds: Vec::new(),
            span: None,
            before: None,
            limit: 50,
        }
    }
}

impl TrailFilter {
    /// Everything about a patient.
    pub fn about(patient: ResourceId) -> Self {
        Self {
            patient: Some(patient),
            ..Self::default()
        }
    }

    /// Whether the entry is one of them. That it is about the patient is for the index to say.
    pub(super) fn fits(&self, entry: &AuditEntry) -> bool {
        let by = |id: &String| entry.person == *id || entry.via.as_ref() == Some(id);
        let in_time =
            |span: &Span| (span.first.epoch_ms()..span.end.epoch_ms()).contains(&entry.at_ms);
        self.person.as_ref().is_none_or(by)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && self.span.as_ref().is_none_or(in_time)
    }

    /// What was asked for, for the entry that says so.
    pub(in crate::access) fn words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.patient.as_ref().map(|id| format!("patient={id}")));
        words.extend(self.person.as_ref().map(|id| format!("person={id}")));
        words.extend(self.kinds.iter().map(|kind| format!("kind={kind}")));
        if let Some(span) = &self.span {
            words.push(format!("from={} to={}", span.first, span.end));
        }
        words.join(" ")
    }
}

/// Some entries, newest first, with their numbers.
#[derive(Debug, Clone)]
pub struct TrailPage {
    /// Number and entry.
    pub entries: Vec<(i64, AuditEntry)>,
    /// [`TrailFilter::before`] of the next page; `None`: there is none.
    pub next: Option<i64>,
}

/// Whether `actor` may see entries about `patient`, or (without one) all of them: whoever owns the vault or looks after
/// its trail may, and a patient what is about themselves.
pub fn may_read_audit(actor: &Actor, patient: Option<&ResourceId>) -> bool {
    let sees_all = [Role::OWNER, Role::AUDITOR].contains(&actor.role);
    sees_all || is_own(actor, patient)
}

fn is_own(actor: &Actor, patient: Option<&ResourceId>) -> bool {
    actor.role == Role::PATIENT && patient.is_some() && actor.patient.as_ref() == patient
}

/// The entry as `actor` may see it. A patient learns who, when, and what of their own; not who else was on the page, nor
/// what a search that found them asked for.
pub(in crate::access) fn as_seen_by(actor: &Actor, mut entry: AuditEntry) -> AuditEntry {
    if actor.role != Role::PATIENT {
        return entry;
    }
    let own = actor.patient.as_ref().map(ResourceId::as_str);
    if entry.about().iter().any(|id| Some(id.as_str()) != own) {
        entry.count = None;
        entry.digest = None;
    }
    if entry.record().is_none() && entry.person != actor.person.id() {
        let kind = entry.what.split('?').next().unwrap_or_default();
        entry.what = kind.to_owned();
    }
    entry.patients.retain(|id| Some(id.as_str()) == own);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Person;

    fn patient(id: &str) -> Actor {
        Actor {
            patient: Some(ResourceId::new(id).unwrap()),
            ..Actor::new(Person::new("p"), Role::PATIENT)
        }
    }

    #[test]
    fn who_may_read_what() {
        let (own, other) = (ResourceId::new("a").unwrap(), ResourceId::new("b").unwrap());
        let may = may_read_audit;
        assert!(may(&Actor::owner(), None) && may(&Actor::owner(), Some(&own)));
        let auditor = Actor::new(Person::new("x"), Role::AUDITOR);
        assert!(may(&auditor, None) && may(&auditor, Some(&own)));
        assert!(may(&patient("a"), Some(&own)));
        assert!(!may(&patient("a"), Some(&other)) && !may(&patient("a"), None));
        let unbound = Actor::new(Person::new("x"), Role::PATIENT);
        assert!(!may(&unbound, None) && !may(&unbound, Some(&own)));
        for role in [
            Role::NURSE,
            Role::PHYSICIAN,
            Role::FRONT_DESK,
            Role::ADMIN,
            Role::TABLET,
        ] {
            let staff = Actor {
                patient: Some(own.clone()),
                ..Actor::new(Person::new("x"), role)
            };
            assert!(!may(&staff, None) && !may(&staff, Some(&own)));
        }
    }

    #[test]
    fn a_patient_learns_nothing_of_others() {
        let entry = |what: &str, patients: &[&str]| AuditEntry {
            what: what.into(),
            count: Some(2),
            digest: Some("d".into()),
            patients: patients.iter().map(|p| (*p).to_owned()).collect(),
            ..AuditEntry::new(0, "nurse", AuditKind::Search)
        };
        let shared = as_seen_by(&patient("a"), entry("Patient?name=bert", &["a", "b"]));
        assert_eq!(
            (
                shared.what.as_str(),
                shared.count,
                shared.digest,
                shared.patients
            ),
            ("Patient", None, None, vec!["a".to_owned()])
        );
        // Even where nobody else was found: others may have been asked for.
        let found = as_seen_by(&patient("a"), entry("Patient?name=ana,bert", &["a"]));
        assert_eq!((found.what.as_str(), found.count), ("Patient", Some(2)));
        let record = entry("Observation/1", &["a"]);
        assert_eq!(as_seen_by(&patient("a"), record.clone()), record);
        let mine = AuditEntry {
            person: "p".into(),
            ..entry("Observation?code=1", &["a"])
        };
        assert_eq!(as_seen_by(&patient("a"), mine.clone()), mine);
        let all = entry("Patient?name=bert", &["a", "b"]);
        assert_eq!(as_seen_by(&Actor::owner(), all.clone()), all);
    }
}
