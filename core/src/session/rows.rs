//! Records as rows of a list, with the words for what they only refer to.

use crate::access::{AccessError, Guard, Record};
use crate::fhir::search::{Condition, Criterion, MAX_COUNT, Operand, Query, Target};
use crate::fhir::summary::RecordSummary;
use crate::fhir::{Reference, ResourceType};
use serde_json::Value;
use std::collections::HashMap;

/// The words for medicines that records only refer to.
pub struct Medicines(HashMap<String, String>);

impl Medicines {
    /// Looks up in one search what `records` refer to.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn of<'a>(
        guard: &Guard,
        records: impl Iterator<Item = &'a Record>,
    ) -> Result<Self, AccessError> {
        let mut ids: Vec<Operand> = Vec::new();
        for record in records.filter(|r| r.name.reference.kind.name().starts_with("Medication")) {
            let resource: Value = serde_json::from_str(&record.text).unwrap_or_default();
            let target = &resource["medicationReference"]["reference"];
            let target = target.as_str().and_then(|text| Reference::parse(text).ok());
            let id = target.map(|target| Operand::Id(target.id));
            ids.extend(id.filter(|id| !ids.contains(id)));
        }
        let mut words = HashMap::new();
        let kind = ResourceType::named("Medication").filter(|_| !ids.is_empty());
        if let Some(kind) = kind {
            let query = Query {
                criteria: vec![Criterion {
                    target: Target::Id,
                    condition: Condition::Any(ids),
                }],
                count: MAX_COUNT,
                ..Query::all(kind)
            };
            for found in guard.search(&query)?.records {
                let name = found.name.reference.to_string();
                words.insert(name, RecordSummary::of_text(&found.text).what);
            }
        }
        Ok(Self(words))
    }

    /// A record as a row.
    pub fn row(&self, record: &Record) -> RecordSummary {
        let resource = serde_json::from_str(&record.text).unwrap_or_default();
        self.row_of(&resource)
    }

    /// A resource as a row.
    pub fn row_of(&self, resource: &Value) -> RecordSummary {
        RecordSummary::of(resource, &|name| self.0.get(name).cloned())
    }
}
