//! Writing to the audit trail: what a guard does before it hands out or stores anything, and after it stored.

use super::audit::{AuditEntry, AuditKind, Change};
use super::{AccessError, Guard};
use sha2::{Digest, Sha256};

/// What an entry says besides who and when.
pub(super) struct Note<'a> {
    pub(super) kind: AuditKind,
    pub(super) what: &'a str,
    pub(super) texts: Option<Digested>,
    pub(super) revision: Option<i64>,
    pub(super) change: Option<Change>,
    pub(super) done: bool,
    pub(super) patients: Vec<String>,
    pub(super) author: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) rule: Option<&'a str>,
}

impl<'a> Note<'a> {
    /// That something is about to happen.
    pub(super) fn of(kind: AuditKind, what: &'a str) -> Self {
        Self {
            kind,
            what,
            texts: None,
            revision: None,
            change: None,
            done: false,
            patients: Vec::new(),
            author: None,
            reason: None,
            rule: None,
        }
    }
}

impl Guard {
    /// Writes an audit entry. What it is about happens after this, never before.
    pub(super) fn note(
        &self,
        kind: AuditKind,
        what: &str,
        texts: Option<Digested>,
        revision: Option<i64>,
    ) -> Result<(), AccessError> {
        self.enter(Note {
            texts,
            revision,
            ..Note::of(kind, what)
        })
    }

    /// As [`Guard::note`], with everything an entry may say.
    pub(super) fn enter(&self, note: Note<'_>) -> Result<(), AccessError> {
        let actor = &self.actor;
        let at_ms = self.shared.clock.now().epoch_ms();
        let entry = AuditEntry {
            role: actor.role.name().to_owned(),
            device: actor.device.clone(),
            facility: actor.facility.clone(),
            author: note.author.map(str::to_owned),
            what: note.what.to_owned(),
            change: note.change,
            count: note.texts.as_ref().map(|t| t.count),
            digest: note.texts.and_then(|t| t.digest),
            revision: note.revision,
            done: note.done,
            patients: note.patients,
            reason: note.reason.map(str::to_owned),
            rule: note.rule.map(str::to_owned),
            ..AuditEntry::new(at_ms, actor.person.id(), note.kind)
        };
        self.with_audit(|log| log.append(&entry))
    }

    /// An act of which the trail must know before and after it: keys, slots, people, devices, the policy. The entry after
    /// it has `done`, and the store revision where `act` answers with one. A kill between leaves the first entry alone.
    pub(super) fn audited<R, E: Into<AccessError>>(
        &self,
        kind: AuditKind,
        what: &str,
        act: impl FnOnce(&Self) -> Result<(R, Option<i64>), E>,
    ) -> Result<R, AccessError> {
        self.note(kind, what, None, None)?;
        let (answer, revision) = act(self).map_err(Into::into)?;
        let after = Note {
            done: true,
            revision,
            ..Note::of(kind, what)
        };
        match self.enter(after) {
            Ok(()) => Ok(answer),
            Err(AccessError::Audit(error)) => Err(AccessError::StoredUnnoted(error)),
            Err(other) => Err(other),
        }
    }

    /// Turned away: by which rule, and what was asked for.
    pub(super) fn note_refused(&self, what: &str, rule: &str) -> Result<(), AccessError> {
        self.enter(Note {
            rule: Some(rule),
            ..Note::of(AuditKind::Denied, what)
        })
    }

    /// Wrong secrets that were tried while the vault was locked: `count` of them at the slot called `slot`. They are
    /// written at the next unlock, since nothing can be while it is locked.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn note_failed_tries(&self, slot: &str, count: u64) -> Result<(), AccessError> {
        self.note(
            AuditKind::FailedTries,
            slot,
            Some(Digested::counted(count)),
            None,
        )
    }
}

/// Count and SHA-256 of some texts, each preceded by its length.
pub(super) struct Digested {
    pub(super) count: u64,
    pub(super) digest: Option<String>,
}

impl Digested {
    /// A count alone.
    pub(super) fn counted(count: u64) -> Self {
        Self {
            count,
            digest: None,
        }
    }

    pub(super) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut digest = Sha256::new();
        let mut count = 0;
        for text in texts {
            digest.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(text);
            count += 1;
        }
        Self {
            count,
            digest: Some(hex::encode(digest.finalize())),
        }
    }
}
