//! A booking that is moved or called off, or an attempt that is taken back, looked at.

use super::{
    Ask, Side, again, booked, free_of, is_version_of, refused, stays, take_of, taken, wait,
};
use crate::care::booking::attempt::{AnswerKind, Attempt, Goal, Put};
use crate::care::booking::seen::{Read, Seen};
use crate::care::booking::texts;
use crate::care::booking::wish::{Booking, Change, Note, State, Wish};

/// What a person wants of a booking, begun: on what stands there now.
pub(super) fn changing(
    mut wish: Wish,
    booking: Booking,
    change: Change,
    seen: Seen,
    side: Side,
) -> (Wish, Ask) {
    let Some(there) = seen.appointment.as_ref().filter(|there| !there.is_off()) else {
        wish.state = State::Cancelled;
        wish.note = Some(Note::ByClinic);
        return (wish, Ask::Rest);
    };
    let is_its = there.names(&booking.slot.id);
    let busy = seen
        .free
        .as_ref()
        .filter(|read| is_its && read.has_status("busy"));
    let free = busy.and_then(|read| free_of(read, &booking.slot.id, side));
    let id = booking.appointment.clone();
    let attempt = match change {
        Change::Cancel => texts::with_status(&there.text, "cancelled").map(|text| Attempt {
            goal: Goal::Cancel,
            appointment: Put::new(id, text, there.version.clone()),
            slot: None,
            take: None,
            free,
            from: Some(booking.clone()),
            answer: None,
            keeps_slot: false,
        }),
        Change::Move(slot) => {
            let open = seen
                .take
                .as_ref()
                .filter(|read| read.has_status("free") && slot.start() > side.now);
            let Some(take) = open.and_then(|read| take_of(read, &slot.id, &id, side)) else {
                return stays(wish, booking, &slot.id, Note::Taken);
            };
            texts::moved(&there.text, &slot).map(|text| Attempt {
                goal: Goal::Move,
                appointment: Put::new(id, text, there.version.clone()),
                slot: Some(*slot),
                take: Some(take),
                free,
                from: Some(booking.clone()),
                answer: None,
                keeps_slot: false,
            })
        }
    };
    match attempt {
        Some(attempt) => {
            wish.tries = 0;
            wish.note = None;
            wish.state = State::Requested(attempt);
            (wish, Ask::Send)
        }
        None => stays(wish, booking, "", Note::StillTrying),
    }
}

/// An attempt at a move (or at taking one back), looked at.
pub(super) fn moving(mut wish: Wish, mut attempt: Attempt, seen: Seen, side: Side) -> (Wish, Ask) {
    let (Some(slot), Some(from)) = (attempt.slot.clone(), attempt.from.clone()) else {
        return refused(wish, Note::StillTrying);
    };
    let id = attempt.appointment.id.clone();
    let Some(there) = seen.appointment.as_ref().filter(|there| !there.is_off()) else {
        // Called off by the clinic. A Slot that we took for it meanwhile is given back.
        let ours = seen
            .take
            .as_ref()
            .filter(|read| !side.is_whole && read.is_taken_by(&id));
        wish.note = Some(Note::ByClinic);
        if let (Some(read), Some(gone)) = (ours, &seen.appointment) {
            return undo(wish, attempt, Some(gone), Some(read), Goal::Cancel, side);
        }
        wish.state = State::Cancelled;
        return (wish, Ask::Rest);
    };
    let took = attempt.took().map(str::to_owned);
    let is_ours = |read: &Read| read.is_taken_by(&id) || (took.is_some() && read.version == took);
    let take_busy = seen.take.as_ref().filter(|read| read.has_status("busy"));
    let take_free = seen.take.as_ref().filter(|read| read.has_status("free"));
    let old_busy = seen.free.as_ref().filter(|read| read.has_status("busy"));
    if there.names(&slot.id) {
        let is_settled = side.is_whole || take_busy.is_some_and(is_ours) || seen.take.is_none();
        if attempt.goal == Goal::Move && is_settled {
            // The old Slot is given up last. By then the Appointment is elsewhere, so only its version (or the mark)
            // says that it is still ours to give.
            let still_ours = old_busy.filter(|read| {
                read.version == from.slot.version
                    || read.is_taken_by(&id)
                    || is_version_of(attempt.free.as_ref(), read)
            });
            let is_denied = attempt.refusal(wish.tries).is_some() && attempt.appointment.is_done;
            if let Some(free) = still_ours.and_then(|read| free_of(read, &from.slot.id, side)) {
                if !attempt.keeps_slot && !is_denied && attempt.free.is_some() {
                    attempt.free = Some(free);
                    attempt.done(true, true);
                    return again(wish, attempt);
                }
                let (mut wish, ask) = booked(wish, &attempt, slot, there, seen.take.as_ref());
                wish.note = Some(Note::SlotKept);
                return (wish, ask);
            }
            return booked(wish, &attempt, slot, there, seen.take.as_ref());
        }
        if attempt.goal == Goal::Move
            && let Some(take) = take_free.and_then(|read| take_of(read, &slot.id, &id, side))
        {
            attempt.take = Some(take);
            attempt.done(true, false);
            attempt.free = None;
            return again(wish, attempt);
        }
        // Somebody else has the new Slot: back to the old one, which was not given up.
        let Some(text) = texts::moved(&there.text, &from.slot) else {
            return refused(wish, Note::StillTrying);
        };
        attempt.goal = Goal::Back;
        attempt.appointment = Put::new(id, text, there.version.clone());
        (attempt.take, attempt.free) = (None, None);
        return again(wish, attempt);
    }
    if !there.names(&from.slot.id) {
        // The clinic has moved it elsewhere: that is where it is.
        return booked(wish, &attempt, from.slot, there, None);
    }
    if attempt.goal == Goal::Back {
        return stays(
            wish,
            Booking {
                version: there.version.clone(),
                ..from
            },
            &slot.id,
            Note::Taken,
        );
    }
    let renewed = |attempt: &mut Attempt| {
        if attempt.appointment.expected != there.version {
            let text = texts::moved(&there.text, &slot)?;
            attempt.appointment = Put::new(id.clone(), text, there.version.clone());
        }
        Some(())
    };
    if let Some(read) = take_busy.filter(|read| !side.is_whole && is_ours(read)) {
        if wish.is_off {
            return undo(wish, attempt, Some(there), Some(read), Goal::Cancel, side);
        }
        if renewed(&mut attempt).is_none() {
            return stays(wish, from, &slot.id, Note::StillTrying);
        }
        attempt.done(false, true);
        return again(wish, attempt);
    }
    let Some(read) = take_free.filter(|_| slot.start() > side.now) else {
        return stays(
            wish,
            Booking {
                version: there.version.clone(),
                ..from
            },
            &slot.id,
            Note::Taken,
        );
    };
    let is_same = attempt
        .take
        .as_ref()
        .is_some_and(|put| put.expected == read.version)
        && attempt.appointment.expected == there.version;
    if let Some(refusal) = attempt.refusal(wish.tries).filter(|_| is_same) {
        if refusal == AnswerKind::NotApproved {
            return wait(wish, attempt, Note::NotApproved);
        }
        // Perhaps it is the giving up that may not be: then without.
        if attempt.free.is_none() {
            return stays(wish, from, "", Note::of(&refusal));
        }
        attempt.free = None;
        attempt.keeps_slot = true;
    }
    if !is_same {
        let take = take_of(read, &slot.id, &id, side);
        if take.is_none() || renewed(&mut attempt).is_none() {
            return stays(wish, from, &slot.id, Note::StillTrying);
        }
        attempt.take = take;
    }
    if attempt.free.is_some()
        && let Some(free) = old_busy.filter(|read| !is_version_of(attempt.free.as_ref(), read))
    {
        attempt.free = free_of(free, &from.slot.id, side);
    }
    attempt.done(false, false);
    again(wish, attempt)
}

/// An attempt at calling off (or at taking back what cannot stay), looked at.
pub(super) fn cancelling(
    mut wish: Wish,
    mut attempt: Attempt,
    seen: Seen,
    side: Side,
) -> (Wish, Ask) {
    let id = attempt.appointment.id.clone();
    let refusal = attempt.refusal(wish.tries);
    let busy = seen.free.as_ref().filter(|read| read.has_status("busy"));
    let Some(there) = seen.appointment.as_ref().filter(|there| !there.is_off()) else {
        let stands_in = seen.appointment.is_none() && attempt.appointment.expected.is_none();
        if stands_in && refusal.is_none() {
            attempt.done(false, false);
            return again(wish, attempt);
        }
        let known = attempt
            .from
            .as_ref()
            .and_then(|from| from.slot.version.clone());
        let ours = busy.filter(|read| {
            read.is_taken_by(&id)
                || (known.is_some() && read.version == known)
                || is_version_of(attempt.free.as_ref(), read)
        });
        if let (Some(read), Some(put)) = (ours, &attempt.free) {
            let slot = put.id.clone();
            let was_alone = attempt.appointment.is_done && refusal.is_some();
            match free_of(read, &slot, side).filter(|_| !was_alone) {
                Some(free) => {
                    attempt.free = Some(free);
                    attempt.done(true, true);
                    return again(wish, attempt);
                }
                None => attempt.keeps_slot = true,
            }
        }
        if attempt.goal == Goal::Undo {
            wish.turn += 1;
            let slot = attempt.slot.map(|slot| slot.id).unwrap_or_default();
            return taken(wish, &slot);
        }
        let by_clinic = wish.note == Some(Note::ByClinic);
        wish.note = match (attempt.keeps_slot, by_clinic) {
            (true, _) => Some(Note::SlotKept),
            (_, true) => Some(Note::ByClinic),
            _ => None,
        };
        wish.tries = 0;
        wish.state = State::Cancelled;
        return (wish, Ask::Rest);
    };
    let is_same = attempt.appointment.expected == there.version;
    if let Some(refusal) = refusal.filter(|_| is_same) {
        if refusal == AnswerKind::NotApproved {
            return wait(wish, attempt, Note::NotApproved);
        }
        if attempt.free.is_none() {
            let from = attempt.from.clone();
            return match from {
                Some(from) => stays(wish, from, "", Note::of(&refusal)),
                None => refused(wish, Note::of(&refusal)),
            };
        }
        // Perhaps it is the giving back that may not be: then without.
        attempt.free = None;
        attempt.keeps_slot = true;
    }
    let Some(text) = texts::with_status(&there.text, "cancelled") else {
        return refused(wish, Note::StillTrying);
    };
    if !is_same {
        attempt.appointment = Put::new(id.clone(), text, there.version.clone());
    }
    let slot = attempt.given_up().unwrap_or_default().to_owned();
    let its = busy.filter(|read| match attempt.goal {
        // It is somebody else's, or by our own mark ours.
        Goal::Undo => read.is_taken_by(&id),
        _ => {
            there.names(&slot) && (side.is_whole || attempt.from.is_some() || read.is_taken_by(&id))
        }
    });
    if !its.is_some_and(|read| is_version_of(attempt.free.as_ref(), read)) {
        let its = its.filter(|_| !attempt.keeps_slot);
        attempt.free = its.and_then(|read| free_of(read, &slot, side));
    }
    attempt.done(false, false);
    again(wish, attempt)
}

/// The Appointment is taken back; with `ours`, a Slot that we took goes back too.
pub(super) fn undo(
    mut wish: Wish,
    attempt: Attempt,
    there: Option<&Read>,
    ours: Option<&Read>,
    goal: Goal,
    side: Side,
) -> (Wish, Ask) {
    let text = there.map_or(attempt.appointment.text.as_str(), |there| {
        there.text.as_str()
    });
    let Some(text) = texts::with_status(text, "cancelled") else {
        return refused(wish, Note::StillTrying);
    };
    let id = attempt
        .slot
        .as_ref()
        .map(|slot| slot.id.clone())
        .unwrap_or_default();
    let free = ours.and_then(|read| free_of(read, &id, side));
    let mut undoing = Attempt {
        goal,
        appointment: Put::new(
            attempt.appointment.id,
            text,
            there.and_then(|there| there.version.clone()),
        ),
        take: None,
        free,
        answer: None,
        ..attempt
    };
    undoing.appointment.is_done = there.is_some_and(Read::is_off);
    wish.tries = 0;
    again(wish, undoing)
}
