//! Numbers as text, exactly: integers and decimals never pass through a float.

use std::io::Write as _;

/// Digits of the largest decimal.
const PRECISION_MAX: u8 = 38;

/// What becomes of digits for which there is no room behind the point.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    HalfUp,
    Down,
    /// Away from zero.
    Up,
}

/// An integer as Java's `Long.parseLong` takes it: digits, with a sign or not.
pub(super) fn parse_i64(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        let digit = i64::from(digit);
        value = value.checked_mul(10)?;
        value = if is_negative { value.checked_sub(digit)? } else { value.checked_add(digit)? };
    }
    Some(value)
}

/// The parts of a number in digits.
struct Parts<'a> {
    is_negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// Splits a number as Java's `BigDecimal` takes it: digits before or behind a point, and an exponent.
fn parts(text: &[u8]) -> Option<Parts<'_>> {
    let (is_negative, rest) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let is_no_digit = |byte: &u8| !byte.is_ascii_digit();
    let (whole, rest) = rest.split_at(rest.iter().position(is_no_digit).unwrap_or(rest.len()));
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => rest.split_at(rest.iter().position(is_no_digit).unwrap_or(rest.len())),
        None => (&[] as &[u8], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest.split_first() {
        None => 0,
        Some((b'e' | b'E', rest)) => {
            // An exponent beyond Java's is none.
            i64::from(i32::try_from(parse_i64(rest)?).ok()?)
        }
        Some(_) => return None,
    };
    Some(Parts { is_negative, whole, fraction, exponent })
}

/// A decimal that is too large for its type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// A decimal number with `scale` digits behind the point, as an integer of units of the last; `None`: it is no number.
pub(crate) fn parse_decimal(
    text: &[u8],
    precision: u8,
    scale: u8,
    rounding: Rounding,
) -> Option<Result<i128, Overflow>> {
    let parts = parts(text)?;
    let digits = || parts.whole.iter().chain(parts.fraction);
    let leading = digits().take_while(|digit| **digit == b'0').count();
    let total = parts.whole.len() + parts.fraction.len();
    if leading == total {
        return Some(Ok(0));
    }
    // How many digits count, from the first that is not 0.
    let count = i64::try_from(parts.whole.len()).ok()? - i64::try_from(leading).ok()?;
    let count = count.saturating_add(parts.exponent).saturating_add(i64::from(scale));
    if count < 0 {
        let unit = if parts.is_negative { -1 } else { 1 };
        return Some(Ok(if rounding == Rounding::Up { unit } else { 0 }));
    }
    let Some(count) = usize::try_from(count).ok().filter(|count| *count <= usize::from(precision)) else {
        return Some(Err(Overflow));
    };
    let mut kept = digits().skip(leading);
    let mut value: i128 = 0;
    for _ in 0..count {
        value = value * 10 + i128::from(kept.next().copied().unwrap_or(b'0') - b'0');
    }
    let is_up = match rounding {
        Rounding::HalfUp => kept.next().is_some_and(|digit| *digit >= b'5'),
        Rounding::Up => kept.any(|digit| *digit > b'0'),
        Rounding::Down => false,
    };
    if is_up {
        value += 1;
        if value >= 10_i128.pow(u32::from(precision)) {
            return Some(Err(Overflow));
        }
    }
    Some(Ok(if parts.is_negative { -value } else { value }))
}

/// A decimal number with all its digits, and how many of them stand behind the point; `None`: it is no number, or has
/// more than 38.
pub(super) fn parse_whole_decimal(text: &[u8]) -> Option<(i128, u8)> {
    let parts = parts(text)?;
    let scale = i64::try_from(parts.fraction.len()).ok()?.saturating_sub(parts.exponent).max(0);
    let scale = u8::try_from(scale).ok().filter(|scale| *scale <= PRECISION_MAX)?;
    Some((parse_decimal(text, PRECISION_MAX, scale, Rounding::Down)?.ok()?, scale))
}

/// A floating point number as Java's `Double.parseDouble` takes it, hexadecimal ones left out.
pub(super) fn parse_float<F: lexical_core::FromLexical>(text: &[u8]) -> Option<F> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let plain = match unsigned {
        b"NaN" => b"NaN".as_slice(),
        b"Infinity" if text.starts_with(b"-") => b"-inf",
        b"Infinity" => b"inf",
        _ => {
            let plain = match text.split_last()? {
                (b'd' | b'D' | b'f' | b'F', rest) => rest,
                _ => text,
            };
            parts(plain).map(|_| plain)?
        }
    };
    lexical_core::parse(plain).ok().or_else(|| {
        // A point without digits behind it.
        let text = String::from_utf8_lossy(plain).replacen('.', ".0", 1);
        lexical_core::parse(text.as_bytes()).ok()
    })
}

/// Appends a double as Java's `Double.toString` writes it.
pub(super) fn write_f64(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        write_digits(&format!("{value:e}"), out);
    } else {
        write_special(value, out);
    }
}

/// Appends a float as Java's `Float.toString` writes it.
pub(super) fn write_f32(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        write_digits(&format!("{value:e}"), out);
    } else {
        write_special(f64::from(value), out);
    }
}

fn write_special(value: f64, out: &mut Vec<u8>) {
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    out.extend_from_slice(text.as_bytes());
}

/// Appends what Rust writes as `-1.25e-7` as Java writes it: with an exponent below a thousandth and from ten millions.
fn write_digits(scientific: &str, out: &mut Vec<u8>) {
    let (number, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let number = match number.strip_prefix('-') {
        Some(number) => {
            out.push(b'-');
            number
        }
        None => number,
    };
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    let (first, rest) = digits.split_at(1.min(digits.len()));
    if !(-3..7).contains(&exponent) {
        out.extend_from_slice(first);
        out.push(b'.');
        out.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
        out.extend_from_slice(format!("E{exponent}").as_bytes());
        return;
    }
    match usize::try_from(exponent + 1).unwrap_or_default() {
        0 => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', usize::try_from(-exponent - 1).unwrap_or_default()));
            out.extend_from_slice(&digits);
        }
        whole => {
            let split = whole.min(digits.len());
            out.extend_from_slice(&digits[..split]);
            out.extend(std::iter::repeat_n(b'0', whole - split));
            out.push(b'.');
            out.extend_from_slice(if split == digits.len() { b"0" } else { &digits[split..] });
        }
    }
}

/// How a decimal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// As Java's `BigDecimal.toPlainString` does it.
    Plain,
    /// As Java's `BigDecimal.toString` does it: with an exponent where there would be six zeros behind the point.
    Scientific,
}

/// Appends a decimal of `scale` digits behind the point.
pub(super) fn write_decimal(value: i128, scale: usize, notation: Notation, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let digits = value.unsigned_abs().to_string();
    if notation == Notation::Scientific && scale > digits.len() + 5 {
        let exponent = scale + 1 - digits.len();
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        out.extend_from_slice(format!("{first}{point}{rest}E-{exponent}").as_bytes());
        return;
    }
    if scale == 0 {
        out.extend_from_slice(digits.as_bytes());
        return;
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    // Writing to memory does not fail.
    let _written = write!(out, "{whole}.{fraction}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str, precision: u8, scale: u8) -> Option<Result<i128, Overflow>> {
        parse_decimal(text.as_bytes(), precision, scale, Rounding::HalfUp)
    }

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_are_exact_and_rounded_half_up() {
        for (text, precision, scale, value) in [
            ("1.005", 10, 2, Some(Ok(101))),
            ("-1.005", 10, 2, Some(Ok(-101))),
            ("1.004999999999999999999999999999999999999", 10, 2, Some(Ok(100))),
            ("0.1", 38, 18, Some(Ok(100_000_000_000_000_000))),
            (
                "12345678901234567890.12345678901234567890",
                38,
                18,
                Some(Ok(12_345_678_901_234_567_890_123_456_789_012_345_679)),
            ),
            ("1e3", 5, 1, Some(Ok(10_000))),
            ("1E-400", 5, 2, Some(Ok(0))),
            ("0e999999999", 5, 2, Some(Ok(0))),
            ("1e999999999", 5, 2, Some(Err(Overflow))),
            ("999.995", 5, 2, Some(Err(Overflow))),
            ("999.994", 5, 2, Some(Ok(99_999))),
            ("0.5", 1, 0, Some(Ok(1))),
            ("0.05", 1, 0, Some(Ok(0))),
            ("00012.50", 3, 1, Some(Ok(125))),
            (".5", 2, 1, Some(Ok(5))),
            ("5.", 2, 1, Some(Ok(50))),
            ("+5", 2, 1, Some(Ok(50))),
            ("99999999999999999999999999999999999999", 38, 0, Some(Ok(10_i128.pow(38) - 1))),
            ("", 5, 2, None),
            (".", 5, 2, None),
            ("1e", 5, 2, None),
            ("1x", 5, 2, None),
            ("1e99999999999", 5, 2, None),
            ("--1", 5, 2, None),
        ] {
            assert_eq!(decimal(text, precision, scale), value, "{text}");
        }
    }

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (1_234_567.0, "1234567.0"),
            (12_345_678.0, "1.2345678E7"),
            (1e7, "1.0E7"),
            (0.001, "0.001"),
            (0.00012, "1.2E-4"),
            (0.1, "0.1"),
            (-123.456, "-123.456"),
            (1e300, "1.0E300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn decimals_are_written_as_java_writes_them() {
        let write = |value, scale, notation| {
            let mut out = Vec::new();
            write_decimal(value, scale, notation, &mut out);
            String::from_utf8(out).unwrap()
        };
        for (value, scale, scientific, plain) in [
            (0, 0, "0", "0"),
            (12_345, 2, "123.45", "123.45"),
            (-5, 2, "-0.05", "-0.05"),
            (27, 9, "2.7E-8", "0.000000027"),
            (0, 7, "0E-7", "0.0000000"),
            (1, 6, "0.000001", "0.000001"),
            (10_000, 2, "100.00", "100.00"),
        ] {
            assert_eq!(write(value, scale, Notation::Scientific), scientific);
            assert_eq!(write(value, scale, Notation::Plain), plain);
        }
    }

    #[test]
    fn floats_are_read_as_java_reads_them() {
        for (text, value) in [
            ("1", Some(1.0)),
            ("1.", Some(1.0)),
            (".5", Some(0.5)),
            ("-1e3", Some(-1000.0)),
            ("1e400", Some(f64::INFINITY)),
            ("1.5f", Some(1.5)),
            ("Infinity", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("nan", None),
            ("1.e5", Some(100_000.0)),
            ("", None),
            ("1_0", None),
        ] {
            assert_eq!(parse_float::<f64>(text.as_bytes()), value, "{text}");
        }
        assert!(parse_float::<f64>(b"NaN").is_some_and(f64::is_nan));
    }

    proptest! {
        #[test]
        fn doubles_are_read_as_they_are_written(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(parse_float::<f64>(double(value).as_bytes()).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn decimals_are_read_as_they_are_written(value in -10_i128.pow(38) + 1..10_i128.pow(38), scale in 0_u8..=38) {
            for notation in [Notation::Plain, Notation::Scientific] {
                let mut out = Vec::new();
                write_decimal(value, usize::from(scale), notation, &mut out);
                prop_assert_eq!(parse_decimal(&out, 38, scale, Rounding::HalfUp), Some(Ok(value)));
            }
        }

        #[test]
        fn integers_are_those_of_the_standard_library(value: i64, noise in "[-+0-9]{0,21}") {
            prop_assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
            prop_assert_eq!(parse_i64(noise.as_bytes()), noise.parse().ok());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            parse_decimal(&bytes, 38, 18, Rounding::HalfUp);
            parse_float::<f32>(&bytes);
        }
    }
}
