//! A wish: what somebody wants, and how far it is. The whole of it is one value that the vault keeps.

use super::attempt::{Attempt, Goal};
use super::slot::SlotView;
use super::time::Zone;
use crate::access::PeerId;
use crate::fhir::Instant;
use serde::{Deserialize, Serialize};

/// A visit that somebody asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// UUID; the Appointment's id too, unless that had to be given up once.
    pub id: String,
    /// The server it is for.
    pub peer: PeerId,
    /// Id of the Patient.
    pub patient: String,
    /// Who made it.
    pub author: String,
    /// Who asked for what is to be done now: their signature goes with it.
    pub asked_by: String,
    /// When it was made, ms since 1970.
    pub made_ms: i64,
    /// Why, in the person's words.
    pub reason: String,
    /// What the person would like.
    pub wanted: Preferences,
    /// Where the chosen Slot is taken, the next best one may be requested without asking again.
    pub next_best: bool,
    /// The Slot that the person chose.
    pub chosen: Option<SlotView>,
    /// How far it is.
    pub state: State,
    /// Why it is no further.
    pub note: Option<Note>,
    /// Slots that were found taken.
    pub(super) passed: Vec<String>,
    /// Appointments that were given up.
    pub(super) turn: u32,
    /// Requests in a row that decided nothing.
    pub(super) tries: u32,
    /// It was called off while something was under way.
    pub(super) is_off: bool,
    /// When the server was last asked about it, ms since 1970.
    pub asked_ms: Option<i64>,
}

/// How far a wish is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Will be requested: this Slot, or whichever fits.
    Wished {
        /// Id of the Slot.
        slot: Option<String>,
    },
    /// Was asked for, or is about to be; what came of it is not known.
    Requested(Attempt),
    /// The server has taken it, and was not read again yet.
    Held(Attempt),
    /// It stands on the server: that was read there.
    Booked {
        /// What was read.
        booking: Booking,
        /// Instead of a Slot it was to be moved to, and that was taken.
        offers: Vec<SlotView>,
        /// What is to become of it.
        change: Option<Change>,
    },
    /// A person has to choose.
    Offered {
        /// Best first.
        offers: Vec<SlotView>,
    },
    /// The server does not take it.
    Refused,
    /// It was called off.
    Cancelled,
}

/// For what a wish waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The next sync.
    Sync,
    /// A person, who has to choose or to know.
    Person,
    /// It is over, or booked.
    Nothing,
}

/// What is to become of a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is called off.
    Cancel,
    /// It goes to another Slot.
    Move(Box<SlotView>),
}

/// A visit that stands on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Id of the Appointment.
    pub appointment: String,
    /// Its version when it was read.
    pub version: Option<String>,
    /// The Slot, as it was read.
    pub slot: SlotView,
}

/// Why a wish is no further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// The Slot was taken by somebody else.
    Taken,
    /// Nothing that fits is free.
    NothingFree,
    /// Its time has passed.
    Past,
    /// Only its author's signature can go with it: it goes on once that person syncs.
    WaitsForAuthor,
    /// Nobody has approved its author at the hub.
    NotApproved,
    /// The server kept changing its mind; the next sync goes on.
    StillTrying,
    /// The server gives no versions: nobody could tell whether a Slot was taken twice.
    NoVersions,
    /// The clinic called it off.
    ByClinic,
    /// It is called off, but the server did not let us give the Slot back.
    SlotKept,
    /// Refused for good: HTTP status and issue codes.
    Refused {
        /// HTTP status.
        status: u16,
        /// Issue codes of its OperationOutcome.
        codes: String,
    },
}

/// What a person would like. Practitioner, kind, service and window must hold; of the rest, what fits comes first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preferences {
    /// `Practitioner/1`, one of these; empty: any.
    pub practitioners: Vec<String>,
    /// A service type: `system|code`, a code, or a text.
    pub service_type: Option<String>,
    /// Virtual or not.
    pub is_virtual: Option<bool>,
    /// Not before, ms since 1970.
    pub from_ms: Option<i64>,
    /// Begins before, ms since 1970.
    pub until_ms: Option<i64>,
    /// Rather at this time of day.
    pub time_of_day: Option<TimeOfDay>,
    /// Rather on these days.
    pub days: Option<Days>,
    /// IANA name of the zone in which days and times of day are meant.
    pub zone: String,
}

/// A part of a day, in minutes since midnight: from the first, before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOfDay {
    /// First minute.
    pub from: u16,
    /// First minute behind it.
    pub until: u16,
}

/// Days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Days(u8);

impl TimeOfDay {
    /// Reads `morning`, `afternoon`, `evening` or `08:00-12:30`. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = match text {
            "morning" => (6 * 60, 12 * 60),
            "afternoon" => (12 * 60, 17 * 60),
            "evening" => (17 * 60, 22 * 60),
            _ => {
                let (from, until) = text.split_once('-')?;
                (minute(from)?, minute(until)?)
            }
        };
        (from < until).then_some(Self { from, until })
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str, below: u16| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u16>().ok().filter(|n| digits && *n < below)
    };
    if text == "24:00" {
        return Some(24 * 60);
    }
    Some(two(hour, 24)? * 60 + two(minute, 60)?)
}

impl Days {
    /// Reads `mon,wed,fri`. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let mut days = 0;
        for part in text.split(',') {
            let part = part.trim().to_ascii_lowercase();
            days |= 1 << NAMES.iter().position(|name| *name == part)?;
        }
        Some(Self(days))
    }

    /// Whether it is one of them; Monday is 0.
    pub fn has(self, from_monday: u8) -> bool {
        self.0 & (1 << from_monday) != 0
    }
}

impl Preferences {
    pub(super) fn zone(&self) -> Zone {
        Zone::named(&self.zone).unwrap_or_else(|_| Zone::utc())
    }
}

impl Wish {
    /// For what it waits.
    pub fn waits(&self) -> Wait {
        match self.number() {
            0 => Wait::Sync,
            1 => Wait::Person,
            _ => Wait::Nothing,
        }
    }

    /// For the column that says which wishes go on by themselves: 0 does, 1 waits for a person, 2 is over.
    pub(crate) fn number(&self) -> i64 {
        match &self.state {
            State::Wished { .. } | State::Requested(_) | State::Held(_) => 0,
            State::Booked {
                change: Some(_), ..
            } => 0,
            State::Offered { .. } | State::Refused => 1,
            State::Booked { .. } | State::Cancelled => 2,
        }
    }

    /// One word for how far it is.
    pub fn word(&self) -> &'static str {
        match &self.state {
            State::Wished { .. } => "wished",
            State::Requested(attempt) | State::Held(attempt) if attempt.goal == Goal::Cancel => {
                "cancelling"
            }
            State::Requested(attempt) | State::Held(attempt) if attempt.goal == Goal::Move => {
                "moving"
            }
            State::Requested(_) => "requested",
            State::Held(_) => "held",
            State::Booked {
                change: Some(Change::Cancel),
                ..
            } => "cancelling",
            State::Booked {
                change: Some(Change::Move(_)),
                ..
            } => "moving",
            State::Booked { .. } => "booked",
            State::Offered { .. } => "offered",
            State::Refused => "refused",
            State::Cancelled => "cancelled",
        }
    }

    /// What stands on the server, as far as that was read.
    pub fn booking(&self) -> Option<&Booking> {
        match &self.state {
            State::Booked { booking, .. } => Some(booking),
            State::Requested(attempt) | State::Held(attempt) => attempt.from.as_ref(),
            _ => None,
        }
    }

    /// Instead of a Slot that is taken; best first.
    pub fn offers(&self) -> &[SlotView] {
        match &self.state {
            State::Offered { offers } | State::Booked { offers, .. } => offers,
            _ => &[],
        }
    }

    /// The Slot that is wanted or was got.
    pub fn slot(&self) -> Option<&SlotView> {
        match &self.state {
            State::Booked { booking, .. } => Some(&booking.slot),
            State::Requested(attempt) | State::Held(attempt) => {
                let from = attempt.from.as_ref().map(|from| &from.slot);
                attempt.slot.as_ref().or(from)
            }
            State::Wished { slot } => self
                .chosen
                .as_ref()
                .filter(|chosen| Some(&chosen.id) == slot.as_ref()),
            _ => None,
        }
    }

    /// When it was made.
    pub fn made(&self) -> Instant {
        Instant::from_epoch_ms(self.made_ms)
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Wish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wish({}, {}, {:?})", self.id, self.word(), self.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_of_day() {
        let of = |from, until| Some(TimeOfDay { from, until });
        assert_eq!(TimeOfDay::parse("morning"), of(360, 720));
        assert_eq!(TimeOfDay::parse("08:30-24:00"), of(510, 1440));
        for bad in [
            "",
            "noon",
            "8:00-9:00",
            "12:00-08:00",
            "25:00-26:00",
            "08:00",
            "+1:00-02:00",
        ] {
            assert_eq!(TimeOfDay::parse(bad), None, "{bad}");
        }
        let days = Days::parse("Mon, fri").unwrap();
        assert_eq!(
            (0..7).filter(|day| days.has(*day)).collect::<Vec<_>>(),
            [0, 4]
        );
        assert_eq!(Days::parse("monday"), None);
        assert_eq!(Days::parse(""), None);
    }
}
