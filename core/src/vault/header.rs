//! The header file: what it holds, how it is checked, how it is replaced.
//!
//! Layout: `PCHDR1\n`, length of the body (u32, big-endian), body (JSON), SHA-256 of all before it, HMAC-SHA256 of all
//! before it under a key derived from the root key.
//!
//! Format 2 added members and what its slots need beside format 1's; a header of format 1 opens for ever, and is written
//! as format 2 the next time that anything in it changes. Opening alone changes nothing.
//!
//! The MAC can only be checked once a slot was opened, so everything used before that has hard limits. The checksum
//! needs no key: it tells a damaged file from a forged one. A *torn* header (shorter than it says, or ending in zeros:
//! what a power loss leaves) gives way to the generation before; a damaged or forged one never does, since falling
//! back would let anyone undo the removal of a slot by flipping a bit.

use super::VaultError;
use super::files::{self, Layout};
use super::slot::{Slot, is_label, is_plain_name};
use crate::crypto::Key;
use crate::crypto::sign::PublicKey;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MAGIC: &[u8] = b"PCHDR1\n";
const FORMAT: u32 = 2;
const FIRST_FORMAT: u32 = 1;
const MAX_BYTES: usize = 64 * 1024;
const MAX_SLOTS: usize = 64;
const DIGEST_BYTES: usize = 32;

/// The header's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: u32,
    #[serde(with = "hex::serde")]
    pub(super) vault: [u8; 16],
    /// Grows by one with each header written.
    pub(super) generation: u64,
    pub(super) slots: Vec<Slot>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) members: Vec<Member>,
    /// The key whose signatures on certificates and policies count, once this vault has joined one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authority: Option<PublicKey>,
    pub(super) store: DatabaseFile,
    pub(super) audit: DatabaseFile,
    /// Signed role policy; empty in this version, and not used before the MAC was checked.
    pub(super) policy: String,
}

/// A person of this vault: which key their changes are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The id; empty: the owner.
    pub person: String,
    /// The role that the vault's owner gave, until a certificate says otherwise.
    pub role: String,
    /// Checks what the person signs.
    pub public_key: PublicKey,
    /// Who vouches for it; empty: nobody yet.
    pub certificate: String,
}

/// One database file: its name, its salt, and its key wrapped under the root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseFile {
    pub(super) name: String,
    #[serde(with = "hex::serde")]
    pub(super) salt: [u8; 16],
    pub(super) key_version: u32,
    #[serde(with = "hex::serde")]
    pub(super) wrapped_key: Vec<u8>,
    #[serde(with = "hex::serde")]
    pub(super) key_check: [u8; 16],
}

/// A header whose checksum and limits hold, but whose MAC nobody has checked yet.
#[derive(Debug)]
pub(super) struct Unverified {
    pub(super) header: Header,
    authenticated: Vec<u8>,
    mac: [u8; DIGEST_BYTES],
}

impl Unverified {
    /// Checks the MAC.
    pub(super) fn verify(self, mac_key: &Key) -> Result<Header, VaultError> {
        let checked = keyed_mac(mac_key, &self.authenticated)?.verify_slice(&self.mac);
        checked.map_err(|_| VaultError::Tampered { what: "its MAC" })?;
        Ok(self.header)
    }
}

/// What the header of `header` looks like on disk.
pub(super) fn encode(header: &Header, mac_key: &Key) -> Result<Vec<u8>, VaultError> {
    let body =
        serde_json::to_vec(header).map_err(|_| VaultError::HeaderDamaged { what: "encoding" })?;
    let length =
        u32::try_from(body.len()).map_err(|_| VaultError::HeaderDamaged { what: "too large" })?;
    let mut out = [MAGIC, &length.to_be_bytes(), &body].concat();
    out.extend(Sha256::digest(&out));
    out.extend(keyed_mac(mac_key, &out)?.finalize().into_bytes());
    if out.len() > MAX_BYTES || header.slots.len() > MAX_SLOTS {
        return Err(VaultError::HeaderFull);
    }
    Ok(out)
}

/// Writes a new generation; the one before is kept for the case that this write is torn.
pub(super) fn commit(layout: &Layout, header: &Header, mac_key: &Key) -> Result<(), VaultError> {
    let bytes = encode(header, mac_key)?;
    let current = files::read_at_most(&layout.header(), MAX_BYTES as u64)?;
    if let Some(current) = current.filter(|bytes| !is_torn(bytes)) {
        files::replace(&layout.previous_header(), &current)?;
    }
    files::replace(&layout.header(), &bytes)
}

/// Reads the newest header that is whole. `None`: there is none at all.
pub(super) fn read(layout: &Layout) -> Result<Option<Unverified>, VaultError> {
    let newest = files::read_at_most(&layout.header(), MAX_BYTES as u64)?;
    let previous = || files::read_at_most(&layout.previous_header(), MAX_BYTES as u64);
    match newest {
        Some(bytes) if !is_torn(&bytes) => decode(&bytes).map(Some),
        Some(_) => match previous()? {
            Some(bytes) => decode(&bytes).map(Some),
            None => Err(VaultError::HeaderDamaged {
                what: "it is cut off",
            }),
        },
        None => previous()?.map(|bytes| decode(&bytes)).transpose(),
    }
}

/// What an attempt to write a new generation came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The new generation is on the disk.
    Written,
    /// The old one is still the newest; nothing happened.
    NotWritten(VaultError),
    /// It may be either: the disk failed between making the new one visible and making it last.
    Unclear(VaultError),
}

/// As [`commit`], telling apart what a failure left behind: whoever goes on with the old generation although the new
/// one is on the disk writes into files that the next opening does not look at.
pub(super) fn commit_and_look(layout: &Layout, header: &Header, mac_key: &Key) -> Outcome {
    let Err(error) = commit(layout, header, mac_key) else {
        return Outcome::Written;
    };
    let newest = files::read_at_most(&layout.header(), MAX_BYTES as u64);
    let before = newest.ok().flatten().and_then(|bytes| decode(&bytes).ok());
    match before {
        Some(found) if found.header.generation < header.generation => Outcome::NotWritten(error),
        _ => Outcome::Unclear(error),
    }
}

/// Both generations as far as they are whole, unverified. `None`: there is none, or it cannot be read.
pub(super) fn generations(layout: &Layout) -> [Option<Header>; 2] {
    [layout.header(), layout.previous_header()].map(|path| {
        let bytes = files::read_at_most(&path, MAX_BYTES as u64)
            .ok()
            .flatten()?;
        decode(&bytes).ok().map(|unverified| unverified.header)
    })
}

/// Whether this is the beginning of a header whose end never reached the disk.
fn is_torn(bytes: &[u8]) -> bool {
    let Some(length) = body_length(bytes) else {
        return bytes.iter().all(|b| *b == 0)
            || MAGIC.starts_with(bytes)
            || (bytes.starts_with(MAGIC) && bytes.len() < 11);
    };
    let whole = MAGIC.len() + 4 + length + 2 * DIGEST_BYTES;
    bytes.len() < whole || bytes[bytes.len() - DIGEST_BYTES..].iter().all(|b| *b == 0)
}

fn body_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.strip_prefix(MAGIC)?.first_chunk::<4>()?;
    // Beyond the limit it is no length that was ever written; adding to it could overflow where usize has 32 bits.
    usize::try_from(u32::from_be_bytes(*length))
        .ok()
        .filter(|length| *length <= MAX_BYTES)
}

fn decode(bytes: &[u8]) -> Result<Unverified, VaultError> {
    let damaged = |what| VaultError::HeaderDamaged { what };
    if bytes.len() > MAX_BYTES {
        return Err(damaged("larger than 64 KiB"));
    }
    let length = body_length(bytes).ok_or(damaged("it is not a vault header"))?;
    let start = MAGIC.len() + 4;
    if bytes.len() != start + length + 2 * DIGEST_BYTES {
        return Err(damaged("its length is wrong"));
    }
    let (authenticated, mac) = bytes.split_at(bytes.len() - DIGEST_BYTES);
    let (content, checksum) = authenticated.split_at(start + length);
    if Sha256::digest(content)[..] != *checksum {
        return Err(damaged("its checksum is wrong"));
    }
    let format =
        serde_json::from_slice::<Format>(&content[start..]).map_err(|_| damaged("its content"))?;
    if !(FIRST_FORMAT..=FORMAT).contains(&format.format) {
        return Err(VaultError::NewerFormat {
            found: format.format,
            known: FORMAT,
        });
    }
    let header: Header =
        serde_json::from_slice(&content[start..]).map_err(|_| damaged("its content"))?;
    if header.slots.len() > MAX_SLOTS || !header.slots.iter().all(Slot::is_sane) {
        return Err(damaged("its slots are out of bounds"));
    }
    if header
        .members
        .iter()
        .any(|m| !is_plain_name(&m.person) || !is_label(&m.role))
    {
        return Err(damaged("its members"));
    }
    let of_format_1 = |slot: &Slot| slot.format == FIRST_FORMAT && slot.signing_key.is_empty();
    let newer = !header.members.is_empty()
        || header.authority.is_some()
        || !header.slots.iter().all(of_format_1);
    if header.format == FIRST_FORMAT && newer {
        return Err(damaged("its format does not fit its content"));
    }
    let plain = |name: &str| !name.is_empty() && is_plain_name(name);
    if !plain(&header.store.name) || !plain(&header.audit.name) {
        return Err(damaged("its file names"));
    }
    let mac = mac.try_into().map_err(|_| damaged("its MAC"))?;
    Ok(Unverified {
        header,
        authenticated: authenticated.to_vec(),
        mac,
    })
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

fn keyed_mac(key: &Key, bytes: &[u8]) -> Result<Hmac<Sha256>, VaultError> {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose());
    let mut mac = mac.map_err(|_| VaultError::HeaderDamaged { what: "MAC key" })?;
    mac.update(bytes);
    Ok(mac)
}

impl Header {
    pub(super) fn member(&self, person: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.person == person)
    }

    /// The generation after this one, to be changed and then committed.
    pub(super) fn next(&self) -> Self {
        Self {
            format: FORMAT,
            generation: self.generation + 1,
            ..self.clone()
        }
    }
}

/// The format number that new headers carry.
pub(super) const fn format() -> u32 {
    FORMAT
}
