//! Old versions, read for a client of the hub.

use super::audit::AuditKind;
use super::concerned;
use super::cursor::FirstPage;
use super::note::{Digested, Note};
use super::policy::Action;
use super::{AccessError, Guard};
use crate::fhir::history::{HistoryQuery, Scope};
use crate::fhir::{Instant, Reference};
use crate::store::Version;

/// One page of a history.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// Its versions, the newest first.
    pub versions: Vec<Version>,
    /// The request of the next page; `None` on the last one.
    pub next: Option<HistoryQuery>,
}

impl Guard {
    /// One version of a record, be it a deletion; `None`: there is no such version.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn version(&self, name: &Reference, number: u64) -> Result<Option<Version>, AccessError> {
        self.must_at_all(Action::History, name.kind)?;
        let version = self.read_where(Action::History, |reader| reader.version(name, number))?;
        let text = version.as_ref().and_then(|version| version.text.as_deref());
        let what = format!("{name}/_history/{number}");
        self.enter(Note {
            patients: concerned::in_texts(text),
            texts: Some(Digested::of(text)),
            ..Note::of(AuditKind::Read, &what)
        })?;
        Ok(version)
    }

    /// One page of a history.
    ///
    /// # Errors
    /// [`AccessError`]; a page link that is not from this history is one.
    pub fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, AccessError> {
        match &query.scope {
            Scope::All => self.must_somewhere(Action::History)?,
            Scope::Kind(kind) => self.must_at_all(Action::History, *kind)?,
            Scope::Record(name) => self.must_at_all(Action::History, name.kind)?,
        }
        let after = query.cursor.as_deref();
        let after = after
            .map(|sealed| self.unsealed(Action::History, query, sealed))
            .transpose()?;
        let (versions, end) = self.read_where(Action::History, |reader| {
            reader.history(query, after.as_ref())
        })?;
        let next = match &end {
            None => None,
            Some(position) => Some(HistoryQuery {
                cursor: Some(self.sealed(Action::History, query, position)?),
                ..query.clone()
            }),
        };
        let texts = versions
            .iter()
            .filter_map(|version| version.text.as_deref());
        let what = query.first_page();
        self.enter(Note {
            patients: concerned::in_texts(texts.clone()),
            texts: Some(Digested::of(texts)),
            ..Note::of(AuditKind::Search, &what)
        })?;
        Ok(HistoryPage { versions, next })
    }

    /// Whether a record has several versions of the second that `at` lies in. Releases nothing of them.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn changed_twice_in_a_second(
        &self,
        name: &Reference,
        at: Instant,
    ) -> Result<bool, AccessError> {
        self.read(|reader| reader.changed_twice_in_a_second(name, at))
    }
}
