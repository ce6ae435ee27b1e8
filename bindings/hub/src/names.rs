//! Names in URLs.

use crate::answer::Problem;
use axum::http::StatusCode;
use pocketchart_core::fhir::{Reference, ResourceId, ResourceType};

pub(crate) fn type_named(kind: &str) -> Result<ResourceType, Problem> {
    ResourceType::named(kind).ok_or_else(|| {
        let text = "the URL names no FHIR R4 resource type";
        Problem::new(StatusCode::NOT_FOUND, "not-supported", text)
    })
}

pub(crate) fn record_named(kind: &str, id: &str) -> Result<Reference, Problem> {
    let kind = type_named(kind)?;
    let id = ResourceId::new(id).map_err(|e| Problem::bad("value", e.to_string()))?;
    Ok(Reference { kind, id })
}

/// A version's number: what this hub gives out. Others name no version.
pub(crate) fn version_named(version: &str) -> Result<u64, Problem> {
    version.parse().map_err(|_| {
        let text = "no such version of this record";
        Problem::new(StatusCode::NOT_FOUND, "not-found", text)
    })
}
