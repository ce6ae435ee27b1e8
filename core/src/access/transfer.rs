//! What an import and an export do with records: many at once, with one audit entry per file.

use super::audit::AuditKind;
use super::change::Signer;
use super::guard::Digested;
use super::note::RunningDigest;
use super::policy::{Action, Wish};
use super::{AccessError, Guard, Role};
use crate::fhir::{Instant, Reference, Resource, ResourceType};
use crate::rng;
use crate::store::{Durability, Imported, PeerId, Reader, Record, StoreError, Tx};

/// How an import stores.
#[derive(Debug, Clone, Copy)]
pub struct Importing {
    /// Queue everything for the server, as if a person had typed it in.
    pub as_edits: bool,
    /// Wait until it is on the disk. Parts of an import need not wait; its last one does.
    pub durable: bool,
    /// Stands in for a missing `meta.lastUpdated`.
    pub at: Instant,
}

impl Guard {
    /// The clock of this vault.
    pub fn now(&self) -> Instant {
        self.shared.clock.now()
    }

    /// Stores resources from files, in one transaction. `files` says how many of them, in their order, each file gave.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing of `batch` was stored.
    pub fn import(
        &self,
        files: &[(String, usize)],
        batch: &[Resource<'_>],
        how: Importing,
    ) -> Result<Vec<Imported>, AccessError> {
        self.must_somewhere(Action::Import)?;
        let mut rest = batch.iter();
        for (file, count) in files {
            let digest = Digested::of(rest.by_ref().take(*count).map(Resource::text));
            self.note(AuditKind::Import, file, Some(digest), None)?;
        }
        let changes = self.change_ids(batch.len(), how)?;
        let signer = if how.as_edits { self.signer()? } else { None };
        self.transfer(how, |tx| {
            self.judge_import(tx, batch)?;
            if !how.as_edits {
                return Ok(tx.import(batch, how.at.epoch_ms())?);
            }
            let mut all = Vec::with_capacity(batch.len());
            for (resource, change_id) in batch.iter().zip(&changes) {
                all.push(self.import_edit(tx, resource, change_id, signer.as_ref())?);
            }
            Ok(all)
        })
    }

    /// Exchanges the texts of records of this import for what `change` makes of them; `None` from it: as it is.
    /// Answers with the number of records that got another text.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was changed.
    pub fn change_imported(
        &self,
        names: &[Reference],
        how: Importing,
        mut change: impl FnMut(&Reference, &str) -> Option<String>,
    ) -> Result<u64, AccessError> {
        self.must_somewhere(Action::Import)?;
        self.note(
            AuditKind::Import,
            "references in imported records",
            None,
            None,
        )?;
        let changes = self.change_ids(names.len(), how)?;
        let signer = if how.as_edits { self.signer()? } else { None };
        self.transfer(how, |tx| {
            if !how.as_edits {
                return Ok(tx.change_imported(names, how.at.epoch_ms(), change)?);
            }
            let mut changed = 0;
            for (name, change_id) in names.iter().zip(&changes) {
                let text = tx.text_of(name)?.and_then(|text| change(name, &text));
                if let Some(text) = text
                    && let Ok(resource) = Resource::parse_text(&text)
                {
                    self.import_edit(tx, &resource, change_id, signer.as_ref())?;
                    changed += 1;
                }
            }
            Ok(changed)
        })
    }

    /// Every record of one type, for an import that looks for the targets of its references. Nothing of it leaves the
    /// core.
    pub(crate) fn each_of(
        &self,
        kind: ResourceType,
        mut take: impl FnMut(&Reference, &str),
    ) -> Result<(), AccessError> {
        self.read(|reader| {
            reader.each_of(kind, |name, text| {
                take(name, text);
                Ok::<_, AccessError>(())
            })
        })
    }

    /// Hands out every record that this person may export; `what` names the export in the audit trail, which gets count and digest of what was
    /// handed out behind it.
    ///
    /// # Errors
    /// [`AccessError`], or what `take` answered.
    pub fn export<E: From<AccessError>>(
        &self,
        what: &str,
        mut take: impl FnMut(&Record) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.must_somewhere(Action::Export)?;
        let mut digest = RunningDigest::default();
        self.note(AuditKind::Export, what, None, None)?;
        let read = self.read_any(Action::Export, |reader: &Reader<'_>| {
            reader.each_record(|record| {
                let record = record?;
                digest.add(&record.text);
                take(&record).map_err(Leaving::Taker)
            })
        })?;
        let count = digest.count();
        self.note(AuditKind::Export, what, Some(digest.finish()), None)?;
        match read {
            Ok(()) => Ok(count),
            Err(Leaving::Store(error)) => Err(AccessError::from(error).into()),
            Err(Leaving::Taker(error)) => Err(error),
        }
    }

    /// Whether this person may export records of the type at all.
    pub(crate) fn exports(&self, kind: ResourceType) -> bool {
        let decided = self
            .in_force()
            .may_at_all(&self.actor, Action::Export, kind);
        decided.is_ok()
    }

    /// Writes that an export begins whose records are then asked for by searches.
    ///
    /// # Errors
    /// [`AccessError::Audit`].
    pub fn note_export(&self, what: &str) -> Result<(), AccessError> {
        self.must_somewhere(Action::Export)?;
        self.note(AuditKind::Export, what, None, None)
    }

    fn transfer<R>(
        &self,
        how: Importing,
        body: impl FnOnce(&mut Tx<'_>) -> Result<R, AccessError>,
    ) -> Result<R, AccessError> {
        let durability = if how.durable {
            Durability::Full
        } else {
            Durability::Normal
        };
        let (answer, revision) = self.write(durability, body)?;
        // Only what is on the disk may be called written: else a power loss looks like changes that were lost.
        if how.durable {
            self.note(AuditKind::Written, "import", None, Some(revision))?;
        }
        Ok(answer)
    }

    /// Each record of an import is judged like one that is written by hand.
    fn judge_import(&self, tx: &Tx<'_>, batch: &[Resource<'_>]) -> Result<(), AccessError> {
        if self.actor.role == Role::OWNER {
            return Ok(());
        }
        for resource in batch {
            let place = tx.place_of(resource.name());
            let name = match place {
                Ok(place) => place.unwrap_or_else(|| Self::on_first_peer(resource.name())),
                // It is not stored, and said to be ambiguous.
                Err(StoreError::Ambiguous { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let wish = Wish {
                name,
                new: Some(resource),
                actor: &self.actor,
                expects_version: false,
            };
            self.judge(tx, true, &[wish]).map_err(|(_, error)| error)?;
        }
        Ok(())
    }

    fn import_edit(
        &self,
        tx: &Tx<'_>,
        resource: &Resource<'_>,
        change_id: &str,
        signer: Option<&Signer>,
    ) -> Result<Imported, StoreError> {
        let peer = match tx.place_of(resource.name()) {
            Ok(found) => found.map_or(PeerId::FIRST, |name| name.peer),
            Err(StoreError::Ambiguous { .. }) => return Ok(Imported::Ambiguous),
            Err(error) => return Err(error),
        };
        let saved = tx.put_local(peer, resource, self.author(change_id, signer))?;
        Ok(match saved {
            crate::store::Saved::Unchanged => Imported::Unchanged,
            _ => Imported::Stored,
        })
    }

    /// Made before the transaction, since the operating system may refuse.
    fn change_ids(&self, count: usize, how: Importing) -> Result<Vec<String>, AccessError> {
        let wanted = if how.as_edits { count } else { 0 };
        Ok((0..wanted)
            .map(|_| rng::make_uuid())
            .collect::<Result<_, _>>()?)
    }
}

/// Why a walk over all records ended early.
enum Leaving<E> {
    Store(StoreError),
    Taker(E),
}

impl<E> From<StoreError> for Leaving<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
