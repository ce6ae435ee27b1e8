//! Whose change is it? What the hub makes of the signed records that come with a change.
//!
//! A device's token says which device speaks, not who wrote. Who wrote is what the record says whose signature, vault,
//! device, version and bytes all fit, by a key that this hub certified for a member of that device. The change is then
//! judged by the role in that certificate, and audited as that person's.

use super::change::{self, ChangeRecord, MAX_AUTHORS};
use super::commit::{Act, Write};
use super::people;
use super::{AccessError, Actor, Certificate, Guard, Role};
use crate::fhir::{Reference, marks};
use crate::store::{Committed, StoreError, Tx, View, merged};

/// Why a signed change was not taken. Nothing of it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// A shared device may write nothing itself.
    #[error("a shared device sends nothing without the signed record of the person who wrote it")]
    Unsigned,
    /// Not signed by the key it names, or no record at all.
    #[error("the change record is not signed as it says")]
    BadSignature,
    /// Made on another device, or in another vault, than the token is for.
    #[error("the change record is another device's")]
    OtherDevice,
    /// About another record.
    #[error("the change record is about another record")]
    OtherRecord,
    /// With a request whose outcome nobody could have signed.
    #[error("a signed change is a PUT of a record under its id, or a DELETE of it")]
    NotExact,
    /// About other bytes.
    #[error("the change record is about other content")]
    OtherContent,
    /// Made on another version than the one it is to replace.
    #[error("the change record was made on another version")]
    OtherVersion,
    /// The key is not that person's.
    #[error("the change record names somebody whose key this is not")]
    Forged,
    /// Not what the signed text and the newer version make together.
    #[error("the change is not what its author signed, merged with what the hub has")]
    NotMerged,
    /// Taken before.
    #[error("this change was taken before")]
    Repeated,
    /// Nobody has approved its author here yet. It may be taken later.
    #[error("its author is not approved on this hub yet; it can be sent again once that is done")]
    NotApproved,
    /// Its author was removed.
    #[error("its author was removed from this hub")]
    Revoked,
}

impl ChangeRefused {
    /// The reason as a code for the program at the other end.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unsigned => "change-unsigned",
            Self::BadSignature => "change-bad-signature",
            Self::OtherDevice => "change-of-another-device",
            Self::OtherRecord => "change-of-another-record",
            Self::NotExact => "change-not-exact",
            Self::OtherContent => "change-of-other-content",
            Self::OtherVersion => "change-of-another-version",
            Self::Forged => "change-of-another-author",
            Self::NotMerged => "change-not-merged",
            Self::Repeated => "change-repeated",
            Self::NotApproved => marks::NOT_APPROVED,
            Self::Revoked => "author-revoked",
        }
    }
}

/// Somebody who had a part in a change.
pub(super) struct Author {
    pub(super) actor: Actor,
    record: ChangeRecord,
}

impl Guard {
    /// Who wrote this, oldest first; the last one wrote these bytes. Empty: the caller itself. A refusal is audited.
    pub(super) fn authors_of(&self, write: &Write<'_>) -> Result<Vec<Author>, AccessError> {
        let found = self.find_authors(write);
        if let Err(AccessError::Change(refused)) = &found {
            self.note_refused(&write.what(), refused.code())?;
        }
        found
    }

    fn find_authors(&self, write: &Write<'_>) -> Result<Vec<Author>, AccessError> {
        // On the hub's own machine the operator's token may do everything anyway.
        let Some(device) = self.actor.device.as_ref() else {
            return Ok(Vec::new());
        };
        if matches!(write.act, Act::Read(_)) {
            return Ok(Vec::new());
        }
        let Some(text) = &write.change else {
            // A patient's own device writes as that patient.
            return match self.actor.role == Role::TABLET {
                true => Err(ChangeRefused::Unsigned.into()),
                false => Ok(Vec::new()),
            };
        };
        let mut records = Vec::new();
        for text in change::split(text) {
            if records.len() == MAX_AUTHORS {
                return Err(ChangeRefused::BadSignature.into());
            }
            records.push(ChangeRecord::verify(text).map_err(|_| ChangeRefused::BadSignature)?);
        }
        let (name, content) = write.exact().ok_or(ChangeRefused::NotExact)?;
        let newest = records.last().ok_or(ChangeRefused::BadSignature)?;
        if !newest.is_about(content) {
            return Err(ChangeRefused::OtherContent.into());
        }
        let authority = self.authority_key()?.public();
        let name = name.to_string();
        self.read(|reader| {
            let vault = people::device(reader, device)?.map(|row| row.vault);
            let mut authors = Vec::with_capacity(records.len());
            for record in records {
                if record.device != *device || Some(&record.vault) != vault.as_ref() {
                    return Err(ChangeRefused::OtherDevice.into());
                }
                if record.record != name {
                    return Err(ChangeRefused::OtherRecord.into());
                }
                let member = people::member(reader, &record.key.to_string())?
                    .ok_or(ChangeRefused::NotApproved)?;
                if member.device != *device {
                    return Err(ChangeRefused::OtherDevice.into());
                }
                if member.member.person.id() != record.author {
                    return Err(ChangeRefused::Forged.into());
                }
                if member.revoked {
                    return Err(ChangeRefused::Revoked.into());
                }
                let certificate = member.certificate.ok_or(ChangeRefused::NotApproved)?;
                let mut actor = Certificate::holder(&authority, &certificate, &record.key)
                    .map_err(|_| ChangeRefused::Forged)?;
                actor.device = Some(device.clone());
                authors.push(Author { actor, record });
            }
            Ok::<_, AccessError>(authors)
        })
    }
}

/// The change was made on the version that it is to replace, or is merged with it; and was not taken before. In the
/// transaction that stores it. `text`: what would be stored; `None`: a deletion.
pub(super) fn must_fit(
    tx: &Tx<'_>,
    name: &Reference,
    write: &Write<'_>,
    authors: &[Author],
    text: Option<&str>,
) -> Result<(), AccessError> {
    if authors.is_empty() {
        return Ok(());
    }
    let condition = &write.condition;
    for author in authors {
        if tx.is_change_made(&author.record.change)? {
            return Err(ChangeRefused::Repeated.into());
        }
    }
    if let Some(signed) = &write.signed {
        return match is_merged(tx, name, write, authors, signed, text)? {
            true => Ok(()),
            false => Err(ChangeRefused::NotMerged.into()),
        };
    }
    let there = tx.newest_change(name)?;
    let wanted = condition.version.as_deref();
    let made_on = |record: &ChangeRecord| {
        let same_version = record.base.as_deref() == wanted
            && (wanted.is_some()
                || condition.absent
                || there.as_ref().is_none_or(|there| there.deleted));
        let after_what_is_there = record.after.as_ref().is_some_and(|after| {
            there
                .as_ref()
                .is_some_and(|there| there.changes.contains(after))
        });
        same_version || after_what_is_there
    };
    // On the server's version, or on what was under way then and is the server's version now.
    if authors.iter().all(|author| made_on(&author.record)) {
        Ok(())
    } else {
        Err(ChangeRefused::OtherVersion.into())
    }
}

/// Whether `text` is what `signed` and the newest version make together. The hub does the merge again, from versions of its
/// own: the one that the author started from, or the one that the change before made. Only what needs nobody to look at it
/// is a merge; and what is merged is stored over the version that it was merged with, and over no other.
fn is_merged(
    tx: &Tx<'_>,
    name: &Reference,
    write: &Write<'_>,
    authors: &[Author],
    signed: &str,
    text: Option<&str>,
) -> Result<bool, AccessError> {
    let ([author], Some(text)) = (authors, text) else {
        return Ok(false);
    };
    let number = |version: &Option<String>| version.as_ref().and_then(|it| it.parse().ok());
    let Some(newest) = number(&write.condition.version) else {
        return Ok(false);
    };
    let all = View::All;
    let reader = tx.as_seen(&all);
    let text_of = |n: u64| -> Result<Option<String>, StoreError> {
        Ok(reader.version(name, n)?.and_then(|version| version.text))
    };
    let Some(theirs) = text_of(newest)? else {
        return Ok(false);
    };
    let after = match &author.record.after {
        Some(change) => reader.version_made_by(name, change)?,
        None => None,
    };
    for base in [number(&author.record.base), after].into_iter().flatten() {
        let Some(base) = text_of(base)? else {
            continue;
        };
        if merged(name.kind, &base, signed, &theirs).as_deref() == Some(text) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Remembers which changes made which version.
pub(super) fn note(
    tx: &Tx<'_>,
    committed: &Committed,
    authors: &[Author],
) -> Result<(), StoreError> {
    for Author { record, .. } in authors {
        tx.note_change(
            &committed.name,
            committed.version,
            &record.change,
            &record.device,
            &record.author,
        )?;
    }
    Ok(())
}
