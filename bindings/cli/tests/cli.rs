//! The program as a person or a script uses it: files, exit codes, output.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{pocketchart, told};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PASSPHRASE: &str = "plum orbit lantern 42";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn command(&self, home: &str) -> Command {
        let mut command = pocketchart();
        command
            .arg("--home")
            .arg(self.path(home))
            .arg("--passphrase-file")
            .arg(self.path("passphrase"));
        command
    }

    /// Runs `args` on `home`; answers with exit code, output, errors.
    fn run(&self, home: &str, args: &[&str]) -> (i32, String, String) {
        told(self.command(home).args(args).output().unwrap())
    }

    fn ok(&self, home: &str, args: &[&str]) -> String {
        let (code, out, err) = self.run(home, args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        out
    }

    /// Makes a vault; answers with its recovery code.
    fn vault(&self, home: &str) -> String {
        let out = self.ok(home, &["--json", "vault", "create"]);
        let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        first["recovery_code"].as_str().unwrap().to_owned()
    }

    fn hub(&self, home: &str) -> Running {
        let ready = self.path("ready.json");
        let _ = fs::remove_file(&ready);
        let mut command = self.command(home);
        command
            .args(["hub", "--listen", "127.0.0.1:0", "--ready-file"])
            .arg(&ready);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while !ready.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the hub ended");
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the hub is not ready"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let ready: Value = serde_json::from_str(&fs::read_to_string(ready).unwrap()).unwrap();
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Running {
            child,
            url: text("url"),
            ca_file: text("ca_file"),
            token_file: text("token_file"),
        }
    }
}

/// A hub in a process of its own.
struct Running {
    child: Child,
    url: String,
    ca_file: String,
    token_file: String,
}

impl Running {
    fn sync_args(&self) -> [&str; 6] {
        [
            "sync",
            &self.url,
            "--ca-file",
            &self.ca_file,
            "--token-file",
            &self.token_file,
        ]
    }

    /// As a service manager does it; answers with whether it ended well.
    fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

fn patient(id: &str, phone: &str) -> String {
    format!(
        "{{ \"resourceType\":\"Patient\",\"id\":\"{id}\",\n \"telecom\":[{{\"value\":\"{phone}\"}}], \"x\":1.00}}\n"
    )
}

#[test]
fn put_and_get_give_the_same_bytes_and_status_says_what_waits() {
    let place = Place::new();
    place.vault("home");
    let text = patient("a", "Zo\u{eb} 555");
    let file = place.file("a.json", &text);
    assert!(
        place
            .ok("home", &["put", file.to_str().unwrap()])
            .contains("waits for the next sync")
    );
    assert_eq!(place.ok("home", &["get", "Patient/a"]), text);
    let object: Value =
        serde_json::from_str(&place.ok("home", &["get", "Patient/a", "--json"])).unwrap();
    assert_eq!(
        (object["text"].as_str(), object["waiting"].as_bool()),
        (Some(text.as_str()), Some(true))
    );
    let status = place.ok("home", &["status"]);
    assert!(
        status.contains("1 record ") && status.contains("Patient/a  waits to be sent"),
        "{status}"
    );
    let object: Value = serde_json::from_str(&place.ok("home", &["status", "--json"])).unwrap();
    assert_eq!(
        (
            &object["records"]["Patient"],
            &object["pending"][0]["state"]
        ),
        (&1.into(), &"waiting".into())
    );
    assert_eq!(place.ok("home", &["--quiet", "delete", "Patient/a"]), "");
    assert_eq!(place.run("home", &["get", "Patient/a"]).0, 1);
    assert!(
        place
            .ok("home", &["vault", "check"])
            .contains("All is well")
    );

    let mut command = place.command("home");
    let mut child = command
        .args(["put", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(place.ok("home", &["get", "Patient/a"]), text);
}

#[test]
fn a_wrong_secret_is_exit_3_and_changes_nothing() {
    let place = Place::new();
    let code = place.vault("home");
    let file = place.file("a.json", &patient("a", "1"));
    place.ok("home", &["put", file.to_str().unwrap()]);
    let before = contents(&place.path("home/vault"));
    let wrong = place.file("wrong", "plum orbit lantern 43");
    let bad_code = place.file("bad-code", "AAAA-AAAA");
    let other_code = place.file("other-code", &{
        let other = Place::new();
        other.vault("home")
    });
    for (option, secret) in [
        ("--passphrase-file", &wrong),
        ("--recovery-code-file", &bad_code),
        ("--recovery-code-file", &other_code),
    ] {
        for args in [
            &["status"][..],
            &["get", "Patient/a"],
            &["delete", "Patient/a"],
            &["vault", "check"],
            &["hub"],
        ] {
            let mut command = pocketchart();
            command
                .arg("--home")
                .arg(place.path("home"))
                .args(args)
                .arg(option)
                .arg(secret);
            let (exit, out, err) = told(command.output().unwrap());
            assert_eq!((exit, out.as_str()), (3, ""), "{args:?}: {err}");
        }
    }
    assert_eq!(contents(&place.path("home/vault")), before);

    let right_code = place.file("right-code", &code.to_lowercase().replace('-', " "));
    let mut command = pocketchart();
    command
        .arg("get")
        .arg("Patient/a")
        .arg("--home")
        .arg(place.path("home"));
    let (exit, out, err) = told(
        command
            .arg("--recovery-code-file")
            .arg(right_code)
            .output()
            .unwrap(),
    );
    assert_eq!((exit, out), (0, patient("a", "1")), "{err}");
}

#[test]
fn bad_input_is_named_and_nothing_is_stored() {
    let place = Place::new();
    let (exit, _, err) = place.run("home", &["status"]);
    assert_eq!(exit, 1);
    assert!(
        err.contains("no vault in") && err.contains("vault create"),
        "{err}"
    );
    place.vault("home");
    let (exit, _, err) = place.run("home", &["vault", "create"]);
    assert_eq!(exit, 1, "{err}");
    assert!(err.contains("already; nothing was changed"), "{err}");

    for (name, text, words) in [
        ("empty", "", "empty"),
        (
            "no-json",
            "Jane Doe",
            "not a JSON object (line 1, column 1)",
        ),
        (
            "no-id",
            "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"Doe\"}]}",
            "id is missing",
        ),
        ("no-type", "{\"id\":\"Doe\"}", "resourceType is missing"),
        (
            "bad-id",
            "{\"resourceType\":\"Patient\",\"id\":\"Jane Doe\"}",
            "id:",
        ),
    ] {
        let file = place.file(name, text);
        let (exit, out, err) = place.run("home", &["put", file.to_str().unwrap()]);
        assert_eq!((exit, out.as_str()), (1, ""), "{name}");
        assert!(err.contains(words) && err.contains(name), "{name}: {err}");
        assert!(!err.contains("Doe"), "{name}: {err}");
    }
    let absent = place.path("absent");
    assert!(
        place
            .run("home", &["put", absent.to_str().unwrap()])
            .2
            .contains("absent")
    );
    for args in [
        &["get", "patient"][..],
        &["get"],
        &["get", "Patient/a/_history/1"],
        &["delete", "Patient/a/_history/1"],
        &["nonsense"],
        &["sync"],
        &["sync", "https://h.example", "--patient", "a/b"],
        &["sync", "http://h.example/fhir"],
        &["status", "--recovery-code-file", "x"],
    ] {
        assert_eq!(place.run("home", args).0, 2, "{args:?}");
    }
    let object: Value = serde_json::from_str(&place.ok("home", &["--json", "status"])).unwrap();
    assert_eq!(
        (
            object["records"].as_object().unwrap().len(),
            object["pending"].as_array().unwrap().len()
        ),
        (0, 0)
    );

    let weak = place.file("weak", "password1");
    let mut command = pocketchart();
    command
        .args(["vault", "create", "--home"])
        .arg(place.path("b"))
        .arg("--passphrase-file")
        .arg(weak);
    let (exit, _, err) = told(command.output().unwrap());
    assert_eq!(exit, 1);
    assert!(err.contains("too easy to guess"), "{err}");
    assert!(!place.path("b/vault").exists());
}

#[test]
fn two_homes_sync_through_a_hub_and_exit_codes_tell() {
    let place = Place::new();
    for home in ["hub", "phone", "tablet"] {
        place.vault(home);
    }
    let hub = place.hub("hub");
    let (exit, _, err) = place.run("hub", &["status"]);
    assert_eq!(exit, 1);
    assert!(
        err.contains(&format!("process {}", hub.child.id())),
        "{err}"
    );

    let first = place.file("a.json", &patient("a", "1"));
    place.ok("phone", &["put", first.to_str().unwrap()]);
    let out = place.ok("phone", &hub.sync_args());
    assert!(out.contains("sent 1 change, received 0 records"), "{out}");
    assert!(
        place
            .ok("tablet", &hub.sync_args())
            .contains("received 1 record")
    );
    let served = place.ok("tablet", &["get", "Patient/a"]);
    assert_eq!(served, place.ok("phone", &["get", "Patient/a"]));
    assert!(served.contains("\"meta\":{\"versionId\":\"1\""), "{served}");

    // Both sides change the record: the second one to sync keeps a conflict.
    let (of_phone, of_tablet) = (
        place.file("p.json", &patient("a", "2")),
        place.file("t.json", &patient("a", "3")),
    );
    place.ok("phone", &["put", of_phone.to_str().unwrap()]);
    place.ok("tablet", &["put", of_tablet.to_str().unwrap()]);
    place.ok("phone", &["sync"]);
    let (exit, out, err) = place.run("tablet", &["sync"]);
    assert_eq!(exit, 4, "{out}{err}");
    assert!(out.contains("1 record changed on both sides"), "{out}");
    let (exit, out, _) = place.run("tablet", &["status"]);
    assert_eq!(exit, 4);
    assert!(
        out.contains("changed on both sides; all versions are kept"),
        "{out}"
    );
    assert_eq!(place.ok("tablet", &["get", "Patient/a"]), patient("a", "3"));

    // A change of a record in conflict says where it stands.
    assert!(
        place
            .ok("tablet", &["put", of_phone.to_str().unwrap()])
            .contains("waits until someone decides")
    );
    // A typing error in the address sends nothing, and is not remembered.
    place.ok(
        "phone",
        &[
            "put",
            place.file("c.json", &patient("c", "1")).to_str().unwrap(),
        ],
    );
    let typo = hub.url.replace("/fhir", "/FHIR");
    let (exit, _, err) = place.run("phone", &["sync", &typo, "--ca-file", &hub.ca_file]);
    assert_eq!(exit, 1);
    assert!(err.contains("is the address complete?"), "{err}");
    assert!(place.ok("phone", &["sync"]).contains("sent 1 change"));
    // A wrong token is not remembered either.
    let wrong = place.file("wrong-token", "0123");
    let args = ["sync", &hub.url, "--token-file", wrong.to_str().unwrap()];
    assert_eq!(place.run("phone", &args).0, 1);
    place.ok("phone", &["sync"]);
    // Stopped as a service manager does it; then the devices are offline, and say so.
    assert!(hub.terminate());
    let (exit, _, err) = place.run("hub", &["put", first.to_str().unwrap()]);
    assert_eq!(exit, 1);
    assert!(err.contains("this vault is a hub's"), "{err}");
    let (exit, _, err) = place.run("phone", &["hub", "--listen", "127.0.0.1:0"]);
    assert_eq!(exit, 1);
    assert!(err.contains("belongs to a device"), "{err}");
    place.ok(
        "phone",
        &[
            "put",
            place.file("b.json", &patient("b", "1")).to_str().unwrap(),
        ],
    );
    let (exit, _, err) = place.run("phone", &["sync"]);
    assert_eq!(exit, 5, "{err}");
    let object: Value = serde_json::from_str(&place.run("phone", &["--json", "sync"]).1).unwrap();
    assert_eq!(object["exit"], 5);

    // Nothing of the hub's or the devices' secrets or records is readable in any file but those made to be read.
    let token = fs::read_to_string(place.path("hub/hub/token")).unwrap();
    for home in ["hub", "phone", "tablet"] {
        for (path, bytes) in contents(&place.path(home)) {
            let holds = |text: &str| {
                bytes
                    .windows(text.len())
                    .any(|window| window == text.as_bytes())
            };
            assert!(
                !holds("\"Patient\"") && !holds("telecom"),
                "{}",
                path.display()
            );
            assert!(
                !holds(PASSPHRASE) && !holds("PRIVATE KEY"),
                "{}",
                path.display()
            );
            assert_eq!(
                holds(&token),
                path.ends_with("hub/hub/token"),
                "{}",
                path.display()
            );
        }
    }
}

/// SIGKILL under load, at another moment each time: what was acknowledged is there, with the acknowledged bytes.
#[test]
fn a_hub_killed_under_load_keeps_what_it_acknowledged() {
    let place = Place::new();
    place.vault("hub");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut acknowledged: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..6_u64 {
        let mut hub = place.hub("hub");
        let read = |path: &str| fs::read_to_string(path).unwrap();
        let (ca, token) = (read(&hub.ca_file), read(&hub.token_file));
        let server = pocketchart_core::net::Server::new(&hub.url, Some(&ca), Some(&token)).unwrap();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(60 + 47 * round));
            hub.child.kill().unwrap();
        });
        runtime.block_on(async {
            for n in 0..100_000 {
                let id = format!("r{round}-{n}");
                match server
                    .put(&format!("Patient/{id}"), &patient(&id, "1"), None)
                    .await
                {
                    Ok(answer) if answer.status == 201 => acknowledged.insert(id, answer.text),
                    Ok(answer) => panic!("{}", answer.status),
                    Err(_) => break,
                };
            }
        });
        killer.join().unwrap();
        assert!(
            place.ok("hub", &["vault", "check"]).contains("All is well"),
            "round {round}"
        );
    }
    assert!(
        acknowledged.len() > 20,
        "{} were acknowledged",
        acknowledged.len()
    );
    let hub = place.hub("hub");
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let (ca, token) = (read(&hub.ca_file), read(&hub.token_file));
    let server = pocketchart_core::net::Server::new(&hub.url, Some(&ca), Some(&token)).unwrap();
    for (id, text) in &acknowledged {
        let answer = runtime
            .block_on(server.get(&format!("Patient/{id}")))
            .unwrap();
        assert_eq!(answer.text, *text);
    }
}

#[test]
fn people_and_slots_of_one_vault() {
    let place = Place::new();
    let code = place.vault("home");
    let words = place.file("nurse-words", "ferry thimble orchard 19\n");
    let words = words.to_str().unwrap();
    let add = [
        "person", "add", "nurse-1", "--role", "nurse", "--label", "Ward 3",
    ];
    place.ok(
        "home",
        &[&add[..], &["--new-passphrase-file", words]].concat(),
    );
    let listed = place.ok("home", &["person", "list"]);
    assert!(
        listed.contains("owner") && listed.contains("nurse-1"),
        "{listed}"
    );
    let slots: Value =
        serde_json::from_str(&place.ok("home", &["--json", "vault", "slots"])).unwrap();
    let all: Vec<(&str, &str, &str)> = slots["slots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| {
            let text = |name: &str| slot[name].as_str().unwrap();
            (text("person"), text("opened_by"), text("label"))
        })
        .collect();
    assert_eq!(
        all,
        [
            ("owner", "passphrase", ""),
            ("owner", "recovery code", ""),
            ("nurse-1", "passphrase", "Ward 3")
        ]
    );
    // Another way in for the owner.
    let second = place.file("second", "kettle marble inlet 31\n");
    let second = second.to_str().unwrap();
    place.ok(
        "home",
        &[
            "vault",
            "add-slot",
            "passphrase",
            "--new-passphrase-file",
            second,
        ],
    );

    let by = |passphrase: &str, args: &[&str]| {
        let mut command = pocketchart();
        command.arg("--home").arg(place.path("home"));
        told(
            command
                .arg("--passphrase-file")
                .arg(passphrase)
                .args(args)
                .output()
                .unwrap(),
        )
    };
    assert_eq!(by(second, &["status"]).0, 0);
    // The nurse's passphrase is hers: by name, or once she is the one by default.
    assert_eq!(by(words, &["status"]).0, 3);
    assert_eq!(by(words, &["--person", "nurse-1", "status"]).0, 0);
    let (unknown, _, err) = place.run("home", &["person", "switch", "nobody"]);
    assert_eq!(unknown, 2, "{err}");
    place.ok("home", &["person", "switch", "nurse-1"]);
    assert_eq!(
        fs::read_to_string(place.path("home/person")).unwrap(),
        "nurse-1\n"
    );
    assert_eq!(by(words, &["status"]).0, 0);
    let (code_of, _, err) = by(
        words,
        &[
            "person",
            "add",
            "x",
            "--role",
            "nurse",
            "--new-passphrase-file",
            second,
        ],
    );
    assert_eq!(code_of, 1, "{err}");
    assert!(
        err.contains("the role nurse may not add or remove people"),
        "{err}"
    );
    let (code_of, _, err) = by(words, &["hub", "--listen", "127.0.0.1:0"]);
    assert_eq!(code_of, 1, "{err}");
    assert!(err.contains("only the vault's owner"), "{err}");
    // The owner by name, by the recovery code, and by default again.
    assert_eq!(place.run("home", &["status"]).0, 3);
    place.ok("home", &["--person", "owner", "status"]);
    let written = place.file("code", &code);
    let mut command = pocketchart();
    command
        .arg("--home")
        .arg(place.path("home"))
        .arg("--recovery-code-file")
        .arg(written);
    assert_eq!(told(command.arg("status").output().unwrap()).0, 0);
    place.ok("home", &["person", "switch", "owner"]);
    place.ok("home", &["status"]);
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_keyring_its_slots_are_refused_and_nothing_takes_its_place() {
    let place = Place::new();
    place.vault("home");
    let pin = place.file("pin", "739148\n");
    let pin = pin.to_str().unwrap();
    let before = place.ok("home", &["vault", "slots"]);
    for args in [
        &["vault", "add-slot", "keyring"][..],
        &["vault", "add-slot", "pin", "--new-pin-file", pin],
    ] {
        let (code, out, err) = place.run("home", args);
        assert_eq!(code, 3, "{out}\n{err}");
        assert!(
            err.contains("no desktop keyring; use the passphrase"),
            "{err}"
        );
    }
    let (code, _, err) = place.run("home", &["--keyring", "status"]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(place.ok("home", &["vault", "slots"]), before);
    let mut files: Vec<_> = fs::read_dir(place.path("home"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["lock", "vault"]);
}
