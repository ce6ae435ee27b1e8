//! Resources on their way into one store transaction.

use super::entry::Look;
use super::import::{Leave, Run};
use super::names::{Identifiers, Wanted, each_identifier};
use super::source::Source;
use super::{ImportReport, Reason};
use crate::access::{AccessError, Imported};
use crate::fhir::links::Target;
use crate::fhir::{InvalidResource, Reference, Resource, ResourceType};
use std::borrow::Cow;
use std::sync::Arc;

/// How many go into one transaction: its length is what an import's speed depends on most.
const RESOURCES: usize = 10_000;
/// And how many bytes, since a batch is held in memory.
const BYTES: usize = 8 * 1024 * 1024;
/// Resources between two calls of the progress function.
const STRIDE: u64 = 256;
/// Records whose open references are tried again in one transaction.
const AGAIN: usize = 1_000;

/// Where a resource stood.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    pub(super) line: Option<u64>,
    /// Column of its first byte in that line.
    pub(super) column: u64,
    pub(super) entry: Option<u64>,
}

/// A resource that waits.
pub(super) struct Item {
    pub(super) text: String,
    pub(super) place: Place,
    /// Its name, where it was read already.
    pub(super) name: Option<Reference>,
    /// It holds conditional references that lead nowhere so far.
    pub(super) is_open: bool,
}

/// What waits.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    bytes: usize,
}

impl Batch {
    /// Adds one; `true`: it is time to store.
    pub(super) fn push(&mut self, item: Item) -> bool {
        self.bytes += item.text.len();
        self.items.push(item);
        self.items.len() >= RESOURCES || self.bytes >= BYTES
    }

    /// All that waits; the batch is empty then.
    pub(super) fn take(&mut self) -> Vec<Item> {
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }
}

impl Run<'_> {
    /// Looks at all records of a type for their identifiers: those in the vault, and those that wait to go in.
    pub(super) fn cover(&mut self, kind: ResourceType) -> Result<(), AccessError> {
        if self.identifiers.covers(kind) {
            return Ok(());
        }
        self.identifiers.cover(kind);
        let identifiers = &mut self.identifiers;
        self.guard
            .each_of(kind, |_, text| add_identifiers(identifiers, text))?;
        for item in &self.batch.items {
            if item.name.as_ref().is_some_and(|name| name.kind == kind) || item.name.is_none() {
                add_identifiers(identifiers, &item.text);
            }
        }
        Ok(())
    }

    /// Takes a resource into the batch.
    pub(super) fn take(&mut self, source: &Source, mut item: Item) -> Result<(), Leave> {
        self.read += 1;
        self.report.bytes += item.text.len() as u64;
        if item.name.is_none() {
            item.name = Look::at(item.text.as_bytes()).name();
        }
        if let Some(name) = &item.name
            && self.identifiers.covers(name.kind)
        {
            add_identifiers(&mut self.identifiers, &item.text);
        }
        if self.batch.push(item) {
            self.store()?;
        }
        if self.read.is_multiple_of(STRIDE) && !self.tell(source) {
            return Err(Leave::Stopped);
        }
        Ok(())
    }

    /// Stores the batch.
    pub(super) fn store(&mut self) -> Result<(), AccessError> {
        let items = self.batch.take();
        let mut resources = Vec::with_capacity(items.len());
        let mut taken: Vec<&Item> = Vec::with_capacity(items.len());
        let mut files: Vec<(String, usize)> = Vec::new();
        for item in &items {
            match Resource::parse_text(&item.text) {
                Ok(resource) => {
                    let file = item.place.file.rsplit(['/', '\\']).next();
                    let file = file.unwrap_or_default();
                    match files.last_mut() {
                        Some((last, count)) if last == file => *count += 1,
                        _ => files.push((file.to_owned(), 1)),
                    }
                    resources.push(resource);
                    taken.push(item);
                }
                Err(InvalidResource::NotAnObject { line, column }) => {
                    let (line, column) = absolute(&item.place, line, column);
                    let reason = InvalidResource::NotAnObject { line, column };
                    self.refuse_at(&item.place, item.name.clone(), reason.into());
                }
                Err(reason) => self.refuse_at(&item.place, item.name.clone(), reason.into()),
            }
        }
        let outcomes = self.guard.import(&files, &resources, self.how)?;
        for ((item, resource), outcome) in taken.iter().zip(&resources).zip(outcomes) {
            let name = resource.name();
            match outcome {
                Imported::Stored => self.report.stored += 1,
                Imported::Unchanged => self.report.unchanged += 1,
                Imported::HasLocalChanges => {
                    self.refuse_at(&item.place, Some(name.clone()), Reason::HasLocalChanges);
                    continue;
                }
                Imported::Ambiguous => {
                    self.refuse_at(&item.place, Some(name.clone()), Reason::Ambiguous);
                    continue;
                }
            }
            if item.is_open {
                self.open.push(name);
            }
        }
        Ok(())
    }

    /// Stores what waits, tries open references again, and waits for the disk.
    pub(super) fn finish(mut self) -> Result<ImportReport, AccessError> {
        self.store()?;
        let open = std::mem::take(&mut self.open);
        for start in (0..open.len()).step_by(AGAIN) {
            let names = open.part(start..(start + AGAIN).min(open.len()));
            let mut lost = Vec::new();
            let (follower, identifiers) = (&self.follower, &self.identifiers);
            self.guard.change_imported(&names, self.how, |name, text| {
                let followed = follower.follow(text, |link| match Wanted::parse(link) {
                    _ if !is_search(link) => Target::Same,
                    None => Target::Nowhere,
                    Some(wanted) => identifiers
                        .get(&wanted)
                        .map_or(Target::Nowhere, Target::Record),
                });
                if followed.lost_searches > 0 {
                    lost.push((name.clone(), followed.lost_searches));
                }
                match followed.text {
                    Cow::Owned(text) => Some(text),
                    Cow::Borrowed(_) => None,
                }
            })?;
            for (name, count) in lost {
                self.unresolved(name, count);
            }
        }
        if self.report.stored > 0 {
            self.how.durable = true;
            self.guard.import(&[], &[], self.how)?;
        }
        Ok(self.report)
    }
}

/// Line and column in the file of a place inside a value.
pub(super) fn absolute(place: &Place, line: usize, column: usize) -> (usize, usize) {
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let first = size(place.line.unwrap_or(1));
    let column = if line <= 1 {
        column + size(place.column)
    } else {
        column
    };
    (first + line.max(1) - 1, column)
}

/// Whether a reference is a search (`Type?...`) and no address.
pub(super) fn is_search(link: &str) -> bool {
    link.split_once('?')
        .is_some_and(|(kind, _)| ResourceType::named(kind).is_some())
}

fn add_identifiers(table: &mut Identifiers, text: &str) {
    if let Ok(resource) = Resource::parse_text(text)
        && table.covers(resource.kind())
    {
        each_identifier(&resource, |key| table.add(resource.name(), key));
    }
}
