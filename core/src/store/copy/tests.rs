//! Both ways of copying: nothing is lost, nothing dead comes along, no difference goes unnoticed.

use super::*;
use crate::fhir::Resource;
use crate::store::edits::Author;
use crate::store::{Durability, PeerId, Permit, Store, Tx};

struct Place {
    _folder: tempfile::TempDir,
    from: PathBuf,
    to: PathBuf,
    keys: [Key; 2],
}

const SALTS: [[u8; 16]; 2] = [[5; 16], [6; 16]];

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("1.db"), folder.path().join("2.db"));
    let keys = [Key::make_random().unwrap(), Key::make_random().unwrap()];
    Store::create(&from, &keys[0], &SALTS[0]).unwrap();
    Place {
        _folder: folder,
        from,
        to,
        keys,
    }
}

impl Place {
    fn open(&self) -> Store {
        Store::open(&self.from, &self.keys[0], &SALTS[0]).unwrap()
    }

    fn copy(&self, store: &Store, way: CopyWay) -> Result<Store, StoreError> {
        let target = Target {
            path: &self.to,
            key: &self.keys[1],
            salt: &SALTS[1],
        };
        let mut reports = Vec::new();
        let progress = &mut |done, total| reports.push((done, total));
        store.copy_to(&Permit::granted(), target, way, progress)?;
        assert!(
            reports.last().is_some_and(|(done, total)| done == total),
            "{reports:?}"
        );
        Store::open(&self.to, &self.keys[1], &SALTS[1])
    }
}

fn write(store: &Store, body: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError>) {
    store
        .write(&Permit::granted(), Durability::Full, body)
        .unwrap();
}

fn put(store: &Store, text: &str) {
    let author = Author {
        person: "owner",
        change_id: "c",
        at_ms: 1,
        signer: None,
        together: None,
    };
    write(store, |tx| {
        tx.put_local(PeerId::FIRST, &Resource::parse_text(text).unwrap(), author)
            .map(drop)
    });
}

/// Records, what waits to be sent, and what a deletion leaves behind.
fn fill(store: &Store) {
    let author = Author {
        person: "owner",
        change_id: "c",
        at_ms: 1,
        signer: None,
        together: None,
    };
    write(store, |tx| {
        for n in 0..300 {
            let text = format!(
                r#"{{"resourceType":"Observation","id":"o{n}","subject":{{"reference":"Patient/p{n}"}},"code":{{"coding":[{{"system":"urn:c","code":"c{n}"}}]}},"valueString":"{}"}}"#,
                "long ".repeat(n * 5)
            );
            tx.put_local(PeerId::FIRST, &Resource::parse_text(&text).unwrap(), author)?;
        }
        Ok(())
    });
    // Every other record is gone with what it alone named; the numbers of what waits go on behind them.
    write(store, |tx| {
        tx.connection.execute_batch(
            "DELETE FROM outbox WHERE rid % 4 = 1; DELETE FROM edit WHERE rid % 4 = 1; DELETE FROM ix WHERE rid % 4 = 1;
             DELETE FROM clinical WHERE rid % 4 = 1; DELETE FROM compartment WHERE rid % 4 = 1; DELETE FROM body WHERE rid % 4 = 1;
             DELETE FROM outbox WHERE seq > 290;
             INSERT INTO dictionary (type, content, upto_rid, repacked_rid) VALUES (1, x'00', 0, 0);",
        )?;
        Ok(())
    });
}

fn all(store: &Store, sql: &'static str) -> Vec<Vec<rusqlite::types::Value>> {
    let read = |reader: &Reader<'_>| -> Result<_, StoreError> {
        let mut statement = reader.connection.prepare(sql)?;
        let columns = statement.column_count();
        let row = |row: &Row<'_>| (0..columns).map(|at| row.get(at)).collect();
        Ok(statement.query_map([], row)?.collect::<Result<_, _>>()?)
    };
    store.read(&Permit::granted(), read).unwrap()
}

const SCHEMA: &str =
    "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name";
const LIVE: [&str; 10] = [
    "SELECT * FROM body ORDER BY rid",
    "SELECT * FROM edit ORDER BY rid",
    "SELECT * FROM outbox ORDER BY seq",
    "SELECT * FROM sqlite_sequence",
    "SELECT * FROM ix ORDER BY 1, 2, 3, 4",
    "SELECT * FROM clinical ORDER BY rid",
    "SELECT * FROM compartment ORDER BY rid, patient",
    "SELECT * FROM setting ORDER BY name",
    "SELECT * FROM peer",
    "SELECT * FROM parameter ORDER BY p",
];

#[test]
fn a_copy_of_pages_is_the_same_database_under_another_key() {
    let place = place();
    let store = place.open();
    fill(&store);
    let copy = place.copy(&store, CopyWay::Pages).unwrap();
    for sql in LIVE.into_iter().chain([
        SCHEMA,
        "SELECT * FROM term ORDER BY id",
        "SELECT * FROM rkey ORDER BY rid",
    ]) {
        assert_eq!(all(&store, sql), all(&copy, sql), "{sql}");
    }
    assert_eq!(
        all(&store, "PRAGMA page_count"),
        all(&copy, "PRAGMA page_count")
    );
    drop((store, copy));
    // Neither key opens the other file.
    assert!(Store::open(&place.to, &place.keys[0], &SALTS[1]).is_err());
    assert!(Store::open(&place.from, &place.keys[1], &SALTS[0]).is_err());
    place.open();
}

#[test]
fn a_copy_of_rows_leaves_out_what_is_dead_and_nothing_else() {
    let place = place();
    let store = place.open();
    fill(&store);
    let copy = place.copy(&store, CopyWay::Rows).unwrap();
    for sql in LIVE.into_iter().chain([SCHEMA]) {
        assert_eq!(all(&store, sql), all(&copy, sql), "{sql}");
    }
    let count = |store: &Store, sql| all(store, sql).len();
    for left in [
        "SELECT id FROM term WHERE system = 'urn:c'",
        "SELECT * FROM rkey WHERE id LIKE 'o%'",
    ] {
        assert_eq!(
            (count(&store, left), count(&copy, left)),
            (300, 150),
            "{left}"
        );
    }
    // Every body's name, every name that a living record gives, every term of a living record.
    assert_eq!(
        count(
            &copy,
            "SELECT 1 FROM body LEFT JOIN rkey USING (rid) WHERE id IS NULL"
        ),
        0
    );
    let orphans = "SELECT 1 FROM ix LEFT JOIN rkey ON rkey.rid = v JOIN parameter USING (p)
                   WHERE code IN ('patient', 'subject') AND typeof(v) = 'integer' AND rkey.rid IS NULL";
    assert_eq!(count(&copy, orphans), 0);
    let codes = "SELECT 1 FROM ix JOIN parameter USING (p) LEFT JOIN term ON term.id = v WHERE parameter.code = 'code'
                 AND term.id IS NULL";
    assert_eq!((count(&store, codes), count(&copy, codes)), (0, 0));
    assert_eq!(count(&copy, "SELECT * FROM dictionary"), 0);
    assert_eq!(
        count(
            &copy,
            "SELECT * FROM pragma_freelist_count WHERE freelist_count > 0"
        ),
        0
    );
    let bytes = |path: &Path| std::fs::metadata(path).unwrap().len();
    drop((store, copy));
    assert!(bytes(&place.to) * 10 < bytes(&place.from) * 9);
}

/// A table of a later step of the ladder: what it names is kept, though nothing else knows it.
#[test]
fn an_unknown_table_comes_along_with_all_it_names() {
    let place = place();
    let store = place.open();
    put(&store, r#"{"resourceType":"Patient","id":"a"}"#);
    write(&store, |tx| {
        tx.connection.execute_batch(
            "INSERT INTO rkey (rid, type, id, peer) VALUES (900, 1, 'named', 1), (901, 1, 'not-named', 1);
             CREATE TABLE later (one INTEGER NOT NULL, two INTEGER NOT NULL, PRIMARY KEY (one, two)) STRICT, WITHOUT ROWID;
             INSERT INTO later VALUES (1, 900);",
        )?;
        Ok(())
    });
    let copy = place.copy(&store, CopyWay::Rows).unwrap();
    assert_eq!(all(&copy, "SELECT * FROM later").len(), 1);
    assert_eq!(all(&copy, "SELECT 1 FROM rkey WHERE rid = 900").len(), 1);
    assert_eq!(all(&copy, "SELECT 1 FROM rkey WHERE rid = 901").len(), 0);
}

#[test]
fn an_old_index_keeps_all_it_may_mean() {
    let place = place();
    let store = place.open();
    fill(&store);
    write(&store, |tx| tx.set("index_generation", 7));
    let copy = place.copy(&store, CopyWay::Rows).unwrap();
    for sql in [
        "SELECT * FROM term ORDER BY id",
        "SELECT * FROM rkey ORDER BY rid",
    ] {
        assert_eq!(all(&store, sql), all(&copy, sql), "{sql}");
    }
}

/// A rebuild of the index that was under way begins again in the copy.
#[test]
fn a_half_built_index_stays_behind() {
    let place = place();
    let store = place.open();
    fill(&store);
    write(&store, |tx| tx.set("index_generation", 7));
    write(&store, |tx| tx.reindex_step(10).map(drop));
    let copy = place.copy(&store, CopyWay::Rows).unwrap();
    assert_eq!(
        all(
            &copy,
            "SELECT 1 FROM sqlite_master WHERE name LIKE '%\\_next' ESCAPE '\\'"
        )
        .len(),
        0
    );
    while store_step(&copy) {}
    assert_eq!(all(&copy, "SELECT 1 FROM ix LIMIT 1").len(), 1);
}

fn store_step(store: &Store) -> bool {
    store
        .write(&Permit::granted(), Durability::Full, |tx| {
            tx.reindex_step(50)
        })
        .unwrap()
        .answer
        .is_some()
}

#[test]
fn a_damaged_body_is_refused_and_leaves_no_copy() {
    for way in [CopyWay::Pages, CopyWay::Rows] {
        let place = place();
        let store = place.open();
        fill(&store);
        write(&store, |tx| {
            tx.connection
                .execute("UPDATE body SET bytes = zeroblob(40) WHERE rid = 3", [])?;
            Ok(())
        });
        let refused = place.copy(&store, way).err().unwrap();
        assert!(
            matches!(
                refused,
                StoreError::DamagedValue {
                    what: "body",
                    row: 3
                }
            ),
            "{refused}"
        );
        assert!(with_side_files(&place.to).iter().all(|file| !file.exists()));
        assert_eq!(all(&store, "SELECT 1 FROM body").len(), 150);
    }
}

/// A copy that is not equal is noticed, whatever the difference.
#[test]
fn every_difference_is_noticed() {
    for change in [
        "DELETE FROM outbox WHERE seq = 10",
        "UPDATE edit SET state = 1 WHERE rid = 3",
        "UPDATE setting SET value = value - 1 WHERE name = 'revision'",
        "CREATE TABLE more (x)",
        "DELETE FROM rkey WHERE rid = 3",
        "UPDATE sqlite_sequence SET seq = 1",
    ] {
        let place = place();
        let store = place.open();
        fill(&store);
        drop(place.copy(&store, CopyWay::Pages).unwrap());
        let original: Vec<(String, Content)> = {
            let db = Db::open(&place.from, &place.keys[0], &SALTS[0]).unwrap();
            let tables = tables(&db.connection).unwrap();
            let of = |table: &Table| content(&db.connection, table, &|_| Ok(true)).unwrap();
            tables
                .iter()
                .map(|table| (table.name.clone(), of(table)))
                .collect()
        };
        let target = Target {
            path: &place.to,
            key: &place.keys[1],
            salt: &SALTS[1],
        };
        verify(target, &original).unwrap();
        let db = Db::open(&place.to, &place.keys[1], &SALTS[1]).unwrap();
        db.connection
            .execute_batch(&format!("PRAGMA foreign_keys = OFF; {change}"))
            .unwrap();
        drop(db);
        assert!(
            matches!(
                verify(target, &original),
                Err(StoreError::CopyDiffers { .. })
            ),
            "{change}"
        );
    }
}

#[test]
fn an_existing_file_is_never_replaced() {
    let place = place();
    let store = place.open();
    std::fs::write(&place.to, b"someone's").unwrap();
    assert!(place.copy(&store, CopyWay::Rows).is_err());
    assert_eq!(std::fs::read(&place.to).unwrap(), b"someone's");
}
