//! Packing with dictionaries changes what the file weighs, and no byte of what comes out of it.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{Guard, Importing};
use pocketchart_core::fhir::Resource;
use pocketchart_core::vault;
use pocketchart_sqlcipher::Mode;
use pocketchart_tests::*;
use std::path::Path;

/// An observation, or a patient with little in common with the others.
fn record(n: usize) -> String {
    if n.is_multiple_of(5) {
        return format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"r{n}\",\"birthDate\":\"19{:02}-01-01\"}}",
            n % 90
        );
    }
    format!(
        "{{\"resourceType\":\"Observation\",\"id\":\"r{n}\",\"status\":\"final\",\"code\":{{\"coding\":[{{\"system\":\
         \"http://loinc.org\",\"code\":\"85354-9\",\"display\":\"Blood pressure panel with all children optional\"}}],\
         \"text\":\"Blood pressure panel with all children optional\"}},\"subject\":{{\"reference\":\"Patient/r{}\"}},\
         \"valueQuantity\":{{\"value\":{n}.0,\"unit\":\"mmHg\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"mm[Hg]\"}}}}",
        n - n % 5
    )
}

fn import(guard: &Guard, texts: &[String]) {
    let batch: Vec<Resource<'_>> = texts.iter().map(|text| resource(text)).collect();
    let how = Importing {
        as_edits: false,
        durable: true,
        at: guard.now(),
    };
    guard
        .import(&[("a file".into(), batch.len())], &batch, how)
        .unwrap();
}

/// Everything is there as it went in, and the vault is whole.
fn holds(guard: &Guard, texts: &[String]) {
    for text in texts {
        let name = resource(text).name().clone();
        assert_eq!(&guard.get(&name).unwrap().unwrap().text, text);
    }
    assert!(guard.check().unwrap().problems.is_empty());
}

/// Pages in use, dictionaries, and bodies packed with one.
fn inside(home: &Path) -> (i64, i64, i64) {
    let vault = vault::unlock(home, &passphrase(PASSPHRASE)).unwrap();
    let store = vault.store();
    let open = pocketchart_sqlcipher::open;
    let connection = open(&store.path, store.key.expose(), store.salt, Mode::ReadWrite).unwrap();
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).unwrap();
    let pages: i64 = number("PRAGMA page_count");
    let free: i64 = number("PRAGMA freelist_count");
    (
        pages - free,
        number("SELECT count(*) FROM dictionary"),
        number("SELECT count(*) FROM body WHERE dict <> 0"),
    )
}

#[test]
fn older_bodies_come_to_their_dictionary_step_by_step_and_their_room_is_free() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let texts: Vec<String> = (1..=1_500).map(record).collect();
    // Too few at a time to choose a dictionary from.
    texts.chunks(300).for_each(|texts| import(&guard, texts));
    guard.lock().unwrap();
    let (before, dictionaries, packed) = inside(home.path());
    assert_eq!((dictionaries, packed), (0, 0));

    // Stopped after every step, and opened again.
    let mut rounds = 0;
    loop {
        let guard = unlock(home.path());
        let mut steps = 0;
        let done = guard.repack(|| {
            steps += 1;
            steps <= 1
        });
        holds(&guard, &texts);
        guard.lock().unwrap();
        rounds += 1;
        if done.unwrap() {
            break;
        }
        assert!(rounds < 20, "it never ends");
    }
    let (after, dictionaries, packed) = inside(home.path());
    assert_eq!((dictionaries, packed), (1, 1_200), "of observations alone");
    assert!(after * 10 < before * 9, "{after} of {before} pages");
}

#[test]
fn a_large_import_packs_from_its_first_record_on() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let texts: Vec<String> = (1..=600).map(record).collect();
    import(&guard, &texts);
    holds(&guard, &texts);
    // What a person writes must outlive every dictionary.
    let edited = texts[0].replace("final", "amended");
    guard.put(&resource(&edited)).unwrap();
    guard.lock().unwrap();
    let (_, dictionaries, packed) = inside(home.path());
    assert_eq!((dictionaries, packed), (1, 479));
    let guard = unlock(home.path());
    guard.repack(|| true).unwrap();
    holds(&guard, &texts[1..]);
    holds(&guard, &[edited]);
    guard.lock().unwrap();
    assert_eq!(inside(home.path()).2, 479);
}
