//! The page after the next one. A server works while its last page is stored only if it was asked: so the task that a page
//! comes in by looks for the link in its first bytes, and asks for the page behind it before anybody has read them.
//!
//! One page ahead of each that somebody asked for and no further: while one is stored, the next is on its way, and the
//! one after it. What is asked for early hangs on the page that linked to it, and ends with that.

use super::exchange::Exchange;
use super::http::Road;
use crate::fhir::bundle_stream::Splitter;
use reqwest::Url;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Servers that write the link before the entries do it in these first bytes.
const LOOKED_AT: usize = 64 * 1024;
/// An early answer that nobody wanted for so long is asked for again: servers do not wait for ever, and it is old.
const FRESH: Duration = Duration::from_secs(10);

/// Pages on their way that nobody wants yet; each holds what is kept of an unread answer.
const EARLY: usize = 2;

/// Where the pages that may lead to a further one are known.
#[derive(Default)]
pub(super) struct Slots {
    open: Mutex<Vec<Weak<Slot>>>,
    /// Each early page holds one of these.
    early: Arc<()>,
}

impl Slots {
    /// A page, and the place for what comes after it. `is_wanted`: somebody asked for this one.
    pub(super) fn open(&self, road: &Arc<Road>, is_wanted: bool) -> Arc<Slot> {
        let slot = Arc::new(Slot {
            road: Arc::clone(road),
            state: Mutex::new(State {
                is_wanted,
                ..State::default()
            }),
        });
        let mut all = locked(&self.open);
        all.retain(|slot| slot.strong_count() > 0);
        all.push(Arc::downgrade(&slot));
        slot
    }

    /// A place for an early page, unless all are taken.
    fn place(&self) -> Option<Arc<()>> {
        let _alone = locked(&self.open);
        (Arc::strong_count(&self.early) <= EARLY).then(|| Arc::clone(&self.early))
    }

    /// What was asked for early at this address, if it is there and not old.
    pub(super) fn take(&self, url: &Url) -> Option<Early> {
        let open = locked(&self.open).clone();
        let early = open.iter().find_map(|slot| slot.upgrade()?.take(url))?;
        (early.begun.elapsed() <= FRESH).then_some(early)
    }
}

/// What comes after one page.
pub(super) struct Slot {
    road: Arc<Road>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Somebody asked for the page itself, so that the one after it may be asked for.
    is_wanted: bool,
    /// Where the link leads, until it is followed.
    link: Option<Url>,
    early: Option<Early>,
}

/// A page that was asked for before anybody wanted it.
pub(super) struct Early {
    url: Url,
    begun: Instant,
    exchange: Exchange,
    slot: Arc<Slot>,
    place: Arc<()>,
}

impl Early {
    /// Somebody wants it now: the page after it may be asked for. Inside a runtime only.
    pub(super) fn wanted(self) -> Exchange {
        drop(self.place);
        self.slot.follow(|state| state.is_wanted = true);
        self.exchange
    }
}

impl Slot {
    /// Notes what `change` says, and asks for the page behind the link once that is known and may be.
    fn follow(&self, change: impl FnOnce(&mut State)) {
        let mut state = locked(&self.state);
        change(&mut state);
        if !state.is_wanted {
            return;
        }
        let Some(url) = state.link.take() else {
            return;
        };
        // Where too many are under way it is asked for when it is wanted.
        let Some(place) = self.road.slots.place() else {
            return;
        };
        let slot = self.road.slots.open(&self.road, false);
        let scout = Scout::new(Arc::clone(&slot));
        if let Ok(exchange) = Road::begin(&self.road, url.clone(), Some(scout)) {
            state.early = Some(Early {
                url,
                begun: Instant::now(),
                exchange,
                slot,
                place,
            });
        }
    }

    fn take(&self, url: &Url) -> Option<Early> {
        let mut state = locked(&self.state);
        state.early.take_if(|early| early.url == *url)
    }
}

/// Looks for the link in a page that comes in.
pub(super) struct Scout {
    slot: Arc<Slot>,
    /// None: it was found, or will not be.
    splitter: Option<Splitter>,
    looked_at: usize,
}

impl Scout {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self {
            slot,
            splitter: Some(Splitter::new()),
            looked_at: 0,
        }
    }

    /// Who holds this holds what was asked for early.
    pub(super) fn slot(&self) -> Arc<Slot> {
        Arc::clone(&self.slot)
    }

    /// The next bytes of the page.
    pub(super) fn see(&mut self, piece: &[u8]) {
        let Some(mut splitter) = self.splitter.take() else {
            return;
        };
        let part = &piece[..piece.len().min(LOOKED_AT - self.looked_at)];
        self.looked_at += part.len();
        // What is no Bundle is for its reader to judge.
        if splitter.feed(part, &mut |_| ()).is_err() {
            return;
        }
        match splitter.next() {
            Some(link) => {
                // To another origin: its reader says so.
                if let Ok(url) = self.slot.road.linked(link) {
                    self.slot.follow(|state| state.link = Some(url));
                }
            }
            None if self.looked_at < LOOKED_AT => self.splitter = Some(splitter),
            None => {}
        }
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
