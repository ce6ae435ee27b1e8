//! What changed, for screens: the types of records, never which ones.
//!
//! A screen that hears of a type asks for its page again. What was noted is kept by type with a number that grows, so a
//! screen that looks late misses nothing and nothing piles up for it. Audit entries are no change here: else to read
//! would be to change, and a screen would ask again for ever.

use super::guard::{Guard, Shared};
use super::policy::Action;
use super::{AccessError, Actor};
use crate::fhir::ResourceType;
use crate::store::Touched;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;

/// That records of these types changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// The types that were watched, that this person may read, and that changed.
    pub kinds: Vec<ResourceType>,
    /// Local revision of the newest change.
    pub revision: i64,
}

/// Tells of changes until the vault is locked, or in another person's hands. Keeps no vault open.
pub struct Ticks {
    shared: Weak<Shared>,
    actor: Arc<Actor>,
    holder: u64,
    /// Empty: all.
    kinds: Vec<ResourceType>,
    /// Up to which number it was told; `None`: not yet.
    told: Option<u64>,
    news: watch::Receiver<()>,
}

/// The changes of an open vault.
pub(super) struct Changes {
    noted: Mutex<Noted>,
    news: watch::Sender<()>,
}

struct Noted {
    number: u64,
    revision: i64,
    /// The number of the last change of each type.
    last: Vec<u64>,
}

impl Changes {
    pub(super) fn since(revision: i64) -> Self {
        Self {
            noted: Mutex::new(Noted {
                number: 0,
                revision,
                last: vec![0; ResourceType::all().count()],
            }),
            news: watch::Sender::new(()),
        }
    }

    /// A transaction was committed.
    pub(super) fn note(&self, touched: &Touched, revision: i64) {
        if !touched.is_empty() {
            self.note_kinds(touched.kinds(), revision);
        }
    }

    /// Whatever was to be seen may be another thing now: the rules have changed.
    pub(super) fn note_all(&self) {
        self.note_kinds(ResourceType::all(), 0);
    }

    /// Whoever watches looks whether the vault is still theirs.
    pub(super) fn wake(&self) {
        self.news.send_replace(());
    }

    fn note_kinds(&self, kinds: impl Iterator<Item = ResourceType>, revision: i64) {
        let mut noted = self.noted();
        noted.number += 1;
        noted.revision = noted.revision.max(revision);
        let number = noted.number;
        for kind in kinds {
            if let Some(last) = noted.last.get_mut(place(kind)) {
                *last = number;
            }
        }
        drop(noted);
        self.wake();
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// Observes types of records; none: all. The first tick is there at once, and names all of them that this person may
    /// read.
    ///
    /// # Errors
    /// [`AccessError::Locked`].
    pub fn observe(&self, kinds: &[ResourceType]) -> Result<Ticks, AccessError> {
        self.with_open(|_| Ok(()))?;
        Ok(Ticks {
            shared: Arc::downgrade(&self.shared),
            actor: Arc::clone(&self.actor),
            holder: self.holder(),
            kinds: kinds.to_vec(),
            told: None,
            news: self.shared.changes.news.subscribe(),
        })
    }
}

impl Ticks {
    /// Waits until there is something to tell. `false`: it is over. Can be dropped and begun anew.
    pub async fn wait(&mut self) -> bool {
        loop {
            // What comes while it is looked at wakes it again.
            self.news.borrow_and_update();
            match self.look() {
                None => return false,
                Some(Some(_)) => return true,
                Some(None) => {}
            }
            if self.news.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Waits until it is over, whatever changes meanwhile.
    pub async fn ended(&mut self) {
        loop {
            self.news.borrow_and_update();
            if self.look().is_none() || self.news.changed().await.is_err() {
                return;
            }
        }
    }

    /// What is to be told now; `None`: nothing, or it is over.
    pub fn take(&mut self) -> Option<Tick> {
        let (tick, number) = self.look()??;
        self.told = Some(number);
        Some(tick)
    }

    /// The outer `None`: it is over. The inner one: nothing new.
    #[allow(clippy::option_option)] // Each of the two says something else.
    fn look(&self) -> Option<Option<(Tick, u64)>> {
        let shared = self.shared.upgrade()?;
        let guard = Guard::handed(shared, Arc::clone(&self.actor), self.holder);
        let looked = guard.with_open(|_| Ok(self.news_of(&guard)));
        looked.ok()
    }

    fn news_of(&self, guard: &Guard) -> Option<(Tick, u64)> {
        let may_read = guard.view(Action::Read);
        let noted = guard.shared.changes.noted();
        let is_new = |kind: &ResourceType| match self.told {
            Some(told) => noted
                .last
                .get(place(*kind))
                .is_some_and(|last| *last > told),
            None => true,
        };
        let is_news = |kind: &ResourceType| is_new(kind) && may_read.is_open_to(*kind);
        let kinds: Vec<ResourceType> = match self.kinds.is_empty() {
            true => ResourceType::all().filter(is_news).collect(),
            false => self.kinds.iter().copied().filter(is_news).collect(),
        };
        if kinds.is_empty() && self.told.is_some() {
            return None;
        }
        let revision = noted.revision;
        Some((Tick { kinds, revision }, noted.number))
    }
}

fn place(kind: ResourceType) -> usize {
    usize::try_from(kind.number()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
