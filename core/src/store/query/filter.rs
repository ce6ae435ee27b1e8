//! One criterion as SQL.

use super::super::index::{Key, URI, carries_time, cut, text_hash};
use super::from::Records;
use super::statement::Statement;
use super::{Reader, StoreError, is_positive};
use crate::fhir::params::Parameter;
use crate::fhir::search::{Condition, Criterion, Decimal, Operand, Prefix, Target, TextMatch};
use crate::fhir::{Instant, Reference, ResourceId, ResourceType, fold};

/// A criterion, resolved against the terms and records of this vault.
#[derive(Debug)]
pub(super) struct Filter {
    /// `None`: about the id.
    parameter: Option<&'static Parameter>,
    /// Of the parameter; `None`: no record was ever indexed by it.
    p: Option<i64>,
    ids: Vec<String>,
    /// One of these has to hold for a row `{row}` of the parameter. Empty: nothing can match.
    alternatives: Vec<Alternative>,
    condition: Condition,
    /// The parameter is the clinical date, of which a record has one.
    is_clinical: bool,
}

/// What a row has to be, with `@` for its alias.
#[derive(Debug, Clone)]
struct Alternative {
    sql: Statement,
    /// The one `v` it stands for, if it is one.
    exact: Option<Key>,
    /// Its rows stand together in the index, so that few of them are found fast.
    is_range: bool,
}

impl Filter {
    pub(super) fn of(
        reader: &Reader<'_>,
        kind: ResourceType,
        criterion: &Criterion,
        now: Instant,
    ) -> Result<Self, StoreError> {
        let condition = criterion.condition.clone();
        let parameter = match criterion.target {
            Target::Id => None,
            Target::Parameter(parameter) => Some(parameter),
        };
        let p = parameter
            .map(|parameter| reader.parameter(kind, parameter))
            .transpose()?
            .flatten();
        let is_clinical =
            parameter.is_some() && parameter == crate::fhir::params::clinical_date(kind);
        let mut filter = Self {
            parameter,
            p,
            ids: Vec::new(),
            alternatives: Vec::new(),
            condition,
            is_clinical,
        };
        let operands: &[Operand] = match &criterion.condition {
            Condition::Missing(_) => &[],
            Condition::Any(operands) | Condition::Not(operands) => operands,
        };
        for operand in operands {
            filter.resolve(reader, operand, now)?;
        }
        Ok(filter)
    }

    fn resolve(
        &mut self,
        reader: &Reader<'_>,
        operand: &Operand,
        now: Instant,
    ) -> Result<(), StoreError> {
        match operand {
            Operand::Id(id) => self.ids.push(id.to_string()),
            Operand::Token {
                system: Some(system),
                code: None,
            } => {
                let mut sql = Statement::new("@.v IN (SELECT id FROM term WHERE system = ");
                sql.bind(system.clone()).push(")");
                self.alternatives.push(Alternative {
                    sql,
                    exact: None,
                    is_range: true,
                });
            }
            Operand::Token { system, code } => {
                for id in terms(reader, system.as_deref(), code.as_deref())? {
                    self.exactly(Key::Integer(id));
                }
            }
            Operand::Reference { kind, id, url } => {
                for rid in self.records(reader, *kind, id.as_ref())? {
                    self.exactly(Key::Integer(rid));
                }
                if let Some(url) = url {
                    self.exactly(Key::Text(cut(url).to_owned()));
                }
            }
            Operand::Text { text, how } => self.text(text, *how),
            Operand::Date { prefix, .. } => {
                let (first, end) = match prefix {
                    Prefix::Ap => operand.widened(now),
                    _ => operand.date_span(),
                }
                .unwrap_or_default();
                self.date(*prefix, first, end);
            }
            Operand::Number { prefix, value } => {
                let sql = number(*prefix, value);
                self.alternatives.push(Alternative {
                    sql,
                    exact: None,
                    is_range: is_bounded(*prefix),
                });
            }
            Operand::Quantity {
                prefix,
                value,
                system,
                code,
            } => {
                let mut sql = number(*prefix, value);
                if let (Some(system), None) = (system, code) {
                    sql.push(" AND @.o IN (SELECT id FROM term WHERE system = ")
                        .bind(system.clone())
                        .push(")");
                } else if code.is_some() {
                    let units = terms(reader, system.as_deref(), code.as_deref())?;
                    if units.is_empty() {
                        return Ok(());
                    }
                    let units: Vec<String> = units.iter().map(i64::to_string).collect();
                    sql.push(&format!(" AND @.o IN ({})", units.join(",")));
                }
                self.alternatives.push(Alternative {
                    sql,
                    exact: None,
                    is_range: is_bounded(*prefix),
                });
            }
            Operand::Uri(uri) => {
                if let Some(id) = reader.term(URI, uri)? {
                    self.exactly(Key::Integer(id));
                }
            }
        }
        Ok(())
    }

    fn exactly(&mut self, key: Key) {
        let mut sql = Statement::new("@.v = ");
        sql.bind_key(&key);
        self.alternatives.push(Alternative {
            sql,
            exact: Some(key),
            is_range: true,
        });
    }

    fn text(&mut self, text: &str, how: TextMatch) {
        let folded = fold::fold(text);
        let start = cut(&folded).to_owned();
        let mut sql = Statement::default();
        match how {
            TextMatch::StartsWith => {
                let end = format!("{start}\u{10ffff}");
                sql.push("@.v >= ")
                    .bind(start)
                    .push(" AND @.v < ")
                    .bind(end);
            }
            TextMatch::Exact => {
                sql.push("@.v = ")
                    .bind(start)
                    .push(" AND @.o = ")
                    .bind(text_hash(text));
            }
            TextMatch::Contains => {
                sql.push("instr(@.v, ").bind(start).push(") > 0");
            }
        }
        self.alternatives.push(Alternative {
            sql,
            exact: None,
            is_range: how != TextMatch::Contains,
        });
    }

    /// v is the first millisecond of the record's span, o the first behind it.
    fn date(&mut self, prefix: Prefix, first: i64, end: i64) {
        let mut sql = Statement::default();
        let within = |sql: &mut Statement| {
            sql.push("(@.v >= ")
                .bind(first)
                .push(" AND @.v <= ")
                .bind(end)
                .push(" AND @.o <= ")
                .bind(end)
                .push(")");
        };
        match prefix {
            Prefix::Eq => within(&mut sql),
            Prefix::Ne => {
                sql.push("NOT ");
                within(&mut sql);
            }
            Prefix::Gt => drop(sql.push("@.o > ").bind(end)),
            Prefix::Lt => drop(sql.push("@.v < ").bind(first)),
            Prefix::Ge => {
                sql.push("(@.o > ").bind(end).push(" OR ");
                within(&mut sql);
                sql.push(")");
            }
            Prefix::Le => {
                sql.push("(@.v < ").bind(first).push(" OR ");
                within(&mut sql);
                sql.push(")");
            }
            Prefix::Sa => drop(sql.push("@.v >= ").bind(end)),
            Prefix::Eb => drop(sql.push("@.o <= ").bind(first)),
            Prefix::Ap => drop(sql.push("@.v < ").bind(end).push(" AND @.o > ").bind(first)),
        }
        let is_range = matches!(prefix, Prefix::Eq | Prefix::Sa | Prefix::Lt);
        self.alternatives.push(Alternative {
            sql,
            exact: None,
            is_range,
        });
    }

    /// Rows of the records that a reference may mean, on every server.
    fn records(
        &self,
        reader: &Reader<'_>,
        kind: Option<ResourceType>,
        id: Option<&ResourceId>,
    ) -> Result<Vec<i64>, StoreError> {
        let (Some(id), Some(parameter)) = (id, self.parameter) else {
            return Ok(Vec::new());
        };
        let kinds: Vec<ResourceType> = match kind {
            Some(kind) => vec![kind],
            None => ResourceType::all()
                .filter(|kind| parameter.may_target(*kind))
                .collect(),
        };
        let mut rids = Vec::new();
        for kind in kinds {
            rids.extend(reader.rids_named(&Reference {
                kind,
                id: id.clone(),
            })?);
        }
        Ok(rids)
    }

    pub(super) fn is_of_ids(&self) -> bool {
        self.parameter.is_none() && is_positive(&self.condition)
    }

    /// The ids it asks for.
    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The one index key it stands for, if it is one and its rows carry the clinical time.
    pub(super) fn one_exact_key(&self) -> Option<(i64, &Key)> {
        match (&self.alternatives[..], self.p) {
            (
                [
                    Alternative {
                        exact: Some(key), ..
                    },
                ],
                Some(p),
            ) if is_positive(&self.condition) && self.carries_time() => Some((p, key)),
            _ => None,
        }
    }

    pub(super) fn carries_time(&self) -> bool {
        self.parameter.is_some_and(carries_time)
    }

    /// Nothing can match it.
    pub(super) fn is_never(&self) -> bool {
        match self.condition {
            Condition::Any(_) => {
                self.parameter.is_some() && (self.p.is_none() || self.alternatives.is_empty())
            }
            Condition::Missing(missing) => self.parameter.is_some() && !missing && self.p.is_none(),
            Condition::Not(_) => false,
        }
    }

    /// Counts its rows, at most `limit`. `None`: counting would read too much, or it cannot drive. Rows, seen or not: it
    /// only tells which way is shorter, and nobody is told the number.
    pub(super) fn count_statement(&self, records: &Records, limit: usize) -> Option<Statement> {
        let drives = is_positive(&self.condition) && self.parameter.is_some();
        if !drives || !self.alternatives.iter().all(|a| a.is_range) {
            return None;
        }
        let mut statement = Statement::new("SELECT count(*) FROM (SELECT 1 FROM ix ");
        statement.push(records.alias()).push(" WHERE ");
        self.push_driver(&mut statement, records);
        statement
            .push(" LIMIT ")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .push(")");
        Some(statement)
    }

    /// Its rows, as those that `records` walks.
    pub(super) fn push_driver(&self, statement: &mut Statement, records: &Records) {
        statement
            .push(records.alias())
            .push(".p = ")
            .bind(self.p.unwrap_or(-1))
            .push(" AND ");
        self.push_alternatives(statement, records.alias());
    }

    /// Whether the record at hand meets it. `time` is the SQL of the record's clinical time.
    pub(super) fn push_condition(&self, statement: &mut Statement, records: &Records, time: &str) {
        match &self.condition {
            Condition::Missing(missing) => {
                let Some(p) = self.p.filter(|_| self.parameter.is_some()) else {
                    // No record has a value; every record has an id.
                    let holds = self.parameter.is_some() == *missing;
                    statement.push(if holds { "1" } else { "0" });
                    return;
                };
                statement.push(records.rid());
                statement.push(if *missing { " NOT IN " } else { " IN " });
                statement
                    .push("(SELECT x.rid FROM ix x WHERE x.p = ")
                    .bind(p)
                    .push(")");
            }
            Condition::Any(_) => self.push_any(statement, records, time),
            Condition::Not(_) => {
                statement.push("NOT ");
                self.push_any(statement, records, time);
            }
        }
    }

    fn push_any(&self, statement: &mut Statement, records: &Records, time: &str) {
        if self.parameter.is_none() {
            statement.push("(rkey.id IN (");
            for (at, id) in self.ids.iter().enumerate() {
                statement
                    .push(if at == 0 { "" } else { ", " })
                    .bind(id.clone());
            }
            statement.push("))");
            return;
        }
        let Some(p) = self.p.filter(|_| !self.alternatives.is_empty()) else {
            statement.push("(0)");
            return;
        };
        let is_probe = self.carries_time() || self.is_clinical;
        if is_probe {
            // The whole key is known but for the value: one look-up a value, no list.
            let column = if self.carries_time() { "x.o" } else { "x.v" };
            statement
                .push("EXISTS (SELECT 1 FROM ix x WHERE x.p = ")
                .bind(p);
            let rid = records.rid();
            statement.push(&format!(" AND x.rid = {rid} AND {column} = {time} AND "));
        } else {
            statement
                .push(records.rid())
                .push(" IN (SELECT x.rid FROM ix x WHERE x.p = ")
                .bind(p)
                .push(" AND ");
        }
        self.push_alternatives(statement, "x");
        statement.push(")");
    }

    fn push_alternatives(&self, statement: &mut Statement, alias: &str) {
        if self.alternatives.is_empty() {
            statement.push("0");
            return;
        }
        // A list of exact keys is one range each; OR would make SQLite walk the whole parameter.
        let exact: Vec<&Key> = self
            .alternatives
            .iter()
            .filter_map(|a| a.exact.as_ref())
            .collect();
        if exact.len() == self.alternatives.len() {
            statement.push(&format!("{alias}.v IN ("));
            for (at, key) in exact.iter().enumerate() {
                statement
                    .push(if at == 0 { "" } else { ", " })
                    .bind_key(key);
            }
            statement.push(")");
            return;
        }
        statement.push("(");
        for (at, alternative) in self.alternatives.iter().enumerate() {
            statement
                .push(if at == 0 { "" } else { " OR " })
                .append(&alternative.sql.with_alias(alias));
        }
        statement.push(")");
    }
}

/// Ids of the terms with this system (`None`: any) and code.
fn terms(
    reader: &Reader<'_>,
    system: Option<&str>,
    code: Option<&str>,
) -> Result<Vec<i64>, StoreError> {
    match (system, code) {
        (None, Some(code)) => reader.terms_of_code(code),
        (Some(system), Some(code)) => Ok(reader.term(system, code)?.into_iter().collect()),
        (_, None) => Ok(Vec::new()),
    }
}

fn number(prefix: Prefix, value: &Decimal) -> Statement {
    let (low, high) = value.range();
    let exact = value.value();
    let mut sql = Statement::default();
    match prefix {
        Prefix::Eq => sql.push("@.v >= ").bind(low).push(" AND @.v < ").bind(high),
        Prefix::Ne => sql
            .push("(@.v < ")
            .bind(low)
            .push(" OR @.v >= ")
            .bind(high)
            .push(")"),
        Prefix::Gt | Prefix::Sa => sql.push("@.v > ").bind(exact),
        Prefix::Lt | Prefix::Eb => sql.push("@.v < ").bind(exact),
        Prefix::Ge => sql.push("@.v >= ").bind(exact),
        Prefix::Le => sql.push("@.v <= ").bind(exact),
        Prefix::Ap => {
            let (low, high) = value.around();
            sql.push("@.v >= ")
                .bind(low)
                .push(" AND @.v <= ")
                .bind(high)
        }
    };
    sql
}

fn is_bounded(prefix: Prefix) -> bool {
    prefix != Prefix::Ne
}
