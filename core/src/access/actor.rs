//! Who acts, and in which role.

use crate::fhir::ResourceId;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A person: an id that the audit trail records. Not a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Person(String);

impl Person {
    /// The one with this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The one who owns a vault with a single person in it.
    pub fn owner() -> Self {
        Self::new("owner")
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

/// A role, by the name that a policy calls it. Which roles there are and what they may do is the policy's to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(Cow<'static, str>);

impl Role {
    /// The one person of a vault of their own, and the hub's operator on the hub's own machine. No policy limits it:
    /// whoever has it holds the files and the key anyway.
    pub const OWNER: Self = Self(Cow::Borrowed("owner"));
    /// A patient.
    pub const PATIENT: Self = Self(Cow::Borrowed("patient"));
    /// A nurse.
    pub const NURSE: Self = Self(Cow::Borrowed("nurse"));
    /// A physician.
    pub const PHYSICIAN: Self = Self(Cow::Borrowed("physician"));
    /// The front desk.
    pub const FRONT_DESK: Self = Self(Cow::Borrowed("front-desk"));
    /// Whoever reads the audit trail.
    pub const AUDITOR: Self = Self(Cow::Borrowed("auditor"));
    /// Whoever looks after people, devices and the directory.
    pub const ADMIN: Self = Self(Cow::Borrowed("admin"));
    /// A shared device itself, when it syncs: it may hold what its facility's people may see.
    pub const TABLET: Self = Self(Cow::Borrowed("tablet"));

    /// The role of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who acts: a person in a role, and what the role's scopes mean for this one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// Who.
    pub person: Person,
    /// As what.
    pub role: Role,
    /// The `Patient` that is this person, for the scope "own compartment".
    pub patient: Option<ResourceId>,
    /// Where the person works, for the scope "facility".
    pub facility: Option<String>,
    /// The device the request came from, as the hub knows it.
    pub device: Option<String>,
}

impl Actor {
    /// A person in a role, bound to nothing.
    pub fn new(person: Person, role: Role) -> Self {
        Self {
            person,
            role,
            patient: None,
            facility: None,
            device: None,
        }
    }

    /// The one person of a vault.
    pub fn owner() -> Self {
        Self::new(Person::owner(), Role::OWNER)
    }

    /// Whoever holds the hub's admin token: a script on the hub's own machine.
    pub fn hub_admin() -> Self {
        Self::new(Person::new("hub-admin"), Role::OWNER)
    }
}
