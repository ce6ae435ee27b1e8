//! Sealed bytes: XChaCha20-Poly1305 with a key commitment.
//!
//! Poly1305 alone does not commit to the key: one ciphertext can be made to open under two. Where a wrapped key is
//! tried against several secrets that matters, so each envelope also carries 32 bytes that only its key gives. They are
//! compared first, which tells "wrong key" from "damaged".
//!
//! Layout: version (1), suite (1), nonce (24), commitment (32), ciphertext, tag (16).

use super::Key;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Length of the nonce; draw it at random for each envelope.
pub const NONCE_BYTES: usize = 24;
/// Bytes an envelope is longer than its content.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + TAG_BYTES;

const VERSION: u8 = 1;
const SUITE_XCHACHA20_POLY1305_HKDF_SHA256: u8 = 1;
const COMMITMENT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 2 + NONCE_BYTES + COMMITMENT_BYTES;

/// Why an envelope stays closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The version or suite is not one this build knows.
    #[error("the envelope's version or suite is unknown to this program")]
    UnknownSuite,
    /// The commitment does not fit the key.
    #[error("the envelope was sealed with another key")]
    WrongKey,
    /// The key fits, but the bytes or what they are bound to were changed.
    #[error("the envelope is damaged or belongs elsewhere")]
    Damaged,
    /// The cipher refused (content of more than 256 GiB).
    #[error("the content is too long to seal")]
    TooLong,
}

/// Seals `content` under `key`, bound to `bound_to` (which is not stored). `nonce` must be random.
///
/// # Errors
/// [`SealError::TooLong`].
pub fn seal(
    key: &Key,
    nonce: [u8; NONCE_BYTES],
    bound_to: &[u8],
    content: &[u8],
) -> Result<Vec<u8>, SealError> {
    let (cipher, commitment) = keyed(key, &nonce);
    let mut out = Vec::with_capacity(content.len() + OVERHEAD_BYTES);
    out.extend([VERSION, SUITE_XCHACHA20_POLY1305_HKDF_SHA256]);
    out.extend(nonce);
    out.extend(commitment);
    let aad = [&out[..], bound_to].concat();
    let sealed = cipher
        .encrypt(
            &XNonce::from(nonce),
            Payload {
                msg: content,
                aad: &aad,
            },
        )
        .map_err(|_| SealError::TooLong)?;
    out.extend(sealed);
    Ok(out)
}

/// Opens an envelope.
///
/// # Errors
/// [`SealError`] says whether the key or the bytes are at fault.
pub fn open(key: &Key, bound_to: &[u8], envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (head, sealed) = envelope
        .split_at_checked(HEAD_BYTES)
        .ok_or(SealError::Damaged)?;
    if head[..2] != [VERSION, SUITE_XCHACHA20_POLY1305_HKDF_SHA256] {
        return Err(SealError::UnknownSuite);
    }
    let nonce: [u8; NONCE_BYTES] = head[2..2 + NONCE_BYTES]
        .try_into()
        .map_err(|_| SealError::Damaged)?;
    let (cipher, commitment) = keyed(key, &nonce);
    if !bool::from(commitment.ct_eq(&head[2 + NONCE_BYTES..])) {
        return Err(SealError::WrongKey);
    }
    let aad = [head, bound_to].concat();
    let opened = cipher.decrypt(
        &XNonce::from(nonce),
        Payload {
            msg: sealed,
            aad: &aad,
        },
    );
    opened.map(Zeroizing::new).map_err(|_| SealError::Damaged)
}

fn keyed(key: &Key, nonce: &[u8; NONCE_BYTES]) -> (XChaCha20Poly1305, [u8; COMMITMENT_BYTES]) {
    let derived = Hkdf::<Sha256>::new(Some(nonce), key.expose());
    let mut cipher_key = Zeroizing::new([0; 32]);
    let mut commitment = [0; COMMITMENT_BYTES];
    // 32 bytes is one block of SHA-256: expanding to that length cannot fail.
    let _ = derived.expand(b"pocketchart/1/envelope-cipher", &mut *cipher_key);
    let _ = derived.expand(b"pocketchart/1/envelope-commitment", &mut commitment);
    (XChaCha20Poly1305::new((&*cipher_key).into()), commitment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::filled_by(|k| {
            k.fill(byte);
            Ok::<_, ()>(())
        })
        .unwrap()
    }

    #[test]
    fn round_trip() {
        for content in [&b""[..], b"x", &[9; 1000]] {
            let sealed = seal(&key(1), [2; 24], b"place", content).unwrap();
            assert_eq!(sealed.len(), content.len() + OVERHEAD_BYTES);
            assert_eq!(&**open(&key(1), b"place", &sealed).unwrap(), content);
        }
    }

    #[test]
    fn a_wrong_key_is_told_from_damage() {
        let sealed = seal(&key(1), [2; 24], b"place", b"content").unwrap();
        assert_eq!(
            open(&key(3), b"place", &sealed).unwrap_err(),
            SealError::WrongKey
        );
        assert_eq!(
            open(&key(1), b"elsewhere", &sealed).unwrap_err(),
            SealError::Damaged
        );
    }

    #[test]
    fn no_flipped_bit_and_no_cut_opens() {
        let sealed = seal(&key(1), [2; 24], b"place", b"content").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key(1), b"place", &flipped).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(
                open(&key(1), b"place", &sealed[..length]).is_err(),
                "length {length}"
            );
        }
    }

    /// Frozen: existing envelopes must open for ever. Made with an independent implementation (Python, PyCryptodome).
    #[test]
    fn old_envelopes_open() {
        let sealed = hex::decode(FROZEN).unwrap();
        assert_eq!(&**open(&key(1), b"place", &sealed).unwrap(), b"content");
        assert_eq!(
            seal(&key(1), [2; 24], b"place", b"content").unwrap(),
            sealed
        );
    }

    const FROZEN: &str = "0101020202020202020202020202020202020202020202020202a8eaa56cb83c0ff21c2e617b09325e8eeed9dc9b65fbdc4086f38e6dc52f0fa82f0d3aa07545d09d0defe17d80c0643583a63dc6fe2f66";
}
