//! Snappy as Kafka's clients write it: xerial's stream of length-prefixed blocks (the Java client), or one
//! raw block (librdkafka and most others). Written here in xerial's form, which every client reads.
//!
//! ```text
//! 8 bytes magic 82 "SNAPPY" 00 · i32 version 1 · i32 compatible version 1
//! then per block: i32 compressed size · raw snappy block
//! ```
//!
//! Source: the stream format of xerial's snappy-java.

use crate::{DecompressError, corrupt};
use levada_model::batch::Codec;
use snap::raw::{Decoder, Encoder, decompress_len};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_SIZE: usize = 16;
/// Uncompressed bytes of one block, as the Java client cuts them.
const BLOCK_SIZE: usize = 32 * 1024;
/// Three bytes of a raw block can stand for 64 at most.
const RATIO_MAX: usize = 22;

pub(crate) fn compress(block: &[u8]) -> Result<Vec<u8>, snap::Error> {
    let mut output = Vec::with_capacity(HEADER_SIZE + block.len() / 2);
    output.extend_from_slice(&MAGIC);
    output.extend_from_slice(&1_i32.to_be_bytes());
    output.extend_from_slice(&1_i32.to_be_bytes());
    let mut encoder = Encoder::new();
    for part in block.chunks(BLOCK_SIZE) {
        let packed = encoder.compress_vec(part)?;
        let size = u32::try_from(packed.len()).expect("a 32 KiB block stays far below 4 GiB");
        output.extend_from_slice(&size.to_be_bytes());
        output.extend_from_slice(&packed);
    }
    Ok(output)
}

pub(crate) fn decompress(block: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let mut output = Vec::new();
    if !block.starts_with(&MAGIC) {
        append_raw(&mut output, block, limit)?;
        return Ok(output);
    }
    let mut rest = block;
    while !rest.is_empty() {
        if rest.starts_with(&MAGIC) {
            // Streams may be concatenated; each brings its header.
            rest = rest.get(HEADER_SIZE..).ok_or_else(|| truncated("stream header"))?;
            continue;
        }
        let (size, after) = rest.split_first_chunk::<4>().ok_or_else(|| truncated("block size"))?;
        let size = usize::try_from(u32::from_be_bytes(*size)).map_err(|error| corrupt(Codec::Snappy, &error))?;
        let (packed, after) = after.split_at_checked(size).ok_or_else(|| truncated("block"))?;
        append_raw(&mut output, packed, limit)?;
        rest = after;
    }
    Ok(output)
}

fn truncated(what: &str) -> DecompressError {
    corrupt(Codec::Snappy, &format_args!("its last {what} is cut short"))
}

fn append_raw(output: &mut Vec<u8>, packed: &[u8], limit: usize) -> Result<(), DecompressError> {
    let claimed = decompress_len(packed).map_err(|error| corrupt(Codec::Snappy, &error))?;
    if claimed > packed.len().saturating_mul(RATIO_MAX) {
        return Err(corrupt(Codec::Snappy, &format_args!("{} bytes claim to hold {claimed}", packed.len())));
    }
    let start = output.len();
    if start.saturating_add(claimed) > limit {
        return Err(DecompressError::TooLarge { codec: Codec::Snappy, limit });
    }
    output.resize(start + claimed, 0);
    let target = output.get_mut(start..).unwrap_or_default();
    let written = Decoder::new().decompress(packed, target).map_err(|error| corrupt(Codec::Snappy, &error))?;
    output.truncate(start + written);
    Ok(())
}
