//! What waits, as a sync and a person get it.

use super::rows::EditRow;
use super::turns::Turn;
use super::{EditState, SentKind};
use crate::fhir::{Instant, ResourceType, content};
use crate::store::records::{RecordName, reference_of};
use crate::store::view::View;
use crate::store::{PeerId, Reader, StoreError};

/// A changed record.
#[derive(Clone)]
pub struct Pending {
    /// Its name.
    pub name: RecordName,
    /// Where the change stands.
    pub state: EditState,
    /// The server's bytes it started from; `None`: made here.
    pub base: Option<String>,
    /// Their version.
    pub base_version: Option<String>,
    /// What people see; `None`: deleted.
    pub mine: Option<String>,
    /// What is under way since an earlier push, whose answer never came.
    pub sent: Option<(SentKind, Option<String>)>,
    /// Changes of this record that wait.
    pub changes: u64,
    /// When the oldest of them was made.
    pub since: Instant,
    /// Issue codes, where the server refused it, or what it waits for there.
    pub refusal: Option<String>,
    /// What the server said of the refusal, to a person who had a part in the change. It may repeat what stands in the
    /// record.
    pub words: Option<String>,
    /// Who signed changes of it, in the order of the newest of each.
    pub authors: Vec<String>,
    /// What goes next, or is under way.
    pub going: Going,
    /// What is written since belongs to these groups.
    pub(crate) later: Vec<String>,
    pub(super) rid: i64,
}

/// What goes next of a changed record: what one author wrote in a row.
#[derive(Clone, Default)]
pub struct Going {
    /// The exact text; `None`: a deletion.
    pub text: Option<String>,
    /// The server's version that it replaces; `None`: nothing stands there.
    pub version: Option<String>,
    /// The server's bytes of that version.
    pub over: Option<String>,
    /// The signed record of the newest change in it.
    pub record: Option<String>,
    /// What its author wrote and signed, where that is another text, since it was merged.
    pub signed: Option<String>,
    /// What it is sent together with: the first change of each group that it belongs to.
    pub together: Vec<String>,
    /// The change that goes, or its newest.
    pub(crate) change: String,
    pub(super) upto: i64,
}

impl Pending {
    /// Whether what goes next says what the server has already.
    pub(crate) fn is_no_op(&self) -> bool {
        let going = &self.going;
        let is_same = |(text, over): (&String, &String)| content::is_same(text, over);
        self.state == EditState::Waiting
            && self.sent.is_none()
            && going
                .text
                .as_ref()
                .zip(going.over.as_ref())
                .is_some_and(is_same)
    }
}

impl Reader<'_> {
    /// Changed records of `peer` (of all peers: `None`), in the order of their oldest waiting change.
    pub(crate) fn pending(&self, peer: Option<PeerId>) -> Result<Vec<Pending>, StoreError> {
        let sql =
            "SELECT edit.rid, rkey.peer, rkey.type, rkey.id, count(outbox.seq), min(outbox.at_ms),
                          min(outbox.seq) AS oldest
                   FROM edit JOIN rkey USING (rid) LEFT JOIN outbox USING (rid)
                   WHERE ?1 IS NULL OR rkey.peer = ?1 GROUP BY edit.rid ORDER BY oldest";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([peer.map(|p| p.0)])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let rid: i64 = row.get(0)?;
            let id = row.get_ref(3)?.as_str().unwrap_or_default();
            let name = RecordName {
                peer: PeerId(row.get(1)?),
                reference: reference_of(rid, row.get(2)?, id)?,
            };
            let Some(edit) = self.edit_row(rid)? else {
                continue;
            };
            all.push(Pending {
                changes: row.get(4)?,
                since: Instant::from_epoch_ms(row.get::<_, Option<i64>>(5)?.unwrap_or(0)),
                ..self.pending_of(rid, name, edit)?
            });
        }
        Ok(all)
    }

    fn pending_of(&self, rid: i64, name: RecordName, edit: EditRow) -> Result<Pending, StoreError> {
        let turns = self.turns(rid, &edit)?;
        let later = turns.iter().skip(1).flat_map(|turn| turn.together.clone());
        let later = later.collect();
        let (refusal, words) = (edit.codes(), edit.words());
        let mine = match edit.deleted {
            true => None,
            false => self.record_at(rid)?.map(|record| record.text),
        };
        Ok(Pending {
            authors: self.signed_by(rid)?,
            mine,
            going: self.going(name.reference.kind, &edit, turns),
            name,
            state: edit.state,
            base: edit.base,
            base_version: edit.base_version,
            sent: edit.sent_kind.map(|kind| (kind, edit.sent)),
            changes: 0,
            since: Instant::from_epoch_ms(0),
            refusal,
            words,
            later,
            rid,
        })
    }

    /// What goes next.
    fn going(&self, kind: ResourceType, edit: &EditRow, turns: Vec<Turn>) -> Going {
        let merged = edit.theirs.as_deref().filter(|_| edit.is_merged());
        let merged = merged.and_then(|theirs| self.fold(kind, edit, turns.first(), theirs));
        let Some(turn) = turns.into_iter().next() else {
            return Going::default();
        };
        let is_under_way = edit.sent_kind.is_some();
        let text = match (is_under_way, merged) {
            (true, _) => edit.sent.clone(),
            (false, Some(merged)) => Some(merged),
            (false, None) => turn.text.clone(),
        };
        let (over, version) = match edit.is_merged() {
            true => (&edit.theirs, &edit.theirs_version),
            false => (&edit.base, &edit.base_version),
        };
        Going {
            signed: turn.text.filter(|own| text.as_ref() != Some(own)),
            version: version.clone(),
            over: over.clone(),
            record: turn.record,
            together: turn.together,
            change: turn.change,
            upto: turn.seq,
            text,
        }
    }

    fn signed_by(&self, rid: i64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT author FROM outbox WHERE rid = ?1 AND record IS NOT NULL GROUP BY author ORDER BY max(seq)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([rid], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// As [`Reader::pending`], what `person` may see: what the view shows, by what was written, or where it was deleted by
    /// what stood there; and what the person wrote and nobody has taken yet, whatever became of the person's rights since.
    pub(crate) fn pending_seen(
        &self,
        peer: Option<PeerId>,
        person: &str,
    ) -> Result<Vec<Pending>, StoreError> {
        let mut seen = Vec::new();
        for mut pending in self.pending(peer)? {
            if !self.has_changed(pending.rid, person)? {
                pending.words = None;
            }
            if !self.shows_pending(&pending)? {
                let Some(own) = self.own_text(&pending, person)? else {
                    continue;
                };
                // Of the rest the person has no right to anything.
                pending.mine = own;
                (pending.base, pending.sent, pending.authors) = (None, None, Vec::new());
                pending.going = Going::default();
            }
            seen.push(pending);
        }
        Ok(seen)
    }

    fn has_changed(&self, rid: i64, person: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE rid = ?1 AND author = ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((rid, person), |row| row.get(0))?)
    }

    fn shows_pending(&self, pending: &Pending) -> Result<bool, StoreError> {
        let kind = pending.name.reference.kind;
        match (self.view, &pending.mine, &pending.base) {
            (View::All, ..) => Ok(true),
            (_, Some(_), _) => self.may_see(pending.rid, kind),
            (_, None, Some(base)) => self.may_see_text(pending.name.peer, base),
            (_, None, None) => Ok(false),
        }
    }

    /// What `person` left behind in the newest turn of theirs; the inner `None`: deleted. `None`: there is none.
    #[allow(clippy::option_option)] // Each of the two says something else.
    fn own_text(
        &self,
        pending: &Pending,
        person: &str,
    ) -> Result<Option<Option<String>>, StoreError> {
        let sql = "SELECT max(seq) FROM outbox WHERE rid = ?1 AND author = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let seq: Option<i64> = statement.query_row((pending.rid, person), |row| row.get(0))?;
        let (Some(seq), Some(edit)) = (seq, self.edit_row(pending.rid)?) else {
            return Ok(None);
        };
        let turns = self.turns(pending.rid, &edit)?;
        let turn = turns.into_iter().find(|turn| turn.seq >= seq);
        Ok(turn.map(|turn| turn.text))
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({:?}, {:?})", self.name.reference, self.state)
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Going {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Going(over {:?})", self.version)
    }
}
