//! What a hub keeps of codes, devices and members: small JSON texts in the store's registry.

use super::code::MemberKey;
use super::{Grant, PeopleError};
use crate::crypto::sign::PublicKey;
use crate::store::{Reader, StoreError, Tx};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A kind of row.
pub(in crate::access) trait Row: Serialize + DeserializeOwned {
    const KIND: &'static str;
}

/// An enrolment code, by the SHA-256 of its secret.
#[derive(Serialize, Deserialize)]
pub(in crate::access) struct CodeRow {
    pub(in crate::access) grant: Grant,
    pub(in crate::access) expires_ms: i64,
    /// Who presented it first. Nobody else may after that.
    pub(in crate::access) applicant: Option<Applicant>,
    pub(in crate::access) approved: bool,
}

/// A device that waits for an answer.
#[derive(Serialize, Deserialize)]
pub(in crate::access) struct Applicant {
    pub(in crate::access) key: PublicKey,
    pub(in crate::access) vault: String,
    pub(in crate::access) members: Vec<MemberKey>,
    pub(in crate::access) at_ms: i64,
}

/// An enrolled device, by its id.
#[derive(Serialize, Deserialize)]
pub(in crate::access) struct DeviceRow {
    pub(in crate::access) grant: Grant,
    pub(in crate::access) key: PublicKey,
    pub(in crate::access) vault: String,
    /// SHA-256 of its token; none: not handed over yet, or revoked.
    pub(in crate::access) token: Option<String>,
    /// The code it came with, until it has used its token.
    pub(in crate::access) code: Option<String>,
    pub(in crate::access) revoked: bool,
    pub(in crate::access) enrolled_ms: i64,
    pub(in crate::access) seen_ms: Option<i64>,
    /// How far its vault had come, signed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::access) anchor: Option<String>,
}

/// Whose token that is, by the token's SHA-256.
#[derive(Serialize, Deserialize)]
pub(in crate::access) struct TokenRow {
    pub(in crate::access) device: String,
}

/// A key that a person signs with, by the key in hex.
#[derive(Serialize, Deserialize)]
pub(in crate::access) struct MemberRow {
    /// The person, as the device calls them: what stands in the records of changes.
    pub(in crate::access) member: MemberKey,
    pub(in crate::access) device: String,
    /// The newest certificate; none: nobody approved it yet.
    pub(in crate::access) certificate: Option<String>,
    pub(in crate::access) revoked: bool,
    pub(in crate::access) asked_ms: i64,
}

/// The number of the newest certificate.
#[derive(Default, Serialize, Deserialize)]
pub(in crate::access) struct SerialRow {
    pub(in crate::access) newest: u64,
}

impl Row for CodeRow {
    const KIND: &'static str = "code";
}
impl Row for DeviceRow {
    const KIND: &'static str = "device";
}
impl Row for TokenRow {
    const KIND: &'static str = "token";
}
impl Row for MemberRow {
    const KIND: &'static str = "member";
}
impl Row for SerialRow {
    const KIND: &'static str = "serial";
}

pub(in crate::access) fn get<R: Row>(
    reader: &Reader<'_>,
    id: &str,
) -> Result<Option<R>, StoreError> {
    let text = reader.registered(R::KIND, id)?;
    text.map(|text| parse(&text)).transpose()
}

pub(in crate::access) fn all<R: Row>(reader: &Reader<'_>) -> Result<Vec<(String, R)>, StoreError> {
    let texts = reader.all_registered(R::KIND)?;
    texts
        .into_iter()
        .map(|(id, text)| Ok((id, parse(&text)?)))
        .collect()
}

pub(in crate::access) fn set<R: Row>(tx: &Tx<'_>, id: &str, row: &R) -> Result<(), PeopleError> {
    let text = serde_json::to_string(row).map_err(|_| StoreError::Codec)?;
    Ok(tx.register(R::KIND, id, &text)?)
}

pub(in crate::access) fn remove<R: Row>(tx: &Tx<'_>, id: &str) -> Result<(), PeopleError> {
    Ok(tx.unregister(R::KIND, id)?)
}

fn parse<R: Row>(text: &str) -> Result<R, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::DamagedValue {
        what: "registry",
        row: 0,
    })
}
