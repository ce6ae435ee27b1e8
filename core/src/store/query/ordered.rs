//! Matches in the order of an index, read only as far as the page needs.

use super::sort::{SortValue, value_of};
use super::statement::{Statement, key_at};
use super::{Hit, Position, Run, StoreError};
use crate::fhir::Resource;
use crate::fhir::extract;
use crate::fhir::params::{Parameter, Profile};
use crate::fhir::search::Target;
use std::collections::HashSet;
use std::mem;

use super::super::index::{Key, NO_TIME};

/// A walk over an index: groups of equal keys, in order.
struct Walk<'a> {
    /// Column of `ix` that holds the key.
    column: &'a str,
    descending: bool,
    /// SELECT, FROM and WHERE, without the bound on the key.
    from: Statement,
}

impl Run<'_, '_> {
    /// One exact key, whose rows stand in clinical order.
    pub(super) fn by_time(
        &mut self,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        let (Some(driver), Some(key)) = (self.time_driver(), self.query.sort.first().copied())
        else {
            return self.gathered(after, limit);
        };
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut from = Statement::new("SELECT d.o, d.rid, rkey.id");
        self.push_matches(&mut from, Some(driver))?;
        // Records without a time stand before all others in the index, and last on the page.
        let mut timed = from.clone();
        timed.push(&format!(" AND d.o > {NO_TIME}"));
        let mut untimed = from;
        untimed.push(&format!(" AND d.o = {NO_TIME}"));
        let walks = [
            Walk {
                column: "d.o",
                descending: key.descending,
                from: timed,
            },
            Walk {
                column: "d.o",
                descending: false,
                from: untimed,
            },
        ];
        self.walk(walks, after, limit, |_, _| Ok(true))
    }

    /// The index of the sort parameter, then the records that have no value of it.
    pub(super) fn by_order(
        &mut self,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        let Some(key) = self.query.sort.first().copied() else {
            return Ok(Vec::new());
        };
        let Target::Parameter(parameter) = key.target else {
            return self.gathered(after, limit);
        };
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let p = self
            .reader
            .parameter(self.query.kind, parameter)?
            .unwrap_or(-1);
        let mut valued = Statement::new("SELECT d.v, d.rid, rkey.id");
        let records = &self.records;
        records.push_from(&mut valued, &Statement::new("ix"));
        valued.push(" AND d.p = ").bind(p);
        let time = records.looked_up_time();
        for filter in &self.filters {
            valued.push(" AND ");
            filter.push_condition(&mut valued, records, &time);
        }
        let mut missing = Statement::new(&format!("SELECT {NO_TIME} AS none, d.rid, rkey.id"));
        self.push_matches(&mut missing, None)?;
        missing
            .push(" AND d.rid NOT IN (SELECT x.rid FROM ix x WHERE x.p = ")
            .bind(p)
            .push(")");
        let walks = [
            Walk {
                column: "d.v",
                descending: key.descending,
                from: valued,
            },
            Walk {
                column: "",
                descending: false,
                from: missing,
            },
        ];
        let has_one_value = parameter.code == "_lastUpdated";
        self.walk(walks, after, limit, |run, (rid, value)| {
            Ok(has_one_value || run.stands_first(rid, parameter, key.descending, value)?)
        })
    }

    /// Whether `value` is the one of the record's values that it is sorted by; it has an index row for each.
    fn stands_first(
        &self,
        rid: i64,
        parameter: &Parameter,
        descending: bool,
        value: &SortValue,
    ) -> Result<bool, StoreError> {
        let Some(record) = self.reader.record_at(rid)? else {
            return Ok(false);
        };
        let damaged = |_| StoreError::DamagedValue {
            what: "body",
            row: rid,
        };
        let resource = Resource::parse_text(&record.text).map_err(damaged)?;
        let mut found = Vec::new();
        extract::extract(&resource, Profile::Full, &mut found);
        Ok(value_of(&found, parameter, descending).as_ref() == Some(value))
    }

    fn walk(
        &mut self,
        walks: [Walk<'_>; 2],
        after: Option<&Position>,
        limit: usize,
        is_wanted: impl Fn(&Self, (i64, &SortValue)) -> Result<bool, StoreError>,
    ) -> Result<Vec<Hit>, StoreError> {
        let mut hits: Vec<Hit> = Vec::new();
        let reached = after.and_then(|after| after.keys.first().cloned());
        for (at, walk) in walks.iter().enumerate() {
            let valued = at == 0;
            // A page that ended among the records without a value goes on there.
            if hits.len() >= limit || (valued && reached == Some(None)) {
                continue;
            }
            let mut statement = walk.from.clone();
            if let (true, Some(Some(value))) = (valued, &reached) {
                let bound = if walk.descending { "<=" } else { ">=" };
                statement
                    .push(&format!(" AND {} {bound} ", walk.column))
                    .bind_key(&key_of(value));
            }
            if valued {
                let direction = if walk.descending { "DESC" } else { "ASC" };
                statement.push(&format!(" ORDER BY {} {direction}", walk.column));
            }
            let mut group = Group::default();
            let mut plans = self.plans.take();
            let reader = self.reader;
            let mut failed = None;
            statement.each(reader, plans.as_mut(), |row| {
                let key = key_at(row, 0)?;
                if group.key.as_ref() != Some(&key) {
                    let ended = mem::replace(&mut group, Group::of(key));
                    if let Err(error) =
                        self.take(ended, valued, after, limit, &mut hits, &is_wanted)
                    {
                        failed = Some(error);
                    }
                    if failed.is_some() || hits.len() >= limit {
                        return Ok(false);
                    }
                }
                group.members.push((row.get(2)?, row.get(1)?));
                Ok(true)
            })?;
            self.plans = plans;
            if let Some(error) = failed {
                return Err(error);
            }
            if hits.len() < limit {
                self.take(group, valued, after, limit, &mut hits, &is_wanted)?;
            }
        }
        Ok(hits)
    }

    /// Takes what the page needs of one group, by id.
    fn take(
        &self,
        group: Group,
        valued: bool,
        after: Option<&Position>,
        limit: usize,
        hits: &mut Vec<Hit>,
        is_wanted: &impl Fn(&Self, (i64, &SortValue)) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let Some(key) = group.key else { return Ok(()) };
        let value = SortValue::from(key);
        let keys_first = valued.then(|| value.clone());
        let mut members = group.members;
        members.sort();
        members.dedup();
        // Only the group in which the last page ended has members that were seen.
        let behind = after.filter(|after| after.keys.first() == Some(&keys_first));
        let mut taken: HashSet<i64> = HashSet::new();
        for (id, rid) in members {
            if hits.len() >= limit {
                break;
            }
            if behind.is_some_and(|after| (id.as_str(), rid) <= (after.id.as_str(), after.rid)) {
                continue;
            }
            if valued && !is_wanted(self, (rid, &value))? {
                continue;
            }
            if taken.insert(rid) {
                let mut keys = vec![keys_first.clone()];
                keys.extend(
                    self.query
                        .sort
                        .iter()
                        .skip(1)
                        .map(|_| Some(SortValue::Text(id.clone()))),
                );
                hits.push(Hit { rid, id, keys });
            }
        }
        Ok(())
    }
}

/// Rows of one key.
#[derive(Default)]
struct Group {
    key: Option<Key>,
    members: Vec<(String, i64)>,
}

impl Group {
    fn of(key: Key) -> Self {
        Self {
            key: Some(key),
            members: Vec::new(),
        }
    }
}

fn key_of(value: &SortValue) -> Key {
    match value {
        SortValue::Integer(n) => Key::Integer(*n),
        SortValue::Real(n) => Key::Real(*n),
        SortValue::Text(text) => Key::Text(text.clone()),
    }
}
