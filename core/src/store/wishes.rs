//! Wishes for a visit: each is one packed value, whose form is `care::booking`'s matter.

use super::{Reader, StoreError, Tx};
use rusqlite::{OptionalExtension, Row};

/// A stored wish.
#[derive(Clone, PartialEq, Eq)]
pub struct WishRow {
    /// Its id.
    pub id: String,
    /// 0: it goes on by itself. 1: it waits for a person. 2: it is over.
    pub state: i64,
    /// When it was stored.
    pub at_ms: i64,
    /// JSON.
    pub value: String,
}

impl Reader<'_> {
    /// All wishes up to this state, oldest id first.
    pub(crate) fn wishes(&self, upto: i64) -> Result<Vec<WishRow>, StoreError> {
        let sql = "SELECT id, state, at_ms, value FROM wish WHERE state <= ?1 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([upto])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(self.wish_of(row)?);
        }
        Ok(all)
    }

    /// The wish of this id.
    pub(crate) fn wish(&self, id: &str) -> Result<Option<WishRow>, StoreError> {
        let sql = "SELECT id, state, at_ms, value FROM wish WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([id])?;
        rows.next()?.map(|row| self.wish_of(row)).transpose()
    }

    fn wish_of(&self, row: &Row<'_>) -> Result<WishRow, StoreError> {
        let packed = row.get_ref(3)?.as_blob().unwrap_or_default();
        Ok(WishRow {
            id: row.get(0)?,
            state: row.get(1)?,
            at_ms: row.get(2)?,
            value: self.unpack(packed, "wish", 0)?,
        })
    }
}

impl Tx<'_> {
    /// Stores a wish in the place of `before` (`None`: of nothing). `false`: another stands there by now, and stays.
    pub(crate) fn set_wish(&self, row: &WishRow, before: Option<&str>) -> Result<bool, StoreError> {
        let sql = "SELECT value FROM wish WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let packed: Option<Vec<u8>> = statement
            .query_row([&row.id], |row| row.get(0))
            .optional()?;
        let there = packed
            .map(|packed| self.unpack(&packed, "wish", 0))
            .transpose()?;
        if there.as_deref() != before {
            return Ok(false);
        }
        let sql = "INSERT INTO wish (id, state, at_ms, value) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT DO UPDATE SET state = excluded.state, at_ms = excluded.at_ms, value = excluded.value";
        let values = (&row.id, row.state, row.at_ms, self.pack(&row.value)?);
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(true)
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for WishRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WishRow({}, {})", self.id, self.state)
    }
}
