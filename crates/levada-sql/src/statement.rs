//! [`Statement`]: a query that runs, epoch by epoch, and goes on after a crash where it was.
//!
//! ```text
//! grown ─▶ cut ─▶ read, decode, push ─▶ end of epoch ─▶ encode ─▶ one transaction: outputs and the epoch's record
//! ```
//!
//! What is recorded of an epoch, its cut, its watermarks and its time, is all that its replay needs. A start loads the
//! last snapshot and replays the epochs behind it without their output, of which only the hash is compared.

mod dead_letter;
mod late_rows;
mod once;
mod progress;
mod run;
mod target;

pub use dead_letter::OnError;
pub use late_rows::LateRows;
pub use once::Once;
pub use progress::{Progress, Rate};
pub(crate) use run::moved;
pub use run::{Positions, Sleep, Stop, Surroundings};

use crate::{
    RunError,
    format::{DecodeError, EncodeError, FormatError},
    plan::{PlanError, Planner},
    snapshot::SnapshotError,
    table::{Connector, Table},
    view::View,
    writers::{self, WriterError, Writers},
};
use datafusion::arrow::{datatypes::SchemaRef, error::ArrowError};
use levada_model::{Offset, PartitionIndex, TopicName};
use levada_sql_syntax::ast;
use levada_stream::{CommitError, HandleError, ReadError};
use std::{collections::BTreeMap, sync::Arc};

/// Why a statement does not run any more.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Its query is not run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An expression has no value, or something is too large.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A table's format is not sound.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A row cannot be written.
    #[error("a row cannot be written: {0}")]
    Encode(#[from] EncodeError),
    /// A record is no row of its table.
    #[error("{side} of the record at offset {offset} of partition {partition} of table `{table}`: {error}")]
    Record {
        /// The table.
        table: String,
        /// The partition of its topic.
        partition: PartitionIndex,
        /// The record's offset.
        offset: Offset,
        /// `key` or `value`.
        side: &'static str,
        /// What is wrong.
        error: Box<DecodeError>,
    },
    /// A partition cannot be read.
    #[error("partition {partition} of table `{table}`: {error}")]
    Input {
        /// The table.
        table: String,
        /// The partition of its topic.
        partition: PartitionIndex,
        /// Why not.
        error: ReadError,
    },
    /// A batch cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What the registry has is not known at this moment.
    #[error("what the schema registry has is not known now: {0}")]
    Unavailable(String),
    /// There is no schema to write with.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// Two rows have one key.
    #[error("two rows have the key `{key}`, which is to be the primary key of table `{table}`")]
    KeyNotUnique {
        /// The table.
        table: String,
        /// The key.
        key: String,
    },
    /// The broker refuses it.
    #[error(transparent)]
    Broker(#[from] HandleError),
    /// An epoch was not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What was kept is not understood.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The replay of an epoch came to something else than the epoch had.
    #[error(
        "the replay of epoch {number} comes to something else than was written: what the statement does is not determined by its input"
    )]
    NotDeterministic {
        /// The epoch.
        number: u64,
    },
    /// The inputs are not those of the last run.
    #[error(
        "the tables have {now} partitions, and had {before} when the statement ran last: drop it, and create it again"
    )]
    OtherPartitions {
        /// How many there are.
        now: usize,
        /// How many there were.
        before: usize,
    },
    /// What is asked for once cannot be answered yet.
    #[error(
        "a transaction goes on that was open when the broker started, and what is whole is not known before it ends: ask again"
    )]
    NoCut,
    /// Records that are no rows, and are kept, are too many at once.
    #[error(
        "records that cannot be decoded take {size} bytes in one epoch, with what is remembered, and the statement may have {limit} (`sql.state.bytes.max`): raise that, or create the statement again with `sql.on-error` = `skip`"
    )]
    DeadLetters {
        /// How much they take.
        size: usize,
        /// How much there may be.
        limit: usize,
    },
    /// What was to be part of the answer is not in time.
    #[error(
        "offset {offset} of partition {partition} of topic `{topic}` is not part of the answer within {waited_ms} ms"
    )]
    NotReadYet {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The offset.
        offset: Offset,
        /// How long it was waited for.
        waited_ms: i64,
    },
    /// The query is planned otherwise than in the last run.
    #[error(
        "this version plans the query otherwise than the one that ran it last, whose state it cannot use: drop the statement, and create it again"
    )]
    OtherPlan,
    /// The query's columns are not those of the table that it goes to.
    #[error("{0}")]
    Columns(String),
    /// A promise between our own parts does not hold.
    #[error("this should not happen: {0}")]
    Internal(String),
}

impl From<ArrowError> for StatementError {
    fn from(error: ArrowError) -> Self {
        Self::Run(error.into())
    }
}

/// A query over tables whose rows go to a table.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its name, which its journal has.
    pub name: String,
    /// The query.
    pub query: Box<ast::Query>,
    /// The columns that the query gives; all of the table's in their order where it is empty.
    pub columns: Vec<String>,
    /// The tables that it may read, by name.
    pub tables: BTreeMap<String, Arc<Table>>,
    /// Where its rows go.
    pub sink: Arc<Table>,
    /// What becomes of records that cannot be decoded.
    pub on_error: OnError,
    /// The schemas that it writes with, as [`Self::writers`] found them when it was created: what is written does not
    /// change where others are registered later on, and neither does what a replay comes to.
    pub writers: Writers,
    /// What becomes of rows that come too late.
    pub late_rows: LateRows,
    /// Shows what is in `sink`, which nobody else writes.
    pub view: Option<Arc<View>>,
}

impl Statement {
    /// Checks that the query is run, and that its rows fit the table that they go to.
    ///
    /// # Errors
    /// As [`Self::run`] before anything is read.
    pub fn check(&self) -> Result<(), StatementError> {
        self.plan().map(drop)
    }

    /// The schemas to write the sink's records with; what is missing is registered, if it can be.
    ///
    /// # Errors
    /// [`StatementError::Writer`], [`StatementError::Unavailable`], [`StatementError::Format`].
    pub async fn writers(&self, surroundings: &Surroundings) -> Result<Writers, StatementError> {
        writers::registered(&self.sink, surroundings).await
    }

    /// Whether another statement's query means the same, so that what one remembers is of use to the other.
    ///
    /// # Errors
    /// [`StatementError::Plan`].
    pub fn is_same_plan(&self, other: &Self) -> Result<bool, StatementError> {
        let (planner, others) = (planner(&self.tables)?, planner(&other.tables)?);
        let (plan, other_plan) = (planner.streaming(&self.query)?, others.streaming(&other.query)?);
        // What is shown of a plan, which the fingerprint is of, is not all that it says.
        let is_same = planner.optimized(&self.query)? == others.optimized(&other.query)?;
        Ok(is_same && plan.fingerprint == other_plan.fingerprint)
    }

    /// Plans the query, and checks that its rows fit the table that they go to.
    ///
    /// # Errors
    /// [`StatementError::Plan`], [`StatementError::Columns`].
    pub(crate) fn plan(&self) -> Result<crate::plan::Plan, StatementError> {
        let plan = planner(&self.tables)?.streaming(&self.query)?;
        check_readable(&plan.sources, &self.tables)?;
        self.check_letters(&plan.sources)?;
        let wanted = self.checked_target()?;
        check_columns(&plan.schema, &self.sink, &wanted)?;
        let is_topic = self.sink.topic().is_some();
        if is_topic && self.sink.changelog == crate::table::Changelog::Append && !plan.is_append_only {
            let name = &self.sink.name;
            let message = format!(
                "rows of this query change later on, and table `{name}` takes only those that come: declare it with \
                 'connector' = 'upsert-kafka' and a PRIMARY KEY"
            );
            return Err(StatementError::Columns(message));
        }
        Ok(plan)
    }

    /// The columns that are written, by their places, where rows can go there.
    fn checked_target(&self) -> Result<Vec<usize>, StatementError> {
        if matches!(self.sink.connector, Connector::DataGen(_)) {
            let message = format!("table `{}` is made up by `datagen`: it can only be read", self.sink.name);
            return Err(StatementError::Columns(message));
        }
        let wanted = self.wanted_columns()?;
        let is_left_out = |column: &usize| self.sink.is_written(*column) && !wanted.contains(column);
        let left_out = (0..self.sink.origins.len()).filter(is_left_out).map(|column| self.sink.schema.field(column));
        if let Some(field) = left_out.into_iter().find(|field| !field.is_nullable()) {
            let message = format!("`{}` of table `{}` is NOT NULL and gets no value", field.name(), self.sink.name);
            return Err(StatementError::Columns(message));
        }
        Ok(wanted)
    }

    /// The columns of the sink that the query gives, by their places there.
    pub(crate) fn wanted_columns(&self) -> Result<Vec<usize>, StatementError> {
        if self.columns.is_empty() {
            let is_written = |column: &usize| self.sink.is_written(*column);
            return Ok((0..self.sink.origins.len()).filter(is_written).collect());
        }
        let place = |name: &String| {
            let found = self.sink.schema.fields().iter().position(|field| field.name() == name);
            let table = &self.sink.name;
            match found {
                Some(place) if self.sink.is_written(place) => Ok(place),
                Some(_) => Err(StatementError::Columns(format!("`{name}` of table `{table}` is not written"))),
                None => Err(StatementError::Columns(format!("table `{table}` has no column `{name}`"))),
            }
        };
        self.columns.iter().map(place).collect()
    }
}

/// That there is something to be read in each table that is.
pub(crate) fn check_readable(
    sources: &[crate::plan::Source],
    tables: &BTreeMap<String, Arc<Table>>,
) -> Result<(), StatementError> {
    let is_gone = |name: &String| tables.get(name).is_some_and(|table| table.connector == Connector::Blackhole);
    match sources.iter().find(|source| is_gone(&source.table)) {
        None => Ok(()),
        Some(source) => {
            let message = format!("table `{}` is a blackhole: nothing can be read from it", source.table);
            Err(StatementError::Columns(message))
        }
    }
}

/// A planner that knows these tables.
pub(crate) fn planner(tables: &BTreeMap<String, Arc<Table>>) -> Result<Planner, StatementError> {
    let table = |(name, table): (&String, &Arc<Table>)| crate::plan::Table {
        name: name.clone(),
        schema: Arc::clone(&table.schema),
        rows: Vec::new(),
        upsert_key: table.upsert_key(),
    };
    Ok(Planner::new(tables.iter().map(table).collect())?)
}

fn check_columns(given: &SchemaRef, sink: &Table, wanted: &[usize]) -> Result<(), StatementError> {
    let (count, name) = (given.fields().len(), &sink.name);
    if count != wanted.len() {
        let message = format!("the query gives {count} columns, and table `{name}` takes {}", wanted.len());
        return Err(StatementError::Columns(message));
    }
    for (field, place) in given.fields().iter().zip(wanted) {
        let to = sink.schema.field(*place);
        if !can_be_stored(field.data_type(), to.data_type()) {
            let (from, into) = (type_name(field), type_name(to));
            let column = field.name();
            // What the planner named cannot be written.
            let is_unnamed = column.starts_with("EXPR$")
                || column.strip_prefix("column").is_some_and(|number| number.parse::<u32>().is_ok());
            let hint = match is_unnamed {
                true => format!("cast it to {into}"),
                false => format!("CAST({column} AS {into})"),
            };
            let to = to.name();
            let message =
                format!("column `{column}` of the query is {from}, and `{to}` of table `{name}` is {into}: {hint}");
            return Err(StatementError::Columns(message));
        }
    }
    Ok(())
}

fn type_name(field: &datafusion::arrow::datatypes::Field) -> String {
    crate::types::Type::of(field).map_or_else(|_| field.data_type().to_string(), |of| of.to_string())
}

/// Whether values of a type can go into a column of another without losing anything.
///
/// Source: Flink's implicit casts.
fn can_be_stored(from: &datafusion::arrow::datatypes::DataType, to: &datafusion::arrow::datatypes::DataType) -> bool {
    use datafusion::arrow::datatypes::DataType::{Decimal128, Float32, Float64, Null, Timestamp};
    match (from, to) {
        (from, to) if from == to => true,
        (Null, _) | (Float32, Float64) => true,
        (from, Float32 | Float64) if from.is_signed_integer() => true,
        (from, to) if from.is_signed_integer() && to.is_signed_integer() => {
            from.primitive_width() <= to.primitive_width()
        }
        (from, Decimal128(precision, scale)) if from.is_signed_integer() => {
            let digits = match from.primitive_width() {
                Some(1) => 3,
                Some(2) => 5,
                Some(4) => 10,
                _ => 19,
            };
            i16::from(*precision) - i16::from(*scale) >= digits
        }
        (Decimal128(p, s), Decimal128(precision, scale)) => {
            scale >= s && i16::from(*precision) - i16::from(*scale) >= i16::from(*p) - i16::from(*s)
        }
        (Timestamp(_, a), Timestamp(_, b)) => a.is_some() == b.is_some(),
        _ => false,
    }
}
