//! The anchor that a hub keeps of this vault: compared at each sync, and replaced only by one that is as good.
//!
//! The hub's anchor says how far the vault had come when it last synced. Where the vault is older than that, the loss
//! stands in the trail once and is shown until a person takes note of it; until then the hub keeps the anchor that shows
//! it. Nothing is blocked.

use super::audit::{Anchor, Missed};
use super::people::Handed;
use super::{AccessError, Guard};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const JUDGED: &str = "hub-anchor";

/// A loss by the hub's anchor.
#[derive(Serialize, Deserialize)]
struct Judged {
    /// SHA-256 of the hub's signed text.
    anchor: String,
    missed: Missed,
    /// A person took note.
    accepted: bool,
}

impl Guard {
    /// Compares this vault with the anchor that the hub kept. Answers with what is missing, until a person has taken note
    /// of it ([`Guard::accept_loss`]). An anchor that this device did not sign says nothing.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn compare_with_hub(&self, kept: Option<&str>) -> Result<Option<Missed>, AccessError> {
        let judged = self.judged_at_hub()?;
        if let Some(judged) = judged.as_ref().filter(|judged| !judged.accepted) {
            return Ok(Some(judged.missed));
        }
        let Some(text) = kept else { return Ok(None) };
        let Ok(anchor) = Anchor::read_signed(&self.device_key()?.public(), text) else {
            return Ok(None);
        };
        let digest = digest_of(text);
        if judged.is_some_and(|judged| judged.anchor == digest) {
            return Ok(None);
        }
        let Some(missed) = self.compare_anchor(&anchor)? else {
            return Ok(None);
        };
        self.keep_judged(&Judged {
            anchor: digest,
            missed,
            accepted: false,
        })?;
        self.watch().at_hub = Some(missed);
        Ok(Some(missed))
    }

    /// The anchor of this moment for the hub; `None`: the one that is there shows a loss that nobody has taken note of.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn anchor_for_hub(&self) -> Result<Option<Handed>, AccessError> {
        let judged = self.judged_at_hub()?;
        if judged.as_ref().is_some_and(|judged| !judged.accepted) {
            return Ok(None);
        }
        Ok(Some(Handed {
            anchor: self.signed_anchor()?,
            instead_of: judged.map(|judged| judged.anchor),
        }))
    }

    /// What was found at an earlier opening, and nobody has taken note of.
    pub(super) fn load_missed_at_hub(&self) -> Result<(), AccessError> {
        let judged = self.judged_at_hub()?.filter(|judged| !judged.accepted);
        self.watch().at_hub = judged.map(|judged| judged.missed);
        Ok(())
    }

    /// A person took note: the hub may have a new anchor in place of the one that showed it.
    pub(super) fn accept_missed_at_hub(&self) -> Result<(), AccessError> {
        if let Some(judged) = self.judged_at_hub()?.filter(|judged| !judged.accepted) {
            self.keep_judged(&Judged {
                accepted: true,
                ..judged
            })?;
        }
        self.watch().at_hub = None;
        Ok(())
    }

    fn judged_at_hub(&self) -> Result<Option<Judged>, AccessError> {
        let kept = self.kept(JUDGED)?;
        // A text that cannot be read says nothing; the hub's anchor says it again.
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn keep_judged(&self, judged: &Judged) -> Result<(), AccessError> {
        self.keep(JUDGED, &serde_json::to_string(judged).unwrap_or_default())
    }
}

/// By this the two sides name an anchor.
pub(super) fn digest_of(signed: &str) -> String {
    hex::encode(Sha256::digest(signed))
}
