//! Arrays and objects as text, for columns that are strings: without whitespace, and as Jackson writes them.

use super::encode::write_string;
use super::scan::{DEPTH_MAX, Outcome, Scanner};
use crate::format::error::Problem;
use crate::format::number;
use std::collections::HashMap;

/// Appends the value that begins here, which is within `depth` arrays and objects.
///
/// Of a member that comes twice, the last value is written, in the place of the first. Numbers with a fraction or an
/// exponent are written as Java's doubles.
pub(super) fn write(scanner: &mut Scanner<'_>, depth: usize, out: &mut Vec<u8>) -> Outcome<()> {
    match scanner.peek() {
        Some(b'{' | b'[') if depth >= DEPTH_MAX => Err(scanner.fail(Problem::TooDeep { limit: DEPTH_MAX })),
        Some(b'{') => object(scanner, depth, out),
        Some(b'[') => array(scanner, depth, out),
        Some(b'"') => {
            let text = scanner.string()?;
            let mut plain = Vec::with_capacity(text.raw.len());
            text.unescape(&mut plain)?;
            write_string(&plain, out);
            Ok(())
        }
        Some(b'-' | b'0'..=b'9') => {
            let number = scanner.number()?;
            match number::parse_float(number.text).filter(|_| !number.is_integer) {
                Some(value) => write_double(value, out),
                None if number.text == b"-0" => out.push(b'0'),
                None => out.extend_from_slice(number.text),
            }
            Ok(())
        }
        _ => {
            let start = scanner.at();
            scanner.skip_value(depth)?;
            out.extend_from_slice(scanner.since(start));
            Ok(())
        }
    }
}

/// Appends a double; JSON has no number for some, so that these are strings.
pub(super) fn write_double(value: f64, out: &mut Vec<u8>) {
    let quote: &[u8] = if value.is_finite() { b"" } else { b"\"" };
    out.extend_from_slice(quote);
    number::write_f64(value, out);
    out.extend_from_slice(quote);
}

fn array(scanner: &mut Scanner<'_>, depth: usize, out: &mut Vec<u8>) -> Outcome<()> {
    scanner.pass();
    out.push(b'[');
    let mut is_over = scanner.take(b']');
    while !is_over {
        write(scanner, depth + 1, out)?;
        is_over = scanner.take(b']');
        if !is_over {
            if !scanner.take(b',') {
                return Err(scanner.expected("`,` or `]`"));
            }
            out.push(b',');
        }
    }
    out.push(b']');
    Ok(())
}

fn object(scanner: &mut Scanner<'_>, depth: usize, out: &mut Vec<u8>) -> Outcome<()> {
    scanner.pass();
    let mut members: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut index: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut is_over = scanner.take(b'}');
    while !is_over {
        let text = scanner.string()?;
        let mut key = Vec::with_capacity(text.raw.len());
        text.unescape(&mut key)?;
        scanner.colon()?;
        let mut value = Vec::new();
        write(scanner, depth + 1, &mut value)?;
        match index.get(&key).and_then(|at| members.get_mut(*at)) {
            Some(member) => member.1 = value,
            None => {
                index.insert(key.clone(), members.len());
                members.push((key, value));
            }
        }
        is_over = scanner.take(b'}');
        if !is_over && !scanner.take(b',') {
            return Err(scanner.expected("`,` or `}`"));
        }
    }
    out.push(b'{');
    for (at, (key, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(key, out);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
    Ok(())
}
