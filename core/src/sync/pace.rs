//! When to sync next: at an interval while all goes well, soon after a local change, later and later while it fails.
//!
//! Pure: time and chance are arguments. Chance, because devices that lost their server together must not all come back to
//! it in the same second.

use std::time::Duration;

/// After a local change: what a person does in one go is sent in one go.
const SOON: Duration = Duration::from_secs(1);
/// After the first failure; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait that is our own idea.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// The longest that a server may send us away for.
const LONGEST_TOLD: Duration = Duration::from_secs(60 * 60);

/// When one server is to be synced with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    interval: Duration,
    due: Duration,
    /// The server asked for no earlier visit.
    not_before: Duration,
    failures: u32,
}

/// How a sync went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// Through.
    Well,
    /// It did not go through.
    Badly {
        /// What the server asked for.
        retry_after: Option<Duration>,
    },
}

impl Pace {
    /// One that is due at once, and then at this interval.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: Duration::ZERO,
            not_before: Duration::ZERO,
            failures: 0,
        }
    }

    /// How long to wait, at `now`: time since whatever moment, as long as it is always the same one.
    pub fn wait(&self, now: Duration) -> Duration {
        self.due.max(self.not_before).saturating_sub(now)
    }

    /// A sync ended at `now`. `chance`: any number, evenly spread.
    pub fn went(&mut self, went: Went, now: Duration, chance: u32) {
        let wait = match went {
            Went::Well => {
                self.failures = 0;
                let tenth = self.interval / 10;
                self.interval - tenth + part(tenth * 2, chance)
            }
            Went::Badly { retry_after } => {
                self.failures = self.failures.saturating_add(1);
                let doubled = 2u32.saturating_pow(self.failures - 1);
                let longest = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
                if let Some(told) = retry_after {
                    let told = told.min(LONGEST_TOLD);
                    self.not_before = now + told + part(told / 10, chance);
                }
                longest / 2 + part(longest / 2, chance)
            }
        };
        self.due = now + wait;
    }

    /// The server had asked, before `now`, to be left alone for so long from now on.
    pub fn leave_alone(&mut self, time: Duration, now: Duration) {
        self.not_before = self.not_before.max(now + time.min(LONGEST_TOLD));
    }

    /// Something was changed here at `now`. What waits after failures waits on: the change cannot know better.
    pub fn changed(&mut self, now: Duration) {
        if self.failures == 0 {
            self.due = self.due.min(now + SOON);
        }
    }

    /// Syncs that did not go through since one did.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// Between nothing and all of `whole`.
fn part(whole: Duration, chance: u32) -> Duration {
    whole.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const FAILED: Went = Went::Badly { retry_after: None };

    #[test]
    fn at_an_interval_while_all_goes_well() {
        let mut pace = Pace::new(MINUTE);
        assert_eq!(pace.wait(s(0)), s(0), "the first at once");
        pace.went(Went::Well, s(10), 0);
        assert_eq!(pace.wait(s(10)), s(54));
        pace.went(Went::Well, s(10), u32::MAX);
        assert_eq!(pace.wait(s(10)), s(66));
        assert_eq!(pace.wait(s(100)), s(0));
    }

    #[test]
    fn soon_after_a_change() {
        let mut pace = Pace::new(MINUTE);
        pace.went(Went::Well, s(10), 0);
        pace.changed(s(20));
        assert_eq!(pace.wait(s(20)), s(1));
        // One change after the other does not put it off.
        pace.changed(s(21));
        assert_eq!(pace.wait(s(21)), s(0));
        // Nor does one that comes just before the time.
        pace.went(Went::Well, s(100), 0);
        pace.changed(s(154));
        assert_eq!(pace.wait(s(154)), s(0));
    }

    #[test]
    fn later_and_later_while_it_fails() {
        let mut pace = Pace::new(MINUTE);
        let mut waits = Vec::new();
        for _ in 0..12 {
            pace.went(FAILED, s(0), u32::MAX);
            waits.push(pace.wait(s(0)).as_secs());
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
        assert_eq!(pace.failures(), 12);
        // The shortest is half of that.
        pace.went(FAILED, s(0), 0);
        assert_eq!(pace.wait(s(0)), s(150));
        // A change does not hurry it.
        pace.changed(s(0));
        assert_eq!(pace.wait(s(0)), s(150));
        // One success, and all is forgotten.
        pace.went(Went::Well, s(0), 0);
        assert_eq!((pace.wait(s(0)), pace.failures()), (s(54), 0));
        pace.went(FAILED, s(0), u32::MAX);
        assert_eq!(pace.wait(s(0)), s(2));
    }

    #[test]
    fn not_before_the_server_wants_it() {
        let mut pace = Pace::new(MINUTE);
        let told = |seconds| Went::Badly {
            retry_after: Some(s(seconds)),
        };
        pace.went(told(600), s(5), 0);
        assert_eq!(pace.wait(s(5)), s(600), "longer than any wait of ours");
        pace.changed(s(6));
        assert_eq!(pace.wait(s(6)), s(599));
        pace.went(told(600), s(5), u32::MAX);
        assert_eq!(pace.wait(s(5)), s(660));
        // It may not send us away for a year, and cannot call us at once.
        pace.went(told(u64::MAX), s(5), 0);
        assert_eq!(pace.wait(s(5)), s(3600));
        let mut pace = Pace::new(MINUTE);
        pace.leave_alone(s(90), s(5));
        pace.changed(s(6));
        assert_eq!(
            pace.wait(s(6)),
            s(89),
            "told in an earlier run of the program"
        );
        let mut pace = Pace::new(MINUTE);
        pace.went(told(0), s(0), u32::MAX);
        assert_eq!(pace.wait(s(0)), s(2));
    }

    proptest! {
        #[test]
        fn waits_have_bounds(steps in prop::collection::vec((0..4u8, 0..1000u64, any::<u32>(), any::<u64>()), 0..60)) {
            let mut pace = Pace::new(MINUTE);
            let mut now = Duration::ZERO;
            for (step, passed, chance, told) in steps {
                now += s(passed);
                match step {
                    0 => pace.went(Went::Well, now, chance),
                    1 => pace.went(FAILED, now, chance),
                    2 => pace.went(Went::Badly { retry_after: Some(s(told)) }, now, chance),
                    _ => pace.changed(now),
                }
                prop_assert!(pace.wait(now) <= LONGEST_TOLD + LONGEST_TOLD / 10);
                if step == 1 {
                    prop_assert!(pace.wait(now) >= FIRST_WAIT / 2);
                }
            }
        }
    }
}
