//! The archives of `../shared/data` as records: unpacked Bundles with their references resolved, as an import leaves them,
//! and single resources as they are.

use crate::vectors::shared;
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

/// The records of an archive in `../shared/data`, each `Type/id` once (the last one wins), in the order of the files.
///
/// # Errors
/// Why there are none: the archive is absent, or the computer has no tar with xz.
pub fn records(archive: &str) -> Result<Vec<Value>, String> {
    let path = shared(&format!("data/{archive}"))?;
    let home = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut tar = Command::new("tar");
    tar.arg("-xJf").arg(&path).arg("-C").arg(home.path());
    if !tar.status().is_ok_and(|status| status.success()) {
        return Err("tar with xz is not there".into());
    }
    let mut names = HashMap::new();
    let mut records: Vec<Value> = Vec::new();
    let mut places = HashMap::new();
    for file in files(home.path().into())? {
        let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
        let mut bundle: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        if text_of(&bundle, "resourceType") != "Bundle" {
            bundle = serde_json::json!({"entry": [{"resource": bundle}]});
        }
        let entries = bundle.get_mut("entry").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            let full_url = text_of(entry, "fullUrl").to_owned();
            let record = entry
                .get_mut("resource")
                .map(Value::take)
                .unwrap_or_default();
            let (kind, id) = (text_of(&record, "resourceType"), text_of(&record, "id"));
            let name = format!("{kind}/{id}");
            names.insert(full_url, name.clone());
            for identifier in record
                .get("identifier")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let (system, value) = (text_of(identifier, "system"), text_of(identifier, "value"));
                names.insert(format!("{kind}?identifier={system}|{value}"), name.clone());
            }
            let place = *places.entry(name).or_insert(records.len());
            if place == records.len() {
                records.push(record);
            } else {
                records[place] = record;
            }
        }
    }
    for record in &mut records {
        resolve(record, &names);
    }
    Ok(records)
}

fn files(folder: PathBuf) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_dir() {
            files.extend(self::files(path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// `urn:uuid:` and conditional references become `Type/id`.
fn resolve(value: &mut Value, names: &HashMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, names)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(written) if name == "reference" => {
                        if let Some(found) = names.get(written.as_str()) {
                            written.clone_from(found);
                        }
                    }
                    other => resolve(other, names),
                }
            }
        }
        _ => {}
    }
}
