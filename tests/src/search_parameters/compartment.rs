//! Compiles R4's patient compartment into `core/src/fhir/compartment/table.rs`.
//!
//! The definition names search parameters; what a parameter reads is in the compiled rows already. Filters and other
//! targets than patients are not needed: whatever stands there and is no `Patient/id` is passed over when it is read.

use super::{Row, hash};
use pocketchart_core::fhir::ResourceType;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Text of the table.
pub(super) fn compile(
    definition: &Value,
    rows: &BTreeMap<(String, String), Row>,
) -> Result<String, String> {
    let mut paths: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    // R4 has devices in no patient's compartment; but a patient's own pump is the patient's (design: access control).
    let mut members = vec![("Device", "patient")];
    for of in definition["resource"].as_array().into_iter().flatten() {
        let code = of["code"].as_str().unwrap_or_default();
        let named = of["param"].as_array().into_iter().flatten();
        members.extend(
            named
                .filter_map(Value::as_str)
                .map(|parameter| (code, parameter)),
        );
    }
    for (of, parameter) in members {
        let row = rows
            .get(&(of.to_owned(), parameter.to_owned()))
            .ok_or(format!("the compartment asks for {of}?{parameter}"))?;
        for path in &row.paths {
            let (steps, leads_to) = path.rsplit_once(':').ok_or(format!("`{path}`"))?;
            match leads_to {
                "Reference" | "Reference(Patient)" if !steps.contains('[') => {
                    paths.entry(of).or_default().insert(steps.to_owned());
                }
                "Reference" | "Reference(Patient)" => return Err(format!("{of}: `{path}`")),
                _ => {}
            }
        }
    }
    let mut body = String::from("pub(super) static PATHS: [&[&str]; 146] = [\n");
    for of in ResourceType::all() {
        let of_type = paths.get(of.name()).into_iter().flatten();
        let quoted: Vec<String> = of_type.map(|path| format!("\"{path}\"")).collect();
        let _ = writeln!(body, "    &[{}], // {of}", quoted.join(", "));
    }
    body += "];\n";
    Ok(format!(
        "//! Generated from R4's CompartmentDefinition for patients; do not edit. Make it again with\n\
         //! `cargo run -p pocketchart-tests --bin compile-search-parameters -- --compartment ../shared/data/r4 > core/src/fhir/compartment/table.rs`.\n\n\
         /// Hash (FNV-1a, 32 bits) of the rows below.\n\
         pub(super) const GENERATION: u32 = 0x{:04x}_{:04x};\n\n\
         /// By the numbers of the types: where a reference to a patient makes a record part of the patient's compartment.\n{body}",
        hash(&body) >> 16,
        hash(&body) & 0xffff
    ))
}
