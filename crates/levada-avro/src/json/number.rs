//! How Java writes a double: the shortest digits that come back, in a notation of its own.

use super::write_string;

/// Appends `value` as `Double.toString` does; what JSON has no number for goes in quotes.
pub(super) fn write(value: f64, out: &mut String) {
    if value.is_nan() {
        write_string("NaN", out);
    } else if value.is_infinite() {
        write_string(if value > 0.0 { "Infinity" } else { "-Infinity" }, out);
    } else if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        out.push_str(&format!("{value:?}"));
    } else {
        let scientific = format!("{value:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        out.push_str(digits);
        out.push_str(if digits.contains('.') { "E" } else { ".0E" });
        out.push_str(exponent);
    }
}
