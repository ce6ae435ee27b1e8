//! Syncs: with one server or all, with progress, to be ended at any time.

use super::{Inner, Session};
use crate::redacted::redacted;
use crate::{CancelToken, PocketchartError, runtime};
use pocketchart_core::access::{EditState, Guard};
use pocketchart_core::session::servers::{self, KnownServer};
use pocketchart_core::session::sync::{Synced, with};
use pocketchart_core::sync::Progress;
use std::sync::Arc;

/// What a sync is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SyncPhase {
    /// Local changes go to the server.
    Sending,
    /// Records come from it.
    Receiving,
}

/// How far a sync is.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SyncProgress {
    /// Sending or receiving.
    pub phase: SyncPhase,
    /// The type that is being received.
    pub kind: Option<String>,
    /// Changes sent, or types finished.
    pub done: u64,
    /// Of so many.
    pub total: u64,
    /// Records received so far, of all types.
    pub records: u64,
}

/// Why a listener did not listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum ListenerError {
    /// It failed. The sync goes on.
    #[error("failed")]
    Failed,
}

impl From<uniffi::UnexpectedUniFFICallbackError> for ListenerError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

/// Is told how far a sync is, on a thread of this library. It should only pass it on: the sync waits for it.
#[uniffi::export(with_foreign)]
pub trait SyncListener: Send + Sync {
    /// It is so far. What fails here is not told to anyone, and the sync goes on.
    fn on_progress(&self, progress: SyncProgress) -> Result<(), ListenerError>;
}

/// What a sync did with the visits that were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, uniffi::Record)]
pub struct VisitCounts {
    /// Booked now, or moved to another time.
    pub booked: u64,
    /// Other times are offered: a person chooses.
    pub offered: u64,
    /// Refused by the server.
    pub refused: u64,
    /// Called off now.
    pub cancelled: u64,
    /// Not settled yet; the next sync goes on.
    pub waiting: u64,
}

/// What a sync did with one server.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct ServerSync {
    /// The server.
    pub url: String,
    /// Code of the error that ended it; `None`: it went through.
    pub error: Option<String>,
    /// Local changes that it took.
    pub sent: u64,
    /// Records that came new or newer.
    pub received: u64,
    /// Records that both sides changed: a person decides, all versions are kept.
    pub conflicts: u64,
    /// Local changes that it refused for good. They are kept.
    pub refused: u64,
    /// Local changes whose author has to be approved there first.
    pub held: u64,
    /// Local changes that were merged with what others changed.
    pub merged: u64,
    /// Records that could not be taken (too large, malformed).
    pub skipped: u64,
    /// Records that were deleted there, and so here.
    pub deleted: u64,
    /// Records that are no longer shared with this device.
    pub unshared: u64,
    /// Records that it has lost and that are kept here.
    pub only_here: u64,
    /// Whether it has gone back to an older copy.
    pub went_back: bool,
    /// So many records were missing there at once that none was deleted here.
    pub missing_there: Option<u64>,
    /// Version of the hub's policy that is in force from now on.
    pub policy: Option<u64>,
    /// Whether a policy of the hub's was refused.
    pub policy_refused: bool,
    /// Whether this vault is older than when it last synced with the hub: something was put back.
    pub is_older_than_anchor: bool,
    /// Its visits.
    pub visits: VisitCounts,
    /// Code of the error because of which a visit could not be asked for.
    pub visits_error: Option<String>,
}

/// What a sync did, and what is left.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct SyncReport {
    /// Server by server.
    pub servers: Vec<ServerSync>,
    /// Changed records that still wait for a server.
    pub waiting: u64,
    /// Changed records that wait for a person: a conflict, or a refusal.
    pub for_a_person: u64,
    /// Changed records that wait and that this person may not see.
    pub waiting_unseen: u64,
}

redacted!(ServerSync, SyncReport);

#[uniffi::export]
impl Session {
    /// Sends what waits and receives what is new: with the server at this URL, else with all that are known. Visits that
    /// were asked for go first. One sync at a time; a second one waits.
    ///
    /// Dropping the call ends nothing: `cancel` does, and [`Session::pause`]. What was done until then stays done, and the
    /// next sync goes on from there.
    ///
    /// # Errors
    /// [`PocketchartError::NoServer`]; [`PocketchartError::Cancelled`]; what ended it where there is one server, or where
    /// none went through. Of several servers one that fails keeps the others from nothing: its code is in the report.
    #[uniffi::method(default(server = None, listener = None))]
    pub async fn sync(
        &self,
        server: Option<String>,
        cancel: Arc<CancelToken>,
        listener: Option<Arc<dyn SyncListener>>,
    ) -> Result<SyncReport, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::detached(async move {
            let mut paused = inner.paused.subscribe();
            let began = *paused.borrow_and_update();
            let goes_on =
                || !matches!(cancel.is_cancelled(), Ok(true)) && *inner.paused.borrow() == began;
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err(PocketchartError::Cancelled),
                _ = paused.wait_for(|runs| *runs != began) => Err(PocketchartError::Cancelled),
                report = run(&inner, server, listener, &goes_on) => report,
            }
        })
        .await
    }
}

async fn run(
    inner: &Inner,
    url: Option<String>,
    listener: Option<Arc<dyn SyncListener>>,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<SyncReport, PocketchartError> {
    let guard = inner.core.guard()?;
    let mut known = servers::all(&guard)?;
    if let Some(url) = url {
        known.retain(|server| server.url == url);
    }
    if known.is_empty() {
        return Err(PocketchartError::NoServer);
    }
    let show = |progress| {
        if let Some(listener) = &listener {
            let _ = listener.on_progress(in_words(progress));
        }
    };
    let (mut done, mut failed) = (Vec::new(), None);
    for server in &known {
        match with(&guard, server, &show).await {
            Ok(synced) => {
                done.push(report(server, synced));
                // Packs what came in tighter; it can stop anywhere.
                guard.repack(goes_on)?;
            }
            Err(error) => {
                let error = PocketchartError::from(error);
                // The vault is gone, for all of them.
                if error == PocketchartError::Locked {
                    return Err(error);
                }
                failed = failed.or(Some(error));
                done.push(ServerSync::failed(&server.url, error));
            }
        }
    }
    match failed {
        Some(error) if done.iter().all(|server| server.error.is_some()) => Err(error),
        _ => conclude(&guard, done),
    }
}

fn conclude(guard: &Guard, servers: Vec<ServerSync>) -> Result<SyncReport, PocketchartError> {
    let status = guard.status()?;
    let needs_a_person = |waiting: &&pocketchart_core::access::Waiting| {
        waiting.state != EditState::Waiting || waiting.refusal.is_some()
    };
    let all = u64::try_from(status.waiting.len()).unwrap_or(u64::MAX);
    let for_a_person = status.waiting.iter().filter(needs_a_person).count();
    let for_a_person = u64::try_from(for_a_person).unwrap_or(u64::MAX);
    Ok(SyncReport {
        servers,
        waiting: all.saturating_sub(for_a_person),
        for_a_person,
        waiting_unseen: status.waiting_unseen,
    })
}

fn in_words(progress: Progress) -> SyncProgress {
    match progress {
        Progress::Sending { done, total } => SyncProgress {
            phase: SyncPhase::Sending,
            kind: None,
            done,
            total,
            records: 0,
        },
        Progress::Receiving {
            kind,
            records,
            done,
            total,
        } => SyncProgress {
            phase: SyncPhase::Receiving,
            kind: Some(kind.name().to_owned()),
            done,
            total,
            records,
        },
    }
}

fn report(server: &KnownServer, synced: Synced) -> ServerSync {
    let (records, visits) = (synced.records, synced.visits);
    let code = |error| PocketchartError::from(error).code().to_owned();
    ServerSync {
        url: server.url.clone(),
        error: None,
        sent: records.sent,
        received: records.received,
        conflicts: records.conflicts,
        refused: records.refused,
        held: records.held,
        merged: records.merged,
        skipped: records.skipped,
        deleted: records.deleted,
        unshared: records.unshared,
        only_here: records.only_here,
        went_back: records.restored,
        missing_there: records.stopped.map(|stopped| stopped.missing),
        policy_refused: matches!(records.policy, Some(Err(_))),
        policy: records.policy.and_then(Result::ok),
        is_older_than_anchor: records.missed.is_some(),
        visits: VisitCounts {
            booked: visits.booked,
            offered: visits.offered,
            refused: visits.refused,
            cancelled: visits.cancelled,
            waiting: visits.waiting,
        },
        visits_error: synced.visits_failed.map(code),
    }
}

impl ServerSync {
    fn failed(url: &str, error: PocketchartError) -> Self {
        Self {
            url: url.to_owned(),
            error: Some(error.code().to_owned()),
            sent: 0,
            received: 0,
            conflicts: 0,
            refused: 0,
            held: 0,
            merged: 0,
            skipped: 0,
            deleted: 0,
            unshared: 0,
            only_here: 0,
            went_back: false,
            missing_there: None,
            policy: None,
            policy_refused: false,
            is_older_than_anchor: false,
            visits: VisitCounts::default(),
            visits_error: None,
        }
    }
}
