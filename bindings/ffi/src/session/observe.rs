//! That something changed, for screens. A screen that hears of its types asks for its page again.

use super::Session;
use crate::memory::Live;
use crate::{PocketchartError, runtime};
use pocketchart_core::access;
use pocketchart_core::fhir::ResourceType;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};

/// What changes within this time is told at once.
const TOGETHER: Duration = Duration::from_millis(100);

/// That records changed. It says which types, never which records.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Tick {
    /// The types that were asked for, that this person may read, and that changed.
    pub kinds: Vec<String>,
    /// Number of the newest change of this vault; it grows.
    pub revision: i64,
}

/// Tells of changes until it is closed, or the vault is locked or changes hands.
#[derive(uniffi::Object)]
pub struct Ticks {
    state: Mutex<State>,
    closed: watch::Sender<bool>,
    _live: Live,
}

struct State {
    ticks: access::Ticks,
    last: Option<Instant>,
}

#[uniffi::export]
impl Session {
    /// Observes types of records, such as `Observation`; none: all. A booking that was asked for is an `Appointment`. What
    /// was only read changes nothing.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`]; [`PocketchartError::BadInput`] for what is no type of FHIR R4.
    pub fn observe(&self, kinds: Vec<String>) -> Result<Arc<Ticks>, PocketchartError> {
        runtime::here(|| {
            let kind = |name: &String| {
                ResourceType::named(name).ok_or(PocketchartError::BadInput("no FHIR R4 type"))
            };
            let kinds: Vec<ResourceType> = kinds.iter().map(kind).collect::<Result<_, _>>()?;
            let ticks = self.inner.core.guard()?.observe(&kinds)?;
            Ok(Arc::new(Ticks {
                state: Mutex::new(State { ticks, last: None }),
                closed: watch::Sender::new(false),
                _live: Live::new(),
            }))
        })
    }
}

#[uniffi::export]
impl Ticks {
    /// The next tick. The first is there at once and names all types that were asked for; the others come as records
    /// change, those of about 100 ms together. `None`: it is over.
    ///
    /// Can be dropped: what was not told yet the next call tells.
    ///
    /// # Errors
    /// [`PocketchartError::Device`].
    pub async fn next(&self) -> Result<Option<Tick>, PocketchartError> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|is| *is) => Ok(None),
            tick = self.wait() => tick,
        }
    }

    /// No further tick; a call that waits for one ends. Twice is no error.
    ///
    /// # Errors
    /// None; every export can fail.
    pub fn close(&self) -> Result<(), PocketchartError> {
        runtime::here(|| {
            self.closed.send_replace(true);
            Ok(())
        })
    }
}

impl Ticks {
    /// Nothing counts as told before this ends.
    async fn wait(&self) -> Result<Option<Tick>, PocketchartError> {
        let mut state = self.state.lock().await;
        loop {
            if !state.ticks.wait().await {
                return Ok(None);
            }
            let since = state.last.map(|last| last.elapsed());
            if let Some(rest) = since.and_then(|since| TOGETHER.checked_sub(since)) {
                runtime::sleep(rest).await?;
            }
            if let Some(tick) = state.ticks.take() {
                state.last = Some(Instant::now());
                let name = |kind: &ResourceType| kind.name().to_owned();
                return Ok(Some(Tick {
                    kinds: tick.kinds.iter().map(name).collect(),
                    revision: tick.revision,
                }));
            }
        }
    }
}
