//! From a person to a root key.
//!
//! A vault is a folder. Its header is a small file with one *slot* per way of opening it; each slot wraps the same
//! random root key, and the root key wraps the keys of the database files. The header is the single commit point of
//! every key change: whatever a kill leaves behind, the header names one complete set of files and keys.

mod certify;
mod create;
mod enroll;
mod error;
mod files;
mod gate;
mod header;
mod keys;
mod lock_file;
mod passphrase;
mod pin;
mod recovery;
mod rotate;
mod slot;
mod summary;
mod tries;
mod unlock;
mod wipe;

pub use certify::{Certification, REMOVED};
pub use create::{Draft, create, draft};
pub use enroll::{NewSecret, NewSlot, Plan, Ready};
pub use error::VaultError;
#[cfg(test)]
pub(crate) use files::step::watched;
pub use gate::{Gate, GateError, GateFuture, GatePolicy};
pub use header::Member;
pub use keys::{DatabaseKey, Switching, Vault, exists};
pub use passphrase::{FLOOR_CHARACTERS, WeakPassphrase, judge};
pub use pin::{FLOOR_DIGITS, WeakPin};
pub use recovery::{InvalidRecoveryCode, RecoveryCode};
pub use rotate::NewStore;
pub use slot::{Secret, SlotId, SlotKind};
pub use summary::{SlotSummary, slots_before_unlock};
pub use tries::{FailedTries, Moment};
pub use unlock::{Opener, Switch, With, unlock, unlock_with};
pub use wipe::{Wipe, wipe, wipe_was_interrupted};
