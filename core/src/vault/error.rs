//! Why a vault does not open. Nothing is changed on disk by any of these.

use super::{GateError, SlotId, SlotKind};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a vault does not open, or is not made.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No vault in this folder.
    #[error("no vault in {home}; `pocketchart vault create` makes one")]
    Missing {
        /// The folder.
        home: PathBuf,
    },
    /// There is one already; it is never overwritten.
    #[error("there is a vault in {home} already; nothing was changed")]
    Exists {
        /// The folder.
        home: PathBuf,
    },
    /// The database is there, its header is not. A new key would make the records unreadable for good.
    #[error(
        "the records in {home} are there, but the vault header is missing: restore `header` from a backup; nothing was changed"
    )]
    HeaderMissing {
        /// The folder.
        home: PathBuf,
    },
    /// Another process has it open.
    #[error("the vault is open in another process (process {process})")]
    InUse {
        /// Its process id, or "unknown".
        process: String,
    },
    /// No slot opens with this secret, whoever gave it: a person or a gate.
    #[error("wrong passphrase, PIN, recovery code or device key; nothing was changed")]
    WrongSecret,
    /// Certificates of another authority than the one this vault has joined.
    #[error("this vault has joined another hub, and keeps to that one")]
    OtherAuthority,
    /// The person has no slot of this kind.
    #[error("there is no {kind} slot for this person in this vault")]
    NoSuchSlot {
        /// What kind.
        kind: SlotKind,
    },
    /// Without the device's key store this kind of slot neither opens nor is made.
    #[error(
        "a {kind} slot of this kind needs a key store (the phone's hardware, or a desktop keyring), and there is none here; use the passphrase"
    )]
    NeedsGate {
        /// What kind.
        kind: SlotKind,
    },
    /// The gate did not do it.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Too many wrong tries at one slot.
    #[error("too many wrong tries: wait {}, or open with another slot", in_words(*wait))]
    Wait {
        /// How long until the next try.
        wait: Duration,
    },
    /// The last wrong try ended the slot.
    #[error(
        "too many wrong tries: this {kind} slot is closed for good. Open with another slot; it is then removed"
    )]
    SlotEnded {
        /// What kind.
        kind: SlotKind,
    },
    /// A slot that a device can lose must not be the only one.
    #[error(
        "a gate slot needs a passphrase or PIN slot of the same person and a recovery code beside it: make those first"
    )]
    SecondSlotFirst,
    /// The person has one of this kind, and two would double the tries.
    #[error("this person has a {kind} slot already; nothing was changed")]
    HasSlot {
        /// What kind.
        kind: SlotKind,
    },
    /// This person can open the vault already.
    #[error("{person} is in this vault already; nothing was changed")]
    PersonExists {
        /// The id.
        person: String,
    },
    /// No id of a person, no role, or no label.
    #[error("not a usable {what}: {rule}")]
    BadName {
        /// "person", "role" or "label".
        what: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// No room for another slot or member.
    #[error("the vault header is full (64 slots, 64 KiB); nothing was changed")]
    HeaderFull,
    /// The header's bytes are not what was written.
    #[error("the vault header is damaged ({what}); nothing was changed")]
    HeaderDamaged {
        /// Which check failed.
        what: &'static str,
    },
    /// Right secret, but the header was changed by someone without the key.
    #[error(
        "the vault header was changed by something that does not hold the vault's key ({what}); it stays locked"
    )]
    Tampered {
        /// Which check failed.
        what: &'static str,
    },
    /// The header is of a format this program does not know.
    #[error(
        "the vault header has format {found}, this program knows format {known}: use a newer program"
    )]
    NewerFormat {
        /// In the header.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The disk failed in the middle of exchanging the header: which of the two generations is on it shows at the next
    /// opening. Either is whole, and names files that hold everything.
    #[error(
        "the vault was closed, since the disk failed while its header was exchanged ({source}). Open it again"
    )]
    Unclear {
        /// What failed.
        source: Box<VaultError>,
    },
    /// The change holds, but the generation before still stands beside it.
    #[error(
        "done, but the header's older copy could not be replaced ({source}): open the vault again, which tries it anew"
    )]
    Unsettled {
        /// What failed.
        source: Box<VaultError>,
    },
    /// There is no slot of this name.
    #[error("there is no slot {id} in this vault; `pocketchart vault slots` lists them")]
    NoSlot {
        /// The name.
        id: SlotId,
    },
    /// The slot that is to go opened the vault.
    #[error("this is the slot that the vault was opened with: open it with one that stays")]
    SlotIsOpen,
    /// Nothing that a device cannot lose would be left.
    #[error(
        "this would leave no passphrase and no recovery code that opens the vault without a device's key store; nothing was changed"
    )]
    LastWayIn,
    /// Somebody would be left with what only a device gives back.
    #[error(
        "this would leave a person with a gate slot alone, which a changed fingerprint or a lost device closes; nothing was changed"
    )]
    OnlyGateLeft,
    /// A wipe has begun.
    #[error(
        "a wipe of this vault was interrupted, and nothing opens it any more: run `pocketchart vault wipe` again"
    )]
    WipeInterrupted,
    /// The passphrase for a new slot is too weak.
    #[error(transparent)]
    Weak(#[from] super::WeakPassphrase),
    /// The PIN for a new slot is too weak.
    #[error(transparent)]
    WeakPin(#[from] super::WeakPin),
    /// Argon2id needs its memory.
    #[error(transparent)]
    Hash(#[from] crate::crypto::passphrase_hash::HashFailed),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] crate::rng::NoRandomness),
    /// Reading or writing a file failed.
    #[error("{doing} {file}: {source}")]
    Io {
        /// "reading", "writing", ...
        doing: &'static str,
        /// The file's name.
        file: String,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl VaultError {
    /// An I/O error with what was done to which file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned();
        move |source| Self::Io {
            doing,
            file,
            source,
        }
    }
}

/// A wait as a person reads it, rounded up.
fn in_words(wait: Duration) -> String {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    match seconds {
        0..120 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    }
}
