//! New keys, removed slots, a new recovery code and the end of a vault, as a person does it.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{pocketchart, told};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","birthDate":"1980-01-01"}"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A vault with one record that waits to be sent; its recovery code is in the file `code`.
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        place.file("first", "plum orbit lantern 42");
        place.file("second", "walnut harbour stencil 7");
        let made = place.ok("--passphrase-file first", "--json vault create");
        let made: Value = serde_json::from_str(made.lines().next().unwrap()).unwrap();
        place.file("code", made["recovery_code"].as_str().unwrap());
        place.file("p1.json", PATIENT);
        place.ok("--passphrase-file first", "put p1.json");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Exit code, output, errors.
    fn run(&self, secret: &str, command: &str) -> (i32, String, String) {
        let output = pocketchart()
            .current_dir(self.folder.path())
            .args(["--home", "home"])
            .args(secret.split_whitespace())
            .args(command.split_whitespace())
            .output()
            .unwrap();
        told(output)
    }

    fn ok(&self, secret: &str, command: &str) -> String {
        let (code, out, err) = self.run(secret, command);
        assert_eq!(code, 0, "{command}\n{out}\n{err}");
        out
    }

    /// The errors of a command that fails.
    fn refused(&self, secret: &str, command: &str, code: i32) -> String {
        let (found, out, err) = self.run(secret, command);
        assert_eq!(found, code, "{command}\n{out}\n{err}");
        err
    }
}

const FIRST: &str = "--passphrase-file first";
const SECOND: &str = "--passphrase-file second";
const CODE: &str = "--recovery-code-file code";

#[test]
fn a_new_key_leaves_the_records_as_they_are() {
    let place = Place::new();
    place.ok(FIRST, "vault rekey");
    assert!(place.path("home/vault/store-2.db").exists());
    assert!(!place.path("home/vault/store-1.db").exists());
    let compacted: Value = serde_json::from_str(&place.ok(FIRST, "--json vault compact")).unwrap();
    assert!(compacted["bytes"].as_u64() <= compacted["bytes_before"].as_u64());
    assert!(place.path("home/vault/store-3.db").exists());
    assert_eq!(place.ok(FIRST, "get Patient/p1").trim_end(), PATIENT);
    let status: Value = serde_json::from_str(&place.ok(CODE, "--json status")).unwrap();
    assert_eq!(status["pending"].as_array().unwrap().len(), 1);
    place.ok(FIRST, "vault check");
}

#[test]
fn a_slot_is_removed_and_whoever_would_go_with_it_is_named() {
    let place = Place::new();
    let made = place.ok(
        FIRST,
        "--json vault add-slot passphrase --new-passphrase-file second",
    );
    let made: Value = serde_json::from_str(&made).unwrap();
    let remove = format!("vault remove-slot {}", made["slot"].as_str().unwrap());
    place.ok(SECOND, "status");
    let why = place.refused(FIRST, &remove, 1);
    assert!(
        why.contains("the recovery code of the owner") && why.contains("drop"),
        "{why}"
    );
    place.ok(SECOND, "status");
    place.ok(FIRST, &format!("{remove} --keep-recovery-code-file code"));
    place.refused(SECOND, "status", 3);
    place.ok(CODE, "vault check");
    let why = place.refused(FIRST, &remove, 1);
    assert!(why.contains("there is no slot"), "{why}");
    place.refused(FIRST, "vault remove-slot xyz", 2);
    assert_eq!(place.ok(FIRST, "get Patient/p1").trim_end(), PATIENT);
}

#[test]
fn a_used_recovery_code_is_named_and_replaced() {
    let place = Place::new();
    let (_, _, hint) = place.run(CODE, "status");
    assert!(hint.contains("vault recovery-code"), "{hint}");
    let (_, _, hint) = place.run(FIRST, "status");
    assert_eq!(hint, "");
    let made = place.ok(
        CODE,
        "--json vault recovery-code --keep-passphrase-file first",
    );
    let made: Value = serde_json::from_str(made.lines().next().unwrap()).unwrap();
    place.file("new-code", made["recovery_code"].as_str().unwrap());
    place.refused(CODE, "status", 3);
    place.ok("--recovery-code-file new-code", "status");
    place.ok(FIRST, "vault check");
}

#[test]
fn a_wipe_asks_first_and_loses_no_unsent_work_by_accident() {
    let place = Place::new();
    let why = place.refused(FIRST, "vault wipe --yes", 1);
    assert!(why.contains("1 change here that no server has"), "{why}");
    place.refused(FIRST, "vault wipe --lose-unsent", 2);
    place.refused("", "vault wipe --without-secret", 2);
    place.refused(SECOND, "vault wipe --yes --lose-unsent", 3);
    assert_eq!(place.ok(FIRST, "get Patient/p1").trim_end(), PATIENT);
    // Interrupted right at its beginning: it opens no more, and goes on.
    place.file("home/wiping", "{\"aliases\":[]}");
    let why = place.refused(FIRST, "status", 1);
    assert!(why.contains("vault wipe"), "{why}");
    place.ok("", "vault wipe --yes");
    assert!(!place.path("home/vault").exists() && !place.path("home/wiping").exists());
    let why = place.refused(FIRST, "status", 1);
    assert!(why.contains("no vault"), "{why}");
    place.ok(FIRST, "vault create");
    place.ok(FIRST, "vault wipe --yes");
    place.ok(FIRST, "vault create");
}
