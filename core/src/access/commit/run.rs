//! One commit under way: in R4's order, within one write transaction.

use super::{Act, Asked, Match, Raw, Unfit, Write};
use crate::access::authorship::{self, Author};
use crate::access::concerned;
use crate::access::policy::{Action, Judged, Visit, Wish};
use crate::access::{AccessError, Actor, Guard};
use crate::fhir::links::{Follower, Target, is_urn, with_id};
use crate::fhir::patch::Patch;
use crate::fhir::search::Query;
use crate::fhir::{InvalidResource, Reference, Resource, strict};
use crate::rng;
use crate::store::{Refused, Tx};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// A text whose conditional references are still to be looked up: of which write, and what stood there.
type Asking = (usize, String, Option<String>);

/// What a write will do, once conditions are looked up.
enum Plan<'a> {
    Settled,
    Put(Reference, Cow<'a, str>),
    Patch(Reference, &'a Patch),
}

/// One transaction under way.
pub(super) struct Commit<'r, 't, 'c, 'a> {
    pub(super) guard: &'r Guard,
    pub(super) tx: &'r Tx<'c>,
    pub(super) writes: &'t [Write<'a>],
    /// Of each write; none: the caller.
    pub(super) authors: &'t [Vec<Author>],
    pub(super) is_transaction: bool,
    pub(super) stamp: crate::fhir::Instant,
    pub(super) results: Vec<Option<Raw>>,
    /// Of each write: whose the record is before it.
    pub(super) whose: Vec<Vec<String>>,
    /// Records that a write of this transaction is about.
    pub(super) names: HashSet<Reference>,
    /// What entries call each other, and what that leads to.
    pub(super) links: HashMap<String, Reference>,
    pub(super) follower: Follower,
    /// The Appointments that are written: a Slot may only be taken, or given back, together with one.
    pub(super) visits: Vec<Visit>,
    /// The write that is looked at.
    pub(super) at: usize,
}

impl<'t> Commit<'_, 't, '_, '_> {
    pub(super) fn run(&mut self) -> Result<(), AccessError> {
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
            authorship::must_fit(this.tx, &name, write, authors, None)?;
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
                let visit = Visit {
                    name: name.clone(),
                    old: self.standing(name)?,
                    new: Some(text.into_owned()),
                };
                self.visits.push(visit);
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
                // Whoever sees the record is told first that it changed meanwhile: judged as it stands, they would seem to
                // take back what others wrote.
                if let Some(old) = &old
                    && this.is_seen_by_all(at, resource.name(), old)?
                {
                    this.tx.serve_check(resource.name(), &write.condition)??;
                }
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
                authorship::must_fit(this.tx, resource.name(), write, authors, Some(&text))?;
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

    /// Whether the caller, and everyone who had a part in the write, may read what stands there.
    fn is_seen_by_all(&self, at: usize, name: &Reference, old: &str) -> Result<bool, AccessError> {
        if self.guard.hides(name, old)? {
            return Ok(false);
        }
        for author in &self.authors[at] {
            if self
                .guard
                .acting_as(author.actor.clone())
                .hides(name, old)?
            {
                return Ok(false);
            }
        }
        Ok(true)
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
        let visits = &self.visits;
        let is_booked = self.guard.is_within_booking(self.tx, name, new, visits)?;
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
