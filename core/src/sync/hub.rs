//! What a device and the hub that it joined tell each other besides records: who is on the device, by which policy they
//! are judged, and how far the vault has come.

use super::{SyncError, failed};
use crate::access::people::{Presented, Presenting, Taken};
use crate::access::{BadPolicy, Guard, Missed};
use crate::net::Server;

/// What the hub said.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The version of a new policy, or why it was refused.
    pub(super) policy: Option<Result<u64, BadPolicy>>,
    /// What the vault is older by than the hub's anchor.
    pub(super) missed: Option<Missed>,
}

/// Tells the hub who is on this device, and keeps what it says about them. A server that this vault has not joined is
/// told nothing; `None`: this is one.
pub(super) async fn present(guard: &Guard, server: &Server) -> Result<Option<News>, SyncError> {
    let Some(joined) = guard.authority()? else {
        return Ok(None);
    };
    let presenting = Presenting {
        members: guard.member_keys()?,
        policy: guard.policy_digest()?,
    };
    let body = serde_json::to_string(&presenting).map_err(|_| not_fhir())?;
    let answer = server.post("$members", body).await?;
    match answer.status {
        200 => {}
        401 => return Err(SyncError::Unauthorized),
        // Another server of the same kind, which this device was not enrolled with; or a hub that wants none of them. What
        // waits is sent all the same: the hub says of each change whether it knows its author.
        400..500 => return Ok(None),
        _ => return Err(failed(&answer, "the people of this device")),
    }
    let said: Presented = serde_json::from_str(&answer.text).map_err(|_| not_fhir())?;
    let mut news = News::default();
    // Whoever handed it over: it is the signature that counts.
    if let Some(policy) = &said.policy {
        news.policy = Some(guard.take_policy(policy)?);
    }
    if said.authority == joined {
        guard.take_certificates(said.authority, &said.members)?;
        news.missed = guard.compare_with_hub(said.anchor.as_deref())?;
    }
    Ok(Some(news))
}

/// Hands the anchor of this moment to the hub. `false`: it was not taken, or must not be replaced yet; the next sync tries
/// again.
pub(super) async fn hand_over(guard: &Guard, server: &Server) -> Result<bool, SyncError> {
    let Some(handed) = guard.anchor_for_hub()? else {
        return Ok(false);
    };
    let body = serde_json::to_string(&handed).map_err(|_| not_fhir())?;
    let Ok(answer) = server.post("$anchor", body).await else {
        return Ok(false);
    };
    let taken = serde_json::from_str::<Taken>(&answer.text).map(|taken| taken.taken);
    Ok(answer.status == 200 && taken.unwrap_or(false))
}

fn not_fhir() -> SyncError {
    SyncError::NotFhir {
        doing: "the people of this device",
        what: "another answer than a hub's",
    }
}
