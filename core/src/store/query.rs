//! Running a search over the index.

use super::index::{Parameter, p};
use super::records::{COLUMNS, Record};
use super::{PeerId, Reader, StoreError};
use crate::fhir::Reference;
use crate::fhir::params::ParameterKind;
use crate::fhir::search::{Condition, Criterion, Operand, Prefix, Query, Target};
use crate::fhir::{ResourceId, ResourceType};
use rusqlite::types::Value;

/// Where a page ends: the next one starts behind it, whatever was written meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// `_lastUpdated` of the last record, ms since 1970.
    pub(crate) ms: i64,
    /// Its id.
    pub(crate) id: String,
    /// Its row number: the last tie-break, since several servers may use one id.
    pub(crate) rid: i64,
}

/// What this index can answer of a query.
struct Plan {
    kind: ResourceType,
    ids: Option<Vec<ResourceId>>,
    patient: Option<ResourceId>,
    /// `[low, high)` of `_lastUpdated` in ms since 1970.
    updated_ms: (i64, i64),
    newest_first: bool,
}

impl Plan {
    fn of(query: &Query) -> Result<Self, StoreError> {
        let mut plan = Self {
            kind: query.kind,
            ids: None,
            patient: None,
            updated_ms: (i64::MIN, i64::MAX),
            newest_first: false,
        };
        if query.total || !query.include.is_empty() || !query.revinclude.is_empty() {
            return Err(StoreError::NotIndexed {
                code: "_total or _include",
            });
        }
        for criterion in &query.criteria {
            plan.take(criterion).ok_or(StoreError::NotIndexed {
                code: criterion.target.code(),
            })?;
        }
        for (at, key) in query.sort.iter().enumerate() {
            match key.target {
                Target::Id if at > 0 => {}
                Target::Parameter(parameter) if at == 0 && parameter.code == "_lastUpdated" => {
                    plan.newest_first = key.descending;
                }
                other => return Err(StoreError::NotIndexed { code: other.code() }),
            }
        }
        Ok(plan)
    }

    fn take(&mut self, criterion: &Criterion) -> Option<()> {
        let Condition::Any(operands) = &criterion.condition else {
            return None;
        };
        match (criterion.target, operands.as_slice()) {
            (Target::Id, all) if self.ids.is_none() => {
                let id = |operand: &Operand| match operand {
                    Operand::Id(id) => Some(id.clone()),
                    _ => None,
                };
                self.ids = Some(all.iter().map(id).collect::<Option<_>>()?);
            }
            (Target::Parameter(parameter), [Operand::Date { prefix, span }])
                if parameter.code == "_lastUpdated" =>
            {
                let (low, high) = &mut self.updated_ms;
                let (first, end) = (span.first.epoch_ms(), span.end.epoch_ms());
                match prefix {
                    Prefix::Eq => (*low, *high) = ((*low).max(first), (*high).min(end)),
                    Prefix::Ge => *low = (*low).max(first),
                    Prefix::Gt | Prefix::Sa => *low = (*low).max(end),
                    Prefix::Le => *high = (*high).min(end),
                    Prefix::Lt | Prefix::Eb => *high = (*high).min(first),
                    Prefix::Ne | Prefix::Ap => return None,
                }
            }
            (Target::Parameter(parameter), [Operand::Reference { kind, id, .. }])
                if parameter.code == "patient"
                    && parameter.kind == ParameterKind::Reference
                    && self.patient.is_none()
                    && kind.is_none_or(|k| k.name() == "Patient") =>
            {
                self.patient = Some(id.clone()?);
            }
            _ => return None,
        }
        Some(())
    }
}

impl Reader<'_> {
    /// At most `limit` records that match, starting behind `after`.
    pub(crate) fn search(
        &self,
        query: &Query,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let query = &Plan::of(query)?;
        if let Some(ids) = &query.ids {
            return self.search_ids(query, ids, after, limit);
        }
        let mut patients = vec![None];
        if let Some(id) = &query.patient {
            patients = self.rids_of_patient(id)?.into_iter().map(Some).collect();
        }
        let mut found = Vec::new();
        for patient in patients {
            found.extend(self.scan(query, patient, after, limit)?);
        }
        Ok(ordered(found, query.newest_first, limit))
    }

    /// A range scan: of `_lastUpdated` for all records of a type, or of one patient's records in time order.
    fn scan(
        &self,
        query: &Plan,
        patient: Option<i64>,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (mut low, mut high) = query.updated_ms;
        if let Some(after) = after {
            if query.newest_first {
                high = high.min(after.ms.saturating_add(1));
            } else {
                low = low.max(after.ms);
            }
        }
        // The time stands in v for _lastUpdated and in o behind the patient.
        let (parameter, time) = match patient {
            Some(_) => (Parameter::Patient, "ix.o"),
            None => (Parameter::LastUpdated, "ix.v"),
        };
        let (direction, behind) = if query.newest_first {
            ("DESC", "<")
        } else {
            ("ASC", ">")
        };
        let mut values = vec![
            Value::from(p(query.kind, parameter)),
            low.into(),
            high.into(),
        ];
        let mut sql = format!(
            "SELECT {COLUMNS} FROM ix CROSS JOIN rkey ON rkey.rid = ix.rid CROSS JOIN body ON body.rid = ix.rid
             WHERE ix.p = ?1 AND {time} >= ?2 AND {time} < ?3"
        );
        if let Some(rid) = patient {
            values.push(rid.into());
            sql += &format!(" AND ix.v = ?{}", values.len());
        }
        if let Some(after) = after {
            let n = values.len();
            values.extend([after.ms.into(), after.id.clone().into(), after.rid.into()]);
            sql += &format!(
                " AND ({time}, rkey.id, ix.rid) {behind} (?{}, ?{}, ?{})",
                n + 1,
                n + 2,
                n + 3
            );
        }
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        sql += &format!(
            " ORDER BY {time} {direction}, rkey.id {direction}, ix.rid {direction} LIMIT ?{}",
            values.len()
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.record_of(row)?);
        }
        Ok(found)
    }

    fn search_ids(
        &self,
        query: &Plan,
        ids: &[ResourceId],
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (low, high) = query.updated_ms;
        let patients = query
            .patient
            .as_ref()
            .map(|id| self.rids_of_patient(id))
            .transpose()?;
        let mut found = Vec::new();
        let mut ids = ids.to_vec();
        ids.sort();
        ids.dedup();
        for id in ids {
            for rid in self.rids_named(&Reference {
                kind: query.kind,
                id,
            })? {
                let Some(record) = self.record_at(rid)? else {
                    continue;
                };
                let ms = record.updated.epoch_ms();
                let is_about = |patient: &i64| self.is_indexed(query, *patient, ms, rid);
                let about = match &patients {
                    None => true,
                    Some(all) => all
                        .iter()
                        .map(is_about)
                        .collect::<Result<Vec<_>, _>>()?
                        .contains(&true),
                };
                let key = (ms, record.name.reference.id.as_str(), rid);
                let behind = after.is_none_or(|a| {
                    let last = (a.ms, a.id.as_str(), a.rid);
                    if query.newest_first {
                        key < last
                    } else {
                        key > last
                    }
                });
                if about && behind && (low..high).contains(&ms) {
                    found.push(record);
                }
            }
        }
        Ok(ordered(found, query.newest_first, limit))
    }

    fn is_indexed(
        &self,
        query: &Plan,
        patient: i64,
        ms: i64,
        rid: i64,
    ) -> Result<bool, StoreError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM ix WHERE p = ?1 AND v = ?2 AND o = ?3 AND rid = ?4)";
        let key = (p(query.kind, Parameter::Patient), patient, ms, rid);
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row(key, |row| row.get(0))?)
    }

    fn rids_of_patient(&self, id: &ResourceId) -> Result<Vec<i64>, StoreError> {
        let kind = ResourceType::named("Patient");
        kind.map_or(Ok(Vec::new()), |kind| {
            self.rids_named(&Reference {
                kind,
                id: id.clone(),
            })
        })
    }

    fn rids_named(&self, name: &Reference) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT rid FROM rkey WHERE type = ?1 AND id = ?2 ORDER BY peer";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((name.kind.number(), name.id.as_str()), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The order of a page; scans of several servers' records are merged here.
fn ordered(mut found: Vec<Record>, newest_first: bool, limit: usize) -> Vec<Record> {
    found.sort_by(|a, b| {
        let key = |r: &Record| (r.updated, r.name.reference.id.clone(), r.rid);
        let order = key(a).cmp(&key(b));
        if newest_first { order.reverse() } else { order }
    });
    found.truncate(limit);
    found
}

impl Record {
    /// Where a page that ends with this record ends.
    pub(crate) fn position(&self) -> Position {
        Position {
            ms: self.updated.epoch_ms(),
            id: self.name.reference.id.to_string(),
            rid: self.rid,
        }
    }

    /// The server it belongs to.
    pub fn peer(&self) -> PeerId {
        self.name.peer
    }
}
