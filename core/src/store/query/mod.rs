//! Running a search over the index.
//!
//! Three ways, chosen by what the search asks for:
//! - **by time**: one exact key (a patient, a code) whose rows stand in clinical order, and that order is asked for;
//! - **by order**: the index of the sort parameter, read from its beginning, each row checked against the criteria;
//! - **gathered**: all matches of the most selective criterion, sorted here.
//!
//! Ties are settled by id. The index does not hold ids, so rows of one key are read together and sorted here; SQLite
//! builds no temporary tree for it.

mod filter;
mod from;
mod gathered;
mod ordered;
mod sort;
mod statement;

use super::records::Record;
use super::{Reader, StoreError};
use crate::fhir::params::ParameterKind;
use crate::fhir::search::{Condition, Include, Query, Target};
use crate::fhir::{Instant, Resource};
use filter::Filter;
use from::Records;
use serde::{Deserialize, Serialize};
use sort::SortValue;
pub(super) use statement::Statement;

/// Matches a driving criterion may have to be gathered and sorted rather than walked in the order of the sort.
const FEW: usize = 2_000;

/// A page ends early behind this many bytes of records: a client must be able to hold it.
const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// Where a page ends: the next one starts behind it, whatever was written meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The next page must be found the same way, or it would start elsewhere.
    way: Way,
    keys: Vec<Option<SortValue>>,
    id: String,
    rid: i64,
}

/// How a page is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    ByTime,
    ByOrder,
    Gathered,
}

/// One match, before its body is read.
#[derive(Debug, Clone)]
struct Hit {
    rid: i64,
    id: String,
    keys: Vec<Option<SortValue>>,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    /// By `_include` and `_revinclude`; none of the records above.
    pub(crate) included: Vec<Record>,
    /// Where the page ends, if there is more.
    pub(crate) next: Option<Position>,
    /// Number of all matches, where it was asked for.
    pub(crate) total: Option<u64>,
}

impl Reader<'_> {
    /// A first page of everything, whoever may see it: for decisions, and never to be handed out.
    pub(crate) fn search_unseen(&self, query: &Query, now: Instant) -> Result<Found, StoreError> {
        let all = Reader {
            view: &super::View::All,
            ..*self
        };
        all.search(query, None, now)
    }

    /// One page.
    pub(crate) fn search(
        &self,
        query: &Query,
        after: Option<&Position>,
        now: Instant,
    ) -> Result<Found, StoreError> {
        let mut run = Run::new(self, query, now)?;
        let way = after.map_or_else(|| run.choose_way(), |after| Ok(after.way))?;
        let mut hits = run.hits(way, after, query.count + 1)?;
        let mut found = Found::default();
        let end = |hit: &Hit| Position {
            way,
            keys: hit.keys.clone(),
            id: hit.id.clone(),
            rid: hit.rid,
        };
        if hits.len() > query.count {
            hits.truncate(query.count);
            found.next = hits.last().map(end);
        }
        let mut bytes = 0;
        let mut last = None;
        for hit in hits {
            let Some(record) = self.record_at(hit.rid)? else {
                continue;
            };
            bytes += record.text.len();
            if bytes > MAX_PAGE_BYTES && last.is_some() {
                found.next = last.map(|hit| end(&hit));
                break;
            }
            found.records.push(record);
            last = Some(hit);
        }
        if query.total {
            found.total = Some(run.total()?);
        }
        found.included = self.included(query, &found.records)?;
        Ok(found)
    }

    /// The plans of the statements a first page takes, as SQLite explains them.
    pub(crate) fn explain(&self, query: &Query, now: Instant) -> Result<Vec<String>, StoreError> {
        let mut run = Run::new(self, query, now)?;
        run.plans = Some(Vec::new());
        let way = run.choose_way()?;
        run.hits(way, None, query.count + 1)?;
        if query.total {
            run.total()?;
        }
        let mut plans = vec![format!("{way:?}")];
        plans.extend(run.plans.unwrap_or_default());
        Ok(plans)
    }

    fn included(&self, query: &Query, page: &[Record]) -> Result<Vec<Record>, StoreError> {
        let mut rids = Vec::new();
        for include in &query.include {
            for record in page {
                rids.extend(self.referred_to(record, include)?);
            }
        }
        for include in &query.revinclude {
            let Some(p) = self.parameter(include.source, include.parameter)? else {
                continue;
            };
            let sources = Records::of(self, include.source, "s")?;
            if sources.is_nothing() {
                continue;
            }
            for record in page {
                let mut statement = Statement::new("SELECT s.rid");
                sources.push_from(&mut statement, &Statement::new("ix"));
                statement.push(" AND s.p = ").bind(p).push(" AND s.v = ");
                statement.bind(record.rid).push(" ORDER BY s.o, s.rid");
                statement.each(self, None, |row| {
                    rids.push(row.get(0)?);
                    Ok(true)
                })?;
            }
        }
        let mut seen: Vec<i64> = page.iter().map(|record| record.rid).collect();
        let mut included = Vec::new();
        for rid in rids {
            if seen.contains(&rid) {
                continue;
            }
            seen.push(rid);
            included.extend(self.record_at(rid)?);
        }
        Ok(included)
    }

    fn referred_to(&self, record: &Record, include: &Include) -> Result<Vec<i64>, StoreError> {
        let damaged = |_| StoreError::DamagedValue {
            what: "body",
            row: record.rid,
        };
        let resource = Resource::parse_text(&record.text).map_err(damaged)?;
        let mut rids = Vec::new();
        for name in sort::references(&resource, include.parameter) {
            if include.target.is_none_or(|kind| kind == name.kind) {
                let rid = self.rid(record.name.peer.0, &name)?;
                if let Some(rid) = rid
                    && self.may_see(rid, name.kind)?
                {
                    rids.push(rid);
                }
            }
        }
        Ok(rids)
    }
}

/// One search under way.
struct Run<'r, 'c> {
    reader: &'r Reader<'c>,
    query: &'r Query,
    filters: Vec<Filter>,
    /// What is walked over: `d`.
    records: Records,
    /// Plans of the statements, where they are asked for.
    plans: Option<Vec<String>>,
}

impl<'r, 'c> Run<'r, 'c> {
    fn new(reader: &'r Reader<'c>, query: &'r Query, now: Instant) -> Result<Self, StoreError> {
        let profile = reader.profile()?;
        let targets = query
            .criteria
            .iter()
            .map(|c| c.target)
            .chain(query.sort.iter().map(|key| key.target));
        for target in targets {
            if let Target::Parameter(parameter) = target
                && !profile.holds(parameter)
            {
                return Err(StoreError::NotIndexed {
                    code: parameter.code,
                });
            }
        }
        let filters = query
            .criteria
            .iter()
            .map(|criterion| Filter::of(reader, query.kind, criterion, now))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            reader,
            query,
            filters,
            records: Records::of(reader, query.kind, "d")?,
            plans: None,
        })
    }

    fn choose_way(&mut self) -> Result<Way, StoreError> {
        if self.is_empty() {
            return Ok(Way::Gathered);
        }
        if self.time_driver().is_some() {
            return Ok(Way::ByTime);
        }
        if self.filters.iter().any(|filter| filter.is_of_ids()) || self.best_driver()?.is_some() {
            return Ok(Way::Gathered);
        }
        Ok(if self.is_indexed_order() {
            Way::ByOrder
        } else {
            Way::Gathered
        })
    }

    fn hits(
        &mut self,
        way: Way,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        match way {
            Way::ByTime => self.by_time(after, limit),
            Way::ByOrder => self.by_order(after, limit),
            Way::Gathered => self.gathered(after, limit),
        }
    }

    /// The criterion whose rows stand in the order that is asked for: one exact key, newest or oldest first.
    fn time_driver(&self) -> Option<usize> {
        let clinical = crate::fhir::params::clinical_date(self.query.kind)?;
        let first = self.query.sort.first()?;
        let by_id_then = match self.query.sort.get(1) {
            None => true,
            Some(second) => {
                second.target == Target::Id && !second.descending && self.query.sort.len() == 2
            }
        };
        if first.target != Target::Parameter(clinical) || !by_id_then {
            return None;
        }
        self.filters
            .iter()
            .position(|filter| filter.one_exact_key().is_some())
    }

    /// Whether the sort is one parameter whose index is in its order, then ids.
    fn is_indexed_order(&self) -> bool {
        let sort = &self.query.sort;
        let Some(Target::Parameter(parameter)) = sort.first().map(|key| key.target) else {
            return false;
        };
        let then = match sort.get(1) {
            None => true,
            Some(second) => second.target == Target::Id && !second.descending && sort.len() == 2,
        };
        // Terms are numbered in the order they came, not by their codes.
        then && matches!(
            parameter.kind,
            ParameterKind::Date | ParameterKind::String | ParameterKind::Number
        )
    }

    /// The criterion with the fewest matches, if they are few.
    fn best_driver(&mut self) -> Result<Option<usize>, StoreError> {
        let mut best: Option<(usize, usize)> = None;
        for at in 0..self.filters.len() {
            let Some(count) = self.filters[at].count_statement(&self.records, FEW + 1) else {
                continue;
            };
            let count = usize::try_from(self.number(count)?).unwrap_or(usize::MAX);
            if count <= FEW && best.is_none_or(|(fewest, _)| count < fewest) {
                best = Some((count, at));
            }
        }
        Ok(best.map(|(_, at)| at))
    }

    /// Number of all matches.
    fn total(&mut self) -> Result<u64, StoreError> {
        if self.is_empty() {
            return Ok(0);
        }
        let mut statement = Statement::new("SELECT count(DISTINCT d.rid)");
        let driver = self.best_driver()?;
        self.push_matches(&mut statement, driver)?;
        Ok(u64::try_from(self.number(statement)?).unwrap_or(0))
    }

    /// Whether a criterion can never hold, so that nothing needs to be read.
    fn is_empty(&self) -> bool {
        self.records.is_nothing() || self.filters.iter().any(Filter::is_never)
    }

    fn number(&mut self, statement: Statement) -> Result<i64, StoreError> {
        statement.number(self.reader, self.plans.as_mut())
    }

    /// FROM and WHERE of all matches, read from the rows of one criterion, or of all records of the type.
    fn push_matches(
        &self,
        statement: &mut Statement,
        driver: Option<usize>,
    ) -> Result<(), StoreError> {
        let records = &self.records;
        records.push_from(statement, &Statement::new("ix"));
        let time = match driver {
            Some(at) => {
                statement.push(" AND ");
                self.filters[at].push_driver(statement, records);
                if self.filters[at].carries_time() {
                    format!("{}.o", records.alias())
                } else {
                    records.looked_up_time()
                }
            }
            None => {
                let updated = crate::fhir::params::find(self.query.kind, "_lastUpdated");
                let p = match updated {
                    Some(updated) => self.reader.parameter(self.query.kind, updated)?,
                    None => None,
                };
                statement.push(" AND d.p = ").bind(p.unwrap_or(-1));
                records.looked_up_time()
            }
        };
        for (at, filter) in self.filters.iter().enumerate() {
            if Some(at) != driver {
                statement.push(" AND ");
                filter.push_condition(statement, records, &time);
            }
        }
        Ok(())
    }
}

/// Whether a search may run at all is decided before; this only tells what `:missing` and `:not` need.
fn is_positive(condition: &Condition) -> bool {
    matches!(condition, Condition::Any(_))
}
