//! Records from and to files.
//!
//! An import takes what it can and says about the rest where it stood and why it stayed out. It streams: at most one
//! resource and one batch are in memory, whatever the file. Texts go in as they are; the only bytes it changes are
//! references that mean something inside their Bundle alone, and a missing id of a posted resource.

mod batch;
mod compact;
mod entry;
mod export;
mod import;
mod names;
mod scan;
mod source;
mod trail;
mod unpack;

pub use export::{Export, ExportError, Exported};
pub use import::Import;
pub use trail::TrailExport;

use crate::fhir::{InvalidResource, Reference};
use std::fmt;
use std::io;
use std::sync::Arc;

/// The longest lists an [`ImportReport`] keeps; its counts go on.
pub const LISTED: usize = 10_000;

/// What an import did.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Resources that were stored: new, or in place of other bytes.
    pub stored: u64,
    /// Resources whose bytes were there already.
    pub unchanged: u64,
    /// What was not stored.
    pub refused: u64,
    /// The first [`LISTED`] of them.
    pub refusals: Vec<Refusal>,
    /// References that lead nowhere; their records were stored with the references as they were.
    pub unresolved_references: u64,
    /// The first [`LISTED`] records with such references, in the order they were found.
    pub unresolved: Vec<Unresolved>,
    /// Files that were read.
    pub files: u64,
    /// Files in folders whose names do not look like FHIR JSON.
    pub ignored: u64,
    /// Length of all resources that were read, in bytes.
    pub bytes: u64,
    /// It was stopped before its end. What was read until then is stored.
    pub stopped: bool,
}

/// Something that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Line of the file, 1-based, where one can be named.
    pub line: Option<u64>,
    /// Entry of the Bundle, 1-based.
    pub entry: Option<u64>,
    /// The record, where its name can be read.
    pub name: Option<Reference>,
    /// Why.
    pub reason: Reason,
}

/// References of one record that lead nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The record.
    pub name: Reference,
    /// How many.
    pub references: u64,
}

/// Why something was not stored. Never holds content, since content is PHI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It is no resource this house takes.
    #[error(transparent)]
    Resource(#[from] InvalidResource),
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// A compressed file ends too early.
    #[error("the compressed file is cut off")]
    CutOff,
    /// A compressed file is damaged, or was made with a window or dictionary of more than 64 MiB.
    #[error("the compressed file is damaged, or needs more than 64 MiB to unpack")]
    BadArchive,
    /// This build reads no such files.
    #[error("this program was built without support for this kind of compressed file")]
    UnknownArchive,
    /// The text ends inside a value.
    #[error("the file ends in the middle of a value")]
    Incomplete,
    /// Something stands behind the resource or Bundle.
    #[error("there is more text behind the end of the resource")]
    MoreText,
    /// `entry` of a Bundle is no array.
    #[error("the Bundle's entry is not an array; nothing of it was stored")]
    EntriesAreNoArray,
    /// An entry without a resource.
    #[error("the entry has no resource")]
    NoResource,
    /// An entry that asks for something else than POST or PUT.
    #[error("the entry is not a POST or PUT")]
    Method,
    /// `request.url` names another record or type than the resource, or an operation.
    #[error("the entry's request.url does not fit its resource")]
    OtherUrl,
    /// A Bundle in a Bundle that is taken apart.
    #[error("it is a Bundle inside another Bundle")]
    NestedBundle,
    /// Two entries of one transaction write the same record.
    #[error(
        "the record stands in entry {first} of this transaction as well; nothing of the transaction was stored"
    )]
    TwiceInTransaction {
        /// 1-based.
        first: u64,
    },
    /// A person changed the record, and no server has taken the change yet.
    #[error("the record has local changes that were not sent yet; they were kept")]
    HasLocalChanges,
    /// Several servers have a record of this name.
    #[error("several servers have a record of this name")]
    Ambiguous,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file at hand.
    pub file: &'a str,
    /// Bytes of files read, of `bytes_total`; a compressed file counts with its compressed length.
    pub bytes_done: u64,
    /// Length of all files together.
    pub bytes_total: u64,
    /// Resources read so far.
    pub resources: u64,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(entry) = self.entry {
            write!(f, ", entry {entry}")?;
        }
        if let Some(name) = &self.name {
            write!(f, ", {name}")?;
        }
        write!(f, ": {}", self.reason)
    }
}
