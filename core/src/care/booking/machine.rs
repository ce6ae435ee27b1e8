//! Which state follows from what was seen. Pure: a wish and an event go in, the wish after it and what to ask next come
//! out. Nothing here sends, and nothing here remembers anything that is not in the wish.
//!
//! Two rules carry it. What was sent is looked for before anything else is done, and what is found decides, never what
//! was answered. An Appointment has the id we gave it, and a Slot that we took has the version that our own write made, or
//! our mark: so our own work is known from a stranger's, and half of it is finished or taken back.

mod change;

use super::attempt::{Answer, AnswerKind, Attempt, Goal, MAX_TRIES, Put};
use super::rank::{MAX_OFFERS, ranked};
use super::seen::{Read, Seen};
use super::slot::SlotView;
use super::texts;
use super::wish::{Booking, Change, Note, State, Wish};
use crate::fhir::Instant;
use change::{cancelling, changing, moving, undo};
use sha2::{Digest, Sha256};

/// What to ask next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// Nothing, in this sync.
    Rest,
    /// This Slot, as it is.
    Slot(String),
    /// Which Slots are free.
    Find,
    /// To do what the attempt says.
    Send,
    /// What stands there for it.
    Look,
}

/// What was seen.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// The Slot that was asked for; `None`: there is none.
    Slot(Option<(SlotView, Read)>),
    /// Free Slots.
    Found(Vec<SlotView>),
    /// The answer to what was sent.
    Answered(Answer),
    /// What stands there.
    Looked(Seen),
}

/// What the other side is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    pub(super) now: Instant,
    /// A transaction there is taken whole or not at all; it is one of our hubs.
    pub(super) is_whole: bool,
}

/// What to ask for a wish that nobody is busy with: after a start, after a kill, in the next sync.
pub(super) fn resume(wish: &Wish) -> Ask {
    match &wish.state {
        State::Wished { slot: Some(id) } => Ask::Slot(id.clone()),
        State::Wished { slot: None } => Ask::Find,
        // It may have been sent.
        State::Requested(_) | State::Held(_) => Ask::Look,
        State::Booked {
            change: Some(_), ..
        } => Ask::Look,
        State::Booked { .. } | State::Offered { .. } | State::Refused | State::Cancelled => {
            Ask::Rest
        }
    }
}

/// What to read when a wish is looked after: the Appointment, the Slot to take, the Slot to give up.
pub(super) fn names(wish: &Wish) -> (Option<&str>, Option<&str>, Option<&str>) {
    match &wish.state {
        State::Requested(attempt) | State::Held(attempt) => {
            let is_off = matches!(attempt.goal, Goal::Cancel | Goal::Undo);
            let take = attempt.slot.as_ref().filter(|_| !is_off);
            let take = take.map(|slot| slot.id.as_str());
            let free = attempt.given_up().filter(|id| Some(*id) != take);
            (Some(&attempt.appointment.id), take, free)
        }
        State::Booked {
            booking, change, ..
        } => {
            let take = match change {
                Some(Change::Move(slot)) => Some(slot.id.as_str()),
                _ => None,
            };
            (Some(&booking.appointment), take, Some(&booking.slot.id))
        }
        _ => (None, None, None),
    }
}

/// The wish after an event, and what to ask then.
pub(super) fn on(mut wish: Wish, event: Event, side: Side) -> (Wish, Ask) {
    let state = wish.state.clone();
    match (state, event) {
        (State::Wished { slot: Some(id) }, Event::Slot(read)) => wished(wish, &id, read, side),
        (State::Wished { slot: None }, Event::Found(slots)) => found(wish, &slots, side),
        (
            State::Booked {
                booking, change, ..
            },
            Event::Found(slots),
        ) => {
            let moved_to = wish.chosen.clone();
            let mut offers = offers(&wish, moved_to.as_ref(), &slots, side);
            offers.retain(|slot| slot.id != booking.slot.id);
            wish.state = State::Booked {
                booking,
                offers,
                change,
            };
            (wish, Ask::Rest)
        }
        (State::Requested(mut attempt) | State::Held(mut attempt), Event::Answered(answer)) => {
            let is_taken = answer.kind == AnswerKind::Taken;
            attempt.answer = Some(answer);
            wish.state = match is_taken {
                true => State::Held(attempt),
                false => State::Requested(attempt),
            };
            (wish, Ask::Look)
        }
        (State::Requested(attempt) | State::Held(attempt), Event::Looked(seen)) => {
            match attempt.goal {
                Goal::Book => book(wish, attempt, seen, side),
                Goal::Move | Goal::Back => moving(wish, attempt, seen, side),
                Goal::Cancel | Goal::Undo => cancelling(wish, attempt, seen, side),
            }
        }
        (
            State::Booked {
                booking,
                change: Some(change),
                ..
            },
            Event::Looked(seen),
        ) => changing(wish, booking, change, seen, side),
        // Not what was asked for: nothing is concluded from it.
        (_, _) => (wish, Ask::Rest),
    }
}

fn wished(mut wish: Wish, id: &str, read: Option<(SlotView, Read)>, side: Side) -> (Wish, Ask) {
    let Some((slot, read)) = read.filter(|(slot, _)| slot.is_open(side.now)) else {
        return taken(wish, id);
    };
    if read.version.is_none() {
        return refused(wish, Note::NoVersions);
    }
    let appointment = appointment_id(&wish);
    let Some(take) = take_of(&read, &slot.id, &appointment, side) else {
        return taken(wish, id);
    };
    let text = texts::appointment(&appointment, &wish.patient, &wish.reason, &slot);
    wish.chosen = Some(slot.clone());
    let attempt = Attempt {
        goal: Goal::Book,
        appointment: Put::new(appointment, text, None),
        slot: Some(slot),
        take: Some(take),
        free: None,
        from: None,
        answer: None,
        keeps_slot: false,
    };
    wish.state = State::Requested(attempt);
    (wish, Ask::Send)
}

fn found(mut wish: Wish, slots: &[SlotView], side: Side) -> (Wish, Ask) {
    if wish
        .wanted
        .until_ms
        .is_some_and(|until| until <= side.now.epoch_ms())
    {
        return refused(wish, Note::Past);
    }
    let near = wish.chosen.clone();
    let offers = offers(&wish, near.as_ref(), slots, side);
    match offers.first() {
        // Nothing to choose from: it stays a wish, and the next sync looks again.
        None => {
            wish.note = Some(Note::NothingFree);
            (wish, Ask::Rest)
        }
        Some(best) if wish.next_best => {
            let id = best.id.clone();
            wish.state = State::Wished {
                slot: Some(id.clone()),
            };
            (wish, Ask::Slot(id))
        }
        Some(_) => {
            wish.state = State::Offered { offers };
            (wish, Ask::Rest)
        }
    }
}

fn offers(wish: &Wish, near: Option<&SlotView>, slots: &[SlotView], side: Side) -> Vec<SlotView> {
    let mut offers = ranked(&wish.wanted, near, slots, side.now);
    offers.retain(|slot| !wish.passed.contains(&slot.id));
    offers.truncate(MAX_OFFERS);
    offers
}

/// An attempt at a new booking, looked at.
fn book(mut wish: Wish, mut attempt: Attempt, seen: Seen, side: Side) -> (Wish, Ask) {
    let Some(slot) = attempt.slot.clone() else {
        return refused(wish, Note::StillTrying);
    };
    let id = attempt.appointment.id.clone();
    let is_ours = |read: &Read| {
        read.is_taken_by(&id)
            || attempt
                .took()
                .is_some_and(|took| read.version.as_deref() == Some(took))
    };
    let now_free = seen.take.as_ref().filter(|read| read.has_status("free"));
    let ours_busy = seen
        .take
        .as_ref()
        .filter(|read| !side.is_whole && is_ours(read));
    let Some(there) = &seen.appointment else {
        if let Some(read) = ours_busy.filter(|read| read.has_status("busy")) {
            // Half of it arrived: the Slot is ours.
            if wish.is_off {
                return undo(wish, attempt.clone(), None, Some(read), Goal::Cancel, side);
            }
            attempt.done(false, true);
            return again(wish, attempt);
        }
        if wish.is_off {
            // What was sent may still arrive: a cancelled Appointment in its place keeps it out.
            return undo(wish, attempt, None, None, Goal::Cancel, side);
        }
        let Some(read) = now_free else {
            return taken(wish, &slot.id);
        };
        let is_same = attempt
            .take
            .as_ref()
            .is_some_and(|put| put.expected == read.version);
        if is_same {
            match attempt.refusal(wish.tries) {
                Some(AnswerKind::NotApproved) => {
                    wish.state = State::Wished {
                        slot: Some(slot.id),
                    };
                    wish.note = Some(Note::NotApproved);
                    return (wish, Ask::Rest);
                }
                Some(refusal) => return refused(wish, Note::of(&refusal)),
                None => {
                    attempt.done(false, false);
                    return again(wish, attempt);
                }
            }
        }
        // Touched, and free all the same.
        return match take_of(read, &slot.id, &id, side).filter(|_| slot.start() > side.now) {
            Some(take) => {
                attempt.take = Some(take);
                attempt.done(false, false);
                again(wish, attempt)
            }
            None => taken(wish, &slot.id),
        };
    };
    if there.is_off() {
        wish.state = State::Cancelled;
        wish.note = Some(Note::ByClinic);
        return (wish, Ask::Rest);
    }
    if side.is_whole
        || !there.names(&slot.id)
        || seen.take.is_none()
        || ours_busy.is_some_and(|read| !read.has_status("free"))
    {
        return booked(wish, &attempt, slot, there, seen.take.as_ref());
    }
    match now_free.and_then(|read| take_of(read, &slot.id, &id, side)) {
        Some(take) if !wish.is_off => {
            attempt.take = Some(take);
            attempt.done(true, false);
            again(wish, attempt)
        }
        // The Slot is somebody else's: the Appointment must not stay.
        _ => {
            let goal = if wish.is_off {
                Goal::Cancel
            } else {
                Goal::Undo
            };
            undo(wish, attempt, Some(there), None, goal, side)
        }
    }
}

/// Once more, at most [`MAX_TRIES`] times in a row.
fn again(mut wish: Wish, mut attempt: Attempt) -> (Wish, Ask) {
    // The answer is kept where it says why it goes on otherwise.
    attempt.answer = None;
    wish.tries += 1;
    let goes_on = wish.tries <= MAX_TRIES;
    if !goes_on {
        wish.tries = 0;
        wish.note = Some(Note::StillTrying);
    }
    wish.state = State::Requested(attempt);
    (wish, if goes_on { Ask::Send } else { Ask::Rest })
}

fn wait(mut wish: Wish, attempt: Attempt, note: Note) -> (Wish, Ask) {
    wish.note = Some(note);
    wish.tries = 0;
    wish.state = State::Requested(Attempt {
        answer: None,
        ..attempt
    });
    (wish, Ask::Rest)
}

fn booked(
    mut wish: Wish,
    attempt: &Attempt,
    slot: SlotView,
    there: &Read,
    read: Option<&Read>,
) -> (Wish, Ask) {
    // Where the clinic has put it elsewhere, that is where it is.
    let slot = match there.its_slot() {
        Some((id, start_ms, end_ms)) if id != slot.id => SlotView {
            id,
            start_ms,
            end_ms,
            version: None,
            ..slot
        },
        _ => slot,
    };
    let version = read.and_then(|read| read.version.clone());
    let booking = Booking {
        appointment: attempt.appointment.id.clone(),
        version: there.version.clone(),
        slot: SlotView {
            status: "busy".into(),
            version: version.or(slot.version),
            ..slot
        },
    };
    wish.tries = 0;
    wish.note = None;
    let change = wish.is_off.then_some(Change::Cancel);
    wish.is_off = false;
    let ask = if change.is_some() {
        Ask::Look
    } else {
        Ask::Rest
    };
    wish.state = State::Booked {
        booking,
        offers: Vec::new(),
        change,
    };
    (wish, ask)
}

/// A booking stays as it was; `passed`: the Slot that could not be had, in whose place others are offered.
fn stays(mut wish: Wish, booking: Booking, passed: &str, note: Note) -> (Wish, Ask) {
    let ask = if note == Note::Taken {
        Ask::Find
    } else {
        Ask::Rest
    };
    if !passed.is_empty() && note == Note::Taken {
        wish.passed.push(passed.to_owned());
    }
    wish.note = Some(note);
    wish.tries = 0;
    let change = wish.is_off.then_some(Change::Cancel);
    let ask = if change.is_some() { Ask::Look } else { ask };
    wish.is_off = false;
    wish.state = State::Booked {
        booking,
        offers: Vec::new(),
        change,
    };
    (wish, ask)
}

fn taken(mut wish: Wish, slot: &str) -> (Wish, Ask) {
    wish.tries = 0;
    if wish.is_off {
        wish.state = State::Cancelled;
        return (wish, Ask::Rest);
    }
    wish.note = Some(Note::Taken);
    wish.passed.push(slot.to_owned());
    wish.state = State::Wished { slot: None };
    (wish, Ask::Find)
}

fn refused(mut wish: Wish, note: Note) -> (Wish, Ask) {
    wish.tries = 0;
    wish.note = Some(note);
    wish.state = State::Refused;
    (wish, Ask::Rest)
}

fn is_version_of(put: Option<&Put>, read: &Read) -> bool {
    put.is_some_and(|put| put.expected.is_some() && put.expected == read.version)
}

/// The write that takes a Slot.
fn take_of(read: &Read, slot: &str, appointment: &str, side: Side) -> Option<Put> {
    let text = match side.is_whole {
        true => texts::with_status(&read.text, "busy"),
        false => texts::marked(&read.text, Some(appointment)),
    };
    let version = Some(read.version.clone()?);
    Some(Put::new(slot.to_owned(), text?, version))
}

/// The write that gives a Slot back.
fn free_of(read: &Read, slot: &str, side: Side) -> Option<Put> {
    let text = match side.is_whole {
        true => texts::with_status(&read.text, "free"),
        false => texts::marked(&read.text, None),
    };
    let version = Some(read.version.clone()?);
    Some(Put::new(slot.to_owned(), text?, version))
}

/// The id of the next Appointment: the wish's own, unless one of that id had to be taken back.
fn appointment_id(wish: &Wish) -> String {
    if wish.turn == 0 {
        return wish.id.clone();
    }
    let digest = Sha256::digest(format!(
        "pocketchart/1/appointment/{}/{}",
        wish.id, wish.turn
    ));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .hyphenated()
        .to_string()
}

#[cfg(test)]
mod tests;
