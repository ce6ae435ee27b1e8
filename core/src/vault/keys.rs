//! An open vault: the root key and what hangs on it.

use super::error::VaultError;
use super::files::{self, Layout};
use super::header::{self, DatabaseFile, Header, Member, Unverified};
use super::lock_file::LockFile;
use super::passphrase;
use super::recovery::RecoveryCode;
use super::slot::{Kdf, Secret, Shape, Slot, SlotId, Unwrapped};
use super::tries::{FailedTries, LAST_TRY, Tries};
use super::unlock::{self, Opener, Switch};
use crate::crypto::envelope::{self, NONCE_BYTES};
use crate::crypto::kdf::{self, Purpose};
use crate::crypto::passphrase_hash::Cost;
use crate::crypto::sign::SigningKey;
use crate::crypto::{Key, SecretText};
use crate::rng;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// An unlocked vault. Dropping it zeroes the keys and lets another process open the vault.
#[derive(Debug)]
pub struct Vault {
    pub(super) layout: Layout,
    pub(super) header: Header,
    pub(super) root: Key,
    pub(super) store_key: Key,
    pub(super) audit_key: Key,
    pub(super) opened: OpenSlot,
    pub(super) tries: Arc<Tries>,
    pub(super) lock: LockFile,
}

/// The slot that is open: whose hands the vault is in.
#[derive(Debug)]
pub(super) struct OpenSlot {
    pub(super) id: SlotId,
    pub(super) person: String,
    /// Wraps the root key, and is kept so that a new root key can be wrapped.
    pub(super) key: Key,
    pub(super) signing_key: Option<SigningKey>,
}

/// What is needed to open another person's slot of an open vault while no lock is held.
pub struct Switching {
    vault: [u8; 16],
    slots: Vec<Slot>,
    tries: Arc<Tries>,
}

/// Where a database file is and what opens it.
#[derive(Debug)]
pub struct DatabaseKey<'a> {
    /// The file.
    pub path: PathBuf,
    /// Its SQLCipher key.
    pub key: &'a Key,
    /// Its first 16 bytes.
    pub salt: &'a [u8; 16],
}

/// Whether `home` holds a vault, complete or not.
///
/// # Errors
/// [`VaultError::Io`] when the folder may not be looked into.
pub fn exists(home: &Path) -> Result<bool, VaultError> {
    let vault = Layout::of(home).vault;
    vault
        .try_exists()
        .map_err(VaultError::io("looking into", home))
}

/// Makes a vault in `home`, opened by `passphrase` and by a recovery code.
///
/// `build` makes the database files, and shows the code to the person. The whole is put together beside its place and
/// becomes the vault by one rename once `build` is through: a kill at any point leaves either no vault or a complete
/// one, and no vault exists whose code nobody has seen.
///
/// # Errors
/// [`VaultError`], or what `build` answered; then there is no vault.
pub fn create<E: From<VaultError>>(
    home: &Path,
    passphrase: SecretText,
    cost: Cost,
    build: impl FnOnce(&Vault, &RecoveryCode) -> Result<(), E>,
) -> Result<Vault, E> {
    let layout = Layout::of(home);
    files::make_private_folder(home)?;
    let lock = LockFile::take(&layout.lock())?;
    if layout.wiping().exists() {
        return Err(VaultError::WipeInterrupted.into());
    }
    if exists(home)? {
        return Err(VaultError::Exists {
            home: home.to_owned(),
        }
        .into());
    }
    let code = RecoveryCode::make().map_err(VaultError::from)?;
    let mut vault = draft(&layout, passphrase, &code, cost, lock)?;
    build(&vault, &code)?;
    header::commit(&vault.layout, &vault.header, &vault.mac_key())?;
    std::fs::rename(&vault.layout.vault, &layout.vault)
        .map_err(VaultError::io("renaming", &vault.layout.vault))?;
    files::sync_folder(home)?;
    vault.tries = Arc::new(Tries::of_open(&layout));
    vault.layout = layout;
    Ok(vault)
}

impl Switching {
    /// Opens a slot. Right or wrong, the person who has the vault open notices nothing of it.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn open(&self, opener: &Opener<'_>) -> Result<Switch, VaultError> {
        unlock::attempt(&self.vault, &self.slots, &self.tries, opener).await
    }
}

impl Vault {
    /// The vault's id: random, and no secret.
    pub fn id(&self) -> &[u8; 16] {
        &self.header.vault
    }

    /// How often its header was written.
    pub fn generation(&self) -> u64 {
        self.header.generation
    }

    /// The database of records.
    pub fn store(&self) -> DatabaseKey<'_> {
        self.database(&self.header.store, &self.store_key)
    }

    /// The database of the audit trail.
    pub fn audit(&self) -> DatabaseKey<'_> {
        self.database(&self.header.audit, &self.audit_key)
    }

    /// The slot that is open.
    pub fn open_slot(&self) -> SlotId {
        self.opened.id
    }

    /// Whose slot is open; empty: the owner's.
    pub fn person(&self) -> &str {
        &self.opened.person
    }

    /// The person whose slot is open, as the header knows them.
    pub fn member(&self) -> Option<&Member> {
        self.header.member(&self.opened.person)
    }

    /// Everybody the header knows.
    pub fn members(&self) -> &[Member] {
        &self.header.members
    }

    /// What the person whose slot is open signs with. `None`: the slot was made by an older program.
    pub fn signing_key(&self) -> Option<&SigningKey> {
        self.opened.signing_key.as_ref()
    }

    /// Begins a change of person.
    pub fn switching(&self) -> Switching {
        Switching {
            vault: *self.id(),
            slots: self.header.slots.clone(),
            tries: Arc::clone(&self.tries),
        }
    }

    /// Puts the vault in the hands of whoever opened the other slot. The keys of the slot before are zeroed.
    ///
    /// # Errors
    /// [`VaultError::NoSuchSlot`] when the slot is gone by now, [`VaultError::Tampered`] when it wraps another root key.
    pub fn switch(&mut self, switch: Switch) -> Result<(), VaultError> {
        let Switch {
            slot,
            key,
            unwrapped,
        } = switch;
        if !self.header.slots.contains(&slot) {
            return Err(VaultError::NoSuchSlot { kind: slot.kind });
        }
        if !bool::from(unwrapped.root.expose().ct_eq(self.root.expose())) {
            return Err(VaultError::Tampered { what: "a key slot" });
        }
        self.opened = OpenSlot::of(&self.header, &slot, key, unwrapped.signing_key);
        Ok(())
    }

    /// Wrong tries that nobody was told of, for the audit trail.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub fn failed_tries(&self) -> Result<Vec<FailedTries>, VaultError> {
        let mut all = Vec::new();
        for slot in self.header.slots.iter().filter(|slot| slot.counts_tries()) {
            let count = self.tries.get(slot.id)?;
            if count.unnoted > 0 {
                all.push(FailedTries {
                    slot: slot.id,
                    person: slot.person.clone(),
                    count: count.unnoted,
                });
            }
        }
        Ok(all)
    }

    /// The audit trail has them.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub fn tries_noted(&self) -> Result<(), VaultError> {
        let present: Vec<_> = self.header.slots.iter().map(|slot| slot.id).collect();
        self.tries.noted(&present)
    }

    /// Slots that the last wrong try ended, and that still stand in the header.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub fn ended_slots(&self) -> Result<Vec<SlotId>, VaultError> {
        let mut all = Vec::new();
        for slot in self.header.slots.iter().filter(|slot| slot.counts_tries()) {
            if self.tries.get(slot.id)?.failed >= LAST_TRY {
                all.push(slot.id);
            }
        }
        Ok(all)
    }

    /// The key that seals search cursors.
    pub fn cursor_key(&self) -> Key {
        kdf::derive(&self.root, Purpose::CursorSeal, self.id(), 1)
    }

    pub(super) fn database<'a>(&self, file: &'a DatabaseFile, key: &'a Key) -> DatabaseKey<'a> {
        DatabaseKey {
            path: self.layout.vault.join(&file.name),
            key,
            salt: &file.salt,
        }
    }

    /// Writes `header` and takes it for the vault's.
    pub(super) fn commit(&mut self, header: Header) -> Result<(), VaultError> {
        header::commit(&self.layout, &header, &self.mac_key())?;
        self.header = header;
        Ok(())
    }

    /// The vault behind an opened slot, once the header's MAC holds.
    pub(super) fn assemble(
        layout: Layout,
        lock: LockFile,
        unverified: Unverified,
        slot: &Slot,
        key: Key,
        unwrapped: Unwrapped,
    ) -> Result<Self, VaultError> {
        let id = unverified.header.vault;
        let Unwrapped { root, signing_key } = unwrapped;
        let header = unverified.verify(&mac_key_of(&root, &id))?;
        let store_key = unwrap_key(&root, &id, Purpose::WrapDataKey, &header.store)?;
        let audit_key = unwrap_key(&root, &id, Purpose::WrapAuditKey, &header.audit)?;
        Ok(Self {
            opened: OpenSlot::of(&header, slot, key, signing_key),
            tries: Arc::new(Tries::of_open(&layout)),
            layout,
            header,
            root,
            store_key,
            audit_key,
            lock,
        })
    }

    pub(super) fn mac_key(&self) -> Key {
        mac_key_of(&self.root, self.id())
    }
}

/// The key of the header's MAC under a root key.
pub(super) fn mac_key_of(root: &Key, vault: &[u8; 16]) -> Key {
    kdf::derive(root, Purpose::HeaderMac, vault, 1)
}

impl OpenSlot {
    /// A signing key that is not the one the header names was replaced by a newer one, and signs nothing any more.
    fn of(header: &Header, slot: &Slot, key: Key, signing_key: Option<SigningKey>) -> Self {
        let member = header.member(&slot.person);
        let named = |key: &SigningKey| member.is_some_and(|m| m.public_key == key.public());
        Self {
            id: slot.id,
            person: slot.person.clone(),
            key,
            signing_key: signing_key.filter(named),
        }
    }
}

/// A vault in the draft folder. What an earlier, killed creation left there was never a vault and is cleared away.
fn draft(
    layout: &Layout,
    passphrase: SecretText,
    code: &RecoveryCode,
    cost: Cost,
    lock: LockFile,
) -> Result<Vault, VaultError> {
    let layout = layout.draft();
    if layout.vault.exists() {
        std::fs::remove_dir_all(&layout.vault)
            .map_err(VaultError::io("clearing", &layout.vault))?;
    }
    passphrase::check(passphrase.expose())?;
    let id = rng::make_bytes()?;
    let root = Key::make_random()?;
    let signing = SigningKey::make_random()?;
    let recovery = Secret::Recovery(
        RecoveryCode::parse(code.to_text().expose()).map_err(|_| VaultError::WrongSecret)?,
    );
    let slot = |secret: &Secret, kdf| {
        let shape = Shape {
            kind: secret.kind(),
            kdf,
            person: String::new(),
            label: String::new(),
            evaluate: false,
        };
        let mut slot = Slot::draft(&id, shape)?;
        let key = slot.key(secret)?;
        slot.wrap_root(&id, &key, &root)?;
        slot.wrap_signing_key(&id, &key, &signing)?;
        Ok::<_, VaultError>((slot, key))
    };
    let (first, key) = slot(&Secret::Passphrase(passphrase), Kdf::Argon2id(cost))?;
    let (second, _) = slot(&recovery, Kdf::HkdfSha256)?;
    let (store, store_key) = make_database(&root, &id, Purpose::WrapDataKey, "store-1.db")?;
    let (audit, audit_key) = make_database(&root, &id, Purpose::WrapAuditKey, "audit-1.db")?;
    files::make_private_folder(&layout.vault)?;
    let header = Header {
        format: header::format(),
        vault: id,
        generation: 1,
        slots: vec![first, second],
        members: vec![Member {
            person: String::new(),
            role: "owner".into(),
            public_key: signing.public(),
            certificate: String::new(),
        }],
        authority: None,
        store,
        audit,
        policy: String::new(),
    };
    let opened = OpenSlot::of(&header, &header.slots[0], key, Some(signing));
    Ok(Vault {
        tries: Arc::new(Tries::of_open(&layout)),
        layout,
        header,
        root,
        store_key,
        audit_key,
        opened,
        lock,
    })
}

/// A database file with a new key and salt.
pub(super) fn make_database(
    root: &Key,
    vault: &[u8; 16],
    wrap: Purpose,
    name: &str,
) -> Result<(DatabaseFile, Key), VaultError> {
    let key = Key::make_random()?;
    let mut file = DatabaseFile {
        name: name.to_owned(),
        salt: rng::make_bytes()?,
        key_version: 1,
        wrapped_key: Vec::new(),
        key_check: kdf::key_check(&key, vault, 1),
    };
    wrap_key(root, vault, wrap, &mut file, &key)?;
    Ok((file, key))
}

/// Wraps a database's key under a root key.
pub(super) fn wrap_key(
    root: &Key,
    vault: &[u8; 16],
    wrap: Purpose,
    file: &mut DatabaseFile,
    key: &Key,
) -> Result<(), VaultError> {
    let nonce: [u8; NONCE_BYTES] = rng::make_bytes()?;
    let wrapping = kdf::derive(root, wrap, vault, file.key_version);
    let sealed = envelope::seal(&wrapping, nonce, &bound_to(vault, file), key.expose());
    file.wrapped_key = sealed.map_err(|_| VaultError::HeaderDamaged {
        what: "a database key",
    })?;
    Ok(())
}

fn unwrap_key(
    root: &Key,
    vault: &[u8; 16],
    wrap: Purpose,
    file: &DatabaseFile,
) -> Result<Key, VaultError> {
    let tampered = || VaultError::Tampered {
        what: "a database key",
    };
    let wrapping = kdf::derive(root, wrap, vault, file.key_version);
    let opened = envelope::open(&wrapping, &bound_to(vault, file), &file.wrapped_key)
        .map_err(|_| tampered())?;
    let key = Key::filled_by(|out| {
        (opened.len() == out.len())
            .then(|| out.copy_from_slice(&opened))
            .ok_or_else(tampered)
    })?;
    if kdf::key_check(&key, vault, file.key_version) == file.key_check {
        Ok(key)
    } else {
        Err(tampered())
    }
}

fn bound_to(vault: &[u8; 16], file: &DatabaseFile) -> Vec<u8> {
    [
        b"pocketchart/1/database".as_slice(),
        vault,
        &file.salt,
        &file.key_version.to_be_bytes(),
        file.name.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::super::unlock::unlock;
    use super::*;
    use crate::crypto::passphrase_hash::LOWEST_COST;

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

    const FORMAT_1: &[u8] = include_bytes!("../../../tests/data/vault-format-1/header");
    const FORMAT_1_CODE: &str = include_str!("../../../tests/data/vault-format-1/recovery-code");

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
}
