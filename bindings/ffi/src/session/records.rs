//! Records: a page of rows, one as its text, a change.

use super::Session;
use crate::PocketchartError;
use crate::redacted::redacted;
use pocketchart_core::access::{Guard, Origin, Record, Saved};
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Reference, Resource};
use pocketchart_core::session::rows::Medicines;

/// Most rows of a page.
const MOST: usize = 100;

/// One record as a row of a list.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct RecordSummary {
    /// `Type/id`.
    pub reference: String,
    /// Its type.
    pub kind: String,
    /// What it is, in words; never empty.
    pub what: String,
    /// When it happened, as FHIR writes dates.
    pub when: Option<String>,
    /// What was found.
    pub value: Option<String>,
    /// In which state it is, where that matters.
    pub state: Option<String>,
    /// Whether it was changed here and no server has acknowledged it.
    pub is_waiting: bool,
    /// Whether it only comes along (`_include`, `_revinclude`).
    pub is_included: bool,
}

/// A page of a search.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct SummaryPage {
    /// Its rows, in order: at most 100, and what comes along behind them.
    pub items: Vec<RecordSummary>,
    /// All matches, with `_total=accurate` in the search.
    pub total: Option<u64>,
    /// For the next page of the same search in this session; `None`: this is the last one.
    pub next: Option<String>,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum RecordState {
    /// As the server has it.
    Synced,
    /// Changed here; a sync sends it.
    Waiting,
}

/// One record.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct RecordText {
    /// `Type/id`.
    pub reference: String,
    /// The resource, byte for byte as it came or was written.
    pub json: String,
    /// The server's version; `None`: it was never there.
    pub version: Option<String>,
    /// When the server, or whoever changed it here, stored it: RFC 3339.
    pub updated: String,
    /// Where it stands.
    pub state: RecordState,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SaveState {
    /// Stored; the next sync sends it.
    Queued,
    /// Stored; but the server has a newer version, so a person has to decide first.
    InConflict,
    /// These bytes were there already.
    Unchanged,
    /// Nothing is left to send: what was never sent was deleted or changed back.
    Withdrawn,
}

/// A change that was stored.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct SavedRecord {
    /// `Type/id`.
    pub reference: String,
    /// What became of it.
    pub state: SaveState,
}

redacted!(RecordSummary, SummaryPage, RecordText, SavedRecord);

impl SavedRecord {
    pub(crate) fn of(name: &Reference, saved: Saved) -> Self {
        Self {
            reference: name.to_string(),
            state: match saved {
                Saved::Queued => SaveState::Queued,
                Saved::InConflict => SaveState::InConflict,
                Saved::Unchanged => SaveState::Unchanged,
                Saved::Withdrawn => SaveState::Withdrawn,
            },
        }
    }
}

/// `Type/id`, and nothing behind it: older versions are not kept on a device.
pub(crate) fn named(reference: &str) -> Result<Reference, PocketchartError> {
    let name = Reference::parse(reference).ok();
    let name = name.filter(|name| name.to_string() == reference);
    name.ok_or(PocketchartError::BadInput("expected Type/id"))
}

#[uniffi::export]
impl Session {
    /// A page of a search in FHIR's own words, such as `Observation?code=8867-4&_sort=-date&_count=50`. `cursor`: the
    /// `next` of the page before, of the same search.
    ///
    /// # Errors
    /// [`PocketchartError::BadInput`] for what is no search; [`PocketchartError::NotAllowed`];
    /// [`PocketchartError::Locked`].
    #[uniffi::method(default(cursor = None))]
    pub async fn search(
        &self,
        query: String,
        cursor: Option<String>,
    ) -> Result<SummaryPage, PocketchartError> {
        self.work(move |guard| page(guard, &query, cursor)).await
    }

    /// One record.
    ///
    /// # Errors
    /// [`PocketchartError::NotFound`]: there is none that this person may see.
    pub async fn get(&self, reference: String) -> Result<RecordText, PocketchartError> {
        self.work(move |guard| {
            let found = guard.get(&named(&reference)?)?;
            let record = found.ok_or(PocketchartError::NotFound)?;
            Ok(RecordText {
                state: match record.origin {
                    Origin::Server => RecordState::Synced,
                    Origin::Local => RecordState::Waiting,
                },
                reference: record.name.reference.to_string(),
                updated: record.updated.to_string(),
                version: record.version,
                json: record.text,
            })
        })
        .await
    }

    /// Stores a FHIR R4 resource, whole, as this person's change. A new one needs an id of its own
    /// ([`new_record_id`](crate::new_record_id)).
    ///
    /// # Errors
    /// [`PocketchartError::BadInput`]; [`PocketchartError::NotAllowed`]; [`PocketchartError::StoredUnnoted`]: it is
    /// stored. Else nothing was.
    pub async fn put(&self, json: String) -> Result<SavedRecord, PocketchartError> {
        self.work(move |guard| {
            let bad = |_| PocketchartError::BadInput("not a FHIR R4 resource with an id");
            let resource = Resource::parse_text(&json).map_err(bad)?;
            let saved = guard.put(&resource)?;
            Ok(SavedRecord::of(resource.name(), saved))
        })
        .await
    }

    /// Deletes a record, as this person's change.
    ///
    /// # Errors
    /// [`PocketchartError::NotFound`]; [`PocketchartError::NotAllowed`].
    pub async fn delete(&self, reference: String) -> Result<SavedRecord, PocketchartError> {
        self.work(move |guard| {
            let name = named(&reference)?;
            let saved = guard.delete(&name)?.ok_or(PocketchartError::NotFound)?;
            Ok(SavedRecord::of(&name, saved))
        })
        .await
    }
}

fn page(
    guard: &Guard,
    query: &str,
    cursor: Option<String>,
) -> Result<SummaryPage, PocketchartError> {
    let bad = |_| PocketchartError::BadInput("not a FHIR search that is supported");
    let mut query = Query::parse(query).map_err(bad)?;
    query.count = query.count.min(MOST);
    query.cursor = cursor.or(query.cursor);
    let page = guard.search(&query)?;
    let words = Medicines::of(guard, page.records.iter().chain(&page.included))?;
    let row = |record: &Record, is_included| {
        let row = words.row(record);
        RecordSummary {
            reference: record.name.reference.to_string(),
            kind: record.name.reference.kind.name().to_owned(),
            what: row.what,
            when: row.when,
            value: row.value,
            state: row.state,
            is_waiting: record.origin == Origin::Local,
            is_included,
        }
    };
    let found = page.records.iter().map(|record| row(record, false));
    let along = page.included.iter().map(|record| row(record, true));
    Ok(SummaryPage {
        items: found.chain(along).collect(),
        total: page.total,
        next: page.next.and_then(|next| next.cursor),
    })
}
