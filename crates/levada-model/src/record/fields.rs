//! Keys, values and headers of records, borrowed from their block: for looking at many of them quickly.

use super::RecordError;
use crate::reader::ReadError;

/// One record, as far as its key, value and headers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; null is a tombstone in compacted topics.
    pub value: Option<&'a [u8]>,
    header_count: i32,
    headers: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The value of the last header of this name; a null value is empty.
    ///
    /// # Errors
    /// [`RecordError`] where the headers are not what their count says.
    pub fn header(&self, name: &str) -> Result<Option<&'a [u8]>, RecordError> {
        let mut rest = Cursor(self.headers);
        let mut found = None;
        for _ in 0..self.header_count {
            let size = rest.length()?;
            let key = rest.take(size)?;
            let value = rest.nullable()?;
            if key == name.as_bytes() {
                found = Some(value.unwrap_or_default());
            }
        }
        if rest.0.is_empty() { Ok(found) } else { Err(RecordError::LeftOver(rest.0.len())) }
    }
}

/// Reads the records of an uncompressed block one after the other; stops after an error.
///
/// Headers are read when they are asked for: those of a record that nobody asks about may be malformed.
#[derive(Clone, Debug)]
pub struct FieldsOfRecords<'a> {
    rest: Cursor<'a>,
    left: i32,
}

impl<'a> FieldsOfRecords<'a> {
    /// Reads `count` records from `block`.
    #[must_use]
    pub const fn new(block: &'a [u8], count: i32) -> Self {
        Self { rest: Cursor(block), left: count }
    }
}

impl<'a> Iterator for FieldsOfRecords<'a> {
    type Item = Result<Fields<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            let rest = std::mem::take(&mut self.rest.0);
            return (!rest.is_empty()).then_some(Err(RecordError::LeftOver(rest.len())));
        }
        self.left -= 1;
        let fields = fields(&mut self.rest);
        if fields.is_err() {
            self.left = 0;
            self.rest = Cursor(&[]);
        }
        Some(fields)
    }
}

fn fields<'a>(block: &mut Cursor<'a>) -> Result<Fields<'a>, RecordError> {
    let size = block.length()?;
    let mut body = Cursor(block.take(size)?);
    body.take(1)?;
    body.varint(10)?;
    body.varint(5)?;
    let key = body.nullable()?;
    let value = body.nullable()?;
    let header_count = body.int()?;
    // Two bytes are the least a header takes.
    let possible = usize::try_from(header_count).is_ok_and(|count| count <= body.0.len() / 2);
    if !possible {
        return Err(RecordError::HeaderCount(header_count));
    }
    if header_count == 0 && !body.0.is_empty() {
        return Err(RecordError::LeftOver(body.0.len()));
    }
    Ok(Fields { key, value, header_count, headers: body.0 })
}

#[derive(Clone, Debug)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8], ReadError> {
        let truncated = ReadError::Truncated { wanted: size, left: self.0.len() };
        let (taken, rest) = self.0.split_at_checked(size).ok_or(truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A base-128 number of at most `bytes_max` bytes, as it is written.
    fn varint(&mut self, bytes_max: u32) -> Result<u64, ReadError> {
        let mut value = 0;
        for index in 0..bytes_max {
            let (&byte, rest) = self.0.split_first().ok_or(ReadError::Truncated { wanted: 1, left: 0 })?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).wrapping_shl(index * 7);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ReadError::VarintTooLong)
    }

    fn int(&mut self) -> Result<i32, ReadError> {
        let raw = u32::try_from(self.varint(5)?).map_err(|_| ReadError::VarintTooLong)?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    fn length(&mut self) -> Result<usize, ReadError> {
        let length = self.int()?;
        usize::try_from(length).map_err(|_| ReadError::NegativeLength(i64::from(length)))
    }

    fn nullable(&mut self) -> Result<Option<&'a [u8]>, ReadError> {
        match self.int()? {
            -1 => Ok(None),
            length => {
                let size = usize::try_from(length).map_err(|_| ReadError::NegativeLength(i64::from(length)))?;
                self.take(size).map(Some)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, NewRecord, RecordHeader, Records};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn header(key: &str, value: Option<&'static [u8]>) -> RecordHeader {
        RecordHeader { key: key.to_owned().into(), value: value.map(Bytes::from_static) }
    }

    #[test]
    fn fields_are_those_of_the_record_and_the_last_header_of_a_name_counts() {
        let headers = [header("a", Some(b"1")), header("b", None), header("a", Some(b"2"))];
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord { timestamp: 5, key: Some(b"k"), value: None, headers: &headers });
        builder.push(&NewRecord { timestamp: -70_000, key: None, value: Some(b""), headers: &[] });
        let mut records = FieldsOfRecords::new(builder.records(), 2);
        let first = records.next().unwrap().unwrap();
        assert_eq!((first.key, first.value), (Some(b"k".as_slice()), None));
        assert_eq!(first.header("a"), Ok(Some(b"2".as_slice())));
        assert_eq!(first.header("b"), Ok(Some(b"".as_slice())));
        assert_eq!(first.header("c"), Ok(None));
        let second = records.next().unwrap().unwrap();
        assert_eq!((second.key, second.value, second.header("a")), (None, Some(b"".as_slice()), Ok(None)));
        assert_eq!(records.next(), None);
    }

    #[test]
    fn what_is_left_over_is_an_error() {
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord { timestamp: 0, key: None, value: Some(b"v"), headers: &[] });
        let block = [builder.records(), b"x"].concat();
        let mut records = FieldsOfRecords::new(&block, 1);
        assert!(records.next().unwrap().is_ok());
        assert_eq!(records.next(), Some(Err(RecordError::LeftOver(1))));
        assert_eq!(records.next(), None);
    }

    proptest! {
        /// What the careful reader takes, the quick one reads alike; what it refuses for anything but headers, too.
        #[test]
        fn both_readers_agree(block in proptest::collection::vec(any::<u8>(), 0..64), count in 0..4) {
            let careful: Vec<_> = Records::new(Bytes::from(block.clone()), count).collect();
            let quick: Vec<_> = FieldsOfRecords::new(&block, count).collect();
            for (careful, quick) in careful.iter().zip(&quick) {
                match (careful, quick) {
                    (Ok(careful), Ok(quick)) => {
                        prop_assert_eq!(careful.key.as_deref(), quick.key);
                        prop_assert_eq!(careful.value.as_deref(), quick.value);
                        for header in &careful.headers {
                            prop_assert!(quick.header(&header.key).unwrap().is_some());
                        }
                    }
                    (Ok(_), Err(error)) => prop_assert!(false, "{error}"),
                    (Err(_), _) => {}
                }
            }
        }
    }
}
