//! What the operator does: looks at devices and people, approves, revokes.

use super::code::MemberKey;
use super::enrol::{Presents, issue, present};
use super::rows::{CodeRow, DeviceRow, MemberRow, TokenRow, all, get, remove, set};
use super::{Grant, PeopleError, check_role};
use crate::access::policy::VaultAction;
use crate::access::{AccessError, Certificate, Guard, Role, device_id, fingerprint};
use crate::crypto::sign::PublicKey;
use crate::fhir::Instant;
use crate::store::{Durability, Reader, Tx};

/// Shortest beginning of an id that is taken for it.
const ID_PREFIX: usize = 4;

/// Everybody and everything a hub knows.
#[derive(Debug, Clone)]
pub struct People {
    /// Devices that are enrolled or wait.
    pub devices: Vec<DeviceSummary>,
    /// Keys of people.
    pub members: Vec<MemberSummary>,
}

/// A device.
#[derive(Debug, Clone)]
pub struct DeviceSummary {
    /// Its id.
    pub id: String,
    /// What both sides compare.
    pub fingerprint: String,
    /// What it is, or would be, enrolled as.
    pub grant: Grant,
    /// Where it stands.
    pub state: DeviceState,
    /// Since when.
    pub since: Instant,
    /// When it was last heard of.
    pub seen: Option<Instant>,
}

/// Where a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// It presented a code and waits for the operator.
    Waiting,
    /// It may come in.
    Approved,
    /// It may not come in any more.
    Revoked,
}

/// The key of a person on a device.
#[derive(Debug, Clone)]
pub struct MemberSummary {
    /// Its id: the beginning of the key in hex.
    pub id: String,
    /// What both sides compare.
    pub fingerprint: String,
    /// The person, as the device calls them.
    pub person: String,
    /// The device.
    pub device: String,
    /// The role; `None`: waits to be approved.
    pub role: Option<Role>,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// What an id stands for.
enum Found {
    Applicant(String),
    Device(String),
    Member(String),
}

impl Guard {
    /// Everybody and everything this hub knows.
    ///
    /// # Errors
    /// [`PeopleError::NotTheOperator`] and the others.
    pub fn hub_people(&self) -> Result<People, AccessError> {
        self.must_be_operator(VaultAction::Devices)?;
        let authority = self.authority_key()?.public();
        self.read(|reader| {
            let mut devices = Vec::new();
            for (_, code) in all::<CodeRow>(reader)? {
                let Some(applicant) = code.applicant.filter(|_| !code.approved) else {
                    continue;
                };
                devices.push(DeviceSummary {
                    id: device_id(&applicant.key),
                    fingerprint: fingerprint(&applicant.key),
                    grant: code.grant,
                    state: DeviceState::Waiting,
                    since: Instant::from_epoch_ms(applicant.at_ms),
                    seen: None,
                });
            }
            for (id, row) in all::<DeviceRow>(reader)? {
                devices.push(DeviceSummary {
                    id,
                    fingerprint: fingerprint(&row.key),
                    grant: row.grant,
                    state: match row.revoked {
                        true => DeviceState::Revoked,
                        false => DeviceState::Approved,
                    },
                    since: Instant::from_epoch_ms(row.enrolled_ms),
                    seen: row.seen_ms.map(Instant::from_epoch_ms),
                });
            }
            let members = all::<MemberRow>(reader)?
                .into_iter()
                .map(|(_, row)| summary(row, &authority))
                .collect();
            Ok::<_, PeopleError>(People { devices, members })
        })
    }

    /// Approves a device that waits, or a person's key in a role. `id`: the beginning of the id, or the fingerprint.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn approve(&self, id: &str, role: Option<Role>) -> Result<(), AccessError> {
        // An id is a device's or a person's.
        self.must_be_operator(VaultAction::Devices)?;
        self.must(VaultAction::People)?;
        role.iter().try_for_each(check_role)?;
        self.must_be_known(role.as_ref())?;
        let authority = self.authority_key()?;
        let now = self.now();
        self.registered(&format!("approve {id}"), |guard| {
            guard.write(Durability::Full, |tx| {
                match find(tx, id, true)? {
                    Found::Applicant(_) | Found::Device(_) if role.is_some() => {
                        Err(PeopleError::NoRole)
                    }
                    Found::Applicant(code) => {
                        let mut row: CodeRow = get(tx, &code)?.ok_or(PeopleError::Unknown)?;
                        let applicant = row.applicant.as_ref().ok_or(PeopleError::Unknown)?;
                        let device = device_id(&applicant.key);
                        // Enrolled before: what it had ends with this approval.
                        let before = get::<DeviceRow>(tx, &device)?;
                        if let Some(before) = &before {
                            if let Some(token) = &before.token {
                                remove::<TokenRow>(tx, token)?;
                            }
                            if !row.grant.is_for_the_same(&before.grant) {
                                end_certificates(tx, &device)?;
                            }
                        }
                        // An older home does not shake off its anchor by coming in again.
                        let anchor = before
                            .filter(|before| before.vault == applicant.vault)
                            .and_then(|before| before.anchor);
                        let enrolled = DeviceRow {
                            grant: row.grant.clone(),
                            key: applicant.key,
                            vault: applicant.vault.clone(),
                            token: None,
                            code: Some(code.clone()),
                            revoked: false,
                            enrolled_ms: now.epoch_ms(),
                            seen_ms: None,
                            anchor,
                        };
                        set(tx, &device, &enrolled)?;
                        for member in &applicant.members {
                            let when = Presents::Approved(now);
                            present(tx, &authority, &device, &row.grant, member, when)?;
                        }
                        row.approved = true;
                        set(tx, &code, &row)
                    }
                    // Asked for twice, for example because the first answer was lost.
                    Found::Device(device) => match get::<DeviceRow>(tx, &device)? {
                        Some(row) if !row.revoked => Ok(()),
                        _ => Err(PeopleError::ShutOut),
                    },
                    Found::Member(key) => {
                        let mut row: MemberRow = get(tx, &key)?.ok_or(PeopleError::Unknown)?;
                        let device: DeviceRow =
                            get(tx, &row.device)?.ok_or(PeopleError::Unknown)?;
                        let role = role.ok_or(PeopleError::RoleNeeded)?;
                        let person = row.member.person.clone();
                        row.certificate = Some(issue(
                            tx,
                            &authority,
                            &device.grant,
                            &row.member,
                            person,
                            role,
                            now,
                        )?);
                        row.revoked = false;
                        set(tx, &key, &row)
                    }
                }
            })
        })
    }

    /// Shuts out a device or a person's key, from this moment on. What the device holds and has not sent stays there.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn revoke(&self, id: &str) -> Result<(), AccessError> {
        self.must_be_operator(VaultAction::Devices)?;
        self.must(VaultAction::People)?;
        self.registered(&format!("revoke {id}"), |guard| {
            guard.write(Durability::Full, |tx| match find(tx, id, false)? {
                Found::Applicant(code) => remove::<CodeRow>(tx, &code),
                Found::Device(device) => {
                    let mut row: DeviceRow = get(tx, &device)?.ok_or(PeopleError::Unknown)?;
                    if let Some(token) = row.token.take() {
                        remove::<TokenRow>(tx, &token)?;
                    }
                    if let Some(code) = row.code.take() {
                        remove::<CodeRow>(tx, &code)?;
                    }
                    row.revoked = true;
                    set(tx, &device, &row)
                }
                Found::Member(key) => {
                    let mut row: MemberRow = get(tx, &key)?.ok_or(PeopleError::Unknown)?;
                    row.revoked = true;
                    set(tx, &key, &row)
                }
            })
        })
    }
}

/// Takes back what was certified on a device: it holds for the patient or the place that the device was approved for.
/// What waits there waits on, until its people are approved anew.
fn end_certificates(tx: &Tx<'_>, device: &str) -> Result<(), PeopleError> {
    for (key, mut row) in all::<MemberRow>(tx)? {
        if row.device == device && row.certificate.take().is_some() {
            set(tx, &key, &row)?;
        }
    }
    Ok(())
}

/// What `id` stands for: the beginning of an id, or a fingerprint in any case. `waiting`: of a device
/// that waits and is known, the one that waits.
fn find(reader: &Reader<'_>, id: &str, waiting: bool) -> Result<Found, PeopleError> {
    let wanted = id.trim().to_lowercase();
    let names = |id: &str, key: &PublicKey| {
        (wanted.len() >= ID_PREFIX && id.starts_with(&wanted))
            || fingerprint(key).to_lowercase() == wanted
    };
    let mut waits = Vec::new();
    for (code, row) in all::<CodeRow>(reader)? {
        let applicant = row.applicant.filter(|_| !row.approved);
        if applicant.is_some_and(|it| names(&device_id(&it.key), &it.key)) {
            waits.push(Found::Applicant(code));
        }
    }
    let mut known = Vec::new();
    for (id, row) in all::<DeviceRow>(reader)? {
        if names(&id, &row.key) {
            known.push(Found::Device(id));
        }
    }
    // A device that is enrolled again both waits and is known.
    let (first, second) = if waiting {
        (waits, known)
    } else {
        (known, waits)
    };
    let mut found = if first.is_empty() { second } else { first };
    for (key, row) in all::<MemberRow>(reader)? {
        if names(&key, &row.member.key) {
            found.push(Found::Member(key));
        }
    }
    match found.len() {
        0 => Err(PeopleError::Unknown),
        1 => found.pop().ok_or(PeopleError::Unknown),
        _ => Err(PeopleError::Ambiguous),
    }
}

fn summary(row: MemberRow, authority: &PublicKey) -> MemberSummary {
    let MemberKey { person, key } = row.member;
    let role = row
        .certificate
        .and_then(|text| Certificate::verify(authority, &text).ok())
        .map(|certificate| certificate.role);
    MemberSummary {
        id: key.to_string()[..16].to_owned(),
        fingerprint: fingerprint(&key),
        person: person.id().to_owned(),
        device: row.device,
        role,
        revoked: row.revoked,
    }
}
