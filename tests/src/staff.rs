//! People and devices of a hub: what the scenarios about them share.

use crate::{Device, PASSPHRASE, TestHub, make_vault, passphrase, required};
use pocketchart_core::access::people::{EnrolmentCode, Grant};
use pocketchart_core::access::{Guard, Opening, Person, Role};
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::LOWEST_COST;
use pocketchart_core::net::{Answer, Server};
use pocketchart_core::sync::{Joined, join};
use pocketchart_core::vault::{NewSecret, NewSlot, With};
use serde_json::{Value, json};

/// A shared tablet at a place, with nobody certified yet.
pub fn tablet_grant() -> Grant {
    Grant {
        name: "tablet".into(),
        patient: None,
        facility: Some("north".into()),
        person: None,
        role: None,
    }
}

/// A patient's own phone.
pub fn phone_grant(patient: &str) -> Grant {
    Grant {
        name: "phone".into(),
        patient: Some(patient.into()),
        facility: None,
        person: None,
        role: None,
    }
}

/// A passphrase for a member; nobody else's.
fn words(person: &str) -> String {
    format!("{PASSPHRASE} {person}")
}

impl TestHub {
    /// The operator's addresses, with the admin token.
    pub fn operator(&self) -> Server {
        self.client_at(&self.hub.ready().url.replace("/fhir", "/operator"))
    }

    /// A request of the operator.
    pub async fn operate(&self, path: &str, body: Value) -> Answer {
        required(self.operator().post(path, body.to_string()).await)
    }

    /// Everybody and everything the hub knows.
    pub async fn people(&self) -> Value {
        let answer = required(self.operator().get("people").await);
        assert_eq!(answer.status, 200, "{}", answer.text);
        required(serde_json::from_str(&answer.text))
    }

    /// A code for a device.
    pub async fn code(&self, grant: &Grant) -> EnrolmentCode {
        let answer = self.operate("enrol", json!(grant)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answer: Value = required(serde_json::from_str(&answer.text));
        required(EnrolmentCode::parse(
            answer["code"].as_str().unwrap_or_default(),
        ))
    }

    /// Approves whoever waits by this id or fingerprint.
    pub async fn approve(&self, id: &str, role: Option<Role>) {
        let answer = self
            .operate("approve", json!({ "id": id, "role": role }))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// Shuts it out.
    pub async fn revoke(&self, id: &str) {
        let answer = self.operate("revoke", json!({ "id": id })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// Approves the keys of all who wait, each in the role of this list.
    pub async fn approve_members(&self, roles: &[(&str, Role)]) {
        let people = self.people().await;
        for member in people["members"].as_array().into_iter().flatten() {
            let role = roles.iter().find(|(person, _)| member["person"] == *person);
            if let Some((_, role)) = role.filter(|_| member["state"] == "waiting") {
                let id = member["id"].as_str().unwrap_or_default();
                self.approve(id, Some(role.clone())).await;
            }
        }
    }

    /// A device that has joined: by code, approval and token.
    pub async fn joined(&self, grant: &Grant) -> Device {
        let home = required(tempfile::tempdir());
        let (guard, _) = make_vault(home.path());
        self.joined_with(guard, home, grant).await
    }

    /// As [`TestHub::joined`], of a vault that is there.
    pub async fn joined_with(
        &self,
        guard: Guard,
        home: tempfile::TempDir,
        grant: &Grant,
    ) -> Device {
        let code = self.code(grant).await;
        let Joined::Waiting { fingerprint } = required(join(&guard, &code).await) else {
            unreachable!("nobody has approved it");
        };
        self.approve(&fingerprint, None).await;
        let Joined::Done { peer, patient, .. } = required(join(&guard, &code).await) else {
            unreachable!("it was approved");
        };
        let peers = required(guard.peers());
        let (_, url, settings) = &peers[0];
        let server = required(Server::new(
            url,
            settings.ca_pem.as_deref(),
            settings.token.as_deref(),
        ));
        Device {
            guard,
            server,
            patient,
            peer,
            home,
        }
    }
}

/// A new person in a vault.
pub async fn add_member(guard: &Guard, person: &str, role: Role) {
    let slot = NewSlot {
        label: String::new(),
        secret: NewSecret::Passphrase {
            text: SecretText::new(words(person)),
            cost: LOWEST_COST,
            evaluate: false,
        },
    };
    let person = Person::new(person);
    required(guard.add_person(&person, &role, slot, None).await);
}

/// The vault in this person's hands.
pub async fn switch(guard: &Guard, person: &str) -> Guard {
    let (owner, person) = (person == "owner", Person::new(person));
    let secret = match owner {
        true => passphrase(PASSPHRASE),
        false => passphrase(&words(person.id())),
    };
    let opening = Opening {
        person: &person,
        with: With::Secret(&secret),
        gate: None,
    };
    required(guard.switch_person(&opening).await)
}

/// A nurse.
pub const NURSE: &str = "nurse-1";

/// A physician.
pub const PHYSICIAN: &str = "physician-1";

/// A tablet with a nurse and a physician, joined; in the owner's hands.
pub async fn staffed(hub: &TestHub) -> Device {
    let home = required(tempfile::tempdir());
    let (guard, _) = make_vault(home.path());
    add_member(&guard, NURSE, Role::NURSE).await;
    add_member(&guard, PHYSICIAN, Role::PHYSICIAN).await;
    hub.joined_with(guard, home, &tablet_grant()).await
}

/// The open tablet in the hands of another.
pub async fn in_hands(mut tablet: Device, person: &str) -> Device {
    tablet.guard = switch(&tablet.guard, person).await;
    tablet
}

/// Both, as the operator approves them.
pub const STAFF: [(&str, Role); 2] = [(NURSE, Role::NURSE), (PHYSICIAN, Role::PHYSICIAN)];
