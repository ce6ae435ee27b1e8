//! What people do with records on a device: read, search, write, delete.

use super::audit::AuditKind;
use super::change::Signer;
use super::concerned::{self, Writing};
use super::cursor::FirstPage;
use super::note::{Digested, Note};
use super::policy::{Action, Judged, VaultAction, Wish};
use super::{AccessError, Guard, cursor};
use crate::fhir::search::Query;
use crate::fhir::{Reference, Resource};
use crate::rng;
use crate::store::{
    Author, Durability, Found, PeerId, Record, RecordName, Saved, Signs, StoreError,
};
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
    /// The record called `name`. `None`: there is none here that this person may read.
    ///
    /// # Errors
    /// [`AccessError`]; an ambiguous name (several servers) is one.
    pub fn get(&self, name: &Reference) -> Result<Option<Record>, AccessError> {
        self.must_at_all(Action::Read, name.kind)?;
        let (record, patients) = self.read(|reader| {
            // Whoever holds a record by the name it had before its server gave it another still finds it.
            let place = match (reader.find(name)?, reader.renamed(name)?) {
                (None, Some(name)) => reader.find(&name)?,
                (place, _) => place,
            };
            let record = match place {
                Some(whole) => reader.record(&whole)?,
                None => None,
            };
            let patients = concerned::on(reader, &record)?;
            Ok::<_, StoreError>((record, patients))
        })?;
        // Also a look-up that finds nothing: asking is an act.
        let found = Digested::of(record.iter().map(|record| record.text.as_str()));
        self.enter(Note {
            texts: Some(found),
            patients,
            ..Note::of(AuditKind::Read, &name.to_string())
        })?;
        Ok(record)
    }

    /// One page of a search.
    ///
    /// # Errors
    /// [`AccessError`]; a page link that is not from this search is one.
    pub fn search(&self, query: &Query) -> Result<Page, AccessError> {
        self.search_where(Action::Search, query)
    }

    /// As [`Guard::search`], of what this person may see where `action` is done.
    pub(crate) fn search_where(&self, action: Action, query: &Query) -> Result<Page, AccessError> {
        self.must_at_all(action, query.kind)?;
        let after = query.cursor.as_deref();
        let after = after
            .map(|sealed| self.unsealed(action, query, sealed))
            .transpose()?;
        let now = self.shared.clock.now();
        let (found, patients) = self.read_where(action, |reader| {
            let found = reader.search(query, after.as_ref(), now)?;
            let all = found.records.iter().chain(&found.included);
            let patients = concerned::on(reader, all)?;
            Ok::<_, StoreError>((found, patients))
        })?;
        self.released(action, query, found, patients)
    }

    /// What was found, as it goes out: its link sealed, and written to the trail. `patients`: whose records they are.
    pub(super) fn released(
        &self,
        action: Action,
        query: &Query,
        found: Found,
        patients: Vec<String>,
    ) -> Result<Page, AccessError> {
        let mut next = None;
        if let Some(position) = &found.next {
            let cursor = Some(self.sealed(action, query, position)?);
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
        self.enter(Note {
            texts: Some(Digested::of(released)),
            patients,
            ..Note::of(AuditKind::Search, &query.first_page())
        })?;
        Ok(Page {
            records: found.records,
            included: found.included,
            total: found.total,
            next,
        })
    }

    /// The place a page ended at, for this session alone.
    pub(super) fn sealed(
        &self,
        action: Action,
        query: &impl FirstPage,
        position: &impl Serialize,
    ) -> Result<String, AccessError> {
        let version = self.in_force().version();
        self.with_open(|open| {
            let bound = cursor::bound_to(&self.actor, action, version, query);
            Ok(cursor::seal(&open.cursor_key, &bound, position)?)
        })
    }

    /// The place a page starts at.
    pub(super) fn unsealed<P: DeserializeOwned>(
        &self,
        action: Action,
        query: &impl FirstPage,
        sealed: &str,
    ) -> Result<P, AccessError> {
        let version = self.in_force().version();
        self.with_open(|open| {
            let bound = cursor::bound_to(&self.actor, action, version, query);
            Ok(cursor::open(&open.cursor_key, &bound, sealed)?)
        })
    }

    /// How the store would find a first page: the plans of its statements. Nothing is released. Which way it goes is
    /// decided by how many rows there are, whoever may see them, so this is for those who look after the vault.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn explain(&self, query: &Query) -> Result<Vec<String>, AccessError> {
        self.must(VaultAction::Upkeep)?;
        let now = self.shared.clock.now();
        self.read_where(Action::Search, |reader| reader.explain(query, now))
    }

    /// Stores what this person wrote, and queues it for the server it belongs to.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was stored.
    pub fn put(&self, resource: &Resource<'_>) -> Result<Saved, AccessError> {
        let saved = self.put_together(std::slice::from_ref(resource))?;
        // One was given.
        Ok(saved.into_iter().next().unwrap_or(Saved::Unchanged))
    }

    /// As [`Guard::put`], for records that belong together, such as an Appointment and its Slot: all of them, or none, and
    /// in one transaction for their server too.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was stored.
    pub fn put_together(&self, resources: &[Resource<'_>]) -> Result<Vec<Saved>, AccessError> {
        let signer = self.signer()?;
        let ids = resources.iter().map(|_| rng::make_uuid());
        let ids: Vec<String> = ids.collect::<Result<_, _>>()?;
        let writing = self.read_for_device(|reader| Writing::of_puts(reader, resources))?;
        self.written_as(&writing, |guard| {
            guard.write(Durability::Full, |tx| {
                let mut wishes = Vec::with_capacity(resources.len());
                for resource in resources {
                    let name = resource.name().clone();
                    let peer = match tx.place_of(&name)? {
                        Some(name) => name.peer,
                        // Written again after a deletion that waits: it goes back to where it was.
                        None => tx.edited_on(&name)?.unwrap_or(PeerId::FIRST),
                    };
                    wishes.push(Wish {
                        name: RecordName {
                            peer,
                            reference: name,
                        },
                        new: Some(resource),
                        actor: &guard.actor,
                        expects_version: false,
                    });
                }
                guard
                    .judge(tx, false, &wishes)
                    .map_err(|(_, error)| error)?;
                let mut saved = Vec::with_capacity(resources.len());
                let together = ids.first().filter(|_| ids.len() > 1);
                for ((wish, resource), id) in wishes.iter().zip(resources).zip(&ids) {
                    let author = Author {
                        together: together.map(String::as_str),
                        ..guard.author(id, signer.as_ref())
                    };
                    saved.push(tx.put_local(wish.name.peer, resource, author)?);
                }
                Ok::<_, AccessError>(saved)
            })
        })
    }

    /// Deletes a record, and queues the deletion. `None`: there is no such record.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was deleted.
    pub fn delete(&self, name: &Reference) -> Result<Option<Saved>, AccessError> {
        let (change_id, signer) = (rng::make_uuid()?, self.signer()?);
        let writing = self.read_for_device(|reader| Writing::of_delete(reader, name))?;
        self.written_as(&writing, |guard| {
            guard.write(Durability::Full, |tx| {
                let whole = tx.place_of(name)?;
                let whole = whole.unwrap_or_else(|| Self::on_first_peer(name));
                let wish = Wish {
                    name: whole.clone(),
                    new: None,
                    actor: &guard.actor,
                    expects_version: false,
                };
                let judged = guard.judge(tx, false, &[wish]);
                if judged.map_err(|(_, error)| error)? == [Judged::Absent] {
                    return Ok::<_, AccessError>(None);
                }
                Ok(tx.delete_local(&whole, guard.author(&change_id, signer.as_ref()))?)
            })
        })
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
            together: None,
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
