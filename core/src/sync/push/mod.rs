//! Sending: what is under way is kept first, carries the version it started from, and leaves the outbox only together
//! with the server's answer.
//!
//! In rounds, each with what waits then: first it is asked what became of what was under way before; then the records in
//! the order of their references, many in a transaction while the server takes that; deletions last. What was merged with
//! newer versions on the way, and what was written meanwhile, has its turn in the next round. The rounds are bounded;
//! what still waits then waits for the next sync.

mod bundle;
mod create;
mod fate;
mod one;
mod order;
mod pace;
mod size;
mod talk;
mod together;
mod versions;

use super::{Capability, Progress, Report, SyncError, SyncRun};
use crate::access::change::ChangeRecord;
use crate::access::{EditState, Pending, RecordName};
use crate::fhir::{Reference, ResourceType};
use crate::seeded::{self, Bug};
use order::{Change, Unit};
use size::Size;
use std::collections::{HashMap, HashSet};

/// Rounds of one sync. Where new ids were given, what refers to them goes in a round that does not count.
const ROUNDS: usize = 4;

/// Faults of the server, each about one record, after which the rest is not tried any more.
const FAULTS: usize = 5;

/// The server failed on single records (500): they wait, everything else goes on, and the sync says so at its end.
#[derive(Default)]
pub(super) struct Faults(Vec<SyncError>);

impl Faults {
    /// Puts a fault of one record aside; what is about the server as a whole, or the last straw, stops the push.
    fn set_aside(&mut self, result: Result<Outcome, SyncError>) -> Result<Outcome, SyncError> {
        match result {
            // 502, 503 and 504 come from what stands before a server that is down or busy.
            Err(fault @ SyncError::Server { status: 500.., .. })
                if self.0.len() + 1 < FAULTS
                    && !matches!(
                        &fault,
                        SyncError::Server {
                            status: 502..=504,
                            ..
                        }
                    ) =>
            {
                self.0.push(fault);
                Ok(Outcome::Failed)
            }
            other => other,
        }
    }

    pub(super) fn into_first(self) -> Option<SyncError> {
        self.0.into_iter().next()
    }
}

/// What became of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Sent,
    /// Sent, and the server gave it another id.
    Renamed,
    /// As `Renamed`, but what was written since waits for what waits under the other id.
    Recognised,
    /// The server has something newer, and both were merged.
    Merged,
    Conflict,
    Refused,
    /// Someone has to be approved at the server first; it waits.
    Held,
    /// It refers to what is not there yet, or is part of a record of which something else goes first; it waits.
    Behind,
    /// The server failed on it; it waits for the next sync.
    Failed,
    /// Nothing was decided; it waits.
    Waits,
}

/// What waits, at the beginning of a round.
struct Batch {
    waiting: Vec<Pending>,
    /// Records that are not on the server and do not go now.
    absent: HashSet<Reference>,
    /// Groups of which a part does not go now.
    parted: HashSet<String>,
    /// What was merged so that the hub could not see that it is.
    unproven: Vec<Pending>,
}

/// One push.
struct Push<'a, 'r> {
    run: &'a SyncRun<'a>,
    capability: &'a Capability,
    report: &'r mut Report,
    faults: Faults,
    size: Size,
    /// Types whose records the server gives ids of its own, as far as it said.
    gives_ids: HashSet<ResourceType>,
    /// Records that go without their ids.
    by_post: HashSet<Reference>,
    /// Of each record that goes without its id: the changes that refer to it.
    refers: HashMap<Reference, Vec<RecordName>>,
    /// What is not tried again in this sync.
    aside: HashSet<Reference>,
    /// The server does not read many records in one request.
    reads_alone: bool,
    pauses: u32,
    /// What became of changes so far, in which another round could go on.
    moved: u64,
    renamed: bool,
    done: u64,
    total: u64,
}

impl SyncRun<'_> {
    pub(super) async fn push(
        &self,
        capability: &Capability,
        report: &mut Report,
    ) -> Result<Faults, SyncError> {
        let known = self.guard.peer_state(self.peer)?.entries;
        let mut push = Push {
            run: self,
            capability,
            report,
            faults: Faults::default(),
            size: Size::learned(known),
            gives_ids: capability.gives_ids.iter().copied().collect(),
            by_post: HashSet::new(),
            refers: HashMap::new(),
            aside: HashSet::new(),
            reads_alone: false,
            pauses: 0,
            moved: 0,
            renamed: false,
            done: 0,
            total: 0,
        };
        let done = push.all().await;
        let (entries, faults) = (push.size.to_remember(), push.faults);
        if let Some(entries) = entries.filter(|_| entries != known) {
            self.guard
                .note_peer_state(self.peer, |state| state.entries = Some(entries))?;
        }
        done?;
        Ok(faults)
    }
}

impl Push<'_, '_> {
    async fn all(&mut self) -> Result<(), SyncError> {
        let mut rounds = 0;
        while rounds < ROUNDS {
            let batch = self.batch()?;
            if batch.waiting.is_empty() && batch.unproven.is_empty() {
                return Ok(());
            }
            let before = self.moved;
            (self.renamed, self.report.behind, self.done) = (false, 0, 0);
            self.total = u64::try_from(batch.waiting.len()).unwrap_or(u64::MAX);
            self.round(batch).await?;
            if self.moved == before {
                return Ok(());
            }
            // Each new id takes a record out of what waits, so this ends too.
            rounds += usize::from(!self.renamed);
        }
        Ok(())
    }

    /// What waits now, without what would change nothing.
    fn batch(&mut self) -> Result<Batch, SyncError> {
        let mut all = self.run.guard.outgoing(self.run.peer)?;
        // As many times as there are turns of one record.
        while all.iter().any(Pending::is_no_op) {
            all.retain(Pending::is_no_op);
            self.run.guard.settle_no_ops(&all)?;
            all = self.run.guard.outgoing(self.run.peer)?;
        }
        let mut batch = Batch {
            waiting: Vec::new(),
            absent: HashSet::new(),
            parted: HashSet::new(),
            unproven: Vec::new(),
        };
        for mut pending in all {
            let name = &pending.name.reference;
            batch.parted.extend(pending.later.iter().cloned());
            if pending.state != EditState::Waiting || self.aside.contains(name) {
                let is_there = pending.going.over.is_some() || pending.state == EditState::Conflict;
                if !is_there {
                    batch.absent.insert(name.clone());
                }
                batch.parted.extend(pending.going.together);
                continue;
            }
            if !self.capability.takes_change_records {
                // Who wrote what is for our hub; another server has no use for it.
                (pending.going.record, pending.going.signed) = (None, None);
            } else if self.is_beyond_the_hub(&pending) {
                batch.unproven.push(pending);
                continue;
            }
            if seeded::has(Bug::SquashAfterPartialPush) {
                pending.sent = None;
            }
            self.prepare_creation(&mut pending);
            batch.waiting.push(pending);
        }
        Ok(batch)
    }

    /// A merge that the hub cannot do again: it has no version of what this was written on, or does not know of merges.
    /// What is under way it may have taken all the same.
    fn is_beyond_the_hub(&self, pending: &Pending) -> bool {
        let going = &pending.going;
        let (Some(record), Some(_), None) = (&going.record, &going.signed, &pending.sent) else {
            return false;
        };
        let base = ChangeRecord::verify(record)
            .ok()
            .and_then(|record| record.base);
        !self.capability.takes_signed_content || base != pending.base_version
    }

    async fn round(&mut self, mut batch: Batch) -> Result<(), SyncError> {
        for pending in &batch.unproven {
            let outcome = self.conflict_with_newest(pending)?;
            self.note(pending, outcome);
        }
        self.note_references(&batch.waiting);
        let (mut puts, mut held, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
        for pending in batch.waiting {
            if pending.sent.is_some() {
                let asked = self.ask_first(&pending).await;
                // `None`: it did not arrive, and goes with the others.
                if let Some(outcome) = asked.transpose() {
                    let outcome = self.faults.set_aside(outcome)?;
                    self.note(&pending, outcome);
                    if outcome == Outcome::Behind {
                        batch.absent.insert(pending.name.reference);
                        batch.parted.extend(pending.going.together);
                    }
                    continue;
                }
                self.size.be_careful();
            }
            match (&pending.going.text, &pending.refusal) {
                (None, _) => deletes.push(pending),
                // What was held goes alone, so that it takes no others out of their transaction again.
                (_, Some(_)) => held.push(pending),
                _ => puts.push(pending),
            }
        }
        if self.renamed {
            // What was read refers to an old name.
            return Ok(());
        }
        let alone_from = puts.len();
        puts.append(&mut held);
        let units = units_of(&puts, &batch.absent);
        let parted = |unit: &Unit| {
            let groups = unit.changes.iter().flat_map(|at| &puts[*at].going.together);
            groups.into_iter().any(|group| batch.parted.contains(group))
        };
        let (stopped, units): (Vec<_>, Vec<_>) = units
            .into_iter()
            .partition(|unit| unit.is_blocked || parted(unit));
        for at in stopped.iter().flat_map(|unit| &unit.changes) {
            if puts[*at].sent.is_some() {
                // It did not arrive, and does not go again now.
                self.run.guard.unmark_sent(&[&puts[*at].name])?;
            }
            self.note(&puts[*at], Outcome::Behind);
        }
        self.send_units(&puts, &units, alone_from).await?;
        for pending in &deletes {
            let outcome = self.send_delete(pending).await;
            let outcome = self.faults.set_aside(outcome)?;
            self.note(pending, outcome);
        }
        Ok(())
    }

    fn note(&mut self, pending: &Pending, outcome: Outcome) {
        let report = &mut *self.report;
        match outcome {
            Outcome::Sent => report.sent += 1,
            Outcome::Renamed => {
                report.sent += 1;
                self.renamed = true;
            }
            Outcome::Recognised => self.renamed = true,
            Outcome::Merged => report.merged += 1,
            Outcome::Conflict => report.conflicts += 1,
            Outcome::Refused => report.refused += 1,
            Outcome::Held => report.held += 1,
            Outcome::Behind => report.behind += 1,
            Outcome::Failed | Outcome::Waits => {}
        }
        match outcome {
            Outcome::Sent | Outcome::Renamed | Outcome::Recognised | Outcome::Merged => {
                self.moved += 1;
            }
            Outcome::Held | Outcome::Failed => {
                self.aside.insert(pending.name.reference.clone());
            }
            _ => {}
        }
        self.done += 1;
        (self.run.progress)(Progress::Sending {
            done: self.done,
            total: self.total,
        });
    }
}

fn units_of(puts: &[Pending], absent: &HashSet<Reference>) -> Vec<Unit> {
    let changes: Vec<Change<'_>> = puts
        .iter()
        .map(|pending| Change {
            name: &pending.name.reference,
            text: pending.going.text.as_deref().unwrap_or_default(),
            is_new: pending.going.over.is_none(),
            together: &pending.going.together,
        })
        .collect();
    order::units(&changes, |name| absent.contains(name))
}
