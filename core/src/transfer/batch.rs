//! Resources on their way into one store transaction.

use crate::fhir::Reference;
use std::sync::Arc;

/// How many go into one transaction: its length is what an import's speed depends on most.
const RESOURCES: usize = 10_000;
/// And how many bytes, since a batch is held in memory.
const BYTES: usize = 8 * 1024 * 1024;

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
