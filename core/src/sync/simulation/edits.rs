//! What people do: on devices, and at the server itself.

use super::ledger::{Entry, Kept, What};
use super::personality::Ids;
use super::run::Run;
use super::server::{Conditions, STRANGER, When};
use super::story::{Edit, mark, marks};
use super::texts;
use crate::access::{AccessError, EditState};
use crate::fhir::{Reference, Resource};
use serde_json::Value;
use std::collections::BTreeSet;

const KINDS: [&str; 8] = [
    "Patient",
    "Patient",
    "Condition",
    "Observation",
    "Observation",
    "Observation",
    "Appointment",
    "Slot",
];

/// Somebody does something on a device.
pub(super) fn by_device(run: &mut Run, device: usize) -> Result<(), String> {
    let second = run.dice.chance(30);
    let names = known_on(run, device);
    match run.dice.below(100) {
        _ if names.is_empty() => create(run, device, second, &names),
        0..20 => create(run, device, second, &names),
        20..24 => create_cycle(run, device, second),
        24..30 => create_visit(run, device, second, &names),
        30..38 => delete(run, device, second, &names),
        38..42 => recreate(run, device, second),
        _ => {
            let name = names[run.dice.below(names.len())].clone();
            let times = 1 + run.dice.below(3);
            for _ in 0..times {
                change(run, device, second, &name)?;
            }
            Ok(())
        }
    }
}

/// Names of the records on a device, sorted.
fn known_on(run: &Run, device: usize) -> Vec<String> {
    let all = run.devices[device].guard().fingerprints().unwrap();
    let mut names: Vec<String> = all
        .into_iter()
        .map(|(name, _)| name.reference.to_string())
        .collect();
    names.sort_unstable();
    names
}

fn patient_among(run: &mut Run, names: &[String]) -> Option<String> {
    let patients: Vec<&String> = names
        .iter()
        .filter(|name| name.starts_with("Patient/"))
        .collect();
    match patients.is_empty() {
        true => None,
        false => Some(patients[run.dice.below(patients.len())].clone()),
    }
}

fn new_record(run: &mut Run, kind: &'static str) -> usize {
    let number = run.ledger.records.len();
    let tail = run.dice.next() as u32;
    let id = format!("rec-{number}-{tail:08x}");
    run.ledger.records.push(Kept { kind, id });
    number
}

fn entry(device: usize, record: usize, what: What, saw: BTreeSet<Edit>) -> Entry {
    Entry {
        device,
        record,
        what,
        saw,
        given_up: false,
    }
}

/// Stores texts together; what is acknowledged goes into the ledger.
fn put(
    run: &mut Run,
    device: usize,
    second: bool,
    texts: &[String],
    made: Vec<(Edit, Entry)>,
) -> Result<(), String> {
    let who = if second {
        "the second person"
    } else {
        "the owner"
    };
    let said: Vec<String> = made
        .iter()
        .map(|(edit, entry)| format!("E{edit} {:?} over {:?}", entry.what, entry.saw))
        .collect();
    let resources: Vec<Resource<'_>> = texts
        .iter()
        .map(|text| Resource::parse_text(text).unwrap())
        .collect();
    let names: Vec<String> = resources.iter().map(|it| it.name().to_string()).collect();
    match run.devices[device]
        .guard_of(second)
        .put_together(&resources)
    {
        Ok(saved) => {
            run.world.tell(format!(
                "device {device}, {who}: {} {} -> {saved:?}",
                names.join(" "),
                said.join(", ")
            ));
            for (edit, entry) in made {
                run.ledger.enter(edit, entry);
            }
            Ok(())
        }
        // Two servers know it, or it belongs elsewhere: it was said, and nothing was acknowledged.
        Err(AccessError::Locked) => Err(format!("device {device} is locked")),
        Err(error) => Err(format!("device {device} could not store an edit: {error}")),
    }
}

fn create(run: &mut Run, device: usize, second: bool, names: &[String]) -> Result<(), String> {
    let about = patient_among(run, names);
    let kind = match about {
        Some(_) => run.dice.pick(&KINDS),
        None => run.dice.pick(&["Patient", "Patient", "Slot"]),
    };
    let about = about.filter(|_| kind != "Patient");
    let number = new_record(run, kind);
    let edit = run.ledger.next();
    let id = run.ledger.records[number].id.clone();
    let text = texts::fresh(kind, &id, number, edit, about.as_slice()).to_string();
    let made = vec![(edit, entry(device, number, What::Create, BTreeSet::new()))];
    put(run, device, second, &[text], made)
}

/// Two patients who refer to each other.
fn create_cycle(run: &mut Run, device: usize, second: bool) -> Result<(), String> {
    let (a, b) = (new_record(run, "Patient"), new_record(run, "Patient"));
    let mut texts = Vec::new();
    let mut made = Vec::new();
    for (number, other) in [(a, b), (b, a)] {
        let edit = run.ledger.next();
        let id = run.ledger.records[number].id.clone();
        let to = [run.ledger.name(other)];
        texts.push(texts::fresh("Patient", &id, number, edit, &to).to_string());
        made.push((edit, entry(device, number, What::Create, BTreeSet::new())));
    }
    put(run, device, second, &texts, made)
}

/// An Appointment and its Slot, which belong together.
fn create_visit(
    run: &mut Run,
    device: usize,
    second: bool,
    names: &[String],
) -> Result<(), String> {
    let Some(patient) = patient_among(run, names) else {
        return Ok(());
    };
    let (slot, visit) = (new_record(run, "Slot"), new_record(run, "Appointment"));
    let (first, then) = (run.ledger.next(), run.ledger.next());
    let to = [patient, run.ledger.name(slot)];
    let ids = [slot, visit].map(|number| run.ledger.records[number].id.clone());
    let texts = [
        texts::fresh("Slot", &ids[0], slot, first, &[]).to_string(),
        texts::fresh("Appointment", &ids[1], visit, then, &to).to_string(),
    ];
    let made = vec![
        (first, entry(device, slot, What::Create, BTreeSet::new())),
        (then, entry(device, visit, What::Create, BTreeSet::new())),
    ];
    put(run, device, second, &texts, made)
}

fn delete(run: &mut Run, device: usize, second: bool, names: &[String]) -> Result<(), String> {
    let name = &names[run.dice.below(names.len())];
    let Some(text) = run.devices[device].text(name) else {
        return Ok(());
    };
    let value: Value = serde_json::from_str(&text).unwrap();
    let Some(number) = texts::number_of(&value) else {
        return Ok(());
    };
    let edit = run.ledger.next();
    let reference = Reference::parse(name).unwrap();
    match run.devices[device].guard_of(second).delete(&reference) {
        Ok(saved) => {
            run.world.tell(format!(
                "device {device}: deletes {name} (E{edit}, over {:?}) -> {saved:?}",
                marks(&text)
            ));
            run.ledger
                .enter(edit, entry(device, number, What::Delete, marks(&text)));
            Ok(())
        }
        Err(error) => Err(format!("device {device} could not delete: {error}")),
    }
}

/// Writes again what this device deleted, whether or not anybody has heard of it yet.
fn recreate(run: &mut Run, device: usize, second: bool) -> Result<(), String> {
    // Under an id of the server's own it would be another record.
    if run.world.hold().servers[0].ways.ids == Ids::Own {
        return Ok(());
    }
    let mine = run
        .ledger
        .all()
        .filter(|(_, entry)| entry.device == device && entry.what == What::Delete);
    let mine: Vec<(Edit, usize)> = mine.map(|(edit, entry)| (edit, entry.record)).collect();
    if mine.is_empty() {
        return Ok(());
    }
    let (_, number) = mine[run.dice.below(mine.len())];
    // All of its deletions here: whoever writes it again knows them.
    let deleted: BTreeSet<Edit> = mine
        .iter()
        .filter(|(_, it)| *it == number)
        .map(|(edit, _)| *edit)
        .collect();
    let name = run.ledger.name(number);
    if run.devices[device].text(&name).is_some() {
        return Ok(());
    }
    let Kept { kind, id } = run.ledger.records[number].clone();
    let edit = run.ledger.next();
    let text = texts::fresh(kind, &id, number, edit, &[]).to_string();
    let made = vec![(edit, entry(device, number, What::Create, deleted))];
    put(run, device, second, &[text], made)
}

/// One change of a text: a value, an item more, an item less.
fn changed(run: &mut Run, by: usize, text: &mut Value) -> Option<(Edit, Entry)> {
    let number = texts::number_of(text)?;
    let kind = run.ledger.records[number].kind;
    let items = texts::items(text);
    let edit = run.ledger.next();
    let made = match run.dice.below(100) {
        0..30 if texts::list(kind).is_some() => {
            let at = run.dice.below(items.len() + 1);
            texts::add(text, edit, at);
            entry(by, number, What::Add, BTreeSet::new())
        }
        30..50 if !items.is_empty() => {
            let item = items[run.dice.below(items.len())];
            texts::remove(text, item);
            entry(by, number, What::Remove(item), BTreeSet::new())
        }
        _ => {
            let place = run.dice.pick(texts::places(kind));
            let saw = texts::value_at(text, place);
            let poison = if by != STRANGER && run.dice.chance(3) {
                "poison"
            } else {
                ""
            };
            texts::set(text, place, &format!("{}{poison}", mark(edit)));
            entry(by, number, What::Set(place), saw.into_iter().collect())
        }
    };
    Some((edit, made))
}

fn change(run: &mut Run, device: usize, second: bool, name: &str) -> Result<(), String> {
    let Some(text) = run.devices[device].text(name) else {
        return Ok(());
    };
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let mut made = Vec::new();
    for _ in 0..=run.dice.below(2) {
        made.extend(changed(run, device, &mut value));
    }
    put(run, device, second, &[value.to_string()], made)
}

/// Somebody else works at the server, knowing what is there.
pub(super) fn by_stranger(run: &mut Run) {
    let live: Vec<(String, String, String)> = {
        let world = run.world.hold();
        let records = world.servers[0].records.iter();
        let live = records.filter_map(|(name, versions)| {
            let newest = versions.last()?;
            Some((name.clone(), newest.id.clone(), newest.text.clone()?))
        });
        live.collect()
    };
    let when = {
        let world = run.world.hold();
        let now_ms = world.time.now() + world.server_wrong_by_ms;
        When {
            now_ms,
            stamp_us: now_ms * 1000,
            astray: false,
        }
    };
    let deletes = run.can.learn_deletions && run.dice.chance(8);
    if live.is_empty() || (!deletes && run.dice.chance(20)) {
        let number = new_record(run, "Patient");
        let edit = run.ledger.next();
        let id = run.ledger.records[number].id.clone();
        let text = texts::fresh("Patient", &id, number, edit, &[]).to_string();
        let name = format!("Patient/{id}");
        let wrote = run.world.hold().servers[0].put(
            STRANGER,
            &name,
            &text,
            Conditions::default(),
            when,
            &[],
        );
        if wrote.is_ok() {
            run.world
                .tell(format!("somebody at the server: {name} E{edit} Create"));
            run.ledger
                .enter(edit, entry(STRANGER, number, What::Create, BTreeSet::new()));
        }
        return;
    }
    let (name, version, text) = live[run.dice.below(live.len())].clone();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let Some(number) = texts::number_of(&value) else {
        return;
    };
    if deletes {
        let edit = run.ledger.next();
        if run.world.hold().servers[0]
            .delete(STRANGER, &name, Some(&version), when)
            .is_ok()
        {
            run.world
                .tell(format!("somebody at the server: deletes {name} (E{edit})"));
            run.ledger
                .enter(edit, entry(STRANGER, number, What::Delete, marks(&text)));
        }
        return;
    }
    let Some((edit, made)) = changed(run, STRANGER, &mut value) else {
        return;
    };
    let conditions = Conditions {
        if_match: Some(&version),
        if_absent: false,
    };
    let wrote =
        run.world.hold().servers[0].put(STRANGER, &name, &value.to_string(), conditions, when, &[]);
    if wrote.is_ok() {
        run.world.tell(format!(
            "somebody at the server: {name} E{edit} {:?}",
            made.what
        ));
        run.ledger.enter(edit, made);
    }
}

/// Whether a state is one that waits for a person.
pub(super) fn waits_for_a_person(state: EditState) -> bool {
    matches!(state, EditState::Conflict | EditState::Refused)
}
