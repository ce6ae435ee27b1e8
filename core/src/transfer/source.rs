//! The files of an import: which, in what order, and how their bytes come in.

use super::Reason;
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// What a compressed file may ask for: as much as `xz -9` needs.
const UNPACKING_LOG2_BYTES: u32 = 26;
const BUFFER_BYTES: usize = 64 * 1024;

/// One file.
pub(super) struct Source {
    path: PathBuf,
    /// Its path as it was named.
    pub(super) label: Arc<str>,
    /// Its length on disk.
    pub(super) bytes: u64,
    /// Bytes read from disk, all openings together.
    read: Rc<Cell<u64>>,
    packing: Cell<Option<Packing>>,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl Packing {
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }
}

/// The files behind some paths.
#[derive(Default)]
pub(super) struct Sources {
    /// In the order they go in.
    pub(super) files: Vec<Source>,
    /// Paths that cannot be read, and why.
    pub(super) unreadable: Vec<(Arc<str>, Reason)>,
    /// Files in folders that do not look like FHIR JSON.
    pub(super) ignored: u64,
}

impl Sources {
    /// Collects the files: those named first to last, those of a folder in the order of their names, and first of all the
    /// files that others refer to (Synthea writes them as `hospital*` and `practitioner*`).
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut all = Self::default();
        for path in paths {
            match fs::metadata(path) {
                Ok(meta) if meta.is_dir() => all.add_folder(path),
                Ok(meta) => all.add(path.clone(), meta.len()),
                Err(error) => all.refuse(path, &error),
            }
        }
        all.files.sort_by_key(|file| rank(&file.path));
        all
    }

    fn add(&mut self, path: PathBuf, bytes: u64) {
        self.files.push(Source {
            label: label(&path),
            path,
            bytes,
            read: Rc::default(),
            packing: Cell::default(),
        });
    }

    fn add_folder(&mut self, folder: &Path) {
        let listed = fs::read_dir(folder).and_then(|entries| {
            entries
                .map(|e| e.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()
        });
        let mut paths = match listed {
            Ok(paths) => paths,
            Err(error) => return self.refuse(folder, &error),
        };
        paths.sort();
        for path in paths {
            // A link to a folder may lead back into it.
            let is_link = path.is_symlink();
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() && is_link => self.ignored += 1,
                Ok(meta) if meta.is_dir() => self.add_folder(&path),
                Ok(meta) if looks_like_fhir(&path) => self.add(path, meta.len()),
                Ok(_) => self.ignored += 1,
                Err(error) => self.refuse(&path, &error),
            }
        }
    }

    fn refuse(&mut self, path: &Path, error: &io::Error) {
        self.unreadable
            .push((label(path), Reason::Unreadable(error.kind())));
    }
}

fn label(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}

fn rank(path: &Path) -> u8 {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match () {
        () if name.starts_with("hospital") => 0,
        () if name.starts_with("practitioner") => 1,
        () => 2,
    }
}

/// The name without the ending of a compressed file.
fn inner_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let endings = [".gz", ".zst", ".xz"];
    let inner = endings.iter().find_map(|ending| name.strip_suffix(ending));
    inner.unwrap_or(&name).to_owned()
}

fn looks_like_fhir(path: &Path) -> bool {
    let name = inner_name(path);
    [".json", ".ndjson", ".jsonl"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

impl Source {
    /// Whether each line is a value of its own, by the file's name.
    pub(super) fn is_lines(&self) -> bool {
        let name = inner_name(&self.path);
        name.ends_with(".ndjson") || name.ends_with(".jsonl")
    }

    /// Bytes read from disk so far, all openings together.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.get()
    }

    /// Whether it is compressed; known once it was opened.
    pub(super) fn is_packed(&self) -> io::Result<bool> {
        if self.packing.get().is_none() {
            self.open()?;
        }
        Ok(self.packing.get() != Some(Packing::None))
    }

    /// Its text from the start, unpacked: what is packed is known by its first bytes, not by its name.
    pub(super) fn open(&self) -> io::Result<Box<dyn BufRead>> {
        let counting = Counting {
            file: File::open(&self.path)?,
            read: Rc::clone(&self.read),
        };
        let mut plain = BufReader::with_capacity(BUFFER_BYTES, counting);
        let packing = Packing::of(plain.fill_buf()?);
        self.packing.set(Some(packing));
        let unpacked: Box<dyn Read> = match packing {
            Packing::None => return Ok(Box::new(plain)),
            Packing::Gzip => gunzip(plain)?,
            Packing::Xz => unxz(plain)?,
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(plain)?;
                decoder.window_log_max(UNPACKING_LOG2_BYTES)?;
                Box::new(decoder)
            }
        };
        Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, unpacked)))
    }

    /// Why reading failed. A plain file fails with its system's error, a compressed one for what is in it.
    pub(super) fn reason(&self, error: &io::Error) -> Reason {
        match error.kind() {
            io::ErrorKind::Unsupported => Reason::UnknownArchive,
            io::ErrorKind::UnexpectedEof => Reason::CutOff,
            kind if error.raw_os_error().is_some() => Reason::Unreadable(kind),
            _ => Reason::BadArchive,
        }
    }
}

#[cfg(feature = "archives")]
fn gunzip(packed: impl BufRead + 'static) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(flate2::bufread::MultiGzDecoder::new(packed)))
}

#[cfg(feature = "archives")]
fn unxz(packed: impl BufRead + 'static) -> io::Result<Box<dyn Read>> {
    // KiB; a little more than the dictionary for what the decoder needs beside it.
    let limit = (1 << (UNPACKING_LOG2_BYTES - 10)) + 1024;
    Ok(Box::new(lzma_rust2::XzReader::new_mem_limit(
        packed, true, limit,
    )))
}

#[cfg(not(feature = "archives"))]
fn gunzip(_packed: impl BufRead) -> io::Result<Box<dyn Read>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(feature = "archives"))]
fn unxz(_packed: impl BufRead) -> io::Result<Box<dyn Read>> {
    Err(io::ErrorKind::Unsupported.into())
}

struct Counting {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.read
            .set(self.read.get() + u64::try_from(length).unwrap_or(0));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_files_and_what_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("B")).unwrap();
        for name in [
            "Zoe.json",
            "Adam.json.gz",
            "B/inner.ndjson.zst",
            "practitioner1.json",
            "hospital1.json",
            "README.md",
            "data.jsonl.xz",
        ] {
            fs::write(at(name), "x").unwrap();
        }
        let paths = [at("Zoe.json"), at("nothing.json"), folder.path().to_owned()];
        let found = Sources::of(&paths);
        let name = |file: &Source| {
            file.path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        };
        let names: Vec<_> = found.files.iter().map(name).collect();
        assert_eq!(
            names,
            [
                "hospital1.json",
                "practitioner1.json",
                "Zoe.json",
                "Adam.json.gz",
                "inner.ndjson.zst",
                "Zoe.json",
                "data.jsonl.xz"
            ]
        );
        assert_eq!(found.ignored, 1);
        assert_eq!(
            found.unreadable[0].1,
            Reason::Unreadable(io::ErrorKind::NotFound)
        );
        let lines: Vec<_> = found.files.iter().map(Source::is_lines).collect();
        assert_eq!(lines, [false, false, false, false, true, false, true]);
    }
}
