//! May this person do this now? The only way to records.
//!
//! A [`Guard`] is a store, a person, a role and the audit trail. Every read and write goes through it: it decides,
//! writes the audit entry, and only then hands out or stores. The store's functions take a permit that only this
//! module makes.

mod actor;
mod anchored;
mod at_hub;
mod audit;
mod authorship;
mod certificate;
pub mod change;
mod changes;
mod commit;
mod concerned;
mod conflicts;
mod cursor;
mod error;
mod exchange;
mod gone;
mod guard;
mod history;
#[cfg(test)]
pub(crate) mod inspected;
mod joined;
mod keys;
mod note;
pub mod people;
mod policy;
mod records;
mod rekey;
mod secrets;
mod serve;
mod signing;
mod status;
mod trail;
mod transfer;
mod upkeep;
mod wishes;

pub use actor::{Actor, Person, Role};
pub use audit::{
    Anchor, AnchorError, AnchorFinding, AnchorPlace, AnchorPlaceError, AuditEntry, AuditError,
    AuditKind, Change, Head, Missed, TrailFilter, TrailPage,
};
pub use authorship::ChangeRefused;
pub use certificate::{BadCertificate, Certificate};
pub use changes::{Tick, Ticks};
pub use commit::{Act, Asked, Done, Unfit, Write};
pub use conflicts::{Conflict, Difference, NotResolved, Resolution, ToDecide, WaitsFor};
pub use cursor::BadCursor;
pub use error::AccessError;
pub use guard::{Guard, LostChanges, NewVault};
pub use history::HistoryPage;
pub use keys::{Opening, PersonSummary};
pub use policy::{
    Action, Allows, BadPolicy, Facility, InvalidPolicy, Policy, Refusal, RoleChange, Rule, Scope,
    Transition, VaultAction, Why, read_policy, sign_policy,
};
pub use records::Page;
pub use rekey::{Absent, Rekeyed};
pub use serve::Fetched;
pub use signing::{device_id, fingerprint};
pub use status::{Status, VaultCheck, Waiting};
pub use transfer::Importing;
pub use wishes::ToSign;

/// Types of the store that a guard hands out and takes.
pub use crate::store::{
    Accepted, Committed, CopyWay, Decide, Dropped, EditState, EditView, Going, Gone, HistoryState,
    Imported, Incoming, Known, Local, Origin, PeerId, PeerSettings, PeerState, Pending,
    Precondition, PullCursor, Pulled, Record, RecordName, Refused, Reindexed, Round, Saved,
    SentKind, Standing, Stopped, StoreError, Stretch, Version, WishRow,
};
