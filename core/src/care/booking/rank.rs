//! Which free Slots fit a wish, and which fits best. Pure, and the same on every device.

use super::slot::SlotView;
use super::wish::Preferences;
use crate::fhir::Instant;

/// Alternatives that a person is shown.
pub const MAX_OFFERS: usize = 10;

/// The open Slots that fit, best first. `near`: the Slot that could not be had; what is like it comes first.
pub fn ranked(
    wanted: &Preferences,
    near: Option<&SlotView>,
    slots: &[SlotView],
    now: Instant,
) -> Vec<SlotView> {
    let zone = wanted.zone();
    let key = |slot: &SlotView| {
        let (_, time, weekday) = zone.civil(slot.start());
        let minute =
            u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs());
        let off_time = wanted
            .time_of_day
            .is_some_and(|part| minute < part.from || minute >= part.until);
        let off_day = wanted
            .days
            .is_some_and(|days| !days.has(weekday.to_monday_zero_offset().unsigned_abs()));
        let other_person = near.is_some_and(|near| {
            !near.practitioners.is_empty()
                && !slot
                    .practitioners
                    .iter()
                    .any(|one| near.practitioners.contains(one))
        });
        let other_kind = near.is_some_and(|near| near.is_virtual != slot.is_virtual);
        let misses = u8::from(off_time) + u8::from(off_day);
        let away = near.map_or(slot.start_ms, |near| {
            (slot.start_ms - near.start_ms).saturating_abs()
        });
        (misses, other_kind, other_person, away, slot.start_ms)
    };
    let mut fitting: Vec<SlotView> = slots
        .iter()
        .filter(|slot| fits(wanted, slot, now))
        .cloned()
        .collect();
    // The id last: two Slots of one time are in one order on all devices.
    fitting.sort_by(|a, b| (key(a), &a.id).cmp(&(key(b), &b.id)));
    fitting.dedup_by(|a, b| a.id == b.id);
    fitting
}

/// Whether an open Slot is what must be.
pub(super) fn fits(wanted: &Preferences, slot: &SlotView, now: Instant) -> bool {
    let practitioner = wanted.practitioners.is_empty()
        || slot
            .practitioners
            .iter()
            .any(|one| wanted.practitioners.contains(one));
    let service = wanted.service_type.as_ref().is_none_or(|wanted| {
        let is_it = |one: &String| {
            one == wanted || one.rsplit_once('|').is_some_and(|(_, code)| code == wanted)
        };
        slot.service_types.iter().any(is_it)
    });
    slot.is_open(now)
        && practitioner
        && service
        && wanted
            .is_virtual
            .is_none_or(|wanted| wanted == slot.is_virtual)
        && wanted.from_ms.is_none_or(|from| slot.start_ms >= from)
        && wanted.until_ms.is_none_or(|until| slot.start_ms < until)
}

#[cfg(test)]
mod tests {
    use super::super::wish::{Days, TimeOfDay};
    use super::*;

    fn slot(id: &str, start: &str, who: &str, is_virtual: bool) -> SlotView {
        let start_ms = Instant::parse(start).unwrap().epoch_ms();
        SlotView {
            id: id.into(),
            version: Some("1".into()),
            status: "free".into(),
            start_ms,
            end_ms: start_ms + 1_200_000,
            practitioners: vec![who.into()],
            name: None,
            service_types: vec!["s|gp".into()],
            is_virtual,
            visit: None,
        }
    }

    fn ids(slots: &[SlotView]) -> Vec<&str> {
        slots.iter().map(|slot| slot.id.as_str()).collect()
    }

    fn all() -> Vec<SlotView> {
        vec![
            slot("late", "2026-11-27T15:00:00Z", "Practitioner/a", true),
            slot("b-early", "2026-11-25T08:00:00Z", "Practitioner/b", true),
            slot("early", "2026-11-25T08:00:00Z", "Practitioner/a", true),
            slot("room", "2026-11-26T09:00:00Z", "Practitioner/a", false),
            slot("past", "2026-11-20T09:00:00Z", "Practitioner/a", true),
        ]
    }

    const NOW: &str = "2026-11-24T12:00:00Z";

    fn rank(wanted: &Preferences, near: Option<&SlotView>, slots: &[SlotView]) -> String {
        let now = Instant::parse(NOW).unwrap();
        let ranked = ranked(wanted, near, slots, now);
        ids(&ranked).join(" ")
    }

    #[test]
    fn earliest_first_and_the_same_in_any_order() {
        let mut slots = all();
        let wanted = Preferences::default();
        assert_eq!(rank(&wanted, None, &slots), "b-early early room late");
        slots.reverse();
        assert_eq!(rank(&wanted, None, &slots), "b-early early room late");
        slots.extend(all());
        assert_eq!(rank(&wanted, None, &slots), "b-early early room late");
    }

    #[test]
    fn like_the_one_that_was_taken() {
        let near = slot("gone", "2026-11-26T09:30:00Z", "Practitioner/a", true);
        let wanted = Preferences::default();
        assert_eq!(
            rank(&wanted, Some(&near), &all()),
            "early late b-early room"
        );
    }

    #[test]
    fn what_must_hold_and_what_would_be_nice() {
        let ms = |text| Some(Instant::parse(text).unwrap().epoch_ms());
        let with = |change: fn(&mut Preferences)| {
            let mut wanted = Preferences::default();
            change(&mut wanted);
            rank(&wanted, None, &all())
        };
        assert_eq!(
            with(|w| w.practitioners = vec!["Practitioner/b".into()]),
            "b-early"
        );
        assert_eq!(with(|w| w.is_virtual = Some(false)), "room");
        assert_eq!(
            with(|w| w.service_type = Some("gp".into())),
            "b-early early room late"
        );
        assert_eq!(with(|w| w.service_type = Some("dentist".into())), "");
        assert_eq!(
            with(|w| w.time_of_day = TimeOfDay::parse("afternoon")),
            "late b-early early room"
        );
        assert_eq!(
            with(|w| w.days = Days::parse("thu")),
            "room b-early early late"
        );
        let window = Preferences {
            from_ms: ms("2026-11-25T08:00:01Z"),
            until_ms: ms("2026-11-27T15:00:00Z"),
            ..Preferences::default()
        };
        assert_eq!(rank(&window, None, &all()), "room");
    }

    #[test]
    fn a_morning_is_the_persons_own_on_both_sides_of_a_change_of_clocks() {
        // 09:30 in Berlin before the change of 25 October 2026, and 09:30 after it; between them 11:30 and 07:30 UTC.
        let slots = [
            slot("summer", "2026-12-01T07:30:00Z", "Practitioner/a", true),
            slot("winter", "2026-12-01T08:30:00Z", "Practitioner/a", true),
            slot("summer-day", "2027-03-29T06:30:00Z", "Practitioner/a", true),
        ];
        let wanted = Preferences {
            zone: "Europe/Berlin".into(),
            time_of_day: TimeOfDay::parse("08:30-09:00"),
            ..Preferences::default()
        };
        // 07:30Z is 08:30 in winter; 06:30Z is 08:30 in summer.
        assert_eq!(rank(&wanted, None, &slots), "summer summer-day winter");
    }
}
