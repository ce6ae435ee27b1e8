//! What `status` says about servers: how each is doing, and what they took.

use super::learned;
use crate::failure::Failure;
use pocketchart_core::access::{Accepted, Guard, PeerId, PeerState};
use pocketchart_core::fhir::Instant;
use serde_json::{Value, json};

/// Accepted changes that are shown to a person, and to a program.
const SHOWN: usize = 5;
const TOLD: usize = 100;

/// The servers of a vault.
pub(super) struct Servers {
    known: Vec<(PeerId, String, PeerState)>,
    accepted: Vec<Accepted>,
    now: Instant,
}

impl Servers {
    pub(super) fn of(guard: &Guard) -> Result<Self, Failure> {
        let mut known = Vec::new();
        for (peer, url, _) in guard.peers()? {
            let state = guard.peer_state(peer)?;
            known.push((peer, url, state));
        }
        Ok(Self {
            known,
            accepted: guard.accepted(TOLD)?,
            now: guard.now(),
        })
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        if self.known.is_empty() {
            return vec!["No server yet: `pocketchart join CODE` joins a hub, `pocketchart sync https://...` names any.".into()];
        }
        let mut lines = Vec::new();
        for (_, url, state) in &self.known {
            let synced = match state.last_sync_ms {
                Some(ms) => format!("last at {}", Instant::from_epoch_ms(ms)),
                None => "never yet".into(),
            };
            let keys = match &state.group {
                Some(group) => format!(", keys agreed by {group}"),
                None => String::new(),
            };
            lines.push(format!("Syncs with {url}: {synced}{keys}"));
            if let Some(until) = self.busy_until(state) {
                lines.push(format!(
                    "  it is busy, and asked to be left alone until {until}"
                ));
            }
        }
        lines
    }

    /// What servers took of what was changed here, for people.
    pub(super) fn accepted_lines(&self) -> Vec<String> {
        if self.accepted.is_empty() {
            return Vec::new();
        }
        let mut lines = vec!["Taken by a server, newest first:".to_owned()];
        for accepted in self.accepted.iter().take(SHOWN) {
            let version = match &accepted.version {
                Some(version) => format!(" as version {version}"),
                None => String::new(),
            };
            lines.push(format!(
                "  {}  by {}{version} at {}, written by {}",
                accepted.name.reference,
                self.url(accepted.by),
                accepted.at,
                accepted.author
            ));
        }
        if self.accepted.len() > SHOWN {
            lines.push("  and more (`--json status` lists them)".into());
        }
        lines
    }

    /// For programs.
    pub(super) fn add_to(&self, object: &mut Value) {
        let text = |ms: Option<i64>| ms.map(|ms| Instant::from_epoch_ms(ms).to_string());
        let peers: Vec<Value> = self
            .known
            .iter()
            .map(|(_, url, state)| {
                let mut about = learned::object(state);
                about["url"] = json!(url);
                about["last_sync"] = json!(text(state.last_sync_ms));
                about["group"] = json!(state.group);
                about["busy_until"] = json!(self.busy_until(state).map(|until| until.to_string()));
                about
            })
            .collect();
        let accepted: Vec<Value> = self
            .accepted
            .iter()
            .map(|accepted| {
                json!({
                    "name": accepted.name.reference.to_string(),
                    "by": self.url(accepted.by),
                    "version": accepted.version,
                    "at": accepted.at.to_string(),
                    "author": accepted.author,
                    "change": accepted.change,
                })
            })
            .collect();
        object["peers"] = json!(peers);
        object["accepted"] = json!(accepted);
    }

    fn busy_until(&self, state: &PeerState) -> Option<Instant> {
        let until = Instant::from_epoch_ms(state.not_before_ms?);
        (until > self.now).then_some(until)
    }

    fn url(&self, peer: PeerId) -> &str {
        let found = self.known.iter().find(|(id, ..)| *id == peer);
        found.map_or("a server that is not known any more", |(_, url, _)| url)
    }
}
