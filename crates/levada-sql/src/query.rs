//! [`Query`]: a query that somebody asks, once or for as long as they look at it. Nothing of it is kept.

use crate::{
    StatementError,
    changes::Changes,
    epoch::Time,
    format::{Encoder, Format, JsonOptions, encoder},
    operator::{Operator as _, Out, consolidate::Consolidate, upsert::Upsert},
    plan::{self, Plan, Source},
    reading::{Read, Reading},
    statement::{Stop, Surroundings, check_readable, moved, planner},
    table::Table,
    types::{Item, Type},
};
use bytes::Bytes;
use datafusion::arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
};
use levada_sql_syntax::ast;
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

    /// The answer as of now, in the order that the query asks for.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn once(&self, surroundings: &Surroundings) -> Result<Rows, StatementError> {
        let sources = self.sources();
        let mut reading = Reading::open(&sources, &self.tables, surroundings)?;
        reading.make_whole()?;
        let mut rows: Vec<Vec<Changes>> = vec![Vec::new(); sources.len()];
        let mut size = 0;
        let limit = surroundings.state_size_max;
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
        let table = |(Source { table: name, schema, .. }, rows): (Source, Vec<Changes>)| {
            let rows = match self.tables[&name].upsert_key() {
                Some(key) => last_of_each_key(&schema, key, &rows)?,
                None => rows.into_iter().map(|changes| changes.rows().clone()).collect(),
            };
            Ok(plan::Table { name, schema, rows, upsert_key: None })
        };
        let tables = sources.into_iter().zip(rows).map(table).collect::<Result<_, StatementError>>()?;
        let planner = plan::Planner::new(tables)?;
        let mut answer = Rows::default();
        for batch in planner.batch(&self.query, limit).await? {
            let mut encoder = json(&batch.schema())?;
            append(&mut *encoder, &Changes::inserted(batch), &mut answer)?;
        }
        Ok(answer)
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
        let mut encoder = json(&schema)?;
        let limit = surroundings.state_size_max;
        let mut epoch = 0;
        while !stop.is_given() {
            let read = reading.next(&mut |source, changes| Ok(dataflow.push_within(limit, source, &changes)?))?;
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

fn columns(schema: &Schema) -> Result<Vec<Column>, StatementError> {
    let column = |field: &Arc<Field>| {
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
