//! Small numbers for what the index repeats: search parameters and terms.
//!
//! The maps here are a cache of tables, kept with the writer. A transaction that is rolled back takes its new rows
//! back, so the cache is cleared with it.

use super::{Reader, StoreError, Tx};
use crate::fhir::ResourceType;
use crate::fhir::params::Parameter;
use rusqlite::OptionalExtension;
use std::collections::HashMap;

/// Terms kept in memory; when full the map starts again, since the most used ones are soon back.
const MAX_TERMS: usize = 50_000;

/// The cache.
#[derive(Default)]
pub(super) struct Interned {
    parameters: HashMap<(i64, u16), i64>,
    terms: HashMap<String, i64>,
}

impl Interned {
    /// Forgets everything: a transaction was rolled back.
    pub(super) fn clear(&mut self) {
        self.parameters.clear();
        self.terms.clear();
    }
}

impl Reader<'_> {
    /// `p` of a parameter; `None`: no record was ever indexed by it.
    pub(super) fn parameter(
        &self,
        kind: ResourceType,
        parameter: &Parameter,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT p FROM parameter WHERE type = ?1 AND code = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement
            .query_row((kind.number(), parameter.code), |row| row.get(0))
            .optional()?)
    }

    /// The id of a term; `None`: no record has it.
    pub(super) fn term(&self, system: &str, code: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT id FROM term WHERE code = ?1 AND system = ?2";
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row((code, system), |row| row.get(0))
            .optional()?)
    }

    /// The ids of all terms with this code, whatever their system.
    pub(super) fn terms_of_code(&self, code: &str) -> Result<Vec<i64>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id FROM term WHERE code = ?1 ORDER BY id")?;
        Ok(statement
            .query_map([code], |row| row.get(0))?
            .collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// `p` of a parameter; made if it is new.
    pub(super) fn intern_parameter(
        &self,
        kind: ResourceType,
        parameter: &Parameter,
    ) -> Result<i64, StoreError> {
        let key = (kind.number(), parameter.number);
        if let Some(p) = self.interned.borrow().parameters.get(&key) {
            return Ok(*p);
        }
        let p = match self.parameter(kind, parameter)? {
            Some(p) => p,
            None => {
                let sql = "INSERT INTO parameter (type, code) VALUES (?1, ?2)";
                self.connection
                    .prepare_cached(sql)?
                    .insert((key.0, parameter.code))?
            }
        };
        self.interned.borrow_mut().parameters.insert(key, p);
        Ok(p)
    }

    /// The id of a term; made if it is new.
    pub(super) fn intern_term(&self, system: &str, code: &str) -> Result<i64, StoreError> {
        let mut key = String::with_capacity(system.len() + code.len() + 1);
        key.push_str(system);
        key.push('\0');
        key.push_str(code);
        if let Some(id) = self.interned.borrow().terms.get(&key) {
            return Ok(*id);
        }
        let id = match self.term(system, code)? {
            Some(id) => id,
            None => {
                let sql = "INSERT INTO term (system, code) VALUES (?1, ?2)";
                self.connection
                    .prepare_cached(sql)?
                    .insert((system, code))?
            }
        };
        let terms = &mut self.interned.borrow_mut().terms;
        if terms.len() >= MAX_TERMS {
            terms.clear();
        }
        terms.insert(key, id);
        Ok(id)
    }
}
