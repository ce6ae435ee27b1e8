//! The CapabilityStatement: what this hub does, and nothing it does not.

use crate::negotiate::JSON_PATCH;
use pocketchart_core::fhir::params::{self, ParameterKind, Profile};
use pocketchart_core::fhir::{ResourceType, marks};
use serde_json::{Value, json};

/// The statement of the hub at `base`, generated at `date`.
pub(crate) fn statement(base: &str, date: &str) -> String {
    let interactions = |codes: &[&str]| -> Vec<Value> {
        codes.iter().map(|code| json!({ "code": code })).collect()
    };
    let statement = json!({
        "resourceType": "CapabilityStatement",
        "extension": [
            { "url": marks::STAMPED_AT_COMMIT, "valueBoolean": true },
            { "url": marks::CHANGE_RECORD, "valueBoolean": true },
            { "url": marks::SIGNED_CONTENT, "valueBoolean": true },
        ],
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": { "name": "Pocketchart hub", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "Pocketchart hub", "url": base },
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "patchFormat": [JSON_PATCH],
        "rest": [{
            "mode": "server",
            "documentation": "Unknown search parameters are errors, unless the request says Prefer: handling=lenient.",
            "security": { "description": "Bearer token over TLS" },
            "resource": ResourceType::all().map(of_type).collect::<Vec<_>>(),
            "interaction": interactions(&["transaction", "batch", "history-system"]),
        }]
    });
    statement.to_string()
}

fn of_type(kind: ResourceType) -> Value {
    const INTERACTIONS: [&str; 9] = [
        "read",
        "vread",
        "update",
        "patch",
        "delete",
        "history-instance",
        "history-type",
        "create",
        "search-type",
    ];
    let held = || {
        params::of(kind)
            .iter()
            .filter(|p| Profile::Default.holds(p))
    };
    let id = json!({ "name": "_id", "type": "token" });
    let parameters: Vec<Value> = std::iter::once(id)
        .chain(held().map(|p| json!({ "name": p.code, "type": kind_of(p.kind) })))
        .collect();
    let includes: Vec<String> = held()
        .filter(|p| p.kind == ParameterKind::Reference)
        .map(|p| format!("{kind}:{}", p.code))
        .collect();
    let mut entry = json!({
        "type": kind.name(),
        "interaction": INTERACTIONS.map(|code| json!({ "code": code })),
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": true,
        "conditionalCreate": true,
        "conditionalRead": "full-support",
        "conditionalUpdate": true,
        "conditionalDelete": "single",
    });
    // FHIR has no empty arrays.
    if !includes.is_empty() {
        entry["searchInclude"] = json!(includes);
    }
    entry["searchParam"] = json!(parameters);
    entry
}

fn kind_of(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::String => "string",
        ParameterKind::Token => "token",
        ParameterKind::Reference => "reference",
        ParameterKind::Date => "date",
        ParameterKind::Number => "number",
        ParameterKind::Quantity => "quantity",
        ParameterKind::Uri => "uri",
    }
}
