//! `levada log dump`.

use super::{DataDir, journal::Journal};
use crate::{
    lines::{self, LineFormat},
    output::{Format, Output, Table},
    units::show_moment,
};
use bytes::Bytes;
use levada_client::ConsumedRecord;
use levada_log::partition::verify::{CrcState, VerifiedBatch, verify};
use levada_model::{
    NO_TIMESTAMP, Timestamp,
    batch::{BatchHeader, HEADER_SIZE},
    record::Records,
};
use serde::Serialize;
use std::io;

/// What one batch may unfold to.
const BATCH_BYTES_MAX: usize = 512 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Dump {
    /// The partition: `orders-0`
    partition: String,
    /// Leave out batches that end before this offset
    #[arg(long, value_name = "N", default_value_t = 0)]
    from_offset: i64,
    /// Stop after so many batches
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    max_batches: u64,
    /// Print records as JSON, one a line, instead of batches
    #[arg(long)]
    records: bool,
    #[command(flatten)]
    data: DataDir,
    /// Tables for people or JSON for machines
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Serialize)]
struct Dumped {
    base_offset: i64,
    last_offset: i64,
    records: i32,
    /// `null` where only the journal has the batch.
    segment: Option<i64>,
    position: Option<u64>,
    bytes: usize,
    codec: &'static str,
    leader_epoch: i32,
    first_timestamp: Option<Timestamp>,
    /// From when on compaction may drop tombstones and markers.
    delete_horizon: Option<Timestamp>,
    max_timestamp: Option<Timestamp>,
    producer_id: Option<i64>,
    producer_epoch: Option<i16>,
    base_sequence: Option<i32>,
    transactional: bool,
    control: bool,
    sound: bool,
}

impl Dump {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let offline = self.data.open()?;
        let journal = Journal::read(&offline);
        let found = offline.partitions(std::slice::from_ref(&self.partition), journal.inspection())?;
        let [partition] = &found[..] else {
            let names: Vec<String> = found.iter().map(|partition| format!("`{}`", partition.name())).collect();
            anyhow::bail!("`{}` has several partitions, name one: {}", self.partition, names.join(", "));
        };
        let mut output = Output::new(self.output);
        let mut dumped = Vec::new();
        let mut count = 0;
        let mut written = Ok(());
        let mut take = |batch: Found<'_>| {
            if batch.header.last_offset() < self.from_offset || count >= self.max_batches || written.is_err() {
                return;
            }
            count += 1;
            if self.records {
                written = write_records(&batch, partition.partition, &mut output);
            } else {
                dumped.push(read_batch(&batch));
            }
        };
        let mut end = 0;
        if offline.files.disk().exists(&partition.dir) {
            let segments = verify(&offline.files, &partition.dir, &mut |batch| take(Found::in_segment(batch)))?;
            end = segments.last().map_or(0, |segment| segment.next_offset);
        }
        journal.batches_beyond(&offline, partition, end, &mut |header, bytes| {
            take(Found { place: None, header, is_sound: true, bytes });
        })?;
        written?;
        if !self.records {
            output.result(&dumped, |dumped| table(dumped))?;
        }
        Ok(output.flush()?)
    }
}

/// A batch, wherever it lies.
struct Found<'a> {
    /// Segment and position; none in the journal.
    place: Option<(i64, u64)>,
    header: &'a BatchHeader,
    is_sound: bool,
    bytes: &'a [u8],
}

impl<'a> Found<'a> {
    fn in_segment(batch: &VerifiedBatch<'a>) -> Self {
        let VerifiedBatch { segment_base, position, header, crc, bytes } = *batch;
        Self { place: Some((segment_base, position)), header, is_sound: crc == CrcState::Sound, bytes }
    }
}

fn read_batch(batch: &Found<'_>) -> Dumped {
    let header = batch.header;
    let time = |timestamp: Timestamp| (timestamp != NO_TIMESTAMP).then_some(timestamp);
    let has_producer = header.producer().is_some();
    let has_horizon = header.attributes.has_delete_horizon();
    Dumped {
        base_offset: header.base_offset,
        last_offset: header.last_offset(),
        records: header.record_count,
        segment: batch.place.map(|(segment, _)| segment),
        position: batch.place.map(|(_, position)| position),
        bytes: batch.bytes.len(),
        codec: header.attributes.codec().map_or("unknown", levada_model::batch::Codec::name),
        leader_epoch: header.partition_leader_epoch,
        first_timestamp: time(header.base_timestamp).filter(|_| !has_horizon && header.record_count > 0),
        delete_horizon: has_horizon.then_some(header.base_timestamp),
        max_timestamp: time(header.max_timestamp),
        producer_id: has_producer.then_some(header.producer_id),
        producer_epoch: has_producer.then_some(header.producer_epoch),
        base_sequence: has_producer.then_some(header.base_sequence),
        transactional: header.attributes.is_transactional(),
        control: header.attributes.is_control(),
        sound: batch.is_sound,
    }
}

/// Writes each record as a line of JSON; a batch that cannot be read becomes a line that says why.
fn write_records(batch: &Found<'_>, partition: i32, output: &mut Output) -> io::Result<()> {
    let header = batch.header;
    let packed = batch.bytes.get(HEADER_SIZE..).unwrap_or_default();
    let unreadable = |output: &mut Output, reason: &dyn std::fmt::Display| {
        let line = serde_json::json!({ "partition": partition, "offset": header.base_offset, "unreadable": reason.to_string() });
        output.line(line)
    };
    let codec = header.attributes.codec().unwrap_or_default();
    let block: Bytes = match levada_compress::decompress(codec, packed, BATCH_BYTES_MAX) {
        Ok(block) => block,
        Err(error) => return unreadable(output, &error),
    };
    let mut text = Vec::new();
    for record in Records::new(block, header.record_count) {
        let record = match record {
            Ok(record) => record,
            Err(error) => return unreadable(output, &error),
        };
        let timestamp = if header.attributes.is_log_append_time() {
            header.max_timestamp
        } else {
            header.base_timestamp.saturating_add(record.timestamp_delta)
        };
        let offset = header.base_offset.saturating_add(i64::from(record.offset_delta));
        let (key, value, headers) = (record.key, record.value, record.headers);
        let record = ConsumedRecord { offset, timestamp, key, value, headers };
        text.clear();
        lines::write(&mut text, &record, lines::Part::of(&record), partition, LineFormat::Json);
        output.bytes(&text)?;
    }
    Ok(())
}

fn table(dumped: &[Dumped]) -> Table {
    let mut table = Table::new([
        "OFFSETS",
        "RECORDS",
        "BYTES",
        "CODEC",
        "MAX TIMESTAMP",
        "PRODUCER",
        "SEGMENT",
        "POSITION",
        "STATE",
    ]);
    for batch in dumped {
        let producer = match (batch.producer_id, batch.producer_epoch, batch.base_sequence) {
            (Some(id), Some(epoch), Some(sequence)) => format!("{id}/{epoch} from {sequence}"),
            _ => "-".to_owned(),
        };
        let state = match (batch.sound, batch.control, batch.transactional) {
            (false, ..) => "bad checksum",
            (_, true, _) => "control",
            (_, _, true) => "transactional",
            _ if batch.records == 0 => "emptied",
            _ => "sound",
        };
        table.row([
            format!("{}..{}", batch.base_offset, batch.last_offset),
            batch.records.to_string(),
            batch.bytes.to_string(),
            batch.codec.to_owned(),
            batch.max_timestamp.map_or_else(|| "-".to_owned(), show_moment),
            producer,
            batch.segment.map_or_else(|| "journal".to_owned(), |segment| segment.to_string()),
            batch.position.map_or_else(|| "-".to_owned(), |position| position.to_string()),
            state.to_owned(),
        ]);
    }
    table
}
