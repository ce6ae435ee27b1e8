//! What a sync learned about a server, and records that the server no longer has. Like all of an exchange it acts for the
//! device, and each record that leaves is in the trail by name.

use super::audit::AuditKind;
use super::policy::VaultAction;
use super::{AccessError, Guard};
use crate::fhir::{Reference, ResourceType};
use crate::store::{
    Dropped, Durability, Gone, PeerId, PeerState, RecordName, Standing, StoreError, Stretch,
};

impl Guard {
    /// What syncs learned about a server.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn peer_state(&self, peer: PeerId) -> Result<PeerState, AccessError> {
        self.read_for_device(|reader| reader.peer_state(peer))
    }

    /// Changes what is known about a server.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn note_peer_state(
        &self,
        peer: PeerId,
        note: impl FnOnce(&mut PeerState),
    ) -> Result<(), AccessError> {
        self.write(Durability::Normal, |tx| tx.note_peer_state(peer, note))?;
        Ok(())
    }

    /// A person has seen that very many records are missing on a server, and wants them deleted here too.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn allow_deletions(&self, peer: PeerId) -> Result<(), AccessError> {
        self.must(VaultAction::Upkeep)?;
        self.written("deletions allowed", |guard| {
            guard.write(Durability::Full, |tx| {
                tx.note_peer_state(peer, |state| {
                    state.deletions_allowed = true;
                    state.stopped = None;
                })
            })
        })
    }

    /// Takes out what a server no longer has, together with how far that was found out. Answers with what became of each;
    /// work done here is never lost by it.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was taken out.
    pub fn drop_gone(
        &self,
        peer: PeerId,
        gone: &[(Reference, Gone)],
        note: impl FnOnce(&mut PeerState, &[Dropped]),
    ) -> Result<Vec<Dropped>, AccessError> {
        for (name, how) in gone {
            let how = match how {
                Gone::Deleted | Gone::Unknown => "deleted there",
                Gone::Lost => "lost there",
                Gone::Unshared => "no longer shared",
            };
            self.note(AuditKind::Pull, &format!("{name} {how}"), None, None)?;
        }
        let (dropped, _) = self.write(Durability::Normal, |tx| {
            let dropped = gone
                .iter()
                .map(|(reference, how)| {
                    let reference = reference.clone();
                    tx.drop_gone(&RecordName { peer, reference }, *how)
                })
                .collect::<Result<Vec<Dropped>, _>>()?;
            tx.note_peer_state(peer, |state| note(state, &dropped))?;
            Ok::<_, StoreError>(dropped)
        })?;
        Ok(dropped)
    }

    /// An older copy of the server was put back: all is read from its beginning.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn read_all_again(
        &self,
        peer: PeerId,
        note: impl FnOnce(&mut PeerState),
    ) -> Result<(), AccessError> {
        self.write(Durability::Normal, |tx| {
            tx.forget_cursors(peer)?;
            tx.note_peer_state(peer, note)
        })?;
        Ok(())
    }

    /// What is known here about a record of a server, for the sync alone.
    pub(crate) fn standing_of(
        &self,
        peer: PeerId,
        name: &Reference,
    ) -> Result<Option<Standing>, AccessError> {
        self.read_for_device(|reader| reader.standing_of(peer, name))
    }

    /// The next records of a type by their stamps, for the sync alone.
    pub(crate) fn stretch(
        &self,
        peer: PeerId,
        kind: ResourceType,
        from_ms: i64,
        limit: usize,
    ) -> Result<Stretch, AccessError> {
        self.read_for_device(|reader| reader.stretch(peer, kind, from_ms, limit))
    }

    /// How many records came from a server.
    pub(crate) fn records_from(&self, peer: PeerId) -> Result<u64, AccessError> {
        self.read_for_device(|reader| reader.records_from(peer))
    }
}
