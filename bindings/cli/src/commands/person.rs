//! `person add`, `person list`, `person switch`, `person remove`: who can open this vault, and who does by default.
//!
//! The program opens the vault anew for each command, so there is no open tablet here that could change hands. What
//! `switch` changes is whose slot the next commands open: the id, and nothing else, stands in the file `person` of the
//! home folder. It gives nobody any right: a secret of that person is still needed.

use super::{rekey, table, waited_for, with_session};
use crate::args::{Global, Keep, PersonCommand};
use crate::failure::Failure;
use crate::gate::DesktopGate;
use crate::output::{result, say};
use crate::secrets;
use pocketchart_core::access::{AccessError, Guard, Person, PersonSummary, Role, fingerprint};
use pocketchart_core::crypto::passphrase_hash::DEFAULT_COST;
use pocketchart_core::vault::{NewSecret, NewSlot, VaultError, slots_before_unlock};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn run(global: &Global, command: &PersonCommand) -> Result<ExitCode, Failure> {
    match command {
        PersonCommand::Add {
            id,
            role,
            label,
            new_passphrase_file,
        } => add(global, id, role, label, new_passphrase_file.as_deref()),
        PersonCommand::List => list(global),
        PersonCommand::Switch { id } => switch(global, id),
        PersonCommand::Remove { id, keep } => remove(global, id, keep),
    }
}

/// Whose slot is opened: what `--person` says, else what `person switch` left, else the owner's.
pub(crate) fn chosen(global: &Global, home: &Path) -> Result<Person, Failure> {
    if let Some(id) = &global.person {
        return Ok(Person::new(id.clone()));
    }
    // The code is the owner's, whoever comes next by default.
    if global.recovery_code_file.is_some() {
        return Ok(Person::owner());
    }
    let file = remembered(home);
    match fs::read_to_string(&file) {
        Ok(id) if !id.trim().is_empty() => Ok(Person::new(id.trim())),
        Ok(_) => Ok(Person::owner()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Person::owner()),
        Err(error) => Err(Failure::file("reading", &file)(error)),
    }
}

fn add(
    global: &Global,
    id: &str,
    role: &str,
    label: &str,
    file: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let (person, role) = (Person::new(id), Role::named(role));
    let new = NewSlot {
        label: label.to_owned(),
        secret: NewSecret::Passphrase {
            text: secrets::new_passphrase(file, &person)?,
            cost: DEFAULT_COST,
            evaluate: false,
        },
    };
    let gate = DesktopGate::of_platform();
    let (key, joined) = with_session(global, |session| {
        let guard = session.guard()?;
        must_be_known(&guard, &role)?;
        let added = guard.add_person(&person, &role, new, Some(&gate));
        Ok((waited_for(added)??, guard.authority()?.is_some()))
    })?;
    let shown = fingerprint(&key);
    let mut words = format!(
        "{person} can open this vault as {role} with the new passphrase: add --person {person}.\n  signs with {shown}"
    );
    if joined {
        words += &format!(
            "\nThe hub takes what {person} writes once it knows the key: `pocketchart sync` shows it, then its operator \
             approves it with\n  pocketchart hub approve {shown} --role {role}"
        );
    }
    let object = json!({
        "person": id, "role": role.name(), "public_key": key.to_string(), "fingerprint": shown,
    });
    say(global, &words, &object);
    Ok(ExitCode::SUCCESS)
}

/// A role that no rule is for would let a person in and show them nothing.
fn must_be_known(guard: &Guard, role: &Role) -> Result<(), Failure> {
    if guard.knows_role(role) {
        return Ok(());
    }
    let policy = guard.policy();
    let roles = policy.iter().flat_map(|policy| policy.roles.keys());
    let roles: Vec<&str> = roles.map(String::as_str).collect();
    Err(Failure::Usage(format!(
        "no role {role} in this policy; there are {}",
        roles.join(", ")
    )))
}

/// Takes out every slot of a person. The member stays: the trail and what waits to be sent name it.
fn remove(global: &Global, id: &str, keep: &Keep) -> Result<ExitCode, Failure> {
    if Person::new(id) == Person::owner() || id.trim().is_empty() {
        return Err(Failure::Usage(
            "the owner stays: `pocketchart vault remove-slot` takes out one slot, `pocketchart vault wipe` everything"
                .into(),
        ));
    }
    let home = secrets::home(global)?;
    let gate = DesktopGate::of_platform();
    let bar = rekey::new_key_bar(global);
    let dropped = with_session(global, |session| {
        let guard = session.guard()?;
        let slots = guard.slots()?;
        // Those that need no new root key first: the others may be the ones that are refused.
        let (bound, plain): (Vec<_>, Vec<_>) = slots
            .iter()
            .filter(|slot| slot.person == id)
            .partition(|slot| slot.needs_gate);
        if bound.is_empty() && plain.is_empty() {
            return Err(Failure::Usage(format!("{id} has no slot in this vault")));
        }
        let mut dropped = Vec::new();
        for slot in bound.into_iter().chain(plain) {
            // Dropped along with one before it.
            if !guard.slots()?.iter().any(|left| left.id == slot.id) {
                continue;
            }
            let kept = rekey::kept(&guard, keep)?;
            let removed = guard.remove_slot(
                slot.id,
                &kept,
                rekey::absent(keep),
                Some(&gate),
                rekey::shown_on(&bar),
            );
            dropped.extend(waited_for(removed)??);
        }
        Ok(dropped)
    });
    bar.finish_and_clear();
    let dropped = dropped?;
    let file = remembered(&home);
    if fs::read_to_string(&file).is_ok_and(|chosen| chosen.trim() == id) {
        fs::remove_file(&file).map_err(Failure::file("removing", &file))?;
    }
    let others: Vec<_> = dropped.into_iter().filter(|it| it.person != id).collect();
    let words = format!(
        "{id} cannot open this vault any more.{}",
        rekey::with_dropped(&others)
    );
    let object = json!({ "removed": id, "dropped": rekey::ids(&others) });
    say(global, &words, &object);
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global) -> Result<ExitCode, Failure> {
    let people = with_session(global, |session| Ok(session.guard()?.people()?))?;
    let row = |person: &PersonSummary| {
        vec![
            person.person.to_string(),
            person.role.to_string(),
            person.slots.to_string(),
            fingerprint(&person.public_key),
        ]
    };
    let rows: Vec<Vec<String>> = people.iter().map(row).collect();
    let header = ["PERSON", "ROLE", "SLOTS", "SIGNS WITH"];
    let lines = table::lines(table::screen_width(), Some(&header), &[(0, 64)], &rows);
    let object = |person: &PersonSummary| {
        json!({
            "person": person.person.id(),
            "role": person.role.name(),
            "slots": person.slots,
            "public_key": person.public_key.to_string(),
            "fingerprint": fingerprint(&person.public_key),
        })
    };
    let objects: Vec<Value> = people.iter().map(object).collect();
    result(global, &lines.join("\n"), &json!({ "people": objects }));
    Ok(ExitCode::SUCCESS)
}

fn switch(global: &Global, id: &str) -> Result<ExitCode, Failure> {
    let home = secrets::home(global)?;
    let missing = || AccessError::from(VaultError::Missing { home: home.clone() });
    let slots = slots_before_unlock(&home).map_err(AccessError::from)?;
    let slots = slots.ok_or_else(missing)?;
    let file = remembered(&home);
    if id == Person::owner().id() {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::file("removing", &file)(error));
            }
            _ => {}
        }
    } else if slots.iter().any(|slot| slot.person == id) {
        write_privately(&file, &format!("{id}\n")).map_err(Failure::file("writing", &file))?;
    } else {
        return Err(Failure::Usage(format!("{id} has no slot in this vault")));
    }
    let words = format!("From now on commands open the vault for {id}; --person picks another.");
    say(global, &words, &json!({ "person": id }));
    Ok(ExitCode::SUCCESS)
}

/// Like all files of the home: for its owner only.
fn write_privately(file: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())
}

fn remembered(home: &Path) -> PathBuf {
    home.join("person")
}
