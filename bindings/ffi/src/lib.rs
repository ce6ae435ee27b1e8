//! The library of the phones: one facade over a vault and its session, for Kotlin and Swift.
//!
//! What is decided is decided in the core; here it only crosses the boundary. Four rules make that safe:
//!
//! - **Every export answers with a `Result`.** A panic of one that does not would end a Swift app.
//! - **Errors are a code and a fixed text.** Whatever crosses ends up in logs and crash reports, so no value of a record,
//!   no name, no path and no text of a dependency does.
//! - **Work belongs to this library's own threads.** A caller that goes away (a cancelled coroutine, a closed screen)
//!   leaves the work to its end, so no write is torn; what should end early takes a [`CancelToken`].
//! - **What is freed is wiped.** Secrets cross as text and bytes, and the allocator wipes each block that it takes back.
//!
//! Lists cross as pages of plain data, a record as its JSON text.

mod cancel;
mod error;
mod gate;
mod memory;
mod new_vault;
mod panic;
mod redacted;
mod runtime;
mod session;
mod text;
mod vault;

pub use cancel::CancelToken;
pub use error::PocketchartError;
pub use gate::{GateError, GatePolicy, KeyGate};
#[cfg(feature = "diagnostics")]
pub use memory::{bytes_in_use, live_objects};
pub use new_vault::NewVault;
pub use session::booking::{
    FreeTime, FreeTimes, FreeTimesFilter, JoinWindow, VisitInfo, VisitLink, VisitNote, VisitWaits,
    VisitWish,
};
pub use session::conflicts::{
    ConflictInfo, ConflictKind, ConflictSide, ConflictView, FieldDifference, PathChoice,
    RefusedChange, Resolution, WaitingChange,
};
pub use session::observe::{Tick, Ticks};
pub use session::people::MemberInfo;
pub use session::records::{
    RecordState, RecordSummary, RecordText, SaveState, SavedRecord, SummaryPage,
};
pub use session::servers::{HubJoin, ServerInfo, ServerState, SkippedRecord};
pub use session::slots::{NewRecoveryCode, NewSlot};
pub use session::sync::{
    ListenerError, ServerSync, SyncListener, SyncPhase, SyncProgress, SyncReport, VisitCounts,
};
pub use session::trail::{AccessInfo, AccessPage, VaultWarnings};
pub use session::{LockState, PersonInfo, Session};
pub use text::{PassphraseJudgement, judge_passphrase, library_version, new_record_id};
pub use vault::{SlotInfo, SlotKind, UnlockWith, Vault};

uniffi::setup_scaffolding!("pocketchart");
