//! All matches of one criterion, sorted here: for few matches, and for orders that no index has.

use super::sort::compare;
use super::statement::Statement;
use super::{Hit, Position, Run, StoreError};
use std::cmp::Ordering;
use std::collections::HashSet;

impl Run<'_, '_> {
    pub(super) fn gathered(
        &mut self,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut matches: Vec<(i64, String, i64)> = Vec::new();
        for statement in self.matches()? {
            statement.each(self.reader, self.plans.as_mut(), |row| {
                matches.push((row.get(0)?, row.get(1)?, row.get(2)?));
                Ok(true)
            })?;
        }
        let mut seen = HashSet::with_capacity(matches.len());
        matches.retain(|(rid, ..)| seen.insert(*rid));
        let mut hits = Vec::with_capacity(matches.len());
        for (rid, id, updated_ms) in matches {
            let keys = self.keys_of(rid, &id, updated_ms)?;
            hits.push(Hit { rid, id, keys });
        }
        let sort = &self.query.sort;
        let order = |a: &Hit, b: (&[Option<super::SortValue>], &str, i64)| {
            let by_keys = compare(sort, &a.keys, b.0);
            by_keys
                .then_with(|| a.id.as_str().cmp(b.1))
                .then(a.rid.cmp(&b.2))
        };
        if let Some(after) = after {
            hits.retain(|hit| order(hit, (&after.keys, &after.id, after.rid)) == Ordering::Greater);
        }
        hits.sort_by(|a, b| order(a, (&b.keys, &b.id, b.rid)));
        hits.truncate(limit);
        Ok(hits)
    }

    /// Statements that give rid, id and time of update of every match, perhaps more than once.
    fn matches(&mut self) -> Result<Vec<Statement>, StoreError> {
        const COLUMNS: &str = "SELECT d.rid, rkey.id, body.updated_ms";
        if let Some(by_id) = self.filters.iter().find(|filter| filter.is_of_ids()) {
            let mut statements = Vec::new();
            for id in by_id.ids() {
                let mut rows = Statement::new("(SELECT rid FROM rkey WHERE type = ");
                rows.bind(self.query.kind.number());
                rows.push(" AND id = ").bind(id.clone()).push(")");
                let mut statement = Statement::new(COLUMNS);
                self.records.push_from(&mut statement, &rows);
                let time = self.records.looked_up_time();
                for filter in &self.filters {
                    statement.push(" AND ");
                    filter.push_condition(&mut statement, &self.records, &time);
                }
                statements.push(statement);
            }
            return Ok(statements);
        }
        let driver = self.best_driver()?;
        let mut statement = Statement::new(COLUMNS);
        self.push_matches(&mut statement, driver)?;
        Ok(vec![statement])
    }
}
