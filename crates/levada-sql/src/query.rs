//! [`Query`]: a query that somebody asks, once or for as long as they look at it. Nothing of it is kept.

use crate::{
    StatementError,
    changes::Changes,
    epoch::Time,
    format::{Encoder, Format, JsonOptions, encoder},
    operator::{Operator as _, Out, consolidate::Consolidate, upsert::Upsert},
    plan,
    source::SourceReader,
    statement::{Stop, Surroundings, planner},
    table::Table,
    types::{Item, Type},
};
use bytes::Bytes;
use datafusion::arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use levada_model::{Offset, TopicName};
use levada_sql_syntax::ast;
use levada_stream::Inputs;
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

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

/// What is read for a query.
struct Reading {
    inputs: Inputs,
    sources: Vec<SourceReader>,
    position: Vec<Offset>,
}

impl Reading {
    fn open(
        tables: &BTreeMap<String, Arc<Table>>,
        named: &[String],
        surroundings: &Surroundings,
    ) -> Result<Self, StatementError> {
        let Surroundings { handle, caller, .. } = surroundings;
        let mut topics: Vec<TopicName> = Vec::new();
        let mut sources = Vec::new();
        let mut partitions = 0;
        for name in named {
            let table = tables.get(name).cloned();
            let table = table.ok_or_else(|| StatementError::Internal(format!("no table `{name}`")))?;
            let info = handle.topic(caller, &table.topic)?;
            let count = usize::try_from(info.partition_count).unwrap_or(0);
            topics.push(info.name);
            sources.push(SourceReader::new(table, partitions..partitions + count)?);
            partitions += count;
        }
        let inputs = handle.inputs(caller, &topics)?;
        let position = inputs.start();
        Ok(Self { inputs, sources, position })
    }

    /// Reads on to the latest cut; says whether there was something.
    fn read_on(
        &mut self,
        take: &mut dyn FnMut(usize, Changes) -> Result<(), StatementError>,
    ) -> Result<bool, StatementError> {
        let Some(cut) = self.inputs.cut(&self.position) else { return Ok(false) };
        if cut == self.position {
            return Ok(false);
        }
        for (number, source) in self.sources.iter_mut().enumerate() {
            source.read(&self.inputs, &self.position, &cut, &mut |changes| take(number, changes))?;
        }
        self.position = cut;
        Ok(true)
    }
}

impl Query {
    /// The columns of its answer.
    ///
    /// # Errors
    /// [`StatementError::Plan`].
    pub fn columns(&self) -> Result<Vec<Column>, StatementError> {
        let plan = planner(&self.tables)?.logical(&self.query)?;
        columns(plan.schema().inner())
    }

    /// The answer as of now, in the order that the query asks for.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn once(&self, surroundings: &Surroundings) -> Result<Rows, StatementError> {
        let named = plan::tables_of(&self.query, self.tables.keys());
        let mut reading = Reading::open(&self.tables, &named, surroundings)?;
        let mut rows: Vec<Vec<Changes>> = vec![Vec::new(); named.len()];
        let mut size = 0;
        let limit = surroundings.state_size_max;
        reading.read_on(&mut |source, changes| {
            size += changes.rows().get_array_memory_size();
            if size > limit {
                return Err(crate::RunError::StateTooLarge { size, limit }.into());
            }
            rows[source].push(changes);
            Ok(())
        })?;
        let table = |(name, rows): (&String, Vec<Changes>)| {
            let table = &self.tables[name];
            let rows = match table.upsert_key() {
                Some(key) => last_of_each_key(&table.schema, key, &rows)?,
                None => rows.into_iter().map(|changes| changes.rows().clone()).collect(),
            };
            let (name, schema) = (name.clone(), Arc::clone(&table.schema));
            Ok(plan::Table { name, schema, rows, upsert_key: None })
        };
        let tables = named.iter().zip(rows).map(table).collect::<Result<_, StatementError>>()?;
        let planner = plan::Planner::new(tables)?;
        let mut answer = Rows::default();
        for batch in planner.batch(&self.query).await? {
            let mut encoder = json(&batch.schema())?;
            append(&mut *encoder, &Changes::inserted(batch), &mut answer)?;
        }
        Ok(answer)
    }

    /// Hands the net changes of each epoch to `take`, with the epoch's number, until that has enough or `stop` is
    /// given.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn watch(
        &self,
        surroundings: &Surroundings,
        stop: &Stop,
        take: &mut (dyn FnMut(u64, Rows) -> ControlFlow<()> + Send),
    ) -> Result<(), StatementError> {
        let plan::Plan { sources, schema, mut dataflow, .. } = planner(&self.tables)?.streaming(&self.query)?;
        let named: Vec<String> = sources.into_iter().map(|source| source.table).collect();
        let mut reading = Reading::open(&self.tables, &named, surroundings)?;
        let mut growth = reading.inputs.growth();
        let mut encoder = json(&schema)?;
        let mut epoch = 0;
        let mut watermarks = vec![None; named.len()];
        while !stop.is_given() {
            let read = reading.read_on(&mut |source, changes| Ok(dataflow.push(source, &changes)?))?;
            let advanced: Vec<_> = reading.sources.iter_mut().map(|source| source.advance(&|_| false)).collect();
            if read || epoch == 0 || advanced != watermarks {
                epoch += 1;
                watermarks.clone_from(&advanced);
                let time = Time { processing_ms: surroundings.handle.now_ms(), watermarks: advanced };
                let mut rows = Rows::default();
                for changes in dataflow.end_epoch(&time)?.iter().flatten() {
                    append(&mut *encoder, changes, &mut rows)?;
                }
                let (size, limit) = (dataflow.stats().state_bytes, surroundings.state_size_max);
                if size > limit {
                    return Err(crate::RunError::StateTooLarge { size, limit }.into());
                }
                if take(epoch, rows).is_break() {
                    return Ok(());
                }
                continue;
            }
            stop.or(growth.grown()).await;
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

fn columns(schema: &Schema) -> Result<Vec<Column>, StatementError> {
    let column = |field: &Arc<datafusion::arrow::datatypes::Field>| {
        let of = Item::of(field).map_err(|error| StatementError::Columns(error.to_string()))?;
        Ok(Column { name: field.name().clone(), of: of.value })
    };
    schema.fields().iter().map(column).collect()
}

fn json(schema: &SchemaRef) -> Result<Box<dyn Encoder>, StatementError> {
    let options = JsonOptions { encode_decimal_as_plain_number: true, ..JsonOptions::default() };
    Ok(encoder(&Format::Json(options), schema.fields())?)
}

fn append(encoder: &mut dyn Encoder, changes: &Changes, to: &mut Rows) -> Result<(), StatementError> {
    for row in 0..changes.len() {
        let mut bytes = Vec::new();
        encoder.encode(changes.rows().columns(), row, &mut bytes)?;
        to.rows.push((changes.weight(row), bytes.into()));
    }
    Ok(())
}
