//! One process opens a vault. Two would each hold a cache of the other's pages and keys.

use super::VaultError;
use super::files::private;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Held while this process has the vault; the operating system frees it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct LockFile(File);

impl LockFile {
    pub(super) fn take(path: &Path) -> Result<Self, VaultError> {
        let mut options = OpenOptions::new();
        let opened =
            private(options.read(true).write(true).create(true).truncate(false)).open(path);
        let mut file = opened.map_err(VaultError::io("opening", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                let read = file.take(20).read_to_string(&mut process);
                let known = read.is_ok() && process.trim().parse::<u32>().is_ok();
                let process = if known {
                    process.trim().to_owned()
                } else {
                    "unknown".to_owned()
                };
                return Err(VaultError::InUse { process });
            }
            Err(TryLockError::Error(e)) => return Err(VaultError::io("locking", path)(e)),
        }
        let mut note = || -> std::io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())
        };
        note().map_err(VaultError::io("writing", path))?;
        Ok(Self(file))
    }
}

/// Given up by name, not only by closing: a child process that is just being started holds a copy of the descriptor for a
/// moment, and with it the lock.
impl Drop for LockFile {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = LockFile::take(&path).unwrap();
        let refusal = LockFile::take(&path).unwrap_err().to_string();
        assert!(
            refusal.contains(&std::process::id().to_string()),
            "{refusal}"
        );
        let held_by_a_child = first.0.try_clone().unwrap();
        drop(first);
        LockFile::take(&path).unwrap();
        drop(held_by_a_child);
    }
}
