//! Kafka's producer snapshot, `<offset>.snapshot`: the last batch of each producer.
//!
//! ```text
//! offset size field
//!      0    2 version                            1
//!      2    4 CRC-32C of everything from 6 on
//!      6    4 producer count
//!      a producer
//!      0    8 producer id
//!      8    2 epoch
//!     10    4 last sequence                      −1: no batch
//!     14    8 last offset                        −1: no batch
//!     22    4 delta                              last less first sequence of that batch
//!     26    8 timestamp
//!     34    4 coordinator epoch                  −1: none
//!     38    8 first offset of open transaction   −1: none
//! ```
//!
//! Source: `ProducerSnapshot.json`, `ProducerStateManager` of Kafka 4.3.1.

use super::{NO_EPOCH, ProducerState, ProducerTable, ProducersError, RememberedBatch};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use levada_model::{NO_OFFSET, ProducerId, crc::crc32c, reader};

const VERSION: i16 = 1;
const ENTRY_SIZE: usize = 46;
const CHECKED_FROM: usize = 6;

/// The table as Kafka writes it.
#[must_use]
pub fn encode(table: &ProducerTable) -> Bytes {
    let mut entries = BytesMut::with_capacity(4 + table.len() * ENTRY_SIZE);
    entries.put_i32(i32::try_from(table.len()).expect("the table is bounded"));
    for (id, state) in table.iter() {
        let none = RememberedBatch { last_sequence: -1, delta: 0, last_offset: -1, timestamp: state.last_active };
        let last = state.batches.back().copied().unwrap_or(none);
        entries.put_i64(id.0);
        entries.put_i16(state.epoch);
        entries.put_i32(last.last_sequence);
        entries.put_i64(last.last_offset);
        entries.put_i32(last.delta);
        entries.put_i64(last.timestamp);
        entries.put_i32(state.coordinator_epoch);
        entries.put_i64(state.transaction_first_offset.unwrap_or(NO_OFFSET));
    }
    let mut bytes = BytesMut::with_capacity(CHECKED_FROM + entries.len());
    bytes.put_i16(VERSION);
    bytes.put_u32(crc32c(&entries));
    bytes.put_slice(&entries);
    bytes.freeze()
}

/// Reads Kafka's file.
///
/// # Errors
/// [`ProducersError`].
pub fn decode(mut bytes: Bytes, count_max: usize) -> Result<ProducerTable, ProducersError> {
    let mut head = reader::Reader::new(bytes.clone());
    let version = head.i16()?;
    if version != VERSION {
        return Err(ProducersError::Version(version));
    }
    let claimed = head.u32()?;
    bytes.advance(CHECKED_FROM);
    let actual = crc32c(&bytes);
    if actual != claimed {
        return Err(ProducersError::Crc { claimed, actual });
    }
    let mut source = reader::Reader::new(bytes);
    let count = usize::try_from(source.i32()?).map_err(|_| ProducersError::Inconsistent)?;
    if count.checked_mul(ENTRY_SIZE) != Some(source.remaining()) {
        return Err(ProducersError::Inconsistent);
    }
    let mut producers = Vec::with_capacity(count);
    for _ in 0..count {
        producers.push(decode_entry(&mut source)?);
    }
    producers.sort_by_key(|(id, state)| (state.last_active, *id));
    let mut table = ProducerTable::new(count_max);
    producers.into_iter().for_each(|(id, state)| table.insert(id, state));
    Ok(table)
}

fn decode_entry(source: &mut reader::Reader) -> Result<(ProducerId, ProducerState), ProducersError> {
    let id = ProducerId(source.i64()?);
    let mut state = ProducerState::new(source.i16()?.max(NO_EPOCH));
    let (last_sequence, last_offset) = (source.i32()?, source.i64()?);
    let (delta, timestamp) = (source.i32()?, source.i64()?);
    if last_sequence >= 0 && delta >= 0 {
        state.batches.push_back(RememberedBatch { last_sequence, delta, last_offset, timestamp });
    }
    state.last_active = timestamp;
    state.coordinator_epoch = source.i32()?;
    let first_offset = source.i64()?;
    state.transaction_first_offset = (first_offset >= 0).then_some(first_offset);
    Ok((id, state))
}
