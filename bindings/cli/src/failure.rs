//! Why a command failed, and the exit code that says so.

use pocketchart_core::access::{AccessError, NotResolved};
use pocketchart_core::care::booking::BookingError;
use pocketchart_core::fhir::InvalidResource;
use pocketchart_core::net::NetError;
use pocketchart_core::session::Locked;
use pocketchart_core::sync::{JoinError, SyncError};
use pocketchart_core::transfer::ExportError;
use pocketchart_core::vault::{GateError, VaultError};
use pocketchart_hub::HubError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("no desktop keyring; use the passphrase")]
    NoKeyring,
    #[error(transparent)]
    Access(AccessError),
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error("{url}: {error}")]
    SyncWith { url: String, error: SyncError },
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error("no hub runs over this home ({why}): start one with `pocketchart hub`")]
    NoHub { why: String },
    #[error("the hub answered {status}: {text}")]
    Operator { status: u16, text: String },
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Locked(#[from] Locked),
    #[error("{file}: {why}")]
    BadResource { file: PathBuf, why: InvalidResource },
    #[error("{name} is not in this vault")]
    NotFound { name: String },
    #[error("nothing of {name} waits for a person, or none of it is for you to see")]
    NothingWaits { name: String },
    #[error("{doing} {}: {source}", file.display())]
    File {
        doing: &'static str,
        file: PathBuf,
        source: io::Error,
    },
    #[error("the secret is wrong: {0}")]
    BadSecret(String),
    #[error("the typed recovery code is not the one shown; nothing was made or changed. Try again")]
    CodeNotRepeated,
    #[error("{0}")]
    Visit(String),
    #[error("{0}")]
    Demo(String),
}

impl Failure {
    /// Failing to do something with a file.
    pub(crate) fn file(doing: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::File {
            doing,
            file,
            source,
        }
    }

    /// What to do about it on this command line, which the core does not know.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Access(AccessError::WouldDrop { .. }) => Some(
                "  --keep-passphrase-file FILE (or PERSON=FILE) and --keep-recovery-code-file FILE give them along; \
                 --drop-absent agrees",
            ),
            Self::Access(AccessError::Unsent { .. }) => Some("  --lose-unsent destroys them, too"),
            Self::Access(AccessError::Vault(VaultError::NoSuchSlot { .. })) => Some(
                "  whose slot opens: `pocketchart person switch owner`, or --person ID for one command",
            ),
            Self::Access(AccessError::NotResolved(
                NotResolved::Undecided { .. } | NotResolved::UnknownPath { .. },
            )) => Some(
                "  `pocketchart conflicts TYPE/ID` lists the paths: give --path PATH=mine|theirs for each",
            ),
            Self::Access(AccessError::NotResolved(NotResolved::Refused(_))) => {
                Some("  `pocketchart quarantine TYPE/ID`, with --discard or --again")
            }
            Self::SyncWith {
                error: SyncError::Unauthorized,
                ..
            } => Some(
                "  at the hub: `pocketchart hub enrol`; here: `pocketchart join CODE`. What waits here goes out then",
            ),
            _ => None,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Net(NetError::BadUrl | NetError::Insecure) => 2,
            Self::Locked(_) | Self::BadSecret(_) | Self::NoKeyring => 3,
            Self::Access(error) | Self::Export(ExportError::Access(error)) => of_access(error),
            Self::Sync(SyncError::Access(error))
            | Self::SyncWith {
                error: SyncError::Access(error),
                ..
            } => of_access(error),
            Self::Join(JoinError::Access(error)) => of_access(error),
            Self::Net(error)
            | Self::Sync(SyncError::Net(error))
            | Self::SyncWith {
                error: SyncError::Net(error),
                ..
            }
            | Self::Join(JoinError::Net(error) | JoinError::Sync(SyncError::Net(error)))
                if error.is_offline() =>
            {
                5
            }
            _ => 1,
        }
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Vault(VaultError::Gate(GateError::Unavailable)) => Self::NoKeyring,
            error => Self::Access(error),
        }
    }
}

impl From<BookingError> for Failure {
    fn from(error: BookingError) -> Self {
        match error {
            BookingError::Access(error) => error.into(),
            other => Self::Visit(other.to_string()),
        }
    }
}

fn of_access(error: &AccessError) -> u8 {
    match error {
        AccessError::Locked
        | AccessError::Vault(
            VaultError::WrongSecret
            | VaultError::NoSuchSlot { .. }
            | VaultError::NeedsGate { .. }
            | VaultError::Gate(_)
            | VaultError::Wait { .. }
            | VaultError::SlotEnded { .. },
        ) => 3,
        _ => 1,
    }
}
