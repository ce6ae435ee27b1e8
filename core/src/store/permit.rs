//! The token that opens the store's doors.

/// Proof that `access` decided and audited. Only `access` may name this type; the import test reads every `crate::`
/// path to make sure.
#[derive(Debug)]
pub(crate) struct Permit(());

impl Permit {
    /// Called by `access` alone.
    pub(crate) fn granted() -> Self {
        Self(())
    }
}
