//! A slow, obviously right answer to every search, for the store's to be compared with.
//!
//! It holds all records as trees, looks at each one for each criterion, and shares with the core only the query, the
//! parameters' paths and the folding of text. Where it and the store differ, one of them reads R4 wrongly.

pub mod policy;
mod scalars;
mod values;

pub use scalars::{Exact, date};
pub use values::{Found, local, values};

use crate::generate::Case;
use pocketchart_core::fhir::fold::fold;
use pocketchart_core::fhir::params::Parameter;
use pocketchart_core::fhir::search::{
    Condition, Criterion, Include, Operand, Prefix, Query, SortKey, Target, TextMatch,
};
use pocketchart_core::fhir::{Instant, ResourceType};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// One page of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Ids of the matches, in order.
    pub ids: Vec<String>,
    /// Whether another page follows.
    pub more: bool,
    /// `_total`, when it was asked for.
    pub total: Option<usize>,
    /// `Type/id` of what `_include` and `_revinclude` add to this page, without the matches on it.
    pub included: BTreeSet<String>,
}

impl Page {
    /// What a guard answered, to be compared.
    pub fn of(page: &pocketchart_core::access::Page) -> Self {
        let name = |record: &pocketchart_core::access::Record| record.name.reference.clone();
        Self {
            ids: page
                .records
                .iter()
                .map(|r| name(r).id.to_string())
                .collect(),
            more: page.next.is_some(),
            total: page.total.and_then(|n| usize::try_from(n).ok()),
            included: page.included.iter().map(|r| name(r).to_string()).collect(),
        }
    }
}

/// Ids of all records that match, in order, whatever `_count` says. `records` are distinct by type and id and stand in the
/// order they were stored in; `_lastUpdated` is what their `meta` says.
pub fn evaluate(records: &[Value], query: &Query, now: Instant) -> Vec<String> {
    let found = matches(records, query, now);
    found.into_iter().map(id_of).collect()
}

/// Page `number` (the first is 0) of `query.count` records.
pub fn page(records: &[Value], query: &Query, now: Instant, number: usize) -> Page {
    let all = matches(records, query, now);
    let start = all.len().min(number * query.count);
    let end = all.len().min(start + query.count);
    let shown = &all[start..end];
    let names: BTreeSet<String> = shown.iter().map(|r| name_of(r)).collect();
    let mut included = BTreeSet::new();
    for include in &query.include {
        for record in shown.iter().filter(|r| kind_of(r) == Some(include.source)) {
            included.extend(referred(record, include));
        }
    }
    for include in &query.revinclude {
        for record in records
            .iter()
            .filter(|r| kind_of(r) == Some(include.source))
        {
            if referred(record, include)
                .iter()
                .any(|name| names.contains(name))
            {
                included.insert(name_of(record));
            }
        }
    }
    let stored: BTreeSet<String> = records.iter().map(name_of).collect();
    included.retain(|name| stored.contains(name) && !names.contains(name));
    Page {
        ids: shown.iter().map(|r| id_of(r)).collect(),
        more: end < all.len(),
        total: query.total.then_some(all.len()),
        included,
    }
}

/// Walks all pages of a case and compares another engine's with the oracle's. `answer` gives the engine's page of that
/// number (the first is 0). The engine must hold exactly the case's records, stored in their order, under the
/// `_lastUpdated` of their `meta`, and must be asked at `case.now`.
///
/// # Errors
/// What differs, with the search; it can hold values, so it is for made-up data only.
pub fn compare(case: &Case, mut answer: impl FnMut(usize) -> Page) -> Result<(), String> {
    for number in 0.. {
        let expected = page(&case.records, &case.query, case.now, number);
        let found = answer(number);
        if found != expected {
            let query = &case.query;
            return Err(format!(
                "{query}, page {number}:\nexpected {expected:?}\nfound    {found:?}"
            ));
        }
        if !expected.more {
            break;
        }
    }
    Ok(())
}

fn matches<'a>(records: &'a [Value], query: &Query, now: Instant) -> Vec<&'a Value> {
    let mut found: Vec<&Value> = records
        .iter()
        .filter(|record| kind_of(record) == Some(query.kind))
        .filter(|record| query.criteria.iter().all(|c| holds(record, c, now)))
        .collect();
    // Stable: what is equal stays in the order it was stored in.
    found.sort_by(|a, b| {
        let by_keys = query.sort.iter().map(|key| by_key(a, b, key));
        by_keys
            .fold(Ordering::Equal, Ordering::then)
            .then_with(|| id_of(a).cmp(&id_of(b)))
    });
    found
}

fn kind_of(record: &Value) -> Option<ResourceType> {
    ResourceType::named(record.get("resourceType")?.as_str()?)
}

fn id_of(record: &Value) -> String {
    record
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn name_of(record: &Value) -> String {
    format!(
        "{}/{}",
        kind_of(record).map_or("", ResourceType::name),
        id_of(record)
    )
}

fn referred(record: &Value, include: &Include) -> Vec<String> {
    let mut names = Vec::new();
    for found in values(record, include.parameter) {
        if let Found::Reference(written) = found
            && let Some((kind, id)) = local(&written)
            && include.target.is_none_or(|target| target == kind)
        {
            names.push(format!("{kind}/{id}"));
        }
    }
    names
}

fn holds(record: &Value, criterion: &Criterion, now: Instant) -> bool {
    let any = |operands: &[Operand]| match criterion.target {
        Target::Id => operands
            .iter()
            .any(|o| matches!(o, Operand::Id(id) if id.as_str() == id_of(record))),
        Target::Parameter(parameter) => values(record, parameter)
            .iter()
            .any(|value| operands.iter().any(|o| fits(value, o, parameter, now))),
    };
    match &criterion.condition {
        Condition::Missing(missing) => *missing == is_missing(record, criterion.target),
        Condition::Any(operands) => any(operands),
        Condition::Not(operands) => !any(operands),
    }
}

fn is_missing(record: &Value, target: Target) -> bool {
    match target {
        Target::Id => false,
        Target::Parameter(parameter) => values(record, parameter).is_empty(),
    }
}

fn fits(value: &Found, operand: &Operand, parameter: &Parameter, now: Instant) -> bool {
    match (value, operand) {
        (Found::Text(value), Operand::Text { text, how }) => match how {
            TextMatch::StartsWith => fold(value).starts_with(&fold(text)),
            TextMatch::Contains => fold(value).contains(&fold(text)),
            TextMatch::Exact => value == text,
        },
        (Found::Token { system, code }, Operand::Token { system: s, code: c }) => {
            s.as_ref().is_none_or(|s| s == system) && c.as_ref().is_none_or(|c| c == code)
        }
        (Found::Reference(written), Operand::Reference { kind, id, url }) => match (id, url) {
            (Some(id), _) => local(written).is_some_and(|(its_kind, its_id)| {
                its_id == *id
                    && match kind {
                        Some(kind) => *kind == its_kind,
                        None => parameter.may_target(its_kind),
                    }
            }),
            (None, Some(url)) => url == written,
            (None, None) => false,
        },
        (Found::Date(first, end), Operand::Date { prefix, span }) => {
            let searched = (span.first.epoch_ms(), span.end.epoch_ms());
            date_fits((*first, *end), *prefix, searched, now.epoch_ms())
        }
        (Found::Number(value), Operand::Number { prefix, value: v }) => {
            number_fits(*value, *prefix, &v.to_string())
        }
        (
            Found::Quantity {
                value,
                system,
                code,
                unit,
            },
            Operand::Quantity {
                prefix,
                value: v,
                system: s,
                code: c,
            },
        ) => {
            let system_fits = s.as_ref().is_none_or(|s| s == system);
            let code_fits = c
                .as_ref()
                .is_none_or(|c| c == code || (s.is_none() && c == unit));
            system_fits && code_fits && number_fits(*value, *prefix, &v.to_string())
        }
        (Found::Uri(value), Operand::Uri(uri)) => value == uri,
        _ => false,
    }
}

/// `[t0, t1)` of the record against `[s0, s1)` of the search.
fn date_fits((t0, t1): (i64, i64), prefix: Prefix, (s0, s1): (i64, i64), now: i64) -> bool {
    let eq = s0 <= t0 && t1 <= s1;
    match prefix {
        Prefix::Eq => eq,
        Prefix::Ne => !eq,
        Prefix::Gt => t1 > s1,
        Prefix::Lt => t0 < s0,
        Prefix::Ge => t1 > s1 || eq,
        Prefix::Le => t0 < s0 || eq,
        Prefix::Sa => t0 >= s1,
        Prefix::Eb => t1 <= s0,
        Prefix::Ap => {
            let distance = if now < s0 {
                s0 - now
            } else if now > s1 {
                now - s1
            } else {
                0
            };
            t0 < s1 + distance / 10 && s0 - distance / 10 < t1
        }
    }
}

fn number_fits(value: Exact, prefix: Prefix, searched: &str) -> bool {
    let Some(searched) = Exact::parse(searched) else {
        return false;
    };
    let half = searched.half_unit();
    let eq = searched.plus(-1, half) <= value && value < searched.plus(1, half);
    match prefix {
        Prefix::Eq => eq,
        Prefix::Ne => !eq,
        Prefix::Gt | Prefix::Sa => value > searched,
        Prefix::Lt | Prefix::Eb => value < searched,
        Prefix::Ge => value >= searched,
        Prefix::Le => value <= searched,
        Prefix::Ap => {
            let tenth = searched.tenth();
            searched.plus(-1, tenth) <= value && value <= searched.plus(1, tenth)
        }
    }
}

/// What a sort key compares.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Rank {
    Text(String),
    Ms(i64),
    Number(Exact),
}

fn by_key(a: &Value, b: &Value, key: &SortKey) -> Ordering {
    match (rank(a, key), rank(b, key)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => in_direction(key, &a, &b),
    }
}

fn in_direction(key: &SortKey, a: &Rank, b: &Rank) -> Ordering {
    let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
    if key.descending {
        order.reverse()
    } else {
        order
    }
}

/// The value that comes first in the key's direction.
fn rank(record: &Value, key: &SortKey) -> Option<Rank> {
    let ranks: Vec<Rank> = match key.target {
        Target::Id => vec![Rank::Text(id_of(record))],
        Target::Parameter(parameter) => values(record, parameter)
            .into_iter()
            .filter_map(|value| match value {
                Found::Text(text) => Some(Rank::Text(fold(&text))),
                Found::Token { code, .. } => Some(Rank::Text(code)),
                Found::Date(first, _) => Some(Rank::Ms(first)),
                Found::Number(number) => Some(Rank::Number(number)),
                _ => None,
            })
            .collect(),
    };
    ranks.into_iter().min_by(|a, b| in_direction(key, a, b))
}
