//! A query that is watched: a table that is drawn over again on a terminal, lines of changes elsewhere.

use super::{
    Format,
    remote::{Change, Column, Event, Failure, Row},
    show::{Screen, cells, comma_separated, printable, quoted},
};
use crate::output::Table;
use serde_json::json;
use std::{collections::BTreeMap, io, time::Duration};
use tokio::sync::mpsc;

/// Rows that a drawn table knows; older ones are counted.
const KNOWN_MAX: usize = 10_000;
/// A table is not drawn more often.
const DRAW_INTERVAL: Duration = Duration::from_millis(50);

/// Shows what comes until ctrl-C, `timeout`, or an error.
pub(super) async fn show(
    mut events: mpsc::Receiver<Event>,
    screen: &mut Screen,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let end = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let mut shown = Shown { columns: Vec::new(), answer: Answer::default(), drawn: 0 };
    let mut draw_at: Option<tokio::time::Instant> = None;
    let ended = loop {
        let due = async {
            match draw_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.recv() => match event {
                None => break Err(Failure::plain("the server ended the answer")),
                Some(Event::Failed(failure)) => break Err(failure),
                Some(Event::Columns(columns)) => shown.begin(columns, screen)?,
                Some(Event::Epoch(epoch)) if screen.is_drawn() => {
                    shown.answer.take(epoch.epoch, epoch.changes);
                    draw_at.get_or_insert_with(|| tokio::time::Instant::now() + DRAW_INTERVAL);
                }
                Some(Event::Epoch(epoch)) => {
                    epoch.changes.iter().try_for_each(|change| shown.line(change, screen))?;
                    screen.output().flush()?;
                }
            },
            () = due => {
                draw_at = None;
                shown.draw(screen)?;
            }
            () = &mut end => break Ok(()),
            _ = tokio::signal::ctrl_c() => break Ok(()),
        }
        if !screen.is_drawn() && screen.output().is_closed() {
            return Ok(());
        }
    };
    if draw_at.is_some() {
        shown.draw(screen)?;
    }
    screen.output().flush()?;
    ended
}

struct Shown {
    columns: Vec<Column>,
    answer: Answer,
    /// Lines that were drawn last.
    drawn: usize,
}

impl Shown {
    fn begin(&mut self, columns: Vec<Column>, screen: &mut Screen) -> io::Result<()> {
        self.columns = columns;
        let names = self.columns.iter();
        match screen.format() {
            Format::Csv => {
                let names = names.map(|column| quoted(&column.name)).collect::<Vec<_>>().join(",");
                screen.output().line(format_args!("op,{names}"))?;
            }
            Format::Table if !screen.is_drawn() => {
                let names = names.map(|column| printable(&column.name)).collect::<Vec<_>>().join("\t");
                screen.output().line(format_args!("op\t{names}"))?;
            }
            Format::Table | Format::Json => {}
        }
        screen.output().flush()
    }

    fn line(&self, Change { op, row }: &Change, screen: &mut Screen) -> io::Result<()> {
        match screen.format() {
            Format::Table => screen.output().line(format_args!("{op}\t{}", cells(&self.columns, row).join("\t"))),
            Format::Csv => screen.output().line(format_args!("{op},{}", comma_separated(&self.columns, row).join(","))),
            Format::Json => screen.output().line(json!({ "op": op, "row": row })),
        }
    }

    /// Draws the answer over the one that was drawn before.
    fn draw(&mut self, screen: &mut Screen) -> io::Result<()> {
        let (lines, width) = size();
        let room = lines.saturating_sub(4).max(1);
        let Answer { rows, forgotten, epoch } = &self.answer;
        let first = rows.len().saturating_sub(room);
        let mut table = Table::of(self.columns.iter().map(|column| printable(&column.name)).collect());
        rows.iter().skip(first).for_each(|row| table.push(cells(&self.columns, row)));
        let count = rows.len() + forgotten;
        let hidden = first + forgotten;
        let note = if hidden == 0 { String::new() } else { format!(", {hidden} of them above") };
        let text = format!("{}epoch {epoch}, {count} rows{note}; ctrl-C ends", table.render());
        let output = screen.output();
        if self.drawn > 0 {
            // Up to where it began, and away with it.
            output.bytes(format!("\x1b[{}A\x1b[J", self.drawn).as_bytes())?;
        }
        self.drawn = 0;
        for line in text.lines() {
            output.line(line.chars().take(width).collect::<String>())?;
            self.drawn += 1;
        }
        output.flush()
    }
}

/// Lines and columns of the terminal.
fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => (24, 80),
    }
}

/// The rows that there are, in the order in which they came; a row that changes stays where it is.
#[derive(Default)]
struct Answer {
    rows: Vec<Row>,
    /// Rows that are not known any more.
    forgotten: usize,
    epoch: u64,
}

impl Answer {
    fn take(&mut self, epoch: u64, changes: Vec<Change>) {
        self.epoch = epoch;
        let (come, go): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.op == "+I");
        let mut free = self.leave(&go);
        for Change { row, .. } in come {
            // What begins alike is, as a rule, the same thing with other figures.
            match free.get_mut(&beginning(&row)).and_then(Vec::pop) {
                Some(at) => self.rows[at] = row,
                None => self.rows.push(row),
            }
        }
        let left: std::collections::BTreeSet<usize> = free.into_values().flatten().collect();
        if !left.is_empty() {
            let mut at = 0;
            self.rows.retain(|_| {
                at += 1;
                !left.contains(&(at - 1))
            });
        }
        if self.rows.len() > KNOWN_MAX {
            let excess = self.rows.len() - KNOWN_MAX;
            self.rows.drain(..excess);
            self.forgotten += excess;
        }
    }

    /// The places of rows that go, by how they begin.
    fn leave(&mut self, go: &[Change]) -> BTreeMap<String, Vec<usize>> {
        let mut free: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        if go.is_empty() {
            return free;
        }
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            places.entry(whole(row)).or_default().push(at);
        }
        for Change { row, .. } in go {
            match places.get_mut(&whole(row)).and_then(Vec::pop) {
                Some(at) => free.entry(beginning(row)).or_default().push(at),
                None => self.forgotten = self.forgotten.saturating_sub(1),
            }
        }
        free
    }
}

fn whole(row: &Row) -> String {
    row.iter().map(|(name, value)| format!("{name}:{value},")).collect()
}

fn beginning(row: &Row) -> String {
    row.values().next().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(op: &str, k: &str, n: i64) -> Change {
        let serde_json::Value::Object(row) = json!({ "k": k, "n": n }) else { panic!("no object") };
        Change { op: op.to_owned(), row }
    }

    fn rows(answer: &Answer) -> Vec<String> {
        answer.rows.iter().map(|row| format!("{} {}", row["k"], row["n"])).collect()
    }

    #[test]
    fn a_row_that_changes_stays_where_it_is() {
        let mut answer = Answer::default();
        answer.take(1, vec![change("+I", "a", 1), change("+I", "b", 1), change("+I", "c", 1)]);
        answer.take(2, vec![change("-D", "c", 1), change("+I", "a", 2), change("-D", "a", 1), change("+I", "d", 1)]);
        assert_eq!(rows(&answer), ["\"a\" 2", "\"b\" 1", "\"d\" 1"]);
        assert_eq!(answer.epoch, 2);
    }

    #[test]
    fn old_rows_are_counted_and_not_kept() {
        let mut answer = Answer::default();
        answer.take(1, (0..10_002).map(|n| change("+I", "a", n)).collect());
        assert_eq!((answer.rows.len(), answer.forgotten), (KNOWN_MAX, 2));
        answer.take(2, vec![change("-D", "a", 0)]);
        assert_eq!((answer.rows.len(), answer.forgotten), (KNOWN_MAX, 1));
    }
}
