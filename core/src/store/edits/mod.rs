//! Local changes: what waits to be sent, and the versions kept until it is settled.
//!
//! A changed record keeps `base` (the server's bytes the change started from) once, however often it changes; its body is
//! what people see; `sent` is exactly what is under way. What one author wrote in a row is a turn, and goes out as one
//! write, under that author's name. The next author, or whoever writes on while a turn is under way, begins another: then
//! the exact bytes of the one before stay with its last outbox row. An outbox row leaves only in the transaction that
//! stores the answer.

mod accepted;
mod conflicts;
mod created;
mod joined;
mod local;
mod merging;
mod pending;
mod refused;
mod rows;
mod sent;
mod settle;
mod turns;

pub use accepted::Accepted;
pub(crate) use conflicts::Undecided;
pub(crate) use merging::merged;
pub use pending::{Going, Pending};

use crate::fhir::Reference;

/// Where a local change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditState {
    /// Waits to be sent, or for the answer.
    Waiting,
    /// The server has a newer version: waits for a person.
    Conflict,
    /// The server refused it: waits for a person.
    Refused,
}

/// What became of a local change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// Stored, and waiting to be sent.
    Queued,
    /// Stored; but the server has a newer version, so nothing is sent until a person decides.
    InConflict,
    /// The bytes are those that are there already; nothing is sent.
    Unchanged,
    /// Nothing is left to send: what was never sent was deleted again, or changed back.
    Withdrawn,
}

/// How a change is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentKind {
    /// PUT of a text.
    Put,
    /// DELETE.
    Delete,
}

/// Who changes something, and when.
#[derive(Clone, Copy)]
pub(crate) struct Author<'a> {
    pub(crate) person: &'a str,
    pub(crate) change_id: &'a str,
    pub(crate) at_ms: i64,
    /// Signs for the person, where the person has a key.
    pub(crate) signer: Option<&'a dyn Signs>,
    /// The first change of those that are one for the server too; `None`: it is one by itself.
    pub(crate) together: Option<&'a str>,
}

/// What is known about a change when it is stored.
pub(crate) struct ChangeFacts<'a> {
    /// UUID of the change.
    pub(crate) change: &'a str,
    /// Number of the change in this vault.
    pub(crate) sequence: i64,
    /// Number of the server in this vault.
    pub(crate) peer: i64,
    /// The record.
    pub(crate) record: &'a Reference,
    /// The server's newest version that the author has seen.
    pub(crate) base: Option<&'a str>,
    /// The last change of the turn before: the server's answer to it, not known yet, will be what this one replaces.
    pub(crate) after: Option<&'a str>,
    /// The exact bytes; `None`: a deletion.
    pub(crate) text: Option<&'a str>,
}

/// Signs changes.
pub(crate) trait Signs {
    /// The signed record of a change.
    fn sign(&self, facts: &ChangeFacts<'_>) -> String;
}

fn state_of(number: i64) -> EditState {
    match number {
        0 => EditState::Waiting,
        1 => EditState::Conflict,
        _ => EditState::Refused,
    }
}

fn kind_of(number: i64) -> SentKind {
    match number {
        1 => SentKind::Put,
        _ => SentKind::Delete,
    }
}
