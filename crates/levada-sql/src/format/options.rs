//! A format's options as they stand in `WITH`.

use super::clock::TimestampFormat;
use super::csv::{self, CsvOptions};
use super::error::FormatError;
use super::json::{self, JsonOptions};
use super::raw::{self, Endianness, RawOptions};
use super::registry::RegistryOptions;
use super::{Format, avro, json_registry, protobuf};
use std::collections::BTreeMap;

/// The formats that there are, by Flink's names.
const NAMES: [&str; 6] = [json::NAME, csv::NAME, raw::NAME, avro::NAME, protobuf::NAME, json_registry::NAME];

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
            csv::NAME => Self::Csv(csv(&mut taken)?),
            raw::NAME => Self::Raw(raw(&mut taken)?),
            avro::NAME => Self::Avro(registry(&mut taken)?),
            protobuf::NAME => Self::Protobuf(registry(&mut taken)?),
            json_registry::NAME => Self::JsonRegistry(registry(&mut taken)?),
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

    /// An option that is one character of ASCII.
    fn character(&mut self, option: &str) -> Result<Option<u8>, FormatError> {
        match self.text(option).map(|text| (text, text.as_bytes())) {
            None => Ok(None),
            // As Flink unescapes it.
            Some(("\\t", _)) => Ok(Some(b'\t')),
            Some((_, [byte])) if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(Some(*byte)),
            Some((text, _)) => Err(self.wrong(option, text, "one character of ASCII")),
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
    // No map has a key that is NULL here: there is nothing that these could change.
    given.text(LITERAL);
    if let Some(mode) = given.text(MODE)
        && !["FAIL", "DROP", "LITERAL"].iter().any(|known| mode.eq_ignore_ascii_case(known))
    {
        return Err(given.wrong(MODE, mode, "`FAIL`, `DROP` or `LITERAL`"));
    }
    let options = JsonOptions {
        fail_on_missing_field: given.boolean(FAIL, false)?,
        ignore_parse_errors: given.boolean(IGNORE, false)?,
        timestamp_format,
        encode_decimal_as_plain_number: given.boolean(PLAIN, false)?,
        encode_ignore_null_fields: given.boolean(NULLS, false)?,
    };
    given.end(&[FAIL, IGNORE, STANDARD, MODE, LITERAL, PLAIN, NULLS])?;
    if options.fail_on_missing_field && options.ignore_parse_errors {
        return Err(given.conflict(FAIL, IGNORE));
    }
    Ok(options)
}

fn csv(given: &mut Given<'_>) -> Result<CsvOptions, FormatError> {
    const DELIMITER: &str = "field-delimiter";
    const NO_QUOTE: &str = "disable-quote-character";
    const QUOTE: &str = "quote-character";
    const COMMENTS: &str = "allow-comments";
    const IGNORE: &str = "ignore-parse-errors";
    const ELEMENTS: &str = "array-element-delimiter";
    const ESCAPE: &str = "escape-character";
    const NULL: &str = "null-literal";
    const SCIENTIFIC: &str = "write-bigdecimal-in-scientific-notation";
    let default = CsvOptions::default();
    let quote = given.character(QUOTE)?;
    let quote_character = match given.boolean(NO_QUOTE, false)? {
        true if quote.is_some() => return Err(given.conflict(QUOTE, NO_QUOTE)),
        true => None,
        false => quote.or(default.quote_character),
    };
    let options = CsvOptions {
        field_delimiter: given.character(DELIMITER)?.unwrap_or(default.field_delimiter),
        quote_character,
        allow_comments: given.boolean(COMMENTS, false)?,
        ignore_parse_errors: given.boolean(IGNORE, false)?,
        array_element_delimiter: match given.character(ELEMENTS)? {
            Some(byte) => char::from(byte).to_string(),
            None => default.array_element_delimiter,
        },
        escape_character: given.character(ESCAPE)?,
        null_literal: given.text(NULL).map(str::to_owned),
        write_bigdecimal_in_scientific_notation: given.boolean(SCIENTIFIC, true)?,
    };
    given.end(&[DELIMITER, NO_QUOTE, QUOTE, COMMENTS, IGNORE, ELEMENTS, ESCAPE, NULL, SCIENTIFIC])?;
    let special = [Some(options.field_delimiter), options.quote_character, options.escape_character];
    let names = [DELIMITER, QUOTE, ESCAPE];
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        if special[one].is_some() && special[one] == special[other] {
            return Err(given.conflict(names[one], names[other]));
        }
    }
    Ok(options)
}

fn raw(given: &mut Given<'_>) -> Result<RawOptions, FormatError> {
    const CHARSET: &str = "charset";
    const ENDIANNESS: &str = "endianness";
    if let Some(charset) = given.text(CHARSET)
        && !charset.eq_ignore_ascii_case("UTF-8")
    {
        return Err(given.wrong(CHARSET, charset, "`UTF-8`"));
    }
    let endianness = match given.text(ENDIANNESS) {
        None | Some("big-endian") => Endianness::Big,
        Some("little-endian") => Endianness::Little,
        Some(other) => return Err(given.wrong(ENDIANNESS, other, "`big-endian` or `little-endian`")),
    };
    given.end(&[CHARSET, ENDIANNESS])?;
    Ok(RawOptions { endianness })
}

fn registry(given: &mut Given<'_>) -> Result<RegistryOptions, FormatError> {
    const URL: &str = "url";
    const SUBJECT: &str = "subject";
    if given.text(URL).is_some() {
        return Err(FormatError::OwnRegistry { option: given.full(URL) });
    }
    let subject = given.text(SUBJECT);
    given.end(&[SUBJECT])?;
    Ok(RegistryOptions { subject: subject.map(str::to_owned), ..RegistryOptions::default() })
}

/// The name that differs least, if it is near at all.
fn nearest(name: &str, known: &[&str]) -> Option<String> {
    levada_model::nearest(name, known.iter().copied()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
