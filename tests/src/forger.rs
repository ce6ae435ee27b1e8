//! A device in the hands of somebody who makes change records by hand.

use crate::staff::*;
use crate::{TestHub, required};
use pocketchart_core::access::people::{Application, MemberKey};
use pocketchart_core::access::{Person, device_id, fingerprint};
use pocketchart_core::crypto::sign::{self, SigningKey, Statement};
use pocketchart_core::fhir::outcome;
use pocketchart_core::net::{Answer, Server};
use pocketchart_core::rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A device that a forger holds, token and all: keys of its own, and records made by hand.
pub struct Forger {
    /// With the device's token.
    pub server: Server,
    /// The device's id.
    pub device: String,
    /// The nurse's key.
    pub nurse: SigningKey,
    /// The physician's key.
    pub physician: SigningKey,
}

/// The vault it says it is.
pub const VAULT: [u8; 16] = [7; 16];

impl Forger {
    /// Joins a hub, with both approved.
    pub async fn joined(hub: &TestHub) -> Self {
        let make = || required(SigningKey::make_random());
        let (device, nurse, physician) = (make(), make(), make());
        let member = |person, key: &SigningKey| MemberKey {
            person: Person::new(person),
            key: key.public(),
        };
        let members = vec![member(NURSE, &nurse), member(PHYSICIAN, &physician)];
        let code = hub.code(&tablet_grant()).await;
        let application = Application::state(&device, &code, &VAULT, members);
        let body = json!({ "application": application }).to_string();
        let nobody = hub.client_with_token(None);
        assert_eq!(
            required(nobody.post("$enrol", body.clone()).await).status,
            202
        );
        hub.approve(&fingerprint(&device.public()), None).await;
        let answer = required(nobody.post("$enrol", body).await);
        let answer: Value = required(serde_json::from_str(&answer.text));
        hub.approve_members(&STAFF).await;
        Self {
            server: hub.client_with_token(answer["token"].as_str()),
            device: device_id(&device.public()),
            nurse,
            physician,
        }
    }

    /// What the nurse would honestly sign.
    pub fn honest(&self, record: &str, text: Option<&str>, base: Option<&str>) -> Value {
        json!({
            "v": 1,
            "change": required(rng::make_uuid()),
            "vault": hex(&VAULT),
            "device": self.device,
            "author": NURSE,
            "key": self.nurse.public(),
            "sequence": 1,
            "peer": 1,
            "record": record,
            "base": base,
            "after": null,
            "sha256": text.map(|text| hex(&Sha256::digest(text))),
            "lease": null,
        })
    }
}

/// In hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A change record, signed.
pub fn signed(key: &SigningKey, record: &Value) -> String {
    sign::state(key, Statement::ChangeRecord, &record.to_string())
}

/// With another value.
pub fn with(record: &Value, field: &str, value: Value) -> Value {
    let mut changed = record.clone();
    changed[field] = value;
    changed
}

/// Status and reason of a refusal.
pub fn reason(answer: &Answer) -> (u16, Option<String>) {
    (answer.status, outcome::reason(&answer.text))
}
