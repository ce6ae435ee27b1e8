//! The clinic: a hub in this process, and the committed patients.

use super::device;
use super::story::failed;
use crate::failure::Failure;
use pocketchart_core::access::people::{EnrolmentCode, Grant};
use pocketchart_core::access::{AccessError, Guard, Role};
use pocketchart_core::fhir::Resource;
use pocketchart_core::fhir::bundle::Writer;
use pocketchart_core::net::Server;
use pocketchart_hub::{Hub, HubError};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const PATIENTS: &[u8] = include_bytes!("../../../../tests/data/clinic.ndjson.zst");
/// Records in one transaction.
const TRANSACTION: usize = 200;

/// The hub and how to reach it.
pub(super) struct Clinic {
    pub(super) guard: Guard,
    pub(super) ca_pem: String,
    pub(super) token: String,
    home: PathBuf,
    url: String,
    hub: Option<Hub>,
}

/// The committed patients, one resource a line.
pub(crate) fn patients() -> Result<Vec<String>, Failure> {
    let text = zstd::decode_all(PATIENTS)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| failed("the committed patients cannot be unpacked"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

impl Clinic {
    /// Makes the hub's vault and starts the hub on a free port.
    pub(super) async fn open(folder: &Path) -> Result<Self, Failure> {
        let home = folder.join("hub");
        let guard = device::create_vault(folder, &home)?;
        let hub = Hub::start(guard.clone(), &home, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let read = |path: &Path| fs::read_to_string(path).map_err(Failure::file("reading", path));
        let (ca_pem, token) = (read(&hub.ready().ca_file)?, read(&hub.ready().token_file)?);
        let url = hub.ready().url.clone();
        Ok(Self {
            guard,
            ca_pem,
            token,
            home,
            url,
            hub: Some(hub),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A client of the hub.
    pub(super) fn client(&self) -> Result<Server, Failure> {
        Ok(Server::new(
            &self.url,
            Some(&self.ca_pem),
            Some(&self.token),
        )?)
    }

    /// What the operator does on the hub's own machine.
    async fn operate(&self, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let url = self.url.replace("/fhir", "/operator");
        let operator = Server::new(&url, Some(&self.ca_pem), Some(&self.token))?;
        let answer = match body {
            Some(body) => operator.post(path, body.to_string()).await?,
            None => operator.get(path).await?,
        };
        if answer.status != 200 {
            return Err(failed("the hub did not do what its operator asked"));
        }
        serde_json::from_str(&answer.text).map_err(|_| failed("the hub's answer does not parse"))
    }

    /// A code for a device.
    pub(super) async fn enrol(&self, grant: &Grant) -> Result<EnrolmentCode, Failure> {
        let answer = self.operate("enrol", Some(json!(grant))).await?;
        let code = answer["code"].as_str().unwrap_or_default();
        EnrolmentCode::parse(code).map_err(|e| failed(&e.to_string()))
    }

    /// Lets the device with this fingerprint in.
    pub(super) async fn approve(&self, fingerprint: &str) -> Result<(), Failure> {
        self.operate("approve", Some(json!({ "id": fingerprint })))
            .await?;
        Ok(())
    }

    /// Lets in whoever waits on an approved device, each in the role of this list.
    pub(super) async fn approve_staff(&self, staff: &[(&str, Role)]) -> Result<(), Failure> {
        let people = self.operate("people", None).await?;
        for member in people["members"].as_array().into_iter().flatten() {
            let known = staff.iter().find(|(id, _)| member["person"] == *id);
            if let Some((_, role)) = known.filter(|_| member["state"] == "waiting") {
                let approval = json!({ "id": member["id"], "role": role });
                self.operate("approve", Some(approval)).await?;
            }
        }
        Ok(())
    }

    /// Somebody at the clinic changes a record on the hub.
    pub(super) async fn change(
        &self,
        record: &str,
        begin: &str,
        value: &str,
    ) -> Result<(), Failure> {
        let client = self.client()?;
        let now = client.get(record).await?;
        let text = device::with_value(&now.text, begin, value)?;
        let answer = client.put(record, &text, now.version.as_deref()).await?;
        match answer.status {
            200 => Ok(()),
            status => Err(failed(&format!("the hub answered {status} to a change"))),
        }
    }

    /// Sends `lines` to the hub, as any FHIR client would. Answers with the number of transactions.
    pub(super) async fn load(&self, lines: &[String]) -> Result<u64, Failure> {
        let client = self.client()?;
        let mut transactions = 0;
        for lines in lines.chunks(TRANSACTION) {
            let mut bundle = Writer::new("transaction", &[]);
            for line in lines {
                let resource = Resource::parse_text(line).map_err(AccessError::from)?;
                bundle.put(
                    &resource.name().to_string(),
                    line,
                    resource.version(),
                    false,
                );
            }
            let answer = client.transaction(bundle.finish()).await?;
            if answer.status != 200 {
                return Err(failed(&format!(
                    "the hub answered {} to a transaction",
                    answer.status
                )));
            }
            transactions += 1;
        }
        Ok(transactions)
    }

    /// Another patient takes this time at the front desk: Slot and Appointment, or neither.
    pub(super) async fn book(&self, slot: &str, patient: &str) -> Result<(), Failure> {
        let client = self.client()?;
        let name = format!("Slot/{slot}");
        let now = client.get(&name).await?;
        let busy = device::with_value(&now.text, "\"status\":\"", "busy")?;
        let appointment = json!({
            "resourceType": "Appointment",
            "id": "demo-front-desk",
            "status": "booked",
            "slot": [{ "reference": name }],
            "participant": [
                { "actor": { "reference": format!("Patient/{patient}") }, "status": "accepted" },
            ],
        });
        let mut bundle = Writer::new("transaction", &[]);
        bundle.put(&name, &busy, now.version.as_deref(), false);
        let booked = "Appointment/demo-front-desk";
        bundle.put(booked, &appointment.to_string(), None, true);
        let answer = client.transaction(bundle.finish()).await?;
        match answer.status {
            200 => Ok(()),
            status => Err(failed(&format!("the hub answered {status} to a booking"))),
        }
    }

    /// Stops the hub: nothing listens any more.
    pub(super) async fn go_offline(&mut self) -> Result<(), Failure> {
        match self.hub.take() {
            Some(hub) => Ok(hub.stop().await?),
            None => Ok(()),
        }
    }

    /// Starts the hub again where it was.
    pub(super) async fn come_back(&mut self) -> Result<(), Failure> {
        let address = self
            .url
            .trim_start_matches("https://")
            .trim_end_matches("/fhir");
        let address: SocketAddr = address
            .parse()
            .map_err(|_| Failure::Hub(HubError::Identity))?;
        self.hub = Some(Hub::start(self.guard.clone(), &self.home, address).await?);
        Ok(())
    }

    /// Checks the hub's vault; answers with the number of audit entries.
    pub(super) fn check(&self) -> Result<u64, Failure> {
        device::check(&self.guard)
    }

    /// Stops the hub and locks its vault.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        self.go_offline().await?;
        Ok(self.guard.lock()?)
    }
}
