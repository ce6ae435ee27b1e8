//! FHIR instants and the ranges that shorter dates stand for.

use jiff::civil::{DateTime, date};
use jiff::{SignedDuration, Timestamp};
use std::fmt;

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// A point in time in whole milliseconds since 1970-01-01T00:00:00Z, printed as FHIR `instant` in UTC.
///
/// Servers stamp finer than they print; whoever compares must use `>=`, never `>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// The text is no FHIR date, dateTime or instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a FHIR date: expected YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.fff]] with a zone"
)]
pub struct InvalidDate;

impl Instant {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since 1970. Values outside years 1 to 9999 are clamped: every instant prints, and one that was stored comes back as the same.
    pub fn from_epoch_ms(ms: i64) -> Self {
        Self(ms.clamp(-62_135_596_800_000, 253_402_300_799_999))
    }

    /// Milliseconds since 1970.
    pub fn epoch_ms(self) -> i64 {
        self.0
    }

    /// Reads an `instant` (date, time and zone required; digits finer than a millisecond are cut off, not rounded).
    ///
    /// # Errors
    /// [`InvalidDate`].
    pub fn parse(text: &str) -> Result<Self, InvalidDate> {
        if let Some(at) = Self::parse_strict(text) {
            return Ok(at);
        }
        let stamp: Timestamp = text.parse().map_err(|_| InvalidDate)?;
        let ms = stamp.as_nanosecond().div_euclid(1_000_000);
        Ok(Self::from_epoch_ms(ms.try_into().map_err(|_| InvalidDate)?))
    }
}

impl Instant {
    /// As FHIR writes instants, with `Z` or `+hh:mm`; to the end of 9999, which `Timestamp` does not reach.
    fn parse_strict(text: &str) -> Option<Self> {
        let (local, minutes) = match text.strip_suffix('Z') {
            Some(local) => (local, 0),
            None => {
                let (local, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
                let (hours, minutes) = zone.get(1..)?.split_once(':')?;
                let hours = number(Some(hours), 2).ok().filter(|h| *h < 24)?;
                let minutes = number(Some(minutes), 2).ok().filter(|m| *m < 60)?;
                let east = i64::from(hours) * 60 + i64::from(minutes);
                match zone.as_bytes().first()? {
                    b'+' => (local, east),
                    b'-' => (local, -east),
                    _ => return None,
                }
            }
        };
        let (_, clock) = local.split_once('T')?;
        // jiff would accept, and ignore, a zone in a local time.
        let is_clock = |b: u8| b.is_ascii_digit() || b == b':' || b == b'.';
        if clock.len() < 5 || !clock.bytes().all(is_clock) {
            return None;
        }
        let at = utc(local.parse().ok()?);
        Some(Self::from_epoch_ms(at.0 - minutes * 60_000))
    }

    /// As HTTP writes dates: `Tue, 24 Nov 2026 06:40:03 GMT` (RFC 9110, 5.6.7).
    pub fn to_http_date(self) -> String {
        let civil = self.civil();
        civil.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Reads a date as HTTP writes it. `None`: it is none, and RFC 9110 (13.1.3) wants the header ignored.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(Self::from_epoch_ms(zoned.timestamp().as_millisecond()))
    }

    /// In UTC. Not by `Timestamp`, whose range ends a day before the year 9999 does, for the sake of time zones.
    fn civil(self) -> DateTime {
        EPOCH.saturating_add(SignedDuration::from_millis(self.0))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}Z", self.civil())
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The span a date of any precision stands for: `first` included, `end` excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First millisecond inside.
    pub first: Instant,
    /// First millisecond after it.
    pub end: Instant,
}

impl Span {
    /// Reads a FHIR date or dateTime: `2026`, `2026-11`, `2026-11-24`, `2026-11-24T06:40Z`, `...:03.5+01:00`.
    /// A missing zone means UTC.
    ///
    /// # Errors
    /// [`InvalidDate`].
    pub fn parse(text: &str) -> Result<Self, InvalidDate> {
        if let Some((_, time)) = text.split_once('T') {
            return Self::parse_date_time(text, time);
        }
        let mut parts = text.split('-');
        let year = number(parts.next(), 4)?;
        let month = parts.next().map(|p| number(Some(p), 2)).transpose()?;
        let day = parts.next().map(|p| number(Some(p), 2)).transpose()?;
        if parts.next().is_some() {
            return Err(InvalidDate);
        }
        let small = |n: Option<i16>| i8::try_from(n.unwrap_or(1)).map_err(|_| InvalidDate);
        let first =
            jiff::civil::Date::new(year, small(month)?, small(day)?).map_err(|_| InvalidDate)?;
        let length = match (month, day) {
            (None, _) => jiff::Span::new().years(1),
            (_, None) => jiff::Span::new().months(1),
            _ => jiff::Span::new().days(1),
        };
        // 9999-12-31 is how many systems write "for ever"; no civil date follows it.
        let end = first.checked_add(length);
        if year == 0 {
            return Err(InvalidDate);
        }
        Ok(Self {
            first: utc(first.at(0, 0, 0, 0)),
            end: end.map_or(Instant::from_epoch_ms(i64::MAX), |end| {
                utc(end.at(0, 0, 0, 0))
            }),
        })
    }

    /// As text that parses to this span again.
    pub fn written(self) -> String {
        let first = self.first.to_string();
        let same = |text: &str| Self::parse(text) == Ok(self);
        let shorter = [4, 7, 10].into_iter().filter_map(|n| first.get(..n));
        let timed = [16, 19, 21, 22, 23]
            .into_iter()
            .filter_map(|n| first.get(..n));
        let timed = timed.map(|text| format!("{text}Z"));
        let mut all = shorter.map(str::to_owned).chain(timed);
        all.find(|text| same(text)).unwrap_or(first)
    }

    fn parse_date_time(text: &str, time: &str) -> Result<Self, InvalidDate> {
        let zone_at = time.find(['Z', '+', '-']);
        let clock = &time[..zone_at.unwrap_or(time.len())];
        let length_ms = match clock.len() {
            5 => 60_000,
            8 => 1_000,
            9.. if clock.as_bytes().get(8) == Some(&b'.') => {
                10_i64.pow(3_u32.saturating_sub(fraction_digits(clock)))
            }
            _ => return Err(InvalidDate),
        };
        let first = match zone_at {
            Some(_) => Instant::parse(text)?,
            None => utc(text.parse().map_err(|_| InvalidDate)?),
        };
        Ok(Self {
            first,
            end: Instant::from_epoch_ms(first.0 + length_ms),
        })
    }
}

fn fraction_digits(clock: &str) -> u32 {
    u32::try_from(clock.len().saturating_sub(9)).unwrap_or(u32::MAX)
}

fn number(part: Option<&str>, digits: usize) -> Result<i16, InvalidDate> {
    let part = part
        .filter(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_digit()))
        .ok_or(InvalidDate)?;
    part.parse().map_err(|_| InvalidDate)
}

fn utc(at: DateTime) -> Instant {
    let since = at.duration_since(EPOCH).as_nanos();
    Instant::from_epoch_ms(i64::try_from(since.div_euclid(1_000_000)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_in_utc_with_milliseconds() {
        let at = Instant::parse("2026-11-24T07:40:03.1239+01:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-24T06:40:03.123Z");
        assert_eq!(Instant::parse(&at.to_string()).unwrap(), at);
        assert_eq!(
            Instant::parse("1969-12-31T23:59:59.9999Z")
                .unwrap()
                .epoch_ms(),
            -1
        );
    }

    #[test]
    fn every_instant_prints_and_comes_back_from_its_number() {
        for ms in [
            i64::MIN,
            -62_135_596_800_001,
            253_402_300_799_999,
            253_402_300_799_999,
            i64::MAX,
        ] {
            let at = Instant::from_epoch_ms(ms);
            assert_eq!(Instant::parse(&at.to_string()).unwrap(), at);
        }
        for odd in ["-000500-01-01T00:00:00Z", "9999-12-30T22:00:00.9999Z"] {
            let at = Instant::parse(odd).unwrap();
            assert_eq!(Instant::from_epoch_ms(at.epoch_ms()), at, "{odd}");
        }
    }

    #[test]
    fn a_shorter_date_is_a_longer_span() {
        let span = |text| {
            Span::parse(text).map(|s| (s.first.to_string(), s.end.epoch_ms() - s.first.epoch_ms()))
        };
        let day = 86_400_000;
        assert_eq!(
            span("2024").unwrap(),
            ("2024-01-01T00:00:00.000Z".into(), 366 * day)
        );
        assert_eq!(
            span("2024-02").unwrap(),
            ("2024-02-01T00:00:00.000Z".into(), 29 * day)
        );
        assert_eq!(
            span("2024-02-29").unwrap(),
            ("2024-02-29T00:00:00.000Z".into(), day)
        );
        assert_eq!(
            span("2024-02-29T10:00-05:00").unwrap(),
            ("2024-02-29T15:00:00.000Z".into(), 60_000)
        );
        assert_eq!(span("2024-02-29T10:00:01Z").unwrap().1, 1_000);
        assert_eq!(span("2024-02-29T10:00:01.5Z").unwrap().1, 100);
        assert_eq!(span("2024-02-29T10:00:01.123456Z").unwrap().1, 1);
        assert_eq!(
            span("2024-02-29T10:00:01").unwrap().0,
            "2024-02-29T10:00:01.000Z"
        );
    }

    #[test]
    fn the_ends_of_time_are_read_and_printed() {
        let ends = [i64::MIN, i64::MAX].map(|ms| Instant::from_epoch_ms(ms).to_string());
        assert_eq!(
            ends,
            ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"]
        );
        let end = |text| Span::parse(text).unwrap().end;
        assert_eq!(end("9999"), Instant::from_epoch_ms(i64::MAX));
        assert_eq!(end("9999-12-31"), Instant::from_epoch_ms(i64::MAX));
        assert_eq!(end("9999-12-30").to_string(), "9999-12-31T00:00:00.000Z");
        for last in [
            "9999-12-31T23:59:59",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59+00:00",
        ] {
            let last = Span::parse(last).unwrap();
            assert_eq!(last.first.to_string(), "9999-12-31T23:59:59.000Z");
        }
    }

    #[test]
    fn dates_of_http() {
        let at = Instant::parse("2026-11-24T06:40:03.123Z").unwrap();
        let read = Instant::parse_http_date(&at.to_http_date()).unwrap();
        assert_eq!(read.to_string(), "2026-11-24T06:40:03.000Z");
        assert_eq!(Instant::parse_http_date("yesterday"), None);
    }

    #[test]
    fn spans_are_written_as_they_parse() {
        for text in [
            "2024",
            "2024-02",
            "2024-02-29",
            "2024-01-01T00:00Z",
            "2024-02-29T10:00:01Z",
            "2024-02-29T10:00:01.5Z",
            "2024-02-29T10:00:01.50Z",
            "2024-02-29T10:00:01.500Z",
        ] {
            assert_eq!(Span::parse(text).unwrap().written(), text);
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in [
            "",
            "24",
            "2024-13",
            "2023-02-29",
            "2024-1-1",
            "2024-02-29T",
            "2024-02-29T10",
            "+2024",
            "2024-02-29T10:00:01x",
            "now",
            "0000",
            "2024-02-29T10:00:01+01:00Z",
            "2024-02-29T10:00:01+01:00+01:00",
            "2024-02-29T10:00:01+99:00",
        ] {
            assert_eq!(Span::parse(bad), Err(InvalidDate), "{bad}");
        }
    }
}
