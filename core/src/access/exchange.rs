//! What a sync does with records: take pages in, hand changes out, store the answers.
//!
//! It acts for the device, whoever has it in hand: what a server sent is stored and what waits is sent, also where the
//! person may not see it, since unsent work comes first. Nothing of it is handed to that person; what is not for the
//! sync alone goes by the policy.

use super::audit::AuditKind;
use super::guard::Digested;
use super::policy::VaultAction;
use super::{AccessError, Guard};
use crate::fhir::{Resource, ResourceType};
use crate::store::{
    Accepted, Decide, Durability, PeerId, PeerSettings, PeerState, Pending, PullCursor, Pulled,
    RecordName, StoreError,
};
use std::borrow::Borrow;

impl Guard {
    /// Servers this vault syncs with.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn peers(&self) -> Result<Vec<(PeerId, String, PeerSettings)>, AccessError> {
        self.read_for_device(|reader| reader.peers())
    }

    /// Remembers a server, or its new settings.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn remember_peer(&self, url: &str, settings: &PeerSettings) -> Result<PeerId, AccessError> {
        let known = self.peers()?;
        let same =
            |(_, known, is): &&(PeerId, String, PeerSettings)| known == url && is == settings;
        if let Some((peer, ..)) = known.iter().find(same) {
            return Ok(*peer);
        }
        self.must(VaultAction::Settings)?;
        self.written("sync settings", |guard| {
            guard.write(Durability::Full, |tx| tx.remember_peer(url, settings))
        })
    }

    /// Remembers the hub that this vault joined. Found again at another address (a laptop gets a new one each day) it
    /// stays the server it was: as another one, each record would stand here twice, and what waits would wait for ever.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn remember_hub(&self, url: &str, settings: &PeerSettings) -> Result<PeerId, AccessError> {
        let known = self.peers()?;
        let is_new = known.iter().all(|(_, known, _)| known != url);
        // Its own authority signed both certificates.
        let same_hub = |(_, _, is): &&(PeerId, String, PeerSettings)| {
            is.ca_pem.is_some() && is.ca_pem == settings.ca_pem
        };
        let Some((peer, ..)) = known.iter().filter(|_| is_new).find(same_hub) else {
            return self.remember_peer(url, settings);
        };
        self.must(VaultAction::Settings)?;
        self.written("sync settings", |guard| {
            guard.write(Durability::Full, |tx| {
                tx.move_peer(*peer, url, settings).map(|()| *peer)
            })
        })
    }

    /// How far a type was read.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn pull_cursor(&self, peer: PeerId, kind: ResourceType) -> Result<PullCursor, AccessError> {
        self.read_for_device(|reader| reader.pull_cursor(peer, kind))
    }

    /// Stores a page and the cursor behind it, in one transaction. Answers with what became of each record.
    ///
    /// # Errors
    /// [`AccessError`]; then neither page nor cursor was stored.
    pub fn take_page(
        &self,
        peer: PeerId,
        kind: ResourceType,
        page: &[Resource<'_>],
        cursor: &PullCursor,
        decide: Decide,
    ) -> Result<Vec<Pulled>, AccessError> {
        self.take_page_noting(peer, kind, page, cursor, decide, |_, _| {})
    }

    /// As [`Guard::take_page`], with what the page taught about the server: `note` gets what became of each record.
    ///
    /// # Errors
    /// As [`Guard::take_page`].
    pub fn take_page_noting(
        &self,
        peer: PeerId,
        kind: ResourceType,
        page: &[Resource<'_>],
        cursor: &PullCursor,
        decide: Decide,
        note: impl FnOnce(&mut PeerState, &[Pulled]),
    ) -> Result<Vec<Pulled>, AccessError> {
        if !page.is_empty() {
            let digest = Digested::of(page.iter().map(Resource::text));
            self.note(AuditKind::Pull, kind.name(), Some(digest), None)?;
        }
        let at = self.shared.clock.now();
        let (pulled, _) = self.write(Durability::Normal, |tx| {
            tx.make_dictionaries_from(page)?;
            let pulled = page
                .iter()
                .map(|resource| tx.pull(peer, resource, decide, at))
                .collect::<Result<Vec<Pulled>, _>>()?;
            tx.set_pull_cursor(peer, kind, cursor)?;
            tx.note_peer_state(peer, |state| note(state, &pulled))?;
            Ok::<Vec<Pulled>, StoreError>(pulled)
        })?;
        Ok(pulled)
    }

    /// Local changes with their content, oldest first: of one server, or of all; those that this person may read, and
    /// those that this person made.
    /// [`Guard::status`] names them without.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn pending(&self, peer: Option<PeerId>) -> Result<Vec<Pending>, AccessError> {
        let all = self.read(|reader| reader.pending_seen(peer, self.actor.person.id()))?;
        if !all.is_empty() {
            let texts = all
                .iter()
                .map(|pending| pending.mine.as_deref().unwrap_or_default());
            self.note(
                AuditKind::Read,
                "changes that wait",
                Some(Digested::of(texts)),
                None,
            )?;
        }
        Ok(all)
    }

    /// What servers took of what was changed here, newest first: one line for each record that this person may read.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn accepted(&self, limit: usize) -> Result<Vec<Accepted>, AccessError> {
        self.read(|reader| reader.accepted(limit))
    }

    /// All that waits for a server, to be sent to it and to nobody else.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn outgoing(&self, peer: PeerId) -> Result<Vec<Pending>, AccessError> {
        self.read_for_device(|reader| reader.pending(Some(peer)))
    }

    /// Settles what would change nothing on the server: each write makes a version there, even then.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn settle_no_ops(&self, idle: &[Pending]) -> Result<(), AccessError> {
        self.write(Durability::Full, |tx| {
            idle.iter().try_for_each(|pending| tx.settle_no_op(pending))
        })?;
        Ok(())
    }

    /// What was marked does not go after all.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn unmark_sent(&self, names: &[&RecordName]) -> Result<(), AccessError> {
        self.write(Durability::Full, |tx| {
            names.iter().try_for_each(|name| tx.unmark_sent(name))
        })?;
        Ok(())
    }

    /// The server has a newer version than a change started from: both are merged, or wait for a person. Whether they
    /// were merged.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn meet(
        &self,
        name: &RecordName,
        theirs: &Resource<'_>,
    ) -> Result<bool, AccessError> {
        Ok(self.write(Durability::Full, |tx| tx.meet(name, theirs))?.0)
    }

    /// Keeps exactly what is about to be sent, before it is sent. Answers for each change whether it may be sent: one
    /// that was made or taken back since `bundle` was read waits for the next round.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing may be sent.
    pub fn mark_sent<P: Borrow<Pending>>(&self, bundle: &[P]) -> Result<Vec<bool>, AccessError> {
        let bundle: Vec<&Pending> = bundle.iter().map(Borrow::borrow).collect();
        let texts = bundle
            .iter()
            .map(|pending| pending.going.text.as_deref().unwrap_or_default());
        let what = match bundle[..] {
            [one] => one.name.reference.to_string(),
            _ => String::new(),
        };
        self.note(AuditKind::Push, &what, Some(Digested::of(texts)), None)?;
        let (marked, _) = self.write(Durability::Full, |tx| {
            bundle
                .iter()
                .map(|pending| tx.mark_sent(pending))
                .collect::<Result<_, StoreError>>()
        })?;
        Ok(marked)
    }

    /// The server took these PUTs; the texts are its own.
    ///
    /// # Errors
    /// [`AccessError`]; then the changes still wait, and the server is asked again.
    pub fn settle_puts(&self, answers: &[(RecordName, Resource<'_>)]) -> Result<(), AccessError> {
        let at = self.shared.clock.now();
        self.write(Durability::Full, |tx| {
            answers
                .iter()
                .try_for_each(|(name, answer)| tx.settle_put(name, answer, at))
        })?;
        Ok(())
    }

    /// The server took what was under way, as the version `made`, and has `now` by now.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn settle_seen(
        &self,
        name: &RecordName,
        made: &Resource<'_>,
        now: &Resource<'_>,
    ) -> Result<(), AccessError> {
        let at = self.shared.clock.now();
        self.write(Durability::Full, |tx| tx.settle_seen(name, made, now, at))?;
        Ok(())
    }

    /// The server took a new record and gave it the id in `answer`: it is called that here too, from now on, in all texts
    /// that refer to it. `referring`: records that do, as far as they are known; those that the index knows are found.
    /// `false`: it was received under that id before, and changed; what was written under the old one waits for that.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn settle_created(
        &self,
        name: &RecordName,
        answer: &Resource<'_>,
        referring: &[RecordName],
    ) -> Result<bool, AccessError> {
        let at = self.shared.clock.now();
        let (is_settled, _) = self.write(Durability::Full, |tx| {
            tx.settle_created(name, answer, referring, at)
        })?;
        Ok(is_settled)
    }

    /// What waits under the name that a record had before joins what stands under the one that it has now. `false`: not
    /// yet; `None`: it has no other name, as far as is known.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn join(
        &self,
        name: &RecordName,
        referring: &[RecordName],
    ) -> Result<Option<bool>, AccessError> {
        let at = self.shared.clock.now();
        let (joined, _) = self.write(Durability::Full, |tx| tx.join(name, referring, at))?;
        Ok(joined)
    }

    /// The server deleted this record, as asked.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn settle_delete(&self, name: &RecordName) -> Result<(), AccessError> {
        let at = self.shared.clock.now();
        self.write(Durability::Full, |tx| tx.settle_delete(name, at))?;
        Ok(())
    }

    /// Both sides changed this record; `None`: it is deleted there.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn mark_conflict(
        &self,
        name: &RecordName,
        theirs: Option<&Resource<'_>>,
    ) -> Result<(), AccessError> {
        self.write(Durability::Full, |tx| tx.mark_conflict(name, theirs))?;
        Ok(())
    }

    /// The server refused this change for good, with these codes, and these words to whoever made it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn mark_refused(
        &self,
        name: &RecordName,
        codes: &str,
        words: Option<&str>,
    ) -> Result<(), AccessError> {
        self.write(Durability::Full, |tx| tx.mark_refused(name, codes, words))?;
        Ok(())
    }

    /// The server does not take this change yet, but may later: it waits on, with the codes of what it waits for.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn mark_waiting(&self, name: &RecordName, codes: &str) -> Result<(), AccessError> {
        self.write(Durability::Full, |tx| tx.mark_waiting(name, codes))?;
        Ok(())
    }
}
