//! Why a database did not open.
//!
//! The messages are for people: they name the file (its name only, never the folder) and what to think of it. No
//! text of SQLite's gets in, because it may quote paths or SQL.

use std::io;

/// Why [`open`](crate::open()) or [`verify_salt`](crate::verify_salt) refused.
///
/// Whichever it is, no existing file was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Creating would have replaced a file.
    #[error("{file} exists already; nothing was changed")]
    Exists {
        /// The file's name.
        file: String,
    },
    /// There is no such file.
    #[error("{file} does not exist")]
    Missing {
        /// The file's name.
        file: String,
    },
    /// A folder, a symbolic link, a device.
    #[error("{file} is not an ordinary file")]
    NotAFile {
        /// The file's name.
        file: String,
    },
    /// An unencrypted SQLite database lies where ours should.
    #[error("{file} is a database that is not encrypted; it was not opened")]
    Plaintext {
        /// The file's name.
        file: String,
    },
    /// The first 16 bytes are not the expected salt, or are not there.
    #[error(
        "{file} is not the expected database: its first 16 bytes do not match; it was not opened"
    )]
    SaltMismatch {
        /// The file's name.
        file: String,
    },
    /// The first page does not carry a valid code under this key.
    #[error("{file}: wrong key or damaged file; nothing was changed")]
    KeyRejected {
        /// The file's name.
        file: String,
    },
    /// The key fits, but the pages do not make a whole database.
    #[error("{file}: the key fits but the file is damaged or cut short; nothing was changed")]
    Damaged {
        /// The file's name.
        file: String,
    },
    /// The file is in auto-vacuum mode, in which SQLCipher takes a page of zeros for a valid one.
    #[error(
        "{file} uses auto-vacuum, under which an erased page would pass as whole; it was not opened"
    )]
    AutoVacuum {
        /// The file's name.
        file: String,
    },
    /// Another program or connection holds the file.
    #[error("{file} is in use; try again later")]
    Busy {
        /// The file's name.
        file: String,
    },
    /// The linked database engine is not the one this crate builds, or a setting did not take.
    #[error("the database engine is not the expected one ({check}); no file was opened with it")]
    WrongEngine {
        /// Which check failed, in this crate's own words.
        check: &'static str,
    },
    /// SQLite was in use in this process before its memory could be made to wipe itself.
    #[error(
        "another part of this program used SQLite first, so its memory cannot be wiped; nothing was opened"
    )]
    MemoryNotWiped,
    /// The operating system refused.
    #[error("{file}: {kind}")]
    Io {
        /// The file's name.
        file: String,
        /// What the operating system said.
        kind: io::ErrorKind,
    },
    /// The database engine refused for another reason.
    #[error("{file}: the database engine refused (code {code})")]
    Engine {
        /// The file's name.
        file: String,
        /// SQLite's extended result code.
        code: i32,
    },
}
