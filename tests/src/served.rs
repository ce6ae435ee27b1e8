//! What a server serves, as a plain client sees it: every page of every type, no sync and no vault.

use crate::required;
use pocketchart_core::fhir::bundle::Bundle;
use pocketchart_core::fhir::{Reference, Resource, ResourceType};
use pocketchart_core::net::Server;
use pocketchart_core::sync;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Records of one page.
const PAGE: usize = 500;

/// All records of a server, of all the types it offers.
pub async fn everything(server: &Server) -> BTreeMap<String, String> {
    let types = required(sync::probe(server).await).types;
    let mut all = BTreeMap::new();
    for kind in types {
        all.extend(of_type(server, kind).await);
    }
    all
}

/// All records of one type.
pub async fn of_type(server: &Server, kind: ResourceType) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let first = format!("{kind}?_sort=_lastUpdated,_id&_count={PAGE}");
    let mut answer = required(server.get(&first).await);
    loop {
        assert_eq!(answer.status, 200, "{kind}");
        let bundle = Bundle::parse(&answer.text);
        assert!(bundle.is_some(), "{kind}: no Bundle");
        let Some(bundle) = bundle else { break };
        for raw in bundle.entry.iter().filter_map(|entry| entry.resource) {
            let name = required(Resource::parse_text(raw.get())).name().to_string();
            let twice = all.insert(name, raw.get().to_owned());
            assert!(twice.is_none(), "{kind}: a record stands on two pages");
        }
        let Some(next) = bundle.link("next").map(str::to_owned) else {
            break;
        };
        answer = required(server.follow(&next).await);
    }
    all
}

/// SHA-256 of each text, as [`pocketchart_core::access::Guard::fingerprints`] has it.
pub fn fingerprints(served: &BTreeMap<String, String>) -> Vec<(Reference, [u8; 32])> {
    let one = |(name, text): (&String, &String)| {
        (crate::name(name), Sha256::digest(text.as_bytes()).into())
    };
    served.iter().map(one).collect()
}
