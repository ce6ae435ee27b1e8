//! A new vault: put together beside its place, and a vault only once its recovery code was seen.

use super::error::VaultError;
use super::files::{self, Layout};
use super::header::{self, Header, Member};
use super::keys::{OpenSlot, Vault, exists, make_database};
use super::lock_file::LockFile;
use super::passphrase;
use super::recovery::RecoveryCode;
use super::slot::{Kdf, Secret, Shape, Slot};
use super::tries::Tries;
use crate::crypto::kdf::Purpose;
use crate::crypto::passphrase_hash::Cost;
use crate::crypto::sign::SigningKey;
use crate::crypto::{Key, SecretText};
use crate::rng;
use std::path::Path;
use std::sync::Arc;

/// A vault that is whole, and is none before [`Draft::finish`]. Dropping it leaves no vault: what stands of it is
/// cleared away by the next one, and nobody has its keys.
#[derive(Debug)]
pub struct Draft {
    vault: Vault,
    code: RecoveryCode,
    layout: Layout,
}

/// Puts a vault together beside its place in `home`, opened by `passphrase` and by a recovery code.
///
/// `build` makes the database files.
///
/// # Errors
/// [`VaultError`], or what `build` answered; then there is no vault.
pub fn draft<E: From<VaultError>>(
    home: &Path,
    passphrase: SecretText,
    cost: Cost,
    build: impl FnOnce(&Vault) -> Result<(), E>,
) -> Result<Draft, E> {
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
    let vault = put_together(&layout, passphrase, &code, cost, lock)?;
    build(&vault)?;
    Ok(Draft {
        vault,
        code,
        layout,
    })
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
    let draft = draft(home, passphrase, cost, |_| Ok::<_, E>(()))?;
    build(&draft.vault, &draft.code)?;
    Ok(draft.finish()?)
}

impl Draft {
    /// The recovery code, which is stored nowhere: to be shown.
    pub fn code(&self) -> &RecoveryCode {
        &self.code
    }

    /// From here on it is a vault: by one rename.
    ///
    /// # Errors
    /// [`VaultError`]: there is no vault.
    pub fn finish(self) -> Result<Vault, VaultError> {
        let Self {
            mut vault, layout, ..
        } = self;
        header::commit(&vault.layout, &vault.header, &vault.mac_key())?;
        std::fs::rename(&vault.layout.vault, &layout.vault)
            .map_err(VaultError::io("renaming", &vault.layout.vault))?;
        files::sync_folder(layout.home())?;
        vault.tries = Arc::new(Tries::of_open(&layout));
        vault.layout = layout;
        Ok(vault)
    }
}

/// A vault in the draft folder. What an earlier, killed creation left there was never a vault and is cleared away.
fn put_together(
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
