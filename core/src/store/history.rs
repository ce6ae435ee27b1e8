//! Old versions, as the hub served them.

use super::records::reference_of;
use super::view::View;
use super::{PeerId, Reader, StoreError};
use crate::fhir::history::{HistoryQuery, Scope};
use crate::fhir::{Instant, Reference};
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

/// A page ends early behind this many bytes of versions: a client must be able to hold it.
const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// One version of a record.
#[derive(Clone, PartialEq, Eq)]
pub struct Version {
    /// The record.
    pub name: Reference,
    /// Its number.
    pub number: u64,
    /// Its `lastUpdated`.
    pub at: Instant,
    /// The bytes that were served; `None`: the record was deleted.
    pub text: Option<String>,
    /// Whether nothing stood there before.
    pub created: bool,
    rid: i64,
}

/// Where a page of a history ends: the next one starts behind it, whatever was written meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HistoryPosition {
    ms: i64,
    rid: i64,
    n: u64,
}

const COLUMNS: &str = "v.rid, v.n, v.deleted, v.updated_ms, k.type, k.id,
    v.n = 1 OR EXISTS (SELECT 1 FROM version w WHERE w.rid = v.rid AND w.n = v.n - 1 AND w.deleted),
    coalesce(v.bytes, b.bytes), CASE WHEN v.bytes IS NULL THEN b.dict ELSE v.dict END";

/// The newest version has no bytes of its own: they are the body.
const JOINS: &str = "CROSS JOIN rkey k ON k.rid = v.rid
    LEFT JOIN body b ON b.rid = v.rid AND v.bytes IS NULL AND NOT v.deleted";

impl Reader<'_> {
    /// One version; `None`: there is no such.
    pub(crate) fn version(
        &self,
        name: &Reference,
        number: u64,
    ) -> Result<Option<Version>, StoreError> {
        let Some(rid) = self.rid(PeerId::FIRST.0, name)? else {
            return Ok(None);
        };
        let sql = format!("SELECT {COLUMNS} FROM version v {JOINS} WHERE v.rid = ?1 AND v.n = ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query((rid, number))?;
        let version = rows.next()?.map(|row| self.version_of(row)).transpose()?;
        match version {
            Some(version) if self.may_see_version(&version)? => Ok(Some(version)),
            _ => Ok(None),
        }
    }

    /// A version may be seen by whom its own content is about; a deletion by those who might see what it deleted.
    fn may_see_version(&self, version: &Version) -> Result<bool, StoreError> {
        if matches!(self.view, View::All) {
            return Ok(true);
        }
        if let Some(text) = &version.text {
            return self.may_see_text(PeerId::FIRST, text);
        }
        let sql = "SELECT bytes, dict FROM version WHERE rid = ?1 AND n = ?2 AND bytes IS NOT NULL";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((version.rid, version.number.saturating_sub(1)))?;
        let Some(row) = rows.next()? else {
            return Ok(false);
        };
        let packed = row.get_ref(0)?.as_blob().unwrap_or_default();
        let text = self.unpack_body(packed, row.get(1)?, version.rid)?;
        self.may_see_text(PeerId::FIRST, &text)
    }

    /// Whether the record changed at another moment of the second that `at` lies in: an HTTP date cannot tell such
    /// versions apart.
    pub(crate) fn changed_twice_in_a_second(
        &self,
        name: &Reference,
        at: Instant,
    ) -> Result<bool, StoreError> {
        let Some(rid) = self.rid(PeerId::FIRST.0, name)? else {
            return Ok(false);
        };
        if !self.may_see(rid, name.kind)? {
            return Ok(false);
        }
        let first = at.epoch_ms().div_euclid(1000) * 1000;
        let sql =
            "SELECT count(*) > 1 FROM version WHERE rid = ?1 AND updated_ms BETWEEN ?2 AND ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((rid, first, first + 999), |row| row.get(0))?)
    }

    /// One page of a history, the newest version first, and where it ends if there is more.
    pub(crate) fn history(
        &self,
        query: &HistoryQuery,
        after: Option<&HistoryPosition>,
    ) -> Result<(Vec<Version>, Option<HistoryPosition>), StoreError> {
        let mut values: Vec<Value> = Vec::new();
        let mut conditions: Vec<String> = Vec::new();
        let bind = |values: &mut Vec<Value>, value: i64| {
            values.push(value.into());
            format!("?{}", values.len())
        };
        let index = match &query.scope {
            Scope::All => "INDEXED BY version_by_time",
            Scope::Kind(kind) if !self.view.is_open_to(*kind) => return Ok((Vec::new(), None)),
            Scope::Kind(kind) => {
                conditions.push(format!("v.type = {}", bind(&mut values, kind.number())));
                "INDEXED BY version_by_type"
            }
            Scope::Record(name) => {
                let Some(rid) = self.rid(PeerId::FIRST.0, name)? else {
                    return Ok((Vec::new(), None));
                };
                conditions.push(format!("v.rid = {}", bind(&mut values, rid)));
                ""
            }
        };
        if let Some(since) = query.since {
            conditions.push(format!(
                "v.updated_ms >= {}",
                bind(&mut values, since.epoch_ms())
            ));
        }
        if let Some(at) = query.at {
            conditions.push(format!(
                "v.updated_ms < {}",
                bind(&mut values, at.end.epoch_ms())
            ));
            let first = bind(&mut values, at.first.epoch_ms());
            conditions.push(format!(
                "NOT EXISTS (SELECT 1 FROM version w WHERE w.rid = v.rid AND w.n = v.n + 1 AND w.updated_ms <= {first})"
            ));
        }
        // Numbers of one record grow with its stamps, so its own order is the order of time.
        let (behind, order) = match query.scope {
            Scope::Record(_) => ("v.n", "v.n DESC"),
            _ => (
                "(v.updated_ms, v.rid, v.n)",
                "v.updated_ms DESC, v.rid DESC, v.n DESC",
            ),
        };
        if let Some(after) = after {
            let n = i64::try_from(after.n).unwrap_or(i64::MAX);
            let place = match query.scope {
                Scope::Record(_) => bind(&mut values, n),
                _ => {
                    let parts = [after.ms, after.rid, n].map(|part| bind(&mut values, part));
                    format!("({})", parts.join(", "))
                }
            };
            conditions.push(format!("{behind} < {place}"));
        }
        let filter = match conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", conditions.join(" AND ")),
        };
        let sql =
            format!("SELECT {COLUMNS} FROM version v {index} {JOINS} {filter} ORDER BY {order}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let (mut page, mut bytes): (Vec<Version>, _) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            // What may not be seen neither fills a page nor ends one.
            let version = self.version_of(row)?;
            if !self.may_see_version(&version)? {
                continue;
            }
            if page.len() == query.count || bytes > MAX_PAGE_BYTES {
                let end = page.last().map(Version::position);
                return Ok((page, end));
            }
            bytes += version.text.as_ref().map_or(0, String::len);
            page.push(version);
        }
        Ok((page, None))
    }

    fn version_of(&self, row: &rusqlite::Row<'_>) -> Result<Version, StoreError> {
        let rid: i64 = row.get(0)?;
        let deleted: bool = row.get(2)?;
        let text = match deleted {
            true => None,
            false => {
                let packed = row.get_ref(7)?.as_blob().unwrap_or_default();
                Some(self.unpack_body(packed, row.get::<_, Option<i64>>(8)?.unwrap_or(0), rid)?)
            }
        };
        Ok(Version {
            name: reference_of(
                rid,
                row.get(4)?,
                row.get_ref(5)?.as_str().unwrap_or_default(),
            )?,
            number: row.get(1)?,
            at: Instant::from_epoch_ms(row.get(3)?),
            text,
            created: row.get(6)?,
            rid,
        })
    }
}

impl Version {
    fn position(&self) -> HistoryPosition {
        HistoryPosition {
            ms: self.at.epoch_ms(),
            rid: self.rid,
            n: self.number,
        }
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Version({:?}, {})", self.name, self.number)
    }
}
