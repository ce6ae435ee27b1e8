//! `slots` and `book`: visits, asked for with a network or without one. The next sync requests them.

use super::{table, with_session};
use crate::args::{Book, Global, Slots, Times};
use crate::failure::Failure;
use crate::output::{count, line, result, say};
use pocketchart_core::access::Guard;
use pocketchart_core::care::booking::{
    Asked, BadWanted, BookingReport, Note, Preferences, Shown, SlotView, Wait, Wanted, Window,
    Wish, Zone,
};
use pocketchart_core::fhir::Instant;
use pocketchart_core::fhir::search::Query;
use serde_json::{Value, json};
use std::io::Read;
use std::process::ExitCode;

/// Times in a list.
const LISTED: usize = 50;

pub(crate) fn slots(global: &Global, args: &Slots) -> Result<ExitCode, Failure> {
    let zone = Zone::of_device();
    let wanted = preferences(&args.times, &zone)?;
    with_session(global, |session| {
        let guard = session.guard()?;
        let found = guard.free_times(&wanted)?;
        let age = found.confirmed.map(|at| minutes_since(at, guard.now()));
        let shown = if args.all { found.slots.len() } else { LISTED };
        if global.json {
            for slot in found.slots.iter().take(shown) {
                let mut object = slot_object(slot, &zone);
                object["age_minutes"] = json!(age);
                line(&object.to_string());
            }
            return Ok(ExitCode::SUCCESS);
        }
        if found.slots.is_empty() {
            line("No free times here that fit");
        }
        print_slots(&found.slots[..shown.min(found.slots.len())], &zone);
        if found.slots.len() > shown {
            let more = u64::try_from(found.slots.len() - shown).unwrap_or(u64::MAX);
            line(&format!(
                "and {} (--all)",
                count(more, "more time").replace(" more times", " more")
            ));
        }
        if !global.quiet {
            line(&match age {
                Some(minutes) => {
                    format!("As of {} ago; a sync brings newer ones", words_of(minutes))
                }
                None => "Never synced: these may be gone".to_owned(),
            });
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(crate) fn book(global: &Global, args: &Book) -> Result<ExitCode, Failure> {
    let zone = Zone::of_device();
    let wanted = preferences(&args.times, &zone)?;
    let reason = reason(args)?;
    with_session(global, |session| {
        let guard = session.guard()?;
        if args.list {
            return list(global, &guard, &zone);
        }
        if let Some(id) = &args.join {
            return join(global, &guard, &zone, id);
        }
        let wish = match (
            &args.cancel,
            args.take.as_deref().or(args.reschedule.as_deref()),
        ) {
            (Some(id), _) => guard.call_off(id)?,
            (None, Some([id, slot])) => {
                let is_booked = guard.visit(id)?.wish.booking().is_some();
                match (is_booked, args.reschedule.is_some()) {
                    (false, true) => {
                        let why = "this visit is not booked: `book --take` chooses a time for it";
                        return Err(Failure::Usage(why.into()));
                    }
                    (true, false) if guard.visit(id)?.wish.offers().is_empty() => {
                        let why = "this visit is booked: `book --reschedule` moves it";
                        return Err(Failure::Usage(why.into()));
                    }
                    _ => guard.choose_time(id, slot)?,
                }
            }
            _ => {
                let patient = match &args.patient {
                    Some(id) => id.strip_prefix("Patient/").unwrap_or(id).to_owned(),
                    None => only_patient(&guard)?,
                };
                guard.ask_for_visit(Asked {
                    patient,
                    reason,
                    slot: args
                        .slot
                        .as_ref()
                        .map(|id| id.strip_prefix("Slot/").unwrap_or(id).to_owned()),
                    wanted,
                    next_best: args.or_next_best,
                })?
            }
        };
        let shown = guard.visit(&wish.id)?;
        let words = format!("{}: {}", wish.id, will_be(&wish, &zone));
        say(global, &words, &visit_object(&shown, &zone));
        Ok(ExitCode::SUCCESS)
    })
}

/// What rounds did, as a sync tells it: words, nothing where there is nothing to tell.
pub(crate) fn told(report: &BookingReport) -> Option<String> {
    let parts = [
        (report.booked, "booked"),
        (report.cancelled, "called off"),
        (
            report.offered,
            "to choose another time for (`pocketchart book --list`)",
        ),
        (
            report.refused,
            "refused by the server (`pocketchart book --list`)",
        ),
        (report.waiting, "not settled yet; the next sync goes on"),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", count(*n, "visit")))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// The same as an object.
pub(crate) fn report_object(report: &BookingReport) -> Value {
    json!({
        "booked": report.booked,
        "cancelled": report.cancelled,
        "offered": report.offered,
        "refused": report.refused,
        "waiting": report.waiting,
    })
}

/// Visits that are not settled, for `status`.
pub(crate) struct Waits {
    pub(crate) by_themselves: u64,
    pub(crate) for_a_person: u64,
}

/// How many visits of those that this person sees wait, and for what.
pub(crate) fn waiting(guard: &Guard) -> Result<Waits, Failure> {
    let visits = guard.visits()?;
    let of = |waits: Wait| {
        let n = visits
            .iter()
            .filter(|visit| visit.wish.waits() == waits)
            .count();
        u64::try_from(n).unwrap_or(u64::MAX)
    };
    Ok(Waits {
        by_themselves: of(Wait::Sync),
        for_a_person: of(Wait::Person),
    })
}

fn list(global: &Global, guard: &Guard, zone: &Zone) -> Result<ExitCode, Failure> {
    let visits = guard.visits()?;
    if global.json {
        visits
            .iter()
            .for_each(|one| line(&visit_object(one, zone).to_string()));
        return Ok(ExitCode::SUCCESS);
    }
    if visits.is_empty() {
        line("No visits were asked for here");
    }
    for visit in &visits {
        let wish = &visit.wish;
        let reason = if wish.reason.is_empty() {
            String::new()
        } else {
            format!(", {}", wish.reason)
        };
        line(&format!("{}  {}{reason}", wish.id, words(visit, zone)));
        if !visit.offers.is_empty() {
            print_slots(&visit.offers, zone);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn join(global: &Global, guard: &Guard, zone: &Zone, id: &str) -> Result<ExitCode, Failure> {
    let shown = guard.visit(id)?;
    let not = |why: String| Err(Failure::Visit(why));
    match shown.window(guard.now()) {
        None => not("this visit is not booked".into()),
        Some(Window::Early { opens }) => {
            not(format!("it can be joined from {} on", zone.words(opens)))
        }
        Some(Window::Over { closed }) => not(format!("it ended {}", zone.words(closed))),
        Some(Window::Open { .. }) => {
            let Some(visit) = shown.visit else {
                return not("it is no virtual visit".into());
            };
            let Some(address) = visit.address else {
                return not("the clinic has not said how to join it yet: sync again".into());
            };
            let object = json!({
                "address": address, "channel": visit.channel, "session_key": visit.session_key });
            let key = visit.session_key.map(|key| format!("\nkey: {key}"));
            result(
                global,
                &format!("{address}{}", key.unwrap_or_default()),
                &object,
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn preferences(times: &Times, zone: &Zone) -> Result<Preferences, Failure> {
    let wanted = Wanted {
        practitioners: times.practitioner.clone(),
        service_type: times.service.clone(),
        is_virtual: match (times.r#virtual, times.in_person) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
        from: times.from.clone(),
        until: times.to.clone(),
        time_of_day: times.at.clone(),
        days: times.days.clone(),
    };
    wanted.read(zone).map_err(|bad| {
        let option = match bad {
            BadWanted::Practitioner => "--practitioner",
            BadWanted::From => "--from",
            BadWanted::Until => "--to",
            BadWanted::TimeOfDay => "--at",
            BadWanted::Days => "--days",
        };
        Failure::Usage(format!("{option}: {bad}"))
    })
}

fn reason(args: &Book) -> Result<String, Failure> {
    match args.reason.as_deref() {
        Some("-") => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(Failure::file(
                "reading",
                std::path::Path::new("standard input"),
            ))?;
            Ok(text.trim().to_owned())
        }
        Some(text) => Ok(text.trim().to_owned()),
        None => Ok(String::new()),
    }
}

fn only_patient(guard: &Guard) -> Result<String, Failure> {
    let query =
        Query::parse("Patient?_count=2").map_err(|error| Failure::Usage(error.to_string()))?;
    let page = guard.search(&query)?;
    match &page.records[..] {
        [one] => Ok(one.name.reference.id.to_string()),
        [] => Err(Failure::Usage(
            "there is no patient here yet: sync first".into(),
        )),
        _ => Err(Failure::Usage(
            "several patients are here: --patient ID says for whom".into(),
        )),
    }
}

/// How far a visit is, in words.
fn words(visit: &Shown, zone: &Zone) -> String {
    let wish = &visit.wish;
    let time = visit.time.map(|(start, _)| zone.words(start));
    let with = wish.slot().and_then(|slot| slot.name.as_ref());
    let with = with.map(|name| format!(", {name}")).unwrap_or_default();
    let mut words = match (visit.is_off, time) {
        (true, Some(time)) if wish.word() == "booked" => {
            format!("called off by the clinic: {time}{with}")
        }
        (_, Some(time)) => format!("{} {time}{with}", wish.word()),
        (_, None) => wish.word().to_owned(),
    };
    if let Some(note) = &wish.note {
        words += &format!(" ({})", note_words(note));
    }
    if let (State::Wished, Some(at)) = (State::of(wish), wish.asked_ms) {
        words += &format!(
            "; the server was asked last {}",
            zone.words(Instant::from_epoch_ms(at))
        );
    }
    words
}

#[derive(PartialEq)]
enum State {
    Wished,
    Other,
}

impl State {
    fn of(wish: &Wish) -> Self {
        match wish.word() {
            "wished" | "requested" => Self::Wished,
            _ => Self::Other,
        }
    }
}

fn will_be(wish: &Wish, zone: &Zone) -> String {
    let time = wish
        .slot()
        .map(|slot| format!(" {}", zone.words(slot.start())));
    match wish.word() {
        "wished" => format!(
            "will be requested by the next sync{}",
            time.map(|t| format!(":{t}")).unwrap_or_default()
        ),
        "cancelled" => "called off; nothing had been sent".to_owned(),
        "cancelling" | "requested" | "held" => "will be called off by the next sync".to_owned(),
        "moving" => "will be moved by the next sync; until then it stays as it is".to_owned(),
        other => other.to_owned(),
    }
}

fn note_words(note: &Note) -> String {
    match note {
        Note::Taken => "somebody else was quicker".to_owned(),
        Note::NothingFree => "nothing that fits is free; the next sync looks again".to_owned(),
        Note::Past => "its time has passed".to_owned(),
        Note::WaitsForAuthor => "goes out once the person who asked for it syncs".to_owned(),
        Note::NotApproved => {
            "the hub's operator has to approve the person who asked for it".to_owned()
        }
        Note::StillTrying => "the server had no clear answer; the next sync goes on".to_owned(),
        Note::NoVersions => "the server gives no versions, so it could be booked twice".to_owned(),
        Note::ByClinic => "by the clinic".to_owned(),
        Note::SlotKept => {
            "the time is not free again: the server leaves that to the clinic".to_owned()
        }
        Note::Refused { status, codes } => format!("the server answered {status} {codes}")
            .trim_end()
            .to_owned(),
    }
}

fn print_slots(slots: &[SlotView], zone: &Zone) {
    let rows: Vec<Vec<String>> = slots
        .iter()
        .map(|slot| {
            let minutes = (slot.end_ms - slot.start_ms) / 60_000;
            let kind = if slot.is_virtual {
                "virtual"
            } else {
                "in person"
            };
            let name = slot
                .name
                .clone()
                .or_else(|| slot.practitioners.first().cloned());
            vec![
                zone.words(slot.start()),
                format!("{minutes} min"),
                name.unwrap_or_default(),
                kind.to_owned(),
                slot.id.clone(),
            ]
        })
        .collect();
    let header = ["when", "length", "with", "kind", "slot"];
    let narrow = [(0, 32), (1, 8), (3, 10), (4, 48)];
    for row in table::lines(table::screen_width(), Some(&header), &narrow, &rows) {
        line(&row);
    }
}

fn slot_object(slot: &SlotView, zone: &Zone) -> Value {
    json!({
        "slot": slot.id,
        "start": slot.start().to_string(),
        "end": slot.end().to_string(),
        "local": zone.words(slot.start()),
        "practitioner": slot.practitioners.first(),
        "name": slot.name,
        "virtual": slot.is_virtual,
        "service": slot.service_types,
    })
}

fn visit_object(visit: &Shown, zone: &Zone) -> Value {
    let wish = &visit.wish;
    let offers: Vec<Value> = visit
        .offers
        .iter()
        .map(|slot| slot_object(slot, zone))
        .collect();
    let booking = wish.booking();
    json!({
        "visit": wish.id,
        "state": wish.word(),
        "note": wish.note,
        "off": visit.is_off,
        "patient": wish.patient,
        "reason": wish.reason,
        "made": wish.made().to_string(),
        "asked": wish.asked_ms.map(|ms| Instant::from_epoch_ms(ms).to_string()),
        "slot": wish.slot().map(|slot| slot_object(slot, zone)),
        "start": visit.time.map(|(start, _)| start.to_string()),
        "end": visit.time.map(|(_, end)| end.to_string()),
        "local": visit.time.map(|(start, _)| zone.words(start)),
        "appointment": booking.map(|booking| format!("Appointment/{}", booking.appointment)),
        "virtual": visit.visit.is_some(),
        "offers": offers,
    })
}

fn minutes_since(at: Instant, now: Instant) -> i64 {
    (now.epoch_ms() - at.epoch_ms()).max(0) / 60_000
}

fn words_of(minutes: i64) -> String {
    let n = |n: i64| u64::try_from(n).unwrap_or(0);
    match minutes {
        0 => "less than a minute".to_owned(),
        1..=90 => count(n(minutes), "minute"),
        91..=2880 => count(n(minutes / 60), "hour"),
        _ => count(n(minutes / 1440), "day"),
    }
}
