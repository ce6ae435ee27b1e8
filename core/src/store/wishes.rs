//! Wishes for a visit: each is one packed value, whose form is `care::booking`'s matter.

use super::{Reader, StoreError, Tx};
use crate::fhir::ResourceType;
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
        // What was asked for shows among the visits.
        if let Some(kind) = ResourceType::named("Appointment") {
            self.touch(kind);
        }
        Ok(true)
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for WishRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WishRow({}, {})", self.id, self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Key;
    use crate::store::{Durability, Permit, Store};

    fn row(id: &str, state: i64, value: &str) -> WishRow {
        WishRow {
            id: id.into(),
            state,
            at_ms: 7,
            value: value.into(),
        }
    }

    #[test]
    fn a_wish_takes_the_place_of_the_one_that_was_read_only() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (
            folder.path().join("s"),
            Key::filled_by(|out| {
                out.fill(7);
                Ok::<_, ()>(())
            }),
        );
        let key = key.unwrap();
        Store::create(&path, &key, &[1; 16]).unwrap();
        let store = Store::open(&path, &key, &[1; 16]).unwrap();
        let set = |row: &WishRow, before: Option<&str>| {
            let write = |tx: &mut Tx<'_>| tx.set_wish(row, before);
            store
                .write(&Permit::granted(), Durability::Full, write)
                .unwrap()
                .answer
        };
        assert!(set(&row("a", 0, "{\"v\":1}"), None));
        assert!(
            !set(&row("a", 0, "{\"v\":2}"), None),
            "something stands there"
        );
        assert!(
            !set(&row("a", 0, "{\"v\":2}"), Some("{\"v\":0}")),
            "something else does"
        );
        assert!(!set(&row("b", 0, "{}"), Some("{}")), "nothing does");
        assert!(set(&row("a", 2, "{\"v\":2}"), Some("{\"v\":1}")));
        assert!(set(&row("c", 1, "{}"), None));
        let read = |upto| {
            let all = store
                .read(&Permit::granted(), |reader| reader.wishes(upto))
                .unwrap();
            all.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(
            (read(0), read(1), read(2)),
            (vec![], vec!["c".into()], vec!["a".into(), "c".into()])
        );
        let one = store
            .read(&Permit::granted(), |reader| reader.wish("a"))
            .unwrap();
        assert_eq!(one, Some(row("a", 2, "{\"v\":2}")));
        let unsent = store.read(&Permit::granted(), |reader| reader.unsent_changes());
        assert_eq!(unsent.unwrap(), 1, "what is over is no unsent work");
        // A value that is not what was stored is an error, and no wish.
        let spoil = |tx: &mut Tx<'_>| {
            let sql = "UPDATE wish SET value = zeroblob(length(value)) WHERE id = 'a'";
            tx.connection.execute(sql, [])?;
            Ok::<_, StoreError>(())
        };
        store
            .write(&Permit::granted(), Durability::Full, spoil)
            .unwrap();
        let damaged = store
            .read(&Permit::granted(), |reader| reader.wish("a"))
            .unwrap_err();
        assert!(matches!(
            damaged,
            StoreError::DamagedValue { what: "wish", .. }
        ));
    }
}
