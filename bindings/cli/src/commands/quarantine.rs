//! `quarantine`: what a server refused for good.

use super::conflicts::{about, row, show};
use super::record::parse;
use super::sync::WAITS_FOR_A_PERSON;
use super::with_session;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{result, say};
use pocketchart_core::access::WaitsFor;
use serde_json::json;
use std::process::ExitCode;

pub(crate) fn run(
    global: &Global,
    name: Option<&str>,
    again: bool,
    discard: bool,
) -> Result<ExitCode, Failure> {
    let Some(name) = name else {
        return list(global);
    };
    let name = parse(name)?;
    let (state, words) = match (again, discard) {
        (true, _) => ("queued", format!("{name} goes again with the next sync")),
        (_, true) => (
            "given-up",
            format!("{name} is given up; it is again what the server has"),
        ),
        _ => return show(global, &name),
    };
    with_session(global, |session| {
        let guard = session.guard()?;
        let done = match again {
            true => guard.send_again(&name),
            false => guard.discard_refused(&name),
        };
        done.map_err(Failure::from)
    })?;
    say(
        global,
        &words,
        &json!({ "name": name.to_string(), "state": state }),
    );
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global) -> Result<ExitCode, Failure> {
    let mut all = with_session(global, |session| Ok(session.guard()?.conflicts()?))?;
    all.retain(|one| one.waits_for == WaitsFor::Refused);
    if all.is_empty() {
        say(global, "Nothing was refused.", &json!({ "refused": 0 }));
        return Ok(ExitCode::SUCCESS);
    }
    for one in &all {
        result(global, &row(one), &about(one));
    }
    Ok(ExitCode::from(WAITS_FOR_A_PERSON))
}
