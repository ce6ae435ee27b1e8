//! A vault that is being made: there is none before its recovery code was written down.

use crate::memory::Live;
use crate::vault::Place;
use crate::{PocketchartError, Session, runtime};
use pocketchart_core::access;
use std::sync::{Arc, Mutex, PoisonError};

/// A vault whose recovery code nobody has written down yet. Closing it leaves no vault.
#[derive(uniffi::Object)]
pub struct NewVault {
    draft: Mutex<Option<access::NewVault>>,
    place: Place,
    _live: Live,
}

impl NewVault {
    pub(crate) fn of(draft: access::NewVault, place: Place) -> Arc<Self> {
        Arc::new(Self {
            draft: Mutex::new(Some(draft)),
            place,
            _live: Live::new(),
        })
    }

    fn take(&self) -> Option<access::NewVault> {
        let mut draft = self.draft.lock().unwrap_or_else(PoisonError::into_inner);
        draft.take()
    }

    fn is_code(&self, typed: &str) -> Result<bool, PocketchartError> {
        let draft = self.draft.lock().unwrap_or_else(PoisonError::into_inner);
        let draft = draft.as_ref().ok_or(PocketchartError::Closed)?;
        Ok(draft.code().is(typed))
    }
}

#[uniffi::export]
impl NewVault {
    /// The recovery code, in seven groups of four: to be shown this once. It is stored nowhere.
    ///
    /// # Errors
    /// [`PocketchartError::Closed`] once it was confirmed or abandoned.
    pub fn recovery_code(&self) -> Result<String, PocketchartError> {
        runtime::here(|| {
            let draft = self.draft.lock().unwrap_or_else(PoisonError::into_inner);
            let draft = draft.as_ref().ok_or(PocketchartError::Closed)?;
            Ok(draft.code().to_text().expose().to_owned())
        })
    }

    /// The person typed the code back: from here on there is a vault, open in its owner's hands. Small letters, spaces and
    /// dashes do not matter.
    ///
    /// # Errors
    /// [`PocketchartError::WrongSecret`]: it is another text, and may be typed again. [`PocketchartError::Closed`].
    pub async fn confirm(&self, typed: String) -> Result<Arc<Session>, PocketchartError> {
        if !runtime::here(|| self.is_code(&typed))? {
            return Err(PocketchartError::WrongSecret);
        }
        let draft = self.take().ok_or(PocketchartError::Closed)?;
        let place = self.place.clone();
        runtime::blocking(move || Session::start(draft.finish()?, place)).await
    }

    /// There will be no vault. Closing the object does the same.
    ///
    /// # Errors
    /// None; every export can fail.
    pub fn abandon(&self) -> Result<(), PocketchartError> {
        runtime::here(|| {
            drop(self.take());
            Ok(())
        })
    }
}
