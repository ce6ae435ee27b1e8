//! A header of format 2 with all that one may hold, frozen: it must open for ever, with each of its secrets. A gate that
//! knows the frozen keys stands where the phone's hardware stood.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::Certificate;
use pocketchart_core::crypto::SecretText;
use pocketchart_core::vault::{
    Gate, GateError, GateFuture, GatePolicy, Moment, Opener, RecoveryCode, Secret, SlotKind, Vault,
    VaultError, With, slots_before_unlock, unlock_with,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

const NURSE: &str = "nurse-1";

/// Everything that opens it, and what comes out.
#[derive(Deserialize)]
struct Secrets {
    passphrase: String,
    recovery: String,
    nurse_passphrase: String,
    nurse_pin: String,
    /// Alias to the key of the gate's function, in hex.
    gate_keys: BTreeMap<String, String>,
    /// What the gate sealed, to alias and secret; all in hex.
    gate_sealed: BTreeMap<String, (String, String)>,
    vault: String,
    store_key_sha256: String,
    audit_key_sha256: String,
    authority: String,
    owner_key: String,
    nurse_key: String,
}

fn frozen() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/vault-format-2")
}

fn secrets() -> Secrets {
    serde_json::from_str(&std::fs::read_to_string(frozen().join("secrets.json")).unwrap()).unwrap()
}

/// The gate of that device: SHA-256 of key and input.
struct FrozenGate(Secrets);

impl Gate for FrozenGate {
    fn enroll<'a>(&'a self, _: &'a str, _: GatePolicy, _: &'a [u8]) -> GateFuture<'a, Vec<u8>> {
        Box::pin(async { Err(GateError::Unavailable) })
    }

    fn release<'a>(
        &'a self,
        alias: &'a str,
        sealed: &'a [u8],
        _: &'a str,
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>> {
        let kept = self.0.gate_sealed.get(&hex::encode(sealed));
        let kept = kept.filter(|(owner, _)| owner == alias);
        let secret = kept.map(|(_, secret)| Zeroizing::new(hex::decode(secret).unwrap()));
        Box::pin(async { secret.ok_or(GateError::Lost) })
    }

    fn evaluate<'a>(
        &'a self,
        alias: &'a str,
        input: &'a [u8],
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>> {
        let key = self.0.gate_keys.get(alias);
        let made = key.map(|key| {
            let bytes = [&hex::decode(key).unwrap(), input].concat();
            Zeroizing::new(Sha256::digest(bytes).to_vec())
        });
        Box::pin(async { made.ok_or(GateError::Lost) })
    }

    fn destroy<'a>(&'a self, _: &'a str) -> GateFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

async fn open(home: &Path, person: &str, with: With<'_>) -> Result<Vault, VaultError> {
    let gate = FrozenGate(secrets());
    let opener = Opener {
        person,
        with,
        gate: Some(&gate),
        at: Moment {
            since_boot: Duration::from_secs(60),
            wall_ms: 1_800_000_000_000,
        },
    };
    unlock_with(home, &opener).await
}

#[tokio::test]
async fn a_header_of_format_2_opens_for_ever_with_each_of_its_secrets() {
    let home = tempfile::tempdir().unwrap();
    let header = home.path().join("vault/header");
    std::fs::create_dir(home.path().join("vault")).unwrap();
    std::fs::copy(frozen().join("header"), &header).unwrap();
    let known = secrets();

    let slots = slots_before_unlock(home.path()).unwrap().unwrap();
    let shown: Vec<_> = slots
        .iter()
        .map(|slot| (slot.person.as_str(), slot.kind))
        .collect();
    assert_eq!(
        shown,
        [
            ("", SlotKind::Passphrase),
            ("", SlotKind::Recovery),
            ("", SlotKind::Gate),
            (NURSE, SlotKind::Passphrase),
            (NURSE, SlotKind::Pin),
        ]
    );

    let text = |text: &str| SecretText::new(text.to_owned());
    let passphrase = Secret::Passphrase(text(&known.passphrase));
    let recovery = Secret::Recovery(RecoveryCode::parse(&known.recovery).unwrap());
    let words = Secret::Passphrase(text(&known.nurse_passphrase));
    let pin = Secret::Pin(text(&known.nurse_pin));
    let by_gate = With::Gate { reason: "test" };
    for (person, with, key) in [
        ("", With::Secret(&passphrase), &known.owner_key),
        ("", With::Secret(&recovery), &known.owner_key),
        ("", by_gate, &known.owner_key),
        (NURSE, With::Secret(&words), &known.nurse_key),
        (NURSE, With::Secret(&pin), &known.nurse_key),
    ] {
        let vault = open(home.path(), person, with).await.unwrap();
        let digest = |key: &[u8; 32]| hex::encode(Sha256::digest(key));
        assert_eq!(hex::encode(vault.id()), known.vault);
        assert_eq!(digest(vault.store().key.expose()), known.store_key_sha256);
        assert_eq!(digest(vault.audit().key.expose()), known.audit_key_sha256);
        assert_eq!(vault.person(), person);
        assert_eq!(vault.signing_key().unwrap().public().to_string(), *key);
        let authority = vault.authority().unwrap();
        assert_eq!(authority.to_string(), known.authority);
        let nurse = vault
            .members()
            .iter()
            .find(|it| it.person == NURSE)
            .unwrap();
        assert_eq!(nurse.public_key.to_string(), known.nurse_key);
        let holder = Certificate::holder(authority, &nurse.certificate, &nurse.public_key).unwrap();
        assert_eq!(holder.role.name(), "nurse");
        assert_eq!(holder.facility.as_deref(), Some("north"));
    }
    let frozen = std::fs::read(frozen().join("header")).unwrap();
    assert!(
        std::fs::read(&header).unwrap() == frozen,
        "opening writes no header"
    );

    // Nobody else's secret, and no bit of it otherwise.
    let wrong = Secret::Passphrase(text("plum orbit lantern 41"));
    let refused = open(home.path(), "", With::Secret(&wrong)).await;
    assert!(matches!(refused, Err(VaultError::WrongSecret)));
    let mut bent = frozen.clone();
    for at in (0..bent.len()).step_by(97) {
        bent[at] ^= 1;
        std::fs::write(&header, &bent).unwrap();
        assert!(
            open(home.path(), "", With::Secret(&passphrase))
                .await
                .is_err(),
            "byte {at}"
        );
        bent[at] ^= 1;
    }
}
