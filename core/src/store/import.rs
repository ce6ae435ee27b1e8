//! Taking in many records at once, from files.
//!
//! In the order of their names, so that the keys of a transaction stand side by side on the pages they go to. What is
//! answered is as if they had come one after the other.

use super::records::{NewBody, Origin};
use super::{PeerId, Reader, Record, StoreError, Tx};
use crate::fhir::{Instant, Reference, Resource, ResourceType};
use rusqlite::OptionalExtension;

/// What became of an imported resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// Stored, new or in place of other bytes.
    Stored,
    /// These bytes are there already.
    Unchanged,
    /// Not stored: the record has local changes that no server has taken yet.
    HasLocalChanges,
    /// Not stored: several servers have a record of this name.
    Ambiguous,
}

/// What stands under a name, on whichever server.
enum Place {
    /// Nothing.
    Free,
    /// A record.
    Taken { peer: PeerId, rid: i64 },
    /// A record, or the deletion of one, that waits to be sent.
    Changed,
    /// Records on several servers.
    Several,
}

impl Reader<'_> {
    /// Every record of one type that may be seen, in the order of row numbers.
    pub(crate) fn each_of<E: From<StoreError>>(
        &self,
        kind: ResourceType,
        mut take: impl FnMut(&Reference, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut failed = None;
        self.records_of(kind)?.each(self, None, |row| {
            let record = self.record_of(row)?;
            failed = take(&record.name.reference, &record.text).err();
            Ok(failed.is_none())
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn place(&self, name: &Reference) -> Result<Place, StoreError> {
        let sql = "SELECT rkey.rid, rkey.peer, body.rid IS NOT NULL,
                          EXISTS (SELECT 1 FROM edit WHERE edit.rid = rkey.rid)
                   FROM rkey LEFT JOIN body USING (rid) WHERE type = ?1 AND id = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((name.kind.number(), name.id.as_str()))?;
        let mut place = Place::Free;
        while let Some(row) = rows.next()? {
            let (rid, peer) = (row.get(0)?, PeerId(row.get(1)?));
            let (has_body, is_changed): (bool, bool) = (row.get(2)?, row.get(3)?);
            place = match place {
                _ if is_changed => return Ok(Place::Changed),
                Place::Taken { .. } if has_body => Place::Several,
                Place::Free if has_body => Place::Taken { peer, rid },
                other => other,
            };
        }
        Ok(place)
    }
}

impl Tx<'_> {
    /// Stores `batch` as what files say about records: nothing is queued, and local changes stay. Of several resources
    /// of one name the last one stays. `at_ms` stands in for a missing `meta.lastUpdated`.
    pub(crate) fn import(
        &self,
        batch: &[Resource<'_>],
        at_ms: i64,
    ) -> Result<Vec<Imported>, StoreError> {
        self.must_not_be_served()?;
        let mut order: Vec<usize> = (0..batch.len()).collect();
        // Stable: resources of one name stay in the order they came in.
        order.sort_by(|a, b| batch[*a].name().cmp(batch[*b].name()));
        let mut all = vec![Imported::Unchanged; batch.len()];
        self.make_dictionaries_from(batch)?;
        for same_name in order.chunk_by(|a, b| batch[*a].name() == batch[*b].name()) {
            let Some(last) = same_name.last() else {
                continue;
            };
            let (peer, rid) = match self.place(batch[*last].name())? {
                Place::Free => (PeerId::FIRST, None),
                Place::Taken { peer, rid } => (peer, Some(rid)),
                Place::Changed => {
                    same_name
                        .iter()
                        .for_each(|at| all[*at] = Imported::HasLocalChanges);
                    continue;
                }
                Place::Several => {
                    same_name
                        .iter()
                        .for_each(|at| all[*at] = Imported::Ambiguous);
                    continue;
                }
            };
            let record = match rid {
                Some(rid) => self.record_at(rid)?,
                None => None,
            };
            let stored = record.as_ref().map(|record| record.text.as_str());
            let mut before = stored;
            for at in same_name {
                let text = batch[*at].text();
                if before != Some(text) {
                    all[*at] = Imported::Stored;
                }
                before = Some(text);
            }
            if before != stored {
                self.set_imported(record.as_ref(), peer, &batch[*last], at_ms)?;
            }
        }
        Ok(all)
    }

    /// Exchanges the texts of imported records for what `change` makes of them; `None` from it: as it is. Records that
    /// were changed by a person meanwhile stay as they are.
    pub(crate) fn change_imported(
        &self,
        names: &[Reference],
        at_ms: i64,
        mut change: impl FnMut(&Reference, &str) -> Option<String>,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        for name in names {
            let Place::Taken { peer, rid } = self.place(name)? else {
                continue;
            };
            let Some(record) = self.record_at(rid)? else {
                continue;
            };
            let Some(text) = change(name, &record.text) else {
                continue;
            };
            let damaged = |_| StoreError::DamagedValue {
                what: "body",
                row: rid,
            };
            let resource = Resource::parse_text(&text).map_err(damaged)?;
            self.set_imported(Some(&record), peer, &resource, at_ms)?;
            changed += 1;
        }
        Ok(changed)
    }

    fn set_imported(
        &self,
        old: Option<&Record>,
        peer: PeerId,
        resource: &Resource<'_>,
        at_ms: i64,
    ) -> Result<(), StoreError> {
        let rid = self.intern(peer.0, resource.name())?;
        let new = NewBody {
            version: resource.version(),
            updated_ms: resource.last_updated().map_or(at_ms, Instant::epoch_ms),
            origin: Origin::Server,
        };
        self.set_body_over(old, peer.0, rid, resource, &new)
    }
}

impl Reader<'_> {
    /// The stored text of a record, where only one server has it.
    pub(crate) fn text_of(&self, name: &Reference) -> Result<Option<String>, StoreError> {
        let sql = "SELECT rid FROM rkey JOIN body USING (rid) WHERE type = ?1 AND id = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rid: Option<i64> = statement
            .query_row((name.kind.number(), name.id.as_str()), |row| row.get(0))
            .optional()?;
        match rid {
            Some(rid) => Ok(self.record_at(rid)?.map(|record| record.text)),
            None => Ok(None),
        }
    }
}
