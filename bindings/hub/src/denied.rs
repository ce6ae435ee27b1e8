//! Requests without a valid token, counted.

use pocketchart_core::access::Guard;
use pocketchart_core::clock::{Clock, SystemClock};
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests without a valid token: counted, and written to the audit trail at most once a second, so that nobody can
/// fill the disk by knocking.
#[derive(Default)]
pub(crate) struct Denied {
    count: AtomicU64,
    noted_s: AtomicU64,
}

impl Denied {
    /// One more.
    pub(crate) fn note(&self, guard: &Guard) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let now_s = SystemClock.since_boot().as_secs() + 1;
        if self.noted_s.swap(now_s, Ordering::Relaxed) != now_s {
            let count = self.count.swap(0, Ordering::Relaxed);
            let guard = guard.clone();
            // What cannot be noted is turned away all the same; the count goes with the next one.
            drop(tokio::task::spawn_blocking(move || {
                guard.note_denied(count)
            }));
        }
    }
}
