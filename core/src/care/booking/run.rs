//! One round with a server for all wishes that go on by themselves.
//!
//! What is about to be sent is kept first, with its signatures; what came of it is looked for; and each step of a wish is
//! kept before the next is taken. A kill anywhere therefore loses nothing but the time: [`machine::resume`] says of any
//! kept wish what to ask.

use super::attempt::{Answer, AnswerKind, Attempt, Put};
use super::find;
use super::machine::{self, Ask, Event, Side};
use super::seen::{Read, Seen};
use super::slot::Practice;
use super::wish::{Note, State, Wish};
use crate::access::{AccessError, Guard, PeerId, StoreError, ToSign, WishRow};
use crate::fhir::bundle::{Bundle, Response, Writer, etag_version};
use crate::fhir::{Reference, marks, outcome};
use crate::net::Server;
use crate::sync::{self, SyncError, failed, probe};

/// Steps of one wish in one round. A race for the last free times of a day takes some.
const MAX_STEPS: usize = 300;

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BookingReport {
    /// Visits that are booked now, and were not before; or that are at another time now.
    pub booked: u64,
    /// Wishes for which other times are offered now.
    pub offered: u64,
    /// Wishes that the server refuses.
    pub refused: u64,
    /// Visits that are called off now.
    pub cancelled: u64,
    /// Wishes that wait for the next round.
    pub waiting: u64,
}

/// A round with one server.
pub struct BookingRun<'a> {
    /// The vault.
    pub guard: &'a Guard,
    /// The server.
    pub server: &'a Server,
    /// Its number in the vault.
    pub peer: PeerId,
}

/// A wish as it is kept.
struct Kept {
    row: WishRow,
    wish: Wish,
}

impl BookingRun<'_> {
    /// Goes on with each wish as far as it goes. Without any, nothing is sent.
    ///
    /// # Errors
    /// [`SyncError`]; what was done until then stays done, and the next round goes on.
    pub async fn run(&self) -> Result<BookingReport, SyncError> {
        let mut report = BookingReport::default();
        if self.open()?.is_empty() {
            return Ok(report);
        }
        let _turn = self.guard.sync_turn().await;
        let capability = probe(self.server).await?;
        let mut failure = None;
        for kept in self.open()? {
            let before = kept.wish.word();
            match self.go_on(kept, capability.takes_change_records).await {
                Ok(wish) => report.count(&wish, before),
                // About this wish alone, perhaps: the others go on.
                Err(error @ SyncError::Server { .. }) => {
                    report.waiting += 1;
                    failure = failure.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        failure.map_or(Ok(report), Err)
    }

    fn open(&self) -> Result<Vec<Kept>, SyncError> {
        let rows = self.guard.open_wishes()?;
        let mut open = Vec::with_capacity(rows.len());
        for row in rows {
            let kept = Kept::read(row)?;
            if kept.wish.peer == self.peer {
                open.push(kept);
            }
        }
        // Who asked first is served first.
        open.sort_by(|a, b| (a.wish.made_ms, &a.wish.id).cmp(&(b.wish.made_ms, &b.wish.id)));
        Ok(open)
    }

    /// One wish, until it rests.
    async fn go_on(&self, mut kept: Kept, is_whole: bool) -> Result<Wish, SyncError> {
        if self.patient_is_only_here(&kept.wish)? {
            return Ok(kept.wish);
        }
        let mut practice = Practice::default();
        let mut ask = machine::resume(&kept.wish);
        for _ in 0..MAX_STEPS {
            let side = Side {
                now: self.guard.now(),
                is_whole,
            };
            if is_whole && matches!(ask, Ask::Slot(_)) && !self.is_asker(&kept.wish) {
                let mut wish = kept.wish.clone();
                wish.note = Some(Note::WaitsForAuthor);
                self.keep(&mut kept, wish)?;
                return Ok(kept.wish);
            }
            let event = match &ask {
                Ask::Rest => return Ok(kept.wish),
                Ask::Slot(id) => Event::Slot(match self.record("Slot", id).await? {
                    Some(read) => {
                        let view = find::view(
                            self.guard,
                            self.server,
                            self.peer,
                            &mut practice,
                            &read.text,
                        );
                        view.await?.map(|view| (view, read))
                    }
                    None => None,
                }),
                Ask::Find => {
                    let wanted = &kept.wish.wanted;
                    Event::Found(find::on_server(self.guard, self.server, self.peer, wanted).await?)
                }
                Ask::Look => Event::Looked(self.look(&kept.wish).await?),
                Ask::Send => Event::Answered(self.send(&kept.wish).await?),
            };
            let (mut wish, mut next) = machine::on(kept.wish.clone(), event, side);
            wish.asked_ms = Some(side.now.epoch_ms());
            if next == Ask::Send && !self.sign(&mut wish, is_whole)? {
                // Only the one who asked can sign it; until then nothing of this step has happened.
                wish = kept.wish.clone();
                wish.note = Some(Note::WaitsForAuthor);
                next = Ask::Rest;
            }
            ask = match self.keep(&mut kept, wish)? {
                true => next,
                // A person was quicker: from what they want now.
                false => machine::resume(&kept.wish),
            };
        }
        Ok(kept.wish)
    }

    /// The Appointment would refer to what the server does not have yet: the push goes first.
    fn patient_is_only_here(&self, wish: &Wish) -> Result<bool, SyncError> {
        let Ok(name) = Reference::parse(&format!("Patient/{}", wish.patient)) else {
            return Ok(false);
        };
        let record = self.guard.device_record(self.peer, &name)?;
        Ok(record.is_some_and(|record| record.version.is_none()))
    }

    fn is_asker(&self, wish: &Wish) -> bool {
        self.guard.person().id() == wish.asked_by
    }

    /// Stores a step. `false`: somebody changed the wish meanwhile, and that is what `kept` is now.
    fn keep(&self, kept: &mut Kept, wish: Wish) -> Result<bool, SyncError> {
        if wish == kept.wish {
            return Ok(true);
        }
        let row = to_row(&wish, self.guard)?;
        if self.guard.keep_wish(&row, &kept.row.value)? {
            *kept = Kept { row, wish };
            return Ok(true);
        }
        let row = self.guard.wish_row(&wish.id)?.ok_or_else(damaged)?;
        *kept = Kept::read(row)?;
        Ok(false)
    }

    /// Has what is to be written signed, where it goes to a hub. `false`: it is not for whoever is here to sign.
    fn sign(&self, wish: &mut Wish, is_whole: bool) -> Result<bool, SyncError> {
        let is_asker = self.is_asker(wish);
        let peer = self.peer;
        let (State::Requested(attempt) | State::Held(attempt)) = &mut wish.state else {
            return Ok(true);
        };
        for (kind, put) in attempt.writes_mut() {
            if !is_whole || put.record.is_some() {
                continue;
            }
            if !is_asker {
                return Ok(false);
            }
            let record = reference(kind, &put.id)?;
            put.record = self.guard.sign_change(ToSign {
                peer,
                record: &record,
                base: put.expected.as_deref(),
                text: &put.text,
            })?;
        }
        Ok(true)
    }

    async fn look(&self, wish: &Wish) -> Result<Seen, SyncError> {
        let (appointment, take, free) = machine::names(wish);
        let mut seen = Seen::default();
        if let Some(id) = appointment {
            seen.appointment = self.record("Appointment", id).await?;
        }
        if let Some(id) = take {
            seen.take = self.record("Slot", id).await?;
        }
        if let Some(id) = free {
            seen.free = self.record("Slot", id).await?;
        }
        Ok(seen)
    }

    async fn record(&self, kind: &str, id: &str) -> Result<Option<Read>, SyncError> {
        let name = reference(kind, id)?;
        let read = sync::read(self.guard, self.server, self.peer, &name).await?;
        Ok(read.map(|(text, version)| Read { text, version }))
    }

    /// Sends what an attempt still lacks, in one transaction where it is more than one write.
    async fn send(&self, wish: &Wish) -> Result<Answer, SyncError> {
        let (State::Requested(attempt) | State::Held(attempt)) = &wish.state else {
            return Err(damaged().into());
        };
        let writes = attempt.writes();
        let texts: Vec<&str> = writes.iter().map(|(_, put)| put.text.as_str()).collect();
        let what = format!("Appointment/{}", attempt.appointment.id);
        self.guard.note_booking(&what, &wish.patient, &texts)?;
        let answer = match writes[..] {
            [(kind, put)] => {
                let path = format!("{kind}/{}", put.id);
                let (expected, record) = (put.expected.as_deref(), put.record.as_deref());
                let sent = self.server.put_signed(&path, &put.text, expected, record);
                sent.await?
            }
            _ => {
                let mut bundle = Writer::new("transaction", &[]);
                for (kind, put) in &writes {
                    let path = format!("{kind}/{}", put.id);
                    let expected = put.expected.as_deref();
                    let record = put.record.as_deref();
                    bundle.put_signed(&path, &put.text, expected, expected.is_none(), record);
                }
                self.server.transaction(bundle.finish()).await?
            }
        };
        let kind = match answer.status {
            200 | 201 if writes.len() == 1 => AnswerKind::Taken,
            200 => return Ok(answered(attempt, &writes, &answer.text)),
            400 | 409 | 412 => AnswerKind::Conflict {
                status: answer.status,
            },
            403 if outcome::reason(&answer.text).as_deref() == Some(marks::NOT_APPROVED) => {
                AnswerKind::NotApproved
            }
            403 | 404 | 405 | 410 | 413 | 422 => AnswerKind::Refused {
                status: answer.status,
                codes: codes_of(&answer.text),
            },
            _ => return Err(failed(&answer, "a booking")),
        };
        let took = match writes[..] {
            [(_, put)] if kind == AnswerKind::Taken && is_take(attempt, put) => answer.version,
            _ => None,
        };
        Ok(Answer { kind, took })
    }
}

/// What became of each write of a transaction.
fn answered(attempt: &Attempt, writes: &[(&'static str, &Put)], text: &str) -> Answer {
    let mut answer = Answer {
        kind: AnswerKind::Taken,
        took: None,
    };
    let unclear = AnswerKind::Conflict { status: 200 };
    let Some(bundle) = Bundle::parse(text).filter(|bundle| bundle.entry.len() == writes.len())
    else {
        answer.kind = unclear;
        return answer;
    };
    for ((_, put), entry) in writes.iter().zip(&bundle.entry) {
        let response = entry.response.as_ref();
        match response.and_then(Response::code) {
            Some(200..300) => {
                let etag = response.and_then(|response| response.etag.as_deref());
                if is_take(attempt, put) {
                    answer.took = etag.map(|etag| etag_version(etag).to_owned());
                }
            }
            // A transaction that is none.
            Some(status) => answer.kind = AnswerKind::Conflict { status },
            None => answer.kind = unclear.clone(),
        }
    }
    answer
}

fn is_take(attempt: &Attempt, put: &Put) -> bool {
    attempt
        .take
        .as_ref()
        .is_some_and(|take| std::ptr::eq(take, put))
}

/// Of a refusal: its issue codes, and the reason of one of our hubs.
fn codes_of(text: &str) -> String {
    let mut codes = outcome::codes(text).unwrap_or_default();
    if let Some(reason) = outcome::reason(text) {
        codes += &format!(" {reason}");
    }
    codes
}

impl Kept {
    fn read(row: WishRow) -> Result<Self, SyncError> {
        let wish = from_row(&row)?;
        Ok(Self { row, wish })
    }
}

pub(super) fn from_row(row: &WishRow) -> Result<Wish, AccessError> {
    serde_json::from_str(&row.value).map_err(|_| damaged())
}

pub(super) fn to_row(wish: &Wish, guard: &Guard) -> Result<WishRow, AccessError> {
    let value = serde_json::to_string(wish).map_err(|_| damaged())?;
    Ok(WishRow {
        id: wish.id.clone(),
        state: wish.number(),
        at_ms: guard.now().epoch_ms(),
        value,
    })
}

pub(super) fn damaged() -> AccessError {
    StoreError::DamagedValue {
        what: "wish",
        row: 0,
    }
    .into()
}

fn reference(kind: &str, id: &str) -> Result<Reference, SyncError> {
    let name = Reference::parse(&format!("{kind}/{id}"));
    name.map_err(|_| damaged().into())
}

impl BookingReport {
    fn count(&mut self, wish: &Wish, before: &str) {
        match wish.word() {
            "booked" if before == "booked" => {}
            "booked" => self.booked += 1,
            "offered" => self.offered += 1,
            "refused" => self.refused += 1,
            "cancelled" => self.cancelled += 1,
            _ => self.waiting += 1,
        }
    }

    /// Both rounds together; what waited after the first one the second has looked at again.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            booked: self.booked + later.booked,
            offered: self.offered + later.offered,
            refused: self.refused + later.refused,
            cancelled: self.cancelled + later.cancelled,
            waiting: later.waiting,
        }
    }

    /// Whether a person has to choose or to know.
    pub fn needs_a_person(&self) -> bool {
        self.offered + self.refused > 0
    }
}
