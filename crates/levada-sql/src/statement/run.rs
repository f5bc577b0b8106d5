//! Running a [`Statement`].

use super::{
    Statement, StatementError,
    dead_letter::{Letters, of_row},
    late_rows::LateTopic,
    progress::{Progress, Rate},
    target::Target,
};
use crate::{
    changes::Changes,
    dataflow::{Dataflow, RunError},
    epoch::{Epoch, Time},
    format::SchemaSource,
    operator::counted,
    plan::Plan,
    reading::{Read, Reading},
    sink::{Sink, Written},
    snapshot::{Reader, Writer},
    source::Undecoded,
    view::Filling,
};
use bytes::Bytes;
use levada_model::{Offset, PartitionIndex, TopicName};
use levada_stream::{Caller, Growth, Handle, Journal, Recovered};
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};

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

/// An offset of each of these partitions.
pub type Positions = BTreeMap<(TopicName, PartitionIndex), Offset>;

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
    /// Where schemas come from, if there is a registry.
    pub schemas: Option<Arc<dyn SchemaSource>>,
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
        progress: &watch::Sender<Progress>,
    ) -> Result<(), StatementError> {
        let (mut running, recovered) = Running::open(self, surroundings).await?;
        running.recover(&recovered)?;
        if recovered.snapshot.is_none() {
            // Where it began is part of what a replay needs.
            running.take_snapshot().await?;
        }
        drop(recovered);
        if let Some(view) = &self.view {
            let mut filling = Filling::of(view, &self.sink, surroundings, stop).await?;
            filling.show_current(running.epoch, running.reading.read());
            running.filling = Some(filling);
        }
        let mut growth = running.reading.growth();
        progress.send_replace(running.progress());
        // What was there before the watches is looked at first.
        while !stop.is_given() {
            if !running.run_epoch().await? {
                progress.send_replace(running.progress());
                stop.or(moved(&mut growth, running.reading.again_in(), &surroundings.sleep)).await;
                continue;
            }
            progress.send_replace(running.progress());
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

/// Resolves when something grew, or after `again_in`.
pub(crate) async fn moved(growth: &mut Growth, again_in: Option<Duration>, sleep: &Sleep) {
    let again = async {
        match again_in {
            Some(span) => sleep(span).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = growth.grown() => {}
        () = again => {}
    }
}

struct Running {
    journal: Journal,
    reading: Reading,
    dataflow: Dataflow,
    /// What the plan is: what another one remembered is not understood.
    fingerprint: u64,
    sink: Sink,
    undecoded: Undecoded,
    dead_letters: Option<Letters>,
    late_rows: Option<LateTopic>,
    undecodable_records: u64,
    target: Target,
    /// Keeps the view of what was written up to date.
    filling: Option<Filling>,
    state_size_max: usize,
    epoch: u64,
    epochs_since_snapshot: u64,
    bytes_at_snapshot: u64,
    snapshot_size: u64,
    rows_written: u64,
    rate: Rate,
}

impl Running {
    async fn open(statement: &Statement, surroundings: &Surroundings) -> Result<(Self, Recovered), StatementError> {
        let plan = statement.plan()?;
        let waiting = plan.waiting();
        let Plan { sources, is_append_only, dataflow, fingerprint, .. } = plan;
        let Surroundings { handle, caller, state_size_max, .. } = surroundings;
        let reading = Reading::open(&sources, &statement.tables, surroundings)?;
        let (journal, recovered) = handle.journal(caller, &statement.name).await?;
        let sink = Sink::open(Arc::clone(&statement.sink), statement.writers, surroundings, is_append_only)?;
        let dead_letters = statement.dead_letters(surroundings)?;
        let late_rows = LateTopic::open(statement, waiting, surroundings)?;
        let target = Target::of(statement)?;
        let running = Self {
            journal,
            reading,
            dataflow,
            fingerprint,
            sink,
            undecoded: statement.on_error.undecoded(),
            dead_letters,
            late_rows,
            undecodable_records: 0,
            target,
            filling: None,
            state_size_max: *state_size_max,
            epoch: 0,
            epochs_since_snapshot: 0,
            bytes_at_snapshot: 0,
            snapshot_size: 0,
            rows_written: 0,
            rate: Rate::default(),
        };
        Ok((running, recovered))
    }

    /// Loads the snapshot, and replays what was committed behind it.
    fn recover(&mut self, recovered: &Recovered) -> Result<(), StatementError> {
        if let Some(chunks) = &recovered.snapshot {
            let bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.iter().copied()).collect();
            self.snapshot_size = counted(bytes.len());
            let mut from = Reader::open(&bytes)?;
            self.load(&mut from)?;
            from.end()?;
        }
        // What is no row was written with its epoch.
        self.set_undecoded(self.undecoded.again());
        for record in &recovered.epochs {
            let epoch = Epoch::decode(record)?;
            let Self { reading, dataflow, state_size_max, .. } = self;
            reading.again(&epoch.cut, &epoch.time, &mut |source, changes| {
                Ok(dataflow.push_within(*state_size_max, source, &changes)?)
            })?;
            let (_, written) = self.end(&epoch.time)?;
            if written.hash != epoch.output_hash {
                return Err(StatementError::NotDeterministic { number: epoch.number });
            }
            self.epoch = epoch.number;
            self.epochs_since_snapshot += 1;
        }
        drop((self.reading.take_poison(), self.reading.take_left_out(), self.dataflow.take_left_out()));
        self.set_undecoded(self.undecoded);
        self.dataflow.keep_late(self.late_rows.is_some());
        Ok(())
    }

    fn set_undecoded(&mut self, undecoded: Undecoded) {
        self.reading.set_undecoded(undecoded);
        self.dataflow.set_undecoded(undecoded);
    }

    /// Ends the epoch: what changes in the sink, and how that is written.
    fn end(&mut self, time: &Time) -> Result<(Vec<Changes>, Written), StatementError> {
        let outputs = self.dataflow.end_epoch(time)?;
        let changes = outputs.iter().flatten().map(|changes| self.target.columns(changes));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let written = self.sink.write(&changes, time.processing_ms)?;
        Ok((changes, written))
    }

    /// Runs an epoch if there is something to do; says whether there was.
    async fn run_epoch(&mut self) -> Result<bool, StatementError> {
        let (rows_before, _) = self.reading.amount();
        let Self { reading, dataflow, state_size_max, .. } = self;
        let read = reading
            .next_portion(&mut |source, changes| Ok(dataflow.push_within(*state_size_max, source, &changes)?))?;
        let Some(Read { cut, time }) = read else { return Ok(false) };
        self.rate.add(time.processing_ms, self.reading.amount().0 - rows_before);
        let (changes, Written { mut outputs, hash, records }) = self.end(&time)?;
        let poison_size = self.reading.poison_size();
        let remembered = self.dataflow.stats().state_bytes + poison_size;
        if poison_size > 0 && remembered > self.state_size_max {
            return Err(StatementError::DeadLetters { size: remembered, limit: self.state_size_max });
        }
        if self.dataflow.late_size() > 0 && remembered > self.state_size_max {
            return Err(RunError::StateTooLarge { size: remembered, limit: self.state_size_max }.into());
        }
        let filling = self.filling.as_ref();
        let shown = filling.map(|it| it.next(&changes, remembered, self.state_size_max)).transpose()?;
        let poison = self.reading.take_poison();
        let left_out = [self.reading.take_left_out(), self.dataflow.take_left_out()];
        if let Some(dead_letters) = &self.dead_letters {
            let mut letters = poison.kept;
            for row in left_out.iter().flat_map(|(_, rows)| rows) {
                letters.push(of_row(row, time.processing_ms)?);
            }
            outputs.extend(dead_letters.outputs(letters)?);
        }
        if let Some(topic) = &self.late_rows {
            outputs.extend(topic.outputs(self.dataflow.take_late(), time.processing_ms)?);
        }
        let epoch = Epoch { number: self.epoch + 1, cut, time, output_hash: hash };
        self.journal.commit(outputs, Bytes::from(epoch.encode())).await?;
        self.epoch = epoch.number;
        if let (Some(filling), Some(shown)) = (&mut self.filling, shown) {
            filling.show(shown, self.epoch, self.reading.read());
        }
        self.epochs_since_snapshot += 1;
        self.rows_written += records;
        self.undecodable_records += poison.count + left_out.iter().map(|(count, _)| count).sum::<u64>();
        Ok(true)
    }

    fn wants_snapshot(&self) -> bool {
        let (_, bytes_read) = self.reading.amount();
        self.epochs_since_snapshot >= SNAPSHOT_EPOCHS
            || bytes_read - self.bytes_at_snapshot >= SNAPSHOT_INPUT_SIZE.max(self.snapshot_size)
    }

    async fn take_snapshot(&mut self) -> Result<(), StatementError> {
        let mut to = Writer::sized(self.dataflow.stats().state_bytes);
        self.save(&mut to);
        let mut bytes = Bytes::from(to.finish());
        self.snapshot_size = counted(bytes.len());
        let mut chunks = Vec::new();
        while !bytes.is_empty() {
            chunks.push(bytes.split_to(CHUNK_SIZE.min(bytes.len())));
        }
        self.journal.snapshot(chunks.into_iter()).await?;
        self.reading.keep_from_here();
        self.epochs_since_snapshot = 0;
        (_, self.bytes_at_snapshot) = self.reading.amount();
        Ok(())
    }

    fn save(&self, to: &mut Writer) {
        to.u64(self.fingerprint);
        to.u64(self.epoch);
        self.reading.save(to);
        self.dataflow.save(to);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StatementError> {
        if from.u64()? != self.fingerprint {
            return Err(StatementError::OtherPlan);
        }
        self.epoch = from.u64()?;
        self.reading.load(from)?;
        self.dataflow.load(from)?;
        Ok(())
    }

    fn progress(&self) -> Progress {
        let stats = self.dataflow.stats();
        let (rows_read, _) = self.reading.amount();
        Progress {
            is_recovered: true,
            epochs: self.epoch,
            rows_written: self.rows_written,
            rows_read,
            rate: self.rate.clone(),
            late_rows: stats.late_rows,
            undecodable_records: self.undecodable_records,
            state_bytes: stats.state_bytes + self.filling.as_ref().map_or(0, Filling::size),
            lag: self.reading.lag(),
            read: self.reading.read(),
            watermark: self.reading.watermark(),
        }
    }
}
