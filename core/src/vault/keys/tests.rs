//! What opens, what does not, and what a header may look like.

use super::super::create::create;
use super::super::recovery::RecoveryCode;
use super::super::slot::{Kdf, Secret};
use super::super::unlock::unlock;
use super::*;
use crate::crypto::SecretText;
use crate::crypto::passphrase_hash::{Cost, LOWEST_COST};

const GOOD: &str = "plum orbit lantern 42";

fn secret(text: &str) -> Secret {
    Secret::Passphrase(SecretText::new(text.into()))
}

fn nothing(_: &Vault, _: &RecoveryCode) -> Result<(), VaultError> {
    Ok(())
}

fn made(home: &Path) -> RecoveryCode {
    let mut seen = None;
    let build = |_: &Vault, code: &RecoveryCode| {
        seen = RecoveryCode::parse(code.to_text().expose()).ok();
        Ok::<_, VaultError>(())
    };
    create(home, SecretText::new(GOOD.into()), LOWEST_COST, build).unwrap();
    seen.unwrap()
}

#[test]
fn both_slots_open_the_same_keys() {
    let home = tempfile::tempdir().unwrap();
    let code = made(home.path());
    let first = *unlock(home.path(), &secret(GOOD))
        .unwrap()
        .store()
        .key
        .expose();
    let opened = unlock(home.path(), &Secret::Recovery(code)).unwrap();
    assert_eq!(*opened.store().key.expose(), first);
    assert_ne!(*opened.audit().key.expose(), first);
    assert_ne!(*opened.cursor_key().expose(), first);
}

#[test]
fn wrong_secrets_open_nothing_and_change_nothing() {
    let home = tempfile::tempdir().unwrap();
    made(home.path());
    let before = std::fs::read(home.path().join("vault/header")).unwrap();
    assert!(matches!(
        unlock(home.path(), &secret("plum orbit lantern 43")),
        Err(VaultError::WrongSecret)
    ));
    let other = Secret::Recovery(RecoveryCode::make().unwrap());
    assert!(matches!(
        unlock(home.path(), &other),
        Err(VaultError::WrongSecret)
    ));
    assert_eq!(
        std::fs::read(home.path().join("vault/header")).unwrap(),
        before
    );
}

#[test]
fn a_vault_is_never_made_over_another() {
    let home = tempfile::tempdir().unwrap();
    made(home.path());
    let again = create(
        home.path(),
        SecretText::new(GOOD.into()),
        LOWEST_COST,
        nothing,
    );
    assert!(matches!(again, Err(VaultError::Exists { .. })));
    // Records without a header: refused too, by either call.
    for name in ["header", "header.prev"] {
        let _ = std::fs::remove_file(home.path().join("vault").join(name));
    }
    assert!(matches!(
        unlock(home.path(), &secret(GOOD)),
        Err(VaultError::HeaderMissing { .. })
    ));
    let again = create(
        home.path(),
        SecretText::new(GOOD.into()),
        LOWEST_COST,
        nothing,
    );
    assert!(matches!(again, Err(VaultError::Exists { .. })));
}

#[test]
fn a_failed_creation_leaves_no_vault() {
    let home = tempfile::tempdir().unwrap();
    let failed = create(
        home.path(),
        SecretText::new(GOOD.into()),
        LOWEST_COST,
        |_, _| Err(VaultError::WrongSecret),
    );
    assert!(failed.is_err());
    assert!(matches!(
        unlock(home.path(), &secret(GOOD)),
        Err(VaultError::Missing { .. })
    ));
    made(home.path());
    let weak = create(
        &home.path().join("b"),
        SecretText::new("password".into()),
        LOWEST_COST,
        nothing,
    );
    assert!(matches!(weak, Err(VaultError::Weak(_))));
}

#[test]
fn one_process_has_it() {
    let home = tempfile::tempdir().unwrap();
    made(home.path());
    let open = unlock(home.path(), &secret(GOOD)).unwrap();
    assert!(matches!(
        unlock(home.path(), &secret(GOOD)),
        Err(VaultError::InUse { .. })
    ));
    drop(open);
    unlock(home.path(), &secret(GOOD)).unwrap();
}

/// Every bit of the header: never opens, never panics, never falls back to an older generation.
#[test]
fn no_flipped_header_opens() {
    let home = tempfile::tempdir().unwrap();
    let code = made(home.path()).to_text();
    let path = home.path().join("vault/header");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(home.path().join("vault/header.prev"), &good).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bad).unwrap();
        let secret = Secret::Recovery(RecoveryCode::parse(code.expose()).unwrap());
        let refused = unlock(home.path(), &secret).map(|v| v.generation());
        // A length that grew, yet is one, makes the file look cut off: a torn write, and the whole one before opens.
        let torn = (9..11).contains(&at) && bad[at] > good[at];
        assert_eq!(refused.is_ok(), torn, "byte {at}: {refused:?}");
    }
}

/// Whoever fixes the checksum up after a change is caught by the slot or by the MAC.
#[test]
fn forged_headers_are_tampered_not_damaged() {
    let home = tempfile::tempdir().unwrap();
    let code = made(home.path()).to_text();
    let layout = Layout::of(home.path());
    let good = header::read(&layout).unwrap().unwrap().header;
    let forge = |change: &dyn Fn(&mut Header)| {
        let mut header = good.clone();
        change(&mut header);
        // Right layout and checksum; the MAC is under a key the forger does not have.
        let bytes = header::encode(&header, &Key::make_random().unwrap()).unwrap();
        std::fs::write(layout.header(), bytes).unwrap();
        let secret = Secret::Recovery(RecoveryCode::parse(code.expose()).unwrap());
        unlock(home.path(), &secret).unwrap_err()
    };
    for (what, error) in [
        ("generation", forge(&|h| h.generation = 9)),
        ("policy", forge(&|h| h.policy = "{}".into())),
        ("store salt", forge(&|h| h.store.salt[0] ^= 1)),
        (
            "slot dropped",
            forge(&|h| {
                h.slots.remove(0);
            }),
        ),
        ("slot salt", forge(&|h| h.slots[1].alias = "x".into())),
        ("slots swapped", forge(&|h| h.slots.swap(0, 1))),
        ("slot label", forge(&|h| h.slots[1].label = "x".into())),
        ("slot sealed", forge(&|h| h.slots[1].sealed = vec![1])),
        ("slot format", forge(&|h| h.slots[1].format = 1)),
        ("signing key", forge(&|h| h.slots[1].signing_key[70] ^= 1)),
        ("no signing key", forge(&|h| h.slots[1].signing_key.clear())),
        ("role", forge(&|h| h.members[0].role = "nurse".into())),
        ("no member", forge(&|h| h.members.clear())),
        (
            "authority",
            forge(&|h| h.authority = Some(h.members[0].public_key)),
        ),
    ] {
        assert!(
            matches!(error, VaultError::Tampered { .. }),
            "{what}: {error}"
        );
    }
    let salted = forge(&|h| h.slots[1].salt[0] ^= 1);
    assert!(matches!(salted, VaultError::WrongSecret), "{salted}");
    for (what, error) in [
        (
            "memory",
            forge(&|h| {
                h.slots[0].kdf = Kdf::Argon2id(Cost {
                    memory_kib: u32::MAX,
                    passes: 1,
                })
            }),
        ),
        ("name", forge(&|h| h.store.name = "../x".into())),
        ("escape", forge(&|h| h.slots[0].label = "\u{1b}[2J".into())),
        ("alias", forge(&|h| h.slots[0].alias = "../x".into())),
        ("sealed", forge(&|h| h.slots[0].sealed = vec![1; 3000])),
        ("format", forge(&|h| h.slots[0].format = 3)),
        ("member", forge(&|h| h.members[0].person = "a b".into())),
        ("old", forge(&|h| h.format = 1)),
    ] {
        assert!(
            matches!(error, VaultError::HeaderDamaged { .. }),
            "{what}: {error}"
        );
    }
    assert!(matches!(
        forge(&|h| h.format = 3),
        VaultError::NewerFormat { found: 3, known: 2 }
    ));
}

const FORMAT_1: &[u8] = include_bytes!("../../../../tests/data/vault-format-1/header");
const FORMAT_1_CODE: &str = include_str!("../../../../tests/data/vault-format-1/recovery-code");

/// A home whose header is the frozen one of format 1.
fn of_format_1() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("vault")).unwrap();
    std::fs::write(home.path().join("vault/header"), FORMAT_1).unwrap();
    home
}

#[test]
fn headers_of_format_1_open_for_ever_and_opening_changes_nothing() {
    let home = of_format_1();
    let recovery = Secret::Recovery(RecoveryCode::parse(FORMAT_1_CODE).unwrap());
    let by_code = *unlock(home.path(), &recovery).unwrap().store().key.expose();
    let opened = unlock(home.path(), &secret(GOOD)).unwrap();
    assert_eq!(*opened.store().key.expose(), by_code);
    assert!(opened.signing_key().is_none() && opened.members().is_empty());
    assert!(matches!(
        unlock(home.path(), &secret("plum orbit lantern 43")),
        Err(VaultError::InUse { .. })
    ));
    drop(opened);
    assert!(matches!(
        unlock(home.path(), &secret("plum orbit lantern 43")),
        Err(VaultError::WrongSecret)
    ));
    let after = std::fs::read(home.path().join("vault/header")).unwrap();
    assert!(after == FORMAT_1, "opening wrote nothing");
}

#[test]
fn a_header_of_format_1_becomes_one_of_format_2_with_the_first_change() {
    let home = of_format_1();
    let mut vault = unlock(home.path(), &secret(GOOD)).unwrap();
    let before = *vault.store().key.expose();
    vault.ensure_signing_key().unwrap();
    let public = vault.signing_key().unwrap().public();
    vault.ensure_signing_key().unwrap();
    assert_eq!((vault.header.format, vault.generation()), (2, 2));
    drop(vault);
    let vault = unlock(home.path(), &secret(GOOD)).unwrap();
    assert_eq!(*vault.store().key.expose(), before);
    assert_eq!(vault.signing_key().unwrap().public(), public);
    assert_eq!(vault.member().unwrap().public_key, public);
    assert_eq!(vault.member().unwrap().role, "owner");
    drop(vault);
    // The code's slot could not be written anew without the code: it opens, and signs nothing.
    let recovery = Secret::Recovery(RecoveryCode::parse(FORMAT_1_CODE).unwrap());
    let vault = unlock(home.path(), &recovery).unwrap();
    assert_eq!(*vault.store().key.expose(), before);
    assert!(vault.signing_key().is_none());
    let signs: Vec<_> = vault.slots().iter().map(|s| (s.signs, s.is_open)).collect();
    assert_eq!(signs, [(true, false), (false, true)]);
}

#[test]
fn a_new_vaults_owner_signs_whichever_slot_is_open() {
    let home = tempfile::tempdir().unwrap();
    let code = made(home.path());
    let public = unlock(home.path(), &secret(GOOD))
        .unwrap()
        .signing_key()
        .unwrap()
        .public();
    let vault = unlock(home.path(), &Secret::Recovery(code)).unwrap();
    assert_eq!(vault.signing_key().unwrap().public(), public);
    assert_eq!(vault.person(), "");
}

#[test]
fn a_torn_header_gives_way_to_the_one_before_at_every_length() {
    let home = tempfile::tempdir().unwrap();
    let code = made(home.path()).to_text();
    let open = || {
        unlock(
            home.path(),
            &Secret::Recovery(RecoveryCode::parse(code.expose()).unwrap()),
        )
    };
    let vault = open().unwrap();
    let mut next = vault.header.clone();
    next.generation = 2;
    header::commit(&vault.layout, &next, &vault.mac_key()).unwrap();
    drop(vault);
    assert_eq!(open().unwrap().generation(), 2);

    let path = home.path().join("vault/header");
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(open().unwrap().generation(), 1, "length {length}");
    }
    let mut zeroed = whole.clone();
    zeroed[whole.len() - 100..].fill(0);
    std::fs::write(&path, &zeroed).unwrap();
    assert_eq!(open().unwrap().generation(), 1);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(open().unwrap().generation(), 1);

    std::fs::remove_file(home.path().join("vault/header.prev")).unwrap();
    std::fs::write(&path, &whole[..50]).unwrap();
    assert!(matches!(open(), Err(VaultError::HeaderDamaged { .. })));
    std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(matches!(open(), Err(VaultError::HeaderDamaged { .. })));
    std::fs::write(&path, vec![b'x'; 70_000]).unwrap();
    assert!(matches!(open(), Err(VaultError::HeaderDamaged { .. })));
}
