//! Avro's bytes, read from front to back.

use crate::format::error::Problem;

/// What the values of a record may cost, elements that take no bytes included.
const COST_MAX: usize = 64 << 20;

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    cost_left: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, cost_left: COST_MAX }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn is_over(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Takes note of one more element, so that those without bytes have an end.
    pub(super) fn element(&mut self) -> Result<(), Problem> {
        self.cost_left = self.cost_left.checked_sub(8).ok_or_else(|| wrong("it has too many elements"))?;
        Ok(())
    }

    #[inline]
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
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Problem> {
        let mut value = 0_u64;
        for index in 0..10 {
            let &byte = self.bytes.get(self.at).ok_or(Problem::Ended)?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * index);
            if byte < 0x80 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(wrong("a number has more than 64 bits"))
    }

    pub(super) fn int(&mut self) -> Result<i32, Problem> {
        i32::try_from(self.long()?).map_err(|_| wrong("an int has more than 32 bits"))
    }

    /// A length and as many bytes.
    #[inline]
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Problem> {
        let length = usize::try_from(self.long()?).map_err(|_| wrong("a length is negative"))?;
        self.take(length)
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Problem> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(wrong("a boolean is neither 0 nor 1")),
        }
    }

    /// How many elements the next block has, 0: there is none; and its bytes, where that is told.
    pub(super) fn block(&mut self) -> Result<(u64, Option<usize>), Problem> {
        let count = self.long()?;
        if count >= 0 {
            return Ok((count.unsigned_abs(), None));
        }
        let size = usize::try_from(self.long()?).map_err(|_| wrong("a length is negative"))?;
        Ok((count.unsigned_abs(), Some(size)))
    }

    /// The index of one of `count` choices.
    pub(super) fn choice(&mut self, count: usize) -> Result<usize, Problem> {
        let index = usize::try_from(self.long()?).ok().filter(|index| *index < count);
        index.ok_or_else(|| wrong("a union or an enum has no such choice"))
    }
}

pub(super) fn wrong(reason: &str) -> Problem {
    Problem::Data { reason: reason.to_owned() }
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

/// Appends a length and as many bytes.
pub(super) fn put_sized(bytes: &[u8], out: &mut Vec<u8>) {
    put_long(i64::try_from(bytes.len()).unwrap_or(i64::MAX), out);
    out.extend_from_slice(bytes);
}
