//! Dates and decimals, read a second time and another way than the core reads them.

use std::cmp::Ordering;
use std::fmt;

/// The last millisecond of 9999: nothing ends later.
const LAST: i64 = 253_402_300_799_999;

/// `[first, end)` in ms since 1970 of a FHIR date, dateTime or instant of any precision. A missing zone means UTC.
pub fn date(text: &str) -> Option<(i64, i64)> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let fields: Vec<&str> = day.split('-').collect();
    let year = digits(fields.first()?, 4)?;
    let month = fields.get(1).map(|m| digits(m, 2));
    let date = fields.get(2).map(|d| digits(d, 2));
    let (month, date) = match (month, date, fields.len()) {
        (None, None, 1) => (None, None),
        (Some(month), None, 2) => (Some(month?), None),
        (Some(month), Some(date), 3) => (Some(month?), Some(date?)),
        _ => return None,
    };
    if !(1..=12).contains(&month.unwrap_or(1)) || year == 0 {
        return None;
    }
    let month_days =
        days_before(year, month.unwrap_or(1) + 1) - days_before(year, month.unwrap_or(1));
    if !(1..=month_days).contains(&date.unwrap_or(1)) {
        return None;
    }
    let start = days_before(year, month.unwrap_or(1)) + date.unwrap_or(1) - 1;
    let end = match (month, date) {
        (None, _) => days_before(year + 1, 1),
        (Some(month), None) => days_before(year, month + 1),
        _ => start + 1,
    };
    const DAY: i64 = 86_400_000;
    let Some(time) = time else {
        return Some((start * DAY, (end * DAY).min(LAST)));
    };
    date?;
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let offset_minutes = match zone {
        "" | "Z" => 0,
        _ => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let minutes = digits(hours, 2)? * 60 + digits(minutes, 2).filter(|m| *m < 60)?;
            if zone.starts_with('-') {
                -minutes
            } else {
                minutes
            }
        }
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let hour = digits(parts.first()?, 2).filter(|h| *h < 24)?;
    let minute = digits(parts.get(1)?, 2).filter(|m| *m < 60)?;
    let second = match parts.get(2) {
        Some(second) => Some(digits(second, 2).filter(|s| *s < 60)?),
        None => None,
    };
    if parts.len() > 3 || (fraction.is_some() && second.is_none()) {
        return None;
    }
    let (part, width) = match (fraction, second) {
        (Some(fraction), _) => {
            digits(fraction, fraction.len()).filter(|_| !fraction.is_empty())?;
            let shown: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
            (shown, [1000, 100, 10, 1][fraction.len().min(3)])
        }
        (None, Some(_)) => (0, 1000),
        (None, None) => (0, 60_000),
    };
    let minutes = hour * 60 + minute - offset_minutes;
    let first = start * DAY + minutes * 60_000 + second.unwrap_or(0) * 1000 + part;
    Some((first, first + width))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let fits = text.len() == count && count <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// Days from 1970-01-01 to the first of a month; month 13 is January of the next year.
fn days_before(year: i64, month: i64) -> i64 {
    let is_leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let leaps = |y: i64| y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    let mut days = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    let lengths = [
        31,
        28 + i64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    for length in lengths.iter().take(usize::try_from(month - 1).unwrap_or(0)) {
        days += length;
    }
    days
}

/// A decimal number, exact as far as its digits fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exact {
    digits: i128,
    power: i32,
}

impl Exact {
    /// Reads a JSON number or a number of a search.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}").parse().ok()?;
        let power: i32 = power.parse().ok()?;
        let power = power.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Some(Self { digits, power })
    }

    /// Half a unit of its last digit.
    pub fn half_unit(self) -> Self {
        Self {
            digits: 5,
            power: self.power - 1,
        }
    }

    /// A tenth of its size.
    pub fn tenth(self) -> Self {
        Self {
            digits: self.digits.abs(),
            power: self.power - 1,
        }
    }

    /// `self + sign * other`.
    pub fn plus(self, sign: i128, other: Self) -> Self {
        let power = self.power.min(other.power);
        let digits = self.scaled(power).unwrap_or(0) + sign * other.scaled(power).unwrap_or(0);
        Self { digits, power }
    }

    fn scaled(self, power: i32) -> Option<i128> {
        let shift = u32::try_from(self.power - power).ok()?;
        self.digits.checked_mul(10_i128.checked_pow(shift)?)
    }
}

/// Plain where that is short. A single digit with an exponent would be read as two (see the core's `Decimal`).
impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::try_from(-self.power) {
            Ok(0) => write!(f, "{}", self.digits),
            Ok(places @ 1..=20) => {
                let sign = if self.digits < 0 { "-" } else { "" };
                let one = 10_u128.pow(places);
                let (whole, part) = (
                    self.digits.unsigned_abs() / one,
                    self.digits.unsigned_abs() % one,
                );
                write!(f, "{sign}{whole}.{part:0>width$}", width = places as usize)
            }
            _ => write!(f, "{}e{}", self.digits, self.power),
        }
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let power = self.power.min(other.power);
        match (self.scaled(power), other.scaled(power)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            // Powers so far apart that digits do not matter.
            _ => {
                let float = |e: &Self| format!("{}e{}", e.digits, e.power).parse::<f64>();
                float(self).ok()?.partial_cmp(&float(other).ok()?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        assert_eq!(date("1970"), Some((0, 365 * 86_400_000)));
        assert_eq!(date("2000-03-01"), Some((951_868_800_000, 951_955_200_000)));
        assert_eq!(date("1969-12-31T23:59:59.9Z"), Some((-100, 0)));
        assert_eq!(date("1970-01-01T01:00+01:00"), Some((0, 60_000)));
        for bad in [
            "",
            "1973-02-30",
            "2020-13",
            "2020-1-1",
            "2020-01-01T",
            "2020-01-01T10",
            "2020-01T10:00Z",
        ] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_compare_by_value() {
        let exact = |text| Exact::parse(text).unwrap();
        assert!(exact("1.0") <= exact("1") && exact("1e2") >= exact("100.00"));
        assert!(exact("-3") < exact("-2.99"));
        assert!(exact("1e-200") < exact("1e200"));
        assert!(exact("5.4").plus(-1, exact("5.4").half_unit()) <= exact("5.35"));
    }
}
