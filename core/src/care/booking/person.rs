//! What a person does about visits, with a network or without: everything is kept at once, and sent by the next sync.

use super::acts::{self, Unfit};
use super::run::{damaged, from_row, to_row};
use super::slot::{SlotView, VirtualVisit};
use super::texts;
use super::time::Window;
use super::wish::{Preferences, State, Wish};
use crate::access::{AccessError, Guard, PeerId, WishRow};
use crate::fhir::{Instant, Reference, Resource, json};
use crate::rng;

/// Longest reason, in bytes.
const MAX_REASON: usize = 1000;

/// Why nothing was asked for.
#[derive(Debug, thiserror::Error)]
pub enum BookingError {
    /// The vault, or what this person may not do.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It does not fit the wish.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// No such Slot here.
    #[error("there is no such time here; `slots` lists those there are")]
    NoSlot,
    /// No such wish here.
    #[error("there is no such visit here")]
    NoWish,
    /// No such patient here.
    #[error("there is no such patient here")]
    NoPatient,
    /// Of several servers: which is meant is not known.
    #[error("the time and the patient are of different servers")]
    OtherServer,
    /// The reason is too long.
    #[error("the reason is longer than {MAX_REASON} bytes")]
    LongReason,
    /// It can never be: the window ends before it begins, or in the past.
    #[error("no time is in this window")]
    EmptyWindow,
    /// Changed by a sync while it was looked at.
    #[error("the visit was changed by a sync just now: look at it again")]
    Changed,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Id of the Patient.
    pub patient: String,
    /// Why, in the person's words.
    pub reason: String,
    /// The chosen Slot; `None`: whichever fits.
    pub slot: Option<String>,
    /// What fits.
    pub wanted: Preferences,
    /// Where it is taken, the next best one may be requested without asking again.
    pub next_best: bool,
}

/// A wish as a person sees it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The wish.
    pub wish: Wish,
    /// Whether the Appointment, as the last sync brought it, does not take place any more.
    pub is_off: bool,
    /// When it begins and ends, as the last sync brought it.
    pub time: Option<(Instant, Instant)>,
    /// What is offered instead of a time that is gone, and is free as far as this device knows. Best first.
    pub offers: Vec<SlotView>,
    /// How to join it, where it is a virtual visit that is booked.
    pub visit: Option<VirtualVisit>,
}

/// All of them.
pub type Overview = Vec<Shown>;

impl Guard {
    /// Keeps what is asked for. Nothing is sent.
    ///
    /// # Errors
    /// [`BookingError`]; then nothing was kept.
    pub fn ask_for_visit(&self, asked: Asked) -> Result<Wish, BookingError> {
        if asked.reason.len() > MAX_REASON {
            return Err(BookingError::LongReason);
        }
        let now = self.now();
        let wanted = &asked.wanted;
        let from = wanted.from_ms.unwrap_or(i64::MIN).max(now.epoch_ms());
        if wanted.until_ms.is_some_and(|until| until <= from) {
            return Err(BookingError::EmptyWindow);
        }
        let name = Reference::parse(&format!("Patient/{}", asked.patient));
        let name = name.map_err(|_| BookingError::NoPatient)?;
        let patient = self.get(&name)?.ok_or(BookingError::NoPatient)?;
        let peer = patient.name.peer;
        let person = self.person().id().to_owned();
        let mut wish = Wish::new(
            rng::make_uuid().map_err(AccessError::from)?,
            peer,
            &person,
            now,
        );
        wish.patient = asked.patient;
        wish.reason = asked.reason;
        wish.wanted = asked.wanted;
        wish.next_best = asked.next_best;
        if let Some(id) = &asked.slot {
            let (of, slot) = self.slot_here(id)?.ok_or(BookingError::NoSlot)?;
            if of != peer {
                return Err(BookingError::OtherServer);
            }
            wish = acts::take(wish, slot, &person, now)?;
        }
        self.store_wish(&wish, None)?;
        Ok(wish)
    }

    /// Chooses a Slot: one of those offered or another, or one to move a booking to. Nothing is sent.
    ///
    /// # Errors
    /// [`BookingError`]; then nothing was changed.
    pub fn choose_time(&self, wish: &str, slot: &str) -> Result<Wish, BookingError> {
        let (row, wish) = self.one_wish(wish)?;
        // An offer may be of a Slot that no pull has brought here yet.
        let offered = wish.offers().iter().find(|offer| offer.id == slot);
        let slot = match (self.slot_here(slot)?, offered) {
            (Some((peer, slot)), _) if peer == wish.peer => slot,
            (_, Some(offer)) => offer.clone(),
            (Some(_), None) => return Err(BookingError::OtherServer),
            (None, None) => return Err(BookingError::NoSlot),
        };
        let wish = acts::take(wish, slot, self.person().id(), self.now())?;
        self.store_wish(&wish, Some(&row.value))?;
        Ok(wish)
    }

    /// Calls a visit off. Where anything was sent for it, the next sync tells the server.
    ///
    /// # Errors
    /// [`BookingError`]; then nothing was changed.
    pub fn call_off(&self, wish: &str) -> Result<Wish, BookingError> {
        let (row, wish) = self.one_wish(wish)?;
        let wish = acts::cancel(wish, self.person().id())?;
        self.store_wish(&wish, Some(&row.value))?;
        Ok(wish)
    }

    /// The visits that this person asked for, or whose patients' Appointments this person may read; the newest wish last.
    ///
    /// # Errors
    /// [`BookingError`].
    pub fn visits(&self) -> Result<Overview, BookingError> {
        let mut all = Vec::new();
        for (_, wish) in self.all_wishes()? {
            all.push(self.shown(wish)?);
        }
        all.sort_by(|a, b| (a.wish.made_ms, &a.wish.id).cmp(&(b.wish.made_ms, &b.wish.id)));
        Ok(all)
    }

    /// One of them, by its id or how that begins.
    ///
    /// # Errors
    /// [`BookingError`].
    pub fn visit(&self, id: &str) -> Result<Shown, BookingError> {
        let (_, wish) = self.one_wish(id)?;
        self.shown(wish)
    }

    fn shown(&self, wish: Wish) -> Result<Shown, BookingError> {
        let mut shown = Shown {
            is_off: false,
            time: wish.slot().map(|slot| (slot.start(), slot.end())),
            visit: None,
            offers: self.still_free(&wish)?,
            wish,
        };
        let Some(booking) = shown.wish.booking() else {
            return Ok(shown);
        };
        let name = Reference::parse(&format!("Appointment/{}", booking.appointment));
        let name = name.map_err(|_| BookingError::NoWish)?;
        let slot = &booking.slot;
        shown.time = Some((slot.start(), slot.end()));
        if let Some(record) = self.get(&name)? {
            let text = &record.text;
            let member = |name: &str| {
                let resource = Resource::parse_text(text).ok()?;
                Some(json::string(resource.member(name)?)?.into_owned())
            };
            let status = member("status").unwrap_or_default();
            shown.is_off = matches!(status.as_str(), "cancelled" | "entered-in-error" | "noshow");
            let at = |name: &str| Instant::parse(&member(name)?).ok();
            shown.time = at("start").zip(at("end")).or(shown.time);
            shown.visit = VirtualVisit::of(text);
        }
        Ok(shown)
    }

    /// What was offered and was not taken since: by a sync that came later, or by another visit of this vault.
    fn still_free(&self, wish: &Wish) -> Result<Vec<SlotView>, BookingError> {
        let now = self.now();
        let mut offers = Vec::new();
        for offer in wish.offers() {
            let name = Reference::parse(&format!("Slot/{}", offer.id));
            let name = name.map_err(|_| damaged())?;
            let here = self.device_record(wish.peer, &name)?;
            let status = here.and_then(|here| {
                let resource = Resource::parse_text(&here.text).ok()?;
                Some(json::string(resource.member("status")?)?.into_owned())
            });
            let is_free = status.is_none_or(|status| status == "free");
            if is_free && offer.is_open(now) {
                offers.push(offer.clone());
            }
        }
        Ok(offers)
    }

    fn all_wishes(&self) -> Result<Vec<(WishRow, Wish)>, BookingError> {
        let whose = |row: &WishRow| {
            let wish = from_row(row).ok()?;
            Some((wish.peer, wish.author, wish.patient))
        };
        let rows = self.wishes(whose)?;
        let read = |row: WishRow| Ok((row.clone(), from_row(&row)?));
        rows.into_iter().map(read).collect()
    }

    fn one_wish(&self, id: &str) -> Result<(WishRow, Wish), BookingError> {
        let all = self.all_wishes()?;
        let mut found = all.into_iter().filter(|(row, _)| row.id.starts_with(id));
        match (found.next(), found.next()) {
            (Some(one), None) if !id.is_empty() => Ok(one),
            _ => Err(BookingError::NoWish),
        }
    }

    /// Keeps a wish, judged as the Appointment that it asks for.
    fn store_wish(&self, wish: &Wish, before: Option<&str>) -> Result<(), BookingError> {
        let text = wish.as_appointment();
        let appointment = Resource::parse_text(&text).map_err(|_| damaged())?;
        let row = to_row(wish, self)?;
        match self.wish(wish.peer, &row, before, &appointment)? {
            true => Ok(()),
            false => Err(BookingError::Changed),
        }
    }
}

impl Shown {
    /// Whether it can be joined now; `None`: it is not booked, or was called off.
    pub fn window(&self, now: Instant) -> Option<Window> {
        self.wish.booking().filter(|_| !self.is_off)?;
        let (start, end) = self.time?;
        Some(Window::of(start, end, now))
    }
}

impl Wish {
    fn new(id: String, peer: PeerId, person: &str, now: Instant) -> Self {
        Self {
            id,
            peer,
            patient: String::new(),
            author: person.to_owned(),
            asked_by: person.to_owned(),
            made_ms: now.epoch_ms(),
            reason: String::new(),
            wanted: Preferences::default(),
            next_best: false,
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

    /// What it asks for, as far as the policy looks at it: whose Appointment.
    fn as_appointment(&self) -> String {
        let booked = self.booking().map(|booking| booking.appointment.as_str());
        let id = booked.unwrap_or(&self.id);
        let nowhere = SlotView {
            id: "any".into(),
            version: None,
            status: "free".into(),
            start_ms: 0,
            end_ms: 0,
            practitioners: Vec::new(),
            name: None,
            service_types: Vec::new(),
            is_virtual: false,
            visit: None,
        };
        let slot = self.slot().or(self.chosen.as_ref()).unwrap_or(&nowhere);
        texts::appointment(id, &self.patient, "", slot)
    }
}
