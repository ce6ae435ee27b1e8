//! The hub's people and devices: who may come in, and as whom.
//!
//! An operator makes a code, a device presents it and proves its key, the operator compares a fingerprint and approves,
//! and the device gets a token of its own. People sign with keys of their own; the hub certifies each key in a role.
//! Everything stands in the hub's vault. Of secrets and tokens the hub keeps a hash.

mod anchors;
mod code;
mod enrol;
mod operate;
mod rows;

pub use anchors::{Handed, Taken};
pub use code::{Application, BadCode, EnrolmentCode, MemberKey};
pub use enrol::{Applied, Applying, Certified, Presented, Presenting};
pub use operate::{DeviceState, DeviceSummary, MemberSummary, People};
use rows::{DeviceRow, MemberRow};

use super::policy::VaultAction;
use super::{AccessError, AuditKind, Guard, Role};
use crate::fhir::ResourceId;
use crate::rng::NoRandomness;
use crate::store::{Reader, StoreError};
use serde::{Deserialize, Serialize};

/// What a device is enrolled as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What the operator calls the device.
    pub name: String,
    /// A patient's own device: the `Patient` it may see.
    pub patient: Option<String>,
    /// A shared device: where it stands.
    pub facility: Option<String>,
    /// The person whose key is certified together with the device.
    pub person: Option<String>,
    /// In which role.
    pub role: Option<Role>,
}

impl Grant {
    /// Checks what an operator typed.
    ///
    /// # Errors
    /// [`PeopleError::BadGrant`].
    pub fn check(&self) -> Result<(), PeopleError> {
        let bad = |what| Err(PeopleError::BadGrant(what));
        let plain = |text: &String| {
            (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control)
        };
        if !plain(&self.name) || !self.facility.iter().all(plain) {
            return bad("a name has 1 to 64 characters");
        }
        if self.patient.is_some() == self.facility.is_some() {
            return bad("a device is one patient's or one facility's");
        }
        if self
            .patient
            .iter()
            .chain(&self.person)
            .any(|id| ResourceId::new(id).is_err())
        {
            return bad("an id is 1 to 64 letters, digits, '-' or '.'");
        }
        if self.patient.is_some() && self.role.is_some() {
            return bad("a patient's own device has the role patient");
        }
        if self.facility.is_some() && self.person.is_some() != self.role.is_some() {
            return bad("a person needs a role, and a role a person");
        }
        self.role.iter().try_for_each(check_role)
    }
}

impl Grant {
    /// Whether both are for one patient, or for one place.
    fn is_for_the_same(&self, other: &Self) -> bool {
        self.patient == other.patient && self.facility == other.facility
    }
}

/// Roles that no operator gives: one is the operator's own, one is the device's.
fn check_role(role: &Role) -> Result<(), PeopleError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let name = role.name();
    let fits = (1..=32).contains(&name.len()) && name.bytes().all(plain);
    if !fits || *role == Role::OWNER || *role == Role::TABLET {
        return Err(PeopleError::BadGrant("this role cannot be given"));
    }
    Ok(())
}

/// Why the hub did not do something about people or devices.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The vault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Only the hub's operator may.
    #[error("only the hub's operator may do this")]
    NotTheOperator,
    /// What the operator asked for cannot be.
    #[error("{0}")]
    BadGrant(&'static str),
    /// The code is unknown, too old, used up, or another device's. Which one is not said.
    #[error("the code is not good: it is used up, too old, or another device's. Ask for a new one")]
    BadCode,
    /// The application is not signed by the key in it.
    #[error("the device did not prove its key")]
    BadProof,
    /// The anchor is not signed by that device, or another vault's.
    #[error("this is no anchor of this device's vault")]
    BadAnchor,
    /// Nothing has this id.
    #[error("no device and no person waits or is known by this id")]
    Unknown,
    /// Several have ids that begin so.
    #[error("several ids begin like this")]
    Ambiguous,
    /// A device is approved as what its code says.
    #[error("this is a device: it gets no role")]
    NoRole,
    /// A device that was shut out comes in by a new code.
    #[error("this device was shut out: make a new code for it, and join it again")]
    ShutOut,
    /// A person waits for a role.
    #[error("a person is approved in a role: name it")]
    RoleNeeded,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl Guard {
    /// A change of who may come in, with its two audit entries.
    fn registered<R>(
        &self,
        what: &str,
        write: impl FnOnce(&Self) -> Result<(R, i64), AccessError>,
    ) -> Result<R, AccessError> {
        self.audited(AuditKind::Device, what, |guard| {
            write(guard).map(|(answer, revision)| (answer, Some(revision)))
        })
    }

    /// A role that no rule is for would let its people in and show them nothing.
    pub(super) fn must_be_known(&self, role: Option<&Role>) -> Result<(), PeopleError> {
        let unknown = |role: &Role| {
            let policy = self.policy();
            policy.is_some_and(|policy| !policy.roles.contains_key(role.name()))
        };
        match role.is_some_and(unknown) {
            true => Err(PeopleError::BadGrant(
                "the hub's policy has no such role: `pocketchart policy show` lists them",
            )),
            false => Ok(()),
        }
    }

    /// Only in the operator's own hands, and there by the policy: on the hub's machine, with no device between.
    pub(super) fn must_be_operator(&self, action: VaultAction) -> Result<(), AccessError> {
        match self.actor.device {
            Some(_) => Err(PeopleError::NotTheOperator.into()),
            None => self.must(action),
        }
    }
}

/// The device of this id.
pub(super) fn device(reader: &Reader<'_>, id: &str) -> Result<Option<DeviceRow>, StoreError> {
    rows::get(reader, id)
}

/// The member who signs with this key.
pub(super) fn member(reader: &Reader<'_>, key: &str) -> Result<Option<MemberRow>, StoreError> {
    rows::get(reader, key)
}
