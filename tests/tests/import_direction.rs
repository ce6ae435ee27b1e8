//! The arrows between the modules of the core run one way, and only `access` reaches the store.
//!
//! Reads the source as text: every path that begins at the crate's root, however it is written.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules of the core by layer. A module names modules of lower layers only.
const LAYERS: [&[&str]; 8] = [
    &["rng", "seeded"],
    &["fhir", "crypto"],
    &["clock", "vault", "store"],
    &["access"],
    &["net"],
    &["sync", "transfer"],
    &["care"],
    &["session"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// What the source of a file in `module` (at `depth`: 1 for `src/rng.rs`, 2 for `src/fhir/json.rs`) does wrong.
fn violations(module: &str, depth: usize, source: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for named in root_paths(depth, source) {
        if named == module {
            continue;
        }
        match (layer(module), layer(&named)) {
            (Some(from), Some(to)) if to < from => {}
            (Some(_), Some(_)) => wrong.push(format!("{module} names {named}")),
            _ => wrong.push(format!("{module} names {named}, which has no layer")),
        }
        if named == "store" && module != "access" {
            wrong.push(format!("{module} reaches the store past access"));
        }
    }
    if source.contains("Permit") && !matches!(module, "access" | "store") {
        wrong.push(format!("{module} names Permit"));
    }
    // The store's own tests have no guard to ask.
    let shipped = source
        .split("#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default();
    if module != "access" && shipped.contains("Permit::granted") {
        wrong.push(format!("{module} grants a permit"));
    }
    for opener in ["Connection::open", "ffi::sqlite3_open"] {
        if source.contains(opener) {
            wrong.push(format!(
                "{module} opens a database past pocketchart-sqlcipher"
            ));
        }
    }
    wrong
}

/// First segments of all paths that start at the crate's root: `crate::x`, `crate::{x, y::z}`, and `super::` chains
/// long enough to get there.
fn root_paths(depth: usize, source: &str) -> Vec<String> {
    let mut code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let tests_at = code.find("#[cfg(test)]\nmod ").unwrap_or(code.len());
    let tests = code.split_off(tests_at);
    let mut found = Vec::new();
    for (part, depth) in [(code, depth), (tests, depth + 1)] {
        let to_root = "super::".repeat(depth);
        for start in ["crate::", to_root.as_str()] {
            for (at, _) in part.match_indices(start) {
                let longer = part[..at].ends_with("super::");
                let behind_a_name =
                    part[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
                if !longer && !behind_a_name {
                    found.extend(first_segments(&part[at + start.len()..]));
                }
            }
        }
    }
    found.retain(|name| name != "super");
    found
}

fn first_segments(path: &str) -> Vec<String> {
    let name = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut depth, mut item, mut found) = (0, String::new(), Vec::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => found.push(name(std::mem::take(&mut item).trim())),
            _ if depth == 0 => item.push(c),
            _ => {}
        }
    }
    found.push(name(item.trim()));
    found.retain(|name| !name.is_empty());
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn arrows_run_one_way_and_only_access_reaches_the_store() {
    let src = root().join("core/src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 30, "found only {} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let inner = file.strip_prefix(&src).unwrap();
        let parts: Vec<_> = inner
            .iter()
            .map(|part| part.to_str().unwrap().trim_end_matches(".rs"))
            .collect();
        // `tests.rs` is the foot of a module in a file of its own: it is not shipped, and has no guard to ask.
        if parts == ["lib"] || parts.last() == Some(&"tests") {
            continue;
        }
        let depth = parts.iter().filter(|part| **part != "mod").count();
        let found = violations(parts[0], depth, &fs::read_to_string(&file).unwrap());
        wrong.extend(
            found
                .into_iter()
                .map(|what| format!("{}: {what}", inner.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_can_fail() {
    let bad = |module: &str, depth, source: &str| violations(module, depth, source);
    assert_eq!(bad("fhir", 2, "use crate::store::Tx;").len(), 2);
    assert_eq!(
        bad("sync", 2, "use crate::{net::Server, store::{Tx, Reader}};").len(),
        1
    );
    assert_eq!(bad("vault", 2, "use super::super::store::Store;").len(), 2);
    assert_eq!(
        bad("store", 2, "use crate::vault::Vault;"),
        ["store names vault"]
    );
    assert_eq!(
        bad("crypto", 2, "fn f() { crate::access::x() }"),
        ["crypto names access"]
    );
    assert_eq!(bad("net", 2, "fn f(p: &Permit) {}"), ["net names Permit"]);
    assert_eq!(
        bad("store", 2, "Permit::granted()"),
        ["store grants a permit"]
    );
    assert_eq!(
        bad("vault", 2, "rusqlite::Connection::open_in_memory()").len(),
        1
    );
    assert_eq!(bad("vault", 2, "use crate::newcomer::X;").len(), 1);
    assert_eq!(bad("session", 1, "use super::store::Tx;").len(), 1);
    // What is allowed.
    assert!(
        bad(
            "access",
            2,
            "use crate::store::Tx; use super::Guard; use crate::fhir::x;"
        )
        .is_empty()
    );
    assert!(
        bad(
            "fhir",
            2,
            "// crate::store\nuse super::json; mod x { use my_crate::store; }"
        )
        .is_empty()
    );
    assert!(
        bad(
            "fhir",
            2,
            "#[cfg(test)]\nmod tests { use super::super::Instant; }"
        )
        .is_empty()
    );
}
