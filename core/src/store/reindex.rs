//! Making the index anew where it was made by another generation of this program.
//!
//! Keys recomputed with a changed table would leave the old ones behind, so the whole index is built again beside the
//! old one, some records at a time, and exchanged for it in one transaction. A kill costs the step at hand. Until the
//! exchange the old index answers; what is written meanwhile goes into both.

use super::index::{self, Rows};
use super::{Reader, StoreError, Tx};
use crate::fhir::params::Profile;
use crate::fhir::{Resource, compartment};
use rusqlite::OptionalExtension;

/// The tables of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation {
    pub(super) index: &'static str,
    pub(super) clinical: &'static str,
    pub(super) compartment: &'static str,
}

const CURRENT: Generation = Generation {
    index: "ix",
    clinical: "clinical",
    compartment: "compartment",
};
const NEXT: Generation = Generation {
    index: "ix_next",
    clinical: "clinical_next",
    compartment: "compartment_next",
};

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reindexed {
    /// Records done.
    pub done: u64,
    /// Of these.
    pub total: u64,
}

impl Reader<'_> {
    /// Whether the index was made by another generation of this program.
    pub(crate) fn index_is_old(&self) -> Result<bool, StoreError> {
        Ok(self.optional_setting("index_generation")? != Some(self.generation()?))
    }

    /// Whether the rows of compartments are all there, and as this program makes them.
    pub(super) fn compartments_are_known(&self) -> Result<bool, StoreError> {
        let generation = i64::from(compartment::GENERATION);
        Ok(self.optional_setting("compartment_generation")? == Some(generation))
    }

    /// The tables that writes go to.
    pub(super) fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        let rebuilding = self.optional_setting("reindexed_rid")?.is_some();
        Ok(if rebuilding {
            vec![CURRENT, NEXT]
        } else {
            vec![CURRENT]
        })
    }

    /// What this vault is indexed by.
    pub(crate) fn profile(&self) -> Result<Profile, StoreError> {
        let full = self.optional_setting("full_profile")? == Some(1);
        Ok(if full {
            Profile::Full
        } else {
            Profile::Default
        })
    }

    fn generation(&self) -> Result<i64, StoreError> {
        Ok(index::generation(self.profile()?))
    }

    pub(super) fn optional_setting(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM setting WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }
}

impl Tx<'_> {
    /// Chooses what this vault is indexed by from now on; the index is old after it.
    pub(crate) fn set_profile(&self, profile: Profile) -> Result<(), StoreError> {
        self.set("full_profile", i64::from(profile == Profile::Full))
    }

    /// Says that the (empty) index is of this generation.
    pub(super) fn index_is_new(&self) -> Result<(), StoreError> {
        self.set("index_generation", self.generation()?)?;
        self.set("compartment_generation", i64::from(compartment::GENERATION))
    }

    /// Indexes the next `records`. `None`: the index is of this generation now.
    pub(crate) fn reindex_step(&self, records: usize) -> Result<Option<Reindexed>, StoreError> {
        if !self.index_is_old()? {
            return Ok(None);
        }
        let reached = match self.optional_setting("reindexed_rid")? {
            // Begun by this very generation: a rebuild that a still older program began would be of that one.
            Some(rid)
                if self.optional_setting("reindexing_generation")? == Some(self.generation()?) =>
            {
                rid
            }
            _ => self.begin()?,
        };
        let limit = i64::try_from(records).unwrap_or(i64::MAX);
        let mut rows = Vec::new();
        let mut last = None;
        {
            let sql = "SELECT rid, peer, bytes, updated_ms, dict FROM body JOIN rkey USING (rid)
                       WHERE body.rid > ?1 ORDER BY body.rid LIMIT ?2";
            let mut bodies = self.connection.prepare_cached(sql)?;
            let mut found = bodies.query((reached, limit))?;
            while let Some(row) = found.next()? {
                let rid: i64 = row.get(0)?;
                last = Some(rid);
                // A damaged body keeps nobody from the others: it is not found any more, and `vault check` names it.
                let bytes = row.get_ref(2)?.as_blob().unwrap_or_default();
                let Ok(text) = self.unpack_body(bytes, row.get(4)?, rid) else {
                    continue;
                };
                let Ok(resource) = Resource::parse_text(&text) else {
                    continue;
                };
                let of_record = self.index_rows(row.get(1)?, &resource, row.get(3)?)?;
                self.set_clinical(NEXT, rid, of_record.clinical_ms)?;
                self.set_compartments(NEXT, rid, &[], &of_record.patients)?;
                rows.extend(of_record.rows.into_iter().map(|row| (row, rid)));
            }
        }
        let Some(last) = last else {
            self.exchange()?;
            return Ok(None);
        };
        rows.sort_by(|(a, a_rid), (b, b_rid)| a.order(b).then(a_rid.cmp(b_rid)));
        self.insert_rows(NEXT.index, &rows)?;
        self.set("reindexed_rid", last)?;
        let count = |sql: &str, upto: i64| -> Result<u64, StoreError> {
            Ok(self
                .connection
                .prepare_cached(sql)?
                .query_row([upto], |row| row.get(0))?)
        };
        let done = count("SELECT count(*) FROM body WHERE rid <= ?1", last)?;
        let total = count("SELECT count(*) FROM body WHERE rid <= ?1", i64::MAX)?;
        Ok(Some(Reindexed { done, total }))
    }

    fn begin(&self) -> Result<i64, StoreError> {
        self.connection.execute_batch(
            "DROP TABLE IF EXISTS ix_next; DROP TABLE IF EXISTS clinical_next; DROP TABLE IF EXISTS compartment_next;
             CREATE TABLE ix_next (p INTEGER NOT NULL, v ANY NOT NULL, o ANY NOT NULL, rid INTEGER NOT NULL,
                                   PRIMARY KEY (p, v, o, rid)) STRICT, WITHOUT ROWID;
             CREATE TABLE clinical_next (rid INTEGER PRIMARY KEY REFERENCES rkey, ms INTEGER NOT NULL) STRICT;
             CREATE TABLE compartment_next (rid INTEGER NOT NULL, patient INTEGER NOT NULL,
                                            PRIMARY KEY (rid, patient)) STRICT, WITHOUT ROWID;",
        )?;
        self.set("reindexing_generation", self.generation()?)?;
        self.set("reindexed_rid", 0)?;
        Ok(0)
    }

    fn exchange(&self) -> Result<(), StoreError> {
        self.connection.execute_batch(
            "DROP TABLE ix; ALTER TABLE ix_next RENAME TO ix;
             DROP TABLE clinical; ALTER TABLE clinical_next RENAME TO clinical;
             DROP TABLE compartment; ALTER TABLE compartment_next RENAME TO compartment;
             DELETE FROM setting WHERE name IN ('reindexed_rid', 'reindexing_generation');",
        )?;
        self.index_is_new()
    }

    /// Stores a record's clinical time.
    pub(super) fn set_clinical(
        &self,
        generation: Generation,
        rid: i64,
        ms: i64,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO {} (rid, ms) VALUES (?1, ?2) ON CONFLICT (rid) DO UPDATE SET ms = excluded.ms",
            generation.clinical
        );
        self.connection.prepare_cached(&sql)?.execute((rid, ms))?;
        Ok(())
    }

    /// A record's rows of both generations, exchanged for its new ones.
    pub(super) fn index_record(
        &self,
        peer: i64,
        rid: i64,
        old: Option<(&Resource<'_>, i64)>,
        new: Option<(&Resource<'_>, i64)>,
    ) -> Result<(), StoreError> {
        let rows = |side: Option<(&Resource<'_>, i64)>| match side {
            Some((resource, updated_ms)) => self.index_rows(peer, resource, updated_ms).map(Some),
            None => Ok(None),
        };
        let (old, new) = (rows(old)?, rows(new)?);
        let patients = |side: &Option<Rows>| side.as_ref().map(|rows| rows.patients.clone());
        let (was_of, is_of) = (patients(&old), patients(&new));
        for generation in self.generations()? {
            let (was_of, is_of) = (
                was_of.as_deref().unwrap_or_default(),
                is_of.as_deref().unwrap_or_default(),
            );
            self.set_compartments(generation, rid, was_of, is_of)?;
            match &new {
                Some(new) => self.set_clinical(generation, rid, new.clinical_ms)?,
                None => {
                    let sql = format!("DELETE FROM {} WHERE rid = ?1", generation.clinical);
                    self.connection.prepare_cached(&sql)?.execute([rid])?;
                }
            }
        }
        let (old, new) = (old.map(|old| old.rows), new.map(|new| new.rows));
        self.reindex(rid, &old.unwrap_or_default(), new.unwrap_or_default());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Key;
    use crate::fhir::search::Query;
    use crate::store::{Author, Durability, PeerId, Permit, Store};

    #[test]
    fn the_rebuilt_table_is_like_the_one_in_the_migrations() {
        let of = |sql: &str, table: &str| {
            let at = sql.find(&format!("CREATE TABLE {table} (")).unwrap();
            let body = &sql[at..at + sql[at..].find("WITHOUT ROWID").unwrap()];
            let code: Vec<&str> = body
                .lines()
                .map(|line| line.split("--").next().unwrap())
                .collect();
            code.join(" ")
                .replace(&format!("{table} "), "")
                .split_whitespace()
                .collect::<String>()
        };
        let source = include_str!("reindex.rs");
        assert_eq!(
            of(include_str!("migrations/0001.sql"), "ix"),
            of(source, "ix_next")
        );
        assert_eq!(
            of(include_str!("migrations/0003.sql"), "compartment"),
            of(source, "compartment_next")
        );
    }

    fn found(store: &Store) -> Vec<String> {
        let query = Query::parse("Observation?patient=p&_sort=-_lastUpdated").unwrap();
        let now = crate::fhir::Instant::from_epoch_ms(0);
        let page = store
            .read(&Permit::granted(), |reader| {
                reader.search(&query, None, now)
            })
            .unwrap();
        page.records
            .into_iter()
            .map(|record| record.name.reference.to_string())
            .collect()
    }

    /// Made by another generation: the old rows answer until the new ones are complete, a rebuild that was cut off goes
    /// on, what is written meanwhile is in both, a damaged body keeps nobody from the others, and no old row is left.
    #[test]
    fn an_old_index_is_rebuilt_step_by_step() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key, salt) = (
            folder.path().join("s.db"),
            Key::make_random().unwrap(),
            [5; 16],
        );
        Store::create(&path, &key, &salt).unwrap();
        let permit = Permit::granted();
        let store = Store::open(&path, &key, &salt).unwrap();
        let put = |store: &Store, n: i64| {
            let text = format!(
                r#"{{"resourceType":"Observation","id":"o{n}","subject":{{"reference":"Patient/p"}}}}"#
            );
            let author = Author {
                person: "owner",
                change_id: "c",
                at_ms: n,
                signer: None,
                together: None,
            };
            let resource = Resource::parse_text(&text).unwrap();
            store
                .write(&permit, Durability::Normal, |tx| {
                    tx.put_local(PeerId::FIRST, &resource, author)
                })
                .unwrap();
        };
        (0..5).for_each(|n| put(&store, n));
        let before = found(&store);
        assert_eq!(before.len(), 5);
        let damage = |tx: &mut Tx<'_>| {
            tx.connection
                .execute("INSERT INTO ix (p, v, o, rid) VALUES (99, 2, 3, 4)", [])?;
            let first =
                "UPDATE body SET bytes = zeroblob(40) WHERE rid = (SELECT min(rid) FROM body)";
            tx.connection.execute(first, [])?;
            tx.set("index_generation", 7)
        };
        store.write(&permit, Durability::Full, damage).unwrap();
        let step = |store: &Store| {
            store
                .write(&permit, Durability::Normal, |tx| tx.reindex_step(2))
                .unwrap()
                .answer
        };
        assert_eq!(step(&store), Some(Reindexed { done: 2, total: 5 }));
        drop(store);

        let store = Store::open(&path, &key, &salt).unwrap();
        assert!(store.read(&permit, |reader| reader.index_is_old()).unwrap());
        put(&store, 5);
        assert_eq!(step(&store), Some(Reindexed { done: 4, total: 6 }));
        assert_eq!(step(&store), Some(Reindexed { done: 6, total: 6 }));
        assert_eq!(step(&store), None);
        assert_eq!(step(&store), None);
        assert!(!store.read(&permit, |reader| reader.index_is_old()).unwrap());
        assert_eq!(
            found(&store),
            [
                "Observation/o5",
                "Observation/o4",
                "Observation/o3",
                "Observation/o2",
                "Observation/o1"
            ]
        );
        let rows = |sql: &'static str| {
            let count = move |reader: &Reader<'_>| {
                Ok::<i64, StoreError>(reader.connection.query_row(sql, [], |row| row.get(0))?)
            };
            store.read(&permit, count).unwrap()
        };
        assert_eq!(
            rows("SELECT count(*) FROM ix WHERE p = 99"),
            0,
            "no old row is left"
        );
        assert_eq!(rows("SELECT count(DISTINCT rid) FROM ix"), 5);
        assert_eq!(
            rows("SELECT count(*) FROM sqlite_master WHERE name LIKE '%_next'"),
            0
        );
    }
}
