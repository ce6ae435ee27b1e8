//! Changes that wait for a person: all their versions, and what a decision makes of them.

use super::rows::EditRow;
use super::{Author, EditState, Saved};
use crate::fhir::{Instant, Reference, Resource, content};
use crate::store::records::{NewBody, Origin, RecordName};
use crate::store::view::View;
use crate::store::{PeerId, Reader, StoreError, Tx};
use rusqlite::OptionalExtension;

/// A change that waits for a person: a conflict, or one that the server refused.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Undecided {
    pub(crate) name: RecordName,
    pub(crate) state: EditState,
    /// The server's bytes it started from; `None`: made here.
    pub(crate) base: Option<String>,
    /// What was written here; `None`: deleted.
    pub(crate) mine: Option<String>,
    /// The server's newer bytes; `None`: deleted there, or none are known.
    pub(crate) theirs: Option<String>,
    pub(crate) theirs_version: Option<String>,
    /// When the oldest change of it was made.
    pub(crate) since: Instant,
    /// Who changed it, in the order of the newest change of each.
    pub(crate) authors: Vec<String>,
    pub(crate) changes: u64,
    pub(crate) refusal: Option<String>,
    rid: i64,
}

impl Undecided {
    /// What the server has, as far as it is known here; `None`: nothing.
    pub(crate) fn at_server(&self) -> Option<&str> {
        match self.state {
            EditState::Conflict => self.theirs.as_deref(),
            _ => self.theirs.as_deref().or(self.base.as_deref()),
        }
    }

    /// Whether this person wrote all of it.
    pub(crate) fn is_of(&self, person: &str) -> bool {
        !self.authors.is_empty() && self.authors.iter().all(|author| author == person)
    }
}

impl Reader<'_> {
    /// The change of the record called `name` that waits for a person, whoever may see it.
    pub(crate) fn undecided(&self, name: &Reference) -> Result<Option<Undecided>, StoreError> {
        let sql = "SELECT rid, peer FROM rkey JOIN edit USING (rid)
                   WHERE type = ?1 AND id = ?2 AND state <> 0 ORDER BY peer LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let key = (name.kind.number(), name.id.as_str());
        let found = statement.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)));
        let Some((rid, peer)) = found.optional()? else {
            return Ok(None);
        };
        let name = RecordName {
            peer: PeerId(peer),
            reference: name.clone(),
        };
        match self.edit_row(rid)? {
            Some(edit) => Ok(Some(self.undecided_of(rid, name, edit)?)),
            None => Ok(None),
        }
    }

    fn undecided_of(
        &self,
        rid: i64,
        name: RecordName,
        edit: EditRow,
    ) -> Result<Undecided, StoreError> {
        let mine = self.newest_text(rid, &edit)?;
        let sql = "SELECT count(*), coalesce(min(at_ms), 0) FROM outbox WHERE rid = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (changes, since) = statement.query_row([rid], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let sql = "SELECT author FROM outbox WHERE rid = ?1 GROUP BY author ORDER BY max(seq)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let authors = statement.query_map([rid], |row| row.get(0))?;
        Ok(Undecided {
            authors: authors.collect::<Result<_, _>>()?,
            since: Instant::from_epoch_ms(since),
            refusal: edit.codes(),
            name,
            state: edit.state,
            base: edit.base,
            mine,
            theirs: edit.theirs,
            theirs_version: edit.theirs_version,
            changes,
            rid,
        })
    }

    /// Whether all of its versions may be seen.
    pub(crate) fn sees_all_of(&self, undecided: &Undecided) -> Result<bool, StoreError> {
        if matches!(self.view, View::All) {
            return Ok(true);
        }
        let texts = [&undecided.base, &undecided.mine, &undecided.theirs];
        for text in texts.into_iter().flatten() {
            if !self.may_see_text(undecided.name.peer, text)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What `person` left behind in it; the inner `None`: deleted. `None`: nothing.
    #[allow(clippy::option_option)] // Each of the two says something else.
    pub(crate) fn own_part(
        &self,
        undecided: &Undecided,
        person: &str,
    ) -> Result<Option<Option<String>>, StoreError> {
        let sql = "SELECT max(seq) FROM outbox WHERE rid = ?1 AND author = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let seq: Option<i64> = statement.query_row((undecided.rid, person), |row| row.get(0))?;
        let (Some(seq), Some(edit)) = (seq, self.edit_row(undecided.rid)?) else {
            return Ok(None);
        };
        let turns = self.turns(undecided.rid, &edit)?;
        let turn = turns.into_iter().find(|turn| turn.seq >= seq);
        Ok(turn.map(|turn| turn.text))
    }
}

impl Tx<'_> {
    /// A person decided: this text (`None`: deleted) is to replace what the server has. Whoever decides stands for all of
    /// it, so nothing that others signed before goes out.
    pub(crate) fn resolve_with(
        &self,
        undecided: &Undecided,
        text: Option<&Resource<'_>>,
        author: Author<'_>,
    ) -> Result<Saved, StoreError> {
        let (rid, peer) = (undecided.rid, undecided.name.peer);
        let there = undecided.at_server();
        let is_there_already = match (text, there) {
            (Some(text), Some(there)) => content::is_same(text.text(), there),
            (None, None) => true,
            _ => false,
        };
        if is_there_already {
            self.resolve_theirs(undecided)?;
            return Ok(Saved::Withdrawn);
        }
        self.join_turns(rid, i64::MAX)?;
        self.start_from(rid, there, undecided.theirs_version.as_deref())?;
        let sql = "UPDATE edit SET deleted = ?2, mine = NULL WHERE rid = ?1";
        self.connection
            .prepare_cached(sql)?
            .execute((rid, text.is_none()))?;
        let old = self.record_at(rid)?;
        match text {
            Some(resource) => {
                let new = NewBody {
                    version: undecided.theirs_version.as_deref(),
                    updated_ms: author.at_ms,
                    origin: Origin::Local,
                };
                self.set_body_over(old.as_ref(), peer.0, rid, resource, &new)?;
            }
            None if old.is_some() => self.remove_body(peer.0, rid)?,
            None => {}
        }
        self.queue(rid, &undecided.name, text.map(Resource::text), author)?;
        Ok(Saved::Queued)
    }

    /// A person decided for what the server has: what was written here is given up.
    pub(crate) fn resolve_theirs(&self, undecided: &Undecided) -> Result<(), StoreError> {
        let (rid, peer) = (undecided.rid, undecided.name.peer);
        match undecided.at_server() {
            Some(text) => {
                let damaged = |_| StoreError::DamagedValue {
                    what: "the server's version",
                    row: rid,
                };
                let resource = Resource::parse_text(text).map_err(damaged)?;
                self.settle_at(peer, rid, &resource)
            }
            None => {
                if self.record_at(rid)?.is_some() {
                    self.remove_body(peer.0, rid)?;
                }
                self.drop_edit(rid)
            }
        }
    }

    /// What the server refused is tried once more as it is.
    pub(crate) fn send_again(&self, undecided: &Undecided) -> Result<(), StoreError> {
        let sql = "UPDATE edit SET state = 0, refusal = NULL WHERE rid = ?1 AND state = 2";
        self.connection
            .prepare_cached(sql)?
            .execute([undecided.rid])?;
        self.touch(undecided.name.reference.kind);
        self.reopen_group(undecided.rid)
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Undecided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Undecided({:?}, {:?})", self.name.reference, self.state)
    }
}
