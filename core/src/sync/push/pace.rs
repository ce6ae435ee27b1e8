//! How long a server that is busy is left alone. Pure.

use std::time::Duration;

/// What is waited for at most, within a sync; a server that wants longer is asked again by a later one.
const LONGEST: Duration = Duration::from_secs(30);
/// How often in one sync.
const PAUSES: u32 = 4;
/// For a server that says 429 and not how long.
const UNSAID: Duration = Duration::from_secs(2);

/// What to do about a 429 or 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Ask again after this time.
    Pause(Duration),
    /// Ask no earlier than that, in another sync.
    Stop(Duration),
    /// It says no time: not for us to guess.
    Failed,
}

/// What to do about an answer with this status and this `Retry-After`, when this sync has paused `pauses` times before.
/// `seed` spreads those who were sent away at the same moment: any number that differs from device to device.
pub(super) fn pace(status: u16, said: Option<Duration>, pauses: u32, seed: u64) -> Pace {
    let wait = match (status, said) {
        (_, Some(said)) => said,
        (429, None) => UNSAID * 2_u32.saturating_pow(pauses.min(4)),
        _ => return Pace::Failed,
    };
    if wait > LONGEST || pauses >= PAUSES {
        return Pace::Stop(wait);
    }
    Pace::Pause(wait + jitter(wait, seed))
}

/// Up to a quarter of the wait, and at least up to a second's quarter.
fn jitter(wait: Duration, seed: u64) -> Duration {
    // Fibonacci hashing: neighbouring clocks lie far apart.
    let part = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    let most = wait.max(Duration::from_secs(1)) / 4;
    most * u32::try_from(part).unwrap_or(0) / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_waits_are_waited_and_long_ones_end_the_sync() {
        let second = Duration::from_secs(1);
        for seed in [0, 1, 77, u64::MAX] {
            match pace(503, Some(8 * second), 0, seed) {
                Pace::Pause(wait) => assert!(wait >= 8 * second && wait <= 10 * second),
                other => panic!("{other:?}"),
            }
        }
        assert_ne!(
            pace(503, Some(8 * second), 0, 1),
            pace(503, Some(8 * second), 0, 2)
        );
        assert_eq!(pace(503, Some(31 * second), 0, 1), Pace::Stop(31 * second));
        assert_eq!(pace(429, Some(second), PAUSES, 1), Pace::Stop(second));
        assert_eq!(pace(503, None, 0, 1), Pace::Failed);
        assert!(matches!(pace(429, None, 0, 1), Pace::Pause(wait) if wait >= 2 * second));
        assert!(matches!(pace(429, None, 3, 1), Pace::Pause(wait) if wait >= 16 * second));
    }
}
