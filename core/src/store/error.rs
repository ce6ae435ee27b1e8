//! What can go wrong below the records. No message repeats a record's content.

use pocketchart_sqlcipher::OpenError;

/// Why the store did not do something. The transaction it happened in was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file does not open.
    #[error(transparent)]
    Open(OpenError),
    /// The key is right (the header says so), yet the file does not read as a database.
    #[error(
        "{file} is damaged; nothing was changed or deleted. Keep the file and run `pocketchart vault check`"
    )]
    Damaged {
        /// The file's name.
        file: String,
    },
    /// A stored value fails its own check although the page it stands on was accepted.
    #[error("a stored value is damaged ({what}, row {row}); it was not handed out")]
    DamagedValue {
        /// Which column.
        what: &'static str,
        /// Its row number.
        row: i64,
    },
    /// Made by a newer program.
    #[error(
        "{file} was written by a newer version of this program (schema {found}, this one knows {known})"
    )]
    Newer {
        /// The file's name.
        file: String,
        /// In the file.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The disk is full.
    #[error("the disk is full; nothing was half-written. Free some space and try again")]
    DiskFull,
    /// The file or file system cannot be written.
    #[error("the vault cannot be written (read-only file system or missing permission)")]
    ReadOnly,
    /// SQLite's own answer, by number: its texts can hold values.
    #[error("the database answered with error {code}")]
    Database {
        /// Extended SQLite result code.
        code: i32,
    },
    /// Packing or unpacking a value failed for lack of memory.
    #[error("a value could not be compressed")]
    Codec,
    /// The vault's profile leaves this parameter out.
    #[error("this vault is not indexed by {code}")]
    NotIndexed {
        /// The parameter.
        code: &'static str,
    },
    /// Whose the records are is not known yet.
    #[error("the index is being made anew; until that is done only the vault's owner sees records")]
    CompartmentsUnknown,
    /// The vault is a hub's.
    #[error("this vault is a hub's: send the change to the hub, which gives it a version")]
    Served,
    /// The disk does not read or write.
    #[error(
        "the disk cannot be read or written (full, or failing: code {code}); nothing was half-written"
    )]
    Disk {
        /// Extended SQLite result code.
        code: i32,
    },
    /// A second copy of the store does not fit on the disk.
    #[error(
        "there is not enough room for a new file: it takes {needed_mib} MiB, {free_mib} MiB are free. Nothing was changed"
    )]
    NoRoom {
        /// Needed for the time of the work.
        needed_mib: u64,
        /// Free on that disk.
        free_mib: u64,
    },
    /// The copy is not what the original is. It was deleted.
    #[error("the copy is not equal to the original ({what}) and was deleted; nothing was changed")]
    CopyDiffers {
        /// A table, or what else was compared.
        what: String,
    },
    /// Several servers hold a record of this name.
    #[error("several servers have {name}: name the server as well")]
    Ambiguous {
        /// `Type/id`.
        name: String,
    },
}

impl StoreError {
    /// By SQLite's extended result code.
    fn of_code(code: i32) -> Self {
        match code & 0xff {
            8 => Self::ReadOnly,
            10 => Self::Disk { code },
            13 => Self::DiskFull,
            _ => Self::Database { code },
        }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Engine { code, .. } if matches!(code & 0xff, 8 | 10 | 13) => {
                Self::of_code(code)
            }
            other => Self::Open(other),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi::ErrorCode;
        match &error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::DiskFull,
                ErrorCode::ReadOnly => Self::ReadOnly,
                ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => Self::Damaged {
                    file: "the database".into(),
                },
                _ => Self::of_code(failure.extended_code),
            },
            _ => Self::Database { code: -1 },
        }
    }
}
