//! [`Reading`]: the tables of a query, read from one cut to the next.

mod growth;
mod portion;

use crate::{
    StatementError,
    changes::Changes,
    datagen::Pace,
    epoch::Time,
    left_out::WithoutValue,
    operator::counted,
    plan::Source,
    snapshot::{Reader, Writer},
    source::{Poison, SourceReader, Stretch, Undecoded},
    statement::{Positions, Surroundings, check_readable},
    table::{Connector, Table},
};
use growth::Grown;
use levada_model::{Offset, Timestamp, TopicName};
use levada_stream::{Growth, Handle, Hold, Inputs};
use portion::Portion;
use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

/// Where there is no cut yet, one is asked for again after this.
const CUT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What takes the rows of a source, which is named by its number.
pub(crate) type Take<'a> = &'a mut dyn FnMut(usize, Changes) -> Result<(), StatementError>;

/// An epoch's input has been read.
pub(crate) struct Read {
    /// Up to where.
    pub(crate) cut: Vec<Offset>,
    /// What time it is.
    pub(crate) time: Time,
}

/// See the module.
pub(crate) struct Reading {
    handle: Handle,
    inputs: Inputs,
    sources: Vec<SourceReader>,
    /// Of each table that is made up, in the order of the sources: how its rows come. Behind the partitions of topics,
    /// each is a partition whose offsets count its rows.
    paces: Vec<Pace>,
    /// What is read of the inputs.
    position: Vec<Offset>,
    /// Whether there was a cut when it was asked for last: not while a transaction goes on that the broker found open.
    has_cut: bool,
    portion: Portion,
    grown: Grown,
    watermarks: Vec<Option<Timestamp>>,
    /// Of each source: whether nobody waits for it.
    idle: Vec<bool>,
    rows_read: u64,
    bytes_read: u64,
    /// Records that were no rows.
    poison: Poison,
    /// Keeps what comes from somewhere on from retention and compaction.
    hold: Hold,
}

impl Reading {
    /// Opens these sources, from their beginning.
    pub(crate) fn open(
        sources: &[Source],
        tables: &BTreeMap<String, Arc<Table>>,
        surroundings: &Surroundings,
    ) -> Result<Self, StatementError> {
        check_readable(sources, tables)?;
        let Surroundings { handle, caller, .. } = surroundings;
        let mut topics: Vec<TopicName> = Vec::new();
        let mut opened: Vec<(Arc<Table>, Range<usize>)> = Vec::new();
        let mut partitions = 0;
        for source in sources {
            let table = tables.get(&source.table).cloned();
            let table = table.ok_or_else(|| StatementError::Internal(format!("no table `{}`", source.table)))?;
            let mut count = 0;
            if let Some(topic) = table.topic() {
                let info = handle.topic(caller, topic)?;
                count = usize::try_from(info.partition_count).unwrap_or(0);
                // One topic may be several tables.
                topics.push(info.name);
            }
            opened.push((table, partitions..partitions + count));
            partitions += count;
        }
        let (all_partitions, mut paces) = (partitions, Vec::new());
        let mut readers = Vec::with_capacity(opened.len());
        for ((table, mut partitions), source) in opened.into_iter().zip(sources) {
            if let Connector::DataGen(datagen) = &table.connector {
                let place = all_partitions + paces.len();
                paces.push(Pace::new(Arc::clone(datagen)));
                partitions = place..place + 1;
            }
            readers.push(SourceReader::new(table, &source.columns, partitions, surroundings.schemas.as_ref())?);
        }
        let inputs = handle.inputs(caller, &topics)?;
        let mut position = inputs.start();
        position.resize(position.len() + paces.len(), 0);
        Ok(Self {
            handle: handle.clone(),
            hold: inputs.hold(&position),
            grown: Grown::new(position.len(), handle.now_ms()),
            watermarks: vec![None; readers.len()],
            idle: vec![false; readers.len()],
            inputs,
            sources: readers,
            paces,
            position,
            has_cut: false,
            portion: Portion::default(),
            rows_read: 0,
            bytes_read: 0,
            poison: Poison::within(surroundings.state_size_max),
        })
    }

    /// Reads on to the latest cut; `None` where neither rows came nor a watermark moved.
    pub(crate) fn next(&mut self, take: Take<'_>) -> Result<Option<Read>, StatementError> {
        let now = self.handle.now_ms();
        let Some(cut) = self.latest(now) else { return Ok(None) };
        self.up_to(cut, now, take)
    }

    /// Reads on towards the latest cut, as far as one epoch should; as [`Self::next`].
    pub(crate) fn next_portion(&mut self, take: Take<'_>) -> Result<Option<Read>, StatementError> {
        let now = self.handle.now_ms();
        let Some(cut) = self.latest(now) else { return Ok(None) };
        let end = self.portion.end(&self.inputs, &self.position, cut, now);
        self.up_to(end, now, take)
    }

    /// The latest cut, and the rows that are due behind it.
    fn latest(&mut self, now: Timestamp) -> Option<Vec<Offset>> {
        let cut = self.inputs.cut(&self.position);
        self.has_cut = cut.is_some();
        let mut cut = cut?;
        let made = self.position.get(cut.len()..).unwrap_or_default();
        cut.extend(self.paces.iter_mut().zip(made).map(|(pace, at)| pace.due(*at, now)));
        self.grown.see(&self.position, &cut, now);
        Some(cut)
    }

    fn up_to(&mut self, cut: Vec<Offset>, now: Timestamp, take: Take<'_>) -> Result<Option<Read>, StatementError> {
        let has_rows = cut != self.position;
        self.to(&cut, now, take)?;
        let grown = &self.grown;
        let is_idle = |partition: usize| grown.is_idle(partition, now);
        let position = self.position.as_slice();
        let watermarks: Vec<_> = self.sources.iter_mut().map(|source| source.advance(position, &is_idle)).collect();
        // A table alone waits for nobody.
        let is_one_of_several = self.sources.iter().filter(|source| source.has_watermark()).count() > 1;
        let idle: Vec<bool> = self.sources.iter().map(|source| is_one_of_several && source.is_idle(&is_idle)).collect();
        if !has_rows && watermarks == self.watermarks && idle == self.idle {
            return Ok(None);
        }
        self.watermarks.clone_from(&watermarks);
        self.idle.clone_from(&idle);
        Ok(Some(Read { cut, time: Time { processing_ms: now, watermarks, idle } }))
    }

    /// Reads what an epoch read that was recorded.
    pub(crate) fn again(&mut self, cut: &[Offset], time: &Time, take: Take<'_>) -> Result<(), StatementError> {
        self.check_partitions(cut.len())?;
        self.to(cut, time.processing_ms, take)?;
        self.watermarks.clone_from(&time.watermarks);
        self.idle.clone_from(&time.idle);
        for (source, watermark) in self.sources.iter_mut().zip(&time.watermarks) {
            source.replay(*watermark);
        }
        Ok(())
    }

    fn to(&mut self, cut: &[Offset], now_ms: Timestamp, take: Take<'_>) -> Result<(), StatementError> {
        let Self { sources, inputs, position, rows_read, bytes_read, poison, .. } = self;
        let stretch = Stretch { from: position.as_slice(), to: cut, now_ms };
        for (number, source) in sources.iter_mut().enumerate() {
            source.read(inputs, stretch, poison, &mut |changes| {
                *rows_read += counted(changes.len());
                *bytes_read += counted(changes.rows().get_array_memory_size());
                take(number, changes)
            })?;
        }
        position.copy_from_slice(cut);
        Ok(())
    }

    /// Each table is read as a whole at once.
    ///
    /// # Errors
    /// Where a table has no end.
    pub(crate) fn make_whole(&mut self) -> Result<(), StatementError> {
        for pace in &mut self.paces {
            if !pace.make_whole() {
                let message = "a table of `datagen` has no end, and an answer that is given once would have none: say \
                               'number-of-rows' in the table, or watch the query";
                return Err(StatementError::Columns(message.to_owned()));
            }
        }
        Ok(())
    }

    /// What becomes of records that cannot be decoded.
    pub(crate) fn set_undecoded(&mut self, undecoded: Undecoded) {
        self.sources.iter_mut().for_each(|source| source.set_undecoded(undecoded));
    }

    /// Bytes of records that could not be decoded and are kept, and of rows that could not be computed.
    pub(crate) fn poison_size(&mut self) -> usize {
        self.poison.size + self.sources.iter_mut().map(|source| source.left_out().size()).sum::<usize>()
    }

    /// How many rows could not be computed since the last call, and those that are kept.
    pub(crate) fn take_left_out(&mut self) -> (u64, Vec<WithoutValue>) {
        let (mut count, mut all) = (0, Vec::new());
        for source in &mut self.sources {
            let (more, kept) = source.left_out().take();
            count += more;
            all.extend(kept);
        }
        (count, all)
    }

    /// Records that could not be decoded since the last call.
    pub(crate) fn take_poison(&mut self) -> Poison {
        let next = Poison::within(self.poison.size_max);
        std::mem::replace(&mut self.poison, next)
    }

    const fn check_partitions(&self, before: usize) -> Result<(), StatementError> {
        if before == self.position.len() {
            return Ok(());
        }
        Err(StatementError::OtherPartitions { now: self.position.len(), before })
    }

    /// From now on only what comes from here on is kept.
    pub(crate) fn keep_from_here(&mut self) {
        self.hold = self.inputs.hold(&self.position);
    }

    /// Watches the partitions.
    pub(crate) fn growth(&self) -> Growth {
        self.inputs.growth()
    }

    /// What time it is, where nothing was read.
    pub(crate) fn now(&self) -> Time {
        let (watermarks, idle) = (self.watermarks.clone(), self.idle.clone());
        Time { processing_ms: self.handle.now_ms(), watermarks, idle }
    }

    /// Whether what was read last is up to a cut.
    pub(crate) const fn has_cut(&self) -> bool {
        self.has_cut
    }

    /// When to look again where nothing grows: a partition may be idle whose watermark is waited for.
    pub(crate) fn again_in(&self) -> Option<Duration> {
        if !self.has_cut {
            return Some(CUT_AGAIN_AFTER);
        }
        let now = self.handle.now_ms();
        let made = self.position.iter().skip(self.inputs.partitions().len()).zip(&self.paces);
        let made = made.filter_map(|(at, pace)| pace.again_in_ms(*at, now));
        let waits = self.sources.iter().any(SourceReader::has_watermark);
        let idle = self.grown.idle_in_ms(now).filter(|_| waits);
        let least = made.chain(idle).min()?;
        Some(Duration::from_millis(u64::try_from(least).unwrap_or(0)))
    }

    /// Rows that were read, and about how many bytes they took.
    pub(crate) const fn amount(&self) -> (u64, u64) {
        (self.rows_read, self.bytes_read)
    }

    /// Records that are there and not read.
    pub(crate) fn lag(&self) -> i64 {
        self.inputs.end().iter().zip(&self.position).map(|(end, at)| (end - at).max(0)).sum()
    }

    /// The first offset of each partition that was not read.
    pub(crate) fn read(&self) -> Positions {
        let partitions = self.inputs.partitions().iter().zip(&self.position);
        partitions.map(|(it, at)| ((it.topic.clone(), it.partition), *at)).collect()
    }

    /// The earliest watermark of the tables that have one.
    pub(crate) fn watermark(&self) -> Option<Timestamp> {
        let with_time = self.sources.iter().zip(&self.watermarks).filter(|(source, _)| source.has_watermark());
        with_time.map(|(_, watermark)| *watermark).min().flatten()
    }

    pub(crate) fn save(&self, to: &mut Writer) {
        to.count(self.position.len());
        self.position.iter().for_each(|offset| to.i64(*offset));
        self.sources.iter().for_each(|source| source.save(to));
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StatementError> {
        let count = from.count()?;
        self.check_partitions(count)?;
        for offset in &mut self.position {
            *offset = from.i64()?;
        }
        for (source, watermark) in self.sources.iter_mut().zip(&mut self.watermarks) {
            source.load(from)?;
            *watermark = source.watermark();
        }
        self.keep_from_here();
        Ok(())
    }
}
