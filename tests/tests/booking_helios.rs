//! The same race at a server that nobody here wrote (it is skipped where that is not beside the repository).
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use pocketchart_core::care::booking::{Asked, BookingRun, Filter, Preferences, Wish};
use pocketchart_core::clock::{Clock, SystemClock};
use pocketchart_tests::helios::Helios;
use pocketchart_tests::schedules::schedules;
use pocketchart_tests::*;
use serde_json::Value;

const DEVICES: usize = 12;

async fn round(device: &Device) {
    let run = BookingRun {
        guard: &device.guard,
        server: &device.server,
        peer: device.peer,
    };
    run.run().await.unwrap();
}

fn wish_of(device: &Device) -> Wish {
    device.guard.visits().unwrap().remove(0).wish
}

async fn all(helios: &Helios, search: &str) -> Vec<Value> {
    let answer = helios.server().get(search).await.unwrap();
    assert_eq!(answer.status, 200, "{search}");
    let bundle: Value = serde_json::from_str(&answer.text).unwrap();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| entry["resource"].clone())
        .collect()
}

/// Appointments that take place; each has a Slot of its own, and the Slots that are taken are those.
async fn taken(helios: &Helios) -> usize {
    let visits = all(helios, "Appointment?_count=1000").await;
    let mut named: Vec<String> = visits
        .iter()
        .filter(|one| one["status"] == "booked")
        .map(|one| one["slot"][0]["reference"].as_str().unwrap().to_owned())
        .collect();
    named.sort();
    let slots = all(helios, "Slot?status=busy&_count=1000").await;
    let mut busy: Vec<String> = slots
        .iter()
        .map(|one| format!("Slot/{}", one["id"].as_str().unwrap()))
        .collect();
    busy.sort();
    assert_eq!(named, busy);
    busy.dedup();
    assert_eq!(named, busy, "booked twice");
    named.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_devices_race_at_helios() {
    let Some(helios) = Helios::start("twelve_devices_race_at_helios").await else {
        return;
    };
    let people = [("dr".to_owned(), "Dr. No".to_owned())];
    let mut texts = schedules(&people, SystemClock.now());
    texts.extend((0..DEVICES).map(|n| patient(&format!("p{n}"), "1")));
    let records: Vec<Value> = texts
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    helios.fill(&records).await;
    let mut devices = Vec::new();
    for n in 0..DEVICES {
        let device = helios.device();
        device.sync().await;
        let slot = device.guard.free_times(&Filter::default()).unwrap().slots[0]
            .id
            .clone();
        let asked = Asked {
            patient: format!("p{n}"),
            reason: "a cough".into(),
            slot: Some(slot),
            wanted: Preferences::default(),
            next_best: n % 2 == 0,
        };
        device.guard.ask_for_visit(asked).unwrap();
        devices.push(device);
    }
    let first = wish_of(&devices[0]).slot().unwrap().id.clone();
    let mut racing = tokio::task::JoinSet::new();
    for device in devices {
        racing.spawn(async move {
            round(&device).await;
            device
        });
    }
    let devices = racing.join_all().await;
    let words: Vec<&str> = devices
        .iter()
        .map(|device| wish_of(device).word())
        .collect();
    assert!(
        words
            .iter()
            .all(|word| ["booked", "offered"].contains(word)),
        "{words:?}"
    );
    let got_it = devices.iter().filter(|device| {
        let wish = wish_of(device);
        wish.booking()
            .is_some_and(|booking| booking.slot.id == first)
    });
    assert_eq!(got_it.count(), 1);
    let booked = words.iter().filter(|word| **word == "booked").count();
    assert_eq!(taken(&helios).await, booked);

    // One who has a time moves it to another and calls that off; each time the old one is free again.
    let device = devices
        .iter()
        .find(|device| wish_of(device).word() == "booked")
        .unwrap();
    let wish = wish_of(device);
    device.sync().await;
    let times = device.guard.free_times(&Filter::default()).unwrap().slots;
    device
        .guard
        .choose_time(&wish.id, &times.last().unwrap().id)
        .unwrap();
    round(device).await;
    assert_eq!(
        wish_of(device).booking().unwrap().slot.id,
        times.last().unwrap().id
    );
    assert_eq!(taken(&helios).await, booked);
    device.guard.call_off(&wish.id).unwrap();
    round(device).await;
    assert_eq!(wish_of(device).word(), "cancelled");
    assert_eq!(taken(&helios).await, booked - 1);
}
