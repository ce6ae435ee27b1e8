//! Two servers that both have a `Patient/1`: the one's is never taken for the other's.

use pocketchart_core::access::{AccessError, PeerId, PeerSettings, Saved};
use pocketchart_core::fhir::search::Query;
use pocketchart_core::net::Server;
use pocketchart_core::sync::{Report, SyncRun};
use pocketchart_tests::helios::Helios;
use pocketchart_tests::*;
use std::collections::BTreeSet;

/// One vault that syncs with Helios and with our hub.
struct Both {
    helios: Helios,
    hub: TestHub,
    device: Device,
    servers: [(PeerId, Server); 2],
}

impl Both {
    async fn start(test: &str) -> Option<Self> {
        let helios = Helios::start(test).await?;
        let hub = TestHub::start().await;
        let device = helios.device();
        let client = hub.client();
        let other = device
            .guard
            .remember_peer(client.url(), &PeerSettings::default())
            .unwrap();
        let servers = [(device.peer, helios.server()), (other, client)];
        for (at, (_, server)) in servers.iter().enumerate() {
            for text in [
                // Of the same names on both, with other phones and values.
                patient("1", &format!("phone of server {at}")),
                observation("o", "1", &format!("{at}.50")),
                // And one that only this server has.
                patient(&format!("only-{at}"), "1"),
            ] {
                let name = resource(&text).name().to_string();
                let stored = server.put(&name, &text, None).await.unwrap();
                assert_eq!(stored.status, 201, "{name}: {}", stored.text);
            }
        }
        let both = Self {
            helios,
            hub,
            device,
            servers,
        };
        let received = both.sync().await.map(|report| report.received);
        assert_eq!(received, [3, 3]);
        Some(both)
    }

    /// Syncs with both.
    async fn sync(&self) -> [Report; 2] {
        let mut reports = [Report::default(), Report::default()];
        for ((peer, server), report) in self.servers.iter().zip(&mut reports) {
            let run = SyncRun {
                guard: &self.device.guard,
                server,
                peer: *peer,
                patient: None,
                progress: &|_| {},
            };
            *report = run.run().await.unwrap();
        }
        reports
    }

    /// What each server has under a name; `None`: nothing.
    async fn served(&self, name: &str) -> [Option<String>; 2] {
        let mut texts = [None, None];
        for ((_, server), text) in self.servers.iter().zip(&mut texts) {
            let answer = server.get(name).await.unwrap();
            *text = (answer.status == 200).then_some(answer.text);
        }
        texts
    }

    /// Each record of the vault is what its own server has under that name.
    async fn nothing_mixes(&self) {
        let mut stored = BTreeSet::new();
        for (name, fingerprint) in self.device.guard.fingerprints().unwrap() {
            stored.insert((name.peer == self.servers[1].0, name.reference, fingerprint));
        }
        let mut wanted = BTreeSet::new();
        for (at, (_, server)) in self.servers.iter().enumerate() {
            let served = served::everything(server).await;
            for (name, fingerprint) in served::fingerprints(&served) {
                wanted.insert((at == 1, name, fingerprint));
            }
        }
        assert_eq!(stored, wanted);
    }

    fn is_ambiguous<T>(&self, result: Result<T, AccessError>) -> bool {
        let Err(error) = result else { return false };
        error.to_string().contains("several servers have")
    }

    /// The servers of what a search finds, included records too.
    fn found(&self, query: &str) -> Vec<(usize, String)> {
        let page = self
            .device
            .guard
            .search(&Query::parse(query).unwrap())
            .unwrap();
        let all = page.records.iter().chain(&page.included);
        let at = |peer| usize::from(peer == self.servers[1].0);
        all.map(|record| (at(record.peer()), record.name.reference.to_string()))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_with_the_same_names_never_mix() {
    let Some(both) = Both::start("two_servers_with_the_same_names_never_mix").await else {
        return;
    };
    both.nothing_mixes().await;
    let device = &both.device;
    // Found by a search, each with its server; by its name alone neither is read, written or deleted.
    let mut found = both.found("Patient?_id=1");
    found.sort();
    assert_eq!(found, [(0, "Patient/1".into()), (1, "Patient/1".into())]);
    let before = both.served("Patient/1").await;
    assert!(both.is_ambiguous(device.guard.get(&name("Patient/1"))));
    assert!(both.is_ambiguous(device.guard.put(&resource(&patient("1", "whose?")))));
    assert!(both.is_ambiguous(device.guard.delete(&name("Patient/1"))));
    assert_eq!(device.guard.unsent_changes().unwrap(), 0);
    let reports = both.sync().await;
    assert_eq!(
        reports.map(|report| (report.sent, report.received)),
        [(0, 0); 2]
    );
    assert_eq!(both.served("Patient/1").await, before);

    // What only one of them has goes to that one.
    for (at, other) in [(0, 1), (1, 0)] {
        let record = format!("Patient/only-{at}");
        let edited = patient(&format!("only-{at}"), "edited");
        assert_eq!(device.put(&edited), Saved::Queued);
        let reports = both.sync().await;
        assert_eq!((reports[at].sent, reports[other].sent), (1, 0));
        let served = both.served(&record).await;
        assert!(served[at].as_deref().unwrap().contains("edited"));
        assert_eq!(served[other], None);
        device.guard.delete(&name(&record)).unwrap();
        let reports = both.sync().await;
        assert_eq!((reports[at].sent, reports[other].sent), (1, 0));
        assert_eq!(both.served(&record).await, [None, None]);
    }
    both.nothing_mixes().await;
    assert_eq!(both.served("Patient/1").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_deleted_on_one_server_stays_the_others() {
    let Some(both) = Both::start("a_record_deleted_on_one_server_stays_the_others").await else {
        return;
    };
    let device = &both.device;
    // Somebody else deletes one of the two there.
    for record in ["Observation/o", "Patient/1"] {
        let answer = both
            .helios
            .server()
            .delete(record, Some("1"))
            .await
            .unwrap();
        assert!(
            matches!(answer.status, 200 | 204),
            "{record}: {}",
            answer.status
        );
    }
    both.sync().await;
    both.nothing_mixes().await;
    // Now the name says all, and a change goes to the server that still has it.
    let text = device.text("Patient/1").unwrap();
    assert!(text.contains("phone of server 1"));
    assert_eq!(
        device.put(&text.replace("phone of server 1", "another phone")),
        Saved::Queued
    );
    let reports = both.sync().await;
    assert_eq!(reports.map(|report| report.sent), [0, 1]);
    let served = both.served("Patient/1").await;
    assert_eq!(served[0], None);
    assert!(served[1].as_deref().unwrap().contains("another phone"));
    both.nothing_mixes().await;
    assert_eq!(
        both.hub.client().get("Observation/o").await.unwrap().status,
        200
    );
}
