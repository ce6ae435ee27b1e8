//! What an authority says about the people of this vault, kept in the header: under its MAC, and there before any record
//! is read.

use super::{Vault, VaultError};
use crate::crypto::sign::PublicKey;

/// The role of a person whom the authority removed. No policy knows it, so it may do nothing.
pub const REMOVED: &str = "removed";

/// What the authority says about one person's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certification {
    /// The key.
    pub public_key: PublicKey,
    /// The certificate; empty: none.
    pub certificate: String,
    /// Whether the person was removed.
    pub removed: bool,
}

impl Vault {
    /// The key whose certificates and policies count here.
    pub fn authority(&self) -> Option<&PublicKey> {
        self.header.authority.as_ref()
    }

    /// Keeps the authority, once and for all, and what it says about people. Writes nothing when nothing is new.
    ///
    /// # Errors
    /// [`VaultError::OtherAuthority`] when this vault has another one.
    pub fn certify(
        &mut self,
        authority: PublicKey,
        certifications: &[Certification],
    ) -> Result<(), VaultError> {
        if self
            .header
            .authority
            .is_some_and(|pinned| pinned != authority)
        {
            return Err(VaultError::OtherAuthority);
        }
        let mut next = self.header.next();
        next.authority = Some(authority);
        for said in certifications {
            let members = next.members.iter_mut();
            for member in members.filter(|member| member.public_key == said.public_key) {
                member.certificate.clone_from(&said.certificate);
                if said.removed && !member.person.is_empty() {
                    REMOVED.clone_into(&mut member.role);
                }
            }
        }
        let same = next.authority == self.header.authority && next.members == self.header.members;
        if same { Ok(()) } else { self.commit(next) }
    }
}
