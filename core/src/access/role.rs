//! Who acts, and what they may do.

use crate::store::Permit;
use std::fmt;

/// Who acts: an id that the audit trail records. Not a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person(String);

impl Person {
    /// The one who owns a vault with a single person in it.
    pub fn owner() -> Self {
        Self("owner".to_owned())
    }

    /// Whoever holds the hub's admin token.
    pub fn hub_admin() -> Self {
        Self("hub-admin".to_owned())
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a person may do. This version knows one role; policies by type, scope and field take its place later, behind
/// the same call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Everything,
}

impl Role {
    /// The permit for a read or a write.
    pub(super) fn permit(self) -> Permit {
        match self {
            Self::Everything => Permit::granted(),
        }
    }
}
