//! Visits: free times, asking for one, choosing, calling off. All of it with a network or without; a sync sends it.

use super::Session;
use crate::PocketchartError;
use crate::redacted::redacted;
use pocketchart_core::access::Guard;
use pocketchart_core::care::booking::{
    self, Asked, BadWanted, Shown, SlotView, Wait, Wanted, Window, Zone,
};
use pocketchart_core::fhir::Instant;

/// Most times that cross at once.
const MOST: usize = 100;

/// What a person would like. Practitioner, kind, service and window must hold; of the rest, what fits comes first. Times
/// are meant in the device's zone.
#[derive(Clone, Default, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct FreeTimesFilter {
    /// `Practitioner/1` or its id, one of these; empty: any.
    #[uniffi(default = [])]
    pub practitioners: Vec<String>,
    /// A service type: `system|code`, a code, or a text.
    #[uniffi(default = None)]
    pub service_type: Option<String>,
    /// Virtual or not.
    #[uniffi(default = None)]
    pub is_virtual: Option<bool>,
    /// Not before: `2026-11-24`, `2026-11-24T09:30`, or with a zone of its own.
    #[uniffi(default = None)]
    pub from: Option<String>,
    /// Begins before, likewise.
    #[uniffi(default = None)]
    pub until: Option<String>,
    /// Rather `morning`, `afternoon`, `evening`, or as in `08:30-12:00`.
    #[uniffi(default = None)]
    pub time_of_day: Option<String>,
    /// Rather on these days, as in `mon,wed`.
    #[uniffi(default = None)]
    pub days: Option<String>,
}

/// A time that can be asked for.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct FreeTime {
    /// Id of the Slot.
    pub slot: String,
    /// Its beginning: RFC 3339.
    pub start: String,
    /// Its end.
    pub end: String,
    /// Its beginning in the device's zone, in words.
    pub local: String,
    /// Whose schedule it is, as `Practitioner/1`.
    pub practitioners: Vec<String>,
    /// What the schedule calls them.
    pub name: Option<String>,
    /// Kinds of visit.
    pub service_types: Vec<String>,
    /// Whether it is a virtual visit.
    pub is_virtual: bool,
}

/// Times that are free as far as this device knows, earliest first.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct FreeTimes {
    /// At most 100.
    pub items: Vec<FreeTime>,
    /// How many fit.
    pub count: u64,
    /// When a sync with their server last went through: RFC 3339; `None`: never, or not known.
    pub confirmed: Option<String>,
}

/// A visit to be asked for.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct VisitWish {
    /// Id of the Patient.
    pub patient: String,
    /// Why, in the person's words, for the clinic to read.
    pub reason: String,
    /// Id of the chosen Slot; `None`: whichever fits.
    pub slot: Option<String>,
    /// What fits.
    pub wanted: FreeTimesFilter,
    /// Where the time is gone, the next best one may be asked for without asking again.
    pub next_best: bool,
}

/// For what a visit waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum VisitWaits {
    /// The next sync.
    ForSync,
    /// A person, who has to choose or to know.
    ForPerson,
    /// It is over, or booked.
    ForNothing,
}

/// Why a visit is no further.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum VisitNote {
    /// Somebody else was quicker.
    Taken,
    /// Nothing that fits is free; the next sync looks again.
    NothingFree,
    /// Its time has passed.
    Past,
    /// It goes out once the person who asked for it syncs.
    WaitsForAuthor,
    /// The hub's operator has to approve that person.
    NotApproved,
    /// The server had no clear answer; the next sync goes on.
    StillTrying,
    /// The server gives no versions, so it could be booked twice.
    NoVersions,
    /// The clinic called it off.
    ByClinic,
    /// Called off; the server leaves it to the clinic to free the time.
    SlotKept,
    /// Refused for good.
    Refused {
        /// HTTP status.
        status: u16,
        /// Issue codes.
        codes: String,
    },
}

/// When a visit can be joined: from ten minutes before it until its end.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum JoinWindow {
    /// It is not booked, or was called off.
    NotBooked,
    /// Not yet.
    Early {
        /// From then on: RFC 3339.
        opens: String,
    },
    /// Now.
    Open {
        /// Until then.
        closes: String,
    },
    /// Not any more.
    Over {
        /// Since then.
        closed: String,
    },
}

/// How a virtual visit is joined.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct VisitLink {
    /// The link; `None`: the clinic has not said it yet.
    pub address: Option<String>,
    /// The channel's code, such as `zoom`.
    pub channel: Option<String>,
    /// What the other side asks for.
    pub session_key: Option<String>,
}

/// A visit that was asked for.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct VisitInfo {
    /// Its id here.
    pub id: String,
    /// How far it is: `wished`, `requested`, `held`, `booked`, `offered`, `moving`, `cancelling`, `cancelled`, `refused`.
    pub state: String,
    /// For what it waits.
    pub waits: VisitWaits,
    /// Why it is no further.
    pub note: Option<VisitNote>,
    /// Whether the Appointment does not take place any more, as the last sync brought it.
    pub is_off: bool,
    /// Id of the Patient.
    pub patient: String,
    /// Why, in the person's words.
    pub reason: String,
    /// When it was asked for here: RFC 3339.
    pub made: String,
    /// When the server was last asked about it.
    pub asked: Option<String>,
    /// When it begins, as the last sync brought it.
    pub start: Option<String>,
    /// When it ends.
    pub end: Option<String>,
    /// Its beginning in the device's zone, in words.
    pub local: Option<String>,
    /// The time that is wanted or was got.
    pub slot: Option<FreeTime>,
    /// `Appointment/id`, once it is booked.
    pub appointment: Option<String>,
    /// Times that are offered instead; best first.
    pub offers: Vec<FreeTime>,
    /// When it can be joined.
    pub window: JoinWindow,
    /// How a virtual visit is joined, while its window is open.
    pub link: Option<VisitLink>,
    /// Whether it is a virtual visit that is booked.
    pub is_virtual: bool,
}

redacted!(
    FreeTimesFilter,
    FreeTime,
    FreeTimes,
    VisitWish,
    VisitLink,
    VisitInfo,
);

#[uniffi::export]
impl Session {
    /// Free times that fit, as far as this device knows. Nothing is sent.
    ///
    /// # Errors
    /// [`PocketchartError::BadInput`]; [`PocketchartError::NotAllowed`].
    pub async fn free_times(&self, filter: FreeTimesFilter) -> Result<FreeTimes, PocketchartError> {
        self.work(move |guard| {
            let zone = Zone::of_device();
            let found = guard.free_times(&filter.read(&zone)?)?;
            let times = found.slots.iter().take(MOST);
            Ok(FreeTimes {
                count: u64::try_from(found.slots.len()).unwrap_or(u64::MAX),
                items: times.map(|slot| FreeTime::of(slot, &zone)).collect(),
                confirmed: found.confirmed.map(|at| at.to_string()),
            })
        })
        .await
    }

    /// Keeps what is asked for; the next sync asks the server.
    ///
    /// # Errors
    /// [`PocketchartError::NotFound`] for an unknown patient or time; [`PocketchartError::TimeNotFree`];
    /// [`PocketchartError::BadInput`]; [`PocketchartError::NotAllowed`]. Nothing was kept then.
    pub async fn ask_for_visit(&self, wish: VisitWish) -> Result<VisitInfo, PocketchartError> {
        self.work(move |guard| {
            let bare = |id: &str, kind: &str| id.strip_prefix(kind).unwrap_or(id).to_owned();
            let asked = Asked {
                patient: bare(&wish.patient, "Patient/"),
                reason: wish.reason.trim().to_owned(),
                slot: wish.slot.as_deref().map(|id| bare(id, "Slot/")),
                wanted: wish.wanted.read(&Zone::of_device())?,
                next_best: wish.next_best,
            };
            shown(guard, &guard.ask_for_visit(asked)?.id)
        })
        .await
    }

    /// Chooses a time for a visit: one that is offered, or another; or one to move a booking to. The next sync asks.
    ///
    /// # Errors
    /// [`PocketchartError::NotFound`]; [`PocketchartError::TimeNotFree`]; [`PocketchartError::UnderWay`]. Nothing was changed
    /// then.
    pub async fn choose_time(
        &self,
        visit: String,
        slot: String,
    ) -> Result<VisitInfo, PocketchartError> {
        self.work(move |guard| {
            let slot = slot.strip_prefix("Slot/").unwrap_or(&slot);
            shown(guard, &guard.choose_time(&visit, slot)?.id)
        })
        .await
    }

    /// Calls a visit off. Where anything was sent for it, the next sync tells the server.
    ///
    /// # Errors
    /// [`PocketchartError::NotFound`]; [`PocketchartError::TimeNotFree`] where it is over already.
    pub async fn call_off(&self, visit: String) -> Result<VisitInfo, PocketchartError> {
        self.work(move |guard| shown(guard, &guard.call_off(&visit)?.id))
            .await
    }

    /// The visits that this person asked for, or whose Appointments this person may read; the newest wish last.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub async fn visits(&self) -> Result<Vec<VisitInfo>, PocketchartError> {
        self.work(|guard| {
            let all = guard.visits()?.into_iter();
            Ok(all.map(|visit| VisitInfo::of(guard, visit)).collect())
        })
        .await
    }
}

fn shown(guard: &Guard, id: &str) -> Result<VisitInfo, PocketchartError> {
    Ok(VisitInfo::of(guard, guard.visit(id)?))
}

impl FreeTimesFilter {
    fn read(&self, zone: &Zone) -> Result<booking::Preferences, PocketchartError> {
        let wanted = Wanted {
            practitioners: self.practitioners.clone(),
            service_type: self.service_type.clone(),
            is_virtual: self.is_virtual,
            from: self.from.clone(),
            until: self.until.clone(),
            time_of_day: self.time_of_day.clone(),
            days: self.days.clone(),
        };
        wanted.read(zone).map_err(|bad| {
            PocketchartError::BadInput(match bad {
                BadWanted::Practitioner => "practitioners: an id, or as in Practitioner/1",
                BadWanted::From | BadWanted::Until => "from, until: a day or a time",
                BadWanted::TimeOfDay => "time_of_day: as in morning or 08:30-12:00",
                BadWanted::Days => "days: as in mon,wed",
            })
        })
    }
}

impl FreeTime {
    fn of(slot: &SlotView, zone: &Zone) -> Self {
        Self {
            slot: slot.id.clone(),
            start: slot.start().to_string(),
            end: slot.end().to_string(),
            local: zone.words(slot.start()),
            practitioners: slot.practitioners.clone(),
            name: slot.name.clone(),
            service_types: slot.service_types.clone(),
            is_virtual: slot.is_virtual,
        }
    }
}

impl VisitInfo {
    fn of(guard: &Guard, visit: Shown) -> Self {
        let zone = Zone::of_device();
        let window = visit.window(guard.now());
        let is_open = matches!(window, Some(Window::Open { .. }));
        let (wish, times) = (&visit.wish, visit.time);
        let booked = wish.booking();
        let free = |slot: &SlotView| FreeTime::of(slot, &zone);
        let link = visit.visit.as_ref().filter(|_| is_open);
        Self {
            id: wish.id.clone(),
            state: wish.word().to_owned(),
            waits: match wish.waits() {
                Wait::Sync => VisitWaits::ForSync,
                Wait::Person => VisitWaits::ForPerson,
                Wait::Nothing => VisitWaits::ForNothing,
            },
            note: wish.note.as_ref().map(VisitNote::of),
            is_off: visit.is_off,
            patient: wish.patient.clone(),
            reason: wish.reason.clone(),
            made: wish.made().to_string(),
            asked: wish
                .asked_ms
                .map(|ms| Instant::from_epoch_ms(ms).to_string()),
            start: times.map(|(start, _)| start.to_string()),
            end: times.map(|(_, end)| end.to_string()),
            local: times.map(|(start, _)| zone.words(start)),
            slot: wish.slot().map(free),
            appointment: booked.map(|booking| format!("Appointment/{}", booking.appointment)),
            offers: visit.offers.iter().map(free).collect(),
            window: JoinWindow::of(window),
            link: link.map(|link| VisitLink {
                address: link.address.clone(),
                channel: link.channel.clone(),
                session_key: link.session_key.clone(),
            }),
            is_virtual: visit.visit.is_some(),
        }
    }
}

impl JoinWindow {
    fn of(window: Option<Window>) -> Self {
        match window {
            None => Self::NotBooked,
            Some(Window::Early { opens }) => Self::Early {
                opens: opens.to_string(),
            },
            Some(Window::Open { closes }) => Self::Open {
                closes: closes.to_string(),
            },
            Some(Window::Over { closed }) => Self::Over {
                closed: closed.to_string(),
            },
        }
    }
}

impl VisitNote {
    fn of(note: &booking::Note) -> Self {
        use booking::Note as N;
        match note {
            N::Taken => Self::Taken,
            N::NothingFree => Self::NothingFree,
            N::Past => Self::Past,
            N::WaitsForAuthor => Self::WaitsForAuthor,
            N::NotApproved => Self::NotApproved,
            N::StillTrying => Self::StillTrying,
            N::NoVersions => Self::NoVersions,
            N::ByClinic => Self::ByClinic,
            N::SlotKept => Self::SlotKept,
            N::Refused { status, codes } => Self::Refused {
                status: *status,
                codes: codes.clone(),
            },
        }
    }
}
