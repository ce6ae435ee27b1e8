//! The CapabilityStatement against R4's own definition, and against what the hub really answers.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_tests::http::Rest;
use pocketchart_tests::*;
use serde_json::Value;
use std::collections::HashMap;

/// Path to least and most occurrences and types, from R4's StructureDefinition.
type Elements = HashMap<String, (u32, bool, String)>;

fn elements(table: &str) -> Elements {
    let mut all = Elements::new();
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        if columns[2].starts_with("CapabilityStatement.") {
            let many = columns[4] == "*";
            let least = columns[3].parse().unwrap();
            all.insert(columns[2].to_owned(), (least, many, columns[5].to_owned()));
        }
    }
    all
}

/// What is wrong with `value`, which stands at `path`.
fn check(path: &str, value: &Value, elements: &Elements, wrong: &mut Vec<String>) {
    let Value::Object(members) = value else {
        return;
    };
    for (name, value) in members {
        if path == "CapabilityStatement" && name == "resourceType" {
            continue;
        }
        let inner = format!("{path}.{name}");
        let Some((_, many, kind)) = elements.get(&inner) else {
            wrong.push(format!("{inner} is no element of R4"));
            continue;
        };
        if value.is_array() != *many {
            wrong.push(format!("{inner}: an array or none"));
        }
        let items = value
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![value.clone()]);
        if items.is_empty() {
            wrong.push(format!("{inner} is empty"));
        }
        // Datatypes have definitions of their own.
        if kind == "BackboneElement" {
            items
                .iter()
                .for_each(|item| check(&inner, item, elements, wrong));
        }
    }
    for (inner, (least, ..)) in elements {
        let name = inner
            .strip_prefix(path)
            .and_then(|rest| rest.strip_prefix('.'));
        if let Some(name) = name.filter(|name| !name.contains('.'))
            && *least > 0
            && !members.contains_key(name)
        {
            wrong.push(format!("{inner} is missing"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_is_one_of_r4() {
    let Some(table) = shared("data/r4/r4-elements.tsv", "the_statement_is_one_of_r4") else {
        return;
    };
    let elements = elements(&std::fs::read_to_string(table).unwrap());
    assert!(elements.len() > 60, "{}", elements.len());
    let hub = TestHub::start().await;
    let statement = Rest::of(&hub).get("metadata").await.json();
    let mut wrong = Vec::new();
    check("CapabilityStatement", &statement, &elements, &mut wrong);
    assert!(wrong.is_empty(), "{wrong:?}");
    // The check finds what is wrong.
    let mut bad = statement.clone();
    bad["rest"][0]["resource"][0]
        .as_object_mut()
        .unwrap()
        .remove("type");
    bad["nonsense"] = Value::from(1);
    check("CapabilityStatement", &bad, &elements, &mut wrong);
    assert_eq!(wrong.len(), 2, "{wrong:?}");

    // Required value sets (http://hl7.org/fhir/R4/capabilitystatement.html).
    let of = |value: &Value, set: &[&str]| set.contains(&value.as_str().unwrap());
    assert!(of(
        &statement["status"],
        &["draft", "active", "retired", "unknown"]
    ));
    assert!(of(
        &statement["kind"],
        &["instance", "capability", "requirements"]
    ));
    let rest = &statement["rest"][0];
    let kinds = [
        "number",
        "date",
        "string",
        "token",
        "reference",
        "composite",
        "quantity",
        "uri",
        "special",
    ];
    let codes = [
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
    for resource in rest["resource"].as_array().unwrap() {
        for interaction in resource["interaction"].as_array().unwrap() {
            assert!(of(&interaction["code"], &codes));
        }
        let mut names = Vec::new();
        for parameter in resource["searchParam"].as_array().unwrap() {
            assert!(of(&parameter["type"], &kinds));
            names.push(parameter["name"].as_str().unwrap());
        }
        names.sort_unstable();
        assert!(
            names.windows(2).all(|two| two[0] != two[1]),
            "cpb-12: each once"
        );
        assert!(of(
            &resource["conditionalRead"],
            &[
                "not-supported",
                "modified-since",
                "not-match",
                "full-support"
            ]
        ));
        assert!(of(
            &resource["conditionalDelete"],
            &["not-supported", "single", "multiple"]
        ));
        assert!(of(
            &resource["versioning"],
            &["no-version", "versioned", "versioned-update"]
        ));
    }
    for interaction in rest["interaction"].as_array().unwrap() {
        let system = ["transaction", "batch", "search-system", "history-system"];
        assert!(of(&interaction["code"], &system));
    }
}

/// Every parameter and every include that is stated is answered.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stated_is_there() {
    let hub = TestHub::start().await;
    let rest = Rest::of(&hub);
    let statement = rest.get("metadata").await.json();
    for resource in statement["rest"][0]["resource"].as_array().unwrap() {
        let kind = resource["type"].as_str().unwrap();
        let missing: Vec<String> = resource["searchParam"]
            .as_array()
            .unwrap()
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .filter(|name| *name != "_id")
            .map(|name| format!("{name}:missing=false"))
            .collect();
        let includes = resource["searchInclude"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let includes = includes
            .iter()
            .map(|i| format!("_include={}", i.as_str().unwrap()));
        for query in missing.into_iter().chain(includes) {
            let answer = rest.get(&format!("{kind}?{query}&_count=1")).await;
            assert_eq!(answer.status, 200, "{kind}?{query}: {}", answer.text);
        }
    }
}
