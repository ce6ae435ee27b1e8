//! The hub: a small FHIR R4 server over the same encrypted vault that a phone has.
//!
//! It is the embedded default of sync and enough for one clinic. What it serves is what it stores, byte for byte; it
//! sets `meta.versionId` and `meta.lastUpdated` once, at commit.

mod answer;
mod app;
mod ask;
mod auth;
mod bundles;
mod capability;
mod denied;
mod files;
mod headers;
mod identity;
mod limits;
mod log;
mod names;
mod negotiate;
mod people;
mod read;
mod router;
mod routes;
mod search;
mod server;
mod write;

pub use limits::Limits;
pub use log::LogForm;
pub use server::{Hub, HubError, Options, Ready};
