//! `conflicts` and `resolve`: what waits for a person, and the decision.

use super::record::{parse, read};
use super::sync::WAITS_FOR_A_PERSON;
use super::with_session;
use crate::args::{Global, Resolve};
use crate::failure::Failure;
use crate::output::{count, line, result, say};
use pocketchart_core::access::{
    Conflict, Difference, Guard, Person, Resolution, Saved, ToDecide, WaitsFor,
};
use pocketchart_core::fhir::Reference;
use pocketchart_core::fhir::merge::{Side, value_words};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(crate) fn list(global: &Global, name: Option<&str>) -> Result<ExitCode, Failure> {
    if let Some(name) = name {
        return show(global, &parse(name)?);
    }
    let mut all = with_session(global, |session| Ok(session.guard()?.conflicts()?))?;
    all.retain(|one| one.waits_for != WaitsFor::Refused);
    if all.is_empty() {
        say(global, "No conflict waits.", &json!({ "conflicts": 0 }));
        return Ok(ExitCode::SUCCESS);
    }
    for one in &all {
        result(global, &row(one), &about(one));
    }
    let n = u64::try_from(all.len()).unwrap_or(u64::MAX);
    if !global.json && !global.quiet {
        line(&format!(
            "{} to decide: `pocketchart conflicts TYPE/ID` shows one",
            count(n, "conflict")
        ));
    }
    Ok(ExitCode::from(WAITS_FOR_A_PERSON))
}

/// One, with all its versions. It waits: the exit code says so.
pub(super) fn show(global: &Global, name: &Reference) -> Result<ExitCode, Failure> {
    let conflict = with_session(global, |session| find(&session.guard()?, name))?;
    result(global, &words(&conflict), &object(&conflict));
    Ok(ExitCode::from(WAITS_FOR_A_PERSON))
}

fn find(guard: &Guard, name: &Reference) -> Result<Conflict, Failure> {
    let found = guard.conflict(name)?;
    found.ok_or_else(|| Failure::NothingWaits {
        name: name.to_string(),
    })
}

pub(crate) fn resolve(global: &Global, args: &Resolve) -> Result<ExitCode, Failure> {
    let name = parse(&args.name)?;
    let resolution = match &args.edited {
        Some(file) => {
            let text = String::from_utf8(read(file)?);
            let text = text.map_err(|_| {
                Failure::Usage(format!("--edited: {} is not UTF-8", file.display()))
            })?;
            Resolution::Edited(text)
        }
        None if args.mine => Resolution::Side(Side::Mine),
        None if args.theirs => Resolution::Side(Side::Theirs),
        None => Resolution::ByPath(args.paths.iter().cloned().collect()),
    };
    let saved = with_session(global, |session| {
        Ok(session.guard()?.resolve(&name, &resolution)?)
    })?;
    let (state, words) = match saved {
        Saved::Withdrawn => (
            "withdrawn",
            format!("{name} is what the server has; nothing is left to send"),
        ),
        _ => (
            "queued",
            format!("{name} is decided; it goes with the next sync, as your change"),
        ),
    };
    say(
        global,
        &words,
        &json!({ "name": name.to_string(), "state": state }),
    );
    Ok(ExitCode::SUCCESS)
}

fn kind(waits_for: WaitsFor) -> (&'static str, &'static str) {
    match waits_for {
        WaitsFor::BothChanged => ("both-changed", "changed on both sides"),
        WaitsFor::DeletedThere => ("deleted-there", "changed here, deleted at the server"),
        WaitsFor::DeletedHere => ("deleted-here", "deleted here, changed at the server"),
        WaitsFor::Refused => ("refused", "refused by the server"),
    }
}

pub(super) fn row(one: &ToDecide) -> String {
    let people: Vec<&str> = one.authors.iter().map(Person::id).collect();
    let codes = one.refusal.as_deref().map(str::trim).unwrap_or_default();
    let codes = match codes.is_empty() {
        true => String::new(),
        false => format!(" ({codes})"),
    };
    format!(
        "{}  {}{codes}, since {}, written by {}",
        one.name.reference,
        kind(one.waits_for).1,
        one.since,
        people.join(" and ")
    )
}

pub(super) fn about(one: &ToDecide) -> Value {
    json!({
        "name": one.name.reference.to_string(),
        "kind": kind(one.waits_for).0,
        "since": one.since.to_string(),
        "authors": one.authors,
        "refusal": one.refusal,
    })
}

fn words(conflict: &Conflict) -> String {
    let about = &conflict.about;
    let name = &about.name.reference;
    let mut lines = vec![row(about)];
    if conflict.is_own_part_only {
        lines.push("  Only what you wrote is shown: the rest is not for you to see.".into());
    }
    for Difference { clash, words } in &conflict.differences {
        lines.push(format!("  {words}"));
        lines.push(format!("    path    {}", clash.path));
        lines.push(format!(
            "    was     {}",
            value_words(clash.base.as_deref())
        ));
        lines.push(format!(
            "    here    {}",
            value_words(clash.mine.as_deref())
        ));
        let there = value_words(clash.theirs.as_deref());
        if about.waits_for != WaitsFor::Refused {
            lines.push(format!("    server  {there}"));
        }
    }
    let how = match about.waits_for {
        WaitsFor::Refused => format!(
            "`pocketchart quarantine {name} --again` sends it once more, --discard gives it up"
        ),
        WaitsFor::BothChanged if !conflict.differences.is_empty() => format!(
            "Decide: `pocketchart resolve {name}` with --mine, --theirs, --path PATH=mine|theirs for each, or --edited FILE"
        ),
        _ => format!("Decide: `pocketchart resolve {name}` with --mine, --theirs or --edited FILE"),
    };
    lines.push(how);
    lines.join("\n")
}

fn object(conflict: &Conflict) -> Value {
    let differences: Vec<Value> = conflict
        .differences
        .iter()
        .map(|Difference { clash, words }| {
            json!({
                "path": clash.path.to_string(),
                "words": words,
                "base": clash.base,
                "mine": clash.mine,
                "theirs": clash.theirs,
            })
        })
        .collect();
    let mut object = about(&conflict.about);
    object["differences"] = Value::from(differences);
    object["base"] = json!(conflict.base);
    object["mine"] = json!(conflict.mine);
    object["theirs"] = json!(conflict.theirs);
    object["theirs_version"] = json!(conflict.theirs_version);
    object["own_part_only"] = json!(conflict.is_own_part_only);
    object
}
