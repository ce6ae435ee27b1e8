//! The FHIR search string as a typed query: parse, print, and the same again.
//!
//! This version knows `_id`, `_lastUpdated`, `patient`, `_sort` by `_lastUpdated` and `_count`. Whatever else is asked
//! is an error that names it: a filter that is silently ignored hands out records nobody asked for.

mod decimal;
mod escape;
pub mod model;

pub use decimal::{Decimal, InvalidDecimal};

use super::instant::Span;
use super::{Instant, ResourceId, ResourceType};
use std::fmt;

/// Records a page holds when the query does not say.
pub const DEFAULT_COUNT: usize = 50;
/// Records a page holds at most, whatever the query says.
pub const MAX_COUNT: usize = 1000;

/// A search over one resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The type searched.
    pub kind: ResourceType,
    /// `_id`: any of these. Empty: all.
    pub ids: Vec<ResourceId>,
    /// `patient`: records about this one.
    pub patient: Option<ResourceId>,
    /// `_lastUpdated`: every one of these must hold.
    pub last_updated: Vec<Bound>,
    /// `_sort=-_lastUpdated`: newest first. Ties are in the order of ids, which `_sort=_lastUpdated,_id` states.
    pub newest_first: bool,
    /// `_count`, 1 to [`MAX_COUNT`].
    pub count: usize,
    /// `_cursor`: where the page before ended; sealed, see `access::cursor`.
    pub cursor: Option<String>,
}

/// One bound on a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    prefix: Prefix,
    text: String,
    span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
}

/// Why a search string is refused. Names the parameter, never repeats a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// The part before `?` is no R4 resource type.
    #[error("the search must start with a FHIR R4 resource type, such as Patient?_id=1")]
    Type,
    /// FHIR R4 has no such parameter for this type.
    #[error("unknown search parameter {name}")]
    Unknown {
        /// As it was written.
        name: String,
    },
    /// FHIR has it; this version does not answer it yet.
    #[error("{name} is not supported yet")]
    Unsupported {
        /// As it was written.
        name: String,
    },
    /// The value does not fit.
    #[error("{name}: {why}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What would fit.
        why: String,
    },
    /// A parameter that takes one value stands twice.
    #[error("{name} stands twice")]
    Twice {
        /// The parameter.
        name: &'static str,
    },
}

impl Query {
    /// All records of a type, oldest change first.
    pub fn all(kind: ResourceType) -> Self {
        Self {
            kind,
            ids: Vec::new(),
            patient: None,
            last_updated: Vec::new(),
            newest_first: false,
            count: DEFAULT_COUNT,
            cursor: None,
        }
    }

    /// Reads `Type?name=value&...`, percent-encoded as in a URL.
    ///
    /// # Errors
    /// [`InvalidQuery`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidQuery> {
        let (kind, parameters) = text.split_once('?').unwrap_or((text, ""));
        let kind = ResourceType::named(kind).ok_or(InvalidQuery::Type)?;
        Self::from_parameters(kind, form_urlencoded::parse(parameters.as_bytes()))
    }

    /// Reads decoded parameters.
    ///
    /// # Errors
    /// [`InvalidQuery`] names what is wrong.
    pub fn from_parameters<N: AsRef<str>, V: AsRef<str>>(
        kind: ResourceType,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidQuery> {
        let mut query = Self::all(kind);
        let mut seen: Vec<&'static str> = Vec::new();
        for (name, value) in parameters {
            query.take(name.as_ref(), value.as_ref(), &mut seen)?;
        }
        Ok(query)
    }

    fn take(
        &mut self,
        name: &str,
        value: &str,
        seen: &mut Vec<&'static str>,
    ) -> Result<(), InvalidQuery> {
        let mut once = |name: &'static str| {
            if seen.contains(&name) {
                return Err(InvalidQuery::Twice { name });
            }
            seen.push(name);
            Ok(())
        };
        match name {
            "_id" => {
                once("_id")?;
                self.ids = value
                    .split(',')
                    .map(|id| id_of("_id", id))
                    .collect::<Result<_, _>>()?;
            }
            "patient" if self.kind.is_about_a_patient() && self.kind.name() != "Patient" => {
                once("patient")?;
                let id = value.strip_prefix("Patient/").unwrap_or(value);
                self.patient = Some(id_of("patient", id)?);
            }
            "_lastUpdated" => self.last_updated.push(Bound::parse(value)?),
            "_sort" => {
                once("_sort")?;
                self.newest_first = match value {
                    "_lastUpdated" | "_lastUpdated,_id" => false,
                    "-_lastUpdated" | "-_lastUpdated,-_id" => true,
                    _ => {
                        return Err(InvalidQuery::Unsupported {
                            name: "_sort by anything but _lastUpdated".into(),
                        });
                    }
                };
            }
            "_count" => {
                once("_count")?;
                let wanted = value.parse().ok().filter(|n: &usize| *n >= 1);
                let why = "expected a number of at least 1".to_owned();
                self.count = wanted
                    .ok_or(InvalidQuery::Value {
                        name: "_count",
                        why,
                    })?
                    .min(MAX_COUNT);
            }
            "_cursor" => {
                once("_cursor")?;
                self.cursor = Some(value.to_owned());
            }
            _ => {
                let name: String = name.chars().take(80).collect();
                let known = name.contains([':', '.']) || PLANNED.contains(&name.as_str());
                return Err(if known {
                    InvalidQuery::Unsupported { name }
                } else {
                    InvalidQuery::Unknown { name }
                });
            }
        }
        Ok(())
    }

    /// `[low, high)` in ms since 1970 that `_lastUpdated` leaves.
    pub fn last_updated_ms(&self) -> (i64, i64) {
        let (mut low, mut high) = (i64::MIN, i64::MAX);
        for Bound { prefix, span, .. } in &self.last_updated {
            let (first, end) = (span.first.epoch_ms(), span.end.epoch_ms());
            match prefix {
                Prefix::Eq => (low, high) = (low.max(first), high.min(end)),
                Prefix::Ge => low = low.max(first),
                Prefix::Gt => low = low.max(end),
                Prefix::Le => high = high.min(end),
                Prefix::Lt => high = high.min(first),
            }
        }
        (low, high)
    }
}

/// The query as a search string that parses to the same query.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parameters = form_urlencoded::Serializer::new(String::new());
        if !self.ids.is_empty() {
            let ids: Vec<&str> = self.ids.iter().map(ResourceId::as_str).collect();
            parameters.append_pair("_id", &ids.join(","));
        }
        if let Some(patient) = &self.patient {
            parameters.append_pair("patient", patient.as_str());
        }
        for bound in &self.last_updated {
            parameters.append_pair(
                "_lastUpdated",
                &format!("{}{}", bound.prefix.text(), bound.text),
            );
        }
        parameters.append_pair(
            "_sort",
            if self.newest_first {
                "-_lastUpdated,-_id"
            } else {
                "_lastUpdated,_id"
            },
        );
        parameters.append_pair("_count", &self.count.to_string());
        if let Some(cursor) = &self.cursor {
            parameters.append_pair("_cursor", cursor);
        }
        write!(f, "{}?{}", self.kind, parameters.finish())
    }
}

impl Bound {
    /// At or after `at`.
    pub fn since(at: Instant) -> Self {
        let end = Instant::from_epoch_ms(at.epoch_ms() + 1);
        Self {
            prefix: Prefix::Ge,
            text: at.to_string(),
            span: Span { first: at, end },
        }
    }

    fn parse(value: &str) -> Result<Self, InvalidQuery> {
        let (prefix, text) = match value.split_at_checked(2) {
            Some(("eq", rest)) => (Prefix::Eq, rest),
            Some(("ge", rest)) => (Prefix::Ge, rest),
            Some(("gt", rest)) => (Prefix::Gt, rest),
            Some(("le", rest)) => (Prefix::Le, rest),
            Some(("lt", rest)) => (Prefix::Lt, rest),
            Some((other @ ("ne" | "sa" | "eb" | "ap"), _)) => {
                return Err(InvalidQuery::Unsupported {
                    name: format!("the prefix {other} of _lastUpdated"),
                });
            }
            _ => (Prefix::Eq, value),
        };
        if text.contains(',') {
            return Err(InvalidQuery::Unsupported {
                name: "a list of values of _lastUpdated".into(),
            });
        }
        let span = Span::parse(text).map_err(|e| InvalidQuery::Value {
            name: "_lastUpdated",
            why: e.to_string(),
        })?;
        Ok(Self {
            prefix,
            text: text.to_owned(),
            span,
        })
    }
}

impl Prefix {
    fn text(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ge => "ge",
            Self::Gt => "gt",
            Self::Le => "le",
            Self::Lt => "lt",
        }
    }
}

fn id_of(name: &'static str, text: &str) -> Result<ResourceId, InvalidQuery> {
    ResourceId::new(text).map_err(|e| InvalidQuery::Value {
        name,
        why: e.to_string(),
    })
}

/// Parameters of every R4 type that this version does not answer yet.
const PLANNED: [&str; 14] = [
    "_content",
    "_elements",
    "_filter",
    "_has",
    "_include",
    "_list",
    "_profile",
    "_query",
    "_revinclude",
    "_security",
    "_summary",
    "_tag",
    "_text",
    "_total",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_prints_as_what_it_was_read_from() {
        let text = "Observation?patient=Patient/7&_lastUpdated=ge2026-11-24T06:40:03%2B01:00&_lastUpdated=lt2027&_sort=-_lastUpdated&_count=5000";
        let query = Query::parse(text).unwrap();
        assert_eq!(query.patient.as_ref().unwrap().as_str(), "7");
        assert_eq!(query.count, MAX_COUNT);
        assert!(query.newest_first);
        assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
    }

    #[test]
    fn prefixes_cut_the_range_as_r4_says() {
        let range = |v: &str| {
            Query::parse(&format!("Basic?_lastUpdated={v}"))
                .unwrap()
                .last_updated_ms()
        };
        let (day, next) = (1_767_225_600_000, 1_767_312_000_000);
        assert_eq!(range("2026-01-01"), (day, next));
        assert_eq!(range("ge2026-01-01"), (day, i64::MAX));
        assert_eq!(range("gt2026-01-01"), (next, i64::MAX));
        assert_eq!(range("le2026-01-01"), (i64::MIN, next));
        assert_eq!(range("lt2026-01-01"), (i64::MIN, day));
    }

    #[test]
    fn what_is_not_answered_is_named() {
        let refusal = |text: &str| Query::parse(text).unwrap_err().to_string();
        assert_eq!(refusal("Patient?nam=x"), "unknown search parameter nam");
        assert_eq!(
            refusal("Patient?patient=1"),
            "unknown search parameter patient"
        );
        assert_eq!(
            refusal("Organization?patient=1"),
            "unknown search parameter patient"
        );
        assert_eq!(
            refusal("Patient?name:exact=x"),
            "name:exact is not supported yet"
        );
        assert_eq!(
            refusal("Observation?subject.name=x"),
            "subject.name is not supported yet"
        );
        assert_eq!(
            refusal("Patient?_total=accurate"),
            "_total is not supported yet"
        );
        assert_eq!(
            refusal("Patient?_sort=birthdate"),
            "_sort by anything but _lastUpdated is not supported yet"
        );
        assert_eq!(
            refusal("Patient?_lastUpdated=ne2026"),
            "the prefix ne of _lastUpdated is not supported yet"
        );
        assert_eq!(
            refusal("Patient?_count=0"),
            "_count: expected a number of at least 1"
        );
        assert_eq!(refusal("Patient?_id=1&_id=2"), "_id stands twice");
        assert!(
            refusal("Patient?_lastUpdated=yesterday").starts_with("_lastUpdated: not a FHIR date")
        );
        assert!(refusal("Pat?x=1").starts_with("the search must start with"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_prints_the_same(
            kind in "(Patient|Observation|X)",
            rest in "(\\?((_id|_lastUpdated|_sort|_count|patient|_cursor|[a-z:._]{0,6})=([a-zA-Z0-9,:%+.-]{0,12}|(ge|lt|)20[0-9]{2}(-[01][0-9])?)&?){0,4})?"
        ) {
            if let Ok(query) = Query::parse(&format!("{kind}{rest}")) {
                prop_assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
            }
        }
    }
}
