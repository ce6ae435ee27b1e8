//! Where an export goes, and whose it is: what `export` and `audit --export` have in common.

use crate::failure::Failure;
use pocketchart_core::fhir::ResourceId;
use pocketchart_core::transfer::{ExportError, Exported};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A patient's id, with or without its type before it.
pub(super) fn patient_id(text: &str) -> Result<ResourceId, Failure> {
    let id = text.strip_prefix("Patient/").unwrap_or(text);
    ResourceId::new(id).map_err(|e| Failure::Usage(e.to_string()))
}

/// Whether the file is standard output.
pub(super) fn is_output(file: &Path) -> bool {
    file == Path::new("-")
}

/// Writes an export to a file, or to standard output.
pub(super) fn to_file_or_output(
    file: &Path,
    to_file: impl FnOnce(&Path) -> Result<Exported, ExportError>,
    write: impl FnOnce(&mut dyn Write, &Path) -> Result<Exported, ExportError>,
) -> Result<Exported, Failure> {
    if !is_output(file) {
        return Ok(to_file(file)?);
    }
    let name = Path::new("standard output");
    let mut out = BufWriter::new(io::stdout().lock());
    let exported = write(&mut out, name)?;
    out.flush().map_err(Failure::file("writing", name))?;
    Ok(exported)
}
