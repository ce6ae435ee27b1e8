//! `conflicts`, `resolve`, `quarantine` as a person or a script uses them.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{pocketchart, told};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A hub in a process of its own, and the homes of two devices beside it.
struct Place {
    folder: tempfile::TempDir,
    hub: Option<Child>,
}

impl Place {
    /// Both devices know the hub.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder, hub: None };
        place.file("passphrase", "plum orbit lantern 42\n");
        for home in ["hub", "phone", "tablet"] {
            place.ok(home, &["vault", "create"]);
        }
        place.with_hub()
    }

    fn with_hub(mut self) -> Self {
        let ready = self.path("ready.json");
        let mut command = self.command("hub");
        command.args(["hub", "--listen", "127.0.0.1:0", "--ready-file"]);
        let mut child = command.arg(&ready).stdout(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while !ready.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the hub ended");
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(20));
        }
        self.hub = Some(child);
        let ready: Value = serde_json::from_str(&fs::read_to_string(ready).unwrap()).unwrap();
        let of = |name: &str| ready[name].as_str().unwrap().to_owned();
        let (url, ca, token) = (of("url"), of("ca_file"), of("token_file"));
        for home in ["phone", "tablet"] {
            self.ok(
                home,
                &["sync", &url, "--ca-file", &ca, "--token-file", &token],
            );
        }
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn command(&self, home: &str) -> std::process::Command {
        let mut command = pocketchart();
        command.arg("--home").arg(self.path(home));
        command
            .arg("--passphrase-file")
            .arg(self.path("passphrase"));
        command
    }

    fn run(&self, home: &str, args: &[&str]) -> (i32, String, String) {
        told(self.command(home).args(args).output().unwrap())
    }

    fn ok(&self, home: &str, args: &[&str]) -> String {
        let (code, out, err) = self.run(home, args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        out
    }

    fn put(&self, home: &str, text: &str) {
        let file = self.file("put.json", text);
        self.ok(home, &["put", &file]);
    }

    /// Both devices change phone number and gender; the tablet finds the conflict.
    fn in_conflict(&self, id: &str) {
        self.put("phone", &patient(id, "555-01", "male"));
        self.ok("phone", &["sync"]);
        // An earlier conflict may wait already.
        self.run("tablet", &["sync"]);
        self.put("phone", &patient(id, "555-02", "female"));
        self.ok("phone", &["sync"]);
        self.put("tablet", &patient(id, "555-03", "other"));
        assert_eq!(self.run("tablet", &["sync"]).0, 4);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(hub) = &mut self.hub {
            let _ = hub.kill();
            let _ = hub.wait();
        }
    }
}

fn patient(id: &str, phone: &str, gender: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","telecom":[{{"system":"phone","value":"{phone}","use":"home"}}],"gender":"{gender}"}}"#
    )
}

#[test]
fn conflicts_are_listed_shown_and_decided() {
    let place = Place::new();
    let (exit, out, _) = place.run("tablet", &["conflicts"]);
    assert_eq!((exit, out.trim()), (0, "No conflict waits."));
    place.in_conflict("a");
    place.in_conflict("b");

    let (exit, out, _) = place.run("tablet", &["conflicts"]);
    assert_eq!(exit, 4);
    assert!(out.contains("Patient/a  changed on both sides"), "{out}");
    assert!(
        out.contains("written by owner") && out.contains("2 conflicts"),
        "{out}"
    );

    let (exit, out, _) = place.run("tablet", &["conflicts", "Patient/a"]);
    assert_eq!(exit, 4);
    for part in [
        "Phone number 555-01: value",
        "was     555-01",
        "here    555-03",
        "server  555-02",
        "path    telecom[phone|555-01].value",
        "server  female",
        "pocketchart resolve Patient/a",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    let (_, out, _) = place.run("tablet", &["conflicts", "Patient/a", "--json"]);
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(object["kind"], "both-changed");
    assert_eq!(object["differences"][1]["path"], "gender");
    assert_eq!(object["differences"][1]["mine"], "\"other\"");
    assert!(object["base"].as_str().unwrap().contains("555-01"));
    let (exit, _, err) = place.run("tablet", &["conflicts", "Patient/c"]);
    assert_eq!(exit, 1);
    assert!(err.contains("nothing of Patient/c waits"), "{err}");

    // Paths: all of them, and only such as differ.
    let number = "telecom[phone|555-01].value=theirs";
    let (exit, _, err) = place.run("tablet", &["resolve", "Patient/a", "--path", number]);
    assert_eq!(exit, 1);
    assert!(
        err.contains("1 of the differences in Patient/a are not decided"),
        "{err}"
    );
    assert!(err.contains("lists the paths"), "{err}");
    let bad = place.run("tablet", &["resolve", "Patient/a", "--path", "gender=both"]);
    assert_eq!(bad.0, 2, "{}", bad.2);
    assert_eq!(place.run("tablet", &["resolve", "Patient/a"]).0, 2);
    assert_eq!(
        place
            .run("tablet", &["resolve", "Patient/a", "--mine", "--theirs"])
            .0,
        2
    );
    place.ok(
        "tablet",
        &[
            "resolve",
            "Patient/a",
            "--path",
            number,
            "--path",
            "gender=mine",
        ],
    );

    // Another text; one of another record is refused.
    let other = place.file("other.json", &patient("x", "1", "male"));
    let (exit, _, err) = place.run("tablet", &["resolve", "Patient/b", "--edited", &other]);
    assert_eq!(exit, 1);
    assert!(
        err.contains("the text is of Patient/x, not of Patient/b"),
        "{err}"
    );
    let edited = place.file("edited.json", &patient("b", "555-09", "other"));
    let out = place.ok(
        "tablet",
        &["resolve", "Patient/b", "--edited", &edited, "--json"],
    );
    assert!(out.contains("\"state\":\"queued\""), "{out}");

    place.ok("tablet", &["sync"]);
    place.ok("phone", &["sync"]);
    for (id, phone) in [("a", "555-02"), ("b", "555-09")] {
        let name = format!("Patient/{id}");
        let text = place.ok("phone", &["get", &name]);
        assert!(text.contains(phone) && text.contains("other"), "{text}");
        assert_eq!(text, place.ok("tablet", &["get", &name]));
    }
    place.ok("tablet", &["conflicts"]);
}

#[test]
fn what_a_server_refused_is_sent_again_or_given_up() {
    let place = Place::new();
    place.ok("phone", &["quarantine"]);
    place.put("phone", &patient("a", "555-01", "male"));
    place.ok("phone", &["sync"]);
    let served = place.ok("phone", &["get", "Patient/a"]);
    // The hub takes no member twice.
    let twice =
        patient("a", "555-02", "male").replacen("\"gender\"", "\"gender\":\"male\",\"gender\"", 1);
    place.put("phone", &twice);
    assert_eq!(place.run("phone", &["sync"]).0, 4);

    let (exit, out, _) = place.run("phone", &["quarantine"]);
    assert_eq!(exit, 4);
    assert!(out.contains("Patient/a  refused by the server"), "{out}");
    let (exit, out, _) = place.run("phone", &["quarantine", "Patient/a"]);
    assert_eq!(exit, 4);
    assert!(out.contains("--again") && out.contains("555-02"), "{out}");
    let (exit, _, err) = place.run("phone", &["resolve", "Patient/a", "--mine"]);
    assert_eq!(exit, 1);
    assert!(err.contains("pocketchart quarantine"), "{err}");

    place.ok("phone", &["quarantine", "Patient/a", "--again"]);
    let (exit, _, err) = place.run("phone", &["quarantine", "Patient/a", "--again"]);
    assert_eq!(exit, 1);
    assert!(err.contains("no change of Patient/a was refused"), "{err}");
    assert_eq!(place.run("phone", &["sync"]).0, 4, "refused again");
    place.ok("phone", &["quarantine", "Patient/a", "--discard"]);
    assert_eq!(place.ok("phone", &["get", "Patient/a"]), served);
    place.ok("phone", &["sync"]);
    assert_eq!(place.run("phone", &["quarantine", "--discard"]).0, 2);
}
