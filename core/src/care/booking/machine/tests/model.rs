//! A server that is small enough to be believed, and what can go wrong on the way to it.

use crate::access::PeerId;
use crate::care::booking::acts::{cancel, take};
use crate::care::booking::attempt::{Answer, AnswerKind, Put};
use crate::care::booking::machine::{Ask, Event, Side, names, on, resume};
use crate::care::booking::seen::{Read, Seen};
use crate::care::booking::slot::tests::{SCHEDULE, text};
use crate::care::booking::slot::{Practice, SlotView};
use crate::care::booking::texts;
use crate::care::booking::wish::{Preferences, State, Wish};
use crate::fhir::Instant;
use std::collections::BTreeMap;

const NOW: &str = "2026-11-24T08:00:00Z";

/// A server: Slots and Appointments by id, each with a version.
#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) is_whole: bool,
    /// It lets nobody give a Slot back.
    pub(super) denies_free: bool,
    pub(super) records: BTreeMap<(String, String), (u32, String)>,
    /// Requests that are still on their way.
    pub(super) late: Vec<Vec<(String, Put)>>,
}

pub(super) fn slot_text(id: &str, status: &str) -> String {
    let hour = 9 + id.trim_start_matches('s').parse::<u32>().unwrap_or(0);
    text(
        id,
        "1",
        status,
        &format!("2026-11-24T{hour:02}:00:00Z"),
        &format!("2026-11-24T{hour:02}:20:00Z"),
    )
}

pub(super) fn practice() -> Practice {
    let mut practice = Practice::default();
    practice.add(SCHEDULE);
    practice
}

impl Model {
    pub(super) fn new(is_whole: bool, slots: usize) -> Self {
        let mut model = Self {
            is_whole,
            ..Self::default()
        };
        for n in 0..slots {
            let id = format!("s{n}");
            model.put("Slot", &id, slot_text(&id, "free"));
        }
        model
    }

    pub(super) fn put(&mut self, kind: &str, id: &str, text: String) {
        let entry = self.records.entry((kind.into(), id.into())).or_default();
        *entry = (entry.0 + 1, text);
    }

    pub(super) fn read(&self, kind: &str, id: &str) -> Option<Read> {
        let (version, text) = self.records.get(&(kind.to_owned(), id.to_owned()))?;
        Some(Read {
            text: text.clone(),
            version: Some(version.to_string()),
        })
    }

    pub(super) fn fits(&self, kind: &str, put: &Put) -> Result<(), AnswerKind> {
        let there = self.read(kind, &put.id).and_then(|read| read.version);
        if self.denies_free && kind == "Slot" && put.text.contains("\"free\"") {
            let codes = "forbidden".into();
            return Err(AnswerKind::Refused { status: 403, codes });
        }
        match there == put.expected {
            true => Ok(()),
            false => Err(AnswerKind::Conflict { status: 412 }),
        }
    }

    pub(super) fn take(&mut self, writes: &[(String, Put)]) -> Answer {
        let mut kind = AnswerKind::Taken;
        let mut took = None;
        if self.is_whole
            && let Some(error) = writes
                .iter()
                .find_map(|(kind, put)| self.fits(kind, put).err())
        {
            return Answer { kind: error, took };
        }
        for (what, put) in writes {
            match self.fits(what, put) {
                Ok(()) => {
                    self.put(what, &put.id, put.text.clone());
                    if what == "Slot" && put.text.contains("\"busy\"") {
                        took = self.read(what, &put.id).and_then(|read| read.version);
                    }
                }
                Err(error) => kind = error,
            }
        }
        Answer { kind, took }
    }

    pub(super) fn look(&self, wish: &Wish) -> Seen {
        let (appointment, take, free) = names(wish);
        Seen {
            appointment: appointment.and_then(|id| self.read("Appointment", id)),
            take: take.and_then(|id| self.read("Slot", id)),
            free: free.and_then(|id| self.read("Slot", id)),
        }
    }

    pub(super) fn view(&self, id: &str) -> Option<(SlotView, Read)> {
        let read = self.read("Slot", id)?;
        let mut view = practice().view(&read.text)?;
        view.version.clone_from(&read.version);
        Some((view, read))
    }

    pub(super) fn free(&self) -> Vec<SlotView> {
        let slots = self.records.keys().filter(|(kind, _)| kind == "Slot");
        let views = slots.filter_map(|(_, id)| self.view(id));
        views
            .map(|(view, _)| view)
            .filter(|view| view.status == "free")
            .collect()
    }

    /// Somebody else takes a Slot, if it is free.
    pub(super) fn stranger_takes(&mut self, id: &str) {
        if let Some(read) = self.read("Slot", id).filter(|read| read.has_status("free")) {
            self.put("Slot", id, texts::with_status(&read.text, "busy").unwrap());
            let (view, _) = self.view(id).unwrap();
            let name = format!("other-{id}-{}", self.records.len());
            let text = texts::appointment(&name, "x", "", &view);
            self.put("Appointment", &name, text);
        }
    }

    /// Somebody at the clinic saves a Slot as it was.
    pub(super) fn stranger_touches(&mut self, id: &str) {
        if let Some(read) = self.read("Slot", id) {
            self.put("Slot", id, read.text);
        }
    }

    pub(super) fn live(&self) -> Vec<(&str, Read)> {
        let all = self
            .records
            .iter()
            .filter(|((kind, _), _)| kind == "Appointment");
        let all = all.map(|((_, id), (version, text))| {
            (
                id.as_str(),
                Read {
                    text: text.clone(),
                    version: Some(version.to_string()),
                },
            )
        });
        all.filter(|(_, read)| !read.is_off()).collect()
    }
}

pub(super) fn wish(next_best: bool) -> Wish {
    Wish {
        id: "11111111-1111-4111-8111-111111111111".into(),
        peer: PeerId::FIRST,
        patient: "p".into(),
        author: "owner".into(),
        asked_by: "owner".into(),
        made_ms: 0,
        reason: "cough".into(),
        wanted: Preferences::default(),
        next_best,
        chosen: None,
        state: State::Wished { slot: None },
        note: None,
        passed: Vec::new(),
        turn: 0,
        tries: 0,
        is_off: false,
        asked_ms: None,
    }
}

pub(super) fn chosen(model: &Model, next_best: bool) -> Wish {
    let (view, _) = model.view("s0").unwrap();
    take(wish(next_best), view, "owner", now()).unwrap()
}

pub(super) fn now() -> Instant {
    Instant::parse(NOW).unwrap()
}

/// What goes wrong with one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Luck {
    Fine,
    /// It never arrives.
    Lost,
    /// It arrives, and its answer does not.
    Unanswered,
    /// It arrives later.
    Late,
    /// The program is killed behind it.
    Killed,
}

/// What happens beside it.
#[derive(Debug, Clone, Copy)]
pub(super) enum World {
    Quiet,
    Takes(u8),
    Touches(u8),
    Frees(u8),
    ClinicCancels,
    Arrives,
    PersonCancels,
    PersonTakes(u8),
}

pub(super) fn happen(model: &mut Model, wish: &mut Wish, world: World) {
    let slot = |n: u8| format!("s{}", n % 4);
    match world {
        World::Quiet => {}
        World::Takes(n) => model.stranger_takes(&slot(n)),
        World::Touches(n) => model.stranger_touches(&slot(n)),
        World::Frees(n) => {
            let others: Vec<(String, Read)> = model
                .live()
                .into_iter()
                .filter(|(id, read)| id.starts_with("other") && read.names(&slot(n)))
                .map(|(id, read)| (id.to_owned(), read))
                .collect();
            for (id, read) in others {
                model.put(
                    "Appointment",
                    &id,
                    texts::with_status(&read.text, "cancelled").unwrap(),
                );
                let there = model.read("Slot", &slot(n)).unwrap();
                model.put("Slot", &slot(n), texts::marked(&there.text, None).unwrap());
            }
        }
        World::ClinicCancels => {
            let ours: Vec<(String, Read)> = model
                .live()
                .into_iter()
                .filter(|(id, _)| !id.starts_with("other"))
                .map(|(id, read)| (id.to_owned(), read))
                .collect();
            for (id, read) in ours {
                let (slot, ..) = read.its_slot().unwrap();
                model.put(
                    "Appointment",
                    &id,
                    texts::with_status(&read.text, "cancelled").unwrap(),
                );
                let there = model.read("Slot", &slot).unwrap();
                // On a server whose transactions are none it may be another's by now.
                let others = model.live().iter().any(|(_, live)| live.names(&slot));
                if !others {
                    model.put("Slot", &slot, texts::marked(&there.text, None).unwrap());
                }
            }
        }
        World::Arrives => {
            if let Some(writes) = model.late.pop() {
                model.take(&writes);
            }
        }
        World::PersonCancels => {
            if let Ok(off) = cancel(wish.clone(), "owner") {
                *wish = off;
            }
        }
        World::PersonTakes(n) => {
            if let Some((view, _)) = model.view(&slot(n))
                && let Ok(taken) = take(wish.clone(), view, "owner", now())
            {
                *wish = taken;
            }
        }
    }
}

/// One sync, as the engine does it: until nothing is to be asked, or an exchange fails.
pub(super) fn sync(model: &mut Model, wish: &mut Wish, luck: &mut dyn FnMut() -> Luck) {
    let side = Side {
        now: now(),
        is_whole: model.is_whole,
    };
    let mut ask = resume(wish);
    for _ in 0..200 {
        // All that is known stands in what the vault keeps.
        *wish = serde_json::from_str(&serde_json::to_string(&wish).unwrap()).unwrap();
        let luck = luck();
        let event = match &ask {
            Ask::Rest => return,
            _ if luck == Luck::Lost => return,
            Ask::Slot(id) => Event::Slot(model.view(id)),
            Ask::Find => Event::Found(model.free()),
            Ask::Look => Event::Looked(model.look(wish)),
            Ask::Send => {
                let (State::Requested(attempt) | State::Held(attempt)) = &wish.state else {
                    panic!("sends nothing");
                };
                let writes: Vec<(String, Put)> = attempt
                    .writes()
                    .into_iter()
                    .map(|(kind, put)| (kind.to_owned(), put.clone()))
                    .collect();
                assert!(!writes.is_empty());
                if luck == Luck::Late && model.is_whole {
                    model.late.push(writes);
                    return;
                }
                let answer = model.take(&writes);
                if luck == Luck::Unanswered {
                    return;
                }
                Event::Answered(answer)
            }
        };
        let (after, next) = on(wish.clone(), event, side);
        if luck == Luck::Killed {
            // Before it is kept.
            return;
        }
        (*wish, ask) = (after, next);
    }
    panic!("it never rests: {wish:?} {ask:?}");
}

pub(super) fn settle(model: &mut Model, wish: &mut Wish) {
    while let Some(writes) = model.late.pop() {
        model.take(&writes);
    }
    for _ in 0..4 {
        sync(model, wish, &mut || Luck::Fine);
    }
}

/// What must hold whatever happened.
pub(super) fn check(model: &Model, wish: &Wish) {
    let live = model.live();
    for (kind, id) in model.records.keys() {
        if kind != "Slot" {
            continue;
        }
        let holders: Vec<_> = live.iter().filter(|(_, read)| read.names(id)).collect();
        assert!(holders.len() <= 1, "{id} is booked twice");
        let is_busy = !model.read(kind, id).unwrap().has_status("free");
        if !holders.is_empty() {
            assert!(is_busy, "{id} is free, and somebody comes");
        } else if is_busy {
            assert!(model.denies_free, "{id} is taken by nobody");
        }
    }
    let ours: Vec<_> = live
        .iter()
        .filter(|(id, _)| !id.starts_with("other"))
        .collect();
    match &wish.state {
        State::Booked {
            booking,
            change: None,
            ..
        } => {
            if let [(id, read)] = ours[..] {
                assert_eq!(*id, booking.appointment);
                assert!(read.names(&booking.slot.id));
            } else {
                // Called off by the clinic since: the record says so.
                let there = model.read("Appointment", &booking.appointment).unwrap();
                assert!(there.is_off(), "booked without an Appointment");
            }
        }
        State::Requested(_) | State::Held(_) | State::Booked { .. } => {
            panic!("not settled: {wish:?}")
        }
        _ => assert!(ours.is_empty(), "{} with an Appointment", wish.word()),
    }
}
