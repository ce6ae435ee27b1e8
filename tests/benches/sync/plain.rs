//! The baselines: our own client, and nothing behind it.

use pocketchart_core::fhir::bundle::Writer;
use pocketchart_core::net::{Request, Server};
use pocketchart_core::sync;
use std::time::{Duration, Instant};

/// How a page begins, up to its links and some more.
const HEAD: usize = 16 * 1024;

/// What a download came to.
pub(crate) struct Downloaded {
    pub(crate) bytes: usize,
    pub(crate) pages: usize,
}

/// Every page of every type that the server offers and a sync asks for, thrown away as it comes. `ahead`: the next page is
/// asked for as soon as its link is there.
pub(crate) async fn download(
    server: &Server,
    types: &[String],
    sort: &str,
    page: usize,
    ahead: bool,
) -> Downloaded {
    sync::probe(server).await.unwrap();
    let mut done = Downloaded { bytes: 0, pages: 0 };
    for kind in types {
        let first = match sort {
            "" => format!("{kind}?_count={page}"),
            _ => format!("{kind}?_sort={sort}&_count={page}"),
        };
        let mut coming = Some(server.send(Request::get(first)));
        while let Some(reply) = coming.take() {
            let mut reply = reply.await.unwrap();
            assert_eq!(reply.status, 200, "{kind}");
            let mut head = Vec::new();
            let mut link = None;
            while let Some(piece) = reply.body.chunk().await.unwrap() {
                done.bytes += piece.len();
                if link.is_none() && head.len() < HEAD {
                    head.extend_from_slice(&piece);
                    link = next_of(&head);
                    if ahead && let Some(link) = &link {
                        coming = Some(server.send(Request::follow(link.clone())));
                    }
                }
            }
            done.pages += 1;
            if !ahead {
                coming = link.map(|link| server.send(Request::follow(link)));
            }
        }
    }
    done
}

/// The link to the next page; Helios writes its links before the entries, without white space.
fn next_of(head: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(head).unwrap_or_default();
    let links = &text[..text.find("\"entry\"").unwrap_or(text.len())];
    let (_, rest) = links.split_once("\"relation\":\"next\",\"url\":\"")?;
    let (link, _) = rest.split_once('"')?;
    Some(link.to_owned())
}

/// A change as it goes over the wire: `Type/id`, text, version.
pub(crate) type Change = (String, String, String);

/// Sends changes in transactions of `together`; answers with what the server took for them.
pub(crate) async fn transactions(server: &Server, changes: &[Change], together: usize) -> Duration {
    let mut took = Duration::ZERO;
    for part in changes.chunks(together) {
        let mut bundle = Writer::new("transaction", &[]);
        for (name, text, version) in part {
            bundle.put(name, text, Some(version), false);
        }
        let body = bundle.finish();
        let start = Instant::now();
        let answer = server.transaction(body).await.unwrap();
        took += start.elapsed();
        assert_eq!(answer.status, 200, "{:.300}", answer.text);
    }
    took
}
