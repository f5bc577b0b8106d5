//! The bytes of a test record: who made it, where it belongs, and a checksum, so that a reader knows a
//! foreign or damaged one by itself.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | `LVDT` |
//! | 4 | 8 | run |
//! | 12 | 8 | hash of the topic's name and incarnation |
//! | 20 | 4 | partition |
//! | 24 | 4 | producer |
//! | 28 | 8 | sequence |
//! | 36 | n | filler that the sequence decides |
//! | 36 + n | 4 | CRC-32C of all before |

use std::fmt;

use levada_model::crc::crc32c;
use levada_model::{Rng, SeededRng};
use serde::{Deserialize, Serialize};

use super::Value;

const MAGIC: [u8; 4] = *b"LVDT";
const HEAD_SIZE: usize = 36;
const CRC_SIZE: usize = 4;
/// The smallest test record.
pub(crate) const SIZE_MIN: usize = HEAD_SIZE + CRC_SIZE;

/// Where a record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The run, so that a leftover of an earlier one shows.
    pub(crate) run: u64,
    /// [`topic_hash`].
    pub(crate) topic: u64,
    /// The partition's index.
    pub(crate) partition: u32,
}

/// What is wrong with a record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Damage {
    /// Fewer bytes than a test record has.
    Short,
    /// Not a test record at all.
    Alien,
    /// The checksum does not match.
    Checksum,
    /// Made for another run.
    OtherRun,
    /// Made for another topic.
    OtherTopic,
    /// Made for another partition.
    OtherPartition,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "a record too short to be a test record",
            Self::Alien => "a record that no test client made",
            Self::Checksum => "a record whose checksum does not match",
            Self::OtherRun => "a record of another run",
            Self::OtherTopic => "a record of another topic",
            Self::OtherPartition => "a record of another partition",
        })
    }
}

/// A number for a topic's name; `incarnation` tells a topic from one of the same name before it.
pub(crate) fn topic_hash(name: &str, incarnation: u32) -> u64 {
    u64::from(crc32c(name.as_bytes())) << 32 | u64::from(incarnation)
}

/// The bytes of `value` in `place`, `size` of them but at least [`SIZE_MIN`].
pub(crate) fn encode(place: Place, value: Value, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size.max(SIZE_MIN));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&place.run.to_be_bytes());
    bytes.extend_from_slice(&place.topic.to_be_bytes());
    bytes.extend_from_slice(&place.partition.to_be_bytes());
    bytes.extend_from_slice(&value.producer.to_be_bytes());
    bytes.extend_from_slice(&value.sequence.to_be_bytes());
    bytes.resize(size.max(SIZE_MIN) - CRC_SIZE, 0);
    let filler = SeededRng::new(value.sequence ^ u64::from(value.producer) << 48);
    filler.fill(bytes.get_mut(HEAD_SIZE..).unwrap_or_default());
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads a record that was found in `place`.
///
/// # Errors
/// [`Damage`] where it is not a whole test record of that place.
pub(crate) fn decode(place: Place, bytes: &[u8]) -> Result<Value, Damage> {
    let (covered, crc) = bytes.split_last_chunk::<CRC_SIZE>().ok_or(Damage::Short)?;
    let mut rest = covered;
    if take::<4>(&mut rest)? != MAGIC {
        return Err(Damage::Alien);
    }
    let run = u64::from_be_bytes(take(&mut rest)?);
    let topic = u64::from_be_bytes(take(&mut rest)?);
    let partition = u32::from_be_bytes(take(&mut rest)?);
    let producer = u32::from_be_bytes(take(&mut rest)?);
    let sequence = u64::from_be_bytes(take(&mut rest)?);
    if crc32c(covered) != u32::from_be_bytes(*crc) {
        return Err(Damage::Checksum);
    }
    if run != place.run {
        return Err(Damage::OtherRun);
    }
    if topic != place.topic {
        return Err(Damage::OtherTopic);
    }
    if partition != place.partition {
        return Err(Damage::OtherPartition);
    }
    Ok(Value { producer, sequence })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Damage> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(Damage::Short)?;
    *rest = after;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { run: 7, topic: 9, partition: 3 };
    const VALUE: Value = Value { producer: 2, sequence: 11 };

    #[test]
    fn a_record_reads_back_at_every_size() {
        for size in [0, SIZE_MIN, SIZE_MIN + 1, 100, 1024] {
            let bytes = encode(PLACE, VALUE, size);
            assert_eq!(bytes.len(), size.max(SIZE_MIN));
            assert_eq!(decode(PLACE, &bytes), Ok(VALUE));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = encode(PLACE, VALUE, 64);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(PLACE, &damaged).is_err(), "bit {bit}");
        }
        for size in 0..bytes.len() {
            assert!(decode(PLACE, &bytes[..size]).is_err(), "cut at {size}");
        }
    }

    #[test]
    fn a_record_of_another_place_is_foreign() {
        let bytes = encode(PLACE, VALUE, 64);
        assert_eq!(decode(Place { run: 8, ..PLACE }, &bytes), Err(Damage::OtherRun));
        assert_eq!(decode(Place { topic: 8, ..PLACE }, &bytes), Err(Damage::OtherTopic));
        assert_eq!(decode(Place { partition: 8, ..PLACE }, &bytes), Err(Damage::OtherPartition));
        assert_eq!(decode(PLACE, &[0; 64]), Err(Damage::Alien));
    }

    #[test]
    fn a_topic_made_again_is_another_topic() {
        assert_ne!(topic_hash("orders", 0), topic_hash("orders", 1));
        assert_ne!(topic_hash("orders", 0), topic_hash("refunds", 0));
    }
}
