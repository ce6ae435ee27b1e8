//! From a person to a root key.
//!
//! A vault is a folder. Its header is a small file with one *slot* per way of opening it; each slot wraps the same
//! random root key, and the root key wraps the keys of the database files. The header is the single commit point of
//! every key change: whatever a kill leaves behind, the header names one complete set of files and keys.

mod error;
mod files;
mod header;
mod keys;
mod lock_file;
mod passphrase;
mod recovery;
mod rotate;
mod slot;

pub use error::VaultError;
pub use keys::{DatabaseKey, Vault, create, exists, unlock};
pub use passphrase::{FLOOR_CHARACTERS, WeakPassphrase};
pub use recovery::{InvalidRecoveryCode, RecoveryCode};
pub use rotate::NewStore;
pub use slot::Secret;
