//! Time, handed in.
//!
//! Two clocks: the wall, which people and servers talk about and which can be set wrong; and the time since boot,
//! which only moves forward and **runs while the device sleeps**. Rust's own `Instant` stops in sleep on phones, so an
//! idle lock built on it would stay open in a pocket.

use crate::fhir::Instant;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where time comes from. Tests bring their own.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Instant;
    /// Time since boot, sleep included.
    fn since_boot(&self) -> Duration;
}

/// The device's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis());
        Instant::from_epoch_ms(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    fn since_boot(&self) -> Duration {
        // CLOCK_BOOTTIME on Linux and Android. Apple's CLOCK_MONOTONIC is mach_continuous_time, which runs in sleep.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let id = rustix::time::ClockId::Monotonic;
        let at = rustix::time::clock_gettime(id);
        Duration::new(
            u64::try_from(at.tv_sec).unwrap_or(0),
            u32::try_from(at.tv_nsec).unwrap_or(0),
        )
    }
}
