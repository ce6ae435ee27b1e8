//! One type's pages, from where the cursor stands to the end.

use super::page::{Came, Held, Pages};
use super::taking::Taking;
use super::window::Stamps;
use super::{AHEAD, AHEAD_MS, PAGES, SEARCH, Step};
use crate::access::{Decide, PullCursor};
use crate::fhir::{Instant, Reference};
use crate::net::{Answer, NetError, Request};
use crate::seeded::{self, Bug};
use crate::sync::{Report, SyncError, SyncRun, failed, plan};
use std::collections::VecDeque;

/// Pages in a row without a record before a pull gives up.
const MAX_EMPTY_PAGES: u32 = 100;

/// A type's turn, and whose come then.
pub(super) struct Turn<'r> {
    pub(super) step: &'r Step,
    pub(super) rest: &'r [Step],
    pub(super) stamps: &'r Stamps,
}

/// A type whose first page was asked for.
pub(super) struct Begun<'s> {
    cursor: PullCursor,
    decide: Decide,
    /// Where its search begins.
    first: Request,
    /// It goes on with a link of an earlier sync.
    is_resumed: bool,
    pages: Pages<'s>,
    /// When, by our own clock.
    at: Instant,
}

impl Begun<'_> {
    /// Whether its answer has not waited too long for its turn.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now.epoch_ms() - self.at.epoch_ms() <= AHEAD_MS
    }
}

impl SyncRun<'_> {
    /// Asks for the first page of a type.
    pub(super) fn begin(
        &self,
        step: &Step,
        page: usize,
        stamps: &Stamps,
    ) -> Result<Begun<'_>, SyncError> {
        let cursor = self.guard.pull_cursor(self.peer, step.kind)?;
        let state = self.guard.peer_state(self.peer)?;
        let settled = state.settled.get(step.kind.name()).copied();
        let is_settled = settled.is_some() && settled == cursor.newest.map(|at| at.epoch_ms());
        let first = Request::get(step.first_page(&cursor, page, is_settled, stamps));
        // A link goes on with pages of the size it was made for.
        let resumed = cursor.next.clone().filter(|_| page == PAGES[0]);
        let is_resumed = resumed.is_some();
        let mut request = resumed.map_or_else(|| first.clone(), Request::follow);
        request.looks_ahead = true;
        let decide = match (state.restored_ms, cursor.newest) {
            (Some(_), _) => plan::on_read,
            (None, None) => plan::on_first,
            (None, Some(_)) => plan::on_pulled,
        };
        Ok(Begun {
            cursor,
            decide,
            first,
            is_resumed,
            pages: self.pages(request),
            at: self.guard.now(),
        })
    }

    fn pages(&self, request: Request) -> Pages<'_> {
        Pages::new(self.server, "a search", request)
    }

    /// Pulls one type; answers with the server's refusal, if the type is not for us. When its last page is there, the
    /// types after it are asked for, in `ahead`.
    pub(super) async fn pull_type<'s>(
        &'s self,
        turn: &Turn<'_>,
        begun: Begun<'s>,
        older: &mut Vec<Reference>,
        ahead: &mut VecDeque<Begun<'s>>,
        report: &mut Report,
    ) -> Result<Option<Answer>, SyncError> {
        let (mut pages, mut is_resumed) = (begun.pages, begun.is_resumed);
        let (step, stamps) = (turn.step, turn.stamps);
        let mut taking = Taking::new(self, step, stamps, begun.cursor, begun.decide, report);
        // The pages of a search that began in an earlier sync show what was there then.
        taking.is_whole = !is_resumed;
        let mut empty = 0;
        loop {
            let reply = match pages.turn().await {
                Ok(None) => break,
                Ok(Some(reply)) if is_resumed && matches!(reply.status, 400 | 404 | 410) => None,
                Err(SyncError::Net(NetError::ForeignLink)) if is_resumed => None,
                reply => reply?,
            };
            is_resumed = false;
            // A stored link that leads elsewhere, or that the server no longer knows: the cursor says where to begin again.
            let Some(reply) = reply else {
                pages = self.pages(begun.first.clone());
                taking.is_whole = true;
                continue;
            };
            match reply.status {
                200 => {}
                // Not offered to us, or not at all: the other types go on.
                403 | 404 => return Ok(Some(reply.answer().await?)),
                _ => return Err(failed(&reply.answer().await?, "a search")),
            }
            let before = taking.report.taken();
            taking.date = reply.date;
            let mut held = Held::default();
            let around = pages
                .read(reply, &mut |came| match came {
                    Came::Link(link) => taking.linked(link),
                    Came::Entry(part, kind) => taking.entry(&mut held, part, kind),
                })
                .await?;
            if around.kind != SEARCH {
                return Err(pages.not_fhir("not a searchset"));
            }
            if around.next.is_none() {
                // They come in while the last page of this one is stored.
                for next in turn.rest.iter().take(AHEAD).skip(ahead.len()) {
                    ahead.push_back(self.begin(next, PAGES[0], stamps)?);
                }
            }
            taking.page(held, around.next)?;
            // Links that differ and bring nothing could go on for ever.
            empty = match taking.report.taken() > before {
                true => 0,
                false => empty + 1,
            };
            if empty > MAX_EMPTY_PAGES {
                return Err(pages.not_fhir("page after page is empty"));
            }
        }
        older.append(&mut taking.older);
        Ok(None)
    }
}

impl Step {
    fn first_page(
        &self,
        cursor: &PullCursor,
        page: usize,
        is_settled: bool,
        stamps: &Stamps,
    ) -> String {
        let mut bounds = Vec::new();
        if let Some(newest) = cursor.newest {
            // `ge`, not `gt`: servers stamp finer than they print, and a transaction shares one stamp.
            bounds.push(match seeded::has(Bug::GtForGe) {
                true => format!("_lastUpdated=gt{newest}"),
                false => format!("_lastUpdated=ge{}", stamps.from(newest, is_settled)),
            });
        }
        self.search(&bounds, page)
    }

    pub(super) fn search(&self, parameters: &[String], page: usize) -> String {
        let narrowed = self.narrowed.iter().chain(parameters);
        let all: String = narrowed.map(|parameter| format!("{parameter}&")).collect();
        format!("{}?{all}_sort=_lastUpdated,_id&_count={page}", self.kind)
    }
}
