//! Changes that wait for a person: what there is to decide, and the decision.
//!
//! A decision is a change of its own, by the person who decides: judged by that person's role as a change of what the
//! server has now, signed, and audited. What is only given up is nobody's change; that may also do whoever wrote it.

mod decide;

use super::concerned::{self, Writing};
use super::note::{Digested, Note};
use super::policy::Wish;
use super::{AccessError, AuditKind, Guard, Person};
use crate::fhir::merge::{self, Clash, Path, Side};
use crate::fhir::{Instant, Reference, Resource};
use crate::rng;
use crate::store::{Durability, EditState, Reader, RecordName, Saved, StoreError, Undecided};
use decide::{Decided, Versions};
use std::collections::BTreeMap;

/// Why a change waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Changed here and at the server.
    BothChanged,
    /// Changed here and deleted at the server.
    DeletedThere,
    /// Deleted here and changed at the server.
    DeletedHere,
    /// The server refused it.
    Refused,
}

/// A change that waits for a person, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToDecide {
    /// The record.
    pub name: RecordName,
    /// What is to be decided.
    pub waits_for: WaitsFor,
    /// When the oldest change of it was made.
    pub since: Instant,
    /// Who changed it here, in the order of the newest change of each.
    pub authors: Vec<Person>,
    /// Issue codes, where the server refused it.
    pub refusal: Option<String>,
}

/// A change that waits for a person, with all its versions. Texts are whole resources.
#[derive(Clone)]
pub struct Conflict {
    /// Without the content.
    pub about: ToDecide,
    /// The server's version it started from; `None`: made here.
    pub base: Option<String>,
    /// What was written here; `None`: deleted.
    pub mine: Option<String>,
    /// The server's newer version; `None`: deleted there, or there is none.
    pub theirs: Option<String>,
    /// Its number: what [`Guard::resolve_seen`] takes.
    pub theirs_version: Option<String>,
    /// Where the versions differ, and what has to be decided; none where one side deleted the record.
    pub differences: Vec<Difference>,
    /// Whether the person sees only what the person wrote: the rest is not for their eyes.
    pub is_own_part_only: bool,
}

/// One place where the versions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, and the three values as JSON.
    pub clash: Clash,
    /// Where, in words.
    pub words: String,
}

/// A person's decision.
#[derive(Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Mine: what was written here stands, and what the server changed elsewhere in the record stays, except where a type
    /// is never merged without a look: there it is the whole record as written here. Theirs: what was written here is
    /// given up.
    Side(Side),
    /// Each difference by itself.
    ByPath(BTreeMap<Path, Side>),
    /// Another text, made by looking at all of them.
    Edited(String),
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Resolution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Side(side) => write!(f, "Side({side:?})"),
            Self::ByPath(sides) => write!(f, "ByPath({} paths)", sides.len()),
            Self::Edited(text) => write!(f, "Edited({} bytes)", text.len()),
        }
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (about, n) = (&self.about, self.differences.len());
        write!(f, "Conflict({about:?}, {n} differences)")
    }
}

/// Why nothing was decided. Paths are not repeated, since they name what is in records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotResolved {
    /// Nothing of that record waits for a decision that this person may make.
    #[error("nothing of {0} waits for a decision of yours")]
    NoConflict(Reference),
    /// The server did not refuse it.
    #[error("no change of {0} was refused: nothing to give up or to send again")]
    NotRefused(Reference),
    /// It was refused, and there is nothing newer to choose.
    #[error(
        "the server refused the change of {0}: save it in another form, give it up, or send it again"
    )]
    Refused(Reference),
    /// One side deleted it, or it was made on both.
    #[error(
        "{0} has no paths to choose by, since it was deleted on one side or made on both: keep one side, or write another text"
    )]
    NoPaths(Reference),
    /// Differences without a decision.
    #[error("{left} of the differences in {name} are not decided")]
    Undecided {
        /// The record.
        name: Reference,
        /// How many.
        left: usize,
    },
    /// Paths at which the versions do not differ.
    #[error("{unknown} of the paths given are none at which the versions of {name} differ")]
    UnknownPath {
        /// The record.
        name: Reference,
        /// How many.
        unknown: usize,
    },
    /// The text is another record's.
    #[error("the text is of {found}, not of {name}")]
    OtherRecord {
        /// The record.
        name: Reference,
        /// What the text is of.
        found: Reference,
    },
    /// It changed meanwhile.
    #[error("{0} changed meanwhile: look at it again")]
    Changed(Reference),
    /// The versions cannot be merged.
    #[error(
        "the versions of {name} cannot be merged ({why}): keep one side, or write another text"
    )]
    NotMergeable {
        /// The record.
        name: Reference,
        /// Why.
        why: merge::NotMergeable,
    },
}

/// A change that waits, as far as a person may see it.
struct Seen {
    about: ToDecide,
    part: Undecided,
    is_all: bool,
}

/// What is asked to be done with a change that waits.
enum Deed<'a> {
    Write(Option<Resource<'a>>),
    GiveUp,
    SendAgain,
}

impl Guard {
    /// Changes that wait for a person, oldest first: of records that this person may read, and those that this person
    /// made. Names and kinds only.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn conflicts(&self) -> Result<Vec<ToDecide>, AccessError> {
        let person = self.actor.person.id();
        self.read(|reader| {
            let mut all = Vec::new();
            for pending in reader.pending_seen(None, person)? {
                if pending.state == EditState::Waiting {
                    continue;
                }
                let found = reader.undecided(&pending.name.reference)?;
                // Of a name that two servers have, the other one comes when this one is decided.
                if let Some(found) = found.filter(|found| found.name == pending.name)
                    && let Some(seen) = self.part_of(reader, found)?
                {
                    all.push(seen.about);
                }
            }
            Ok::<_, StoreError>(all)
        })
    }

    /// All versions of a record that waits for a person, and where they differ. `None`: it does not wait, or this person
    /// may see nothing of it. What others wrote is not shown to whoever may not read it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn conflict(&self, name: &Reference) -> Result<Option<Conflict>, AccessError> {
        let found = self.seen(name)?;
        let texts = found.iter().flat_map(|seen| {
            let part = &seen.part;
            [&part.base, &part.mine, &part.theirs].into_iter().flatten()
        });
        let texts: Vec<&str> = texts.map(String::as_str).collect();
        // Also a look that finds nothing: asking is an act.
        self.enter(Note {
            texts: Some(Digested::of(texts.iter().copied())),
            patients: concerned::in_texts(texts.iter().copied()),
            ..Note::of(AuditKind::Read, &name.to_string())
        })?;
        let Some(Seen {
            about,
            part,
            is_all,
        }) = found
        else {
            return Ok(None);
        };
        // A text that nobody can take apart is still a conflict; its sides can be taken.
        let differences = match is_all {
            true => versions(&part).differences().unwrap_or_default(),
            false => Vec::new(),
        };
        let in_words = |clash: Clash| Difference {
            words: merge::words(name.kind, &clash),
            clash,
        };
        Ok(Some(Conflict {
            about,
            differences: differences.into_iter().map(in_words).collect(),
            base: part.base,
            mine: part.mine,
            theirs: part.theirs,
            theirs_version: part.theirs_version,
            is_own_part_only: !is_all,
        }))
    }

    /// What waits of a record, as far as this person may see it, and whether that is all.
    fn seen(&self, name: &Reference) -> Result<Option<Seen>, AccessError> {
        self.read(|reader| match reader.undecided(name)? {
            Some(found) => self.part_of(reader, found),
            None => Ok::<_, StoreError>(None),
        })
    }

    /// What of it is for this person's eyes; `None`: nothing.
    fn part_of(&self, reader: &Reader<'_>, whole: Undecided) -> Result<Option<Seen>, StoreError> {
        let about = about(&whole);
        if reader.sees_all_of(&whole)? {
            return Ok(Some(Seen {
                about,
                part: whole,
                is_all: true,
            }));
        }
        let person = &self.actor.person;
        let Some(own) = reader.own_part(&whole, person.id())? else {
            return Ok(None);
        };
        let mut part = whole;
        (part.base, part.mine, part.theirs) = (None, own, None);
        let authors = vec![person.clone()];
        Ok(Some(Seen {
            about: ToDecide { authors, ..about },
            part,
            is_all: false,
        }))
    }

    /// Decides a conflict. The decision goes to the server with the next sync, as this person's change.
    ///
    /// # Errors
    /// [`AccessError`], with [`NotResolved`] among them; then everything waits as it did.
    pub fn resolve(&self, name: &Reference, resolution: &Resolution) -> Result<Saved, AccessError> {
        self.resolve_if(name, resolution, |_| true)
    }

    /// As [`Guard::resolve`], if the server's version is still the one that the person looked at (`theirs_version` of
    /// [`Guard::conflict`]): a sync may run meanwhile.
    ///
    /// # Errors
    /// [`AccessError`]; [`NotResolved::Changed`] when there is a newer one.
    pub fn resolve_seen(
        &self,
        name: &Reference,
        resolution: &Resolution,
        theirs_version: Option<&str>,
    ) -> Result<Saved, AccessError> {
        self.resolve_if(name, resolution, |found| {
            found.theirs_version.as_deref() == theirs_version
        })
    }

    fn resolve_if(
        &self,
        name: &Reference,
        resolution: &Resolution,
        is_as_seen: impl Fn(&Undecided) -> bool,
    ) -> Result<Saved, AccessError> {
        let none = || NotResolved::NoConflict(name.clone());
        let whole = self.read_for_device(|reader| reader.undecided(name))?;
        let whole = whole.ok_or_else(none)?;
        if whole.state == EditState::Refused {
            return Err(match self.seen(name)? {
                Some(_) => NotResolved::Refused(name.clone()),
                None => none(),
            }
            .into());
        }
        let is_given_up = matches!(resolution, Resolution::Side(Side::Theirs));
        let sees_all = self.seen(name)?.ok_or_else(none)?.is_all;
        // Whoever may not see the rest can give up what is theirs, and decide nothing else.
        let may_decide = sees_all || (is_given_up && whole.is_of(self.actor.person.id()));
        if !may_decide {
            return Err(none().into());
        }
        if !is_as_seen(&whole) {
            return Err(NotResolved::Changed(name.clone()).into());
        }
        let text = versions(&whole).decided(resolution)?;
        let deed = match &text {
            Decided::Theirs => Deed::GiveUp,
            Decided::Deletion => Deed::Write(None),
            Decided::Text(text) => Deed::Write(Some(decide::of_record(name, text)?)),
        };
        self.act_on(&whole, &deed)
    }

    /// Gives up a change that the server refused: the record is again what the server has. For whoever may write the
    /// record, and for its author.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was given up.
    pub fn discard_refused(&self, name: &Reference) -> Result<(), AccessError> {
        let refused = self.refused(name)?;
        self.act_on(&refused, &Deed::GiveUp).map(drop)
    }

    /// Sends once more what the server refused, as it is: something was put right there. For whoever may write the record,
    /// and for its author.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn send_again(&self, name: &Reference) -> Result<(), AccessError> {
        let refused = self.refused(name)?;
        self.act_on(&refused, &Deed::SendAgain).map(drop)
    }

    fn refused(&self, name: &Reference) -> Result<Undecided, AccessError> {
        let none = || NotResolved::NotRefused(name.clone());
        let sees_all = self.seen(name)?.ok_or_else(none)?.is_all;
        let whole = self.read_for_device(|reader| reader.undecided(name))?;
        let whole = whole.filter(|found| found.state == EditState::Refused);
        let whole = whole.ok_or_else(none)?;
        match sees_all || whole.is_of(self.actor.person.id()) {
            true => Ok(whole),
            false => Err(none().into()),
        }
    }

    /// Does it, if the person may and everything still is as it was looked at.
    fn act_on(&self, found: &Undecided, deed: &Deed<'_>) -> Result<Saved, AccessError> {
        let name = &found.name.reference;
        let (id, signer) = (rng::make_uuid()?, self.signer()?);
        let writing = self.read_for_device(|reader| writing(reader, found, deed))?;
        self.written_as(&writing, |guard| {
            guard.write(Durability::Full, |tx| {
                if tx.undecided(name)?.as_ref() != Some(found) {
                    return Err(AccessError::from(NotResolved::Changed(name.clone())));
                }
                guard.judge_deed(found, deed)?;
                let author = guard.author(&id, signer.as_ref());
                Ok(match deed {
                    Deed::Write(text) => tx.resolve_with(found, text.as_ref(), author)?,
                    Deed::GiveUp => {
                        tx.resolve_theirs(found)?;
                        Saved::Withdrawn
                    }
                    Deed::SendAgain => {
                        tx.send_again(found)?;
                        Saved::Queued
                    }
                })
            })
        })
    }

    /// As a write of what comes out over what the server has. What the person wrote alone, the person may give up, or send
    /// again for the server to judge.
    fn judge_deed(&self, found: &Undecided, deed: &Deed<'_>) -> Result<(), AccessError> {
        let is_own = found.is_of(self.actor.person.id());
        let parsed;
        let (new, old) = match deed {
            Deed::Write(text) => (text.as_ref(), found.at_server()),
            _ if is_own => return Ok(()),
            // Back to what the server has: a write over what was written here.
            Deed::GiveUp => {
                parsed = found.at_server().map(Resource::parse_text).transpose()?;
                (parsed.as_ref(), found.mine.as_deref())
            }
            Deed::SendAgain => {
                let mine = found.mine.as_deref();
                parsed = mine.map(Resource::parse_text).transpose()?;
                (parsed.as_ref(), found.at_server())
            }
        };
        let wish = Wish {
            name: found.name.clone(),
            new,
            actor: &self.actor,
            expects_version: false,
        };
        self.judge_served(&wish, &[], old, false).map(drop)
    }
}

fn versions(found: &Undecided) -> Versions<'_> {
    Versions {
        name: &found.name.reference,
        base: found.base.as_deref(),
        mine: found.mine.as_deref(),
        theirs: found.at_server(),
    }
}

fn about(found: &Undecided) -> ToDecide {
    let waits_for = match (found.state, &found.mine, &found.theirs) {
        (EditState::Conflict, None, _) => WaitsFor::DeletedHere,
        (EditState::Conflict, Some(_), None) => WaitsFor::DeletedThere,
        (EditState::Conflict, ..) => WaitsFor::BothChanged,
        _ => WaitsFor::Refused,
    };
    ToDecide {
        name: found.name.clone(),
        waits_for,
        since: found.since,
        authors: found.authors.iter().map(Person::new).collect(),
        refusal: found.refusal.clone(),
    }
}

/// What the entries in the trail say.
fn writing(reader: &Reader<'_>, found: &Undecided, deed: &Deed<'_>) -> Result<Writing, StoreError> {
    let name = &found.name.reference;
    let texts = [&found.base, &found.mine, &found.theirs];
    let patients = concerned::in_texts(texts.into_iter().flatten().map(String::as_str));
    let of = |writing: Writing| Writing {
        patients: concerned::and(writing.patients, &patients),
        ..writing
    };
    Ok(of(match deed {
        Deed::Write(Some(resource)) => Writing::of_put(reader, resource)?,
        Deed::Write(None) => Writing::of_delete(reader, name)?,
        Deed::GiveUp => Writing::named(format!("give up {name}")),
        Deed::SendAgain => Writing::named(format!("send again {name}")),
    }))
}
