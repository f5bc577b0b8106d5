//! The events of a file as Arrow's batches. The format is that of `xtask/src/bench/sql/events.rs`.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
    sync::Arc,
};

use anyhow::{Result, bail, ensure};
use arrow::{
    array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder},
    datatypes::{DataType, SchemaRef, TimeUnit},
};
use levada_sql::Table;

const MAGIC: &[u8; 8] = b"LVNX0001";
/// Events that are handed over together, as many as a statement takes from a topic at a time.
pub(crate) const EVENTS_MAX: u64 = 8_192;
/// The result is checked over this part of the events, the first ones.
const CHECKED: u64 = 4;

/// Some events that come one after the other.
#[derive(Debug)]
pub(crate) struct Slice {
    /// Of each table: the rows among them, and the latest of their event times.
    pub(crate) rows: Vec<Option<(RecordBatch, i64)>>,
    /// Whether they are of the part whose result is checked.
    pub(crate) is_checked: bool,
}

/// Reads all events of a file, in slices of so many; none of them goes over the end of the part that is checked.
pub(crate) fn load(path: &Path, tables: &[Table], events_max: u64) -> Result<Vec<Slice>> {
    let mut from = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic)?;
    ensure!(&magic == MAGIC, "{} holds no events", path.display());
    let all = u64::from_le_bytes(bytes(&mut from)?);
    let (mut left, behind_checked) = (all, all - all / CHECKED);
    let mut slices = Vec::new();
    let mut rows: Vec<Rows> = tables.iter().map(Rows::of).collect::<Result<_>>()?;
    while left > 0 {
        let until = if left > behind_checked { behind_checked } else { 0 };
        let count = (left - until).min(events_max);
        for _ in 0..count {
            let [table] = bytes(&mut from)?;
            match rows.get_mut(usize::from(table)) {
                Some(rows) => rows.read(&mut from)?,
                None => bail!("there is no table {table}"),
            }
        }
        let rows = rows.iter_mut().map(Rows::finish).collect::<Result<_>>()?;
        slices.push(Slice { rows, is_checked: left > behind_checked });
        left -= count;
    }
    ensure!(from.read(&mut [0])? == 0, "there is more in {} than it says", path.display());
    Ok(slices)
}

fn bytes<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

enum Column {
    Number(Int64Builder),
    Moment(TimestampMillisecondBuilder),
    Text(StringBuilder),
}

/// The rows of a table that are gathered.
struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    time_column: usize,
    latest: i64,
    count: usize,
    text: Vec<u8>,
}

impl Rows {
    fn of(table: &Table) -> Result<Self> {
        let Some(watermark) = table.watermark else { bail!("table `{}` has no event time", table.name) };
        let mut columns = Vec::new();
        for field in table.schema.fields() {
            columns.push(match field.data_type() {
                DataType::Int64 => Column::Number(Int64Builder::new()),
                DataType::Timestamp(TimeUnit::Millisecond, None) => Column::Moment(TimestampMillisecondBuilder::new()),
                DataType::Utf8 => Column::Text(StringBuilder::new()),
                other => bail!("column `{}` of table `{}` is {other}", field.name(), table.name),
            });
        }
        let schema = Arc::clone(&table.schema);
        Ok(Self { schema, columns, time_column: watermark.column, latest: i64::MIN, count: 0, text: Vec::new() })
    }

    fn read(&mut self, from: &mut impl Read) -> Result<()> {
        for (place, column) in self.columns.iter_mut().enumerate() {
            match column {
                Column::Number(to) => to.append_value(i64::from_le_bytes(bytes(from)?)),
                Column::Moment(to) => {
                    let at_ms = i64::from_le_bytes(bytes(from)?);
                    to.append_value(at_ms);
                    if place == self.time_column {
                        self.latest = self.latest.max(at_ms);
                    }
                }
                Column::Text(to) => {
                    self.text.resize(usize::from(u16::from_le_bytes(bytes(from)?)), 0);
                    from.read_exact(&mut self.text)?;
                    to.append_value(std::str::from_utf8(&self.text)?);
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<Option<(RecordBatch, i64)>> {
        if std::mem::take(&mut self.count) == 0 {
            return Ok(None);
        }
        let finished = |column: &mut Column| -> ArrayRef {
            match column {
                Column::Number(of) => Arc::new(of.finish()),
                Column::Moment(of) => Arc::new(of.finish()),
                Column::Text(of) => Arc::new(of.finish()),
            }
        };
        let columns = self.columns.iter_mut().map(finished).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        Ok(Some((batch, std::mem::replace(&mut self.latest, i64::MIN))))
    }
}
