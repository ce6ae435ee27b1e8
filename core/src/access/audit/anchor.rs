//! A mark outside of the vault of how far it had come, so that an older copy put back in its place shows.
//!
//! Whoever can write the files can put back all of them as they were last week: every MAC holds, and nothing in them
//! says that there was more. An [`Anchor`] lies where a restored file does not bring it back: in the keychain of a
//! phone, and at the hub. It shows what happened up to the newest anchor; what came after it and was taken back before
//! the next one does not show.

use crate::crypto::sign::{self, BadSignature, PublicKey, SigningKey, Statement};
use crate::fhir::Instant;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A place that a restored file does not bring back: the keychain or Keystore of a phone. A desktop has none.
///
/// Called with no lock held, and from any thread.
pub trait AnchorPlace: Send + Sync {
    /// What was stored last. `None`: nothing ever was, or it is gone.
    ///
    /// # Errors
    /// [`AnchorPlaceError`] when the place cannot say; then nothing is stored over it.
    fn load(&self) -> Result<Option<Vec<u8>>, AnchorPlaceError>;

    /// Puts `bytes`, at most a few hundred, in place of what was there.
    ///
    /// # Errors
    /// [`AnchorPlaceError`].
    fn store(&self, bytes: &[u8]) -> Result<(), AnchorPlaceError>;
}

/// The place for the anchor did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the place that keeps the anchor did not answer")]
pub struct AnchorPlaceError;

/// The text is no anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// Another program's, or damaged.
    #[error("this is no anchor")]
    Malformed,
    /// Not signed by that key.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

/// The newest entry of a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub seq: i64,
    /// Its MAC, which stands for all entries up to it.
    pub mac: [u8; 32],
}

/// How far a vault had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Anchor {
    /// The vault's id.
    pub vault: [u8; 16],
    /// How often its header was written.
    pub generation: u64,
    /// The newest entry of its trail.
    pub head: Head,
    /// The newest revision of its store.
    pub revision: i64,
    /// When the anchor was made.
    pub at: Instant,
}

impl Anchor {
    /// Its text.
    pub fn to_text(&self) -> String {
        // Numbers and hex: writing them cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Anchor::to_text`] wrote.
    ///
    /// # Errors
    /// [`AnchorError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, AnchorError> {
        serde_json::from_str(text).map_err(|_| AnchorError::Malformed)
    }

    /// Its text with the signature of a device, to be kept by a hub.
    pub fn signed(&self, key: &SigningKey) -> String {
        sign::state(key, Statement::Anchor, &self.to_text())
    }

    /// Reads what [`Anchor::signed`] wrote.
    ///
    /// # Errors
    /// [`AnchorError`].
    pub fn read_signed(key: &PublicKey, text: &str) -> Result<Self, AnchorError> {
        Self::parse(&sign::read(key, Statement::Anchor, text)?)
    }

    /// Whether a vault that is this far may follow one that was as far as `before`.
    pub(in crate::access) fn is_as_new_as(&self, before: &Self) -> bool {
        self.head.seq >= before.head.seq
            && self.generation >= before.generation
            && self.revision >= before.revision
    }

    /// What a vault lacks. `mac_there`: the MAC of its entry with the anchor's number. Where it is the anchor's, the trail
    /// is whole so far, and how the vault is `now` counts; else how it was found.
    pub(in crate::access) fn missed(
        &self,
        found: &State,
        now: &State,
        mac_there: Option<[u8; 32]>,
    ) -> Option<Missed> {
        let whole = mac_there == Some(self.head.mac);
        let vault = if whole { now } else { found };
        let missed = Missed {
            at: self.at,
            generations: self.generation.saturating_sub(vault.generation),
            // At least one where another trail went on in its place.
            entries: match whole {
                true => 0,
                false => (self.head.seq - found.seq).max(1),
            },
            changes: (self.revision - vault.revision).max(0),
        };
        (missed.generations > 0 || missed.entries > 0 || missed.changes > 0).then_some(missed)
    }
}

/// What a vault is older by than its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "MissedWire", into = "MissedWire")]
pub struct Missed {
    /// When the anchor was made.
    pub at: Instant,
    /// How many times the header was written since: slots that were removed may open the vault again.
    pub generations: u64,
    /// Entries of the audit trail; at least one where another trail goes on in their place.
    pub entries: i64,
    /// Changes of records.
    pub changes: i64,
}

impl Missed {
    /// Both losses, the newer one's time.
    fn and(self, other: Self) -> Self {
        Self {
            at: self.at.max(other.at),
            generations: self.generations.saturating_add(other.generations),
            entries: self.entries.saturating_add(other.entries),
            changes: self.changes.saturating_add(other.changes),
        }
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: i64| if n == 1 { "" } else { "s" };
        write!(
            f,
            "this vault is older than the anchor of {}: {} change{} and {} audit entr{} lost",
            self.at,
            self.changes,
            plural(self.changes),
            self.entries,
            if self.entries == 1 { "y" } else { "ies" },
        )?;
        if self.generations > 0 {
            f.write_str(
                ", and keys or slots were changed since. What was removed may open it again",
            )?;
        }
        f.write_str(". Was an older copy restored?")
    }
}

/// What the anchor says of a vault that was just opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorFinding {
    /// There is none yet: the next lock makes the first.
    First,
    /// The vault is as new as its anchor.
    Sound,
    /// It is older.
    Older(Missed),
    /// There was one, and it is not there: a lost keychain, or a restored device.
    Gone,
    /// The place did not answer: nothing can be said, and nothing is stored over what may be there.
    Unanswered,
}

impl fmt::Display for AnchorFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("there is no anchor yet"),
            Self::Sound => f.write_str("the vault is as new as its anchor"),
            Self::Older(missed) => missed.fmt(f),
            Self::Gone => f.write_str(
                "the anchor of this vault is gone: whether an older copy was restored cannot be told",
            ),
            Self::Unanswered => AnchorPlaceError.fmt(f),
        }
    }
}

/// How far a vault is, or was when it was opened and nothing was written yet.
#[derive(Debug, Clone, Copy)]
pub(in crate::access) struct State {
    pub(in crate::access) generation: u64,
    pub(in crate::access) seq: i64,
    pub(in crate::access) revision: i64,
}

/// The place, and what it said.
#[derive(Default)]
pub(in crate::access) struct Watch {
    pub(in crate::access) place: Option<Arc<dyn AnchorPlace>>,
    /// Whether what is there was read: only then something is stored over it.
    pub(in crate::access) compared: bool,
    /// What a person has not taken note of yet.
    pub(in crate::access) missed: Option<Missed>,
    /// The same, by the anchor that the hub kept.
    pub(in crate::access) at_hub: Option<Missed>,
}

/// What lies in the place.
#[derive(Serialize, Deserialize)]
pub(in crate::access) struct Kept {
    pub(in crate::access) anchor: Anchor,
    /// Goes along until a person takes note of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::access) missed: Option<Missed>,
}

impl Kept {
    pub(in crate::access) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// `None`: these are not ours, or another vault's.
    pub(in crate::access) fn parse(bytes: &[u8], vault: &[u8; 16]) -> Option<Self> {
        let kept: Self = serde_json::from_slice(bytes).ok()?;
        (kept.anchor.vault == *vault).then_some(kept)
    }

    /// What is missing: by this anchor, and what it brought along.
    pub(in crate::access) fn missed(
        &self,
        found: &State,
        now: &State,
        mac_there: Option<[u8; 32]>,
    ) -> (Option<Missed>, Option<Missed>) {
        let new = self.anchor.missed(found, now, mac_there);
        let all = match (new, self.missed) {
            (Some(new), Some(before)) => Some(new.and(before)),
            (new, before) => new.or(before),
        };
        (new, all)
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(with = "hex::serde")]
    vault: [u8; 16],
    generation: u64,
    seq: i64,
    #[serde(with = "hex::serde")]
    mac: [u8; 32],
    revision: i64,
    at_ms: i64,
}

impl TryFrom<Wire> for Anchor {
    type Error = AnchorError;

    fn try_from(wire: Wire) -> Result<Self, AnchorError> {
        if wire.seq < 0 || wire.revision < 0 {
            return Err(AnchorError::Malformed);
        }
        Ok(Self {
            vault: wire.vault,
            generation: wire.generation,
            head: Head {
                seq: wire.seq,
                mac: wire.mac,
            },
            revision: wire.revision,
            at: Instant::from_epoch_ms(wire.at_ms),
        })
    }
}

impl From<Anchor> for Wire {
    fn from(anchor: Anchor) -> Self {
        Self {
            vault: anchor.vault,
            generation: anchor.generation,
            seq: anchor.head.seq,
            mac: anchor.head.mac,
            revision: anchor.revision,
            at_ms: anchor.at.epoch_ms(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct MissedWire {
    at_ms: i64,
    generations: u64,
    entries: i64,
    changes: i64,
}

impl TryFrom<MissedWire> for Missed {
    type Error = AnchorError;

    fn try_from(wire: MissedWire) -> Result<Self, AnchorError> {
        if wire.entries < 0 || wire.changes < 0 {
            return Err(AnchorError::Malformed);
        }
        Ok(Self {
            at: Instant::from_epoch_ms(wire.at_ms),
            generations: wire.generations,
            entries: wire.entries,
            changes: wire.changes,
        })
    }
}

impl From<Missed> for MissedWire {
    fn from(missed: Missed) -> Self {
        Self {
            at_ms: missed.at.epoch_ms(),
            generations: missed.generations,
            entries: missed.entries,
            changes: missed.changes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor() -> Anchor {
        Anchor {
            vault: [3; 16],
            generation: 2,
            head: Head {
                seq: 20,
                mac: [7; 32],
            },
            revision: 9,
            at: Instant::from_epoch_ms(1_000),
        }
    }

    fn found(generation: u64, seq: i64, revision: i64) -> State {
        State {
            generation,
            seq,
            revision,
        }
    }

    /// Frozen: what lies in keychains must be read by every later program.
    #[test]
    fn texts_come_back_and_others_do_not() {
        let text = anchor().to_text();
        let expected = format!(
            "{{\"vault\":\"{}\",\"generation\":2,\"seq\":20,\"mac\":\"{}\",\"revision\":9,\"at_ms\":1000}}",
            "03".repeat(16),
            "07".repeat(32)
        );
        assert_eq!(text, expected);
        assert_eq!(Anchor::parse(&text), Ok(anchor()));
        for bad in ["", "{}", &text.replace("20", "-20"), &text[1..]] {
            assert_eq!(Anchor::parse(bad), Err(AnchorError::Malformed), "{bad}");
        }
        let (key, other) = (
            SigningKey::make_random().unwrap(),
            SigningKey::make_random().unwrap(),
        );
        let signed = anchor().signed(&key);
        assert_eq!(Anchor::read_signed(&key.public(), &signed), Ok(anchor()));
        assert!(Anchor::read_signed(&other.public(), &signed).is_err());
    }

    #[test]
    fn what_is_missing_is_counted() {
        let same = Some([7; 32]);
        let missed = |found, mac| anchor().missed(&found, &found, mac);
        assert_eq!(missed(found(2, 20, 9), same), None);
        assert_eq!(missed(found(3, 25, 12), same), None, "newer");
        // Made since the vault was opened.
        let (opened, now) = (found(1, 5, 1), found(2, 21, 9));
        assert_eq!(anchor().missed(&opened, &now, same), None);
        let older = missed(found(1, 12, 4), None).unwrap();
        assert_eq!((older.generations, older.entries, older.changes), (1, 8, 5));
        assert_eq!(
            older.to_string(),
            "this vault is older than the anchor of 1970-01-01T00:00:01.000Z: 5 changes and 8 audit entries lost, and \
             keys or slots were changed since. What was removed may open it again. Was an older copy restored?"
        );
        // It went on and is longer by now, on another way.
        let forked = missed(found(2, 30, 12), Some([8; 32])).unwrap();
        assert_eq!((forked.entries, forked.changes), (1, 0));
    }

    #[test]
    fn a_loss_goes_along_until_it_is_noted() {
        let before = anchor().missed(&found(2, 10, 9), &found(2, 10, 9), None);
        let kept = Kept {
            anchor: anchor(),
            missed: before,
        };
        let again = Kept::parse(&kept.to_bytes(), &[3; 16]).unwrap();
        assert_eq!(
            again.missed(&found(2, 20, 9), &found(2, 20, 9), Some([7; 32])),
            (None, before)
        );
        let (new, all) = again.missed(&found(2, 19, 8), &found(2, 19, 8), None);
        assert_eq!((new.unwrap().entries, all.unwrap().entries), (1, 11));
        assert!(Kept::parse(&kept.to_bytes(), &[4; 16]).is_none());
        assert!(Kept::parse(b"x", &[3; 16]).is_none());
    }
}
