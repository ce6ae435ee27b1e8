//! The world's time, and the clocks of its devices, which people set wrong.

use crate::clock::Clock;
use crate::fhir::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// 2026-03-01T00:00:00Z.
pub(super) const START_MS: i64 = 1_772_323_200_000;

/// True time, in milliseconds since 1970. Only the world moves it.
#[derive(Clone)]
pub(super) struct Time(Arc<AtomicI64>);

impl Time {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START_MS)))
    }

    pub(super) fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn advance_to(&self, ms: i64) {
        self.0.fetch_max(ms, Ordering::SeqCst);
    }
}

/// A device's clock.
pub(super) struct DeviceClock {
    time: Time,
    wrong_by: AtomicI64,
}

impl DeviceClock {
    pub(super) fn new(time: Time) -> Self {
        let wrong_by = AtomicI64::new(0);
        Self { time, wrong_by }
    }

    pub(super) fn set_wrong_by(&self, ms: i64) {
        self.wrong_by.store(ms, Ordering::SeqCst);
    }
}

impl Clock for DeviceClock {
    fn now(&self) -> Instant {
        Instant::from_epoch_ms(self.time.now() + self.wrong_by.load(Ordering::SeqCst))
    }

    fn since_boot(&self) -> Duration {
        Duration::from_millis((self.time.now() - START_MS).unsigned_abs())
    }
}
