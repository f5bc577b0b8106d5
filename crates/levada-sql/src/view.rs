//! [`View`]: what a statement writes to a table with a primary key, in memory, for those who ask.
//!
//! It goes from one epoch of its statement to the next as a whole. Each [`Version`] stays as it is for as long as
//! somebody has it; versions share what they have in common. It is filled from the statement's own topic when that
//! starts, so that no snapshot keeps it.

mod history;
mod provider;

pub(crate) use provider::Shown;

use crate::{
    RunError, StatementError,
    changes::Changes,
    plan::Source,
    query::Rows,
    reading::Reading,
    statement::{Positions, Stop, Surroundings, moved},
    table::Table,
};
use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
    error::ArrowError,
    row::{RowConverter, SortField},
};
use history::History;
use imbl::{OrdMap, ordmap::DiffItem};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// What a row costs beside its bytes and its key's: the map's places, and the counts of who has them.
const ENTRY_SIZE: usize = 96;
/// What a partition's offset costs, about.
const POSITION_SIZE: usize = 80;
/// Rows of a batch.
const ROWS_MAX: usize = 8_192;

type Bytes = Arc<[u8]>;
type RowMap = OrdMap<Bytes, Bytes>;

/// How rows are kept: as Arrow's row format has them, under their keys in the same format.
#[derive(Debug)]
struct Shape {
    schema: SchemaRef,
    key: Vec<usize>,
    keys: RowConverter,
    rows: RowConverter,
}

/// The rows of a table as of one epoch.
#[derive(Clone, Debug)]
pub struct Version {
    shape: Arc<Shape>,
    epoch: u64,
    read: Positions,
    rows: RowMap,
    size: usize,
    /// Bytes of the version before that are not in this one.
    replaced: usize,
}

/// The latest version of a table's rows, while a statement keeps it up to date.
#[derive(Debug)]
pub struct View {
    shape: Arc<Shape>,
    latest: watch::Sender<Option<Arc<Version>>>,
    history: Mutex<History>,
}

impl View {
    /// A view of a table, which nobody fills yet; `None` where the table has no key.
    ///
    /// # Errors
    /// Where a column cannot be part of it.
    pub fn of(table: &Table) -> Result<Option<Arc<Self>>, ArrowError> {
        let Some(key) = table.upsert_key() else { return Ok(None) };
        // A column that is not null may have no value in a record that takes a row away.
        let fields = table.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(datafusion::arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
        let of = |column: usize| SortField::new(schema.field(column).data_type().clone());
        let keys = RowConverter::new(key.iter().map(|column| of(*column)).collect())?;
        let rows = RowConverter::new((0..schema.fields().len()).map(of).collect())?;
        let shape = Arc::new(Shape { schema, key, keys, rows });
        Ok(Some(Arc::new(Self { shape, latest: watch::Sender::new(None), history: Mutex::default() })))
    }

    /// Shows each version, and `None` while there is none.
    #[must_use]
    pub fn versions(&self) -> watch::Receiver<Option<Arc<Version>>> {
        self.latest.subscribe()
    }

    /// The version of an epoch, if it was the latest a short while ago, or is.
    #[must_use]
    pub fn of_epoch(&self, epoch: u64) -> Option<Arc<Version>> {
        let latest = self.latest.borrow().clone().filter(|version| version.epoch == epoch);
        latest.or_else(|| self.history.lock().of(epoch))
    }
}

impl Version {
    /// The epoch of its statement.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Of each partition that its statement reads: the first offset that is not in it.
    #[must_use]
    pub const fn read(&self) -> &Positions {
        &self.read
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// About how many bytes it takes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// What changed since another version of the same table, in no more than `size_max` bytes; without one, all rows
    /// come.
    ///
    /// # Errors
    /// Where a row cannot be shown, or they are too many.
    pub fn changes_since(&self, before: Option<&Self>, size_max: usize) -> Result<Rows, StatementError> {
        let nothing = RowMap::new();
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for change in before.map_or(&nothing, |before| &before.rows).diff(&self.rows) {
            match change {
                DiffItem::Add(_, new) => come.push(new),
                DiffItem::Update { old: (_, old), new: (_, new) } => {
                    gone.push(old);
                    come.push(new);
                }
                DiffItem::Remove(_, old) => gone.push(old),
            }
        }
        let (mut rows, mut size) = (Rows::default(), 0);
        for (weight, some) in [(-1, gone), (1, come)] {
            for some in some.chunks(ROWS_MAX) {
                let known = rows.rows.len();
                rows.append(weight, &self.shape.batch(some)?)?;
                size += rows.rows[known..].iter().map(|(_, row)| row.len()).sum::<usize>();
                if size > size_max {
                    return Err(crate::plan::PlanError::AnswerTooLarge { limit: size_max }.into());
                }
            }
        }
        Ok(rows)
    }

    /// The columns of its rows.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.shape.schema)
    }

    /// The columns of its key.
    pub(crate) fn key(&self) -> &[usize] {
        &self.shape.key
    }

    /// All rows, in the order of their keys.
    pub(crate) fn batches(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut rows = self.rows.values();
        let mut batches = Vec::new();
        loop {
            let some: Vec<&Bytes> = rows.by_ref().take(ROWS_MAX).collect();
            if some.is_empty() {
                return Ok(batches);
            }
            batches.push(self.shape.batch(&some)?);
        }
    }

    /// The row with a key of these columns, each with one value.
    pub(crate) fn lookup(&self, key: &[ArrayRef]) -> Result<RecordBatch, ArrowError> {
        let keys = self.shape.keys.convert_columns(key)?;
        let row = if keys.num_rows() == 1 { self.rows.get(keys.row(0).data()) } else { None };
        self.shape.batch(&row.into_iter().collect::<Vec<_>>())
    }
}

impl Shape {
    fn batch(&self, rows: &[&Bytes]) -> Result<RecordBatch, ArrowError> {
        let parser = self.rows.parser();
        let columns = self.rows.convert_rows(rows.iter().map(|row| parser.parse(row)))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

/// Keeps a view up to date, for whoever runs the statement; without it the view shows nothing.
pub(crate) struct Filling {
    view: Arc<View>,
    current: Version,
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.view.latest.send_replace(None);
        self.view.history.lock().clear();
    }
}

impl Filling {
    /// Fills a view with what its table's topic has. Nobody writes that meanwhile.
    pub(crate) async fn of(
        view: &Arc<View>,
        table: &Arc<Table>,
        surroundings: &Surroundings,
        stop: &Stop,
    ) -> Result<Self, StatementError> {
        let shape = Arc::clone(&view.shape);
        let current = Version { shape, epoch: 0, read: Positions::new(), rows: RowMap::new(), size: 0, replaced: 0 };
        let mut filling = Self { view: Arc::clone(view), current };
        let columns = (0..table.schema.fields().len()).collect();
        let source = Source { table: table.name.clone(), columns, schema: Arc::clone(&table.schema) };
        let tables = BTreeMap::from([(table.name.clone(), Arc::clone(table))]);
        let mut reading = Reading::open(&[source], &tables, surroundings)?;
        let mut growth = reading.growth();
        while !stop.is_given() {
            let limit = surroundings.state_size_max;
            reading.next(&mut |_, changes| {
                filling.current.replay(&changes)?;
                Ok(filling.current.check_size(0, limit)?)
            })?;
            if reading.has_cut() {
                break;
            }
            stop.or(moved(&mut growth, reading.again_in(), &surroundings.sleep)).await;
        }
        Ok(filling)
    }

    /// What comes after these changes, beside `remembered` bytes of the statement's own; nobody sees it yet.
    pub(crate) fn next(&self, changes: &[Changes], remembered: usize, limit: usize) -> Result<Version, RunError> {
        let mut next = Version { replaced: 0, ..self.current.clone() };
        // What goes makes place for what comes under the same key.
        for is_there in [false, true] {
            changes.iter().try_for_each(|changes| next.take(changes, |weight| (weight > 0) == is_there))?;
        }
        next.check_size(remembered, limit)?;
        Ok(next)
    }

    /// Shows a version as that of an epoch.
    pub(crate) fn show(&mut self, next: Version, epoch: u64, read: Positions) {
        let before = std::mem::replace(&mut self.current, Version { epoch, read, ..next });
        if self.view.latest.borrow().is_some() {
            let gone = self.current.replaced + before.read.len() * POSITION_SIZE;
            self.view.history.lock().push(Arc::new(before), gone);
        }
        self.view.latest.send_replace(Some(Arc::new(self.current.clone())));
    }

    /// What is shown, as that of an epoch.
    pub(crate) fn show_current(&mut self, epoch: u64, read: Positions) {
        let current = self.current.clone();
        self.show(current, epoch, read);
    }

    /// About how many bytes the latest version takes.
    pub(crate) const fn size(&self) -> usize {
        self.current.size
    }
}

impl Version {
    fn check_size(&self, remembered: usize, limit: usize) -> Result<(), RunError> {
        let size = self.size.saturating_add(remembered);
        if size > limit { Err(RunError::StateTooLarge { size, limit }) } else { Ok(()) }
    }

    /// Takes records one after the other.
    fn replay(&mut self, changes: &Changes) -> Result<(), RunError> {
        self.take(changes, |_| true)
    }

    /// Takes those rows whose weights are `wanted`: a row that comes replaces the one with its key.
    fn take(&mut self, changes: &Changes, wanted: impl Fn(i64) -> bool) -> Result<(), RunError> {
        let columns = changes.rows().columns();
        let key: Vec<ArrayRef> = self.shape.key.iter().map(|column| Arc::clone(&columns[*column])).collect();
        let shape = Arc::clone(&self.shape);
        let keys = shape.keys.convert_columns(&key)?;
        let rows = shape.rows.convert_columns(columns)?;
        for place in (0..changes.len()).filter(|place| wanted(changes.weight(*place))) {
            let key = keys.row(place);
            let key = key.data();
            let cost = |row: &[u8]| ENTRY_SIZE + key.len() + row.len();
            let before = if changes.weight(place) > 0 {
                let row = rows.row(place);
                let row: Bytes = row.data().into();
                self.size += cost(&row);
                self.rows.insert(key.into(), row)
            } else {
                self.rows.remove(key)
            };
            let before = before.map_or(0, |row| cost(&row));
            self.size -= before;
            self.replaced += before;
        }
        Ok(())
    }
}
