//! What a journal's records are, byte by byte. The key says what a record is, the value is the engine's.
//!
//! ```text
//! key of an epoch     i8 1
//! key of a part       i8 2 · i64 producer id · i16 producer epoch · u32 index · i8 1: its chunk goes on in the next
//! key of a snapshot   i8 3 · i64 producer id · i16 producer epoch · u32 parts · u64 bytes · u32 checksum · i64 covers
//! ```
//!
//! All numbers are big-endian. Epochs and snapshots are parts of transactions, and count where these are committed. A
//! snapshot consists of the parts that the producer wrote before it at or above `covers`, of which there are as many as
//! it says, and stands for the epochs below `covers`. The checksum begins with 0; each part makes it the CRC-32C of the
//! checksum before and the part's value.

use bytes::{BufMut, Bytes, BytesMut};
use levada_broker::transaction::Producer;
use levada_model::{Offset, ProducerEpoch, ProducerId, crc::crc32c_of_parts};

const EPOCH: i8 = 1;
const PART: i8 = 2;
const SEAL: i8 = 3;

/// Who wrote the parts of a snapshot: nobody else has its id and epoch, and it writes one snapshot after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Writer {
    pub(super) id: ProducerId,
    pub(super) epoch: ProducerEpoch,
}

impl From<Producer> for Writer {
    fn from(producer: Producer) -> Self {
        Self { id: producer.id, epoch: producer.epoch }
    }
}

/// What makes parts a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) writer: Writer,
    /// Epochs below are part of it.
    pub(super) covers: Offset,
    pub(super) part_count: u32,
    pub(super) size: u64,
    pub(super) checksum: u32,
}

impl Seal {
    /// Takes the next part.
    pub(super) fn add(&mut self, part: &[u8]) {
        self.part_count = self.part_count.wrapping_add(1);
        self.size = self.size.wrapping_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        self.checksum = crc32c_of_parts([&self.checksum.to_be_bytes()[..], part]);
    }
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Epoch,
    Part { writer: Writer, index: u32, continues: bool },
    Seal(Seal),
}

impl Head {
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(35);
        match self {
            Self::Epoch => bytes.put_i8(EPOCH),
            Self::Part { writer, index, continues } => {
                bytes.put_i8(PART);
                put_writer(&mut bytes, *writer);
                bytes.put_u32(*index);
                bytes.put_i8(i8::from(*continues));
            }
            Self::Seal(seal) => {
                bytes.put_i8(SEAL);
                put_writer(&mut bytes, seal.writer);
                bytes.put_u32(seal.part_count);
                bytes.put_u64(seal.size);
                bytes.put_u32(seal.checksum);
                bytes.put_i64(seal.covers);
            }
        }
        bytes.freeze()
    }

    pub(super) fn decode(key: &[u8]) -> Result<Self, String> {
        let mut reader = Fields { bytes: key };
        let head = match i8::from_be_bytes(reader.take()?) {
            EPOCH => Self::Epoch,
            PART => Self::Part {
                writer: reader.writer()?,
                index: u32::from_be_bytes(reader.take()?),
                continues: i8::from_be_bytes(reader.take()?) != 0,
            },
            SEAL => Self::Seal(Seal {
                writer: reader.writer()?,
                part_count: u32::from_be_bytes(reader.take()?),
                size: u64::from_be_bytes(reader.take()?),
                checksum: u32::from_be_bytes(reader.take()?),
                covers: i64::from_be_bytes(reader.take()?),
            }),
            kind => return Err(format!("its kind is {kind}: a later version of Levada wrote it")),
        };
        if reader.bytes.is_empty() { Ok(head) } else { Err("its key is too long".to_owned()) }
    }
}

fn put_writer(bytes: &mut BytesMut, writer: Writer) {
    bytes.put_i64(writer.id.0);
    bytes.put_i16(writer.epoch);
}

struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (field, rest) = self.bytes.split_first_chunk().ok_or("its key is too short")?;
        self.bytes = rest;
        Ok(*field)
    }

    fn writer(&mut self) -> Result<Writer, String> {
        Ok(Writer { id: ProducerId(i64::from_be_bytes(self.take()?)), epoch: i16::from_be_bytes(self.take()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITER: Writer = Writer { id: ProducerId(0x0102), epoch: 7 };

    #[test]
    fn keys_have_the_bytes_that_are_drawn() {
        let part = Head::Part { writer: WRITER, index: 5, continues: true };
        let seal = Seal { writer: WRITER, covers: 9, part_count: 6, size: 0x0a00, checksum: 0xdead_beef };
        let golden: [(Head, &[u8]); 3] = [
            (Head::Epoch, &[1]),
            (part, &[2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 7, 0, 0, 0, 5, 1]),
            (
                Head::Seal(seal),
                &[
                    3, 0, 0, 0, 0, 0, 0, 1, 2, 0, 7, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 10, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0,
                    0, 0, 0, 0, 0, 9,
                ],
            ),
        ];
        for (head, bytes) in golden {
            assert_eq!(head.encode(), bytes);
            assert_eq!(Head::decode(bytes), Ok(head));
            assert!(Head::decode(&bytes[..bytes.len() - 1]).is_err());
            assert!(Head::decode(&[bytes, &[0]].concat()).is_err());
        }
        assert!(Head::decode(&[4]).unwrap_err().contains("later version"));
    }
}
