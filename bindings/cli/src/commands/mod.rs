//! One file per command.

pub(crate) mod bench;
pub(crate) mod hub;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod search;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod sync;
mod table;
pub(crate) mod transfer;
pub(crate) mod vault;

use crate::args::Global;
use crate::failure::Failure;
use crate::output;
use crate::secrets;
use pocketchart_core::access::{Actor, Guard};
use pocketchart_core::clock::SystemClock;
use pocketchart_core::session::{PATIENT_IDLE, Session};
use std::sync::Arc;

/// Opens the vault, warns where something is missing from it, runs `work`, and locks.
fn with_session<R>(
    global: &Global,
    work: impl FnOnce(&Session) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let clock = Arc::new(SystemClock);
    let session = Session::start(open(global)?, PATIENT_IDLE, clock);
    let result = work(&session);
    session.lock()?;
    result
}

/// Opens the vault for as long as the process runs.
fn open(global: &Global) -> Result<Guard, Failure> {
    let home = secrets::home(global)?;
    let secret = secrets::to_unlock(global)?;
    let guard = Guard::unlock(&home, &secret, Actor::owner(), Arc::new(SystemClock))?;
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

/// Packs what came in tighter. It can stop at any time, so that nobody has to wait for it.
fn tidy(guard: &Guard) -> Result<(), Failure> {
    guard.repack(|| true)?;
    Ok(())
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
