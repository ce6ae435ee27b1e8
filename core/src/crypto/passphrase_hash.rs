//! Argon2id (RFC 9106): makes guessing a passphrase slow. 64 MiB and two passes took 94 ms in the trial.

use super::Key;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

/// Cost of one guess; stands in the vault header beside the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Memory in KiB: 19 to 256 MiB.
    pub memory_kib: u32,
    /// Passes over it: 1 to 10.
    pub passes: u32,
}

/// The usual cost: 64 MiB, two passes.
pub const DEFAULT_COST: Cost = Cost {
    memory_kib: 64 * 1024,
    passes: 2,
};
/// The least that [`Cost::is_sane`] takes: for tests, and for phones too small for more (OWASP's floor).
pub const LOWEST_COST: Cost = Cost {
    memory_kib: 19 * 1024,
    passes: 1,
};

/// The hash could not be computed: not enough memory, or a cost out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the passphrase could not be hashed: not enough memory, or a cost outside 19-256 MiB and 1-10 passes"
)]
pub struct HashFailed;

impl Cost {
    /// Whether this cost is neither useless nor an attack on memory. Checked before a header is trusted.
    pub fn is_sane(self) -> bool {
        (19 * 1024..=256 * 1024).contains(&self.memory_kib) && (1..=10).contains(&self.passes)
    }
}

/// Argon2id of `passphrase` (normalised to NFKC, so that the same letters typed on another keyboard give the same
/// bytes; white space is kept). The memory it worked in is wiped.
///
/// # Errors
/// [`HashFailed`].
pub fn hash(passphrase: &str, salt: &[u8; 16], cost: Cost) -> Result<Key, HashFailed> {
    if !cost.is_sane() {
        return Err(HashFailed);
    }
    // Reserved for the longest normalisation (NFKC grows a character at most 18 times): growing would leave copies.
    let mut normalised = Zeroizing::new(String::with_capacity(passphrase.len().saturating_mul(18)));
    normalised.extend(passphrase.nfkc());
    let params = Params::new(cost.memory_kib, cost.passes, 1, Some(32)).map_err(|_| HashFailed)?;
    let blocks = params.block_count();
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(blocks).map_err(|_| HashFailed)?;
    memory.resize(blocks, Block::default());
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let made = Key::filled_by(|out| {
        argon.hash_password_into_with_memory(normalised.as_bytes(), salt, out, &mut memory[..])
    });
    memory.iter_mut().for_each(Zeroize::zeroize);
    made.map_err(|_| HashFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_out_of_bounds_are_refused_before_memory_is_taken() {
        for (memory_kib, passes) in [
            (0, 1),
            (18 * 1024, 1),
            (257 * 1024, 1),
            (u32::MAX, 1),
            (19 * 1024, 0),
            (19 * 1024, 11),
        ] {
            let cost = Cost { memory_kib, passes };
            assert_eq!(hash("x", &[0; 16], cost).unwrap_err(), HashFailed);
        }
    }

    #[test]
    fn equal_letters_give_equal_keys() {
        let key = |text| *hash(text, &[1; 16], LOWEST_COST).unwrap().expose();
        assert_eq!(key("caf\u{e9} \u{fb01}"), key("cafe\u{301} fi"));
        assert_ne!(key("cafe"), key("caf\u{e9}"));
        assert_ne!(key("cafe"), key("cafe "));
    }

    /// RFC 9106 section 5.3, through the same crate and mode.
    #[test]
    fn rfc_9106_argon2id() {
        let params = argon2::ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
            .build()
            .unwrap();
        let argon =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut out = [0; 32];
        argon
            .hash_password_into(&[1; 32], &[2; 16], &mut out)
            .unwrap();
        assert_eq!(
            hex::encode(out),
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
        );
    }
}
