//! The main job on real input: 29,106 records from a server that nobody here wrote.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_tests::helios::Helios;
use pocketchart_tests::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_is_filled_and_read() {
    let Some(helios) = Helios::start("a_real_server_is_filled_and_read").await else {
        return;
    };
    let text = clinic();
    let records: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    helios.fill(&records).await;
    let report = helios.device().sync().await;
    assert_eq!(report.received, u64::try_from(records.len()).unwrap());
    assert!(helios.memory_kib() > 0);
}
