//! JSON Patch against the two public suites of its specification.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::fhir::patch::Patch;
use pocketchart_tests::shared;
use serde_json::Value;

/// Cases and how many of them there are.
const SUITES: [(&str, usize); 2] = [
    ("json-patch-tests.json", 102),
    ("json-patch-spec-tests.json", 16),
];

#[test]
fn the_public_suites_pass() {
    for (file, expected) in SUITES {
        let Some(path) = shared(&format!("vectors/{file}"), "the_public_suites_pass") else {
            return;
        };
        let cases: Vec<Value> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut ran = 0;
        for case in cases.iter().filter(|case| case["disabled"] != true) {
            ran += 1;
            let patched = Patch::parse(&case["patch"].to_string())
                .and_then(|patch| patch.apply_to(&case["doc"].to_string()));
            assert_eq!(
                patched.is_err(),
                case.get("error").is_some(),
                "{file}: {case}"
            );
            // A few cases only have to go through.
            if let (Some(expected), Ok(text)) = (case.get("expected"), patched) {
                let found: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(found, *expected, "{file}: {case}");
            }
        }
        assert_eq!(ran, expected, "{file}");
    }
}
