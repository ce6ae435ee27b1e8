//! Dictionaries: stored records get smaller, and come back as the same bytes.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{Guard, Importing, Saved};
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Instant, Resource};
use pocketchart_tests::*;
use std::path::Path;

fn clinic() -> Vec<String> {
    let packed = include_bytes!("../data/clinic.ndjson.zst");
    let text = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn import(guard: &Guard, texts: &[String]) {
    let resources: Vec<Resource<'_>> = texts.iter().map(|text| resource(text)).collect();
    let how = Importing {
        as_edits: false,
        durable: true,
        at: Instant::from_epoch_ms(1_000),
    };
    guard
        .import(&[("clinic".into(), resources.len())], &resources, how)
        .unwrap();
}

fn holds_all(guard: &Guard, texts: &[String]) {
    for text in texts {
        assert_eq!(
            guard.get(resource(text).name()).unwrap().unwrap().text,
            *text
        );
    }
    assert_eq!(guard.check().unwrap().problems, Vec::<String>::new());
}

fn database_bytes(home: &Path) -> u64 {
    std::fs::metadata(home.join("vault/store-1.db"))
        .unwrap()
        .len()
}

#[test]
fn records_get_smaller_and_stay_the_same_bytes() {
    let texts = clinic();
    let (plain, packed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (guard, _) = make_vault(plain.path());
    import(&guard, &texts);
    guard.lock().unwrap();
    // Enough of the first types come in, dictionaries are made, the rest comes in with them.
    let (guard, _) = make_vault(packed.path());
    import(&guard, &texts[..3000]);
    assert!(guard.repack(|| true).unwrap());
    import(&guard, &texts[3000..]);
    assert!(guard.repack(|| true).unwrap());
    assert!(guard.repack(|| true).unwrap(), "nothing is left to do");
    holds_all(&guard, &texts);
    guard.lock().unwrap();
    holds_all(&unlock(packed.path()), &texts);
    let (plain, packed) = (database_bytes(plain.path()), database_bytes(packed.path()));
    println!("store: {plain} bytes without, {packed} with dictionaries");
}

/// Stopped after any step, as a kill does it: everything is there, and the next call goes on.
#[test]
fn it_can_stop_after_any_step() {
    let texts = clinic();
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    // In small batches, none of which brings enough of a type to choose its dictionary beforehand.
    texts.chunks(300).for_each(|batch| import(&guard, batch));
    drop(guard);
    let mut stops = 0;
    loop {
        let guard = unlock(home.path());
        let mut steps = 2;
        let done = guard.repack(|| {
            steps -= 1;
            steps > 0
        });
        let done = done.unwrap();
        for text in texts.iter().step_by(97) {
            assert_eq!(
                guard.get(resource(text).name()).unwrap().unwrap().text,
                *text
            );
        }
        if done {
            holds_all(&guard, &texts);
            break;
        }
        stops += 1;
    }
    assert!(stops > 5, "{stops}");
}

/// What waits for a server must outlive every dictionary, and what was packed with one can still be edited, taken back,
/// deleted, and found.
#[test]
fn edits_of_packed_records_keep_their_base() {
    let texts = clinic();
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    import(&guard, &texts);
    assert!(guard.repack(|| true).unwrap());
    let observation = texts
        .iter()
        .find(|text| text.contains("\"resourceType\":\"Observation\""))
        .unwrap();
    let edited = observation.replacen("\"status\":\"final\"", "\"status\":\"amended\"", 1);
    assert_ne!(edited, *observation);
    assert_eq!(guard.put(&resource(&edited)).unwrap(), Saved::Queued);
    assert_eq!(
        guard.get(resource(&edited).name()).unwrap().unwrap().text,
        edited
    );
    assert_eq!(
        guard.put(&resource(observation)).unwrap(),
        Saved::Withdrawn,
        "the base came back exactly"
    );
    let id = resource(observation).name().id.to_string();
    assert_eq!(
        guard.delete(resource(observation).name()).unwrap(),
        Some(Saved::Queued)
    );
    let query = Query::parse(&format!("Observation?_id={id}")).unwrap();
    assert!(guard.search(&query).unwrap().records.is_empty());
    assert_eq!(guard.put(&resource(observation)).unwrap(), Saved::Withdrawn);
    assert_eq!(guard.search(&query).unwrap().records.len(), 1);
    assert!(guard.status().unwrap().waiting.is_empty());
}
