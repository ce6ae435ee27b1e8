//! Visits booked with a hub: once, whatever is lost, whoever else wants them, and by the policy that patients are under.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use pocketchart_core::access::{AuditEntry, AuditKind, Guard, Role};
use pocketchart_core::care::booking::{
    Asked, BookingError, BookingReport, BookingRun, Filter, Note, Preferences, Shown, Window,
};
use pocketchart_core::fhir::bundle::Writer;
use pocketchart_core::net::Server;
use pocketchart_tests::schedules::{practitioners, schedules};
use pocketchart_tests::staff::{NURSE, PHYSICIAN, STAFF, in_hands, phone_grant, staffed};
use pocketchart_tests::*;
use serde_json::Value;

/// A hub with patients p0, p1, ... and times to book.
async fn clinic(patients: usize) -> TestHub {
    let hub = TestHub::start().await;
    let mut all = schedules(
        &practitioners(&pocketchart_tests::clinic()),
        hub.guard.now(),
    );
    all.extend((0..patients).map(|n| patient(&format!("p{n}"), "1")));
    fill(&hub.client(), &all).await;
    hub
}

async fn fill(server: &Server, texts: &[String]) {
    for texts in texts.chunks(100) {
        let mut bundle = Writer::new("transaction", &[]);
        for text in texts {
            let name = resource(text).name().to_string();
            bundle.put(&name, text, None, false);
        }
        let answer = server.transaction(bundle.finish()).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

async fn book(device: &Device) -> BookingReport {
    run(device).run().await.unwrap()
}

fn run(device: &Device) -> BookingRun<'_> {
    BookingRun {
        guard: &device.guard,
        server: &device.server,
        peer: device.peer,
    }
}

fn asked(patient: &str, slot: Option<&str>) -> Asked {
    Asked {
        patient: patient.into(),
        reason: "a cough".into(),
        slot: slot.map(str::to_owned),
        wanted: Preferences::default(),
        next_best: false,
    }
}

async fn served(hub: &TestHub, path: &str) -> Value {
    let answer = hub.client().get(path).await.unwrap();
    serde_json::from_str(&answer.text).unwrap()
}

fn first_slot(guard: &Guard) -> String {
    guard.free_times(&Filter::default()).unwrap().slots[0]
        .id
        .clone()
}

fn only(guard: &Guard) -> Shown {
    let mut all = guard.visits().unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// No Slot has two Appointments that take place, and each that is taken has one.
async fn nothing_is_doubled(server: &Server) -> usize {
    let all = |text: String| -> Vec<Value> {
        let bundle: Value = serde_json::from_str(&text).unwrap();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries
            .into_iter()
            .map(|entry| entry["resource"].clone())
            .collect()
    };
    let appointments = all(server.get("Appointment?_count=1000").await.unwrap().text);
    let busy = all(server
        .get("Slot?status=busy&_count=1000")
        .await
        .unwrap()
        .text);
    let mut taken: Vec<String> = appointments
        .iter()
        .filter(|one| one["status"] == "booked")
        .map(|one| one["slot"][0]["reference"].as_str().unwrap().to_owned())
        .collect();
    taken.sort();
    let mut slots: Vec<String> = busy
        .iter()
        .map(|one| format!("Slot/{}", one["id"].as_str().unwrap()))
        .collect();
    slots.sort();
    assert_eq!(taken, slots);
    slots.dedup();
    assert_eq!(taken, slots, "booked twice");
    taken.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_books_offline_under_the_policy_moves_it_and_calls_it_off() {
    let hub = clinic(2).await;
    let phone = hub.joined(&phone_grant("p0")).await;
    phone.sync().await;
    let times = phone.guard.free_times(&Filter::default()).unwrap();
    assert_eq!(times.slots.len(), 4 * 10 * 6);
    assert!(
        times.confirmed.is_some(),
        "they are as old as the last sync"
    );
    let virtual_ones = Filter {
        is_virtual: Some(true),
        ..Filter::default()
    };
    let slot = phone.guard.free_times(&virtual_ones).unwrap().slots[0].clone();
    // Offline: kept, and counted as what no server has.
    let wish = phone
        .guard
        .ask_for_visit(asked("p0", Some(&slot.id)))
        .unwrap();
    assert_eq!(
        (wish.word(), phone.guard.unsent_changes().unwrap()),
        ("wished", 1)
    );
    assert!(wish.booking().is_none());

    assert_eq!(book(&phone).await.booked, 1);
    let shown = only(&phone.guard);
    assert_eq!((shown.wish.word(), shown.is_off), ("booked", false));
    assert_eq!(phone.guard.unsent_changes().unwrap(), 0);
    let appointment = served(&hub, &format!("Appointment/{}", wish.id)).await;
    assert_eq!(appointment["status"], "booked");
    assert_eq!(
        appointment["slot"][0]["reference"],
        format!("Slot/{}", slot.id)
    );
    assert_eq!(
        served(&hub, &format!("Slot/{}", slot.id)).await["status"],
        "busy"
    );
    assert_eq!(nothing_is_doubled(&hub.client()).await, 1);
    // What was read back stands here as what a pull brings.
    let here: Value =
        serde_json::from_str(&phone.text(&format!("Appointment/{}", wish.id)).unwrap()).unwrap();
    assert_eq!(here, appointment);
    let report = phone.sync().await;
    assert_eq!((report.sent, report.conflicts), (0, 0));
    // It is joined by the service's link, in its time.
    let visit = shown.visit.as_ref().unwrap();
    assert!(
        visit
            .address
            .as_ref()
            .unwrap()
            .starts_with("https://video.example/room/")
    );
    assert!(matches!(
        shown.window(phone.guard.now()),
        Some(Window::Early { .. })
    ));
    let begins = pocketchart_core::fhir::Instant::from_epoch_ms(slot.start_ms);
    assert!(matches!(shown.window(begins), Some(Window::Open { .. })));

    // Moved: the new one is taken before the old one is given up.
    let times = phone.guard.free_times(&Filter::default()).unwrap();
    let other = times.slots.last().unwrap().id.clone();
    phone.guard.choose_time(&wish.id, &other).unwrap();
    assert_eq!(phone.guard.unsent_changes().unwrap(), 1);
    book(&phone).await;
    let shown = only(&phone.guard);
    assert_eq!((shown.wish.word(), &shown.wish.note), ("booked", &None));
    assert_eq!(shown.wish.booking().unwrap().slot.id, other);
    assert_eq!(
        served(&hub, &format!("Slot/{}", slot.id)).await["status"],
        "free"
    );
    assert_eq!(nothing_is_doubled(&hub.client()).await, 1);

    phone.guard.call_off(&wish.id).unwrap();
    assert_eq!(book(&phone).await.cancelled, 1);
    assert_eq!(
        only(&phone.guard).wish.note,
        None,
        "the Slot was given back"
    );
    assert_eq!(nothing_is_doubled(&hub.client()).await, 0);
    assert_eq!(
        served(&hub, &format!("Appointment/{}", wish.id)).await["status"],
        "cancelled"
    );
    assert!(phone.sync().await.conflicts == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_phones_race_for_one_time_and_one_gets_it() {
    let hub = clinic(12).await;
    let mut phones = Vec::new();
    for n in 0..12 {
        let phone = hub.joined(&phone_grant(&format!("p{n}"))).await;
        phone.sync().await;
        phones.push(phone);
    }
    let slot = first_slot(&phones[0].guard);
    // Half of them take the next best, half want to be asked.
    for (n, phone) in phones.iter().enumerate() {
        let wish = Asked {
            next_best: n % 2 == 0,
            ..asked(&format!("p{n}"), Some(&slot))
        };
        phone.guard.ask_for_visit(wish).unwrap();
    }
    let mut racing = tokio::task::JoinSet::new();
    for phone in phones {
        racing.spawn(async move {
            book(&phone).await;
            phone
        });
    }
    let phones = racing.join_all().await;
    let (mut got_it, mut booked) = (0, 0);
    for phone in &phones {
        let wish = only(&phone.guard).wish;
        match wish.word() {
            "booked" => {
                booked += 1;
                got_it += usize::from(wish.booking().unwrap().slot.id == slot);
            }
            "offered" => {
                assert!(!wish.next_best);
                assert_eq!(wish.note, Some(Note::Taken));
                assert!(!wish.offers().is_empty());
                assert!(wish.offers().iter().all(|offer| offer.id != slot));
            }
            other => panic!("{other}: {:?}", wish.note),
        }
    }
    assert_eq!(got_it, 1, "exactly one has it");
    assert_eq!(nothing_is_doubled(&hub.client()).await, booked);
    assert!(booked >= 6);
    // The others choose, and all the same one again: in the end everybody has a time.
    for _ in 0..12 {
        for phone in &phones {
            let wish = only(&phone.guard).wish;
            if let Some(offer) = wish.offers().first().filter(|_| wish.word() == "offered") {
                phone.guard.choose_time(&wish.id, &offer.id).unwrap();
            }
            book(phone).await;
        }
    }
    assert!(
        phones
            .iter()
            .all(|phone| only(&phone.guard).wish.word() == "booked")
    );
    assert_eq!(nothing_is_doubled(&hub.client()).await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_shared_tablet_its_author_signs_a_booking_and_nobody_else() {
    let hub = clinic(1).await;
    let tablet = staffed(&hub).await;
    tablet.sync().await;
    hub.approve_members(&STAFF).await;
    tablet.sync().await;
    let tablet = in_hands(tablet, NURSE).await;
    let slot = first_slot(&tablet.guard);
    let wish = tablet
        .guard
        .ask_for_visit(asked("p0", Some(&slot)))
        .unwrap();
    let tablet = in_hands(tablet, PHYSICIAN).await;
    assert_eq!(book(&tablet).await.waiting, 1);
    assert_eq!(only(&tablet.guard).wish.note, Some(Note::WaitsForAuthor));
    assert_eq!(nothing_is_doubled(&hub.client()).await, 0);
    let tablet = in_hands(tablet, NURSE).await;
    assert_eq!(book(&tablet).await.booked, 1);
    assert_eq!(nothing_is_doubled(&hub.client()).await, 1);
    let is_hers = |entry: &AuditEntry| {
        entry.kind == AuditKind::Written && entry.person == NURSE && entry.patients == ["p0"]
    };
    let entry = trail(&hub.guard).into_iter().find(is_hers).unwrap();
    assert_eq!(entry.role, Role::NURSE.name());
    // Another calls it off, and signs that.
    let tablet = in_hands(tablet, PHYSICIAN).await;
    tablet.guard.call_off(&wish.id[..8]).unwrap();
    assert_eq!(book(&tablet).await.cancelled, 1);
    assert_eq!(nothing_is_doubled(&hub.client()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_an_appointment_may_not_wish_for_one_nor_see_it() {
    let hub = clinic(2).await;
    let phone = hub.joined(&phone_grant("p0")).await;
    phone.sync().await;
    let as_patient = |id: &str| phone.guard.acting_as(small_clinic::patient_actor(id));
    let slot = first_slot(&phone.guard);
    as_patient("p0")
        .ask_for_visit(asked("p0", Some(&slot)))
        .unwrap();
    assert_eq!(as_patient("p0").visits().unwrap().len(), 1);
    assert_eq!(as_patient("p1").visits().unwrap().len(), 0);
    let refused = as_patient("p1")
        .ask_for_visit(asked("p0", None))
        .unwrap_err();
    assert!(matches!(refused, BookingError::NoPatient), "{refused}");
    let auditor = phone.guard.acting_as(small_clinic::actor(Role::AUDITOR));
    assert_eq!(auditor.visits().unwrap().len(), 0);
    assert!(auditor.ask_for_visit(asked("p0", None)).is_err());
    // A nurse, in a shared vault, sees whose Appointments they may read; the trail says who asked.
    let nurse = phone.guard.acting_as(small_clinic::actor(Role::NURSE));
    assert_eq!(nurse.visits().unwrap().len(), 1);
    let asked = trail(&phone.guard).into_iter().any(|entry| {
        entry.person == "person-p0" && entry.what.starts_with("wish ") && entry.patients == ["p0"]
    });
    assert!(asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_is_said_and_nothing_is_kept() {
    let hub = clinic(1).await;
    let phone = hub.joined(&phone_grant("p0")).await;
    phone.sync().await;
    let guard = &phone.guard;
    let of = |change: fn(&mut Asked)| {
        let mut wish = asked("p0", None);
        change(&mut wish);
        guard.ask_for_visit(wish).unwrap_err()
    };
    assert!(matches!(
        of(|a| a.patient = "nobody".into()),
        BookingError::NoPatient
    ));
    assert!(matches!(
        of(|a| a.patient = "../x".into()),
        BookingError::NoPatient
    ));
    assert!(matches!(
        of(|a| a.slot = Some("none".into())),
        BookingError::NoSlot
    ));
    assert!(matches!(
        of(|a| a.reason = "x".repeat(2000)),
        BookingError::LongReason
    ));
    assert!(matches!(
        of(|a| a.wanted.until_ms = Some(0)),
        BookingError::EmptyWindow
    ));
    assert!(matches!(
        guard.call_off("nothing").unwrap_err(),
        BookingError::NoWish
    ));
    assert!(matches!(
        guard.call_off("").unwrap_err(),
        BookingError::NoWish
    ));
    assert!(guard.visits().unwrap().is_empty());
    assert_eq!(guard.unsent_changes().unwrap(), 0);
    // Offline nothing is lost, and it says so.
    let slot = first_slot(guard);
    guard.ask_for_visit(asked("p0", Some(&slot))).unwrap();
    let hub = hub.moved().await;
    assert!(run(&phone).run().await.is_err());
    assert_eq!(only(guard).wish.word(), "wished");
    drop(hub);
}
