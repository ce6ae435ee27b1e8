//! Receiving: type by type, oldest change first, each page stored together with the cursor behind it; then what is gone
//! there, and a part of the slow comparison that proves that nothing was missed.

mod gone;
mod page;
mod reconcile;
mod taking;
mod window;

use self::page::{Came, Held, Pages};
use self::taking::Taking;
use self::window::Stamps;
use super::{Capability, Report, SyncError, SyncRun, failed, plan};
use crate::access::{Decide, PullCursor, Pulled};
use crate::fhir::{Reference, Resource, ResourceType};
use crate::net::{Answer, NetError, Request};
use crate::seeded::{self, Bug};

/// Records asked for in one page; fewer where the server's pages of large records are longer than an answer may be. A
/// page is one transaction, and their length is what the speed depends on most.
const PAGES: [usize; 3] = [1000, 50, 1];

/// Pages in a row without a record before a pull gives up.
const MAX_EMPTY_PAGES: u32 = 100;

/// What a search answers with.
const SEARCH: &str = "searchset";

/// One type's turn.
pub(super) struct Step {
    kind: ResourceType,
    /// The parameter that narrows it to one patient.
    narrowed: Option<String>,
    done: u64,
    total: u64,
}

/// A type whose first page is under way.
struct Begun<'s> {
    cursor: PullCursor,
    /// From the cursor, where the pages go on from a stored link.
    first: Request,
    is_resumed: bool,
    pages: Pages<'s>,
    decide: Decide,
}

/// How the pull of a type ended.
#[derive(Default)]
struct Ended<'s> {
    /// The type is not for us: the server's answer.
    refused: Option<Answer>,
    /// The next type, under way.
    next: Option<Begun<'s>>,
}

/// What the types of one pull brought beside records.
#[derive(Default)]
struct Found {
    /// Versions older than ours, from lists.
    older: Vec<Reference>,
    /// Places in the list of types that answered.
    answered: Vec<usize>,
}

impl SyncRun<'_> {
    pub(super) async fn pull(
        &self,
        capability: &Capability,
        report: &mut Report,
    ) -> Result<(), SyncError> {
        let types = plan::types(&capability.types, self.patient);
        let total = u64::try_from(types.len()).unwrap_or(u64::MAX);
        let steps: Vec<Step> = (0..)
            .zip(types)
            .map(|(done, (kind, narrowed))| Step {
                kind,
                narrowed,
                done,
                total,
            })
            .collect();
        let mut found = self.pull_types(&steps, capability, report).await?;
        if self
            .went_back(std::mem::take(&mut found.older), report)
            .await?
        {
            report.restored = true;
            let now_ms = self.guard.now().epoch_ms();
            self.guard
                .read_all_again(self.peer, |state| taking::restored(state, now_ms))?;
            found = self.pull_types(&steps, capability, report).await?;
        }
        let answered: Vec<&Step> = found.answered.iter().map(|at| &steps[*at]).collect();
        let stamps = self.stamps(capability)?;
        let has_history = self
            .deletions(capability, &stamps, &answered, report)
            .await?;
        self.reconcile(&stamps, &answered, has_history, report)
            .await
    }

    fn stamps(&self, capability: &Capability) -> Result<Stamps, SyncError> {
        Ok(Stamps {
            at_commit: capability.stamps_at_commit,
            learned_ms: self.guard.peer_state(self.peer)?.window_ms,
            begun: capability.date,
            ours: self.guard.now(),
        })
    }

    async fn pull_types(
        &self,
        steps: &[Step],
        capability: &Capability,
        report: &mut Report,
    ) -> Result<Found, SyncError> {
        let stamps = self.stamps(capability)?;
        let mut found = Found::default();
        let mut refused = None;
        let mut under_way = None;
        for (at, step) in steps.iter().enumerate() {
            for page in PAGES {
                let begun = match under_way.take() {
                    Some(begun) => begun,
                    None => self.begin(step, page, &stamps)?,
                };
                let begin_next = || match steps.get(at + 1) {
                    Some(next) => self.begin(next, PAGES[0], &stamps).map(Some),
                    None => Ok(None),
                };
                let mut taking = Taking::new(
                    self,
                    step,
                    &stamps,
                    begun.cursor.clone(),
                    begun.decide,
                    report,
                );
                match self.pull_type(begun, &mut taking, &begin_next).await {
                    Err(SyncError::Net(NetError::TooLarge)) if page > 1 => continue,
                    Err(error) => return Err(error),
                    Ok(Ended {
                        refused: Some(answer),
                        ..
                    }) => refused = Some(answer),
                    Ok(ended) => {
                        found.older.append(&mut taking.older);
                        found.answered.push(at);
                        under_way = ended.next;
                    }
                }
                break;
            }
        }
        // One type that is not for us is usual; no type at all is an error, not an empty record.
        match refused {
            Some(answer) if found.answered.is_empty() => Err(failed(&answer, "every search")),
            _ => Ok(found),
        }
    }

    /// Asks for the first page of a type.
    fn begin(&self, step: &Step, page: usize, stamps: &Stamps) -> Result<Begun<'_>, SyncError> {
        let cursor = self.guard.pull_cursor(self.peer, step.kind)?;
        let state = self.guard.peer_state(self.peer)?;
        let settled = state.settled.get(step.kind.name()).copied();
        let is_settled = settled.is_some() && settled == cursor.newest.map(|at| at.epoch_ms());
        let first = Request::get(step.first_page(&cursor, page, is_settled, stamps));
        // A link goes on with pages of the size it was made for.
        let resumed = cursor.next.clone().filter(|_| page == PAGES[0]);
        let is_resumed = resumed.is_some();
        let request = resumed.map_or_else(|| first.clone(), Request::follow);
        Ok(Begun {
            pages: Pages::new(self.server, "a search", request),
            decide: match (state.restored_ms, cursor.newest) {
                (Some(_), _) => plan::on_read,
                (None, None) => plan::on_first,
                (None, Some(_)) => plan::on_pulled,
            },
            cursor,
            first,
            is_resumed,
        })
    }

    /// Pulls one type. `begin_next`: begins the next one, which comes in while the last page of this one is stored.
    async fn pull_type<'s>(
        &self,
        begun: Begun<'s>,
        taking: &mut Taking<'_>,
        begin_next: &(dyn Fn() -> Result<Option<Begun<'s>>, SyncError> + Sync),
    ) -> Result<Ended<'s>, SyncError>
    where
        Self: 's,
    {
        let (mut pages, mut is_resumed) = (begun.pages, begun.is_resumed);
        let mut ended = Ended::default();
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
                pages = Pages::new(pages.server, "a search", begun.first.clone());
                taking.is_whole = true;
                continue;
            };
            match reply.status {
                200 => {}
                // Not offered to us, or not at all: the other types go on.
                403 | 404 => {
                    let refused = Some(reply.answer().await?);
                    return Ok(Ended {
                        refused,
                        next: None,
                    });
                }
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
                ended.next = begin_next()?;
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
        Ok(ended)
    }

    /// Lists showed older versions of these than those here. Whether the server itself has them; what is newer here is
    /// kept then.
    async fn went_back(
        &self,
        older: Vec<Reference>,
        report: &mut Report,
    ) -> Result<bool, SyncError> {
        let mut went_back = false;
        for name in older {
            let answer = self.read_one(&name).await?;
            if answer.status == 200 {
                went_back |= self.take_one(&name, &answer.text, report)? == Pulled::WentBack;
            }
        }
        Ok(went_back)
    }

    /// Stores what a direct read of `name` gave.
    fn take_one(
        &self,
        name: &Reference,
        text: &str,
        report: &mut Report,
    ) -> Result<Pulled, SyncError> {
        let not_fhir = |what| SyncError::NotFhir {
            doing: "a read",
            what,
        };
        let resource = Resource::parse_text(text).map_err(|_| not_fhir("no resource"))?;
        if resource.name() != name {
            return Err(not_fhir("another record"));
        }
        let cursor = PullCursor::default();
        let page = std::slice::from_ref(&resource);
        let pulled = self.guard.take_page_noting(
            self.peer,
            name.kind,
            page,
            &cursor,
            plan::on_read,
            |state, _| taking::came_through(state, name),
        )?;
        let pulled = pulled.first().copied().unwrap_or(Pulled::Same);
        report.count(pulled);
        Ok(pulled)
    }

    async fn read_one(&self, name: &Reference) -> Result<Answer, SyncError> {
        let answer = self.server.get(&name.to_string()).await?;
        match answer.status {
            401 => Err(SyncError::Unauthorized),
            429 | 502..=504 => Err(failed(&answer, "a read")),
            _ => Ok(answer),
        }
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

    fn search(&self, parameters: &[String], page: usize) -> String {
        let narrowed = self.narrowed.iter().chain(parameters);
        let all: String = narrowed.map(|parameter| format!("{parameter}&")).collect();
        format!("{}?{all}_sort=_lastUpdated,_id&_count={page}", self.kind)
    }
}

impl Report {
    fn count(&mut self, pulled: Pulled) {
        match pulled {
            Pulled::Take => self.received += 1,
            Pulled::Same | Pulled::Older => self.known += 1,
            Pulled::Ours => self.sent += 1,
            Pulled::Merged => self.merged += 1,
            Pulled::Conflict | Pulled::WentBack => self.conflicts += 1,
        }
    }
}
