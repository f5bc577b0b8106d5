//! [`Screen`]: answers as tables, as JSON, or as values separated by commas.

use super::{
    Format,
    remote::{Column, Outcome, Row},
};
use crate::output::{Format as Plain, Output, Table};
use serde_json::{Value, json};
use std::io::{self, IsTerminal as _};

/// Where answers go.
pub(super) struct Screen {
    output: Output,
    format: Format,
    is_terminal: bool,
}

impl Screen {
    pub(super) fn new(format: Format) -> Self {
        Self { output: Output::new(Plain::Table), format, is_terminal: io::stdout().is_terminal() }
    }

    pub(super) const fn format(&self) -> Format {
        self.format
    }

    /// Whether a table can be drawn over again.
    pub(super) fn is_drawn(&self) -> bool {
        self.is_terminal && self.format == Format::Table
    }

    pub(super) const fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Shows what a statement came to.
    pub(super) fn outcome(&mut self, outcome: &Outcome) -> io::Result<()> {
        match outcome {
            Outcome::Rows { columns, rows } => self.rows(columns, rows)?,
            Outcome::Done { message } => self.message(message)?,
            Outcome::Statement { name } => self.message(&format!("statement `{name}` runs"))?,
        }
        self.output.flush()
    }

    /// What is no answer goes where it is in nobody's way.
    fn message(&mut self, text: &str) -> io::Result<()> {
        match self.format {
            Format::Table => self.output.line(printable(text)),
            Format::Json => self.output.line(json!({ "message": text })),
            Format::Csv => {
                crate::output::note(printable(text));
                Ok(())
            }
        }
    }

    fn rows(&mut self, columns: &[Column], rows: &[Row]) -> io::Result<()> {
        match self.format {
            Format::Table => {
                let mut table = Table::of(columns.iter().map(|column| printable(&column.name)).collect());
                rows.iter().for_each(|row| table.push(cells(columns, row)));
                self.output.bytes(table.render().as_bytes())
            }
            Format::Json => rows.iter().try_for_each(|row| self.output.line(Value::Object(row.clone()))),
            Format::Csv => {
                let names = columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>();
                self.output.line(names.join(","))?;
                rows.iter().try_for_each(|row| self.output.line(comma_separated(columns, row).join(",")))
            }
        }
    }
}

/// The values of a row as people read them.
pub(super) fn cells(columns: &[Column], row: &Row) -> Vec<String> {
    let cell = |column: &Column| match row.get(&column.name) {
        None | Some(Value::Null) => "NULL".to_owned(),
        Some(Value::String(text)) => printable(text),
        Some(value) => value.to_string(),
    };
    columns.iter().map(cell).collect()
}

/// Values for RFC 4180: null is empty, an empty text is `""`.
pub(super) fn comma_separated(columns: &[Column], row: &Row) -> Vec<String> {
    let cell = |column: &Column| match row.get(&column.name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(Value::String(text)) => quoted(text),
        Some(value) => quoted(&value.to_string()),
    };
    columns.iter().map(cell).collect()
}

pub(super) fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Text of which nothing moves the cursor or takes a terminal over.
pub(super) fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let letter =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_they_are_and_move_no_cursor() {
        let columns: Vec<Column> =
            serde_json::from_value(json!([{ "name": "a" }, { "name": "b" }, { "name": "c" }, { "name": "d" }]))
                .unwrap();
        let Value::Object(row) = json!({ "a": "x\u{1b}[2J", "b": null, "c": 1.5, "d": "say \"hi\", now" }) else {
            panic!("no object")
        };
        assert_eq!(cells(&columns, &row), ["x\\u{1b}[2J", "NULL", "1.5", "say \"hi\", now"]);
        assert_eq!(comma_separated(&columns, &row), ["x\u{1b}[2J", "", "1.5", "\"say \"\"hi\"\", now\""]);
    }
}
