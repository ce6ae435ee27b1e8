//! What a record is: pure functions over FHIR R4 JSON.
//!
//! A resource is the bytes somebody wrote. Everything here borrows from those bytes and never re-serialises them, so
//! that `1.00`, key order, white space and unknown elements come back as they went in.

pub mod bundle;
pub mod bundle_stream;
pub mod compartment;
pub mod content;
pub mod extract;
pub mod fold;
pub mod history;
pub mod id;
pub mod instant;
pub mod json;
pub mod links;
pub mod marks;
pub mod merge;
pub mod meta;
pub mod outcome;
pub mod params;
pub mod patch;
pub mod reference;
pub mod refers;
pub mod resource;
pub mod search;
pub mod strict;
pub mod summary;
mod types;
pub(crate) mod walk;

pub use id::ResourceId;
pub use instant::Instant;
pub use reference::Reference;
pub use resource::{InvalidResource, Resource};
pub use types::ResourceType;
