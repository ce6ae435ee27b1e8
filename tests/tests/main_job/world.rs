//! Two devices and a server, and what has to hold of them at the end.

use crate::decide::{Decided, decide};
use crate::edits::{Act, Edit, Plan};
use pocketchart_core::access::{PeerId, Saved};
use pocketchart_tests::helios::Helios;
use pocketchart_tests::*;
use serde_json::Value;
use std::collections::BTreeMap;

/// Syncs of both devices until nothing moves any more; more than this is a loop.
const ENOUGH: usize = 8;

pub(crate) struct World {
    pub(crate) helios: Helios,
    pub(crate) devices: [Device; 2],
    /// What the server was filled with.
    pub(crate) filled: BTreeMap<String, Value>,
    /// Conflicts that were found and decided.
    decided: Vec<Decided>,
}

impl World {
    /// A server with these records, and two devices that have read them.
    pub(crate) async fn new(helios: Helios, records: Vec<Value>) -> Self {
        helios.fill(&records).await;
        let filled: BTreeMap<String, Value> = records
            .into_iter()
            .map(|record| (name_of(&record), record))
            .collect();
        let devices = [helios.device(), helios.device()];
        let served = served::everything(&helios.server()).await;
        assert_eq!(
            served.len(),
            filled.len(),
            "the server has what it was given"
        );
        for device in &devices {
            let report = device.sync().await;
            assert_eq!((report.received, report.skipped), (count(filled.len()), 0));
            holds_what_is_served(device, &served);
        }
        // A page shows what a read shows.
        for (name, text) in served.iter().step_by(served.len() / 50) {
            let answer = helios.server().get(name).await.unwrap();
            assert_eq!((answer.status, &answer.text), (200, text), "{name}");
        }
        Self {
            helios,
            devices,
            filled,
            decided: Vec::new(),
        }
    }

    /// One device does its edits, offline.
    pub(crate) fn edit(&self, device: usize, edits: &[Edit]) {
        let device = &self.devices[device];
        for edit in edits {
            let before = device.text(&edit.record);
            assert_eq!(before.is_none(), edit.act == Act::Create, "{edit:?}");
            let saved = match edit.applied(before.as_deref()) {
                Some(text) => device.put(&text),
                None => device.guard.delete(&name(&edit.record)).unwrap().unwrap(),
            };
            assert_eq!(saved, Saved::Queued, "{edit:?}");
        }
    }

    /// Somebody decides conflicts on both devices: every other one, or all.
    pub(crate) fn decide(&mut self, all: bool) {
        for device in &self.devices {
            let waiting = device.guard.conflicts().unwrap();
            for waiting in waiting.iter().step_by(if all { 1 } else { 2 }) {
                let record = waiting.name.reference.to_string();
                self.decided
                    .push(decide(device, &record, self.decided.len()));
            }
        }
    }

    /// Syncs by turns until neither device sends, receives or finds anything.
    pub(crate) async fn sync_until_quiet(&self) {
        for _ in 0..ENOUGH {
            let mut quiet = true;
            for device in &self.devices {
                let report = device.sync().await;
                assert_eq!(
                    (report.refused, report.held, report.skipped),
                    (0, 0, 0),
                    "{report:?}"
                );
                quiet &= (report.sent, report.received, report.conflicts) == (0, 0, 0);
            }
            if quiet {
                return;
            }
        }
        panic!("{ENOUGH} syncs of each device were not enough");
    }

    /// All sides agree byte for byte, and nothing of the plan was lost or doubled.
    pub(crate) async fn converged(&self, plan: &Plan) {
        let served = served::everything(&self.helios.server()).await;
        for device in &self.devices {
            assert!(device.guard.pending(None).unwrap().is_empty());
            assert_eq!(device.guard.unsent_changes().unwrap(), 0);
            holds_what_is_served(device, &served);
        }
        self.only_real_conflicts(plan);
        let mut writes: BTreeMap<&str, usize> = BTreeMap::new();
        for edit in self.decided.iter().filter_map(|it| it.written.as_ref()) {
            self.happened_once(edit, &served);
        }
        for edit in plan.edits() {
            self.happened_once(edit, &served);
            *writes.entry(&edit.record).or_default() += 1;
        }
        for (record, text) in &served {
            let known = self.filled.contains_key(record) || writes.contains_key(record.as_str());
            assert!(known, "{record} is nobody's");
            let version: usize = resource(text).version().unwrap().parse().unwrap();
            let decided = usize::from(plan.conflicting.contains(record));
            let most = writes.get(record.as_str()).copied().unwrap_or(0) + decided + 1;
            assert!(
                version <= most,
                "{record}: {version} versions of at most {most}"
            );
        }
    }

    /// Just the records that both changed in a way that only a person can settle went before one, each once.
    fn only_real_conflicts(&self, plan: &Plan) {
        let mut left = plan.conflicting.clone();
        for decided in &self.decided {
            let record = &decided.record;
            let edits = plan.edits().filter(|edit| edit.record == *record);
            let acts: Vec<Act> = edits.map(|edit| edit.act).collect();
            let paths = &decided.paths;
            assert!(
                left.remove(record),
                "{record}: {acts:?} differ in {paths:?}"
            );
        }
        assert!(left.is_empty(), "{left:?} were settled without a person");
    }

    fn happened_once(&self, edit: &Edit, served: &BTreeMap<String, String>) {
        let text = served.get(&edit.record);
        let recorded = self.decided.iter().find(|it| it.record == edit.record);
        match edit.act {
            Act::Delete => assert!(text.is_none() || recorded.is_some(), "{edit:?} was lost"),
            Act::Remove(list) => {
                let items = |record: &Value| record[list].as_array().map_or(0, Vec::len);
                let now = serde_json::from_str(text.unwrap()).unwrap();
                assert_eq!(
                    items(&now) + 1,
                    items(&self.filled[&edit.record]),
                    "{edit:?}"
                );
            }
            _ => {
                let times = text.map_or(0, |text| text.matches(&edit.mark).count());
                let in_conflict = recorded
                    .is_some_and(|it| it.texts.iter().any(|text| text.contains(&edit.mark)));
                assert!(
                    times == 1 || times == 0 && in_conflict,
                    "{edit:?}: {times} times"
                );
            }
        }
    }
}

/// Every record of the device is the server's, byte for byte, and no other is there.
pub(crate) fn holds_what_is_served(device: &Device, served: &BTreeMap<String, String>) {
    let wanted: BTreeMap<_, _> = served::fingerprints(served).into_iter().collect();
    let stored = device.guard.fingerprints().unwrap();
    assert_eq!(stored.len(), wanted.len());
    for (name, fingerprint) in stored {
        assert_eq!(name.peer, PeerId::FIRST);
        assert_eq!(
            Some(&fingerprint),
            wanted.get(&name.reference),
            "{}",
            name.reference
        );
    }
}

pub(crate) fn name_of(record: &Value) -> String {
    let member = |member: &str| record[member].as_str().unwrap().to_owned();
    format!("{}/{}", member("resourceType"), member("id"))
}

pub(crate) fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap()
}
