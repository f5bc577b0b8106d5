//! A format's options as they stand in `WITH`.

use super::Format;
use super::clock::TimestampFormat;
use super::error::FormatError;
use super::json::{self, JsonOptions, MapNullKey};
use std::collections::BTreeMap;

/// The formats that there are, by Flink's names.
const NAMES: [&str; 1] = [json::NAME];

impl Format {
    /// The format of that name, with its options out of those of a table.
    ///
    /// The options of `json` begin with `json.`; with a prefix such as `value.`, which goes with `value.format`, they
    /// begin with `value.json.`. Options that begin otherwise are left to others.
    ///
    /// # Errors
    /// [`FormatError`] where there is no such format, or an option is unknown, cannot have its value, or contradicts
    /// another.
    pub fn from_options(name: &str, prefix: &str, options: &BTreeMap<String, String>) -> Result<Self, FormatError> {
        let Some(format) = NAMES.iter().find(|known| **known == name) else {
            return Err(FormatError::UnknownFormat { name: name.to_owned(), nearest: nearest(name, &NAMES) });
        };
        let start = format!("{prefix}{format}.");
        let given = options.iter().filter_map(|(key, value)| Some((key.strip_prefix(&start)?, value.as_str())));
        let mut taken = Given { format, start: &start, left: given.collect() };
        let format = match *format {
            json::NAME => Self::Json(json(&mut taken)?),
            _ => return Err(FormatError::UnknownFormat { name: name.to_owned(), nearest: None }),
        };
        Ok(format)
    }
}

/// The options of one format that were given and not yet taken.
struct Given<'a> {
    format: &'static str,
    start: &'a str,
    left: BTreeMap<&'a str, &'a str>,
}

impl<'a> Given<'a> {
    fn full(&self, option: &str) -> String {
        format!("{}{option}", self.start)
    }

    fn text(&mut self, option: &str) -> Option<&'a str> {
        self.left.remove(option)
    }

    fn wrong(&self, option: &str, value: &str, expected: &'static str) -> FormatError {
        FormatError::OptionValue { option: self.full(option), value: value.to_owned(), expected }
    }

    fn boolean(&mut self, option: &str, default: bool) -> Result<bool, FormatError> {
        match self.text(option) {
            None => Ok(default),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(self.wrong(option, value, "`true` or `false`")),
        }
    }

    fn conflict(&self, first: &str, second: &str) -> FormatError {
        FormatError::Conflict { first: self.full(first), second: self.full(second) }
    }

    /// Refuses what was not taken.
    fn end(&self, known: &[&str]) -> Result<(), FormatError> {
        let Some(option) = self.left.keys().next() else { return Ok(()) };
        Err(FormatError::UnknownOption {
            format: self.format,
            option: self.full(option),
            nearest: nearest(option, known).map(|nearest| self.full(&nearest)),
        })
    }
}

fn json(given: &mut Given<'_>) -> Result<JsonOptions, FormatError> {
    const FAIL: &str = "fail-on-missing-field";
    const IGNORE: &str = "ignore-parse-errors";
    const STANDARD: &str = "timestamp-format.standard";
    const MODE: &str = "map-null-key.mode";
    const LITERAL: &str = "map-null-key.literal";
    const PLAIN: &str = "encode.decimal-as-plain-number";
    const NULLS: &str = "encode.ignore-null-fields";
    let timestamp_format = match given.text(STANDARD) {
        None | Some("SQL") => TimestampFormat::Sql,
        Some("ISO-8601") => TimestampFormat::Iso8601,
        Some(other) => return Err(given.wrong(STANDARD, other, "`SQL` or `ISO-8601`")),
    };
    let literal = given.text(LITERAL).unwrap_or("null");
    let map_null_key = match given.text(MODE).map(str::to_ascii_uppercase).as_deref() {
        None | Some("FAIL") => MapNullKey::Fail,
        Some("DROP") => MapNullKey::Drop,
        Some("LITERAL") => MapNullKey::Literal(literal.to_owned()),
        Some(other) => return Err(given.wrong(MODE, other, "`FAIL`, `DROP` or `LITERAL`")),
    };
    let options = JsonOptions {
        fail_on_missing_field: given.boolean(FAIL, false)?,
        ignore_parse_errors: given.boolean(IGNORE, false)?,
        timestamp_format,
        map_null_key,
        encode_decimal_as_plain_number: given.boolean(PLAIN, false)?,
        encode_ignore_null_fields: given.boolean(NULLS, false)?,
    };
    given.end(&[FAIL, IGNORE, STANDARD, MODE, LITERAL, PLAIN, NULLS])?;
    if options.fail_on_missing_field && options.ignore_parse_errors {
        return Err(given.conflict(FAIL, IGNORE));
    }
    Ok(options)
}

/// The name that differs least, if it is near at all.
fn nearest(name: &str, known: &[&str]) -> Option<String> {
    // What is longer than any name by far is near none, and is not worth the comparison.
    if name.len() > 64 {
        return None;
    }
    let distances = known.iter().map(|known| (distance(name, known), *known));
    let (distance, nearest) = distances.min()?;
    (distance <= nearest.len().max(name.len()) / 2).then(|| nearest.to_owned())
}

/// How many bytes must be changed, put in or left out to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut before = index;
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
        for (at, known) in other.bytes().enumerate() {
            let replaced = before + usize::from(byte != known);
            before = row[at + 1];
            row[at + 1] = replaced.min(before + 1).min(row[at] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
