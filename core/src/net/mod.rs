//! Talking to a FHIR server: TLS, requests, limits. Knows nothing of records.

mod error;
mod exchange;
mod http;
mod pin;
mod server;
mod tls;
mod wire;

pub use error::NetError;
pub use http::Patience;
pub use server::{Answer, Server};
pub use wire::{Body, Doing, Method, Reply, Request, Target, Wire};

/// Longest answer that is read: a page, unpacked.
pub const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;
