//! One type's records on their way into the vault.

use super::page::Held;
use super::window::{Stamps, widened};
use super::{SEARCH, Step};
use crate::access::{Decide, PeerState, PullCursor, Pulled};
use crate::fhir::bundle_stream::{Part, Skipped};
use crate::fhir::{Instant, Reference, Resource};
use crate::seeded::{self, Bug};
use crate::sync::{Progress, Report, SyncError, SyncRun, plan};

/// Records that could not be taken are listed by name up to this number.
const MAX_SKIPPED: usize = 1000;

pub(super) struct Taking<'r> {
    run: &'r SyncRun<'r>,
    step: &'r Step,
    stamps: &'r Stamps,
    /// As it is stored.
    cursor: PullCursor,
    /// Newest stamp when the pull began: what comes with an older one is late.
    before: Option<Instant>,
    /// Newest stamp of all that came.
    newest: Option<Instant>,
    decide: Decide,
    /// The Date of the page at hand.
    pub(super) date: Option<Instant>,
    /// All pages are of this sync.
    pub(super) is_whole: bool,
    /// The cursor goes along.
    moves: bool,
    /// Records that came in an older version than the one here.
    pub(super) older: Vec<Reference>,
    pub(super) report: &'r mut Report,
}

impl<'r> Taking<'r> {
    pub(super) fn new(
        run: &'r SyncRun<'r>,
        step: &'r Step,
        stamps: &'r Stamps,
        cursor: PullCursor,
        decide: Decide,
        report: &'r mut Report,
    ) -> Self {
        Self {
            run,
            step,
            stamps,
            before: cursor.newest,
            newest: cursor.newest,
            cursor,
            decide,
            date: None,
            is_whole: true,
            moves: true,
            older: Vec::new(),
            report,
        }
    }

    /// These were missed: how late they are is measured from where the type was read to.
    pub(super) fn heals(&mut self, newest: Option<Instant>) {
        self.before = newest;
        self.is_whole = false;
        self.moves = false;
    }

    /// The link to the next page is known.
    pub(super) fn linked(&self, link: &str) -> Result<(), SyncError> {
        if seeded::has(Bug::CursorBeforePage) {
            let early = PullCursor {
                newest: self.newest.or(Some(Instant::EPOCH)),
                next: Some(link.to_owned()),
            };
            let (guard, kind) = (self.run.guard, self.step.kind);
            guard.take_page(self.run.peer, kind, &[], &early, plan::on_pulled)?;
        }
        Ok(())
    }

    /// An entry of a page.
    pub(super) fn entry(
        &mut self,
        held: &mut Held,
        part: Part,
        kind: Option<&str>,
    ) -> Result<(), SyncError> {
        held.add(part);
        if held.is_full(kind == Some(SEARCH))? {
            // The cursor stays: after a kill the whole page comes again.
            let stays = self.cursor.clone();
            self.store(held, |_| stays)?;
            held.clear();
        }
        Ok(())
    }

    /// Stores what is left of a page, and that it was read.
    pub(super) fn page(&mut self, mut held: Held, next: Option<String>) -> Result<(), SyncError> {
        self.report.pages += 1;
        self.store(&mut held, |newest| PullCursor { newest, next })
    }

    fn store(
        &mut self,
        held: &mut Held,
        cursor: impl FnOnce(Option<Instant>) -> PullCursor,
    ) -> Result<(), SyncError> {
        let mut skipped = std::mem::take(&mut held.skipped);
        let page = held
            .resources(self.step.kind, &mut skipped)
            .ok_or(SyncError::NotFhir {
                doing: "a search",
                what: "records of a type that was not asked for",
            })?;
        self.report.skipped += u64::try_from(skipped.len()).unwrap_or(u64::MAX);
        let stamps = page.iter().filter_map(Resource::last_updated);
        let believed = stamps.filter(|stamp| self.stamps.is_believable(*stamp, self.date));
        if self.moves {
            self.newest = believed.max().max(self.newest);
        }
        let cursor = cursor(self.newest);
        if page.is_empty() && skipped.is_empty() && cursor == self.cursor {
            return Ok(());
        }
        let (step, before) = (self.step, self.before);
        // With the last page: whether anything can still appear behind the newest stamp.
        let newest = self
            .newest
            .filter(|_| cursor.next.is_none() && self.is_whole);
        let settled = newest.filter(|newest| self.stamps.is_settled(*newest));
        let note = |state: &mut PeerState, pulled: &[Pulled]| {
            skip(state, step, &skipped);
            for (resource, outcome) in page.iter().zip(pulled) {
                came_through(state, resource.name());
                if *outcome == Pulled::Take {
                    learn(state, before, resource.last_updated());
                }
            }
            if let Some(newest) = settled {
                let kind = step.kind.name().to_owned();
                state.settled.insert(kind, newest.epoch_ms());
            }
        };
        let (guard, peer) = (self.run.guard, self.run.peer);
        let pulled = guard.take_page_noting(peer, step.kind, &page, &cursor, self.decide, note)?;
        self.cursor = cursor;
        for (resource, outcome) in page.iter().zip(pulled) {
            self.report.count(outcome);
            if outcome == Pulled::Older {
                self.older.push(resource.name().clone());
            }
            self.report.restored |= outcome == Pulled::WentBack;
        }
        (self.run.progress)(Progress::Receiving {
            kind: step.kind,
            records: self.report.received,
            done: step.done,
            total: step.total,
        });
        Ok(())
    }
}

/// A record that appeared behind the newest stamp widens the window.
pub(super) fn learn(state: &mut PeerState, before: Option<Instant>, stamp: Option<Instant>) {
    let late = before
        .zip(stamp)
        .map(|(before, at)| before.epoch_ms() - at.epoch_ms());
    if let Some(window) = late.and_then(widened) {
        state.window_ms = state.window_ms.max(window);
    }
}

/// An older copy of the server was put back: all is compared from its beginning.
pub(super) fn restored(state: &mut PeerState, now_ms: i64) {
    state.restored_ms = Some(now_ms);
    state.settled.clear();
    state.history.since_ms = None;
    state.history.types.clear();
    (state.round.kind, state.round.from_ms) = (None, None);
}

/// A record came: whatever was said about it is over.
pub(super) fn came_through(state: &mut PeerState, name: &Reference) {
    if state.skipped.is_empty() && state.missing.is_empty() && state.only_here.is_empty() {
        return;
    }
    let name = name.to_string();
    state.skipped.remove(&name);
    state.missing.remove(&name);
    state.only_here.remove(&name);
}

fn skip(state: &mut PeerState, step: &Step, skipped: &[Skipped]) {
    for one in skipped {
        let name = match &one.name {
            Some(name) => name.to_string(),
            None => format!("{}/?", step.kind),
        };
        if state.skipped.len() < MAX_SKIPPED {
            state.skipped.insert(name, one.reason.to_string());
        }
    }
}
