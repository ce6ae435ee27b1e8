//! The anchors that the hub keeps of its devices' vaults: the newest of each.
//!
//! An anchor lies here where a restored home does not bring it back. It gives way to a newer one only, or where the device
//! says that a person there took note of what it shows.

use super::super::at_hub::digest_of;
use super::rows::{DeviceRow, get, set};
use super::{AccessError, Guard, PeopleError};
use crate::access::audit::Anchor;
use crate::store::Durability;
use serde::{Deserialize, Serialize};

/// Longest signed anchor that is read.
const MAX_BYTES: usize = 2048;

/// A device's anchor: what is sent to `$anchor`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Handed {
    /// Signed by the device.
    pub anchor: String,
    /// SHA-256 of the hub's anchor that it may replace although the vault is older than that: a person took note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

/// What became of it; the answer to `$anchor`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Taken {
    /// The one that the hub had before.
    pub before: Option<String>,
    /// Whether the new one is in its place.
    pub taken: bool,
}

impl Guard {
    /// Keeps the anchor of the device whose token was shown, if it is as new as the one that is here.
    ///
    /// # Errors
    /// [`PeopleError::BadAnchor`] where that device did not sign it, or for another vault.
    pub fn take_anchor(&self, handed: &Handed) -> Result<Taken, AccessError> {
        let Some(id) = &self.actor.device else {
            return Err(PeopleError::Unknown.into());
        };
        if handed.anchor.len() > MAX_BYTES {
            return Err(PeopleError::BadAnchor.into());
        }
        let device =
            self.read(|reader| get::<DeviceRow>(reader, id)?.ok_or(PeopleError::Unknown))?;
        let anchor = Anchor::read_signed(&device.key, &handed.anchor)
            .ok()
            .filter(|anchor| hex::encode(anchor.vault) == device.vault)
            .ok_or(PeopleError::BadAnchor)?;
        let put = |guard: &Self| {
            guard.write(Durability::Full, |tx| {
                // Read again: a revocation, or a newer anchor, in between must not be undone.
                let mut device: DeviceRow = get(tx, id)?.ok_or(PeopleError::Unknown)?;
                let before = device.anchor.take();
                let is_named = before
                    .as_ref()
                    .is_some_and(|before| handed.instead_of == Some(digest_of(before)));
                let is_newer = before.as_ref().is_none_or(|before| {
                    Anchor::read_signed(&device.key, before)
                        .map_or(true, |before| anchor.is_as_new_as(&before))
                });
                let taken = is_named || is_newer;
                device.anchor = match taken {
                    true => Some(handed.anchor.clone()),
                    false => before.clone(),
                };
                if taken {
                    set(tx, id, &device)?;
                }
                Ok::<_, PeopleError>(Taken { before, taken })
            })
        };
        // An older vault goes on in place of a newer one: the operator should find that.
        match handed.instead_of {
            Some(_) => self.registered("anchor of an older vault", put),
            None => put(self).map(|(taken, _)| taken),
        }
    }
}
