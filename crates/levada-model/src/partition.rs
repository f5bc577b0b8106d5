//! Which partition a key goes to: the one that Kafka's Java client chooses, so that clients agree.
//!
//! Source: MurmurHash2 (Austin Appleby), 32 bits, seed 0x9747b28c, as Kafka's default partitioner uses it.

use crate::PartitionIndex;

/// The partition of `key` among `count`.
///
/// # Panics
/// If `count` is below 1.
#[must_use]
pub fn partition_of_key(key: &[u8], count: PartitionIndex) -> PartitionIndex {
    assert!(count > 0, "a topic has partitions");
    (murmur2(key) & 0x7fff_ffff).cast_signed() % count
}

fn murmur2(bytes: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    // The length is mixed in as 32 bits; keys are far below 4 GiB.
    let length = u32::try_from(bytes.len() & 0xffff_ffff).expect("masked to 32 bits");
    let mut hash = 0x9747_b28c ^ length;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        mixed ^= mixed >> 24;
        hash = hash.wrapping_mul(FACTOR) ^ mixed.wrapping_mul(FACTOR);
    }
    if !tail.is_empty() {
        let word = tail.iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte));
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_kafkas_own_test_does() {
        for (key, hash) in [
            (&b"21"[..], -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key).cast_signed(), hash, "{key:?}");
        }
    }

    #[test]
    fn every_key_has_a_partition_that_exists() {
        for number in 0..1_000_u32 {
            let partition = partition_of_key(&number.to_be_bytes(), 7);
            assert!((0..7).contains(&partition));
        }
    }
}
