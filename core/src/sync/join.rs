//! A device joins a hub: it presents a code, waits to be approved, and keeps what it is given.
//!
//! It can be done again after an interruption at any point. The hub's answer is kept before it is confirmed, and the code
//! is used up only by the confirmation: an answer that was lost is asked for again.

use super::{SyncError, failed, hub};
use crate::access::people::{Applied, Applying, EnrolmentCode};
use crate::access::{AccessError, Guard, PeerId, PeerSettings, device_id, fingerprint};
use crate::net::{NetError, Server};
use crate::vault::VaultError;

/// Why a device did not join. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No usable answer; with [`NetError::Untrusted`]: this is not the hub that made the code.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The vault.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The hub does not take the code.
    #[error(
        "the hub does not take this code: it is used up, older than 15 minutes, or another device's. Ask for a new one"
    )]
    BadCode,
    /// The hub failed.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The answer is not one of a hub.
    #[error("the hub's answer is not one that this program understands")]
    NotAHub,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// Somebody has to approve it at the hub, who compares this fingerprint.
    Waiting {
        /// Of this device's key.
        fingerprint: String,
    },
    /// The hub is known and takes this device in.
    Done {
        /// The hub.
        peer: PeerId,
        /// Its base URL.
        url: String,
        /// What the operator calls this device.
        name: String,
        /// The only patient it receives.
        patient: Option<String>,
        /// Where it stands.
        facility: Option<String>,
    },
}

/// Presents the code once. Nothing is sent unless the hub's authority is the one in the code.
///
/// # Errors
/// [`JoinError`].
pub async fn join(guard: &Guard, code: &EnrolmentCode) -> Result<Joined, JoinError> {
    let server = Server::pinned(&code.url, code.ca_sha256)?;
    let application = guard.application(code)?;
    let body = to_json(&Applying { application })?;
    let answer = server.post("$enrol", body).await?;
    let applied: Applied = match answer.status {
        200 | 202 => serde_json::from_str(&answer.text).map_err(|_| JoinError::NotAHub)?,
        403 => return Err(JoinError::BadCode),
        404 | 405 => return Err(JoinError::NotAHub),
        _ => return Err(failed(&answer, "an enrolment code").into()),
    };
    let (device, token, grant, authority, members) = match applied {
        // What is compared is this device's own, whatever the hub shows.
        Applied::Waiting { .. } => {
            let fingerprint = fingerprint(&guard.device_key()?.public());
            return Ok(Joined::Waiting { fingerprint });
        }
        Applied::Approved {
            device,
            token,
            grant,
            authority,
            members,
        } => (device, token, grant, authority, members),
    };
    if device != device_id(&guard.device_key()?.public()) {
        return Err(JoinError::NotAHub);
    }
    // Before anything is kept: a vault keeps to the hub it joined first.
    if guard.authority()?.is_some_and(|known| known != authority) {
        return Err(AccessError::Vault(VaultError::OtherAuthority).into());
    }
    let settings = PeerSettings {
        ca_pem: Some(server.authority_pem().ok_or(JoinError::NotAHub)?),
        token: Some(token),
        patient: grant.patient.clone(),
    };
    let server = Server::new(
        &code.url,
        settings.ca_pem.as_deref(),
        settings.token.as_deref(),
    )?;
    let peer = guard.remember_hub(server.url(), &settings)?;
    guard.take_certificates(authority, &members)?;
    // The first use of the token tells the hub that it arrived.
    hub::present(guard, &server).await?;
    Ok(Joined::Done {
        peer,
        url: server.url().to_owned(),
        name: grant.name,
        patient: grant.patient,
        facility: grant.facility,
    })
}

fn to_json(request: &Applying) -> Result<String, JoinError> {
    serde_json::to_string(request).map_err(|_| JoinError::NotAHub)
}
