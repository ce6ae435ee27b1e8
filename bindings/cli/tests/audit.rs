//! `pocketchart audit` as an auditor or a script uses it.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{pocketchart, told};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A vault with two patients, each looked at once.
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(place.path("passphrase"), "plum orbit lantern 42\n").unwrap();
        place.ok(&["--json", "vault", "create"]);
        for id in ["a", "b"] {
            let text = format!(
                r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"Secretname"}}]}}"#
            );
            let file = place.path(&format!("{id}.json"));
            fs::write(&file, text).unwrap();
            place.ok(&["put", file.to_str().unwrap()]);
            place.ok(&["get", &format!("Patient/{id}")]);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = pocketchart()
            .arg("--home")
            .arg(self.path("home"))
            .arg("--passphrase-file")
            .arg(self.path("passphrase"))
            .args(args)
            .output()
            .unwrap();
        told(output)
    }

    fn ok(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run(args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        out
    }

    fn objects(&self, args: &[&str]) -> Vec<Value> {
        let out = self.ok(&[&["--json", "audit"], args].concat());
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect()
}

#[test]
fn the_trail_is_listed_newest_first_by_pages_and_filters() {
    let place = Place::new();
    let words = place.ok(&["audit", "--kind", "read"]);
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines.len(), 3, "{words}");
    assert!(lines[0].starts_with("entry  when"), "{words}");
    assert!(lines[1].contains("looked at") && lines[1].contains("Patient/b"));
    assert!(lines[2].contains("owner") && lines[2].contains("Patient/a"));

    let all = place.objects(&["--all"]);
    let numbers: Vec<i64> = all
        .iter()
        .map(|object| object["entry"].as_i64().unwrap())
        .collect();
    let newest = numbers[0];
    assert_eq!(numbers, (1..=newest).rev().collect::<Vec<_>>());
    assert_eq!(kinds(&all)[0], "unlock");
    assert_eq!(*kinds(&all).last().unwrap(), "unlock");

    let first = place.objects(&["--count", "2", "--kind", "read", "--kind", "written"]);
    assert_eq!(kinds(&first), ["read", "written"]);
    let next = first[2]["next"].to_string();
    let args = ["--before", &next, "--kind", "read", "--kind", "written"];
    let second = place.objects(&args);
    // The first change of a vault makes the key that its device signs with.
    assert_eq!(kinds(&second), ["read", "written", "written"]);
    assert_eq!(second[0]["what"], "Patient/a");
    assert_eq!(second[2]["what"], "secret device-key");

    let about = place.objects(&["--patient", "a"]);
    assert_eq!(kinds(&about), ["read", "written", "write"]);
    assert_eq!(place.objects(&["--by", "nobody"]), [Value::Null; 0]);
    let since = place.objects(&["--since", "2020", "--kind", "lock"]);
    assert!(since.len() > 3);
    assert!(place.objects(&["--until", "2020"]).is_empty());
}

#[test]
fn who_saw_a_patient_is_said_in_words() {
    let place = Place::new();
    let words = place.ok(&["audit", "--who", "Patient/a"]);
    assert!(
        words.contains("looked at") && words.contains("created"),
        "{words}"
    );
    assert!(!words.contains("Patient/b"), "{words}");
    let none = place.ok(&["audit", "--who", "zzz"]);
    assert_eq!(none, "Nobody saw or changed anything about zzz here.\n");
    // That somebody asked is there for the next one who asks.
    let again = place.ok(&["audit", "--who", "a"]);
    assert!(again.contains("read this trail"), "{again}");
}

#[test]
fn a_changed_trail_is_exit_1_and_names_the_entry() {
    let place = Place::new();
    let words = place.ok(&["audit", "--verify"]);
    assert!(
        words.starts_with("Checked: ") && words.contains("anchor"),
        "{words}"
    );
    let object: Value =
        serde_json::from_str(place.ok(&["--json", "audit", "--verify"]).trim()).unwrap();
    assert_eq!(object["ok"], true);
    assert!(object["entries"].as_i64().unwrap() > 10);

    // An entry is changed by somebody who has the keys: a page with its MAC right.
    let guard = pocketchart_core::vault::unlock(
        &place.path("home"),
        &pocketchart_core::vault::Secret::Passphrase(pocketchart_core::crypto::SecretText::new(
            "plum orbit lantern 42".into(),
        )),
    )
    .unwrap();
    let file = guard.audit();
    let mode = pocketchart_sqlcipher::Mode::ReadWrite;
    let database =
        pocketchart_sqlcipher::open(&file.path, file.key.expose(), file.salt, mode).unwrap();
    let sql = "SELECT min(seq) FROM entry WHERE body LIKE '%Patient/a%'";
    let seq: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
    let sql = "UPDATE entry SET body = replace(body, 'Patient/a', 'Patient/b') WHERE seq = ?1";
    assert_eq!(database.execute(sql, [seq]).unwrap(), 1);
    drop(database);
    drop(guard);

    let (code, out, _) = place.run(&["audit", "--verify"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains(&format!("entry {seq} was changed")), "{out}");
    let (code, out, _) = place.run(&["--json", "audit", "--verify"]);
    assert_eq!(code, 1);
    let object: Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!(
        (&object["ok"], &object["entry"]),
        (&false.into(), &seq.into())
    );
}

#[test]
fn the_export_is_one_event_a_line_without_content() {
    let place = Place::new();
    let file = place.path("audit.ndjson");
    let words = place.ok(&["audit", "--export", file.to_str().unwrap()]);
    let text = fs::read_to_string(&file).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        words.starts_with(&format!("{} audit events written to ", events.len())),
        "{words}"
    );
    assert!(events.iter().all(|e| e["resourceType"] == "AuditEvent"));
    assert!(!text.contains("Secretname"));
    let out = place.ok(&["audit", "--export", "-"]);
    assert!(
        out.starts_with(&text),
        "the same events again, and new ones"
    );
}

#[test]
fn bad_options_are_exit_2() {
    let place = Place::new();
    for args in [
        &["audit", "--kind", "nonsense"][..],
        &["audit", "--since", "yesterday"],
        &["audit", "--who", "a b"],
        &["audit", "--verify", "--who", "a"],
        &["audit", "--count", "0"],
    ] {
        let (code, out, err) = place.run(args);
        assert_eq!(code, 2, "{args:?}\n{out}\n{err}");
        assert!(!err.is_empty());
    }
}
