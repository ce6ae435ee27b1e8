//! The device's key store, as Kotlin or Swift implements it.
//!
//! It answers with bytes that only the hardware gives back, never with a yes, and it is asked while no lock is held.

use pocketchart_core::vault::{self, Gate, GateFuture};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why a gate did not do it. Only `Lost` is for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum GateError {
    /// The person was not recognised.
    #[error("refused")]
    Refused,
    /// The person gave up.
    #[error("cancelled")]
    Cancelled,
    /// Too many refusals: the device asks for its own code first.
    #[error("locked out")]
    LockedOut,
    /// The key is gone, and with it what was sealed under it.
    #[error("lost")]
    Lost,
    /// It may work the next time.
    #[error("try again")]
    TryAgain,
    /// There is no such hardware here.
    #[error("unavailable")]
    Unavailable,
}

/// What the gate must see before it works with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum GatePolicy {
    /// A present person: a finger or a face, of the strong class.
    Person,
    /// Nothing: the key only evaluates, for a secret that was typed.
    Evaluate,
}

/// Keys that stay in the device's hardware. Each slot has an alias of its own. Any exception but a [`GateError`] counts
/// as `TryAgain`.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait KeyGate: Send + Sync {
    /// Makes the keys of `alias` and seals `secret` under one of them. The answer is no secret: it stands in the vault's
    /// header, and may have 2,048 bytes. Under `Evaluate` the secret is empty.
    async fn enroll(
        &self,
        alias: String,
        policy: GatePolicy,
        secret: Vec<u8>,
    ) -> Result<Vec<u8>, GateError>;

    /// Gives back what was sealed, after a person proved to be there. `reason` is shown to the person.
    async fn release(
        &self,
        alias: String,
        sealed: Vec<u8>,
        reason: String,
    ) -> Result<Vec<u8>, GateError>;

    /// A keyed function of `input`, 32 bytes, always the same for the same input, computed where the key is.
    async fn evaluate(&self, alias: String, input: Vec<u8>) -> Result<Vec<u8>, GateError>;

    /// Destroys the keys of `alias`; that they are gone already is no error.
    async fn destroy(&self, alias: String) -> Result<(), GateError>;
}

/// An exception that the gate does not declare. Its text, which can hold anything, stays behind.
impl From<uniffi::UnexpectedUniFFICallbackError> for GateError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::TryAgain
    }
}

impl From<GateError> for vault::GateError {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Refused => Self::Refused,
            GateError::Cancelled => Self::Cancelled,
            GateError::LockedOut => Self::LockedOut,
            GateError::Lost => Self::Lost,
            GateError::TryAgain => Self::TryAgain,
            GateError::Unavailable => Self::Unavailable,
        }
    }
}

/// A foreign gate as the core's.
pub(crate) struct ForeignGate(pub(crate) Arc<dyn KeyGate>);

impl Gate for ForeignGate {
    fn enroll<'a>(
        &'a self,
        alias: &'a str,
        policy: vault::GatePolicy,
        secret: &'a [u8],
    ) -> GateFuture<'a, Vec<u8>> {
        let policy = match policy {
            vault::GatePolicy::Person => GatePolicy::Person,
            vault::GatePolicy::Evaluate => GatePolicy::Evaluate,
        };
        Box::pin(async move {
            let sealed = self.0.enroll(alias.to_owned(), policy, secret.to_vec());
            Ok(sealed.await?)
        })
    }

    fn release<'a>(
        &'a self,
        alias: &'a str,
        sealed: &'a [u8],
        reason: &'a str,
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>> {
        Box::pin(async move {
            let (alias, sealed, reason) = (alias.to_owned(), sealed.to_vec(), reason.to_owned());
            Ok(Zeroizing::new(self.0.release(alias, sealed, reason).await?))
        })
    }

    fn evaluate<'a>(
        &'a self,
        alias: &'a str,
        input: &'a [u8],
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>> {
        Box::pin(async move {
            let output = self.0.evaluate(alias.to_owned(), input.to_vec());
            Ok(Zeroizing::new(output.await?))
        })
    }

    fn destroy<'a>(&'a self, alias: &'a str) -> GateFuture<'a, ()> {
        Box::pin(async move { Ok(self.0.destroy(alias.to_owned()).await?) })
    }
}
