//! The judgement at the end of a run.

use super::edits::waits_for_a_person;
use super::ledger::{Entry, What};
use super::run::Run;
use super::server::Version;
use super::story::{Edit, marks};
use super::texts;
use crate::access::inspected::Inspected;
use crate::access::{EditState, Pending};
use crate::fhir::Reference;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// All that must hold.
pub(super) fn all(run: &mut Run) -> Result<(), String> {
    nothing_was_overwritten_unseen(run)?;
    nothing_is_doubled(run)?;
    let held = outboxes(run)?;
    run.summary.conflicts = held.conflicts;
    every_edit_is_somewhere(run, &held)?;
    devices_equal_the_server(run)
}

/// SHA-256 of a text, as `Guard::fingerprints` has it.
pub(super) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What waits on the devices in the end, for the story.
pub(super) fn tell(run: &Run) {
    for device in &run.devices {
        let (edits, _) = device.guard().inspect().unwrap();
        for edit in &edits {
            let marks = |text: &Option<String>| text.as_deref().map(super::story::tokens);
            run.world.tell(format!(
                "device {}: {} {:?}{} over {:?}; base {:?}, body {:?}, mine {:?}, theirs {:?} {:?}",
                device.number,
                edit.name.reference,
                edit.state,
                if edit.deleted { ", deleted" } else { "" },
                edit.base_version,
                marks(&edit.base),
                marks(&edit.body),
                marks(&edit.mine),
                edit.theirs_version,
                marks(&edit.theirs),
            ));
        }
    }
}

/// After a sync: what was here before and nobody deleted, here or there, is here.
pub(super) fn nothing_vanished(run: &mut Run, device: usize) -> Result<(), String> {
    let guard = run.devices[device].guard();
    let (edits, _) = guard.inspect().unwrap();
    let mut held: BTreeSet<String> = BTreeSet::new();
    for (name, _) in guard.fingerprints().unwrap() {
        held.insert(name.reference.to_string());
    }
    let is_edited = |name: &str| {
        edits
            .iter()
            .any(|edit| edit.name.reference.to_string() == name)
    };
    let before = std::mem::replace(&mut run.devices[device].held, held.clone());
    let world = run.world.hold();
    let is_there = |name: &str| {
        let versions = world.servers[0].records.get(name);
        versions.is_some_and(|all| all.iter().all(|version| version.text.is_some()))
    };
    let gone = before.difference(&held);
    match gone
        .into_iter()
        .find(|name| is_there(name) && !is_edited(name))
    {
        Some(name) => Err(format!(
            "device {device} has lost {name}, which the server has and nobody deleted"
        )),
        None => Ok(()),
    }
}

/// From each version of the server to the next.
fn nothing_was_overwritten_unseen(run: &Run) -> Result<(), String> {
    let world = run.world.hold();
    for (name, versions) in &world.servers[0].records {
        for (at, pair) in versions.windows(2).enumerate() {
            let (old, new) = (&pair[0], &pair[1]);
            if new.raced {
                continue;
            }
            let found = match (&old.text, &new.text) {
                (Some(old), Some(new)) => run.ledger.lost_between(&parse(old), &parse(new)),
                (Some(old), None) => lost_by_deletion(run, old, new.by),
                _ => None,
            };
            if let Some(found) = found {
                return Err(format!("{name}, version {}: {found}", at + 2));
            }
        }
    }
    Ok(())
}

fn lost_by_deletion(run: &Run, old: &str, by: usize) -> Option<String> {
    let record = texts::number_of(&parse(old));
    let deletions = run.ledger.all().filter(|(_, entry)| {
        entry.what == What::Delete && entry.device == by && Some(entry.record) == record
    });
    let known = run.ledger.behind(deletions.map(|(edit, _)| edit));
    let unseen = marks(old)
        .into_iter()
        .find(|edit| !known.contains(edit) && !run.ledger.is_removed(*edit));
    unseen.map(|edit| format!("deleted with E{edit} in it, which whoever deleted it had not seen"))
}

/// What was made once is there once: no record stands under a second name while it is there under the first.
fn nothing_is_doubled(run: &Run) -> Result<(), String> {
    let world = run.world.hold();
    let mut names: BTreeMap<usize, Vec<(&String, &[Version])>> = BTreeMap::new();
    for (name, versions) in &world.servers[0].records {
        let mut texts = versions
            .iter()
            .filter_map(|version| version.text.as_deref());
        if let Some(number) = texts.find_map(|text| texts::number_of(&parse(text))) {
            names.entry(number).or_default().push((name, versions));
        }
    }
    for (number, all) in &names {
        for (name, versions) in all {
            let made_us = versions[0].stamp_us;
            let was_there = |others: &[Version]| {
                let before = others
                    .iter()
                    .take_while(|version| version.stamp_us <= made_us);
                before.last().is_some_and(|version| version.text.is_some())
            };
            let mut others = all.iter().filter(|(other, _)| other != name);
            if let Some((other, _)) = others.find(|(_, versions)| was_there(versions)) {
                return Err(format!(
                    "record {number} is {other}, and was made again as {name}"
                ));
            }
        }
    }
    Ok(())
}

/// What the devices hold back, by record.
#[derive(Default)]
struct Held {
    /// Edits in texts that wait for a person, and what stands behind them.
    edits: BTreeSet<Edit>,
    /// Records of which a deletion waits for a person.
    deletions: BTreeSet<usize>,
    /// Records with something that waits for a person.
    records: BTreeSet<usize>,
    conflicts: usize,
}

/// Every outbox is empty, or says why not; a conflict holds all versions.
fn outboxes(run: &Run) -> Result<Held, String> {
    let mut held = Held::default();
    for device in &run.devices {
        let number = device.number;
        let (edits, orphans) = device.guard().inspect().unwrap();
        if orphans > 0 {
            return Err(format!(
                "device {number}: {orphans} outbox rows belong to no change"
            ));
        }
        let going = device.guard().outgoing(device.peer(0)).unwrap();
        let behind = behind_others(&edits, &going);
        for edit in &edits {
            explained(number, edit, behind.contains(&edit.name.reference))?;
            let texts = [&edit.base, &edit.body, &edit.mine, &edit.theirs];
            let next = next_of(edit, &going);
            let record = texts
                .into_iter()
                .flatten()
                .chain(next)
                .find_map(|text| texts::number_of(&parse(text)));
            // Made and deleted here, and refused with what it had to go together with: nothing of it is anywhere.
            if record.is_none() && edit.deleted && edit.state == EditState::Refused {
                continue;
            }
            let Some(record) = record else {
                return Err(format!(
                    "device {number}: {} waits without any text",
                    edit.name.reference
                ));
            };
            held.records.insert(record);
            held.conflicts += usize::from(edit.state == EditState::Conflict);
            if edit.deleted {
                held.deletions.insert(record);
                let behind = run.ledger.all().filter(|(_, entry)| {
                    entry.what == What::Delete && entry.record == record && entry.device == number
                });
                held.edits
                    .extend(run.ledger.behind(behind.map(|(edit, _)| edit)));
            }
            for text in [&edit.body, &edit.mine].into_iter().flatten() {
                held.edits.extend(run.ledger.behind_text(text));
            }
        }
    }
    Ok(held)
}

/// What goes next: of what was deleted here, an earlier author's turn may.
fn next_of<'a>(edit: &Inspected, going: &'a [Pending]) -> Option<&'a String> {
    let next = going.iter().find(|pending| pending.name == edit.name);
    next?.going.text.as_ref()
}

/// Records whose changes wait for others that wait for a person: they refer to what was made here and is on no server, have
/// to go together with it, or are the same record under the name that it was made under.
fn behind_others(edits: &[Inspected], going: &[Pending]) -> BTreeSet<Reference> {
    let waits = |edit: &&Inspected| !waits_for_a_person(edit.state);
    let mut stopped: Vec<&Inspected> = edits.iter().filter(|edit| !waits(edit)).collect();
    let mut found = BTreeSet::new();
    loop {
        let refers = |edit: &Inspected, other: &Inspected| {
            let link = format!("\"{}\"", other.name.reference);
            let texts = [&edit.body, &edit.mine].into_iter().flatten();
            let mut texts = texts.chain(next_of(edit, going));
            other.base.is_none() && texts.any(|text| text.contains(&link))
        };
        let belongs = |edit: &Inspected, other: &Inspected| {
            edit.together.iter().any(|it| other.together.contains(it))
        };
        let more: Vec<&Inspected> = edits
            .iter()
            .filter(waits)
            .filter(|edit| !found.contains(&edit.name.reference))
            .filter(|edit| {
                let mut stopped = stopped.iter();
                stopped.any(|other| {
                    let is_part = edit.arrived_as.as_ref() == Some(&other.name);
                    is_part || refers(edit, other) || belongs(edit, other)
                })
            })
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more.iter().map(|edit| edit.name.reference.clone()));
        stopped.extend(more);
    }
}

fn explained(device: usize, edit: &Inspected, is_behind: bool) -> Result<(), String> {
    let name = &edit.name.reference;
    let wrong = |what: &str| Err(format!("device {device}: {name} {what}"));
    if edit.changes == 0 {
        return wrong("is a local change without a row in the outbox");
    }
    // Sent before what it refers to was refused, it is asked about and not sent again.
    if edit.under_way && !is_behind {
        return wrong("is still under way");
    }
    if !waits_for_a_person(edit.state) {
        return match edit.refusal {
            Some(_) => Ok(()),
            None if is_behind => Ok(()),
            None => wrong("still waits to be sent"),
        };
    }
    if edit.base_version.is_some() != edit.base.is_some() {
        return wrong("has a base version without its text, or a text without version");
    }
    if edit.deleted != edit.body.is_none() {
        return wrong("is in conflict, and what was written here is not kept");
    }
    if edit.state == EditState::Conflict && edit.theirs.is_some() != edit.theirs_version.is_some() {
        return wrong("is in conflict, and not both version and text of the other side are kept");
    }
    Ok(())
}

/// Every acknowledged edit is on the server, or behind what is there, or waits for a person.
fn every_edit_is_somewhere(run: &Run, held: &Held) -> Result<(), String> {
    let world = run.world.hold();
    let server = &world.servers[0];
    // By record: what is there now, and what ever was.
    let mut now: BTreeMap<usize, Value> = BTreeMap::new();
    let mut deleted: BTreeSet<usize> = BTreeSet::new();
    let mut raced: BTreeSet<usize> = BTreeSet::new();
    for versions in server.records.values() {
        let texts = versions
            .iter()
            .filter_map(|version| version.text.as_deref());
        let Some(number) = texts
            .clone()
            .find_map(|text| texts::number_of(&parse(text)))
        else {
            continue;
        };
        match versions.last().and_then(|version| version.text.as_deref()) {
            Some(text) => drop(now.insert(number, parse(text))),
            None => drop(deleted.insert(number)),
        }
        if versions.iter().any(|version| version.text.is_none()) {
            deleted.insert(number);
        }
        if versions.iter().any(|version| version.raced) {
            raced.insert(number);
        }
    }
    for (edit, entry) in run.ledger.all() {
        // A race that this server leaves open, and that nobody can see from outside.
        if entry.given_up || raced.contains(&entry.record) {
            continue;
        }
        let there = now.get(&entry.record);
        let is_there = match entry.what {
            What::Remove(item) => {
                // Added by a write whose answer was lost, and taken out by others before anybody asked: a merge cannot
                // tell that from one that never arrived, and adds it again. Only the server's history could tell.
                let is_uncertain = !run.can.look_into_history && world.unanswered.contains(&item);
                is_uncertain
                    || there.is_none_or(|text| !texts::items(text).contains(&item))
                    || held.records.contains(&entry.record)
            }
            What::Delete => {
                there.is_none()
                    || deleted.contains(&entry.record)
                    || held.deletions.contains(&entry.record)
                    || is_superseded(run, edit)
            }
            _ => is_kept(run, edit, entry, there, &deleted, held),
        };
        if !is_there {
            return Err(format!(
                "E{edit} ({:?} of record {}, device {}) is nowhere",
                entry.what, entry.record, entry.device
            ));
        }
    }
    Ok(())
}

fn is_superseded(run: &Run, edit: Edit) -> bool {
    run.ledger.all().any(|(_, later)| later.saw.contains(&edit))
}

fn is_kept(
    run: &Run,
    edit: Edit,
    entry: &Entry,
    there: Option<&Value>,
    deleted: &BTreeSet<usize>,
    held: &Held,
) -> bool {
    let on_server =
        there.is_some_and(|text| run.ledger.behind_text(&text.to_string()).contains(&edit));
    let taken_out = entry.what == What::Add && run.ledger.is_removed(edit);
    // Whoever deleted it knew it.
    let deletions = run
        .ledger
        .all()
        .filter(|(_, it)| it.what == What::Delete && it.record == entry.record);
    let was_deleted = there.is_none() || deleted.contains(&entry.record);
    let by_deletion = was_deleted
        && run
            .ledger
            .behind(deletions.map(|(edit, _)| edit))
            .contains(&edit);
    on_server || taken_out || by_deletion || held.edits.contains(&edit)
}

/// What a device holds and nobody changed there is what the server serves, byte for byte.
fn devices_equal_the_server(run: &Run) -> Result<(), String> {
    let world = run.world.hold();
    let served: BTreeMap<String, [u8; 32]> = world.servers[0]
        .records
        .iter()
        .filter_map(|(name, versions)| {
            let text = versions.last()?.text.as_deref()?;
            Some((name.clone(), hash(text)))
        })
        .collect();
    for device in &run.devices {
        let number = device.number;
        let (edits, _) = device.guard().inspect().unwrap();
        let edited: BTreeSet<String> = edits
            .iter()
            .map(|edit| edit.name.reference.to_string())
            .collect();
        let stored: BTreeMap<String, [u8; 32]> = device
            .guard()
            .fingerprints()
            .unwrap()
            .into_iter()
            .map(|(name, hash)| (name.reference.to_string(), hash))
            .collect();
        // A server that says 404 of what was deleted could as well have lost it: what was written here is kept, and shown.
        let says_nothing = world.servers[0].ways.gone == 404;
        let state = device.guard().peer_state(device.peer(0)).unwrap();
        let only_here = if says_nothing {
            state.only_here
        } else {
            BTreeSet::new()
        };
        for (name, hash) in &served {
            match stored.get(name) {
                _ if edited.contains(name) => {}
                Some(other) if other == hash => {}
                Some(_) => {
                    return Err(format!(
                        "device {number} has another {name} than the server"
                    ));
                }
                None => return Err(format!("device {number} has no {name}")),
            }
        }
        for name in stored.keys().filter(|name| !served.contains_key(*name)) {
            if run.can.learn_deletions && !edited.contains(name) && !only_here.contains(name) {
                return Err(format!(
                    "device {number} still has {name}, which the server has not"
                ));
            }
        }
    }
    Ok(())
}
