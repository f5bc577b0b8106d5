//! A [`ProducerTable`] as bytes, all five batches of each producer included.
//!
//! ```text
//! offset size field                              version 1
//!      0    2 version
//!      2    4 producer count
//!      a producer, by id
//!      0    8 producer id
//!      8    2 epoch
//!     10    4 coordinator epoch                  −1: none
//!     14    8 first offset of open transaction   −1: none
//!     22    8 last active                        broker's milliseconds
//!     30    1 batch count                        0 to 5
//!     31   24 a batch: last sequence (4) · delta (4) · last offset (8) · timestamp (8)
//! ```

use super::{BATCHES_REMEMBERED, ProducerState, ProducerTable, RememberedBatch};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{NO_OFFSET, ProducerId, reader};

const VERSION: i16 = 1;
/// A producer without batches.
const PRODUCER_SIZE_MIN: usize = 31;

/// Why bytes are no producer table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducersError {
    /// They end too early.
    #[error("producers: {0}")]
    Read(#[from] reader::ReadError),
    /// Written by another release.
    #[error("producers have version {0}, 1 is supported")]
    Version(i16),
    /// The bytes are not what was written.
    #[error("producers have checksum {actual:#010x}, the file says {claimed:#010x}")]
    Crc {
        /// In the file.
        claimed: u32,
        /// Of the bytes.
        actual: u32,
    },
    /// A count beyond the bytes or the limit, or bytes left over.
    #[error("producers contradict themselves")]
    Inconsistent,
}

impl ProducerTable {
    /// The table as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(6 + self.len() * (PRODUCER_SIZE_MIN + 24 * BATCHES_REMEMBERED));
        bytes.put_i16(VERSION);
        bytes.put_u32(u32::try_from(self.len()).expect("the table is bounded"));
        for (id, state) in self.iter() {
            bytes.put_i64(id.0);
            bytes.put_i16(state.epoch);
            bytes.put_i32(state.coordinator_epoch);
            bytes.put_i64(state.transaction_first_offset.unwrap_or(NO_OFFSET));
            bytes.put_i64(state.last_active);
            bytes.put_u8(u8::try_from(state.batches.len()).expect("five batches at most"));
            for batch in &state.batches {
                bytes.put_i32(batch.last_sequence);
                bytes.put_i32(batch.delta);
                bytes.put_i64(batch.last_offset);
                bytes.put_i64(batch.timestamp);
            }
        }
        bytes.freeze()
    }

    /// Reads what [`Self::encode`] wrote; no bytes at all are an empty table. Keeps `count_max` producers, the
    /// most recently active ones.
    ///
    /// # Errors
    /// [`ProducersError`].
    pub fn decode(bytes: Bytes, count_max: usize) -> Result<Self, ProducersError> {
        let mut table = Self::new(count_max);
        if bytes.is_empty() {
            return Ok(table);
        }
        let mut source = reader::Reader::new(bytes);
        let version = source.i16()?;
        if version != VERSION {
            return Err(ProducersError::Version(version));
        }
        let count = usize::try_from(source.u32()?).unwrap_or(usize::MAX);
        if count > source.remaining() / PRODUCER_SIZE_MIN {
            return Err(ProducersError::Inconsistent);
        }
        let mut producers = Vec::with_capacity(count);
        for _ in 0..count {
            producers.push(decode_producer(&mut source)?);
        }
        if !source.is_empty() {
            return Err(ProducersError::Inconsistent);
        }
        producers.sort_by_key(|(id, state)| (state.last_active, *id));
        producers.into_iter().for_each(|(id, state)| table.insert(id, state));
        Ok(table)
    }
}

fn decode_producer(source: &mut reader::Reader) -> Result<(ProducerId, ProducerState), ProducersError> {
    let id = ProducerId(source.i64()?);
    let mut state = ProducerState::new(source.i16()?);
    state.coordinator_epoch = source.i32()?;
    let first_offset = source.i64()?;
    state.transaction_first_offset = (first_offset >= 0).then_some(first_offset);
    state.last_active = source.i64()?;
    let count = usize::from(source.u8()?);
    if count > BATCHES_REMEMBERED {
        return Err(ProducersError::Inconsistent);
    }
    for _ in 0..count {
        let (last_sequence, delta) = (source.i32()?, source.i32()?);
        if last_sequence < 0 || delta < 0 {
            return Err(ProducersError::Inconsistent);
        }
        let (last_offset, timestamp) = (source.i64()?, source.i64()?);
        state.batches.push_back(RememberedBatch { last_sequence, delta, last_offset, timestamp });
    }
    Ok((id, state))
}
