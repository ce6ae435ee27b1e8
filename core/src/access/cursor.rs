//! Page links: where the next page starts, sealed to the search and the person it belongs to.
//!
//! In clear, a link would tell when the last record on a page was changed, and a made-up one could probe for it.

use crate::crypto::Key;
use crate::crypto::envelope::{self, NONCE_BYTES};
use crate::fhir::history::HistoryQuery;
use crate::fhir::search::Query;
use crate::rng::{self, NoRandomness};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The page link does not belong to this search, person or vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the page link does not belong to this search; search again from the first page")]
pub struct BadCursor;

/// A request that is answered in pages.
pub(super) trait FirstPage {
    /// Its first page, as text.
    fn first_page(&self) -> String;
}

impl FirstPage for Query {
    fn first_page(&self) -> String {
        let cursor = None;
        Self {
            cursor,
            ..self.clone()
        }
        .to_string()
    }
}

impl FirstPage for HistoryQuery {
    fn first_page(&self) -> String {
        let cursor = None;
        Self {
            cursor,
            ..self.clone()
        }
        .to_string()
    }
}

pub(super) fn seal(
    key: &Key,
    person: &str,
    query: &impl FirstPage,
    position: &impl Serialize,
) -> Result<String, NoRandomness> {
    // A position is numbers and texts: writing it as JSON cannot fail.
    let content = serde_json::to_string(position).unwrap_or_default();
    let nonce: [u8; NONCE_BYTES] = rng::make_bytes()?;
    // Sealing fails only beyond 256 GiB.
    let sealed = envelope::seal(key, nonce, &bound_to(person, query), content.as_bytes())
        .unwrap_or_default();
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

pub(super) fn open<P: DeserializeOwned>(
    key: &Key,
    person: &str,
    query: &impl FirstPage,
    cursor: &str,
) -> Result<P, BadCursor> {
    let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
    let content = envelope::open(key, &bound_to(person, query), &sealed).map_err(|_| BadCursor)?;
    serde_json::from_slice(&content).map_err(|_| BadCursor)
}

fn bound_to(person: &str, query: &impl FirstPage) -> Vec<u8> {
    format!("pocketchart/1/cursor\0{person}\0{}", query.first_page()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Position;

    fn open(key: &Key, person: &str, query: &Query, cursor: &str) -> Result<Position, BadCursor> {
        super::open(key, person, query, cursor)
    }

    #[test]
    fn a_cursor_is_bound_to_person_query_and_key() {
        let key = Key::make_random().unwrap();
        let query = Query::parse("Patient?_count=7").unwrap();
        let text = r#"{"way":"ByOrder","keys":[{"Integer":-5},null],"id":"a.b","rid":3}"#;
        let position: Position = serde_json::from_str(text).unwrap();
        let cursor = seal(&key, "owner", &query, &position).unwrap();
        let mut next = query.clone();
        next.cursor = Some(cursor.clone());
        assert_eq!(open(&key, "owner", &next, &cursor), Ok(position));
        assert_eq!(open(&key, "other", &query, &cursor), Err(BadCursor));
        assert_eq!(
            open(
                &key,
                "owner",
                &Query::parse("Patient?_count=8").unwrap(),
                &cursor
            ),
            Err(BadCursor)
        );
        assert_eq!(
            open(&Key::make_random().unwrap(), "owner", &query, &cursor),
            Err(BadCursor)
        );
        for bad in ["", "x", "AAAA", &cursor[1..]] {
            assert_eq!(open(&key, "owner", &query, bad), Err(BadCursor));
        }
    }
}
