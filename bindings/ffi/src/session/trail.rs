//! Who saw what of a patient; and what is missing from the vault.

use super::Session;
use crate::PocketchartError;
use crate::redacted::redacted;
use pocketchart_core::access::{AuditEntry, Guard};
use pocketchart_core::fhir::{Instant, ResourceId};

/// One act, as far as this person may know of it.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct AccessInfo {
    /// Its number in the trail.
    pub number: i64,
    /// When, by the wall clock of the device: RFC 3339.
    pub at: String,
    /// Who.
    pub person: String,
    /// Through whom it came, where somebody handed it on.
    pub via: Option<String>,
    /// What was done: `read`, `search`, `write`, `pull`, ...
    pub act: String,
    /// Of what: `Type/id`, or a search.
    pub what: String,
    /// How many records; `None`: not said, or not for this person.
    pub count: Option<u64>,
}

/// A page of acts, newest first.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct AccessPage {
    /// At most 50.
    pub items: Vec<AccessInfo>,
    /// For the next page; `None`: this is the last one.
    pub next: Option<String>,
}

/// What is missing from the vault. Nothing is blocked by it.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct VaultWarnings {
    /// So many changes were lost: an older copy of the records was put back.
    pub lost_changes: Option<u64>,
    /// The vault is older than when it last synced with its hub, or than its anchor.
    pub is_older_than_anchor: bool,
}

redacted!(AccessInfo, AccessPage, VaultWarnings);

#[uniffi::export]
impl Session {
    /// Who saw or changed what of a patient, newest first. A patient may ask about themselves, the owner and the auditor
    /// about everybody. `patient`: the id of the Patient. That it was asked stands in the trail too.
    ///
    /// # Errors
    /// [`PocketchartError::NotAllowed`]; [`PocketchartError::BadInput`].
    #[uniffi::method(default(cursor = None))]
    pub async fn who_saw(
        &self,
        patient: String,
        cursor: Option<String>,
    ) -> Result<AccessPage, PocketchartError> {
        self.work(move |guard| page(guard, &patient, cursor.as_deref()))
            .await
    }

    /// What was found missing when the vault was opened, and since, until [`Session::accept_loss`].
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub async fn warnings(&self) -> Result<VaultWarnings, PocketchartError> {
        self.work(|guard| {
            let lost = guard.lost_changes()?;
            Ok(VaultWarnings {
                lost_changes: lost.map(|lost| u64::try_from(lost.changes).unwrap_or(0)),
                is_older_than_anchor: guard.missed().is_some(),
            })
        })
        .await
    }

    /// A person has taken note of what is missing: it is not reported any more. The trail keeps it.
    ///
    /// # Errors
    /// [`PocketchartError::NotAllowed`].
    pub async fn accept_loss(&self) -> Result<(), PocketchartError> {
        self.work(|guard| Ok(guard.accept_loss()?)).await
    }
}

fn page(
    guard: &Guard,
    patient: &str,
    cursor: Option<&str>,
) -> Result<AccessPage, PocketchartError> {
    let patient = patient.strip_prefix("Patient/").unwrap_or(patient);
    let bad = |_| PocketchartError::BadInput("not a patient's id");
    let patient = ResourceId::new(patient).map_err(bad)?;
    let before = cursor.map(str::parse).transpose();
    let before =
        before.map_err(|_| PocketchartError::BadInput("this page link is not from this list"))?;
    let page = guard.who_saw(&patient, None, before)?;
    let info = |(number, entry): (i64, AuditEntry)| AccessInfo {
        number,
        at: Instant::from_epoch_ms(entry.at_ms).to_string(),
        person: entry.person,
        via: entry.via,
        act: entry.kind.name().to_owned(),
        what: entry.what,
        count: entry.count,
    };
    Ok(AccessPage {
        items: page.entries.into_iter().map(info).collect(),
        next: page.next.map(|next| next.to_string()),
    })
}
