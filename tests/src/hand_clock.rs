//! A clock that moves when it is told to, both its halves alike.

use pocketchart_core::clock::Clock;
use pocketchart_core::fhir::Instant;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// In 2027 at boot.
const START_MS: i64 = 1_800_000_000_000;

/// Stands at the device's boot until it is moved.
#[derive(Debug, Default)]
pub struct HandClock(AtomicU64);

impl HandClock {
    /// Moves on.
    pub fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Instant {
        let ms = i64::try_from(self.since_boot().as_millis()).unwrap_or(i64::MAX - START_MS);
        Instant::from_epoch_ms(START_MS + ms)
    }

    fn since_boot(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}
