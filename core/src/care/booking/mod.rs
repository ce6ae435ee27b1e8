//! Booking a visit, with a network or without one, and never twice.
//!
//! What a person wants is a [`Wish`], kept in the vault as a whole: what was asked, exactly what was sent, what came of
//! it. Which state follows from which sight of the server is decided in `machine`, pure; [`run`] asks and sends. Whatever
//! was sent is looked for on the server before anything else is done about it, so that a lost answer books nothing twice.

mod acts;
mod attempt;
mod find;
mod machine;
mod person;
mod rank;
mod run;
mod seen;
mod slot;
mod texts;
mod time;
mod wanted;
mod wish;

pub use acts::Unfit;
pub use attempt::Attempt;
pub use find::{Filter, Found};
pub use person::{Asked, BookingError, Overview, Shown};
pub use rank::{MAX_OFFERS, ranked};
pub use run::{BookingReport, BookingRun};
pub use slot::{Practice, SlotView, VirtualVisit};
pub use time::{JOIN_EARLY, UnknownZone, Window, Zone};
pub use wanted::{BadWanted, Wanted};
pub use wish::{Booking, Days, Note, Preferences, State, TimeOfDay, Wait, Wish};
