//! Wishes for a visit, at the door: who may make and see them, and who signs what they send.
//!
//! A wish is judged as the Appointment that it asks for. Its value is the booking's matter; here it is a text.

use super::audit::AuditKind;
use super::concerned::Writing;
use super::note::{Digested, Note};
use super::policy::{Action, Wish};
use super::{AccessError, Guard};
use crate::fhir::{Reference, Resource, ResourceId, ResourceType};
use crate::rng;
use crate::store::{
    ChangeFacts, Durability, PeerId, Record, RecordName, Signs, StoreError, WishRow,
};

/// A write whose signed record is wanted.
#[derive(Clone, Copy)]
pub struct ToSign<'a> {
    /// The server's number.
    pub peer: PeerId,
    /// The record.
    pub record: &'a Reference,
    /// The server's version it replaces; `None`: nothing is there.
    pub base: Option<&'a str>,
    /// The exact bytes.
    pub text: &'a str,
}

impl Guard {
    /// Stores what a person wants, or wants done to it, in the place of `before`. `appointment`: what it asks for, by which
    /// it is judged. `false`: another sync or person was quicker, and nothing was stored.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was stored.
    pub fn wish(
        &self,
        peer: PeerId,
        row: &WishRow,
        before: Option<&str>,
        appointment: &Resource<'_>,
    ) -> Result<bool, AccessError> {
        let writing = self.read_for_device(|reader| Writing::of_put(reader, appointment))?;
        let writing = Writing {
            what: format!("wish {}", row.id),
            ..writing
        };
        self.written_as(&writing, |guard| {
            guard.write(Durability::Full, |tx| {
                let name = RecordName {
                    peer,
                    reference: appointment.name().clone(),
                };
                let wish = Wish {
                    name,
                    new: Some(appointment),
                    actor: &guard.actor,
                    expects_version: false,
                };
                guard
                    .judge(tx, false, &[wish])
                    .map_err(|(_, error)| error)?;
                Ok::<_, AccessError>(tx.set_wish(row, before)?)
            })
        })
    }

    /// The wishes that this person made, or whose patient's Appointments this person may read: `of` says both of each.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn wishes(
        &self,
        of: impl Fn(&WishRow) -> Option<(PeerId, String, String)>,
    ) -> Result<Vec<WishRow>, AccessError> {
        let all = self.read_for_device(|reader| reader.wishes(2))?;
        let view = self.view(Action::Read);
        let mut patients = Vec::new();
        let mut seen = Vec::new();
        for row in all {
            let Some((peer, author, patient)) = of(&row) else {
                let damaged = StoreError::DamagedValue {
                    what: "wish",
                    row: 0,
                };
                return Err(damaged.into());
            };
            let shown = match (
                ResourceType::named("Appointment"),
                ResourceId::new(&patient),
            ) {
                (Some(kind), Ok(id)) => view.shows(peer, kind, &[id]),
                _ => false,
            };
            if shown || author == self.person().id() {
                patients.push(patient);
                seen.push(row);
            }
        }
        patients.sort_unstable();
        patients.dedup();
        let texts = seen.iter().map(|row| row.value.as_str());
        self.enter(Note {
            texts: Some(Digested::of(texts)),
            patients,
            ..Note::of(AuditKind::Read, "wishes")
        })?;
        Ok(seen)
    }

    /// The wishes that go on by themselves, to be sent and shown to nobody.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn open_wishes(&self) -> Result<Vec<WishRow>, AccessError> {
        self.read_for_device(|reader| reader.wishes(0))
    }

    /// One of them.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn wish_row(&self, id: &str) -> Result<Option<WishRow>, AccessError> {
        self.read_for_device(|reader| reader.wish(id))
    }

    /// Stores how far a sync has come with a wish, in the place of `before`. `false`: a person was quicker.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn keep_wish(&self, row: &WishRow, before: &str) -> Result<bool, AccessError> {
        let (kept, _) = self.write(Durability::Full, |tx| tx.set_wish(row, Some(before)))?;
        Ok(kept)
    }

    /// A record as this device holds it, for a sync; `None`: there is none.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn device_record(
        &self,
        peer: PeerId,
        name: &Reference,
    ) -> Result<Option<Record>, AccessError> {
        let name = RecordName {
            peer,
            reference: name.clone(),
        };
        self.read_for_device(|reader| reader.record(&name))
    }

    /// Writes to the trail what is about to be sent for a wish.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing may be sent.
    pub(crate) fn note_booking(
        &self,
        what: &str,
        patient: &str,
        texts: &[&str],
    ) -> Result<(), AccessError> {
        self.enter(Note {
            texts: Some(Digested::of(texts.iter().copied())),
            patients: vec![patient.to_owned()],
            ..Note::of(AuditKind::Push, what)
        })
    }

    /// The signed record of a change that is sent without standing in the outbox, by whoever has the vault now; `None`:
    /// this person has no key.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(crate) fn sign_change(&self, change: ToSign<'_>) -> Result<Option<String>, AccessError> {
        let Some(signer) = self.signer()? else {
            return Ok(None);
        };
        let id = rng::make_uuid()?;
        Ok(Some(signer.sign(&ChangeFacts {
            change: &id,
            // It has no number in the outbox.
            sequence: 0,
            peer: change.peer.number(),
            record: change.record,
            base: change.base,
            after: None,
            text: Some(change.text),
        })))
    }
}
