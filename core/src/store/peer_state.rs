//! What a sync learned about a server. Unlike its settings nobody sets it.

use super::{PeerId, Reader, StoreError, Tx};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

/// What is known of a server from syncing with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerState {
    /// When a sync last went through, ms since 1970.
    pub last_sync_ms: Option<i64>,
}

impl Reader<'_> {
    /// What is known of `peer`.
    pub(crate) fn peer_state(&self, peer: PeerId) -> Result<PeerState, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT state FROM peer WHERE peer = ?1")?;
        let packed: Option<Option<Vec<u8>>> =
            statement.query_row([peer.0], |row| row.get(0)).optional()?;
        let Some(packed) = packed.flatten() else {
            return Ok(PeerState::default());
        };
        let damaged = |_| StoreError::DamagedValue {
            what: "peer state",
            row: peer.0,
        };
        serde_json::from_str(&self.unpack(&packed, "peer state", peer.0)?).map_err(damaged)
    }
}

impl Tx<'_> {
    /// Stores what is known of `peer`.
    pub(crate) fn set_peer_state(&self, peer: PeerId, state: &PeerState) -> Result<(), StoreError> {
        let text = serde_json::to_string(state).map_err(|_| StoreError::Codec)?;
        self.connection
            .prepare_cached("UPDATE peer SET state = ?2 WHERE peer = ?1")?
            .execute((peer.0, self.pack(&text)?))?;
        Ok(())
    }
}
