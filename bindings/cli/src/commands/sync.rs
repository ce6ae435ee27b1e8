//! `sync`: both directions, with one server or with all that are known.

use super::{runtime, with_session};
use crate::args::{Global, Sync};
use crate::failure::Failure;
use crate::output::{SyncProgress, count, say};
use pocketchart_core::access::{EditState, Guard, PeerId, PeerSettings, Waiting};
use pocketchart_core::fhir::ResourceId;
use pocketchart_core::net::Server;
use pocketchart_core::sync::{Report, SyncError, SyncRun, probe};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Exit code when something waits for a person.
pub(crate) const WAITS_FOR_A_PERSON: u8 = 4;

pub(crate) fn run(global: &Global, args: &Sync) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    with_session(global, |session| {
        let guard = session.guard()?;
        let mut skipped = 0;
        match &args.url {
            Some(url) => skipped += sync_named(global, &runtime, &guard, url, args)?,
            None => {
                let servers = guard.peers()?;
                if servers.is_empty() {
                    let text = "no server is known yet: join a hub with `pocketchart join CODE`, or name a server, as in `pocketchart sync https://...`";
                    return Err(Failure::Usage(text.into()));
                }
                let several = servers.len() > 1;
                // One that fails does not keep the others waiting.
                let mut failure = None;
                for (peer, url, settings) in servers {
                    match sync_with(global, &runtime, &guard, peer, &url, &settings) {
                        Ok(n) => skipped += n,
                        Err(error) => {
                            if several {
                                eprintln!("pocketchart: {url}: {error}");
                            }
                            failure = failure.or(Some(error));
                        }
                    }
                }
                if let Some(failure) = failure {
                    return Err(failure);
                }
            }
        }
        conclude(&guard, skipped)
    })
}

/// No further sync alone sends it: somebody has to decide, or to approve its author at the hub.
pub(crate) fn needs_a_person(waiting: &Waiting) -> bool {
    waiting.state != EditState::Waiting || waiting.refusal.is_some()
}

/// What is left, and the exit code for it.
fn conclude(guard: &Guard, skipped: u64) -> Result<ExitCode, Failure> {
    let status = guard.status()?;
    let waiting = status.waiting;
    let for_a_person: u64 = waiting.iter().map(|w| u64::from(needs_a_person(w))).sum();
    let still: u64 = waiting.iter().map(|w| u64::from(!needs_a_person(w))).sum();
    let verb = |n| if n == 1 { "waits" } else { "wait" };
    if still > 0 {
        let changed = count(still, "changed record");
        eprintln!(
            "pocketchart: {changed} still {} for a server (see `pocketchart status`)",
            verb(still)
        );
    }
    if for_a_person > 0 {
        let changed = count(for_a_person, "changed record");
        eprintln!(
            "pocketchart: {changed} {} for a person (see `pocketchart status`)",
            verb(for_a_person)
        );
    }
    if status.waiting_unseen > 0 {
        let changed = count(status.waiting_unseen, "changed record");
        eprintln!("pocketchart: {changed} that you may not see: kept, and listed for the owner");
    }
    if for_a_person > 0 || skipped > 0 {
        return Ok(ExitCode::from(WAITS_FOR_A_PERSON));
    }
    Ok(ExitCode::SUCCESS)
}

/// Syncs with the server a person named. It is remembered once it has answered as a FHIR server, and what was known of
/// it comes back when it does not take the new token.
fn sync_named(
    global: &Global,
    runtime: &Runtime,
    guard: &Guard,
    url: &str,
    args: &Sync,
) -> Result<u64, Failure> {
    let url = Server::new(url, None, None)?.url().to_owned();
    let known = guard
        .peers()?
        .into_iter()
        .find(|(_, known, _)| *known == url)
        .map(|(_, _, settings)| settings);
    let mut settings = known.clone().unwrap_or_default();
    if let Some(file) = &args.ca_file {
        settings.ca_pem = Some(read(file)?);
    }
    if let Some(file) = &args.token_file {
        let token = read(file)?.trim().to_owned();
        if token.is_empty() {
            return Err(Failure::Usage(format!(
                "--token-file: {} is empty",
                file.display()
            )));
        }
        settings.token = Some(token);
    }
    if let Some(id) = &args.patient {
        let id = ResourceId::new(id).map_err(|e| Failure::Usage(format!("--patient: {e}")))?;
        settings.patient = Some(id.to_string());
    }
    let server = Server::new(&url, settings.ca_pem.as_deref(), settings.token.as_deref())?;
    runtime.block_on(probe(&server))?;
    let peer = guard.remember_peer(&url, &settings)?;
    let synced = sync_with(global, runtime, guard, peer, &url, &settings);
    if let (Err(Failure::Sync(SyncError::Unauthorized)), Some(known)) = (&synced, known) {
        guard.remember_peer(&url, &known)?;
    }
    synced
}

/// One sync; answers with the number of records that could not be taken.
fn sync_with(
    global: &Global,
    runtime: &Runtime,
    guard: &Guard,
    peer: PeerId,
    url: &str,
    settings: &PeerSettings,
) -> Result<u64, Failure> {
    let server = Server::new(url, settings.ca_pem.as_deref(), settings.token.as_deref())?;
    let bars = SyncProgress::new(global);
    let show = |progress| bars.show(progress);
    let patient = settings.patient.as_deref();
    let run = SyncRun {
        guard,
        server: &server,
        peer,
        patient,
        progress: &show,
    };
    let report = runtime.block_on(run.run())?;
    drop(bars);
    tell(global, url, &report);
    super::tidy(guard)?;
    Ok(report.skipped)
}

fn tell(global: &Global, url: &str, report: &Report) {
    let object = json!({
        "server": url,
        "sent": report.sent,
        "received": report.received,
        "known": report.known,
        "conflicts": report.conflicts,
        "refused": report.refused,
        "held": report.held,
        "skipped": report.skipped,
        "pages": report.pages,
        "deleted": report.deleted,
        "no_longer_shared": report.unshared,
        "healed": report.healed,
        "server_went_back": report.restored,
        "only_here": report.only_here,
        "missing_there": report.stopped.map(|stopped| stopped.missing),
        "policy": report.policy.as_ref().and_then(|policy| policy.as_ref().ok()),
        "policy_refused": report.policy.as_ref().and_then(|policy| policy.as_ref().err()).map(ToString::to_string),
        "older_than_anchor": report.missed,
        "anchored": report.anchored,
    });
    let mut words = format!(
        "{url}: sent {}, received {}",
        count(report.sent, "change"),
        count(report.received, "record")
    );
    for (n, what) in [
        (
            report.conflicts,
            "changed on both sides (all versions are kept)",
        ),
        (report.refused, "refused by the server (kept here)"),
        (
            report.held,
            "whose author is not approved at the hub yet (goes again with each sync)",
        ),
        (
            report.skipped,
            "from the server could not be taken (too large or malformed; `status` names them)",
        ),
        (report.deleted, "deleted there, and so here"),
        (
            report.unshared,
            "no longer shared with this device, and removed",
        ),
        (report.healed, "of these had been missed before"),
        (
            report.only_here,
            "lost by the server and kept here (`status` names them)",
        ),
    ] {
        if n > 0 {
            words += &format!("\n  {} {what}", count(n, "record"));
        }
    }
    if report.restored {
        words += "\n  WARNING: the server has gone back to older versions; newer ones that are here are kept as conflicts";
    }
    if let Some(stopped) = &report.stopped {
        words += &format!("\n  WARNING: {}", super::learned::stopped(stopped));
    }
    match &report.policy {
        Some(Ok(version)) => words += &format!("\n  the hub's policy {version} is in force now"),
        Some(Err(error)) => {
            words += &format!(
                "\n  WARNING: the hub's policy was refused, the one before stays: {error}"
            );
        }
        None => {}
    }
    if let Some(missed) = &report.missed {
        words += &format!(
            "\n  WARNING: {missed} `pocketchart vault check --accept-loss` takes note of it"
        );
    }
    say(global, &words, &object);
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(Failure::file("reading", file))
}
