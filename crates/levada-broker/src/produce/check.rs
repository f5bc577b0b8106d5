//! Whether a batch may be appended to its partition.

use super::{ProduceError, schemas::SchemaCheck};
use crate::{config::TopicConfig, schemas::Registry};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{
    NO_TIMESTAMP, ProducerId, Timestamp,
    batch::{Attributes, Batch, BatchError, CRC_FROM, Codec, HEADER_SIZE, LOG_OVERHEAD, MAGIC},
    crc::crc32c,
    record::{RecordError, RecordSlices},
};
use levada_store::{AppendError, Log, TimestampKind};

/// How much a batch may grow when it is opened.
const OPENED_SIZE_MAX: usize = 32 << 20;

/// No batch is smaller than its header.
const SIZE_MIN: i64 = 61;

pub(super) fn check(
    log: &Log,
    config: &TopicConfig,
    registry: &Registry,
    records: Option<Bytes>,
    now: Timestamp,
) -> Result<Batch, ProduceError> {
    if log.topic().is_internal() || config.is_ours {
        return Err(ProduceError::InvalidRecord(format!("`{}` is written by the broker alone", log.topic())));
    }
    let records = records.ok_or_else(|| ProduceError::Corrupt("no record batch".to_owned()))?;
    check_size(records.len(), config.message_size_max)?;
    let batch = Batch::check(records).map_err(|error| batch_error(&error))?;
    let header = batch.header();
    if header.base_offset != 0 {
        return Err(ProduceError::InvalidRecord("a producer's batch begins at offset 0".to_owned()));
    }
    if header.attributes.is_control() {
        return Err(ProduceError::InvalidRecord("control records are written by the broker alone".to_owned()));
    }
    if config.log.timestamps == TimestampKind::CreateTime {
        check_timestamp(header.base_timestamp, config, now)?;
        check_timestamp(header.max_timestamp, config, now)?;
    }
    let codec = header.attributes.codec().unwrap_or_default();
    let target = config.compression.filter(|&wanted| wanted != codec);
    if !config.is_compacted && target.is_none() && config.schemas.is_empty() {
        return Ok(batch);
    }
    let opened = levada_compress::decompress(codec, &batch.records(), OPENED_SIZE_MAX)
        .map_err(|error| ProduceError::Corrupt(error.to_string()))?;
    check_records(log, config, registry, &opened, header.record_count).inspect_err(|error| {
        if matches!(error, ProduceError::SchemasUnknown(_)) {
            log.expect_again(header);
        }
    })?;
    match target {
        None => Ok(batch),
        Some(target) => {
            let batch = recompressed(&batch, target, &opened)?;
            check_size(batch.bytes().len(), config.message_size_max)?;
            Ok(batch)
        }
    }
}

pub(super) fn check_size(size: usize, limit: usize) -> Result<(), ProduceError> {
    if size > limit { Err(ProduceError::TooLarge { size, limit }) } else { Ok(()) }
}

fn batch_error(error: &BatchError) -> ProduceError {
    match error {
        BatchError::Length { claimed, .. } if *claimed < SIZE_MIN => ProduceError::Corrupt(error.to_string()),
        BatchError::Length { claimed, actual } if i64::try_from(*actual).is_ok_and(|actual| actual > *claimed) => {
            ProduceError::InvalidRecord("a partition takes one record batch a request".to_owned())
        }
        BatchError::Magic(magic) if *magic > MAGIC => ProduceError::Corrupt(error.to_string()),
        BatchError::Producer { id, epoch, .. } if *id >= 0 && *epoch < 0 => {
            let producer = ProducerId(*id);
            ProduceError::Append(AppendError::InvalidProducerEpoch { producer, sent: *epoch, current: 0 })
        }
        BatchError::Crc { .. } => ProduceError::Corrupt(error.to_string()),
        BatchError::Truncated(_)
        | BatchError::Length { .. }
        | BatchError::Magic(_)
        | BatchError::Codec(_)
        | BatchError::Count { .. }
        | BatchError::Producer { .. } => ProduceError::InvalidRecord(error.to_string()),
    }
}

fn check_timestamp(timestamp: Timestamp, config: &TopicConfig, now: Timestamp) -> Result<(), ProduceError> {
    if timestamp == NO_TIMESTAMP {
        return Ok(());
    }
    let too_old = now.saturating_sub(timestamp) > config.timestamp_before_max_ms;
    let too_new = timestamp.saturating_sub(now) > config.timestamp_after_max_ms;
    if too_old || too_new { Err(ProduceError::InvalidTimestamp { timestamp, now }) } else { Ok(()) }
}

fn check_records(
    log: &Log,
    config: &TopicConfig,
    registry: &Registry,
    opened: &Bytes,
    count: i32,
) -> Result<(), ProduceError> {
    let mut schemas = SchemaCheck::new(registry, log.topic(), config.schemas);
    for (index, record) in (0..).zip(RecordSlices::new(opened, count)) {
        let corrupt = |error: RecordError| ProduceError::Corrupt(error.to_string());
        let record = record.map_err(corrupt)?;
        record.headers().try_for_each(|header| header.map(drop)).map_err(corrupt)?;
        if config.is_compacted && record.offset_delta != index {
            // Compaction goes by the offset of each record.
            return Err(ProduceError::InvalidRecord("offset deltas count from 0".to_owned()));
        }
        if config.is_compacted && record.key.is_none() {
            return Err(ProduceError::InvalidRecord("a compacted topic needs a key in every record".to_owned()));
        }
        schemas.record(index, &record)?;
    }
    schemas.finish(count)
}

/// The same records under another codec. Offsets, timestamps and producer fields stay.
fn recompressed(batch: &Batch, codec: Codec, opened: &Bytes) -> Result<Batch, ProduceError> {
    let block =
        levada_compress::compress(codec, opened).map_err(|error| ProduceError::InvalidRecord(error.to_string()))?;
    let size = HEADER_SIZE + block.len();
    let length =
        i32::try_from(size - LOG_OVERHEAD).map_err(|_| ProduceError::TooLarge { size, limit: OPENED_SIZE_MAX })?;
    let sent = batch.bytes();
    let attributes = Attributes((batch.header().attributes.0 & !7) | codec.id());
    let mut body = BytesMut::with_capacity(size - CRC_FROM);
    body.put_i16(attributes.0);
    body.put_slice(&sent.slice(CRC_FROM + 2..HEADER_SIZE));
    body.put_slice(&block);
    let mut bytes = BytesMut::with_capacity(size);
    bytes.put_slice(&sent.slice(..8));
    bytes.put_i32(length);
    bytes.put_slice(&sent.slice(LOG_OVERHEAD..17));
    bytes.put_u32(crc32c(&body));
    bytes.put_slice(&body);
    Batch::check(bytes.freeze()).map_err(|error| batch_error(&error))
}
