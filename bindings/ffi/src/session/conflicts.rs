//! What waits: for a server, for a person's decision, or since a server refused it.

use super::Session;
use super::records::{SavedRecord, named};
use crate::PocketchartError;
use crate::redacted::redacted;
use pocketchart_core::access::{self, EditState, Guard, Person, ToDecide, Waiting, WaitsFor};
use pocketchart_core::fhir::merge::{Path, Side, value_words};
use std::collections::BTreeMap;

/// Why a change waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ConflictKind {
    /// Changed here and at the server.
    BothChanged,
    /// Changed here and deleted at the server.
    DeletedThere,
    /// Deleted here and changed at the server.
    DeletedHere,
}

/// A change that waits for a person, without its content.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct ConflictInfo {
    /// `Type/id`.
    pub reference: String,
    /// What is to be decided.
    pub kind: ConflictKind,
    /// When the oldest change of it was made here: RFC 3339.
    pub since: String,
    /// Who changed it here.
    pub authors: Vec<String>,
}

/// A change that a server refused for good. It is kept.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct RefusedChange {
    /// `Type/id`.
    pub reference: String,
    /// When the oldest change of it was made here: RFC 3339.
    pub since: String,
    /// Who changed it here.
    pub authors: Vec<String>,
    /// Issue codes of the refusal.
    pub codes: Option<String>,
}

/// One place where the versions differ.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct FieldDifference {
    /// Where, to be named in a [`PathChoice`].
    pub path: String,
    /// Where, in words.
    pub words: String,
    /// What it was before, in words.
    pub base: String,
    /// What was written here, in words.
    pub mine: String,
    /// What the server has, in words.
    pub theirs: String,
}

/// A change that waits for a person, with all its versions, as far as this person may see them.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct ConflictView {
    /// Without the content; `None`: it is no conflict, the server refused it.
    pub about: Option<ConflictInfo>,
    /// The server's version that it started from; `None`: it was made here.
    pub base: Option<String>,
    /// What was written here; `None`: it was deleted.
    pub mine: Option<String>,
    /// The server's newer version; `None`: deleted there, or there is none.
    pub theirs: Option<String>,
    /// Its number, for [`Session::resolve_seen`].
    pub theirs_version: Option<String>,
    /// What has to be decided, place by place; none where one side deleted the record.
    pub differences: Vec<FieldDifference>,
    /// Whether only what this person wrote is shown: the rest is not for their eyes.
    pub is_own_part_only: bool,
}

/// One of two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ConflictSide {
    /// What was written here.
    Mine,
    /// What the server has.
    Theirs,
}

/// The decision at one place.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct PathChoice {
    /// [`FieldDifference::path`].
    pub path: String,
    /// Which side stands.
    pub side: ConflictSide,
}

/// A person's decision.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Display)]
pub enum Resolution {
    /// What was written here stands; what the server changed elsewhere in the record stays too.
    Mine,
    /// What was written here is given up.
    Theirs,
    /// Each difference by itself, all of them.
    ByPath {
        /// The decisions.
        choices: Vec<PathChoice>,
    },
    /// Another text.
    Edited {
        /// The whole resource.
        json: String,
    },
}

/// A changed record that no server has acknowledged.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct WaitingChange {
    /// `Type/id`.
    pub reference: String,
    /// Changes of it that wait.
    pub changes: u64,
    /// When the oldest was made: RFC 3339.
    pub since: String,
    /// Whether it was deleted here.
    pub is_deleted: bool,
    /// Whether it was sent, and the answer never came.
    pub was_sent: bool,
    /// For what it waits at the server, as issue codes: such as for its author to be approved.
    pub waits_for: Option<String>,
    /// Who changed it.
    pub authors: Vec<String>,
}

redacted!(
    ConflictInfo,
    RefusedChange,
    FieldDifference,
    ConflictView,
    PathChoice,
    Resolution,
    WaitingChange,
);

#[uniffi::export]
impl Session {
    /// Changes that wait for a person's decision, oldest first.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub async fn conflicts(&self) -> Result<Vec<ConflictInfo>, PocketchartError> {
        self.work(|guard| {
            let all = guard.conflicts()?;
            Ok(all.iter().filter_map(ConflictInfo::of).collect())
        })
        .await
    }

    /// All versions of a record that waits for a person, be it in conflict or refused.
    ///
    /// # Errors
    /// [`PocketchartError::NothingWaits`].
    pub async fn conflict(&self, reference: String) -> Result<ConflictView, PocketchartError> {
        self.work(move |guard| {
            let found = guard.conflict(&named(&reference)?)?;
            let found = found.ok_or(PocketchartError::NothingWaits)?;
            Ok(ConflictView::of(found))
        })
        .await
    }

    /// Decides a conflict, as it stands now. The decision is this person's change, and goes with the next sync.
    ///
    /// # Errors
    /// [`PocketchartError::NothingWaits`], [`PocketchartError::Undecided`], [`PocketchartError::NotAllowed`],
    /// [`PocketchartError::BadInput`]; then everything waits as it did.
    pub async fn resolve(
        &self,
        reference: String,
        resolution: Resolution,
    ) -> Result<SavedRecord, PocketchartError> {
        self.work(move |guard| {
            let name = named(&reference)?;
            let saved = guard.resolve(&name, &resolution.in_core()?)?;
            Ok(SavedRecord::of(&name, saved))
        })
        .await
    }

    /// As [`Session::resolve`], if the server's version is still the one that the person looked at: a sync may run
    /// meanwhile.
    ///
    /// # Errors
    /// [`PocketchartError::Changed`] where there is a newer one, and those of [`Session::resolve`].
    pub async fn resolve_seen(
        &self,
        reference: String,
        resolution: Resolution,
        theirs_version: Option<String>,
    ) -> Result<SavedRecord, PocketchartError> {
        self.work(move |guard| {
            let name = named(&reference)?;
            let seen = theirs_version.as_deref();
            let saved = guard.resolve_seen(&name, &resolution.in_core()?, seen)?;
            Ok(SavedRecord::of(&name, saved))
        })
        .await
    }

    /// Changed records that wait for a server, oldest first: those that this person may read, and those of theirs.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub async fn outbox(&self) -> Result<Vec<WaitingChange>, PocketchartError> {
        self.work(|guard| {
            let waiting = guard.status()?.waiting.into_iter();
            let for_a_server = waiting.filter(|one| one.state == EditState::Waiting);
            Ok(for_a_server.map(WaitingChange::of).collect())
        })
        .await
    }

    /// Changes that a server refused for good, oldest first.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub async fn quarantine(&self) -> Result<Vec<RefusedChange>, PocketchartError> {
        self.work(|guard| {
            let all = guard.conflicts()?.into_iter();
            let refused = all.filter(|one| one.waits_for == WaitsFor::Refused);
            Ok(refused.map(RefusedChange::of).collect())
        })
        .await
    }

    /// Sends once more what the server refused, as it is, with the next sync: something was put right there.
    ///
    /// # Errors
    /// [`PocketchartError::NothingWaits`], [`PocketchartError::NotAllowed`].
    pub async fn send_again(&self, reference: String) -> Result<(), PocketchartError> {
        self.work(move |guard| Ok(guard.send_again(&named(&reference)?)?))
            .await
    }

    /// Gives up what the server refused: the record is again what the server has.
    ///
    /// # Errors
    /// [`PocketchartError::NothingWaits`], [`PocketchartError::NotAllowed`]; then nothing was given up.
    pub async fn discard_refused(&self, reference: String) -> Result<(), PocketchartError> {
        self.work(move |guard: &Guard| Ok(guard.discard_refused(&named(&reference)?)?))
            .await
    }
}

impl Resolution {
    fn in_core(self) -> Result<access::Resolution, PocketchartError> {
        let side = |side| match side {
            ConflictSide::Mine => Side::Mine,
            ConflictSide::Theirs => Side::Theirs,
        };
        Ok(match self {
            Self::Mine => access::Resolution::Side(Side::Mine),
            Self::Theirs => access::Resolution::Side(Side::Theirs),
            Self::Edited { json } => access::Resolution::Edited(json),
            Self::ByPath { choices } => {
                let mut sides: BTreeMap<Path, Side> = BTreeMap::new();
                for choice in choices {
                    let path = choice.path.parse();
                    let path = path.map_err(|_| PocketchartError::BadInput("not a path"))?;
                    sides.insert(path, side(choice.side));
                }
                access::Resolution::ByPath(sides)
            }
        })
    }
}

impl ConflictInfo {
    fn of(one: &ToDecide) -> Option<Self> {
        Some(Self {
            reference: one.name.reference.to_string(),
            kind: match one.waits_for {
                WaitsFor::BothChanged => ConflictKind::BothChanged,
                WaitsFor::DeletedThere => ConflictKind::DeletedThere,
                WaitsFor::DeletedHere => ConflictKind::DeletedHere,
                WaitsFor::Refused => return None,
            },
            since: one.since.to_string(),
            authors: ids(&one.authors),
        })
    }
}

impl RefusedChange {
    fn of(one: ToDecide) -> Self {
        Self {
            reference: one.name.reference.to_string(),
            since: one.since.to_string(),
            authors: ids(&one.authors),
            codes: one.refusal,
        }
    }
}

impl ConflictView {
    fn of(found: access::Conflict) -> Self {
        let differences = found.differences.into_iter();
        let difference = |one: access::Difference| FieldDifference {
            path: one.clash.path.to_string(),
            words: one.words,
            base: value_words(one.clash.base.as_deref()),
            mine: value_words(one.clash.mine.as_deref()),
            theirs: value_words(one.clash.theirs.as_deref()),
        };
        Self {
            about: ConflictInfo::of(&found.about),
            differences: differences.map(difference).collect(),
            base: found.base,
            mine: found.mine,
            theirs: found.theirs,
            theirs_version: found.theirs_version,
            is_own_part_only: found.is_own_part_only,
        }
    }
}

impl WaitingChange {
    fn of(one: Waiting) -> Self {
        Self {
            reference: one.name.reference.to_string(),
            changes: one.changes,
            since: one.since.to_string(),
            is_deleted: one.deleted,
            was_sent: one.sent,
            waits_for: one.refusal,
            authors: ids(&one.authors),
        }
    }
}

fn ids(people: &[Person]) -> Vec<String> {
    people.iter().map(|person| person.id().to_owned()).collect()
}
