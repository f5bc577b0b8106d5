//! [`Reader`]: big-endian integers, varints and slices from bytes that nobody trusts yet.

use bytes::{Buf, Bytes};

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes end too early.
    #[error("{wanted} bytes wanted, {left} left")]
    Truncated {
        /// How many bytes the next field needs.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// A varint with more bytes than its type can hold.
    #[error("varint is longer than its type")]
    VarintTooLong,
    /// A length below −1, or −1 where null is not allowed.
    #[error("length {0} is negative")]
    NegativeLength(i64),
}

/// A cursor over [`Bytes`] that checks every length against what remains before it acts on it.
///
/// Slices taken from it share the underlying memory.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
}

macro_rules! read_int {
    ($name:ident, $type:ty, $get:ident, $doc:literal) => {
        #[doc = $doc]
        ///
        /// # Errors
        /// [`ReadError::Truncated`].
        pub fn $name(&mut self) -> Result<$type, ReadError> {
            self.need(size_of::<$type>())?;
            Ok(self.bytes.$get())
        }
    };
}

impl Reader {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is left, without moving on.
    #[must_use]
    pub const fn peek(&self) -> &Bytes {
        &self.bytes
    }

    fn need(&self, wanted: usize) -> Result<(), ReadError> {
        let left = self.bytes.len();
        if left < wanted { Err(ReadError::Truncated { wanted, left }) } else { Ok(()) }
    }

    read_int!(i8, i8, get_i8, "One signed byte.");
    read_int!(u8, u8, get_u8, "One byte.");
    read_int!(i16, i16, get_i16, "Two bytes, big-endian.");
    read_int!(u16, u16, get_u16, "Two bytes, big-endian, unsigned.");
    read_int!(i32, i32, get_i32, "Four bytes, big-endian.");
    read_int!(u32, u32, get_u32, "Four bytes, big-endian, unsigned.");
    read_int!(i64, i64, get_i64, "Eight bytes, big-endian.");
    read_int!(u64, u64, get_u64, "Eight bytes, big-endian, unsigned.");
    read_int!(f64, f64, get_f64, "Eight bytes, IEEE 754, big-endian.");

    /// The next `size` bytes, sharing memory with the source.
    ///
    /// # Errors
    /// [`ReadError::Truncated`].
    pub fn take(&mut self, size: usize) -> Result<Bytes, ReadError> {
        self.need(size)?;
        Ok(self.bytes.split_to(size))
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`ReadError::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        self.need(N)?;
        let mut array = [0; N];
        self.bytes.copy_to_slice(&mut array);
        Ok(array)
    }

    /// Passes over `size` bytes.
    ///
    /// # Errors
    /// [`ReadError::Truncated`].
    pub fn skip(&mut self, size: usize) -> Result<(), ReadError> {
        self.need(size)?;
        self.bytes.advance(size);
        Ok(())
    }

    /// An unsigned base-128 number of at most five bytes.
    ///
    /// # Errors
    /// [`ReadError::VarintTooLong`] beyond 32 bits, [`ReadError::Truncated`].
    pub fn unsigned_varint(&mut self) -> Result<u32, ReadError> {
        u32::try_from(self.base_128(5)?).map_err(|_| ReadError::VarintTooLong)
    }

    /// A zigzag base-128 number of at most five bytes.
    ///
    /// # Errors
    /// [`ReadError::VarintTooLong`] beyond 32 bits, [`ReadError::Truncated`].
    pub fn varint(&mut self) -> Result<i32, ReadError> {
        let raw = self.unsigned_varint()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    /// A zigzag base-128 number of at most ten bytes.
    ///
    /// # Errors
    /// [`ReadError::VarintTooLong`] beyond 64 bits, [`ReadError::Truncated`].
    pub fn varlong(&mut self) -> Result<i64, ReadError> {
        let raw = self.base_128(10)?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    fn base_128(&mut self, bytes_max: u32) -> Result<u64, ReadError> {
        let mut value: u64 = 0;
        for index in 0..bytes_max {
            let byte = self.u8()?;
            let low = u64::from(byte & 0x7f);
            let shift = index * 7;
            if shift == 63 && low > 1 {
                return Err(ReadError::VarintTooLong);
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ReadError::VarintTooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stop_at_the_end_of_the_bytes() {
        let mut reader = Reader::new(Bytes::from_static(&[0, 1, 2]));
        assert_eq!(reader.i16(), Ok(1));
        assert_eq!(reader.i32(), Err(ReadError::Truncated { wanted: 4, left: 1 }));
        assert_eq!(reader.u8(), Ok(2));
        assert!(reader.is_empty());
    }

    #[test]
    fn varints_reject_more_bits_than_they_hold() {
        let mut five_bytes = Reader::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]));
        assert_eq!(five_bytes.unsigned_varint(), Ok(u32::MAX));
        let mut too_wide = Reader::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x1f]));
        assert_eq!(too_wide.unsigned_varint(), Err(ReadError::VarintTooLong));
        let mut endless = Reader::new(Bytes::from_static(&[0x80; 20]));
        assert_eq!(endless.varlong(), Err(ReadError::VarintTooLong));
    }

    #[test]
    fn zigzag_gives_small_numbers_small_codes() {
        for (bytes, value) in [(&[0_u8][..], 0), (&[1], -1), (&[2], 1), (&[0x7f], -64), (&[0x80, 1], 64)] {
            assert_eq!(Reader::new(Bytes::copy_from_slice(bytes)).varint(), Ok(value));
        }
    }
}
