//! The bytes of a journal file, drawn once. All numbers are big-endian.
//!
//! A file has no header of its own: it is frames from its first byte on, each padded with zeros to the next
//! multiple of 4096, so that no write touches a block with durable bytes of another frame. What follows the
//! last frame is what a former use of the file left.
//!
//! Frame:
//!
//! | offset | size | field | meaning |
//! |---|---|---|---|
//! | 0 | 4 | magic | `LVJF` |
//! | 4 | 4 | header CRC | CRC-32C of bytes 8 to 55 |
//! | 8 | 2 | version | 1 |
//! | 10 | 2 | flags | bit 0: *opens*, the first frame after the journal was opened; others 0 |
//! | 12 | 4 | entry count | |
//! | 16 | 8 | sequence | the first frame has 1, each next one more, never reused within an epoch |
//! | 24 | 8 | epoch | rises at each opening, durably, before anything else is written |
//! | 32 | 8 | durable | the last sequence known to be durable when this frame was written |
//! | 40 | 8 | key | drawn once for the journal: no record can hold the image of a frame |
//! | 48 | 4 | payload size | at most 64 MiB |
//! | 52 | 4 | payload CRC | CRC-32C of the payload |
//! | 56 | | payload | entries, one after the other |
//!
//! Entry:
//!
//! | offset | size | field | meaning |
//! |---|---|---|---|
//! | 0 | 1 | kind | 1 batch, 3 offset lease, 4 cluster changes; 2 is not used |
//! | 1 | 3 | – | 0 |
//! | 4 | 4 | size | bytes that follow |
//! | 8 | 16 | topic | id; not in cluster changes |
//! | 24 | 4 | partition | not in cluster changes |
//! | 28 | | | batch: 16 bytes head, then body · offset lease: 8 bytes offset |
//! | 8 | | | cluster changes: as the store writes them |

use bytes::Bytes;
use levada_model::{
    crc::crc32c,
    reader::{ReadError, Reader},
};

/// The version that this release writes and reads.
pub const FORMAT_VERSION: u16 = 1;
/// Frames begin at multiples of this.
pub(super) const BLOCK_SIZE: u64 = 4_096;
/// Bytes before the payload.
pub(super) const HEADER_SIZE: usize = 56;
/// The largest payload that is read.
pub(super) const PAYLOAD_SIZE_MAX: u64 = 64 << 20;

const MAGIC: [u8; 4] = *b"LVJF";
const CRC_FROM: usize = 8;
const FLAG_OPENS: u16 = 1;

/// The fixed part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) opens: bool,
    pub(super) entry_count: u32,
    pub(super) sequence: u64,
    pub(super) epoch: u64,
    pub(super) durable: u64,
    pub(super) key: u64,
    pub(super) payload_size: u32,
    pub(super) payload_crc: u32,
}

/// What stands at the start of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A frame's header, whole.
    Frame(FrameHeader),
    /// A frame's header, whole, of a version or with flags that this release does not know.
    Unsupported(u16),
    /// Anything else.
    Nothing,
}

impl FrameHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut checked = Vec::with_capacity(HEADER_SIZE);
        let flags = if self.opens { FLAG_OPENS } else { 0 };
        checked.extend(FORMAT_VERSION.to_be_bytes());
        checked.extend(flags.to_be_bytes());
        checked.extend(self.entry_count.to_be_bytes());
        for field in [self.sequence, self.epoch, self.durable, self.key] {
            checked.extend(field.to_be_bytes());
        }
        checked.extend(self.payload_size.to_be_bytes());
        checked.extend(self.payload_crc.to_be_bytes());
        let mut header = [0; HEADER_SIZE];
        let bytes = MAGIC.into_iter().chain(crc32c(&checked).to_be_bytes()).chain(checked);
        for (target, byte) in header.iter_mut().zip(bytes) {
            *target = byte;
        }
        header
    }

    /// Reads the start of `block`.
    pub(super) fn parse(block: &Bytes) -> Parsed {
        if !block.starts_with(&MAGIC) || block.len() < HEADER_SIZE {
            return Parsed::Nothing;
        }
        let checked = block.slice(CRC_FROM..HEADER_SIZE);
        let mut reader = Reader::new(block.slice(MAGIC.len()..HEADER_SIZE));
        if reader.u32() != Ok(crc32c(&checked)) {
            return Parsed::Nothing;
        }
        Self::fields(&mut reader).unwrap_or(Parsed::Nothing)
    }

    fn fields(reader: &mut Reader) -> Result<Parsed, ReadError> {
        let (version, flags) = (reader.u16()?, reader.u16()?);
        if version != FORMAT_VERSION || flags & !FLAG_OPENS != 0 {
            return Ok(Parsed::Unsupported(version));
        }
        let header = Self {
            opens: flags & FLAG_OPENS != 0,
            entry_count: reader.u32()?,
            sequence: reader.i64()?.cast_unsigned(),
            epoch: reader.i64()?.cast_unsigned(),
            durable: reader.i64()?.cast_unsigned(),
            key: reader.i64()?.cast_unsigned(),
            payload_size: reader.u32()?,
            payload_crc: reader.u32()?,
        };
        let fits = u64::from(header.payload_size) <= PAYLOAD_SIZE_MAX;
        Ok(if fits { Parsed::Frame(header) } else { Parsed::Nothing })
    }

    /// Bytes of the frame with its padding.
    pub(super) fn frame_size(&self) -> u64 {
        frame_size(u64::from(self.payload_size))
    }
}

/// Bytes of a frame of `payload_size` with its padding.
pub(super) const fn frame_size(payload_size: u64) -> u64 {
    (payload_size + HEADER_SIZE as u64).next_multiple_of(BLOCK_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FrameHeader = FrameHeader {
        opens: true,
        entry_count: 2,
        sequence: 3,
        epoch: 4,
        durable: 2,
        key: 5,
        payload_size: 6,
        payload_crc: 7,
    };

    #[test]
    fn a_header_reads_back_and_any_flipped_bit_is_seen() {
        let bytes = HEADER.encode();
        assert_eq!(FrameHeader::parse(&Bytes::copy_from_slice(&bytes)), Parsed::Frame(HEADER));
        for index in 0..HEADER_SIZE * 8 {
            let mut flipped = bytes;
            flipped[index / 8] ^= 1 << (index % 8);
            assert_eq!(FrameHeader::parse(&Bytes::copy_from_slice(&flipped)), Parsed::Nothing, "bit {index}");
        }
        assert_eq!(FrameHeader::parse(&Bytes::copy_from_slice(&bytes[..HEADER_SIZE - 1])), Parsed::Nothing);
    }

    #[test]
    fn a_later_version_is_told_from_garbage() {
        let mut bytes = HEADER.encode();
        bytes[9] = 2;
        let crc = crc32c(&bytes[CRC_FROM..]).to_be_bytes();
        bytes[4..8].copy_from_slice(&crc);
        assert_eq!(FrameHeader::parse(&Bytes::copy_from_slice(&bytes)), Parsed::Unsupported(2));
    }

    #[test]
    fn an_oversized_payload_is_not_believed() {
        let huge = FrameHeader { payload_size: u32::MAX, ..HEADER };
        assert_eq!(FrameHeader::parse(&Bytes::copy_from_slice(&huge.encode())), Parsed::Nothing);
    }
}
