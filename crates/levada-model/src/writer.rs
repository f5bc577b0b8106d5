//! Writing what [`crate::reader::Reader`] reads.

use bytes::{BufMut, BytesMut};

/// Base-128 numbers for a [`BytesMut`].
pub trait WriteVarint {
    /// An unsigned base-128 number.
    fn put_unsigned_varint(&mut self, value: u32);
    /// A zigzag base-128 number.
    fn put_varint(&mut self, value: i32);
    /// A zigzag base-128 number of up to 64 bits.
    fn put_varlong(&mut self, value: i64);
}

impl WriteVarint for BytesMut {
    fn put_unsigned_varint(&mut self, value: u32) {
        put_base_128(self, u64::from(value));
    }

    fn put_varint(&mut self, value: i32) {
        put_base_128(self, u64::from(((value << 1) ^ (value >> 31)).cast_unsigned()));
    }

    fn put_varlong(&mut self, value: i64) {
        put_base_128(self, ((value << 1) ^ (value >> 63)).cast_unsigned());
    }
}

fn put_base_128(target: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        target.put_u8(low_7(value) | 0x80);
        value >>= 7;
    }
    target.put_u8(low_7(value));
}

fn low_7(value: u64) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits fit a byte")
}

/// How many bytes [`WriteVarint::put_varint`] writes for `value`.
#[must_use]
pub fn varint_size(value: i32) -> usize {
    base_128_size(u64::from(((value << 1) ^ (value >> 31)).cast_unsigned()))
}

/// How many bytes [`WriteVarint::put_varlong`] writes for `value`.
#[must_use]
pub fn varlong_size(value: i64) -> usize {
    base_128_size(((value << 1) ^ (value >> 63)).cast_unsigned())
}

fn base_128_size(value: u64) -> usize {
    let bits = (64 - value.leading_zeros()).max(1);
    usize::try_from(bits.div_ceil(7)).expect("at most ten")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;

    #[test]
    fn varints_round_trip_and_their_size_is_known() {
        for value in [0, 1, -1, 63, -64, 64, 300, -301, i32::MAX, i32::MIN] {
            let mut bytes = BytesMut::new();
            bytes.put_varint(value);
            assert_eq!(bytes.len(), varint_size(value));
            assert_eq!(Reader::new(bytes.freeze()).varint(), Ok(value));
        }
        for value in [0, -1, 1 << 40, i64::MAX, i64::MIN] {
            let mut bytes = BytesMut::new();
            bytes.put_varlong(value);
            assert_eq!(bytes.len(), varlong_size(value));
            assert_eq!(Reader::new(bytes.freeze()).varlong(), Ok(value));
        }
        let mut bytes = BytesMut::new();
        bytes.put_unsigned_varint(u32::MAX);
        assert_eq!(Reader::new(bytes.freeze()).unsigned_varint(), Ok(u32::MAX));
    }
}
