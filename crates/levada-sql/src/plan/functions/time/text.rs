//! Times as text: the patterns of `DATE_FORMAT`, and what `TO_TIMESTAMP` reads.

use super::calendar::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Time};
use datafusion::{
    arrow::array::{StringArray, StringBuilder},
    common::{Result, plan_err},
};
use levada_model::calendar::days_of;

/// A pattern of Java's `DateTimeFormatter`, of the letters that mean the same everywhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// A number with so many digits at least.
    Number(Number, usize),
    /// The last two digits of the year.
    ShortYear,
    /// So many digits of the second's fraction.
    Fraction(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    YearOfEra,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// A pattern has no more characters.
const PATTERN_MAX: usize = 256;

impl Pattern {
    pub(super) fn read(pattern: &str) -> Result<Self> {
        if pattern.len() > PATTERN_MAX {
            return plan_err!("the format of DATE_FORMAT has more than {PATTERN_MAX} characters");
        }
        let (mut pieces, mut rest) = (Vec::new(), pattern);
        while let Some(first) = rest.chars().next() {
            if first == '\'' {
                let (text, behind) = quoted(&rest[1..], pattern)?;
                pieces.push(Piece::Literal(text));
                rest = behind;
                continue;
            }
            let count = rest.chars().take_while(|letter| *letter == first).count();
            if first.is_ascii_alphabetic() || "[]{}#".contains(first) {
                pieces.push(piece(first, count, pattern)?);
            } else {
                pieces.push(Piece::Literal(first.to_string().repeat(count)));
            }
            rest = &rest[count * first.len_utf8()..];
        }
        Ok(Self(pieces))
    }

    /// `uuuu-MM-dd HH:mm:ss`, and so many digits of the second's fraction.
    pub(super) fn to_the_second(digits: usize) -> Self {
        let number = Piece::Number;
        let sign = |sign: &str| Piece::Literal(sign.to_owned());
        let (year, month, day) = (number(Number::Year, 4), number(Number::Month, 2), number(Number::Day, 2));
        let (hour, minute, second) = (number(Number::Hour, 2), number(Number::Minute, 2), number(Number::Second, 2));
        let mut pieces =
            vec![year, sign("-"), month, sign("-"), day, sign(" "), hour, sign(":"), minute, sign(":"), second];
        if digits > 0 {
            pieces.extend([sign("."), Piece::Fraction(digits)]);
        }
        Self(pieces)
    }

    /// So many milliseconds, from a multiple of them on, have the same text, where more than one have.
    fn unit_ms(&self) -> Option<i64> {
        let unit = |piece: &Piece| match piece {
            Piece::Number(Number::Hour, _) => Some(HOUR_MS),
            Piece::Number(Number::Minute, _) => Some(MINUTE_MS),
            Piece::Number(Number::Second, _) => Some(SECOND_MS),
            Piece::Fraction(_) => None,
            Piece::Literal(_) | Piece::ShortYear | Piece::Number(..) => Some(DAY_MS),
        };
        // None is the least.
        self.0.iter().map(unit).min().unwrap_or(Some(DAY_MS))
    }

    /// As [`Self::write`], of times that often come in order.
    pub(super) fn write_all(&self, times: impl IntoIterator<Item = Option<Time>>) -> StringArray {
        let unit = self.unit_ms();
        let (mut texts, mut last) = (StringBuilder::new(), None);
        for time in times {
            let Some(time) = time else {
                texts.append_null();
                continue;
            };
            let place = unit.map(|unit| time.count_of(unit));
            let text = match last.take() {
                Some((of, text)) if place == Some(of) => text,
                _ => self.write(time),
            };
            texts.append_value(&text);
            last = place.map(|place| (place, text));
        }
        texts.finish()
    }

    pub(super) fn write(&self, time: Time) -> String {
        let (year, month, day) = time.civil();
        let nanos = time.of_day();
        let seconds = nanos / 1_000_000_000;
        let value = |number: Number| match number {
            Number::YearOfEra => {
                if year > 0 {
                    year
                } else {
                    1 - year
                }
            }
            Number::Year => year,
            Number::Month => month,
            Number::Day => day,
            Number::Hour => seconds / 3_600,
            Number::Minute => seconds / 60 % 60,
            Number::Second => seconds % 60,
        };
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Number(number, digits) => {
                    let value = value(*number);
                    let sign = match (*number, value) {
                        (Number::YearOfEra | Number::Year, 10_000..) => "+",
                        (_, ..0) => "-",
                        _ => "",
                    };
                    text.push_str(&format!("{sign}{:0digits$}", value.unsigned_abs()));
                }
                Piece::ShortYear => text.push_str(&format!("{:02}", value(Number::YearOfEra) % 100)),
                Piece::Fraction(digits) => text.push_str(&format!("{:09}", nanos % 1_000_000_000)[..*digits]),
            }
        }
        text
    }
}

/// A text up to its quote, and what is behind it. Two quotes are one.
fn quoted<'a>(text: &'a str, pattern: &str) -> Result<(String, &'a str)> {
    if let Some(behind) = text.strip_prefix('\'') {
        return Ok(("'".to_owned(), behind));
    }
    let (mut literal, mut rest) = (String::new(), text);
    loop {
        let Some((before, behind)) = rest.split_once('\'') else {
            return plan_err!("a quote in the format `{pattern}` is not closed");
        };
        literal.push_str(before);
        match behind.strip_prefix('\'') {
            Some(more) => {
                literal.push('\'');
                rest = more;
            }
            None => return Ok((literal, behind)),
        }
    }
}

fn piece(letter: char, count: usize, pattern: &str) -> Result<Piece> {
    Ok(match (letter, count) {
        ('y', 2) => Piece::ShortYear,
        ('y', 4) => Piece::Number(Number::YearOfEra, 4),
        ('u', 4) => Piece::Number(Number::Year, 4),
        ('M', 1 | 2) => Piece::Number(Number::Month, count),
        ('d', 1 | 2) => Piece::Number(Number::Day, count),
        ('H', 1 | 2) => Piece::Number(Number::Hour, count),
        ('m', 1 | 2) => Piece::Number(Number::Minute, count),
        ('s', 1 | 2) => Piece::Number(Number::Second, count),
        ('S', 1..=9) => Piece::Fraction(count),
        _ => {
            let known = "yyyy, yy, uuuu, MM, M, dd, d, HH, H, mm, m, ss, s, S up to 9 times, and text in quotes";
            let what = letter.to_string().repeat(count.min(10));
            return plan_err!("`{what}` in the format `{pattern}` is not supported; there are {known}");
        }
    })
}

/// What `TO_TIMESTAMP` makes of a text, in milliseconds since 1970: `2020-1-2`, or `2020-01-02 3:04:05.678`. Of a day
/// that its month does not have, the month's last; nothing of what lies beyond all timestamps.
pub(super) fn timestamp(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let year = match rest.strip_prefix(b"+") {
        // More than four digits have a sign.
        Some(behind) => {
            rest = behind;
            number(&mut rest, 5, 9)
        }
        None => number(&mut rest, 4, 4),
    };
    let year = year.filter(|year| *year > 0)?;
    let month = separated(&mut rest, b'-')?;
    let day = separated(&mut rest, b'-').filter(|day| (1..=31).contains(day))?;
    let day = (28..=31).rev().map(|last| day.min(last)).find_map(|day| days_of(year, month, day))?;
    let midnight = day.checked_mul(DAY_MS)?;
    if rest.is_empty() {
        return Some(midnight);
    }
    let hour = separated(&mut rest, b' ')?;
    let minute = separated(&mut rest, b':').filter(|minute| *minute < 60)?;
    let second = separated(&mut rest, b':').filter(|second| *second < 60)?;
    let fraction = match rest.split_first() {
        None => 0,
        Some((b'.', digits)) if digits.len() <= 9 && digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().chain(b"000").take(3).fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'))
        }
        Some(_) => return None,
    };
    let is_whole = minute == 0 && second == 0 && rest.iter().all(|byte| matches!(byte, b'.' | b'0'));
    if hour > 24 || hour == 24 && !is_whole {
        return None;
    }
    midnight.checked_add(((hour * 60 + minute) * 60 + second) * 1_000 + fraction)
}

fn separated(rest: &mut &[u8], separator: u8) -> Option<i64> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    if *first == separator { number(rest, 1, 2) } else { None }
}

fn number(rest: &mut &[u8], least: usize, most: usize) -> Option<i64> {
    let count = rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if count < least {
        return None;
    }
    let (digits, behind) = rest.split_at(count);
    *rest = behind;
    Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_a_row_have_the_texts_of_their_own() {
        let times =
            [-86_400_001, -86_400_000, -1, 0, 999, 1_000, 1_001, 59_999, 60_000, 3_600_000, 3_600_001, 86_400_000];
        let times = times.map(|ms| Some(Time::new(ms, 1)));
        for pattern in ["yyyy-MM-dd", "HH", "HH:mm", "mm", "ss", "HH:mm:ss", "SSS", "'x'", "yy", "dd SS"] {
            let pattern = Pattern::read(pattern).unwrap();
            let texts = pattern.write_all(times.into_iter().chain([None]).chain(times));
            let written = |at: usize| times[at].map(|time| pattern.write(time)).unwrap();
            for at in 0..times.len() {
                let (first, again) = (texts.value(at), texts.value(times.len() + 1 + at));
                assert_eq!((first, again), (written(at).as_str(), written(at).as_str()), "{pattern:?}");
            }
        }
    }
}
