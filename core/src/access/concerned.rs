//! Whose records are these? What an audit entry says about the patients of what is released or written.

use super::audit::{AuditKind, Change};
use super::note::Note;
use crate::fhir::{Reference, Resource, ResourceId, compartment};
use crate::store::{Reader, Record, StoreError};
use std::collections::BTreeSet;

/// Ids of the patients in whose compartments any of `records` is, each once, in order.
pub(super) fn on<'a>(
    reader: &Reader<'_>,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<Vec<String>, StoreError> {
    Ok(to_ids(patients_on(reader, records)?))
}

fn patients_on<'a>(
    reader: &Reader<'_>,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<BTreeSet<ResourceId>, StoreError> {
    let mut patients = BTreeSet::new();
    for record in records {
        let kind = record.name.reference.kind;
        if kind.name() == "Patient" {
            patients.insert(record.name.reference.id.clone());
            continue;
        }
        if !compartment::can_hold(kind) {
            continue;
        }
        let rows = reader.patients_of_record(record)?;
        if rows.is_empty() {
            // Rows of an older program are made at the next re-index; until then the text says it.
            let parsed = Resource::parse_text(&record.text);
            patients.extend(parsed.iter().flat_map(compartment::patients_of));
        }
        patients.extend(rows.into_iter().map(|patient| patient.id));
    }
    Ok(patients)
}

fn to_ids(patients: BTreeSet<ResourceId>) -> Vec<String> {
    patients.iter().map(ResourceId::to_string).collect()
}

/// The same from texts, for versions that no table knows any more.
pub(super) fn in_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut patients = BTreeSet::new();
    for text in texts {
        let parsed = Resource::parse_text(text);
        patients.extend(parsed.iter().flat_map(compartment::patients_of));
    }
    to_ids(patients)
}

/// Whose the record is now; none: there is no such record.
pub(super) fn now(reader: &Reader<'_>, name: &Reference) -> Result<Vec<String>, StoreError> {
    Ok(to_ids(before(reader, name)?.1))
}

/// Both, each once.
pub(super) fn and(mut some: Vec<String>, others: &[String]) -> Vec<String> {
    some.extend_from_slice(others);
    some.sort_unstable();
    some.dedup();
    some
}

/// What both entries of a write say.
#[derive(Debug, Clone)]
pub(super) struct Writing {
    pub(super) what: String,
    pub(super) change: Option<Change>,
    pub(super) patients: Vec<String>,
}

impl Writing {
    /// Something that is nobody's record.
    pub(super) fn named(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            change: None,
            patients: Vec::new(),
        }
    }

    /// A record is stored: it concerns whose it was and whose it will be.
    pub(super) fn of_put(reader: &Reader<'_>, resource: &Resource<'_>) -> Result<Self, StoreError> {
        let name = resource.name();
        let (there, mut patients) = before(reader, name)?;
        patients.extend(compartment::patients_of(resource));
        Ok(Self {
            change: Some(if there {
                Change::Update
            } else {
                Change::Create
            }),
            patients: to_ids(patients),
            ..Self::named(name.to_string())
        })
    }

    /// A record is deleted.
    pub(super) fn of_delete(reader: &Reader<'_>, name: &Reference) -> Result<Self, StoreError> {
        let (_, patients) = before(reader, name)?;
        Ok(Self {
            change: Some(Change::Delete),
            patients: to_ids(patients),
            ..Self::named(format!("delete {name}"))
        })
    }

    pub(super) fn note(&self, kind: AuditKind) -> Note<'_> {
        Note {
            change: self.change,
            patients: self.patients.clone(),
            ..Note::of(kind, &self.what)
        }
    }
}

/// Whether there is such a record, and whose it is. A name that several servers have is refused by the write itself.
fn before(
    reader: &Reader<'_>,
    name: &Reference,
) -> Result<(bool, BTreeSet<ResourceId>), StoreError> {
    let whole = match reader.find(name) {
        Ok(Some(whole)) => whole,
        Ok(None) | Err(StoreError::Ambiguous { .. }) => return Ok((false, BTreeSet::new())),
        Err(error) => return Err(error),
    };
    let record = reader.record(&whole)?;
    Ok((record.is_some(), patients_on(reader, &record)?))
}
