//! Recovery codes: 128 random bits that a person can write down and type back.
//!
//! 28 characters of Crockford's base 32 (no I, L, O, U; read without regard to case, and O as 0, I and L as 1):
//! 128 bits and a 12-bit check, shown as seven groups of four.

use crate::crypto::SecretText;
use crate::rng::{self, NoRandomness};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARACTERS: usize = 28;

/// A recovery code. Zeroed when dropped; `Debug` shows nothing.
pub struct RecoveryCode(Zeroizing<[u8; 16]>);

/// The text is no recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a recovery code: expected 28 letters and digits in groups of four, without a typing error"
)]
pub struct InvalidRecoveryCode;

impl RecoveryCode {
    /// A new one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn make() -> Result<Self, NoRandomness> {
        let mut bits = Zeroizing::new([0; 16]);
        rng::fill(&mut *bits)?;
        Ok(Self(bits))
    }

    /// Reads a typed code; white space and dashes do not count. A typing error is noticed (all but 1 in 4,096).
    ///
    /// # Errors
    /// [`InvalidRecoveryCode`].
    pub fn parse(text: &str) -> Result<Self, InvalidRecoveryCode> {
        let mut digits = Zeroizing::new([0_u8; CHARACTERS]);
        let mut count = 0;
        for character in text
            .bytes()
            .filter(|b| !b.is_ascii_whitespace() && *b != b'-')
        {
            let folded = match character.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = ALPHABET
                .iter()
                .position(|c| *c == folded)
                .ok_or(InvalidRecoveryCode)?;
            *digits.get_mut(count).ok_or(InvalidRecoveryCode)? = u8::try_from(value).unwrap_or(0);
            count += 1;
        }
        if count != CHARACTERS {
            return Err(InvalidRecoveryCode);
        }
        // 26 digits carry 130 bits: the 128 and the upper two of the check.
        let high = digits[..26].iter().enumerate().fold(
            (0_u128, 0_u16),
            |(bits, check), (i, d)| match i {
                25 => (bits << 3 | u128::from(d >> 2), u16::from(d & 3)),
                _ => (bits << 5 | u128::from(*d), check),
            },
        );
        let typed_check = high.1 << 10 | u16::from(digits[26]) << 5 | u16::from(digits[27]);
        let code = Self(Zeroizing::new(high.0.to_be_bytes()));
        if typed_check == code.check() {
            Ok(code)
        } else {
            Err(InvalidRecoveryCode)
        }
    }

    /// The code for a person: `XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX`. Show it once.
    pub fn to_text(&self) -> SecretText {
        let bits = u128::from_be_bytes(*self.0);
        let check = self.check();
        let mut text = String::with_capacity(CHARACTERS + 6);
        for i in 0..CHARACTERS {
            let value = match i {
                0..25 => usize::try_from(bits >> (123 - 5 * i) & 31).unwrap_or(0),
                25 => usize::try_from(bits & 7).unwrap_or(0) << 2 | usize::from(check >> 10),
                26 => usize::from(check >> 5 & 31),
                _ => usize::from(check & 31),
            };
            if i > 0 && i % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[value]));
        }
        SecretText::new(text)
    }

    /// Whether `typed` is this code. What is no code at all is not.
    pub fn is(&self, typed: &str) -> bool {
        Self::parse(typed).is_ok_and(|typed| bool::from(typed.0.ct_eq(&*self.0)))
    }

    /// The 128 bits.
    pub(super) fn bits(&self) -> &[u8; 16] {
        &self.0
    }

    fn check(&self) -> u16 {
        // In two pieces: put together first, the bits would stay behind on the heap.
        let digest = Sha256::new_with_prefix(b"pocketchart/1/recovery-check")
            .chain_update(*self.0)
            .finalize();
        u16::from_be_bytes([digest[0], digest[1]]) >> 4
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bits: [u8; 16]) {
            let code = RecoveryCode(Zeroizing::new(bits));
            let text = code.to_text();
            prop_assert_eq!(text.expose().len(), 34);
            prop_assert_eq!(*RecoveryCode::parse(text.expose()).unwrap().0, bits);
            let sloppy = text.expose().to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            prop_assert_eq!(*RecoveryCode::parse(&sloppy).unwrap().0, bits);
            prop_assert!(code.is(&sloppy));
            prop_assert!(!code.is("") && !code.is(&sloppy[1..]));
        }
    }

    #[test]
    fn typing_errors_are_noticed() {
        let code = RecoveryCode(Zeroizing::new(*b"0123456789abcdef"));
        let text = code.to_text().expose().to_owned();
        let (mut wrong, mut noticed) = (0, 0);
        for (i, old) in text.bytes().enumerate().filter(|(_, c)| *c != b'-') {
            for new in ALPHABET.iter().filter(|c| **c != old) {
                let mut typed = text.clone().into_bytes();
                typed[i] = *new;
                wrong += 1;
                noticed +=
                    usize::from(RecoveryCode::parse(std::str::from_utf8(&typed).unwrap()).is_err());
            }
        }
        assert!(noticed * 1000 >= wrong * 995, "{noticed} of {wrong}");
        for bad in [
            "",
            "0000",
            &text[1..],
            &format!("{text}0"),
            &text.replace(&text[..1], "U"),
        ] {
            assert!(RecoveryCode::parse(bad).is_err());
        }
    }
}
