//! People and devices: what a device asks to be let in, and what the operator does on the hub's own machine.
//!
//! `$enrol` alone is answered without a token: the code's secret stands in its place. The operator's addresses take the
//! admin token, and that token is taken from this machine only (auth.rs). All of it is JSON of our own, not FHIR.

use crate::answer::{Answer, Problem, json};
use crate::app::App;
use crate::auth::Caller;
use crate::limits::failed;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use pocketchart_core::access::people::{
    Applied, Applying, DeviceState, EnrolmentCode, Grant, Handed, PeopleError, Presenting,
};
use pocketchart_core::access::{AccessError, Guard, Role};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};

/// Bytes of such a request.
pub(crate) const MAX_BYTES: usize = 32 * 1024;

/// A device presents a code.
pub(crate) async fn enrol(State(app): State<App>, body: Bytes) -> Answer {
    let applying: Applying = read(&body)?;
    let denied = app.denied.clone();
    let guard = app.guard.clone();
    let answer = blocking(guard, move |guard| {
        let applied = guard.apply(&applying.application)?;
        let status = match applied {
            Applied::Waiting { .. } => StatusCode::ACCEPTED,
            Applied::Approved { .. } => StatusCode::OK,
        };
        told(status, &applied)
    });
    let answer = answer.await;
    if answer
        .as_ref()
        .is_err_and(|problem| problem.status == StatusCode::FORBIDDEN)
    {
        denied.note(&app.guard);
    }
    answer
}

/// A device says who is on it.
pub(crate) async fn members(Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let presenting: Presenting = read(&body)?;
    blocking(caller.guard, move |guard| {
        told(StatusCode::OK, &guard.present_members(&presenting)?)
    })
    .await
}

/// A device says how far its vault has come.
pub(crate) async fn anchor(Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let handed: Handed = read(&body)?;
    blocking(caller.guard, move |guard| {
        told(StatusCode::OK, &guard.take_anchor(&handed)?)
    })
    .await
}

/// The operator makes a code.
pub(crate) async fn make_code(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let grant: Grant = read(&body)?;
    blocking(caller.guard, move |guard| {
        let secret = guard.enrol(&grant)?;
        let url = format!("https://{}/fhir", app.address);
        let code = EnrolmentCode::new(&url, app.ca_sha256, &secret).map_err(|_| failed())?;
        told(
            StatusCode::OK,
            &object!({ "code": code.to_string(), "minutes": 15 }),
        )
    })
    .await
}

/// Everybody and everything the hub knows.
pub(crate) async fn list(Extension(caller): Extension<Caller>) -> Answer {
    blocking(caller.guard, |guard| {
        let people = guard.hub_people()?;
        let devices: Vec<Value> = people
            .devices
            .iter()
            .map(|device| {
                object!({
                    "id": device.id,
                    "fingerprint": device.fingerprint,
                    "name": device.grant.name,
                    "patient": device.grant.patient,
                    "facility": device.grant.facility,
                    "state": match device.state {
                        DeviceState::Waiting => "waiting",
                        DeviceState::Approved => "approved",
                        DeviceState::Revoked => "revoked",
                    },
                    "since": device.since.to_string(),
                    "seen": device.seen.map(|at| at.to_string()),
                })
            })
            .collect();
        let members: Vec<Value> = people
            .members
            .iter()
            .map(|member| {
                object!({
                    "id": member.id,
                    "fingerprint": member.fingerprint,
                    "person": member.person,
                    "device": member.device,
                    "role": member.role,
                    "state": match (&member.role, member.revoked) {
                        (_, true) => "revoked",
                        (Some(_), false) => "approved",
                        (None, false) => "waiting",
                    },
                })
            })
            .collect();
        told(
            StatusCode::OK,
            &object!({ "devices": devices, "members": members }),
        )
    })
    .await
}

/// Whom the operator means, and as what.
#[derive(Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    role: Option<Role>,
}

/// The operator approves a device or a person.
pub(crate) async fn approve(Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let named: Named = read(&body)?;
    blocking(caller.guard, move |guard| {
        guard.approve(&named.id, named.role)?;
        told(StatusCode::OK, &object!({ "approved": named.id }))
    })
    .await
}

/// The operator shuts out a device or a person.
pub(crate) async fn revoke(Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let named: Named = read(&body)?;
    blocking(caller.guard, move |guard| {
        guard.revoke(&named.id)?;
        told(StatusCode::OK, &object!({ "revoked": named.id }))
    })
    .await
}

async fn blocking(guard: Guard, work: impl FnOnce(&Guard) -> Answer + Send + 'static) -> Answer {
    tokio::task::spawn_blocking(move || work(&guard))
        .await
        .unwrap_or_else(|_| Err(failed()))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = "the body is not what this address takes";
    serde_json::from_slice(body).map_err(|_| Problem::bad("structure", text))
}

fn told<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    let text = serde_json::to_string(value).map_err(|_| failed())?;
    Ok(json(status, text))
}

/// How these errors are answered.
pub(crate) fn problem_of(error: &PeopleError) -> Problem {
    let (status, code) = match error {
        PeopleError::NotTheOperator
        | PeopleError::BadCode
        | PeopleError::BadProof
        | PeopleError::BadAnchor => (StatusCode::FORBIDDEN, "forbidden"),
        PeopleError::BadGrant(_) | PeopleError::RoleNeeded | PeopleError::NoRole => {
            (StatusCode::BAD_REQUEST, "value")
        }
        PeopleError::ShutOut => (StatusCode::CONFLICT, "conflict"),
        PeopleError::Unknown => (StatusCode::NOT_FOUND, "not-found"),
        PeopleError::Ambiguous => (StatusCode::CONFLICT, "multiple-matches"),
        PeopleError::Store(_) | PeopleError::Randomness(_) => return failed(),
    };
    Problem::new(status, code, error.to_string())
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        AccessError::from(error).into()
    }
}
