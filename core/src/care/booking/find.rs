//! Free Slots: on the server while there is a network, else those that the last sync left here.

use super::rank::{fits, ranked};
use super::slot::{Practice, SlotView};
use super::wish::Preferences;
use crate::access::{AccessError, Guard, PeerId};
use crate::fhir::search::Query;
use crate::fhir::{Instant, Reference};
use crate::net::{Answer, Server};
use crate::sync::{self, SyncError, failed};

/// Pages of one search; a clinic with more free Slots than that offers enough.
const MAX_PAGES: usize = 25;
/// Slots asked for in one page.
const PAGE: usize = 200;

/// What is looked for here.
pub type Filter = Preferences;

/// Slots that are free as far as this device knows.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Earliest first.
    pub slots: Vec<SlotView>,
    /// When a sync with their server last went through; `None`: never, or it is not known.
    pub confirmed: Option<Instant>,
}

/// Free Slots as the server has them now, all that fit.
pub(super) async fn on_server(
    guard: &Guard,
    server: &Server,
    peer: PeerId,
    wanted: &Preferences,
) -> Result<Vec<SlotView>, SyncError> {
    let mut practice = Practice::default();
    let now = guard.now();
    let from = wanted
        .from_ms
        .map_or(now, |ms| now.max(Instant::from_epoch_ms(ms)));
    let mut search = format!("Slot?status=free&start=ge{from}");
    if let Some(until) = wanted.until_ms {
        search += &format!("&start=lt{}", Instant::from_epoch_ms(until));
    }
    let best = format!("{search}&_include=Slot:schedule&_sort=start,_id&_count={PAGE}");
    let mut answer = server.get(&best).await?;
    if answer.status == 400 {
        // Not every server sorts or includes.
        answer = server.get(&format!("{search}&_count={PAGE}")).await?;
    }
    let mut texts = Vec::new();
    for _ in 0..MAX_PAGES {
        let (page, next) = taken(guard, peer, &answer)?;
        texts.extend(page);
        match next {
            Some(next) => answer = server.follow(&next).await?,
            None => break,
        }
    }
    texts.iter().for_each(|text| practice.add(text));
    let mut slots = Vec::new();
    for text in texts.iter().filter(|text| text.contains("\"Slot\"")) {
        if let Some(view) = view(guard, server, peer, &mut practice, text).await? {
            slots.push(view);
        }
    }
    slots.retain(|slot| fits(wanted, slot, now));
    Ok(slots)
}

fn taken(
    guard: &Guard,
    peer: PeerId,
    answer: &Answer,
) -> Result<(Vec<String>, Option<String>), SyncError> {
    match answer.status {
        200 => sync::take_found(guard, peer, &answer.text),
        _ => Err(failed(answer, "a search for free times")),
    }
}

/// A Slot with what belongs to it, from here or else from the server.
pub(super) async fn view(
    guard: &Guard,
    server: &Server,
    peer: PeerId,
    practice: &mut Practice,
    slot: &str,
) -> Result<Option<SlotView>, SyncError> {
    // Its Schedule, and then the services of that.
    for _ in 0..2 {
        for name in practice.missing(slot) {
            let text = match guard.device_record(peer, &name)? {
                Some(record) => Some(record.text),
                None => sync::read(guard, server, peer, &name)
                    .await?
                    .map(|(text, _)| text),
            };
            match text {
                Some(text) => practice.add(&text),
                None => practice.lacks(&name),
            }
        }
    }
    Ok(practice.view(slot))
}

impl Guard {
    /// Free times that fit, as far as this device knows. Nothing is sent.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn free_times(&self, wanted: &Filter) -> Result<Found, AccessError> {
        let now = self.now();
        let from = wanted
            .from_ms
            .map_or(now, |ms| now.max(Instant::from_epoch_ms(ms)));
        let mut practice = Practice::default();
        for kind in ["Schedule", "HealthcareService"] {
            self.each_found(&format!("{kind}?_count=1000"), |_, text| practice.add(text))?;
        }
        let mut search = format!("Slot?status=free&start=ge{from}&_count=1000");
        if let Some(until) = wanted.until_ms {
            search += &format!("&start=lt{}", Instant::from_epoch_ms(until));
        }
        let mut slots = Vec::new();
        let mut peer = None;
        self.each_found(&search, |of, text| {
            peer = peer.or(Some(of));
            slots.extend(practice.view(text));
        })?;
        // Nothing found is knowledge of some age, too.
        let known = self.peers()?.first().map(|(peer, ..)| *peer);
        let confirmed = match peer.or(known) {
            Some(peer) => self.peer_state(peer)?.last_sync_ms,
            None => None,
        };
        Ok(Found {
            slots: ranked(wanted, None, &slots, now),
            confirmed: confirmed.map(Instant::from_epoch_ms),
        })
    }

    /// One Slot that this person may read; `None`: there is none here.
    pub(super) fn slot_here(&self, id: &str) -> Result<Option<(PeerId, SlotView)>, AccessError> {
        let Ok(name) = Reference::parse(&format!("Slot/{id}")) else {
            return Ok(None);
        };
        let Some(record) = self.get(&name)? else {
            return Ok(None);
        };
        let mut practice = Practice::default();
        for _ in 0..2 {
            for name in practice.missing(&record.text) {
                match self.get(&name)? {
                    Some(record) => practice.add(&record.text),
                    None => practice.lacks(&name),
                }
            }
        }
        let peer = record.name.peer;
        Ok(practice.view(&record.text).map(|view| (peer, view)))
    }

    fn each_found(
        &self,
        search: &str,
        mut take: impl FnMut(PeerId, &str),
    ) -> Result<(), AccessError> {
        // A constant but for two instants: it parses.
        let Ok(mut query) = Query::parse(search) else {
            return Ok(());
        };
        loop {
            let page = self.search(&query)?;
            page.records
                .iter()
                .for_each(|one| take(one.name.peer, &one.text));
            match page.next {
                Some(next) => query = next,
                None => return Ok(()),
            }
        }
    }
}
