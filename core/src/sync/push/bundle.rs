//! Many changes in one transaction, and in fewer where a server does not take that.
//!
//! Why a transaction failed is never read from the answer's text: the records are read again and each is classified; what
//! is left goes again, or in halves, down to single changes, of which the server says what it thinks. Only what must be
//! one stays one.

use super::fate::{self, Fate};
use super::order::Unit;
use super::talk::{Now, over, server_copy};
use super::{Outcome, Push};
use crate::access::{Pending, RecordName};
use crate::fhir::Resource;
use crate::fhir::bundle::{Bundle, Response, Writer};
use crate::net::{Answer, Request};
use crate::seeded::{self, Bug};
use crate::sync::{SyncError, failed};
use std::collections::{HashMap, HashSet};

/// Units that go in one transaction.
struct Job {
    units: Vec<usize>,
    /// Its records were read again since it last went.
    is_read: bool,
}

/// The changes of a round.
pub(super) struct Round<'p> {
    pub(super) puts: &'p [Pending],
    units: &'p [Unit],
    /// Changes behind this one go alone.
    alone_from: usize,
    /// Changes that the server has now, under the ids they have here.
    taken: HashSet<usize>,
    marked: HashSet<usize>,
}

impl<'p> Round<'p> {
    fn of_unit(&self, unit: usize) -> &'p [usize] {
        self.units.get(unit).map_or(&[], |unit| &unit.changes)
    }

    fn changes(&self, units: &[usize]) -> Vec<usize> {
        let all = units.iter().flat_map(|unit| self.of_unit(*unit));
        all.copied().collect()
    }

    fn bytes(&self, unit: usize) -> usize {
        let texts = self.of_unit(unit).iter().map(|at| &self.puts[*at]);
        texts
            .map(|pending| pending.going.text.as_deref().map_or(0, str::len))
            .sum()
    }
}

impl Push<'_, '_> {
    /// Sends `units`, which are made of `puts`, in their order.
    pub(super) async fn send_units(
        &mut self,
        puts: &[Pending],
        units: &[Unit],
        alone_from: usize,
    ) -> Result<(), SyncError> {
        let mut round = Round {
            puts,
            units,
            alone_from,
            taken: HashSet::new(),
            marked: HashSet::new(),
        };
        let mut next = 0;
        while next < units.len() {
            let job = self.pack(&round, &mut next);
            self.send_job(&mut round, job).await?;
        }
        Ok(())
    }

    /// The next units that a server takes together.
    fn pack(&self, round: &Round<'_>, next: &mut usize) -> Vec<usize> {
        let (mut job, mut changes, mut bytes) = (Vec::new(), 0, 0);
        while *next < round.units.len() {
            let unit = round.of_unit(*next);
            let is_alone = unit
                .iter()
                .any(|at| *at >= round.alone_from || self.is_creation(&round.puts[*at]));
            let more = round.bytes(*next);
            let is_full = is_alone
                || changes + unit.len() > self.size.changes
                || bytes + more > self.size.bytes;
            if is_full && !job.is_empty() {
                break;
            }
            job.push(*next);
            *next += 1;
            (changes, bytes) = (changes + unit.len(), bytes + more);
            if is_alone {
                break;
            }
        }
        job
    }

    async fn send_job(
        &mut self,
        round: &mut Round<'_>,
        units: Vec<usize>,
    ) -> Result<(), SyncError> {
        let mut stack = vec![Job {
            units,
            is_read: false,
        }];
        let (mut was_split, mut largest, mut all_taken) = (false, 0, true);
        while let Some(mut job) = stack.pop() {
            job.units = self.prepare(round, &job.units)?;
            let changes = round.changes(&job.units);
            let done = match changes[..] {
                [] => continue,
                [at] => {
                    let outcome = self.put_one(&round.puts[at]).await;
                    Some(vec![self.faults.set_aside(outcome)?])
                }
                _ => {
                    if !self.sort_out_unguarded(round, &mut job).await? {
                        stack.push(job);
                        continue;
                    }
                    let answer = self.transact(round, &changes).await?;
                    match answer.status {
                        200 => Some(self.settle_bundle(round, &changes, &answer).await?),
                        401 | 502 => return Err(failed(&answer, "a transaction")),
                        _ => {
                            was_split = true;
                            self.split(round, job, &answer, &mut stack).await?;
                            None
                        }
                    }
                }
            };
            let Some(outcomes) = done else { continue };
            largest = largest.max(changes.len());
            self.size.went_well(changes.len());
            for (at, outcome) in changes.into_iter().zip(outcomes) {
                all_taken &= matches!(
                    outcome,
                    Outcome::Sent | Outcome::Renamed | Outcome::Recognised
                );
                if outcome == Outcome::Sent {
                    round.taken.insert(at);
                }
                self.note(&round.puts[at], outcome);
            }
        }
        if was_split && all_taken && largest > 0 {
            self.size.taken_in_parts(largest);
        }
        Ok(())
    }

    /// Those units that may go now, marked as sent. What needs something that was not taken waits, and so does what was
    /// changed since it was read.
    fn prepare(&mut self, round: &mut Round<'_>, units: &[usize]) -> Result<Vec<usize>, SyncError> {
        let mut go = Vec::new();
        let mut going: HashSet<usize> = HashSet::new();
        for unit in units {
            let needs = round.units.get(*unit).map_or(&[][..], |unit| &unit.needs);
            let is_there = |need: &usize| round.taken.contains(need) || going.contains(need);
            if needs.iter().all(is_there) {
                going.extend(round.of_unit(*unit));
                go.push(*unit);
                continue;
            }
            self.give_back(round, *unit, Outcome::Behind)?;
        }
        let fresh: Vec<usize> = round
            .changes(&go)
            .into_iter()
            .filter(|at| round.puts[*at].sent.is_none() && !round.marked.contains(at))
            .collect();
        if fresh.is_empty() {
            return Ok(go);
        }
        let pending: Vec<&Pending> = fresh.iter().map(|at| &round.puts[*at]).collect();
        let marked = self.run.guard.mark_sent(&pending)?;
        let lost: HashSet<usize> = fresh
            .iter()
            .zip(&marked)
            .filter_map(|(at, may_go)| (!may_go).then_some(*at))
            .collect();
        round
            .marked
            .extend(fresh.iter().filter(|at| !lost.contains(at)));
        if lost.is_empty() {
            return Ok(go);
        }
        let (whole, parted): (Vec<usize>, Vec<usize>) = go
            .into_iter()
            .partition(|unit| round.of_unit(*unit).iter().all(|at| !lost.contains(at)));
        for unit in parted {
            self.give_back(round, unit, Outcome::Waits)?;
        }
        // What needs one of these has to wait as well.
        self.prepare(round, &whole)
    }

    /// A unit does not go: what of it was marked is so no more. What had been under way before was asked about, and had not
    /// arrived.
    fn give_back(
        &mut self,
        round: &mut Round<'_>,
        unit: usize,
        outcome: Outcome,
    ) -> Result<(), SyncError> {
        let changes = round.of_unit(unit);
        let marked: Vec<&RecordName> = changes
            .iter()
            .filter(|at| round.marked.remove(at) || round.puts[**at].sent.is_some())
            .map(|at| &round.puts[*at].name)
            .collect();
        if !marked.is_empty() {
            self.run.guard.unmark_sent(&marked)?;
        }
        for at in changes {
            self.note(&round.puts[*at], outcome);
        }
        Ok(())
    }

    async fn transact(
        &mut self,
        round: &Round<'_>,
        changes: &[usize],
    ) -> Result<Answer, SyncError> {
        let all: Vec<&Pending> = changes.iter().map(|at| &round.puts[*at]).collect();
        let mut writer = Writer::new("transaction", &[]);
        for pending in &all {
            if self.is_creation(pending) {
                self.write_creation(&mut writer, pending, &all);
                continue;
            }
            let going = &pending.going;
            let path = pending.name.reference.to_string();
            let text = going.text.as_deref().unwrap_or_default();
            let blind = seeded::has(Bug::NoIfMatch);
            let version = going.version.as_deref().filter(|_| !blind);
            match (&going.record, &going.signed) {
                (Some(record), Some(signed)) => {
                    writer.put_merged(&path, text, version, record, signed);
                }
                (record, _) => {
                    let is_new = going.over.is_none() && !blind;
                    writer.put_signed(&path, text, version, is_new, record.as_deref());
                }
            }
        }
        self.ask(Request::transaction(writer.finish())).await
    }

    /// Where the server compares no versions, they are compared here before a transaction. `false`: something was in the
    /// way, and `job` is what is left.
    async fn sort_out_unguarded(
        &mut self,
        round: &mut Round<'_>,
        job: &mut Job,
    ) -> Result<bool, SyncError> {
        let unguarded = |push: &Self, at: &usize| push.is_unguarded(&round.puts[*at]);
        let changes = round.changes(&job.units);
        let look: Vec<usize> = changes
            .into_iter()
            .filter(|at| unguarded(self, at))
            .collect();
        let left = self.sort_out(round, job, &look, false).await?;
        self.report.unguarded += match left {
            true => u64::try_from(look.len()).unwrap_or(u64::MAX),
            false => 0,
        };
        Ok(left)
    }

    /// Reads the records of `look` again, and settles what can be: what arrived, and what the server has newer. Units with
    /// something settled leave the job. `is_unsure`: as in `classify`. `true`: none did.
    async fn sort_out(
        &mut self,
        round: &mut Round<'_>,
        job: &mut Job,
        look: &[usize],
        is_unsure: bool,
    ) -> Result<bool, SyncError> {
        let mut settled = HashSet::new();
        // A server that fails on a transaction is asked for one record at a time.
        let mut read = match is_unsure {
            true => HashMap::new(),
            false => self.read_together(round, look).await?,
        };
        for at in look {
            let pending = &round.puts[*at];
            let outcome = match read.remove(at) {
                Some(now) => self.classify_read(pending, &now, is_unsure).await,
                None => self.classify(pending, is_unsure).await,
            };
            if let Some(outcome) = outcome.transpose() {
                let outcome = self.faults.set_aside(outcome)?;
                if outcome == Outcome::Sent {
                    round.taken.insert(*at);
                }
                round.marked.remove(at);
                self.note(pending, outcome);
                settled.insert(*at);
            }
        }
        if settled.is_empty() {
            return Ok(true);
        }
        let mut left = Vec::new();
        for unit in std::mem::take(&mut job.units) {
            let changes = round.of_unit(unit);
            if !changes.iter().any(|at| settled.contains(at)) {
                left.push(unit);
                continue;
            }
            // The rest of it cannot go without.
            let rest: Vec<usize> = changes
                .iter()
                .filter(|at| !settled.contains(at))
                .copied()
                .collect();
            let names: Vec<&RecordName> = rest.iter().map(|at| &round.puts[*at].name).collect();
            self.run.guard.unmark_sent(&names)?;
            for at in rest {
                round.marked.remove(&at);
                self.note(&round.puts[at], Outcome::Waits);
            }
        }
        job.units = left;
        Ok(false)
    }

    /// What became of a change, by reading the record. `is_unsure`: the answer did not say. `None`: it did not arrive.
    async fn classify(
        &mut self,
        pending: &Pending,
        is_unsure: bool,
    ) -> Result<Option<Outcome>, SyncError> {
        if self.is_creation(pending) {
            return self.ask_for_creation(pending).await;
        }
        let now = self.reread(pending).await?;
        self.classify_read(pending, &now, is_unsure).await
    }

    /// As `classify`, with the record as it was read.
    async fn classify_read(
        &mut self,
        pending: &Pending,
        now: &Now,
        is_unsure: bool,
    ) -> Result<Option<Outcome>, SyncError> {
        let sent = pending.going.text.as_deref().unwrap_or_default();
        Ok(match fate::of_put(sent, over(pending), now.view()) {
            Fate::NotArrived => None,
            Fate::Arrived => Some(self.settle(pending, &now.text)?),
            Fate::Newer if pending.sent.is_none() && !is_unsure => Some(self.meet(pending, now)?),
            Fate::Newer => Some(self.meet_unsure(pending, sent, now).await?),
            Fate::Gone => Some(self.conflict(pending, now)?),
        })
    }

    /// A transaction failed: what is left of it goes again, or in two.
    async fn split(
        &mut self,
        round: &mut Round<'_>,
        mut job: Job,
        answer: &Answer,
        stack: &mut Vec<Job>,
    ) -> Result<(), SyncError> {
        let changes = round.changes(&job.units);
        let bytes = job.units.iter().map(|unit| round.bytes(*unit)).sum();
        self.size.refused(answer.status, changes.len(), bytes);
        // Of what was too large nothing can have been stored.
        if !job.is_read && answer.status != 413 {
            job.is_read = true;
            let is_unsure = answer.status >= 500 || answer.status == 408;
            if !self.sort_out(round, &mut job, &changes, is_unsure).await? {
                stack.push(job);
                return Ok(());
            }
        }
        // What a server failed on, or was too slow for, may have arrived the next time too.
        let is_read = (400..500).contains(&answer.status) && answer.status != 408;
        if job.units.len() > 1 {
            let back = job.units.split_off(job.units.len() / 2);
            stack.push(Job {
                units: back,
                is_read,
            });
            stack.push(Job {
                units: job.units,
                is_read,
            });
            return Ok(());
        }
        self.refuse_whole(round, &changes, answer)
    }

    /// What must go together, and was not taken so.
    fn refuse_whole(
        &mut self,
        round: &Round<'_>,
        changes: &[usize],
        answer: &Answer,
    ) -> Result<(), SyncError> {
        if matches!(answer.status, 409 | 412) {
            let names: Vec<&RecordName> = changes.iter().map(|at| &round.puts[*at].name).collect();
            self.run.guard.unmark_sent(&names)?;
            for at in changes {
                self.note(&round.puts[*at], Outcome::Waits);
            }
            return Ok(());
        }
        for at in changes {
            let outcome = match answer.status {
                // One fault, whatever it is about.
                500.. if at != &changes[0] => Ok(Outcome::Failed),
                _ => self.refusal(&round.puts[*at], answer),
            };
            let outcome = self.faults.set_aside(outcome)?;
            self.note(&round.puts[*at], outcome);
        }
        Ok(())
    }

    async fn settle_bundle(
        &mut self,
        round: &Round<'_>,
        changes: &[usize],
        answer: &Answer,
    ) -> Result<Vec<Outcome>, SyncError> {
        let not_fhir = |what| SyncError::NotFhir {
            doing: "a transaction",
            what,
        };
        let answered = Bundle::parse(&answer.text).ok_or_else(|| not_fhir("no Bundle"))?;
        let mut settled: Vec<(RecordName, Resource<'_>)> = Vec::new();
        let mut outcomes = Vec::with_capacity(changes.len());
        let are_paired = answered.entry.len() == changes.len();
        for (n, at) in changes.iter().enumerate() {
            let pending = &round.puts[*at];
            let Some(entry) = answered.entry.get(n).filter(|_| are_paired) else {
                // Which answer is whose cannot be told: the records are asked.
                let found = self.classify(pending, true).await?;
                outcomes.push(found.ok_or_else(|| not_fhir("another number of entries"))?);
                continue;
            };
            if self.is_creation(pending) {
                outcomes.push(self.settle_creation_in(pending, entry).await?);
                continue;
            }
            match entry.response.as_ref().and_then(Response::code) {
                // As in `put_one`: it was deleted there, and now both have happened.
                Some(201) if pending.going.over.is_some() => {
                    outcomes.push(self.conflict(pending, &Now::absent())?);
                    continue;
                }
                Some(200..300) => {}
                // A transaction that is none: this entry was not taken. Alone, it gets an answer of its own.
                _ => {
                    let outcome = self.put_one(pending).await;
                    outcomes.push(self.faults.set_aside(outcome)?);
                    continue;
                }
            }
            let whole = entry.resource.map(|raw| server_copy(pending, raw.get()));
            match whole {
                Some(Ok(resource)) if resource.version().is_some() => {
                    settled.push((pending.name.clone(), resource));
                    outcomes.push(Outcome::Sent);
                }
                // The server did not send its bytes along: they are read.
                _ => outcomes.push(self.settle_by_reading(pending).await?),
            }
        }
        self.run.guard.settle_puts(&settled)?;
        Ok(outcomes)
    }
}
