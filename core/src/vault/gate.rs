//! What only the device's hardware can give back: the seam to the native side.
//!
//! A gate answers with **bytes** that nothing else could have produced, never with a "yes": one that claims success
//! without the bytes opens nothing. It is asked with no lock held, so a hanging gate holds nobody up, and dropping the
//! future changes nothing on disk.

use std::future::Future;
use std::pin::Pin;
use zeroize::Zeroizing;

/// What a gate's call resolves to.
pub type GateFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, GateError>> + Send + 'a>>;

/// What the gate must see before it works with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatePolicy {
    /// A present person: a finger, a face, or on a desktop the login.
    Person,
    /// Nothing: the key only computes [`Gate::evaluate`], for a secret that was typed.
    Evaluate,
}

/// Why a gate did not do it. Only [`GateError::Lost`] is for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The person was not recognised.
    #[error("not recognised; try again, or use the passphrase")]
    Refused,
    /// The person gave up.
    #[error("cancelled")]
    Cancelled,
    /// Too many refusals: the device asks for its own code first.
    #[error("locked out by the device: unlock the device itself first, or use the passphrase")]
    LockedOut,
    /// The key is gone, and with it what was sealed under it.
    #[error(
        "the key of this slot is gone from this device for good: open with another slot (passphrase, PIN or recovery code) and remove it"
    )]
    Lost,
    /// It may work the next time.
    #[error("the device could not answer; try again, or use the passphrase")]
    TryAgain,
    /// There is no such hardware or keyring here.
    #[error("there is no key store on this device; use the passphrase")]
    Unavailable,
}

/// Keys that stay in the hardware (or, on a desktop, in the login's keyring). Each slot has an alias of its own.
pub trait Gate: Send + Sync {
    /// Makes the keys of `alias` and seals `secret` under one of them. The answer is no secret: it stands in the
    /// vault's header. Under [`GatePolicy::Evaluate`] the secret is empty and only [`Gate::evaluate`] is used later.
    fn enroll<'a>(
        &'a self,
        alias: &'a str,
        policy: GatePolicy,
        secret: &'a [u8],
    ) -> GateFuture<'a, Vec<u8>>;

    /// Gives back what was sealed, after a person proved to be there. `reason` is shown to the person.
    fn release<'a>(
        &'a self,
        alias: &'a str,
        sealed: &'a [u8],
        reason: &'a str,
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>>;

    /// A keyed function of `input`, 32 bytes, always the same for the same input; computed where the key is, so that
    /// a typed secret cannot be guessed elsewhere.
    fn evaluate<'a>(
        &'a self,
        alias: &'a str,
        input: &'a [u8],
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>>;

    /// Destroys the keys of `alias`; that they are gone already is no error.
    fn destroy<'a>(&'a self, alias: &'a str) -> GateFuture<'a, ()>;
}
