//! The device's side of a hub: what it applies with, and what it keeps of what the hub says about its people.

use super::audit::AuditKind;
use super::people::{Application, Certified, EnrolmentCode, MemberKey};
use super::policy::VaultAction;
use super::{AccessError, Certificate, Guard};
use crate::crypto::sign::PublicKey;
use crate::vault::{Certification, VaultError};

impl Guard {
    /// The people of this vault and the keys they sign with.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn member_keys(&self) -> Result<Vec<MemberKey>, AccessError> {
        let people = self.people()?.into_iter();
        Ok(people
            .map(|person| MemberKey {
                person: person.person,
                key: person.public_key,
            })
            .collect())
    }

    /// What this device sends for a code. Only for whoever may keep the token that comes back: the hub ends the one
    /// before as soon as it gives out another.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn application(&self, code: &EnrolmentCode) -> Result<String, AccessError> {
        self.must(VaultAction::Settings)?;
        self.ensure_signing_key()?;
        let (key, vault) = (self.device_key()?, self.vault_id()?);
        Ok(Application::state(&key, code, &vault, self.member_keys()?))
    }

    /// The key whose certificates count in this vault, once it has joined a hub.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn authority(&self) -> Result<Option<PublicKey>, AccessError> {
        self.with_open(|open| Ok(open.vault.authority().copied()))
    }

    /// Keeps what the hub says about the people of this vault. The authority stays the one it joined first; a
    /// certificate that is not that authority's, or for another key, is left out.
    ///
    /// # Errors
    /// [`VaultError::OtherAuthority`] and the others.
    pub fn take_certificates(
        &self,
        authority: PublicKey,
        said: &[Certified],
    ) -> Result<(), AccessError> {
        let pinned = self.authority()?;
        if pinned.is_some_and(|pinned| pinned != authority) {
            return Err(VaultError::OtherAuthority.into());
        }
        let certifications: Vec<Certification> = said
            .iter()
            .map(|said| {
                let holds = |text: &&String| {
                    Certificate::holder(&authority, text, &said.member.key).is_ok()
                };
                Certification {
                    public_key: said.member.key,
                    certificate: said
                        .certificate
                        .as_ref()
                        .filter(holds)
                        .cloned()
                        .unwrap_or_default(),
                    removed: said.revoked,
                }
            })
            .collect();
        let known = self.people()?;
        let is_news = |it: &Certification| {
            known.iter().any(|person| {
                person.public_key == it.public_key
                    && (person.certificate != it.certificate || it.removed)
            })
        };
        if pinned.is_none() || certifications.iter().any(is_news) {
            self.audited_on(AuditKind::People, "certificates of the hub", |open| {
                Ok(open.vault.certify(authority, &certifications)?)
            })?;
        }
        Ok(())
    }
}
