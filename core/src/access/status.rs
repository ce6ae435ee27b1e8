//! How a vault is doing.

use super::audit::{AuditEntry, AuditKind};
use super::{AccessError, Guard, LostChanges};
use crate::fhir::{Resource, ResourceType};
use crate::store::{Pending, RecordName, StoreError};
use sha2::{Digest, Sha256};

/// What is in a vault and what waits.
#[derive(Debug)]
pub struct Status {
    /// Records of each type, most first.
    pub counts: Vec<(ResourceType, u64)>,
    /// Local revision of the newest change.
    pub revision: i64,
    /// Base URLs of the servers.
    pub servers: Vec<String>,
    /// Local changes that wait, oldest first.
    pub pending: Vec<Pending>,
    /// Whether the store is older than its audit trail.
    pub lost: Option<LostChanges>,
}

/// What a check of all files found.
#[derive(Debug)]
pub struct VaultCheck {
    /// What is wrong, in words; empty: nothing.
    pub problems: Vec<String>,
    /// Records whose bytes were read and whose own check held.
    pub records: u64,
    /// Audit entries whose chain holds.
    pub audit_entries: i64,
}

impl Guard {
    /// What is in the vault and what waits. Counts and names only.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn status(&self) -> Result<Status, AccessError> {
        Ok(self.shared.store.read(&self.role.permit(), |reader| {
            Ok::<_, StoreError>(Status {
                counts: reader.counts()?,
                revision: reader.revision()?,
                servers: reader.peers()?.into_iter().map(|(_, url, _)| url).collect(),
                pending: reader.pending(None)?,
                lost: self.shared.lost,
            })
        })?)
    }

    /// SHA-256 of each record's stored bytes: what two sides compare to see that they agree.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn fingerprints(&self) -> Result<Vec<(RecordName, [u8; 32])>, AccessError> {
        let mut all = Vec::new();
        self.shared.store.read(&self.role.permit(), |reader| {
            reader.each_record(|record| {
                all.push((record.name, Sha256::digest(&record.text).into()));
                Ok::<_, StoreError>(())
            })
        })?;
        Ok(all)
    }

    /// Checks page MACs and structure of both files, every record's own check, the audit chain, and the revision the
    /// audit trail acknowledged. (Salts and engine were checked when the vault was opened.)
    ///
    /// # Errors
    /// [`AccessError`] only where a check could not be made at all.
    pub fn check(&self) -> Result<VaultCheck, AccessError> {
        self.note(AuditKind::Check, "", None, None)?;
        let permit = self.role.permit();
        let mut problems: Vec<String> = self
            .shared
            .store
            .check(&permit)?
            .into_iter()
            .map(|p| format!("records: {p}"))
            .collect();
        problems.extend(
            self.with_audit(|log| log.check())?
                .into_iter()
                .map(|p| format!("audit trail: {p}")),
        );
        let mut records = 0;
        let read = self.shared.store.read(&permit, |reader| {
            reader.each_record(|record| {
                let damaged = |_| StoreError::DamagedValue {
                    what: "body",
                    row: record.revision,
                };
                Resource::parse_text(&record.text).map_err(damaged)?;
                records += 1;
                Ok::<_, StoreError>(())
            })
        });
        problems.extend(read.err().map(|e| e.to_string()));
        let vault = &self.shared.vault;
        let audit_entries = match self.with_audit(|log| log.verify(vault.audit().key, vault.id())) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push(error.to_string());
                0
            }
        };
        if let Some(lost) = self.shared.lost {
            problems.push(lost.to_string());
        }
        Ok(VaultCheck {
            problems,
            records,
            audit_entries,
        })
    }

    /// The audit trail, oldest entry first.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn audit_trail(&self) -> Result<Vec<AuditEntry>, AccessError> {
        Ok(self.with_audit(|log| log.entries())?)
    }
}

impl std::fmt::Display for LostChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the records are older than the audit trail: {} changes lost, the newest of {}. Was an older copy restored?",
            self.changes, self.newest
        )
    }
}
