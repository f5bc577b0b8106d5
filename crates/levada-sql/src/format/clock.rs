//! Dates, times and timestamps as text.
//!
//! As in Flink's formats, but that a day that its month does not have is refused everywhere, where Flink's timestamps
//! take the month's last.

use levada_model::calendar::{date_of, days_of};
use std::io::Write as _;

/// How a timestamp is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `2020-12-30 12:13:14.123`, with a `Z` behind it where it is a moment.
    #[default]
    Sql,
    /// `2020-12-30T12:13:14.123`, with a `Z` behind it where it is a moment; seconds may be left out.
    Iso8601,
}

pub(super) const NANOS_OF_SECOND: i64 = 1_000_000_000;
const NANOS_OF_DAY: i64 = 86_400 * NANOS_OF_SECOND;
/// The largest year: that of Java.
const YEAR_MAX: i64 = 999_999_999;

/// Text that is read from front to back.
struct Reading<'a>(&'a [u8]);

impl Reading<'_> {
    fn is(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn two(&mut self) -> Option<i64> {
        let (&[tens, ones], rest) = self.0.split_first_chunk()?;
        if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
            return None;
        }
        self.0 = rest;
        Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    }

    /// Digits up to `count_max`, and how many they are.
    fn digits(&mut self, count_max: usize) -> (i64, usize) {
        let count = self.0.iter().take(count_max).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        (digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')), count)
    }

    /// Days since 1970-01-01.
    fn date(&mut self) -> Option<i64> {
        let sign = match self.0.first()? {
            b'-' => -1,
            b'+' => 1,
            _ => 0,
        };
        if sign != 0 {
            self.0 = self.0.get(1..)?;
        }
        let (year, digits) = self.digits(9);
        // More than four digits have a sign, and a plus has more than four digits.
        let is_written_well = match sign {
            0 => digits == 4,
            1 => digits > 4,
            _ => digits >= 4,
        };
        if !is_written_well || !self.is(b'-') {
            return None;
        }
        let year = if sign < 0 { -year } else { year };
        let month = self.two()?;
        if !self.is(b'-') {
            return None;
        }
        days_of(year, month, self.two()?)
    }

    /// Nanoseconds since midnight.
    fn time(&mut self, seconds: Seconds) -> Option<i64> {
        let hours = self.two().filter(|hours| *hours < 24)?;
        let minutes = self.is(b':').then(|| self.two())??;
        if minutes > 59 {
            return None;
        }
        let whole = (hours * 60 + minutes) * 60;
        if !self.is(b':') {
            return (seconds == Seconds::Optional).then_some(whole * NANOS_OF_SECOND);
        }
        let whole = whole + self.two().filter(|seconds| *seconds < 60)?;
        let fraction = if self.is(b'.') {
            let (fraction, digits) = self.digits(9);
            fraction * 10_i64.pow(9 - u32::try_from(digits).ok()?)
        } else {
            0
        };
        Some(whole * NANOS_OF_SECOND + fraction)
    }

    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// Whether seconds may be left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seconds {
    Required,
    Optional,
}

/// A date such as `2020-12-30` as days since 1970-01-01.
pub(super) fn parse_date(text: &[u8]) -> Option<i64> {
    let mut reading = Reading(text);
    let days = reading.date()?;
    reading.end(days)
}

/// A time such as `12:13:14.123` as nanoseconds since midnight.
pub(super) fn parse_time(text: &[u8], seconds: Seconds) -> Option<i64> {
    let mut reading = Reading(text);
    let nanos = reading.time(seconds)?;
    reading.end(nanos)
}

/// A timestamp as days since 1970-01-01 and nanoseconds since midnight; a moment has a `Z` behind it.
pub(super) fn parse_timestamp(text: &[u8], format: TimestampFormat, is_moment: bool) -> Option<(i64, i64)> {
    let mut reading = Reading(text);
    let days = reading.date()?;
    let (is_separated, seconds) = match format {
        TimestampFormat::Sql => (reading.is(b' '), Seconds::Required),
        TimestampFormat::Iso8601 => (reading.is(b'T') || (!is_moment && reading.is(b't')), Seconds::Optional),
    };
    let nanos = if is_separated { reading.time(seconds)? } else { return None };
    if is_moment && !reading.is(b'Z') {
        return None;
    }
    reading.end((days, nanos))
}

/// A timestamp in units of which a second has so many, if that fits.
pub(super) fn units(days: i64, nanos: i64, units_of_second: i64) -> Option<i64> {
    let whole = days.checked_mul(86_400)?.checked_add(nanos.div_euclid(NANOS_OF_SECOND))?;
    let fraction = nanos.rem_euclid(NANOS_OF_SECOND) / (NANOS_OF_SECOND / units_of_second);
    // The first second that fits begins before the first fraction that does.
    if whole < 0 {
        return (whole + 1).checked_mul(units_of_second)?.checked_add(fraction - units_of_second);
    }
    whole.checked_mul(units_of_second)?.checked_add(fraction)
}

/// The days and nanoseconds of a timestamp in units of which a second has so many.
pub(super) fn split(value: i64, units_of_second: i64) -> (i64, i64) {
    let seconds = value.div_euclid(units_of_second);
    let fraction = value.rem_euclid(units_of_second) * (NANOS_OF_SECOND / units_of_second);
    (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) * NANOS_OF_SECOND + fraction)
}

/// Whether that is a time of day.
pub(super) fn is_time(nanos: i64) -> bool {
    (0..NANOS_OF_DAY).contains(&nanos)
}

/// Appends a date; false where it is beyond what can be written.
pub(super) fn write_date(days: i64, out: &mut Vec<u8>) -> bool {
    // Far enough from overflow, and farther than any year that can be written.
    if days.abs() > YEAR_MAX * 366 {
        return false;
    }
    let (year, month, day) = date_of(days);
    if year.abs() > YEAR_MAX {
        return false;
    }
    let sign = match year {
        ..0 => "-",
        0..10_000 => "",
        _ => "+",
    };
    write!(out, "{sign}{:04}-{month:02}-{day:02}", year.abs()).is_ok()
}

/// Appends a time, of a second's fraction as many digits as are not 0 at the end.
pub(super) fn write_time(nanos: i64, out: &mut Vec<u8>) -> bool {
    if !is_time(nanos) {
        return false;
    }
    let (seconds, fraction) = (nanos / NANOS_OF_SECOND, nanos % NANOS_OF_SECOND);
    let is_written = write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60).is_ok();
    if fraction == 0 {
        return is_written;
    }
    let is_fraction_written = write!(out, ".{fraction:09}").is_ok();
    while out.last() == Some(&b'0') {
        out.pop();
    }
    is_written && is_fraction_written
}

/// Appends a timestamp.
pub(super) fn write_timestamp(
    (days, nanos): (i64, i64),
    format: TimestampFormat,
    is_moment: bool,
    out: &mut Vec<u8>,
) -> bool {
    let is_date_written = write_date(days, out);
    out.push(if format == TimestampFormat::Sql { b' ' } else { b'T' });
    let is_time_written = write_time(nanos, out);
    if is_moment {
        out.push(b'Z');
    }
    is_date_written && is_time_written
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(days: i64) -> String {
        let mut out = Vec::new();
        assert!(write_date(days, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_days_have_their_dates() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (18_627, "2020-12-31"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "+10000-01-01"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
        ] {
            assert_eq!(date(days), text);
            assert_eq!(parse_date(text.as_bytes()), Some(days), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2020-1-01",
            "2020-02-30",
            "1900-02-29",
            "20200101",
            "2020-00-01",
            "2020-13-01",
            "2020-01-01 ",
            " 2020-01-01",
            "10000-01-01",
            "+2020-01-01",
            "-20-01-01",
            "2020-01-",
            "2020-01-0x",
        ] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn timestamps_are_read_in_one_format_alone() {
        use TimestampFormat::{Iso8601, Sql};
        let read = |text: &str, format, is_moment| parse_timestamp(text.as_bytes(), format, is_moment);
        let (hour, second) = (3_600 * NANOS_OF_SECOND, NANOS_OF_SECOND);
        assert_eq!(read("1970-01-02 01:00:00", Sql, false), Some((1, hour)));
        assert_eq!(read("1970-01-02 01:00:00.5", Sql, false), Some((1, hour + second / 2)));
        assert_eq!(read("1970-01-02 01:00:00.123456789Z", Sql, true), Some((1, hour + 123_456_789)));
        assert_eq!(read("1970-01-02T01:00", Iso8601, false), Some((1, hour)));
        assert_eq!(read("1970-01-02T01:00:00Z", Iso8601, true), Some((1, hour)));
        for (text, format, is_moment) in [
            ("1970-01-02T01:00:00", Sql, false),
            ("1970-01-02 01:00", Sql, false),
            ("1970-01-02 01:00:00Z", Sql, false),
            ("1970-01-02 01:00:00", Sql, true),
            ("1970-01-02 24:00:00", Sql, false),
            ("1970-01-02 01:60:00", Sql, false),
            ("1970-01-02 01:00:60", Sql, false),
            ("1970-01-02 01:00:00.1234567890", Sql, false),
            ("1970-01-02 01:00:00", Iso8601, false),
            ("1970-01-02T01:00:00+01:00", Iso8601, true),
        ] {
            assert_eq!(read(text, format, is_moment), None, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_64_bits_is_no_timestamp() {
        for unit in [1_000, 1_000_000, NANOS_OF_SECOND] {
            for value in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX] {
                let (days, nanos) = split(value, unit);
                assert_eq!(units(days, nanos, unit), Some(value), "{value} of {unit}");
            }
            let (days, nanos) = split(i64::MAX, unit);
            assert_eq!(units(days, nanos + NANOS_OF_SECOND / unit, unit), None);
        }
        assert_eq!(units(i64::MAX, 0, 1_000), None);
    }

    proptest! {
        #[test]
        fn timestamps_are_read_as_they_are_written(
            days in -100_000_000_i64..100_000_000, nanos in 0..NANOS_OF_DAY, is_moment: bool, is_sql: bool,
        ) {
            let format = if is_sql { TimestampFormat::Sql } else { TimestampFormat::Iso8601 };
            let mut out = Vec::new();
            prop_assert!(write_timestamp((days, nanos), format, is_moment, &mut out));
            prop_assert_eq!(parse_timestamp(&out, format, is_moment), Some((days, nanos)));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            parse_date(&bytes);
            parse_time(&bytes, Seconds::Optional);
            parse_timestamp(&bytes, TimestampFormat::Sql, true);
        }
    }
}
