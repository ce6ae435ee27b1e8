//! What the scenarios share: throw-away vaults and records.

use pocketchart_core::access::{Guard, Person};
use pocketchart_core::clock::{Clock, SystemClock};
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::LOWEST_COST;
use pocketchart_core::fhir::{Reference, Resource};
use pocketchart_core::vault::{RecoveryCode, Secret};
use std::path::Path;
use std::sync::Arc;

/// A passphrase that passes the strength check.
pub const PASSPHRASE: &str = "plum orbit lantern 42";

/// Makes a vault with a cheap key derivation.
pub fn make_vault(home: &Path) -> (Guard, RecoveryCode) {
    make_vault_at(home, Arc::new(SystemClock))
}

/// As [`make_vault`], under another clock.
pub fn make_vault_at(home: &Path, clock: Arc<dyn Clock>) -> (Guard, RecoveryCode) {
    let passphrase = SecretText::new(PASSPHRASE.into());
    let made = Guard::create(home, passphrase, LOWEST_COST, Person::owner(), clock);
    made.unwrap_or_else(|e| fail(&e))
}

/// Opens it again.
pub fn unlock(home: &Path) -> Guard {
    let opened = Guard::unlock(
        home,
        &passphrase(PASSPHRASE),
        Person::owner(),
        Arc::new(SystemClock),
    );
    opened.unwrap_or_else(|e| fail(&e))
}

/// A passphrase as a secret.
pub fn passphrase(text: &str) -> Secret {
    Secret::Passphrase(SecretText::new(text.into()))
}

/// `Type/id`.
pub fn name(text: &str) -> Reference {
    Reference::parse(text).unwrap_or_else(|e| fail(&e))
}

/// A resource from its text.
pub fn resource(text: &str) -> Resource<'_> {
    Resource::parse_text(text).unwrap_or_else(|e| fail(&e))
}

/// A patient with a phone number; the spacing and the number are there to be kept.
pub fn patient(id: &str, phone: &str) -> String {
    format!(
        "{{\"resourceType\":\"Patient\", \"id\":\"{id}\",\"telecom\":[{{\"system\":\"phone\",\"value\":\"{phone}\"}}],\
         \"extension\":[{{\"url\":\"urn:x\",\"valueDecimal\":1.00}}]}}"
    )
}

/// An observation about a patient.
pub fn observation(id: &str, patient: &str, value: &str) -> String {
    format!(
        "{{\"resourceType\":\"Observation\",\"id\":\"{id}\",\"subject\":{{\"reference\":\"Patient/{patient}\"}},\
         \"valueQuantity\":{{\"value\":{value}}}}}"
    )
}

#[allow(clippy::panic)] // A scenario that cannot be set up has failed.
fn fail(error: &dyn std::error::Error) -> ! {
    panic!("{error}")
}
