//! The open vault in one person's hands.

pub(crate) mod booking;
pub(crate) mod conflicts;
pub(crate) mod lock;
pub(crate) mod observe;
pub(crate) mod people;
pub(crate) mod records;
pub(crate) mod servers;
pub(crate) mod slots;
pub(crate) mod sync;
pub(crate) mod trail;

use crate::memory::Live;
use crate::redacted::redacted;
use crate::vault::Place;
use crate::{PocketchartError, runtime};
use pocketchart_core::access::{Guard, Person};
use pocketchart_core::session as core;
use std::sync::Arc;
use tokio::sync::watch;

/// An open vault. It locks itself after some time without a call: 5 minutes in the hands of the person whose records they
/// are, 2 in those of staff, 30 seconds in the background. Once locked it stays so: [`Vault::unlock`] gives another one.
///
/// Closing the object locks it too.
///
/// [`Vault::unlock`]: crate::Vault::unlock
#[derive(uniffi::Object)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
    _live: Live,
}

/// What work holds on to while it runs.
pub(crate) struct Inner {
    pub(crate) core: core::Session,
    pub(crate) place: Place,
    /// Grows when everything that runs is to end.
    pub(crate) paused: watch::Sender<u64>,
}

/// Who has the vault.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct PersonInfo {
    /// Their id; the owner's is `owner`.
    pub id: String,
    /// As what they work, such as `owner`, `patient` or `nurse`.
    pub role: String,
    /// The id of the Patient who they are, where that is known.
    pub patient: Option<String>,
    /// Whether the vault is theirs.
    pub is_owner: bool,
}

/// Whether the vault is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LockState {
    /// For so long, without another call.
    Open {
        /// Seconds.
        seconds_left: u64,
    },
    /// Only a secret opens it again.
    Locked,
}

redacted!(PersonInfo);

impl Session {
    /// Starts a session, and brings the index up to date first where an older program made it.
    pub(crate) fn start(guard: Guard, place: Place) -> Result<Arc<Self>, PocketchartError> {
        if guard.index_is_old()? {
            guard.reindex(|_| true)?;
        }
        let (idle, clock) = (place.idle, Arc::clone(&place.clock));
        let inner = Arc::new(Inner {
            core: core::Session::start(guard, idle, clock),
            place,
            paused: watch::Sender::new(0),
        });
        lock::keep_time(&inner)?;
        Ok(Arc::new(Self {
            inner,
            _live: Live::new(),
        }))
    }

    /// Runs one piece of work on the open vault, to its end.
    pub(crate) async fn work<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Guard) -> Result<R, PocketchartError> + Send + 'static,
    ) -> Result<R, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::blocking(move || work(&inner.core.guard()?)).await
    }
}

/// A forgotten session must not stay open.
impl Drop for Session {
    fn drop(&mut self) {
        let _ = runtime::here(|| Ok(self.inner.core.lock()?));
    }
}

#[uniffi::export]
impl Session {
    /// Who has the vault. Puts no lock off.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub fn person(&self) -> Result<PersonInfo, PocketchartError> {
        runtime::here(|| {
            let actor = self.inner.core.actor()?;
            Ok(PersonInfo {
                id: actor.person.id().to_owned(),
                role: actor.role.name().to_owned(),
                patient: actor.patient.as_ref().map(ToString::to_string),
                is_owner: actor.person == Person::owner(),
            })
        })
    }
}
