use super::*;
use curve25519_dalek::MontgomeryPoint;
use ml_kem::kem::Decapsulate;
use sha2::{Digest, Sha256};
use shake::{ExtendableOutput, Shake128, Update, XofReader};

/// X25519 with a private key that is known beforehand: ring gives none.
struct Known {
    key: [u8; 32],
    public: [u8; 32],
}

impl Known {
    fn new(first: u8) -> Self {
        let key = bytes(first);
        let public = MontgomeryPoint::mul_base_clamped(key).to_bytes();
        Self { key, public }
    }

    fn with(&self, share: &[u8]) -> SharedSecret {
        let point = MontgomeryPoint(share.try_into().unwrap());
        SharedSecret::from(&point.mul_clamped(self.key).to_bytes()[..])
    }
}

impl ActiveKeyExchange for Known {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        Ok(self.with(share))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// `first`, `first + 1`, ...
fn bytes<const N: usize>(first: u8) -> [u8; N] {
    let mut all = [0; N];
    (first..).zip(&mut all).for_each(|(n, byte)| *byte = n);
    all
}

fn known_client() -> Box<Started> {
    Box::new(Started::new(&bytes(0), Box::new(Known::new(0x40))))
}

fn vector(name: &str) -> Vec<u8> {
    let text = include_str!("openssl-4.0.json");
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    hex::decode(all[name].as_str().unwrap()).unwrap()
}

/// The shares and the secret of another implementation, in the order that the draft gives them.
#[test]
fn openssl_agrees() {
    let client = known_client();
    assert_eq!(client.pub_key().len(), 1216);
    let digest = Sha256::digest(client.pub_key());
    assert_eq!(digest[..], vector("client_share_sha256"));
    let secret = client.complete(&vector("server_share")).unwrap();
    assert_eq!(secret.secret_bytes(), vector("secret"));
    // ML-KEM's implicit rejection: another secret, and no error.
    let mut flipped = vector("server_share");
    flipped[0] ^= 1;
    let secret = known_client().complete(&flipped).unwrap();
    let (ml_kem, x25519) = secret.secret_bytes().split_at(32);
    assert_eq!(ml_kem, vector("mlkem_secret_with_first_bit_flipped"));
    assert_eq!(x25519, &vector("secret")[32..]);
}

/// Both sides with nothing left to chance. Go 1.26 (`mlkemtest.Encapsulate768`) gave the same.
#[test]
fn what_a_server_answers_is_frozen() {
    let server = Known::new(0x60);
    let done = complete(known_client().pub_key(), &bytes(0x80), |share| {
        Ok(CompletedKeyExchange {
            group: NamedGroup::X25519,
            pub_key: server.public.to_vec(),
            secret: server.with(share),
        })
    });
    let done = done.unwrap();
    assert_eq!(done.pub_key.len(), 1120);
    assert_eq!(
        hex::encode(Sha256::digest(&done.pub_key)),
        "84c30313707960bd5c387c6ac9c671fe3980f2b19b63d5479fb6e8ba444364ce"
    );
    assert_eq!(
        hex::encode(done.secret.secret_bytes()),
        "ef91db44b6cd5b2c50f483481a3d6e2a08cc149764fcb8dc568851332da45ed9d6fb939511b2381bc8599b4b8edc5968829450dfd7a87aebe78a703cd04cd54e"
    );
    let secret = known_client().complete(&done.pub_key).unwrap();
    assert_eq!(secret.secret_bytes(), done.secret.secret_bytes());
}

/// The known answer that Go's and Filippo Valsorda's tests carry: a hundred keys, secrets and rejections in
/// one digest. (Ten thousand gave theirs as well, 8a518cc6..., in a minute.)
#[test]
fn ml_kem_gives_the_long_known_answer() {
    let mut source = Shake128::default().finalize_xof();
    let mut sum = Shake128::default();
    for _ in 0..100 {
        let mut seed = Seed::default();
        source.read(&mut seed);
        let key = DecapsulationKey::from_seed(seed);
        sum.update(&key.encapsulation_key().to_bytes());
        let mut randomness = B32::default();
        source.read(&mut randomness);
        let (ciphertext, secret) = key
            .encapsulation_key()
            .encapsulate_deterministic(&randomness);
        sum.update(&ciphertext);
        sum.update(&secret);
        assert_eq!(key.decapsulate(&ciphertext), secret);
        let mut wrong = [0; CIPHERTEXT];
        source.read(&mut wrong);
        sum.update(&key.decapsulate((&wrong).into()));
    }
    let mut digest = [0; 32];
    sum.finalize_xof().read(&mut digest);
    assert_eq!(
        hex::encode(digest),
        "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415"
    );
}

#[test]
fn two_real_sides_agree_and_every_time_on_something_else() {
    let mut secrets = std::collections::HashSet::new();
    for _ in 0..20 {
        let client = X25519_ML_KEM_768.start().unwrap();
        let server = X25519_ML_KEM_768.start_and_complete(client.pub_key());
        let server = server.unwrap();
        assert_eq!(server.group, NamedGroup::X25519MLKEM768);
        let secret = client.complete(&server.pub_key).unwrap();
        assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
        assert!(secrets.insert(secret.secret_bytes().to_vec()));
    }
    // The classical half alone, for servers that know no more.
    let client = X25519_ML_KEM_768.start().unwrap();
    let (group, share) = client.hybrid_component().unwrap();
    assert_eq!(
        (group, share),
        (NamedGroup::X25519, &client.pub_key()[ENCAPSULATION_KEY..])
    );
    let server = kx_group::X25519.start_and_complete(share).unwrap();
    let secret = client.complete_hybrid_component(&server.pub_key).unwrap();
    assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
}

#[test]
fn bad_shares_are_refused() {
    let is_refused = |share: &[u8]| {
        let done = X25519_ML_KEM_768.start_and_complete(share);
        matches!(done, Err(Error::PeerMisbehaved(_)))
    };
    let good = X25519_ML_KEM_768.start().unwrap().pub_key().to_vec();
    assert!(!is_refused(&good));
    for length in [0, 32, ENCAPSULATION_KEY, good.len() - 1] {
        assert!(is_refused(&good[..length]), "{length} bytes");
    }
    assert!(is_refused(&[&good[..], &[0]].concat()), "a byte too many");
    // Coefficients that are not reduced modulo q (FIPS 203, 7.2).
    let mut large = good.clone();
    large[..3].fill(0xff);
    assert!(is_refused(&large));
    // X25519 points of small order give the secret zero.
    for point in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let mut small = good.clone();
        small[ENCAPSULATION_KEY..].copy_from_slice(&point);
        assert!(is_refused(&small));
        let server = X25519_ML_KEM_768.start_and_complete(&good).unwrap();
        let mut share = server.pub_key;
        share[CIPHERTEXT..].copy_from_slice(&point);
        let client = X25519_ML_KEM_768.start().unwrap();
        assert!(client.complete(&share).is_err());
    }
    for length in [0, 32, CIPHERTEXT, CIPHERTEXT + 31, CIPHERTEXT + 33] {
        let client = X25519_ML_KEM_768.start().unwrap();
        assert!(client.complete(&vec![0; length]).is_err(), "{length} bytes");
    }
}

#[test]
fn it_is_for_tls_1_3() {
    assert!(X25519_ML_KEM_768.usable_for_version(ProtocolVersion::TLSv1_3));
    assert!(!X25519_ML_KEM_768.usable_for_version(ProtocolVersion::TLSv1_2));
    assert!(!X25519_ML_KEM_768.fips());
}
