//! What a server says about itself: asked before anything of a person is sent to it.

use super::{SyncError, failed};
use crate::fhir::{Instant, ResourceType, marks};
use crate::net::Server;
use serde::Deserialize;

/// A FHIR R4 server that answered.
#[derive(Debug, Clone)]
pub struct Capability {
    /// The types it offers.
    pub types: Vec<ResourceType>,
    /// Whether it stamps at commit, see [`marks::STAMPED_AT_COMMIT`].
    pub stamps_at_commit: bool,
    /// Whether changes may carry their signed records, see [`marks::CHANGE_RECORD`].
    pub takes_change_records: bool,
    /// Whether a merged text may come with what its author signed, see [`marks::SIGNED_CONTENT`].
    pub takes_signed_content: bool,
    /// The types of which it compares versions: a write over a version that is not the newest is refused.
    pub compares_versions: Vec<ResourceType>,
    /// The types whose records it gives ids of its own.
    pub gives_ids: Vec<ResourceType>,
    /// Whether it tells what was deleted: `_history` of everything.
    pub has_history: bool,
    /// And the types whose `Type/_history` it has.
    pub histories: Vec<ResourceType>,
    /// Its clock, when it answered.
    pub date: Option<Instant>,
}

/// Asks `server` what it is. A mistyped address, or a server that is no FHIR R4 server, ends here.
///
/// # Errors
/// [`SyncError`].
pub async fn probe(server: &Server) -> Result<Capability, SyncError> {
    let answer = server.get("metadata").await?;
    if answer.status != 200 {
        return Err(failed(&answer, "metadata (is the address complete?)"));
    }
    let not_fhir = |what| SyncError::NotFhir {
        doing: "metadata",
        what,
    };
    let statement: Statement = serde_json::from_str(&answer.text)
        .map_err(|_| not_fhir("no CapabilityStatement in JSON"))?;
    if statement.resource_type != "CapabilityStatement" {
        return Err(not_fhir("no CapabilityStatement"));
    }
    if !statement.fhir_version.starts_with("4.0") {
        return Err(not_fhir("not FHIR R4 (4.0)"));
    }
    let names = statement
        .rest
        .iter()
        .flat_map(|rest| &rest.resource)
        .map(|resource| resource.kind.as_str());
    let types: Vec<ResourceType> = names.filter_map(ResourceType::named).collect();
    let where_it = |says: fn(&Offered) -> bool| -> Vec<ResourceType> {
        let offered = statement.rest.iter().flat_map(|rest| &rest.resource);
        let named = offered.filter(|it| says(it)).map(|it| it.kind.as_str());
        named.filter_map(ResourceType::named).collect()
    };
    if types.is_empty() {
        return Err(not_fhir("it offers no resource types"));
    }
    let marked = |mark: &str| {
        let is_it = |extension: &Extension| extension.url == mark && extension.value == Some(true);
        statement.extension.iter().any(is_it)
    };
    let declares =
        |interaction: &[Interaction], code: &str| interaction.iter().any(|i| i.code == code);
    let has_history = |offered: &&Offered| declares(&offered.interaction, "history-type");
    let all = || statement.rest.iter().flat_map(|rest| &rest.resource);
    let histories = all().filter(has_history);
    Ok(Capability {
        has_history: statement
            .rest
            .iter()
            .any(|rest| declares(&rest.interaction, "history-system")),
        histories: histories
            .filter_map(|offered| ResourceType::named(&offered.kind))
            .collect(),
        date: answer.date,
        stamps_at_commit: marked(marks::STAMPED_AT_COMMIT),
        takes_change_records: marked(marks::CHANGE_RECORD),
        takes_signed_content: marked(marks::SIGNED_CONTENT),
        compares_versions: where_it(|it| it.versioning.as_deref() == Some("versioned-update")),
        gives_ids: where_it(|it| it.update_create == Some(false)),
        types,
    })
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "resourceType", default)]
    resource_type: String,
    #[serde(rename = "fhirVersion", default)]
    fhir_version: String,
    #[serde(default)]
    extension: Vec<Extension>,
    #[serde(default)]
    rest: Vec<Rest>,
}

#[derive(Deserialize)]
struct Extension {
    #[serde(default)]
    url: String,
    #[serde(rename = "valueBoolean")]
    value: Option<bool>,
}

#[derive(Deserialize)]
struct Rest {
    #[serde(default)]
    resource: Vec<Offered>,
    #[serde(default)]
    interaction: Vec<Interaction>,
}

#[derive(Deserialize)]
struct Interaction {
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct Offered {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    versioning: Option<String>,
    #[serde(rename = "updateCreate", default)]
    update_create: Option<bool>,
    interaction: Vec<Interaction>,
}
