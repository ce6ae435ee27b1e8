//! Records that the server no longer has.
//!
//! Where it keeps a history, that says what was deleted since. Missing from a list is not deleted: pages shift, caches
//! lie, access is lost. A direct read decides each time, and very many at once are never deleted by themselves: then the
//! server, not the records, is what is wrong.

use super::Step;
use super::page::{Came, Pages};
use super::window::Stamps;
use crate::access::{Dropped, Gone, PeerState, Stopped};
use crate::fhir::bundle_stream::{Part, name_of};
use crate::fhir::{Instant, Reference};
use crate::net::{NetError, Request};
use crate::seeded::{self, Bug};
use crate::sync::{Capability, Report, SyncError, SyncRun, failed};
use std::collections::BTreeSet;

/// Records asked about in one sync.
const READS: usize = 200;
/// So few are always deleted; of more only as many as [`MOST`], and where they are just missing no more than one in
/// [`ONE_IN`].
const FEW: u64 = 10;
const MOST: u64 = 50;
const ONE_IN: u64 = 50;
/// A server that refused its history is asked again after this time, ms.
const REFUSED_MS: i64 = 24 * 60 * 60_000;
/// Histories of single types are asked for no more often, ms: they cost one request each.
pub(super) const TYPES_MS: i64 = 60_000;
/// Versions on a page.
const VERSIONS: usize = 1000;

/// Where a history was read to.
enum Place {
    All(i64),
    Kind(&'static str, i64),
}

impl SyncRun<'_> {
    /// Takes out what was deleted there since the last sync. Answers whether the server tells.
    pub(super) async fn deletions(
        &self,
        capability: &Capability,
        stamps: &Stamps,
        steps: &[&Step],
        report: &mut Report,
    ) -> Result<bool, SyncError> {
        self.ask_again(stamps, report).await?;
        let Some(now_ms) = stamps.history_since() else {
            return Ok(false);
        };
        let ours_ms = self.guard.now().epoch_ms();
        let state = self.guard.peer_state(self.peer)?;
        let waits =
            |refused: Option<i64>| refused.is_some_and(|at| is_within(at, ours_ms, REFUSED_MS));
        if capability.has_history && !waits(state.history.refused_ms) {
            let Some(since_ms) = state.history.since_ms else {
                // What was there before came with the records themselves.
                self.guard
                    .note_peer_state(self.peer, |state| state.history.since_ms = Some(now_ms))?;
                return Ok(true);
            };
            if self
                .tombstones("", since_ms, Place::All(now_ms), report)
                .await?
            {
                return Ok(true);
            }
            self.guard
                .note_peer_state(self.peer, |state| state.history.refused_ms = Some(ours_ms))?;
        }
        let tells = |step: &&&Step| {
            let refused = state
                .history
                .types_refused_ms
                .get(step.kind.name())
                .copied();
            capability.histories.contains(&step.kind) && !waits(refused)
        };
        let telling: Vec<&&Step> = steps.iter().filter(tells).collect();
        let is_soon = state.history.types_asked_ms;
        if telling.is_empty() || is_soon.is_some_and(|at| is_within(at, ours_ms, TYPES_MS)) {
            return Ok(!telling.is_empty());
        }
        let mut tells = true;
        for step in telling {
            let kind = step.kind.name();
            let known = state.history.types.get(kind).copied();
            let told = match known {
                Some(since_ms) => {
                    let place = Place::Kind(kind, now_ms);
                    self.tombstones(kind, since_ms, place, report).await?
                }
                None => true,
            };
            self.guard.note_peer_state(self.peer, |state| match told {
                true if known.is_none() => {
                    state.history.types.insert(kind.to_owned(), now_ms);
                }
                true => {}
                false => {
                    let refused = &mut state.history.types_refused_ms;
                    refused.insert(kind.to_owned(), ours_ms);
                }
            })?;
            tells &= told;
        }
        self.guard.note_peer_state(self.peer, |state| {
            state.history.types_asked_ms = Some(ours_ms)
        })?;
        Ok(tells)
    }

    /// Reads the history of a type (of all: empty) for deletions. `false`: the server refuses it.
    async fn tombstones(
        &self,
        kind: &'static str,
        since_ms: i64,
        place: Place,
        report: &mut Report,
    ) -> Result<bool, SyncError> {
        let since = Instant::from_epoch_ms(since_ms);
        let slash = if kind.is_empty() { "" } else { "/" };
        let first = format!("{kind}{slash}_history?_since={since}&_count={VERSIONS}");
        let mut pages = Pages::new(self.server, "a history", Request::get(first));
        let mut deleted = BTreeSet::new();
        while let Some(reply) = pages.turn().await? {
            match reply.status {
                200 => {}
                400 | 403 | 404 | 405 | 410 | 501 => return Ok(false),
                _ => return Err(failed(&reply.answer().await?, "a history")),
            }
            let mut take = |came: Came<'_>| {
                if let Came::Entry(part, _) = came
                    && let Some(name) = deleted_in(&part)
                {
                    deleted.insert(name);
                }
                Ok(())
            };
            match pages.read(reply, &mut take).await {
                Err(SyncError::Net(NetError::TooLarge)) => return Ok(false),
                around => around?,
            };
        }
        let candidates = deleted.into_iter().collect();
        self.settle_missing(candidates, true, report, |state| match place {
            Place::All(at_ms) => state.history.since_ms = Some(at_ms),
            Place::Kind(kind, at_ms) => {
                state.history.types.insert(kind.to_owned(), at_ms);
            }
        })
        .await?;
        Ok(true)
    }

    /// Those that the server did not know once, and whose time has come.
    async fn ask_again(&self, stamps: &Stamps, report: &mut Report) -> Result<(), SyncError> {
        let now_ms = self.guard.now().epoch_ms();
        let wait = stamps.window_ms().max(TYPES_MS);
        let state = self.guard.peer_state(self.peer)?;
        let due = state
            .missing
            .iter()
            .filter(|(_, at)| !is_within(**at, now_ms, wait));
        let due: Vec<Reference> = due
            .filter_map(|(name, _)| Reference::parse(name).ok())
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        self.settle_missing(due, true, report, |_| {}).await
    }

    /// Finds out what became of records that seem to be gone, and takes those out that are. `is_told`: one answer is enough,
    /// since a history named them, or an earlier answer; else, where the server knows nothing of it, it is asked again
    /// later. `note` is kept with it, unless some are left for another time.
    pub(super) async fn settle_missing(
        &self,
        candidates: Vec<Reference>,
        is_told: bool,
        report: &mut Report,
        note: impl FnOnce(&mut PeerState),
    ) -> Result<(), SyncError> {
        let state = self.guard.peer_state(self.peer)?;
        let mut known = Vec::new();
        for name in candidates {
            let stands = self.guard.standing_of(self.peer, &name)?.is_some();
            if stands && !state.only_here.contains(&name.to_string()) {
                known.push(name);
            }
        }
        let now_ms = self.guard.now().epoch_ms();
        let missing = u64::try_from(known.len()).unwrap_or(u64::MAX);
        if let Some(stopped) = self.too_many(&state, missing, is_told, now_ms)? {
            report.stopped = Some(stopped);
            self.guard
                .note_peer_state(self.peer, |state| state.stopped = Some(stopped))?;
            return Ok(());
        }
        let is_all = known.len() <= READS;
        let (mut gone, mut once) = (Vec::new(), Vec::new());
        for name in known.into_iter().take(READS) {
            let fate = match seeded::has(Bug::DeleteByAbsence) {
                true => Some(Gone::Deleted),
                false => self.fate(&name, report).await?,
            };
            match fate {
                Some(Gone::Unknown | Gone::Deleted) if state.restored_ms.is_some() => {
                    gone.push((name, Gone::Lost));
                }
                Some(Gone::Unknown) if !is_told => once.push(name),
                Some(how) => gone.push((name, how)),
                None => {}
            }
        }
        let names = gone.clone();
        let dropped = self.guard.drop_gone(self.peer, &gone, |state, dropped| {
            for ((name, _), became) in names.iter().zip(dropped) {
                let name = name.to_string();
                state.missing.remove(&name);
                if *became == Dropped::Removed {
                    state.round.deleted += u64::from(!is_told);
                    state.skipped.remove(&name);
                }
                if *became == Dropped::Kept {
                    state.only_here.insert(name);
                }
            }
            for name in once {
                state.missing.entry(name.to_string()).or_insert(now_ms);
            }
            if is_all {
                state.stopped = None;
                note(state);
            }
        })?;
        for ((_, how), became) in gone.iter().zip(dropped) {
            match (became, how) {
                (Dropped::Removed, Gone::Unshared) => report.unshared += 1,
                (Dropped::Removed, _) => report.deleted += 1,
                (Dropped::Conflict, _) => report.conflicts += 1,
                (Dropped::Kept, _) => report.only_here += 1,
                (Dropped::Nothing, _) => {}
            }
        }
        Ok(())
    }

    fn too_many(
        &self,
        state: &PeerState,
        missing: u64,
        is_told: bool,
        at_ms: i64,
    ) -> Result<Option<Stopped>, SyncError> {
        // Of a round that goes on for days the whole counts, where absence is all there is.
        let missing = match is_told {
            true => missing,
            false => missing + state.round.deleted,
        };
        // What a restored server has lost is kept anyway.
        if missing <= FEW || state.deletions_allowed || state.restored_ms.is_some() {
            return Ok(None);
        }
        let of = self.guard.records_from(self.peer)? + state.round.deleted;
        let is_too_many = missing > MOST || !is_told && missing > of / ONE_IN;
        Ok(is_too_many.then_some(Stopped { at_ms, missing, of }))
    }

    /// What a direct read says; `None`: it is there, or nothing can be said now.
    async fn fate(&self, name: &Reference, report: &mut Report) -> Result<Option<Gone>, SyncError> {
        let answer = self.read_one(name).await?;
        match answer.status {
            200 => {
                self.take_one(name, &answer.text, report)?;
                Ok(None)
            }
            410 => Ok(Some(Gone::Deleted)),
            404 => Ok(Some(Gone::Unknown)),
            403 => Ok(Some(Gone::Unshared)),
            _ => Ok(None),
        }
    }
}

/// The record that an entry of a history says was deleted. Not every server gives those a time, or an address.
fn deleted_in(part: &Part) -> Option<Reference> {
    let (method, url) = part.request.as_ref()?;
    if method != "DELETE" {
        return None;
    }
    name_of(url).or_else(|| part.name.clone())
}

/// Whether less than `span_ms` has passed since `at_ms`. A clock that was put back has no say.
pub(super) fn is_within(at_ms: i64, now_ms: i64, span_ms: i64) -> bool {
    (0..span_ms).contains(&(now_ms - at_ms))
}
