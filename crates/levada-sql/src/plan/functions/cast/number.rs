//! Numbers as Java reads and writes them.

use std::{fmt::LowerExp, str::FromStr};

/// A whole number, of a text that may have more digits behind a point, and blanks around.
pub(super) fn whole<T: TryFrom<i64>>(text: &str) -> Option<T> {
    let text = text.trim_matches(' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if unsigned.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The least of them has no opposite.
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let next = |value: i64, digit: u8| value.checked_mul(10)?.checked_add(sign * i64::from(digit - b'0'));
    T::try_from(whole.bytes().try_fold(0, next)?).ok()
}

/// What `Double.parseDouble` and `Float.parseFloat` make of a text, but for hexadecimal digits.
pub(super) fn read<T: FromStr>(text: &str) -> Option<T> {
    let text = text.trim_matches(|sign: char| sign <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_named = matches!(unsigned, "NaN" | "Infinity");
    let number = match is_named {
        true => text,
        false => text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text),
    };
    // There are more names in Rust.
    let is_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    if is_named || number.bytes().all(is_number) { number.parse().ok() } else { None }
}

/// What a number comes to as a decimal with so many digits, `scale` of them behind the point, rounded half up: all its
/// digits. `None`: it is no number. `Some(None)`: it has too many digits.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Option<Option<i128>> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, i64::from(exponent.parse::<i32>().ok()?)),
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number =
        whole.len() + fraction.len() > 0 && whole.bytes().chain(fraction.bytes()).all(|it| it.is_ascii_digit());
    if !is_number {
        return None;
    }
    let digits = || whole.bytes().chain(fraction.bytes()).map(|digit| i128::from(digit - b'0'));
    let zeros = digits().take_while(|digit| *digit == 0).count();
    if zeros == whole.len() + fraction.len() {
        return Some(Some(0));
    }
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    // So many digits, from the first that is not 0 on, are kept.
    let kept = count(whole.len()).saturating_add(exponent).saturating_add(i64::from(scale)) - count(zeros);
    if kept > i64::from(precision) {
        return Some(None);
    }
    let Ok(kept) = usize::try_from(kept) else { return Some(Some(0)) };
    let mut digits = digits().skip(zeros).chain(std::iter::repeat(0));
    let value = digits.by_ref().take(kept).fold(0, |value, digit| value * 10 + digit);
    let value = value + i128::from(digits.next() >= Some(5));
    let has_room = value < 10_i128.pow(u32::from(precision));
    Some(has_room.then_some(if mantissa.starts_with('-') { -value } else { value }))
}

/// As `Double.toString` has it: the fewest digits that tell it from all others, and two at least.
pub(super) fn double_text(value: f64) -> String {
    if value.is_finite() { finite(value) } else { infinite(value.is_nan(), value < 0.0) }
}

/// As `Float.toString` has it.
pub(super) fn float_text(value: f32) -> String {
    if value.is_finite() { finite(value) } else { infinite(value.is_nan(), value < 0.0) }
}

fn infinite(is_nan: bool, is_negative: bool) -> String {
    match (is_nan, is_negative) {
        (true, _) => "NaN",
        (_, true) => "-Infinity",
        (_, false) => "Infinity",
    }
    .to_owned()
}

fn finite<T: LowerExp + FromStr + PartialEq + Copy>(value: T) -> String {
    let shortest = format!("{value:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len()).max(1);
    // Of as many digits, and two at least, the nearest; of two that are as near the even one.
    let nearest = format!("{value:.places$e}");
    let is_same = nearest.parse().is_ok_and(|read: T| read == value);
    laid_out(if is_same { &nearest } else { &shortest })
}

/// `-1.25e-7` as Java writes it.
fn laid_out(number: &str) -> String {
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let exponent = exponent.parse::<i32>().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    let or_zero = |digits: &str| if digits.is_empty() { "0".to_owned() } else { digits.to_owned() };
    match exponent {
        0..7 => {
            let places = usize::try_from(exponent).unwrap_or(0);
            let padded = format!("{rest:0<places$}");
            let (whole, fraction) = padded.split_at(places);
            format!("{sign}{first}{whole}.{}", or_zero(fraction))
        }
        -3..0 => {
            let zeros = usize::try_from(-1 - exponent).unwrap_or(0);
            format!("{sign}0.{}{first}{rest}", "0".repeat(zeros))
        }
        _ => format!("{sign}{first}.{}E{exponent}", or_zero(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        let known = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-12.5, "-12.5"),
            (0.001, "0.001"),
            (0.00123, "0.00123"),
            (9.99e-4, "9.99E-4"),
            (1_234_567.0, "1234567.0"),
            (9_999_999.5, "9999999.5"),
            (1e7, "1.0E7"),
            (1.5e10, "1.5E10"),
            (1e23, "1.0E23"),
            (2e23, "2.0E23"),
            (f64::from_bits(1), "4.9E-324"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in known {
            assert_eq!(double_text(value), text);
        }
        let floats =
            [0.1, 1.0e10, f32::from_bits(1), f32::from_bits(0x4a1f_a8d1), f32::from_bits(0x4a1f_a8d3)].map(float_text);
        assert_eq!(floats, ["0.1", "1.0E10", "1.4E-45", "2615860.2", "2615860.8"]);
    }

    #[test]
    fn doubles_are_read_as_java_reads_them() {
        let known = [
            (" 1.5 ", Some(1.5)),
            ("+1e3", Some(1000.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1.5d", Some(1.5)),
            ("2F", Some(2.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e400", Some(f64::INFINITY)),
            ("inf", None),
            ("infinity", None),
            ("nan", None),
            ("Infinityd", None),
            ("0x1p3", None),
            ("1_000", None),
            ("d", None),
            ("", None),
        ];
        for (text, value) in known {
            assert_eq!(read::<f64>(text), value, "{text}");
        }
        assert!(read::<f64>("NaN").is_some_and(f64::is_nan));
        assert_eq!(read::<f32>("0.1"), Some(0.1));
    }

    #[test]
    fn whole_numbers_are_digits_up_to_a_point() {
        let known = [
            ("12", Some(12)),
            (" 12  ", Some(12)),
            ("-9223372036854775808.9", Some(i64::MIN)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("+5.", Some(5)),
            (".5", Some(0)),
            ("1.5x", None),
            ("1e3", None),
            ("-", None),
            ("", None),
        ];
        for (text, value) in known {
            assert_eq!(whole::<i64>(text), value, "{text}");
        }
        assert_eq!((whole::<i8>("-128"), whole::<i8>("128")), (Some(-128), None));
    }

    #[test]
    fn decimals_are_rounded_half_up() {
        let known = [
            ("12.345", 5, 2, Some(Some(1235))),
            ("-12.345", 5, 2, Some(Some(-1235))),
            ("12.344999", 5, 2, Some(Some(1234))),
            ("999.995", 5, 2, Some(None)),
            ("1000", 5, 2, Some(None)),
            ("0.004", 5, 2, Some(Some(0))),
            ("0.005", 5, 2, Some(Some(1))),
            ("0.0005", 5, 2, Some(Some(0))),
            ("1.5e2", 5, 2, Some(Some(15_000))),
            ("15000e-2", 5, 2, Some(Some(15_000))),
            ("000000.5", 5, 2, Some(Some(50))),
            ("0e2000000000", 5, 2, Some(Some(0))),
            ("1e2000000000", 5, 2, Some(None)),
            ("1e-2000000000", 5, 2, Some(Some(0))),
            ("1e99999999999", 5, 2, None),
            ("99999999999999999999999999999999999999", 38, 0, Some(Some(10_i128.pow(38) - 1))),
            ("99999999999999999999999999999999999999.5", 38, 0, Some(None)),
            ("", 5, 2, None),
            (".", 5, 2, None),
            ("1,5", 5, 2, None),
            ("--1", 5, 2, None),
            ("1e", 5, 2, None),
            ("NaN", 5, 2, None),
        ];
        for (text, precision, scale, value) in known {
            assert_eq!(decimal(text, precision, scale), value, "{text}");
        }
    }
}
