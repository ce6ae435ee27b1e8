//! Where a pull begins. Pure.
//!
//! Servers that stamp a record when its transaction begins show it when that ends: later than younger ones. So a pull
//! begins some time behind the newest stamp, as long as that server's slowest transaction, which is learned. The newest
//! stamp comes from the server's records and their age from its Date header; the phone's clock has no part in it.

use crate::fhir::Instant;

/// Before anything was learned.
const FIRST_MS: i64 = 60_000;
/// Longer transactions are for the slow comparison to find.
const LONGEST_MS: i64 = 10 * 60_000;
/// A stamp this far ahead of the server's own Date is a mistake.
const AHEAD_MS: i64 = 5 * 60_000;
/// Where a server has no Date, nothing but our own clock can tell that a stamp is absurd. It may be wrong by much.
const AHEAD_OF_US_MS: i64 = 24 * 60 * 60_000;

/// What one sync knows about a server's stamps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamps {
    /// It stamps when it commits, one after the other.
    pub(super) at_commit: bool,
    /// What was learned, ms; 0: nothing.
    pub(super) learned_ms: i64,
    /// Its Date when this sync began.
    pub(super) begun: Option<Instant>,
    /// Ours.
    pub(super) ours: Instant,
}

impl Stamps {
    /// How far behind the newest stamp records may still appear, ms.
    pub(super) fn window_ms(&self) -> i64 {
        match (self.learned_ms, self.at_commit) {
            (0, true) => 0,
            (0, false) => FIRST_MS,
            (learned, _) => learned.clamp(FIRST_MS, LONGEST_MS),
        }
    }

    /// Where a pull begins. `is_settled`: the newest stamp was older than the window when all was read.
    pub(super) fn from(&self, newest: Instant, is_settled: bool) -> Instant {
        if is_settled {
            return newest;
        }
        Instant::from_epoch_ms(newest.epoch_ms() - self.window_ms())
    }

    /// Whether nothing can appear behind this stamp any more, once all was read in this sync.
    pub(super) fn is_settled(&self, newest: Instant) -> bool {
        let age = |begun: Instant| begun.epoch_ms() - newest.epoch_ms();
        self.begun
            .is_some_and(|begun| age(begun) >= self.window_ms())
    }

    /// Whether a stamp may move the cursor. One from the far future would hide everything that comes before it.
    pub(super) fn is_believable(&self, stamp: Instant, date: Option<Instant>) -> bool {
        let ahead_of = |now: Instant| stamp.epoch_ms() - now.epoch_ms();
        match date.or(self.begun) {
            // They only grow, so a cursor at the newest one never hides another.
            _ if self.at_commit => true,
            Some(date) => ahead_of(date) <= AHEAD_MS,
            None => ahead_of(self.ours) <= AHEAD_OF_US_MS,
        }
    }

    /// Up to when deletions were read, if they are read now.
    pub(super) fn history_since(&self) -> Option<i64> {
        // A Date has whole seconds.
        Some(self.begun?.epoch_ms() - self.window_ms().max(2_000))
    }
}

/// The window that a record asks for which appeared `late_ms` behind the newest stamp; `None`: it was not late, or by so
/// much that something else is behind it.
pub(super) fn widened(late_ms: i64) -> Option<i64> {
    (late_ms > 0 && late_ms <= LONGEST_MS).then(|| (2 * late_ms).clamp(FIRST_MS, LONGEST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Instant {
        Instant::from_epoch_ms(ms)
    }

    const PLAIN: Stamps = Stamps {
        at_commit: false,
        learned_ms: 0,
        begun: None,
        ours: Instant::EPOCH,
    };

    #[test]
    fn the_window_is_only_for_servers_that_need_it_and_grows_with_what_is_seen() {
        let hub = Stamps {
            at_commit: true,
            ..PLAIN
        };
        assert_eq!((hub.window_ms(), PLAIN.window_ms()), (0, 60_000));
        assert_eq!(hub.from(at(100_000), false), at(100_000));
        assert_eq!(PLAIN.from(at(100_000), false), at(40_000));
        assert_eq!(PLAIN.from(at(100_000), true), at(100_000));
        assert_eq!((widened(0), widened(-5)), (None, None));
        assert_eq!(widened(5_000), Some(60_000));
        assert_eq!(widened(90_000), Some(180_000));
        assert_eq!(widened(400_000), Some(600_000));
        assert_eq!(widened(3_600_000), None, "no transaction takes an hour");
        for learned_ms in [180_000, 9_999_999] {
            let learned = Stamps { learned_ms, ..hub };
            assert_eq!(learned.window_ms(), learned_ms.min(600_000));
        }
    }

    #[test]
    fn a_stamp_is_settled_by_the_servers_own_clock() {
        let begun = Stamps {
            begun: Some(at(1_000_000)),
            ..PLAIN
        };
        assert!(begun.is_settled(at(940_000)));
        assert!(!begun.is_settled(at(940_001)));
        assert!(!PLAIN.is_settled(at(0)), "no Date, no age");
    }

    #[test]
    fn absurd_stamps_move_nothing() {
        let begun = Stamps {
            begun: Some(at(1_000_000)),
            ..PLAIN
        };
        let far = at(4_000_000_000_000);
        assert!(begun.is_believable(at(1_000_000 + AHEAD_MS), None));
        assert!(!begun.is_believable(far, None));
        assert!(!begun.is_believable(at(1_000_000 + AHEAD_MS), Some(at(999_999))));
        assert!(PLAIN.is_believable(at(AHEAD_OF_US_MS), None));
        assert!(!PLAIN.is_believable(far, None));
        let hub = Stamps {
            at_commit: true,
            ..begun
        };
        assert!(hub.is_believable(far, None), "its stamps only grow");
    }
}
