//! Sending: what is under way is kept first, carries the version it started from, and leaves the outbox only together
//! with the server's answer.

use super::plan::{self, Fate, Reread};
use super::{Capability, Progress, Report, SyncError, SyncRun, failed};
use crate::access::{EditState, Pending, SentKind};
use crate::fhir::bundle::{Bundle, Response, Writer};
use crate::fhir::{Resource, marks, outcome};
use crate::net::Answer;
use crate::seeded::{self, Bug};

/// Changes in one transaction; one server in the field takes 50.
const BUNDLE: usize = 50;
/// Bytes in one transaction; a larger change goes alone.
const BUNDLE_BYTES: usize = 16 * 1024 * 1024;
/// Changes made while a push runs are sent in a further round; what still changes then waits for the next sync.
const ROUNDS: usize = 3;

/// Faults of the server, each about one record, after which the rest is not tried any more.
const FAULTS: usize = 5;

/// The server failed on single records (500): they wait, everything else goes on, and the sync says so at its end.
#[derive(Default)]
pub(super) struct Faults(Vec<SyncError>);

impl Faults {
    /// Puts a fault of one record aside; what is about the server as a whole, or the last straw, stops the push.
    fn set_aside(&mut self, result: Result<Outcome, SyncError>) -> Result<Outcome, SyncError> {
        match result {
            Err(fault @ SyncError::Server { status: 500.., .. }) if self.0.len() + 1 < FAULTS => {
                // 502, 503 and 504 come from what stands before a server that is down or busy.
                if matches!(
                    fault,
                    SyncError::Server {
                        status: 502..=504,
                        ..
                    }
                ) {
                    return Err(fault);
                }
                self.0.push(fault);
                Ok(Outcome::Waits)
            }
            other => other,
        }
    }

    pub(super) fn into_first(self) -> Option<SyncError> {
        self.0.into_iter().next()
    }
}

/// What became of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Sent,
    Conflict,
    Refused,
    /// Someone has to be approved at the server first; it waits.
    Held,
    /// Nothing was decided; it waits.
    Waits,
}

impl SyncRun<'_> {
    pub(super) async fn push(
        &self,
        capability: &Capability,
        report: &mut Report,
    ) -> Result<Faults, SyncError> {
        let mut faults = Faults::default();
        for _ in 0..ROUNDS {
            let waiting = self.waiting(capability)?;
            report.held = 0;
            if waiting.is_empty() {
                return Ok(faults);
            }
            let total = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
            let before = report.sent;
            let mut done = 0;
            let mut note = |report: &mut Report, outcome: Outcome| {
                match outcome {
                    Outcome::Sent => report.sent += 1,
                    Outcome::Conflict => report.conflicts += 1,
                    Outcome::Refused => report.refused += 1,
                    Outcome::Held => report.held += 1,
                    Outcome::Waits => {}
                }
                done += 1;
                (self.progress)(Progress::Sending { done, total });
            };
            let (asked, fresh): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|pending| pending.sent.is_some());
            for pending in &asked {
                let outcome = faults.set_aside(self.ask_first(pending).await)?;
                note(report, outcome);
            }
            let (puts, deletes): (Vec<_>, Vec<_>) = fresh
                .into_iter()
                .partition(|pending| pending.going.text.is_some());
            // What was held goes alone, so that it takes no others out of their transaction again.
            let (held, puts): (Vec<_>, Vec<_>) = puts
                .into_iter()
                .partition(|pending| pending.refusal.is_some());
            let alone = held.iter().map(std::slice::from_ref);
            for bundle in bundles(&puts).into_iter().chain(alone) {
                for outcome in self.send_bundle(bundle, &mut faults).await? {
                    note(report, outcome);
                }
            }
            for pending in &deletes {
                let outcome = faults.set_aside(self.send_delete(pending).await)?;
                note(report, outcome);
            }
            if report.sent == before {
                return Ok(faults);
            }
        }
        Ok(faults)
    }

    fn waiting(&self, capability: &Capability) -> Result<Vec<Pending>, SyncError> {
        self.guard.drop_no_ops(self.peer)?;
        let mut all = self.guard.outgoing(self.peer)?;
        all.retain(|pending| pending.state == EditState::Waiting);
        if !capability.takes_change_records {
            // Who wrote what is for our hub; another server has no use for it.
            all.iter_mut()
                .for_each(|pending| pending.going.record = None);
        }
        Ok(all)
    }

    /// An earlier push of this change was cut off: the server is asked what became of it before anything is sent.
    async fn ask_first(&self, pending: &Pending) -> Result<Outcome, SyncError> {
        let now = self.reread(pending).await?;
        let base = pending.going.version.as_deref();
        let (fate, sent) = match &pending.sent {
            Some((SentKind::Put, Some(sent))) => (
                plan::fate_of_put(sent, base, now.view().as_ref()),
                sent.as_str(),
            ),
            _ => (plan::fate_of_delete(base, now.view().as_ref()), ""),
        };
        match (fate, &pending.sent) {
            (Fate::NotArrived, Some((SentKind::Put, _))) => self.put_one(pending, sent).await,
            (Fate::NotArrived, _) => self.delete_one(pending).await,
            (Fate::Arrived, Some((SentKind::Put, _))) => self.settle(pending, &now.text),
            (Fate::Arrived, _) => self.settle_delete(pending),
            (Fate::Conflict, _) => self.conflict(pending, &now),
        }
    }

    /// All of `bundle` in one transaction; where the server does not take it whole, one by one.
    async fn send_bundle(
        &self,
        bundle: &[Pending],
        faults: &mut Faults,
    ) -> Result<Vec<Outcome>, SyncError> {
        let marked = self.guard.mark_sent(bundle)?;
        let marked: Vec<&Pending> = bundle
            .iter()
            .zip(marked)
            .filter_map(|(pending, may_go)| may_go.then_some(pending))
            .collect();
        let mut outcomes = self.send_marked(&marked, faults).await?;
        outcomes.resize(bundle.len(), Outcome::Waits);
        Ok(outcomes)
    }

    async fn send_marked(
        &self,
        bundle: &[&Pending],
        faults: &mut Faults,
    ) -> Result<Vec<Outcome>, SyncError> {
        if bundle.len() > 1 {
            let mut transaction = Writer::new("transaction", &[]);
            for pending in bundle {
                let (path, base) = (
                    pending.name.reference.to_string(),
                    pending.going.version.as_deref(),
                );
                transaction.put_signed(
                    &path,
                    pending.going.text.as_deref().unwrap_or_default(),
                    base,
                    base.is_none(),
                    change_of(pending).as_deref(),
                );
            }
            let answer = self.server.transaction(transaction.finish()).await?;
            match answer.status {
                200 => return self.settle_bundle(bundle, &answer).await,
                401 => return Err(SyncError::Unauthorized),
                // Rolled back, or not understood: which entry is at fault is asked entry by entry, never parsed.
                400..500 => {}
                _ => return Err(failed(&answer, "a transaction")),
            }
        }
        let mut outcomes = Vec::with_capacity(bundle.len());
        for pending in bundle {
            let mine = pending.going.text.as_deref().unwrap_or_default();
            outcomes.push(faults.set_aside(self.put_one(pending, mine).await)?);
        }
        Ok(outcomes)
    }

    async fn settle_bundle(
        &self,
        bundle: &[&Pending],
        answer: &Answer,
    ) -> Result<Vec<Outcome>, SyncError> {
        let not_fhir = |what| SyncError::NotFhir {
            doing: "a transaction",
            what,
        };
        let answered = Bundle::parse(&answer.text).ok_or_else(|| not_fhir("no Bundle"))?;
        if answered.entry.len() != bundle.len() {
            return Err(not_fhir("another number of entries"));
        }
        let mut settled = Vec::with_capacity(bundle.len());
        let mut outcomes = Vec::with_capacity(bundle.len());
        for (pending, entry) in bundle.iter().zip(&answered.entry) {
            match entry.response.as_ref().and_then(Response::code) {
                // As in `put_one`: it was deleted there, and now both have happened.
                Some(201) if pending.going.version.is_some() => {
                    outcomes.push(self.conflict(pending, &Now::absent())?);
                    continue;
                }
                Some(200..300) => {}
                // A transaction that is none: this entry was not taken. Alone, it gets an answer of its own.
                _ => {
                    let mine = pending.going.text.as_deref().unwrap_or_default();
                    outcomes.push(self.put_one(pending, mine).await?);
                    continue;
                }
            }
            let whole = entry.resource.map(|raw| Resource::parse_text(raw.get()));
            match whole {
                Some(Ok(resource))
                    if *resource.name() == pending.name.reference
                        && resource.version().is_some() =>
                {
                    settled.push((pending.name.clone(), resource));
                    outcomes.push(Outcome::Sent);
                }
                // The server did not send its bytes along: they are read.
                _ => outcomes.push(self.settle_by_reading(pending).await?),
            }
        }
        self.guard.settle_puts(&settled)?;
        Ok(outcomes)
    }

    /// One PUT. The change is marked as sent already.
    async fn put_one(&self, pending: &Pending, sent: &str) -> Result<Outcome, SyncError> {
        let (path, base) = (
            pending.name.reference.to_string(),
            pending.going.version.as_deref(),
        );
        let change = change_of(pending);
        let expected = base.filter(|_| !seeded::has(Bug::NoIfMatch));
        let answer = self
            .server
            .put_signed(&path, sent, expected, change.as_deref())
            .await?;
        match answer.status {
            // Created, although it should have been there: someone deleted it, and now both have happened.
            201 if base.is_some() => self.conflict(pending, &Now::absent()),
            200 | 201 => match Resource::parse_text(&answer.text) {
                Ok(resource) if resource.version().is_some() => self.settle(pending, &answer.text),
                // No bytes of the server's, or not as it stored them: they are read.
                _ => self.settle_by_reading(pending).await,
            },
            409 | 412 => {
                let now = self.reread(pending).await?;
                match plan::fate_of_put(sent, base, now.view().as_ref()) {
                    Fate::Arrived => self.settle(pending, &now.text),
                    Fate::Conflict => self.conflict(pending, &now),
                    // Nothing may stand there, nothing does, and yet it does not hold: it arrived before, and was deleted.
                    Fate::NotArrived if answer.status == 412 && base.is_none() => {
                        self.conflict(pending, &now)
                    }
                    // 409 also means "try again".
                    Fate::NotArrived => Ok(Outcome::Waits),
                }
            }
            _ => self.refusal(pending, &answer),
        }
    }

    /// A delete reads first, since not every server keeps If-Match on it. It is marked before that, so that what is
    /// written during the read counts as newer than the delete.
    async fn send_delete(&self, pending: &Pending) -> Result<Outcome, SyncError> {
        if self.guard.mark_sent(std::slice::from_ref(pending))? != [true] {
            return Ok(Outcome::Waits);
        }
        let now = self.reread(pending).await?;
        match plan::fate_of_delete(pending.going.version.as_deref(), now.view().as_ref()) {
            Fate::Arrived => self.settle_delete(pending),
            Fate::Conflict => self.conflict(pending, &now),
            Fate::NotArrived => self.delete_one(pending).await,
        }
    }

    async fn delete_one(&self, pending: &Pending) -> Result<Outcome, SyncError> {
        let path = pending.name.reference.to_string();
        let answer = self
            .server
            .delete_signed(
                &path,
                pending.going.version.as_deref(),
                change_of(pending).as_deref(),
            )
            .await?;
        match answer.status {
            200 | 202 | 204 | 404 | 410 => self.settle_delete(pending),
            409 | 412 => {
                let now = self.reread(pending).await?;
                match plan::fate_of_delete(pending.going.version.as_deref(), now.view().as_ref()) {
                    Fate::Arrived => self.settle_delete(pending),
                    Fate::Conflict => self.conflict(pending, &now),
                    Fate::NotArrived => Ok(Outcome::Waits),
                }
            }
            _ => self.refusal(pending, &answer),
        }
    }

    fn settle(&self, pending: &Pending, text: &str) -> Result<Outcome, SyncError> {
        let resource = self.server_copy(pending, text)?;
        self.guard
            .settle_puts(&[(pending.name.clone(), resource)])?;
        Ok(Outcome::Sent)
    }

    async fn settle_by_reading(&self, pending: &Pending) -> Result<Outcome, SyncError> {
        let now = self.reread(pending).await?;
        if now.exists {
            self.settle(pending, &now.text)
        } else {
            Ok(Outcome::Waits)
        }
    }

    fn settle_delete(&self, pending: &Pending) -> Result<Outcome, SyncError> {
        self.guard.settle_delete(&pending.name)?;
        Ok(Outcome::Sent)
    }

    fn conflict(&self, pending: &Pending, now: &Now) -> Result<Outcome, SyncError> {
        let theirs = if now.exists {
            Some(self.server_copy(pending, &now.text)?)
        } else {
            None
        };
        self.guard.mark_conflict(&pending.name, theirs.as_ref())?;
        Ok(Outcome::Conflict)
    }

    /// Refused for good: it is set aside, and everything else goes on. What may pass later stops the push instead.
    fn refusal(&self, pending: &Pending, answer: &Answer) -> Result<Outcome, SyncError> {
        match answer.status {
            403 if outcome::reason(&answer.text).as_deref() == Some(marks::NOT_APPROVED) => {
                self.guard
                    .mark_waiting(&pending.name, marks::NOT_APPROVED)?;
                Ok(Outcome::Held)
            }
            400 | 403 | 404 | 405 | 410 | 413 | 422 => {
                let codes = outcome::codes(&answer.text).unwrap_or_default();
                let mut why = format!("{} {codes}", answer.status);
                if let Some(reason) = outcome::reason(&answer.text) {
                    why += &format!(" {reason}");
                }
                self.guard.mark_refused(&pending.name, &why)?;
                Ok(Outcome::Refused)
            }
            _ => Err(failed(answer, "a write")),
        }
    }

    fn server_copy<'t>(&self, pending: &Pending, text: &'t str) -> Result<Resource<'t>, SyncError> {
        let not_fhir = |what| SyncError::NotFhir {
            doing: "a read",
            what,
        };
        let resource = Resource::parse_text(text).map_err(|_| not_fhir("no resource"))?;
        if *resource.name() == pending.name.reference {
            Ok(resource)
        } else {
            Err(not_fhir("another record"))
        }
    }

    async fn reread(&self, pending: &Pending) -> Result<Now, SyncError> {
        let answer = self.server.get(&pending.name.reference.to_string()).await?;
        match answer.status {
            200 => {
                let version = self
                    .server_copy(pending, &answer.text)?
                    .version()
                    .map(str::to_owned);
                Ok(Now {
                    exists: true,
                    version: version.or(answer.version),
                    text: answer.text,
                })
            }
            404 | 410 => Ok(Now::absent()),
            _ => Err(failed(&answer, "a read")),
        }
    }
}

/// The signed records of what is sent, as a server takes them.
fn change_of(pending: &Pending) -> Option<String> {
    pending.going.record.clone()
}

/// `puts` in their order, in pieces that a server takes.
fn bundles(puts: &[Pending]) -> Vec<&[Pending]> {
    let length = |pending: &Pending| pending.going.text.as_deref().map_or(0, str::len);
    let mut all = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, pending) in puts.iter().enumerate() {
        let full = at - start == BUNDLE || bytes + length(pending) > BUNDLE_BYTES;
        if full && at > start {
            all.push(&puts[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += length(pending);
    }
    if start < puts.len() {
        all.push(&puts[start..]);
    }
    all
}

/// A record as the server has it now.
struct Now {
    exists: bool,
    version: Option<String>,
    text: String,
}

impl Now {
    fn absent() -> Self {
        Self {
            exists: false,
            version: None,
            text: String::new(),
        }
    }

    fn view(&self) -> Option<Reread<'_>> {
        self.exists.then(|| Reread {
            text: &self.text,
            version: self.version.as_deref(),
        })
    }
}
