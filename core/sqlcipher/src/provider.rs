//! SQLCipher's cryptography, answered by RustCrypto.
//!
//! Why: OpenSSL would be more than half of the phone library, and its build the hardest part of ours. SQLCipher asks
//! a provider for seven things that need code; the constants and the table itself are in `sqlcipher_build.c`, where
//! the C compiler checks them.
//!
//! Rules that each function keeps:
//! - **No panic reaches C**: lengths are checked, nothing indexes, nothing unwraps. An error is `SQLITE_ERROR`, on
//!   which SQLCipher zeroes the page and fails the write or the read.
//! - **Randomness comes from the operating system at each call.** A pool would repeat IVs in both halves of a fork.
//! - **No key outlives a call**: SQLCipher hands the key over for each page and keeps it masked in between, so a
//!   cached key schedule would be the one plain copy. Making it again costs 0.14 of the 4.1 us that a page takes to
//!   read. Schedules and hash states wipe themselves when dropped (`zeroize` features in Cargo.toml). There is no
//!   provider context.

use std::ffi::{c_int, c_void};
use std::slice;

use aes::{Aes256Dec, Aes256Enc, Block};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::digest::{FixedOutputReset, OutputSizeUser, typenum::Unsigned};
use hmac::{Hmac, HmacReset, KeyInit, Mac};
use rusqlite::ffi::{SQLITE_ERROR, SQLITE_OK};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroize;

const IV_BYTES: usize = 16;

/// Something was out of range or the operating system gave no randomness. C gets no details: it can use none.
#[derive(Debug)]
struct Failed;

/// The numbers of `SQLCIPHER_HMAC_*` and `SQLCIPHER_PBKDF2_HMAC_*`, asserted equal in `sqlcipher_build.c`.
#[derive(Clone, Copy)]
enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    fn new(number: c_int) -> Result<Self, Failed> {
        match number {
            0 => Ok(Self::Sha1),
            1 => Ok(Self::Sha256),
            2 => Ok(Self::Sha512),
            _ => Err(Failed),
        }
    }

    fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => <Sha1 as OutputSizeUser>::OutputSize::USIZE,
            Self::Sha256 => <Sha256 as OutputSizeUser>::OutputSize::USIZE,
            Self::Sha512 => <Sha512 as OutputSizeUser>::OutputSize::USIZE,
        }
    }
}

/// `SQLCIPHER_ENCRYPT` and `SQLCIPHER_DECRYPT`.
#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

// ---- What C calls ---------------------------------------------------------------------------------------------

#[unsafe(no_mangle)]
extern "C" fn pocketchart_sqlcipher_random(
    _ctx: *mut c_void,
    buffer: *mut c_void,
    length: c_int,
) -> c_int {
    // SAFETY: SQLCipher passes a buffer of `length` writable bytes that only this call uses.
    let out = unsafe { bytes_mut(buffer.cast(), length) };
    code(out.and_then(|out| {
        #[cfg(test)]
        if tests::NO_RANDOMNESS.get() {
            return Err(Failed);
        }
        getrandom::fill(out).map_err(|_| Failed)
    }))
}

#[unsafe(no_mangle)]
extern "C" fn pocketchart_sqlcipher_hmac(
    _ctx: *mut c_void,
    algorithm: c_int,
    key: *const u8,
    key_sz: c_int,
    first: *const u8,
    first_sz: c_int,
    second: *const u8,
    second_sz: c_int,
    out: *mut u8,
) -> c_int {
    code((|| {
        let algorithm = Algorithm::new(algorithm)?;
        // SAFETY: each pointer comes with its length, and none overlaps `out`: SQLCipher writes the code behind the
        // bytes it covers, or into a buffer of its own.
        let (key, first) = unsafe { (bytes(key, key_sz)?, bytes(first, first_sz)?) };
        // The second part is optional in the interface.
        let second = if second.is_null() {
            &[]
        } else {
            // SAFETY: as above.
            unsafe { bytes(second, second_sz)? }
        };
        let out_sz = c_int::try_from(algorithm.output_bytes()).map_err(|_| Failed)?;
        // SAFETY: SQLCipher reserves `pocketchart_sqlcipher_hmac_sz(algorithm)` bytes at `out`.
        let out = unsafe { bytes_mut(out, out_sz)? };
        hmac(algorithm, key, first, second, out)
    })())
}

#[unsafe(no_mangle)]
extern "C" fn pocketchart_sqlcipher_kdf(
    _ctx: *mut c_void,
    algorithm: c_int,
    password: *const u8,
    password_sz: c_int,
    salt: *const u8,
    salt_sz: c_int,
    rounds: c_int,
    key_sz: c_int,
    key: *mut u8,
) -> c_int {
    code((|| {
        let algorithm = Algorithm::new(algorithm)?;
        let rounds = u32::try_from(rounds).map_err(|_| Failed)?;
        // SAFETY: each pointer comes with its length; the derived key goes into a buffer of its own.
        let (password, salt, key) = unsafe {
            (
                bytes(password, password_sz)?,
                bytes(salt, salt_sz)?,
                bytes_mut(key, key_sz)?,
            )
        };
        pbkdf2(algorithm, password, salt, rounds, key)
    })())
}

#[unsafe(no_mangle)]
extern "C" fn pocketchart_sqlcipher_cipher(
    _ctx: *mut c_void,
    mode: c_int,
    key: *const u8,
    key_sz: c_int,
    iv: *const u8,
    input: *const u8,
    input_sz: c_int,
    out: *mut u8,
) -> c_int {
    code((|| {
        let direction = match mode {
            0 => Direction::Decrypt,
            1 => Direction::Encrypt,
            _ => return Err(Failed),
        };
        let size = usize::try_from(input_sz).map_err(|_| Failed)?;
        if key.is_null() || iv.is_null() || input.is_null() || out.is_null() {
            return Err(Failed);
        }
        // SAFETY: SQLCipher passes 16 bytes of IV. They lie behind the output in the same buffer, so they are copied
        // before a slice of the output exists.
        let iv = unsafe { iv.cast::<[u8; IV_BYTES]>().read() };
        // SAFETY: `input` and `out` have `input_sz` bytes each; `copy` allows them to overlap.
        unsafe { std::ptr::copy(input, out, size) };
        // SAFETY: as above; from here on only `out` is used, and `key` is SQLCipher's own buffer.
        let (key, data) = unsafe { (bytes(key, key_sz)?, bytes_mut(out, input_sz)?) };
        aes_cbc(direction, key, &iv, data)
    })())
}

#[unsafe(no_mangle)]
extern "C" fn pocketchart_sqlcipher_hmac_sz(_ctx: *mut c_void, algorithm: c_int) -> c_int {
    Algorithm::new(algorithm)
        .ok()
        .and_then(|algorithm| c_int::try_from(algorithm.output_bytes()).ok())
        .unwrap_or(0)
}

#[unsafe(no_mangle)]
extern "C" fn pocketchart_sqlcipher_ctx_init(_ctx: *mut *mut c_void) -> c_int {
    SQLITE_OK
}

#[unsafe(no_mangle)]
extern "C" fn pocketchart_sqlcipher_ctx_free(_ctx: *mut *mut c_void) -> c_int {
    SQLITE_OK
}

// ---- The algorithms -------------------------------------------------------------------------------------------

/// AES-256-CBC without padding, in place.
fn aes_cbc(
    direction: Direction,
    key: &[u8],
    iv: &[u8; IV_BYTES],
    data: &mut [u8],
) -> Result<(), Failed> {
    let (blocks, rest) = Block::slice_as_chunks_mut(data);
    if !rest.is_empty() {
        return Err(Failed);
    }
    match direction {
        Direction::Encrypt => cbc::Encryptor::<Aes256Enc>::new_from_slices(key, iv)
            .map_err(|_| Failed)?
            .encrypt_blocks(blocks),
        Direction::Decrypt => cbc::Decryptor::<Aes256Dec>::new_from_slices(key, iv)
            .map_err(|_| Failed)?
            .decrypt_blocks(blocks),
    }
    Ok(())
}

/// HMAC (RFC 2104) of `first` then `second`. `out` has exactly the algorithm's length.
fn hmac(
    algorithm: Algorithm,
    key: &[u8],
    first: &[u8],
    second: &[u8],
    out: &mut [u8],
) -> Result<(), Failed> {
    fn with<M: Mac + KeyInit>(
        key: &[u8],
        first: &[u8],
        second: &[u8],
        out: &mut [u8],
    ) -> Result<(), Failed> {
        let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| Failed)?;
        mac.update(first);
        mac.update(second);
        let code = mac.finalize().into_bytes();
        if out.len() != code.len() {
            return Err(Failed);
        }
        out.copy_from_slice(&code);
        Ok(())
    }
    match algorithm {
        Algorithm::Sha1 => with::<Hmac<Sha1>>(key, first, second, out),
        Algorithm::Sha256 => with::<Hmac<Sha256>>(key, first, second, out),
        Algorithm::Sha512 => with::<Hmac<Sha512>>(key, first, second, out),
    }
}

/// PBKDF2 (RFC 8018, section 5.2). With our raw keys it only derives the MAC key, in two rounds.
fn pbkdf2(
    algorithm: Algorithm,
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    out: &mut [u8],
) -> Result<(), Failed> {
    fn with<M: Mac + KeyInit + FixedOutputReset>(
        password: &[u8],
        salt: &[u8],
        rounds: u32,
        out: &mut [u8],
    ) -> Result<(), Failed> {
        let mut mac = <M as KeyInit>::new_from_slice(password).map_err(|_| Failed)?;
        for (index, block) in (1_u32..).zip(out.chunks_mut(M::output_size())) {
            Mac::update(&mut mac, salt);
            Mac::update(&mut mac, &index.to_be_bytes());
            let mut link = mac.finalize_fixed_reset();
            let mut sum = link.clone();
            for _ in 1..rounds {
                Mac::update(&mut mac, &link);
                mac.finalize_into_reset(&mut link);
                sum.iter_mut().zip(&link).for_each(|(s, l)| *s ^= l);
            }
            block.iter_mut().zip(&sum).for_each(|(b, s)| *b = *s);
            link.zeroize();
            sum.zeroize();
        }
        Ok(())
    }
    if rounds == 0 {
        return Err(Failed);
    }
    match algorithm {
        Algorithm::Sha1 => with::<HmacReset<Sha1>>(password, salt, rounds, out),
        Algorithm::Sha256 => with::<HmacReset<Sha256>>(password, salt, rounds, out),
        Algorithm::Sha512 => with::<HmacReset<Sha512>>(password, salt, rounds, out),
    }
}

// ---- Across the border ----------------------------------------------------------------------------------------

fn code(result: Result<(), Failed>) -> c_int {
    match result {
        Ok(()) => SQLITE_OK,
        Err(Failed) => SQLITE_ERROR,
    }
}

/// # Safety
/// A pointer that is not null has `length` readable bytes that nothing writes for as long as the slice lives.
unsafe fn bytes<'a>(pointer: *const u8, length: c_int) -> Result<&'a [u8], Failed> {
    let length = usize::try_from(length).map_err(|_| Failed)?;
    if pointer.is_null() {
        return Err(Failed);
    }
    // SAFETY: by this function's contract; null and negative lengths are refused above.
    Ok(unsafe { slice::from_raw_parts(pointer, length) })
}

/// # Safety
/// A pointer that is not null has `length` writable, initialised bytes that nothing else uses while the slice lives.
unsafe fn bytes_mut<'a>(pointer: *mut u8, length: c_int) -> Result<&'a mut [u8], Failed> {
    let length = usize::try_from(length).map_err(|_| Failed)?;
    if pointer.is_null() {
        return Err(Failed);
    }
    // SAFETY: by this function's contract; null and negative lengths are refused above.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, length) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::ptr;

    use crate::{Mode, open, page_mac_errors};

    thread_local! {
        /// Lets the operating system's generator fail in this thread.
        pub(super) static NO_RANDOMNESS: Cell<bool> = const { Cell::new(false) };
    }

    fn unhex(text: &str) -> Vec<u8> {
        hex::decode(text.replace([' ', '\n'], "")).unwrap()
    }

    /// NIST SP 800-38A, F.2.5 and F.2.6.
    #[test]
    fn aes_256_cbc_matches_nist() {
        let key = unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let iv: [u8; 16] = unhex("000102030405060708090a0b0c0d0e0f")
            .try_into()
            .unwrap();
        let plain = unhex(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
             30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        );
        let sealed = unhex(
            "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d
             39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
        );
        let mut data = plain.clone();
        aes_cbc(Direction::Encrypt, &key, &iv, &mut data).unwrap();
        assert_eq!(data, sealed);
        aes_cbc(Direction::Decrypt, &key, &iv, &mut data).unwrap();
        assert_eq!(data, plain);
    }

    #[test]
    fn aes_refuses_odd_lengths_and_keys() {
        let iv = [0; 16];
        assert!(aes_cbc(Direction::Encrypt, &[0; 32], &iv, &mut [0; 17]).is_err());
        assert!(aes_cbc(Direction::Encrypt, &[0; 16], &iv, &mut [0; 16]).is_err());
    }

    /// RFC 4231, test cases 1, 2, 3 and 6 (a key longer than a block), SHA-256 and SHA-512; RFC 2202 for SHA-1.
    #[test]
    fn hmac_matches_the_rfcs() {
        let (s1, s2, s5) = (Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512);
        let cases: &[(Algorithm, Vec<u8>, Vec<u8>, &str)] = &[
            (
                s1,
                vec![0x0b; 20],
                b"Hi There".to_vec(),
                "b617318655057264e28bc0b6fb378c8ef146be00",
            ),
            (
                s1,
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (
                s2,
                vec![0x0b; 20],
                b"Hi There".to_vec(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                s2,
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                s2,
                vec![0xaa; 20],
                vec![0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                s2,
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                s5,
                vec![0x0b; 20],
                b"Hi There".to_vec(),
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ),
            (
                s5,
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ];
        for (algorithm, key, message, expected) in cases {
            // Every split of the message into the two parts must give the same code.
            for split in [0, 1, message.len() / 2, message.len()] {
                let (first, second) = message.split_at(split);
                let mut out = vec![0; algorithm.output_bytes()];
                hmac(*algorithm, key, first, second, &mut out).unwrap();
                assert_eq!(hex::encode(&out), *expected);
            }
        }
    }

    /// RFC 6070 (SHA-1), RFC 7914 section 11 (SHA-256).
    #[test]
    fn pbkdf2_matches_the_rfcs() {
        let (s1, s2) = (Algorithm::Sha1, Algorithm::Sha256);
        let cases: &[(Algorithm, &str, &str, u32, &str)] = &[
            (
                s1,
                "password",
                "salt",
                1,
                "0c60c80f961f0e71f3a9b524af6012062fe037a6",
            ),
            (
                s1,
                "password",
                "salt",
                2,
                "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957",
            ),
            (
                s1,
                "password",
                "salt",
                4096,
                "4b007901b765489abead49d926f721d065a429c1",
            ),
            (
                s1,
                "passwordPASSWORDpassword",
                "saltSALTsaltSALTsaltSALTsaltSALTsalt",
                4096,
                "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
            ),
            (
                s2,
                "passwd",
                "salt",
                1,
                "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
            ),
            (
                s2,
                "Password",
                "NaCl",
                80_000,
                "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
            ),
        ];
        for (algorithm, password, salt, rounds, expected) in cases {
            let mut out = vec![0; expected.len() / 2];
            pbkdf2(
                *algorithm,
                password.as_bytes(),
                salt.as_bytes(),
                *rounds,
                &mut out,
            )
            .unwrap();
            assert_eq!(hex::encode(&out), *expected);
        }
        assert!(pbkdf2(s2, b"p", b"s", 0, &mut [0; 32]).is_err());
    }

    /// What C can get wrong must come back as an error, not as a panic or a read out of bounds.
    #[test]
    fn the_border_refuses_nonsense() {
        let null = ptr::null_mut::<c_void>();
        let mut out = [0_u8; 64];
        let (key, iv, data) = ([0_u8; 32], [0_u8; 16], [0_u8; 32]);
        let cipher =
            |mode, key: *const u8, key_sz, iv: *const u8, input: *const u8, size, out: *mut u8| {
                pocketchart_sqlcipher_cipher(null, mode, key, key_sz, iv, input, size, out)
            };
        let (k, v, d, o) = (key.as_ptr(), iv.as_ptr(), data.as_ptr(), out.as_mut_ptr());
        assert_eq!(cipher(1, k, 32, v, d, 32, o), SQLITE_OK);
        assert_eq!(cipher(2, k, 32, v, d, 32, o), SQLITE_ERROR);
        assert_eq!(cipher(1, k, 31, v, d, 32, o), SQLITE_ERROR);
        assert_eq!(cipher(1, k, 32, v, d, 31, o), SQLITE_ERROR);
        assert_eq!(cipher(1, k, 32, v, d, -1, o), SQLITE_ERROR);
        assert_eq!(cipher(1, ptr::null(), 32, v, d, 32, o), SQLITE_ERROR);
        assert_eq!(cipher(1, k, 32, ptr::null(), d, 32, o), SQLITE_ERROR);
        assert_eq!(cipher(1, k, 32, v, d, 32, ptr::null_mut()), SQLITE_ERROR);
        let hmac = |algorithm, key_sz| {
            pocketchart_sqlcipher_hmac(null, algorithm, k, key_sz, d, 32, ptr::null(), 0, o)
        };
        assert_eq!(hmac(2, 32), SQLITE_OK);
        assert_eq!(hmac(3, 32), SQLITE_ERROR);
        assert_eq!(hmac(1, -32), SQLITE_ERROR);
        assert_eq!(
            pocketchart_sqlcipher_kdf(null, 1, k, 32, v, 16, 0, 32, o),
            SQLITE_ERROR
        );
        assert_eq!(
            pocketchart_sqlcipher_random(null, ptr::null_mut(), 16),
            SQLITE_ERROR
        );
        assert_eq!(
            pocketchart_sqlcipher_random(null, o.cast(), -1),
            SQLITE_ERROR
        );
        assert_eq!(pocketchart_sqlcipher_hmac_sz(null, 9), 0);
    }

    /// SQLCipher keeps the IV behind the output, in one buffer, and could pass one buffer as both.
    #[test]
    fn cipher_works_in_place_with_the_iv_behind_the_data() {
        let key = [7_u8; 32];
        let mut apart = [1_u8; 48];
        apart[32..].fill(9);
        let mut page = apart;
        let input = [1_u8; 32];
        let (a, p) = (apart.as_mut_ptr(), page.as_mut_ptr());
        // SAFETY: 32 bytes of data and 16 bytes of IV behind them are inside both arrays.
        let (a_iv, p_iv) = unsafe { (a.add(32), p.add(32)) };
        let null = ptr::null_mut();
        assert_eq!(
            pocketchart_sqlcipher_cipher(null, 1, key.as_ptr(), 32, a_iv, input.as_ptr(), 32, a),
            SQLITE_OK
        );
        assert_eq!(
            pocketchart_sqlcipher_cipher(null, 1, key.as_ptr(), 32, p_iv, p, 32, p),
            SQLITE_OK
        );
        assert_eq!(apart, page);
        assert_ne!(apart[..32], input);
    }

    /// Without an IV nothing may be written; what was written before stays whole.
    #[test]
    fn without_randomness_the_write_fails_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let (key, salt) = ([1; 32], [2; 16]);
        for mode in ["wal", "delete"] {
            let _ = std::fs::remove_file(&path);
            let conn = open(&path, &key, &salt, Mode::Create).unwrap();
            conn.pragma_update(None, "journal_mode", mode).unwrap();
            conn.execute_batch("CREATE TABLE t(n); INSERT INTO t VALUES (1), (2)")
                .unwrap();
            NO_RANDOMNESS.set(true);
            let written = conn.execute("INSERT INTO t VALUES (3)", []);
            NO_RANDOMNESS.set(false);
            assert!(written.is_err(), "{mode}");
            drop(conn);

            let conn = open(&path, &key, &salt, Mode::ReadWrite).unwrap();
            let sum: i64 = conn
                .query_row("SELECT sum(n) FROM t", [], |row| row.get(0))
                .unwrap();
            assert_eq!(sum, 3, "{mode}");
            assert!(page_mac_errors(&conn).unwrap().is_empty());
        }
    }
}
