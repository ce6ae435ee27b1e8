//! From a root key to records.
//!
//! One SQLCipher file holds the records, their index, and what waits to be sent. Nothing here decides whether a person
//! may see a record: reading and writing take a [`Permit`], which only `access` makes, and a test in `tests/` fails
//! when another module so much as names it.

mod codec;
mod compartment;
mod copy;
pub(crate) mod database;
mod dictionary;
mod edits;
mod error;
mod exchange;
mod gone;
mod history;
mod import;
mod index;
#[cfg(test)]
mod inspected;
mod interned;
mod peer_state;
mod peers;
mod permit;
mod query;
mod records;
mod registry;
mod reindex;
mod repack;
mod secrets;
mod serve;
mod touched;
mod transaction;
mod used;
mod view;
mod wishes;

pub use copy::CopyWay;
pub(crate) use copy::{Target, with_side_files};
pub use edits::{Accepted, EditState, Going, Pending, Saved, SentKind};
pub(crate) use edits::{Author, ChangeFacts, Signs, Undecided, merged};
pub use error::StoreError;
pub use exchange::{Decide, EditView, Incoming, Known, Local, Pulled};
pub use gone::{Dropped, Gone};
pub use history::Version;
pub use import::Imported;
#[cfg(test)]
pub(crate) use inspected::Inspected;
pub use peer_state::{HistoryState, PeerState, Round, Standing, Stopped, Stretch};
pub use peers::{PeerId, PeerSettings, PullCursor};
pub(crate) use permit::Permit;
pub(crate) use query::Found;
pub use records::{Origin, Record, RecordName};
pub use reindex::Reindexed;
pub use serve::{Committed, Precondition, Refused};
pub(crate) use touched::Touched;
pub(crate) use transaction::{Durability, Reader, Store, Tx};
pub(crate) use view::{Limited, Patients, Sees, View};
pub use wishes::WishRow;
