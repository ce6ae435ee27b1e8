//! Why a guard did not do something.

use super::{AuditError, BadCursor, BadPolicy, Refusal};
use crate::fhir::InvalidResource;
use crate::rng::NoRandomness;
use crate::store::{Refused, StoreError};
use crate::vault::VaultError;

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
    /// The vault was locked meanwhile.
    #[error("the vault is locked")]
    Locked,
    /// What was to be stored is no resource.
    #[error(transparent)]
    Resource(#[from] InvalidResource),
    /// A write's precondition did not hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The policy does not allow it.
    #[error(transparent)]
    NotAllowed(#[from] Refusal),
    /// A policy was not installed.
    #[error(transparent)]
    Policy(#[from] BadPolicy),
    /// A page link is not from this search.
    #[error(transparent)]
    Cursor(#[from] BadCursor),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}
