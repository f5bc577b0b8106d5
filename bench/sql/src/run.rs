//! One run: events go to the operators slice by slice, epochs end about ten times a second, and once in a while all
//! that is remembered is written to a file, as a statement does that runs on a broker.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use levada_sql::{Table, changes::Changes, epoch::Time, plan::Plan, snapshot::Writer};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    checksum::{self, Checksum},
    events::Slice,
};

/// Processor time after which an epoch ends, where that is not said otherwise.
const EPOCH: Duration = Duration::from_millis(100);
/// Bytes of input after which a snapshot is taken, if it is not larger itself, as `levada-sql` has it.
const SNAPSHOT_INPUT_SIZE: usize = 64 << 20;
/// What the last epoch adds to the time of events: all windows close.
const END_MS: i64 = 86_400_000;
/// The clock starts behind this part of the rows.
const UNTIMED: usize = 10;

/// What a run took, from where the clock starts.
#[derive(Debug)]
pub(crate) struct Timed {
    /// Rows of the tables that the query reads.
    pub(crate) events: usize,
    pub(crate) cpu_seconds: f64,
    pub(crate) wall_seconds: f64,
    /// Rows that came or went, from the beginning on.
    pub(crate) result_rows: usize,
    pub(crate) state_bytes: usize,
    pub(crate) epochs: u64,
    pub(crate) snapshots: u64,
}

/// A source of a plan.
struct Source {
    /// Its table's place among all tables.
    table: usize,
    columns: Vec<usize>,
    delay_ms: i64,
}

/// A plan with what it reads.
pub(crate) struct Run<'a> {
    plan: Plan,
    sources: Vec<Source>,
    events: &'a [Slice],
    /// Processor time after which an epoch ends.
    epoch: Duration,
    snapshot: PathBuf,
    watermarks: Vec<Option<i64>>,
    /// Bytes of input since the last snapshot, and how large that was.
    input_size: usize,
    snapshot_size: usize,
    epochs: u64,
    snapshots: u64,
}

impl<'a> Run<'a> {
    /// Prepares a run.
    pub(crate) fn new(plan: Plan, events: &'a [Slice], tables: &[Table], snapshot: &Path) -> Result<Self> {
        let mut sources = Vec::new();
        for source in &plan.sources {
            let table = tables.iter().position(|table| table.name == source.table).context("no such table")?;
            let watermark = tables.get(table).and_then(|table| table.watermark).context("no event time")?;
            sources.push(Source { table, columns: source.columns.clone(), delay_ms: watermark.delay_ms });
        }
        let watermarks = vec![None; sources.len()];
        let (input_size, snapshot_size, epochs, snapshots) = (0, 0, 0, 0);
        let snapshot = snapshot.to_owned();
        let epoch = EPOCH;
        Ok(Self { plan, sources, events, epoch, snapshot, watermarks, input_size, snapshot_size, epochs, snapshots })
    }

    /// Measures.
    pub(crate) fn timed(&mut self) -> Result<Timed> {
        let mut result_rows = 0;
        let (events, cpu, wall) = self.all(&mut |changes| {
            result_rows += changes.len();
            Ok(())
        })?;
        Ok(Timed {
            events,
            cpu_seconds: cpu.as_secs_f64(),
            wall_seconds: wall.as_secs_f64(),
            result_rows,
            state_bytes: self.plan.dataflow.stats().state_bytes,
            epochs: self.epochs,
            snapshots: self.snapshots,
        })
    }

    /// What the result comes to.
    pub(crate) fn checked(&mut self) -> Result<Checksum> {
        let mut checksum = Checksum::default();
        self.all(&mut |changes| checksum.add(changes))?;
        Ok(checksum)
    }

    /// The rows of the result as they are in the end, and how often each is there; each slice is an epoch.
    pub(crate) fn kept(&mut self) -> Result<BTreeMap<Vec<u8>, i64>> {
        self.epoch = Duration::ZERO;
        let mut kept = BTreeMap::new();
        self.all(&mut |changes| {
            for (place, text) in checksum::texts(changes)?.into_iter().enumerate() {
                *kept.entry(text).or_default() += changes.weight(place);
            }
            Ok(())
        })?;
        kept.retain(|_, count| *count != 0);
        Ok(kept)
    }

    /// Runs from the first event to the last. Answers how many rows were timed, and what they took.
    fn all(&mut self, take: &mut dyn FnMut(&Changes) -> Result<()>) -> Result<(usize, Duration, Duration)> {
        let total: usize = self.events.iter().map(|slice| self.rows_of(slice)).sum();
        let (mut seen, mut start) = (0, None);
        let mut epoch_began = cpu();
        for slice in self.events {
            if start.is_none() && seen >= total / UNTIMED {
                start = Some((seen, cpu(), Instant::now()));
            }
            self.push(slice)?;
            seen += self.rows_of(slice);
            if cpu().saturating_sub(epoch_began) >= self.epoch {
                self.end_epoch(take)?;
                epoch_began = cpu();
            }
        }
        for watermark in self.watermarks.iter_mut().flatten() {
            *watermark += END_MS;
        }
        self.end_epoch(take)?;
        let (before, cpu_before, began) = start.unwrap_or_else(|| (total, cpu(), Instant::now()));
        Ok((total - before, cpu().saturating_sub(cpu_before), began.elapsed()))
    }

    fn rows_of(&self, slice: &Slice) -> usize {
        let rows = |source: &Source| slice.rows.get(source.table).and_then(|rows| rows.as_ref());
        self.sources.iter().filter_map(rows).map(|(batch, _)| batch.num_rows()).sum()
    }

    fn push(&mut self, slice: &Slice) -> Result<()> {
        for (number, source) in self.sources.iter().enumerate() {
            let Some(Some((batch, latest))) = slice.rows.get(source.table) else { continue };
            let changes = Changes::inserted(batch.project(&source.columns)?);
            self.input_size += changes.rows().get_array_memory_size();
            self.plan.dataflow.push(number, &changes)?;
            if let Some(watermark) = self.watermarks.get_mut(number) {
                *watermark = (*watermark).max(Some(latest - source.delay_ms));
            }
        }
        Ok(())
    }

    fn end_epoch(&mut self, take: &mut dyn FnMut(&Changes) -> Result<()>) -> Result<()> {
        let time = Time { watermarks: self.watermarks.clone(), ..Time::default() };
        for changes in self.plan.dataflow.end_epoch(&time)?.iter().flatten() {
            take(changes)?;
        }
        self.epochs += 1;
        if self.input_size >= SNAPSHOT_INPUT_SIZE.max(self.snapshot_size) {
            let mut to = Writer::sized(self.plan.dataflow.stats().state_bytes);
            self.plan.dataflow.save(&mut to);
            let bytes = to.finish();
            let mut file = File::create(&self.snapshot)?;
            file.write_all(&bytes)?;
            file.sync_data()?;
            (self.snapshot_size, self.input_size) = (bytes.len(), 0);
            self.snapshots += 1;
        }
        Ok(())
    }
}

/// Processor time of the process, its own and the kernel's for it.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let [seconds, nanos] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}

/// The most memory that the process had.
///
/// Source: proc(5).
pub(crate) fn peak_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    Ok(1_024 * line.trim().trim_end_matches(" kB").parse::<u64>()?)
}
