//! What clients of the hub write: one write, or a transaction of many, all of it or nothing.
//!
//! Everything that decides whether a write happens runs inside the one write transaction: versions, and the searches of
//! conditional writes. So nothing can come between a condition and the write that depends on it. The order is R4's
//! (http.html, "Transaction Processing Rules"): deletes, creates, updates and patches, then conditional references,
//! reads last.

mod parts;
mod run;
mod write;

pub use write::{Act, Asked, Done, Unfit, Write};

use super::audit::{AuditKind, Change};
use super::authorship::Author;
use super::concerned::{self, Writing};
use super::note::{Digested, Note, behind};
use super::policy::Action;
use super::{AccessError, Guard};
use crate::fhir::Reference;
use crate::fhir::links::Follower;
use crate::fhir::search::{Query, SortKey};
use crate::store::{Committed, Durability, Found, Reader, Record, StoreError, Version};
use parts::Part;
use run::Commit;
use std::collections::{HashMap, HashSet};

enum Match {
    None,
    One(Record),
    Several,
}

/// What happened inside the transaction, before it is told.
enum Raw {
    Written(Committed),
    Present(Box<Record>),
    Record(Box<Record>),
    Version(Box<Version>),
    /// And whose records they are.
    Found(Box<Found>, Vec<String>),
}

/// What became of each write, and whose the record was before.
type Outcome = (Vec<Option<Raw>>, Vec<Vec<String>>);

impl Guard {
    /// Commits one write by itself.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was stored.
    pub fn commit_one(&self, write: Write<'_>) -> Result<Done, AccessError> {
        let done = self.committed(&[write], false).map_err(|(_, e)| e)?;
        Ok(done.into_iter().next().unwrap_or(Done::Nothing))
    }

    /// Commits all of `writes` under one `lastUpdated`, or none of them: a transaction, whose entries may refer to each
    /// other. The answers stand in the order of the writes.
    ///
    /// # Errors
    /// The index of the write that was refused, and why.
    pub fn commit(&self, writes: &[Write<'_>]) -> Result<Vec<Done>, (usize, AccessError)> {
        self.committed(writes, true)
    }

    fn committed(
        &self,
        writes: &[Write<'_>],
        is_transaction: bool,
    ) -> Result<Vec<Done>, (usize, AccessError)> {
        let mut authors = Vec::with_capacity(writes.len());
        for (at, write) in writes.iter().enumerate() {
            authors.push(self.authors_of(write).map_err(|error| (at, error))?);
        }
        let mut at = 0;
        let result = self.noted_by_all(writes, &authors, || {
            self.write(Durability::Full, |tx| {
                let stamp = tx.next_stamp(self.shared.clock.now())?;
                let mut commit = Commit {
                    guard: self,
                    tx,
                    writes,
                    authors: &authors,
                    is_transaction,
                    stamp,
                    results: writes.iter().map(|_| None).collect(),
                    whose: vec![Vec::new(); writes.len()],
                    names: HashSet::new(),
                    links: HashMap::new(),
                    follower: Follower::default(),
                    visits: Vec::new(),
                    at: 0,
                };
                let ran = commit.run();
                at = commit.at;
                ran.map(|()| (commit.results, commit.whose))
            })
        });
        if let Err(AccessError::Change(refused)) = &result
            && let Some(write) = writes.get(at)
        {
            self.note_refused(&write.what(), refused.code())
                .map_err(|error| (at, error))?;
        }
        let results = result.map_err(|error| (at, error))?;
        let mut done = Vec::with_capacity(results.len());
        for (at, (result, write)) in results.into_iter().zip(writes).enumerate() {
            let told = self.told(result, write).map_err(|error| (at, error))?;
            done.push(told);
        }
        Ok(done)
    }

    /// The audit entries of everyone who takes part: the intents before the commit; behind it the revision, and what
    /// became of each write.
    fn noted_by_all(
        &self,
        writes: &[Write<'_>],
        authors: &[Vec<Author>],
        commit: impl FnOnce() -> Result<(Outcome, i64), AccessError>,
    ) -> Result<Vec<Option<Raw>>, AccessError> {
        let parts = Part::all(self, authors);
        let mut each: Vec<Writing> = self.read_for_device(|reader| {
            let intents = writes.iter().map(|write| write.intent(reader));
            intents.collect::<Result<_, StoreError>>()
        })?;
        for part in &parts {
            part.note(self, &each, AuditKind::Write, None)?;
        }
        let committed = commit();
        self.note_if_refused(&committed)?;
        let ((results, whose), revision) = committed?;
        for ((writing, raw), whose) in each.iter_mut().zip(&results).zip(&whose) {
            if let Some(Raw::Written(committed)) = raw {
                *writing = became(committed, whose);
            }
        }
        for part in &parts {
            behind(part.note(self, &each, AuditKind::Written, Some(revision)))?;
        }
        Ok(results)
    }

    /// The answer, written to the trail where it releases something.
    fn told(&self, result: Option<Raw>, write: &Write<'_>) -> Result<Done, AccessError> {
        let note = |what: &Reference, text: &str| {
            self.enter(Note {
                texts: Some(Digested::of([text])),
                patients: concerned::in_texts([text]),
                ..Note::of(AuditKind::Read, &what.to_string())
            })
        };
        Ok(match result {
            None => Done::Nothing,
            Some(Raw::Written(committed)) => Done::Written(committed),
            Some(Raw::Present(record)) => {
                note(&record.name.reference, &record.text)?;
                Done::Present(record)
            }
            Some(Raw::Record(record)) => {
                note(&record.name.reference, &record.text)?;
                Done::Record(record)
            }
            Some(Raw::Version(version)) => {
                note(&version.name, version.text.as_deref().unwrap_or_default())?;
                Done::Version(version)
            }
            Some(Raw::Found(found, patients)) => match &write.act {
                Act::Read(Asked::Search(query)) => Done::Page(Box::new(self.released(
                    Action::Search,
                    query,
                    *found,
                    patients,
                )?)),
                _ => Done::Nothing,
            },
        })
    }

    /// What a condition finds among what this person may see.
    fn matching(&self, reader: &Reader<'_>, query: &Query) -> Result<Match, AccessError> {
        if query.criteria.is_empty() {
            return Err(Unfit::NoCondition.into());
        }
        let two = Query {
            sort: SortKey::default_order(query.kind),
            count: 2,
            criteria: query.criteria.clone(),
            ..Query::all(query.kind)
        };
        let found = reader.search(&two, None, self.shared.clock.now())?;
        let mut records = found.records.into_iter();
        Ok(match (records.next(), records.next()) {
            (None, _) => Match::None,
            (Some(one), None) => Match::One(one),
            _ => Match::Several,
        })
    }
}

/// What the trail says of a write that is done.
fn became(committed: &Committed, whose: &[String]) -> Writing {
    let name = committed.name.to_string();
    let (what, change) = match &committed.text {
        None => (format!("delete {name}"), Change::Delete),
        Some(_) if committed.created => (name, Change::Create),
        Some(_) => (name, Change::Update),
    };
    let patients = concerned::in_texts(committed.text.as_deref());
    Writing {
        change: Some(change),
        patients: concerned::and(patients, whose),
        ..Writing::named(what)
    }
}
