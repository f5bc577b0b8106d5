//! `levada log verify`.

use super::{
    DataDir, Offline, Partition,
    journal::{Journal, JournalReport},
};
use crate::{
    output::{Format, Output, Progress, Table},
    units::show_size,
};
use bytes::Bytes;
use levada_log::partition::verify::{VerifiedBatch, VerifiedSegment, verify};
use levada_model::{batch::HEADER_SIZE, record::Records};
use serde::Serialize;

/// What one batch may unfold to.
const BATCH_BYTES_MAX: usize = 512 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Topics (`orders`) or partitions (`orders-0`); all where none is named
    names: Vec<String>,
    /// Decompress every batch and read every record too
    #[arg(long)]
    records: bool,
    #[command(flatten)]
    data: DataDir,
    /// Tables for people or JSON for machines
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    /// Show progress also where stderr is no terminal
    #[arg(long)]
    progress: bool,
}

/// All that was looked at.
#[derive(Serialize)]
struct Report {
    partitions: Vec<Verified>,
    /// `None` where no broker has begun.
    journal: Option<JournalReport>,
}

#[derive(Serialize)]
pub(super) struct Verified {
    topic: String,
    partition: i32,
    segments: usize,
    batches: u64,
    records: u64,
    start_offset: Option<i64>,
    pub(super) end_offset: Option<i64>,
    bytes: u64,
    /// Batches that only the journal holds: the next start brings them to segments.
    pub(super) journal_batches: u64,
    /// Where the partition ends with them.
    pub(super) journal_end_offset: Option<i64>,
    defects: Vec<String>,
}

impl Verify {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let offline = self.data.open()?;
        let journal = Journal::read(&offline);
        let partitions = offline.partitions(&self.names, journal.inspection())?;
        let mut progress = Progress::new(self.progress);
        let mut verified = Vec::new();
        for partition in &partitions {
            progress.show(|| format!("{} of {} partitions: {}", verified.len(), partitions.len(), partition.name()));
            verified.push(self.verify(&offline, partition)?);
        }
        progress.finish(|| format!("{} partitions", verified.len()));
        journal.count_beyond(&offline, &partitions, &mut verified)?;
        // Partitions without a batch have no files, unless somebody asked for them.
        verified.retain(|part| !self.names.is_empty() || part.segments > 0 || part.journal_batches > 0);
        let report = Report { partitions: verified, journal: journal.report() };
        let mut output = Output::new(self.output);
        output.result(&report, |report| table(&report.partitions))?;
        if self.output == Format::Table {
            for part in &report.partitions {
                for defect in &part.defects {
                    output.line(format_args!("{}-{}: {defect}", part.topic, part.partition))?;
                }
            }
            if let Some(journal) = &report.journal {
                output.line(format_args!("{journal}"))?;
            }
            output.flush()?;
        }
        let defects: usize = report.partitions.iter().map(|part| part.defects.len()).sum();
        if let Some(defect) = report.journal.and_then(|journal| journal.defect) {
            anyhow::bail!("a broker will not start on this journal: {defect}");
        }
        anyhow::ensure!(defects == 0, "{defects} defects; a broker that starts on this directory keeps what is sound");
        Ok(())
    }

    fn verify(&self, offline: &Offline, partition: &Partition) -> anyhow::Result<Verified> {
        let mut defects = Vec::new();
        let mut start = None;
        let is_there = offline.files.disk().exists(&partition.dir);
        let look = |on_batch: &mut dyn FnMut(&VerifiedBatch<'_>)| {
            if is_there { verify(&offline.files, &partition.dir, on_batch) } else { Ok(Vec::new()) }
        };
        let segments = look(&mut |batch| {
            start.get_or_insert(batch.header.base_offset);
            if self.records
                && let Err(reason) = read_records(batch)
            {
                let (segment, position) = (batch.segment_base, batch.position);
                defects.push(format!(
                    "segment {segment} at position {position}, offset {}: {reason}",
                    batch.header.base_offset
                ));
            }
        })?;
        for segment in &segments {
            defects.extend(segment.defects.iter().map(ToString::to_string));
            if segment.index_defect_count > 0 {
                let VerifiedSegment { base_offset, index_defect_count, .. } = segment;
                defects
                    .push(format!("segment {base_offset}: {index_defect_count} index entries contradict the batches"));
            }
        }
        Ok(Verified {
            topic: partition.topic.clone(),
            partition: partition.partition,
            segments: segments.len(),
            batches: segments.iter().map(|segment| segment.batch_count).sum(),
            records: segments.iter().map(|segment| segment.record_count).sum(),
            start_offset: start,
            end_offset: segments.last().map(|segment| segment.next_offset),
            bytes: segments.iter().map(|segment| segment.size_bytes).sum(),
            journal_batches: 0,
            journal_end_offset: None,
            defects,
        })
    }
}

/// Whether every record of a batch can be read.
fn read_records(batch: &VerifiedBatch<'_>) -> Result<(), String> {
    let codec = batch.header.attributes.codec().ok_or_else(|| "an unknown codec".to_owned())?;
    let packed = batch.bytes.get(HEADER_SIZE..).unwrap_or_default();
    let block: Bytes =
        levada_compress::decompress(codec, packed, BATCH_BYTES_MAX).map_err(|error| error.to_string())?;
    Records::new(block, batch.header.record_count)
        .try_for_each(|record| record.map(drop))
        .map_err(|error| error.to_string())
}

fn table(verified: &[Verified]) -> Table {
    let mut table =
        Table::new(["PARTITION", "SEGMENTS", "BATCHES", "RECORDS", "START", "END", "SIZE", "IN JOURNAL", "DEFECTS"]);
    let or_dash = |offset: Option<i64>| offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
    for part in verified {
        table.row([
            format!("{}-{}", part.topic, part.partition),
            part.segments.to_string(),
            part.batches.to_string(),
            part.records.to_string(),
            or_dash(part.start_offset),
            or_dash(part.end_offset),
            show_size(part.bytes),
            part.journal_end_offset.map_or_else(|| "-".to_owned(), |end| format!("up to {end}")),
            part.defects.len().to_string(),
        ]);
    }
    table
}
