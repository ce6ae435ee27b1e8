//! `hub enrol`, `hub devices`, `hub approve`, `hub revoke`: the operator, on the hub's own machine.
//!
//! The running hub holds the vault's lock, so these commands speak to it, with the address and the admin token that it
//! left in its home. They open no vault and ask for no passphrase: whoever may read those files operates the hub.

use super::{runtime, table};
use crate::args::{Global, HubCommand};
use crate::failure::Failure;
use crate::output::{line, result, say};
use crate::secrets;
use pocketchart_core::access::Role;
use pocketchart_core::access::people::Grant;
use pocketchart_core::net::{Answer, NetError, Server};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(global: &Global, command: &HubCommand) -> Result<ExitCode, Failure> {
    let folder = secrets::home(global)?.join("hub");
    let hub = operator(&folder, "operator")?;
    match command {
        HubCommand::Enrol {
            device,
            patient,
            facility,
            role,
        } => {
            let grant = Grant {
                name: device.clone(),
                patient: patient.clone(),
                facility: facility.clone(),
                person: global.person.clone(),
                role: role.clone().map(Role::named),
            };
            if let Some(id) = patient {
                warn_of_strange_patient(&folder, id)?;
            }
            enrol(global, &hub, &grant)?;
        }
        HubCommand::Devices => devices(global, &hub)?,
        HubCommand::Approve { id, role } => {
            let answer = post(&hub, "approve", &json!({ "id": id, "role": role }))?;
            say(global, &format!("{id} is approved."), &answer);
        }
        HubCommand::Revoke { id } => {
            let answer = post(&hub, "revoke", &json!({ "id": id }))?;
            let words = format!("{id} is shut out. What it has not sent yet stays on it.");
            say(global, &words, &answer);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn enrol(global: &Global, hub: &Server, grant: &Grant) -> Result<(), Failure> {
    let answer = post(hub, "enrol", &json!(grant))?;
    let code = answer["code"].as_str().unwrap_or_default();
    if global.json {
        line(&answer.to_string());
        return Ok(());
    }
    if let Ok(qr) = QrCode::new(code) {
        line(&qr.render::<Dense1x2>().build());
    }
    line(&format!(
        "\nFor {}, good for 15 minutes and once. On the device, scan it, or type\n  pocketchart join '{code}'\n\
         Then compare the fingerprint it shows with `pocketchart hub devices`, and approve it.",
        grant.name
    ));
    Ok(())
}

/// A phone that is let in for a mistyped id receives nothing of its patient, and nobody says why. It is no error: the
/// record may come later.
fn warn_of_strange_patient(folder: &Path, id: &str) -> Result<(), Failure> {
    let fhir = operator(folder, "fhir")?;
    let answer = runtime()?.block_on(fhir.get(&format!("Patient/{id}")));
    if answer.map_err(unreached)?.status == 404 {
        eprintln!("pocketchart: warning: the hub has no Patient/{id}: is the id right?");
    }
    Ok(())
}

fn devices(global: &Global, hub: &Server) -> Result<(), Failure> {
    let answer = runtime()?.block_on(hub.get("people"));
    let people = read(answer.map_err(unreached)?)?;
    if global.json {
        line(&people.to_string());
        return Ok(());
    }
    let cell = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let mut rows = Vec::new();
    let mut names = HashMap::new();
    for device in people["devices"].as_array().into_iter().flatten() {
        let whose = match device["patient"].as_str() {
            Some(patient) => format!("Patient/{patient}"),
            None => cell(device, "facility"),
        };
        names.insert(cell(device, "id"), cell(device, "name"));
        rows.push(vec![
            cell(device, "fingerprint"),
            format!("device {}", cell(device, "name")),
            whose,
            cell(device, "state"),
            cell(device, "seen"),
        ]);
    }
    for member in people["members"].as_array().into_iter().flatten() {
        rows.push(vec![
            cell(member, "fingerprint"),
            // Each device has an owner: which one's is it?
            match names.get(&cell(member, "device")) {
                Some(device) => format!("person {} on {device}", cell(member, "person")),
                None => format!("person {}", cell(member, "person")),
            },
            cell(member, "role"),
            cell(member, "state"),
            "-".into(),
        ]);
    }
    if rows.is_empty() {
        line("No device and no person yet: `pocketchart hub enrol` makes a code for one.");
        return Ok(());
    }
    let header = ["FINGERPRINT", "WHO", "OF", "STATE", "LAST SEEN"];
    let lines = table::lines(table::screen_width(), Some(&header), &[], &rows);
    result(global, &lines.join("\n"), &people);
    Ok(())
}

/// The hub that runs over this home.
fn operator(folder: &Path, part: &str) -> Result<Server, Failure> {
    let read = |name: &str| {
        let why = |error: std::io::Error| Failure::NoHub {
            why: format!("{}: {error}", folder.join(name).display()),
        };
        fs::read_to_string(folder.join(name)).map_err(why)
    };
    let (url, ca, token) = (read("url")?, read("ca.pem")?, read("token")?);
    let url = format!("{}/{part}", url.trim().trim_end_matches("/fhir"));
    Ok(Server::new(&url, Some(&ca), Some(&token))?)
}

fn post(hub: &Server, path: &str, body: &Value) -> Result<Value, Failure> {
    let answer = runtime()?.block_on(hub.post(path, body.to_string()));
    read(answer.map_err(unreached)?)
}

fn unreached(error: NetError) -> Failure {
    match error {
        NetError::Offline => Failure::NoHub {
            why: "nothing answers where it was last".into(),
        },
        other => other.into(),
    }
}

/// The answer; what went wrong in the hub's own words, which are ours.
fn read(answer: Answer) -> Result<Value, Failure> {
    let value: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    if answer.status == 200 {
        return Ok(value);
    }
    let text = value["issue"][0]["diagnostics"]
        .as_str()
        .unwrap_or("no reason");
    Err(Failure::Operator {
        status: answer.status,
        text: text.to_owned(),
    })
}
