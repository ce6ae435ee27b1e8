//! Records into a file.

use super::compact::compact;
use crate::access::{AccessError, Action, Guard};
use crate::fhir::search::{InvalidQuery, Query};
use crate::fhir::{ResourceId, ResourceType};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// An export of a vault.
pub struct Export<'a> {
    /// The vault.
    pub guard: &'a Guard,
    /// Only what is about this patient.
    pub patient: Option<&'a ResourceId>,
}

/// What an export wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Resources.
    pub resources: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Why an export did not come about. No file was left behind.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The vault.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The file.
    #[error("writing {}: {source}", file.display())]
    File {
        /// Its path.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The records of a patient cannot be asked for.
    #[error(transparent)]
    Query(#[from] InvalidQuery),
}

impl Export<'_> {
    /// Writes NDJSON to `path`: one resource a line, its tokens as they are stored, without the white space between them.
    /// The file appears whole or not at all, and only its owner can read it.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn to_file(&self, path: &Path) -> Result<Exported, ExportError> {
        into_file(path, |out| self.write(out, path))
    }

    /// As [`Export::to_file`], to a writer; `name` stands for it in errors.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn write(&self, out: &mut dyn Write, name: &Path) -> Result<Exported, ExportError> {
        let mut done = Exported::default();
        let mut line = |text: &str| -> Result<(), ExportError> {
            let mut line = compact(text);
            line.push('\n');
            out.write_all(line.as_bytes())
                .map_err(|source| ExportError::File {
                    file: name.to_owned(),
                    source,
                })?;
            done.resources += 1;
            done.bytes += line.len() as u64;
            Ok(())
        };
        match self.patient {
            None => {
                self.guard
                    .export("everything", |record| line(&record.text))?;
            }
            Some(id) => self.patient(id, &mut line)?,
        }
        Ok(done)
    }

    /// The patient, and of every type what its R4 search parameter `patient` finds.
    fn patient(
        &self,
        id: &ResourceId,
        line: &mut dyn FnMut(&str) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        self.guard.note_export(&format!("Patient/{id}"))?;
        for kind in ResourceType::all()
            .filter(|kind| kind.is_about_a_patient() && self.guard.exports(*kind))
        {
            let parameter = if kind.name() == "Patient" {
                "_id"
            } else {
                "patient"
            };
            let mut next = Some(Query::parse(&format!(
                "{kind}?{parameter}={id}&_count=200"
            ))?);
            while let Some(query) = next {
                let page = self.guard.search_where(Action::Export, &query)?;
                page.records
                    .iter()
                    .try_for_each(|record| line(&record.text))?;
                next = page.next;
            }
        }
        Ok(())
    }
}

/// Writes a file that appears whole or not at all, and that only its owner can read.
pub(super) fn into_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<Exported, ExportError>,
) -> Result<Exported, ExportError> {
    let failed = |source| ExportError::File {
        file: path.to_owned(),
        source,
    };
    let draft = Draft::create(path).map_err(failed)?;
    let mut out = BufWriter::new(&draft.file);
    let exported = write(&mut out)?;
    out.flush().map_err(failed)?;
    drop(out);
    draft.finish(path).map_err(failed)?;
    Ok(exported)
}

/// A file under a temporary name, removed unless it is finished.
struct Draft {
    file: File,
    path: PathBuf,
    finished: bool,
}

impl Draft {
    fn create(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().map(OsString::from).unwrap_or_default();
        name.push(format!(".{}.tmp", std::process::id()));
        let path = path.with_file_name(name);
        let mut options = OpenOptions::new();
        // What an earlier, killed export left may belong to anyone: never write into it.
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self {
            file: options.open(&path)?,
            path,
            finished: false,
        })
    }

    fn finish(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        self.finished = true;
        // Windows cannot open a folder for this, and its renames need none.
        #[cfg(unix)]
        {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.path);
        }
    }
}
