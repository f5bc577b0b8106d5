//! Sizes, durations and moments as people write them: `64MiB`, `10s`, `2026-07-01T12:00:00Z`.

use levada_model::{
    Timestamp,
    calendar::{date_of, days_of},
};
use std::time::Duration;

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    /// Not a size.
    #[error("`{0}` is not a size; write `1048576`, `64KiB`, `10MiB` or `1GiB`")]
    Size(String),
    /// Not a duration.
    #[error("`{0}` is not a duration; write `250ms`, `10s`, `5m`, `2h` or `7d`")]
    Duration(String),
    /// Not a moment.
    #[error(
        "`{0}` is not a time; write `2026-07-01T12:00:00Z`, `2026-07-01`, milliseconds since 1970, or `10m` for ten minutes ago"
    )]
    Moment(String),
}

const SIZES: [(&str, u64); 9] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
];

const DURATIONS_MS: [(&str, u64); 7] =
    [("ms", 1), ("min", 60_000), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// Bytes in `text`; a bare number counts bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, UnitError> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = split_unit(&lower);
    let factor = if unit.is_empty() { Some(1) } else { find(&SIZES, unit) };
    factor.and_then(|factor| scaled(number, factor)).ok_or_else(|| UnitError::Size(text.to_owned()))
}

/// The duration in `text`, which must have a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split_unit(text.trim());
    find(&DURATIONS_MS, unit)
        .and_then(|factor| scaled(number, factor))
        .map(Duration::from_millis)
        .ok_or_else(|| UnitError::Duration(text.to_owned()))
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

fn find(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

/// `number`, which may have up to three decimals, times `factor`.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if decimals.len() > 3 || (number.contains('.') && decimals.is_empty()) {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse::<u64>().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(thousandths.checked_mul(factor)? / 1_000)
}

/// Bytes for people: `1.5 GiB`.
pub(crate) fn show_size(bytes: u64) -> String {
    let units = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes >= *unit) {
        None => format!("{bytes} B"),
        Some((name, unit)) => {
            let tenths = bytes / (unit / 10).max(1);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    }
}

/// The shortest exact form of `duration`: `7d`, `1500ms`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let exact = DURATIONS_MS.iter().rev().skip(1).find(|(_, factor)| ms > 0 && ms.is_multiple_of(*factor));
    exact.map_or_else(|| format!("{ms}ms"), |(name, factor)| format!("{}{name}", ms / factor))
}

/// The moment in `text`: RFC 3339, a date, milliseconds since 1970, or a duration before `now`.
pub(crate) fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, UnitError> {
    let text = text.trim();
    if let Ok(ms) = text.parse::<i64>() {
        return Ok(ms);
    }
    if let Ok(ago) = parse_duration(text) {
        let ago_ms = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        return Ok(now.saturating_sub(ago_ms));
    }
    parse_rfc3339(text).ok_or_else(|| UnitError::Moment(text.to_owned()))
}

fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_at_checked(10)?;
    let mut parts = date.splitn(3, '-');
    let year: i64 = digits(parts.next()?, 4)?;
    let (month, day) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let midnight_ms = days_of(year, month, day)? * 86_400_000;
    if time.is_empty() {
        return Some(midnight_ms);
    }
    let time = time.strip_prefix(['T', 't', ' '])?;
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let (hms, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = hms.splitn(3, ':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = digits(parts.next().unwrap_or("00"), 2).filter(|second| *second < 61)?;
    let fraction_ms = if fraction.is_empty() { 0 } else { digits(format!("{fraction:0<3}").get(..3)?, 3)? };
    let offset_minutes = match zone {
        "Z" | "z" => 0,
        _ => {
            let (sign, rest) = zone.split_at_checked(1)?;
            let (hours, minutes) = rest.split_once(':')?;
            let total = digits(hours, 2)? * 60 + digits(minutes, 2)?;
            if sign == "-" { -total } else { total }
        }
    };
    Some(midnight_ms + ((hour * 60 + minute - offset_minutes) * 60 + second) * 1_000 + fraction_ms)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// RFC 3339 in UTC with milliseconds: `2026-07-01T12:00:00.000Z`.
pub(crate) fn show_moment(timestamp: Timestamp) -> String {
    let (days, ms) = (timestamp.div_euclid(86_400_000), timestamp.rem_euclid(86_400_000));
    let (year, month, day) = date_of(days);
    let (hour, minute, second, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_with_binary_and_decimal_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("64KiB", 64 << 10),
            ("64 mib", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("10MB", 10_000_000),
            ("7b", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.MiB", "1x", "1.2345MiB", "99999999999999999999", "20000000TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("10min"), parse_duration("10m"));
        for (text, ms) in
            [("250ms", 250), ("10s", 10_000), ("1.5h", 5_400_000), ("7d", 604_800_000), ("2w", 1_209_600_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "10", "s", "10 parsecs", "-1s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quantities_are_shown_as_they_are_read() {
        for text in ["0ms", "1500ms", "90s", "2h", "7d"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!([0, 1023, 1024, 1_572_864].map(show_size), ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
    }

    #[test]
    fn moments_read_rfc_3339_dates_milliseconds_and_ages() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29", 951_782_400_000),
            ("2026-07-01T12:00:00Z", 1_782_907_200_000),
            ("2026-07-01T14:00:00.5+02:00", 1_782_907_200_500),
            ("2026-07-01 12:00Z", 1_782_907_200_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("1234", 1_234),
            ("-2", -2),
            ("10m", 400_000),
        ] {
            assert_eq!(parse_moment(text, 1_000_000), Ok(ms), "{text}");
        }
        for text in
            ["", "yesterday", "2026-13-01", "2026-02-30", "2026-07-01T25:00:00Z", "2026-07-01T12:00:00", "é026-07-01"]
        {
            assert!(parse_moment(text, 0).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_round_trip_over_four_thousand_years() {
        for day in (-800_000..800_000_i64).step_by(97) {
            let ms = day * 86_400_000 + 12_345_678;
            if (0..=9_999).contains(&date_of(day).0) {
                assert_eq!(parse_rfc3339(&show_moment(ms)), Some(ms), "{}", show_moment(ms));
            }
        }
    }
}
