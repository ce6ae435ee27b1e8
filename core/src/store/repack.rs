//! Packing bodies with dictionaries: when one is made, and how older bodies come to it.
//!
//! Everything here is done in small steps of one transaction each, so that it can stop, or be killed, at any time.

use super::records::Origin;
use super::{Reader, StoreError, Tx, dictionary};
use crate::fhir::{Resource, ResourceType};
use rusqlite::OptionalExtension;
use std::collections::HashMap;

/// Records of a type before it gets a dictionary.
const ENOUGH: i64 = 1_000;
/// Records a dictionary is chosen from.
const SAMPLES: i64 = 400;
/// Bodies in one step.
const STEP: i64 = 500;

impl Reader<'_> {
    /// A body's text.
    pub(super) fn unpack_body(
        &self,
        packed: &[u8],
        dict: i64,
        rid: i64,
    ) -> Result<String, StoreError> {
        self.load_dictionary(dict)?;
        self.codec
            .borrow_mut()
            .unpack_with(dict, packed, "body", rid)
    }

    fn load_dictionary(&self, dict: i64) -> Result<(), StoreError> {
        if self.codec.borrow().has(dict) {
            return Ok(());
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT content FROM dictionary WHERE dict = ?1")?;
        let packed: Option<Vec<u8>> = statement.query_row([dict], |row| row.get(0)).optional()?;
        let packed = packed.ok_or(StoreError::DamagedValue {
            what: "dictionary",
            row: dict,
        })?;
        let content = self.unpack(&packed, "dictionary", dict)?;
        self.codec.borrow_mut().load(dict, content.as_bytes())
    }

    /// The dictionary of a type; 0: it has none.
    fn dictionary_of(&self, kind: ResourceType) -> Result<i64, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT dict FROM dictionary WHERE type = ?1")?;
        Ok(statement
            .query_row([kind.number()], |row| row.get(0))
            .optional()?
            .unwrap_or(0))
    }
}

impl Tx<'_> {
    /// Packs a body: the dictionary's number, and the bytes. What is not the server's yet must outlive every
    /// dictionary, and gets none.
    pub(super) fn pack_body(
        &self,
        kind: ResourceType,
        origin: Origin,
        text: &str,
    ) -> Result<(i64, Vec<u8>), StoreError> {
        let dict = if origin == Origin::Server {
            self.dictionary_of(kind)?
        } else {
            0
        };
        self.load_dictionary(dict)?;
        Ok((dict, self.codec.borrow_mut().pack_with(dict, text)?))
    }

    /// One step of tidying: makes a missing dictionary, or packs some older bodies with theirs. `false`: nothing is
    /// left to do.
    pub(crate) fn repack_step(&self) -> Result<bool, StoreError> {
        if let Some(kind) = self.lacks_dictionary()? {
            self.make_dictionary(kind)?;
            return Ok(true);
        }
        let sql =
            "SELECT min(repacked_rid), max(upto_rid) FROM dictionary WHERE repacked_rid < upto_rid";
        let span: (Option<i64>, Option<i64>) = self
            .connection
            .prepare_cached(sql)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        match span {
            (Some(from), Some(upto)) => self.repack(from, upto).map(|()| true),
            _ => Ok(false),
        }
    }

    fn lacks_dictionary(&self) -> Result<Option<ResourceType>, StoreError> {
        let sql = "SELECT type FROM rkey WHERE type NOT IN (SELECT type FROM dictionary)
                   GROUP BY type HAVING count(*) >= ?1 ORDER BY type";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([ENOUGH])?;
        while let Some(row) = rows.next()? {
            // Keys alone do not count: others may only refer to them.
            let number: i64 = row.get(0)?;
            if let Some(kind) = ResourceType::numbered(number)
                && self.bodies_of(kind)? >= ENOUGH
            {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }

    /// Makes the missing dictionaries of types of which `batch`, which is about to be stored, brings enough: so that a
    /// large import packs with them from its first record on, and need not be packed anew.
    pub(crate) fn make_dictionaries_from(&self, batch: &[Resource<'_>]) -> Result<(), StoreError> {
        let samples = usize::try_from(SAMPLES).unwrap_or(usize::MAX);
        if batch.len() < samples {
            return Ok(());
        }
        let mut kinds: HashMap<ResourceType, Vec<&str>> = HashMap::new();
        for resource in batch {
            let texts = kinds.entry(resource.kind()).or_default();
            texts.push(resource.text());
        }
        for (kind, texts) in kinds {
            if self.dictionary_of(kind)? != 0 {
                continue;
            }
            if texts.len() >= samples {
                let every = texts.len() / samples;
                let texts: Vec<&str> = texts.into_iter().step_by(every).collect();
                self.keep_dictionary(kind, &texts)?;
            } else if self.bodies_of(kind)? >= ENOUGH {
                self.make_dictionary(kind)?;
            }
        }
        Ok(())
    }

    /// Bodies that a dictionary is for, counted up to [`ENOUGH`].
    fn bodies_of(&self, kind: ResourceType) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM rkey JOIN body USING (rid)
                   WHERE type = ?1 AND origin = 0 LIMIT ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((kind.number(), ENOUGH), |row| row.get(0))?)
    }

    fn make_dictionary(&self, kind: ResourceType) -> Result<(), StoreError> {
        let sql = "SELECT rid FROM rkey JOIN body USING (rid) WHERE type = ?1 AND origin = 0 ORDER BY rid";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rids: Vec<i64> = statement
            .query_map([kind.number()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let every = (rids.len() / usize::try_from(SAMPLES).unwrap_or(1)).max(1);
        let mut samples = Vec::new();
        for rid in rids.iter().step_by(every) {
            if let Some(record) = self.record_at(*rid)? {
                let mut end = record.text.len().min(dictionary::SAMPLE_BYTES);
                while !record.text.is_char_boundary(end) {
                    end -= 1;
                }
                samples.push(record.text[..end].to_owned());
            }
        }
        self.keep_dictionary(kind, &samples)
    }

    fn keep_dictionary<S: AsRef<str>>(
        &self,
        kind: ResourceType,
        samples: &[S],
    ) -> Result<(), StoreError> {
        // Texts are what `unpack` gives back, so the pieces are cut where characters may be torn: kept as they are.
        let content = dictionary::choose(samples);
        let content = String::from_utf8_lossy(&content).into_owned();
        let sql = "INSERT INTO dictionary (type, content, upto_rid, repacked_rid)
                   VALUES (?1, ?2, (SELECT ifnull(max(rid), 0) FROM body), 0)";
        self.connection
            .prepare_cached(sql)?
            .execute((kind.number(), self.pack(&content)?))?;
        Ok(())
    }

    /// Packs the next bodies that have none with the dictionaries of their types, which are all behind `from`.
    fn repack(&self, from: i64, upto: i64) -> Result<(), StoreError> {
        let sql = "SELECT body.rid, body.bytes, body.dict = 0 AND body.origin = 0, ifnull(dictionary.dict, 0),
                          body.version, body.updated_ms, body.revision
                   FROM body JOIN rkey USING (rid) LEFT JOIN dictionary USING (type)
                   WHERE body.rid > ?1 AND body.rid <= ?2 ORDER BY body.rid LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((from, upto, STEP))?;
        let mut packed = Vec::new();
        let mut reached = upto;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            let rid: i64 = row.get(0)?;
            (reached, seen) = (rid, seen + 1);
            let dict: i64 = row.get(3)?;
            // A body that does not unpack stays as it is, for a salvage to find.
            let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
            if dict != 0
                && row.get::<_, bool>(2)?
                && let Ok(text) = self.unpack(bytes, "body", rid)
            {
                self.load_dictionary(dict)?;
                let bytes = self.codec.borrow_mut().pack_with(dict, &text)?;
                let version: Option<String> = row.get(4)?;
                let (updated_ms, revision): (i64, i64) = (row.get(5)?, row.get(6)?);
                packed.push((rid, dict, bytes, version, updated_ms, revision));
            }
        }
        drop(rows);
        // Taken out and put back: an update in place would leave its room empty, but not free for others.
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM body WHERE rid = ?1")?;
        for (rid, ..) in &packed {
            delete.execute([rid])?;
        }
        let sql = "INSERT INTO body (rid, dict, bytes, version, updated_ms, revision, origin)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)";
        let mut insert = self.connection.prepare_cached(sql)?;
        for row in packed {
            insert.execute(row)?;
        }
        let reached = if seen < STEP { upto } else { reached };
        let sql = "UPDATE dictionary SET repacked_rid = ?1 WHERE repacked_rid < ?1";
        self.connection.prepare_cached(sql)?.execute([reached])?;
        Ok(())
    }
}
