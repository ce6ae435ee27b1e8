//! Whether all sides agree: SHA-256 of what a vault stores against SHA-256 of what GET serves.

use super::clinic::Clinic;
use super::story::failed;
use crate::failure::Failure;
use pocketchart_core::access::{AccessError, Guard};
use pocketchart_core::fhir::{Resource, extract};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// GETs under way at once.
const PARALLEL: usize = 8;

/// What the hub answers to a GET of each of its records.
pub(super) struct Served(HashMap<String, Record>);

/// One answer.
pub(super) struct Record {
    text: String,
    hash: [u8; 32],
    /// Patients it is about; `None`: it is about nobody (a practitioner, a place).
    patients: Option<Vec<String>>,
}

impl Record {
    /// Whether this patient's phone holds it: about the patient, or about nobody.
    pub(super) fn is_of(&self, patient: &str) -> bool {
        self.patients
            .as_ref()
            .is_none_or(|patients| patients.iter().any(|id| id == patient))
    }
}

impl Served {
    /// Reads every record of the hub, one GET each.
    pub(super) async fn all(clinic: &Clinic) -> Result<Self, Failure> {
        let names: Vec<String> = clinic
            .guard
            .fingerprints()?
            .into_iter()
            .map(|(name, _)| name.reference.to_string())
            .collect();
        let client = Arc::new(clinic.client()?);
        let mut readers = JoinSet::new();
        for part in names.chunks(names.len().div_ceil(PARALLEL).max(1)) {
            let (client, part) = (Arc::clone(&client), part.to_vec());
            readers.spawn(async move {
                let mut read = Vec::with_capacity(part.len());
                for name in part {
                    let answer = client.get(&name).await?;
                    read.push((name, answer));
                }
                Ok::<_, Failure>(read)
            });
        }
        let mut all = HashMap::with_capacity(names.len());
        while let Some(read) = readers.join_next().await {
            for (name, answer) in read.map_err(|_| failed("a reader ended"))?? {
                if answer.status != 200 {
                    return Err(failed(&format!(
                        "the hub answered {} to a read",
                        answer.status
                    )));
                }
                all.insert(name, record(answer.text)?);
            }
        }
        Ok(Self(all))
    }

    /// The vault holds exactly the served records that `wanted` names, with exactly the served bytes. Answers with
    /// their number.
    pub(super) fn equals(
        &self,
        vault: &str,
        guard: &Guard,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<u64, Failure> {
        let stored = guard.fingerprints()?;
        for (name, hash) in &stored {
            let name = name.reference.to_string();
            match self.0.get(&name) {
                Some(served) if served.hash == *hash && wanted(served) => {}
                Some(served) if served.hash != *hash => {
                    return Err(failed(&format!(
                        "the {vault} holds other bytes of {name} than the hub serves"
                    )));
                }
                _ => {
                    return Err(failed(&format!(
                        "the {vault} holds {name}, which is not its to hold"
                    )));
                }
            }
        }
        let expected = self.0.values().filter(|record| wanted(record)).count();
        if stored.len() != expected {
            return Err(failed(&format!(
                "the {vault} holds {} of {expected} records",
                stored.len()
            )));
        }
        Ok(u64::try_from(expected).unwrap_or(u64::MAX))
    }

    /// The served record holds this text.
    pub(super) fn holds(&self, name: &str, text: &str) -> Result<(), Failure> {
        let held = self
            .0
            .get(name)
            .is_some_and(|record| record.text.contains(text));
        if held {
            Ok(())
        } else {
            Err(failed(&format!(
                "{name} on the hub does not hold the change made offline"
            )))
        }
    }

    /// How many.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }
}

fn record(text: String) -> Result<Record, Failure> {
    let resource = Resource::parse_text(&text).map_err(AccessError::from)?;
    let about = extract::terms(&resource)
        .patients
        .into_iter()
        .map(|patient| patient.id.to_string());
    let patients = resource
        .kind()
        .is_about_a_patient()
        .then(|| about.collect());
    let hash = Sha256::digest(&text).into();
    Ok(Record {
        text,
        hash,
        patients,
    })
}
