//! The desktop's gate: secrets that the login's keyring keeps.
//!
//! It proves that somebody is logged in, not who: any program of that login can read the keyring, and a keyring can be
//! copied off the computer. Where there is none there is no gate; a file is never used in its place.

use hmac::{Hmac, KeyInit, Mac};
use keyring_core::{Entry, Error};
use pocketchart_core::rng;
use pocketchart_core::vault::{Gate, GateError, GateFuture, GatePolicy};
use sha2::Sha256;
use std::time::Duration;
use zeroize::Zeroizing;

const SERVICE: &str = "pocketchart";
/// A person may have to unlock the keyring first, in a window of the desktop's.
const PATIENCE: Duration = Duration::from_secs(120);
const KEY_BYTES: usize = 32;

/// The keyring of this desktop. Nothing is asked of it before it is needed.
pub(crate) struct DesktopGate {
    start: fn() -> bool,
}

impl DesktopGate {
    /// The platform's: the Secret Service, the Keychain, the Credential Manager.
    pub(crate) fn of_platform() -> Self {
        Self {
            start: || keyring::Entry::store_status().is_ok(),
        }
    }

    /// Works on entries in a thread of its own: the keyring's calls block, and may never come back.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, GateError> {
        let start = self.start;
        let task = tokio::task::spawn_blocking(move || {
            if start() {
                work().map_err(|error| meaning(&error))
            } else {
                Err(GateError::Unavailable)
            }
        });
        match tokio::time::timeout(PATIENCE, task).await {
            Ok(Ok(done)) => done,
            _ => Err(GateError::TryAgain),
        }
    }
}

/// Only an entry that is not there is lost. A text of the keyring's goes nowhere.
fn meaning(error: &Error) -> GateError {
    match error {
        Error::NoEntry => GateError::Lost,
        Error::NoDefaultStore => GateError::Unavailable,
        Error::NoStorageAccess(_) => GateError::Refused,
        _ => GateError::TryAgain,
    }
}

/// The entry whose bytes a gate slot is made of.
fn secret_entry(alias: &str) -> Result<Entry, Error> {
    Entry::new(SERVICE, alias)
}

/// The entry whose key [`Gate::evaluate`] computes with.
fn function_entry(alias: &str) -> Result<Entry, Error> {
    Entry::new(SERVICE, &format!("{alias}.evaluate"))
}

impl Gate for DesktopGate {
    /// The entry is the sealed secret; nothing of it stands in the header.
    fn enroll<'a>(
        &'a self,
        alias: &'a str,
        policy: GatePolicy,
        secret: &'a [u8],
    ) -> GateFuture<'a, Vec<u8>> {
        let (alias, secret) = (alias.to_owned(), Zeroizing::new(secret.to_vec()));
        Box::pin(async move {
            let key =
                Zeroizing::new(rng::make_bytes::<KEY_BYTES>().map_err(|_| GateError::TryAgain)?);
            self.work(move || {
                match policy {
                    GatePolicy::Person => secret_entry(&alias)?.set_secret(&secret)?,
                    GatePolicy::Evaluate => function_entry(&alias)?.set_secret(&key[..])?,
                }
                Ok(Vec::new())
            })
            .await
        })
    }

    fn release<'a>(
        &'a self,
        alias: &'a str,
        _: &'a [u8],
        _: &'a str,
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>> {
        let alias = alias.to_owned();
        Box::pin(self.work(move || secret_entry(&alias)?.get_secret().map(Zeroizing::new)))
    }

    fn evaluate<'a>(
        &'a self,
        alias: &'a str,
        input: &'a [u8],
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>> {
        let (alias, input) = (alias.to_owned(), Zeroizing::new(input.to_vec()));
        Box::pin(async move {
            let read = move || function_entry(&alias)?.get_secret().map(Zeroizing::new);
            let key = self.work(read).await?;
            // Somebody wrote over it: the key that this slot was made with is gone.
            if key.len() != KEY_BYTES {
                return Err(GateError::Lost);
            }
            let mac = Hmac::<Sha256>::new_from_slice(&key);
            let mut mac = mac.map_err(|_| GateError::TryAgain)?;
            mac.update(&input);
            Ok(Zeroizing::new(mac.finalize().into_bytes().to_vec()))
        })
    }

    fn destroy<'a>(&'a self, alias: &'a str) -> GateFuture<'a, ()> {
        let alias = alias.to_owned();
        Box::pin(self.work(move || {
            for entry in [secret_entry(&alias)?, function_entry(&alias)?] {
                match entry.delete_credential() {
                    Ok(()) | Err(Error::NoEntry) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyring_core::mock;
    use std::sync::Once;

    /// One store for the whole process; each test has aliases of its own.
    fn on_the_mock() -> DesktopGate {
        static STORE: Once = Once::new();
        STORE.call_once(|| keyring_core::set_default_store(mock::Store::new().unwrap()));
        DesktopGate { start: || true }
    }

    fn fail_next(entry: &Entry, error: Error) {
        let mock: &mock::Cred = entry.as_any().downcast_ref().unwrap();
        mock.set_error(error);
    }

    #[tokio::test]
    async fn it_gives_back_what_it_was_given_until_that_is_destroyed() {
        let gate = on_the_mock();
        let secret = [7; 32];
        let sealed = gate.enroll("a", GatePolicy::Person, &secret).await.unwrap();
        assert!(sealed.is_empty());
        assert_eq!(**gate.release("a", &sealed, "").await.unwrap(), secret);
        assert_eq!(gate.release("b", &sealed, "").await, Err(GateError::Lost));
        gate.destroy("a").await.unwrap();
        gate.destroy("a").await.unwrap();
        assert_eq!(gate.release("a", &sealed, "").await, Err(GateError::Lost));
    }

    #[tokio::test]
    async fn its_function_is_hmac_sha256_under_a_key_of_the_alias() {
        let gate = on_the_mock();
        for alias in ["f", "g"] {
            gate.enroll(alias, GatePolicy::Evaluate, &[]).await.unwrap();
        }
        let first = gate.evaluate("f", b"input").await.unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(gate.evaluate("f", b"input").await.unwrap(), first);
        assert_ne!(gate.evaluate("f", b"other").await.unwrap(), first);
        assert_ne!(gate.evaluate("g", b"input").await.unwrap(), first);
        assert_eq!(gate.release("f", &[], "").await, Err(GateError::Lost));
        // RFC 4231, test case 2 has a key of four bytes; a key of ours has 32.
        function_entry("f").unwrap().set_secret(b"Jefe").unwrap();
        assert_eq!(gate.evaluate("f", b"input").await, Err(GateError::Lost));
        // RFC 4231, test case 1, its key filled up with zeros, as HMAC does.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        function_entry("f").unwrap().set_secret(&key).unwrap();
        let mac = gate.evaluate("f", b"Hi There").await.unwrap();
        assert_eq!(
            hex::encode(&*mac),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[tokio::test]
    async fn only_a_missing_entry_is_lost() {
        let gate = on_the_mock();
        gate.enroll("e", GatePolicy::Person, &[1; 32])
            .await
            .unwrap();
        let because = || "why".into();
        for (error, expected) in [
            (Error::PlatformFailure(because()), GateError::TryAgain),
            (Error::NoStorageAccess(because()), GateError::Refused),
            (Error::NoDefaultStore, GateError::Unavailable),
            (Error::NoEntry, GateError::Lost),
        ] {
            fail_next(&secret_entry("e").unwrap(), error);
            assert_eq!(gate.release("e", &[], "").await, Err(expected));
        }
        assert!(gate.release("e", &[], "").await.is_ok());
    }

    #[tokio::test]
    async fn without_a_keyring_there_is_no_gate() {
        let gate = DesktopGate { start: || false };
        let unavailable = GateError::Unavailable;
        assert_eq!(
            gate.enroll("n", GatePolicy::Person, &[1; 32]).await,
            Err(unavailable)
        );
        assert_eq!(gate.release("n", &[], "").await, Err(unavailable));
        assert_eq!(gate.evaluate("n", b"x").await, Err(unavailable));
        assert_eq!(gate.destroy("n").await, Err(unavailable));
    }
}
