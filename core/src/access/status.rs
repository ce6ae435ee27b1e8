//! How a vault is doing.

use super::audit::AuditKind;
use super::policy::VaultAction;
use super::{AccessError, Guard, LostChanges, Missed, Person};
use crate::fhir::{Instant, Resource, ResourceType};
use crate::store::{EditState, PeerState, Pending, RecordName, StoreError};
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
    /// What syncs learned about each, in the same order.
    pub learned: Vec<PeerState>,
    /// Local changes that wait, oldest first: of records that this person may read, and those that this person made.
    pub waiting: Vec<Waiting>,
    /// How many more records have changes that wait.
    pub waiting_unseen: u64,
    /// Whether the store is older than its audit trail.
    pub lost: Option<LostChanges>,
    /// Whether the vault is older than an anchor of it.
    pub missed: Option<Missed>,
}

/// A changed record that no server has acknowledged, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub name: RecordName,
    /// Where the change stands.
    pub state: EditState,
    /// Changes of this record that wait.
    pub changes: u64,
    /// When the oldest of them was made.
    pub since: Instant,
    /// Whether it was deleted here.
    pub deleted: bool,
    /// Whether it was sent and the answer never came.
    pub sent: bool,
    /// Issue codes, where the server refused it.
    pub refusal: Option<String>,
    /// Who wrote the changes, in the order of the newest of each, by the records they signed. Without those of whoever had
    /// no key to sign with.
    pub authors: Vec<Person>,
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

impl From<Pending> for Waiting {
    fn from(pending: Pending) -> Self {
        Self {
            name: pending.name,
            state: pending.state,
            changes: pending.changes,
            since: pending.since,
            deleted: pending.mine.is_none(),
            sent: pending.sent.is_some(),
            refusal: pending.refusal,
            authors: pending.authors.into_iter().map(Person::new).collect(),
        }
    }
}

impl Guard {
    /// What is in the vault and what waits. Counts and names only.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn status(&self) -> Result<Status, AccessError> {
        let (lost, missed) = (self.lost_changes()?, self.missed());
        let all = self.read_for_device(|reader| reader.waiting())?;
        self.read(|reader| {
            let waiting = reader.pending_seen(None, self.actor.person.id())?;
            let seen = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
            let peers = reader.peers()?;
            let learned = peers.iter().map(|(peer, ..)| reader.peer_state(*peer));
            Ok::<_, StoreError>(Status {
                learned: learned.collect::<Result<_, _>>()?,
                counts: reader.counts()?,
                revision: reader.revision()?,
                servers: peers.into_iter().map(|(_, url, _)| url).collect(),
                waiting: waiting.into_iter().map(Waiting::from).collect(),
                waiting_unseen: all.saturating_sub(seen),
                lost,
                missed,
            })
        })
    }

    /// SHA-256 of each record's stored bytes: what two sides compare to see that they agree.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn fingerprints(&self) -> Result<Vec<(RecordName, [u8; 32])>, AccessError> {
        let mut all = Vec::new();
        self.read(|reader| {
            reader.each_record(|record| {
                let record = record?;
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
        self.must(VaultAction::Upkeep)?;
        self.note(AuditKind::Check, "", None, None)?;
        let mut problems: Vec<String> = self
            .check_store()?
            .into_iter()
            .map(|p| format!("records: {p}"))
            .collect();
        problems.extend(
            self.with_audit(|log| log.check())?
                .into_iter()
                .map(|p| format!("audit trail: {p}")),
        );
        let mut records = 0;
        let read = self.read_for_device(|reader| {
            reader.each_record(|record| {
                let sound = record.and_then(|record| {
                    let damaged = |_| StoreError::DamagedValue {
                        what: "body",
                        row: record.revision,
                    };
                    Resource::parse_text(&record.text)
                        .map(drop)
                        .map_err(damaged)
                });
                match sound {
                    Ok(()) => records += 1,
                    Err(error) => problems.push(error.to_string()),
                }
                Ok::<_, StoreError>(())
            })
        });
        problems.extend(read.err().map(|e| e.to_string()));
        let audit_entries = match self.verify_chain() {
            Ok(entries) => entries,
            Err(AccessError::Locked) => return Err(AccessError::Locked),
            Err(error) => {
                problems.push(error.to_string());
                0
            }
        };
        if let Some(lost) = self.lost_changes()? {
            problems.push(lost.to_string());
        }
        problems.extend(self.missed().map(|missed| missed.to_string()));
        Ok(VaultCheck {
            problems,
            records,
            audit_entries,
        })
    }
}

impl std::fmt::Display for LostChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        {
            let (n, s) = (self.changes, if self.changes == 1 { "" } else { "s" });
            write!(
                f,
                "the records are older than the audit trail: {n} change{s} lost, the newest of {}. Was an older copy \
                 restored?",
                self.newest
            )
        }
    }
}
