//! What people write on this device.

use super::rows::EditRow;
use super::{Author, ChangeFacts, EditState, Saved};
use crate::fhir::{Resource, ResourceType};
use crate::store::records::{NewBody, Origin, Record, RecordName};
use crate::store::{PeerId, StoreError, Tx};

impl Tx<'_> {
    /// Stores what a person wrote and queues it.
    pub(crate) fn put_local(
        &self,
        peer: PeerId,
        resource: &Resource<'_>,
        author: Author<'_>,
    ) -> Result<Saved, StoreError> {
        self.must_not_be_served()?;
        let rid = self.intern(peer.0, resource.name())?;
        let edit = self.edit_row(rid)?;
        let body = self.record_at(rid)?;
        // What the server refused can be sent again as it is.
        let refused = edit
            .as_ref()
            .is_some_and(|edit| edit.state == EditState::Refused);
        let is_there = body
            .as_ref()
            .is_some_and(|body| body.text == resource.text());
        if !refused && is_there {
            return Ok(Saved::Unchanged);
        }
        match &edit {
            None => self.start_edit(rid, body.as_ref(), false)?,
            Some(edit) if self.is_taken_back(rid, edit, resource)? => {
                self.settle_at(peer, rid, resource)?;
                return Ok(Saved::Withdrawn);
            }
            Some(edit) => self.change_on(
                rid,
                resource.kind(),
                edit,
                body.as_ref(),
                author.person,
                false,
            )?,
        }
        let new = NewBody {
            version: body.as_ref().and_then(|body| body.version.as_deref()),
            updated_ms: author.at_ms,
            origin: Origin::Local,
        };
        self.set_body_over(body.as_ref(), peer.0, rid, resource, &new)?;
        let name = RecordName {
            peer,
            reference: resource.name().clone(),
        };
        self.queue(rid, &name, Some(resource.text()), author)?;
        Ok(saved_as(edit.as_ref()))
    }

    /// Deletes a record here and queues the deletion. `None`: there is no such record.
    pub(crate) fn delete_local(
        &self,
        name: &RecordName,
        author: Author<'_>,
    ) -> Result<Option<Saved>, StoreError> {
        self.must_not_be_served()?;
        let Some(body) = self.standing(name)? else {
            return Ok(None);
        };
        let rid = body.rid;
        let edit = self.edit_row(rid)?;
        match &edit {
            None => self.start_edit(rid, Some(&body), true)?,
            // Made and deleted before any server heard of it, or deleted there too: nothing is left to decide.
            Some(edit)
                if edit.base.is_none()
                    && (edit.is_untouched_by_server() || edit.is_deleted_there()) =>
            {
                self.remove_body(name.peer.0, rid)?;
                self.drop_edit(rid)?;
                return Ok(Some(Saved::Withdrawn));
            }
            Some(edit) => self.change_on(
                rid,
                name.reference.kind,
                edit,
                Some(&body),
                author.person,
                true,
            )?,
        }
        self.remove_body(name.peer.0, rid)?;
        self.queue(rid, name, None, author)?;
        Ok(Some(saved_as(edit.as_ref())))
    }

    /// The only turn that waits leaves behind what the server has.
    fn is_taken_back(
        &self,
        rid: i64,
        edit: &EditRow,
        resource: &Resource<'_>,
    ) -> Result<bool, StoreError> {
        let is_base = edit.base.as_deref() == Some(resource.text());
        Ok(is_base && edit.is_untouched_by_server() && self.turns(rid, edit)?.len() < 2)
    }

    /// A further change: what the server refused is tried again, a conflict stays one.
    fn change_on(
        &self,
        rid: i64,
        kind: ResourceType,
        edit: &EditRow,
        body: Option<&Record>,
        author: &str,
        deleted: bool,
    ) -> Result<(), StoreError> {
        if edit.state == EditState::Refused {
            // Whoever saves again what was refused stands for all of it.
            self.join_turns(rid, i64::MAX)?;
            self.reopen_group(rid)?;
            self.look_at_merge(rid, kind, edit)?;
        } else {
            self.begin_or_go_on(rid, kind, edit, body, author)?;
        }
        let sql = "UPDATE edit SET deleted = ?2, refusal = NULL, mine = NULL,
                   state = CASE state WHEN 2 THEN 0 ELSE state END WHERE rid = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, deleted))?;
        Ok(())
    }

    /// Adds a change to the outbox, with its signed record, in the transaction of the change.
    pub(super) fn queue(
        &self,
        rid: i64,
        name: &RecordName,
        text: Option<&str>,
        author: Author<'_>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO outbox (rid, change_id, author, at_ms, together) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.connection.prepare_cached(sql)?.execute((
            rid,
            author.change_id,
            author.person,
            author.at_ms,
            author.together,
        ))?;
        let Some(signer) = author.signer else {
            return Ok(());
        };
        let sequence = self.connection.last_insert_rowid();
        let edit = self.edit_row(rid)?;
        let after = self.turn_before(rid, sequence)?;
        let record = signer.sign(&ChangeFacts {
            change: author.change_id,
            sequence,
            peer: name.peer.0,
            record: &name.reference,
            base: edit.as_ref().and_then(EditRow::seen_version),
            after: after.as_deref(),
            text,
        });
        let sql = "UPDATE outbox SET record = ?2 WHERE seq = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((sequence, self.pack(&record)?))?;
        Ok(())
    }
}

/// What a further change of a record with this edit is.
fn saved_as(edit: Option<&EditRow>) -> Saved {
    match edit {
        Some(edit) if edit.state == EditState::Conflict => Saved::InConflict,
        _ => Saved::Queued,
    }
}
