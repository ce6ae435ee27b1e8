//! Keys and envelopes. Pure: randomness comes in as an argument, nothing is read or written.

pub mod envelope;
pub mod kdf;
pub mod passphrase_hash;
pub mod secret;
pub mod sign;

pub use secret::{Key, SecretText};
