//! Kafka's five compression codecs over one block of records, in both directions.
//!
//! Decompression stops at a limit *while* it runs: a block of 1 KiB that unfolds to gigabytes costs no more
//! than the limit. What a record is, and which limit is right, the callers know.
//!
//! LZ4 frames with the header checksum that clients before Kafka 0.10 got wrong are refused: they only ever
//! carried message formats 0 and 1, which nothing here accepts.

mod snappy;

use bytes::Bytes;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use levada_model::batch::Codec;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use std::io::{self, Read, Write};

/// The level that Kafka's clients use where none is set.
const ZSTD_LEVEL: i32 = 3;

/// Why a block could not be decompressed.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// The bytes are not what the codec writes, or end too early.
    #[error("{} block is corrupt: {reason}", codec.name())]
    Corrupt {
        /// The codec.
        codec: Codec,
        /// What its decoder said.
        reason: String,
    },
    /// The output would pass the limit; decompression was given up there.
    #[error("{} block unfolds to more than {limit} bytes", codec.name())]
    TooLarge {
        /// The codec.
        codec: Codec,
        /// The limit in bytes.
        limit: usize,
    },
}

/// An encoder refused its input.
#[derive(Debug, thiserror::Error)]
#[error("{} could not compress the block: {reason}", codec.name())]
pub struct CompressError {
    /// The codec.
    pub codec: Codec,
    /// What its encoder said.
    pub reason: String,
}

/// Compresses `block` as Kafka's clients do: gzip members, snappy in xerial's blocks, LZ4 frames of
/// independent 64 KiB blocks, zstd at level 3.
///
/// # Errors
/// [`CompressError`] where the codec's encoder fails, which none does on memory it can allocate.
pub fn compress(codec: Codec, block: &[u8]) -> Result<Vec<u8>, CompressError> {
    let result = match codec {
        Codec::None => Ok(block.to_vec()),
        Codec::Gzip => gzip(block),
        Codec::Snappy => snappy::compress(block).map_err(io::Error::other),
        Codec::Lz4 => lz4(block),
        Codec::Zstd => zstd::bulk::compress(block, ZSTD_LEVEL),
    };
    result.map_err(|error| CompressError { codec, reason: error.to_string() })
}

fn gzip(block: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(block)?;
    encoder.finish()
}

fn lz4(block: &[u8]) -> io::Result<Vec<u8>> {
    // Kafka's Java client reads independent blocks only.
    let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(block)?;
    encoder.finish().map_err(io::Error::other)
}

/// Decompresses `block` into at most `limit` bytes.
///
/// Snappy is read both raw and in xerial's blocks, gzip and LZ4 also as several members or frames in a row.
///
/// # Errors
/// [`DecompressError::TooLarge`] as soon as the output would pass `limit`; [`DecompressError::Corrupt`].
pub fn decompress(codec: Codec, block: &[u8], limit: usize) -> Result<Bytes, DecompressError> {
    match codec {
        Codec::None if block.len() > limit => Err(DecompressError::TooLarge { codec, limit }),
        Codec::None => Ok(Bytes::copy_from_slice(block)),
        Codec::Gzip => read_bounded(codec, MultiGzDecoder::new(block), limit),
        Codec::Snappy => snappy::decompress(block, limit).map(Bytes::from),
        Codec::Lz4 => read_bounded(codec, Lz4Frames { decoder: FrameDecoder::new(block) }, limit),
        Codec::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(block).map_err(|error| corrupt(codec, &error))?;
            read_bounded(codec, decoder, limit)
        }
    }
}

fn corrupt(codec: Codec, error: &dyn std::fmt::Display) -> DecompressError {
    DecompressError::Corrupt { codec, reason: error.to_string() }
}

fn read_bounded(codec: Codec, reader: impl Read, limit: usize) -> Result<Bytes, DecompressError> {
    let mut output = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(one_more).read_to_end(&mut output).map_err(|error| corrupt(codec, &error))?;
    if output.len() > limit {
        return Err(DecompressError::TooLarge { codec, limit });
    }
    Ok(Bytes::from(output))
}

/// Reads frame after frame until the input ends.
struct Lz4Frames<'a> {
    decoder: FrameDecoder<&'a [u8]>,
}

impl Read for Lz4Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let before = self.decoder.get_ref().len();
            let count = self.decoder.read(buffer)?;
            // The decoder answers 0 at the end of each frame, and again where no input is left.
            if count > 0 || self.decoder.get_ref().is_empty() || self.decoder.get_ref().len() == before {
                return Ok(count);
            }
        }
    }
}

#[cfg(test)]
mod tests;
