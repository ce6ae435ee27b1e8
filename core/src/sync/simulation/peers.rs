//! One vault and two servers that both have a `Patient/1`: nothing mixes.

use super::dice::Dice;
use super::personality::Personality;
use super::run::{Plan, Run};
use super::server::{Conditions, STRANGER, Server, When};
use super::texts;
use crate::access::AccessError;
use crate::fhir::Resource;
use serde_json::Value;
use std::collections::BTreeMap;

/// A run with a second server, and the texts that each begins with.
fn two_servers(seed: u64) -> Run {
    let plan = Plan::honest(seed);
    let mut run = Run::with_devices(&plan, 0);
    let other = Server::new(
        "https://two.example/fhir",
        Personality::honest(),
        Dice::new(seed),
    );
    run.world.hold().servers.push(other);
    run.add_device();
    for (site, edit) in [(0, 1), (1, 2)] {
        for id in ["1", "2"] {
            write(
                &run,
                site,
                &texts::fresh("Patient", id, site, edit, &[]),
                None,
            );
        }
    }
    write(
        &run,
        1,
        &texts::fresh("Patient", "only-two", 7, 3, &[]),
        None,
    );
    run
}

fn write(run: &Run, site: usize, value: &Value, if_match: Option<&str>) {
    let mut world = run.world.hold();
    let now_ms = world.time.now();
    let name = format!("Patient/{}", value["id"].as_str().unwrap());
    let when = When {
        now_ms,
        stamp_us: now_ms * 1000,
        astray: false,
    };
    let conditions = Conditions {
        if_match,
        if_absent: false,
    };
    world.servers[site]
        .put(STRANGER, &name, &value.to_string(), conditions, when, &[])
        .unwrap();
}

/// By server and name: text here, text there.
type Compared = BTreeMap<(usize, String), ([u8; 32], Option<[u8; 32]>)>;

fn compared(run: &Run) -> Compared {
    let hashes = run.devices[0].guard().fingerprints().unwrap();
    let world = run.world.hold();
    let found = hashes.into_iter().map(|(name, hash)| {
        let site = usize::from(name.peer == run.devices[0].peer(1));
        let served = world.servers[site]
            .text(&name.reference.to_string())
            .map(super::check::hash);
        ((site, name.reference.to_string()), (hash, served))
    });
    found.collect()
}

fn sync(run: &mut Run, site: usize) {
    run.start_sync_with(0, site, false);
    run.pass(30_000).unwrap();
    assert!(!run.devices[0].is_syncing());
}

#[test]
fn two_servers_with_the_same_name_do_not_mix() {
    let mut run = two_servers(1);
    for site in [0, 1, 0] {
        sync(&mut run, site);
    }
    let all = compared(&run);
    assert_eq!(all.len(), 5, "{:?}", all.keys());
    assert!(
        all.values().all(|(here, there)| Some(*here) == *there),
        "bytes are those of each server"
    );

    // An edit of a name that both have could be meant for either: it is asked which, and nothing is written.
    let text = run.world.hold().servers[0]
        .text("Patient/1")
        .unwrap()
        .to_owned();
    let ambiguous = run.devices[0]
        .guard()
        .put(&Resource::parse_text(&text).unwrap());
    assert!(
        matches!(ambiguous, Err(AccessError::Store(_))),
        "{ambiguous:?}"
    );

    // One that only the second has goes to the second.
    let text = run.devices[0]
        .text("Patient/only-two")
        .unwrap()
        .replace("E000003", "E000004");
    run.devices[0]
        .guard()
        .put(&Resource::parse_text(&text).unwrap())
        .unwrap();
    sync(&mut run, 0);
    assert!(
        run.world.hold().servers[0]
            .text("Patient/only-two")
            .is_none(),
        "not the first server's business"
    );
    sync(&mut run, 1);
    let there = run.world.hold().servers[1]
        .text("Patient/only-two")
        .map(str::to_owned);
    assert!(there.is_some_and(|text| text.contains("E000004")));

    // What changes at one changes here under that one's name alone.
    let text = run.world.hold().servers[1]
        .text("Patient/1")
        .unwrap()
        .to_owned();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    texts::set(&mut value, "/name/0/family", "E000005");
    write(&run, 1, &value, Some("1"));
    for site in [0, 1, 0, 1] {
        sync(&mut run, site);
    }
    let all = compared(&run);
    assert_eq!(all.len(), 5);
    assert!(all.values().all(|(here, there)| Some(*here) == *there));
    assert_eq!(run.devices[0].guard().unsent_changes().unwrap(), 0);
}
