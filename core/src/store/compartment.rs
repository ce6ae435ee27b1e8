//! In whose compartments a record is, as the store keeps it: rows beside the index, written and rebuilt with it.

use super::records::reference_of;
use super::reindex::Generation;
use super::{Reader, Record, RecordName, StoreError, Tx};
use crate::fhir::compartment::patients_of;
use crate::fhir::{Reference, Resource, ResourceType};

impl Reader<'_> {
    /// The patients in whose compartments the record called `name` is, as `Patient/id` on its server. Empty: in none,
    /// or there is no such record.
    #[allow(dead_code)] // The policy asks; it comes next.
    pub(crate) fn patients_of(&self, name: &RecordName) -> Result<Vec<Reference>, StoreError> {
        match self.rid(name.peer.0, &name.reference)? {
            Some(rid) => self.patients_of_row(rid),
            None => Ok(Vec::new()),
        }
    }

    /// As [`Reader::patients_of`], for a record that was just read.
    pub(crate) fn patients_of_record(&self, record: &Record) -> Result<Vec<Reference>, StoreError> {
        self.patients_of_row(record.rid)
    }

    /// As [`Reader::patients_of`], for a row number.
    pub(super) fn patients_of_row(&self, rid: i64) -> Result<Vec<Reference>, StoreError> {
        let sql = "SELECT rkey.rid, rkey.type, rkey.id FROM compartment JOIN rkey ON rkey.rid = compartment.patient
                   WHERE compartment.rid = ?1 ORDER BY compartment.patient";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([rid])?;
        let mut patients = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get_ref(2)?.as_str().unwrap_or_default();
            patients.push(reference_of(row.get(0)?, row.get(1)?, id)?);
        }
        Ok(patients)
    }
}

impl Tx<'_> {
    /// Rows of the patients in whose compartments `resource` is, sorted; made where they are new.
    pub(super) fn intern_patients(
        &self,
        peer: i64,
        resource: &Resource<'_>,
    ) -> Result<Vec<i64>, StoreError> {
        let Some(kind) = ResourceType::named("Patient") else {
            return Ok(Vec::new());
        };
        let mut patients = Vec::new();
        for id in patients_of(resource) {
            patients.push(self.intern(peer, &Reference { kind, id })?);
        }
        patients.sort_unstable();
        Ok(patients)
    }

    /// Exchanges the rows of a record; those in both are left alone.
    pub(super) fn set_compartments(
        &self,
        generation: Generation,
        rid: i64,
        old: &[i64],
        new: &[i64],
    ) -> Result<(), StoreError> {
        let table = generation.compartment;
        let sql = format!("DELETE FROM {table} WHERE rid = ?1 AND patient = ?2");
        for patient in old.iter().filter(|patient| !new.contains(patient)) {
            self.connection
                .prepare_cached(&sql)?
                .execute((rid, patient))?;
        }
        let sql = format!("INSERT OR IGNORE INTO {table} (rid, patient) VALUES (?1, ?2)");
        for patient in new.iter().filter(|patient| !old.contains(patient)) {
            self.connection
                .prepare_cached(&sql)?
                .execute((rid, patient))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Key;
    use crate::store::{Author, Durability, PeerId, Permit, Store};

    fn put(store: &Store, text: &str) {
        let resource = Resource::parse_text(text).unwrap();
        let author = Author {
            person: "owner",
            change_id: "c",
            at_ms: 1,
            signer: None,
            together: None,
        };
        let permit = Permit::granted();
        store
            .write(&permit, Durability::Normal, |tx| {
                tx.put_local(PeerId::FIRST, &resource, author)
            })
            .unwrap();
    }

    fn patients(store: &Store, name: &str) -> String {
        let name = RecordName {
            peer: PeerId::FIRST,
            reference: Reference::parse(name).unwrap(),
        };
        let read = store.read(&Permit::granted(), |reader| reader.patients_of(&name));
        let patients: Vec<String> = read.unwrap().iter().map(ToString::to_string).collect();
        patients.join(" ")
    }

    fn observation(id: &str, subject: &str, performer: &str) -> String {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","subject":{{"reference":"{subject}"}},"performer":[{{"reference":"{performer}"}}]}}"#
        )
    }

    /// A vault of an older program has no rows; they come with the new index. What is written before, meanwhile and
    /// afterwards is right too.
    #[test]
    fn rows_follow_the_record_and_are_rebuilt() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        let (key, salt) = (Key::make_random().unwrap(), [7; 16]);
        Store::create(&path, &key, &salt).unwrap();
        let store = Store::open(&path, &key, &salt).unwrap();
        for id in ["1", "2", "3"] {
            put(&store, &observation(id, "Patient/a", "Patient/b"));
        }
        assert_eq!(patients(&store, "Observation/1"), "Patient/a Patient/b");
        put(&store, &observation("1", "Patient/b", "Practitioner/x"));
        assert_eq!(patients(&store, "Observation/1"), "Patient/b");
        assert_eq!(patients(&store, "Observation/none"), "");

        let permit = Permit::granted();
        let step = || {
            let step = store.write(&permit, Durability::Normal, |tx| tx.reindex_step(2));
            step.unwrap().answer.is_some()
        };
        let forget = |tx: &mut Tx<'_>| {
            tx.connection.execute("DELETE FROM compartment", [])?;
            tx.set("index_generation", 1)
        };
        store.write(&permit, Durability::Normal, forget).unwrap();
        assert!(step());
        put(&store, &observation("2", "Patient/c", "Patient/b"));
        put(&store, &observation("4", "Patient/d", "Patient/d"));
        assert_eq!(patients(&store, "Observation/4"), "Patient/d");
        while step() {}
        for (id, of) in [
            ("1", "Patient/b"),
            ("2", "Patient/b Patient/c"),
            ("3", "Patient/a Patient/b"),
            ("4", "Patient/d"),
        ] {
            assert_eq!(patients(&store, &format!("Observation/{id}")), of, "{id}");
        }
        let whole = RecordName {
            peer: PeerId::FIRST,
            reference: Reference::parse("Observation/4").unwrap(),
        };
        let author = Author {
            person: "owner",
            change_id: "c",
            at_ms: 1,
            signer: None,
            together: None,
        };
        let delete = |tx: &mut Tx<'_>| tx.delete_local(&whole, author);
        store.write(&permit, Durability::Normal, delete).unwrap();
        assert_eq!(patients(&store, "Observation/4"), "");
    }
}
