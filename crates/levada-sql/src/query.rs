//! [`Query`]: a query that somebody asks, once or for as long as they look at it. Nothing of it is kept.

use crate::{
    StatementError,
    answer::{Answer, json},
    changes::Changes,
    epoch::Time,
    format::Encoder,
    operator::{Operator as _, Out, consolidate::Consolidate, upsert::Upsert},
    plan::{self, Plan, Source},
    reading::{Read, Reading},
    statement::{Positions, Sleep, Stop, Surroundings, check_readable, moved, planner},
    table::Table,
    types::{Item, Type},
    value::Value,
    view::Version,
};
use bytes::Bytes;
use datafusion::arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
};
use levada_model::{Offset, PartitionIndex, TopicName};
use levada_sql_syntax::ast;
use std::{collections::BTreeMap, fmt, ops::ControlFlow, pin::Pin, sync::Arc, time::Duration};

/// A query over tables.
#[derive(Clone, Debug)]
pub struct Query {
    /// What is asked.
    pub query: Box<ast::Query>,
    /// The tables that it may read, by name.
    pub tables: BTreeMap<String, Arc<Table>>,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: Type,
}

/// Rows of an answer, each a JSON object, with how often it comes or, below zero, goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// In order.
    pub rows: Vec<(i64, Bytes)>,
}

/// What an answer has to have: whoever wrote something reads it.
pub struct ReadAfter {
    /// Of these partitions: the offset of a record that is part of the answer, if its topic is.
    pub offsets: Positions,
    /// How long that is waited for, in milliseconds.
    pub waited_ms: i64,
    /// Resolves when that is over.
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for ReadAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAfter").field("offsets", &self.offsets).finish_non_exhaustive()
    }
}

impl Default for ReadAfter {
    fn default() -> Self {
        Self { offsets: Positions::new(), waited_ms: 0, over: Box::pin(std::future::pending()) }
    }
}

/// A partition and one of its offsets.
pub type Place = ((TopicName, PartitionIndex), Offset);

impl ReadAfter {
    /// These offsets, waited for from now on.
    #[must_use]
    pub fn new(offsets: Positions, waited_ms: u32, sleep: &Sleep) -> Self {
        let over = sleep(Duration::from_millis(waited_ms.into()));
        Self { offsets, waited_ms: waited_ms.into(), over }
    }

    /// One of `offsets` that is missing where partitions are read up to `read`: of a topic that is read, also that of
    /// a partition which is not, as it came later.
    #[must_use]
    pub fn missing(offsets: &Positions, read: &Positions) -> Option<Place> {
        let is_read = |topic: &TopicName| read.keys().any(|(read, _)| read == topic);
        let is_missing = |(partition, offset): &(&(TopicName, PartitionIndex), &Offset)| match read.get(*partition) {
            Some(end) => end <= *offset,
            None => is_read(&partition.0),
        };
        offsets.iter().find(is_missing).map(|(partition, offset)| (partition.clone(), *offset))
    }

    /// Waits for `other`, as long as there is time.
    ///
    /// # Errors
    /// [`StatementError::NotReadYet`], which tells what is `missing`.
    pub async fn wait(&mut self, missing: Place, other: impl Future<Output = ()>) -> Result<(), StatementError> {
        let Self { waited_ms, over, .. } = self;
        tokio::select! {
            () = other => Ok(()),
            () = over => {
                let ((topic, partition), offset) = missing;
                Err(StatementError::NotReadYet { topic, partition, offset, waited_ms: *waited_ms })
            }
        }
    }
}

impl Rows {
    /// Adds all rows of a batch, with this weight each.
    pub(crate) fn append(&mut self, weight: i64, batch: &RecordBatch) -> Result<(), StatementError> {
        let mut encoder = json(batch.schema().fields())?;
        let changes = Changes::weighted(batch.clone(), vec![weight; batch.num_rows()])?;
        append(&mut *encoder, &changes, self)
    }
}

impl Query {
    /// The columns of its answer.
    ///
    /// # Errors
    /// [`StatementError::Plan`].
    pub fn columns(&self) -> Result<Vec<Column>, StatementError> {
        check_readable(&self.sources(), &self.tables)?;
        let plan = planner(&self.tables)?.logical(&self.query)?;
        columns(plan.schema().inner())
    }

    /// Its tables, wholly.
    fn sources(&self) -> Vec<Source> {
        let source = |name: String| {
            let schema = Arc::clone(&self.tables[&name].schema);
            Source { table: name, columns: (0..schema.fields().len()).collect(), schema }
        };
        plan::tables_of(&self.query, self.tables.keys()).into_iter().map(source).collect()
    }

    /// Whether rows of its answer only come and never go.
    ///
    /// # Errors
    /// [`StatementError::Plan`].
    pub fn is_append_only(&self) -> Result<bool, StatementError> {
        Ok(planner(&self.tables)?.streaming(&self.query)?.is_append_only)
    }

    /// The columns of its answer of which no two rows have the same values, where it groups by them.
    ///
    /// # Errors
    /// [`StatementError::Plan`].
    pub fn key(&self) -> Result<Option<Vec<usize>>, StatementError> {
        Ok(planner(&self.tables)?.key(&self.query)?)
    }

    /// The answer as of now, in the order that the query asks for, as JSON; it has what `read_after` asks for.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn once(&self, surroundings: &Surroundings, read_after: &mut ReadAfter) -> Result<Rows, StatementError> {
        self.answer(surroundings, &[], read_after).await?.json()
    }

    /// The same with `values` in the places of its parameters, as typed cells.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn answer(
        &self,
        surroundings: &Surroundings,
        values: &[Value],
        read_after: &mut ReadAfter,
    ) -> Result<Answer, StatementError> {
        let sources = self.sources();
        let mut reading = Reading::open(&sources, &self.tables, surroundings)?;
        reading.make_whole()?;
        let mut rows: Vec<Vec<Changes>> = vec![Vec::new(); sources.len()];
        let mut size = 0;
        let limit = surroundings.state_size_max;
        let mut growth = reading.growth();
        loop {
            reading.next(&mut |source, changes| {
                size += changes.rows().get_array_memory_size();
                if size > limit {
                    return Err(crate::RunError::StateTooLarge { size, limit }.into());
                }
                rows[source].push(changes);
                Ok(())
            })?;
            if !reading.has_cut() {
                return Err(StatementError::NoCut);
            }
            let Some(missing) = ReadAfter::missing(&read_after.offsets, &reading.read()) else { break };
            read_after.wait(missing, moved(&mut growth, None, &surroundings.sleep)).await?;
        }
        let table = |(Source { table: name, schema, .. }, rows): (Source, Vec<Changes>)| {
            let rows = match self.tables[&name].upsert_key() {
                Some(key) => last_of_each_key(&schema, key, &rows)?,
                None => rows.into_iter().map(|changes| changes.rows().clone()).collect(),
            };
            Ok(plan::Table { name, schema, rows, upsert_key: None })
        };
        let tables = sources.into_iter().zip(rows).map(table).collect::<Result<_, StatementError>>()?;
        self.answered(&plan::Planner::new(tables)?, values, limit).await
    }

    /// The answer for the version of a view of the one table that it reads, in no more than `size_max` bytes.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn of(
        &self,
        table: &str,
        version: Arc<Version>,
        values: &[Value],
        size_max: usize,
    ) -> Result<Answer, StatementError> {
        let mut planner = planner(&self.tables)?;
        planner.show(table, version);
        self.answered(&planner, values, size_max).await
    }

    async fn answered(
        &self,
        planner: &plan::Planner,
        values: &[Value],
        size_max: usize,
    ) -> Result<Answer, StatementError> {
        let (schema, batches) = planner.batch(&self.query, values, size_max).await?;
        Ok(Answer::new(columns(&schema)?, batches))
    }

    /// Hands the net changes of each epoch to `take`, with the epoch's number, until that has enough or `stop` is
    /// given. The first epoch comes at once, with what there is.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn watch(
        &self,
        surroundings: &Surroundings,
        stop: &Stop,
        take: &mut (dyn FnMut(u64, Rows) -> ControlFlow<()> + Send),
    ) -> Result<(), StatementError> {
        let Plan { sources, schema, mut dataflow, .. } = planner(&self.tables)?.streaming(&self.query)?;
        let mut reading = Reading::open(&sources, &self.tables, surroundings)?;
        let mut growth = reading.growth();
        let mut encoder = json(schema.fields())?;
        let limit = surroundings.state_size_max;
        let mut epoch = 0;
        while !stop.is_given() {
            let read =
                reading.next_portion(&mut |source, changes| Ok(dataflow.push_within(limit, source, &changes)?))?;
            let time = match read {
                Some(Read { time, .. }) => time,
                None if epoch == 0 && reading.has_cut() => reading.now(),
                None => {
                    stop.or(moved(&mut growth, reading.again_in(), &surroundings.sleep)).await;
                    continue;
                }
            };
            // Nothing is read twice.
            reading.keep_from_here();
            epoch += 1;
            let mut rows = Rows::default();
            for changes in dataflow.end_epoch(&time)?.iter().flatten() {
                append(&mut *encoder, changes, &mut rows)?;
            }
            if take(epoch, rows).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The rows of a table of which the last row of each key counts.
fn last_of_each_key(schema: &SchemaRef, key: Vec<usize>, rows: &[Changes]) -> Result<Vec<RecordBatch>, StatementError> {
    let (mut upsert, mut net) = (Upsert::new(Arc::clone(schema), key)?, Consolidate::new(Arc::clone(schema))?);
    let (mut changed, mut last) = (Out::new(), Out::new());
    for changes in rows {
        upsert.push(0, changes, &mut changed)?;
        for changes in changed.drain(..) {
            net.push(0, &changes, &mut last)?;
        }
    }
    net.end_epoch(&Time::default(), &mut last)?;
    Ok(last.into_iter().map(|changes| changes.rows().clone()).collect())
}

pub(crate) fn columns(schema: &Schema) -> Result<Vec<Column>, StatementError> {
    let column = |field: &Arc<Field>| {
        let of = Item::of(field).map_err(|error| StatementError::Columns(error.to_string()))?;
        Ok(Column { name: field.name().clone(), of: of.value })
    };
    schema.fields().iter().map(column).collect()
}

fn append(encoder: &mut dyn Encoder, changes: &Changes, to: &mut Rows) -> Result<(), StatementError> {
    for row in 0..changes.len() {
        let mut bytes = Vec::new();
        encoder.encode(changes.rows().columns(), row, &mut bytes)?;
        to.rows.push((changes.weight(row), bytes.into()));
    }
    Ok(())
}
