//! Records that get their id from the server.
//!
//! Some servers take no ids of a client's. Then a record is POSTed, with a tag of ours by which it is found again when the
//! answer was lost, and unless that tag is there already. The server's id takes the place of ours, here too: in the record,
//! and in all that refers to it, in the transaction that stores the answer.

use super::{Outcome, Push};
use crate::access::{Pending, RecordName};
use crate::fhir::bundle::{Bundle, Entry, Response, Writer};
use crate::fhir::links::Follower;
use crate::fhir::{Reference, Resource, marks, meta, refers};
use crate::net::{Answer, Request};
use crate::sync::{SyncError, failed};

impl Push<'_, '_> {
    /// Tags what will be POSTed.
    pub(super) fn prepare_creation(&self, pending: &mut Pending) {
        let name = &pending.name.reference;
        let is_for_us = pending.going.over.is_none()
            && pending.sent.is_none()
            && !self.capability.takes_change_records
            && (self.gives_ids.contains(&name.kind) || self.by_post.contains(name));
        if let Some(text) = pending.going.text.as_deref().filter(|_| is_for_us)
            && let Some(tagged) = meta::tagged(text, marks::MADE_BY, &pending.going.change)
        {
            pending.going.text = Some(tagged);
        }
    }

    /// Whether it is, or was, sent by POST.
    pub(super) fn is_creation(&self, pending: &Pending) -> bool {
        let is_tagged = |text: &str| {
            text.contains(marks::MADE_BY) && text.contains(pending.going.change.as_str())
        };
        pending.going.over.is_none() && pending.going.text.as_deref().is_some_and(is_tagged)
    }

    /// Whether the server may have refused a record for the id that it has here.
    pub(super) fn may_be_about_the_id(&self, pending: &Pending) -> bool {
        pending.going.over.is_none() && !self.capability.takes_change_records
    }

    /// It goes again, without an id of ours: next time.
    pub(super) async fn create_instead(
        &mut self,
        pending: &Pending,
        answer: &Answer,
    ) -> Result<Outcome, SyncError> {
        let name = &pending.name.reference;
        if !self.by_post.insert(name.clone()) {
            return self.refusal(pending, answer);
        }
        // Only this status is about all of them.
        if answer.status == 405 {
            self.gives_ids.insert(name.kind);
        }
        self.run.guard.unmark_sent(&[&pending.name])?;
        (self.moved, self.renamed) = (self.moved + 1, true);
        Ok(Outcome::Waits)
    }

    pub(super) async fn create_one(
        &mut self,
        pending: &Pending,
        sent: &str,
    ) -> Result<Outcome, SyncError> {
        let kind = pending.name.reference.kind.name();
        let unless = found_by(pending);
        let request = Request::create(kind, sent.to_owned(), Some(&unless));
        let answer = self.ask(request).await?;
        match answer.status {
            200 | 201 => {
                if let Some(outcome) = self.settle_created(pending, &answer.text)? {
                    return Ok(outcome);
                }
                self.settle_at(pending, answer.location.as_deref()).await
            }
            409 | 412 => {
                let outcome = self.ask_for_creation(pending).await?;
                Ok(outcome.unwrap_or(Outcome::Waits))
            }
            _ => self.refusal(pending, &answer),
        }
    }

    /// Whether a record of ours with its tag is there. `None`: it did not arrive.
    pub(super) async fn ask_for_creation(
        &mut self,
        pending: &Pending,
    ) -> Result<Option<Outcome>, SyncError> {
        let path = format!("{}?{}", pending.name.reference.kind, found_by(pending));
        let answer = self.ask(Request::get(path)).await?;
        if answer.status != 200 {
            return Err(failed(&answer, "a search"));
        }
        let found = Bundle::parse(&answer.text).ok_or(SyncError::NotFhir {
            doing: "a search",
            what: "no Bundle",
        })?;
        for raw in found.entry.iter().filter_map(|entry| entry.resource) {
            // A server that ignores the parameter answers with others.
            if raw.get().contains(pending.going.change.as_str())
                && let Some(outcome) = self.settle_created(pending, raw.get())?
            {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    /// One entry of a transaction whose entries refer to each other by what they are called in it.
    pub(super) fn write_creation(&self, writer: &mut Writer, pending: &Pending, all: &[&Pending]) {
        let created = all.iter().filter(|other| self.is_creation(other));
        let text = pending.going.text.as_deref().unwrap_or_default();
        let called: Vec<(&Reference, String)> = created
            .map(|other| (&other.name.reference, urn(other)))
            .collect();
        let text = refers::called(text, |name| {
            let found = called.iter().find(|(other, _)| *other == name);
            found.map(|(_, urn)| urn.clone())
        });
        let kind = pending.name.reference.kind.name();
        writer.post(kind, &urn(pending), &text, &found_by(pending));
    }

    pub(super) async fn settle_creation_in(
        &mut self,
        pending: &Pending,
        entry: &Entry<'_>,
    ) -> Result<Outcome, SyncError> {
        let code = entry.response.as_ref().and_then(Response::code);
        if !matches!(code, Some(200..300)) {
            return Ok(Outcome::Waits);
        }
        if let Some(raw) = entry.resource
            && let Some(outcome) = self.settle_created(pending, raw.get())?
        {
            return Ok(outcome);
        }
        let location = entry
            .response
            .as_ref()
            .and_then(|it| it.location.as_deref());
        self.settle_at(pending, location).await
    }

    /// The record that stands at `location` is the answer.
    async fn settle_at(
        &mut self,
        pending: &Pending,
        location: Option<&str>,
    ) -> Result<Outcome, SyncError> {
        if let Some(name) = location.and_then(refers::at_end_of) {
            let answer = self.ask(Request::get(name.to_string())).await?;
            if answer.status == 200
                && let Some(outcome) = self.settle_created(pending, &answer.text)?
            {
                return Ok(outcome);
            }
        }
        let outcome = self.ask_for_creation(pending).await?;
        Ok(outcome.unwrap_or(Outcome::Waits))
    }

    /// `None`: this is no record of that type with a version.
    fn settle_created(&self, pending: &Pending, text: &str) -> Result<Option<Outcome>, SyncError> {
        let Ok(resource) = Resource::parse_text(text) else {
            return Ok(None);
        };
        if resource.kind() != pending.name.reference.kind {
            return Ok(None);
        }
        let guard = self.run.guard;
        let empty = Vec::new();
        let referring = self.refers.get(&pending.name.reference).unwrap_or(&empty);
        let is_settled = guard.settle_created(&pending.name, &resource, referring)?;
        let has_its_name = *resource.name() == pending.name.reference;
        Ok(Some(match (is_settled, has_its_name) {
            (false, _) => Outcome::Recognised,
            (true, true) => Outcome::Sent,
            (true, false) => Outcome::Renamed,
        }))
    }

    /// What was written under the old name of a record that was recognised before, and waits for what is written under the
    /// new one. `None`: it was not.
    pub(super) fn join(&self, pending: &Pending) -> Result<Option<Outcome>, SyncError> {
        let referring = self.refers.get(&pending.name.reference);
        let referring = referring.map_or(&[][..], Vec::as_slice);
        let joined = self.run.guard.join(&pending.name, referring)?;
        Ok(joined.map(|joined| match joined {
            true => Outcome::Renamed,
            false => Outcome::Behind,
        }))
    }

    /// Notes which changes refer to what is created.
    pub(super) fn note_references(&mut self, waiting: &[Pending]) {
        self.refers.clear();
        let created: Vec<&Reference> = waiting
            .iter()
            .filter(|pending| self.is_creation(pending))
            .map(|pending| &pending.name.reference)
            .collect();
        if created.is_empty() {
            return;
        }
        self.refers = created
            .into_iter()
            .map(|name| (name.clone(), Vec::new()))
            .collect();
        let follower = Follower::default();
        for pending in waiting {
            let text = pending.going.text.as_deref().unwrap_or_default();
            for target in refers::targets(&follower, text) {
                if let Some(names) = self.refers.get_mut(&target) {
                    names.push(RecordName::clone(&pending.name));
                }
            }
        }
    }
}

/// The search that finds what this change made.
fn found_by(pending: &Pending) -> String {
    format!("_tag={}%7C{}", marks::MADE_BY, pending.going.change)
}

/// What other entries of a transaction call the record: change ids are UUIDs.
fn urn(pending: &Pending) -> String {
    format!("urn:uuid:{}", pending.going.change)
}
