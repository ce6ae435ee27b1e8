//! The facade with a real hub: joined, synced, cancelled, in conflict, booked.

use crate::common::*;
use pocketchart::{
    CancelToken, ConflictKind, ConflictSide, FreeTimesFilter, HubJoin, JoinWindow, ListenerError,
    PathChoice, PocketchartError, Resolution, SaveState, Session, SyncListener, SyncPhase,
    SyncProgress, VisitWaits, VisitWish,
};
use pocketchart_core::fhir::bundle::Writer;
use pocketchart_tests::schedules::{practitioners, schedules};
use pocketchart_tests::staff::{phone_grant, tablet_grant};
use pocketchart_tests::{TestHub, observation, patient, resource};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Keeps what it is told, and does something at the first page.
#[derive(Default)]
struct Listener {
    heard: Mutex<Vec<SyncProgress>>,
    cancels: Option<Arc<CancelToken>>,
    fails: bool,
}

impl SyncListener for Listener {
    fn on_progress(&self, progress: SyncProgress) -> Result<(), ListenerError> {
        self.heard.lock().unwrap().push(progress);
        if let Some(token) = &self.cancels {
            token.cancel().unwrap();
        }
        match self.fails {
            true => Err(ListenerError::Failed),
            false => Ok(()),
        }
    }
}

fn fill(hub: &TestHub, texts: &[String]) {
    let server = hub.client();
    for texts in texts.chunks(100) {
        let mut bundle = Writer::new("transaction", &[]);
        for text in texts {
            let name = resource(text).name().to_string();
            bundle.put(&name, text, None, false);
        }
        let answer = on_hub(server.transaction(bundle.finish())).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

fn put(session: &Session, text: &str) {
    wait(session.put(text.into())).unwrap();
}

fn text(session: &Session, name: &str) -> String {
    wait(session.get(name.into())).unwrap().json
}

#[test]
fn a_sync_goes_both_ways_and_tells_how_far_it_is() {
    let hub = hub();
    let (here, there) = (Place::new(), Place::new());
    let ((phone, _), (tablet, _)) = (here.created(), there.created());
    assert_eq!(code(sync(&phone)), "no_server");
    let url = meets(&phone, &hub);
    meets(&tablet, &hub);
    assert_eq!(phone.servers().unwrap()[0].url, url);
    assert_eq!(phone.servers().unwrap()[0].last_sync, None);
    let ticks = tablet.observe(vec!["Patient".into()]).unwrap();
    wait(ticks.next()).unwrap();

    put(&phone, &patient("a", "1"));
    assert_eq!(wait(phone.outbox()).unwrap().len(), 1);
    let listener = Arc::new(Listener::default());
    let report = wait(phone.sync(Some(url.clone()), token(), Some(listener.clone()))).unwrap();
    let one = &report.servers[0];
    assert_eq!((one.sent, one.error.clone(), report.waiting), (1, None, 0));
    let heard = listener.heard.lock().unwrap().clone();
    assert!(
        heard
            .iter()
            .any(|p| p.phase == SyncPhase::Sending && p.done == 1 && p.total == 1)
    );
    assert!(
        heard
            .iter()
            .any(|p| p.phase == SyncPhase::Receiving && p.kind.is_some())
    );
    assert!(wait(phone.outbox()).unwrap().is_empty());
    assert!(phone.servers().unwrap()[0].last_sync.is_some());

    // A listener that fails keeps nothing from being synced.
    let deaf = Arc::new(Listener {
        fails: true,
        ..Listener::default()
    });
    let report = wait(tablet.sync(None, token(), Some(deaf))).unwrap();
    assert_eq!(report.servers[0].received, 1);
    let tick = wait(ticks.next()).unwrap().unwrap();
    assert_eq!(tick.kinds, ["Patient"], "a pulled page is a change");
    assert_eq!(text(&tablet, "Patient/a"), text(&phone, "Patient/a"));
    assert_eq!(
        code(wait(phone.sync(
            Some("https://nobody".into()),
            token(),
            None
        ))),
        "no_server"
    );
}

#[test]
fn a_sync_is_cancelled_and_the_next_one_goes_on() {
    let hub = hub();
    let texts: Vec<String> = (0..4000)
        .map(|n| observation(&format!("o{n}"), "p", "1"))
        .collect();
    fill(&hub, &texts);
    let place = Place::new();
    let (session, _) = place.created();
    meets(&session, &hub);
    let before = token();
    before.cancel().unwrap();
    assert!(before.is_cancelled().unwrap());
    assert_eq!(code(wait(session.sync(None, before, None))), "cancelled");

    let cancel = token();
    let listener = Arc::new(Listener {
        cancels: Some(cancel.clone()),
        ..Listener::default()
    });
    assert_eq!(
        code(wait(session.sync(None, cancel, Some(listener)))),
        "cancelled"
    );
    let count = |session: &Session| {
        let page = wait(session.search("Observation?_total=accurate".into(), None)).unwrap();
        page.total.unwrap()
    };
    assert!(count(&session) < 4000);
    assert_eq!(sync(&session).unwrap().servers[0].error, None);
    assert_eq!(count(&session), 4000);
    let report = sync(&session).unwrap();
    assert_eq!(report.servers[0].received, 0, "nothing is missing");
}

/// The device is about to stop the app: what runs ends, and it goes on where it was.
#[test]
fn a_pause_ends_what_runs() {
    let hub = hub();
    let texts: Vec<String> = (0..1500)
        .map(|n| observation(&format!("o{n}"), "p", "1"))
        .collect();
    fill(&hub, &texts);
    let place = Place::new();
    let (session, _) = place.created();
    meets(&session, &hub);
    let running = {
        let session = Arc::clone(&session);
        std::thread::spawn(move || sync(&session))
    };
    until("a page is here", || {
        let page = wait(session.search("Observation".into(), None)).unwrap();
        !page.items.is_empty() || running.is_finished()
    });
    wait(session.pause()).unwrap();
    let ended = running.join().unwrap();
    assert!(
        matches!(ended, Err(PocketchartError::Cancelled)) || ended.is_ok(),
        "it ended by the pause, or was quicker"
    );
    wait(session.resume()).unwrap();
    assert_eq!(sync(&session).unwrap().servers[0].error, None);
}

/// Whoever goes away ends nothing: the sync is through all the same.
#[test]
fn a_sync_that_nobody_waits_for_goes_on_to_its_end() {
    let hub = hub();
    fill(&hub, &[patient("a", "1")]);
    let place = Place::new();
    let (session, _) = place.created();
    meets(&session, &hub);
    assert!(drop_after(session.sync(None, token(), None), 1).is_none());
    until("it is through", || {
        session.servers().unwrap()[0].last_sync.is_some()
    });
    assert!(wait(session.get("Patient/a".into())).is_ok());
}

#[test]
fn a_lock_ends_a_sync() {
    let hub = hub();
    let texts: Vec<String> = (0..1500)
        .map(|n| observation(&format!("o{n}"), "p", "1"))
        .collect();
    fill(&hub, &texts);
    let place = Place::new();
    let (session, _) = place.created();
    meets(&session, &hub);
    let running = {
        let session = Arc::clone(&session);
        std::thread::spawn(move || sync(&session))
    };
    std::thread::sleep(Duration::from_millis(100));
    wait(session.lock()).unwrap();
    let ended = running.join().unwrap();
    assert!(ended.is_ok() || ended.is_err_and(|error| error == PocketchartError::Locked));
    let session = place.unlock(passphrase(PASSPHRASE)).unwrap();
    assert_eq!(sync(&session).unwrap().servers[0].error, None);
}

#[test]
fn servers_that_are_none_are_not_remembered() {
    let hub = hub();
    let place = Place::new();
    let (session, _) = place.created();
    let add = |url: &str, ca: Option<String>, token: Option<&str>| {
        let token = token.map(str::to_owned);
        code(wait(session.add_server(url.into(), token, ca, None)))
    };
    let url = &hub.hub.ready().url;
    let ca = Some(hub.ca_pem.clone());
    assert_eq!(add("nothing", None, None), "bad_input");
    assert_eq!(add("http://example.org", None, None), "bad_input");
    assert_eq!(add("https://127.0.0.1:1", None, None), "offline");
    assert_eq!(add(url, None, None), "untrusted_server");
    assert_eq!(add(url, Some("no certificate".into()), None), "bad_input");
    assert_eq!(add(url, ca.clone(), Some("two\nlines")), "bad_input");
    let patient = wait(session.add_server(url.clone(), None, ca.clone(), Some("a b".into())));
    assert_eq!(code(patient), "bad_input");
    assert!(session.servers().unwrap().is_empty());
    // The hub says who it is to anyone, and hands out nothing.
    let known = wait(session.add_server(url.clone(), Some("wrong".into()), ca, None)).unwrap();
    assert!(known.has_token);
    assert_eq!(code(sync(&session)), "unauthorized");
    meets(&session, &hub);
    assert_eq!(session.servers().unwrap().len(), 1);
    assert!(sync(&session).is_ok());
}

#[test]
fn a_device_joins_a_hub_by_its_code() {
    let hub = hub();
    let place = Place::new();
    let (session, _) = place.created();
    assert_eq!(code(wait(session.join_hub("1234".into()))), "bad_input");
    let code_text = on_hub(hub.code(&tablet_grant())).to_string();
    let shown = match wait(session.join_hub(code_text.clone())).unwrap() {
        HubJoin::Waiting { fingerprint } => fingerprint,
        HubJoin::Joined { .. } => panic!("nobody approved it"),
    };
    on_hub(hub.approve(&shown, None));
    let HubJoin::Joined {
        server, facility, ..
    } = wait(session.join_hub(code_text.clone())).unwrap()
    else {
        panic!("it was approved")
    };
    assert_eq!(server.url, hub.hub.ready().url);
    assert_eq!(facility.as_deref(), Some("north"));
    assert!(server.has_token);
    assert_eq!(code(wait(session.join_hub(code_text))), "bad_join_code");
    let report = sync(&session).unwrap();
    assert_eq!(report.servers[0].error, None);
}

/// Two devices that both changed phone number and birth date of a patient; the second one knows it.
fn in_conflict(hub: &TestHub, places: [&Place; 2]) -> [Arc<Session>; 2] {
    let person = |phone: &str, birth: &str| {
        format!(
            r#"{{"resourceType":"Patient","id":"a","telecom":[{{"system":"phone","value":"{phone}","use":"home"}}],"birthDate":"{birth}"}}"#
        )
    };
    let sessions = places.map(|place| place.created().0);
    let [first, second] = &sessions;
    for session in &sessions {
        meets(session, hub);
    }
    put(first, &person("1", "2000-01-01"));
    sync(first).unwrap();
    sync(second).unwrap();
    put(first, &person("2", "2001-01-01"));
    sync(first).unwrap();
    put(second, &person("3", "2002-01-01"));
    let report = sync(second).unwrap();
    assert_eq!((report.servers[0].conflicts, report.for_a_person), (1, 1));
    sessions
}

#[test]
fn a_conflict_is_seen_and_decided_place_by_place() {
    let hub = hub();
    let places = [Place::new(), Place::new()];
    let [first, second] = in_conflict(&hub, [&places[0], &places[1]]);
    let all = wait(second.conflicts()).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].kind, all[0].authors.clone()),
        (ConflictKind::BothChanged, vec!["owner".to_owned()])
    );
    let name = all[0].reference.clone();
    let seen = wait(second.conflict(name.clone())).unwrap();
    assert!(seen.base.unwrap().contains("2000-01-01"));
    assert!(seen.mine.unwrap().contains("2002-01-01"));
    assert!(seen.theirs.unwrap().contains("2001-01-01"));
    assert_eq!(seen.differences.len(), 2);
    assert_eq!(seen.differences[1].words, "Date of birth");
    assert!(seen.about.is_some() && !seen.is_own_part_only);

    let choice = |at: usize, side| PathChoice {
        path: seen.differences[at].path.clone(),
        side,
    };
    let by_path = |choices| Resolution::ByPath { choices };
    let one = by_path(vec![choice(0, ConflictSide::Mine)]);
    assert_eq!(code(wait(second.resolve(name.clone(), one))), "undecided");
    let bad = by_path(vec![PathChoice {
        path: "]".into(),
        side: ConflictSide::Mine,
    }]);
    assert_eq!(code(wait(second.resolve(name.clone(), bad))), "bad_input");
    let both = by_path(vec![
        choice(0, ConflictSide::Mine),
        choice(1, ConflictSide::Theirs),
    ]);
    let old = wait(second.resolve_seen(name.clone(), both.clone(), Some("1".into())));
    assert_eq!(code(old), "changed");
    let saved = wait(second.resolve_seen(name.clone(), both, seen.theirs_version)).unwrap();
    assert_eq!(saved.state, SaveState::Queued);
    assert!(wait(second.conflicts()).unwrap().is_empty());
    assert_eq!(code(wait(second.conflict(name.clone()))), "nothing_waits");
    sync(&second).unwrap();
    sync(&first).unwrap();
    let there = text(&first, &name);
    assert!(
        there.contains("\"3\"") && there.contains("2001-01-01"),
        "{there}"
    );
    assert_eq!(there, text(&second, &name));
}

#[test]
fn a_conflict_is_decided_by_a_side_or_another_text() {
    for (resolution, expected) in [
        (Resolution::Mine, "2002-01-01"),
        (Resolution::Theirs, "2001-01-01"),
        (
            Resolution::Edited {
                json: r#"{"resourceType":"Patient","id":"a","birthDate":"2003-01-01"}"#.into(),
            },
            "2003-01-01",
        ),
    ] {
        let hub = hub();
        let places = [Place::new(), Place::new()];
        let [first, second] = in_conflict(&hub, [&places[0], &places[1]]);
        let other = Resolution::Edited {
            json: patient("b", "1"),
        };
        assert_eq!(
            code(wait(second.resolve("Patient/a".into(), other))),
            "bad_input"
        );
        wait(second.resolve("Patient/a".into(), resolution)).unwrap();
        sync(&second).unwrap();
        sync(&first).unwrap();
        assert!(text(&first, "Patient/a").contains(expected));
    }
}

#[test]
fn nothing_is_refused_so_nothing_is_given_up() {
    let place = Place::new();
    let (session, _) = place.created();
    put(&session, &patient("a", "1"));
    assert!(wait(session.quarantine()).unwrap().is_empty());
    assert_eq!(
        code(wait(session.send_again("Patient/a".into()))),
        "nothing_waits"
    );
    assert_eq!(
        code(wait(session.discard_refused("Patient/a".into()))),
        "nothing_waits"
    );
    let waiting = wait(session.outbox()).unwrap();
    assert_eq!((waiting[0].changes, waiting[0].is_deleted), (1, false));
    assert!(wait(session.sync_state()).unwrap().is_empty());
}

fn wish(slot: Option<String>) -> VisitWish {
    VisitWish {
        patient: "p0".into(),
        reason: "a cough".into(),
        slot,
        wanted: FreeTimesFilter::default(),
        next_best: false,
    }
}

#[test]
fn a_visit_is_asked_for_without_a_network_and_booked_by_a_sync() {
    let hub = hub();
    let mut all = schedules(
        &practitioners(&pocketchart_tests::clinic()),
        hub.guard.now(),
    );
    all.push(patient("p0", "1"));
    fill(&hub, &all);
    // The hub's times are of today, so this vault's clock has to be, too.
    let home = tempfile::tempdir().unwrap();
    let vault = pocketchart::Vault::new(home.path().to_str().unwrap().into(), None).unwrap();
    let new = wait(vault.create(PASSPHRASE.into())).unwrap();
    let session = wait(new.confirm(new.recovery_code().unwrap())).unwrap();
    meets(&session, &hub);
    assert_eq!(code(wait(session.ask_for_visit(wish(None)))), "not_found");
    sync(&session).unwrap();

    let times = wait(session.free_times(FreeTimesFilter::default())).unwrap();
    assert!(!times.items.is_empty() && times.items.len() <= 100);
    assert!(times.count >= times.items.len() as u64 && times.confirmed.is_some());
    let bad = FreeTimesFilter {
        days: Some("monday".into()),
        ..FreeTimesFilter::default()
    };
    assert_eq!(code(wait(session.free_times(bad))), "bad_input");
    let (slot, later) = (times.items[0].slot.clone(), times.items[1].slot.clone());
    let ticks = session.observe(vec!["Appointment".into()]).unwrap();
    wait(ticks.next()).unwrap();
    let asked = wait(session.ask_for_visit(wish(Some(slot.clone())))).unwrap();
    assert_eq!(
        (asked.state.as_str(), asked.waits),
        ("wished", VisitWaits::ForSync)
    );
    assert_eq!(wait(ticks.next()).unwrap().unwrap().kinds, ["Appointment"]);
    let report = sync(&session).unwrap();
    assert_eq!(report.servers[0].visits.booked, 1);
    let visit = wait(session.visits()).unwrap().remove(0);
    assert_eq!(
        (visit.state.as_str(), visit.waits),
        ("booked", VisitWaits::ForNothing)
    );
    assert!(visit.appointment.is_some() && visit.start.is_some());
    assert!(!matches!(visit.window, JoinWindow::NotBooked));
    assert_eq!(visit.slot.unwrap().slot, slot);

    let moving = wait(session.choose_time(visit.id.clone(), later.clone())).unwrap();
    assert_eq!(moving.state, "moving");
    sync(&session).unwrap();
    let visit = wait(session.visits()).unwrap().remove(0);
    assert_eq!(visit.slot.unwrap().slot, later);
    let off = wait(session.call_off(visit.id.clone())).unwrap();
    assert_eq!(off.state, "cancelling");
    sync(&session).unwrap();
    assert_eq!(wait(session.visits()).unwrap()[0].state, "cancelled");
    assert_eq!(code(wait(session.call_off(visit.id))), "time_not_free");
    assert_eq!(
        code(wait(session.choose_time("nothing".into(), later))),
        "not_found"
    );
}

/// A patient's phone: joined by its code, it receives its own patient and no other.
#[test]
fn a_patients_phone_receives_its_own() {
    let hub = hub();
    fill(&hub, &[patient("mine", "1"), patient("other", "2")]);
    let place = Place::new();
    let (session, _) = place.created();
    let code_text = on_hub(hub.code(&phone_grant("mine"))).to_string();
    let HubJoin::Waiting { fingerprint } = wait(session.join_hub(code_text.clone())).unwrap()
    else {
        panic!("nobody approved it")
    };
    on_hub(hub.approve(&fingerprint, None));
    let HubJoin::Joined { server, .. } = wait(session.join_hub(code_text)).unwrap() else {
        panic!("it was approved")
    };
    assert_eq!(server.patient.as_deref(), Some("mine"));
    sync(&session).unwrap();
    assert!(wait(session.get("Patient/mine".into())).is_ok());
    assert_eq!(code(wait(session.get("Patient/other".into()))), "not_found");
}

/// Syncs from several threads at once wait for each other, and none reports what is none.
#[test]
fn syncs_at_once_wait_for_each_other() {
    let hub = hub();
    let place = Place::new();
    let (session, _) = place.created();
    meets(&session, &hub);
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let n = made.fetch_add(1, Ordering::SeqCst);
                put(&session, &patient(&format!("p{n}"), "1"));
                let report = sync(&session).unwrap();
                assert_eq!((report.servers[0].conflicts, report.for_a_person), (0, 0));
            });
        }
    });
    assert!(wait(session.outbox()).unwrap().is_empty());
}
