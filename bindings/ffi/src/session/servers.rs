//! Servers: a hub that this device joins by a code, or any FHIR server by its address.

use super::Session;
use crate::redacted::redacted;
use crate::{PocketchartError, runtime};
use pocketchart_core::access::people::EnrolmentCode;
use pocketchart_core::access::{Guard, PeerState};
use pocketchart_core::fhir::{Instant, ResourceId};
use pocketchart_core::session::servers::{self, KnownServer};
use pocketchart_core::sync::{Joined, join};
use std::sync::Arc;

/// A server that this vault syncs with.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct ServerInfo {
    /// Its base URL.
    pub url: String,
    /// Id of the only patient it sends; `None`: everything that the token may see.
    pub patient: Option<String>,
    /// Whether there is a token for it.
    pub has_token: bool,
    /// When a sync with it last went through: RFC 3339; `None`: never yet.
    pub last_sync: Option<String>,
    /// Until when it wants to be left alone.
    pub busy_until: Option<String>,
    /// How the keys of its newest connection were agreed.
    pub key_agreement: Option<String>,
}

/// How far this device is with a hub.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Display)]
pub enum HubJoin {
    /// Somebody has to approve it at the hub, who compares this fingerprint; then the same code again.
    Waiting {
        /// Of this device's key.
        fingerprint: String,
    },
    /// The hub takes this device in.
    Joined {
        /// The hub.
        server: ServerInfo,
        /// What its operator calls this device.
        device_name: String,
        /// Where it stands, in the operator's words.
        facility: Option<String>,
    },
}

/// A record that could not be taken.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct SkippedRecord {
    /// `Type/id`.
    pub reference: String,
    /// Why, in words without anything of its content.
    pub why: String,
}

/// What syncs learned about a server.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct ServerState {
    /// The server.
    pub server: ServerInfo,
    /// Records that could not be taken, until they come through; the first 100.
    pub skipped: Vec<SkippedRecord>,
    /// How many there are.
    pub skipped_count: u64,
    /// Records that it has lost and that are kept here, as `Type/id`; the first 100.
    pub only_here: Vec<String>,
    /// How many there are.
    pub only_here_count: u64,
    /// So many records were missing there at once that none was deleted here.
    pub missing_there: Option<u64>,
}

redacted!(ServerInfo, HubJoin, SkippedRecord, ServerState);

/// Most names that cross at once.
const LISTED: usize = 100;

#[uniffi::export]
impl Session {
    /// Joins the hub whose operator shows this code. Nothing is sent unless the hub is the one that made it. Can be called
    /// again after any interruption, and has to be while it answers [`HubJoin::Waiting`].
    ///
    /// # Errors
    /// [`PocketchartError::BadJoinCode`]; [`PocketchartError::UntrustedServer`]: not the hub that made it;
    /// [`PocketchartError::NotAHub`]; [`PocketchartError::OtherHub`]; [`PocketchartError::Offline`].
    pub async fn join_hub(&self, code: String) -> Result<HubJoin, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::detached(async move {
            let bad = |_| PocketchartError::BadInput("not an enrolment code (pocketchart://...)");
            let code = EnrolmentCode::parse(&code).map_err(bad)?;
            let guard = inner.core.guard()?;
            match join(&guard, &code).await? {
                Joined::Waiting { fingerprint } => Ok(HubJoin::Waiting { fingerprint }),
                Joined::Done {
                    url,
                    name,
                    facility,
                    ..
                } => Ok(HubJoin::Joined {
                    server: one(&guard, &url)?,
                    device_name: name,
                    facility,
                }),
            }
        })
        .await
    }

    /// Remembers a FHIR server once it has answered as one. What is not given stays as it was. `ca_pem`: its own authority,
    /// where no public one vouches for it.
    ///
    /// # Errors
    /// [`PocketchartError::Offline`], [`PocketchartError::UntrustedServer`], [`PocketchartError::BadServer`],
    /// [`PocketchartError::Unauthorized`], [`PocketchartError::NotAllowed`]: it is known as it was before.
    #[uniffi::method(default(token = None, ca_pem = None, patient = None))]
    pub async fn add_server(
        &self,
        url: String,
        token: Option<String>,
        ca_pem: Option<String>,
        patient: Option<String>,
    ) -> Result<ServerInfo, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::detached(async move {
            let patient = patient.as_deref().map(ResourceId::new).transpose();
            let patient = patient.map_err(|_| PocketchartError::BadInput("not a patient's id"))?;
            let guard = inner.core.guard()?;
            let named = servers::name(&guard, &url, |settings| {
                settings.token = token.or(settings.token.take());
                settings.ca_pem = ca_pem.or(settings.ca_pem.take());
                let patient = patient.map(|id| id.to_string());
                settings.patient = patient.or(settings.patient.take());
            });
            one(&guard, &named.await?.server.url)
        })
        .await
    }

    /// The servers that this vault syncs with, in the order in which they were met.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub fn servers(&self) -> Result<Vec<ServerInfo>, PocketchartError> {
        runtime::here(|| {
            let guard = self.inner.core.guard()?;
            let known = servers::all(&guard)?;
            let info = |server| {
                Ok(ServerInfo::of(
                    &guard,
                    server,
                    &guard.peer_state(server.id)?,
                ))
            };
            known.iter().map(info).collect()
        })
    }

    /// What syncs learned about each server that a person should know.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub async fn sync_state(&self) -> Result<Vec<ServerState>, PocketchartError> {
        self.work(|guard| {
            let known = servers::all(guard)?;
            known.iter().map(|server| state(guard, server)).collect()
        })
        .await
    }
}

fn one(guard: &Guard, url: &str) -> Result<ServerInfo, PocketchartError> {
    let known = servers::all(guard)?;
    let server = known.iter().find(|server| server.url == url);
    let server = server.ok_or(PocketchartError::NoServer)?;
    Ok(ServerInfo::of(guard, server, &guard.peer_state(server.id)?))
}

fn state(guard: &Guard, server: &KnownServer) -> Result<ServerState, PocketchartError> {
    let learned = guard.peer_state(server.id)?;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let skipped = learned.skipped.iter().take(LISTED);
    Ok(ServerState {
        server: ServerInfo::of(guard, server, &learned),
        skipped: skipped
            .map(|(reference, why)| SkippedRecord {
                reference: reference.clone(),
                why: why.clone(),
            })
            .collect(),
        skipped_count: count(learned.skipped.len()),
        only_here: learned.only_here.iter().take(LISTED).cloned().collect(),
        only_here_count: count(learned.only_here.len()),
        missing_there: learned.stopped.map(|stopped| stopped.missing),
    })
}

impl ServerInfo {
    fn of(guard: &Guard, server: &KnownServer, learned: &PeerState) -> Self {
        let at = |ms: i64| Instant::from_epoch_ms(ms);
        let busy = learned
            .not_before_ms
            .map(at)
            .filter(|until| *until > guard.now());
        Self {
            url: server.url.clone(),
            patient: server.settings.patient.clone(),
            has_token: server.settings.token.is_some(),
            last_sync: learned.last_sync_ms.map(|ms| at(ms).to_string()),
            busy_until: busy.map(|until| until.to_string()),
            key_agreement: learned.group.clone(),
        }
    }
}
