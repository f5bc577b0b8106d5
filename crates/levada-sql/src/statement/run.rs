//! Running a [`Statement`].

use super::{Statement, StatementError};
use crate::{
    changes::Changes,
    dataflow::Dataflow,
    epoch::{Epoch, Time},
    sink::Sink,
    snapshot::{Reader, Writer},
    source::SourceReader,
    table::Table,
};
use bytes::Bytes;
use datafusion::arrow::{
    array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    compute::cast,
};
use levada_model::{Offset, PartitionIndex, Timestamp, TopicName};
use levada_stream::{Caller, Growth, Handle, Hold, Inputs, Journal, Recovered};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// A partition from which nothing came for this long, and of which all was read, is not waited for.
const IDLE_AFTER_MS: i64 = 5_000;
/// Bytes of input after which a snapshot is taken, if it is not larger itself.
const SNAPSHOT_INPUT_SIZE: u64 = 64 << 20;
/// Epochs after which a snapshot is taken.
const SNAPSHOT_EPOCHS: u64 = 10_000;
/// Chunks of a snapshot.
const CHUNK_SIZE: usize = 1 << 20;

/// Tells a statement to end after its epoch.
#[derive(Debug, Default)]
pub struct Stop {
    given: AtomicBool,
    notify: Notify,
}

impl Stop {
    /// Tells it.
    pub fn give(&self) {
        self.given.store(true, Ordering::Release);
        self.notify.notify_waiters();
        self.notify.notify_one();
    }

    /// Whether it was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }

    /// Resolves when it is given, or `other` resolves.
    pub async fn or<T>(&self, other: impl Future<Output = T>) {
        tokio::select! {
            _ = other => {}
            () = self.notify.notified() => {}
        }
    }
}

/// Figures of a running statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether it is where it was when it ran last, and keeps what it needs from retention and compaction.
    pub is_recovered: bool,
    /// Epochs since it was created.
    pub epochs: u64,
    /// Rows written since it was started.
    pub rows_written: u64,
    /// Rows read since it was started.
    pub rows_read: u64,
    /// Rows that came too late.
    pub late_rows: u64,
    /// Bytes remembered, about.
    pub state_bytes: usize,
    /// Records of its topics that it has not read.
    pub lag: i64,
    /// Of each partition of its topics: the first offset that its answer does not have.
    pub read: BTreeMap<(TopicName, PartitionIndex), Offset>,
    /// The earliest watermark of its tables, in milliseconds since 1970.
    pub watermark: Option<Timestamp>,
}

/// Sleeps for a span.
pub type Sleep = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What a statement runs in.
#[derive(Clone)]
pub struct Surroundings {
    /// The broker.
    pub handle: Handle,
    /// In whose name it reads and writes.
    pub caller: Caller,
    /// Time passes.
    pub sleep: Sleep,
    /// The most bytes that it may remember.
    pub state_size_max: usize,
}

impl Statement {
    /// Runs until it is told to stop, or cannot go on. What is not committed then is done again by the next run.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn run(
        &self,
        surroundings: &Surroundings,
        stop: &Stop,
        progress: &Mutex<Progress>,
    ) -> Result<(), StatementError> {
        let (mut running, recovered) = Running::open(self, surroundings).await?;
        running.recover(&recovered)?;
        if recovered.snapshot.is_none() {
            // Where it began is part of what a replay needs.
            running.take_snapshot().await?;
        }
        drop(recovered);
        let mut growth = running.inputs.growth();
        *progress.lock() = running.progress();
        // What was there before the watches is looked at first.
        while !stop.is_given() {
            if !running.run_epoch().await? {
                *progress.lock() = running.progress();
                wait(&mut growth, stop, running.idle_in(), &surroundings.sleep).await;
                continue;
            }
            *progress.lock() = running.progress();
            running.check_state()?;
            if running.wants_snapshot() {
                running.take_snapshot().await?;
            }
        }
        // The next start has less to replay.
        if running.epochs_since_snapshot > 0 {
            running.take_snapshot().await?;
        }
        Ok(())
    }
}

/// Until something grew, a partition may be idle, or it is told to stop.
async fn wait(growth: &mut Growth, stop: &Stop, idle_in: Option<Duration>, sleep: &Sleep) {
    let idle = async {
        match idle_in {
            Some(span) => sleep(span).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = growth.grown() => {}
        () = stop.notify.notified() => {}
        () = idle => {}
    }
}

struct Running {
    surroundings: Surroundings,
    inputs: Inputs,
    journal: Journal,
    dataflow: Dataflow,
    sources: Vec<SourceReader>,
    sink: Sink,
    target: Target,
    /// What is read of the inputs.
    position: Vec<Offset>,
    /// When each partition was last seen to grow.
    grown_ms: Vec<Timestamp>,
    watermarks: Vec<Option<Timestamp>>,
    epoch: u64,
    epochs_since_snapshot: u64,
    input_since_snapshot: u64,
    snapshot_size: u64,
    rows_read: u64,
    rows_written: u64,
    /// Keeps what a replay needs.
    hold: Hold,
}

/// How the query's columns become those of the sink.
struct Target {
    table: Arc<Table>,
    wanted: Vec<usize>,
}

impl Target {
    fn columns(&self, changes: &Changes) -> Result<Changes, StatementError> {
        let rows = changes.rows();
        let column = |(place, field): (usize, &Arc<datafusion::arrow::datatypes::Field>)| match self
            .wanted
            .iter()
            .position(|wanted| *wanted == place)
        {
            Some(from) if !field.is_nullable() && rows.column(from).null_count() > 0 => {
                let (column, table) = (field.name(), &self.table.name);
                let message = format!("a row has NULL for `{column}`, which is NOT NULL in table `{table}`");
                Err(StatementError::Columns(message))
            }
            Some(from) => Ok(cast(rows.column(from), field.data_type())?),
            None => Ok(new_null_array(field.data_type(), changes.len())),
        };
        let columns = self.table.schema.fields().iter().enumerate().map(column);
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, StatementError>>()?;
        // A column that is not null may have no value here: it is one that is not written.
        let nullable = self.table.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(datafusion::arrow::datatypes::Schema::new(nullable.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(changes.len()));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let weights = (0..changes.len()).map(|row| changes.weight(row)).collect();
        Ok(Changes::weighted(rows, weights)?)
    }
}

impl Running {
    async fn open(statement: &Statement, surroundings: &Surroundings) -> Result<(Self, Recovered), StatementError> {
        let plan = statement.plan()?;
        let Surroundings { handle, caller, .. } = surroundings;
        let mut topics = Vec::new();
        let mut sources = Vec::new();
        let mut partitions = 0;
        for source in &plan.sources {
            let table = statement.tables.get(&source.table).cloned();
            let table = table.ok_or_else(|| StatementError::Internal(format!("no table `{}`", source.table)))?;
            let info = handle.topic(caller, &table.topic)?;
            let count = usize::try_from(info.partition_count).unwrap_or(0);
            topics.push(info.name);
            sources.push(SourceReader::new(table, partitions..partitions + count)?);
            partitions += count;
        }
        // One topic may be several tables.
        let inputs = handle.inputs(caller, &topics)?;
        let (journal, recovered) = handle.journal(caller, &statement.name).await?;
        let topic = handle.topic(caller, &statement.sink.topic)?;
        let name: TopicName = topic.name;
        let sink = Sink::new(Arc::clone(&statement.sink), name, topic.partition_count, plan.is_append_only)?;
        let position = inputs.start();
        let hold = inputs.hold(&position);
        let target = Target { table: Arc::clone(&statement.sink), wanted: statement.wanted_columns()? };
        let now = handle.now_ms();
        let running = Self {
            surroundings: surroundings.clone(),
            grown_ms: vec![now; position.len()],
            watermarks: vec![None; sources.len()],
            inputs,
            journal,
            dataflow: plan.dataflow,
            sources,
            sink,
            target,
            position,
            epoch: 0,
            epochs_since_snapshot: 0,
            input_since_snapshot: 0,
            snapshot_size: 0,
            rows_read: 0,
            rows_written: 0,
            hold,
        };
        Ok((running, recovered))
    }

    /// Loads the snapshot, and replays what was committed behind it.
    fn recover(&mut self, recovered: &Recovered) -> Result<(), StatementError> {
        if let Some(chunks) = &recovered.snapshot {
            let bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.iter().copied()).collect();
            self.snapshot_size = crate::operator::counted(bytes.len());
            let mut from = Reader::open(&bytes)?;
            self.load(&mut from)?;
            from.end()?;
            self.hold = self.inputs.hold(&self.position);
        }
        for record in &recovered.epochs {
            let epoch = Epoch::decode(record)?;
            self.check_partitions(epoch.cut.len())?;
            self.read_to(&epoch.cut)?;
            self.watermarks.clone_from(&epoch.time.watermarks);
            for (source, watermark) in self.sources.iter_mut().zip(&epoch.time.watermarks) {
                source.replay(*watermark);
            }
            let (_, hash, _) = self.end(&epoch.time)?;
            if hash != epoch.output_hash {
                return Err(StatementError::NotDeterministic { number: epoch.number });
            }
            self.position = epoch.cut;
            self.epoch = epoch.number;
            self.epochs_since_snapshot += 1;
        }
        Ok(())
    }

    const fn check_partitions(&self, before: usize) -> Result<(), StatementError> {
        if before == self.position.len() {
            return Ok(());
        }
        Err(StatementError::OtherPartitions { now: self.position.len(), before })
    }

    /// Hands all rows up to a cut to the dataflow.
    fn read_to(&mut self, cut: &[Offset]) -> Result<(), StatementError> {
        let Self { sources, inputs, position, dataflow, rows_read, input_since_snapshot, .. } = self;
        for (number, source) in sources.iter_mut().enumerate() {
            source.read(inputs, position, cut, &mut |changes| {
                *rows_read += crate::operator::counted(changes.len());
                *input_since_snapshot += crate::operator::counted(changes.rows().get_array_memory_size());
                Ok(dataflow.push(number, &changes)?)
            })?;
        }
        Ok(())
    }

    /// Ends the epoch: its outputs, their hash, how many rows they are.
    fn end(&mut self, time: &Time) -> Result<(Vec<levada_stream::Output>, u64, u64), StatementError> {
        let outputs = self.dataflow.end_epoch(time)?;
        let changes = outputs.iter().flatten().map(|changes| self.target.columns(changes));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let written = self.sink.write(&changes, time.processing_ms)?;
        Ok((written.outputs, written.hash, written.records))
    }

    /// Runs an epoch if there is something to do; says whether there was.
    async fn run_epoch(&mut self) -> Result<bool, StatementError> {
        let now = self.surroundings.handle.now_ms();
        let Some(cut) = self.inputs.cut(&self.position) else { return Ok(false) };
        for ((grown, at), cut) in self.grown_ms.iter_mut().zip(&self.position).zip(&cut) {
            if cut > at {
                *grown = now;
            }
        }
        let has_input = cut != self.position;
        if has_input {
            self.read_to(&cut)?;
        }
        let grown_ms = &self.grown_ms;
        let is_idle = |partition: usize| now.saturating_sub(grown_ms[partition]) >= IDLE_AFTER_MS;
        let watermarks: Vec<_> = self.sources.iter_mut().map(|source| source.advance(&is_idle)).collect();
        if !has_input && watermarks == self.watermarks {
            return Ok(false);
        }
        self.watermarks.clone_from(&watermarks);
        let time = Time { processing_ms: now, watermarks };
        let (outputs, output_hash, rows) = self.end(&time)?;
        let epoch = Epoch { number: self.epoch + 1, cut, time, output_hash };
        self.journal.commit(outputs, Bytes::from(epoch.encode())).await?;
        self.position = epoch.cut;
        self.epoch = epoch.number;
        self.epochs_since_snapshot += 1;
        self.rows_written += rows;
        Ok(true)
    }

    /// When a partition may be idle whose watermark is waited for.
    fn idle_in(&self) -> Option<Duration> {
        if self.sources.iter().all(|source| !source.has_watermark()) {
            return None;
        }
        let now = self.surroundings.handle.now_ms();
        let left = self.grown_ms.iter().map(|grown| IDLE_AFTER_MS - now.saturating_sub(*grown));
        let least = left.filter(|left| *left > 0).min()?;
        Some(Duration::from_millis(u64::try_from(least).unwrap_or(0)))
    }

    fn check_state(&self) -> Result<(), StatementError> {
        let (size, limit) = (self.dataflow.stats().state_bytes, self.surroundings.state_size_max);
        if size <= limit {
            return Ok(());
        }
        Err(crate::RunError::StateTooLarge { size, limit }.into())
    }

    fn wants_snapshot(&self) -> bool {
        self.epochs_since_snapshot >= SNAPSHOT_EPOCHS
            || self.input_since_snapshot >= SNAPSHOT_INPUT_SIZE.max(self.snapshot_size)
    }

    async fn take_snapshot(&mut self) -> Result<(), StatementError> {
        let mut to = Writer::default();
        self.save(&mut to);
        let mut bytes = Bytes::from(to.finish());
        self.snapshot_size = crate::operator::counted(bytes.len());
        let mut chunks = Vec::new();
        while !bytes.is_empty() {
            chunks.push(bytes.split_to(CHUNK_SIZE.min(bytes.len())));
        }
        self.journal.snapshot(chunks.into_iter()).await?;
        self.hold = self.inputs.hold(&self.position);
        self.epochs_since_snapshot = 0;
        self.input_since_snapshot = 0;
        Ok(())
    }

    fn save(&self, to: &mut Writer) {
        to.u64(self.epoch);
        to.count(self.position.len());
        self.position.iter().for_each(|offset| to.i64(*offset));
        self.sources.iter().for_each(|source| source.save(to));
        self.dataflow.save(to);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StatementError> {
        self.epoch = from.u64()?;
        let count = from.count()?;
        self.check_partitions(count)?;
        for offset in &mut self.position {
            *offset = from.i64()?;
        }
        for (source, watermark) in self.sources.iter_mut().zip(&mut self.watermarks) {
            source.load(from)?;
            *watermark = source.watermark();
        }
        self.dataflow.load(from)?;
        Ok(())
    }

    fn progress(&self) -> Progress {
        let stats = self.dataflow.stats();
        let lag = self.inputs.end().iter().zip(&self.position).map(|(end, at)| (end - at).max(0)).sum();
        let partitions = self.inputs.partitions().iter();
        let read = partitions.zip(&self.position).map(|(it, at)| ((it.topic.clone(), it.partition), *at));
        let with_time = self.sources.iter().zip(&self.watermarks).filter(|(source, _)| source.has_watermark());
        Progress {
            is_recovered: true,
            epochs: self.epoch,
            rows_written: self.rows_written,
            rows_read: self.rows_read,
            late_rows: stats.late_rows,
            state_bytes: stats.state_bytes,
            lag,
            read: read.collect(),
            watermark: with_time.map(|(_, watermark)| *watermark).min().flatten(),
        }
    }
}
