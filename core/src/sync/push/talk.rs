//! Asking the server: with patience where it is busy, and what its refusals mean.

use super::fate::{Over, There};
use super::pace::{Pace, pace};
use super::{Outcome, Push};
use crate::access::Pending;
use crate::fhir::{Instant, Resource, marks, outcome};
use crate::net::{Answer, Request};
use crate::sync::{SyncError, failed};

/// A record as the server has it now.
pub(super) struct Now {
    pub(super) exists: bool,
    /// It was there, and the server says that it was deleted.
    pub(super) was_deleted: bool,
    version: Option<String>,
    pub(super) text: String,
}

impl Now {
    pub(super) fn absent() -> Self {
        Self {
            exists: false,
            was_deleted: false,
            version: None,
            text: String::new(),
        }
    }

    pub(super) fn there(text: String, version: Option<String>) -> Self {
        Self {
            exists: true,
            was_deleted: false,
            version,
            text,
        }
    }

    pub(super) fn view(&self) -> Option<There<'_>> {
        self.exists.then(|| There {
            text: &self.text,
            version: self.version.as_deref(),
        })
    }
}

/// What a change replaces.
pub(super) fn over(pending: &Pending) -> Over<'_> {
    Over {
        version: pending.going.version.as_deref(),
        text: pending.going.over.as_deref(),
    }
}

impl Push<'_, '_> {
    /// The answer to `request`. Of a busy server after a while, if that is short enough.
    pub(super) async fn ask(&mut self, request: Request) -> Result<Answer, SyncError> {
        loop {
            let answer = self.run.server.ask(request.clone()).await?;
            if !matches!(answer.status, 429 | 503) {
                return Ok(answer);
            }
            let now = self.run.guard.now();
            let seed = now.epoch_ms().unsigned_abs();
            match pace(answer.status, answer.retry_after, self.pauses, seed) {
                Pace::Pause(wait) => {
                    self.pauses += 1;
                    self.run.server.pause(wait).await;
                }
                Pace::Stop(wait) => {
                    let ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                    return Err(SyncError::Busy {
                        status: answer.status,
                        wait,
                        until: Instant::from_epoch_ms(now.epoch_ms().saturating_add(ms)),
                    });
                }
                Pace::Failed => return Err(failed(&answer, "a write")),
            }
        }
    }

    pub(super) async fn reread(&mut self, pending: &Pending) -> Result<Now, SyncError> {
        let request = Request::get(pending.name.reference.to_string());
        let answer = self.ask(request).await?;
        match answer.status {
            200 => {
                let copy = server_copy(pending, &answer.text)?;
                let version = copy.version().map(str::to_owned);
                Ok(Now::there(answer.text, version.or(answer.version)))
            }
            404 | 410 => Ok(Now {
                was_deleted: answer.status == 410,
                ..Now::absent()
            }),
            _ => Err(failed(&answer, "a read")),
        }
    }

    pub(super) fn settle(&self, pending: &Pending, text: &str) -> Result<Outcome, SyncError> {
        let resource = server_copy(pending, text)?;
        let settled = [(pending.name.clone(), resource)];
        self.run.guard.settle_puts(&settled)?;
        Ok(Outcome::Sent)
    }

    pub(super) async fn settle_by_reading(
        &mut self,
        pending: &Pending,
    ) -> Result<Outcome, SyncError> {
        let now = self.reread(pending).await?;
        match now.exists {
            true => self.settle(pending, &now.text),
            false => Ok(Outcome::Waits),
        }
    }

    /// The server has something newer: it is merged with, or both wait for a person.
    pub(super) fn meet(&self, pending: &Pending, now: &Now) -> Result<Outcome, SyncError> {
        let theirs = server_copy(pending, &now.text)?;
        match self.run.guard.meet(&pending.name, &theirs)? {
            true => Ok(Outcome::Merged),
            false => Ok(Outcome::Conflict),
        }
    }

    /// Both sides changed it, and a merge is out of the question.
    pub(super) fn conflict(&self, pending: &Pending, now: &Now) -> Result<Outcome, SyncError> {
        let theirs = match now.exists {
            true => Some(server_copy(pending, &now.text)?),
            false => None,
        };
        self.run
            .guard
            .mark_conflict(&pending.name, theirs.as_ref())?;
        Ok(Outcome::Conflict)
    }

    /// As [`Push::conflict`], with the newest version that is known here.
    pub(super) fn conflict_with_newest(&self, pending: &Pending) -> Result<Outcome, SyncError> {
        let over = pending.going.over.as_deref();
        let theirs = over.map(|text| server_copy(pending, text)).transpose()?;
        self.run
            .guard
            .mark_conflict(&pending.name, theirs.as_ref())?;
        Ok(Outcome::Conflict)
    }

    /// Refused for good: it is set aside, and everything else goes on. What may pass later stops the push instead.
    pub(super) fn refusal(&self, pending: &Pending, answer: &Answer) -> Result<Outcome, SyncError> {
        match answer.status {
            403 if outcome::reason(&answer.text).as_deref() == Some(marks::NOT_APPROVED) => {
                self.run
                    .guard
                    .mark_waiting(&pending.name, marks::NOT_APPROVED)?;
                Ok(Outcome::Held)
            }
            400 | 403 | 404 | 405 | 410 | 413 | 422 => {
                let codes = outcome::codes(&answer.text).unwrap_or_default();
                let mut why = format!("{} {codes}", answer.status);
                if let Some(reason) = outcome::reason(&answer.text) {
                    why += &format!(" {reason}");
                }
                let words = outcome::words(&answer.text);
                let words = words.as_deref();
                self.run.guard.mark_refused(&pending.name, &why, words)?;
                Ok(Outcome::Refused)
            }
            _ => Err(failed(answer, "a write")),
        }
    }
}

/// The server's copy of a record, if it is that.
pub(super) fn server_copy<'t>(pending: &Pending, text: &'t str) -> Result<Resource<'t>, SyncError> {
    let not_fhir = |what| SyncError::NotFhir {
        doing: "a read",
        what,
    };
    let resource = Resource::parse_text(text).map_err(|_| not_fhir("no resource"))?;
    match *resource.name() == pending.name.reference {
        true => Ok(resource),
        false => Err(not_fhir("another record")),
    }
}
