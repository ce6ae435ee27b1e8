//! A policy as it is handed on: signed by the authority that a vault trusts, and never older than the one before.

use super::model::{InvalidPolicy, Policy};
use crate::crypto::sign::{self, BadSignature, PublicKey, SigningKey, Statement};

/// Why a policy was not installed. The one before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// Not signed by the authority of this vault.
    #[error("the policy is not signed by the authority of this vault")]
    Signature(#[from] BadSignature),
    /// Not signed by the hub that this vault joined.
    #[error(
        "this device joined a hub, and takes that hub's policies only: they are signed by the hub's authority ({authority}). \
         Install it at the hub; each sync brings it here"
    )]
    NotTheHubs {
        /// The fingerprint of the hub's key.
        authority: String,
    },
    /// Handed over by a hub that this vault has not joined.
    #[error("the policy is a hub's that this vault has not joined")]
    NotJoined,
    /// The text is no policy.
    #[error(transparent)]
    Invalid(#[from] InvalidPolicy),
    /// A newer one is in force.
    #[error("version {found} of the policy is not newer than version {current}, which is in force")]
    NotNewer {
        /// In the text.
        found: u64,
        /// In force.
        current: u64,
    },
}

/// Signs the text of a policy.
pub fn sign_policy(key: &SigningKey, text: &str) -> String {
    sign::state(key, Statement::Policy, text)
}

/// The policy in a signed text.
///
/// # Errors
/// [`BadPolicy`].
pub fn read_policy(authority: &PublicKey, signed: &str) -> Result<Policy, BadPolicy> {
    let text = sign::read(authority, Statement::Policy, signed)?;
    Ok(Policy::parse(&text)?)
}
