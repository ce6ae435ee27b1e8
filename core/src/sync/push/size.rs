//! How much goes in one transaction: found out by what the server takes. Pure.

use std::cmp::{max, min};

/// Changes in one transaction; one server in the field takes 50.
const MOST: usize = 50;
/// Bytes in one transaction; a larger change goes alone.
const MOST_BYTES: usize = 16 * 1024 * 1024;
const FEWEST_BYTES: usize = 64 * 1024;

/// What one transaction may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) changes: usize,
    pub(super) bytes: usize,
    largest: usize,
    was_too_much: bool,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            changes: MOST,
            bytes: MOST_BYTES,
            largest: 0,
            was_too_much: false,
        }
    }
}

impl Size {
    /// For a server that took so many at most. It may take more by now.
    pub(super) fn learned(entries: Option<usize>) -> Self {
        Self {
            changes: entries.map_or(MOST, |entries| entries.saturating_mul(2).clamp(1, MOST)),
            ..Self::default()
        }
    }

    /// What was under way before did not arrive: perhaps it was too much.
    pub(super) fn be_careful(&mut self) {
        self.changes = min(self.changes, MOST / 5);
    }

    /// A transaction with so much in it was refused with this status.
    pub(super) fn refused(&mut self, status: u16, changes: usize, bytes: usize) {
        match status {
            413 => self.bytes = max(FEWEST_BYTES, min(self.bytes, bytes / 2)),
            408 | 504 => {
                self.changes = max(1, min(self.changes, changes / 2));
                self.was_too_much = true;
            }
            // No transactions at all.
            404 | 405 => self.changes = 1,
            _ => {}
        }
    }

    /// So many went well together.
    pub(super) fn went_well(&mut self, changes: usize) {
        self.largest = max(self.largest, changes);
    }

    /// What to remember, where transactions of this size were found to be too much.
    pub(super) fn to_remember(self) -> Option<usize> {
        self.was_too_much
            .then(|| max(1, min(self.largest, self.changes)))
    }

    /// All that was refused together was taken in parts, of which the largest had so many changes: it was too much.
    pub(super) fn taken_in_parts(&mut self, largest: usize) {
        self.changes = max(1, min(self.changes, largest));
        self.was_too_much = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shrinks_by_what_the_server_says_and_never_to_nothing() {
        let mut size = Size::default();
        size.refused(422, 50, 1_000);
        assert_eq!(
            size,
            Size::default(),
            "one bad entry says nothing about size"
        );
        size.refused(413, 50, 4 << 20);
        assert_eq!((size.changes, size.bytes), (50, 2 << 20));
        size.refused(413, 1, 10);
        assert_eq!(size.bytes, FEWEST_BYTES);
        size.refused(504, 50, 10);
        size.taken_in_parts(12);
        assert_eq!(size.changes, 12);
        size.taken_in_parts(25);
        assert_eq!(size.changes, 12);
        size.refused(408, 1, 10);
        assert_eq!(size.changes, 1);
        assert_eq!(size.to_remember(), Some(1));
        let mut size = Size::default();
        size.be_careful();
        assert_eq!((size.changes, size.to_remember()), (10, None));
    }

    #[test]
    fn what_was_learned_is_tried_a_little_further_next_time() {
        let mut size = Size::learned(None);
        assert_eq!(size, Size::default());
        size.went_well(6);
        size.went_well(4);
        size.taken_in_parts(6);
        assert_eq!(size.to_remember(), Some(6));
        assert_eq!(Size::learned(Some(6)).changes, 12);
        assert_eq!(Size::learned(Some(40)).changes, 50);
        assert_eq!(Size::learned(Some(0)).changes, 1);
    }
}
