//! [`Decoder`]: a reader of one frame that knows the protocol's lengths and what a frame may cost in memory.

use crate::{DecodeError, Records, message::Wire};
use bytes::Bytes;
use levada_model::{
    Str, Uuid,
    reader::{ReadError, Reader},
};

/// What decoding may allocate beyond [`BUDGET_PER_BYTE`] times the frame.
const BUDGET_BASE: usize = 1 << 20;
/// What decoding may allocate for each byte of the frame.
const BUDGET_PER_BYTE: usize = 4;

/// Reads the fields of messages from one frame.
///
/// Strings, bytes and records share memory with the frame. Arrays are the only thing allocated; their count is
/// checked against what is left of the frame, and their size charged to a budget of 4 × frame + 1 MiB, before
/// anything is allocated.
#[derive(Clone, Debug)]
pub struct Decoder {
    reader: Reader,
    budget: usize,
    flexible: bool,
}

macro_rules! decode_int {
    ($name:ident, $type:ty, $doc:literal) => {
        #[doc = $doc]
        pub(crate) fn $name(&mut self, field: &'static str) -> Result<$type, DecodeError> {
            self.reader.$name().map_err(|cause| DecodeError::Malformed { field, cause })
        }
    };
}

impl Decoder {
    /// Reads `frame` (without the four bytes of its size) from the start.
    #[must_use]
    pub fn new(frame: Bytes) -> Self {
        let budget = frame.len().saturating_mul(BUDGET_PER_BYTE).saturating_add(BUDGET_BASE);
        Self::with_budget(frame, budget)
    }

    /// Reads `frame`, allocating at most `budget` bytes for arrays.
    #[must_use]
    pub const fn with_budget(frame: Bytes, budget: usize) -> Self {
        Self { reader: Reader::new(frame), budget, flexible: false }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.reader.remaining()
    }

    /// What is left of the frame, without moving on.
    #[must_use]
    pub const fn peek(&self) -> &Bytes {
        self.reader.peek()
    }

    pub(crate) const fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    decode_int!(i8, i8, "One signed byte.");
    decode_int!(i16, i16, "Two bytes.");
    decode_int!(i32, i32, "Four bytes.");
    decode_int!(i64, i64, "Eight bytes.");
    decode_int!(u16, u16, "Two bytes, unsigned.");
    decode_int!(f64, f64, "Eight bytes, IEEE 754.");
    decode_int!(unsigned_varint, u32, "One to five bytes, base 128.");

    /// One byte; everything but 0 is true, as in Kafka.
    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.i8(field)? != 0)
    }

    pub(crate) fn uuid(&mut self, field: &'static str) -> Result<Uuid, DecodeError> {
        self.reader.array().map(Uuid::from_bytes).map_err(|cause| DecodeError::Malformed { field, cause })
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<Str, DecodeError> {
        self.nullable_string(field)?.ok_or(DecodeError::Null { field })
    }

    pub(crate) fn nullable_string(&mut self, field: &'static str) -> Result<Option<Str>, DecodeError> {
        let size = if self.flexible { self.compact_length(field)? } else { self.short_length(field)? };
        self.string_of(size, field)
    }

    /// A nullable string with a two-byte length in every version: only the request header has one.
    pub(crate) fn inflexible_nullable_string(&mut self, field: &'static str) -> Result<Option<Str>, DecodeError> {
        let size = self.short_length(field)?;
        self.string_of(size, field)
    }

    fn string_of(&mut self, size: Option<usize>, field: &'static str) -> Result<Option<Str>, DecodeError> {
        let Some(size) = size else { return Ok(None) };
        let bytes = self.take(size, field)?;
        Str::from_utf8(bytes).map(Some).map_err(|_| DecodeError::InvalidUtf8 { field })
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        self.nullable_bytes(field)?.ok_or(DecodeError::Null { field })
    }

    pub(crate) fn nullable_bytes(&mut self, field: &'static str) -> Result<Option<Bytes>, DecodeError> {
        match self.length(field)? {
            Some(size) => self.take(size, field).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn records(&mut self, field: &'static str) -> Result<Records, DecodeError> {
        self.bytes(field).map(Records::Whole)
    }

    pub(crate) fn nullable_records(&mut self, field: &'static str) -> Result<Records, DecodeError> {
        self.nullable_bytes(field).map(Records::from)
    }

    pub(crate) fn array<T: Wire>(&mut self, field: &'static str, version: i16) -> Result<Vec<T>, DecodeError> {
        self.nullable_array(field, version)?.ok_or(DecodeError::Null { field })
    }

    pub(crate) fn nullable_array<T: Wire>(
        &mut self,
        field: &'static str,
        version: i16,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length(field)? else { return Ok(None) };
        self.admit(count, T::size_min(version, self.flexible), size_of::<T>(), field)?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::read(self, field, version)?);
        }
        Ok(Some(elements))
    }

    /// A struct after one byte that is negative for null.
    pub(crate) fn nullable_struct<T: Wire>(
        &mut self,
        field: &'static str,
        version: i16,
    ) -> Result<Option<T>, DecodeError> {
        if self.i8(field)? < 0 { Ok(None) } else { T::read(self, field, version).map(Some) }
    }

    /// A struct in a tagged field, after a varint that is 0 for null.
    pub(crate) fn tagged_nullable_struct<T: Wire>(
        &mut self,
        field: &'static str,
        version: i16,
    ) -> Result<Option<T>, DecodeError> {
        if self.unsigned_varint(field)? == 0 { Ok(None) } else { T::read(self, field, version).map(Some) }
    }

    /// Reads the tagged fields at the end of the struct `of`; `read` takes the value of one tag, or says `false`
    /// where it does not know the tag, which is then passed over.
    pub(crate) fn tags(
        &mut self,
        of: &'static str,
        mut read: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.unsigned_varint(of)?;
        for _ in 0..count {
            let tag = self.unsigned_varint(of)?;
            let size = size_of_varint(self.unsigned_varint(of)?);
            let value = self.take(size, of)?;
            let after = std::mem::replace(&mut self.reader, Reader::new(value));
            let known = read(self, tag)?;
            let left = self.reader.remaining();
            if known && left > 0 {
                return Err(DecodeError::TagSize { of, tag, left });
            }
            self.reader = after;
        }
        Ok(())
    }

    /// Passes over the tagged fields at the end of a struct that has none we know.
    pub(crate) fn skip_tags(&mut self, of: &'static str) -> Result<(), DecodeError> {
        let count = self.unsigned_varint(of)?;
        for _ in 0..count {
            self.unsigned_varint(of)?;
            let size = size_of_varint(self.unsigned_varint(of)?);
            self.reader.skip(size).map_err(|cause| DecodeError::Malformed { field: of, cause })?;
        }
        Ok(())
    }

    fn take(&mut self, size: usize, field: &'static str) -> Result<Bytes, DecodeError> {
        self.reader.take(size).map_err(|cause| DecodeError::Malformed { field, cause })
    }

    /// Checks that `count` elements can be in the frame and in the budget.
    fn admit(
        &mut self,
        count: usize,
        wire_size_min: usize,
        memory_size: usize,
        field: &'static str,
    ) -> Result<(), DecodeError> {
        let left = self.reader.remaining();
        if count.checked_mul(wire_size_min).is_none_or(|size| size > left) {
            return Err(DecodeError::Count { field, count, left });
        }
        let cost = count.checked_mul(memory_size).ok_or(DecodeError::BudgetExceeded { field })?;
        self.budget = self.budget.checked_sub(cost).ok_or(DecodeError::BudgetExceeded { field })?;
        Ok(())
    }

    /// The length of bytes or of an array; `None` for null.
    fn length(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return self.compact_length(field);
        }
        length_of(i64::from(self.i32(field)?), field)
    }

    fn short_length(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        length_of(i64::from(self.i16(field)?), field)
    }

    fn compact_length(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        Ok(self.unsigned_varint(field)?.checked_sub(1).map(size_of_varint))
    }
}

fn length_of(length: i64, field: &'static str) -> Result<Option<usize>, DecodeError> {
    if length == -1 {
        return Ok(None);
    }
    let cause = ReadError::NegativeLength(length);
    usize::try_from(length).map(Some).map_err(|_| DecodeError::Malformed { field, cause })
}

fn size_of_varint(size: u32) -> usize {
    usize::try_from(size).expect("a usize has at least 32 bits here")
}
