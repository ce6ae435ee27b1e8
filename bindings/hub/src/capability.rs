//! The CapabilityStatement: what this hub does, and nothing it does not.

use pocketchart_core::fhir::params::{self, ParameterKind, Profile};
use pocketchart_core::fhir::{ResourceType, marks};

/// The statement of the hub at `base`, generated at `date`.
pub(crate) fn statement(base: &str, date: &str) -> String {
    let resources: Vec<String> = ResourceType::all()
        .map(|kind| {
            let parameters: Vec<String> = params::of(kind)
                .iter()
                .filter(|parameter| Profile::Default.holds(parameter))
                .map(|parameter| {
                    let (code, kind) = (parameter.code, kind_of(parameter.kind));
                    format!(",{{\"name\":\"{code}\",\"type\":\"{kind}\"}}")
                })
                .collect();
            format!(
                "{{\"type\":\"{kind}\",\"interaction\":[{{\"code\":\"read\"}},{{\"code\":\"update\"}},\
                 {{\"code\":\"delete\"}},{{\"code\":\"search-type\"}}],\"versioning\":\"versioned-update\",\
                 \"readHistory\":false,\"updateCreate\":true,\"conditionalCreate\":false,\"conditionalUpdate\":false,\
                 \"conditionalDelete\":\"not-supported\",\"searchParam\":[{{\"name\":\"_id\",\"type\":\"token\"}}{}]}}",
                parameters.concat()
            )
        })
        .collect();
    format!(
        "{{\"resourceType\":\"CapabilityStatement\",\
         \"extension\":[{{\"url\":\"{}\",\"valueBoolean\":true}},{{\"url\":\"{}\",\"valueBoolean\":true}}],\
         \"status\":\"active\",\"date\":\"{date}\",\"kind\":\"instance\",\
         \"software\":{{\"name\":\"Pocketchart hub\",\"version\":\"{}\"}},\
         \"implementation\":{{\"description\":\"Pocketchart hub\",\"url\":\"{base}\"}},\
         \"fhirVersion\":\"4.0.1\",\"format\":[\"json\"],\
         \"rest\":[{{\"mode\":\"server\",\"security\":{{\"description\":\"Bearer token over TLS\"}},\
         \"resource\":[{}],\"interaction\":[{{\"code\":\"transaction\"}}]}}]}}",
        marks::STAMPED_AT_COMMIT,
        marks::CHANGE_RECORD,
        env!("CARGO_PKG_VERSION"),
        resources.join(",")
    )
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
