//! The exported trail: valid R4 AuditEvents by IHE's patterns, with nothing of a record in them.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{AccessError, Actor, AuditEntry, AuditKind, Guard, Person, Role};
use pocketchart_core::fhir::params::Profile;
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Resource, ResourceId};
use pocketchart_tests::*;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fs;

const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";

/// A trail with every kind that a vault can write today.
fn busy() -> (tempfile::TempDir, Guard) {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    guard.lock().unwrap();
    let guard = unlock(home.path());
    for text in [
        patient("a", "0791-secret"),
        patient("b", "1"),
        observation("o", "a", "1"),
    ] {
        guard.put(&resource(&text)).unwrap();
    }
    let nurse = Actor {
        device: Some("tablet-7".into()),
        facility: Some("ward 3".into()),
        ..Actor::new(Person::new("nina"), Role::OWNER)
    };
    let nurse = guard.acting_as(nurse);
    nurse.get(&name("Patient/a")).unwrap();
    nurse.get(&name("Organization/none")).unwrap();
    let search = |text: &str| nurse.search(&Query::parse(text).unwrap()).unwrap();
    search("Patient?name=ana%20l");
    search("Patient");
    nurse.put(&resource(&observation("o", "a", "2"))).unwrap();
    nurse.delete(&name("Observation/o")).unwrap();
    nurse
        .put(&resource(r#"{"resourceType":"Organization","id":"x"}"#))
        .unwrap();
    nurse.get(&name("Organization/x")).unwrap();
    let file = home.path().join("i.json");
    fs::write(&file, patient("c", "1")).unwrap();
    import(&guard, &[file]);
    exported(&guard);
    guard.note_export("Patient/a").unwrap();
    guard.note_denied(4).unwrap();
    guard.check().unwrap();
    guard
        .who_saw(&ResourceId::new("a").unwrap(), None, None)
        .unwrap();
    let stranger = guard.acting_as(Actor::new(Person::new("s"), Role::NURSE));
    assert!(stranger.verify_trail().is_err());
    (home, guard)
}

fn events(guard: &Guard) -> Vec<String> {
    let mut all = Vec::new();
    let take = |text: &str| {
        all.push(text.to_owned());
        Ok::<_, AccessError>(())
    };
    let count = guard.export_trail(take).unwrap();
    assert_eq!(usize::try_from(count).unwrap(), all.len());
    all
}

/// Every kind there is, with all that an entry may say and with nothing of it.
fn of_every_kind() -> Vec<String> {
    let mut all = Vec::new();
    for (at, kind) in AuditKind::ALL.into_iter().enumerate() {
        let bare = AuditEntry::new(1_000, "p", kind);
        let full = AuditEntry {
            role: "nurse".into(),
            device: Some("tablet-7".into()),
            facility: Some("ward 3".into()),
            via: Some("courier".into()),
            what: "Observation/o".into(),
            count: Some(3),
            digest: Some("00".into()),
            revision: Some(4),
            done: true,
            patients: vec!["a".into(), "b".into()],
            reason: Some("unconscious".into()),
            rule: Some("no such rule".into()),
            ..bare.clone()
        };
        let number = i64::try_from(at).unwrap();
        all.extend(bare.to_events(&[7; 16], 2 * number));
        all.extend(full.to_events(&[7; 16], 2 * number + 1));
    }
    all
}

fn values(texts: &[String]) -> Vec<Value> {
    texts
        .iter()
        .map(|t| serde_json::from_str(t).unwrap())
        .collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[test]
fn ids_stay_and_every_entry_is_there() {
    let (_home, guard) = busy();
    let entries = trail(&guard).len();
    let (first, second) = (events(&guard), events(&guard));
    assert_eq!(
        second[..first.len()],
        first,
        "exported twice, the same events"
    );
    let ids: HashSet<String> = values(&second)
        .iter()
        .map(|e| text(e, "/id").to_owned())
        .collect();
    assert_eq!(ids.len(), second.len());
    let numbers: HashSet<String> = values(&first)
        .iter()
        .flat_map(|e| e["entity"].as_array().unwrap().clone())
        .flat_map(|e| e["detail"].as_array().cloned().unwrap_or_default())
        .filter(|d| d["type"] == "entry")
        .map(|d| text(&d, "/valueString").to_owned())
        .collect();
    // What reading the trail above added, and the export's own entry.
    assert!(numbers.len() > entries);
    for n in 1..=numbers.len() {
        assert!(numbers.contains(&n.to_string()), "entry {n}");
    }
}

/// Who made a change and who handed it on are two agents; the reason of an emergency is there.
#[test]
fn who_handed_on_and_the_reason_are_told() {
    let mut seen = 0;
    for event in values(&of_every_kind()) {
        let (kinds, names) = (
            codes(&event, "agent", "/type/coding/0/code"),
            codes(&event, "agent", "/name"),
        );
        if names.len() > 3 {
            assert_eq!(names[2..], ["p", "courier"]);
            assert_eq!(kinds[3], "enterer");
        }
        let purposes = codes(&event, "purposeOfEvent", "/coding/0/code");
        if purposes == ["BTG"] {
            seen += 1;
        }
    }
    assert_eq!(seen, 3, "one without patients, two with");
}

#[test]
fn nothing_of_a_record_is_in_them() {
    let (_home, guard) = busy();
    for event in events(&guard) {
        assert!(!event.contains("0791-secret"), "{event}");
        assert!(!event.contains("valueQuantity"), "{event}");
    }
}

/// Elements of R4, from its own tables: path -> (min, repeats, types).
struct Elements(HashMap<String, (bool, bool, String)>);

impl Elements {
    fn of(tsv: &str) -> Self {
        let rows = tsv.lines().filter_map(|line| {
            let mut columns = line.split('\t').skip(2);
            let (path, min, max) = (columns.next()?, columns.next()?, columns.next()?);
            let types = columns.next().unwrap_or_default();
            Some((path.to_owned(), (min != "0", max == "*", types.to_owned())))
        });
        Self(rows.collect())
    }

    fn judge(&self, value: &Value, path: &str, id: &str) {
        let object = value
            .as_object()
            .unwrap_or_else(|| unreachable!("{id}: {path}"));
        assert!(!object.is_empty(), "{id}: {path} is empty");
        for (name, value) in object {
            if name == "resourceType" {
                continue;
            }
            let choice = format!("{path}.value[x]");
            let child = format!("{path}.{name}");
            let (child, (_, repeats, types)) = match self.0.get(&child) {
                Some(found) => (child, found),
                None if name.starts_with("value") => (choice.clone(), &self.0[&choice]),
                None => unreachable!("{id}: there is no {child}"),
            };
            assert_eq!(value.is_array(), *repeats, "{id}: {child}");
            for item in value.as_array().unwrap_or(&vec![value.clone()]) {
                match types.as_str() {
                    "BackboneElement" => self.judge(item, &child, id),
                    kind if item.is_object() => self.judge(item, kind, id),
                    "boolean" => assert!(item.is_boolean(), "{id}: {child}"),
                    _ => assert!(
                        item.as_str().is_some_and(|t| !t.is_empty()),
                        "{id}: {child}"
                    ),
                }
            }
        }
        let prefix = format!("{path}.");
        for (child, (required, ..)) in &self.0 {
            let Some(name) = child.strip_prefix(&prefix).filter(|n| !n.contains('.')) else {
                continue;
            };
            let there = match name.strip_suffix("[x]") {
                Some(start) => object.keys().any(|key| key.starts_with(start)),
                None => object.contains_key(name),
            };
            assert!(!required || there, "{id}: {child} is missing");
        }
    }
}

#[test]
fn every_event_has_the_shape_that_r4_asks_for() {
    let test = "every_event_has_the_shape_that_r4_asks_for";
    let (_home, guard) = busy();
    let texts = [events(&guard), of_every_kind()].concat();
    for event in &texts {
        Resource::parse_text(event).unwrap();
    }
    let Some(file) = shared("data/r4/r4-elements.tsv", test) else {
        return;
    };
    let elements = Elements::of(&fs::read_to_string(file).unwrap());
    for event in values(&texts) {
        elements.judge(&event, "AuditEvent", text(&event, "/id"));
    }
}

fn codes<'a>(event: &'a Value, list: &str, pointer: &str) -> Vec<&'a str> {
    let items = event[list].as_array();
    items
        .into_iter()
        .flatten()
        .map(|item| text(item, pointer))
        .collect()
}

/// Required bindings of R4, and the codes that R4 and DICOM have for the extensible ones.
#[test]
fn codes_are_from_their_value_sets() {
    let (_home, guard) = busy();
    for event in values(&[events(&guard), of_every_kind()].concat()) {
        let id = text(&event, "/id");
        assert!(id.len() <= 64, "{id}");
        assert!(["C", "R", "U", "D", "E"].contains(&text(&event, "/action")));
        assert!(["0", "4", "8", "12"].contains(&text(&event, "/outcome")));
        let kind = text(&event, "/type/code");
        let dicom: u32 = kind.parse().unwrap_or_default();
        assert!(
            kind == "rest" || (110_100..=110_114).contains(&dicom),
            "{kind}"
        );
        for (subtype, system) in codes(&event, "subtype", "/code")
            .into_iter()
            .zip(codes(&event, "subtype", "/system"))
        {
            let known = match system {
                "http://hl7.org/fhir/restful-interaction" => {
                    ["read", "search", "create", "update", "delete"].contains(&subtype)
                }
                "http://dicom.nema.org/resources/ontology/DCM" => {
                    (110_120..=110_142).contains(&subtype.parse::<u32>().unwrap())
                }
                "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle" => {
                    subtype == "disclose"
                }
                _ => false,
            };
            assert!(known, "{id}: {system} {subtype}");
        }
        for kind in codes(&event, "entity", "/type/code") {
            assert!(["1", "2", "3", "4"].contains(&kind), "{id}: {kind}");
        }
        for role in codes(&event, "entity", "/role/code") {
            assert!(
                (1..=24).contains(&role.parse::<u32>().unwrap()),
                "{id}: {role}"
            );
        }
        for agent in event["agent"].as_array().unwrap() {
            if let Some(kind) = agent["network"]["type"].as_str() {
                assert!(["1", "2", "3", "4", "5"].contains(&kind));
            }
        }
        // sev-1: a name or a query, never both.
        for entity in event["entity"].as_array().unwrap() {
            assert!(entity["name"].is_null() || entity["query"].is_null());
        }
    }
}

/// What each of IHE's patterns asks for beyond R4 (BALP 1.1, volume 3).
#[test]
fn events_that_name_a_pattern_keep_it() {
    let (_home, guard) = busy();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for event in values(&events(&guard)) {
        let profile = text(&event, "/meta/profile/0");
        if profile.is_empty() {
            continue;
        }
        let pattern = profile.strip_prefix(BALP).unwrap();
        *seen.entry(pattern.to_owned()).or_default() += 1;
        let (kind, subtype, action, client, server, user) = match pattern
            .trim_start_matches("Patient")
        {
            "Read" => ("rest", "read", "R", "110152", "110153", "IRCP"),
            "Query" => ("rest", "search", "E", "110153", "110152", "IRCP"),
            "Create" => ("rest", "create", "C", "110153", "110152", "AUT"),
            "Update" => ("rest", "update", "U", "110153", "110152", "AUT"),
            "Delete" => ("rest", "delete", "D", "110150", "custodian", "AUT"),
            "PrivacyDisclosure.Source" => ("110106", "disclose", "R", "110152", "110153", "IRCP"),
            other => unreachable!("{other}"),
        };
        assert_eq!(text(&event, "/type/code"), kind, "{pattern}");
        assert_eq!(codes(&event, "subtype", "/code"), [subtype], "{pattern}");
        assert_eq!(text(&event, "/action"), action, "{pattern}");
        assert_eq!(
            text(&event, "/outcome"),
            "0",
            "{pattern}: failures have no pattern"
        );
        let agents = codes(&event, "agent", "/type/coding/0/code");
        assert_eq!(agents, [client, server, user], "{pattern}");
        let agents = event["agent"].as_array().unwrap();
        for machine in &agents[..2] {
            assert!(machine["who"].is_object() && machine["network"].is_object());
            assert!(machine["media"].is_null());
        }
        assert_eq!(agents[2]["requestor"], true);
        assert!(agents[2]["network"].is_null());
        // The vault is the source, also of what it discloses.
        assert_eq!(agents[1]["who"], event["source"]["observer"]);
        let entities = event["entity"].as_array().unwrap();
        let of = |kind: &str, role: &str| {
            let fits = |e: &&Value| text(e, "/type/code") == kind && text(e, "/role/code") == role;
            entities.iter().filter(fits).collect::<Vec<_>>()
        };
        let patients = of("1", "1");
        let expected = usize::from(pattern.starts_with('P'));
        assert_eq!(patients.len(), expected, "{pattern}");
        for one in patients {
            assert!(text(one, "/what/reference").starts_with("Patient/"));
        }
        if pattern.ends_with("Query") {
            let query = of("2", "24");
            assert_eq!(query.len(), 1);
            assert!(query[0]["what"].is_null() && query[0]["detail"].is_null());
            assert!(!text(query[0], "/query").is_empty());
        } else {
            assert_eq!(of("2", "4").len(), 1, "{pattern}");
            assert!(!text(of("2", "4")[0], "/what/reference").is_empty());
        }
    }
    for pattern in [
        "Read",
        "PatientRead",
        "Query",
        "PatientQuery",
        "Create",
        "PatientCreate",
        "PatientUpdate",
        "PatientDelete",
        "PrivacyDisclosure.Source",
    ] {
        assert!(seen.contains_key(pattern), "no {pattern} in {seen:?}");
    }
    // The page with two patients gave two events.
    assert!(seen["PatientQuery"] >= 2);
}

/// Whoever collects the events finds them again by what R4 lets one search them by.
#[test]
fn search_parameters_of_audit_events_find_them() {
    let (home, guard) = busy();
    let file = home.path().join("audit.ndjson");
    fs::write(&file, events(&guard).join("\n")).unwrap();
    let other = tempfile::tempdir().unwrap();
    let (collector, _) = make_vault(other.path());
    collector.set_profile(Profile::Full).unwrap();
    collector.reindex(|_| true).unwrap();
    let report = import(&collector, &[file]);
    assert_eq!(report.refused, 0);
    let found = |query: &str| {
        let query = Query::parse(&format!("AuditEvent?{query}&_total=accurate")).unwrap();
        collector.search(&query).unwrap().total.unwrap()
    };
    let all = report.stored;
    assert_eq!(found("date=ge2020"), all);
    for (query, least) in [
        ("patient=Patient/a", 8),
        ("entity=Observation/o", 3),
        ("agent-name=nina", 5),
        ("action=D", 1),
        ("outcome=8", 2),
        (
            "type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest",
            8,
        ),
        ("subtype=search", 2),
        ("site=ward%203", 5),
        ("address=tablet", 5),
        ("entity-role=24", 2),
    ] {
        let number = found(query);
        assert!((least..all).contains(&number), "{query}: {number} of {all}");
    }
    assert_eq!(found("patient=Patient/nobody"), 0);
}
