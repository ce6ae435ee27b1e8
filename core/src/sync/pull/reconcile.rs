//! The slow comparison of ids and versions, a part of it in each sync and round and round: it proves that nothing was
//! missed, and finds deletions where the server does not tell them.
//!
//! A stretch of one type, by `lastUpdated`, is compared with the same stretch here: each record of the server stands in
//! exactly one. So a round needs no list of everything, and goes on where it was after a kill.

use super::gone::is_within;
use super::page::{Came, Held, Pages};
use super::taking::{self, Taking};
use super::window::Stamps;
use super::{SEARCH, Step};
use crate::access::{PullCursor, Round, Stretch};
use crate::fhir::{Instant, Reference, Resource, ResourceId, ResourceType};
use crate::net::{NetError, Request};
use crate::seeded::{self, Bug};
use crate::sync::{Report, SyncError, SyncRun, failed, plan};
use std::collections::BTreeMap;

/// Records of one stretch, about.
const STRETCH: usize = 1000;
/// Stretches in one sync.
const STRETCHES: usize = 8;
/// It goes on no more often than this (ms): where nothing else tells what was deleted, and where the history does.
const PACE_MS: i64 = 60_000;
const EASY_PACE_MS: i64 = 10 * 60_000;
/// Records read again in one search.
const TOGETHER: usize = 50;

/// What a list says of a record: its version and its stamp.
type Listed = BTreeMap<String, (Option<String>, Option<Instant>)>;

impl SyncRun<'_> {
    /// Goes on with the round, where it is time.
    pub(super) async fn reconcile(
        &self,
        stamps: &Stamps,
        steps: &[&Step],
        has_history: bool,
        report: &mut Report,
    ) -> Result<(), SyncError> {
        let now_ms = self.guard.now().epoch_ms();
        let state = self.guard.peer_state(self.peer)?;
        let pace = if has_history { EASY_PACE_MS } else { PACE_MS };
        match state.round.at_ms {
            // A load has just read everything.
            None if state.restored_ms.is_none() => {
                return Ok(self
                    .guard
                    .note_peer_state(self.peer, |state| state.round.at_ms = Some(now_ms))?);
            }
            Some(at) if is_within(at, now_ms, pace) && state.restored_ms.is_none() => return Ok(()),
            _ => {}
        }
        for _ in 0..STRETCHES.min(steps.len() * STRETCHES) {
            let rounds = self.guard.peer_state(self.peer)?.round.rounds;
            self.compare(stamps, steps, report).await?;
            if self.guard.peer_state(self.peer)?.round.rounds != rounds {
                break;
            }
        }
        Ok(self
            .guard
            .note_peer_state(self.peer, |state| state.round.at_ms = Some(now_ms))?)
    }

    /// Compares one stretch.
    async fn compare(
        &self,
        stamps: &Stamps,
        steps: &[&Step],
        report: &mut Report,
    ) -> Result<(), SyncError> {
        let round = self.guard.peer_state(self.peer)?.round;
        let place = steps.iter().position(|step| round.is_at(step.kind));
        let at = place.unwrap_or(0);
        let Some(step) = steps.get(at) else {
            return Ok(());
        };
        let from_ms = round.from_ms.filter(|_| place.is_some());
        let lowest = Instant::from_epoch_ms(i64::MIN).epoch_ms();
        let (kind, start) = (step.kind, from_ms.unwrap_or(lowest));
        let here = self.guard.stretch(self.peer, kind, start, STRETCH)?;
        let cursor = self.guard.pull_cursor(self.peer, kind)?;
        let next = steps.get(at + 1).map(|step| step.kind.name().to_owned());
        let go_on = |state: &mut crate::access::PeerState| match here.end_ms {
            Some(end) => {
                (state.round.kind, state.round.from_ms) = (Some(kind.name().into()), Some(end));
            }
            None if next.is_some() => (state.round.kind, state.round.from_ms) = (next, None),
            None => {
                state.round = Round {
                    rounds: state.round.rounds + 1,
                    whole: std::mem::take(&mut state.round.whole),
                    ..Round::default()
                };
                (state.deletions_allowed, state.restored_ms) = (false, None);
            }
        };
        let Some(there) = self.list(step, from_ms, here.end_ms, &round).await? else {
            // It lists nothing of this type to us any more: the next one.
            return Ok(self.guard.note_peer_state(self.peer, go_on)?);
        };
        let wanted = wanted(&here, &there, &cursor);
        if self.heal(step, &wanted, stamps, &cursor, report).await? {
            // All over again.
            return Ok(());
        }
        let missing = here
            .records
            .iter()
            .filter(|(id, standing)| !standing.is_edited && !there.contains_key(id.as_str()));
        let missing: Vec<Reference> = missing.filter_map(|(id, _)| named(kind, id)).collect();
        self.settle_missing(missing, false, report, go_on).await
    }

    /// Ids and versions of a stretch; `None`: not for us.
    async fn list(
        &self,
        step: &Step,
        from_ms: Option<i64>,
        end_ms: Option<i64>,
        round: &Round,
    ) -> Result<Option<Listed>, SyncError> {
        let bound =
            |prefix: &str, ms: i64| format!("_lastUpdated={prefix}{}", Instant::from_epoch_ms(ms));
        let mut parameters: Vec<String> = Vec::new();
        parameters.extend(from_ms.map(|ms| bound("ge", ms)));
        parameters.extend(end_ms.map(|ms| bound("lt", ms)));
        let mut is_whole = round.whole.contains(step.kind.name());
        loop {
            let mut all = parameters.clone();
            if !is_whole {
                all.push("_elements=id,meta".into());
            }
            let request = Request::get(step.search(&all, STRETCH));
            match self.list_pages(step, request).await? {
                Ok(listed) => return Ok(Some(listed)),
                // It cannot leave anything out of a record: then all of it comes.
                Err(400..=499) if !is_whole => {
                    is_whole = true;
                    let kind = step.kind.name().to_owned();
                    self.guard.note_peer_state(self.peer, |state| {
                        state.round.whole.insert(kind);
                    })?;
                }
                Err(_) => return Ok(None),
            }
        }
    }

    async fn list_pages(
        &self,
        step: &Step,
        first: Request,
    ) -> Result<Result<Listed, u16>, SyncError> {
        let mut pages = Pages::new(self.server, "a list of ids", first);
        let mut listed = Listed::new();
        while let Some(reply) = pages.turn().await? {
            match reply.status {
                200 => {}
                401 | 429 | 500.. => return Err(failed(&reply.answer().await?, "a list of ids")),
                status => return Ok(Err(status)),
            }
            let mut take = |came: Came<'_>| {
                if let Came::Entry(part, _) = came
                    && part.mode.as_deref() != Some("outcome")
                {
                    match part.resource {
                        Some(Ok(text)) => {
                            if let Ok(resource) = Resource::parse_text(&text)
                                && resource.kind() == step.kind
                            {
                                let version = resource.version().map(str::to_owned);
                                let id = resource.name().id.as_str().to_owned();
                                listed.insert(id, (version, resource.last_updated()));
                            }
                        }
                        // Too large even so, and there.
                        Some(Err(skipped)) => {
                            if let Some(name) = skipped.name.filter(|name| name.kind == step.kind) {
                                listed.insert(name.id.as_str().to_owned(), (None, None));
                            }
                        }
                        None => {}
                    }
                }
                Ok(())
            };
            match pages.read(reply, &mut take).await {
                Err(SyncError::Net(NetError::TooLarge)) => return Ok(Err(413)),
                around if around.as_ref().is_ok_and(|around| around.kind != SEARCH) => {
                    return Err(pages.not_fhir("not a searchset"));
                }
                around => around?,
            };
        }
        Ok(Ok(listed))
    }

    /// Reads what was missed or has changed unseen. `true`: an older copy of the server was put back.
    async fn heal(
        &self,
        step: &Step,
        wanted: &[String],
        stamps: &Stamps,
        cursor: &PullCursor,
        report: &mut Report,
    ) -> Result<bool, SyncError> {
        // It would mend what these break, and nobody would see it.
        if seeded::has(Bug::GtForGe) || seeded::has(Bug::CursorBeforePage) {
            return Ok(false);
        }
        let mut older = Vec::new();
        for ids in wanted.chunks(TOGETHER) {
            let search = Step {
                narrowed: Some(format!("_id={}", ids.join(","))),
                kind: step.kind,
                ..*step
            };
            let request = Request::get(search.search(&[], TOGETHER));
            let mut pages = Pages::new(self.server, "a search by ids", request);
            // The cursor of the type stays where it is.
            let stays = PullCursor::default();
            let before = report.received;
            let mut taking = Taking::new(self, step, stamps, stays, plan::on_pulled, report);
            taking.heals(cursor.newest);
            while let Some(reply) = pages.turn().await? {
                if reply.status != 200 {
                    return match reply.answer().await? {
                        answer if matches!(answer.status, 400 | 403 | 404) => Ok(false),
                        answer => Err(failed(&answer, "a search by ids")),
                    };
                }
                let mut held = Held::default();
                let around = pages
                    .read(reply, &mut |came| match came {
                        Came::Link(_) => Ok(()),
                        Came::Entry(part, kind) => taking.entry(&mut held, part, kind),
                    })
                    .await?;
                if around.kind != SEARCH {
                    return Err(pages.not_fhir("not a searchset"));
                }
                taking.page(held, None)?;
            }
            older.append(&mut taking.older);
            report.healed += report.received - before;
        }
        if !self.went_back(older, report).await? {
            return Ok(false);
        }
        report.restored = true;
        let now_ms = self.guard.now().epoch_ms();
        self.guard
            .read_all_again(self.peer, |state| taking::restored(state, now_ms))?;
        Ok(true)
    }
}

/// What is there and not here, or in another version. What is newer than the cursor comes with the next pull.
fn wanted(here: &Stretch, there: &Listed, cursor: &PullCursor) -> Vec<String> {
    let is_unseen = |at: &Option<Instant>| cursor.newest.is_some() && *at < cursor.newest;
    let is_other = |(id, (version, at)): &(&String, &(Option<String>, Option<Instant>))| {
        let known = here.records.get(id.as_str());
        is_unseen(at)
            && known.is_none_or(|known| {
                !known.is_edited && version.is_some() && known.version != *version
            })
    };
    let others = there.iter().filter(is_other);
    others.map(|(id, _)| id.clone()).collect()
}

fn named(kind: ResourceType, id: &str) -> Option<Reference> {
    Some(Reference {
        kind,
        id: ResourceId::new(id).ok()?,
    })
}

impl Round {
    fn is_at(&self, kind: ResourceType) -> bool {
        self.kind.as_deref() == Some(kind.name())
    }
}
