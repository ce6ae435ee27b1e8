//! `policy show`, `check` and `install`, and the people whom a policy is about, as whoever runs a vault uses them.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{pocketchart, told};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const NURSES_ONLY: &str = r#"{ "format": 1, "version": 2, "issued": "2026-11-24", "roles": {
    "nurse": [ { "id": "chart", "types": ["Patient"], "actions": ["read", "search"], "scope": "all" } ] } }"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.file("owner", "plum orbit lantern 42\n");
        place.file("nurse", "ferry thimble orchard 19\n");
        place.file("recovery", "");
        let (code, out, err) = place.run("owner", &["--json", "vault", "create"]);
        assert_eq!(code, 0, "{err}");
        let made: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        place.file("recovery", made["recovery_code"].as_str().unwrap());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs `args`; answers with exit code, output, errors.
    fn run(&self, passphrase: &str, args: &[&str]) -> (i32, String, String) {
        let mut command = pocketchart();
        command.arg("--home").arg(self.path("home")).args(args);
        command.arg("--passphrase-file").arg(self.path(passphrase));
        let output = command.output().unwrap();
        told(output)
    }

    fn ok(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run("owner", args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        out
    }

    fn object(&self, args: &[&str]) -> Value {
        let out = self.ok(&[&["--json"], args].concat());
        assert_eq!(out.lines().count(), 1, "one object a line: {out}");
        serde_json::from_str(&out).unwrap()
    }

    fn add_nurse(&self) {
        let secret = self.path("nurse");
        let secret = secret.to_str().unwrap();
        let add = ["person", "add", "nurse-1", "--role", "nurse"];
        self.ok(&[&add[..], &["--new-passphrase-file", secret]].concat());
    }
}

#[test]
fn the_policy_in_force_is_shown_and_the_shipped_one_is_a_beginning() {
    let place = Place::new();
    let words = place.ok(&["policy", "show"]);
    assert!(words.starts_with("Policy 1 of "), "{words}");
    for role in ["nurse:", "physician:", "patient:", "auditor:"] {
        assert!(words.lines().any(|line| line == role), "{role}\n{words}");
    }
    let nurse = place.object(&["policy", "show", "--role", "nurse"]);
    assert_eq!(nurse["roles"].as_object().unwrap().len(), 1);
    let (code, _, err) = place.run("owner", &["policy", "show", "--role", "doctor"]);
    assert_eq!(code, 2);
    assert!(err.contains("physician"), "{err}");

    let raw = place.ok(&["policy", "show", "--raw"]);
    let compact = place.object(&["policy", "show", "--raw"]);
    assert_eq!(serde_json::from_str::<Value>(&raw).unwrap(), compact);
    let file = place.file("shipped.json", &raw);
    let checked = place.object(&["policy", "check", &file]);
    assert_eq!(
        (
            &checked["sound"],
            checked["changes"].as_array().unwrap().len()
        ),
        (&Value::Bool(true), 0)
    );
}

#[test]
fn broken_policies_are_named_by_place_and_change_nothing() {
    let place = Place::new();
    let rule = |types: &str, action: &str| {
        format!(
            r#"{{"format":1,"version":2,"issued":"2026-11-24","roles":{{"nurse":[{{"id":"a","types":["{types}"],"actions":["{action}"],"scope":"all"}}]}}}}"#
        )
    };
    let strange = NURSES_ONLY.replacen('{', r#"{ "allow": true, "#, 1);
    for (text, place_of_it) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        (&strange, "allow"),
        (&rule("Patinet", "read"), "roles.nurse[0].types[0]"),
        (&rule("Patient", "reed"), "roles.nurse[0].actions[0]"),
    ] {
        let file = place.file("broken.json", text);
        for command in ["check", "install"] {
            let (code, out, err) = place.run("owner", &["policy", command, &file]);
            assert_ne!(code, 0, "{command} {text}");
            assert_eq!(out, "", "{command} {text}");
            let named = command == "install" && !text.starts_with('{');
            assert!(
                named || err.contains(place_of_it),
                "{command} {text}: {err}"
            );
        }
    }
    let stranger = place.file("signed", "e30.AAAA");
    assert_eq!(place.run("owner", &["policy", "install", &stranger]).0, 1);
    let gone = place.path("gone.json");
    let gone = gone.to_str().unwrap();
    assert_eq!(place.run("owner", &["policy", "check", gone]).0, 1);
    assert_eq!(place.object(&["policy", "show"])["version"], 1);
}

#[test]
fn an_installed_policy_holds_at_once_and_does_not_go_back() {
    let place = Place::new();
    place.add_nurse();
    place.file("p.json", r#"{"resourceType":"Patient","id":"p"}"#);
    place.file(
        "o.json",
        r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}"#,
    );
    for file in ["p.json", "o.json"] {
        place.ok(&["put", place.path(file).to_str().unwrap()]);
    }
    let seen = |name: &str| {
        let (code, _, err) = place.run("nurse", &["--person", "nurse-1", "get", name]);
        (code, err)
    };
    assert_eq!(seen("Observation/o").0, 0);

    let new = place.file("new.json", NURSES_ONLY);
    let checked = place.ok(&["policy", "check", &new]);
    assert!(checked.contains("auditor:\n  loses"), "{checked}");
    assert!(!checked.contains("a version above"), "{checked}");
    // Nurses do not decide about it.
    let (code, _, err) = place.run("nurse", &["--person", "nurse-1", "policy", "install", &new]);
    assert_eq!(code, 1);
    assert!(err.contains("policy"), "{err}");
    assert_eq!(place.ok(&["--quiet", "policy", "install", &new]), "");
    assert_eq!(place.object(&["policy", "show"])["version"], 2);
    assert_eq!(seen("Patient/p").0, 0);
    let (code, err) = seen("Observation/o");
    assert_eq!(code, 1);
    assert_eq!(err, seen("Observation/none").1.replace("/none", "/o"));

    // Whose slot opens is no filter of the trail: what the nurse saw is listed for the owner.
    let who = place.ok(&["--person", "owner", "audit", "--who", "p"]);
    assert!(who.contains("nurse-1 (nurse)"), "{who}");
    let by = ["--person", "owner", "audit", "--by", "nobody"];
    assert!(place.ok(&by).contains("No such entry"), "{by:?}");

    let shipped = place.file("old.json", &place.ok(&["policy", "show", "--raw"]));
    let checked = place.ok(&["policy", "check", &shipped]);
    assert!(checked.contains("a version above 2"), "{checked}");
    assert_eq!(place.object(&["policy", "check", &shipped])["newer"], false);
    let (code, _, err) = place.run("owner", &["policy", "install", &shipped]);
    assert_eq!(code, 1);
    assert!(err.contains("not newer"), "{err}");
}

#[test]
fn a_removed_person_opens_nothing_and_nobody_else_is_shut_out() {
    let place = Place::new();
    place.add_nurse();
    place.ok(&["person", "switch", "nurse-1"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let chosen = fs::metadata(place.path("home").join("person")).unwrap();
        assert_eq!(chosen.permissions().mode() & 0o777, 0o600);
    }
    let recovery = place.path("recovery");
    let keep = ["--keep-recovery-code-file", recovery.to_str().unwrap()];
    let remove = ["--person", "owner", "person", "remove", "nurse-1"];
    // The recovery code would go too, and nobody said that it may.
    let (code, _, err) = place.run("owner", &remove);
    assert_eq!(code, 1);
    assert!(err.contains("--keep-recovery-code-file"), "{err}");
    assert_eq!(place.run("nurse", &["status"]).0, 0);

    place.ok(&[&remove[..], &keep].concat());
    assert_eq!(place.run("nurse", &["--person", "nurse-1", "status"]).0, 3);
    // Whose slot opens by default was theirs; it is the owner's again.
    place.ok(&["status"]);
    let people = place.object(&["person", "list"]);
    let nurse = &people["people"][1];
    assert_eq!(
        (&nurse["person"], &nurse["slots"]),
        (&"nurse-1".into(), &0.into())
    );
    let (code, _, err) = place.run("owner", &["person", "remove", "nurse-1"]);
    assert_eq!(code, 2, "{err}");
    for owner in ["owner", ""] {
        let (code, _, err) = place.run("owner", &["person", "remove", owner]);
        assert_eq!(code, 2);
        assert!(err.contains("the owner stays"), "{err}");
    }
    let opened = ["--recovery-code-file", recovery.to_str().unwrap()];
    let mut command = pocketchart();
    command.arg("--home").arg(place.path("home")).args(opened);
    assert!(command.arg("status").output().unwrap().status.success());
}
