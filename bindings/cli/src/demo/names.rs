//! Whether a patient's name stands in clear in any file of the homes.

use super::story::{ensure, failed};
use crate::failure::Failure;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// What was searched.
pub(super) struct Searched {
    pub(super) patients: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Looks for the names in `lines` in every file below `folder`.
pub(super) fn search(folder: &Path, lines: &[String]) -> Result<Searched, Failure> {
    let patients: Vec<&String> = lines
        .iter()
        .filter(|line| line.starts_with("{\"resourceType\":\"Patient\""))
        .collect();
    let mut names: Vec<String> = Vec::new();
    for line in &patients {
        let patient: Value =
            serde_json::from_str(line).map_err(|_| failed("a committed patient does not parse"))?;
        let name = &patient["name"][0];
        names.extend(name["family"].as_str().map(str::to_owned));
        names.extend(name["given"][0].as_str().map(str::to_owned));
    }
    ensure(
        names.len() >= patients.len(),
        "the committed patients have names",
    )?;
    // The search must be able to find something: the same names, in the text they come from.
    let loaded = lines.join("\n");
    ensure(
        names
            .iter()
            .all(|name| contains(loaded.as_bytes(), name.as_bytes())),
        "the search finds what is there",
    )?;

    let mut searched = Searched {
        patients: u64::try_from(patients.len()).unwrap_or(0),
        files: 0,
        bytes: 0,
    };
    look(folder, &names, &mut searched)?;
    ensure(searched.files >= 9, "three homes have files")?;
    Ok(searched)
}

fn look(folder: &Path, names: &[String], searched: &mut Searched) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).map_err(Failure::file("reading", folder))? {
        let path = entry.map_err(Failure::file("reading", folder))?.path();
        if path.is_dir() {
            look(&path, names, searched)?;
            continue;
        }
        let bytes = fs::read(&path).map_err(Failure::file("reading", &path))?;
        if names.iter().any(|name| contains(&bytes, name.as_bytes())) {
            return Err(failed(&format!(
                "a patient's name stands in clear in {}",
                path.display()
            )));
        }
        searched.files += 1;
        searched.bytes += u64::try_from(bytes.len()).unwrap_or(0);
    }
    Ok(())
}

fn contains(text: &[u8], name: &[u8]) -> bool {
    let Some(first) = name.first() else {
        return false;
    };
    let starts = text.iter().enumerate().filter(|(_, byte)| *byte == first);
    starts
        .into_iter()
        .any(|(at, _)| text[at..].starts_with(name))
}
