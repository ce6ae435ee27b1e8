//! `sync --watch`: sync, wait, and again, until it is told to stop.
//!
//! Between two syncs the vault is locked, so that other commands can use it: one process has it at a time. What they
//! change shows in the files, which are looked at each second.

use super::stop::Stop;
use super::sync::{all, failed, named, tell, with};
use super::{Opener, ready, runtime, tidy};
use crate::args::{Global, Sync};
use crate::failure::Failure;
use crate::output::line;
use pocketchart_core::access::{AccessError, Guard, PeerId, PeerSettings};
use pocketchart_core::rng;
use pocketchart_core::session::servers::{KnownServer, Named, restore};
use pocketchart_core::session::sync::Synced;
use pocketchart_core::sync::{Pace, SyncError, Went};
use pocketchart_core::vault::VaultError;
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Runtime;

/// How often the files are looked at, and how soon a vault that is in use is tried again.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn run(global: &Global, args: &Sync) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let stop = Stop::listen(&runtime);
    let opener = Opener::ask(global)?;
    let mut watch = Watch {
        global,
        runtime,
        stop,
        interval: Duration::from_secs(args.every),
        begun: Instant::now(),
        only: None,
        before: None,
        paces: HashMap::new(),
    };
    // The first time with everything that `sync` says and does; a mistyped address ends here.
    let guard = ready(global, opener.open()?)?;
    let prepared = watch.prepare(&guard, args);
    let first = prepared.and_then(|()| watch.round(&guard));
    guard.lock()?;
    if first?.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut seen = stamp(&opener.home);
    loop {
        if watch.pause(&opener.home, &mut seen).is_none() {
            return Ok(ExitCode::SUCCESS);
        }
        let guard = match opener.open() {
            // Another command has it: its change is due when it is done.
            Err(Failure::Access(AccessError::Vault(VaultError::InUse { .. }))) => {
                if watch.sleep(LOOK).is_none() {
                    return Ok(ExitCode::SUCCESS);
                }
                continue;
            }
            opened => opened?,
        };
        let went = watch.round(&guard);
        guard.lock()?;
        if went?.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
        seen = stamp(&opener.home);
    }
}

struct Watch<'a> {
    global: &'a Global,
    runtime: Runtime,
    stop: Stop,
    interval: Duration,
    begun: Instant,
    /// The only server, where one was named.
    only: Option<String>,
    /// How it was known before, until it has taken what is new.
    before: Option<PeerSettings>,
    paces: HashMap<PeerId, Pace>,
}

impl Watch<'_> {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn prepare(&mut self, guard: &Guard, args: &Sync) -> Result<(), Failure> {
        if let Some(url) = &args.url {
            let Named { server, before } = named(&self.runtime, guard, url, args)?;
            self.only = Some(server.url);
            self.before = before;
        }
        Ok(())
    }

    /// Syncs with each server whose time has come. `None`: told to stop.
    fn round(&mut self, guard: &Guard) -> Result<Option<()>, Failure> {
        let servers = all(guard)?;
        let is_meant = |peer: &&KnownServer| self.only.as_ref().is_none_or(|url| *url == peer.url);
        for peer in servers.iter().filter(is_meant) {
            let mut pace = match self.paces.get(&peer.id) {
                Some(pace) => *pace,
                None => self.first(guard, peer)?,
            };
            self.paces.insert(peer.id, pace);
            if !pace.wait(self.now()).is_zero() {
                continue;
            }
            let sync = self.stop.or(with(self.global, guard, peer));
            let Some(synced) = self.runtime.block_on(sync) else {
                return Ok(None);
            };
            match synced {
                Ok(synced) => {
                    if self.global.json || pace.failures() > 0 || is_news(&synced) {
                        tell(self.global, peer, &synced);
                    }
                    if synced.records.received > 0 {
                        tidy(guard)?;
                    }
                    self.before = None;
                    pace.went(Went::Well, self.now(), chance());
                }
                // The vault itself: no waiting helps.
                Err(error @ SyncError::Access(_)) => return Err(failed(&peer.url)(error)),
                Err(error @ SyncError::Unauthorized) if self.before.is_some() => {
                    restore(guard, &peer.url, self.before.take())?;
                    return Err(failed(&peer.url)(error));
                }
                Err(error) => {
                    let retry_after = error.retry_after();
                    pace.went(Went::Badly { retry_after }, self.now(), chance());
                    self.tell_failure(&failed(&peer.url)(error), pace.wait(self.now()));
                }
            }
            self.paces.insert(peer.id, pace);
        }
        Ok(Some(()))
    }

    /// At once, unless the server wanted to be left alone when it was last met.
    fn first(&self, guard: &Guard, peer: &KnownServer) -> Result<Pace, Failure> {
        let mut pace = Pace::new(self.interval);
        if let Some(until) = guard.peer_state(peer.id)?.not_before_ms {
            let ms = until.saturating_sub(guard.now().epoch_ms());
            let time = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            pace.leave_alone(time, self.now());
        }
        Ok(pace)
    }

    fn tell_failure(&self, failure: &Failure, wait: Duration) {
        let seconds = wait.as_secs().max(1);
        if self.global.json {
            let object = json!({ "error": failure.to_string(), "exit": failure.exit_code(), "again_in_s": seconds });
            line(&object.to_string());
        }
        eprintln!("pocketchart: {failure}; again in {seconds} s");
    }

    /// Waits until a server's time comes. `None`: told to stop.
    fn pause(&mut self, home: &Path, seen: &mut Vec<Stamp>) -> Option<()> {
        loop {
            let now = self.now();
            let waits = self.paces.values().map(|pace| pace.wait(now));
            let wait = waits.min().unwrap_or(self.interval);
            if wait.is_zero() {
                return Some(());
            }
            self.sleep(wait.min(LOOK))?;
            let stamp = stamp(home);
            if stamp != *seen {
                *seen = stamp;
                let now = self.now();
                self.paces.values_mut().for_each(|pace| pace.changed(now));
            }
        }
    }

    fn sleep(&self, time: Duration) -> Option<()> {
        let sleep = async { tokio::time::sleep(time).await };
        self.runtime.block_on(self.stop.or(sleep))
    }
}

/// Something that whoever reads along wants to know.
fn is_news(synced: &Synced) -> bool {
    let (report, visits) = (&synced.records, &synced.visits);
    let counts = [
        visits.booked,
        visits.offered,
        visits.refused,
        visits.cancelled,
        report.sent,
        report.received,
        report.conflicts,
        report.refused,
        report.held,
        report.skipped,
        report.deleted,
        report.unshared,
        report.only_here,
    ];
    counts.iter().any(|n| *n > 0)
        || report.policy.is_some()
        || report.missed.is_some()
        || report.restored
        || report.stopped.is_some()
}

fn chance() -> u32 {
    // Without chance all goes on, only at the same second as others.
    rng::make_bytes().map_or(u32::MAX / 2, u32::from_le_bytes)
}

/// A file with records, as it looks from outside.
type Stamp = (std::ffi::OsString, u64, Option<SystemTime>);

/// The files with records: they are written when something is changed, and not when something is read.
fn stamp(home: &Path) -> Vec<Stamp> {
    let Ok(files) = std::fs::read_dir(home.join("vault")) else {
        return Vec::new();
    };
    let mut stamps: Vec<Stamp> = files
        .flatten()
        .filter(|file| file.file_name().as_encoded_bytes().starts_with(b"store-"))
        .filter_map(|file| {
            let about = file.metadata().ok()?;
            // What is being read along, and empty.
            (about.len() > 0).then(|| (file.file_name(), about.len(), about.modified().ok()))
        })
        .collect();
    stamps.sort();
    stamps
}
