//! Visits on the command line: seen offline, asked for, synced, moved, called off, joined in their time only.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;
// The demo's and the other tests' times to book; not all of it is needed here.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/src/schedules.rs"]
mod schedules;

use common::pocketchart;
use pocketchart_core::clock::{Clock, SystemClock};
use pocketchart_core::fhir::bundle::Writer;
use pocketchart_core::fhir::{Instant, Resource};
use pocketchart_core::net::Server;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

struct Place {
    folder: tempfile::TempDir,
    hub: Option<Child>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(hub) = &mut self.hub {
            let _ = hub.kill();
            let _ = hub.wait();
        }
    }
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("passphrase"), "plum orbit lantern 42\n").unwrap();
        let mut place = Self { folder, hub: None };
        for home in ["hub", "phone"] {
            place.ok(home, &["vault", "create"]);
        }
        let ready = place.path("ready.json");
        let mut hub = pocketchart();
        hub.arg("--home").arg(place.path("hub"));
        hub.arg("--passphrase-file").arg(place.path("passphrase"));
        hub.args(["hub", "--listen", "127.0.0.1:0", "--ready-file"])
            .arg(&ready);
        place.hub = Some(hub.stdout(Stdio::null()).spawn().unwrap());
        while !ready.exists() {
            assert!(place.hub.as_mut().unwrap().try_wait().unwrap().is_none());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, home: &str, args: &[&str]) -> (i32, String, String) {
        let mut command = pocketchart();
        command.arg("--home").arg(self.path(home));
        command
            .arg("--passphrase-file")
            .arg(self.path("passphrase"));
        command.env("TZ", "Europe/Berlin").args(args);
        common::told(command.output().unwrap())
    }

    fn ok(&self, home: &str, args: &[&str]) -> String {
        let (code, out, err) = self.run(home, args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        out
    }

    fn objects(&self, args: &[&str]) -> Vec<Value> {
        let mut all = vec!["--json"];
        all.extend(args);
        let out = self.ok("phone", &all);
        out.lines()
            .map(|one| serde_json::from_str(one).unwrap())
            .collect()
    }

    fn ready(&self, name: &str) -> String {
        let ready: Value =
            serde_json::from_str(&fs::read_to_string(self.path("ready.json")).unwrap()).unwrap();
        ready[name].as_str().unwrap().to_owned()
    }

    fn fill(&self, texts: &[String]) {
        let read = |name: &str| fs::read_to_string(self.ready(name)).unwrap();
        let server = Server::new(
            &self.ready("url"),
            Some(&read("ca_file")),
            Some(&read("token_file")),
        )
        .unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for texts in texts.chunks(100) {
            let mut bundle = Writer::new("transaction", &[]);
            for text in texts {
                let name = Resource::parse_text(text).unwrap().name().to_string();
                bundle.put(&name, text, None, false);
            }
            let answer = runtime
                .block_on(server.transaction(bundle.finish()))
                .unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }

    fn sync(&self) -> Value {
        let (url, ca, token) = (
            self.ready("url"),
            self.ready("ca_file"),
            self.ready("token_file"),
        );
        let sync = ["sync", &url, "--ca-file", &ca, "--token-file", &token];
        self.objects(&sync).pop().unwrap()
    }
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p0","name":[{"family":"Zo"}]}"#;

/// A virtual Slot that has begun, and ends in an hour.
fn now_slot() -> Vec<String> {
    let now = SystemClock.now().epoch_ms();
    let at = |ms: i64| Instant::from_epoch_ms(now + ms).to_string();
    let visit = json!({
        "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.virtualService",
        "extension": [{ "url": "address", "valueUrl": "https://video.example/now" }],
    });
    let slot = json!({
        "resourceType": "Slot", "id": "soon", "extension": [visit], "status": "free",
        "schedule": { "reference": "Schedule/none" }, "start": at(300_000), "end": at(3_900_000),
    });
    vec![PATIENT.to_owned(), slot.to_string()]
}

#[test]
fn a_visit_from_a_list_of_times_to_its_link() {
    let place = Place::new();
    let people = [
        ("dr".to_owned(), "Dr. No".to_owned()),
        ("who".to_owned(), "Dr. Who".to_owned()),
    ];
    place.fill(&schedules::schedules(&people, SystemClock.now()));
    place.fill(&now_slot());
    let (code, _, err) = place.run("phone", &["book", "soon"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("no patient here yet"), "{err}");
    place.sync();

    let all = place.objects(&["slots", "--all"]);
    assert_eq!(all.len(), 2 * 10 * 6 + 1);
    assert_eq!(all[0]["slot"], "soon");
    assert!(all[0]["age_minutes"].as_i64().unwrap() <= 1, "{}", all[0]);
    assert!(
        all[1]["local"].as_str().unwrap().ends_with("CET")
            || all[1]["local"].as_str().unwrap().ends_with("CEST")
    );
    let virtual_ones = place.objects(&["slots", "--virtual", "--all"]);
    assert_eq!(virtual_ones.len(), 61);
    let hers = place.objects(&["slots", "--practitioner", "who", "--all"]);
    assert_eq!(hers.len(), 60);
    assert!(
        hers.iter()
            .all(|one| one["virtual"] == false && one["name"] == "Dr. Who")
    );
    let rows = place.ok("phone", &["slots"]);
    assert!(
        rows.contains("Dr. No") && rows.contains("and 71 more") && rows.contains("As of"),
        "{rows}"
    );

    let (first, other) = (
        all[1]["slot"].as_str().unwrap(),
        all[2]["slot"].as_str().unwrap(),
    );
    let made = place
        .objects(&["book", first, "--reason", "a cough"])
        .remove(0);
    let visit = made["visit"].as_str().unwrap();
    assert_eq!(
        (&made["state"], &made["reason"]),
        (&json!("wished"), &json!("a cough"))
    );
    let (code, _, err) = place.run("phone", &["vault", "wipe", "--yes"]);
    assert_ne!(code, 0, "a wish is unsent work: {err}");
    let status = place.ok("phone", &["status"]);
    assert!(
        status.contains("1 visit waits for the next sync"),
        "{status}"
    );
    assert_eq!(place.sync()["visits"]["booked"], 1);
    let status = place.ok("phone", &["status"]);
    assert!(status.contains("Nothing waits"), "{status}");
    let listed = place.ok("phone", &["book", "--list"]);
    assert!(
        listed.contains("booked") && listed.contains("a cough"),
        "{listed}"
    );
    let (code, _, err) = place.run("phone", &["book", "--join", visit]);
    assert_eq!(code, 1);
    assert!(err.contains("it can be joined from"), "{err}");
    let (code, _, _) = place.run("phone", &["book", "--take", visit, other]);
    assert_eq!(code, 2, "a booked visit is moved, not taken");

    place.ok("phone", &["book", "--reschedule", visit, other]);
    place.sync();
    let moved = place.objects(&["book", "--list"]).remove(0);
    assert_eq!(
        (&moved["state"], &moved["slot"]["slot"]),
        (&json!("booked"), &json!(other))
    );
    let (code, _, err) = place.run("phone", &["book", "--reschedule", visit, "nothing"]);
    assert_eq!(code, 1);
    assert!(err.contains("no such time"), "{err}");
    place.ok("phone", &["book", "--cancel", &visit[..8]]);
    assert_eq!(place.sync()["visits"]["cancelled"], 1);
    assert_eq!(place.objects(&["book", "--list"])[0]["state"], "cancelled");

    let made = place.objects(&["book", "soon"]).remove(0);
    let visit = made["visit"].as_str().unwrap();
    let (code, _, err) = place.run("phone", &["book", "--join", visit]);
    assert_eq!(code, 1);
    assert!(err.contains("not booked"), "{err}");
    place.sync();
    assert_eq!(
        place.ok("phone", &["book", "--join", visit]).trim(),
        "https://video.example/now"
    );
}

#[test]
fn wrong_arguments_are_said() {
    let place = Place::new();
    for args in [
        &["book"][..],
        &["book", "a", "--list"],
        &["book", "--take", "a"],
        &["slots", "--virtual", "--in-person"],
        &["slots", "--from", "tomorrow"],
        &["slots", "--practitioner", "a/b/c"],
        &["slots", "--at", "tea"],
        &["slots", "--days", "someday"],
    ] {
        let (code, out, err) = place.run("phone", args);
        assert_eq!(code, 2, "{args:?} {out} {err}");
    }
    let rows = place.ok("phone", &["slots"]);
    assert!(rows.contains("No free times"), "{rows}");
}
