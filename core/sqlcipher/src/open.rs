//! Opening one encrypted file, and proving that it is ours and encrypted.
//!
//! Why so many checks: stock SQLite takes a key without a word and writes plaintext. Which engine a program talks to
//! is decided by link order, and that has gone wrong in shipped apps. So the file is looked at before SQLite sees it,
//! and the engine is questioned before the first page is read.
//!
//! A wrong key changes nothing, not even by the checkpoint that SQLite makes of a `-wal` file when it closes: that
//! is off until the key has been proved. (A `-shm` file may appear. The rollback journal of a process killed before
//! it switched to WAL is played back before any key is needed; that restores whole pages as they were.)

use std::ffi::{c_char, c_int, c_void};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use zeroize::Zeroizing;

use crate::error::OpenError;
use crate::memory;

/// Length of the salt, which is the first bytes of the file.
pub const SALT_BYTES: usize = 16;
/// Length of the raw key. It is used as it is: no passphrase, no stretching.
pub const KEY_BYTES: usize = 32;

/// What an unencrypted SQLite database starts with.
const PLAINTEXT_HEADER: &[u8; SALT_BYTES] = b"SQLite format 3\0";

/// `x'`, the key and the salt in hexadecimal, `'`. Of the neighbouring lengths, some are passphrases to SQLCipher.
const KEY_SPEC_BYTES: usize = 2 + 2 * (KEY_BYTES + SALT_BYTES) + 1;
const _: () = assert!(KEY_SPEC_BYTES == 99);

/// The baseline of the benchmarks: files that are not encrypted, by an engine that is otherwise the same. Only with
/// `RUSTFLAGS='--cfg pocketchart_unkeyed'` (`tests/benches/run.sh`); the program refuses to be built with it.
const UNKEYED: bool = cfg!(pocketchart_unkeyed);

/// The version and provider that the build script compiled in.
const SQLCIPHER_VERSION: &str = env!("POCKETCHART_SQLCIPHER_VERSION");
const PROVIDER: &str = env!("POCKETCHART_PROVIDER");

/// Compiled-in promises: without one of these, plaintext can leave the encrypted file.
const COMPILE_OPTIONS: &[(&str, &str)] = &[
    ("HAS_CODEC", "built without encryption"),
    ("TEMP_STORE=3", "temporary files are not kept in memory"),
    ("MAX_ATTACHED=0", "other files can be attached"),
    ("MAX_MMAP_SIZE=0", "pages can be mapped"),
    ("OMIT_LOAD_EXTENSION", "extensions can be loaded"),
    ("SECURE_DELETE", "deleted rows are not overwritten"),
    ("THREADSAFE=1", "built without thread safety"),
    ("DQS=0", "double-quoted strings are accepted"),
];

/// What SQLCipher must say its settings are for this file.
const CIPHER_SETTINGS: &[(&str, &str)] = &[
    ("PRAGMA cipher_page_size = 4096;", "page size"),
    ("PRAGMA cipher_use_hmac = 1;", "page authentication"),
    (
        "PRAGMA cipher_plaintext_header_size = 0;",
        "plaintext header",
    ),
    (
        "PRAGMA cipher_hmac_algorithm = HMAC_SHA256;",
        "page authentication code",
    ),
    (
        "PRAGMA cipher_kdf_algorithm = PBKDF2_HMAC_SHA512;",
        "key derivation",
    ),
];

unsafe extern "C" {
    // The bindings that `in_gecko` selects lack it.
    fn sqlite3_key_v2(
        db: *mut ffi::sqlite3,
        name: *const c_char,
        key: *const c_void,
        key_bytes: c_int,
    ) -> c_int;
}

/// What may happen to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Make a new file, readable and writable by its owner only. An existing file is never replaced.
    Create,
    /// Open an existing file.
    ReadWrite,
    /// Open an existing file; writing is an error. A file in WAL mode still needs its `-shm` beside it, or a folder
    /// that can be written.
    ReadOnly,
}

/// Opens the SQLCipher file at `path` with a raw key and the salt that its first bytes must be.
///
/// The first call makes SQLite's memory wipe itself for the rest of the process, so nothing may use SQLite before.
/// The connection has `secure_delete` on, `trusted_schema` off, temporary data in memory and `ATTACH` (and with it
/// `VACUUM`) forbidden. Journal mode and the rest are the caller's.
///
/// # Errors
/// [`OpenError`] says why; no existing file was changed. A wrong key and a damaged first page cannot be told apart
/// here ([`OpenError::KeyRejected`]).
pub fn open(
    path: &Path,
    key: &[u8; KEY_BYTES],
    salt: &[u8; SALT_BYTES],
    mode: Mode,
) -> Result<Connection, OpenError> {
    memory::install().map_err(|memory::TooLate| OpenError::MemoryNotWiped)?;
    let path = &resolve_folder(path)?;
    if mode != Mode::Create {
        verify_salt(path, salt)?;
        return connect(path, key, salt, mode);
    }

    create_file(path)?;
    let created = connect(path, key, salt, mode).and_then(|conn| {
        // Writes the first page, so that the file is a database under its salt from here on.
        conn.pragma_update(None, "user_version", 0)
            .map_err(|error| engine_error(path, &error))?;
        verify_salt(path, salt)?;
        Ok(conn)
    });
    if created.is_err() && fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        // Ours, made a moment ago and still empty: a second try must not find it in the way.
        let _ = fs::remove_file(path);
    }
    created
}

/// Checks that `path` is an ordinary file whose first 16 bytes are `salt`.
///
/// SQLCipher does not authenticate these bytes: with a raw key it takes the salt from the key and ignores the file's.
///
/// # Errors
/// [`OpenError::Missing`], [`OpenError::NotAFile`], [`OpenError::Plaintext`], [`OpenError::SaltMismatch`] (also when
/// the file is shorter than a salt), or [`OpenError::Io`].
pub fn verify_salt(path: &Path, salt: &[u8; SALT_BYTES]) -> Result<(), OpenError> {
    let io_error = |error: io::Error| io_error(path, &error);
    // Before opening: a named pipe would block, and a link could point anywhere.
    if !fs::symlink_metadata(path).map_err(io_error)?.is_file() {
        return Err(OpenError::NotAFile { file: name(path) });
    }
    let mut first = Vec::with_capacity(SALT_BYTES);
    let file = File::open(path).map_err(io_error)?;
    file.take(SALT_BYTES as u64)
        .read_to_end(&mut first)
        .map_err(io_error)?;
    if UNKEYED {
        Ok(())
    } else if first == PLAINTEXT_HEADER {
        Err(OpenError::Plaintext { file: name(path) })
    } else if first != salt {
        Err(OpenError::SaltMismatch { file: name(path) })
    } else {
        Ok(())
    }
}

/// Compares each page's authentication code with the page, in the database file as it is on the disk.
///
/// Empty means that every page was written with this key at this place (not that it is the newest version of the
/// page). The lines name page numbers and nothing else. Pages that are still in the `-wal` file are not looked at:
/// checkpoint first. Nobody may write meanwhile.
///
/// # Errors
/// What SQLite says when the check itself cannot run.
pub fn page_mac_errors(conn: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    conn.prepare("PRAGMA cipher_integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The path with links in its *folder* followed, so that a link in place of the *file* can be refused: SQLite's
/// "no links" flag refuses them anywhere, and on phones there are some above every app.
fn resolve_folder(path: &Path) -> Result<PathBuf, OpenError> {
    let Some(file) = path.file_name() else {
        return Err(OpenError::NotAFile { file: name(path) });
    };
    if cfg!(not(unix)) {
        return Ok(path.to_owned());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder
        .canonicalize()
        .map_err(|error| io_error(path, &error))?;
    Ok(folder.join(file))
}

/// An empty file with mode 0600; SQLite gives `-wal` and `-shm` the same mode.
fn create_file(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(OpenError::Exists { file: name(path) })
        }
        Err(error) => Err(io_error(path, &error)),
    }
}

fn connect(
    path: &Path,
    key: &[u8; KEY_BYTES],
    salt: &[u8; SALT_BYTES],
    mode: Mode,
) -> Result<Connection, OpenError> {
    let access = match mode {
        Mode::Create | Mode::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Mode::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    // No CREATE: the file is there. No URI: a name is a name. No mutex: a `Connection` is not `Sync`.
    let flags = access
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let failed = |error: rusqlite::Error| engine_error(path, &error);

    let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    if !UNKEYED {
        set_key(&conn, key, salt).map_err(|code| OpenError::Engine {
            file: name(path),
            code,
        })?;
    }
    configure(&conn).map_err(failed)?;
    verify_engine(&conn, path)?;
    first_read(&conn, path)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
        .map_err(failed)?;
    Ok(conn)
}

/// Hands over key and salt as a blob of hexadecimal digits, outside any SQL text.
fn set_key(conn: &Connection, key: &[u8; KEY_BYTES], salt: &[u8; SALT_BYTES]) -> Result<(), i32> {
    let mut spec = Zeroizing::new([0_u8; KEY_SPEC_BYTES]);
    let digits = b"x'"
        .iter()
        .copied()
        .chain(
            key.iter()
                .chain(salt)
                .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]),
        )
        .chain(*b"'");
    spec.iter_mut()
        .zip(digits)
        .for_each(|(to, from)| *to = from);

    // SAFETY: the handle is open for as long as `conn` lives; the name ends with a zero; SQLCipher copies the 99
    // bytes into its own memory before it returns.
    let code = unsafe {
        sqlite3_key_v2(
            conn.handle(),
            c"main".as_ptr(),
            spec.as_ptr().cast(),
            KEY_SPEC_BYTES as c_int,
        )
    };
    if code == ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(code)
    }
}

/// No table: a lookup indexed by key bits would leave a trace in the cache.
fn digit(nibble: u8) -> u8 {
    // For 10 to 15, `9 - nibble` borrows, and the borrow selects the distance from '9' to 'a'.
    b'0' + nibble + (9_u8.wrapping_sub(nibble) >> 7) * (b'a' - b'9' - 1)
}

/// Settings that SQLite does not keep in the file. The MAC comes first: it decides the layout of every page.
fn configure(conn: &Connection) -> Result<(), rusqlite::Error> {
    if !UNKEYED {
        // Phones have instructions for SHA-256, not for SQLCipher's default SHA-512.
        conn.execute_batch(
            "PRAGMA cipher_hmac_algorithm = HMAC_SHA256; PRAGMA cipher_page_size = 4096;",
        )?;
    }
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    conn.execute_batch(
        "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;",
    )
}

/// Asks the engine who it is and what it will do. Reads nothing from the file.
fn verify_engine(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let wrong = |check| Err(OpenError::WrongEngine { check });
    let failed = |error: rusqlite::Error| engine_error(path, &error);
    let answers = |pragma: &str| answers(conn, pragma).map_err(failed);
    let says = |pragma: &str, expected: &str| {
        Ok::<_, OpenError>(
            answers(pragma)?
                .first()
                .is_some_and(|text| text == expected),
        )
    };

    if !memory::is_running() {
        return Err(OpenError::MemoryNotWiped);
    }
    let version = answers("cipher_version")?;
    if version.first().and_then(|text| text.split(' ').next()) != Some(SQLCIPHER_VERSION) {
        return wrong("SQLCipher's version");
    }
    if !UNKEYED {
        if !says("cipher_provider", PROVIDER)? {
            return wrong("the cryptography provider");
        }
        if !says("cipher", "aes-256-cbc")? {
            return wrong("the cipher");
        }
        let settings = answers("cipher_settings")?;
        for (line, check) in CIPHER_SETTINGS {
            if !settings.iter().any(|setting| setting == line) {
                return wrong(check);
            }
        }
    }
    let compiled = answers("compile_options")?;
    for (option, check) in COMPILE_OPTIONS {
        if !compiled.iter().any(|has| has == option) {
            return wrong(check);
        }
    }
    if !says("secure_delete", "1")? {
        return wrong("deleted rows are not overwritten");
    }
    if !says("trusted_schema", "0")? {
        return wrong("the schema is trusted");
    }
    if conn.limit(Limit::SQLITE_LIMIT_ATTACHED).map_err(failed)? != 0 {
        return wrong("other files can be attached");
    }
    Ok(())
}

/// The first page, and with it the key.
fn first_read(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| engine_error(path, &error);
    conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))
        .map_err(failed)?;
    // Ours never use it. With it on, SQLCipher takes a page of zeros for a valid one, whatever its code says.
    if answers(conn, "auto_vacuum").map_err(failed)? != ["0"] {
        return Err(OpenError::AutoVacuum { file: name(path) });
    }
    Ok(())
}

/// Each row of a pragma's answer as text.
fn answers(conn: &Connection, pragma: &str) -> Result<Vec<String>, rusqlite::Error> {
    use rusqlite::types::ValueRef;
    let text = |row: &rusqlite::Row<'_>| match row.get_ref(0)? {
        ValueRef::Integer(number) => Ok(number.to_string()),
        ValueRef::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        _ => Ok(String::new()),
    };
    conn.prepare(&format!("PRAGMA {pragma}"))?
        .query_map([], text)?
        .collect()
}

fn engine_error(path: &Path, error: &rusqlite::Error) -> OpenError {
    let file = name(path);
    let code = error.sqlite_error();
    match code.map(|error| error.code) {
        Some(ErrorCode::NotADatabase) => OpenError::KeyRejected { file },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { file },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Busy { file },
        _ => OpenError::Engine {
            file,
            code: code.map_or(ffi::SQLITE_ERROR, |error| error.extended_code),
        },
    }
}

fn io_error(path: &Path, error: &io::Error) -> OpenError {
    let file = name(path);
    match error.kind() {
        io::ErrorKind::NotFound => OpenError::Missing { file },
        kind => OpenError::Io { file, kind },
    }
}

/// The file's name without its folder, which may name a person.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(
        || String::from("the database"),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_hexadecimal() {
        let all: Vec<u8> = (0..16).map(digit).collect();
        assert_eq!(all, b"0123456789abcdef");
    }
}
