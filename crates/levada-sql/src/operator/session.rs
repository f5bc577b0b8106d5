//! [`Sessions`]: windows that are as long as rows come close to each other.
//!
//! A row alone would have the window from its time to a gap later. Windows of one partition that touch are one: a row
//! may join two that were apart, and what they come to is merged then. A session is shown once, when the watermark has
//! passed its end, and forgotten; a row whose session would be closed already is late, counted and left out.
//!
//! Where rows go, too, what they leave behind may be several sessions: they are told apart when all that they were part
//! of is closed.

mod changing;
mod held;

use super::{
    Clock, Operator, Out, Stats,
    aggregate::{self, Leaving},
    counted,
    describe::{Description, Memory, names},
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    epoch::Time,
    late::Late,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{RowTable, index},
};
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt64Array},
        compute::take,
        datatypes::{DataType, SchemaRef},
    },
    error::DataFusionError,
};
use held::Held;
use levada_model::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A column that says which session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A column of the partition.
    Partition(usize),
    /// The time of the first row.
    Start,
    /// A gap later than the last row.
    End,
    /// The last millisecond before the end.
    Time,
}

/// What is shown of a session.
#[derive(Clone, Debug)]
pub(crate) enum Show {
    /// One row: these keys, then what the calls give.
    Aggregates(Vec<Key>, Vec<aggregate::Call>),
    /// Its rows, then start, end and time.
    Rows,
}

/// What it is made from. Input columns: the partition's, the time, then what is shown of rows or called for.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) partition_count: usize,
    pub(crate) gap_ms: i64,
    pub(crate) show: Show,
    pub(crate) input: SchemaRef,
    pub(crate) output: SchemaRef,
    pub(crate) clock: Clock,
    /// Whether rows only come.
    pub(crate) is_append_only: bool,
}

/// When a session ends, its partition, and when it begins.
type Span = (Timestamp, u32, Timestamp);

/// An open session. Its start is its key.
#[derive(Clone, Copy, Debug)]
struct Session {
    end: Timestamp,
    group: u32,
}

/// See the module.
pub(crate) struct Sessions {
    spec: Spec,
    keys: Vec<Key>,
    partitions: RowTable,
    /// Of each partition: its sessions by start. They do not touch, so that they have the same order by end.
    sessions: Vec<BTreeMap<Timestamp, Session>>,
    /// All sessions, by end, partition and start.
    open: BTreeSet<Span>,
    held: Held,
    /// One more than the largest number of a group, and those that are free.
    group_end: u32,
    free: Vec<u32>,
    watermark: Option<Timestamp>,
    rows_touched: u64,
    late: Late,
}

/// What a session costs beside what is held.
const SESSION_SIZE: usize = 96;

impl Sessions {
    pub(crate) fn new(spec: Spec) -> Result<Self, RunError> {
        let types = spec.input.fields().iter().map(|field| field.data_type().clone());
        let partitions = RowTable::new(types.take(spec.partition_count))?;
        let keys = match &spec.show {
            Show::Aggregates(keys, _) => keys.clone(),
            Show::Rows => vec![Key::Start, Key::End, Key::Time],
        };
        let held = match &spec.show {
            _ if !spec.is_append_only => Held::changing(&spec.input)?,
            Show::Aggregates(_, calls) => Held::aggregates(calls, &spec.input)?,
            Show::Rows => Held::rows(&spec.input, spec.partition_count + 1)?,
        };
        Ok(Self {
            spec,
            keys,
            partitions,
            sessions: Vec::new(),
            open: BTreeSet::new(),
            held,
            group_end: 0,
            free: Vec::new(),
            watermark: None,
            rows_touched: 0,
            late: Late::default(),
        })
    }

    /// Gives the sessions that there are the first numbers.
    fn renumber(&mut self) {
        self.group_end = 0;
        for session in self.sessions.iter_mut().flat_map(BTreeMap::values_mut) {
            session.group = self.group_end;
            self.group_end += 1;
        }
    }

    fn new_group(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.group_end += 1;
            self.held.grow(index(self.group_end));
            self.group_end - 1
        })
    }

    /// The sessions of a partition that touch a window.
    fn touching(&self, partition: u32, start: Timestamp, end: Timestamp) -> Vec<(Timestamp, Session)> {
        let Some(sessions) = self.sessions.get(index(partition)) else { return Vec::new() };
        let from_behind = sessions.range(..=end).rev();
        from_behind.take_while(|(_, session)| session.end >= start).map(|(start, session)| (*start, *session)).collect()
    }

    /// The group of a row at `time`; `None` where it is late. Groups that it makes one are noted.
    fn group(&mut self, key: &[u8], time: Timestamp, merged: &mut BTreeMap<u32, u32>) -> Result<Option<u32>, RunError> {
        let Some(own_end) = time.checked_add(self.spec.gap_ms) else {
            let message = "the event time of a row is beyond what a window can have".to_owned();
            return Err(DataFusionError::Execution(message).into());
        };
        let known = self.partitions.find(key);
        let touching = known.map_or_else(Vec::new, |partition| self.touching(partition, time, own_end));
        let is_late = |watermark| aggregate::is_closed(own_end, watermark);
        if touching.is_empty() && self.watermark.is_some_and(is_late) {
            return Ok(None);
        }
        let partition = known.unwrap_or_else(|| self.partitions.find_or_add(key).0);
        self.sessions.resize(self.partitions.end().max(self.sessions.len()), BTreeMap::new());
        let (mut start, mut end) = (time, own_end);
        // The longest takes in the others: it is likely to have the most.
        let longest = touching.iter().max_by_key(|(start, session)| session.end - start);
        let group = longest.map_or_else(|| self.new_group(), |(_, session)| session.group);
        for (_, other) in touching.iter().filter(|(_, session)| session.group != group) {
            self.held.merge(other.group, group)?;
            merged.insert(other.group, group);
        }
        for (old_start, old) in touching {
            self.sessions[index(partition)].remove(&old_start);
            self.open.remove(&(old.end, partition, old_start));
            (start, end) = (start.min(old_start), end.max(old.end));
        }
        self.sessions[index(partition)].insert(start, Session { end, group });
        self.open.insert((end, partition, start));
        Ok(Some(group))
    }

    /// Shows the sessions that the watermark has closed, and forgets them.
    fn close(&mut self, watermark: Timestamp, out: &mut Out) -> Result<(), RunError> {
        let later = self.open.split_off(&(watermark.saturating_add(2), 0, Timestamp::MIN));
        let closed = std::mem::replace(&mut self.open, later);
        if closed.is_empty() {
            return Ok(());
        }
        let of = |(_, partition, start): &Span| self.sessions[index(*partition)][start].group;
        let groups: Vec<u32> = closed.iter().map(of).collect();
        let closed: Vec<_> = closed.into_iter().collect();
        let (spans, shown) = self.held.show(&self.spec, &closed, &groups)?;
        let keys = self.key_columns(&spans, &shown.lines)?;
        let columns = match self.spec.show {
            Show::Aggregates(..) => [keys, shown.columns].concat(),
            Show::Rows => [shown.columns, keys].concat(),
        };
        let rows = RecordBatch::try_new(Arc::clone(&self.spec.output), columns)?;
        self.rows_touched += counted(rows.num_rows());
        if rows.num_rows() > 0 {
            out.push(Changes::weighted(rows, shown.weights)?);
        }
        for ((_, partition, start), group) in closed.into_iter().zip(groups) {
            self.held.forget(group);
            self.free.push(group);
            let sessions = &mut self.sessions[index(partition)];
            sessions.remove(&start);
            if sessions.is_empty() {
                self.partitions.remove(partition);
            }
        }
        Ok(())
    }

    /// The keys of sessions, one for each of these lines.
    fn key_columns(&self, closed: &[Span], lines: &[usize]) -> Result<Vec<ArrayRef>, RunError> {
        let partitions = match self.spec.partition_count {
            0 => Vec::new(),
            _ => self.partitions.columns(closed.iter().map(|(_, partition, _)| *partition))?,
        };
        let time = self.spec.input.field(self.spec.partition_count).data_type();
        let zone = if let DataType::Timestamp(_, zone) = time { zone.clone() } else { None };
        let times = |of: &dyn Fn(Timestamp, Timestamp) -> Timestamp| {
            TimestampMillisecondArray::from_iter_values(closed.iter().map(|(end, _, start)| of(*start, *end)))
        };
        let lines = UInt64Array::from_iter_values(lines.iter().map(|line| counted(*line)));
        let column = |key: &Key| {
            let column: ArrayRef = match key {
                Key::Partition(at) => Arc::clone(&partitions[*at]),
                Key::Start => Arc::new(times(&|start, _| start)),
                Key::End => Arc::new(times(&|_, end| end)),
                Key::Time => Arc::new(times(&|_, end| end - 1).with_timezone_opt(zone.clone())),
            };
            Ok(take(&column, &lines, None)?)
        };
        self.keys.iter().map(column).collect()
    }
}

impl Operator for Sessions {
    fn push(&mut self, _: usize, changes: &Changes, _: &mut Out) -> Result<(), RunError> {
        let keys = self.partitions.encode(&changes.rows().columns()[..self.spec.partition_count])?;
        let times = aggregate::milliseconds(changes.rows().column(self.spec.partition_count))?;
        if times.null_count() > 0 {
            let message = "the event time of a row is NULL: filter such rows out before the window".to_owned();
            return Err(DataFusionError::Execution(message).into());
        }
        let mut merged = BTreeMap::new();
        let mut groups = Vec::with_capacity(changes.len());
        for place in 0..changes.len() {
            groups.push(self.group(keys.row(place), times.value(place), &mut merged)?);
        }
        let kept = BooleanArray::from_iter(groups.iter().map(|group| Some(group.is_some())));
        let late: Vec<u32> = (0..).zip(kept.values()).filter(|(_, kept)| !kept).map(|(place, _)| place).collect();
        self.late.add(changes, &late, changes.rows().num_columns(), self.watermark)?;
        let changes = changes.filter(&kept)?;
        let last = |mut group: u32| {
            while let Some(into) = merged.get(&group) {
                group = *into;
            }
            group
        };
        let groups: Vec<u32> = groups.into_iter().flatten().map(last).collect();
        let weights: Vec<i64> = (0..changes.len()).map(|place| changes.weight(place)).collect();
        self.rows_touched += counted(changes.len() + merged.len());
        self.held.update(&groups, changes.rows(), &weights)?;
        self.free.extend(merged.into_keys());
        Ok(())
    }

    fn end_epoch(&mut self, time: &Time, out: &mut Out) -> Result<(), RunError> {
        self.watermark = self.watermark.max(self.spec.clock.watermark(time));
        self.watermark.map_or(Ok(()), |watermark| self.close(watermark, out))
    }

    fn late(&mut self) -> Option<&mut Late> {
        Some(&mut self.late)
    }

    fn save(&self, to: &mut Writer) {
        self.partitions.save(to);
        for partition in self.partitions.ids() {
            let sessions = &self.sessions[index(partition)];
            to.count(sessions.len());
            for (start, session) in sessions {
                to.i64(*start);
                to.i64(session.end);
                to.u32(session.group);
            }
        }
        to.u32(self.group_end);
        self.held.save(to);
        to.u8(u8::from(self.watermark.is_some()));
        to.i64(self.watermark.unwrap_or(0));
        self.late.save(to);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.partitions.load(from)?;
        self.sessions = vec![BTreeMap::new(); self.partitions.end()];
        let mut used = BTreeSet::new();
        for partition in self.partitions.ids().collect::<Vec<_>>() {
            let mut before = None;
            for _ in 0..from.count()? {
                let (start, end, group) = (from.i64()?, from.i64()?, from.u32()?);
                let is_span = end.checked_sub(start).is_some_and(|length| length > 0);
                if !is_span || before.is_some_and(|before| start <= before) || !used.insert(group) {
                    return Err(SnapshotError::Malformed);
                }
                before = Some(end);
                self.sessions[index(partition)].insert(start, Session { end, group });
                self.open.insert((end, partition, start));
            }
        }
        let group_end = from.u32()?;
        if used.last().is_some_and(|group| *group >= group_end) {
            return Err(SnapshotError::Malformed);
        }
        if self.held.is_nothing() {
            // Numbers without anything behind them need no room.
            self.renumber();
        } else {
            self.held.load(group_end, from)?;
            self.group_end = group_end;
            self.free = (0..group_end).filter(|group| !used.contains(group)).collect();
        }
        let (is_known, watermark) = (from.u8()? != 0, from.i64()?);
        self.watermark = is_known.then_some(watermark);
        self.late.load(from)
    }

    fn stats(&self) -> Stats {
        let state_bytes = self.partitions.size() + self.open.len() * SESSION_SIZE + self.held.size() + self.late.size();
        Stats { state_bytes, rows_touched: self.rows_touched, late_rows: self.late.count() }
    }

    fn describe(&self) -> Description {
        let Spec { partition_count, gap_ms, show, input, output, clock, is_append_only } = &self.spec;
        let what = match show {
            _ if !is_append_only => "the rows of each session",
            Show::Aggregates(_, calls) if calls.iter().any(|call| call.keeps_values(Leaving::AsWhole)) => {
                "what each session comes to, and every value of its arguments"
            }
            Show::Aggregates(..) => "what each session comes to",
            Show::Rows => "the rows of each session",
        };
        let memory = Memory::Windows { what: what.to_owned(), sources: clock.sources.clone() };
        Description::new("SessionWindow", memory)
            .with("partitionBy", names(input).take(*partition_count))
            .with_one("gap", format!("{gap_ms} ms"))
            .with("select", names(output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::{Field, Schema, TimeUnit};

    fn sessions(calls: Option<Vec<aggregate::Call>>) -> Sessions {
        let time = Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), false);
        let schema: SchemaRef = Arc::new(Schema::new(vec![time]));
        let show = calls.map_or(Show::Rows, |calls| Show::Aggregates(vec![Key::Start, Key::End], calls));
        let clock = Clock { sources: vec![0], delay_ms: 0 };
        let (input, output) = (Arc::clone(&schema), schema);
        Sessions::new(Spec { partition_count: 0, gap_ms: 10, show, input, output, clock, is_append_only: true })
            .unwrap()
    }

    /// Sessions of one partition, each with its start, end and group, and one more than the largest group.
    fn loaded(mut into: Sessions, of: &[(i64, i64, u32)], group_end: u32) -> Result<Sessions, SnapshotError> {
        let mut saved = Writer::default();
        saved.count(1);
        saved.optional_bytes(Some(&[]));
        saved.count(0);
        saved.count(of.len());
        for (start, end, group) in of {
            saved.i64(*start);
            saved.i64(*end);
            saved.u32(*group);
        }
        saved.u32(group_end);
        // Nothing is held of the first groups; no watermark, and no late rows.
        (0..16).for_each(|_| saved.u64(0));
        into.load(&mut Reader::open(&saved.finish()).unwrap())?;
        Ok(into)
    }

    #[test]
    fn what_a_snapshot_says_of_sessions_is_not_believed_without_room_for_it() {
        let of_nothing = || sessions(Some(Vec::new()));
        let count = aggregate::Call {
            function: aggregate::Function::Count,
            argument: None,
            distinct: false,
            filter: None,
            output: DataType::Int64,
        };
        for make in
            [&|| sessions(None), &|| sessions(Some(vec![count.clone()])) as Sessions] as [&dyn Fn() -> Sessions; 2]
        {
            assert!(loaded(make(), &[(0, 10, 1), (11, 30, 0)], 2).is_ok());
            for (of, group_end) in [
                (vec![(0, 10, 1)], u32::MAX),
                (vec![(0, 10, 1)], 1),
                (vec![(10, 0, 1)], 2),
                (vec![(i64::MIN, i64::MAX, 1)], 2),
                (vec![(0, 10, 1), (10, 20, 0)], 2),
                (vec![(0, 10, 1), (11, 20, 1)], 2),
            ] {
                assert_eq!(loaded(make(), &of, group_end).err(), Some(SnapshotError::Malformed), "{of:?} {group_end}");
            }
        }
        let mut many = loaded(of_nothing(), &[(0, 10, u32::MAX - 1), (11, 30, 7)], u32::MAX).unwrap();
        assert_eq!((many.group_end, many.free.len(), many.new_group()), (2, 0, 2));
    }
}
