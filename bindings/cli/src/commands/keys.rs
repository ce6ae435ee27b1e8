//! `vault slots`, `vault add-slot`.

use super::person::chosen;
use super::{table, waited_for, with_session};
use crate::args::{Global, NewSlotKind};
use crate::failure::Failure;
use crate::gate::DesktopGate;
use crate::output::{result, say};
use crate::secrets;
use pocketchart_core::crypto::passphrase_hash::DEFAULT_COST;
use pocketchart_core::vault::{NewSecret, NewSlot, SlotKind, SlotSummary};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(crate) fn slots(global: &Global) -> Result<ExitCode, Failure> {
    let slots = with_session(global, |session| Ok(session.guard()?.slots()?))?;
    let rows: Vec<Vec<String>> = slots.iter().map(row).collect();
    let header = ["SLOT", "OPENED BY", "PERSON", "LABEL", ""];
    let words = table::lines(table::screen_width(), Some(&header), &[(0, 32)], &rows).join("\n");
    let objects: Vec<Value> = slots.iter().map(object).collect();
    result(global, &words, &json!({ "slots": objects }));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn add_slot(
    global: &Global,
    label: &str,
    kind: &NewSlotKind,
) -> Result<ExitCode, Failure> {
    let person = chosen(global, &secrets::home(global)?)?;
    let secret = match kind {
        NewSlotKind::Passphrase {
            new_passphrase_file,
            bind_to_keyring,
        } => NewSecret::Passphrase {
            text: secrets::new_passphrase(new_passphrase_file.as_deref(), &person)?,
            cost: DEFAULT_COST,
            evaluate: *bind_to_keyring,
        },
        NewSlotKind::Pin { new_pin_file } => NewSecret::Pin {
            pin: secrets::new_pin(new_pin_file.as_deref())?,
            cost: DEFAULT_COST,
        },
        NewSlotKind::Keyring => NewSecret::Gate,
    };
    let new = NewSlot {
        label: label.to_owned(),
        secret,
    };
    let gate = DesktopGate::of_platform();
    let id = with_session(global, |session| {
        let guard = session.guard()?;
        Ok(waited_for(guard.add_slot(new, Some(&gate)))??)
    })?;
    let words = format!("Slot {id} opens the vault from now on.");
    say(global, &words, &json!({ "slot": id.to_string() }));
    Ok(ExitCode::SUCCESS)
}

fn row(slot: &SlotSummary) -> Vec<String> {
    let marks = [(slot.is_open, "open now"), (!slot.signs, "does not sign")];
    let marks: Vec<_> = marks
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, word)| *word)
        .collect();
    vec![
        slot.id.to_string(),
        opened_by(slot).to_owned(),
        person(slot).to_owned(),
        slot.label.clone(),
        marks.join(", "),
    ]
}

fn opened_by(slot: &SlotSummary) -> &'static str {
    match (slot.kind, slot.needs_gate) {
        (SlotKind::Passphrase, false) => "passphrase",
        (SlotKind::Passphrase, true) => "passphrase and keyring",
        (SlotKind::Pin, _) => "PIN and keyring",
        (SlotKind::Gate, _) => "keyring",
        (SlotKind::Recovery, _) => "recovery code",
    }
}

fn person(slot: &SlotSummary) -> &str {
    if slot.person.is_empty() {
        "owner"
    } else {
        &slot.person
    }
}

fn object(slot: &SlotSummary) -> Value {
    json!({
        "id": slot.id.to_string(),
        "opened_by": opened_by(slot),
        "person": person(slot),
        "label": slot.label,
        "open": slot.is_open,
        "signs": slot.signs,
    })
}
