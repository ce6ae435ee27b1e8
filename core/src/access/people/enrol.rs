//! What a device asks of the hub: to come in, to be known by its token, and to have its people certified.

use super::code::{Application, MemberKey, hash_of, make_secret};
use super::rows::{
    Applicant, CodeRow, DeviceRow, MemberRow, SerialRow, TokenRow, all, get, remove, set,
};
use super::{Grant, PeopleError};
use crate::access::policy::VaultAction;
use crate::access::{AccessError, Actor, Certificate, Guard, Person, Role, device_id, fingerprint};
use crate::crypto::sign::{PublicKey, SigningKey};
use crate::fhir::{Instant, ResourceId};
use crate::rng;
use crate::store::{Durability, Tx};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How long a code is good for.
pub(super) const CODE_MS: i64 = 15 * 60_000;
/// How long a device that presented its code may wait to be approved, and then to fetch its token.
const WAIT_MS: i64 = 24 * 60 * 60_000;
/// How exactly it is kept when a device was last seen.
const SEEN_MS: i64 = 60_000;
/// Keys of members that a device may have here.
const MAX_MEMBERS: usize = 256;

/// What became of an application; the answer to `$enrol`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Applied {
    /// Somebody has to approve it at the hub, who compares this fingerprint.
    Waiting {
        /// Of the device's key.
        fingerprint: String,
    },
    /// Welcome.
    Approved {
        /// The device's id.
        device: String,
        /// Its token. The hub keeps a hash of it.
        token: String,
        /// What it is enrolled as.
        grant: Grant,
        /// What the hub signs certificates with.
        authority: PublicKey,
        /// Those of the device's people.
        members: Vec<Certified>,
    },
}

/// A device's application for a code: what is sent to `$enrol`.
#[derive(Serialize, Deserialize)]
pub struct Applying {
    /// See [`Application`].
    pub application: String,
}

/// The people of a device: what is sent to `$members`.
#[derive(Serialize, Deserialize)]
pub struct Presenting {
    /// Their keys.
    pub members: Vec<MemberKey>,
    /// SHA-256 of the signed policy that the device has; none: none is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// What the hub says about them: the answer to `$members`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Presented {
    /// What the hub signs certificates with.
    pub authority: PublicKey,
    /// Everybody it knows on this device.
    pub members: Vec<Certified>,
    /// The signed policy, for a shared device that has another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The anchor that the device handed over last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
}

/// What the hub says about the key of a member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Certified {
    /// The key, and the person as the device calls them.
    pub member: MemberKey,
    /// The certificate; `None`: waits to be approved.
    pub certificate: Option<String>,
    /// Whether it was taken back.
    pub revoked: bool,
}

impl Guard {
    /// A device presents a code. It may do so again after an interruption: the code is used up only when the device
    /// comes with the token it got for it.
    ///
    /// # Errors
    /// [`PeopleError::BadCode`] and the others.
    pub fn apply(&self, application: &str) -> Result<Applied, AccessError> {
        self.must_be_operator(VaultAction::Devices)?;
        let application = Application::verify(application).map_err(|_| PeopleError::BadProof)?;
        let (now, code) = (self.now(), hash_of(application.secret()));
        // Anybody may send one, and a device asks again every other second: what changes nothing makes no entry.
        let row: Option<CodeRow> = self.read(|reader| get(reader, &code))?;
        let row = is_good(row, &application, now)?;
        if row.applicant.is_some() && !row.approved {
            return Ok(waits(&application));
        }
        let token = make_token()?;
        let authority = self.authority_key()?.public();
        self.registered("application", |guard| {
            guard.write(Durability::Full, |tx| {
                let mut row = is_good(get(tx, &code)?, &application, now)?;
                if row.applicant.is_none() {
                    row.expires_ms = now.epoch_ms() + WAIT_MS;
                    row.applicant = Some(Applicant {
                        key: application.key,
                        vault: application.vault.clone(),
                        members: application.members.clone(),
                        at_ms: now.epoch_ms(),
                    });
                    set(tx, &code, &row)?;
                }
                if !row.approved {
                    return Ok::<_, PeopleError>(waits(&application));
                }
                let id = device_id(&application.key);
                let mut device: DeviceRow = get(tx, &id)?.ok_or(PeopleError::BadCode)?;
                // The one before was never used: its answer was lost.
                if let Some(unused) = device.token.replace(hash_of(&token)) {
                    remove::<TokenRow>(tx, &unused)?;
                }
                set(tx, &hash_of(&token), &TokenRow { device: id.clone() })?;
                set(tx, &id, &device)?;
                Ok(Applied::Approved {
                    members: certified(tx, &id)?,
                    device: id,
                    token: token.to_string(),
                    grant: device.grant,
                    authority,
                })
            })
        })
    }

    /// Whom a token is for. `None`: nobody, or a device that was revoked. The first use confirms that it arrived.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn holder_of_token(&self, token: &str) -> Result<Option<Actor>, AccessError> {
        let hash = hash_of(token);
        let found = self.read(|reader| {
            let Some(token) = get::<TokenRow>(reader, &hash)? else {
                return Ok::<_, PeopleError>(None);
            };
            let device: Option<DeviceRow> = get(reader, &token.device)?;
            Ok(device.map(|device| (token.device, device)))
        })?;
        let Some((id, device)) = found else {
            return Ok(None);
        };
        if device.revoked || device.token.as_deref() != Some(hash.as_str()) {
            return Ok(None);
        }
        let now = self.now().epoch_ms();
        let seen = device.seen_ms.unwrap_or(0);
        if device.code.is_some() || !(seen..seen + SEEN_MS).contains(&now) {
            self.write(Durability::Normal, |tx| {
                // Read again: a revocation in between must not be undone, nor a new code be used up by an old token.
                if let Some(mut device) = get::<DeviceRow>(tx, &id)?
                    && device.token.as_deref() == Some(hash.as_str())
                {
                    if let Some(code) = device.code.take() {
                        remove::<CodeRow>(tx, &code)?;
                    }
                    device.seen_ms = Some(now);
                    set(tx, &id, &device)?;
                }
                Ok::<_, PeopleError>(())
            })?;
        }
        Ok(Some(actor_of(&id, &device.grant)))
    }

    /// The keys of the people on the device whose token was shown, and what the hub says about them. Keys it has not
    /// seen wait to be approved.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn present_members(&self, presenting: &Presenting) -> Result<Presented, AccessError> {
        let members = &presenting.members;
        let Some(id) = &self.actor.device else {
            return Err(PeopleError::Unknown.into());
        };
        let (known, device) = self.read(|reader| {
            let device: Option<DeviceRow> = get(reader, id)?;
            Ok::<_, PeopleError>((certified(reader, id)?, device))
        })?;
        let device = device.ok_or(PeopleError::Unknown)?;
        let is_known = |wanted: &&MemberKey| !known.iter().any(|it| it.member.key == wanted.key);
        let new: Vec<&MemberKey> = members.iter().filter(is_known).collect();
        let key = self.authority_key()?;
        // A policy names patients. Whose own phone it is, no policy limits there.
        let policy = match device.grant.patient {
            Some(_) => None,
            None => self.policy_beside(presenting.policy.as_deref())?,
        };
        let presented = |members| Presented {
            authority: key.public(),
            members,
            policy,
            anchor: device.anchor.clone(),
        };
        if new.is_empty() {
            return Ok(presented(known));
        }
        let here = known.iter().filter(|it| !it.revoked).count();
        if here + new.len() > MAX_MEMBERS {
            return Err(PeopleError::BadGrant("too many people on one device").into());
        }
        let members = self.registered("members", |guard| {
            guard.write(Durability::Full, |tx| {
                for member in new {
                    present(
                        tx,
                        &key,
                        id,
                        &device.grant,
                        member,
                        Presents::Later(guard.now()),
                    )?;
                }
                certified(tx, id)
            })
        })?;
        Ok(presented(members))
    }
}

/// The code's row, if this device may present it.
fn is_good(
    row: Option<CodeRow>,
    application: &Application,
    now: Instant,
) -> Result<CodeRow, PeopleError> {
    let is_theirs = |row: &CodeRow| {
        let first = row.applicant.as_ref();
        now.epoch_ms() < row.expires_ms && first.is_none_or(|it| it.key == application.key)
    };
    row.filter(is_theirs).ok_or(PeopleError::BadCode)
}

fn waits(application: &Application) -> Applied {
    Applied::Waiting {
        fingerprint: fingerprint(&application.key),
    }
}

/// When a key is presented.
#[derive(Clone, Copy)]
pub(super) enum Presents {
    /// In the application that the operator approves at this moment.
    Approved(Instant),
    /// With the device's token, by whoever has that.
    Later(Instant),
}

/// Stores the key of a member; certified at once where the grant says so.
pub(super) fn present(
    tx: &Tx<'_>,
    authority: &SigningKey,
    device: &str,
    grant: &Grant,
    member: &MemberKey,
    when: Presents,
) -> Result<(), PeopleError> {
    let (Presents::Approved(now) | Presents::Later(now)) = when;
    let is_approved = matches!(when, Presents::Approved(_));
    let id = member.key.to_string();
    if let Some(known) = get::<MemberRow>(tx, &id)? {
        // A key is on one device and of one person; whoever claims it elsewhere gets nothing.
        if known.device != device || known.member.person != member.person || known.revoked {
            return Ok(());
        }
        if known.certificate.is_some() {
            return Ok(());
        }
    }
    let mut row = MemberRow {
        member: member.clone(),
        device: device.to_owned(),
        certificate: None,
        revoked: false,
        asked_ms: now.epoch_ms(),
    };
    let foreseen = match (&grant.patient, &grant.person, &grant.role) {
        // A patient's own device has one person on it.
        (Some(_), person, _) if member.person == Person::owner() => {
            let person = person.clone().unwrap_or_else(|| member_of(grant));
            Some((Person::new(person), Role::PATIENT))
        }
        // Who holds a shared device's token is not yet the person it was approved for.
        (None, Some(person), Some(role)) if is_approved && member.person.id() == person => {
            Some((member.person.clone(), role.clone()))
        }
        _ => None,
    };
    if let Some((person, role)) = foreseen {
        row.certificate = Some(issue(tx, authority, grant, member, person, role, now)?);
    }
    set(tx, &id, &row)
}

/// Certifies a key.
pub(super) fn issue(
    tx: &Tx<'_>,
    authority: &SigningKey,
    grant: &Grant,
    member: &MemberKey,
    person: Person,
    role: Role,
    now: Instant,
) -> Result<String, PeopleError> {
    let mut serial: SerialRow = get(tx, "certificate")?.unwrap_or_default();
    serial.newest += 1;
    set(tx, "certificate", &serial)?;
    let certificate = Certificate {
        issuer: authority.public(),
        person,
        role,
        patient: patient_of(grant),
        facility: grant.facility.clone(),
        public_key: member.key,
        issued: now,
        serial: serial.newest,
    };
    Ok(certificate.issue(authority))
}

/// What the hub says about the people of a device.
fn certified(
    reader: &crate::store::Reader<'_>,
    device: &str,
) -> Result<Vec<Certified>, PeopleError> {
    let members: Vec<(String, MemberRow)> = all(reader)?;
    Ok(members
        .into_iter()
        .filter(|(_, row)| row.device == device)
        .map(|(_, row)| Certified {
            member: row.member,
            certificate: row.certificate.filter(|_| !row.revoked),
            revoked: row.revoked,
        })
        .collect())
}

/// As whom a device itself acts.
fn actor_of(device: &str, grant: &Grant) -> Actor {
    let (person, role) = match (&grant.patient, &grant.person) {
        (Some(_), person) => {
            let person = person.clone().unwrap_or_else(|| member_of(grant));
            (Person::new(person), Role::PATIENT)
        }
        (None, _) => (Person::new(format!("device-{device}")), Role::TABLET),
    };
    Actor {
        person,
        role,
        patient: patient_of(grant),
        facility: grant.facility.clone(),
        device: Some(device.to_owned()),
    }
}

/// The person of a patient's device whom the operator gave no id.
fn member_of(grant: &Grant) -> String {
    format!("patient-{}", grant.patient.as_deref().unwrap_or_default())
}

fn patient_of(grant: &Grant) -> Option<ResourceId> {
    grant
        .patient
        .as_deref()
        .and_then(|id| ResourceId::new(id).ok())
}

/// 256 random bits in hex.
fn make_token() -> Result<Zeroizing<String>, AccessError> {
    let bytes = Zeroizing::new(rng::make_bytes::<32>()?);
    Ok(Zeroizing::new(hex::encode(bytes.as_slice())))
}

impl Guard {
    /// Makes a code for a device. It is good for 15 minutes, and once.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn enrol(&self, grant: &Grant) -> Result<Zeroizing<String>, AccessError> {
        self.must_be_operator(VaultAction::Devices)?;
        grant.check()?;
        self.must_be_known(grant.role.as_ref())?;
        let secret = make_secret()?;
        let now = self.now().epoch_ms();
        let row = CodeRow {
            grant: grant.clone(),
            expires_ms: now + CODE_MS,
            applicant: None,
            approved: false,
        };
        self.registered("code", |guard| {
            guard.write(Durability::Full, |tx| {
                // What is too old goes with the next one that is made.
                for (id, old) in all::<CodeRow>(tx)? {
                    if old.expires_ms <= now {
                        remove::<CodeRow>(tx, &id)?;
                    }
                }
                set(tx, &hash_of(&secret), &row)
            })
        })?;
        Ok(secret)
    }
}
