//! `put`, `get`, `delete`.

use super::with_session;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{line, say};
use pocketchart_core::access::{Origin, Saved};
use pocketchart_core::fhir::resource::MAX_BYTES;
use pocketchart_core::fhir::{Reference, Resource};
use serde_json::json;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn put(global: &Global, file: &Path) -> Result<ExitCode, Failure> {
    let bytes = read(file)?;
    let resource = Resource::parse(&bytes).map_err(|why| Failure::BadResource {
        file: file.to_owned(),
        why,
    })?;
    let saved = with_session(global, |session| Ok(session.guard()?.put(&resource)?))?;
    report(global, resource.name(), saved, "stored");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn get(global: &Global, name: &str) -> Result<ExitCode, Failure> {
    let name = parse(name)?;
    let record = with_session(global, |session| Ok(session.guard()?.get(&name)?))?;
    let record = record.ok_or_else(|| Failure::NotFound {
        name: name.to_string(),
    })?;
    if global.json {
        let object = json!({
            "name": name.to_string(),
            "version": record.version,
            "lastUpdated": record.updated.to_string(),
            "waiting": record.origin == Origin::Local,
            "text": record.text,
        });
        line(&object.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    let end = if out.is_terminal() { "\n" } else { "" };
    let written = out
        .write_all(record.text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()));
    written
        .and_then(|()| out.flush())
        .map_err(Failure::file("writing", Path::new("standard output")))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn delete(global: &Global, name: &str) -> Result<ExitCode, Failure> {
    let name = parse(name)?;
    let deleted = with_session(global, |session| Ok(session.guard()?.delete(&name)?))?;
    let saved = deleted.ok_or_else(|| Failure::NotFound {
        name: name.to_string(),
    })?;
    report(global, &name, saved, "deleted");
    Ok(ExitCode::SUCCESS)
}

fn report(global: &Global, name: &Reference, saved: Saved, done: &str) {
    let (state, words) = match saved {
        Saved::Queued => ("queued", format!("{name} {done}; waits for the next sync")),
        Saved::InConflict => (
            "conflict",
            format!(
                "{name} {done} here; the server has a newer version, so it waits until someone decides"
            ),
        ),
        Saved::Unchanged => (
            "unchanged",
            format!("{name} is stored with these bytes already"),
        ),
        Saved::Withdrawn => (
            "withdrawn",
            format!("{name} {done}; nothing is left to send"),
        ),
    };
    say(
        global,
        &words,
        &json!({ "name": name.to_string(), "state": state }),
    );
}

pub(super) fn parse(name: &str) -> Result<Reference, Failure> {
    let parsed = Reference::parse(name).map_err(|e| Failure::Usage(e.to_string()))?;
    // As a reference `Type/id/_history/n` means the record; typed by a person it means that version.
    if parsed.to_string() == name {
        Ok(parsed)
    } else {
        Err(Failure::Usage(
            "expected TYPE/ID; older versions are not kept on a device".into(),
        ))
    }
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(Failure::file("reading", file))?)
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    source
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(Failure::file("reading", file))?;
    Ok(bytes)
}
