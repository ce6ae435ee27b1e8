//! The audit trail into a file, for whoever collects such trails: FHIR AuditEvents, one a line.

use super::export::{ExportError, Exported, into_file};
use crate::access::Guard;
use std::io::Write;
use std::path::Path;

/// An export of the audit trail.
pub struct TrailExport<'a> {
    /// The vault.
    pub guard: &'a Guard,
}

impl TrailExport<'_> {
    /// Writes NDJSON to `path`. The file appears whole or not at all, and only its owner can read it.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn to_file(&self, path: &Path) -> Result<Exported, ExportError> {
        into_file(path, |out| self.write(out, path))
    }

    /// As [`TrailExport::to_file`], to a writer; `name` stands for it in errors.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn write(&self, out: &mut dyn Write, name: &Path) -> Result<Exported, ExportError> {
        let mut done = Exported::default();
        self.guard.export_trail(|event| {
            let written = out.write_all(event.as_bytes());
            let written = written.and_then(|()| out.write_all(b"\n"));
            written.map_err(|source| ExportError::File {
                file: name.to_owned(),
                source,
            })?;
            done.resources += 1;
            done.bytes += event.len() as u64 + 1;
            Ok::<_, ExportError>(())
        })?;
        Ok(done)
    }
}
