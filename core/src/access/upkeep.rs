//! Work on the files that no person asked for: the index of an older program, and packing.
//!
//! All of it goes in small steps, each a transaction of its own, so that it can stop or be killed at any time.

use super::policy::VaultAction;
use super::{AccessError, Guard};
use crate::fhir::params::Profile;
use crate::store::{Durability, Reindexed};

/// Records indexed in one step.
const REINDEX_STEP: usize = 2_000;

impl Guard {
    /// Whether the index was made by another generation of this program. It still answers; [`Guard::reindex`] makes
    /// it new.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn index_is_old(&self) -> Result<bool, AccessError> {
        self.read_for_device(|reader| reader.index_is_old())
    }

    /// Makes the index anew, as far as `goes_on` lets it. `true`: it is new.
    ///
    /// # Errors
    /// [`AccessError`]; the old index still answers, and the next call goes on from there.
    pub fn reindex(&self, mut goes_on: impl FnMut(Reindexed) -> bool) -> Result<bool, AccessError> {
        loop {
            let step = self.write(Durability::Normal, |tx| tx.reindex_step(REINDEX_STEP));
            match step?.0 {
                None => return Ok(true),
                Some(progress) if goes_on(progress) => {}
                Some(_) => return Ok(false),
            }
        }
    }

    /// Chooses what this vault is indexed by; [`Guard::reindex`] then makes the index.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn set_profile(&self, profile: Profile) -> Result<(), AccessError> {
        self.must(VaultAction::Settings)?;
        self.written("index profile", |guard| {
            guard.write(Durability::Full, |tx| tx.set_profile(profile))
        })
    }

    /// Packs stored records tighter, as long as `goes_on` says so and something is left. `true`: nothing is left.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn repack(&self, mut goes_on: impl FnMut() -> bool) -> Result<bool, AccessError> {
        while goes_on() {
            let step = self.write(Durability::Normal, |tx| tx.repack_step());
            if !step?.0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
