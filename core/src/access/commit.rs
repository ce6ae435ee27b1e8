//! What clients of the hub write: one write, or a transaction of many, all of it or nothing.
//!
//! Everything that decides whether a write happens runs inside the one write transaction: versions, and the searches of
//! conditional writes. So nothing can come between a condition and the write that depends on it. The order is R4's
//! (http.html, "Transaction Processing Rules"): deletes, creates, updates and patches, then conditional references,
//! reads last.

use super::audit::{AuditKind, Change};
use super::authorship::{self, Author};
use super::concerned::{self, Writing};
use super::note::{Digested, Note};
use super::policy::{Action, Judged, Wish, books};
use super::records::Page;
use super::{AccessError, Actor, Guard};
use crate::fhir::links::{Follower, Target, is_urn, with_id};
use crate::fhir::patch::{Patch, PatchError};
use crate::fhir::search::{InvalidQuery, Query, SortKey};
use crate::fhir::{InvalidResource, Reference, Resource, ResourceId, strict};
use crate::rng;
use crate::store::{
    Committed, Durability, Found, Precondition, Reader, Record, Refused, StoreError, Tx, Version,
};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// One request of a client that is committed: by itself, or as an entry of a transaction.
#[derive(Debug)]
pub struct Write<'a> {
    /// What is done.
    pub act: Act<'a>,
    /// What must hold.
    pub condition: Precondition,
    /// The signed change record that came with it.
    pub change: Option<Cow<'a, str>>,
    /// What other entries of the transaction call the record (`Bundle.entry.fullUrl`).
    pub full_url: Option<Cow<'a, str>>,
}

/// What a request does.
#[derive(Debug)]
pub enum Act<'a> {
    /// Create or update: the resource as it was sent.
    Put(Resource<'a>),
    /// Update what the query finds, or create.
    PutFound {
        /// Finds at most one record.
        query: Query,
        /// The resource as it was sent, of the query's type.
        text: Cow<'a, str>,
        /// The id that it was sent with.
        id: Option<ResourceId>,
    },
    /// Create under an id of ours.
    Create {
        /// The resource as it was sent; an id in it is replaced.
        text: Cow<'a, str>,
        /// Only if this finds nothing.
        unless: Option<Query>,
    },
    /// Change parts.
    Patch {
        /// The record.
        name: Reference,
        /// How.
        patch: Patch,
    },
    /// Change parts of what the query finds.
    PatchFound {
        /// Finds one record.
        query: Query,
        /// How.
        patch: Patch,
    },
    /// Delete.
    Delete(Reference),
    /// Delete what the query finds.
    DeleteFound(Query),
    /// Read, after everything else of the transaction.
    Read(Asked),
}

/// What a read in a transaction asks for.
#[derive(Debug, Clone)]
pub enum Asked {
    /// A record.
    Record(Reference),
    /// One version of a record.
    Version(Reference, u64),
    /// The first page of a search.
    Search(Query),
}

/// What became of a request.
#[derive(Debug)]
pub enum Done {
    /// It was stored, or deleted.
    Written(Committed),
    /// A conditional create found this one, so nothing was stored.
    Present(Box<Record>),
    /// A delete found nothing to delete.
    Nothing,
    /// A record that was read.
    Record(Box<Record>),
    /// A version that was read.
    Version(Box<Version>),
    /// A page that was searched.
    Page(Box<Page>),
}

/// Why a request does not fit what is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A condition that must find one record finds several.
    #[error("the condition matches more than one record; nothing was done")]
    Several,
    /// A condition that must find a record finds none.
    #[error("the condition matches no record")]
    NoMatch,
    /// A record that must be there is not.
    #[error("{0} is not known")]
    Unknown(Reference),
    /// A record that must be there is deleted.
    #[error("{0} is deleted")]
    Gone(Reference),
    /// A conditional update brings another id than what it finds has.
    #[error("the resource has another id than the record that matches")]
    OtherId,
    /// R4: "If any resource identities overlap, the transaction SHALL fail".
    #[error("{0} stands twice in one transaction")]
    Twice(Reference),
    /// Two entries have the same `fullUrl`.
    #[error("two entries have the same fullUrl")]
    SameFullUrl,
    /// A conditional reference finds no record, or several.
    #[error("a conditional reference matches {}", if *several { "more than one record" } else { "no record" })]
    Reference {
        /// More than one.
        several: bool,
    },
    /// A conditional reference is no search.
    #[error("a conditional reference: {0}")]
    ReferenceQuery(InvalidQuery),
    /// A search without parameters finds everything.
    #[error("a condition needs at least one search parameter")]
    NoCondition,
    /// The patch.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// A text whose conditional references are still to be looked up: of which write, and what stood there.
type Asking = (usize, String, Option<String>);

enum Match {
    None,
    One(Record),
    Several,
}

/// What a write will do, once conditions are looked up.
enum Plan<'a> {
    Settled,
    Put(Reference, Cow<'a, str>),
    Patch(Reference, &'a Patch),
}

/// One who takes part in a commit, as one who acts, and in which of its writes.
struct Part {
    guard: Guard,
    writes: Vec<usize>,
}

impl Part {
    /// All of them. Whoever hands a signed change on does not take part in it.
    fn all(caller: &Guard, authors: &[Vec<Author>]) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for (at, authors) in authors.iter().enumerate() {
            let actors: Vec<&Actor> = match authors.as_slice() {
                [] => vec![caller.actor()],
                signed => signed.iter().map(|author| &author.actor).collect(),
            };
            for actor in actors {
                match parts.iter_mut().find(|part| part.guard.actor() == actor) {
                    Some(part) => part.writes.push(at),
                    None => parts.push(Self {
                        guard: caller.acting_as(actor.clone()),
                        writes: vec![at],
                    }),
                }
            }
        }
        if parts.is_empty() {
            parts.push(Self {
                guard: caller.clone(),
                writes: Vec::new(),
            });
        }
        parts
    }

    /// Notes this part of `each` write.
    fn note(
        &self,
        caller: &Guard,
        each: &[Writing],
        kind: AuditKind,
        revision: Option<i64>,
    ) -> Result<(), AccessError> {
        let writing = match self.writes[..] {
            [one] => each[one].clone(),
            ref many => {
                let patients = many.iter().flat_map(|at| each[*at].patients.clone());
                Writing {
                    patients: concerned::and(patients.collect(), &[]),
                    ..Writing::named(format!("transaction of {}", many.len()))
                }
            }
        };
        let via = caller.person();
        self.guard.enter(Note {
            revision,
            via: (via != self.guard.person()).then(|| via.id()),
            ..writing.note(kind)
        })
    }
}

impl Write<'_> {
    /// The record and the exact bytes that a signed change can be about; `None` for the bytes: a deletion.
    pub(super) fn exact(&self) -> Option<(&Reference, Option<&str>)> {
        match &self.act {
            Act::Put(resource) => Some((resource.name(), Some(resource.text()))),
            Act::Delete(name) => Some((name, None)),
            _ => None,
        }
    }

    /// What is known of it before it is done.
    fn intent(&self, reader: &Reader<'_>) -> Result<Writing, StoreError> {
        let named = Writing::named(self.what());
        Ok(match &self.act {
            Act::Put(resource) => Writing::of_put(reader, resource)?,
            Act::Delete(name) => Writing::of_delete(reader, name)?,
            Act::Patch { name, .. } => Writing {
                change: Some(Change::Update),
                patients: concerned::now(reader, name)?,
                ..named
            },
            Act::Create { text, .. } | Act::PutFound { text, .. } => Writing {
                patients: concerned::in_texts([text.as_ref()]),
                ..named
            },
            Act::PatchFound { .. } | Act::DeleteFound(_) | Act::Read(_) => named,
        })
    }

    pub(super) fn what(&self) -> String {
        match &self.act {
            Act::Put(resource) => resource.name().to_string(),
            Act::Patch { name, .. } => name.to_string(),
            Act::Delete(name) => format!("delete {name}"),
            Act::PutFound { query, .. } | Act::PatchFound { query, .. } => query.to_string(),
            Act::DeleteFound(query) => format!("delete {query}"),
            Act::Create {
                unless: Some(query),
                ..
            } => format!("create unless {query}"),
            Act::Create { .. } => "create".into(),
            Act::Read(_) => "read".into(),
        }
    }
}

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
                    appointments: Vec::new(),
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
            match part.note(self, &each, AuditKind::Written, Some(revision)) {
                Ok(()) => {}
                Err(AccessError::Audit(error)) => return Err(AccessError::StoredUnnoted(error)),
                Err(other) => return Err(other),
            }
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

/// One transaction under way.
struct Commit<'r, 't, 'c, 'a> {
    guard: &'r Guard,
    tx: &'r Tx<'c>,
    writes: &'t [Write<'a>],
    /// Of each write; none: the caller.
    authors: &'t [Vec<Author>],
    is_transaction: bool,
    stamp: crate::fhir::Instant,
    results: Vec<Option<Raw>>,
    /// Of each write: whose the record is before it.
    whose: Vec<Vec<String>>,
    /// Records that a write of this transaction is about.
    names: HashSet<Reference>,
    /// What entries call each other, and what that leads to.
    links: HashMap<String, Reference>,
    follower: Follower,
    /// Texts of the Appointments that are written: a Slot may only be taken together with one.
    appointments: Vec<String>,
    /// The write that is looked at.
    at: usize,
}

impl<'t> Commit<'_, 't, '_, '_> {
    fn run(&mut self) -> Result<(), AccessError> {
        self.delete()?;
        let plans = self.plans()?;
        self.name_links(&plans)?;
        let asking = self.store(plans)?;
        self.settle_references(asking)?;
        self.check_creates()?;
        self.read()
    }

    /// All writes with their index, marking the one that is looked at.
    fn each(
        &mut self,
        mut take: impl FnMut(&mut Self, usize, &'t Write<'_>) -> Result<(), AccessError>,
    ) -> Result<(), AccessError> {
        for (at, write) in self.writes.iter().enumerate() {
            self.at = at;
            take(self, at, write)?;
        }
        Ok(())
    }

    fn delete(&mut self) -> Result<(), AccessError> {
        self.each(|this, at, write| {
            let name = match &write.act {
                Act::Delete(name) => name.clone(),
                Act::DeleteFound(query) => {
                    this.tx.make_searchable()?;
                    match this.guard.matching(this.tx, query)? {
                        Match::None => return Ok(()),
                        Match::One(record) => record.name.reference,
                        Match::Several => return Err(Unfit::Several.into()),
                    }
                }
                _ => return Ok(()),
            };
            this.once(&name)?;
            let old = this.standing(&name)?;
            if this.judge(at, &name, old.as_deref(), None)? == Judged::Absent {
                this.tx.serve_check_of_nothing(&name, &write.condition)?;
                return Ok(());
            }
            let authors = &this.authors[at];
            authorship::must_fit(this.tx, &name, &write.condition, authors)?;
            let deleted = this
                .tx
                .serve_delete(&name, &write.condition, this.stamp)??;
            if let Some(deleted) = &deleted {
                authorship::note(this.tx, deleted, authors)?;
            }
            this.results[at] = deleted.map(Raw::Written);
            Ok(())
        })
    }

    /// Looks conditions up, as the deletes left things.
    fn plans(&mut self) -> Result<Vec<Plan<'t>>, AccessError> {
        let mut plans = Vec::with_capacity(self.writes.len());
        for kind in [Turn::Create, Turn::Update] {
            let mut planned = Vec::new();
            self.each(|this, at, write| {
                if Turn::of(&write.act) == Some(kind) {
                    planned.push((at, this.plan(at, &write.act)?));
                }
                Ok(())
            })?;
            plans.append(&mut planned);
        }
        let mut all: Vec<Plan<'t>> = self.writes.iter().map(|_| Plan::Settled).collect();
        for (at, plan) in plans {
            all[at] = plan;
        }
        Ok(all)
    }

    fn plan(&mut self, at: usize, act: &'t Act<'_>) -> Result<Plan<'t>, AccessError> {
        let plan = match act {
            Act::Put(resource) => {
                Plan::Put(resource.name().clone(), Cow::Borrowed(resource.text()))
            }
            Act::Create { text, unless } => {
                if let Some(query) = unless {
                    self.tx.make_searchable()?;
                    match self.guard.matching(self.tx, query)? {
                        Match::None => {}
                        Match::One(record) => {
                            self.results[at] = Some(Raw::Present(Box::new(record)));
                            return Ok(Plan::Settled);
                        }
                        Match::Several => return Err(Unfit::Several.into()),
                    }
                }
                named(text, &rng::make_uuid()?)?
            }
            Act::PutFound { query, text, id } => {
                self.tx.make_searchable()?;
                match (self.guard.matching(self.tx, query)?, id) {
                    (Match::None, None) => named(text, &rng::make_uuid()?)?,
                    // R4: update as create. What stands there under that id does not match, so it is not overwritten.
                    (Match::None, Some(id)) => {
                        let plan = named(text, id.as_str())?;
                        if let Plan::Put(name, _) = &plan
                            && self.tx.record(&Guard::on_first_peer(name))?.is_some()
                        {
                            return Err(Unfit::OtherId.into());
                        }
                        plan
                    }
                    (Match::One(record), id) => {
                        let found = record.name.reference;
                        if id.as_ref().is_some_and(|id| *id != found.id) {
                            return Err(Unfit::OtherId.into());
                        }
                        named(text, found.id.as_str())?
                    }
                    (Match::Several, _) => return Err(Unfit::Several.into()),
                }
            }
            Act::Patch { name, patch } => Plan::Patch(name.clone(), patch),
            Act::PatchFound { query, patch } => {
                self.tx.make_searchable()?;
                match self.guard.matching(self.tx, query)? {
                    Match::None => return Err(Unfit::NoMatch.into()),
                    Match::One(record) => Plan::Patch(record.name.reference, patch),
                    Match::Several => return Err(Unfit::Several.into()),
                }
            }
            Act::Delete(_) | Act::DeleteFound(_) | Act::Read(_) => return Ok(Plan::Settled),
        };
        if let Plan::Put(name, _) | Plan::Patch(name, _) = &plan {
            let name = name.clone();
            self.once(&name)?;
        }
        Ok(plan)
    }

    fn once(&mut self, name: &Reference) -> Result<(), AccessError> {
        self.whose[self.at] = concerned::now(self.tx, name)?;
        match self.names.insert(name.clone()) {
            true => Ok(()),
            false => Err(Unfit::Twice(name.clone()).into()),
        }
    }

    /// Notes what entries call each other.
    fn name_links(&mut self, plans: &[Plan<'_>]) -> Result<(), AccessError> {
        if !self.is_transaction {
            return Ok(());
        }
        self.each(|this, at, write| {
            let Some(url) = write.full_url.as_deref() else {
                return Ok(());
            };
            let name = match (&plans[at], &this.results[at]) {
                (Plan::Put(name, _), _) => name.clone(),
                (_, Some(Raw::Present(record))) => record.name.reference.clone(),
                _ => return Ok(()),
            };
            // `http://x/Patient/1` is also what a relative `Patient/1` in this Bundle means, unless that is its name.
            if !is_urn(url)
                && let Some(short) = short_of(url)
                && short != name
            {
                this.links.entry(short.to_string()).or_insert(name.clone());
            }
            match this.links.insert(link_key(url), name) {
                None => Ok(()),
                Some(_) => Err(Unfit::SameFullUrl.into()),
            }
        })
    }

    /// Stores what was planned. Answers with the texts whose conditional references are still to be looked up.
    fn store(&mut self, plans: Vec<Plan<'t>>) -> Result<Vec<Asking>, AccessError> {
        let mut plans: Vec<Option<Plan<'t>>> = plans.into_iter().map(Some).collect();
        for (at, plan) in plans.iter().enumerate() {
            if let Some(Plan::Put(name, text)) = plan
                && name.kind.name() == "Appointment"
            {
                let (text, _) = self.linked(at, Cow::Borrowed(text.as_ref()));
                self.appointments.push(text.into_owned());
            }
        }
        let mut asking = Vec::new();
        for turn in [Turn::Create, Turn::Update] {
            self.each(|this, at, write| {
                if Turn::of(&write.act) != Some(turn) {
                    return Ok(());
                }
                let text = match plans[at].take() {
                    Some(Plan::Put(_, text)) => text,
                    Some(Plan::Patch(name, patch)) => {
                        match this.hides(&name)? {
                            true => this.tx.serve_check_of_nothing(&name, &write.condition)?,
                            false => this.tx.serve_check(&name, &write.condition)??,
                        }
                        Cow::Owned(this.patched(&name, patch)?)
                    }
                    _ => return Ok(()),
                };
                let (text, asks) = this.linked(at, text);
                let resource = Resource::parse_text(&text)?;
                strict::check(&text)?;
                let old = this.standing(resource.name())?;
                // What a conditional reference leads to decides whose record it is: then it is judged once that is known.
                if !asks {
                    this.judge(at, resource.name(), old.as_deref(), Some(&resource))?;
                } else if this.hides(resource.name())? {
                    // Nor is it stored before: what the store says of a version is for those who may see it.
                    this.tx
                        .serve_check_of_nothing(resource.name(), &write.condition)?;
                    asking.push((at, text.into_owned(), old));
                    return Ok(());
                }
                let authors = &this.authors[at];
                authorship::must_fit(this.tx, resource.name(), &write.condition, authors)?;
                let put = this
                    .tx
                    .serve_put(&resource, &write.condition, this.stamp)??;
                authorship::note(this.tx, &put, authors)?;
                this.results[at] = Some(Raw::Written(put));
                if asks {
                    asking.push((at, text.into_owned(), old));
                }
                Ok(())
            })?;
        }
        Ok(asking)
    }

    /// What stands under a name, whoever may see it.
    fn standing(&self, name: &Reference) -> Result<Option<String>, AccessError> {
        let standing = self.tx.standing(&Guard::on_first_peer(name))?;
        Ok(standing.map(|record| record.text))
    }

    /// Whether something stands there that the caller may not see.
    fn hides(&self, name: &Reference) -> Result<bool, AccessError> {
        match self.standing(name)? {
            Some(text) => self.guard.hides(name, &text),
            None => Ok(false),
        }
    }

    fn judge(
        &self,
        at: usize,
        name: &Reference,
        old: Option<&str>,
        new: Option<&Resource<'_>>,
    ) -> Result<Judged, AccessError> {
        let condition = &self.writes[at].condition;
        let wish = Wish {
            expects_version: condition.version.is_some() || condition.present,
            ..Wish::served(name, new, &self.guard.actor)
        };
        let authors: Vec<&Actor> = self.authors[at]
            .iter()
            .map(|author| &author.actor)
            .collect();
        let mut is_booked = false;
        for text in &self.appointments {
            is_booked |= books(Some(&Resource::parse_text(text)?), name);
        }
        self.guard.judge_served(&wish, &authors, old, is_booked)
    }

    fn patched(&self, name: &Reference, patch: &Patch) -> Result<String, AccessError> {
        match self.tx.record(&Guard::on_first_peer(name))? {
            Some(record) => {
                let resource = Resource::parse_text(&record.text)?;
                Ok(patch.apply(&resource).map_err(Unfit::Patch)?)
            }
            None if self.tx.is_gone(name)? => Err(Unfit::Gone(name.clone()).into()),
            None => Err(Unfit::Unknown(name.clone()).into()),
        }
    }

    /// The text with links to other entries exchanged, and whether it has conditional references. Outside of a
    /// transaction both mean nothing, and the text stays; so does one that somebody signed, to the byte.
    fn linked<'x>(&self, at: usize, text: Cow<'x, str>) -> (Cow<'x, str>, bool) {
        if !self.is_transaction || !self.authors[at].is_empty() {
            return (text, false);
        }
        let mut asks = false;
        let followed = self.follower.follow_all(&text, |link| {
            match self.links.get(&link_key(link)) {
                Some(name) => return Target::Record(name.clone()),
                None => asks |= is_condition(link),
            }
            Target::Same
        });
        match followed.text {
            Cow::Borrowed(_) => (text, asks),
            Cow::Owned(new) => (Cow::Owned(new), asks),
        }
    }

    /// Looks conditional references up in what is there now, this transaction's own records among it.
    fn settle_references(&mut self, asking: Vec<Asking>) -> Result<(), AccessError> {
        let mut known: HashMap<String, Reference> = HashMap::new();
        for (at, text, old) in asking {
            self.at = at;
            self.tx.make_searchable()?;
            let mut failed = None;
            let followed = self.follower.follow(&text, |link| {
                if !is_condition(link) {
                    return Target::Same;
                }
                if let Some(name) = known.get(link) {
                    return Target::Record(name.clone());
                }
                match self.referred_to(link) {
                    Ok(name) => {
                        known.insert(link.to_owned(), name.clone());
                        Target::Record(name)
                    }
                    Err(error) => {
                        failed.get_or_insert(error);
                        Target::Same
                    }
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
            let resource = Resource::parse_text(&followed.text)?;
            self.judge(at, resource.name(), old.as_deref(), Some(&resource))?;
            match &mut self.results[at] {
                Some(Raw::Written(committed)) => {
                    self.tx.serve_restate(committed, &resource)??;
                }
                // Hidden, and so refused just above; a policy that came in between changes nothing of it now.
                _ => {
                    let name = resource.name().clone();
                    return Err(Refused::Stale {
                        name,
                        current: None,
                    }
                    .into());
                }
            }
        }
        Ok(())
    }

    fn referred_to(&self, link: &str) -> Result<Reference, AccessError> {
        // A plus in a reference is a plus: nobody writes references as forms.
        let query = Query::parse(&link.replace('+', "%2B")).map_err(Unfit::ReferenceQuery)?;
        match self.guard.matching(self.tx, &query)? {
            Match::One(record) => Ok(record.name.reference),
            Match::None => Err(Unfit::Reference { several: false }.into()),
            Match::Several => Err(Unfit::Reference { several: true }.into()),
        }
    }

    /// Two creates of one transaction that would each have found the other: one of them is one too many.
    fn check_creates(&mut self) -> Result<(), AccessError> {
        if self.writes.len() < 2 {
            return Ok(());
        }
        self.each(|this, at, write| {
            let Act::Create {
                unless: Some(query),
                ..
            } = &write.act
            else {
                return Ok(());
            };
            if !matches!(this.results[at], Some(Raw::Written(_))) {
                return Ok(());
            }
            this.tx.make_searchable()?;
            match this.guard.matching(this.tx, query)? {
                Match::Several => Err(Unfit::Several.into()),
                Match::None | Match::One(_) => Ok(()),
            }
        })
    }

    fn read(&mut self) -> Result<(), AccessError> {
        self.each(|this, at, write| {
            let Act::Read(asked) = &write.act else {
                return Ok(());
            };
            let gone_or_unknown = |name: &Reference| -> Result<AccessError, AccessError> {
                let view = this.guard.view(Action::Read);
                Ok(match this.tx.as_seen(&view).is_gone(name)? {
                    true => Unfit::Gone(name.clone()).into(),
                    false => Unfit::Unknown(name.clone()).into(),
                })
            };
            let action = match asked {
                Asked::Record(name) => this.guard.may_at_all(Action::Read, name.kind)?,
                Asked::Version(name, _) => this.guard.may_at_all(Action::History, name.kind)?,
                Asked::Search(query) => this.guard.may_at_all(Action::Search, query.kind)?,
            };
            let view = this.guard.view(action);
            let reader = this.tx.as_seen(&view);
            let raw = match asked {
                Asked::Record(name) => match reader.record(&Guard::on_first_peer(name))? {
                    Some(record) => Raw::Record(Box::new(record)),
                    None => return Err(gone_or_unknown(name)?),
                },
                Asked::Version(name, number) => match reader.version(name, *number)? {
                    Some(version) if version.text.is_some() => Raw::Version(Box::new(version)),
                    Some(_) => return Err(Unfit::Gone(name.clone()).into()),
                    None => return Err(Unfit::Unknown(name.clone()).into()),
                },
                Asked::Search(query) => {
                    this.tx.make_searchable()?;
                    let now = this.guard.shared.clock.now();
                    let found = reader.search(query, None, now)?;
                    let all = found.records.iter().chain(&found.included);
                    let patients = concerned::on(&reader, all)?;
                    Raw::Found(Box::new(found), patients)
                }
            };
            this.results[at] = Some(raw);
            Ok(())
        })
    }
}

/// When a write has its turn, between the deletes and the reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Create,
    Update,
}

impl Turn {
    fn of(act: &Act<'_>) -> Option<Self> {
        match act {
            Act::Create { .. } => Some(Self::Create),
            Act::Put(_) | Act::PutFound { .. } | Act::Patch { .. } | Act::PatchFound { .. } => {
                Some(Self::Update)
            }
            Act::Delete(_) | Act::DeleteFound(_) | Act::Read(_) => None,
        }
    }
}

/// A put of this text under this id.
fn named<'a>(text: &str, id: &str) -> Result<Plan<'a>, AccessError> {
    let Some(text) = with_id(text, id) else {
        let why = Resource::parse_text(text).err();
        return Err(why.unwrap_or(InvalidResource::MissingType).into());
    };
    let name = Resource::parse_text(&text)?.name().clone();
    Ok(Plan::Put(name, Cow::Owned(text)))
}

/// `urn:uuid:` names have no case; everything else is compared as it stands.
fn link_key(link: &str) -> String {
    match is_urn(link) {
        true => link.to_ascii_lowercase(),
        false => link.to_owned(),
    }
}

/// `Type?...`; the part behind may hold anything.
fn is_condition(link: &str) -> bool {
    let kind = link.split_once('?').map(|(kind, _)| kind);
    kind.is_some_and(|kind| !kind.contains([':', '/']))
}

/// `Type/id` at the end of an absolute URL.
fn short_of(url: &str) -> Option<Reference> {
    let mut parts = url.rsplitn(3, '/');
    let (id, kind, _) = (parts.next()?, parts.next()?, parts.next()?);
    Reference::parse(&format!("{kind}/{id}")).ok()
}
