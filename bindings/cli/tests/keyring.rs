//! The program beside a real Secret Service. Run by the lane `.ci/run keyring`, in a D-Bus session of its own with a
//! keyring of its own: it writes and removes entries.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::told;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PASSPHRASE: &str = "plum orbit lantern 42";
const PIN: &str = "739148";

struct Place(tempfile::TempDir);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, how: &[&str], args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pocketchart"));
        command.env_remove("POCKETCHART_HOME").stdin(Stdio::null());
        command.arg("--home").arg(self.path("home")).args(args);
        for how in how {
            match *how {
                "--keyring" => command.arg(how),
                option => command.arg(option).arg(self.path(&option[2..])),
            };
        }
        command
    }

    /// Exit code, output, errors.
    fn run(&self, how: &[&str], args: &[&str]) -> (i32, String, String) {
        let output = self.command(how, args).output().unwrap();
        told(output)
    }

    fn ok(&self, how: &[&str], args: &[&str]) -> String {
        let (code, out, err) = self.run(how, args);
        assert_eq!(code, 0, "{how:?} {args:?}\n{out}\n{err}");
        out
    }

    /// A failure of the right kind: exit code 3, words, the same header, and all records with the passphrase.
    fn refused(&self, how: &str, words: &str) {
        let before = fs::read(self.path("home/vault/header")).unwrap();
        let (code, out, err) = self.run(&[how], &["get", "Patient/a"]);
        assert_eq!(code, 3, "{out}\n{err}");
        assert!(err.contains(words) && out.is_empty(), "{out}\n{err}");
        assert!(fs::read(self.path("home/vault/header")).unwrap() == before);
        self.opens("--passphrase-file");
    }

    fn opens(&self, how: &str) {
        let out = self.ok(&[how], &["get", "Patient/a"]);
        assert!(out.contains("\"id\":\"a\""), "{out}");
    }
}

/// The entry of a slot: the vault's own name for it stands in the header.
fn entry(header: &Path, slot: &str, suffix: &str) -> keyring_core::Entry {
    assert!(keyring::Entry::store_status().is_ok());
    let text = String::from_utf8_lossy(&fs::read(header).unwrap()).into_owned();
    let end = text
        .find(&format!("{slot}\",\"wrapped_root"))
        .or_else(|| text.find(&format!("{slot}\",\"evaluate")));
    let start = text[..end.unwrap()].rfind("pocketchart.").unwrap();
    let alias = &text[start..end.unwrap() + slot.len()];
    keyring_core::Entry::new("pocketchart", &format!("{alias}{suffix}")).unwrap()
}

#[test]
#[ignore = "needs a Secret Service: .ci/run keyring"]
fn a_real_keyring_opens_the_vault_and_its_loss_loses_nothing() {
    let place = Place(tempfile::tempdir().unwrap());
    let header = place.path("home/vault/header");
    for (name, text) in [
        ("passphrase-file", PASSPHRASE),
        ("pin-file", PIN),
        ("patient", "{\"resourceType\":\"Patient\",\"id\":\"a\"}"),
    ] {
        fs::write(place.path(name), text).unwrap();
    }
    let by_passphrase: &[&str] = &["--passphrase-file"];
    place.ok(by_passphrase, &["vault", "create"]);
    place.ok(
        by_passphrase,
        &["put", place.path("patient").to_str().unwrap()],
    );
    let added = |out: &str| {
        let object: Value = serde_json::from_str(out).unwrap();
        object["slot"].as_str().unwrap().to_owned()
    };
    let gate_slot = added(&place.ok(by_passphrase, &["--json", "vault", "add-slot", "keyring"]));
    let pin_file = place.path("pin-file");
    let new_pin = [
        "--json",
        "vault",
        "add-slot",
        "pin",
        "--new-pin-file",
        pin_file.to_str().unwrap(),
    ];
    let pin_slot = added(&place.ok(by_passphrase, &new_pin));
    place.opens("--keyring");
    place.opens("--pin-file");
    let slots = place.ok(&["--keyring"], &["vault", "slots"]);
    assert!(
        slots.contains("PIN and keyring") && slots.contains("open now"),
        "{slots}"
    );

    // Other bytes, and the right ones again.
    let secret = entry(&header, &gate_slot, "");
    let kept = secret.get_secret().unwrap();
    assert_eq!(kept.len(), 32);
    for wrong in [&[7_u8; 32][..], &kept[..31], b"yes"] {
        secret.set_secret(wrong).unwrap();
        place.refused(
            "--keyring",
            "wrong passphrase, PIN, recovery code or device key",
        );
    }
    secret.set_secret(&kept).unwrap();
    place.opens("--keyring");
    let function = entry(&header, &pin_slot, ".evaluate");
    let key = function.get_secret().unwrap();
    function.set_secret(&[7; 32]).unwrap();
    place.refused("--pin-file", "wrong passphrase, PIN");
    function.set_secret(&key).unwrap();
    place.opens("--pin-file");

    // Gone for good.
    secret.delete_credential().unwrap();
    place.refused("--keyring", "gone from this device for good");
    place.opens("--pin-file");
    function.delete_credential().unwrap();
    place.refused("--pin-file", "gone from this device for good");
    let checked = place.ok(by_passphrase, &["vault", "check"]);
    assert!(checked.contains("All is well"), "{checked}");

    // No keyring at all.
    let mut command = place.command(&["--keyring"], &["status"]);
    let output = command
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(
        err.contains("no desktop keyring; use the passphrase"),
        "{err}"
    );
}
