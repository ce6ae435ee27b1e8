//! One file per command.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod book;
pub(crate) mod conflicts;
mod export_to;
pub(crate) mod hub;
pub(crate) mod join;
mod keys;
mod learned;
pub(crate) mod operate;
pub(crate) mod person;
pub(crate) mod policy;
pub(crate) mod quarantine;
pub(crate) mod record;
mod rekey;
pub(crate) mod search;
mod servers;
pub(crate) mod show;
pub(crate) mod status;
mod stop;
pub(crate) mod sync;
mod table;
pub(crate) mod transfer;
pub(crate) mod vault;
pub(crate) mod watch;

use crate::args::Global;
use crate::failure::Failure;
use crate::gate::DesktopGate;
use crate::output;
use crate::secrets;
use pocketchart_core::access::{AccessError, Guard, Opening, Person};
use pocketchart_core::clock::SystemClock;
use pocketchart_core::session::{IdleTimes, Session};
use pocketchart_core::vault::{Secret, VaultError, With, exists, wipe_was_interrupted};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens the vault, warns where something is missing from it, runs `work`, and locks.
fn with_session<R>(
    global: &Global,
    work: impl FnOnce(&Session) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let clock = Arc::new(SystemClock);
    let guard = open(global)?;
    if !global.quiet && guard.opened_by_recovery_code()? {
        eprintln!(
            "pocketchart: opened with the recovery code, which is best replaced once it was used: `pocketchart vault \
             recovery-code`"
        );
    }
    let session = Session::start(guard, IdleTimes::USUAL, clock);
    let result = work(&session);
    session.lock()?;
    result
}

const OPEN_BY_KEYRING: With<'static> = With::Gate {
    reason: "open your records",
};

/// Opens the vault for as long as the process runs.
fn open(global: &Global) -> Result<Guard, Failure> {
    ready(global, Opener::ask(global)?.open()?)
}

/// Says what is wrong with an open vault, and brings it up to date.
fn ready(global: &Global, guard: Guard) -> Result<Guard, Failure> {
    if let Some(lost) = guard.lost_changes()? {
        eprintln!(
            "pocketchart: warning: {lost}. `pocketchart vault check --accept-loss` ends this warning"
        );
    }
    if guard.index_is_old()? {
        let bar = output::bar(global, "indexing anew for this version of the program");
        guard.reindex(|progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            true
        })?;
        bar.finish_and_clear();
    }
    Ok(guard)
}

/// What opens the vault, more than once if need be. The secret is in memory for as long.
struct Opener {
    home: PathBuf,
    person: Person,
    secret: Option<Secret>,
}

impl Opener {
    /// Asks whoever is there for the secret.
    fn ask(global: &Global) -> Result<Self, Failure> {
        let home = secrets::home(global)?;
        // Said before anybody types a secret for it.
        if !exists(&home).map_err(AccessError::from)? && !wipe_was_interrupted(&home) {
            return Err(AccessError::from(VaultError::Missing { home }).into());
        }
        let person = person::chosen(global, &home)?;
        let secret = secrets::to_unlock(global, &person)?;
        Ok(Self {
            home,
            person,
            secret,
        })
    }

    fn open(&self) -> Result<Guard, Failure> {
        let gate = DesktopGate::of_platform();
        let opening = Opening {
            person: &self.person,
            with: self.secret.as_ref().map_or(OPEN_BY_KEYRING, With::Secret),
            gate: Some(&gate),
        };
        let clock = Arc::new(SystemClock);
        Ok(waited_for(Guard::unlock_with(
            &self.home, &opening, clock,
        ))??)
    }
}

/// Packs what came in tighter. It can stop at any time, so that nobody has to wait for it.
fn tidy(guard: &Guard) -> Result<(), Failure> {
    guard.repack(|| true)?;
    Ok(())
}

/// Runs what may ask the keyring, and leaves a keyring behind that never answers.
fn waited_for<R>(work: impl Future<Output = R>) -> Result<R, Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
}

/// The runtime for commands that talk to a network.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::File {
            doing: "starting",
            file: "the runtime".into(),
            source,
        })
}
