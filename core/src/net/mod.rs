//! Talking to a FHIR server: TLS, requests, limits. Knows nothing of records.

mod error;
mod pin;
mod server;
mod tls;

pub use error::NetError;
pub use server::{Answer, Server};
