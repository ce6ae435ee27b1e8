//! Who may see and do what: roles as signed data, and the one place where it is decided.
//!
//! A policy says for each role which actions it may do on which types, in which scope. For reading, that becomes a
//! [`View`](crate::store) that the store puts into its statements; for writing, the old and the new version of a record
//! are judged before anything is stored. What a person may not see is not there, for that person, in every answer.

mod decide;
mod enforce;
mod explain;
mod handed;
mod model;
mod signed;
mod types;

pub(super) use decide::InForce;
pub use decide::{Refusal, Why};
pub(super) use enforce::{Judged, Visit, Wish, shipped};
pub use explain::RoleChange;
pub use model::{
    Action, Allows, Facility, InvalidPolicy, Policy, Rule, Scope, Transition, VaultAction,
};
pub use signed::{BadPolicy, read_policy, sign_policy};

/// The policy that holds where none is installed.
const SHIPPED: &str = include_str!("shipped.json");

impl Policy {
    /// The text of the policy that holds where none is installed.
    pub fn shipped_text() -> &'static str {
        SHIPPED
    }

    /// The policy that holds where none is installed.
    ///
    /// # Errors
    /// Never: a test reads it.
    pub fn shipped() -> Result<Self, InvalidPolicy> {
        Self::parse(SHIPPED)
    }
}
