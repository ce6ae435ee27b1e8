//! `sync`: both directions, with one server or with all that are known.

use super::{book, runtime, with_session};
use crate::args::{Global, Sync};
use crate::failure::Failure;
use crate::output::{SyncProgress, count, say};
use pocketchart_core::access::{EditState, Guard, PeerId, PeerSettings, Waiting};
use pocketchart_core::care::booking::BookingReport;
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
    if args.watch {
        return super::watch::run(global, args);
    }
    let runtime = runtime()?;
    with_session(global, |session| {
        let guard = session.guard()?;
        let mut skipped = 0;
        match &args.url {
            Some(url) => {
                let (peer, known) = named(&runtime, &guard, url, args)?;
                let synced = runtime.block_on(peer.sync(global, &guard));
                if matches!(&synced, Err(SyncError::Unauthorized)) {
                    restore(&guard, &peer, known)?;
                }
                let synced = synced.map_err(peer.failed())?;
                skipped += synced.for_a_person();
                peer.tell(global, &synced);
                super::tidy(&guard)?;
            }
            None => {
                let servers = all(&guard)?;
                let several = servers.len() > 1;
                // One that fails does not keep the others waiting.
                let mut failure = None;
                for peer in servers {
                    match runtime.block_on(peer.sync(global, &guard)) {
                        Ok(synced) => {
                            skipped += synced.for_a_person();
                            peer.tell(global, &synced);
                            super::tidy(&guard)?;
                        }
                        Err(error) => {
                            let error = peer.failed()(error);
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

/// What a sync did.
pub(super) struct Synced {
    pub(super) records: Report,
    pub(super) visits: BookingReport,
}

impl Synced {
    /// Records that could not be taken, and visits that a person has to look at.
    fn for_a_person(&self) -> u64 {
        self.records.skipped + u64::from(self.visits.needs_a_person())
    }
}

/// A server that is known here.
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) url: String,
    settings: PeerSettings,
}

/// All servers that are known here; none is an error.
pub(super) fn all(guard: &Guard) -> Result<Vec<Peer>, Failure> {
    let known = guard.peers()?;
    if known.is_empty() {
        let text = "no server is known yet: join a hub with `pocketchart join CODE`, or name a server, as in `pocketchart sync https://...`";
        return Err(Failure::Usage(text.into()));
    }
    let known = known.into_iter();
    Ok(known
        .map(|(id, url, settings)| Peer { id, url, settings })
        .collect())
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
) -> Result<(Peer, Option<PeerSettings>), Failure> {
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
    // One that was met before may be away just now.
    if known.as_ref() != Some(&settings) {
        let asked = runtime.block_on(probe(&server));
        asked.map_err(|error| Failure::SyncWith {
            url: url.clone(),
            error,
        })?;
    }
    let id = guard.remember_peer(&url, &settings)?;
    Ok((Peer { id, url, settings }, known))
}

/// What was known of a server comes back when it does not take the new token.
pub(super) fn restore(
    guard: &Guard,
    peer: &Peer,
    known: Option<PeerSettings>,
) -> Result<(), Failure> {
    if let Some(known) = known {
        guard.remember_peer(&peer.url, &known)?;
    }
    Ok(())
}

impl Peer {
    /// One sync. Visits first: others may want the same times. Those of patients whom only the sync brings go behind it.
    pub(super) async fn sync(&self, global: &Global, guard: &Guard) -> Result<Synced, SyncError> {
        let (ca, token) = (&self.settings.ca_pem, &self.settings.token);
        let server = Server::new(&self.url, ca.as_deref(), token.as_deref())?;
        let bars = SyncProgress::new(global);
        let show = |progress| bars.show(progress);
        let run = SyncRun {
            guard,
            server: &server,
            peer: self.id,
            patient: self.settings.patient.as_deref(),
            progress: &show,
        };
        let mut visits = book::round(guard, &server, self.id).await?;
        let records = run.run().await?;
        if visits.waiting > 0 {
            visits = visits.then(book::round(guard, &server, self.id).await?);
        }
        Ok(Synced { records, visits })
    }

    /// Says where it failed.
    pub(super) fn failed(&self) -> impl Fn(SyncError) -> Failure {
        |error| Failure::SyncWith {
            url: self.url.clone(),
            error,
        }
    }

    /// Says what a sync did.
    pub(super) fn tell(&self, global: &Global, synced: &Synced) {
        tell(global, &self.url, &synced.records, &synced.visits);
    }
}

fn tell(global: &Global, url: &str, report: &Report, visits: &BookingReport) {
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
