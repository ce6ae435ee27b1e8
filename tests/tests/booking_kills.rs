//! A visit is booked, moved and called off while every single request is cut in turn, and the program killed with it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use pocketchart_core::access::Guard;
use pocketchart_core::care::booking::{Asked, BookingRun, Filter, Note, Preferences};
use pocketchart_core::fhir::bundle::Writer;
use pocketchart_core::net::Server;
use pocketchart_tests::meddling::{Cut, Meddling};
use pocketchart_tests::schedules::schedules;
use pocketchart_tests::*;
use serde_json::Value;

/// Behind the last request of a round there is nothing to cut.
const MORE_THAN_ENOUGH: usize = 30;

async fn clinic() -> TestHub {
    let hub = TestHub::start().await;
    let people = [("dr".to_owned(), "Dr. No".to_owned())];
    let mut all = schedules(&people, hub.guard.now());
    all.push(patient("p0", "1"));
    for texts in all.chunks(100) {
        let mut bundle = Writer::new("transaction", &[]);
        for text in texts {
            bundle.put(&resource(text).name().to_string(), text, None, false);
        }
        let answer = hub.client().transaction(bundle.finish()).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    hub
}

/// One round over `wire`, killed when that cuts. `true`: nothing was cut.
async fn round(device: &Device, wire: &std::sync::Arc<Meddling>) -> bool {
    let server = wire.server();
    let run = BookingRun {
        guard: &device.guard,
        server: &server,
        peer: device.peer,
    };
    tokio::select! {
        done = run.run() => done.is_ok(),
        () = wire.is_cut.notified() => false,
    }
}

/// The vault, opened again after the program was killed.
fn killed(mut device: Device) -> Device {
    let Device { guard, .. } = &device;
    drop(guard.clone().lock());
    device.guard = unlock(device.home.path());
    device
}

async fn all(server: &Server, search: &str) -> Vec<Value> {
    let answer = server.get(search).await.unwrap();
    assert_eq!(answer.status, 200);
    let bundle: Value = serde_json::from_str(&answer.text).unwrap();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| entry["resource"].clone())
        .collect()
}

/// The Slots that are taken, each by one Appointment.
async fn taken(hub: &TestHub) -> Vec<String> {
    let client = hub.client();
    let visits = all(&client, "Appointment?_count=1000").await;
    let mut named: Vec<String> = visits
        .iter()
        .filter(|one| one["status"] == "booked")
        .map(|one| one["slot"][0]["reference"].as_str().unwrap().to_owned())
        .collect();
    named.sort();
    let slots = all(&client, "Slot?status=busy&_count=1000").await;
    let mut busy: Vec<String> = slots
        .iter()
        .map(|one| format!("Slot/{}", one["id"].as_str().unwrap()))
        .collect();
    busy.sort();
    assert_eq!(named, busy);
    named
}

fn word(guard: &Guard) -> &'static str {
    let visits = guard.visits().unwrap();
    assert_eq!(visits.len(), 1);
    visits[0].wish.word()
}

/// Books, moves and calls off, with the nth request of each round cut. `true`: in no round there was one to cut.
async fn story(hub: &TestHub, nth: usize, cut: Cut, splits: bool) -> bool {
    let case = format!("request {nth} {cut:?} {splits}");
    let fine = || Meddling::new(hub.client(), None, splits);
    let mut device = Device::of(fine().server());
    device.sync().await;
    let times = device.guard.free_times(&Filter::default()).unwrap().slots;
    let (first, second) = (times[0].id.clone(), times[1].id.clone());
    let wish = device
        .guard
        .ask_for_visit(Asked {
            patient: "p0".into(),
            reason: "a cough".into(),
            slot: Some(first.clone()),
            wanted: Preferences::default(),
            next_best: false,
        })
        .unwrap();
    let mut was_cut = false;
    for step in ["book", "move", "cancel"] {
        match step {
            "move" => drop(device.guard.choose_time(&wish.id, &second).unwrap()),
            "cancel" => drop(device.guard.call_off(&wish.id).unwrap()),
            _ => {}
        }
        let wire = Meddling::new(hub.client(), Some((nth, cut)), splits);
        was_cut |= !round(&device, &wire).await;
        device = killed(device);
        assert!(round(&device, &fine()).await, "{case} {step}");
        let is = match step {
            "book" => ("booked", vec![format!("Slot/{first}")]),
            "move" => ("booked", vec![format!("Slot/{second}")]),
            _ => ("cancelled", vec![]),
        };
        assert_eq!((word(&device.guard), taken(hub).await), is, "{case} {step}");
        assert_eq!(device.guard.unsent_changes().unwrap(), 0);
    }
    // Nothing of it stands in the way of the next sync, and nothing is left to send.
    let report = device.sync().await;
    assert_eq!((report.sent, report.conflicts), (0, 0), "{case}");
    !was_cut
}

async fn every_request(cut: Cut, splits: bool) {
    let hub = clinic().await;
    for nth in 0..MORE_THAN_ENOUGH {
        if story(&hub, nth, cut, splits).await {
            assert!(nth > 4, "only {nth} requests were cut");
            return;
        }
    }
    panic!("there is always one more request to cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_each_request() {
    every_request(Cut::Before, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_behind_each_request() {
    every_request(Cut::Behind, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_lost() {
    every_request(Cut::Answerless, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_where_transactions_are_none() {
    every_request(Cut::Half, true).await;
    every_request(Cut::Behind, true).await;
}

/// Two devices at one time at a server that does not take transactions whole: the one that lost takes its half back.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_booking_of_a_time_that_another_has_is_taken_back() {
    let hub = clinic().await;
    let splitting = || Meddling::new(hub.client(), None, true);
    let (one, two) = (
        Device::of(splitting().server()),
        Device::of(splitting().server()),
    );
    for device in [&one, &two] {
        device.sync().await;
    }
    let slot = one.guard.free_times(&Filter::default()).unwrap().slots[0]
        .id
        .clone();
    for (device, next_best) in [(&one, false), (&two, true)] {
        let asked = Asked {
            patient: "p0".into(),
            slot: Some(slot.clone()),
            next_best,
            ..Asked::default()
        };
        device.guard.ask_for_visit(asked).unwrap();
    }
    // The second one has read the Slot and stored its request when the first one books: requests 0 to 1 are behind it.
    let late = Meddling::new(hub.client(), Some((2, Cut::Before)), true);
    assert!(!round(&two, &late).await);
    assert_eq!(word(&two.guard), "requested");
    assert!(round(&one, &splitting()).await);
    assert_eq!(word(&one.guard), "booked");
    // Its request arrives now, the Slot's part too late; so only its Appointment stands there.
    let wish = two.guard.visits().unwrap().remove(0).wish;
    let text = format!(
        r#"{{"resourceType":"Appointment","id":"{}","status":"booked","start":"2027-01-01T00:00:00Z","end":"2027-01-01T00:20:00Z","slot":[{{"reference":"Slot/{slot}"}}],"participant":[{{"actor":{{"reference":"Patient/p0"}},"status":"accepted"}}]}}"#,
        wish.id
    );
    let put = hub
        .client()
        .put(&format!("Appointment/{}", wish.id), &text, None)
        .await;
    assert_eq!(put.unwrap().status, 201);
    assert!(round(&two, &splitting()).await);
    let shown = two.guard.visits().unwrap().remove(0);
    assert_eq!(
        (shown.wish.word(), &shown.wish.note),
        ("booked", &None::<Note>)
    );
    assert_ne!(shown.wish.booking().unwrap().appointment, wish.id);
    assert_eq!(taken(&hub).await.len(), 2);
}
