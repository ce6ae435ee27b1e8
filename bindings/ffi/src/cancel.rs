//! How something long is ended early. Dropping a future would not do: Swift's cancelled task drops nothing.

use crate::memory::Live;
use crate::{PocketchartError, runtime};
use std::sync::Arc;
use tokio::sync::watch;

/// Ends whatever it was given to. Once cancelled it stays so.
#[derive(uniffi::Object)]
pub struct CancelToken {
    state: watch::Sender<bool>,
    _live: Live,
}

#[uniffi::export]
impl CancelToken {
    /// A new one, not cancelled.
    ///
    /// # Errors
    /// None; every export can fail.
    #[uniffi::constructor]
    pub fn new() -> Result<Arc<Self>, PocketchartError> {
        Ok(Arc::new(Self {
            state: watch::Sender::new(false),
            _live: Live::new(),
        }))
    }

    /// Ends what it was given to, at the next point where nothing is torn by it. Twice is no error.
    ///
    /// # Errors
    /// None; every export can fail.
    pub fn cancel(&self) -> Result<(), PocketchartError> {
        runtime::here(|| {
            self.state.send_replace(true);
            Ok(())
        })
    }

    /// Whether it was cancelled.
    ///
    /// # Errors
    /// None; every export can fail.
    pub fn is_cancelled(&self) -> Result<bool, PocketchartError> {
        Ok(*self.state.borrow())
    }
}

impl CancelToken {
    /// Resolves once it is cancelled.
    pub(crate) async fn cancelled(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this future does.
        let _ = state.wait_for(|is| *is).await;
    }
}
