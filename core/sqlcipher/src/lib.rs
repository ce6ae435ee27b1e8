//! SQLCipher as Pocketchart needs it: one way to open an encrypted file, and none to open a plain one.
//!
//! Why a crate of its own: SQLCipher has to be compiled with our cryptography (RustCrypto, no OpenSSL), with flags
//! that keep plaintext out of temporary files, and on memory that wipes itself; and each open has to prove all of
//! that before the first record is read. It is also the one place of the core where `unsafe` is allowed.
//!
//! - `build.rs` and `sqlcipher_build.c` compile SQLCipher and hand it the provider;
//! - `provider` is that provider;
//! - `memory` is the allocator that wipes;
//! - [`open`](fn@open) puts them together and returns a `rusqlite::Connection`.
//!
//! The file format is SQLCipher's own with a raw key, `cipher_hmac_algorithm = HMAC_SHA256` and pages of 4096 bytes:
//! any stock SQLCipher 4 opens it with these two settings (`tests/sqlcipher3`).
#![allow(unsafe_code)]

mod error;
mod memory;
mod open;
mod provider;

pub use error::OpenError;
pub use open::{KEY_BYTES, Mode, SALT_BYTES, open, page_mac_errors, verify_salt};
