//! `hub`: the vault as a FHIR server, until it is told to stop.

use super::stop::told_to_stop;
use super::{open, runtime, tidy};
use crate::args::{self, Global, Log};
use crate::failure::Failure;
use crate::output::say;
use crate::secrets;
use pocketchart_core::access::{AccessError, Role};
use pocketchart_hub::{Hub, LogForm, Options};
use serde_json::json;
use std::process::ExitCode;

pub(crate) fn run(global: &Global, asked: &args::Hub) -> Result<ExitCode, Failure> {
    let home = secrets::home(global)?;
    let guard = open(global)?;
    // The hub acts for whoever holds its admin token: nobody gets that by opening a slot of their own.
    if guard.actor().role != Role::OWNER {
        let what = "serve this vault as a hub";
        return Err(AccessError::OwnerOnly { what }.into());
    }
    // While nobody waits: what came in since the last start is packed tighter.
    tidy(&guard)?;
    let log = asked.log.map(|form| match form {
        Log::Text => LogForm::Text,
        Log::Json => LogForm::Json,
    });
    let options = Options {
        log,
        ..Options::default()
    };
    let served = runtime()?.block_on(async {
        let hub = Hub::start_with(guard.clone(), &home, asked.listen, options).await?;
        if let Some(file) = &asked.ready_file {
            hub.write_ready_file(file)?;
        }
        let ready = hub.ready();
        let words = format!(
            "Serving FHIR R4 at {}\n  certificate authority: {}\n  admin token:           {}\nCtrl-C stops it.",
            ready.url,
            ready.ca_file.display(),
            ready.token_file.display()
        );
        say(global, &words, &json!(ready));
        told_to_stop().await;
        hub.stop().await
    });
    // Locked whatever happened, so that the audit trail says so.
    guard.lock()?;
    served?;
    Ok(ExitCode::SUCCESS)
}
