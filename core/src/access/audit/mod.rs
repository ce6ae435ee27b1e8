//! The audit trail: who saw or changed what, in a file of its own.
//!
//! Its own file, so that a first load that keeps the store's writer busy never keeps a reader waiting. An entry is
//! written before its record is handed out, so the trail may say "about to be released" of something that never was;
//! never the other way round.
//!
//! Entries form a chain of MACs whose key moves on with each entry (a ratchet). Without an operator who holds the first
//! key elsewhere it can be recomputed by whoever holds the vault's root key: it shows accidents, not insiders. A tail
//! that was cut off is seen as far back as the newest anchor that lies outside of the file.

mod about;
mod anchor;
mod chain;
mod entry;
mod export;
mod reader;
#[cfg(test)]
mod tests;
mod verify;
mod who;
#[cfg(test)]
mod with_a_vault;

pub use anchor::{Anchor, AnchorError, AnchorFinding, AnchorPlace, AnchorPlaceError, Head, Missed};
pub(super) use anchor::{Kept, State, Watch};
pub(super) use chain::AuditLog;
pub use entry::{AuditEntry, AuditKind, Change};
pub(super) use reader::AuditReader;
pub(super) use who::as_seen_by;
pub use who::{TrailFilter, TrailPage, may_read_audit};

use crate::store::StoreError;

/// Why the audit trail did not take or give an entry.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Its file.
    #[error("audit trail: {0}")]
    Store(#[from] StoreError),
    /// The chain does not hold.
    #[error("audit trail: entry {seq} was changed, or one before it was removed")]
    Broken {
        /// The first entry that does not fit.
        seq: i64,
    },
    /// The tail is gone.
    #[error(
        "audit trail: it ends at entry {found}, but the anchor of {at} names entry {anchored}: the end was cut off, or an older file was put back"
    )]
    Cut {
        /// The newest entry that is there.
        found: i64,
        /// The newest one when the anchor was made.
        anchored: i64,
        /// When that was.
        at: crate::fhir::Instant,
    },
    /// The chain holds, but it is not the one the anchor was made for.
    #[error(
        "audit trail: entry {seq} is not the one that the anchor of {at} names: an older file was put back and went on"
    )]
    Forked {
        /// The anchored entry.
        seq: i64,
        /// When the anchor was made.
        at: crate::fhir::Instant,
    },
    /// The table of whom entries are about does not agree with them.
    #[error("audit trail: the index of patients and people disagrees with entry {seq}")]
    Index {
        /// The first entry that is not in it as it should be.
        seq: i64,
    },
    /// The vault is being locked.
    #[error("audit trail: the check was stopped")]
    Stopped,
}

impl AuditError {
    /// The entry at which a check failed.
    pub fn entry(&self) -> Option<i64> {
        match self {
            Self::Broken { seq } | Self::Forked { seq, .. } | Self::Index { seq } => Some(*seq),
            Self::Cut { found, .. } => Some(found.saturating_add(1)),
            Self::Store(_) | Self::Stopped => None,
        }
    }
}

impl From<rusqlite::Error> for AuditError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
