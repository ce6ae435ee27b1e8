//! Small secrets kept in the vault for the program that runs on it.

use super::policy::VaultAction;
use super::{AccessError, Guard};
use crate::store::Durability;
use zeroize::Zeroizing;

impl Guard {
    /// A secret that [`Guard::keep_secret`] stored.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn secret(&self, name: &str) -> Result<Option<Zeroizing<String>>, AccessError> {
        self.must(VaultAction::Keys)?;
        self.kept(name)
    }

    /// Stores a secret under a name, in place of what was there.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn keep_secret(&self, name: &str, value: &str) -> Result<(), AccessError> {
        self.must(VaultAction::Keys)?;
        self.keep(name, value)
    }

    /// A secret that the device keeps for itself, whoever has it in hand.
    pub(super) fn kept(&self, name: &str) -> Result<Option<Zeroizing<String>>, AccessError> {
        let found = self.read_for_device(|reader| reader.secret(name))?;
        Ok(found.map(Zeroizing::new))
    }

    pub(super) fn keep(&self, name: &str, value: &str) -> Result<(), AccessError> {
        self.written(&format!("secret {name}"), |guard| {
            guard.write(Durability::Full, |tx| tx.set_secret(name, value))
        })
    }
}
