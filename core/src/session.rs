//! The open vault in one person's hands, and the timer that takes it away again.
//!
//! Every call compares the deadline first, on a clock that runs while the device sleeps; timers and screen-off events
//! only lock sooner.

use crate::access::{AccessError, Guard};
use crate::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a patient's vault stays open without a call.
pub const PATIENT_IDLE: Duration = Duration::from_secs(5 * 60);

/// The session is locked: the keys are gone from memory, and only a secret brings them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the vault is locked")]
pub struct Locked;

/// An open vault that locks itself.
pub struct Session {
    open: Mutex<Option<Open>>,
    idle: Duration,
    clock: Arc<dyn Clock>,
}

struct Open {
    guard: Guard,
    deadline: Duration,
}

impl Session {
    /// Starts a session that locks after `idle` without a call.
    pub fn start(guard: Guard, idle: Duration, clock: Arc<dyn Clock>) -> Self {
        let deadline = clock.since_boot() + idle;
        Self {
            open: Mutex::new(Some(Open { guard, deadline })),
            idle,
            clock,
        }
    }

    /// The guard, for one piece of work. Keep no clone of it: the vault closes when the last one goes.
    ///
    /// # Errors
    /// [`Locked`], also when the deadline passed unnoticed until now.
    pub fn guard(&self) -> Result<Guard, Locked> {
        let now = self.clock.since_boot();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(session) = open.as_mut() else {
            return Err(Locked);
        };
        if now >= session.deadline {
            let expired = open.take();
            drop(open);
            // Locking goes through even when the audit trail cannot be written: staying open would be worse.
            let _ = expired.map(|session| session.guard.lock());
            return Err(Locked);
        }
        session.deadline = now + self.idle;
        Ok(session.guard.clone())
    }

    /// Locks now: running reads are stopped, the files are closed, the keys are zeroed.
    ///
    /// # Errors
    /// [`AccessError::Audit`] when the lock could not be audited; it is locked all the same.
    pub fn lock(&self) -> Result<(), AccessError> {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        open.map_or(Ok(()), |session| session.guard.lock())
    }
}
