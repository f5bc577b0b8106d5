//! CRC-32C (Castagnoli), the checksum of record batches and of the journal.

use crc_fast::{CrcAlgorithm, Digest};

/// The CRC-32C of `bytes`.
///
/// Source: RFC 3720 appendix B.4.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    low_32(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// The CRC-32C of the concatenation of `parts`.
#[must_use]
pub fn crc32c_of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    for part in parts {
        digest.update(part);
    }
    low_32(digest.finalize())
}

fn low_32(checksum: u64) -> u32 {
    u32::try_from(checksum & 0xffff_ffff).expect("masked to 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_check_value_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c_of_parts([&b"1234"[..], b"", b"56789"]), 0xe306_9283);
    }
}
