//! What a person would like, as it was typed or chosen: texts, read in the person's own zone.

use super::time::Zone;
use super::wish::{Days, Preferences, TimeOfDay};
use crate::fhir::Reference;

/// Preferences before they are read.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `1` or `Practitioner/1`, one of these; empty: any.
    pub practitioners: Vec<String>,
    /// A service type: `system|code`, a code, or a text.
    pub service_type: Option<String>,
    /// Virtual or not.
    pub is_virtual: Option<bool>,
    /// Not before: a day or a time, as [`Zone::moment`] reads it.
    pub from: Option<String>,
    /// Begins before, likewise.
    pub until: Option<String>,
    /// As [`TimeOfDay::parse`] reads it.
    pub time_of_day: Option<String>,
    /// As [`Days::parse`] reads it.
    pub days: Option<String>,
}

/// Which of the texts cannot be read. They are not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWanted {
    /// A practitioner.
    #[error("expected an id, or a reference such as Practitioner/1")]
    Practitioner,
    /// Where the window begins.
    #[error("expected a day or a time, such as 2026-11-24 or 2026-11-24T09:30")]
    From,
    /// Where it ends.
    #[error("expected a day or a time, such as 2026-11-24 or 2026-11-24T09:30")]
    Until,
    /// The time of day.
    #[error("expected morning, afternoon, evening, or as in 08:30-12:00")]
    TimeOfDay,
    /// The days.
    #[error("expected days as in mon,wed")]
    Days,
}

impl Wanted {
    /// What they say.
    ///
    /// # Errors
    /// [`BadWanted`].
    pub fn read(&self, zone: &Zone) -> Result<Preferences, BadWanted> {
        let practitioner = |text: &String| {
            let whole = match text.contains('/') {
                true => text.clone(),
                false => format!("Practitioner/{text}"),
            };
            let name = Reference::parse(&whole).map_err(|_| BadWanted::Practitioner)?;
            Ok(name.to_string())
        };
        let moment = |text: &Option<String>, bad| {
            let read = text.as_deref().map(|text| zone.moment(text));
            let read = read.transpose().map_err(|_| bad)?;
            Ok(read.map(|at| at.epoch_ms()))
        };
        let time_of_day = self.time_of_day.as_deref();
        let time_of_day =
            time_of_day.map(|text| TimeOfDay::parse(text).ok_or(BadWanted::TimeOfDay));
        let days = self.days.as_deref();
        let days = days.map(|text| Days::parse(text).ok_or(BadWanted::Days));
        let practitioners = self.practitioners.iter().map(practitioner);
        Ok(Preferences {
            practitioners: practitioners.collect::<Result<_, _>>()?,
            service_type: self.service_type.clone(),
            is_virtual: self.is_virtual,
            from_ms: moment(&self.from, BadWanted::From)?,
            until_ms: moment(&self.until, BadWanted::Until)?,
            time_of_day: time_of_day.transpose()?,
            days: days.transpose()?,
            zone: zone.name().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_meant() {
        let wanted = Wanted {
            practitioners: vec!["1".into(), "PractitionerRole/2".into()],
            from: Some("2026-11-24".into()),
            until: Some("2026-11-25T09:30".into()),
            time_of_day: Some("morning".into()),
            days: Some("mon,fri".into()),
            ..Wanted::default()
        };
        let zone = Zone::named("Europe/Berlin").unwrap();
        let read = wanted.read(&zone).unwrap();
        assert_eq!(read.practitioners, ["Practitioner/1", "PractitionerRole/2"]);
        assert_eq!(read.from_ms, Some(1_795_474_800_000));
        assert_eq!(read.until_ms, Some(1_795_595_400_000));
        assert!(read.days.is_some_and(|days| days.has(4) && !days.has(1)));
        assert_eq!(read.zone, "Europe/Berlin");
    }

    #[test]
    fn each_text_says_what_is_wrong_with_it() {
        let some = |text: &str| Some(text.to_owned());
        let all = Wanted::default;
        let bad = [
            (
                Wanted {
                    practitioners: vec!["a b".into()],
                    ..all()
                },
                BadWanted::Practitioner,
            ),
            (
                Wanted {
                    from: some("tomorrow"),
                    ..all()
                },
                BadWanted::From,
            ),
            (
                Wanted {
                    until: some("9:30"),
                    ..all()
                },
                BadWanted::Until,
            ),
            (
                Wanted {
                    time_of_day: some("noon"),
                    ..all()
                },
                BadWanted::TimeOfDay,
            ),
            (
                Wanted {
                    days: some("monday"),
                    ..all()
                },
                BadWanted::Days,
            ),
        ];
        for (wanted, why) in bad {
            assert_eq!(wanted.read(&Zone::utc()), Err(why));
        }
    }
}
