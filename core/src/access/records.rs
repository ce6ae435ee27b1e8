//! What people do with records on a device: read, search, write, delete.

use super::audit::AuditKind;
use super::change::Signer;
use super::cursor::FirstPage;
use super::guard::Digested;
use super::{AccessError, Guard, cursor};
use crate::fhir::search::Query;
use crate::fhir::{Reference, Resource};
use crate::rng;
use crate::store::{Author, Durability, Found, PeerId, Record, RecordName, Saved, Signs};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One page of a search.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its records, in order.
    pub records: Vec<Record>,
    /// What `_include` and `_revinclude` bring along; none of the records above.
    pub included: Vec<Record>,
    /// Number of all matches, with `_total=accurate`.
    pub total: Option<u64>,
    /// The query of the next page; `None` on the last one.
    pub next: Option<Query>,
}

impl Guard {
    /// The record called `name`. `None`: there is none here.
    ///
    /// # Errors
    /// [`AccessError`]; an ambiguous name (several servers) is one.
    pub fn get(&self, name: &Reference) -> Result<Option<Record>, AccessError> {
        let record = self.read(|reader| match reader.find(name)? {
            Some(whole) => reader.record(&whole),
            None => Ok::<_, crate::store::StoreError>(None),
        })?;
        // Also a look-up that finds nothing: asking is an act.
        let found = Digested::of(record.iter().map(|record| record.text.as_str()));
        self.note(AuditKind::Read, &name.to_string(), Some(found), None)?;
        Ok(record)
    }

    /// One page of a search.
    ///
    /// # Errors
    /// [`AccessError`]; a page link that is not from this search is one.
    pub fn search(&self, query: &Query) -> Result<Page, AccessError> {
        let after = query.cursor.as_deref();
        let after = after
            .map(|sealed| self.unsealed(query, sealed))
            .transpose()?;
        let now = self.shared.clock.now();
        let found = self.read(|reader| reader.search(query, after.as_ref(), now))?;
        self.released(query, found)
    }

    /// What was found, as it goes out: its link sealed, and written to the trail.
    pub(super) fn released(&self, query: &Query, found: Found) -> Result<Page, AccessError> {
        let mut next = None;
        if let Some(position) = &found.next {
            let cursor = Some(self.sealed(query, position)?);
            next = Some(Query {
                cursor,
                ..query.clone()
            });
        }
        let released = found
            .records
            .iter()
            .chain(&found.included)
            .map(|r| r.text.as_str());
        self.note(
            AuditKind::Search,
            &query.first_page(),
            Some(Digested::of(released)),
            None,
        )?;
        Ok(Page {
            records: found.records,
            included: found.included,
            total: found.total,
            next,
        })
    }

    /// The place a page ended at, for this person alone.
    pub(super) fn sealed(
        &self,
        query: &impl FirstPage,
        position: &impl Serialize,
    ) -> Result<String, AccessError> {
        let person = self.actor.person.id();
        self.with_open(|open| Ok(cursor::seal(&open.cursor_key, person, query, position)?))
    }

    /// The place a page starts at.
    pub(super) fn unsealed<P: DeserializeOwned>(
        &self,
        query: &impl FirstPage,
        sealed: &str,
    ) -> Result<P, AccessError> {
        let person = self.actor.person.id();
        self.with_open(|open| Ok(cursor::open(&open.cursor_key, person, query, sealed)?))
    }

    /// How the store would find a first page: the plans of its statements. Nothing is released.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn explain(&self, query: &Query) -> Result<Vec<String>, AccessError> {
        let now = self.shared.clock.now();
        self.read(|reader| reader.explain(query, now))
    }

    /// Stores what this person wrote, and queues it for the server it belongs to.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was stored.
    pub fn put(&self, resource: &Resource<'_>) -> Result<Saved, AccessError> {
        let (change_id, signer) = (rng::make_uuid()?, self.signer()?);
        self.written(&resource.name().to_string(), |guard| {
            guard.write(Durability::Full, |tx| {
                let peer = match tx.find(resource.name())? {
                    Some(name) => name.peer,
                    // Written again after a deletion that waits: it goes back to where it was.
                    None => tx.edited_on(resource.name())?.unwrap_or(PeerId::FIRST),
                };
                tx.put_local(peer, resource, guard.author(&change_id, signer.as_ref()))
            })
        })
    }

    /// Deletes a record, and queues the deletion. `None`: there is no such record.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was deleted.
    pub fn delete(&self, name: &Reference) -> Result<Option<Saved>, AccessError> {
        let (change_id, signer) = (rng::make_uuid()?, self.signer()?);
        self.written(&format!("delete {name}"), |guard| {
            guard.write(Durability::Full, |tx| match tx.find(name)? {
                Some(whole) => tx.delete_local(&whole, guard.author(&change_id, signer.as_ref())),
                None => Ok(None),
            })
        })
    }

    /// A write with its two audit entries: the intent before it, the revision after it.
    pub(super) fn written<R, E: Into<AccessError>>(
        &self,
        what: &str,
        write: impl FnOnce(&Self) -> Result<(R, i64), E>,
    ) -> Result<R, AccessError> {
        self.note(AuditKind::Write, what, None, None)?;
        let (answer, revision) = write(self).map_err(Into::into)?;
        match self.note(AuditKind::Written, what, None, Some(revision)) {
            Ok(()) => Ok(answer),
            Err(AccessError::Audit(error)) => Err(AccessError::StoredUnnoted(error)),
            Err(other) => Err(other),
        }
    }

    pub(super) fn author<'a>(
        &'a self,
        change_id: &'a str,
        signer: Option<&'a Signer>,
    ) -> Author<'a> {
        Author {
            signer: signer.map(|signer| signer as &dyn Signs),
            person: self.actor.person.id(),
            change_id,
            at_ms: self.shared.clock.now().epoch_ms(),
        }
    }

    /// `Type/id` as a whole name on the first server.
    pub(super) fn on_first_peer(name: &Reference) -> RecordName {
        RecordName {
            peer: PeerId::FIRST,
            reference: name.clone(),
        }
    }
}
