//! Days, times of day and moments as PostgreSQL writes and reads them in its style `ISO`.

use levada_model::calendar::{date_of, days_of};
use std::fmt::Write as _;

pub(crate) const MICROS_OF_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_OF_DAY: i64 = 86_400 * MICROS_OF_SECOND;
/// Days from 1970-01-01 to 2000-01-01, from where PostgreSQL counts.
pub(crate) const DAYS_TO_2000: i32 = 10_957;
/// The same in microseconds.
pub(crate) const MICROS_TO_2000: i64 = 10_957 * MICROS_OF_DAY;

/// A day, and whether its year is before Christ, which is told at the end.
fn write_date(out: &mut String, days: i64) -> bool {
    let (year, month, day) = date_of(days);
    let (shown, is_before) = if year > 0 { (year, false) } else { (1 - year, true) };
    // Nothing that is written to a text fails.
    let _written = write!(out, "{shown:04}-{month:02}-{day:02}");
    is_before
}

fn write_time(out: &mut String, micros: i64) {
    let (seconds, rest) = (micros / MICROS_OF_SECOND, micros % MICROS_OF_SECOND);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let _written = write!(out, "{hours:02}:{minutes:02}:{seconds:02}");
    if rest > 0 {
        let digits = format!("{rest:06}");
        let _written = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// Days since 1970-01-01 as text.
pub(crate) fn date_text(days: i32) -> String {
    let mut out = String::new();
    if write_date(&mut out, i64::from(days)) {
        out.push_str(" BC");
    }
    out
}

/// Microseconds since midnight as text.
pub(crate) fn time_text(micros: i64) -> String {
    let mut out = String::new();
    write_time(&mut out, micros);
    out
}

/// Microseconds since 1970 as text, in UTC where it is a moment.
pub(crate) fn timestamp_text(micros: i64, is_moment: bool) -> String {
    let mut out = String::new();
    let is_before = write_date(&mut out, micros.div_euclid(MICROS_OF_DAY));
    out.push(' ');
    write_time(&mut out, micros.rem_euclid(MICROS_OF_DAY));
    if is_moment {
        out.push_str("+00");
    }
    if is_before {
        out.push_str(" BC");
    }
    out
}

/// Text that is read from front to back.
struct Reading<'a>(&'a str);

impl Reading<'_> {
    fn is(&mut self, sign: char) -> bool {
        match self.0.strip_prefix(sign) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// So many digits.
    fn number(&mut self, digits_min: usize, digits_max: usize) -> Option<i64> {
        let count = self.0.bytes().take(digits_max).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(count);
        if count < digits_min {
            return None;
        }
        self.0 = rest;
        digits.parse().ok()
    }

    fn date(&mut self) -> Option<i64> {
        let year = self.number(4, 6)?;
        let month = self.is('-').then(|| self.number(1, 2))??;
        let day = self.is('-').then(|| self.number(1, 2))??;
        days_of(year, month, day)
    }

    fn time(&mut self) -> Option<i64> {
        let hours = self.number(1, 2)?;
        let minutes = self.is(':').then(|| self.number(2, 2))??;
        let seconds = if self.is(':') { self.number(2, 2)? } else { 0 };
        let mut micros = 0;
        if self.is('.') {
            let before = self.0.len();
            let fraction = self.number(1, 9)?;
            let digits = u32::try_from(before - self.0.len()).ok()?;
            micros = fraction * 10_i64.pow(9 - digits) / 1_000;
        }
        if hours > 24 || minutes > 59 || seconds > 59 {
            return None;
        }
        let all = ((hours * 60 + minutes) * 60 + seconds) * MICROS_OF_SECOND + micros;
        (all <= MICROS_OF_DAY).then_some(all)
    }

    /// How far a zone is ahead of UTC; none where there is no zone.
    fn zone(&mut self) -> Option<Option<i64>> {
        if self.is('Z') || self.is('z') {
            return Some(Some(0));
        }
        let sign = match (self.is('+'), self.is('-')) {
            (true, _) => 1,
            (false, true) => -1,
            (false, false) => return Some(None),
        };
        let hours = self.number(1, 2)?;
        let minutes = if self.is(':') { self.number(2, 2)? } else { self.number(0, 2).unwrap_or(0) };
        (hours <= 15 && minutes < 60).then_some(Some(sign * (hours * 60 + minutes) * 60 * MICROS_OF_SECOND))
    }

    fn end(&self) -> Option<()> {
        self.0.trim().is_empty().then_some(())
    }
}

/// Days since 1970-01-01 of a text.
pub(crate) fn date(text: &str) -> Option<i32> {
    let mut reading = Reading(text.trim());
    let days = reading.date()?;
    reading.end()?;
    i32::try_from(days).ok()
}

/// Microseconds since midnight of a text.
pub(crate) fn time(text: &str) -> Option<i64> {
    let mut reading = Reading(text.trim());
    let micros = reading.time()?;
    reading.zone()?;
    reading.end()?;
    // Midnight at the end of a day is the next day's.
    Some(micros).filter(|micros| *micros < MICROS_OF_DAY)
}

/// Microseconds since 1970 of a text: of a moment in UTC where no zone is named, otherwise without regard to zones.
pub(crate) fn timestamp(text: &str, is_moment: bool) -> Option<i64> {
    let mut reading = Reading(text.trim());
    let days = reading.date()?;
    let mut micros = 0;
    if reading.is(' ') || reading.is('T') {
        reading.0 = reading.0.trim_start();
        micros = reading.time()?;
    }
    reading.0 = reading.0.trim_start();
    let ahead = reading.zone()?.filter(|_| is_moment).unwrap_or(0);
    reading.end()?;
    days.checked_mul(MICROS_OF_DAY)?.checked_add(micros - ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_comes_back_from_its_text() {
        for day in (-719_000..2_000_000).step_by(97) {
            assert_eq!(date(&date_text(day)), Some(day), "{}", date_text(day));
        }
        assert_eq!(date_text(0), "1970-01-01");
        assert_eq!(date_text(DAYS_TO_2000), "2000-01-01");
        assert_eq!((date_text(-719_162), date_text(-719_528)), ("0001-01-01".to_owned(), "0001-01-01 BC".to_owned()));
        assert_eq!((date("2023-02-29"), date("2024-02-29").is_some(), date("2024-13-01")), (None, true, None));
    }

    #[test]
    fn moments_are_read_in_their_zone_and_written_in_utc() {
        let moment = timestamp("2024-03-10 12:30:45.5+02", true).unwrap();
        assert_eq!(timestamp_text(moment, true), "2024-03-10 10:30:45.5+00");
        assert_eq!(timestamp("2024-03-10T10:30:45.5Z", true), Some(moment));
        assert_eq!(timestamp("2024-03-10 12:30:45.5+02", false), timestamp("2024-03-10 12:30:45.500000", false));
        assert_eq!(timestamp_text(-1, false), "1969-12-31 23:59:59.999999");
        assert_eq!(timestamp("2024-03-10", false), timestamp("2024-03-10 00:00", false));
        assert_eq!(timestamp("2024-03-10 24:00", false), timestamp("2024-03-11", false));
        for wrong in ["", "2024", "2024-03-10 25:00", "2024-03-10 10:61", "2024-03-10 10:00 x", "now"] {
            assert_eq!(timestamp(wrong, true), None, "{wrong}");
        }
        assert_eq!(time_text(time("23:59:59.000001").unwrap()), "23:59:59.000001");
    }
}
