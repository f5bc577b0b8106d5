//! [`TemporalJoin`]: each row of the left side with what a table had for its key at the row's time.
//!
//! The right side are the table's records as they come: a row is its key's version from its event time on. A left row
//! waits until the watermark of both sides has passed its time; then it is shown with the version of that time, once.
//! Of each key the versions from the watermark on are remembered, and the last before it. A row behind the watermark
//! meets what is remembered still, and is counted as late.
//!
//! The end of a key takes away the version that came last, from that version's time on.
//!
//! A left row that goes takes with it what it was shown with, whatever there is for its key by then.

mod met;
mod versions;

use super::{
    Clock, Operator, Out, Stats, aggregate, counted,
    describe::{Description, Memory},
    join,
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    epoch::Time,
    late::Late,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{self, RowTable},
};
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, RecordBatch},
        compute::filter_record_batch,
        row::RowConverter,
    },
    error::DataFusionError,
};
use levada_model::Timestamp;
use met::Met;
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};
use versions::Versions;

/// What it is made from.
#[derive(Clone)]
pub(crate) struct Spec {
    /// The left side's rows and key, the right side's as they are shown and their key.
    pub(crate) join: join::Spec,
    /// The right columns that are shown, among those of the table's records.
    pub(crate) shown: Vec<usize>,
    /// The key among the columns of the table's records.
    pub(crate) version_key: Vec<usize>,
    /// Of each side: the column with the event time; on the right among those of the table's records.
    pub(crate) times: [usize; 2],
    pub(crate) clock: Clock,
    /// Whether left rows only come.
    pub(crate) is_append_only: bool,
}

/// A left row that waits.
struct Waiting {
    row: Box<[u8]>,
    /// `None` where it has a null: there is no version for it.
    key: Option<Box<[u8]>>,
    weight: i64,
}

/// See the module.
pub(crate) struct TemporalJoin {
    spec: Spec,
    /// What encodes keys of the left side as the versions have them.
    keys: RowTable,
    left: RowConverter,
    right: RowConverter,
    waiting: BTreeMap<(Timestamp, u64), Waiting>,
    next: u64,
    versions: Versions,
    /// Of left rows that may go.
    met: Met,
    bytes: usize,
    watermark: Option<Timestamp>,
    rows_touched: u64,
    late: Late,
}

/// What a row costs beside its bytes.
const ROW_SIZE: usize = 96;

impl Waiting {
    fn size(&self) -> usize {
        self.row.len() + self.key.as_ref().map_or(0, |key| key.len()) + ROW_SIZE
    }
}

impl TemporalJoin {
    pub(crate) fn new(spec: Spec) -> Result<Self, RunError> {
        let [(left, key), (right, _)] = &spec.join.sides;
        let types = || key.iter().map(|at| left.field(*at).data_type().clone());
        Ok(Self {
            keys: RowTable::new(types())?,
            left: rows::converter(left)?,
            right: rows::converter(right)?,
            waiting: BTreeMap::new(),
            next: 0,
            versions: Versions::new(types())?,
            met: Met::default(),
            bytes: 0,
            watermark: None,
            rows_touched: 0,
            late: Late::default(),
            spec,
        })
    }

    /// Notes rows behind the watermark, each by its place and its time.
    fn see(&mut self, changes: &Changes, times: impl Iterator<Item = (usize, Timestamp)>) -> Result<(), RunError> {
        let Some(watermark) = self.watermark else { return Ok(()) };
        let place = |place: usize| u32::try_from(place).expect("a batch has fewer rows");
        let late: Vec<u32> = times.filter(|(_, time)| *time <= watermark).map(|(at, _)| place(at)).collect();
        self.late.add(changes, &late, changes.rows().num_columns(), Some(watermark))
    }

    fn wait(&mut self, changes: &Changes) -> Result<(), RunError> {
        let columns = changes.rows().columns();
        let key: Vec<ArrayRef> = self.spec.join.sides[0].1.iter().map(|at| Arc::clone(&columns[*at])).collect();
        let (keys, rows) = (self.keys.encode(&key)?, self.left.convert_columns(columns)?);
        let times = times(&columns[self.spec.times[0]])?;
        // One that goes is never late: what it met is known.
        let come = times.iter().copied().enumerate().filter(|(place, _)| changes.weight(*place) > 0);
        self.see(changes, come)?;
        for (place, row) in rows.iter().enumerate() {
            let is_sound = key.iter().all(|column| column.is_valid(place));
            let key = is_sound.then(|| keys.row(place).into());
            let waiting = Waiting { row: row.data().into(), key, weight: changes.weight(place) };
            self.bytes += waiting.size();
            self.waiting.insert((times[place], self.next), waiting);
            self.next += 1;
        }
        Ok(())
    }

    fn learn(&mut self, changes: &Changes) -> Result<(), RunError> {
        let columns = changes.rows().columns();
        let key: Vec<ArrayRef> = self.spec.version_key.iter().map(|at| Arc::clone(&columns[*at])).collect();
        let shown: Vec<ArrayRef> = self.spec.shown.iter().map(|at| Arc::clone(&columns[*at])).collect();
        let keys = self.keys.encode(&key)?;
        // Without columns there are no rows to be made of them.
        let rows = (!shown.is_empty()).then(|| self.right.convert_columns(&shown)).transpose()?;
        let kept: Vec<bool> = (0..changes.len()).map(|place| changes.weight(place) > 0).collect();
        let coming = datafusion::arrow::compute::filter(&columns[self.spec.times[1]], &kept.clone().into())?;
        let times = times(&coming)?;
        let places = kept.iter().enumerate().filter(|(_, comes)| **comes).map(|(place, _)| place);
        self.see(changes, places.zip(times.iter().copied()))?;
        let mut times = times.into_iter();
        for (place, comes) in kept.into_iter().enumerate() {
            if !comes {
                self.versions.end(keys.row(place));
                continue;
            }
            let Some(time) = times.next() else { continue };
            let row = rows.as_ref().map_or(Box::default(), |rows| rows.row(place).data().into());
            self.versions.add(keys.row(place), time, row);
        }
        Ok(())
    }

    /// Shows what has waited long enough.
    fn show(&mut self, watermark: Timestamp, out: &mut Out) -> Result<(), RunError> {
        let later = match watermark.checked_add(1) {
            Some(next) => self.waiting.split_off(&(next, 0)),
            None => BTreeMap::new(),
        };
        let due = std::mem::replace(&mut self.waiting, later);
        self.bytes -= due.values().map(Waiting::size).sum::<usize>();
        self.rows_touched += counted(due.len());
        let (mut pairs, mut alone) = (Vec::new(), Vec::new());
        for ((time, _), Waiting { row, key, weight }) in &due {
            if *weight < 0 {
                for (version, count) in self.met.take(row, -*weight) {
                    match version {
                        Some(version) => pairs.push((row, Cow::Owned(version.into_vec()), -count)),
                        None => alone.push((row, -count)),
                    }
                }
                continue;
            }
            let version = key.as_ref().and_then(|key| self.versions.at(key, *time));
            if !self.spec.is_append_only {
                self.met.add(row, version, *weight);
            }
            match version {
                Some(version) => pairs.push((row, Cow::Borrowed(version), *weight)),
                None => alone.push((row, *weight)),
            }
        }
        if !pairs.is_empty() {
            let left = rows::columns(&self.left, pairs.iter().map(|(row, ..)| &***row))?;
            let right = match self.spec.shown.is_empty() {
                true => Vec::new(),
                false => rows::columns(&self.right, pairs.iter().map(|(_, version, _)| &**version))?,
            };
            let (batch, kept) = self.spec.join.paired(0, left, right, pairs.len())?;
            let batch = match &kept {
                Some(kept) => filter_record_batch(&batch, kept)?,
                None => batch,
            };
            let is_kept = |pair: usize| kept.as_ref().is_none_or(|kept| kept.is_valid(pair) && kept.value(pair));
            let weights = pairs.iter().enumerate().filter(|(pair, _)| is_kept(*pair)).map(|(_, (.., weight))| *weight);
            push(batch.with_schema(Arc::clone(&self.spec.join.output))?, weights.collect(), out)?;
            let others = pairs.iter().enumerate().filter(|(pair, _)| !is_kept(*pair));
            alone.extend(others.map(|(_, (row, _, weight))| (*row, *weight)));
        }
        if self.spec.join.keeps(0) && !alone.is_empty() {
            let left = rows::columns(&self.left, alone.iter().map(|(row, _)| &***row))?;
            let padded = self.spec.join.padded(0, left, alone.len())?;
            push(padded, alone.iter().map(|(_, weight)| *weight).collect(), out)?;
        }
        Ok(())
    }
}

fn push(rows: RecordBatch, weights: Vec<i64>, out: &mut Out) -> Result<(), RunError> {
    let changes = Changes::weighted(rows, weights)?;
    if !changes.is_empty() {
        out.push(changes);
    }
    Ok(())
}

/// Event times, none of which may be null.
fn times(column: &ArrayRef) -> Result<Vec<Timestamp>, RunError> {
    let times = aggregate::milliseconds(column)?;
    if times.null_count() > 0 {
        let message = "the event time of a row is NULL, and FOR SYSTEM_TIME AS OF needs it".to_owned();
        return Err(DataFusionError::Execution(message).into());
    }
    Ok(times.values().to_vec())
}

impl Operator for TemporalJoin {
    fn push(&mut self, side: usize, changes: &Changes, _: &mut Out) -> Result<(), RunError> {
        self.rows_touched += counted(changes.len());
        if side == 0 { self.wait(changes) } else { self.learn(changes) }
    }

    fn end_epoch(&mut self, time: &Time, out: &mut Out) -> Result<(), RunError> {
        self.watermark = self.watermark.max(self.spec.clock.watermark(time));
        let Some(watermark) = self.watermark else { return Ok(()) };
        self.show(watermark, out)?;
        self.rows_touched += counted(self.versions.forget_before(watermark));
        Ok(())
    }

    fn late(&mut self) -> Option<&mut Late> {
        Some(&mut self.late)
    }

    fn save(&self, to: &mut Writer) {
        to.u64(self.next);
        to.count(self.waiting.len());
        for ((time, number), waiting) in &self.waiting {
            to.i64(*time);
            to.u64(*number);
            to.bytes(&waiting.row);
            to.optional_bytes(waiting.key.as_deref());
            to.i64(waiting.weight);
        }
        self.versions.save(to);
        if !self.spec.is_append_only {
            self.met.save(to);
        }
        to.u8(u8::from(self.watermark.is_some()));
        to.i64(self.watermark.unwrap_or(0));
        self.late.save(to);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.next = from.u64()?;
        for _ in 0..from.count()? {
            let (time, number, row) = (from.i64()?, from.u64()?, from.bytes()?.into());
            let waiting = Waiting { row, key: from.optional_bytes()?.map(Into::into), weight: from.i64()? };
            self.bytes += waiting.size();
            self.waiting.insert((time, number), waiting);
        }
        self.versions.load(from)?;
        if !self.spec.is_append_only {
            self.met.load(from)?;
        }
        let (is_known, watermark) = (from.u8()? != 0, from.i64()?);
        self.watermark = is_known.then_some(watermark);
        self.late.load(from)
    }

    fn stats(&self) -> Stats {
        let state_bytes = self.bytes + self.versions.size() + self.met.size() + self.late.size();
        Stats { state_bytes, rows_touched: self.rows_touched, late_rows: self.late.count() }
    }

    fn describe(&self) -> Description {
        let left = match self.spec.is_append_only {
            true => "the rows that wait",
            false => "every row of the left input with what it met",
        };
        let what = format!("{left}, the last version of every key, and the end of every key that ended");
        let memory = Memory::Versions { what, sources: self.spec.clock.sources.clone() };
        self.spec.join.describe("TemporalJoin", memory)
    }
}
