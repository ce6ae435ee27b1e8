//! What a PIN must be: at least six digits, and none of those that everybody tries first.
//!
//! The counter of failed tries is what protects a PIN from a person at the screen, and the gate's key from a computer
//! elsewhere; this only keeps out what falls in the first few guesses. Dates are not refused: that would take one PIN
//! in twenty away from those who draw theirs at random.

/// The least number of digits.
pub const FLOOR_DIGITS: usize = 6;
const MOST_DIGITS: usize = 32;

/// Common ones that no rule below finds.
const COMMON: [&str; 16] = [
    "112233", "123321", "147258", "147852", "159357", "159753", "258456", "102030", "135790",
    "246810", "321654", "456123", "789456", "987456", "520131", "110110",
];

/// Why a PIN for a new slot is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPin {
    /// Too short, too long, or not only digits.
    #[error("a PIN has {FLOOR_DIGITS} to {MOST_DIGITS} digits and nothing else")]
    NotDigits,
    /// One of those that are tried first.
    #[error(
        "this PIN is among the first that anyone tries (a run, a repeat, a pattern of the keypad)"
    )]
    Trivial,
}

/// Whether `pin` may open a new slot.
pub(super) fn check(pin: &str) -> Result<(), WeakPin> {
    let digits = pin.as_bytes();
    if !(FLOOR_DIGITS..=MOST_DIGITS).contains(&digits.len())
        || !digits.iter().all(u8::is_ascii_digit)
    {
        return Err(WeakPin::NotDigits);
    }
    // Steps count from nine on to zero, as on a keypad. Step 0: all equal.
    let steps = |step: u8| {
        digits
            .windows(2)
            .all(|pair| (pair[0] - b'0' + step) % 10 == pair[1] - b'0')
    };
    let repeats = (1..=digits.len() / 2)
        .any(|period| digits.iter().zip(&digits[period..]).all(|(a, b)| a == b));
    if steps(1) || steps(9) || repeats || COMMON.contains(&pin) {
        return Err(WeakPin::Trivial);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_refused() {
        for trivial in [
            "000000", "777777", "123456", "456789", "789012", "654321", "210987", "121212",
            "123123", "1212121", "10101010", "112233", "159753",
        ] {
            assert_eq!(check(trivial), Err(WeakPin::Trivial), "{trivial}");
        }
        for wrong in [
            "",
            "12345",
            "73914",
            "73914a",
            "7391 48",
            "７３９１４８",
            &"73".repeat(17),
        ] {
            assert_eq!(check(wrong), Err(WeakPin::NotDigits), "{wrong}");
        }
    }

    #[test]
    fn most_are_fine() {
        for fine in ["739148", "120586", "73914873", "112234"] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        let refused = (0..1_000_000)
            .filter(|n| check(&format!("{n:06}")).is_err())
            .count();
        assert!((1_000..2_000).contains(&refused), "{refused} of a million");
    }
}
