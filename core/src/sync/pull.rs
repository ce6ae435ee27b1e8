//! Receiving: type by type, oldest change first, each page stored together with the cursor behind it.

use super::{Capability, Progress, Report, SyncError, SyncRun, failed, plan};
use crate::access::{PullCursor, Pulled};
use crate::fhir::bundle::Bundle;
use crate::fhir::{Resource, ResourceType};
use crate::net::{Answer, NetError};
use crate::seeded::{self, Bug};
use std::collections::HashSet;

/// Records asked for in one page; fewer where the server's pages of large records are longer than an answer may be.
const PAGES: [usize; 3] = [200, 20, 1];

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
        let mut cursor = self.guard.pull_cursor(self.peer, step.kind)?;
        // A link goes on with pages of the size it was made for.
        let resumed = cursor.next.clone().filter(|_| page == PAGES[0]);
        let first = step.first_page(&cursor, page, stamps_at_commit);
        let resumed = match &resumed {
            Some(link) => match self.server.follow(link).await {
                Err(NetError::ForeignLink) => None,
                answer => Some(answer?),
            },
            None => None,
        };
        // A stored link that leads elsewhere, or that the server no longer knows: the cursor says where to begin again.
        let mut answer = match resumed {
            Some(answer) if !matches!(answer.status, 400 | 404 | 410) => answer,
            _ => self.server.get(&first).await?,
        };
        let mut seen = HashSet::new();
        let mut empty = 0;
        loop {
            match answer.status {
                200 => {}
                // Not offered to us, or not at all: the other types go on.
                403 | 404 => return Ok(Some(answer)),
                _ => return Err(failed(&answer, "a search")),
            }
            let before = report.taken();
            let next = self.store_page(step, &answer, &mut cursor, report)?;
            // Links that differ and bring nothing could go on for ever.
            empty = if report.taken() > before {
                0
            } else {
                empty + 1
            };
            if empty > MAX_EMPTY_PAGES {
                return Err(SyncError::NotFhir {
                    doing: "a search",
                    what: "page after page is empty",
                });
            }
            let Some(next) = next else { return Ok(None) };
            if !seen.insert(next.clone()) {
                return Err(SyncError::NotFhir {
                    doing: "a search",
                    what: "its pages go in a circle",
                });
            }
            answer = self.server.follow(&next).await?;
        }
    }

    /// Stores one page; answers with the link to the next.
    fn store_page(
        &self,
        step: &Step<'_>,
        answer: &Answer,
        cursor: &mut PullCursor,
        report: &mut Report,
    ) -> Result<Option<String>, SyncError> {
        let not_fhir = |what| SyncError::NotFhir {
            doing: "a search",
            what,
        };
        let bundle = Bundle::parse(&answer.text).ok_or_else(|| not_fhir("no Bundle"))?;
        if bundle.kind != "searchset" {
            return Err(not_fhir("not a searchset"));
        }
        let mut page = Vec::with_capacity(bundle.entry.len());
        for entry in &bundle.entry {
            let is_outcome = entry
                .search
                .as_ref()
                .is_some_and(|search| search.mode == "outcome");
            let Some(raw) = entry.resource.filter(|_| !is_outcome) else {
                continue;
            };
            match Resource::parse_text(raw.get()) {
                Ok(resource) if resource.kind() == step.kind => page.push(resource),
                Ok(_) => return Err(not_fhir("records of a type that was not asked for")),
                Err(_) => report.skipped += 1,
            }
        }
        report.pages += 1;
        let newest = page.iter().filter_map(Resource::last_updated).max();
        let moved = PullCursor {
            newest: cursor.newest.max(newest),
            next: bundle.link("next").map(str::to_owned),
        };
        if page.is_empty() && moved == *cursor {
            return Ok(moved.next);
        }
        let pulled = self
            .guard
            .take_page(self.peer, step.kind, &page, &moved, plan::on_pulled)?;
        *cursor = moved;
        for outcome in pulled {
            match outcome {
                Pulled::Take => report.received += 1,
                Pulled::Same => report.known += 1,
                Pulled::Ours => report.sent += 1,
                Pulled::Conflict => report.conflicts += 1,
            }
        }
        let records = report.received;
        (self.progress)(Progress::Receiving {
            kind: step.kind,
            records,
            done: step.done,
            total: step.total,
        });
        Ok(cursor.next.clone())
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
