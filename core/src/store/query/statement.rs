//! SQL put together piece by piece, with its values.

use super::super::index::Key;
use super::{Reader, StoreError};
use rusqlite::Row;
use rusqlite::types::{Value, ValueRef};

/// A statement and the values of its `?`s.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Statement {
    sql: String,
    values: Vec<Value>,
}

impl Statement {
    pub(in crate::store) fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            values: Vec::new(),
        }
    }

    pub(in crate::store) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// A value, as `?`.
    pub(in crate::store) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.sql.push('?');
        self.values.push(value.into());
        self
    }

    pub(in crate::store) fn bind_key(&mut self, key: &Key) -> &mut Self {
        match key {
            Key::Integer(n) => self.bind(*n),
            Key::Real(n) => self.bind(*n),
            Key::Text(text) => self.bind(text.clone()),
        }
    }

    /// The same, with `@` replaced by an alias.
    pub(in crate::store) fn with_alias(&self, alias: &str) -> Self {
        Self {
            sql: self.sql.replace('@', alias),
            values: self.values.clone(),
        }
    }

    /// Another statement's text and values, in place.
    pub(in crate::store) fn append(&mut self, other: &Self) -> &mut Self {
        self.sql.push_str(&other.sql);
        self.values.extend(other.values.iter().cloned());
        self
    }

    /// Runs it; `take` gets each row, and stops by answering `false`.
    pub(in crate::store) fn each(
        &self,
        reader: &Reader<'_>,
        plans: Option<&mut Vec<String>>,
        mut take: impl FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        if let Some(plans) = plans {
            let sql = format!("EXPLAIN QUERY PLAN {}", self.sql);
            let mut statement = reader.connection.prepare(&sql)?;
            let mut rows = statement.query(rusqlite::params_from_iter(&self.values))?;
            while let Some(row) = rows.next()? {
                plans.push(row.get(3)?);
            }
        }
        let mut statement = reader.connection.prepare_cached(&self.sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(&self.values))?;
        while let Some(row) = rows.next()? {
            if !take(row)? {
                break;
            }
        }
        Ok(())
    }

    /// The one number it answers with.
    pub(in crate::store) fn number(
        &self,
        reader: &Reader<'_>,
        plans: Option<&mut Vec<String>>,
    ) -> Result<i64, StoreError> {
        let mut number = 0;
        self.each(reader, plans, |row| {
            number = row.get(0)?;
            Ok(false)
        })?;
        Ok(number)
    }
}

/// `v` of a row.
pub(super) fn key_at(row: &Row<'_>, column: usize) -> Result<Key, StoreError> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(n) => Key::Integer(n),
        ValueRef::Real(n) => Key::Real(n),
        ValueRef::Text(text) => Key::Text(String::from_utf8_lossy(text).into_owned()),
        _ => {
            return Err(StoreError::DamagedValue {
                what: "index key",
                row: 0,
            });
        }
    })
}
