//! What a person does to a wish. Pure: nothing is sent by it, the next sync goes on from there.

use super::slot::SlotView;
use super::wish::{Change, State, Wish};
use crate::fhir::Instant;

/// Why a person's act does not fit the wish as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It was called off, or refused.
    #[error("this visit was called off")]
    Over,
    /// An answer is outstanding.
    #[error("what was asked for it before is not settled yet: sync first")]
    UnderWay,
    /// The Slot is not free or not to come.
    #[error("this time is not free")]
    NotOpen,
}

/// The person chooses this Slot: instead of the one that is taken, or to move a booking to.
pub(super) fn take(mut wish: Wish, slot: SlotView, by: &str, now: Instant) -> Result<Wish, Unfit> {
    if !slot.is_open(now) {
        return Err(Unfit::NotOpen);
    }
    // What was refused may have left an Appointment under its id.
    wish.turn += u32::from(wish.state == State::Refused);
    wish.state = match wish.state {
        State::Wished { .. } | State::Offered { .. } | State::Refused => State::Wished {
            slot: Some(slot.id.clone()),
        },
        State::Booked {
            booking,
            change: None,
            ..
        } if booking.slot.id != slot.id => State::Booked {
            booking,
            offers: Vec::new(),
            change: Some(Change::Move(Box::new(slot.clone()))),
        },
        State::Booked { change: None, .. } => return Err(Unfit::NotOpen),
        State::Requested(_) | State::Held(_) | State::Booked { .. } => return Err(Unfit::UnderWay),
        State::Cancelled => return Err(Unfit::Over),
    };
    wish.passed.retain(|passed| *passed != slot.id);
    by.clone_into(&mut wish.asked_by);
    wish.chosen = Some(slot);
    wish.note = None;
    wish.tries = 0;
    Ok(wish)
}

/// The person calls it off.
pub(super) fn cancel(mut wish: Wish, by: &str) -> Result<Wish, Unfit> {
    wish.state = match wish.state {
        // Nothing was sent.
        State::Wished { .. } | State::Offered { .. } | State::Refused => State::Cancelled,
        State::Requested(attempt) => {
            wish.is_off = true;
            State::Requested(attempt)
        }
        State::Held(attempt) => {
            wish.is_off = true;
            State::Held(attempt)
        }
        State::Booked { booking, .. } => State::Booked {
            booking,
            offers: Vec::new(),
            change: Some(Change::Cancel),
        },
        State::Cancelled => return Err(Unfit::Over),
    };
    by.clone_into(&mut wish.asked_by);
    wish.note = None;
    wish.tries = 0;
    Ok(wish)
}
