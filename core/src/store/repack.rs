//! Packing bodies with dictionaries: when one is made, and how older bodies come to it.
//!
//! Everything here is done in small steps of one transaction each, so that it can stop, or be killed, at any time.

use super::records::Origin;
use super::{Reader, StoreError, Tx, dictionary};
use crate::fhir::ResourceType;
use rusqlite::OptionalExtension;

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
        let sql = "SELECT dict, type, repacked_rid, upto_rid FROM dictionary WHERE repacked_rid < upto_rid LIMIT 1";
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let next: Option<(i64, i64, i64, i64)> = self
            .connection
            .prepare_cached(sql)?
            .query_row([], row)
            .optional()?;
        match next {
            Some((dict, kind, from, upto)) => self.repack(dict, kind, from, upto).map(|()| true),
            None => Ok(false),
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
            let sql = "SELECT count(*) FROM (SELECT 1 FROM rkey JOIN body USING (rid)
                       WHERE type = ?1 AND origin = 0 LIMIT ?2)";
            let bodies: i64 = self
                .connection
                .prepare_cached(sql)?
                .query_row((number, ENOUGH), |row| row.get(0))?;
            if bodies >= ENOUGH {
                return Ok(ResourceType::numbered(number));
            }
        }
        Ok(None)
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
            samples.extend(self.record_at(*rid)?.map(|record| record.text));
        }
        // Texts are what `unpack` gives back, so the pieces are cut where characters may be torn: kept as they are.
        let content = dictionary::choose(&samples);
        let content = String::from_utf8_lossy(&content).into_owned();
        let sql =
            "INSERT INTO dictionary (type, content, upto_rid, repacked_rid) VALUES (?1, ?2, ?3, 0)";
        let upto = rids.last().copied().unwrap_or(0);
        self.connection.prepare_cached(sql)?.execute((
            kind.number(),
            self.pack(&content)?,
            upto,
        ))?;
        Ok(())
    }

    fn repack(&self, dict: i64, kind: i64, from: i64, upto: i64) -> Result<(), StoreError> {
        let sql = "SELECT body.rid, body.bytes, rkey.type = ?1 AND body.dict = 0 AND body.origin = 0
                   FROM body JOIN rkey USING (rid) WHERE body.rid > ?2 AND body.rid <= ?3 ORDER BY body.rid LIMIT ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((kind, from, upto, STEP))?;
        let mut packed = Vec::new();
        let mut reached = upto;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            let rid: i64 = row.get(0)?;
            (reached, seen) = (rid, seen + 1);
            // A body that does not unpack stays as it is, for a salvage to find.
            let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
            if row.get::<_, bool>(2)?
                && let Ok(text) = self.unpack(bytes, "body", rid)
            {
                self.load_dictionary(dict)?;
                packed.push((rid, self.codec.borrow_mut().pack_with(dict, &text)?));
            }
        }
        drop(rows);
        let sql = "UPDATE body SET dict = ?2, bytes = ?3 WHERE rid = ?1";
        let mut update = self.connection.prepare_cached(sql)?;
        for (rid, bytes) in packed {
            update.execute((rid, dict, bytes))?;
        }
        let reached = if seen < STEP { upto } else { reached };
        let sql = "UPDATE dictionary SET repacked_rid = ?2 WHERE dict = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((dict, reached))?;
        Ok(())
    }
}
