//! Errors as they cross: one variant for each stable code, and nothing else.
//!
//! The text of an error is `code: sentence`. Both are fixed, but for a number of seconds or of changes: no field of an
//! inner error gets through, since those hold paths, people and references.

use pocketchart_core::access::{
    AccessError, AuditError, BadCursor, NotResolved, StoreError, people::PeopleError,
};
use pocketchart_core::care::booking::BookingError;
use pocketchart_core::net::NetError;
use pocketchart_core::session::Locked;
use pocketchart_core::sync::{JoinError, SyncError};
use pocketchart_core::vault::{GateError, VaultError};

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident $(($field:ty))? = $code:literal, $text:literal;)+) => {
        /// Why something was not done. Nothing was changed, unless the variant says otherwise.
        ///
        /// Its text is `code: sentence`, for people and for logs: it holds no secret and nothing about a person.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, uniffi::Error)]
        #[uniffi(flat_error)]
        pub enum PocketchartError {
            $($(#[$doc])* #[error("{}: {}", $code, format_args!($text $(, number::<$field>(.0))?))] $name $(($field))?,)+
        }

        impl PocketchartError {
            /// The stable code, such as `wrong_secret`.
            pub fn code(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $code,)+
                }
            }
        }
    };
}

fn number<T>(of: &T) -> &T {
    of
}

errors! {
    /// The keys are gone from memory; only a secret brings them back.
    Locked = "locked", "the vault is locked";
    /// The object was closed or used up.
    Closed = "closed", "this object was closed";
    /// There is no vault in the folder.
    NoVault = "no_vault", "there is no vault here";
    /// There is a vault already; it is never overwritten.
    VaultExists = "vault_exists", "there is a vault here already";
    /// Another process, or another session of this one, has it open.
    InUse = "in_use", "the vault is open elsewhere";
    /// No slot opens with it, whoever gave it: a person or a gate.
    WrongSecret = "wrong_secret", "wrong passphrase, PIN, recovery code or device key";
    /// Too many wrong tries; so many seconds until the next one.
    Wait(u64) = "wait", "too many wrong tries; the next one in {} seconds";
    /// The last wrong try ended the slot for good.
    SlotEnded = "slot_ended", "too many wrong tries: this slot is closed for good";
    /// The person has no such slot.
    NoSuchSlot = "no_such_slot", "there is no such slot";
    /// It takes a gate, and none was given.
    NeedsGate = "needs_gate", "this takes the device's key store, and none was given";
    /// Too short, or easy to guess.
    WeakSecret = "weak_secret", "this passphrase or PIN is too easy to guess";
    /// A gate slot needs a passphrase or PIN, and a recovery code, beside it.
    SecondSlotFirst = "second_slot_first", "a passphrase or PIN and a recovery code come first";
    /// The person, or a slot of this kind, is there already.
    AlreadyThere = "already_there", "this is there already";
    /// Other slots would go too, and nobody agreed to that.
    WouldDropSlots = "would_drop_slots", "other slots would go with it: give their secrets along, or agree";
    /// It is the slot that the vault was opened with.
    SlotIsOpen = "slot_is_open", "the vault was opened with this slot";
    /// Nothing that a device cannot lose would be left.
    LastWayIn = "last_way_in", "this would leave no safe way in";
    /// The slot is gone, the records still lie under the old key.
    RemovedNotRekeyed = "removed_not_rekeyed", "it is done, but the records still lie under the old key";
    /// The header holds no more slots.
    Full = "full", "there is no room for another slot";
    /// The gate did not recognise the person.
    GateRefused = "gate_refused", "not recognised";
    /// The person gave up.
    GateCancelled = "gate_cancelled", "the person gave up";
    /// Too many refusals: the device asks for its own code first.
    GateLockedOut = "gate_locked_out", "locked out by the device";
    /// The key is gone for good, and this slot with it.
    GateLost = "gate_lost", "the device's key of this slot is gone for good";
    /// It may work the next time.
    GateTryAgain = "gate_try_again", "the device's key store could not answer; try again";
    /// There is no such hardware.
    GateUnavailable = "gate_unavailable", "this device has no such key store";
    /// The records are there, the header is not: only a backup helps. Nothing is overwritten.
    HeaderMissing = "header_missing", "the records are there, their keys are not";
    /// Something that was written does not read back. Nothing was changed or deleted.
    Damaged = "damaged", "the vault is damaged";
    /// Changed by something that does not hold the key; it stays locked.
    Tampered = "tampered", "the vault was changed by something without its key";
    /// Made by a newer program.
    NewerFormat = "newer_format", "the vault was made by a newer version";
    /// A wipe has begun; it goes on with another wipe.
    WipeInterrupted = "wipe_interrupted", "a wipe was interrupted; wipe again";
    /// So many changes that no server has would be lost; 0: how many is known only while the vault is open.
    UnsentChanges(u64) = "unsent_changes", "changes that no server has would be lost ({})";
    /// The disk is full, read-only or failing. Nothing is half-written.
    Storage = "storage", "the storage cannot be read or written, or is full";
    /// It was stored, and the audit trail could not say so. Do not store it again.
    StoredUnnoted = "stored_unnoted", "stored, but not noted in the audit trail";
    /// It could not be noted in the audit trail, and so it did not happen; or the trail does not hold.
    Audit = "audit", "the audit trail does not take or does not hold it";
    /// The policy does not allow it to this person.
    NotAllowed = "not_allowed", "this person may not do that";
    /// What was given is not of the form that is asked for.
    BadInput(&'static str) = "bad_input", "{}";
    /// There is no such record, or none that this person may see.
    NotFound = "not_found", "there is no such record";
    /// Nothing of this record waits for a decision of this person's.
    NothingWaits = "nothing_waits", "nothing of this record waits for a person";
    /// Some differences have no decision yet, or what was decided does not fit.
    Undecided = "undecided", "the decision does not cover the differences";
    /// It changed meanwhile: look at it again.
    Changed = "changed", "it changed meanwhile; look at it again";
    /// The server refused the change before; there is nothing to choose.
    Refused = "refused", "the server refused this change";
    /// No server is known yet.
    NoServer = "no_server", "no server is known yet";
    /// No network, or no answer. Local changes wait.
    Offline = "offline", "the server cannot be reached";
    /// The certificate is not one that is trusted.
    UntrustedServer = "untrusted_server", "the server's certificate is not trusted";
    /// It does not speak as a FHIR server does.
    BadServer = "bad_server", "the server's answer cannot be used";
    /// It wants a token, or another one. Local changes wait.
    Unauthorized = "unauthorized", "the server does not accept the token";
    /// It failed, with this HTTP status.
    ServerFailed(u16) = "server_failed", "the server answered {}";
    /// It wants to be left alone for so many seconds.
    ServerBusy(u64) = "server_busy", "the server is busy; again in {} seconds";
    /// The hub does not take the code: used up, too old, or another device's.
    BadJoinCode = "bad_join_code", "the hub does not take this code; ask for a new one";
    /// What answers is no hub.
    NotAHub = "not_a_hub", "this is no hub";
    /// The vault keeps to the hub that it joined first.
    OtherHub = "other_hub", "this vault has joined another hub";
    /// The time is not free, or what is asked for does not fit how far the visit is.
    TimeNotFree = "time_not_free", "this time is not free";
    /// An answer is outstanding: sync first.
    UnderWay = "under_way", "what was asked for before is not settled yet";
    /// It was cancelled. What was done until then stays done.
    Cancelled = "cancelled", "cancelled";
    /// The device has no memory or randomness to give.
    Device = "device", "the device could not do it";
    /// A fault of this library. Nothing half-written is kept.
    Internal = "internal", "a fault of this library";
}

impl From<Locked> for PocketchartError {
    fn from(_: Locked) -> Self {
        Self::Locked
    }
}

impl From<GateError> for PocketchartError {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Refused => Self::GateRefused,
            GateError::Cancelled => Self::GateCancelled,
            GateError::LockedOut => Self::GateLockedOut,
            GateError::Lost => Self::GateLost,
            GateError::TryAgain => Self::GateTryAgain,
            GateError::Unavailable => Self::GateUnavailable,
        }
    }
}

impl From<VaultError> for PocketchartError {
    fn from(error: VaultError) -> Self {
        use VaultError as E;
        match error {
            E::Missing { .. } => Self::NoVault,
            E::Exists { .. } => Self::VaultExists,
            E::HeaderMissing { .. } => Self::HeaderMissing,
            E::InUse { .. } => Self::InUse,
            E::WrongSecret => Self::WrongSecret,
            E::OtherAuthority => Self::OtherHub,
            E::NoSuchSlot { .. } | E::NoSlot { .. } => Self::NoSuchSlot,
            E::NeedsGate { .. } => Self::NeedsGate,
            E::Gate(gate) => gate.into(),
            E::Wait { wait } => Self::Wait(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            E::SlotEnded { .. } => Self::SlotEnded,
            E::SecondSlotFirst => Self::SecondSlotFirst,
            E::HasSlot { .. } | E::PersonExists { .. } => Self::AlreadyThere,
            E::BadName { .. } => {
                Self::BadInput("not a usable name: letters, digits, dots and dashes")
            }
            E::HeaderFull => Self::Full,
            E::HeaderDamaged { .. } => Self::Damaged,
            E::Tampered { .. } => Self::Tampered,
            E::NewerFormat { .. } => Self::NewerFormat,
            E::Unclear { .. } | E::Unsettled { .. } | E::Io { .. } => Self::Storage,
            E::SlotIsOpen => Self::SlotIsOpen,
            E::LastWayIn | E::OnlyGateLeft => Self::LastWayIn,
            E::WipeInterrupted => Self::WipeInterrupted,
            E::Weak(_) | E::WeakPin(_) => Self::WeakSecret,
            E::Hash(_) | E::Randomness(_) => Self::Device,
        }
    }
}

impl From<StoreError> for PocketchartError {
    fn from(error: StoreError) -> Self {
        use StoreError as E;
        /// SQLite's answer to a read that was stopped: the vault is being locked, or changes hands.
        const INTERRUPTED: i32 = 9;
        match error {
            E::Damaged { .. } | E::DamagedValue { .. } | E::CopyDiffers { .. } | E::Open(_) => {
                Self::Damaged
            }
            E::Newer { .. } => Self::NewerFormat,
            E::Database { code } if code & 0xff == INTERRUPTED => Self::Locked,
            E::NotIndexed { .. } => Self::BadInput("this vault is not indexed by that parameter"),
            E::Ambiguous { .. } => Self::BadInput("several servers have a record of this name"),
            E::CompartmentsUnknown | E::Served => Self::NotAllowed,
            _ => Self::Storage,
        }
    }
}

impl From<AuditError> for PocketchartError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Stopped => Self::Locked,
            AuditError::Store(StoreError::Damaged { .. } | StoreError::DamagedValue { .. }) => {
                Self::Damaged
            }
            _ => Self::Audit,
        }
    }
}

impl From<AccessError> for PocketchartError {
    fn from(error: AccessError) -> Self {
        use AccessError as E;
        match error {
            E::Vault(error) => error.into(),
            E::Store(error) => error.into(),
            E::Audit(error) => error.into(),
            E::StoredUnnoted(_) => Self::StoredUnnoted,
            E::WouldDrop { .. } => Self::WouldDropSlots,
            E::RemovedNotRekeyed { .. } => Self::RemovedNotRekeyed,
            E::Unsent { changes } => Self::UnsentChanges(changes),
            E::Locked => Self::Locked,
            E::OwnerOnly { .. } | E::NotAllowed(_) | E::VaultOfADevice => Self::NotAllowed,
            E::Resource(_) | E::NotStrict(_) => Self::BadInput("not a FHIR R4 resource with an id"),
            E::Unfit(_) | E::Refused(_) => Self::Changed,
            E::Policy(_) => Self::BadInput("not a policy that is taken"),
            E::Cursor(error) => error.into(),
            E::Randomness(_) => Self::Device,
            E::NotResolved(error) => error.into(),
            E::Change(_) => Self::NotAllowed,
            E::People(PeopleError::BadCode) => Self::BadJoinCode,
            E::People(_) => Self::NotAllowed,
        }
    }
}

impl From<BadCursor> for PocketchartError {
    fn from(_: BadCursor) -> Self {
        Self::BadInput("this page link is not from this search")
    }
}

impl From<NotResolved> for PocketchartError {
    fn from(error: NotResolved) -> Self {
        use NotResolved as E;
        match error {
            E::NoConflict(_) | E::NotRefused(_) => Self::NothingWaits,
            E::Refused(_) => Self::Refused,
            E::Undecided { .. }
            | E::UnknownPath { .. }
            | E::NoPaths(_)
            | E::NotMergeable { .. } => Self::Undecided,
            E::OtherRecord { .. } => Self::BadInput("the text is another record's"),
            E::Changed(_) => Self::Changed,
        }
    }
}

impl From<NetError> for PocketchartError {
    fn from(error: NetError) -> Self {
        use NetError as E;
        match error {
            E::BadUrl => Self::BadInput("not the address of a server"),
            E::Insecure => Self::BadInput("the address must start with https://"),
            E::BadCertificate => Self::BadInput("not a PEM certificate"),
            E::BadToken => Self::BadInput("not a token"),
            E::Untrusted(_) => Self::UntrustedServer,
            E::Offline | E::TimedOut | E::CutOff => Self::Offline,
            E::Tls => Self::Device,
            E::NoCommonTls
            | E::TooLarge
            | E::NotText
            | E::Unsendable
            | E::ForeignLink
            | E::Redirect => Self::BadServer,
        }
    }
}

impl From<SyncError> for PocketchartError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Net(error) => error.into(),
            SyncError::Access(error) => error.into(),
            SyncError::Unauthorized => Self::Unauthorized,
            SyncError::Server { status, .. } => Self::ServerFailed(status),
            SyncError::Busy { wait, .. } => Self::ServerBusy(wait.as_secs()),
            SyncError::NotFhir { .. } => Self::BadServer,
        }
    }
}

impl From<JoinError> for PocketchartError {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Net(error) => error.into(),
            JoinError::Access(error) => error.into(),
            JoinError::BadCode => Self::BadJoinCode,
            JoinError::Sync(error) => error.into(),
            JoinError::NotAHub => Self::NotAHub,
        }
    }
}

impl From<BookingError> for PocketchartError {
    fn from(error: BookingError) -> Self {
        use pocketchart_core::care::booking::Unfit;
        match error {
            BookingError::Access(error) => error.into(),
            BookingError::Unfit(Unfit::UnderWay) => Self::UnderWay,
            BookingError::Unfit(_) => Self::TimeNotFree,
            BookingError::NoSlot | BookingError::NoWish | BookingError::NoPatient => Self::NotFound,
            BookingError::OtherServer => {
                Self::BadInput("the time and the patient are of different servers")
            }
            BookingError::LongReason => Self::BadInput("the reason is too long"),
            BookingError::EmptyWindow => Self::BadInput("no time is in this window"),
            BookingError::Changed => Self::Changed,
        }
    }
}

/// An exception that no declaration names, of a foreign gate or listener. Its text can hold anything, and stays behind.
impl From<uniffi::UnexpectedUniFFICallbackError> for PocketchartError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Internal
    }
}
