//! Reading the audit trail: who may, and that they did.

use super::audit::{
    self, AuditEntry, AuditError, AuditKind, AuditReader, TrailFilter, TrailPage, may_read_audit,
};
use super::note::{Digested, Note, RunningDigest};
use super::{AccessError, Guard};
use crate::fhir::ResourceId;
use crate::fhir::instant::Span;
use crate::vault::Vault;
use std::sync::atomic::Ordering;

/// Entries that an export holds at once.
const EXPORT_STEP: usize = 500;

impl Guard {
    /// One page of the trail, newest entry first. That it was read is an entry itself, written before this answers.
    ///
    /// # Errors
    /// [`AccessError::MayNot`] for whoever may not read it, which is noted too.
    pub fn trail(&self, filter: &TrailFilter) -> Result<TrailPage, AccessError> {
        self.must_be_allowed(filter.patient.as_ref(), &filter.words())?;
        if filter.patient.is_some() || filter.person.is_some() {
            while !self.with_audit(|log| log.index_step())? {}
        }
        let mut page = self.read_trail(|reader, _, goes_on| reader.page(filter, goes_on))?;
        let count = u64::try_from(page.entries.len()).unwrap_or(u64::MAX);
        let patients = filter.patient.iter().map(ResourceId::to_string).collect();
        self.enter(Note {
            texts: Some(Digested::counted(count)),
            patients,
            ..Note::of(AuditKind::Trail, &filter.words())
        })?;
        let seen = |(seq, entry): (i64, AuditEntry)| (seq, audit::as_seen_by(&self.actor, entry));
        page.entries = page.entries.into_iter().map(seen).collect();
        Ok(page)
    }

    /// Who saw or changed what of a patient, newest first; `before` is the `next` of the page before. The owner and the
    /// auditor may ask about everybody, a patient about themselves.
    ///
    /// # Errors
    /// As [`Guard::trail`].
    pub fn who_saw(
        &self,
        patient: &ResourceId,
        span: Option<Span>,
        before: Option<i64>,
    ) -> Result<TrailPage, AccessError> {
        self.trail(&TrailFilter {
            span,
            before,
            ..TrailFilter::about(patient.clone())
        })
    }

    /// Recomputes the whole chain, holds the index against it, and both against the anchor where there is one. Answers
    /// with the number of entries.
    ///
    /// # Errors
    /// [`AccessError::Audit`]: where it does not hold.
    pub fn verify_trail(&self) -> Result<i64, AccessError> {
        self.must_be_allowed(None, "verify")?;
        self.note(AuditKind::Check, "audit trail", None, None)?;
        self.verify_chain()
    }

    /// As [`Guard::verify_trail`], within a check of everything.
    pub(super) fn verify_chain(&self) -> Result<i64, AccessError> {
        let anchor = self.anchor_in_place();
        self.read_trail(|reader, vault, goes_on| {
            reader.verify(vault.audit().key, vault.id(), anchor.as_ref(), goes_on)
        })
    }

    /// Hands out the trail as FHIR AuditEvents, one JSON text each, oldest first. Count and digest of what was handed out
    /// are noted behind it.
    ///
    /// # Errors
    /// [`AccessError`], or what `take` answered.
    pub fn export_trail<E: From<AccessError>>(
        &self,
        mut take: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<u64, E> {
        const WHAT: &str = "audit trail";
        self.must_be_allowed(None, "export")?;
        self.note(AuditKind::Export, WHAT, None, None)?;
        let mut digest = RunningDigest::default();
        let exported = self.export_events(|text| {
            digest.add(text);
            take(text)
        });
        let count = digest.count();
        self.enter(Note {
            texts: Some(digest.finish()),
            done: exported.is_ok(),
            ..Note::of(AuditKind::Export, WHAT)
        })?;
        exported.map(|()| count)
    }

    fn export_events<E: From<AccessError>>(
        &self,
        mut take: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let end = self.with_audit(|log| log.head())?.seq;
        let mut after = 0;
        while after < end {
            // Some at a time, so that a lock need not wait for a slow file.
            let (vault, entries) = self.read_trail(|reader, vault, _| {
                let entries = reader.forward(after, end, EXPORT_STEP)?;
                Ok((*vault.id(), entries))
            })?;
            let Some((last, _)) = entries.last() else {
                return Err(AccessError::from(AuditError::Broken { seq: after + 1 }).into());
            };
            after = *last;
            for (seq, entry) in &entries {
                for event in entry.to_events(&vault, *seq) {
                    take(&event)?;
                }
            }
        }
        Ok(())
    }

    fn must_be_allowed(&self, patient: Option<&ResourceId>, what: &str) -> Result<(), AccessError> {
        if may_read_audit(&self.actor, patient) {
            return Ok(());
        }
        const RULE: &str =
            "the audit trail is for the owner and the auditor, and for a patient about themselves";
        self.note_refused(&format!("audit trail {what}"), RULE)?;
        Err(AccessError::MayNot { rule: RULE })
    }

    /// All of it, oldest entry first, without a trace.
    #[cfg(test)]
    pub(super) fn audit_trail(&self) -> Result<Vec<AuditEntry>, AccessError> {
        let all = self.read_trail(|reader, _, _| reader.forward(0, i64::MAX, usize::MAX))?;
        Ok(all.into_iter().map(|(_, entry)| entry).collect())
    }

    pub(super) fn read_trail<R>(
        &self,
        body: impl FnOnce(&mut AuditReader, &Vault, &dyn Fn() -> bool) -> Result<R, AuditError>,
    ) -> Result<R, AccessError> {
        let goes_on = || !self.shared.locking.load(Ordering::SeqCst);
        let answer = self.with_open(|open| {
            let file = open.vault.audit();
            let mut reader = AuditReader::open(&file.path, file.key, file.salt)?;
            Ok(body(&mut reader, &open.vault, &goes_on)?)
        });
        match answer {
            Err(AccessError::Audit(AuditError::Stopped)) => Err(AccessError::Locked),
            other => other,
        }
    }
}
