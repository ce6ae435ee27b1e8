//! Making a vault and a FHIR server agree.
//!
//! Push first, then pull: what is sent carries the version it started from, so a change that both sides made is noticed
//! by the server, and kept here as a conflict for a person. What decides is in `plan`, pure; the rest drives it.

mod capability;
mod hub;
mod join;
mod pace;
mod plan;
mod pull;
mod push;
mod read;
#[cfg(test)]
mod simulation;

pub use capability::{Capability, probe};
pub use join::{JoinError, Joined, join};
pub use pace::{Pace, Went};
pub(crate) use read::{read, take_found};

use crate::access::{AccessError, BadPolicy, Guard, Missed, PeerId, Stopped};
use crate::fhir::{Instant, ResourceType};
use crate::net::{NetError, Server};
use std::time::Duration;

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Local changes the server took.
    pub sent: u64,
    /// Records that came new or newer.
    pub received: u64,
    /// Records that came and were known.
    pub known: u64,
    /// Records that both sides changed, found by this sync. All versions are kept.
    pub conflicts: u64,
    /// Local changes the server refused for good, in this sync.
    pub refused: u64,
    /// Local changes the server takes only once their author is approved there. They wait.
    pub held: u64,
    /// Local changes that were merged with what others changed in the same record since.
    pub merged: u64,
    /// Local changes that wait for another one, which the server did not take.
    pub behind: u64,
    /// Writes over versions that the server does not compare: the record was read just before, and whoever wrote last
    /// in between wins.
    pub unguarded: u64,
    /// Records from the server that could not be taken (too large, malformed).
    pub skipped: u64,
    /// Pages read.
    pub pages: u64,
    /// Records that were deleted there, and so here.
    pub deleted: u64,
    /// Records that are no longer shared with us, and so not here any more.
    pub unshared: u64,
    /// Records that had been missed, or had changed unseen, and were found by the comparison of ids and versions.
    pub healed: u64,
    /// Whether the server has gone back: an older copy of it was put back. Newer versions that are here are kept as
    /// conflicts.
    pub restored: bool,
    /// Records that the server has lost and that are kept here, found by this sync.
    pub only_here: u64,
    /// So many records were missing there at once that none was deleted here.
    pub stopped: Option<Stopped>,
    /// The hub's policy, where it is another than before: its version, in force now; or why it was refused.
    pub policy: Option<Result<u64, BadPolicy>>,
    /// What this vault is older by than when it last synced with the hub, until a person has taken note of it.
    pub missed: Option<Missed>,
    /// Whether the hub keeps the anchor of this moment.
    pub anchored: bool,
}

impl Report {
    /// Records that pages brought, whatever became of them.
    fn taken(&self) -> u64 {
        self.received + self.known + self.conflicts + self.merged + self.skipped + self.sent
    }
}

/// How far a sync is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Changes sent so far, of all that wait.
    Sending {
        /// Done.
        done: u64,
        /// Of these.
        total: u64,
    },
    /// A page was stored.
    Receiving {
        /// Its type.
        kind: ResourceType,
        /// Records received so far, of all types.
        records: u64,
        /// Types finished.
        done: u64,
        /// Of these.
        total: u64,
    },
}

/// Why a sync stopped. What was done until then stays done; the next one goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// No usable answer.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The vault.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The server wants a token, or another one.
    #[error("the server does not accept the token; nothing was lost, local changes wait")]
    Unauthorized,
    /// The server failed or refused something that is not about one record.
    #[error("the server answered {status} to {doing}{}", codes.as_deref().map(|c| format!(" ({c})")).unwrap_or_default())]
    Server {
        /// HTTP status.
        status: u16,
        /// What was asked of it.
        doing: &'static str,
        /// Issue codes of its OperationOutcome.
        codes: Option<String>,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server is busy.
    #[error("the server is busy ({status}) and wants to be asked again {}; nothing was lost, local changes wait", in_time(*wait))]
    Busy {
        /// 429 or 503.
        status: u16,
        /// How long to leave it alone, from now.
        wait: Duration,
        /// And until when.
        until: Instant,
    },
    /// The answer is not what FHIR says.
    #[error("the server's answer to {doing} is not FHIR: {what}")]
    NotFhir {
        /// What was asked of it.
        doing: &'static str,
        /// What is wrong.
        what: &'static str,
    },
}

impl SyncError {
    /// How long the server wants to be left alone, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Server { retry_after, .. } => *retry_after,
            Self::Busy { wait, .. } => Some(*wait),
            _ => None,
        }
    }
}

/// One sync of a vault with a server.
pub struct SyncRun<'a> {
    /// The vault.
    pub guard: &'a Guard,
    /// The server.
    pub server: &'a Server,
    /// Its number in the vault.
    pub peer: PeerId,
    /// Id of the only patient whose records are read; `None`: everything the token may see.
    pub patient: Option<&'a str>,
    /// Told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Send + Sync),
}

impl SyncRun<'_> {
    /// Sends what waits, then receives what is new. One at a time in a vault: a second one waits for the first.
    ///
    /// # Errors
    /// [`SyncError`]; what was done until then stays done.
    pub async fn run(&self) -> Result<Report, SyncError> {
        let _turn = self.guard.sync_turn().await;
        let done = self.run_in_turn().await;
        let told = done.as_ref().err().and_then(SyncError::retry_after);
        if let Some(time) = told {
            let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            let until = self.guard.now().epoch_ms().saturating_add(ms);
            self.guard
                .note_peer_state(self.peer, |state| state.not_before_ms = Some(until))?;
        }
        done
    }

    async fn run_in_turn(&self) -> Result<Report, SyncError> {
        let capability = probe(self.server).await?;
        let mut report = Report::default();
        let hub = match capability.takes_change_records {
            true => hub::present(self.guard, self.server).await?,
            false => None,
        };
        let is_hub = hub.is_some();
        if let Some(hub) = hub {
            (report.policy, report.missed) = (hub.policy, hub.missed);
        }
        let done = self.exchange(&capability, &mut report).await;
        // What was done until then is worth an anchor, unless nobody is there to take it.
        if is_hub && !matches!(done, Err(SyncError::Net(_) | SyncError::Unauthorized)) {
            let handed = hub::hand_over(self.guard, self.server).await;
            done?;
            report.anchored = handed?;
            return Ok(report);
        }
        done.map(|()| report)
    }

    async fn exchange(
        &self,
        capability: &Capability,
        report: &mut Report,
    ) -> Result<(), SyncError> {
        let faults = self.push(capability, report).await?;
        self.pull(capability, report).await?;
        let (group, now_ms) = (self.server.group(), self.guard.now().epoch_ms());
        self.guard.note_peer_state(self.peer, |state| {
            state.group = group;
            state.not_before_ms = None;
            state.last_sync_ms = Some(now_ms);
        })?;
        faults.into_first().map_or(Ok(()), Err)
    }
}

fn in_time(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ 0..120 => format!("in {seconds} seconds"),
        seconds => format!("in {} minutes", seconds.div_ceil(60)),
    }
}

/// Turns an answer that is about no single record into an error.
pub(crate) fn failed(answer: &crate::net::Answer, doing: &'static str) -> SyncError {
    match answer.status {
        401 => SyncError::Unauthorized,
        status => SyncError::Server {
            status,
            doing,
            codes: crate::fhir::outcome::codes(&answer.text),
            retry_after: answer.retry_after,
        },
    }
}
