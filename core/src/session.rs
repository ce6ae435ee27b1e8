//! The open vault in one person's hands, and the timer that takes it away again.
//!
//! Every call compares the deadline first, on a clock that runs while the device sleeps; timers and screen-off events
//! only lock sooner.

pub mod rows;
pub mod servers;
pub mod sync;

use crate::access::{AccessError, Actor, Guard, Opening, Role, Ticks};
use crate::clock::Clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a vault stays open without a call. A policy may shorten it, never lengthen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleTimes {
    /// In the hands of the person whose records they are.
    pub own: Duration,
    /// In those of staff, on a device that others pick up.
    pub staff: Duration,
    /// In anyone's, once another program is in front.
    pub background: Duration,
}

impl IdleTimes {
    /// The usual ones.
    pub const USUAL: Self = Self {
        own: Duration::from_secs(5 * 60),
        staff: Duration::from_secs(2 * 60),
        background: Duration::from_secs(30),
    };

    /// Each the shorter of the two.
    #[must_use]
    pub fn shortened_to(self, other: Self) -> Self {
        Self {
            own: self.own.min(other.own),
            staff: self.staff.min(other.staff),
            background: self.background.min(other.background),
        }
    }

    fn of(&self, role: &Role) -> Duration {
        if *role == Role::OWNER || *role == Role::PATIENT {
            self.own
        } else {
            self.staff
        }
    }
}

/// The session is locked: the keys are gone from memory, and only a secret brings them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the vault is locked")]
pub struct Locked;

impl From<Locked> for AccessError {
    fn from(_: Locked) -> Self {
        Self::Locked
    }
}

/// An open vault that locks itself.
pub struct Session {
    open: Mutex<Option<Open>>,
    idle: IdleTimes,
    clock: Arc<dyn Clock>,
}

struct Open {
    guard: Guard,
    deadline: Duration,
    in_background: bool,
}

impl Session {
    /// Starts a session that locks after some time without a call; how long depends on who has it.
    pub fn start(guard: Guard, idle: IdleTimes, clock: Arc<dyn Clock>) -> Self {
        let deadline = clock.since_boot() + idle.of(&guard.actor().role);
        Self {
            open: Mutex::new(Some(Open {
                guard,
                deadline,
                in_background: false,
            })),
            idle,
            clock,
        }
    }

    /// The guard, for one piece of work. Keep no clone of it: the vault closes when the last one goes. A call in the
    /// background puts nothing off.
    ///
    /// # Errors
    /// [`Locked`], also when the deadline passed unnoticed until now.
    pub fn guard(&self) -> Result<Guard, Locked> {
        self.with_open(|session, now| {
            if !session.in_background {
                session.deadline = now + self.idle.of(&session.guard.actor().role);
            }
            session.guard.clone()
        })
    }

    /// Who has it. Puts nothing off.
    ///
    /// # Errors
    /// [`Locked`].
    pub fn actor(&self) -> Result<Actor, Locked> {
        self.with_open(|session, _| session.guard.actor().clone())
    }

    /// Tells of the session's end, and of changes. Puts nothing off.
    ///
    /// # Errors
    /// [`AccessError::Locked`].
    pub fn observe(&self) -> Result<Ticks, AccessError> {
        let guard = self.with_open(|session, _| session.guard.clone())?;
        guard.observe(&[])
    }

    /// How long it stays open without a call. Puts nothing off.
    ///
    /// # Errors
    /// [`Locked`].
    pub fn time_left(&self) -> Result<Duration, Locked> {
        self.with_open(|session, now| session.deadline.saturating_sub(now))
    }

    /// Another program is in front now: less time is left, and calls do not put the end off.
    ///
    /// # Errors
    /// [`Locked`].
    pub fn background(&self) -> Result<(), Locked> {
        self.with_open(|session, now| {
            session.deadline = session.deadline.min(now + self.idle.background);
            session.in_background = true;
        })
    }

    /// This program is in front again.
    ///
    /// # Errors
    /// [`Locked`], when it was away for too long.
    pub fn foreground(&self) -> Result<(), Locked> {
        self.with_open(|session, now| {
            session.deadline = now + self.idle.of(&session.guard.actor().role);
            session.in_background = false;
        })
    }

    /// Puts the open vault into another person's hands, and locks nothing when that fails: the person before has it
    /// still. Guards that were handed out before end. No lock is held while the gate is asked.
    ///
    /// # Errors
    /// [`AccessError`]; [`AccessError::Locked`] when the time ran out meanwhile.
    pub async fn switch(&self, opening: &Opening<'_>) -> Result<(), AccessError> {
        let before = self.with_open(|session, _| session.guard.clone())?;
        let guard = before.switch_person(opening).await?;
        let deadline = self.clock.since_boot() + self.idle.of(&guard.actor().role);
        let mut open = self.lock_state();
        match open.as_mut() {
            Some(session) => {
                session.guard = guard;
                session.deadline = deadline;
                Ok(())
            }
            // The time ran out between the two: what was locked stays locked.
            None => {
                drop(open);
                guard.lock()?;
                Err(AccessError::Locked)
            }
        }
    }

    /// Locks now: running reads are stopped, the files are closed, the keys are zeroed.
    ///
    /// # Errors
    /// [`AccessError::Audit`] when the lock could not be audited; it is locked all the same.
    pub fn lock(&self) -> Result<(), AccessError> {
        let open = self.lock_state().take();
        open.map_or(Ok(()), |session| session.guard.lock())
    }

    /// Runs `body` on the open session, after the deadline was compared.
    fn with_open<R>(&self, body: impl FnOnce(&mut Open, Duration) -> R) -> Result<R, Locked> {
        let now = self.clock.since_boot();
        let mut open = self.lock_state();
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
        Ok(body(session, now))
    }

    fn lock_state(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
