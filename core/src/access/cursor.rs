//! Page links: where the next page starts, sealed to the search, to the person in the role on the device, and to the policy
//! in force. Not to one opening of the vault: a hub that starts again would end every download that is under way.
//!
//! In clear, a link would tell when the last record on a page was changed, and a made-up one could probe for it.

use super::Actor;
use super::policy::Action;
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
    bound: &[u8],
    position: &impl Serialize,
) -> Result<String, NoRandomness> {
    // A position is numbers and texts: writing it as JSON cannot fail.
    let content = serde_json::to_string(position).unwrap_or_default();
    let nonce: [u8; NONCE_BYTES] = rng::make_bytes()?;
    // Sealing fails only beyond 256 GiB.
    let sealed = envelope::seal(key, nonce, bound, content.as_bytes()).unwrap_or_default();
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

pub(super) fn open<P: DeserializeOwned>(
    key: &Key,
    bound: &[u8],
    cursor: &str,
) -> Result<P, BadCursor> {
    let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
    let content = envelope::open(key, bound, &sealed).map_err(|_| BadCursor)?;
    serde_json::from_slice(&content).map_err(|_| BadCursor)
}

/// What a link is sealed to.
pub(super) fn bound_to(
    actor: &Actor,
    action: Action,
    policy: u64,
    query: &impl FirstPage,
) -> Vec<u8> {
    let patient = actor.patient.as_ref().map_or("", |id| id.as_str());
    let facility = actor.facility.as_deref().unwrap_or_default();
    let parts = [
        "pocketchart/3/cursor",
        actor.person.id(),
        actor.role.name(),
        patient,
        facility,
        &action.to_string(),
        &policy.to_string(),
        actor.device.as_deref().unwrap_or_default(),
        &query.first_page(),
    ];
    // Each behind its length, so that no two lists give the same bytes.
    parts
        .iter()
        .flat_map(|part| [part.len().to_string(), (*part).to_owned()])
        .collect::<Vec<_>>()
        .join("\0")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;
    use serde_json::Value as Position;

    fn open(key: &Key, bound: &[u8], cursor: &str) -> Result<Position, BadCursor> {
        super::open(key, bound, cursor)
    }

    #[test]
    fn a_cursor_is_bound_to_session_query_and_key() {
        let key = Key::make_random().unwrap();
        let query = Query::parse("Patient?_count=7").unwrap();
        let text = r#"{"way":"ByOrder","keys":[{"Integer":-5},null],"id":"a.b","rid":3}"#;
        let position: Position = serde_json::from_str(text).unwrap();
        let (owner, other) = (Actor::owner(), Actor::hub_admin());
        let nurse = Actor::new(owner.person.clone(), Role::NURSE);
        let elsewhere = Actor {
            device: Some("d".into()),
            ..owner.clone()
        };
        let bound =
            |actor: &Actor, policy, query: &Query| bound_to(actor, Action::Search, policy, query);
        let right = bound(&owner, 1, &query);
        let cursor = seal(&key, &right, &position).unwrap();
        let mut next = query.clone();
        next.cursor = Some(cursor.clone());
        assert_eq!(open(&key, &bound(&owner, 1, &next), &cursor), Ok(position));
        for wrong in [
            bound(&other, 1, &query),
            bound(&nurse, 1, &query),
            bound(&elsewhere, 1, &query),
            bound(&owner, 2, &query),
            bound(&owner, 1, &Query::parse("Patient?_count=8").unwrap()),
            bound_to(&owner, Action::Export, 1, &query),
        ] {
            assert_eq!(open(&key, &wrong, &cursor), Err(BadCursor));
        }
        let others = Key::make_random().unwrap();
        assert_eq!(open(&others, &right, &cursor), Err(BadCursor));
        for bad in ["", "x", "AAAA", &cursor[1..]] {
            assert_eq!(open(&key, &right, bad), Err(BadCursor));
        }
    }
}
