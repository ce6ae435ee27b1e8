//! What a policy costs: the four searches as the owner asks them, whom no policy limits, and beside them as others do.
//!
//! The calls take turns, one search as each of them, so that all see the same computer. The records found are the same;
//! what differs is the condition in the statements. The page of 50 is the first search: what the decision takes for it is
//! the difference.

use crate::measure::Latencies;
use crate::searches::{self, Subject};
use pocketchart_core::access::{Actor, Guard, Person, Role};
use pocketchart_core::fhir::ResourceId;
use std::collections::BTreeSet;

/// Patients of the panel beside those that are asked for.
const OTHERS: usize = 2_000;
const ROUNDS: usize = 3;

pub(crate) fn measure(guard: &Guard, subjects: &[Subject]) {
    let mut panel: BTreeSet<String> = subjects.iter().map(|s| s.patient.clone()).collect();
    panel.extend((0..OTHERS).map(|n| format!("other-{n}")));
    let few: BTreeSet<&String> = subjects.iter().map(|s| &s.patient).take(4).collect();
    let list = |ids: Vec<&String>| {
        let ids: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
        ids.join(",")
    };
    let rule = |role: &str, scope: &str| {
        format!(r#""{role}":[{{"id":"r","types":"*","actions":["search"],"scope":"{scope}"}}]"#)
    };
    let text = format!(
        r#"{{"format":1,"version":1,"issued":"bench","roles":{{{},{},{}}},"panels":{{"large":{{"patients":[{}]}},"few":{{"patients":[{}]}}}},
        "people":{{"large":{{"panels":["large"]}}}},"facilities":{{"*":"everything"}}}}"#,
        rule("own", "own"),
        rule("panel", "panel"),
        rule("facility", "facility"),
        list(panel.iter().collect()),
        list(few.into_iter().collect())
    );
    guard.sign_and_install_policy(&text).unwrap();
    let own = |subject: &Subject| Actor {
        patient: ResourceId::new(&subject.patient).ok(),
        ..Actor::new(Person::new("own"), Role::named("own"))
    };
    let panel = Actor::new(Person::new("large"), Role::named("panel"));
    let facility = Actor::new(Person::new("x"), Role::named("facility"));
    for (which, name) in searches::NAMES.iter().enumerate() {
        let mut all: [Latencies; 4] = Default::default();
        let asked = subjects.iter().cycle().take(subjects.len() * ROUNDS);
        for (turn, subject) in asked.enumerate() {
            let query = searches::query(which, subject);
            let actors = [
                Actor::owner(),
                facility.clone(),
                panel.clone(),
                own(subject),
            ];
            // Whoever asks first reads the pages in, so everybody is first in turn.
            for at in 0..actors.len() {
                let at = (at + turn) % actors.len();
                let guard = guard.acting_as(actors[at].clone());
                let page = all[at].time(|| guard.search(&query).unwrap());
                assert!(!page.records.is_empty(), "{query} finds nothing");
            }
        }
        println!("{name}, by CPU");
        let owner = all[0].p50_cpu();
        let names = [
            "owner",
            "facility, everything",
            "panel of 2,000",
            "own chart",
        ];
        for (name, latencies) in names.iter().zip(&mut all) {
            let p50 = latencies.p50_cpu();
            println!(
                "  {name:22} p50 {p50:7.1} us   {:5.2} x   {:+7.1} us",
                p50 / owner,
                p50 - owner
            );
        }
    }
}
