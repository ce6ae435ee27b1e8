//! One sync as a person means it: records in both directions, and the visits that were asked for.

use super::servers::KnownServer;
use crate::access::Guard;
use crate::care::booking::{BookingReport, BookingRun};
use crate::net::Server;
use crate::sync::{Progress, Report, SyncError, SyncRun};

/// What a sync did.
pub struct Synced {
    /// With the records.
    pub records: Report,
    /// With the visits.
    pub visits: BookingReport,
    /// Why a visit could not be asked for. The records were synced all the same.
    pub visits_failed: Option<SyncError>,
}

impl Synced {
    /// Records that could not be taken, and visits that a person has to look at.
    pub fn for_a_person(&self) -> u64 {
        self.records.skipped + u64::from(self.visits.needs_a_person())
    }
}

/// Syncs with one server. Visits first: others may want the same times. Those of patients whom only the sync brings go
/// behind it.
///
/// Can be dropped at any point: what was done until then stays done, and the next one goes on from there.
///
/// # Errors
/// [`SyncError`]; what was done until then stays done.
pub async fn with(
    guard: &Guard,
    server: &KnownServer,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Synced, SyncError> {
    let client = server.client()?;
    let run = SyncRun {
        guard,
        server: &client,
        peer: server.id,
        patient: server.settings.patient.as_deref(),
        progress,
    };
    let (mut visits, mut visits_failed) = round(guard, &client, server).await?;
    let records = run.run().await?;
    if visits.waiting > 0 {
        let (later, failed) = round(guard, &client, server).await?;
        visits = visits.then(later);
        visits_failed = failed.or(visits_failed);
    }
    Ok(Synced {
        records,
        visits,
        visits_failed,
    })
}

/// One round of visits. What is wrong with one visit keeps no record from being synced.
async fn round(
    guard: &Guard,
    client: &Server,
    server: &KnownServer,
) -> Result<(BookingReport, Option<SyncError>), SyncError> {
    let run = BookingRun {
        guard,
        server: client,
        peer: server.id,
    };
    match run.run().await {
        Ok(report) => Ok((report, None)),
        Err(error @ SyncError::Server { .. }) => Ok((BookingReport::default(), Some(error))),
        Err(error) => Err(error),
    }
}
