//! Merges of other people's records: the Android FHIR SDK's patch vectors, and every record of the Synthea archive.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::fhir::content::is_same;
use pocketchart_core::fhir::merge::{Side, holds, merge, settle};
use pocketchart_core::fhir::patch::Patch;
use pocketchart_tests::{shared, synthea};
use serde_json::Value;
use std::path::Path;

const VECTORS: &str = "vectors/android-fhir-patches";

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn patched(text: &str, patch: &str) -> String {
    Patch::parse(patch).unwrap().apply_to(text).unwrap()
}

fn paths(base: &str, mine: &str, theirs: &str) -> Vec<String> {
    let clashes = merge(base, mine, theirs).unwrap().clashes;
    clashes.iter().map(|clash| clash.path.to_string()).collect()
}

/// `update_patch_1` and `_2` are one patient's edits, made one after the other; `update_test_patient_*` is what has to come
/// out. As two people's edits of one version they clash in one telephone number, and nowhere else.
#[test]
fn the_sdks_patient_vectors_merge() {
    let Some(folder) = shared(VECTORS, "the_sdks_patient_vectors_merge") else {
        return;
    };
    let base = read(&folder, "date_test_patient.json");
    let mut versions = Vec::new();
    for n in [1, 2] {
        let version = patched(&base, &read(&folder, &format!("update_patch_{n}.json")));
        assert!(is_same(
            &version,
            &read(&folder, &format!("update_test_patient_{n}.json"))
        ));
        // The only change stands as it is.
        assert_eq!(merge(&base, &version, &base).unwrap().text, version);
        versions.push(version);
    }
    let (one, two) = (&versions[0], &versions[1]);
    let place = ["contact[#0].telecom[phone|0690383372].value"];
    assert_eq!(paths(&base, one, two), place);
    assert_eq!(paths(&base, two, one), place);
    let settled: Value =
        serde_json::from_str(&settle(&base, one, two, &|_| Side::Mine).unwrap()).unwrap();
    assert_eq!(settled["contact"][0]["telecom"][0]["value"], "0123456789");
    assert_eq!(settled["telecom"][0]["value"], "555-1337");
    assert_eq!(settled["telecom"][1]["value"], "p.heuvel@googlemail.com");
    assert_eq!(settled["address"][0]["line"][0], "Herengracht 609");
}

/// The vectors of android-fhir #2342: two edits that each add an activity, and the patch that both have to become. One
/// edit from each side is the same as both from one.
#[test]
fn the_sdks_care_plan_vectors_merge() {
    let Some(folder) = shared(VECTORS, "the_sdks_care_plan_vectors_merge") else {
        return;
    };
    let activity = |n: usize| {
        format!(r#"{{"detail":{{"kind":"Task","status":"not-started","description":"{n}"}}}}"#)
    };
    let all: Vec<String> = (0..7).map(activity).collect();
    let base = format!(
        r#"{{"resourceType":"CarePlan","id":"p","status":"active","intent":"plan","activity":[{}]}}"#,
        all.join(",")
    );
    let one = patched(&base, &read(&folder, "update_careplan_patch_1.json"));
    let two = patched(&base, &read(&folder, "update_careplan_patch_2.json"));
    let both = patched(&base, &read(&folder, "update_careplan_patch.json"));
    for (mine, theirs) in [(&one, &two), (&two, &one)] {
        let merged = merge(&base, mine, theirs).unwrap();
        assert!(merged.clashes.is_empty());
        assert!(is_same(&merged.text, &both));
        assert!(holds(Some(&base), mine, &merged.text) && holds(Some(&base), theirs, &merged.text));
    }
    // Made one after the other by one person, they reach the server as they are.
    let after = patched(&one, &read(&folder, "update_careplan_patch_2.json"));
    assert_eq!(merge(&base, &after, &base).unwrap().text, after);
    assert!(is_same(&after, &both));
}

/// The records among the vectors, each edited on both sides: everything else stands as it stood.
#[test]
fn the_sdks_records_pass_through_a_merge() {
    let Some(folder) = shared(VECTORS, "the_sdks_records_pass_through_a_merge") else {
        return;
    };
    let mut ran = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        if text.trim_start().starts_with('{') {
            edited_on_both_sides(text.trim());
            ran += 1;
        }
    }
    assert_eq!(ran, 11);
}

#[test]
fn real_records_pass_through_a_merge() {
    let records = match synthea::records("synthea-100.tar.xz") {
        Ok(records) => records,
        Err(reason) => {
            println!("skipped: real_records_pass_through_a_merge: {reason}");
            return;
        }
    };
    // Every eighth: the same of each type again and again proves nothing more.
    let mut ran = 0;
    for record in records.iter().step_by(8) {
        edited_on_both_sides(&record.to_string());
        ran += 1;
    }
    assert!(ran > 3000, "{ran}");
}

fn edited_on_both_sides(base: &str) {
    let with = |more: &str| format!("{},{more}}}", base.strip_suffix('}').unwrap());
    let mine = with(r#""language":"en""#);
    let theirs = with(r#""implicitRules":"urn:x""#);
    let merged = merge(base, &mine, &theirs).unwrap();
    assert!(merged.clashes.is_empty());
    let mut expected: Value = serde_json::from_str(base).unwrap();
    let members = expected.as_object_mut().unwrap();
    members.insert("language".into(), "en".into());
    members.insert("implicitRules".into(), "urn:x".into());
    members.shift_remove("text");
    assert_eq!(
        serde_json::from_str::<Value>(&merged.text).unwrap(),
        expected
    );
    assert_eq!(merge(base, &mine, base).unwrap().text, mine);
    assert_eq!(merge(base, base, &theirs).unwrap().text, theirs);
    assert!(holds(Some(base), &mine, &merged.text));
    assert!(!holds(Some(base), &mine, &theirs));
}
