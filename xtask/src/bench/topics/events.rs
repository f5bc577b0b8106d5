//! Nexmark's events as records of JSON, one topic a table, one partition each: the same bytes for every broker.
//!
//! Behind the last event each table has one more row, an hour later, which closes all windows before it. Its ids are
//! below those of all others, so that rows about it can be told.

use std::collections::VecDeque;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use levada_model::record::{BatchBuilder, NewRecord};

use super::queries::Rows;
use super::{TABLES, create_topic};
use crate::bench::sql::events::{self, PER_MS, START_MS};
use crate::kafka_client::{Connection, Partition, error_name};

const SEED: u64 = 1;
/// A batch is full with so many bytes of records.
const BATCH_SIZE: usize = 64 << 10;
/// A producer that has so many unanswered requests waits.
const IN_FLIGHT: usize = 16;
const CLOSING_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;
/// The first day of January 2024, in which all events are.
const FIRST_DAY_MS: u64 = START_MS / DAY_MS * DAY_MS;
const DAYS: u64 = 31;

/// Columns by table: a number, a text, a moment.
const COLUMNS: [&[(&str, Type)]; 3] = [
    &[
        ("id", Type::Number),
        ("name", Type::Text),
        ("emailAddress", Type::Text),
        ("creditCard", Type::Text),
        ("city", Type::Text),
        ("state", Type::Text),
        ("dateTime", Type::Moment),
        ("extra", Type::Text),
    ],
    &[
        ("id", Type::Number),
        ("itemName", Type::Text),
        ("description", Type::Text),
        ("initialBid", Type::Number),
        ("reserve", Type::Number),
        ("dateTime", Type::Moment),
        ("expires", Type::Moment),
        ("seller", Type::Number),
        ("category", Type::Number),
        ("extra", Type::Text),
    ],
    &[
        ("auction", Type::Number),
        ("bidder", Type::Number),
        ("price", Type::Number),
        ("channel", Type::Text),
        ("url", Type::Text),
        ("dateTime", Type::Moment),
        ("extra", Type::Text),
    ],
];

#[derive(Clone, Copy, Debug)]
enum Type {
    Number,
    Text,
    Moment,
}

/// How many records each table has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(pub(super) [u64; 3]);

/// Writes the first events to topics with this prefix, and answers how many that were. Their timestamp is
/// `written_ms`: with that of their events, years ago, retention would delete them.
pub(super) fn load(kafka: &mut Connection, prefix: &str, count: u64, written_ms: i64) -> Result<Counts> {
    for table in TABLES {
        create_topic(kafka, &format!("{prefix}{table}"), 1, Rows::Come)?;
    }
    let mut producer = Producer { kafka, waiting: VecDeque::new() };
    let mut batches: [BatchBuilder; 3] = std::array::from_fn(|_| BatchBuilder::new());
    let mut counts = Counts::default();
    let rows = events::rows(count, SEED).map(|row| json(&row));
    for row in rows.chain((0..TABLES.len()).map(|table| closing(table, count))) {
        let (table, value) = row?;
        let batch = batches.get_mut(table).context("a table of three")?;
        batch.push(&NewRecord { timestamp: written_ms, value: Some(value.as_bytes()), ..NewRecord::default() });
        counts.0[table] += 1;
        if batch.records_size() >= BATCH_SIZE {
            producer.send(&format!("{prefix}{}", TABLES[table]), std::mem::take(batch).finish())?;
        }
    }
    for (table, batch) in TABLES.iter().zip(batches) {
        if batch.records_size() > 0 {
            producer.send(&format!("{prefix}{table}"), batch.finish())?;
        }
    }
    producer.finish()?;
    Ok(counts)
}

struct Producer<'a> {
    kafka: &'a mut Connection,
    waiting: VecDeque<i32>,
}

impl Producer<'_> {
    fn send(&mut self, topic: &str, batch: Bytes) -> Result<()> {
        if self.waiting.len() == IN_FLIGHT {
            self.settle()?;
        }
        let partition = Partition { topic: topic.to_owned(), index: 0 };
        self.waiting.push_back(self.kafka.send_batches(&[(partition, batch)])?);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        let Some(id) = self.waiting.pop_front() else { return Ok(()) };
        for (partition, produced) in self.kafka.receive_produced(id)? {
            ensure!(produced.error == 0, "topic `{}`: {}", partition.topic, error_name(produced.error));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        while !self.waiting.is_empty() {
            self.settle()?;
        }
        Ok(())
    }
}

/// Which table a row is of, and its value.
fn json(row: &[u8]) -> Result<(usize, String)> {
    let (&table, mut rest) = row.split_first().context("an empty row")?;
    let table = usize::from(table);
    let columns = COLUMNS.get(table).context("no such table")?;
    let mut text = String::with_capacity(2 * row.len());
    for (place, (name, of)) in columns.iter().enumerate() {
        write!(text, "{}\"{name}\":", if place == 0 { '{' } else { ',' })?;
        match of {
            Type::Number => write!(text, "{}", number(&mut rest)?)?,
            Type::Moment => write!(text, "\"{}\"", moment(number(&mut rest)?)?)?,
            Type::Text => {
                let size = u16::from_le_bytes(*take::<2>(&mut rest)?);
                let (value, behind) = rest.split_at_checked(usize::from(size)).context("a row is cut short")?;
                rest = behind;
                text.push_str(&serde_json::to_string(str::from_utf8(value)?)?);
            }
        }
    }
    text.push('}');
    ensure!(rest.is_empty(), "a row is longer than its columns");
    Ok((table, text))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N]> {
    let (taken, behind) = rest.split_first_chunk().context("a row is cut short")?;
    *rest = behind;
    Ok(taken)
}

fn number(rest: &mut &[u8]) -> Result<u64> {
    Ok(u64::from_le_bytes(*take(rest)?))
}

/// The row that closes windows of a table.
fn closing(table: usize, count: u64) -> Result<(usize, String)> {
    let mut text = String::new();
    let at = moment(START_MS + count / PER_MS + CLOSING_MS)?;
    for (place, (name, of)) in COLUMNS.get(table).context("no such table")?.iter().enumerate() {
        write!(text, "{}\"{name}\":", if place == 0 { '{' } else { ',' })?;
        match of {
            // Each table has its own number, so that these rows are nobody's partner in a join.
            Type::Number => write!(text, "{table}")?,
            Type::Text => text.push_str("\"\""),
            Type::Moment => write!(text, "\"{at}\"")?,
        }
    }
    text.push('}');
    Ok((table, text))
}

/// As SQL writes it.
fn moment(ms: u64) -> Result<String> {
    let Some(since) = ms.checked_sub(FIRST_DAY_MS).filter(|since| *since < DAYS * DAY_MS) else {
        bail!("{ms} is not in January 2024: fewer events, please");
    };
    let (day, in_day) = (1 + since / DAY_MS, since % DAY_MS);
    let (hour, minute, second, ms) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1_000 % 60, in_day % 1_000);
    Ok(format!("2024-01-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sql::events::FIRST_ID;
    use serde_json::Value;

    #[test]
    fn each_row_is_json_with_the_columns_of_its_table() {
        let tables = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/sql/tables.sql")).unwrap();
        for row in events::rows(200, SEED) {
            let (table, text) = json(&row).unwrap();
            let value: Value = serde_json::from_str(&text).unwrap();
            let (_, declared) = tables.split_once(&format!("CREATE TABLE {}", TABLES[table])).unwrap();
            let (declared, _) = declared.split_once("WATERMARK").unwrap();
            assert_eq!(value.as_object().unwrap().len(), declared.matches(',').count());
            assert!(value.as_object().unwrap().keys().all(|name| declared.contains(name.as_str())), "{text}");
        }
    }

    #[test]
    fn moments_are_written_as_sql_writes_them() {
        assert_eq!(moment(START_MS).unwrap(), "2024-01-01 12:00:00.000");
        assert_eq!(moment(START_MS + DAY_MS + 3_723_004).unwrap(), "2024-01-02 13:02:03.004");
        assert!(moment(START_MS + 40 * DAY_MS).is_err());
    }

    #[test]
    fn closing_rows_are_told_by_their_ids() {
        for table in 0..TABLES.len() {
            let value: Value = serde_json::from_str(&closing(table, 100).unwrap().1).unwrap();
            let numbers = value.as_object().unwrap().values().filter_map(Value::as_u64);
            assert!(numbers.into_iter().all(|number| number < FIRST_ID), "{value}");
            assert_eq!(value["dateTime"], "2024-01-01 13:00:00.010");
        }
    }
}
