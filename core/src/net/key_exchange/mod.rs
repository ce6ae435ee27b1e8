//! X25519MLKEM768: what is recorded today must not be opened by a quantum computer later, since health records stay
//! sensitive for life.
//!
//! The key is agreed twice, by ring's X25519 and by RustCrypto's ML-KEM-768, and whoever wants it has to break both: the
//! floor is what TLS has had so far. Order and lengths are those of draft-ietf-tls-ecdhe-mlkem: ML-KEM first, everywhere.

#[cfg(test)]
mod tests;

use crate::rng;
use ml_kem::{B32, EncapsulationKey, KeyExport, MlKem768, Seed};
use rustls::crypto::ring::kx_group;
use rustls::crypto::{
    ActiveKeyExchange, CompletedKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::{Zeroize, Zeroizing};

type DecapsulationKey = ml_kem::DecapsulationKey<MlKem768>;

const SEED: usize = 64;
const ENCAPSULATION_KEY: usize = 1184;
const CIPHERTEXT: usize = 1088;
const SECRET: usize = 32;
const X25519: usize = 32;

/// The group, as rustls takes it.
pub(super) static X25519_ML_KEM_768: &dyn SupportedKxGroup = &X25519MlKem768;

#[derive(Debug)]
struct X25519MlKem768;

impl SupportedKxGroup for X25519MlKem768 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let seed = Zeroizing::new(random::<SEED>()?);
        Ok(Box::new(Started::new(&seed, kx_group::X25519.start()?)))
    }

    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let randomness = Zeroizing::new(random::<32>()?);
        complete(client_share, &randomness, |share| {
            kx_group::X25519.start_and_complete(share)
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// The client's side. Its ML-KEM key wipes itself.
struct Started {
    x25519: Box<dyn ActiveKeyExchange>,
    ml_kem: DecapsulationKey,
    share: Vec<u8>,
}

impl Started {
    fn new(seed: &[u8; SEED], x25519: Box<dyn ActiveKeyExchange>) -> Self {
        let mut seed = Seed::from(*seed);
        let ml_kem = DecapsulationKey::from_seed(seed);
        seed.as_mut_slice().zeroize();
        let mut share = ml_kem.encapsulation_key().to_bytes().to_vec();
        share.extend_from_slice(x25519.pub_key());
        Self {
            x25519,
            ml_kem,
            share,
        }
    }
}

impl ActiveKeyExchange for Started {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, x25519) = split::<CIPHERTEXT>(server_share)?;
        // A wrong ciphertext gives a secret that nobody else has: the handshake fails at its end, and says nothing.
        let mut ours = ml_kem::kem::Decapsulate::decapsulate(&self.ml_kem, ciphertext.into());
        let theirs = self.x25519.complete(x25519);
        let both = theirs.map(|theirs| joined(&ours, &theirs));
        ours.as_mut_slice().zeroize();
        both
    }

    /// For servers that know X25519 alone: both shares go out at once, so that these cost no further round.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.x25519.group(), self.x25519.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        self.x25519.complete(share)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

/// The server's side, which needs the client's share to make its own.
fn complete(
    client_share: &[u8],
    randomness: &[u8; 32],
    x25519: impl FnOnce(&[u8]) -> Result<CompletedKeyExchange, Error>,
) -> Result<CompletedKeyExchange, Error> {
    let (key, theirs) = split::<ENCAPSULATION_KEY>(client_share)?;
    // Refuses coefficients that are not reduced, as FIPS 203 says.
    let key = EncapsulationKey::<MlKem768>::new(key.into()).map_err(|_| INVALID_SHARE)?;
    let x25519 = x25519(theirs)?;
    let mut randomness = B32::from(*randomness);
    let (ciphertext, mut ours) = key.encapsulate_deterministic(&randomness);
    randomness.as_mut_slice().zeroize();
    let secret = joined(&ours, &x25519.secret);
    ours.as_mut_slice().zeroize();
    let mut pub_key = ciphertext.to_vec();
    pub_key.extend_from_slice(&x25519.pub_key);
    Ok(CompletedKeyExchange {
        group: NamedGroup::X25519MLKEM768,
        pub_key,
        secret,
    })
}

const INVALID_SHARE: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// A share's two parts, of exactly these lengths.
fn split<const N: usize>(share: &[u8]) -> Result<(&[u8; N], &[u8]), Error> {
    match share.split_first_chunk() {
        Some((first, rest)) if rest.len() == X25519 => Ok((first, rest)),
        _ => Err(INVALID_SHARE),
    }
}

/// `SharedSecret` wipes what it is given; it is made at once in its whole length, so that no copy stays behind.
fn joined(ml_kem: &[u8], x25519: &SharedSecret) -> SharedSecret {
    let mut both = Vec::with_capacity(SECRET + X25519);
    both.extend_from_slice(ml_kem);
    both.extend_from_slice(x25519.secret_bytes());
    SharedSecret::from(both)
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    rng::make_bytes().map_err(|_| GetRandomFailed.into())
}
