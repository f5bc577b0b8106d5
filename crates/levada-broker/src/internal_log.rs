//! Reading one of the broker's own topics back, record by record.

use bytes::{Bytes, BytesMut};
use levada_model::{
    Offset, Outcome, ProducerId, Timestamp,
    batch::{self, BatchHeader, HEADER_SIZE},
    marker::Marker,
    record::Records,
};
use levada_store::{Log, ReadUntil};

/// Bytes read at once.
const CHUNK_SIZE: usize = 1 << 20;
/// How much a batch may grow when it is opened; the broker writes its own uncompressed.
const OPENED_SIZE_MAX: usize = 64 << 20;

/// What a log holds, in order.
#[derive(Debug)]
pub(crate) enum Item {
    /// A record; of a producer's transaction, if it names one.
    Record { transaction_of: Option<ProducerId>, timestamp: Timestamp, key: Option<Bytes>, value: Option<Bytes> },
    /// A producer's transaction ends.
    End { producer: ProducerId, outcome: Outcome },
}

/// Hands everything below the high watermark to `take`.
pub(crate) fn read(log: &Log, take: &mut dyn FnMut(Item)) -> Result<(), String> {
    read_from(log, log.tail().log_start_offset, take).map(drop)
}

/// Hands what lies from `offset` on, below the high watermark, to `take`; answers where to go on.
pub(crate) fn read_from(log: &Log, offset: Offset, take: &mut dyn FnMut(Item)) -> Result<Offset, String> {
    let tail = log.tail();
    let mut offset = offset.max(tail.log_start_offset);
    while offset < tail.high_watermark {
        let read = log.read(offset, CHUNK_SIZE, ReadUntil::HighWatermark, true).map_err(|error| error.to_string())?;
        let mut bytes = BytesMut::with_capacity(read.size);
        for piece in &read.pieces {
            bytes.extend_from_slice(piece);
        }
        let before = offset;
        for found in batch::split(bytes.freeze()) {
            let (header, bytes) = found.map_err(|error| error.to_string())?;
            offset = header.next_offset();
            read_batch(&header, &bytes, take)?;
        }
        if offset <= before {
            return Err(format!("nothing is read at offset {offset}"));
        }
    }
    Ok(offset)
}

fn read_batch(header: &BatchHeader, bytes: &Bytes, take: &mut dyn FnMut(Item)) -> Result<(), String> {
    let block = bytes.slice(HEADER_SIZE..);
    if header.attributes.is_control() {
        if let (Some(producer), Some(marker)) = (header.producer(), Marker::read(block)) {
            take(Item::End { producer, outcome: marker.outcome });
        }
        return Ok(());
    }
    let codec = header.attributes.codec().unwrap_or_default();
    let opened = levada_compress::decompress(codec, &block, OPENED_SIZE_MAX).map_err(|error| error.to_string())?;
    let transaction_of = header.producer().filter(|_| header.attributes.is_transactional());
    for record in Records::new(opened, header.record_count) {
        let record = record.map_err(|error| error.to_string())?;
        let timestamp = if header.attributes.is_log_append_time() {
            header.max_timestamp
        } else {
            header.base_timestamp.wrapping_add(record.timestamp_delta)
        };
        take(Item::Record { transaction_of, timestamp, key: record.key, value: record.value });
    }
    Ok(())
}
