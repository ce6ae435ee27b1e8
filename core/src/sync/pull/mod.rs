//! Receiving: type by type, oldest change first, each page stored together with the cursor behind it.

mod page;

use self::page::{Came, Held, Pages};
use super::{Capability, Progress, Report, SyncError, SyncRun, failed, plan};
use crate::access::{PullCursor, Pulled};
use crate::fhir::bundle_stream::Part;
use crate::fhir::{Instant, Resource, ResourceType};
use crate::net::{Answer, NetError, Request};
use crate::seeded::{self, Bug};

/// Records asked for in one page; fewer where the server's pages of large records are longer than an answer may be. A
/// page is one transaction, and their length is what the speed depends on most.
const PAGES: [usize; 3] = [1000, 50, 1];

/// What a search answers with.
const SEARCH: &str = "searchset";

/// Pages in a row without a record before a pull gives up.
const MAX_EMPTY_PAGES: u32 = 100;

impl SyncRun<'_> {
    pub(super) async fn pull(
        &self,
        capability: &Capability,
        report: &mut Report,
    ) -> Result<(), SyncError> {
        let types = plan::types(&capability.types, self.patient);
        let mut refused = None;
        let mut answered = 0;
        let total = u64::try_from(types.len()).unwrap_or(u64::MAX);
        for (done, (kind, narrowed)) in (0..).zip(&types) {
            let step = Step {
                kind: *kind,
                narrowed: narrowed.as_deref(),
                done,
                total,
            };
            for page in PAGES {
                let pulled = self.pull_type(&step, page, capability.stamps_at_commit, report);
                match pulled.await {
                    Err(SyncError::Net(NetError::TooLarge)) if page > 1 => continue,
                    Err(error) => return Err(error),
                    Ok(None) => answered += 1,
                    Ok(Some(answer)) => refused = Some(answer),
                }
                break;
            }
        }
        // One type that is not for us is usual; no type at all is an error, not an empty record.
        match refused {
            Some(answer) if answered == 0 => Err(failed(&answer, "every search")),
            _ => Ok(()),
        }
    }

    /// Pulls one type; answers with the server's refusal, if the type is not for us.
    async fn pull_type(
        &self,
        step: &Step<'_>,
        page: usize,
        stamps_at_commit: bool,
        report: &mut Report,
    ) -> Result<Option<Answer>, SyncError> {
        let cursor = self.guard.pull_cursor(self.peer, step.kind)?;
        let first = Request::get(step.first_page(&cursor, page, stamps_at_commit));
        let begin = |request| Pages::new(self.server, "a search", request);
        // A link goes on with pages of the size it was made for.
        let resumed = cursor.next.clone().filter(|_| page == PAGES[0]);
        let mut is_resumed = resumed.is_some();
        let mut pages = begin(resumed.map_or_else(|| first.clone(), Request::follow));
        let mut taking = Taking {
            run: self,
            step,
            newest: cursor.newest,
            cursor,
            report,
        };
        let mut empty = 0;
        loop {
            let reply = match pages.turn().await {
                Ok(None) => return Ok(None),
                Ok(Some(reply)) if is_resumed && matches!(reply.status, 400 | 404 | 410) => None,
                Err(SyncError::Net(NetError::ForeignLink)) if is_resumed => None,
                reply => reply?,
            };
            is_resumed = false;
            // A stored link that leads elsewhere, or that the server no longer knows: the cursor says where to begin again.
            let Some(reply) = reply else {
                pages = begin(first.clone());
                continue;
            };
            match reply.status {
                200 => {}
                // Not offered to us, or not at all: the other types go on.
                403 | 404 => return Ok(Some(reply.answer().await?)),
                _ => return Err(failed(&reply.answer().await?, "a search")),
            }
            let before = taking.report.taken();
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
    }
}

/// One type's records on their way into the vault.
struct Taking<'r> {
    run: &'r SyncRun<'r>,
    step: &'r Step<'r>,
    /// As it is stored.
    cursor: PullCursor,
    /// Newest stamp of all that came.
    newest: Option<Instant>,
    report: &'r mut Report,
}

impl Taking<'_> {
    fn linked(&self, link: &str) -> Result<(), SyncError> {
        if seeded::has(Bug::CursorBeforePage) {
            let early = PullCursor {
                newest: self.newest.or(Some(Instant::from_epoch_ms(0))),
                next: Some(link.to_owned()),
            };
            let (guard, kind) = (self.run.guard, self.step.kind);
            guard.take_page(self.run.peer, kind, &[], &early, plan::on_pulled)?;
        }
        Ok(())
    }

    fn entry(&mut self, held: &mut Held, part: Part, kind: Option<&str>) -> Result<(), SyncError> {
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
    fn page(&mut self, mut held: Held, next: Option<String>) -> Result<(), SyncError> {
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
        self.newest = page
            .iter()
            .filter_map(Resource::last_updated)
            .max()
            .max(self.newest);
        let cursor = cursor(self.newest);
        if page.is_empty() && cursor == self.cursor {
            return Ok(());
        }
        let run = self.run;
        let pulled =
            run.guard
                .take_page(run.peer, self.step.kind, &page, &cursor, plan::on_pulled)?;
        self.cursor = cursor;
        for outcome in pulled {
            match outcome {
                Pulled::Take => self.report.received += 1,
                Pulled::Same => self.report.known += 1,
                Pulled::Ours => self.report.sent += 1,
                Pulled::Conflict => self.report.conflicts += 1,
            }
        }
        (run.progress)(Progress::Receiving {
            kind: self.step.kind,
            records: self.report.received,
            done: self.step.done,
            total: self.step.total,
        });
        Ok(())
    }
}

/// One type's turn.
struct Step<'a> {
    kind: ResourceType,
    narrowed: Option<&'a str>,
    done: u64,
    total: u64,
}

impl Step<'_> {
    fn first_page(&self, cursor: &PullCursor, page: usize, stamps_at_commit: bool) -> String {
        let mut parameters: Vec<String> = self.narrowed.map(str::to_owned).into_iter().collect();
        if let Some(newest) = cursor.newest {
            // `ge`, not `gt`: servers stamp finer than they print, and a transaction shares one stamp.
            let (prefix, from) = match seeded::has(Bug::GtForGe) {
                true => ("gt", newest),
                false => ("ge", plan::pull_from(newest, stamps_at_commit)),
            };
            parameters.push(format!("_lastUpdated={prefix}{from}"));
        }
        parameters.push(format!("_sort=_lastUpdated,_id&_count={page}"));
        format!("{}?{}", self.kind, parameters.join("&"))
    }
}
