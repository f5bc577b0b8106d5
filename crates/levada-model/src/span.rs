//! Spans of time as settings have them.

/// Reads a span as Flink writes them, such as `500 ms`, `10 s` or `1 min`; milliseconds where no unit is named.
#[must_use]
pub fn span_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_units() {
        for (text, span) in [
            ("500", 500),
            ("500 ms", 500),
            (" 10s ", 10_000),
            ("1 MIN", 60_000),
            ("2 h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(span_ms(text), Some(span), "{text}");
        }
        for wrong in ["", "s", "-1 s", "1.5 s", "10 x", "s 10", "99999999999999999999", "18446744073709551615 s"] {
            assert_eq!(span_ms(wrong), None, "{wrong}");
        }
    }
}
