//! Compiles R4's search parameters into `core/src/fhir/params/table.rs`.
//!
//! R4 writes a parameter as FHIRPath over *model* paths (`Observation.value`, `(X as Quantity)`); the core walks *JSON*
//! (`valueQuantity`) and must know each value's type, since `{"system":..,"value":..}` alone does not say whether it is an
//! Identifier or a ContactPoint. R4's own table of elements has both. What is not of the small subset below is not guessed
//! at: it is listed with its reason, and search answers "not supported yet" for it.

mod compartment;
mod expression;

use expression::{Elements, Step, read_elements, read_steps, resolve, split};
use pocketchart_core::fhir::ResourceType;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// The default profile and US Core's own parameters.
pub const PROFILE: &str = include_str!("../../../core/src/fhir/params/profile.tsv");

/// Numbers of the parameters that all types have; the others count up from [`FIRST_NUMBER`].
const EVERYWHERE: [&str; 5] = ["_lastUpdated", "_profile", "_security", "_source", "_tag"];
const FIRST_NUMBER: usize = 16;

/// The table and what is not in it.
pub struct Compiled {
    /// Text of `table.rs`.
    pub table: String,
    /// Text of `compartment/table.rs`.
    pub compartment: String,
    /// (type, code, reason): parameters that were left out, or paths of a parameter that were.
    pub left_out: Vec<(String, String, String)>,
    /// How many rows the default profile has, those of every type counted once for each.
    pub in_default: usize,
    /// How many rows there are.
    pub in_full: usize,
}

#[derive(Clone)]
struct Row {
    kind: &'static str,
    in_default: bool,
    targets: Vec<String>,
    paths: Vec<String>,
}

/// Compiles `search-parameters.json` and `r4-elements.tsv` of `r4`.
///
/// # Errors
/// A file is missing or malformed, or the profile names what R4 lacks.
pub fn compile(r4: &Path) -> Result<Compiled, String> {
    let read = |name: &str| {
        std::fs::read_to_string(r4.join(name))
            .map_err(|e| format!("{}: {e}", r4.join(name).display()))
    };
    let elements = read_elements(&read("r4-elements.tsv")?);
    let bundle: Value =
        serde_json::from_str(&read("search-parameters.json")?).map_err(|e| e.to_string())?;
    let mut asked = Vec::new();
    for entry in bundle["entry"].as_array().into_iter().flatten() {
        let of = &entry["resource"];
        let text = |name: &str| of[name].as_str().unwrap_or_default().to_owned();
        let names = |name: &str| -> Vec<String> {
            let all = of[name].as_array().into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        for base in names("base") {
            asked.push(Asked {
                base,
                code: text("code"),
                kind: text("type"),
                expression: text("expression"),
                targets: names("target"),
            });
        }
    }
    let (defaults, added) = read_profile()?;
    asked.extend(added);

    let mut rows: BTreeMap<Name, Row> = BTreeMap::new();
    let mut left_out = Vec::new();
    // `_id` is the key of a record, no row of an index.
    for parameter in asked.iter().filter(|p| p.code != "_id") {
        let (base, code) = (&parameter.base, &parameter.code);
        let (row, reasons) = match compile_one(&elements, parameter) {
            Ok(compiled) => compiled,
            Err(reason) => (None, vec![reason]),
        };
        left_out.extend(
            reasons
                .into_iter()
                .map(|why| (base.clone(), code.clone(), why)),
        );
        let is_everywhere = base == "Resource" || base == "DomainResource";
        let types = ResourceType::all().map(|t| t.name().to_owned());
        for of in types.filter(|of| is_everywhere || of == base) {
            let is_default = |t: &str| defaults.contains(&(t.to_owned(), code.clone()));
            if let Some(mut row) = row.clone() {
                row.in_default = is_default(&of) || is_default("*");
                rows.insert((of, code.clone()), row);
            }
        }
    }
    for (of, code) in &defaults {
        if of != "*" && !rows.contains_key(&(of.clone(), code.clone())) {
            return Err(format!("profile.tsv: there is no {of}?{code}"));
        }
    }
    left_out.sort();
    let table = print(&rows, &left_out);
    let definition = read("compartments/compartmentdefinition-patient.json")?;
    let definition = serde_json::from_str(&definition).map_err(|e| e.to_string())?;
    let compartment = compartment::compile(&definition, &rows)?;
    let in_default = rows.values().filter(|row| row.in_default).count();
    Ok(Compiled {
        table,
        compartment,
        left_out,
        in_default,
        in_full: rows.len(),
    })
}

/// A search parameter of one type, as R4 or the profile has it.
struct Asked {
    base: String,
    code: String,
    kind: String,
    expression: String,
    targets: Vec<String>,
}

/// (type, code).
type Name = (String, String);

fn read_profile() -> Result<(BTreeSet<Name>, Vec<Asked>), String> {
    let (mut defaults, mut added) = (BTreeSet::new(), Vec::new());
    for line in PROFILE
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["default", of, codes] => defaults.extend(
                codes
                    .split(' ')
                    .map(|code| (of.to_owned(), code.to_owned())),
            ),
            ["add", of, code, kind, expression] => {
                added.push(Asked {
                    base: of.to_owned(),
                    code: code.to_owned(),
                    kind: kind.to_owned(),
                    expression: expression.to_owned(),
                    targets: Vec::new(),
                });
            }
            _ => return Err(format!("profile.tsv: {line}")),
        }
    }
    Ok((defaults, added))
}

/// One parameter; beside it the reasons why some of its paths were left out.
fn compile_one(
    elements: &Elements,
    parameter: &Asked,
) -> Result<(Option<Row>, Vec<String>), String> {
    let Asked {
        base,
        code,
        expression,
        targets,
        ..
    } = parameter;
    let kind = match parameter.kind.as_str() {
        "string" => "String",
        "token" => "Token",
        "reference" => "Reference",
        "date" => "Date",
        "number" => "Number",
        "quantity" => "Quantity",
        "uri" => "Uri",
        other => return Err(format!("of type {other}")),
    };
    let row = |targets, paths| {
        Some(Row {
            kind,
            in_default: false,
            targets,
            paths,
        })
    };
    match (base.as_str(), code.as_str()) {
        // `deceased.exists() and deceased != false` is a boolean that every Patient has.
        ("Patient", "deceased") => {
            let paths = [
                "deceasedBoolean:boolean",
                "deceasedDateTime:exists",
                ":false",
            ];
            return Ok((
                row(Vec::new(), paths.map(str::to_owned).to_vec()),
                Vec::new(),
            ));
        }
        (_, "phonetic") => return Err("asks for a phonetic algorithm".into()),
        _ => {}
    }
    if expression.is_empty() {
        return Err("has no expression".into());
    }
    let (mut paths, mut leads_to, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for part in split(expression, '|') {
        let steps = read_steps(part)?;
        // A parameter of several types lists all their paths in one expression.
        let steps = match steps.split_first() {
            Some((Step::Name(root), rest)) if root == base => rest,
            // InsurancePlan?name is `name | alias`.
            Some((Step::Name(root), _)) if root.starts_with(char::is_lowercase) => &steps,
            Some((Step::Name(_), _)) => continue,
            _ => return Err(format!("`{part}` does not start with a type")),
        };
        for leaf in resolve(elements, base, steps).map_err(|why| format!("`{part}`: {why}"))? {
            if leaf.kind.is_empty() || !takes(kind, &leaf.kind) {
                reasons.push(format!("`{part}`: a {} is no {kind}", leaf.kind));
                continue;
            }
            if !paths.contains(&leaf.path) {
                paths.push(leaf.path);
            }
            leads_to.push(leaf.targets);
        }
    }
    if paths.is_empty() {
        return Err(reasons
            .pop()
            .unwrap_or_else(|| "no path of this type".into()));
    }
    let targets = if kind == "Reference" {
        narrow(&leads_to, targets)
    } else {
        Vec::new()
    };
    Ok((row(targets, paths), reasons))
}

/// Types that one of the paths and the parameter itself allow; empty: any.
fn narrow(paths: &[Vec<String>], parameter: &[String]) -> Vec<String> {
    let is_any = |list: &[String]| {
        list.is_empty() || list.len() >= 140 || list.iter().any(|t| t == "Resource")
    };
    let from_paths: BTreeSet<String> = if paths.iter().any(|list| is_any(list)) {
        BTreeSet::new()
    } else {
        paths.iter().flatten().cloned().collect()
    };
    let from_parameter: BTreeSet<String> = if is_any(parameter) {
        BTreeSet::new()
    } else {
        parameter.iter().cloned().collect()
    };
    let both: BTreeSet<String> = match (from_paths.is_empty(), from_parameter.is_empty()) {
        (true, _) => from_parameter,
        (_, true) => from_paths,
        _ => {
            let common: BTreeSet<String> =
                from_paths.intersection(&from_parameter).cloned().collect();
            if common.is_empty() {
                from_paths
            } else {
                common
            }
        }
    };
    both.into_iter().collect()
}

/// Types of values that a parameter of a kind is made of (R4 search, 3.1.1.4).
fn takes(kind: &str, of: &str) -> bool {
    match kind {
        "String" => matches!(of, "string" | "markdown" | "HumanName" | "Address"),
        "Token" => matches!(
            of,
            "CodeableConcept"
                | "Coding"
                | "Identifier"
                | "ContactPoint"
                | "code"
                | "boolean"
                | "string"
                | "id"
                | "uri"
        ),
        "Reference" => matches!(of, "Reference" | "canonical" | "uri"),
        "Date" => matches!(of, "date" | "dateTime" | "instant" | "Period" | "Timing"),
        "Number" => matches!(
            of,
            "decimal" | "integer" | "positiveInt" | "unsignedInt" | "Range"
        ),
        "Quantity" => matches!(
            of,
            "Quantity" | "Age" | "Duration" | "Count" | "Distance" | "Money" | "Range"
        ),
        _ => matches!(of, "uri" | "url" | "canonical" | "oid" | "uuid"),
    }
}

fn print(rows: &BTreeMap<(String, String), Row>, left_out: &[(String, String, String)]) -> String {
    let mut body = String::new();
    let quoted = |list: &[String]| {
        list.iter()
            .map(|t| format!("\"{t}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let row = |number: usize, code: &str, row: &Row| {
        let default = if row.in_default { "default" } else { "full" };
        format!(
            "{default}({number}, \"{code}\", {}, &[{}], &[{}])",
            row.kind,
            quoted(&row.targets),
            quoted(&row.paths)
        )
    };
    for (at, code) in EVERYWHERE.iter().enumerate() {
        let Some(shared) = rows.get(&("Patient".to_owned(), (*code).to_owned())) else {
            continue;
        };
        let _ = writeln!(
            body,
            "const {}: Parameter = {};",
            constant(code),
            row(at + 1, code, shared)
        );
    }
    body += "\npub(super) static PARAMETERS: [&[Parameter]; 146] = [\n";
    for of in ResourceType::all() {
        let _ = writeln!(body, "    &[ // {of}");
        let _ = writeln!(body, "        {},", EVERYWHERE.map(constant).join(", "));
        let own = rows
            .iter()
            .filter(|((t, code), _)| t == of.name() && !code.starts_with('_'));
        for (at, ((_, code), parameter)) in own.enumerate() {
            let _ = writeln!(body, "        {},", row(FIRST_NUMBER + at, code, parameter));
        }
        body += "    ],\n";
    }
    body += "];\n\n/// Codes that R4 has and the rows above lack.\npub(super) static UNCOMPILED: [&[&str]; 146] = [\n";
    for of in ResourceType::all() {
        let codes: BTreeSet<&String> = left_out
            .iter()
            .filter(|(t, code, _)| t == of.name() && !rows.contains_key(&(t.clone(), code.clone())))
            .map(|(_, code, _)| code)
            .collect();
        let codes: Vec<String> = codes.into_iter().cloned().collect();
        let _ = writeln!(body, "    &[{}], // {of}", quoted(&codes));
    }
    body += "];\n";
    format!(
        "//! Generated from R4's search parameters; do not edit. Make it again with\n\
         //! `cargo run -p pocketchart-tests --bin compile-search-parameters -- ../shared/data/r4 > core/src/fhir/params/table.rs`.\n\n\
         use super::Parameter;\n\
         use super::ParameterKind::{{Date, Number, Quantity, Reference, String, Token, Uri}};\n\
         use super::{{default, full}};\n\n\
         /// Hash (FNV-1a, 32 bits) of the rows below.\n\
         pub const GENERATION: u32 = 0x{:04x}_{:04x};\n\n{body}",
        hash(&body) >> 16,
        hash(&body) & 0xffff
    )
}

fn constant(code: &str) -> String {
    let upper: String = code
        .chars()
        .flat_map(|c| {
            if c.is_uppercase() {
                vec!['_', c]
            } else {
                vec![c.to_ascii_uppercase()]
            }
        })
        .collect();
    upper.trim_start_matches('_').to_owned()
}

fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
