//! Numbers of a search, with the digits they were written with: R4 reads `5.4` as "about 5.4" and `5.40` more narrowly.
//!
//! R4's table of examples reads `1e2` as [95, 105), one digit more than the words beside it ("1 significant figure")
//! give, and `1.00e2` as three digits. Both hold when a single digit with an exponent counts as two.
//!
//! Bounds are computed in decimal and rounded to `f64` last. In binary `99.5` is exact but `5.4 - 0.05` is not, and a
//! value that stands on the bound would fall on the wrong side of it.

use std::fmt;

/// Digits a number of a search may have. FHIR recommends servers to keep 18.
const MAX_DIGITS: usize = 30;
/// Largest power of ten, up or down.
const MAX_EXPONENT: i32 = 300;

/// A decimal number that keeps its precision: `mantissa` times ten to the power of `exponent`.
///
/// ```
/// use pocketchart_core::fhir::search::Decimal;
/// let range = |text| Decimal::parse(text).map(|d| d.range());
/// assert_eq!(range("100"), Ok((99.5, 100.5)));
/// assert_eq!(range("1e2"), Ok((95.0, 105.0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i128,
    exponent: i32,
}

/// The text is no FHIR decimal. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a number such as 5.4 or 1e-3, of at most {MAX_DIGITS} digits")]
pub struct InvalidDecimal;

impl Decimal {
    /// Reads `-12.50`, `1e-3`. Trailing zeros count as digits.
    ///
    /// # Errors
    /// [`InvalidDecimal`].
    pub fn parse(text: &str) -> Result<Self, InvalidDecimal> {
        let (number, power) = match text.split_once(['e', 'E']) {
            Some((number, power)) => (number, Self::power(power)?),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return Err(InvalidDecimal),
            Some(parts) => parts,
            None => (number, ""),
        };
        if whole.is_empty() {
            return Err(InvalidDecimal);
        }
        let mut mantissa = 0_i128;
        let mut digits = 0;
        for digit in whole.chars().chain(fraction.chars()) {
            let digit = digit.to_digit(10).ok_or(InvalidDecimal)?;
            digits += usize::from(digits > 0 || digit > 0);
            if digits > MAX_DIGITS {
                return Err(InvalidDecimal);
            }
            mantissa = mantissa * 10 + i128::from(digit);
        }
        let places = i32::try_from(fraction.len()).map_err(|_| InvalidDecimal)?;
        let mut exponent = power.checked_sub(places).ok_or(InvalidDecimal)?;
        if digits == 1 && text.contains(['e', 'E']) {
            (mantissa, exponent) = (mantissa * 10, exponent - 1);
        }
        if exponent.abs() > MAX_EXPONENT {
            return Err(InvalidDecimal);
        }
        Ok(Self {
            mantissa: if negative { -mantissa } else { mantissa },
            exponent,
        })
    }

    fn power(text: &str) -> Result<i32, InvalidDecimal> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let fits = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !fits {
            return Err(InvalidDecimal);
        }
        text.parse().map_err(|_| InvalidDecimal)
    }

    /// The number itself, for `gt lt ge le sa eb`: R4 compares these exactly.
    pub fn value(self) -> f64 {
        float(self.mantissa, self.exponent)
    }

    /// `[low, high)` of its implicit precision, half a unit of its last digit to each side (R4 search, 3.1.1.4.6).
    pub fn range(self) -> (f64, f64) {
        let middle = self.mantissa * 10;
        let bound = |half: i128| float(middle + half, self.exponent - 1);
        (bound(-5), bound(5))
    }

    /// `[low, high]` of `ap`: a tenth of the number to each side.
    pub fn around(self) -> (f64, f64) {
        let near = float(self.mantissa * 9, self.exponent - 1);
        let far = float(self.mantissa * 11, self.exponent - 1);
        (near.min(far), near.max(far))
    }
}

/// Rounded once, by the standard library's correctly rounding parser.
fn float(mantissa: i128, exponent: i32) -> f64 {
    format!("{mantissa}e{exponent}").parse().unwrap_or(f64::NAN)
}

/// As it may be written to be read as the same again.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(places) = usize::try_from(-self.exponent) else {
            return write!(f, "{}e{}", self.mantissa, self.exponent);
        };
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = format!("{:0>1$}", self.mantissa.unsigned_abs(), places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        if fraction.is_empty() {
            write!(f, "{sign}{whole}")
        } else {
            write!(f, "{sign}{whole}.{fraction}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn precision_is_half_a_unit_of_the_last_digit() {
        for (text, low, high) in [
            ("100", 99.5, 100.5),
            ("100.00", 99.995, 100.005),
            ("1e2", 95.0, 105.0),
            ("1.00e2", 99.5, 100.5),
            ("5.4", 5.35, 5.45),
            ("2e-3", 0.00195, 0.00205),
            ("0.002", 0.0015, 0.0025),
            ("0", -0.5, 0.5),
            ("-7.0", -7.05, -6.95),
            ("0.30", 0.295, 0.305),
        ] {
            assert_eq!(decimal(text).range(), (low, high), "{text}");
        }
        assert_eq!(decimal("100").around(), (90.0, 110.0));
        assert_eq!(decimal("-3").around(), (-3.3, -2.7));
        assert_eq!(decimal("0.1").value(), 0.1);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in [
            "", "-", ".", "1.", ".5", "+1", "1e", "1e+", "e1", "1_0", "0x1", "NaN", "inf", " 1",
            "1 ", "1e99999", "1e302", "١", "--1", "1.2.3",
        ] {
            assert_eq!(Decimal::parse(bad), Err(InvalidDecimal), "{bad}");
        }
        assert!(Decimal::parse(&"9".repeat(31)).is_err());
        assert!(Decimal::parse(&format!("0.{}1", "0".repeat(299))).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(text in "-?[0-9]{1,14}(\\.[0-9]{1,15})?([eE][-+]?[0-9]{1,3})?") {
            if let Ok(read) = Decimal::parse(&text) {
                prop_assert_eq!(Decimal::parse(&read.to_string()), Ok(read));
                let (low, high) = read.range();
                prop_assert!(low <= read.value() && read.value() <= high);
                prop_assert_eq!(read.value(), text.parse::<f64>().unwrap());
            }
        }
    }
}
