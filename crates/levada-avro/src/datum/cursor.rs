//! The bytes of a value, read from front to back, and what may still be taken of memory.

use super::decode::Problem;

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many bytes of memory may still be taken.
    left: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], value_bytes_max: usize) -> Self {
        Self { bytes, at: 0, left: value_bytes_max }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where it was.
    pub(super) fn rewind(&mut self, at: usize) {
        self.at = at.min(self.at);
    }

    pub(super) fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Takes note of memory that is about to be taken.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Problem> {
        self.left = self.left.checked_sub(bytes).ok_or(Problem::TooLarge)?;
        Ok(())
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let end = self.at.checked_add(length).ok_or(Problem::Ended)?;
        let taken = self.bytes.get(self.at..end).ok_or(Problem::Ended)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        self.take(N)?.try_into().map_err(|_| Problem::Ended)
    }

    /// A zigzag number of at most ten bytes.
    pub(super) fn long(&mut self) -> Result<i64, Problem> {
        let mut value = 0_u64;
        for index in 0..10 {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return Err(Problem::NumberTooLong);
            }
            value |= bits << (7 * index);
            if byte < 0x80 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(Problem::NumberTooLong)
    }

    pub(super) fn int(&mut self) -> Result<i32, Problem> {
        i32::try_from(self.long()?).map_err(|_| Problem::NumberTooLong)
    }

    /// A length and as many bytes.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Problem> {
        let length = usize::try_from(self.long()?).map_err(|_| Problem::NegativeLength)?;
        self.take(length)
    }

    /// How many elements the next block of an array or map has, 0: there is none; and how many bytes it has, where
    /// that is told.
    pub(super) fn block(&mut self) -> Result<(u64, Option<usize>), Problem> {
        let count = self.long()?;
        if count >= 0 {
            return Ok((count.unsigned_abs(), None));
        }
        let size = usize::try_from(self.long()?).map_err(|_| Problem::NegativeLength)?;
        if size > self.rest() { Err(Problem::Ended) } else { Ok((count.unsigned_abs(), Some(size))) }
    }
}

/// Appends a zigzag number.
pub(super) fn put_long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or_default());
}
