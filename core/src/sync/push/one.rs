//! One change by itself.

use super::fate::{self, Fate};
use super::talk::{Now, over};
use super::{Outcome, Push};
use crate::access::{Pending, SentKind};
use crate::fhir::Resource;
use crate::fhir::bundle::{Bundle, Response, Writer};
use crate::net::{Answer, Method, Request, Target};
use crate::seeded::{self, Bug};
use crate::sync::SyncError;

impl Push<'_, '_> {
    /// An earlier push of this change was cut off: the server is asked what became of it before anything is sent. `None`:
    /// it did not arrive.
    pub(super) async fn ask_first(
        &mut self,
        pending: &Pending,
    ) -> Result<Option<Outcome>, SyncError> {
        if self.is_creation(pending) {
            return match self.join(pending)? {
                None => self.ask_for_creation(pending).await,
                joined => Ok(joined),
            };
        }
        if seeded::has(Bug::RetryWithoutRecognition) {
            return Ok(None);
        }
        let now = self.reread(pending).await?;
        let is_put = matches!(pending.sent, Some((SentKind::Put, _)));
        let fate = match (&pending.going.text, is_put) {
            (Some(sent), true) => fate::of_put(sent, over(pending), now.view()),
            _ => fate::of_delete(over(pending), now.view()),
        };
        let sent = pending.going.text.as_deref().unwrap_or_default();
        Ok(match fate {
            // It arrived and was deleted there, as far as anybody can tell. To send it again would undo that unseen.
            Fate::NotArrived if is_put && now.was_deleted => Some(self.conflict(pending, &now)?),
            Fate::NotArrived => None,
            Fate::Arrived if is_put => Some(self.settle(pending, &now.text)?),
            Fate::Arrived => Some(self.settle_delete(pending)?),
            Fate::Newer if is_put => Some(self.meet_unsure(pending, sent, &now).await?),
            Fate::Newer | Fate::Gone => Some(self.conflict(pending, &now)?),
        })
    }

    /// One PUT. The change is marked as sent already.
    pub(super) async fn put_one(&mut self, pending: &Pending) -> Result<Outcome, SyncError> {
        let Some(sent) = pending.going.text.as_deref() else {
            return Ok(Outcome::Waits);
        };
        if self.is_creation(pending) {
            return self.create_one(pending, sent).await;
        }
        if self.is_unguarded(pending)
            && let Some(outcome) = self.look_before(pending, sent).await?
        {
            return Ok(outcome);
        }
        let pauses = self.pauses;
        let answer = self.send_put(pending, sent).await?;
        let is_new = pending.going.over.is_none();
        match answer.status {
            // Created, although it should have been there: someone deleted it, and now both have happened.
            201 if !is_new => self.conflict(pending, &Now::absent()),
            200 | 201 => match Resource::parse_text(&answer.text) {
                Ok(resource) if resource.version().is_some() => self.settle(pending, &answer.text),
                // No bytes of the server's, or not as it stored them: they are read.
                _ => self.settle_by_reading(pending).await,
            },
            409 | 412 => {
                let now = self.reread(pending).await?;
                match fate::of_put(sent, over(pending), now.view()) {
                    Fate::Arrived => self.settle(pending, &now.text),
                    // Refused, as it had not arrived earlier either; unless that was still on its way.
                    Fate::Newer if pending.sent.is_none() && self.pauses == pauses => {
                        self.meet(pending, &now)
                    }
                    Fate::Newer => self.meet_unsure(pending, sent, &now).await,
                    Fate::Gone => self.conflict(pending, &now),
                    // Nothing may stand there, nothing does, and yet it does not hold: it arrived before, and was deleted.
                    Fate::NotArrived if answer.status == 412 && is_new => {
                        self.conflict(pending, &now)
                    }
                    // 409 also means "try again".
                    Fate::NotArrived => Ok(Outcome::Waits),
                }
            }
            400 | 405 if self.may_be_about_the_id(pending) => {
                self.create_instead(pending, &answer).await
            }
            _ => self.refusal(pending, &answer),
        }
    }

    async fn send_put(&mut self, pending: &Pending, sent: &str) -> Result<Answer, SyncError> {
        let going = &pending.going;
        let path = pending.name.reference.to_string();
        if let (Some(record), Some(signed)) = (&going.record, &going.signed) {
            // What an author signed travels in a Bundle: it is as long as the record.
            let mut writer = Writer::new("transaction", &[]);
            writer.put_merged(&path, sent, going.version.as_deref(), record, signed);
            let answer = self.ask(Request::transaction(writer.finish())).await?;
            return Ok(answer_of_only_entry(answer));
        }
        let blind = seeded::has(Bug::NoIfMatch) || seeded::has(Bug::RetryWithoutRecognition);
        let request = Request {
            method: Method::Put,
            target: Target::Below(path),
            body: Some(sent.to_owned()),
            if_match: going.version.clone().filter(|_| !blind),
            if_absent: going.over.is_none() && !blind,
            change: going.record.clone(),
            ..Request::default()
        };
        self.ask(request).await
    }

    /// Whether the server does not compare versions of this record.
    pub(super) fn is_unguarded(&self, pending: &Pending) -> bool {
        let kind = &pending.name.reference.kind;
        pending.going.over.is_some() && !self.capability.compares_versions.contains(kind)
    }

    /// The server compares no versions, so they are compared here, as late as possible. What is written there in between
    /// is lost: whoever writes last wins. `None`: nothing is in the way.
    pub(super) async fn look_before(
        &mut self,
        pending: &Pending,
        sent: &str,
    ) -> Result<Option<Outcome>, SyncError> {
        let now = self.reread(pending).await?;
        Ok(match fate::of_put(sent, over(pending), now.view()) {
            Fate::NotArrived => {
                self.report.unguarded += 1;
                None
            }
            Fate::Arrived => Some(self.settle(pending, &now.text)?),
            Fate::Newer if pending.sent.is_none() => Some(self.meet(pending, &now)?),
            Fate::Newer => Some(self.meet_unsure(pending, sent, &now).await?),
            Fate::Gone => Some(self.conflict(pending, &now)?),
        })
    }

    /// A delete reads first, since not every server keeps If-Match on it. It is marked before that, so that what is
    /// written during the read counts as newer than the delete.
    pub(super) async fn send_delete(&mut self, pending: &Pending) -> Result<Outcome, SyncError> {
        if pending.sent.is_none() && self.run.guard.mark_sent(&[pending])? != [true] {
            return Ok(Outcome::Waits);
        }
        let now = self.reread(pending).await?;
        match fate::of_delete(over(pending), now.view()) {
            Fate::Arrived => self.settle_delete(pending),
            Fate::Newer | Fate::Gone => self.conflict(pending, &now),
            Fate::NotArrived => self.delete_one(pending).await,
        }
    }

    async fn delete_one(&mut self, pending: &Pending) -> Result<Outcome, SyncError> {
        let path = pending.name.reference.to_string();
        let (version, record) = (&pending.going.version, &pending.going.record);
        let request = Request::delete(&path, version.as_deref(), record.as_deref());
        let answer = self.ask(request).await?;
        match answer.status {
            200 | 202 | 204 | 404 | 410 => self.settle_delete(pending),
            409 | 412 => {
                let now = self.reread(pending).await?;
                match fate::of_delete(over(pending), now.view()) {
                    Fate::Arrived => self.settle_delete(pending),
                    Fate::Newer | Fate::Gone => self.conflict(pending, &now),
                    Fate::NotArrived => Ok(Outcome::Waits),
                }
            }
            _ => self.refusal(pending, &answer),
        }
    }

    fn settle_delete(&self, pending: &Pending) -> Result<Outcome, SyncError> {
        self.run.guard.settle_delete(&pending.name)?;
        Ok(Outcome::Sent)
    }
}

/// The answer to the only entry of a transaction, as if it had been sent by itself.
fn answer_of_only_entry(answer: Answer) -> Answer {
    let Some(bundle) = Bundle::parse(&answer.text).filter(|_| answer.status == 200) else {
        return answer;
    };
    let Some(entry) = bundle.entry.first() else {
        return answer;
    };
    let status = entry.response.as_ref().and_then(Response::code);
    let text = entry.resource.map(|raw| raw.get().to_owned());
    Answer {
        status: status.unwrap_or(answer.status),
        text: text.unwrap_or_default(),
        ..answer.clone()
    }
}
