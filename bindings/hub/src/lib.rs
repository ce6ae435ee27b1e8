//! The hub: a small FHIR R4 server over the same encrypted vault that a phone has.
//!
//! It is the embedded default of sync and enough for one clinic. What it serves is what it stores, byte for byte; it
//! sets `meta.versionId` and `meta.lastUpdated` once, at commit.

mod answer;
mod app;
mod auth;
mod capability;
mod denied;
mod files;
mod handlers;
mod identity;
mod limits;
mod router;
mod routes;
mod server;
mod transaction;

pub use server::{Hub, HubError, Ready};
