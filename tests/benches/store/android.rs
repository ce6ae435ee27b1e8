//! A baseline: the tables of the Android FHIR SDK (google/android-fhir, engine 1.x: `ResourceEntity` and its nine index
//! entities, with their indices and foreign keys) on our SQLCipher, filled with the values that our extraction finds.
//!
//! It favours the SDK: its own extraction takes in all parameters of R4 and walks a tree, its transactions are smaller,
//! and its own SQLCipher has SHA-512 for its MACs. The queries are those that its search builds.

use crate::measure::{Latencies, timed};
use crate::searches::Subject;
use pocketchart_core::fhir::extract::{self, Value};
use pocketchart_core::fhir::params::{self, Parameter, Profile};
use pocketchart_core::fhir::{Resource, ResourceType};
use pocketchart_sqlcipher::Mode;
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows of one transaction, as our import has.
const TOGETHER: usize = 10_000;
/// A slow query is not asked for every patient.
const PATIENCE: Duration = Duration::from_secs(5);
const DAY_MS: i64 = 86_400_000;

const TABLES: [(&str, &str, &[&str]); 9] = [
    (
        "StringIndexEntity",
        "index_name TEXT NOT NULL, index_path TEXT NOT NULL, index_value TEXT NOT NULL",
        &[
            "resourceType, index_name, index_value, resourceUuid",
            "resourceUuid, index_name, index_value",
        ],
    ),
    (
        "ReferenceIndexEntity",
        "index_name TEXT NOT NULL, index_path TEXT NOT NULL, index_value TEXT NOT NULL",
        &[
            "resourceType, index_name, index_value, resourceUuid",
            "resourceUuid",
        ],
    ),
    (
        "TokenIndexEntity",
        "index_name TEXT NOT NULL, index_path TEXT NOT NULL, index_system TEXT, index_value TEXT NOT NULL",
        &[
            "resourceType, index_name, index_value, resourceUuid",
            "resourceUuid",
        ],
    ),
    (
        "QuantityIndexEntity",
        "index_name TEXT NOT NULL, index_path TEXT NOT NULL, index_system TEXT NOT NULL, index_code TEXT NOT NULL,
         index_value REAL NOT NULL",
        &[
            "resourceType, index_name, index_value, index_code",
            "resourceUuid",
        ],
    ),
    (
        "UriIndexEntity",
        "index_name TEXT NOT NULL, index_path TEXT NOT NULL, index_value TEXT NOT NULL",
        &[
            "resourceType, index_name, index_value, resourceUuid",
            "resourceUuid",
        ],
    ),
    (
        "DateIndexEntity",
        "index_name TEXT NOT NULL, index_path TEXT NOT NULL, index_from INTEGER NOT NULL, index_to INTEGER NOT NULL",
        &[
            "resourceType, index_name, resourceUuid, index_from, index_to",
            "resourceUuid, index_name, index_from",
        ],
    ),
    (
        "DateTimeIndexEntity",
        "index_name TEXT NOT NULL, index_path TEXT NOT NULL, index_from INTEGER NOT NULL, index_to INTEGER NOT NULL",
        &[
            "resourceType, index_name, resourceUuid, index_from, index_to",
            "resourceUuid, index_name, index_from",
        ],
    ),
    (
        "NumberIndexEntity",
        "index_name TEXT NOT NULL, index_path TEXT NOT NULL, index_value REAL NOT NULL",
        &[
            "resourceType, index_name, resourceUuid, index_value",
            "resourceUuid, index_name",
        ],
    ),
    (
        "PositionIndexEntity",
        "index_latitude REAL NOT NULL, index_longitude REAL NOT NULL",
        &["resourceType, index_latitude, index_longitude", "resourceUuid"],
    ),
];

/// A database with the SDK's tables.
pub(crate) struct Android {
    connection: Connection,
}

impl Android {
    pub(crate) fn create(path: &Path) -> Self {
        let connection =
            pocketchart_sqlcipher::open(path, &[7; 32], &[9; 16], Mode::Create).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 8000;
                 PRAGMA foreign_keys = ON;
                 CREATE TABLE ResourceEntity (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, resourceUuid BLOB NOT NULL,
                 resourceType TEXT NOT NULL, resourceId TEXT NOT NULL, serializedResource TEXT NOT NULL, versionId TEXT,
                 lastUpdatedRemote INTEGER, lastUpdatedLocal INTEGER);
                 CREATE UNIQUE INDEX index_ResourceEntity_resourceUuid ON ResourceEntity (resourceUuid);
                 CREATE UNIQUE INDEX index_ResourceEntity_resourceType_resourceId
                 ON ResourceEntity (resourceType, resourceId);",
            )
            .unwrap();
        for (table, columns, indices) in TABLES {
            let mut sql = format!(
                "CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, resourceUuid BLOB NOT NULL,
                 resourceType TEXT NOT NULL, {columns}, FOREIGN KEY (resourceUuid) REFERENCES ResourceEntity (resourceUuid)
                 ON UPDATE NO ACTION ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);"
            );
            for (number, index) in indices.iter().enumerate() {
                sql += &format!("CREATE INDEX index_{table}_{number} ON {table} ({index});");
            }
            connection.execute_batch(&sql).unwrap();
        }
        connection.set_prepared_statement_cache_capacity(64);
        Self { connection }
    }

    /// Parses, extracts and stores. Answers with the CPU time.
    pub(crate) fn fill(&mut self, lines: &[String]) -> Duration {
        let (time, ()) = timed(|| {
            for (batch, lines) in lines.chunks(TOGETHER).enumerate() {
                let tx = self.connection.transaction().unwrap();
                for (at, line) in lines.iter().enumerate() {
                    store(
                        &tx,
                        uuid(batch * TOGETHER + at),
                        &Resource::parse_text(line).unwrap(),
                    );
                }
                tx.commit().unwrap();
            }
        });
        time
    }

    /// Ends the journal, so that the file has its whole length.
    pub(crate) fn checkpoint(&self) {
        let done = |_: &rusqlite::Row<'_>| Ok(());
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], done)
            .unwrap();
    }

    /// One of the four searches, for each subject until patience ends. `None`: it has no such search.
    pub(crate) fn search(&self, which: usize, subjects: &[Subject]) -> Latencies {
        const FROM: &str = "SELECT a.resourceUuid, a.serializedResource FROM ResourceEntity a";
        const OF_PATIENT: &str = "a.resourceUuid IN (SELECT resourceUuid FROM ReferenceIndexEntity
             WHERE resourceType = 'Observation' AND index_name = 'patient' AND index_value = ?1)";
        let sql = match which {
            0 => format!(
                "{FROM} LEFT JOIN DateIndexEntity b ON a.resourceUuid = b.resourceUuid AND b.index_name = 'date'
                 LEFT JOIN DateTimeIndexEntity c ON a.resourceUuid = c.resourceUuid AND c.index_name = 'date'
                 WHERE a.resourceType = 'Observation' AND {OF_PATIENT} GROUP BY a.resourceUuid
                 HAVING MAX(IFNULL(b.index_from, 0) + IFNULL(c.index_from, 0)) >= -9223372036854775808
                 ORDER BY IFNULL(b.index_from, -9223372036854775808) DESC,
                 IFNULL(c.index_from, -9223372036854775808) DESC LIMIT 50"
            ),
            1 => format!(
                "{FROM} WHERE a.resourceType = 'Patient' AND a.resourceUuid IN (SELECT resourceUuid FROM StringIndexEntity
                 WHERE resourceType = 'Patient' AND index_name = 'name' AND index_value LIKE ?1 || '%' COLLATE NOCASE)"
            ),
            2 => format!(
                "{FROM} WHERE a.resourceType = 'Patient' AND a.resourceUuid IN (SELECT resourceUuid FROM TokenIndexEntity
                 WHERE resourceType = 'Patient' AND index_name = 'identifier'
                 AND (index_value = ?2 AND IFNULL(index_system, '') = ?1))"
            ),
            _ => format!(
                "{FROM} WHERE a.resourceType = 'Observation' AND {OF_PATIENT} AND a.resourceUuid IN
                 (SELECT resourceUuid FROM TokenIndexEntity WHERE resourceType = 'Observation' AND index_name = 'code'
                 AND (index_value = ?3 AND IFNULL(index_system, '') = ?2))"
            ),
        };
        let mut statement = self.connection.prepare(&sql).unwrap();
        let mut latencies = Latencies::default();
        let start = Instant::now();
        for subject in subjects {
            if start.elapsed() > PATIENCE {
                break;
            }
            let patient = format!("Patient/{}", subject.patient);
            let values: Vec<&str> = match which {
                0 => vec![&patient],
                1 => vec![&subject.prefix],
                2 => vec![&subject.identifier.0, &subject.identifier.1],
                _ => vec![&patient, &subject.code.0, &subject.code.1],
            };
            let found = latencies.time(|| {
                let mut rows = statement.query(rusqlite::params_from_iter(values)).unwrap();
                let mut texts: Vec<String> = Vec::new();
                while let Some(row) = rows.next().unwrap() {
                    texts.push(row.get(1).unwrap());
                }
                texts.len()
            });
            assert!(found > 0, "search {which} finds nothing");
        }
        latencies
    }
}

/// Spread over the whole range, as random ones are.
fn uuid(number: usize) -> [u8; 16] {
    let number = number as u64 + 1;
    let mut bytes = [0; 16];
    let halves = [0x9e37_79b9_7f4a_7c15_u64, 0xbf58_476d_1ce4_e5b9_u64];
    for (half, factor) in bytes.chunks_mut(8).zip(halves) {
        let mixed = number.wrapping_mul(factor);
        half.copy_from_slice(&(mixed ^ mixed >> 29).to_be_bytes());
    }
    bytes
}

fn store(connection: &Connection, uuid: [u8; 16], resource: &Resource<'_>) {
    let kind = resource.kind();
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection
            .prepare_cached(sql)
            .unwrap()
            .execute(values)
            .unwrap();
    };
    let name = resource.name();
    run(
        "INSERT INTO ResourceEntity (resourceUuid, resourceType, resourceId, serializedResource, versionId,
         lastUpdatedRemote) VALUES (?, ?, ?, ?, ?, ?)",
        &[
            &uuid,
            &kind.name(),
            &name.id.as_str(),
            &resource.text(),
            &resource.version(),
            &resource.last_updated().map(|at| at.epoch_ms()),
        ],
    );
    let mut found = Vec::new();
    extract::extract(resource, Profile::Default, &mut found);
    for found in &found {
        let Some(parameter) = params::numbered(kind, found.parameter) else {
            continue;
        };
        let (code, path) = (parameter.code, path_of(kind, parameter));
        let plain = |table: &str, value: &dyn rusqlite::ToSql| {
            let sql = format!(
                "INSERT INTO {table} (resourceUuid, resourceType, index_name, index_path, index_value)
                 VALUES (?, ?, ?, ?, ?)"
            );
            run(&sql, &[&uuid, &kind.name(), &code, &path, value]);
        };
        match &found.value {
            Value::Token { system, code: value } => run(
                "INSERT INTO TokenIndexEntity (resourceUuid, resourceType, index_name, index_path, index_system,
                 index_value) VALUES (?, ?, ?, ?, ?, ?)",
                &[
                    &uuid,
                    &kind.name(),
                    &code,
                    &path,
                    &Some(system).filter(|s| !s.is_empty()),
                    value,
                ],
            ),
            Value::Text(text) => plain("StringIndexEntity", text),
            Value::Reference { url, .. } => plain("ReferenceIndexEntity", url),
            Value::Uri(uri) => plain("UriIndexEntity", uri),
            Value::Number(number) => plain("NumberIndexEntity", number),
            Value::Quantity { value, system, code: unit } => run(
                "INSERT INTO QuantityIndexEntity (resourceUuid, resourceType, index_name, index_path, index_system,
                 index_code, index_value) VALUES (?, ?, ?, ?, ?, ?, ?)",
                &[&uuid, &kind.name(), &code, &path, system, unit, value],
            ),
            Value::Date(span) => {
                let (first, end) = (span.first.epoch_ms(), span.end.epoch_ms());
                let of_days = first % DAY_MS == 0 && end % DAY_MS == 0;
                let (table, unit) = if of_days {
                    ("DateIndexEntity", DAY_MS)
                } else {
                    ("DateTimeIndexEntity", 1)
                };
                let sql = format!(
                    "INSERT INTO {table} (resourceUuid, resourceType, index_name, index_path, index_from, index_to)
                     VALUES (?, ?, ?, ?, ?, ?)"
                );
                let (from, to) = (first / unit, end / unit - 1);
                run(&sql, &[&uuid, &kind.name(), &code, &path, &from, &to]);
            }
        }
    }
}

/// Such as `Patient.name.given`: the SDK stores it in each row.
fn path_of(kind: ResourceType, parameter: &Parameter) -> String {
    let path = parameter.paths.first().copied().unwrap_or_default();
    let path = path.split(':').next().unwrap_or_default();
    format!("{}.{path}", kind.name())
}
