//! Small texts kept beside the records: keys of the hub.

use super::{Reader, StoreError, Tx};
use rusqlite::OptionalExtension;

impl Reader<'_> {
    pub(crate) fn secret(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM secret WHERE name = ?1")?;
        let packed: Option<Vec<u8>> = statement.query_row([name], |row| row.get(0)).optional()?;
        packed
            .map(|packed| self.unpack(&packed, "secret", 0))
            .transpose()
    }
}

impl Tx<'_> {
    pub(crate) fn set_secret(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO secret (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        self.connection
            .prepare_cached(sql)?
            .execute((name, self.pack(value)?))?;
        Ok(())
    }
}
