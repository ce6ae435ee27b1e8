//! What cannot be audited does not happen, and what can is not kept waiting: the trail with a vault around it.

use super::{AuditKind, TrailFilter};
use crate::access::{AccessError, AuditError, Guard};
use crate::clock::SystemClock;
use crate::crypto::SecretText;
use crate::crypto::passphrase_hash::LOWEST_COST;
use crate::fhir::search::Query;
use crate::fhir::{Reference, Resource};
use crate::store::Durability;
use std::path::Path;
use std::sync::{Arc, mpsc};

fn vault(home: &Path) -> Guard {
    let passphrase = SecretText::new("plum orbit lantern 42".into());
    let confirm = |_: &_| Ok::<_, AccessError>(());
    let clock = Arc::new(SystemClock);
    Guard::create(home, passphrase, LOWEST_COST, clock, confirm).unwrap()
}

fn patient(id: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#)
}

fn limit(guard: &Guard, pages: i64) {
    let set = guard.with_audit(|log| {
        let now: i64 = log
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))?;
        let most = if pages < 0 { 1 << 30 } else { now + pages };
        log.connection
            .query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?;
        Ok(())
    });
    set.unwrap();
}

#[test]
fn on_a_full_disk_reads_are_refused_and_no_entry_is_dropped() {
    let home = tempfile::tempdir().unwrap();
    let guard = vault(home.path());
    let name = |id: &str| Reference::parse(&format!("Patient/{id}")).unwrap();
    let put = |id: &str| guard.put(&Resource::parse_text(&patient(id)).unwrap());
    put("a").unwrap();
    limit(&guard, 2);
    // Each look is at another name, so that each is an entry.
    let mut released = 0;
    let refused = loop {
        match guard.get(&name(&format!("x{released}"))) {
            Ok(_) => released += 1,
            Err(error) => break error,
        }
        assert!(released < 10_000, "the limit holds");
    };
    assert!(matches!(refused, AccessError::Audit(AuditError::Store(_))));
    assert!(released > 0);
    assert!(guard.search(&Query::parse("Patient").unwrap()).is_err());
    assert!(guard.export("all", |_| Ok::<_, AccessError>(())).is_err());
    assert!(matches!(put("b"), Err(AccessError::Audit(_))));
    let kinds = || {
        let entries = guard.read_trail(|reader, _, _| reader.forward(0, i64::MAX, usize::MAX));
        let entries = entries.unwrap();
        let kinds: Vec<AuditKind> = entries.into_iter().map(|(_, entry)| entry.kind).collect();
        kinds
    };
    let reads = |kinds: &[AuditKind]| kinds.iter().filter(|k| **k == AuditKind::Read).count();
    assert_eq!(reads(&kinds()), released, "one each, and none without");

    // Room again: everything goes on, and the chain has no gap.
    limit(&guard, -1);
    assert!(
        guard.get(&name("b")).unwrap().is_none(),
        "it was not stored"
    );
    put("b").unwrap();
    assert!(guard.get(&name("b")).unwrap().is_some());
    assert_eq!(reads(&kinds()), released + 2);
    let entries = i64::try_from(kinds().len()).unwrap();
    assert_eq!(guard.verify_chain().unwrap(), entries);
}

/// A first load holds the store's writer for long. Whoever reads meanwhile has their entry and their record.
#[test]
fn no_entry_waits_for_the_writer_of_the_store() {
    let home = tempfile::tempdir().unwrap();
    let guard = vault(home.path());
    let text = patient("a");
    guard.put(&Resource::parse_text(&text).unwrap()).unwrap();
    let (begun, begins) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let writer = guard.clone();
        let load = scope.spawn(move || {
            writer.write(Durability::Normal, |_| {
                begun.send(()).unwrap();
                ends.recv().unwrap();
                Ok::<_, AccessError>(())
            })
        });
        begins.recv().unwrap();
        let name = Reference::parse("Patient/a").unwrap();
        assert!(guard.get(&name).unwrap().is_some());
        let newest = guard.read_trail(|reader, _, _| reader.page(&TrailFilter::default(), || true));
        assert_eq!(newest.unwrap().entries[0].1.kind, AuditKind::Read);
        end.send(()).unwrap();
        load.join().unwrap().unwrap();
    });
}

/// Stored, and then the disk is full: the answer says that it was stored.
#[test]
fn a_write_without_its_second_entry_is_not_called_unwritten() {
    let home = tempfile::tempdir().unwrap();
    let guard = vault(home.path());
    let text = patient("a");
    let resource = Resource::parse_text(&text).unwrap();
    let put = guard.written("Patient/a", |guard| {
        let done = guard.write(Durability::Full, |tx| {
            tx.import(std::slice::from_ref(&resource), 1)
        });
        limit(guard, 0);
        // Room that is left in the last page is used up.
        while guard.note(AuditKind::Check, "", None, None).is_ok() {}
        done
    });
    assert!(matches!(put, Err(AccessError::StoredUnnoted(_))), "{put:?}");
    limit(&guard, -1);
    let name = Reference::parse("Patient/a").unwrap();
    assert!(guard.get(&name).unwrap().is_some());
}
