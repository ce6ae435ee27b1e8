//! The main job on real input, with a server that nobody here wrote: a first load, two devices that both go on working,
//! and two servers that know the same name.
//!
//! With all 29,106 records it takes minutes: the lane `helios` of .ci/run does that. A smaller clinic is enough to see on
//! each run that nothing is lost.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod decide;
mod edits;
mod two_servers;
mod world;

use edits::Plan;
use pocketchart_tests::helios::Helios;
use pocketchart_tests::*;
use serde_json::Value;
use world::World;

/// `rounds`: of 50 edits on each of two devices.
async fn main_job(test: &str, records: Vec<Value>, seed: u64, rounds: usize) {
    let Some(helios) = Helios::start(test).await else {
        return;
    };
    let mut world = World::new(helios, records).await;
    let names: Vec<String> = world.filled.keys().cloned().collect();
    let plan = Plan::new(seed, rounds, &names);
    for (at, round) in plan.rounds.iter().enumerate() {
        for (device, edits) in round.iter().enumerate() {
            assert_eq!(edits.len(), 50);
            world.edit(device, edits);
        }
        // By turns the one and the other is late.
        for device in [at % 2, 1 - at % 2, at % 2] {
            world.devices[device].sync().await;
        }
        world.decide(false);
    }
    // What waited for a person stopped nothing else.
    world.sync_until_quiet().await;
    world.decide(true);
    world.sync_until_quiet().await;
    world.converged(&plan).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clinic_on_two_devices_converges() {
    let text = clinic();
    let mut records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // All of the rarer types, a quarter of the others.
    let mut place = 0;
    records.retain(|record| {
        place += 1;
        place % 4 == 0
            || matches!(
                record["resourceType"].as_str(),
                Some("Patient" | "Organization" | "Location")
            )
    });
    main_job("a_clinic_on_two_devices_converges", records, 13, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: the lane helios of .ci/run"]
async fn all_29106_records_on_two_devices_converge() {
    match synthea::records("synthea-100.tar.xz") {
        Ok(records) => {
            assert_eq!(records.len(), 29_106);
            main_job(
                "all_29106_records_on_two_devices_converge",
                records,
                29_106,
                4,
            )
            .await;
        }
        Err(absent) => eprintln!("skipped: all_29106_records_on_two_devices_converge: {absent}"),
    }
}
