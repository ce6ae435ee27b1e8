//! The one index: what rows a record has in it, and how they get there.
//!
//! | value | v | o |
//! |---|---|---|
//! | token | term id | the record's clinical time |
//! | reference | rid of the target, or the url as text | the record's clinical time |
//! | string | folded text | hash of the text as written, for `:exact` |
//! | date | first millisecond | first millisecond behind it |
//! | number | the number | 0 |
//! | quantity | the number | term id of its unit |
//! | uri | term id | the record's clinical time |
//!
//! Clinical time stands in every token, reference and uri row of a record, so that "newest of a patient" is a range scan
//! and "has this code too" is a probe of one exact key.

use super::{StoreError, Tx};
use crate::fhir::extract::{self, Found, Value};
use crate::fhir::params::{self, Parameter, ParameterKind, Profile};
use crate::fhir::{Resource, ResourceType, compartment, fold};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use std::cmp::Ordering;
use std::collections::HashMap;

/// Clinical time of a record that has none: before all others, so that it comes last where the newest come first.
pub(super) const NO_TIME: i64 = i64::MIN / 2;
/// System under which URIs are interned: profiles repeat in every record. No token has it.
pub(super) const URI: &str = "\u{1}uri";
/// Longest text in a key: keys that overflow their page would need a second look-up each.
pub(super) const MAX_KEY_BYTES: usize = 800;

/// Changes whenever the rows of a record would be others: from parameters, extraction, folding, profile, this layout.
pub(super) fn generation(profile: Profile) -> i64 {
    const LAYOUT: i64 = 4;
    let profile = if profile == Profile::Full { 1 } else { 0 };
    let parts = [
        LAYOUT,
        params::GENERATION.into(),
        extract::GENERATION.into(),
        compartment::GENERATION.into(),
        fold::FOLD_GENERATION.into(),
        profile,
    ];
    parts.iter().fold(0x1234_5678, |hash: i64, part| {
        hash.wrapping_mul(1_000_003).wrapping_add(*part)
    })
}

/// `v`: a number, or text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Key {
    Integer(i64),
    Real(f64),
    Text(String),
}

/// One row, but for the rid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) p: i64,
    pub(super) v: Key,
    pub(super) o: i64,
}

impl Key {
    /// The order SQLite sorts by: numbers before texts.
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Text(_), _) => Ordering::Greater,
            (_, Self::Text(_)) => Ordering::Less,
            // One parameter never has both.
            (Self::Integer(_), Self::Real(_)) => Ordering::Less,
            (Self::Real(_), Self::Integer(_)) => Ordering::Greater,
        }
    }
}

impl ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(n) => ValueRef::Integer(*n),
            Self::Real(n) => ValueRef::Real(*n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl Row {
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.p
            .cmp(&other.p)
            .then_with(|| self.v.order(&other.v))
            .then(self.o.cmp(&other.o))
    }
}

/// A record's rows, its clinical time, and the patients (rids, sorted) in whose compartments it is.
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    pub(super) clinical_ms: i64,
    pub(super) patients: Vec<i64>,
}

impl Tx<'_> {
    /// The rows of a record. Interns the parameters, terms and records it names.
    pub(super) fn index_rows(
        &self,
        peer: i64,
        resource: &Resource<'_>,
        updated_ms: i64,
    ) -> Result<Rows, StoreError> {
        let kind = resource.kind();
        let mut found = Vec::with_capacity(32);
        extract::extract(resource, self.profile()?, &mut found);
        let clinical_ms = clinical_time(kind, &found);
        let mut rows = Vec::with_capacity(found.len() + 1);
        let updated = params::find(kind, "_lastUpdated");
        if let Some(updated) = updated {
            let p = self.intern_parameter(kind, updated)?;
            // A record that no server has stamped yet has the time of its local change.
            rows.push(Row {
                p,
                v: Key::Integer(updated_ms),
                o: updated_ms + 1,
            });
        }
        for Found { parameter, value } in found {
            if Some(parameter) == updated.map(|u| u.number) {
                continue;
            }
            let Some(parameter) = params::numbered(kind, parameter) else {
                continue;
            };
            let p = self.intern_parameter(kind, parameter)?;
            let (v, o) = self.key_of(peer, value, clinical_ms)?;
            rows.push(Row { p, v, o });
        }
        rows.sort_by(Row::order);
        rows.dedup();
        let patients = self.intern_patients(peer, resource)?;
        Ok(Rows {
            rows,
            clinical_ms,
            patients,
        })
    }

    fn key_of(
        &self,
        peer: i64,
        value: Value<'_>,
        clinical_ms: i64,
    ) -> Result<(Key, i64), StoreError> {
        Ok(match value {
            Value::Token { system, code } => {
                (Key::Integer(self.intern_term(&system, &code)?), clinical_ms)
            }
            Value::Reference {
                local: Some(name), ..
            } => (Key::Integer(self.intern(peer, &name)?), clinical_ms),
            Value::Reference { url, .. } => (Key::Text(cut(&url).to_owned()), clinical_ms),
            Value::Text(text) => (
                Key::Text(cut(&fold::fold(&text)).to_owned()),
                text_hash(&text),
            ),
            Value::Date(span) => (Key::Integer(span.first.epoch_ms()), span.end.epoch_ms()),
            Value::Number(number) => (Key::Real(number), 0),
            Value::Quantity {
                value,
                system,
                code,
            } => (Key::Real(value), self.intern_term(&system, &code)?),
            Value::Uri(uri) => (Key::Integer(self.intern_term(URI, &uri)?), clinical_ms),
        })
    }

    /// Exchanges a record's old rows for its new ones; rows in both are left alone. They reach the table when the
    /// transaction commits, in the order of the table.
    pub(super) fn reindex(&self, rid: i64, old: &[Row], new: Vec<Row>) {
        let mut waiting = self.waiting.borrow_mut();
        let Waiting { insert, delete } = &mut *waiting;
        let inserted = insert.entry(rid).or_default();
        for row in old.iter().filter(|row| !new.contains(row)) {
            // A record written twice in one transaction: what the first write brought may not be in the table yet.
            match inserted.iter().position(|waiting| waiting == row) {
                Some(at) => drop(inserted.swap_remove(at)),
                None => delete.push((row.clone(), rid)),
            }
        }
        inserted.extend(new.into_iter().filter(|row| !old.contains(row)));
    }

    /// From here on a search of this transaction finds what it wrote.
    pub(crate) fn make_searchable(&self) -> Result<(), StoreError> {
        self.flush_index()
    }

    /// Writes the waiting rows. Sorted by key, many to a statement: the table is a tree, and neighbours share pages.
    pub(super) fn flush_index(&self) -> Result<(), StoreError> {
        let Waiting { insert, delete } = std::mem::take(&mut *self.waiting.borrow_mut());
        let mut insert: Vec<(Row, i64)> = insert
            .into_iter()
            .flat_map(|(rid, rows)| rows.into_iter().map(move |row| (row, rid)))
            .collect();
        insert.sort_by(|(a, a_rid), (b, b_rid)| a.order(b).then(a_rid.cmp(b_rid)));
        for generation in self.generations()? {
            let sql = format!(
                "DELETE FROM {} WHERE p = ?1 AND v = ?2 AND o = ?3 AND rid = ?4",
                generation.index
            );
            let mut statement = self.connection.prepare_cached(&sql)?;
            for (row, rid) in &delete {
                statement.execute((row.p, &row.v, row.o, rid))?;
            }
            self.insert_rows(generation.index, &insert)?;
        }
        Ok(())
    }

    /// Inserts rows that are sorted.
    pub(super) fn insert_rows(&self, table: &str, rows: &[(Row, i64)]) -> Result<(), StoreError> {
        const TOGETHER: usize = 32;
        // A row deleted and put back in one transaction, or left behind by an older index, is there already.
        let sql = |n: usize| {
            format!(
                "INSERT OR IGNORE INTO {table} (p, v, o, rid) VALUES {}",
                vec!["(?,?,?,?)"; n].join(",")
            )
        };
        let (many, rest) = rows.split_at(rows.len() - rows.len() % TOGETHER);
        for (rows, together) in [(many, TOGETHER), (rest, 1)] {
            if rows.is_empty() {
                continue;
            }
            let mut statement = self.connection.prepare_cached(&sql(together))?;
            for rows in rows.chunks(together) {
                for (at, (row, rid)) in rows.iter().enumerate() {
                    statement.raw_bind_parameter(4 * at + 1, row.p)?;
                    statement.raw_bind_parameter(4 * at + 2, &row.v)?;
                    statement.raw_bind_parameter(4 * at + 3, row.o)?;
                    statement.raw_bind_parameter(4 * at + 4, rid)?;
                }
                statement.raw_execute()?;
            }
        }
        Ok(())
    }
}

/// Rows on their way to the table, the new ones by record.
#[derive(Default)]
pub(super) struct Waiting {
    insert: HashMap<i64, Vec<Row>>,
    delete: Vec<(Row, i64)>,
}

/// The time of a record: the first value of its type's clinical date.
pub(super) fn clinical_time(kind: ResourceType, found: &[Found<'_>]) -> i64 {
    let Some(clinical) = params::clinical_date(kind) else {
        return NO_TIME;
    };
    let times = found
        .iter()
        .filter(|f| f.parameter == clinical.number)
        .filter_map(|f| match &f.value {
            Value::Date(span) => Some(span.first.epoch_ms()),
            _ => None,
        });
    times.min().unwrap_or(NO_TIME)
}

/// At most [`MAX_KEY_BYTES`] of a text, cut between characters.
pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_KEY_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// FNV-1a: tells texts apart that fold to the same, or are cut to the same.
pub(super) fn text_hash(text: &str) -> i64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

/// Whether a table belongs to an index that is being built beside the one that answers.
pub(super) fn is_half_built(table: &str) -> bool {
    table.ends_with("_next")
}

/// Whether a parameter's rows carry the clinical time, so that one exact key can be probed.
pub(super) fn carries_time(parameter: &Parameter) -> bool {
    matches!(
        parameter.kind,
        ParameterKind::Token | ParameterKind::Reference | ParameterKind::Uri
    )
}
