//! Why a guard did not do something.

use super::authorship::ChangeRefused;
use super::people::PeopleError;
use super::{AuditError, BadCursor, BadPolicy, NotResolved, Refusal, Unfit};
use crate::fhir::InvalidResource;
use crate::fhir::strict::NotStrict;
use crate::rng::NoRandomness;
use crate::store::{Refused, StoreError};
use crate::vault::{SlotSummary, VaultError};

/// Why a guard did not do something. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The vault did not open, or was not made.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit trail. What cannot be audited does not happen.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// It was stored, but the entry that says so could not be written. Do not store it again.
    #[error("stored, but not noted in the audit trail: {0}")]
    StoredUnnoted(AuditError),
    /// The vault belongs to a device, not to a hub.
    #[error(
        "this vault belongs to a device (changes wait in it, or it syncs with a server): make one for the hub"
    )]
    VaultOfADevice,
    /// Other slots would have to go too, and nobody agreed to that.
    #[error(
        "the vault's root key changes with it, so that {} would be dropped: give their secrets along, or agree to drop \
         them (they must be enrolled again). Nothing was changed",
        in_words(slots)
    )]
    WouldDrop {
        /// The slots.
        slots: Vec<SlotSummary>,
    },
    /// A slot is out, the data key is the old one.
    #[error(
        "it is done, but the records still lie under the old key ({source}): run `pocketchart vault rekey` for a new one"
    )]
    RemovedNotRekeyed {
        /// Why there is no new key.
        source: Box<AccessError>,
    },
    /// Work that only this vault has.
    #[error(
        "{changes} change{} here that no server has would be lost: sync first. Nothing was changed",
        if *changes == 1 { "" } else { "s" }
    )]
    Unsent {
        /// How many.
        changes: u64,
    },
    /// The vault was locked meanwhile, or is in another person's hands by now.
    #[error("the vault is locked")]
    Locked,
    /// Only the vault's owner, or an admin, may do this.
    #[error("only the vault's owner or an admin may {what}")]
    OwnerOnly {
        /// What was tried.
        what: &'static str,
    },
    /// What was to be stored is no resource.
    #[error(transparent)]
    Resource(#[from] InvalidResource),
    /// What was to be stored would be read in two ways.
    #[error(transparent)]
    NotStrict(#[from] NotStrict),
    /// A request does not fit what is stored.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A write's precondition did not hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The policy does not allow it.
    #[error(transparent)]
    NotAllowed(#[from] Box<Refusal>),
    /// A policy was not installed.
    #[error(transparent)]
    Policy(#[from] BadPolicy),
    /// A page link is not from this search.
    #[error(transparent)]
    Cursor(#[from] BadCursor),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// A change that waits for a person still waits.
    #[error(transparent)]
    NotResolved(#[from] NotResolved),
    /// A signed change was not taken.
    #[error(transparent)]
    Change(#[from] ChangeRefused),
    /// Something about people and devices of a hub.
    #[error(transparent)]
    People(PeopleError),
}

impl From<PeopleError> for AccessError {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Store(error) => Self::Store(error),
            PeopleError::Randomness(error) => Self::Randomness(error),
            other => Self::People(other),
        }
    }
}

fn in_words(slots: &[SlotSummary]) -> String {
    let words: Vec<String> = slots.iter().map(SlotSummary::in_words).collect();
    words.join(", ")
}
