//! What a passphrase must be: long and hard to guess, no rules about digits or capitals, no forced change
//! (NIST SP 800-63B, 5.1.1.2).

/// The least number of characters; 15 are better.
pub const FLOOR_CHARACTERS: usize = 8;
/// The least score of the strength estimator, of 0 to 4. 3 stands for at least 10^8 guesses.
#[cfg(feature = "passphrase-strength")]
const FLOOR_SCORE: u8 = 3;

/// Why a passphrase for a new slot is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassphrase {
    /// Shorter than [`FLOOR_CHARACTERS`].
    #[error("the passphrase is too short: at least {FLOOR_CHARACTERS} characters, 15 are better")]
    TooShort,
    /// Long enough, yet soon guessed.
    #[error("the passphrase is too easy to guess: several unrelated words are good")]
    Guessable,
}

/// Whether `passphrase` may open a new slot. Without the feature `passphrase-strength` only length counts.
///
/// # Errors
/// [`WeakPassphrase`].
pub fn judge(passphrase: &str) -> Result<(), WeakPassphrase> {
    check(passphrase)
}

pub(super) fn check(passphrase: &str) -> Result<(), WeakPassphrase> {
    if passphrase.chars().count() < FLOOR_CHARACTERS {
        return Err(WeakPassphrase::TooShort);
    }
    #[cfg(feature = "passphrase-strength")]
    {
        // The estimator's time grows with the square of the length; what follows 100 characters adds nothing it needs.
        let head: zeroize::Zeroizing<String> =
            passphrase.chars().take(100).collect::<String>().into();
        if u8::from(zxcvbn::zxcvbn(&head, &[]).score()) < FLOOR_SCORE {
            return Err(WeakPassphrase::Guessable);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_guessability_count() {
        assert_eq!(check("kX9$wq!"), Err(WeakPassphrase::TooShort));
        assert_eq!(check("correct horse battery staple"), Ok(()));
        assert_eq!(check(&"long and unrelated lamp ".repeat(1000)), Ok(()));
    }

    #[cfg(feature = "passphrase-strength")]
    #[test]
    fn what_everybody_uses_is_refused() {
        for weak in [
            "password",
            "Password1!",
            "12345678",
            "qwertyuiop",
            "aaaaaaaaaaaaaaa",
        ] {
            assert_eq!(check(weak), Err(WeakPassphrase::Guessable), "{weak}");
        }
    }
}
