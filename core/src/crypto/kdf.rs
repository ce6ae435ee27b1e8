//! Every key that is derived from another one, by HKDF-SHA256 (RFC 5869), with one registry of labels.
//!
//! info = `pocketchart/1/` + label + 0 + context + key version (u32, big-endian). Two purposes can only meet if their
//! labels are equal, which a test forbids.

use super::Key;
use super::secret::KEY_BYTES;
use hkdf::Hkdf;
use sha2::Sha256;

/// What a derived key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// From the root key: MAC over the vault header.
    HeaderMac,
    /// From the root key: wraps the store's SQLCipher key.
    WrapDataKey,
    /// From the root key: wraps the audit file's SQLCipher key.
    WrapAuditKey,
    /// From the root key: seals search cursors.
    CursorSeal,
    /// From a slot's secret: wraps the root key.
    WrapRootKey,
    /// From what a gate released: wraps the root key.
    WrapRootKeyReleased,
    /// From a typed secret and what a gate made of it: wraps the root key.
    WrapRootKeyEvaluated,
    /// From a slot's key: wraps the member's signing key.
    WrapSigningKey,
    /// From a data key: a value that tells a wrong key from a damaged file.
    KeyCheck,
    /// From the audit file's key: the first key of the ratchet that MACs its entries.
    AuditChain,
    /// From one key of that ratchet: the next one.
    AuditRatchet,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::HeaderMac,
        Self::WrapDataKey,
        Self::WrapAuditKey,
        Self::CursorSeal,
        Self::WrapRootKey,
        Self::WrapRootKeyReleased,
        Self::WrapRootKeyEvaluated,
        Self::WrapSigningKey,
        Self::KeyCheck,
        Self::AuditChain,
        Self::AuditRatchet,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::HeaderMac => "header-mac",
            Self::WrapDataKey => "wrap-data-key",
            Self::WrapAuditKey => "wrap-audit-key",
            Self::CursorSeal => "cursor-seal",
            Self::WrapRootKey => "wrap-root-key",
            Self::WrapRootKeyReleased => "wrap-root-key-released",
            Self::WrapRootKeyEvaluated => "wrap-root-key-evaluated",
            Self::WrapSigningKey => "wrap-signing-key",
            Self::KeyCheck => "key-check",
            Self::AuditChain => "audit-chain",
            Self::AuditRatchet => "audit-ratchet",
        }
    }
}

/// The key for `purpose` under `root`. `context` is the vault id, or what else the key belongs to.
pub fn derive(root: &Key, purpose: Purpose, context: &[u8], version: u32) -> Key {
    derive_from(root.expose(), &[], purpose, context, version)
}

/// As [`derive`], from any input of high entropy and a salt.
pub fn derive_from(
    secret: &[u8],
    salt: &[u8],
    purpose: Purpose,
    context: &[u8],
    version: u32,
) -> Key {
    let salt = (!salt.is_empty()).then_some(salt);
    let info = [
        b"pocketchart/1/",
        purpose.label().as_bytes(),
        &[0],
        context,
        &version.to_be_bytes(),
    ];
    let made: Result<Key, std::convert::Infallible> = Key::filled_by(|out| {
        // 32 bytes is one block of SHA-256: expanding to that length cannot fail (RFC 5869 allows 255 blocks).
        let _ = Hkdf::<Sha256>::new(salt, secret).expand_multi_info(&info, out);
        Ok(())
    });
    match made {
        Ok(key) => key,
        Err(never) => match never {},
    }
}

/// A public 16-byte value that only the right key gives.
pub fn key_check(key: &Key, context: &[u8], version: u32) -> [u8; 16] {
    let mut check = [0; 16];
    check.copy_from_slice(
        &derive(key, Purpose::KeyCheck, context, version).expose()[..KEY_BYTES / 2],
    );
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_purposes_share_a_label() {
        let labels: HashSet<_> = Purpose::ALL.iter().map(|p| p.label()).collect();
        assert_eq!(labels.len(), Purpose::ALL.len());
        assert!(labels.iter().all(|l| !l.contains('\0')));
    }

    #[test]
    fn every_input_counts() {
        let root = Key::filled_by(|k| {
            k.fill(7);
            Ok::<_, ()>(())
        })
        .unwrap();
        let base = *derive(&root, Purpose::HeaderMac, b"vault", 1).expose();
        let others = [
            *derive(&root, Purpose::CursorSeal, b"vault", 1).expose(),
            *derive(&root, Purpose::HeaderMac, b"vaulu", 1).expose(),
            *derive(&root, Purpose::HeaderMac, b"vault", 2).expose(),
            *derive_from(root.expose(), b"salt", Purpose::HeaderMac, b"vault", 1).expose(),
        ];
        assert!(others.iter().all(|other| *other != base));
        assert_eq!(
            base,
            *derive(&root, Purpose::HeaderMac, b"vault", 1).expose()
        );
    }

    /// RFC 5869, test case 1, through the same crate: a swapped hash or salt would show here.
    #[test]
    fn rfc_5869_case_1() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let mut okm = [0; 42];
        Hkdf::<Sha256>::new(Some(&salt), &[0x0b; 22])
            .expand(&info, &mut okm)
            .unwrap();
        assert_eq!(
            hex::encode(okm),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    /// Frozen: the derivation of existing vaults must never change. Computed with an independent HKDF (Python's hmac).
    #[test]
    fn derivation_is_frozen() {
        let root = Key::filled_by(|k| {
            k.fill(7);
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(
            hex::encode(derive(&root, Purpose::HeaderMac, b"vault", 1).expose()),
            "8f59314dd7d6c58fa2ddd4967e448c51d5333ca4f4334f775c31c586030bf517"
        );
        assert_eq!(
            hex::encode(key_check(&root, b"vault", 1)),
            "6b34be249da4e90a7dc707ad642e6ea9"
        );
    }
}
