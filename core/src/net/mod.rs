//! Talking to a FHIR server: TLS, requests, limits. Knows nothing of records.

mod ahead;
mod error;
mod exchange;
mod handshakes;
mod http;
mod key_exchange;
mod pin;
mod server;
mod tls;
mod wire;

pub use error::NetError;
pub use http::Patience;
pub use server::{Answer, Server};
pub use tls::crypto_provider;
pub use wire::{Body, Doing, Method, Reply, Request, Target, Wire};

/// Longest page, unpacked.
pub const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;
/// Longest answer that is held whole, unpacked: a record or what a transaction comes to.
const MAX_WHOLE_BYTES: usize = 32 * 1024 * 1024;
