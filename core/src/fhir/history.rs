//! What a history request asks for: `Patient/1/_history`, `Patient/_history`, `_history`, with its parameters.

use super::instant::Span;
use super::search::{InvalidQuery, MAX_COUNT};
use super::{Instant, Reference, ResourceType};
use std::fmt;

/// Versions a page holds when the request does not say.
const DEFAULT_COUNT: usize = 50;

/// A history request. Answers have the newest version first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Whose versions.
    pub scope: Scope,
    /// `_since`: versions made then or later.
    pub since: Option<Instant>,
    /// `_at`: versions that were the newest ones at some moment of this span.
    pub at: Option<Span>,
    /// `_count`: versions on a page.
    pub count: usize,
    /// `_cursor`: where the page before ended; sealed, see `access::cursor`.
    pub cursor: Option<String>,
}

/// Whose versions are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Of everything.
    All,
    /// Of one type.
    Kind(ResourceType),
    /// Of one record.
    Record(Reference),
}

impl HistoryQuery {
    /// Reads decoded parameters.
    ///
    /// # Errors
    /// [`InvalidQuery`] names what is wrong: a history that silently left out `_since` would download everything.
    pub fn from_parameters<N: AsRef<str>, V: AsRef<str>>(
        scope: Scope,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidQuery> {
        let mut query = Self {
            scope,
            since: None,
            at: None,
            count: DEFAULT_COUNT,
            cursor: None,
        };
        let mut seen = Vec::new();
        for (name, value) in parameters {
            let value = value.as_ref();
            let name = match name.as_ref() {
                "_since" => "_since",
                "_at" => "_at",
                "_count" => "_count",
                "_cursor" => "_cursor",
                other => {
                    let name = other.chars().take(80).collect();
                    return Err(InvalidQuery::Unknown { name });
                }
            };
            if seen.contains(&name) {
                return Err(InvalidQuery::Twice { name });
            }
            seen.push(name);
            let bad = |why: &str| InvalidQuery::Value {
                name: name.to_owned(),
                why: why.to_owned(),
            };
            match name {
                // Any precision: some clients send a date alone.
                "_since" => {
                    let span = Span::parse(value).map_err(|e| bad(&e.to_string()))?;
                    query.since = Some(span.first);
                }
                "_at" => {
                    query.at = Some(Span::parse(value).map_err(|e| bad(&e.to_string()))?);
                }
                "_count" => {
                    let count = value.parse().ok().filter(|n: &usize| *n >= 1);
                    let count = count.ok_or_else(|| bad("expected a number of at least 1"))?;
                    query.count = count.min(MAX_COUNT);
                }
                _ => query.cursor = Some(value.to_owned()),
            }
        }
        Ok(query)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("_history"),
            Self::Kind(kind) => write!(f, "{kind}/_history"),
            Self::Record(name) => write!(f, "{name}/_history"),
        }
    }
}

/// As in a URL below the base; parses to the same query.
impl fmt::Display for HistoryQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parameters = form_urlencoded::Serializer::new(String::new());
        if let Some(since) = self.since {
            parameters.append_pair("_since", &since.to_string());
        }
        if let Some(at) = self.at {
            parameters.append_pair("_at", &at.written());
        }
        parameters.append_pair("_count", &self.count.to_string());
        if let Some(cursor) = &self.cursor {
            parameters.append_pair("_cursor", cursor);
        }
        write!(f, "{}?{}", self.scope, parameters.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(scope: Scope, text: &str) -> Result<HistoryQuery, InvalidQuery> {
        HistoryQuery::from_parameters(scope, form_urlencoded::parse(text.as_bytes()))
    }

    #[test]
    fn printed_and_read_back() {
        let name = Reference::parse("Patient/a").unwrap();
        for text in [
            "",
            "_since=2026-11-24T06:40:03.123Z",
            "_since=2026",
            "_at=2026-11",
            "_at=2026-11-24&_count=7",
            "_at=2026-11-24T10:00:01.5%2B02:00",
            "_cursor=abc-_",
        ] {
            let query = parse(Scope::Record(name.clone()), text).unwrap();
            let printed = query.to_string();
            let (path, rest) = printed.split_once('?').unwrap();
            assert_eq!(path, "Patient/a/_history");
            assert_eq!(
                parse(Scope::Record(name.clone()), rest).unwrap(),
                query,
                "{text}"
            );
        }
        assert_eq!(parse(Scope::All, "_count=100000").unwrap().count, MAX_COUNT);
        assert_eq!(Scope::Kind(name.kind).to_string(), "Patient/_history");
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, words) in [
            ("_sinc=2026", "_sinc"),
            ("_since=yesterday", "_since"),
            ("_count=0", "_count"),
            ("_count=1&_count=2", "_count stands twice"),
            ("_list=1", "_list"),
        ] {
            let error = parse(Scope::All, text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
