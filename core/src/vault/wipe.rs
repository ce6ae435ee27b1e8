//! Destroying a vault: the keys first, then the files.
//!
//! A mark beside the vault's folder says that a wipe has begun, and which keys of the gate go with it. It is on the disk
//! before anything is destroyed and goes last: whatever a kill leaves, the next wipe goes on from there, and nothing
//! opens meanwhile. Once the header is gone nobody has the keys, whatever is left of the files.

use super::VaultError;
use super::files::{self, Layout};
use super::gate::{Gate, GateError};
use super::header;
use super::keys::Vault;
use super::lock_file::LockFile;
use serde::{Deserialize, Serialize};
use std::path::Path;

const MAX_MARK_BYTES: u64 = 64 * 1024;

/// A wipe that has begun. Dropping it is an interruption: the vault does not open any more, and the wipe can be begun
/// again.
#[derive(Debug)]
pub struct Wipe {
    layout: Layout,
    mark: Mark,
    /// Nobody else has the vault open, to the end.
    _lock: LockFile,
}

/// What the mark says.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// Keys in the gate.
    aliases: Vec<String>,
}

/// Wipes the vault in `home`, or goes on where an earlier wipe was interrupted. Nobody is asked, and it need not open.
/// The answer counts keys that the gate did not destroy: without the header they open nothing.
///
/// # Errors
/// [`VaultError::Missing`] where there is nothing to wipe, [`VaultError::InUse`], or the disk. Call it again then.
pub async fn wipe(home: &Path, gate: Option<&dyn Gate>) -> Result<usize, VaultError> {
    Wipe::begin(home)?.run(gate).await
}

/// Whether a wipe of the vault in `home` was begun and not finished.
pub fn wipe_was_interrupted(home: &Path) -> bool {
    Layout::of(home).wiping().exists()
}

impl Wipe {
    fn begin(home: &Path) -> Result<Self, VaultError> {
        let layout = Layout::of(home);
        if !super::exists(home)? && !layout.wiping().exists() {
            return Err(VaultError::Missing {
                home: home.to_owned(),
            });
        }
        let lock = LockFile::take(&layout.lock())?;
        Self::marked(layout, lock)
    }

    fn marked(layout: Layout, lock: LockFile) -> Result<Self, VaultError> {
        let mut mark = read_mark(&layout)?;
        let slots = header::generations(&layout).into_iter().flatten();
        for slot in slots.flat_map(|header| header.slots) {
            if slot.needs_gate() && !mark.aliases.contains(&slot.alias) {
                mark.aliases.push(slot.alias);
            }
        }
        let bytes = serde_json::to_vec(&mark);
        let bytes = bytes.map_err(|_| VaultError::HeaderDamaged { what: "encoding" })?;
        files::replace(&layout.wiping(), &bytes)?;
        Ok(Self {
            layout,
            mark,
            _lock: lock,
        })
    }

    /// Destroys the keys in the gate, then the header, then the files.
    ///
    /// # Errors
    /// The disk; see [`wipe`].
    pub async fn run(self, gate: Option<&dyn Gate>) -> Result<usize, VaultError> {
        let mut left = 0;
        for alias in &self.mark.aliases {
            let destroyed = match gate {
                Some(gate) => gate.destroy(alias).await,
                None => Err(GateError::Unavailable),
            };
            left += usize::from(!matches!(destroyed, Ok(()) | Err(GateError::Lost)));
        }
        self.destroy_files()?;
        Ok(left)
    }

    fn destroy_files(&self) -> Result<(), VaultError> {
        let layout = &self.layout;
        let vault_is_there = layout.vault.exists();
        let headers = [layout.header(), layout.previous_header()];
        for header in &headers {
            files::overwrite(header)?;
        }
        for header in &headers {
            files::remove(header)?;
        }
        if vault_is_there {
            files::sync_folder(&layout.vault)?;
        }
        files::remove(&layout.vault)?;
        files::remove(&layout.draft().vault)?;
        // The hub's token and certificate authority: keys of its clients.
        files::remove(&layout.home().join("hub"))?;
        // Whose slot opens by default: nobody's, in the next vault here.
        files::remove(&layout.home().join("person"))?;
        files::sync_folder(layout.home())?;
        files::remove(&layout.wiping())?;
        files::sync_folder(layout.home())
    }
}

impl Vault {
    /// Begins to wipe the open vault; its databases are closed. From here on it does not open any more.
    ///
    /// # Errors
    /// [`VaultError::Io`]; then it is only closed.
    pub fn into_wipe(self) -> Result<Wipe, VaultError> {
        Wipe::marked(self.layout, self.lock)
    }
}

/// What an earlier wipe wrote down; nothing where there was none, or where its mark is torn (the header is whole then).
fn read_mark(layout: &Layout) -> Result<Mark, VaultError> {
    let bytes = files::read_at_most(&layout.wiping(), MAX_MARK_BYTES)?;
    Ok(bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default())
}
