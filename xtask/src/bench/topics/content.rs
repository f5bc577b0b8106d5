//! What a topic of results holds for whoever reads only what was committed: how many records, and what they come to.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::queries::{Query, Rows};
use crate::bench::sql::events::FIRST_ID;
use crate::kafka_client::{Connection, Isolation, Partition, error_name};

/// A commit's marker may come after the answer to it.
const MARKERS_LIMIT: Duration = Duration::from_secs(20);
/// Columns by which rows about closing events are told.
const IDS: [&str; 2] = ["auction", "bidder"];

/// What a topic comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// All that were written.
    pub(super) records: u64,
    /// Rows in the end, without those about the events that only close windows.
    pub(super) rows: u64,
    /// A sum over the hashes of these.
    pub(super) checksum: u64,
}

impl Content {
    /// Whether both come to the same rows.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        (self.rows, self.checksum) == (other.rows, other.checksum)
    }

    /// Reads the topic to its end.
    pub(super) fn of(kafka: &mut Connection, topic: &str, query: &Query) -> Result<Self> {
        let mut content = Self::default();
        let mut by_key: HashMap<String, u64> = HashMap::new();
        read(kafka, topic, 0, |key, value| {
            content.records += 1;
            match query.rows {
                Rows::Come => {
                    if let Some(hash) = hash(value, query)? {
                        content.rows += 1;
                        content.checksum = content.checksum.wrapping_add(hash);
                    }
                }
                Rows::Change => {
                    let key = canonical(&object(key.context("a row without a key")?)?, query);
                    // A row that is gone has no value.
                    match value.is_empty() {
                        true => drop(by_key.remove(&key)),
                        false => drop(by_key.insert(key, hash(value, query)?.unwrap_or_default())),
                    }
                }
            }
            Ok(())
        })?;
        for hash in by_key.into_values().filter(|hash| *hash != 0) {
            content.rows += 1;
            content.checksum = content.checksum.wrapping_add(hash);
        }
        Ok(content)
    }
}

/// Hands over the records of a topic of one partition from `offset` to its end, and answers where that is.
pub(super) fn read(
    kafka: &mut Connection,
    topic: &str,
    mut offset: i64,
    mut take: impl FnMut(Option<&Bytes>, &Bytes) -> Result<()>,
) -> Result<i64> {
    let partition = Partition { topic: topic.to_owned(), index: 0 };
    let mut deadline = Instant::now() + MARKERS_LIMIT;
    loop {
        let fetched = kafka.fetch_as(Isolation::Committed, &[(partition.clone(), offset)])?;
        let part = fetched.into_iter().next().context("an answer without the partition")?;
        ensure!(part.error == 0, "topic `{topic}`: {}", error_name(part.error));
        let found = part.records?;
        found.records.iter().zip(&found.keys).try_for_each(|((_, value), key)| take(key.as_ref(), value))?;
        if found.next_offset > offset {
            offset = found.next_offset;
            deadline = Instant::now() + MARKERS_LIMIT;
        }
        if offset >= part.high_watermark {
            return Ok(offset);
        }
        if Instant::now() > deadline {
            bail!("topic `{topic}` has a transaction that does not end, at offset {offset}");
        }
        if part.last_stable_offset <= offset {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn object(text: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(text).with_context(|| format!("`{}` is no row", String::from_utf8_lossy(text)))
}

/// Of a row that counts.
fn hash(value: &[u8], query: &Query) -> Result<Option<u64>> {
    let row = object(value)?;
    let is_closing = |id: &str| row.get(id).and_then(Value::as_u64).is_some_and(|id| id < FIRST_ID);
    if IDS.into_iter().any(is_closing) {
        return Ok(None);
    }
    let mut hasher = DefaultHasher::new();
    canonical(&row, query).hash(&mut hasher);
    Ok(Some(hasher.finish().max(1)))
}

/// The same text for the same row, whatever the order of its columns and the way its numbers are written.
fn canonical(row: &Map<String, Value>, query: &Query) -> String {
    let mut columns: Vec<(&String, &Value)> =
        row.iter().filter(|(name, _)| !query.left_open.contains(&name.as_str())).collect();
    columns.sort_by_key(|(name, _)| *name);
    let mut text = String::new();
    for (name, value) in columns {
        text.push_str(name);
        text.push(':');
        match value {
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => text.push_str(&whole.to_string()),
                // A whole number is told as such: `{}` writes no fraction where there is none.
                (None, Some(number)) => text.push_str(&number.to_string()),
                (None, None) => text.push_str(&number.to_string()),
            },
            other => text.push_str(&other.to_string()),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> Query {
        Query { name: "q1", tables: &["bid"], rows: Rows::Come, left_open: &["extra"] }
    }

    #[test]
    fn a_row_is_the_same_however_it_is_written() {
        let same = [
            r#"{"auction":1000,"price":90.80,"extra":"a"}"#,
            r#"{ "price": 90.8, "auction": 1000.0, "extra": "b" }"#,
            r#"{"price":9.08E+1,"auction":1000}"#,
        ];
        let hashes = same.map(|text| hash(text.as_bytes(), &query()).unwrap().unwrap());
        assert_eq!(hashes[0], hashes[1]);
        assert_eq!(hashes[0], hashes[2]);
        let other = hash(br#"{"auction":1000,"price":90.81}"#, &query()).unwrap().unwrap();
        assert_ne!(hashes[0], other);
    }

    #[test]
    fn rows_about_closing_events_do_not_count() {
        assert_eq!(hash(br#"{"auction":2,"num":1}"#, &query()).unwrap(), None);
        assert!(hash(br#"{"auction":1000,"num":1}"#, &query()).unwrap().is_some());
        assert!(hash(b"no row", &query()).is_err());
    }
}
