//! Enrolment as an operator and a device's keeper do it: two homes, a hub in a process of its own.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::pocketchart;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
        fs::write(folder.path().join("nurse"), "ferry thimble orchard 19\n").unwrap();
        Self { folder, hub: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, home: &str, args: &[&str]) -> Command {
        let mut command = pocketchart();
        command.arg("--home").arg(self.path(home)).args(args);
        command
    }

    /// Runs `args` on `home` with a passphrase; answers with exit code, output, errors.
    fn run(&self, home: &str, args: &[&str]) -> (i32, String, String) {
        let passphrase = self.path("passphrase");
        let mut command = self.command(home, args);
        told(command.arg("--passphrase-file").arg(passphrase))
    }

    fn ok(&self, home: &str, args: &[&str]) -> String {
        let (code, out, err) = self.run(home, args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        out
    }

    /// The operator: no passphrase.
    fn operate(&self, args: &[&str]) -> (i32, String, String) {
        told(&mut self.command("hub", args))
    }

    fn operated(&self, args: &[&str]) -> Value {
        let (code, out, err) = self.operate(args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        serde_json::from_str(out.lines().last().unwrap_or_default()).unwrap_or_default()
    }

    fn start_hub(&mut self) {
        let ready = self.path("ready.json");
        let listen = ["hub", "--listen", "127.0.0.1:0", "--ready-file"];
        let mut command = self.command("hub", &listen);
        command
            .arg(&ready)
            .arg("--passphrase-file")
            .arg(self.path("passphrase"));
        self.hub = Some(command.stdout(Stdio::null()).spawn().unwrap());
        let begun = Instant::now();
        while !ready.exists() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the hub is not ready"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn told(command: &mut Command) -> (i32, String, String) {
    common::told(command.output().unwrap())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap()
}

fn str_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_tablet_joins_its_nurse_is_approved_and_it_is_shut_out() {
    let mut place = Place::new();
    for home in ["hub", "tablet"] {
        place.ok(home, &["vault", "create"]);
    }
    let (code, _, err) = place.operate(&["hub", "devices"]);
    assert_eq!(code, 1);
    assert!(err.contains("no hub runs"), "{err}");
    place.start_hub();

    let (code, _, _) = place.operate(&["hub", "enrol", "--device", "ward"]);
    assert_eq!(code, 2, "whose it is must be said");
    let made = place.operated(&[
        "--json",
        "hub",
        "enrol",
        "--device",
        "ward",
        "--facility",
        "north",
    ]);
    let code_text = made["code"].as_str().unwrap();
    let (code, out, _) = place.run("tablet", &["--json", "join", code_text, "--once"]);
    assert_eq!(code, 4, "{out}");
    let fingerprint = json(&out)["fingerprint"].as_str().unwrap().to_owned();
    let (_, out, _) = place.operate(&["hub", "devices"]);
    assert!(
        out.contains(&fingerprint) && out.contains("waiting"),
        "{out}"
    );
    let (code, _, err) = place.operate(&["hub", "approve", &fingerprint, "--role", "nurse"]);
    assert_eq!(code, 1);
    assert!(err.contains("a device"), "{err}");
    for _ in 0..2 {
        place.operated(&["hub", "approve", &fingerprint]);
    }
    place.ok("tablet", &["join", code_text]);
    let (code, _, err) = place.run("tablet", &["join", code_text]);
    assert_eq!(code, 1);
    assert!(err.contains("does not take this code"), "{err}");
    let (code, _, err) = place.run("tablet", &["join", "https://127.0.0.1/fhir"]);
    assert_eq!(code, 2, "{err}");

    // A nurse who is not approved yet captures all the same.
    let nurse = place.path("nurse");
    let add = [
        "person",
        "add",
        "nurse-1",
        "--role",
        "nurse",
        "--new-passphrase-file",
        str_of(&nurse),
    ];
    let (code, _, err) = place.run("tablet", &bad_role(&add));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("no role doctor") && err.contains("physician"));
    let added = json(&place.ok("tablet", &[&["--json"], &add[..]].concat()));
    let record = place.path("p1.json");
    fs::write(&record, r#"{"resourceType":"Patient","id":"p1"}"#).unwrap();
    let mut put = place.command("tablet", &["--person", "nurse-1", "put", str_of(&record)]);
    assert_eq!(told(put.arg("--passphrase-file").arg(&nurse)).0, 0);
    let (code, out, _) = place.run("tablet", &["--json", "sync"]);
    assert_eq!(code, 4, "its author waits for a person: {out}");
    let report = json(&out);
    assert_eq!(
        (report["sent"].as_u64(), report["held"].as_u64()),
        (Some(0), Some(1))
    );
    let (code, status, _) = place.run("tablet", &["status"]);
    assert_eq!(code, 4);
    assert!(status.contains("until its author is approved"), "{status}");

    let people = place.operated(&["--json", "hub", "devices"]);
    let members = people["members"].as_array().unwrap();
    let nurse = members.iter().find(|m| m["person"] == "nurse-1").unwrap();
    let id = nurse["fingerprint"].as_str().unwrap();
    assert_eq!(
        added["fingerprint"], id,
        "both sides see what is to be compared"
    );
    let (_, shown, _) = place.operate(&["hub", "devices"]);
    assert!(shown.contains("person nurse-1 on ward"), "{shown}");
    let (code, _, err) = place.operate(&["hub", "approve", id, "--role", "doctor"]);
    assert_eq!(code, 1);
    assert!(err.contains("no such role"), "{err}");
    let (code, _, err) = place.operate(&["hub", "approve", id]);
    assert_eq!(code, 1);
    assert!(err.contains("role"), "{err}");
    place.operated(&["hub", "approve", id, "--role", "nurse"]);
    let report = json(&place.ok("tablet", &["--json", "sync"]));
    assert_eq!(
        (report["sent"].as_u64(), report["held"].as_u64()),
        (Some(1), Some(0))
    );

    let device = people["devices"][0]["id"].as_str().unwrap();
    place.operated(&["hub", "revoke", device]);
    let (code, _, err) = place.run("tablet", &["sync"]);
    assert_eq!(code, 1);
    assert!(err.contains("does not accept the token"), "{err}");
    assert!(err.contains("pocketchart join"), "what to do: {err}");
    assert_eq!(err.matches("does not accept").count(), 1, "{err}");
    let (code, _, err) = place.operate(&["hub", "approve", device]);
    assert_eq!(code, 1);
    assert!(err.contains("new code"), "{err}");
}

/// The same command for a role that no policy knows.
fn bad_role<'a>(add: &[&'a str]) -> Vec<&'a str> {
    let other = |word: &&'a str| if *word == "nurse" { "doctor" } else { word };
    add.iter().map(other).collect()
}

#[test]
fn a_phone_for_a_patient_whom_the_hub_does_not_know_is_warned_of() {
    let mut place = Place::new();
    place.ok("hub", &["vault", "create"]);
    place.start_hub();
    let (code, out, _) = place.operate(&["hub", "devices"]);
    assert_eq!(code, 0);
    assert!(out.contains("hub enrol"), "{out}");
    let enrol = ["hub", "enrol", "--device", "phone", "--patient", "mistyped"];
    let (code, out, err) = place.operate(&enrol);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("pocketchart join") && err.contains("no Patient/mistyped"),
        "{err}"
    );
}
