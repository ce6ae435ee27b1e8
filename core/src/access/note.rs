//! Writing to the audit trail: what a guard does before it hands out or stores anything, and after it stored.

use super::audit::{AuditEntry, AuditKind, Change};
use super::concerned::Writing;
use super::guard::Open;
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
    pub(super) via: Option<&'a str>,
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
            via: None,
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
            via: note.via.map(str::to_owned),
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
        let since_boot = self.shared.clock.since_boot();
        self.with_audit(|log| log.append(&entry, since_boot))
    }

    /// A write with its two audit entries: the intent before it, the revision after it.
    pub(super) fn written<R, E: Into<AccessError>>(
        &self,
        what: &str,
        write: impl FnOnce(&Self) -> Result<(R, i64), E>,
    ) -> Result<R, AccessError> {
        self.written_as(&Writing::named(what), write)
    }

    /// A write that the policy did not allow is in the trail too, with the rule that is missing.
    pub(super) fn note_if_refused<R>(
        &self,
        written: &Result<R, AccessError>,
    ) -> Result<(), AccessError> {
        match written {
            Err(AccessError::NotAllowed(refusal)) => self.note_refusal(refusal),
            _ => Ok(()),
        }
    }

    /// As [`Guard::written`], of records: both entries say whose they are.
    pub(super) fn written_as<R, E: Into<AccessError>>(
        &self,
        writing: &Writing,
        write: impl FnOnce(&Self) -> Result<(R, i64), E>,
    ) -> Result<R, AccessError> {
        self.enter(writing.note(AuditKind::Write))?;
        let written = write(self).map_err(Into::into);
        self.note_if_refused(&written)?;
        let (answer, revision) = written?;
        let after = Note {
            revision: Some(revision),
            ..writing.note(AuditKind::Written)
        };
        self.enter_after(answer, after)
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
        self.enter_after(answer, after)
    }

    /// As [`Guard::audited`], for acts on the vault itself while nothing else runs on it.
    pub(super) fn audited_on<R>(
        &self,
        kind: AuditKind,
        what: &str,
        act: impl FnOnce(&mut Open) -> Result<R, AccessError>,
    ) -> Result<R, AccessError> {
        self.audited(kind, what, |guard| {
            Ok::<_, AccessError>((guard.with_open_mut(act)?, None))
        })
    }

    /// The entry behind what happened.
    fn enter_after<R>(&self, answer: R, after: Note<'_>) -> Result<R, AccessError> {
        behind(self.enter(after))?;
        Ok(answer)
    }

    /// Turned away: by which rule, and what was asked for.
    pub(super) fn note_refused(&self, what: &str, rule: &str) -> Result<(), AccessError> {
        self.enter(Note {
            rule: Some(rule),
            ..Note::of(AuditKind::Denied, what)
        })
    }
}

/// Of an entry behind what happened: without it the answer must not say that nothing did.
pub(super) fn behind(noted: Result<(), AccessError>) -> Result<(), AccessError> {
    noted.map_err(|error| match error {
        AccessError::Audit(error) => AccessError::StoredUnnoted(error),
        other => other,
    })
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

/// As [`Digested::of`], for texts that come one at a time.
#[derive(Default)]
pub(super) struct RunningDigest {
    sha: Sha256,
    count: u64,
}

impl RunningDigest {
    pub(super) fn add(&mut self, text: &str) {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.sha.update(length.to_be_bytes());
        self.sha.update(text);
        self.count += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn finish(self) -> Digested {
        Digested {
            count: self.count,
            digest: Some(hex::encode(self.sha.finalize())),
        }
    }
}
