//! Running a search over the index.

use super::index::{Parameter, p};
use super::records::{COLUMNS, Record};
use super::{PeerId, Reader, StoreError};
use crate::fhir::Reference;
use crate::fhir::search::Query;
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

impl Reader<'_> {
    /// At most `limit` records that match, starting behind `after`.
    pub(crate) fn search(
        &self,
        query: &Query,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        if !query.ids.is_empty() {
            return self.search_ids(query, after, limit);
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
        query: &Query,
        patient: Option<i64>,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (mut low, mut high) = query.last_updated_ms();
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
        query: &Query,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (low, high) = query.last_updated_ms();
        let patients = query
            .patient
            .as_ref()
            .map(|id| self.rids_of_patient(id))
            .transpose()?;
        let mut found = Vec::new();
        let mut ids = query.ids.clone();
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
        query: &Query,
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

    fn rids_of_patient(&self, id: &crate::fhir::ResourceId) -> Result<Vec<i64>, StoreError> {
        let kind = crate::fhir::ResourceType::named("Patient");
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
