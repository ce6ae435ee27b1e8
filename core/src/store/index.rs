//! The one index: what rows a record has in it, and whether the rows on disk still mean what this program means.

use super::codec::Codec;
use super::{StoreError, Tx};
use crate::fhir::extract::{self, Terms};
use crate::fhir::{Resource, ResourceType};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::cell::RefCell;

/// A search parameter's number on disk. Never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    /// v: ms since 1970. o: 0.
    LastUpdated = 1,
    /// v: rid of the patient. o: ms since 1970 of the last update.
    Patient = 2,
}

/// Changes whenever the rows of a record would be others: from the extraction's own generation and this layout's.
const GENERATION: i64 = 1_000 + extract::GENERATION as i64;

/// The index column `p`.
pub(super) fn p(kind: ResourceType, parameter: Parameter) -> i64 {
    kind.number() << 16 | parameter as i64
}

/// One row, but for the rid.
pub(super) type Key = (i64, i64, i64);

impl Tx<'_> {
    /// The rows of a record. Interns the patients it refers to.
    pub(super) fn index_keys(
        &self,
        peer: i64,
        resource: &Resource<'_>,
        updated_ms: i64,
    ) -> Result<Vec<Key>, StoreError> {
        let kind = resource.kind();
        let Terms { patients } = extract::terms(resource);
        let mut keys = vec![(p(kind, Parameter::LastUpdated), updated_ms, 0)];
        for patient in &patients {
            keys.push((
                p(kind, Parameter::Patient),
                self.intern(peer, patient)?,
                updated_ms,
            ));
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// Exchanges a record's old rows for its new ones; rows in both are left alone.
    pub(super) fn reindex(&self, rid: i64, old: &[Key], new: &[Key]) -> Result<(), StoreError> {
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM ix WHERE p = ?1 AND v = ?2 AND o = ?3 AND rid = ?4")?;
        for (p, v, o) in old.iter().filter(|key| !new.contains(key)) {
            delete.execute((p, v, o, rid))?;
        }
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO ix (p, v, o, rid) VALUES (?1, ?2, ?3, ?4)")?;
        for (p, v, o) in new.iter().filter(|key| !old.contains(key)) {
            insert.execute((p, v, o, rid))?;
        }
        Ok(())
    }
}

/// Rebuilds the index where it was made by another generation. One transaction: until it commits, the old one stands.
/// A damaged body gets no rows (reading it and a check say so); it must not keep the vault from opening.
pub(super) fn ensure_current(
    connection: &mut Connection,
    codec: &RefCell<Codec>,
) -> Result<(), StoreError> {
    let sql = "SELECT value FROM setting WHERE name = 'index_generation'";
    let found: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    if found == Some(GENERATION) {
        return Ok(());
    }
    let connection = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let tx = Tx::over(&connection, codec, 0);
        connection.execute("DELETE FROM ix", [])?;
        let mut bodies = connection.prepare(
            "SELECT rid, peer, bytes, updated_ms FROM body JOIN rkey USING (rid) ORDER BY rid",
        )?;
        let mut rows = bodies.query([])?;
        while let Some(row) = rows.next()? {
            let rid = row.get(0)?;
            let bytes = row.get_ref(2)?.as_blob().unwrap_or_default();
            let text = match tx.unpack(bytes, "body", rid) {
                Err(StoreError::DamagedValue { .. }) => continue,
                text => text?,
            };
            let Ok(resource) = Resource::parse_text(&text) else {
                continue;
            };
            let keys = tx.index_keys(row.get(1)?, &resource, row.get(3)?)?;
            tx.reindex(rid, &[], &keys)?;
        }
        tx.set("index_generation", GENERATION)?;
    }
    connection.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Key as SecretKey;
    use crate::fhir::search::Query;
    use crate::store::{Author, Durability, PeerId, Permit, Store};

    /// An index of another generation is made anew at the next opening, whatever was in it.
    #[test]
    fn an_old_index_is_rebuilt_and_finds_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key, salt) = (
            folder.path().join("s.db"),
            SecretKey::make_random().unwrap(),
            [5; 16],
        );
        Store::create(&path, &key, &salt).unwrap();
        let permit = Permit::granted();
        let found = |store: &Store| -> Vec<String> {
            let query = Query::parse("Observation?patient=p&_sort=-_lastUpdated").unwrap();
            let page = store
                .read(&permit, |reader| reader.search(&query, None, 10))
                .unwrap();
            page.into_iter()
                .map(|record| record.name.reference.to_string())
                .collect()
        };
        let store = Store::open(&path, &key, &salt).unwrap();
        for n in 0..5 {
            let text = format!(
                r#"{{"resourceType":"Observation","id":"o{n}","subject":{{"reference":"Patient/p"}}}}"#
            );
            let author = Author {
                person: "owner",
                change_id: "c",
                at_ms: n,
            };
            let resource = Resource::parse_text(&text).unwrap();
            store
                .write(&permit, Durability::Normal, |tx| {
                    tx.put_local(PeerId::FIRST, &resource, author)
                })
                .unwrap();
        }
        let before = found(&store);
        assert_eq!(before.len(), 5);
        // An older program's table: other keys, and rows this one would never find to delete.
        store
            .write(&permit, Durability::Full, |tx| {
                tx.connection.execute("UPDATE ix SET v = v + 1000", [])?;
                tx.connection
                    .execute("INSERT INTO ix (p, v, o, rid) VALUES (1, 2, 3, 4)", [])?;
                tx.set("index_generation", GENERATION - 1)
            })
            .unwrap();
        assert!(found(&store).is_empty());
        drop(store);
        let store = Store::open(&path, &key, &salt).unwrap();
        assert_eq!(found(&store), before);
        let ghosts = |reader: &crate::store::Reader<'_>| {
            Ok::<i64, StoreError>(reader.connection.query_row(
                "SELECT count(*) FROM ix",
                [],
                |row| row.get(0),
            )?)
        };
        assert_eq!(store.read(&permit, ghosts).unwrap(), 10);
    }
}
