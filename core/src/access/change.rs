//! The signed record of one change: which member's slot was open on which device when these bytes were written.
//!
//! Whoever is logged in when a change goes up is not its author. So each change carries a statement that its author
//! signed when it was made, over the exact bytes; the hub judges the change by that author's role. The form is in
//! docs/adr/0014. It proves that this member's slot was open on this device, and not more.

use crate::crypto::sign::{self, BadSignature, PublicKey, SigningKey, Statement};
use crate::store::{ChangeFacts, Signs};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const VERSION: u32 = 1;
/// Longest text that is read as one record.
const MAX_BYTES: usize = 4096;
/// Most records of one change that are looked at: one for each author since the server's version.
pub const MAX_AUTHORS: usize = 16;

/// What a person signs when changing a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRecord {
    v: u32,
    /// UUID of the change.
    pub change: String,
    /// The vault it was made in, in hex.
    pub vault: String,
    /// The device, by the id its key gives it.
    pub device: String,
    /// Id of the person.
    pub author: String,
    /// The key the person signs with.
    pub key: PublicKey,
    /// Number of the change in this vault.
    pub sequence: i64,
    /// Number of the server in this vault.
    pub peer: i64,
    /// `Type/id`.
    pub record: String,
    /// The server's version the change started from; none: the record was made here.
    pub base: Option<String>,
    /// The change of the same record that was under way when this one was made. Its answer was not known yet, and so
    /// neither was the version that this one replaces.
    pub after: Option<String>,
    /// SHA-256 of the exact bytes, in hex; none: a deletion.
    pub sha256: Option<String>,
    /// The lease under which it was made, where there is one.
    pub lease: Option<String>,
}

/// Who signs on this device, and where.
pub(super) struct Signer {
    /// The person's key.
    pub(super) key: SigningKey,
    /// Id of the person.
    pub(super) person: String,
    /// The vault's id.
    pub(super) vault: [u8; 16],
    /// The device's id.
    pub(super) device: String,
}

impl Signs for Signer {
    fn sign(&self, facts: &ChangeFacts<'_>) -> String {
        let record = ChangeRecord {
            v: VERSION,
            change: facts.change.to_owned(),
            vault: hex::encode(self.vault),
            device: self.device.clone(),
            author: self.person.clone(),
            key: self.key.public(),
            sequence: facts.sequence,
            peer: facts.peer,
            record: facts.record.to_string(),
            base: facts.base.map(str::to_owned),
            after: facts.after.map(str::to_owned),
            sha256: facts.text.map(digest),
            lease: None,
        };
        record.issue(&self.key)
    }
}

impl ChangeRecord {
    fn issue(&self, key: &SigningKey) -> String {
        // Strings and numbers: this cannot fail. An empty text would verify nowhere.
        let payload = serde_json::to_string(self).unwrap_or_default();
        sign::state(key, Statement::ChangeRecord, &payload)
    }

    /// Reads one whose signature fits the key it names. Whose key that is, is for the caller to find out.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(text: &str) -> Result<Self, BadSignature> {
        if text.len() > MAX_BYTES {
            return Err(BadSignature);
        }
        let named: Self = serde_json::from_str(&sign::peek(text)?).map_err(|_| BadSignature)?;
        let payload = sign::read(&named.key, Statement::ChangeRecord, text)?;
        let record: Self = serde_json::from_str(&payload).map_err(|_| BadSignature)?;
        if record.v == VERSION {
            Ok(record)
        } else {
            Err(BadSignature)
        }
    }

    /// Whether it is about these bytes; `None`: a deletion.
    pub fn is_about(&self, text: Option<&str>) -> bool {
        self.sha256 == text.map(digest)
    }
}

/// Several records as one header value or one extension: what was changed by whom since the server's version, oldest
/// first. The last one is about the bytes that are sent.
pub fn join(records: &[String]) -> String {
    records.join(",")
}

/// The records in such a text.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty())
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Key;
    use crate::fhir::Reference;

    fn key(byte: u8) -> SigningKey {
        let seed = Key::filled_by(|out| {
            out.fill(byte);
            Ok::<_, ()>(())
        });
        SigningKey::from_seed(seed.unwrap())
    }

    fn signed(text: Option<&str>) -> String {
        let signer = Signer {
            key: key(7),
            person: "n1".into(),
            vault: [0xab; 16],
            device: "00112233445566778899aabbccddeeff".into(),
        };
        let record = Reference::parse("Patient/a").unwrap();
        let facts = ChangeFacts {
            change: "0e8f9a52-6d3e-4f0b-9f6e-3a52d7f4c1aa",
            sequence: 12,
            peer: 1,
            record: &record,
            base: Some("3"),
            after: None,
            text,
        };
        signer.sign(&facts)
    }

    const TEXT: &str = r#"{"resourceType":"Patient","id":"a"}"#;

    /// What was signed once must verify for ever. The vector was made with Python's `cryptography` (OpenSSL), not with
    /// this program.
    #[test]
    fn frozen() {
        let payload = concat!(
            r#"{"v":1,"change":"0e8f9a52-6d3e-4f0b-9f6e-3a52d7f4c1aa","vault":"abababababababababababababababab","#,
            r#""device":"00112233445566778899aabbccddeeff","author":"n1","#,
            r#""key":"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c","sequence":12,"peer":1,"#,
            r#""record":"Patient/a","base":"3","after":null,"#,
            r#""sha256":"abd417f1041bb9dfc642d9e34163b3a2de3d7424e4e709c7e0e57a24afd71647","lease":null}"#
        );
        assert_eq!(sign::peek(&signed(Some(TEXT))).unwrap(), payload);
        assert_eq!(signed(Some(TEXT)), FROZEN);
        let record = ChangeRecord::verify(FROZEN).unwrap();
        assert!(record.is_about(Some(TEXT)));
        assert_eq!(FROZEN.len(), FROZEN_LEN);
    }

    const FROZEN: &str = concat!(
        "eyJ2IjoxLCJjaGFuZ2UiOiIwZThmOWE1Mi02ZDNlLTRmMGItOWY2ZS0zYTUyZDdmNGMxYWEiLCJ2YXVsdCI6ImFiYWJhYmFiYWJh",
        "YmFiYWJhYmFiYWJhYmFiYWJhYmFiIiwiZGV2aWNlIjoiMDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmYiLCJhdXRob3Ii",
        "OiJuMSIsImtleSI6ImVhNGE2YzYzZTI5YzUyMGFiZWY1NTA3YjEzMmVjNWY5OTU0Nzc2YWViZWJlN2I5MjQyMWVlYTY5MTQ0NmQy",
        "MmMiLCJzZXF1ZW5jZSI6MTIsInBlZXIiOjEsInJlY29yZCI6IlBhdGllbnQvYSIsImJhc2UiOiIzIiwiYWZ0ZXIiOm51bGwsInNo",
        "YTI1NiI6ImFiZDQxN2YxMDQxYmI5ZGZjNjQyZDllMzQxNjNiM2EyZGUzZDc0MjRlNGU3MDljN2UwZTU3YTI0YWZkNzE2NDciLCJs",
        "ZWFzZSI6bnVsbH0.gxBYVdnkpeTFHnIasV1cZ19V53HyiqjKyJdbWnAE5mUuM0RNayPL9654ojUJaxHfmBl4D7gblpXwh-QawH0O",
        "Cg",
    );
    const FROZEN_LEN: usize = 602;

    #[test]
    fn it_is_about_these_bytes_alone() {
        let record = ChangeRecord::verify(&signed(Some(TEXT))).unwrap();
        assert!(record.is_about(Some(TEXT)));
        assert!(!record.is_about(Some(&TEXT.replace("\"a\"", "\"b\""))));
        assert!(!record.is_about(None));
        let deletion = ChangeRecord::verify(&signed(None)).unwrap();
        assert!(deletion.is_about(None));
        assert!(!deletion.is_about(Some("")));
    }

    #[test]
    fn another_signer_and_another_statement_are_refused() {
        let text = signed(Some(TEXT));
        let payload = sign::peek(&text).unwrap();
        // Says the nurse's key, and was signed with another.
        let forged = sign::state(&key(8), Statement::ChangeRecord, &payload);
        let other = sign::state(&key(7), Statement::Enrolment, &payload);
        let later = payload.replacen("{\"v\":1", "{\"v\":2", 1);
        let later = sign::state(&key(7), Statement::ChangeRecord, &later);
        let more = payload.replacen("{", "{\"x\":1,", 1);
        let more = sign::state(&key(7), Statement::ChangeRecord, &more);
        let long = "x".repeat(MAX_BYTES + 1);
        for bad in [&forged, &other, &later, &more, &long, ""] {
            assert!(ChangeRecord::verify(bad).is_err(), "{bad}");
        }
        assert!(ChangeRecord::verify(&text).is_ok());
    }

    #[test]
    fn several_are_one_header_value() {
        let (one, two) = (signed(Some(TEXT)), signed(None));
        let joined = join(&[one.clone(), two.clone()]);
        assert!(joined.bytes().all(|b| b.is_ascii_graphic()));
        assert_eq!(split(&joined).collect::<Vec<_>>(), [one, two]);
        assert_eq!(split("").count(), 0);
    }
}
