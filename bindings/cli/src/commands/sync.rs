//! `sync`: both directions, with one server or with all that are known.

use super::{runtime, with_session};
use crate::args::{Global, Sync};
use crate::failure::Failure;
use crate::output::{SyncProgress, count, say};
use pocketchart_core::access::{EditState, Guard, PeerId, PeerSettings};
use pocketchart_core::fhir::ResourceId;
use pocketchart_core::net::Server;
use pocketchart_core::sync::{Report, SyncRun};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Exit code when something waits for a person.
pub(crate) const WAITS_FOR_A_PERSON: u8 = 4;

pub(crate) fn run(global: &Global, args: &Sync) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    with_session(global, |session| {
        let guard = session.guard()?;
        let servers = match &args.url {
            Some(url) => vec![remember(&guard, url, args)?],
            None => guard.peers()?,
        };
        if servers.is_empty() {
            return Err(Failure::Usage(
                "no server is known yet: name one, as in `pocketchart sync https://...`".into(),
            ));
        }
        for (peer, url, settings) in servers {
            let server = Server::new(&url, settings.ca_pem.as_deref(), settings.token.as_deref())?;
            let bars = SyncProgress::new(global);
            let show = |progress| bars.show(progress);
            let patient = settings.patient.as_deref();
            let run = SyncRun {
                guard: &guard,
                server: &server,
                peer,
                patient,
                progress: &show,
            };
            let report = runtime.block_on(run.run())?;
            drop(bars);
            tell(global, &url, &report);
        }
        let waiting = guard.status()?.waiting;
        let for_a_person = waiting
            .iter()
            .filter(|p| p.state != EditState::Waiting)
            .count();
        if for_a_person > 0 {
            let n = u64::try_from(for_a_person).unwrap_or(u64::MAX);
            let wait = if n == 1 { "waits" } else { "wait" };
            eprintln!(
                "pocketchart: {} {wait} for a person (see `pocketchart status`)",
                count(n, "changed record")
            );
            return Ok(ExitCode::from(WAITS_FOR_A_PERSON));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Checks what the person named, and keeps it in the vault.
fn remember(
    guard: &Guard,
    url: &str,
    args: &Sync,
) -> Result<(PeerId, String, PeerSettings), Failure> {
    let server = Server::new(url, None, None)?;
    let known = guard
        .peers()?
        .into_iter()
        .find(|(_, known, _)| known == server.url());
    let mut settings = known.map(|(_, _, settings)| settings).unwrap_or_default();
    if let Some(file) = &args.ca_file {
        settings.ca_pem = Some(read(file)?);
    }
    if let Some(file) = &args.token_file {
        settings.token = Some(read(file)?.trim().to_owned());
    }
    if let Some(id) = &args.patient {
        let id = ResourceId::new(id).map_err(|e| Failure::Usage(format!("--patient: {e}")))?;
        settings.patient = Some(id.to_string());
    }
    let server = Server::new(url, settings.ca_pem.as_deref(), settings.token.as_deref())?;
    let peer = guard.remember_peer(server.url(), &settings)?;
    Ok((peer, server.url().to_owned(), settings))
}

fn tell(global: &Global, url: &str, report: &Report) {
    let object = json!({
        "server": url,
        "sent": report.sent,
        "received": report.received,
        "known": report.known,
        "conflicts": report.conflicts,
        "refused": report.refused,
        "skipped": report.skipped,
        "pages": report.pages,
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
            report.skipped,
            "from the server could not be taken (too large or malformed)",
        ),
    ] {
        if n > 0 {
            words += &format!("\n  {} {what}", count(n, "record"));
        }
    }
    say(global, &words, &object);
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(Failure::file("reading", file))
}
