//! What a hub knows of devices and people: small JSON texts by kind and id. And which signed change made which version.

use super::{PeerId, Reader, StoreError, Tx};
use crate::fhir::Reference;
use rusqlite::OptionalExtension;

impl Reader<'_> {
    /// One text.
    pub(crate) fn registered(&self, kind: &str, id: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM registry WHERE kind = ?1 AND id = ?2";
        let packed: Option<Vec<u8>> = self
            .connection
            .prepare_cached(sql)?
            .query_row((kind, id), |row| row.get(0))
            .optional()?;
        packed
            .map(|packed| self.unpack(&packed, "registry", 0))
            .transpose()
    }

    /// All texts of a kind, by id.
    pub(crate) fn all_registered(&self, kind: &str) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT id, value FROM registry WHERE kind = ?1 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([kind])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let packed: Vec<u8> = row.get(1)?;
            all.push((row.get(0)?, self.unpack(&packed, "registry", 0)?));
        }
        Ok(all)
    }

    /// The newest version of a served record, deletions included, and the signed changes that made it.
    pub(crate) fn newest_change(
        &self,
        name: &Reference,
    ) -> Result<Option<NewestChange>, StoreError> {
        let Some(rid) = self.rid(PeerId::FIRST.0, name)? else {
            return Ok(None);
        };
        let sql = "SELECT n, deleted FROM version WHERE rid = ?1 ORDER BY n DESC LIMIT 1";
        let newest: Option<(i64, bool)> = self
            .connection
            .prepare_cached(sql)?
            .query_row([rid], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((n, deleted)) = newest else {
            return Ok(None);
        };
        let sql = "SELECT change_id FROM change_made WHERE rid = ?1 AND n = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let changes = statement
            .query_map((rid, n), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(Some(NewestChange { deleted, changes }))
    }

    /// The version of a served record that a signed change made.
    pub(crate) fn version_made_by(
        &self,
        name: &Reference,
        change_id: &str,
    ) -> Result<Option<u64>, StoreError> {
        let Some(rid) = self.rid(PeerId::FIRST.0, name)? else {
            return Ok(None);
        };
        let sql = "SELECT n FROM change_made WHERE rid = ?1 AND change_id = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement
            .query_row((rid, change_id), |row| row.get(0))
            .optional()?)
    }

    /// Whether a signed change was taken before.
    pub(crate) fn is_change_made(&self, change_id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM change_made WHERE change_id = ?1)";
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row([change_id], |row| row.get(0))?)
    }
}

/// What made the newest version of a record.
pub(crate) struct NewestChange {
    /// Whether it is a deletion.
    pub(crate) deleted: bool,
    /// Ids of the signed changes; none: whoever wrote it signs nothing.
    pub(crate) changes: Vec<String>,
}

impl Tx<'_> {
    /// Stores a text in place of what was there.
    pub(crate) fn register(&self, kind: &str, id: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO registry (kind, id, value) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO UPDATE SET value = excluded.value";
        self.connection
            .prepare_cached(sql)?
            .execute((kind, id, self.pack(value)?))?;
        Ok(())
    }

    /// Removes a text.
    pub(crate) fn unregister(&self, kind: &str, id: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM registry WHERE kind = ?1 AND id = ?2")?
            .execute((kind, id))?;
        Ok(())
    }

    /// Remembers which signed change made the version `n` of a record.
    pub(crate) fn note_change(
        &self,
        name: &Reference,
        n: u64,
        change_id: &str,
        device: &str,
        author: &str,
    ) -> Result<(), StoreError> {
        let rid = self.intern(PeerId::FIRST.0, name)?;
        let sql = "INSERT INTO change_made (change_id, rid, n, device, author) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.connection
            .prepare_cached(sql)?
            .execute((change_id, rid, n, device, author))?;
        Ok(())
    }
}
