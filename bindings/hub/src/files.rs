//! Files beside the vault: for the hub's user only, and whole or not there at all.

use crate::HubError;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file that only this user may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), HubError> {
    // A name of its own: never one that may be somebody's.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || -> io::Result<()> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            let mut builder = fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder)?;
        }
        let _ = fs::remove_file(&temporary);
        let mut options = fs::OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    write().map_err(|source| HubError::File { file, source })
}
