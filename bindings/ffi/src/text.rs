//! Small questions that need no vault.

use crate::{PocketchartError, runtime};
use pocketchart_core::rng;
use pocketchart_core::vault::{WeakPassphrase, judge};

/// What becomes of a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum PassphraseJudgement {
    /// It may open a new slot.
    Good,
    /// Too short: at least 8 characters, 15 are better.
    TooShort,
    /// Long enough, and soon guessed: several unrelated words are good.
    Guessable,
}

/// Whether a passphrase may open a new slot: to be asked while it is typed. Takes about a millisecond.
///
/// # Errors
/// [`PocketchartError::Internal`].
#[uniffi::export]
pub fn judge_passphrase(text: String) -> Result<PassphraseJudgement, PocketchartError> {
    runtime::here(|| {
        Ok(match judge(&text) {
            Ok(()) => PassphraseJudgement::Good,
            Err(WeakPassphrase::TooShort) => PassphraseJudgement::TooShort,
            Err(WeakPassphrase::Guessable) => PassphraseJudgement::Guessable,
        })
    })
}

/// An id for a record that is made here: a random UUID.
///
/// # Errors
/// [`PocketchartError::Device`] where there is no randomness.
#[uniffi::export]
pub fn new_record_id() -> Result<String, PocketchartError> {
    runtime::here(|| rng::make_uuid().map_err(|_| PocketchartError::Device))
}

/// The version of this library, as `1.2.3`.
///
/// # Errors
/// None; every export can fail.
#[uniffi::export]
pub fn library_version() -> Result<String, PocketchartError> {
    Ok(env!("CARGO_PKG_VERSION").to_owned())
}
