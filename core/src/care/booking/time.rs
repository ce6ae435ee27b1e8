//! Times as people mean them: in their own zone, with its summer and winter; and when a visit may be joined.

use crate::fhir::Instant;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use std::time::Duration;

/// How long before its start a visit can be joined.
pub const JOIN_EARLY: Duration = Duration::from_secs(10 * 60);

/// A person's time zone, by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The name is no IANA time zone that this device knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time zone that this computer knows; a name is like Europe/Berlin")]
pub struct UnknownZone;

impl Zone {
    /// The one called `name`.
    ///
    /// # Errors
    /// [`UnknownZone`].
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        TimeZone::get(name).map(Self).map_err(|_| UnknownZone)
    }

    /// The device's own; UTC where it does not say.
    pub fn of_device() -> Self {
        Self(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }

    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The IANA name; UTC where the zone has none.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// `Tue 24 Nov 2026 09:30 CET`. The zone's abbreviation tells the two hours apart that a night in autumn has twice.
    pub fn words(&self, at: Instant) -> String {
        self.local(at).strftime("%a %-d %b %Y %H:%M %Z").to_string()
    }

    /// The local day and time of day, and the weekday.
    pub(super) fn civil(&self, at: Instant) -> (Date, Time, Weekday) {
        let local = self.local(at);
        (local.date(), local.time(), local.weekday())
    }

    /// The first moment of a local day (`2026-11-24`), or of a local time (`2026-11-24T09:30`); a time that a change of
    /// clocks skips is the moment behind the gap, and one that comes twice is the first. With a zone of its own
    /// (`2026-11-24T09:30Z`) it is that instant.
    ///
    /// # Errors
    /// [`crate::fhir::instant::InvalidDate`].
    pub fn moment(&self, text: &str) -> Result<Instant, crate::fhir::instant::InvalidDate> {
        let bad = |_| crate::fhir::instant::InvalidDate;
        if let Ok(day) = text.parse::<Date>()
            && text.len() == 10
        {
            return self.first_of(day.at(0, 0, 0, 0)).map_err(bad);
        }
        let has_zone = text
            .split_once('T')
            .is_some_and(|(_, time)| time.contains(['Z', '+', '-']));
        if has_zone {
            return Ok(crate::fhir::instant::Span::parse(text)?.first);
        }
        let local: DateTime = text.parse().map_err(bad)?;
        self.first_of(local).map_err(bad)
    }

    fn first_of(&self, local: DateTime) -> Result<Instant, jiff::Error> {
        let stamp = self.0.to_timestamp(local)?;
        Ok(Instant::from_epoch_ms(stamp.as_millisecond()))
    }

    fn local(&self, at: Instant) -> ZonedDateTime {
        let stamp = Timestamp::from_millisecond(at.epoch_ms());
        ZonedDateTime::new(stamp.unwrap_or(Timestamp::MAX), self.0.clone())
    }
}

/// Where now is in the time during which a visit can be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Not yet: from then on.
    Early {
        /// When it begins.
        opens: Instant,
    },
    /// Now, until then.
    Open {
        /// When it ends.
        closes: Instant,
    },
    /// Over since then.
    Over {
        /// When it ended.
        closed: Instant,
    },
}

impl Window {
    /// The window of a visit from `start` to `end`.
    pub fn of(start: Instant, end: Instant, now: Instant) -> Self {
        let early = i64::try_from(JOIN_EARLY.as_millis()).unwrap_or(0);
        let opens = Instant::from_epoch_ms(start.epoch_ms().saturating_sub(early));
        if now < opens {
            Self::Early { opens }
        } else if now < end {
            Self::Open { closes: end }
        } else {
            Self::Over { closed: end }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn the_two_hours_of_an_autumn_night_are_told_apart() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        // Clocks go back from 03:00 CEST to 02:00 CET on 25 October 2026.
        assert_eq!(
            berlin.words(at("2026-10-25T00:30:00Z")),
            "Sun 25 Oct 2026 02:30 CEST"
        );
        assert_eq!(
            berlin.words(at("2026-10-25T01:30:00Z")),
            "Sun 25 Oct 2026 02:30 CET"
        );
        // And forward over an hour that there is not, on 28 March 2027.
        assert_eq!(
            berlin.words(at("2027-03-28T00:59:00Z")),
            "Sun 28 Mar 2027 01:59 CET"
        );
        assert_eq!(
            berlin.words(at("2027-03-28T01:00:00Z")),
            "Sun 28 Mar 2027 03:00 CEST"
        );
    }

    #[test]
    fn what_a_person_types_is_in_their_zone() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        for (text, is) in [
            ("2026-11-24", "2026-11-23T23:00:00Z"),
            ("2026-07-24", "2026-07-23T22:00:00Z"),
            ("2026-11-24T09:30", "2026-11-24T08:30:00Z"),
            ("2026-11-24T09:30Z", "2026-11-24T09:30:00Z"),
            ("2026-11-24T09:30-05:00", "2026-11-24T14:30:00Z"),
            // Twice: the first. Never: behind the gap.
            ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
            ("2027-03-28T02:30", "2027-03-28T01:30:00Z"),
        ] {
            assert_eq!(berlin.moment(text).unwrap(), at(is), "{text}");
        }
        for bad in [
            "",
            "tomorrow",
            "2026-13-01",
            "2026-11-24T25:00",
            "2026-11",
            "09:30",
        ] {
            assert!(berlin.moment(bad).is_err(), "{bad}");
        }
        // A day that begins at one o'clock: in Santiago the clocks skip midnight.
        let santiago = Zone::named("America/Santiago").unwrap();
        assert_eq!(
            santiago.moment("2026-09-06").unwrap(),
            at("2026-09-06T04:00:00Z")
        );
    }

    #[test]
    fn zones_have_names() {
        assert_eq!(
            Zone::named("Europe/Berlin").unwrap().name(),
            "Europe/Berlin"
        );
        assert_eq!(Zone::named("Middle/Nowhere"), Err(UnknownZone));
        assert_eq!(Zone::utc().name(), "UTC");
    }

    #[test]
    fn a_visit_is_joined_from_ten_minutes_before_it_until_its_end() {
        let (start, end) = (at("2026-11-24T09:00:00Z"), at("2026-11-24T09:20:00Z"));
        let of = |now: &str| Window::of(start, end, at(now));
        let opens = at("2026-11-24T08:50:00Z");
        assert_eq!(of("2026-11-24T08:49:59.999Z"), Window::Early { opens });
        assert_eq!(of("2026-11-24T08:50:00Z"), Window::Open { closes: end });
        assert_eq!(of("2026-11-24T09:19:59.999Z"), Window::Open { closes: end });
        assert_eq!(of("2026-11-24T09:20:00Z"), Window::Over { closed: end });
    }
}
