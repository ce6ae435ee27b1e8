//! Sort values: read from the index where its order is used, from the record where it is not.

use super::super::index::{Key, cut};
use super::Run;
use super::StoreError;
use crate::fhir::extract::{self, Found, Value};
use crate::fhir::params::{Parameter, Profile};
use crate::fhir::search::{SortKey, Target};
use crate::fhir::{Reference, Resource, fold};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A value that records are sorted by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum SortValue {
    /// Milliseconds.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Folded text, or a code.
    Text(String),
}

impl SortValue {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            // One key has values of one sort.
            _ => Ordering::Equal,
        }
    }
}

impl From<Key> for SortValue {
    fn from(key: Key) -> Self {
        match key {
            Key::Integer(n) => Self::Integer(n),
            Key::Real(n) => Self::Real(n),
            Key::Text(text) => Self::Text(text),
        }
    }
}

/// Two records in the order of `sort`: missing values last in both directions.
pub(super) fn compare(
    sort: &[SortKey],
    a: &[Option<SortValue>],
    b: &[Option<SortValue>],
) -> Ordering {
    for (key, (a, b)) in sort.iter().zip(a.iter().zip(b)) {
        let order = match (a, b) {
            (Some(a), Some(b)) if key.descending => b.order(a),
            (Some(a), Some(b)) => a.order(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The value of `resource` that stands first in the direction of `key`: the lowest, or descending the highest.
pub(super) fn value_of(
    found: &[Found<'_>],
    parameter: &Parameter,
    descending: bool,
) -> Option<SortValue> {
    let values = found
        .iter()
        .filter(|f| f.parameter == parameter.number)
        .map(|f| match &f.value {
            Value::Date(span) => SortValue::Integer(span.first.epoch_ms()),
            Value::Number(number) | Value::Quantity { value: number, .. } => {
                SortValue::Real(*number)
            }
            Value::Text(text) => SortValue::Text(cut(&fold::fold(text)).to_owned()),
            Value::Token { code, .. } => SortValue::Text(code.to_string()),
            Value::Uri(uri) => SortValue::Text(cut(uri).to_owned()),
            Value::Reference { url, .. } => SortValue::Text(url.to_string()),
        });
    if descending {
        values.max_by(SortValue::order)
    } else {
        values.min_by(SortValue::order)
    }
}

/// The records on the same server that `resource` refers to by `parameter`.
pub(super) fn references(resource: &Resource<'_>, parameter: &Parameter) -> Vec<Reference> {
    let mut found = Vec::new();
    extract::extract(resource, Profile::Full, &mut found);
    let of_parameter = found
        .into_iter()
        .filter(|f| f.parameter == parameter.number);
    of_parameter
        .filter_map(|f| match f.value {
            Value::Reference { local, .. } => local,
            _ => None,
        })
        .collect()
}

impl Run<'_, '_> {
    /// The sort values of a record: `_lastUpdated` as the store has it, ids as they are, everything else as the record
    /// says it.
    pub(super) fn keys_of(
        &self,
        rid: i64,
        id: &str,
        updated_ms: i64,
    ) -> Result<Vec<Option<SortValue>>, StoreError> {
        let needs_record = |key: &SortKey| match key.target {
            Target::Id => false,
            Target::Parameter(parameter) => parameter.code != "_lastUpdated",
        };
        let record = if self.query.sort.iter().any(needs_record) {
            self.reader.record_at(rid)?
        } else {
            None
        };
        let damaged = |_| StoreError::DamagedValue {
            what: "body",
            row: rid,
        };
        let resource = record
            .as_ref()
            .map(|r| Resource::parse_text(&r.text).map_err(damaged))
            .transpose()?;
        let mut found = Vec::new();
        if let Some(resource) = &resource {
            extract::extract(resource, Profile::Full, &mut found);
        }
        let key = |key: &SortKey| match key.target {
            Target::Id => Some(SortValue::Text(id.to_owned())),
            Target::Parameter(parameter) if parameter.code == "_lastUpdated" => {
                Some(SortValue::Integer(updated_ms))
            }
            Target::Parameter(parameter) => value_of(&found, parameter, key.descending),
        };
        Ok(self.query.sort.iter().map(key).collect())
    }
}
