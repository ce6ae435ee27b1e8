//! `sync --watch` beside other commands, with a hub that goes away and comes back.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{pocketchart, told};
use pocketchart_core::net::Server;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(90);

/// A vault in a folder of its own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path("passphrase"), "plum orbit lantern 42\n").unwrap();
        place.run(&["vault", "create"]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = pocketchart();
        command.arg("--home").arg(self.path("home"));
        command
            .arg("--passphrase-file")
            .arg(self.path("passphrase"));
        command
    }

    fn run(&self, args: &[&str]) -> String {
        let (code, out, err) = told(self.command().args(args).output().unwrap());
        assert_eq!(code, 0, "{args:?}: {err}");
        out
    }

    /// A command that waits while the vault is in use.
    fn run_in_turn(&self, args: &[&str]) {
        let begun = Instant::now();
        loop {
            let (code, _, err) = told(self.command().args(args).output().unwrap());
            if code == 0 {
                return;
            }
            assert!(err.contains("open in another process"), "{err}");
            assert!(begun.elapsed() < LONG, "the vault is never free");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn put(&self, id: &str) {
        let file = self.path("record.json");
        fs::write(
            &file,
            format!("{{\"resourceType\":\"Basic\",\"id\":\"{id}\"}}"),
        )
        .unwrap();
        self.run_in_turn(&["put", file.to_str().unwrap()]);
    }

    /// A hub over this vault, once it serves.
    fn serve(&self, address: &str) -> Running {
        let ready = self.path("ready.json");
        let _ = fs::remove_file(&ready);
        let mut command = self.command();
        command.args(["hub", "--listen", address, "--ready-file"]);
        let mut child = command.arg(&ready).stdout(Stdio::null()).spawn().unwrap();
        while !ready.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the hub ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        Running(child)
    }

    fn ready(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("ready.json")).unwrap()).unwrap()
    }
}

struct Running(Child);

impl Running {
    /// Its exit code after this signal.
    fn end(&mut self, signal: &str) -> Option<i32> {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn client(hub: &Place) -> Server {
    let ready = hub.ready();
    let read = |name: &str| fs::read_to_string(Path::new(ready[name].as_str().unwrap())).unwrap();
    let (ca, token) = (read("ca_file"), read("token_file"));
    Server::new(ready["url"].as_str().unwrap(), Some(&ca), Some(&token)).unwrap()
}

#[test]
fn changes_go_out_by_themselves_and_a_hub_that_was_away_gets_them_later() {
    let (hub, phone) = (Place::new(), Place::new());
    let mut serving = hub.serve("127.0.0.1:0");
    let ready = hub.ready();
    let of = |name: &str| ready[name].as_str().unwrap().to_owned();
    let address = of("url").replace("https://", "").replace("/fhir", "");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = client(&hub);
    let is_there = |id: &str| {
        let answer = runtime.block_on(server.get(&format!("Basic/{id}")));
        answer.is_ok_and(|answer| answer.status == 200)
    };

    phone.put("first");
    let said = phone.path("said");
    // An hour between two: what goes out meanwhile goes for a reason.
    let mut command = phone.command();
    command.args(["--json", "sync", &of("url"), "--ca-file", &of("ca_file")]);
    command.args(["--token-file", &of("token_file")]);
    command.args(["--watch", "--every", "3600"]);
    let out = File::create(&said).unwrap();
    let child = command.stdout(out).stderr(Stdio::null()).spawn().unwrap();
    let mut watch = Running(child);
    eventually("the first", || is_there("first"));

    phone.put("second");
    eventually("a change by another command", || is_there("second"));

    assert_eq!(serving.end("-TERM"), Some(0));
    phone.put("third");
    let failures = || {
        let lines = fs::read_to_string(&said).unwrap();
        let all = lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        all.filter(|line: &Value| line["error"].is_string())
            .collect::<Vec<_>>()
    };
    eventually("two failures", || failures().len() >= 2);
    for failure in failures() {
        let text = failure["error"].as_str().unwrap();
        assert_eq!(text, format!("{}: the server cannot be reached", of("url")));
        assert_eq!(failure["exit"], 5);
        assert!(failure["again_in_s"].as_u64().unwrap() <= 16);
    }
    serving = hub.serve(&address);
    eventually("what was written meanwhile", || is_there("third"));

    assert_eq!(watch.end("-INT"), Some(0), "Ctrl-C is how it ends");
    let status = phone.run(&["status"]);
    for words in [
        &format!("Syncs with {}: last at 20", of("url")),
        ", keys agreed by X25519MLKEM768",
        "Nothing waits to be sent.",
        "Taken by a server, newest first:",
        &format!("  Basic/third  by {} as version 1 at 20", of("url")),
    ] {
        assert!(status.contains(words), "{status}");
    }
    let status: Value = serde_json::from_str(&phone.run(&["--json", "status"])).unwrap();
    let peer = &status["peers"][0];
    assert_eq!(peer["url"], of("url"));
    assert_eq!(peer["group"], "X25519MLKEM768");
    assert_eq!(peer["busy_until"], Value::Null);
    assert_eq!(status["accepted"].as_array().unwrap().len(), 3);
    assert_eq!(serving.end("-INT"), Some(0));
}

#[test]
fn it_begins_with_what_sync_would_say() {
    let phone = Place::new();
    let output = phone.command().args(["sync", "--watch"]).output().unwrap();
    let (code, _, err) = told(output);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("no server is known yet"), "{err}");
    let wrong = ["sync", "--every", "5"];
    let (code, _, err) = told(phone.command().args(wrong).output().unwrap());
    assert_eq!(code, 2, "{err}");
    // A server that never answered is not remembered, and not watched.
    let new = ["sync", "https://127.0.0.1:9/fhir", "--watch"];
    let (code, _, err) = told(phone.command().args(new).output().unwrap());
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("https://127.0.0.1:9/fhir: the server cannot be reached"));
}
