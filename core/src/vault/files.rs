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

    /// Says that a wipe has begun. Outside the vault's folder, since it goes last.
    pub(super) fn wiping(&self) -> PathBuf {
        self.home.join("wiping")
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
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
        step::next()?;
        let mut options = OpenOptions::new();
        let mut file = private(options.write(true).create(true).truncate(true)).open(&temporary)?;
        step::next()?;
        file.write_all(bytes)?;
        step::next()?;
        file.sync_all()?;
        step::next()?;
        fs::rename(&temporary, path)
    };
    write().map_err(VaultError::io("writing", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes renames in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), VaultError> {
    step::next().map_err(VaultError::io("syncing", path))?;
    // Windows cannot open a folder for this, and its renames need none.
    #[cfg(unix)]
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(VaultError::io("syncing", path))?;
    Ok(())
}

/// Overwrites a file where it lies, so that what it held is not left in the blocks of a deleted file. (A file system
/// that never writes in place keeps them all the same: only the keys that are gone elsewhere count.)
pub(super) fn overwrite(path: &Path) -> Result<(), VaultError> {
    let write = || -> io::Result<()> {
        step::next()?;
        let length = fs::symlink_metadata(path)?.len();
        let mut file = OpenOptions::new().write(true).open(path)?;
        io::copy(&mut io::repeat(0).take(length), &mut file)?;
        file.sync_all()
    };
    match write() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(VaultError::io("overwriting", path)),
    }
}

/// Removes a file, or a folder and all in it; one that is not there is no error.
pub(super) fn remove(path: &Path) -> Result<(), VaultError> {
    let remove = || -> io::Result<()> {
        step::next()?;
        if fs::symlink_metadata(path)?.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
    };
    match remove() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(VaultError::io("deleting", path)),
    }
}

/// What stands between two changes of the disk: nothing, but in tests, which look at the folder there as a kill would
/// leave it, or let the next change fail.
pub(crate) mod step {
    use std::io;

    #[cfg(not(test))]
    pub(super) fn next() -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn next() -> io::Result<()> {
        // Taken out while it runs: it may open a vault itself.
        let hook = HOOK.take();
        let Some(mut hook) = hook else { return Ok(()) };
        let answer = hook();
        HOOK.set(Some(hook));
        answer
    }

    #[cfg(test)]
    type Hook = Box<dyn FnMut() -> io::Result<()>>;

    #[cfg(test)]
    thread_local! {
        static HOOK: std::cell::Cell<Option<Hook>> = const { std::cell::Cell::new(None) };
    }

    /// Calls `hook` before each change of the disk that this thread makes through this module, while `work` runs.
    #[cfg(test)]
    pub(crate) fn watched<R>(
        hook: impl FnMut() -> io::Result<()> + 'static,
        work: impl FnOnce() -> R,
    ) -> R {
        HOOK.set(Some(Box::new(hook)));
        let answer = work();
        HOOK.set(None);
        answer
    }
}
