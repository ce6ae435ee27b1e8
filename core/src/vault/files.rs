//! The vault's folder: names, permissions, and files that are replaced whole or not at all.

use super::VaultError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Where things lie in a home folder.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    home: PathBuf,
    /// Folder of the header and the databases.
    pub(super) vault: PathBuf,
}

impl Layout {
    pub(super) fn of(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            vault: home.join("vault"),
        }
    }

    /// Where a new vault is put together. It becomes a vault by one rename, so what lies here was never one.
    pub(super) fn draft(&self) -> Self {
        Self {
            home: self.home.clone(),
            vault: self.home.join("vault.new"),
        }
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.home.join("lock")
    }

    /// Wrong tries, outside the header's MAC.
    pub(super) fn tries(&self) -> PathBuf {
        self.vault.join("tries")
    }

    pub(super) fn header(&self) -> PathBuf {
        self.vault.join("header")
    }

    pub(super) fn previous_header(&self) -> PathBuf {
        self.vault.join("header.prev")
    }
}

/// Makes a folder that only its owner can enter.
pub(super) fn make_private_folder(path: &Path) -> Result<(), VaultError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(VaultError::io("creating", path))
}

/// Options for a file that only its owner can read.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Reads a file of at most `limit` bytes; `None` when it does not exist.
pub(super) fn read_at_most(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(VaultError::io("reading", path)(e)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(VaultError::io("reading", path))?;
    Ok(Some(bytes))
}

/// Replaces `path` as a whole: temporary name, fsync, rename, fsync of the folder.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = private(options.write(true).create(true).truncate(true)).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(VaultError::io("writing", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes renames in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), VaultError> {
    // Windows cannot open a folder for this, and its renames need none.
    #[cfg(unix)]
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(VaultError::io("syncing", path))?;
    Ok(())
}
