//! Who read what: the audit trails of the hub and the tablet, asked about one patient.

use super::device::{NURSE, PHYSICIAN};
use super::stage::{OTHER_PATIENT, PHONE_PATIENT, Stage};
use super::story::{Story, ensure, failed};
use crate::failure::Failure;
use pocketchart_core::access::{AuditEntry, AuditKind, Guard, TrailFilter};
use pocketchart_core::fhir::ResourceId;
use std::collections::BTreeMap;

/// Entries about a patient: how often each person, in which role, read and wrote.
type Deeds = BTreeMap<(String, String), (u64, u64)>;

/// Asks both trails, and compares with what was done.
pub(super) fn who(stage: &Stage, story: &mut Story) -> Result<(), Failure> {
    let device = stage.tablet.guard()?.device()?;
    let on_hub = about(&stage.clinic.guard, OTHER_PATIENT, |entry| {
        entry.device.as_deref() == Some(device.as_str())
    })?;
    let wrote = |deeds: &Deeds, person: &str, role: &str| {
        let deed = deeds.get(&(person.to_owned(), role.to_owned()));
        deed.map_or(0, |(_, wrote)| *wrote)
    };
    ensure(
        wrote(&on_hub, NURSE, "nurse") > 0 && wrote(&on_hub, PHYSICIAN, "physician") == 1,
        "the hub's trail names who wrote, whoever had the tablet when it was sent",
    )?;
    let patient = format!("patient-{PHONE_PATIENT}");
    let own = about(&stage.clinic.guard, PHONE_PATIENT, |_| true)?;
    ensure(
        wrote(&own, &patient, "patient") >= 2,
        "the hub's trail names the patient as the author of the own changes",
    )?;
    let on_tablet = about(&stage.tablet.guard()?, OTHER_PATIENT, |_| true)?;
    let read: Vec<String> = on_tablet
        .iter()
        .filter(|(_, (read, _))| *read > 0)
        .map(|((person, _), (read, _))| format!("{person} {read} times"))
        .collect();
    ensure(
        on_tablet
            .get(&(PHYSICIAN.to_owned(), "physician".to_owned()))
            .is_some_and(|(read, _)| *read > 0),
        "the tablet's trail names who looked at the conflict",
    )?;
    story.step(&format!(
        "Who read what: on the tablet that patient's records were seen by {}",
        read.join(" and ")
    ));
    story.more("The hub's trail has the nurse's changes as the nurse's and the physician's as the physician's, though the tablet's keeper sent them");
    Ok(())
}

fn about(
    guard: &Guard,
    patient: &str,
    counts: impl Fn(&AuditEntry) -> bool,
) -> Result<Deeds, Failure> {
    let id = ResourceId::new(patient).map_err(|e| failed(&e.to_string()))?;
    let mut filter = TrailFilter {
        patient: Some(id),
        kinds: vec![AuditKind::Read, AuditKind::Search, AuditKind::Written],
        limit: 200,
        ..TrailFilter::default()
    };
    let mut deeds = Deeds::new();
    loop {
        let page = guard.trail(&filter)?;
        for (_, entry) in page.entries.into_iter().filter(|(_, entry)| counts(entry)) {
            let deed = deeds.entry((entry.person, entry.role)).or_default();
            match entry.kind {
                AuditKind::Written => deed.1 += 1,
                _ => deed.0 += 1,
            }
        }
        if page.next.is_none() {
            return Ok(deeds);
        }
        filter.before = page.next;
    }
}
