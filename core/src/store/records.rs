//! Records by name: keys, bodies, and the index rows that go with them.

use super::query::Statement;
use super::view::View;
use super::{PeerId, Reader, StoreError, Tx};
use crate::fhir::{Instant, Reference, Resource, ResourceId, ResourceType};
use rusqlite::OptionalExtension;

/// A record's whole name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordName {
    /// The server it comes from or goes to.
    pub peer: PeerId,
    /// `Type/id` there.
    pub reference: Reference,
}

/// Whose bytes a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The server's, as it sent them.
    Server,
    /// Ours, not yet answered by the server.
    Local,
}

/// One record as a reader gets it.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: RecordName,
    /// The stored bytes.
    pub text: String,
    /// The server's version; `None` before it was ever there.
    pub version: Option<String>,
    /// The server's `lastUpdated`, or the time of the local change.
    pub updated: Instant,
    /// Whose bytes these are.
    pub origin: Origin,
    /// Local revision that stored them.
    pub revision: i64,
    pub(super) rid: i64,
}

/// The columns that [`Reader::record_of`] reads, in its order.
pub(super) const COLUMNS: &str = "rkey.rid, rkey.peer, rkey.type, rkey.id, body.bytes, body.version, body.updated_ms, body.origin, body.revision, body.dict";

impl Reader<'_> {
    /// The record's row number, whether it has a body or not.
    pub(super) fn rid(&self, peer: i64, name: &Reference) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT rid FROM rkey WHERE type = ?1 AND id = ?2 AND peer = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement
            .query_row((name.kind.number(), name.id.as_str(), peer), |row| {
                row.get(0)
            })
            .optional()?)
    }

    /// The record called `name` on `peer`, if it may be seen.
    pub(crate) fn record(&self, name: &RecordName) -> Result<Option<Record>, StoreError> {
        match self.rid(name.peer.0, &name.reference)? {
            Some(rid) if self.may_see(rid, name.reference.kind)? => self.record_at(rid),
            _ => Ok(None),
        }
    }

    /// The whole name of the record that is called `name`, whichever server it is on, if it may be seen.
    ///
    /// # Errors
    /// [`StoreError::Ambiguous`] when several servers have one that may be seen.
    pub(crate) fn find(&self, name: &Reference) -> Result<Option<RecordName>, StoreError> {
        let mut peers = self.peers_with(name)?;
        let mut seen = Vec::new();
        for (peer, rid) in peers.drain(..) {
            if self.may_see(rid, name.kind)? {
                seen.push(peer);
            }
        }
        only_one(name, &seen)
    }

    /// The servers that have a record of this name, and its rows.
    pub(super) fn peers_with(&self, name: &Reference) -> Result<Vec<(PeerId, i64)>, StoreError> {
        let sql = "SELECT peer, rid FROM rkey JOIN body USING (rid) WHERE type = ?1 AND id = ?2 ORDER BY peer";
        let mut statement = self.connection.prepare_cached(sql)?;
        let row = |row: &rusqlite::Row<'_>| Ok((PeerId(row.get(0)?), row.get(1)?));
        let rows = statement.query_map((name.kind.number(), name.id.as_str()), row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Rows of the records with this name, one a server; whether they may be seen or not: a reference to what is hidden
    /// is found as one to what is not there is.
    pub(super) fn rids_named(&self, name: &Reference) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT rid FROM rkey WHERE type = ?1 AND id = ?2 ORDER BY peer";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((name.kind.number(), name.id.as_str()), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn record_at(&self, rid: i64) -> Result<Option<Record>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM rkey JOIN body USING (rid) WHERE rid = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([rid])?;
        rows.next()?.map(|row| self.record_of(row)).transpose()
    }

    pub(super) fn record_of(&self, row: &rusqlite::Row<'_>) -> Result<Record, StoreError> {
        let rid: i64 = row.get(0)?;
        let reference = reference_of(
            rid,
            row.get(2)?,
            row.get_ref(3)?.as_str().unwrap_or_default(),
        )?;
        Ok(Record {
            name: RecordName {
                peer: PeerId(row.get(1)?),
                reference,
            },
            text: self.unpack_body(
                row.get_ref(4)?.as_blob().unwrap_or_default(),
                row.get(9)?,
                rid,
            )?,
            version: row.get(5)?,
            updated: Instant::from_epoch_ms(row.get(6)?),
            origin: if row.get::<_, i64>(7)? == 0 {
                Origin::Server
            } else {
                Origin::Local
            },
            revision: row.get(8)?,
            rid,
        })
    }

    /// Number of records of each type that may be seen, most first.
    pub(crate) fn counts(&self) -> Result<Vec<(ResourceType, u64)>, StoreError> {
        let mut all = Vec::new();
        for kind in self.kinds()? {
            let mut statement = Statement::new("SELECT count(*)");
            self.push_records_of(&mut statement, kind)?;
            let count = u64::try_from(statement.number(self, None)?).unwrap_or(0);
            if count > 0 {
                all.push((kind, count));
            }
        }
        // Sorted by type before.
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(all)
    }

    /// Types that some key is of.
    fn kinds(&self) -> Result<Vec<ResourceType>, StoreError> {
        let mut kinds = Vec::new();
        let sql = "SELECT type FROM rkey WHERE type > ?1 ORDER BY type LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut last = -1_i64;
        while let Some(number) = statement.query_row([last], |row| row.get(0)).optional()? {
            let damaged = StoreError::DamagedValue {
                what: "record type",
                row: number,
            };
            kinds.push(ResourceType::numbered(number).ok_or(damaged)?);
            last = number;
        }
        Ok(kinds)
    }

    /// FROM and WHERE of all records of a type that may be seen, with their bodies.
    fn push_records_of(
        &self,
        statement: &mut Statement,
        kind: ResourceType,
    ) -> Result<(), StoreError> {
        statement.push(" FROM rkey JOIN body USING (rid) WHERE rkey.type = ");
        statement.bind(kind.number()).push(" AND ");
        self.seen(kind)?.push_condition(statement, "rkey.rid");
        Ok(())
    }

    /// Every record with a body that may be seen, one after the other; a damaged one as the error it gives. In the order
    /// of row numbers; where not all may be seen, type by type.
    pub(crate) fn each_record<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(Result<Record, StoreError>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statements = Vec::new();
        if matches!(self.view, View::All) {
            let sql = format!("SELECT {COLUMNS} FROM rkey JOIN body USING (rid) ORDER BY rkey.rid");
            statements.push(Statement::new(&sql));
        } else {
            for kind in self.kinds()? {
                statements.push(self.records_of(kind)?);
            }
        }
        let mut failed = None;
        for statement in statements {
            statement.each(self, None, |row| {
                failed = take(self.record_of(row)).err();
                Ok(failed.is_none())
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    /// All records of a type that may be seen, in the order of row numbers.
    pub(super) fn records_of(&self, kind: ResourceType) -> Result<Statement, StoreError> {
        let mut statement = Statement::new(&format!("SELECT {COLUMNS}"));
        self.push_records_of(&mut statement, kind)?;
        statement.push(" ORDER BY rkey.rid");
        Ok(statement)
    }
}

/// The one server of these.
pub(super) fn only_one(
    name: &Reference,
    peers: &[PeerId],
) -> Result<Option<RecordName>, StoreError> {
    match peers {
        [] => Ok(None),
        [peer] => Ok(Some(RecordName {
            peer: *peer,
            reference: name.clone(),
        })),
        _ => Err(StoreError::Ambiguous {
            name: name.to_string(),
        }),
    }
}

impl Record {
    /// The server it belongs to.
    pub fn peer(&self) -> PeerId {
        self.name.peer
    }
}

pub(super) fn reference_of(rid: i64, kind: i64, id: &str) -> Result<Reference, StoreError> {
    let damaged = || StoreError::DamagedValue {
        what: "record name",
        row: rid,
    };
    let kind = ResourceType::numbered(kind).ok_or_else(damaged)?;
    Ok(Reference {
        kind,
        id: ResourceId::new(id).map_err(|_| damaged())?,
    })
}

/// What [`Tx::set_body`] stores beside the text.
pub(super) struct NewBody<'a> {
    pub(super) version: Option<&'a str>,
    pub(super) updated_ms: i64,
    pub(super) origin: Origin,
}

impl Tx<'_> {
    /// What stands under a name, whether the writer may see it or not: to judge a write by, and to store it.
    pub(crate) fn standing(&self, name: &RecordName) -> Result<Option<Record>, StoreError> {
        match self.rid(name.peer.0, &name.reference)? {
            Some(rid) => self.record_at(rid),
            None => Ok(None),
        }
    }

    /// As [`Reader::find`], whether the writer may see it or not.
    pub(crate) fn place_of(&self, name: &Reference) -> Result<Option<RecordName>, StoreError> {
        let all = self.peers_with(name)?;
        let peers: Vec<PeerId> = all.into_iter().map(|(peer, _)| peer).collect();
        only_one(name, &peers)
    }

    /// The row number of `name`; made if it is new.
    pub(super) fn intern(&self, peer: i64, name: &Reference) -> Result<i64, StoreError> {
        if let Some(rid) = self.rid(peer, name)? {
            return Ok(rid);
        }
        let sql = "INSERT INTO rkey (type, id, peer) VALUES (?1, ?2, ?3)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.insert((name.kind.number(), name.id.as_str(), peer))?)
    }

    /// Stores what readers see from now on, and its index rows.
    pub(super) fn set_body(
        &self,
        peer: i64,
        rid: i64,
        resource: &Resource<'_>,
        new: &NewBody<'_>,
    ) -> Result<(), StoreError> {
        let old = self.record_at(rid)?;
        self.set_body_over(old.as_ref(), peer, rid, resource, new)
    }

    /// As [`Tx::set_body`], where it is known what readers see until now.
    pub(super) fn set_body_over(
        &self,
        old: Option<&Record>,
        peer: i64,
        rid: i64,
        resource: &Resource<'_>,
        new: &NewBody<'_>,
    ) -> Result<(), StoreError> {
        let before = old.map(parsed).transpose()?;
        let before = before
            .as_ref()
            .zip(old)
            .map(|(resource, old)| (resource, old.updated.epoch_ms()));
        self.index_record(peer, rid, before, Some((resource, new.updated_ms)))?;
        let sql = "INSERT INTO body (rid, dict, bytes, version, updated_ms, origin, revision)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                   ON CONFLICT (rid) DO UPDATE SET dict = excluded.dict, bytes = excluded.bytes,
                   version = excluded.version, updated_ms = excluded.updated_ms, origin = excluded.origin,
                   revision = excluded.revision";
        let (dict, bytes) = self.pack_body(resource.kind(), new.origin, resource.text())?;
        let origin = i64::from(new.origin == Origin::Local);
        let values = (
            rid,
            dict,
            bytes,
            new.version,
            new.updated_ms,
            origin,
            self.revision,
        );
        self.connection.prepare_cached(sql)?.execute(values)?;
        self.touch(resource.kind());
        Ok(())
    }

    /// Takes a record out of readers' sight. Its key stays, since others may refer to it.
    pub(super) fn remove_body(&self, peer: i64, rid: i64) -> Result<(), StoreError> {
        let Some(old) = self.record_at(rid)? else {
            return Ok(());
        };
        self.touch(old.name.reference.kind);
        let resource = parsed(&old)?;
        self.index_record(peer, rid, Some((&resource, old.updated.epoch_ms())), None)?;
        self.connection
            .prepare_cached("DELETE FROM body WHERE rid = ?1")?
            .execute([rid])?;
        Ok(())
    }
}

/// A stored text as the resource it is.
fn parsed(record: &Record) -> Result<Resource<'_>, StoreError> {
    Resource::parse_text(&record.text).map_err(|_| StoreError::DamagedValue {
        what: "body",
        row: record.rid,
    })
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Record({:?}, {} bytes)",
            self.name.reference,
            self.text.len()
        )
    }
}
