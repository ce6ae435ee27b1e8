//! `sync`: both directions, with one server or with all that are known.

use super::{book, runtime, with_session};
use crate::args::{Global, Sync};
use crate::failure::Failure;
use crate::output::{SyncProgress, count, say};
use pocketchart_core::access::{EditState, Guard, PeerSettings, Waiting};
use pocketchart_core::fhir::ResourceId;
use pocketchart_core::net::NetError;
use pocketchart_core::session::servers::{self, KnownServer, Named};
use pocketchart_core::session::sync::{self, Synced};
use pocketchart_core::sync::SyncError;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Exit code when something waits for a person.
pub(crate) const WAITS_FOR_A_PERSON: u8 = 4;

pub(crate) fn run(global: &Global, args: &Sync) -> Result<ExitCode, Failure> {
    if args.watch {
        return super::watch::run(global, args);
    }
    let runtime = runtime()?;
    with_session(global, |session| {
        let guard = session.guard()?;
        let mut skipped = 0;
        match &args.url {
            Some(url) => {
                let Named { server, before } = named(&runtime, &guard, url, args)?;
                let synced = runtime.block_on(with(global, &guard, &server));
                if matches!(&synced, Err(SyncError::Unauthorized)) {
                    servers::restore(&guard, &server.url, before)?;
                }
                let synced = synced.map_err(failed(&server.url))?;
                skipped += synced.for_a_person();
                tell(global, &server, &synced);
                super::tidy(&guard)?;
            }
            None => {
                let servers = all(&guard)?;
                let several = servers.len() > 1;
                // One that fails does not keep the others waiting.
                let mut failure = None;
                for server in servers {
                    match runtime.block_on(with(global, &guard, &server)) {
                        Ok(synced) => {
                            skipped += synced.for_a_person();
                            tell(global, &server, &synced);
                            super::tidy(&guard)?;
                        }
                        Err(error) => {
                            let error = failed(&server.url)(error);
                            if several {
                                eprintln!("pocketchart: {error}");
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

/// All servers that are known here; none is an error.
pub(super) fn all(guard: &Guard) -> Result<Vec<KnownServer>, Failure> {
    let known = servers::all(guard)?;
    if known.is_empty() {
        let text = "no server is known yet: join a hub with `pocketchart join CODE`, or name a server, as in `pocketchart sync https://...`";
        return Err(Failure::Usage(text.into()));
    }
    Ok(known)
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

/// The server a person named, and how it was known before. It is remembered once it has answered as a FHIR server.
pub(super) fn named(
    runtime: &Runtime,
    guard: &Guard,
    url: &str,
    args: &Sync,
) -> Result<Named, Failure> {
    let ca = args.ca_file.as_deref().map(read).transpose()?;
    let token = args.token_file.as_deref().map(token_in).transpose()?;
    let patient = args.patient.as_deref().map(ResourceId::new).transpose();
    let patient = patient.map_err(|e| Failure::Usage(format!("--patient: {e}")))?;
    let change = |settings: &mut PeerSettings| {
        settings.ca_pem = ca.or(settings.ca_pem.take());
        settings.token = token.or(settings.token.take());
        let patient = patient.map(|id| id.to_string());
        settings.patient = patient.or(settings.patient.take());
    };
    let named = runtime.block_on(servers::name(guard, url, change));
    named.map_err(|error| match error {
        SyncError::Access(error) => error.into(),
        // What was typed or lies in a file, rather than what the server is like.
        SyncError::Net(
            error @ (NetError::BadUrl
            | NetError::Insecure
            | NetError::BadCertificate
            | NetError::BadToken),
        ) => error.into(),
        error => failed(url)(error),
    })
}

fn token_in(file: &Path) -> Result<String, Failure> {
    let token = read(file)?.trim().to_owned();
    if token.is_empty() {
        return Err(Failure::Usage(format!(
            "--token-file: {} is empty",
            file.display()
        )));
    }
    Ok(token)
}

/// One sync, with its progress on the screen.
pub(super) async fn with(
    global: &Global,
    guard: &Guard,
    server: &KnownServer,
) -> Result<Synced, SyncError> {
    let bars = SyncProgress::new(global);
    let synced = sync::with(guard, server, &|progress| bars.show(progress)).await?;
    if let Some(error) = &synced.visits_failed {
        eprintln!("pocketchart: a visit could not be asked for: {error}");
    }
    Ok(synced)
}

/// Says where it failed.
pub(super) fn failed(url: &str) -> impl Fn(SyncError) -> Failure {
    |error| Failure::SyncWith {
        url: url.to_owned(),
        error,
    }
}

/// Says what a sync did.
pub(super) fn tell(global: &Global, server: &KnownServer, synced: &Synced) {
    let (url, report, visits) = (&server.url, &synced.records, &synced.visits);
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
        "visits": book::report_object(visits),
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
    if let Some(told) = book::told(visits) {
        words += &format!("\n  {told}");
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
