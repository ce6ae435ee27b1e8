//! The anchor of a vault: made when it is locked and for each sync, compared when it is opened.

use super::audit::{Anchor, AnchorFinding, AnchorPlace, AuditKind, Kept, Missed, State, Watch};
use super::note::{Digested, Note};
use super::{AccessError, Guard};
use std::sync::{Arc, MutexGuard, PoisonError};

impl Guard {
    /// Tells the vault where its anchor is kept, right after it was opened, and compares it with the one that is there.
    /// An older vault, and an anchor that is gone, are written to the trail and answered; neither blocks anything. The
    /// next lock puts a new anchor there.
    ///
    /// # Errors
    /// [`AccessError`] of vault and trail only, not of the place.
    pub fn watch_anchor(&self, place: Arc<dyn AnchorPlace>) -> Result<AnchorFinding, AccessError> {
        let loaded = place.load();
        self.watch().place = Some(place);
        let Ok(bytes) = loaded else {
            return Ok(AnchorFinding::Unanswered);
        };
        let (vault, anchored) =
            self.with_open(|open| Ok((*open.vault.id(), open.audit().anchored()?)))?;
        let kept = bytes.as_deref().map(|bytes| Kept::parse(bytes, &vault));
        let finding = match kept {
            None if anchored == 0 => AnchorFinding::First,
            None | Some(None) => {
                self.note(AuditKind::Rollback, "the anchor is gone", None, None)?;
                AnchorFinding::Gone
            }
            Some(Some(kept)) => self.hold_against(&kept)?,
        };
        self.watch().compared = true;
        Ok(finding)
    }

    fn hold_against(&self, kept: &Kept) -> Result<AnchorFinding, AccessError> {
        let there = self.read_trail(|reader, _, _| reader.mac_of(kept.anchor.head.seq))?;
        let (new, all) = kept.missed(&self.shared.found, &self.state()?, there);
        if let Some(new) = new {
            self.note_rollback(&new)?;
        }
        self.watch().missed = all;
        Ok(all.map_or(AnchorFinding::Sound, AnchorFinding::Older))
    }

    fn note_rollback(&self, missed: &Missed) -> Result<(), AccessError> {
        let count = u64::try_from(missed.changes).unwrap_or(0);
        self.enter(Note {
            texts: Some(Digested::counted(count)),
            ..Note::of(
                AuditKind::Rollback,
                &format!(
                    "older than the anchor of {}: {} entries, {} header generations",
                    missed.at, missed.entries, missed.generations
                ),
            )
        })
    }

    /// How far the vault has come, to be given to a hub at a sync. [`Anchor::signed`] makes it a statement.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn anchor(&self) -> Result<Anchor, AccessError> {
        // The store first: a write that comes between is in the trail, and the anchor asks for no more than there is.
        let revision = self.read(|reader| reader.revision())?;
        self.with_open(|open| {
            Ok(Anchor {
                vault: *open.vault.id(),
                generation: open.vault.generation(),
                head: open.audit().head()?,
                revision,
                at: self.shared.clock.now(),
            })
        })
    }

    /// The same, signed by the device.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn signed_anchor(&self) -> Result<String, AccessError> {
        // The key first: making it is a change.
        let key = self.device_key()?;
        Ok(self.anchor()?.signed(&key))
    }

    /// What this vault lacks by an anchor that a hub kept; `None`: nothing, or it is another vault's. A loss is written
    /// to the trail.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn compare_anchor(&self, anchor: &Anchor) -> Result<Option<Missed>, AccessError> {
        let (vault, there) =
            self.read_trail(|reader, vault, _| Ok((*vault.id(), reader.mac_of(anchor.head.seq)?)))?;
        if vault != anchor.vault {
            return Ok(None);
        }
        let missed = anchor.missed(&self.shared.found, &self.state()?, there);
        if let Some(missed) = &missed {
            self.note_rollback(missed)?;
        }
        Ok(missed)
    }

    /// What the vault was found to be older by, now or at an earlier opening, and nobody has taken note of yet.
    pub fn missed(&self) -> Option<Missed> {
        let watch = self.watch();
        // Two anchors of one loss: what was missing is not missing twice.
        let both = watch.missed.into_iter().chain(watch.at_hub);
        both.max_by_key(|missed| (missed.changes, missed.entries))
    }

    fn state(&self) -> Result<State, AccessError> {
        let anchor = self.anchor()?;
        Ok(State {
            generation: anchor.generation,
            seq: anchor.head.seq,
            revision: anchor.revision,
        })
    }

    /// The anchor that is in the place, for a check.
    pub(super) fn anchor_in_place(&self) -> Option<Anchor> {
        let place = self.watch().place.clone()?;
        let bytes = place.load().ok()??;
        let vault = self.with_open(|open| Ok(*open.vault.id())).ok()?;
        Kept::parse(&bytes, &vault).map(|kept| kept.anchor)
    }

    /// Puts the anchor of this moment in place. What was not compared is not replaced.
    pub(super) fn keep_anchor(&self) -> Result<(), AccessError> {
        let (place, missed) = {
            let watch = self.watch();
            match &watch.place {
                Some(place) if watch.compared => (Arc::clone(place), watch.missed),
                _ => return Ok(()),
            }
        };
        let anchor = self.anchor()?;
        let seq = anchor.head.seq;
        // A place that does not answer keeps the older anchor: it shows less, and nothing wrong.
        if place.store(&Kept { anchor, missed }.to_bytes()).is_ok() {
            self.with_audit(|log| log.set_anchored(seq))?;
        }
        Ok(())
    }

    /// A person took note of what is missing.
    pub(super) fn forget_missed(&self) -> Result<(), AccessError> {
        self.accept_missed_at_hub()?;
        let was_missed = self.watch().missed.take().is_some();
        if was_missed {
            self.keep_anchor()?;
        }
        Ok(())
    }

    pub(super) fn watch(&self) -> MutexGuard<'_, Watch> {
        self.shared
            .watch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
