//! Changes that wait for a person: what there is to decide, and the decision.
//!
//! A decision is a change of its own, by the person who decides: judged by that person's role as a change of what the
//! server has now, signed, and audited. What is only given up is nobody's change; that may also do whoever wrote it.

use super::concerned::{self, Writing};
use super::note::{Digested, Note};
use super::policy::Wish;
use super::{AccessError, AuditKind, Guard, Person};
use crate::fhir::merge::{self, Clash, Path, Side};
use crate::fhir::{Instant, InvalidResource, Reference, Resource};
use crate::rng;
use crate::store::{Durability, EditState, RecordName, Saved, StoreError, Undecided};
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
                if let Some(found) = reader.undecided(&pending.name.reference)?
                    && found.name == pending.name
                {
                    all.push(about(&found));
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
        let texts = found.iter().flat_map(|(found, _)| {
            [&found.base, &found.mine, &found.theirs]
                .into_iter()
                .flatten()
        });
        let texts: Vec<&str> = texts.map(String::as_str).collect();
        // Also a look that finds nothing: asking is an act.
        self.enter(Note {
            texts: Some(Digested::of(texts.iter().copied())),
            patients: concerned::in_texts(texts.iter().copied()),
            ..Note::of(AuditKind::Read, &name.to_string())
        })?;
        let Some((found, sees_all)) = found else {
            return Ok(None);
        };
        // A text that nobody can take apart is still a conflict; its sides can be taken.
        let differences = match sees_all {
            true => differences(&found).unwrap_or_default(),
            false => Vec::new(),
        };
        let in_words = |clash: Clash| Difference {
            words: merge::words(name.kind, &clash),
            clash,
        };
        Ok(Some(Conflict {
            about: about(&found),
            differences: differences.into_iter().map(in_words).collect(),
            base: found.base,
            mine: found.mine,
            theirs: found.theirs,
            theirs_version: found.theirs_version,
            is_own_part_only: !sees_all,
        }))
    }

    /// What waits of a record, as far as this person may see it, and whether that is all.
    fn seen(&self, name: &Reference) -> Result<Option<(Undecided, bool)>, AccessError> {
        let person = self.actor.person.id();
        self.read(|reader| {
            let Some(mut found) = reader.undecided(name)? else {
                return Ok(None);
            };
            if reader.sees_all_of(&found)? {
                return Ok(Some((found, true)));
            }
            let Some(own) = reader.own_part(&found, person)? else {
                return Ok(None);
            };
            (found.base, found.mine, found.theirs) = (None, own, None);
            Ok::<_, StoreError>(Some((found, false)))
        })
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
        let (_, sees_all) = self.seen(name)?.ok_or_else(none)?;
        // Whoever may not see the rest can give up what is theirs, and decide nothing else.
        let may_decide = sees_all || (is_given_up && whole.is_of(self.actor.person.id()));
        if !may_decide {
            return Err(none().into());
        }
        if !is_as_seen(&whole) {
            return Err(NotResolved::Changed(name.clone()).into());
        }
        let text = decided(&whole, resolution)?;
        let deed = match &text {
            Decided::Theirs => Deed::GiveUp,
            Decided::Deletion => Deed::Write(None),
            Decided::Text(text) => Deed::Write(Some(of_record(name, text)?)),
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
        let (_, sees_all) = self.seen(name)?.ok_or_else(none)?;
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

/// What comes out of a decision.
enum Decided {
    Theirs,
    Deletion,
    Text(String),
}

fn decided(found: &Undecided, resolution: &Resolution) -> Result<Decided, AccessError> {
    let name = &found.name.reference;
    Ok(match resolution {
        Resolution::Side(Side::Theirs) => Decided::Theirs,
        Resolution::Side(Side::Mine) => match &found.mine {
            None => Decided::Deletion,
            Some(mine) => Decided::Text(kept(found, mine)),
        },
        Resolution::ByPath(sides) => Decided::Text(by_path(found, sides)?),
        Resolution::Edited(text) => {
            of_record(name, text)?;
            Decided::Text(text.clone())
        }
    })
}

/// What was written here, with what the server changed elsewhere where that can be told.
fn kept(found: &Undecided, mine: &str) -> String {
    let (Some(base), Some(theirs)) = (&found.base, &found.theirs) else {
        return mine.to_owned();
    };
    if merge::needs_a_person(found.name.reference.kind) {
        return mine.to_owned();
    }
    let settled = merge::settle(base, mine, theirs, &|_| Side::Mine);
    settled.unwrap_or_else(|_| mine.to_owned())
}

fn by_path(found: &Undecided, sides: &BTreeMap<Path, Side>) -> Result<String, NotResolved> {
    let name = &found.name.reference;
    let Some([base, mine, theirs]) = three(found) else {
        return Err(NotResolved::NoPaths(name.clone()));
    };
    let refused = |why| NotResolved::NotMergeable {
        name: name.clone(),
        why,
    };
    let clashes = differences(found).map_err(refused)?;
    let left = clashes
        .iter()
        .filter(|clash| !sides.contains_key(&clash.path));
    let left = left.count();
    if left > 0 {
        return Err(NotResolved::Undecided {
            name: name.clone(),
            left,
        });
    }
    let is_known = |path: &Path| clashes.iter().any(|clash| clash.path == *path);
    let unknown = sides.keys().filter(|path| !is_known(path)).count();
    if unknown > 0 {
        return Err(NotResolved::UnknownPath {
            name: name.clone(),
            unknown,
        });
    }
    let choose = |clash: &Clash| sides.get(&clash.path).copied().unwrap_or(Side::Theirs);
    let settled = match is_looked_at_whole(found) {
        true => merge::settle_each(base, mine, theirs, &choose),
        false => merge::settle(base, mine, theirs, &choose),
    };
    settled.map_err(refused)
}

/// Base, mine, theirs, where all are there. A record made on both sides has nothing in common but its name.
fn three(found: &Undecided) -> Option<[&str; 3]> {
    let (mine, theirs) = (found.mine.as_deref()?, found.at_server()?);
    Some([found.base.as_deref()?, mine, theirs])
}

/// Whether every difference is decided, and not only those that both sides made: where the type demands it, or nothing
/// clashes.
fn is_looked_at_whole(found: &Undecided) -> bool {
    let clashes =
        three(found).and_then(|[base, mine, theirs]| merge::merge(base, mine, theirs).ok());
    merge::needs_a_person(found.name.reference.kind)
        || clashes.is_some_and(|merged| merged.clashes.is_empty())
}

fn differences(found: &Undecided) -> Result<Vec<Clash>, merge::NotMergeable> {
    let Some([base, mine, theirs]) = three(found) else {
        return Ok(Vec::new());
    };
    match is_looked_at_whole(found) {
        true => merge::compare(base, mine, theirs),
        false => Ok(merge::merge(base, mine, theirs)?.clashes),
    }
}

/// The text as a resource, if it is of that record.
fn of_record<'a>(name: &Reference, text: &'a str) -> Result<Resource<'a>, AccessError> {
    let resource = Resource::parse_text(text).map_err(|e: InvalidResource| AccessError::from(e))?;
    if resource.name() == name {
        return Ok(resource);
    }
    Err(NotResolved::OtherRecord {
        name: name.clone(),
        found: resource.name().clone(),
    }
    .into())
}

/// What the entries in the trail say.
fn writing(
    reader: &crate::store::Reader<'_>,
    found: &Undecided,
    deed: &Deed<'_>,
) -> Result<Writing, StoreError> {
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
