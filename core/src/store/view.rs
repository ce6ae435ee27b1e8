//! What a permit lets one see: for each type nothing, everything, or what is in the compartments of some patients.
//!
//! It becomes SQL on every table that a record is found through, so that what is hidden is absent from pages, totals,
//! orders, page ends and includes alike; nothing is taken out of an answer afterwards.

use super::query::Statement;
use super::{PeerId, Reader, StoreError};
use crate::fhir::compartment::patients_of;
use crate::fhir::{Reference, Resource, ResourceId, ResourceType};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What one may see.
#[derive(Debug, Clone)]
pub(crate) enum View {
    /// Everything: the one person of a vault, and what the device does for itself.
    All,
    /// By type.
    Limited(Arc<Limited>),
}

/// What one may see of each type; a type that is not named: nothing.
#[derive(Debug, Default)]
pub(crate) struct Limited {
    types: Vec<Sees>,
}

/// What one may see of a type: the sum of these.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sees {
    /// All of it.
    pub(crate) all: bool,
    /// What is in no patient's compartment.
    pub(crate) nobodys: bool,
    /// What is in the compartment of one of these.
    pub(crate) patients: Vec<Arc<Patients>>,
}

/// Some patients of the first server. Ids of other servers are other people's, so nothing there is in their
/// compartments.
#[derive(Debug, Default)]
pub(crate) struct Patients {
    ids: HashSet<ResourceId>,
    rows: Mutex<Rows>,
}

/// Their row numbers, as far as they were looked for. Rows are never deleted, so only new ones have to be looked at.
#[derive(Debug, Default)]
struct Rows {
    /// Of which store: a copy without what was deleted may number others so.
    store: u64,
    upto: i64,
    found: Arc<HashSet<i64>>,
}

impl Patients {
    pub(crate) fn new(ids: impl IntoIterator<Item = ResourceId>) -> Self {
        Self {
            ids: ids.into_iter().collect(),
            rows: Mutex::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(crate) fn contains(&self, id: &ResourceId) -> bool {
        self.ids.contains(id)
    }

    fn look_up(&self, reader: &Reader<'_>) -> Result<Vec<i64>, StoreError> {
        let Some(kind) = ResourceType::named("Patient") else {
            return Ok(Vec::new());
        };
        let mut rows = Vec::new();
        for id in &self.ids {
            let name = Reference {
                kind,
                id: id.clone(),
            };
            rows.extend(reader.rid(PeerId::FIRST.0, &name)?);
        }
        Ok(rows)
    }

    /// Row numbers of the many, kept from call to call. Not within a write: what it made may be taken back, and its
    /// numbers be given to others.
    fn rows(&self, reader: &Reader<'_>) -> Result<Arc<HashSet<i64>>, StoreError> {
        if self.ids.len() <= FEW || reader.is_writing {
            return Ok(Arc::new(self.look_up(reader)?.into_iter().collect()));
        }
        let newest = "SELECT coalesce(max(rid), 0) FROM rkey";
        let newest: i64 = reader
            .connection
            .prepare_cached(newest)?
            .query_row([], |row| row.get(0))?;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.upto == 0 || rows.store != reader.store || newest > rows.upto + MANY_NEW {
            rows.found = Arc::new(self.look_up(reader)?.into_iter().collect());
        } else if newest > rows.upto {
            let sql = "SELECT rid, id FROM rkey WHERE rid > ?1 AND type = ?2 AND peer = ?3";
            let mut statement = reader.connection.prepare_cached(sql)?;
            let kind = ResourceType::named("Patient").map_or(-1, ResourceType::number);
            let mut new = statement.query((rows.upto, kind, PeerId::FIRST.0))?;
            let mut found = HashSet::clone(&rows.found);
            while let Some(row) = new.next()? {
                let id = ResourceId::new(row.get_ref(1)?.as_str().unwrap_or_default());
                if id.is_ok_and(|id| self.ids.contains(&id)) {
                    found.insert(row.get(0)?);
                }
            }
            rows.found = Arc::new(found);
        }
        rows.upto = match rows.store == reader.store {
            true => rows.upto.max(newest),
            false => newest,
        };
        rows.store = reader.store;
        Ok(Arc::clone(&rows.found))
    }
}

/// Patients that are looked up each time, and written into the statement.
const FEW: usize = 8;
/// New rows behind which looking up all patients again is cheaper.
const MANY_NEW: i64 = 20_000;

impl View {
    /// What one may see of a type; `None`: everything.
    fn of(&self, kind: ResourceType) -> Option<Sees> {
        let Self::Limited(limited) = self else {
            return None;
        };
        let at = usize::try_from(kind.number()).unwrap_or(usize::MAX);
        Some(limited.types.get(at).cloned().unwrap_or_default()).filter(|sees| !sees.all)
    }

    /// Whether anything of this type may be seen by anyone who has this view.
    pub(crate) fn is_open_to(&self, kind: ResourceType) -> bool {
        self.of(kind)
            .is_none_or(|sees| sees.nobodys || !sees.patients.is_empty())
    }

    /// Whether a text that is in no table (an older version) may be seen: by the patients it names.
    pub(crate) fn shows(&self, peer: PeerId, kind: ResourceType, patients: &[ResourceId]) -> bool {
        let Some(sees) = self.of(kind) else {
            return true;
        };
        let is_theirs = |id| sees.patients.iter().any(|some| some.contains(id));
        (sees.nobodys && patients.is_empty())
            || (peer == PeerId::FIRST && patients.iter().any(is_theirs))
    }
}

impl Limited {
    /// Adds to what one may see of a type.
    pub(crate) fn open(&mut self, kind: ResourceType, more: &Sees) {
        let at = usize::try_from(kind.number()).unwrap_or(usize::MAX);
        if self.types.is_empty() {
            self.types = vec![Sees::default(); ResourceType::all().count()];
        }
        if let Some(sees) = self.types.get_mut(at) {
            sees.all |= more.all;
            sees.nobodys |= more.nobodys;
            let known =
                |one: &Arc<Patients>| sees.patients.iter().any(|some| Arc::ptr_eq(some, one));
            let new: Vec<_> = more
                .patients
                .iter()
                .filter(|one| !known(one))
                .cloned()
                .collect();
            sees.patients.extend(new);
        }
    }
}

/// A view of one type, ready for statements of this transaction.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    All,
    Nothing,
    Some {
        nobodys: bool,
        /// Which patients: as a list in the SQL, or the number of a set that the connection knows.
        whose: Whose,
    },
}

#[derive(Debug, Clone)]
pub(super) enum Whose {
    Nobody,
    Few(Vec<i64>),
    Many(i64),
}

impl Reader<'_> {
    /// The same transaction, with another view.
    pub(crate) fn as_seen<'s>(&'s self, view: &'s View) -> Reader<'s> {
        Reader { view, ..*self }
    }

    /// What this reader may see of a type.
    pub(super) fn seen(&self, kind: ResourceType) -> Result<Seen, StoreError> {
        let Some(sees) = self.view.of(kind) else {
            return Ok(Seen::All);
        };
        // An older program wrote the records, and the index is still being made anew.
        if !self.compartments_are_known()? {
            return Err(StoreError::CompartmentsUnknown);
        }
        let mut few: Vec<i64> = Vec::new();
        let mut many: Option<Arc<HashSet<i64>>> = None;
        for patients in sees.patients.iter().filter(|some| !some.is_empty()) {
            let rows = patients.rows(self)?;
            many = match many.take() {
                None if rows.len() <= FEW => {
                    few.extend(rows.iter());
                    None
                }
                None => Some(rows),
                Some(others) => Some(Arc::new(others.union(&rows).copied().collect())),
            };
        }
        let whose = match many {
            Some(rows) if few.is_empty() => Whose::Many(self.known(rows)),
            Some(rows) => {
                let all = rows.iter().copied().chain(few).collect();
                Whose::Many(self.known(Arc::new(all)))
            }
            None if few.is_empty() => Whose::Nobody,
            None => {
                few.sort_unstable();
                few.dedup();
                Whose::Few(few)
            }
        };
        Ok(match (&whose, sees.nobodys) {
            (Whose::Nobody, false) => Seen::Nothing,
            _ => Seen::Some {
                nobodys: sees.nobodys,
                whose,
            },
        })
    }

    /// Whether a text that is in no table any more (an older version) may be seen, by the patients it names.
    pub(crate) fn may_see_text(&self, peer: PeerId, text: &str) -> Result<bool, StoreError> {
        let damaged = |_| StoreError::DamagedValue {
            what: "version",
            row: 0,
        };
        let resource = Resource::parse_text(text).map_err(damaged)?;
        Ok(self
            .view
            .shows(peer, resource.kind(), &patients_of(&resource)))
    }

    /// The number under which the connection's function `is_one_of` knows a set, until the transaction ends.
    fn known(&self, rows: Arc<HashSet<i64>>) -> i64 {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sets.iter().position(|known| Arc::ptr_eq(known, &rows));
        let at = at.unwrap_or_else(|| {
            sets.push(rows);
            sets.len() - 1
        });
        i64::try_from(at).unwrap_or(i64::MAX)
    }

    /// Whether the record in this row may be seen.
    pub(super) fn may_see(&self, rid: i64, kind: ResourceType) -> Result<bool, StoreError> {
        let seen = match self.seen(kind)? {
            Seen::All => return Ok(true),
            Seen::Nothing => return Ok(false),
            seen => seen,
        };
        let mut statement = Statement::new("SELECT count(*) FROM rkey d WHERE d.rid = ");
        statement.bind(rid).push(" AND ");
        seen.push_condition(&mut statement, "d.rid");
        Ok(statement.number(self, None)? == 1)
    }
}

impl Seen {
    /// The condition on the record whose row number is `rid`.
    pub(super) fn push_condition(&self, statement: &mut Statement, rid: &str) {
        let of = format!("EXISTS (SELECT 1 FROM compartment c WHERE c.rid = {rid}");
        let (nobodys, whose) = match self {
            Self::All => {
                statement.push("1");
                return;
            }
            Self::Nothing => {
                statement.push("0");
                return;
            }
            Self::Some { nobodys, whose } => (*nobodys, whose),
        };
        statement.push("(");
        if nobodys {
            statement.push("NOT ").push(&of).push(")");
        }
        if nobodys && !matches!(whose, Whose::Nobody) {
            statement.push(" OR ");
        }
        match whose {
            Whose::Nobody => {}
            Whose::Few(rows) => {
                statement.push(&of).push(" AND c.patient IN (");
                for (at, row) in rows.iter().enumerate() {
                    statement.push(if at == 0 { "" } else { ", " }).bind(*row);
                }
                statement.push("))");
            }
            Whose::Many(set) => {
                statement.push(&of).push(" AND is_one_of(").bind(*set);
                statement.push(", c.patient))");
            }
        }
        statement.push(")");
    }
}

/// Sets of patients that the connection's function looks into.
pub(super) type Sets = Arc<Mutex<Vec<Arc<HashSet<i64>>>>>;

/// Forgets the sets of the transaction before.
pub(super) fn forget(sets: &Sets) {
    sets.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Gives a connection the function `is_one_of(set, patient)`. A large panel as a list in the statement would be built
/// into a tree at each run; this looks into the one set that is there.
pub(super) fn add_function(connection: &rusqlite::Connection) -> Result<Sets, StoreError> {
    use rusqlite::functions::FunctionFlags;
    let sets = Sets::default();
    let known = Arc::clone(&sets);
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("is_one_of", 2, flags, move |context| {
        let at = usize::try_from(context.get::<i64>(0)?).unwrap_or(usize::MAX);
        let patient: i64 = context.get(1)?;
        let sets = known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(sets.get(at).is_some_and(|set| set.contains(&patient)))
    })?;
    Ok(sets)
}
