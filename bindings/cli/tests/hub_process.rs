//! The hub as a process: killed under load, stopped under load, and what its log tells.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::pocketchart;
use pocketchart_core::fhir::Resource;
use pocketchart_core::net::Server;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Place {
    folder: tempfile::TempDir,
}

struct Running {
    child: Child,
    ready: Value,
}

impl Place {
    /// A new vault.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("passphrase"), "plum orbit lantern 42\n").unwrap();
        let place = Self { folder };
        let made = place.command().args(["vault", "create"]).output().unwrap();
        assert!(made.status.success());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = pocketchart();
        command.arg("--home").arg(self.path("home"));
        command
            .arg("--passphrase-file")
            .arg(self.path("passphrase"));
        command
    }

    fn start(&self) -> Running {
        let ready = self.path("ready.json");
        let _ = fs::remove_file(&ready);
        let mut command = self.command();
        command.args([
            "hub",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "json",
            "--ready-file",
        ]);
        command.arg(&ready).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        while !ready.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the hub ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        let ready = serde_json::from_str(&fs::read_to_string(&ready).unwrap()).unwrap();
        Running { child, ready }
    }
}

impl Running {
    fn client(&self) -> Server {
        let read = |name: &str| fs::read_to_string(Path::new(self.ready[name].as_str().unwrap()));
        let (ca, token) = (read("ca_file").unwrap(), read("token_file").unwrap());
        Server::new(self.ready["url"].as_str().unwrap(), Some(&ca), Some(&token)).unwrap()
    }

    /// Everything on standard error, once it has ended.
    fn log(mut self) -> String {
        let mut text = String::new();
        let stderr = self.child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut text).unwrap();
        self.child.wait().unwrap();
        text
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }
}

fn basic(id: &str, round: usize) -> String {
    format!(
        "{{\"resourceType\":\"Basic\",\"id\":\"{id}\",\"code\":{{\"text\":\"round {round}\"}}}}"
    )
}

/// By record: the newest version that was acknowledged, and its text.
type Acknowledged = Arc<Mutex<HashMap<String, (u64, String)>>>;

/// Writes one record again and again, and a transaction of two now and then, until the hub does not answer any more.
async fn write_on(client: Arc<Server>, writer: usize, start: usize, told: Acknowledged) {
    let id = format!("w{writer}");
    for round in start.. {
        // A write that was not acknowledged may be there all the same: read before the first one.
        let current = match client.get(&format!("Basic/{id}")).await {
            Ok(answer) => answer.version,
            Err(_) => return,
        };
        let name = format!("Basic/{id}");
        let sent = client
            .put(&name, &basic(&id, round), current.as_deref())
            .await;
        let Ok(answer) = sent else { return };
        assert!(
            answer.status == 200 || answer.status == 201,
            "{}",
            answer.status
        );
        let number = answer.version.clone().unwrap().parse().unwrap();
        told.lock()
            .unwrap()
            .insert(id.clone(), (number, answer.text));
        if round % 3 != 0 {
            continue;
        }
        let pair = ["x", "y"].map(|half| format!("t{writer}-{round}-{half}"));
        let mut bundle = pocketchart_core::fhir::bundle::Writer::new("transaction", &[]);
        for id in &pair {
            bundle.put(&format!("Basic/{id}"), &basic(id, round), None, true);
        }
        let Ok(answer) = client.transaction(bundle.finish()).await else {
            return;
        };
        assert_eq!(answer.status, 200);
        for id in pair {
            told.lock().unwrap().insert(id, (1, String::new()));
        }
    }
}

/// Everything that was acknowledged is there, and nothing is there twice. What was under way counts from here on.
async fn verify(client: &Server, told: &Acknowledged) {
    let known = told.lock().unwrap().clone();
    for (id, (version, text)) in known {
        let name = format!("Basic/{id}");
        let read = client
            .get(&format!("{name}/_history/{version}"))
            .await
            .unwrap();
        assert_eq!(read.status, 200, "{id} version {version}");
        if !text.is_empty() {
            assert_eq!(read.text, text, "{id} version {version}");
        }
        // One version more at most: the one that was under way.
        let newest = client.get(&name).await.unwrap();
        let number: u64 = newest.version.unwrap().parse().unwrap();
        assert!(
            number == version || number == version + 1,
            "{id}: {number}, told {version}"
        );
        told.lock().unwrap().insert(id, (number, newest.text));
    }
}

/// Pairs of a transaction are there both, or neither is.
async fn verify_pairs(client: &Server) -> usize {
    let mut halves = HashMap::new();
    let mut answer = client.get("Basic?_count=1000").await.unwrap();
    loop {
        let text = answer.text.clone();
        let bundle = pocketchart_core::fhir::bundle::Bundle::parse(&text).unwrap();
        for entry in &bundle.entry {
            let resource = Resource::parse_text(entry.resource.unwrap().get()).unwrap();
            let id = resource.name().id.to_string();
            if let Some((pair, _)) = id.rsplit_once('-') {
                *halves.entry(pair.to_owned()).or_insert(0) += 1;
            }
        }
        let Some(next) = bundle.link("next") else {
            break;
        };
        answer = client.follow(next).await.unwrap();
    }
    assert!(halves.values().all(|n| *n == 2), "{halves:?}");
    halves.len()
}

const KILLS: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_under_load_loses_and_doubles_nothing() {
    let place = Place::new();
    let told = Acknowledged::default();
    for kill in 0..KILLS {
        let mut running = place.start();
        let client = Arc::new(running.client());
        verify(&client, &told).await;
        let start = usize::try_from(kill).unwrap() * 1000;
        let writers: Vec<_> = (0..4)
            .map(|n| tokio::spawn(write_on(client.clone(), n, start, told.clone())))
            .collect();
        // Other moments each time: during the first writes, or among later ones.
        tokio::time::sleep(Duration::from_millis(10 + kill * 37 % 150)).await;
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        for writer in writers {
            writer.await.unwrap();
        }
    }
    let running = place.start();
    let client = running.client();
    verify(&client, &told).await;
    let pairs = verify_pairs(&client).await;
    assert!(
        pairs > 10 && told.lock().unwrap().len() > 20,
        "there was load"
    );
    running.signal("-TERM");
    running.log();
    let check = place.command().args(["vault", "check"]).output().unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_stopped_under_load_finishes_what_it_took() {
    let place = Place::new();
    let told = Acknowledged::default();
    let running = place.start();
    let client = Arc::new(running.client());
    let writers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(write_on(client.clone(), n, 0, told.clone())))
        .collect();
    while told.lock().unwrap().len() < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.signal("-TERM");
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(
        client.get("metadata").await.is_err(),
        "nobody is let in any more"
    );
    running.log();
    let again = place.start();
    let client = again.client();
    verify(&client, &told).await;
    verify_pairs(&client).await;
    again.signal("-TERM");
    again.log();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_requests_and_nothing_of_patients() {
    const CANARY: &str = "Canarybird";
    let place = Place::new();
    let running = place.start();
    let client = running.client();
    let body = format!(
        "{{\"resourceType\":\"Patient\",\"id\":\"{CANARY}\",\"name\":[{{\"family\":\"{CANARY}\"}}]}}"
    );
    let url = running.ready["url"].as_str().unwrap().to_owned();
    client
        .put(&format!("Patient/{CANARY}"), &body, None)
        .await
        .unwrap();
    for path in [
        format!("Patient/{CANARY}"),
        format!("Patient?name={CANARY}"),
        format!("Patient/{CANARY}/_history/1"),
        format!("{CANARY}/x"),
        format!("Patient?{CANARY}=1"),
        format!("{CANARY}/a/b/c/d/e"),
        format!("../{CANARY}"),
    ] {
        client.get(&path).await.unwrap();
    }
    client
        .transaction(format!("{{\"{CANARY}\":"))
        .await
        .unwrap();
    client
        .delete(&format!("Patient/{CANARY}"), Some(CANARY))
        .await
        .unwrap();
    let nobody = Server::new(
        &url,
        Some(&fs::read_to_string(running.ready["ca_file"].as_str().unwrap()).unwrap()),
        Some(CANARY),
    )
    .unwrap();
    assert_eq!(nobody.get("Patient").await.unwrap().status, 401);
    running.signal("-TERM");
    let log = running.log();
    assert!(
        !log.to_lowercase().contains(&CANARY.to_lowercase()),
        "{log}"
    );
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 11, "{log}");
    let line = &lines[1];
    assert_eq!(
        (&line["method"], &line["route"]),
        (&"GET".into(), &"/fhir/{kind}/{id}".into())
    );
    assert_eq!(
        (line["status"].as_u64(), line["caller"].as_str()),
        (Some(200), Some("admin"))
    );
    assert!(line["ms"].is_number() && line["bytes"].as_u64() > Some(50));
    assert_eq!(
        (lines[10]["status"].as_u64(), lines[10]["caller"].as_str()),
        (Some(401), Some("-"))
    );
    let ids: std::collections::HashSet<_> =
        lines.iter().map(|l| l["request"].to_string()).collect();
    assert_eq!(ids.len(), lines.len(), "each request has an id of its own");
}
