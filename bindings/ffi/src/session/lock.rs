//! When a session ends: by a call, by time, and when the app goes away.

use super::{Inner, LockState, Session};
use crate::{PocketchartError, runtime};
use std::sync::Arc;
use std::time::Duration;

/// How long the timer sleeps at most. Its clock stands still while the device sleeps, so it looks at the other one now and
/// then. Each call looks first, whatever the timer does.
const LOOK: Duration = Duration::from_secs(10);
/// How long a change of hands may take, until it is looked at again.
const BETWEEN: Duration = Duration::from_millis(20);
/// Behind the deadline, so that one look is enough.
const BEHIND: Duration = Duration::from_millis(5);

/// Locks the session when its time is up, so that the keys go even if nobody calls any more.
pub(super) fn keep_time(inner: &Arc<Inner>) -> Result<(), PocketchartError> {
    let weak = Arc::downgrade(inner);
    runtime::start(async move {
        while let Some(inner) = weak.upgrade() {
            // This is what locks it; it waits for what is being written.
            let left = inner.core.time_left();
            drop(inner);
            let Ok(left) = left else { return };
            tokio::time::sleep(left.min(LOOK) + BEHIND).await;
        }
    })
}

#[uniffi::export]
impl Session {
    /// Whether it is open, and for how long without another call. Puts no lock off. [`Ticks::next`] ends when it locks.
    ///
    /// # Errors
    /// None; every export can fail.
    ///
    /// [`Ticks::next`]: crate::Ticks::next
    pub fn lock_state(&self) -> Result<LockState, PocketchartError> {
        runtime::here(|| {
            Ok(match self.inner.core.time_left() {
                Ok(left) => LockState::Open {
                    seconds_left: left.as_secs(),
                },
                Err(_) => LockState::Locked,
            })
        })
    }

    /// Waits until it is locked, by whomever and for whatever reason. Puts no lock off, and can be dropped.
    ///
    /// # Errors
    /// None; every export can fail.
    pub async fn until_locked(&self) -> Result<(), PocketchartError> {
        loop {
            match runtime::here(|| Ok(self.inner.core.observe()?)) {
                // Over, too, when it changes hands: then it is looked at again.
                Ok(mut ticks) => ticks.ended().await,
                Err(_) if self.lock_state()? == LockState::Locked => return Ok(()),
                // Between two hands.
                Err(_) => runtime::sleep(BETWEEN).await?,
            }
        }
    }

    /// Locks now: running reads are stopped, running writes end, the files are closed and the keys zeroed. Twice is no
    /// error.
    ///
    /// # Errors
    /// [`PocketchartError::Audit`] where the trail could not be written; it is locked all the same.
    pub async fn lock(&self) -> Result<(), PocketchartError> {
        let inner = Arc::clone(&self.inner);
        // Not behind what waits for a thread to work on: a lock comes first.
        runtime::detached(async move { Ok(inner.core.lock()?) }).await
    }

    /// Another app is in front now: 30 seconds are left, and calls do not put that off.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub fn background(&self) -> Result<(), PocketchartError> {
        runtime::here(|| Ok(self.inner.core.background()?))
    }

    /// This app is in front again.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`], when it was away for too long.
    pub fn foreground(&self) -> Result<(), PocketchartError> {
        runtime::here(|| Ok(self.inner.core.foreground()?))
    }

    /// As [`Session::background`], and ends what runs (syncs): the device is about to stop this app. What was done until
    /// then stays done.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub async fn pause(&self) -> Result<(), PocketchartError> {
        runtime::here(|| {
            self.inner.paused.send_modify(|runs| *runs += 1);
            Ok(self.inner.core.background()?)
        })
    }

    /// As [`Session::foreground`].
    ///
    /// # Errors
    /// [`PocketchartError::Locked`], when it was away for too long.
    pub async fn resume(&self) -> Result<(), PocketchartError> {
        self.foreground()
    }
}
