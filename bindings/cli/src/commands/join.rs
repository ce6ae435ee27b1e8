//! `join`: this device and a hub get to know each other.

use super::{runtime, with_session};
use crate::args::Global;
use crate::commands::sync::WAITS_FOR_A_PERSON;
use crate::failure::Failure;
use crate::output::say;
use pocketchart_core::access::people::EnrolmentCode;
use pocketchart_core::sync::{Joined, join};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use zeroize::Zeroizing;

/// Between two questions whether it was approved.
const AGAIN: Duration = Duration::from_secs(2);

pub(crate) fn run(global: &Global, code: &str, once: bool) -> Result<ExitCode, Failure> {
    let code = EnrolmentCode::parse(&typed(code)?).map_err(|e| Failure::Usage(e.to_string()))?;
    let runtime = runtime()?;
    with_session(global, |session| {
        let mut told = false;
        loop {
            let guard = session.guard()?;
            match runtime.block_on(join(&guard, &code))? {
                Joined::Done {
                    url,
                    name,
                    patient,
                    facility,
                    ..
                } => {
                    let words = format!(
                        "Joined {url} as {name}. `pocketchart sync` sends and receives from now on."
                    );
                    let object = json!({
                        "joined": url, "name": name, "patient": patient, "facility": facility,
                    });
                    say(global, &words, &object);
                    return Ok(ExitCode::SUCCESS);
                }
                Joined::Waiting { fingerprint } => {
                    if !told {
                        let words = format!(
                            "Waiting for approval. The operator compares this fingerprint and lets the device in with\n  \
                             pocketchart hub approve {fingerprint}"
                        );
                        let object = json!({ "waiting": true, "fingerprint": fingerprint });
                        say(global, &words, &object);
                        told = true;
                    }
                    if once {
                        return Ok(ExitCode::from(WAITS_FOR_A_PERSON));
                    }
                    drop(guard);
                    std::thread::sleep(AGAIN);
                }
            }
        }
    })
}

/// The code as it was typed, or as standard input has it.
fn typed(code: &str) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(code.to_owned());
    if code == "-" {
        text.clear();
        let read = std::io::stdin().read_line(&mut text);
        read.map_err(Failure::file("reading", Path::new("standard input")))?;
    }
    Ok(text)
}
