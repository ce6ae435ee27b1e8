//! Taking in what a server sent. The rule what to do is pure and comes from `sync::plan`; this applies it.

use super::edits::EditState;
use super::records::{Origin, RecordName};
use super::{PeerId, StoreError, Tx};
use crate::fhir::{Instant, Resource};

/// What is known here about a record that arrives.
#[derive(Debug, Default)]
pub struct Local {
    /// The stored copy.
    pub known: Option<Known>,
    /// The local change, if there is one.
    pub edit: Option<EditView>,
}

/// A stored copy.
pub struct Known {
    /// The server's version.
    pub version: Option<String>,
    /// The server's `lastUpdated`.
    pub updated: Instant,
    /// Its text.
    pub text: String,
}

/// A local change.
pub struct EditView {
    /// Where it stands.
    pub state: EditState,
    /// Whether it is a deletion.
    pub deleted: bool,
    /// The server's version it started from.
    pub base_version: Option<String>,
    /// The server's bytes that it replaces.
    pub over: Option<String>,
    /// Whether it is under way.
    pub is_under_way: bool,
    /// The text that is.
    pub sent: Option<String>,
    /// The server's version that it was merged with, or is in conflict with.
    pub theirs_version: Option<String>,
}

/// What arrives.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// Its text.
    pub text: &'a str,
    /// `meta.versionId`.
    pub version: Option<&'a str>,
    /// `meta.lastUpdated`.
    pub updated: Option<Instant>,
}

/// What to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// Known already.
    Same,
    /// Store it.
    Take,
    /// It is our own change, arrived: the answer whose way back was lost.
    Ours,
    /// Both sides changed the record. As a decision: merge it, or keep a conflict where that cannot be; as an outcome: it
    /// was merged.
    Merged,
    /// Both sides changed the record, and it waits for a person.
    Conflict,
    /// An older version than the one here, perhaps from a stale list: not stored; a direct read tells.
    Older,
    /// The server itself has gone back to an older version: ours is kept, as a conflict.
    WentBack,
}

/// The rule.
pub type Decide = fn(&Local, &Incoming<'_>) -> Pulled;

impl Tx<'_> {
    /// Takes one record in from `peer`, now.
    pub(crate) fn pull(
        &self,
        peer: PeerId,
        resource: &Resource<'_>,
        decide: Decide,
        at: Instant,
    ) -> Result<Pulled, StoreError> {
        let rid = self.intern(peer.0, resource.name())?;
        let edit = match self.edit_row(rid)? {
            None => None,
            Some(row) => {
                let is_merged = row.is_merged();
                Some(EditView {
                    state: row.state,
                    deleted: row.deleted,
                    base_version: row.base_version,
                    over: if is_merged { row.theirs } else { row.base },
                    is_under_way: row.sent_kind.is_some(),
                    sent: row.sent,
                    theirs_version: row.theirs_version,
                })
            }
        };
        // Most of what comes again is known by its version: unpacking all of it would cost more than the rest.
        if edit.is_none() && self.is_known(rid, resource)? {
            return Ok(Pulled::Same);
        }
        let record = self.record_at(rid)?;
        let known = record.as_ref().map(|record| Known {
            version: record.version.clone(),
            updated: record.updated,
            text: record.text.clone(),
        });
        let incoming = Incoming {
            text: resource.text(),
            version: resource.version(),
            updated: resource.last_updated(),
        };
        let name = RecordName {
            peer,
            reference: resource.name().clone(),
        };
        let decision = decide(&Local { known, edit }, &incoming);
        match decision {
            Pulled::Same | Pulled::Older => {}
            Pulled::WentBack => {
                if let Some(record) = &record {
                    self.keep_newer(peer, record, resource)?;
                }
            }
            Pulled::Take => {
                let updated_ms = resource.last_updated().map_or(0, Instant::epoch_ms);
                let new = super::records::NewBody {
                    version: resource.version(),
                    updated_ms,
                    origin: Origin::Server,
                };
                self.set_body_over(record.as_ref(), peer.0, rid, resource, &new)?;
            }
            Pulled::Ours => self.settle_put(&name, resource, at)?,
            Pulled::Merged => {
                if !self.meet(&name, resource)? {
                    return Ok(Pulled::Conflict);
                }
            }
            Pulled::Conflict => self.mark_conflict(&name, Some(resource))?,
        }
        Ok(decision)
    }

    /// Whether just this version, with this stamp, is the one that the server gave.
    fn is_known(&self, rid: i64, resource: &Resource<'_>) -> Result<bool, StoreError> {
        let (Some(version), Some(updated)) = (resource.version(), resource.last_updated()) else {
            return Ok(false);
        };
        let sql = "SELECT EXISTS (SELECT 1 FROM body WHERE rid = ?1 AND version = ?2 AND updated_ms = ?3 AND origin = 0)";
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row((rid, version, updated.epoch_ms()), |row| row.get(0))?)
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Known({:?}, {:?})", self.version, self.updated)
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for EditView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "EditView({:?}, from {:?})",
            self.state, self.base_version
        )
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Incoming({:?}, {} bytes)", self.version, self.text.len())
    }
}
