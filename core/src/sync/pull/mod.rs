//! Receiving: type by type, oldest change first, each page stored together with the cursor behind it; then what is gone
//! there, and a part of the slow comparison that proves that nothing was missed.

mod gone;
mod kind;
mod page;
mod reconcile;
mod taking;
mod window;

use self::kind::{Begun, Turn};
use self::window::Stamps;
use super::{Capability, Report, SyncError, SyncRun, failed, plan};
use crate::access::{PullCursor, Pulled};
use crate::fhir::{Reference, Resource, ResourceType};
use crate::net::{Answer, NetError};
use std::collections::VecDeque;

/// Records asked for in one page; fewer where the server's pages of large records are longer than an answer may be. A
/// page is one transaction, and their length is what the speed depends on most.
const PAGES: [usize; 3] = [1000, 50, 1];

/// Types that are asked for before their turn. Most have little to tell, and then waiting is all they cost; and while a
/// server is busy with one answer it has another one ready. Each holds what the network keeps of an unread answer.
const AHEAD: usize = 4;
/// An answer that nobody has read for so long, ms, is asked for again: servers do not wait for ever, and it is old.
const AHEAD_MS: i64 = 10_000;

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
        // The types after the one at hand, as far as they were asked for.
        let mut ahead: VecDeque<Begun<'_>> = VecDeque::with_capacity(AHEAD);
        for (at, step) in steps.iter().enumerate() {
            for page in PAGES {
                // With smaller pages it is another question: those that wait there are the next types' then.
                let asked = match page == PAGES[0] {
                    true => ahead.pop_front(),
                    false => None,
                };
                let begun = match asked {
                    Some(begun) if begun.is_fresh(self.guard.now()) => begun,
                    _ => self.begin(step, page, &stamps)?,
                };
                let turn = Turn {
                    step,
                    rest: &steps[at + 1..],
                    stamps: &stamps,
                };
                let pulled = self.pull_type(&turn, begun, &mut found.older, &mut ahead, report);
                match pulled.await {
                    Err(SyncError::Net(NetError::TooLarge)) if page > 1 => continue,
                    Err(error) => return Err(error),
                    Ok(None) => found.answered.push(at),
                    Ok(Some(answer)) => refused = Some(answer),
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
