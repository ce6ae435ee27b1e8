//! The hub's side: versions given out, preconditions kept, history.

use super::records::{NewBody, Origin};
use super::view::View;
use super::{PeerId, Reader, StoreError, Tx};
use crate::fhir::{Instant, Reference, Resource, meta};
use rusqlite::OptionalExtension;

/// What must hold for a write to happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    /// This version is the newest one (`If-Match`).
    pub version: Option<String>,
    /// Nothing stands there (`If-None-Match: *`).
    pub absent: bool,
    /// Something stands there (`If-Match: *`).
    pub present: bool,
}

/// A write that happened.
#[derive(Clone, PartialEq, Eq)]
pub struct Committed {
    /// The record.
    pub name: Reference,
    /// Its new version.
    pub version: u64,
    /// Its `lastUpdated`.
    pub at: Instant,
    /// The stored bytes, which are the served bytes; `None`: deleted.
    pub text: Option<String>,
    /// Whether nothing stood there before.
    pub created: bool,
}

/// Why a write did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another version is the newest one.
    #[error("{name} is not at the version in If-Match{}", current.map(|n| format!(" (it is at version {n})")).unwrap_or_default())]
    Stale {
        /// The record.
        name: Reference,
        /// Its newest version; `None`: it does not exist.
        current: Option<u64>,
    },
    /// Something stands there.
    #[error("{name} exists already")]
    Exists {
        /// The record.
        name: Reference,
    },
    /// Setting meta failed.
    #[error("{name}: {why}")]
    Meta {
        /// The record.
        name: Reference,
        /// What is wrong.
        why: crate::fhir::InvalidResource,
    },
}

/// The newest version of a record.
struct Newest {
    n: u64,
    deleted: bool,
}

impl Reader<'_> {
    fn newest_version(&self, rid: i64) -> Result<Option<Newest>, StoreError> {
        let sql = "SELECT n, deleted FROM version WHERE rid = ?1 ORDER BY n DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let newest = |row: &rusqlite::Row<'_>| {
            Ok(Newest {
                n: row.get(0)?,
                deleted: row.get(1)?,
            })
        };
        Ok(statement.query_row([rid], newest).optional()?)
    }

    /// Whether the record was here and is deleted (410), rather than never known (404). What could not be seen while it
    /// was here is not known now.
    pub(crate) fn is_gone(&self, name: &Reference) -> Result<bool, StoreError> {
        let Some(rid) = self.rid(PeerId::FIRST.0, name)? else {
            return Ok(false);
        };
        let Some(newest) = self.newest_version(rid)?.filter(|newest| newest.deleted) else {
            return Ok(false);
        };
        if matches!(self.view, View::All) {
            return Ok(true);
        }
        let sql = "SELECT bytes, dict FROM version WHERE rid = ?1 AND n < ?2 AND bytes IS NOT NULL ORDER BY n DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((rid, newest.n))?;
        let Some(row) = rows.next()? else {
            return Ok(false);
        };
        let bytes = row.get_ref(0)?.as_blob().unwrap_or_default();
        let text = self.unpack_body(bytes, row.get(1)?, rid)?;
        self.may_see_text(PeerId::FIRST, &text)
    }
}

impl Tx<'_> {
    /// From now on this vault is changed through its hub only.
    pub(crate) fn set_served(&self) -> Result<(), StoreError> {
        self.set("served", 1)
    }

    /// Gives some of the records that have no version yet (imported ones) their first. `false`: all have one.
    pub(crate) fn adopt_step(&self, at: Instant) -> Result<bool, StoreError> {
        let sql = "SELECT body.rid FROM body LEFT JOIN version ON version.rid = body.rid
                   WHERE version.rid IS NULL LIMIT 1000";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rids: Vec<i64> = statement
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for rid in &rids {
            let Some(record) = self.record_at(*rid)? else {
                continue;
            };
            let damaged = |_| StoreError::DamagedValue {
                what: "body",
                row: *rid,
            };
            let resource = Resource::parse_text(&record.text).map_err(damaged)?;
            if let Err(refused) = self.serve_put(&resource, &Precondition::default(), at)? {
                // Nothing is asked of it, and it was stored before: only its meta can be at fault, which was checked.
                debug_assert!(false, "{refused}");
                return Err(StoreError::DamagedValue {
                    what: "meta",
                    row: *rid,
                });
            }
        }
        Ok(!rids.is_empty())
    }

    /// Refuses local changes in a hub's vault: they would be served without a version of their own.
    pub(super) fn must_not_be_served(&self) -> Result<(), StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM setting WHERE name = 'served')";
        let served: bool = self
            .connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?;
        if served {
            Err(StoreError::Served)
        } else {
            Ok(())
        }
    }

    /// The stamp of everything this transaction commits: later than every stamp before it, whatever the wall clock
    /// does, so that whoever reads in stamp order misses nothing.
    pub(crate) fn next_stamp(&self, now: Instant) -> Result<Instant, StoreError> {
        let ms = now.epoch_ms().max(self.setting("stamp_ms")? + 1);
        self.set("stamp_ms", ms)?;
        Ok(Instant::from_epoch_ms(ms))
    }

    /// Stores a new version: `meta.versionId` and `meta.lastUpdated` are set in the bytes, once, here.
    pub(crate) fn serve_put(
        &self,
        resource: &Resource<'_>,
        condition: &Precondition,
        at: Instant,
    ) -> Result<Result<Committed, Refused>, StoreError> {
        let name = resource.name().clone();
        let rid = self.intern(PeerId::FIRST.0, &name)?;
        let newest = self.newest_version(rid)?;
        if let Some(refusal) = refusal(&name, newest.as_ref(), condition) {
            return Ok(Err(refusal));
        }
        let created = newest.as_ref().is_none_or(|newest| newest.deleted);
        let version = newest.map_or(0, |newest| newest.n) + 1;
        let stored = match meta::splice(resource, version, at) {
            Ok(stored) => stored,
            Err(why) => return Ok(Err(Refused::Meta { name, why })),
        };
        // What is just small enough to be sent may be too large with its meta.
        let served = match Resource::parse_text(&stored) {
            Ok(served) => served,
            Err(why) => return Ok(Err(Refused::Meta { name, why })),
        };
        self.supersede(rid, version, false, at)?;
        let new = NewBody {
            version: served.version(),
            updated_ms: at.epoch_ms(),
            origin: Origin::Server,
        };
        self.set_body(PeerId::FIRST.0, rid, &served, &new)?;
        Ok(Ok(Committed {
            name,
            version,
            at,
            text: Some(stored),
            created,
        }))
    }

    /// Whether `condition` holds, before anything is made of the record.
    pub(crate) fn serve_check(
        &self,
        name: &Reference,
        condition: &Precondition,
    ) -> Result<Result<(), Refused>, StoreError> {
        let rid = self.rid(PeerId::FIRST.0, name)?;
        let newest = rid.map(|rid| self.newest_version(rid)).transpose()?;
        let refused = refusal(name, newest.flatten().as_ref(), condition);
        Ok(refused.map_or(Ok(()), Err))
    }

    /// Exchanges the text of a version that this transaction made, before anybody could see it.
    pub(crate) fn serve_restate(
        &self,
        committed: &mut Committed,
        resource: &Resource<'_>,
    ) -> Result<Result<(), Refused>, StoreError> {
        let name = || committed.name.clone();
        let stored = match meta::splice(resource, committed.version, committed.at) {
            Ok(stored) => stored,
            Err(why) => return Ok(Err(Refused::Meta { name: name(), why })),
        };
        let served = match Resource::parse_text(&stored) {
            Ok(served) => served,
            Err(why) => return Ok(Err(Refused::Meta { name: name(), why })),
        };
        let rid = self.intern(PeerId::FIRST.0, &committed.name)?;
        let new = NewBody {
            version: served.version(),
            updated_ms: committed.at.epoch_ms(),
            origin: Origin::Server,
        };
        self.set_body(PeerId::FIRST.0, rid, &served, &new)?;
        committed.text = Some(stored);
        Ok(Ok(()))
    }

    /// Deletes a record and leaves a tombstone. `None`: there is nothing to delete.
    pub(crate) fn serve_delete(
        &self,
        name: &Reference,
        condition: &Precondition,
        at: Instant,
    ) -> Result<Result<Option<Committed>, Refused>, StoreError> {
        let rid = self.rid(PeerId::FIRST.0, name)?;
        let newest = rid
            .map(|rid| self.newest_version(rid))
            .transpose()?
            .flatten();
        if let Some(refusal) = refusal(name, newest.as_ref(), condition) {
            return Ok(Err(refusal));
        }
        let (Some(rid), Some(newest)) = (rid, newest.filter(|newest| !newest.deleted)) else {
            return Ok(Ok(None));
        };
        let version = newest.n + 1;
        self.supersede(rid, version, true, at)?;
        self.remove_body(PeerId::FIRST.0, rid)?;
        Ok(Ok(Some(Committed {
            name: name.clone(),
            version,
            at,
            text: None,
            created: false,
        })))
    }

    /// What [`Tx::serve_check`] answers where nothing stands.
    pub(crate) fn serve_check_of_nothing(
        &self,
        name: &Reference,
        condition: &Precondition,
    ) -> Result<(), Refused> {
        refusal(name, None, condition).map_or(Ok(()), Err)
    }

    /// The body's bytes move to the version they were; `version` becomes the newest.
    fn supersede(
        &self,
        rid: i64,
        version: u64,
        deleted: bool,
        at: Instant,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE version SET (bytes, dict) = (SELECT bytes, dict FROM body WHERE rid = ?1)
                   WHERE rid = ?1 AND n = ?2 AND deleted = 0";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, version - 1))?;
        let sql = "INSERT INTO version (rid, n, bytes, deleted, updated_ms, type)
                   VALUES (?1, ?2, NULL, ?3, ?4, (SELECT type FROM rkey WHERE rid = ?1))";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, version, deleted, at.epoch_ms()))?;
        Ok(())
    }
}

fn refusal(name: &Reference, newest: Option<&Newest>, condition: &Precondition) -> Option<Refused> {
    let current = newest
        .filter(|newest| !newest.deleted)
        .map(|newest| newest.n);
    if condition.absent && current.is_some() {
        return Some(Refused::Exists { name: name.clone() });
    }
    let is_wanted = |wanted: &str| current.is_some_and(|n| wanted == n.to_string());
    let holds = condition.version.as_deref().is_none_or(is_wanted)
        && (current.is_some() || !condition.present);
    (!holds).then(|| Refused::Stale {
        name: name.clone(),
        current,
    })
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Committed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Committed({:?}, version {})", self.name, self.version)
    }
}
