//! From the bytes of a fetch to records: whole batches, of which the records before the position, control
//! records and those of aborted transactions are left out.

use crate::{ClientError, ConsumedRecord, TopicPartition, error::BatchFault};
use bytes::Bytes;
use levada_model::{
    NO_TIMESTAMP, Offset,
    batch::{Batch, BatchHeader, CRC_FROM, Codec, split},
    crc::crc32c,
    record::Records,
};
use levada_protocol::messages::fetch_response::AbortedTransaction;
use std::{collections::BTreeSet, sync::Arc};

/// The bytes of one partition in one answer.
#[derive(Debug)]
pub(super) struct Batches {
    bytes: Bytes,
    /// By first offset, the last first.
    aborted: Vec<AbortedTransaction>,
}

/// What was read of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) records: Vec<ConsumedRecord>,
    pub(super) next_offset: Offset,
}

impl Batches {
    /// `aborted` lists the transactions whose records are to be left out.
    pub(super) fn new(bytes: Bytes, mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Self { bytes, aborted }
    }

    /// The records from `position` on. A batch may unfold to at most `limit` bytes.
    pub(super) fn read(mut self, position: Offset, limit: usize, key: &TopicPartition) -> Result<Passed, ClientError> {
        let fault = |offset: Offset, cause: BatchFault| ClientError::Batch {
            topic: key.topic.clone(),
            partition: key.partition,
            offset,
            cause,
        };
        let mut passed = Passed { records: Vec::new(), next_offset: position };
        let mut aborting = BTreeSet::new();
        for part in split(std::mem::take(&mut self.bytes)) {
            let (header, bytes) = part.map_err(|error| fault(passed.next_offset, error.into()))?;
            if self.is_visible(&header, &bytes, &mut aborting) {
                read_batch(&header, &bytes, position, limit, &mut passed.records)
                    .map_err(|cause| fault(header.base_offset, cause))?;
            }
            passed.next_offset = passed.next_offset.max(header.next_offset());
        }
        Ok(passed)
    }

    /// Whether a batch holds records for callers; follows which producers' transactions end as aborted.
    fn is_visible(&mut self, header: &BatchHeader, bytes: &Bytes, aborting: &mut BTreeSet<i64>) -> bool {
        while self.aborted.last().is_some_and(|transaction| transaction.first_offset <= header.last_offset()) {
            aborting.extend(self.aborted.pop().map(|transaction| transaction.producer_id));
        }
        if header.attributes.is_control() {
            if is_abort_marker(header, bytes) {
                aborting.remove(&header.producer_id);
            }
            return false;
        }
        !(header.attributes.is_transactional() && aborting.contains(&header.producer_id))
    }
}

/// A control record's key is a version and a type; type 0 ends a transaction as aborted. Source: KIP-98.
fn is_abort_marker(header: &BatchHeader, bytes: &Bytes) -> bool {
    let block = bytes.slice(levada_model::batch::HEADER_SIZE.min(bytes.len())..);
    let first = Records::new(block, header.record_count).next().and_then(Result::ok);
    first.and_then(|record| record.key).is_some_and(|key| key.get(2..4) == Some(&[0, 0][..]))
}

fn read_batch(
    header: &BatchHeader,
    bytes: &Bytes,
    position: Offset,
    limit: usize,
    records: &mut Vec<ConsumedRecord>,
) -> Result<(), BatchFault> {
    if header.last_offset() < position {
        return Ok(());
    }
    // Compaction leaves gaps, which `check` would refuse; then the checksum and the parts that are read are checked.
    let block = match Batch::check(bytes.clone()) {
        Ok(batch) => batch.records(),
        Err(levada_model::batch::BatchError::Count { count, .. }) if count >= 0 => {
            let (claimed, actual) = (header.crc, crc32c(bytes.get(CRC_FROM..).unwrap_or_default()));
            if claimed != actual {
                return Err(levada_model::batch::BatchError::Crc { claimed, actual }.into());
            }
            bytes.slice(levada_model::batch::HEADER_SIZE..)
        }
        Err(error) => return Err(error.into()),
    };
    let codec = header.attributes.codec().unwrap_or_default();
    let block = match codec {
        Codec::None => block,
        _ => levada_compress::decompress(codec, &block, limit)
            .map_err(|error| BatchFault::Decompress(Arc::new(error)))?,
    };
    for record in Records::new(block, header.record_count) {
        let record = record?;
        let offset = header.base_offset.saturating_add(i64::from(record.offset_delta));
        if offset < position {
            continue;
        }
        let timestamp = if header.attributes.is_log_append_time() {
            header.max_timestamp
        } else if header.base_timestamp == NO_TIMESTAMP {
            NO_TIMESTAMP
        } else {
            header.base_timestamp.saturating_add(record.timestamp_delta)
        };
        records.push(ConsumedRecord {
            offset,
            timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
