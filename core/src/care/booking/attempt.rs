//! One attempt at having the server as a person wants it: exact texts, kept before anything is sent.

use super::slot::SlotView;
use super::wish::{Booking, Note};
use serde::{Deserialize, Serialize};

/// Requests in a row that decide nothing, before the next sync goes on.
pub(super) const MAX_TRIES: u32 = 6;

/// What is sent, kept before it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub(super) goal: Goal,
    pub(super) appointment: Put,
    /// The Slot to take.
    pub(super) slot: Option<SlotView>,
    pub(super) take: Option<Put>,
    pub(super) free: Option<Put>,
    /// What stands as long as this does not.
    pub(super) from: Option<Booking>,
    pub(super) answer: Option<Answer>,
    /// The server does not let us give a Slot back.
    pub(super) keeps_slot: bool,
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Goal {
    Book,
    Move,
    /// The Appointment goes back to the Slot it had.
    Back,
    /// It is called off for good.
    Cancel,
    /// It is taken back, because its Slot is another's: then another Slot.
    Undo,
}

/// One write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Put {
    pub(super) id: String,
    pub(super) text: String,
    /// The version that may be replaced; `None`: nothing may stand there.
    pub(super) expected: Option<String>,
    /// The signed record of the change.
    pub(super) record: Option<String>,
    /// It is there already.
    pub(super) is_done: bool,
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) kind: AnswerKind,
    /// Version of the Slot that it says it has stored.
    pub(super) took: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AnswerKind {
    /// It did as asked.
    Taken,
    /// Something stood in the way, or it wants to be asked again.
    Conflict { status: u16 },
    /// It does not do that.
    Refused { status: u16, codes: String },
    /// Nobody has approved the author there yet.
    NotApproved,
}

impl Put {
    pub(super) fn new(id: String, text: String, expected: Option<String>) -> Self {
        Self {
            id,
            text,
            expected,
            record: None,
            is_done: false,
        }
    }
}

impl Attempt {
    /// What is to be written, in its order, with its type.
    pub(super) fn writes(&self) -> Vec<(&'static str, &Put)> {
        let all = [
            ("Slot", self.take.as_ref()),
            ("Appointment", Some(&self.appointment)),
            ("Slot", self.free.as_ref()),
        ];
        let there = all.into_iter().filter_map(|(kind, put)| Some((kind, put?)));
        there.filter(|(_, put)| !put.is_done).collect()
    }

    /// As [`Attempt::writes`], to be signed.
    pub(super) fn writes_mut(&mut self) -> Vec<(&'static str, &mut Put)> {
        let all = [
            ("Slot", self.take.as_mut()),
            ("Appointment", Some(&mut self.appointment)),
            ("Slot", self.free.as_mut()),
        ];
        let there = all.into_iter().filter_map(|(kind, put)| Some((kind, put?)));
        there.filter(|(_, put)| !put.is_done).collect()
    }

    /// What of it stands there already.
    pub(super) fn done(&mut self, appointment: bool, take: bool) {
        self.appointment.is_done = appointment;
        if let Some(put) = &mut self.take {
            put.is_done = take;
        }
    }

    /// The Slot that is given up, or would be.
    pub(super) fn given_up(&self) -> Option<&str> {
        let from = self.from.as_ref().map(|from| from.slot.id.as_str());
        let slot = self.slot.as_ref().map(|slot| slot.id.as_str());
        self.free
            .as_ref()
            .map(|put| put.id.as_str())
            .or(from)
            .or(slot)
    }

    pub(super) fn took(&self) -> Option<&str> {
        self.answer.as_ref()?.took.as_deref()
    }

    /// What the server will not do however often it is asked. 400 is also how one in the field says "stale".
    pub(super) fn refusal(&self, tries: u32) -> Option<AnswerKind> {
        match &self.answer.as_ref()?.kind {
            AnswerKind::Taken => None,
            AnswerKind::Conflict { status: 400 } if tries >= MAX_TRIES / 2 => {
                Some(AnswerKind::Refused {
                    status: 400,
                    codes: String::new(),
                })
            }
            AnswerKind::Conflict { .. } => None,
            other => Some(other.clone()),
        }
    }
}

impl Note {
    pub(super) fn of(kind: &AnswerKind) -> Self {
        match kind {
            AnswerKind::Refused { status, codes } => Self::Refused {
                status: *status,
                codes: codes.clone(),
            },
            AnswerKind::NotApproved => Self::NotApproved,
            AnswerKind::Taken | AnswerKind::Conflict { .. } => Self::StillTrying,
        }
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attempt({:?}, {:?})", self.goal, self.answer)
    }
}
