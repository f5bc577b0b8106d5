//! The one place that writes to stdout: text, tables and JSON.
//!
//! What is printed, the commands decide. A reader who has gone away (`levada topic list | head -1`) is no
//! error: it ends the command quietly, see [`is_closed_pipe`].

use serde::Serialize;
use std::{
    borrow::Cow,
    io::{self, BufWriter, IsTerminal as _, Stdout, Write},
};

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people
    #[default]
    Table,
    /// JSON for machines
    Json,
}

/// A buffered handle on stdout. Flushed when it is dropped, but only [`Output::flush`] tells of errors.
pub(crate) struct Output {
    stdout: BufWriter<Stdout>,
    format: Format,
}

impl Output {
    /// Writes results as `format` says.
    pub(crate) fn new(format: Format) -> Self {
        Self { stdout: BufWriter::with_capacity(64 * 1024, io::stdout()), format }
    }

    /// How results are shown.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// One line of text.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.stdout, "{text}")
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    /// Pretty JSON and a line end.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.stdout, value).map_err(io::Error::from)?;
        self.line("")
    }

    /// Hands everything to the reader.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Whether whoever read our output has gone, which only a write would show otherwise.
    pub(crate) fn is_closed(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut stdout = [PollFd::new(self.stdout.get_ref(), PollFlags::empty())];
        let ready = poll(&mut stdout, Some(&rustix::event::Timespec::default()));
        let gone = PollFlags::ERR | PollFlags::HUP;
        ready.is_ok() && stdout.iter().any(|stdout| stdout.revents().intersects(gone))
    }

    /// A result: `value` as JSON, or what `table` makes of it.
    pub(crate) fn result<T: Serialize>(&mut self, value: &T, table: impl FnOnce(&T) -> Table) -> io::Result<()> {
        match self.format {
            Format::Json => self.json(value)?,
            Format::Table => self.bytes(table(value).render().as_bytes())?,
        }
        self.flush()
    }

    /// What was done: a sentence for people, `value` as JSON for machines.
    pub(crate) fn done(&mut self, value: &impl Serialize, sentence: impl std::fmt::Display) -> io::Result<()> {
        match self.format {
            Format::Json => self.json(value)?,
            Format::Table => self.line(sentence)?,
        }
        self.flush()
    }
}

/// Whether `error` only says that whoever read our output has gone.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Rows under headings, columns aligned; numbers to the right.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<Cow<'static, str>>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new<const N: usize>(headings: [&'static str; N]) -> Self {
        Self { headings: headings.into_iter().map(Cow::Borrowed).collect(), rows: Vec::new() }
    }

    /// A table without rows whose columns are known only now.
    pub(crate) fn of(headings: Vec<String>) -> Self {
        Self { headings: headings.into_iter().map(Cow::Owned).collect(), rows: Vec::new() }
    }

    /// As [`Self::row`].
    pub(crate) fn push(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.headings.len(), "one cell a column");
        self.rows.push(cells);
    }

    /// Adds a row, one text a column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.headings.len(), "one cell a column");
        self.rows.push(Vec::from(cells));
    }

    /// The table as text; only its headings where it has no rows.
    pub(crate) fn render(&self) -> String {
        let columns: Vec<Column> = (0..self.headings.len()).map(|index| self.column(index)).collect();
        let mut text = String::new();
        let headings: Vec<String> = self.headings.iter().map(|heading| heading.clone().into_owned()).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (cell, column) in row.iter().zip(&columns) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                let padding = " ".repeat(column.width - cell.chars().count());
                let (left, right) = if column.is_numeric { (padding.as_str(), "") } else { ("", padding.as_str()) };
                line.extend([left, cell, right]);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn column(&self, index: usize) -> Column {
        let cells = || self.rows.iter().filter_map(|row| row.get(index));
        let heading = self.headings.get(index).map_or(0, |heading| heading.chars().count());
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0).max(heading);
        let numeric = |cell: &String| cell == "-" || cell.parse::<f64>().is_ok();
        Column { width, is_numeric: cells().next().is_some() && cells().all(numeric) }
    }
}

struct Column {
    width: usize,
    is_numeric: bool,
}

/// Progress of long work on stderr: one line that is written over, on a terminal or where it was asked for.
pub(crate) struct Progress {
    enabled: bool,
    is_terminal: bool,
    last: Option<std::time::Duration>,
    clock: levada_model::SystemClock,
}

/// How often a progress line is renewed.
const PROGRESS_INTERVAL: std::time::Duration = std::time::Duration::from_millis(250);

impl Progress {
    /// Shown on a terminal, and elsewhere where `asked`.
    pub(crate) fn new(asked: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { enabled: asked || is_terminal, is_terminal, last: None, clock: levada_model::SystemClock }
    }

    /// Never shown.
    pub(crate) const fn off() -> Self {
        Self { enabled: false, is_terminal: false, last: None, clock: levada_model::SystemClock }
    }

    /// Shows what `text` says, not more often than four times a second.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        use levada_model::Clock as _;
        let now = self.clock.monotonic();
        if !self.enabled || self.last.is_some_and(|last| now.saturating_sub(last) < PROGRESS_INTERVAL) {
            return;
        }
        self.last = Some(now);
        self.write(&text());
    }

    /// Shows a last line and ends it.
    pub(crate) fn finish(&mut self, text: impl FnOnce() -> String) {
        if self.enabled {
            self.write(&text());
            if self.is_terminal {
                say("\n");
            }
            self.enabled = false;
        }
    }

    fn write(&self, text: &str) {
        if self.is_terminal {
            say(&format!("\r\x1b[2K{text}"));
        } else {
            say(&format!("{text}\n"));
        }
    }
}

/// A line on stderr for people.
pub(crate) fn note(text: impl std::fmt::Display) {
    say(&format!("{text}\n"));
}

fn say(text: &str) {
    // Whoever closed stderr does not want to hear of it.
    io::stderr().lock().write_all(text.as_bytes()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_text_left_and_numbers_right() {
        let mut table = Table::new(["TOPIC", "PARTITIONS"]);
        table.row(["orders".into(), "3".into()]);
        table.row(["o".into(), "12".into()]);
        assert_eq!(table.render(), "TOPIC   PARTITIONS\norders           3\no               12\n");
    }

    #[test]
    fn a_table_without_rows_has_its_headings() {
        assert_eq!(Table::new(["TOPIC", "ID"]).render(), "TOPIC  ID\n");
    }

    #[test]
    fn only_a_broken_pipe_ends_a_command_quietly() {
        assert!(is_closed_pipe(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
        assert!(!is_closed_pipe(&io::Error::from(io::ErrorKind::NotFound).into()));
        assert!(!is_closed_pipe(&anyhow::anyhow!("another")));
    }
}
