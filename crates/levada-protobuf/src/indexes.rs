//! [`MessageIndexes`]: which message of a schema a record holds, as it is written before the record's bytes.
//!
//! ```text
//! zigzag varint: how many · that many zigzag varints, each the place among its siblings, outermost first
//! ```
//!
//! The first message of a schema, `[0]`, is the single byte 0.
//!
//! Source: `MessageIndexes` of Confluent's clients.

use crate::limits::NESTING_MAX;

/// A path of messages: the place of the outermost one among the file's, then that of the next within it, and so on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageIndexes(Vec<u32>);

/// Why bytes or places are no path of messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexesError {
    /// The bytes end too early.
    #[error("the message indexes end too early")]
    Truncated,
    /// A number is longer than 32 bits.
    #[error("a message index has more than 32 bits")]
    Overlong,
    /// A count or a place is below zero.
    #[error("message index {value} is negative")]
    Negative {
        /// The number.
        value: i32,
    },
    /// The path is empty, or longer than messages lie within each other.
    #[error("{count} message indexes, and there are 1 to {NESTING_MAX}")]
    Count {
        /// How many there are.
        count: usize,
    },
}

impl MessageIndexes {
    /// The path of these places.
    ///
    /// # Errors
    /// [`IndexesError::Count`] when there is none or more than [`NESTING_MAX`], [`IndexesError::Overlong`] when one
    /// does not fit an `i32`.
    pub fn new(places: Vec<u32>) -> Result<Self, IndexesError> {
        if places.is_empty() || places.len() > NESTING_MAX {
            return Err(IndexesError::Count { count: places.len() });
        }
        if places.iter().any(|&place| i32::try_from(place).is_err()) {
            return Err(IndexesError::Overlong);
        }
        Ok(Self(places))
    }

    /// The places, outermost first.
    #[must_use]
    pub fn places(&self) -> &[u32] {
        &self.0
    }

    /// The path as it is written.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        if self.0 == [0] {
            return vec![0];
        }
        let mut bytes = Vec::with_capacity(1 + self.0.len());
        let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        put(&mut bytes, count);
        self.0.iter().for_each(|&place| put(&mut bytes, place));
        bytes
    }

    /// Reads the path that `bytes` begin with, and returns it with the bytes behind it.
    ///
    /// # Errors
    /// [`IndexesError`] when they begin with none.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), IndexesError> {
        let mut rest = bytes;
        let count = usize::try_from(take(&mut rest)?).unwrap_or(usize::MAX);
        if count == 0 {
            return Ok((Self(vec![0]), rest));
        }
        if count > NESTING_MAX {
            return Err(IndexesError::Count { count });
        }
        let places = (0..count).map(|_| take(&mut rest)).collect::<Result<_, _>>()?;
        Ok((Self(places), rest))
    }
}

/// Appends a number that is not negative, in zigzag.
fn put(bytes: &mut Vec<u8>, value: u32) {
    let mut rest = u64::from(value) << 1;
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap_or_default());
}

fn take(rest: &mut &[u8]) -> Result<u32, IndexesError> {
    let mut zigzag: u64 = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(IndexesError::Truncated)?;
        *rest = after;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let zigzag = u32::try_from(zigzag).map_err(|_| IndexesError::Overlong)?;
            if zigzag & 1 == 1 {
                let value = -1 - i32::try_from(zigzag >> 1).map_err(|_| IndexesError::Overlong)?;
                return Err(IndexesError::Negative { value });
            }
            return Ok(zigzag >> 1);
        }
    }
    Err(IndexesError::Overlong)
}
