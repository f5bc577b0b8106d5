//! Records as they lie in their block, without a copy or an allocation: for whoever looks at many of them.

use super::RecordError;
use crate::reader::ReadError;

/// One record where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSlice<'a> {
    /// All of it, its length included.
    pub bytes: &'a [u8],
    /// From the offset delta on.
    pub rest: &'a [u8],
    /// Unused bits.
    pub attributes: u8,
    /// Its timestamp less the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Its offset less the batch's base offset.
    pub offset_delta: i32,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; null is a tombstone in compacted topics.
    pub value: Option<&'a [u8]>,
    header_count: i32,
    headers: &'a [u8],
}

impl<'a> RecordSlice<'a> {
    /// Reads the record that `block` begins with. Its headers are read when they are asked for, and may be malformed.
    ///
    /// # Errors
    /// [`RecordError::Read`].
    pub fn read(block: &'a [u8]) -> Result<Self, RecordError> {
        let mut after = Cursor(block);
        let size = after.length()?;
        let mut body = Cursor(after.take(size)?);
        let bytes = block.get(..block.len() - after.0.len()).unwrap_or_default();
        let attributes = body.byte()?;
        let timestamp_delta = body.long()?;
        let rest = body.0;
        let offset_delta = body.int()?;
        let key = body.nullable()?;
        let value = body.nullable()?;
        let header_count = body.int()?;
        Ok(Self { bytes, rest, attributes, timestamp_delta, offset_delta, key, value, header_count, headers: body.0 })
    }

    /// The headers in order, and an error where they are not what their count says.
    #[must_use]
    pub const fn headers(&self) -> HeaderSlices<'a> {
        HeaderSlices { rest: Cursor(self.headers), left: self.header_count }
    }

    /// The value of the last header of this name; a null value is empty.
    ///
    /// # Errors
    /// [`RecordError`] where the headers are not what their count says.
    pub fn last_header(&self, name: &str) -> Result<Option<&'a [u8]>, RecordError> {
        let mut found = None;
        for header in self.headers() {
            let (key, value) = header?;
            if key == name {
                found = Some(value.unwrap_or_default());
            }
        }
        Ok(found)
    }
}

/// Headers of a record: names and values.
#[derive(Clone, Debug)]
pub struct HeaderSlices<'a> {
    rest: Cursor<'a>,
    left: i32,
}

impl<'a> HeaderSlices<'a> {
    fn header(&mut self) -> Result<(&'a str, Option<&'a [u8]>), RecordError> {
        let size = self.rest.length()?;
        let key = std::str::from_utf8(self.rest.take(size)?).map_err(|_| RecordError::HeaderName)?;
        Ok((key, self.rest.nullable()?))
    }

    /// Two bytes are the least a header takes.
    fn is_possible(&self) -> bool {
        usize::try_from(self.left).is_ok_and(|count| count <= self.rest.0.len() / 2)
    }
}

impl<'a> Iterator for HeaderSlices<'a> {
    type Item = Result<(&'a str, Option<&'a [u8]>), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let header = match self.left {
            0 if self.rest.0.is_empty() => return None,
            0 => Err(RecordError::LeftOver(self.rest.0.len())),
            count if !self.is_possible() => Err(RecordError::HeaderCount(count)),
            _ => self.header(),
        };
        (self.left, self.rest) = match header {
            Ok(_) => (self.left - 1, self.rest.clone()),
            Err(_) => (0, Cursor(&[])),
        };
        Some(header)
    }
}

/// Reads the records of an uncompressed block one after the other; stops after an error.
#[derive(Clone, Debug)]
pub struct RecordSlices<'a> {
    rest: &'a [u8],
    left: i32,
}

impl<'a> RecordSlices<'a> {
    /// Reads `count` records from `block`.
    #[must_use]
    pub const fn new(block: &'a [u8], count: i32) -> Self {
        Self { rest: block, left: count }
    }
}

impl<'a> Iterator for RecordSlices<'a> {
    type Item = Result<RecordSlice<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            let rest = std::mem::take(&mut self.rest);
            return (!rest.is_empty()).then_some(Err(RecordError::LeftOver(rest.len())));
        }
        let record = RecordSlice::read(self.rest);
        (self.left, self.rest) = match &record {
            Ok(record) => (self.left - 1, self.rest.get(record.bytes.len()..).unwrap_or_default()),
            Err(_) => (0, &[][..]),
        };
        Some(record)
    }
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

    fn byte(&mut self) -> Result<u8, ReadError> {
        let (&byte, rest) = self.0.split_first().ok_or(ReadError::Truncated { wanted: 1, left: 0 })?;
        self.0 = rest;
        Ok(byte)
    }

    /// A base-128 number of at most `bytes_max` bytes, as it is written.
    fn base_128(&mut self, bytes_max: u32) -> Result<u64, ReadError> {
        let mut value = 0;
        for index in 0..bytes_max {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if index == 9 && low > 1 {
                return Err(ReadError::VarintTooLong);
            }
            value |= low << (index * 7);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ReadError::VarintTooLong)
    }

    fn long(&mut self) -> Result<i64, ReadError> {
        let raw = self.base_128(10)?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    fn int(&mut self) -> Result<i32, ReadError> {
        let raw = u32::try_from(self.base_128(5)?).map_err(|_| ReadError::VarintTooLong)?;
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
    fn records_lie_where_they_were_put_and_the_last_header_of_a_name_counts() {
        let headers = [header("a", Some(b"1")), header("b", None), header("a", Some(b"2"))];
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord { timestamp: 5, key: Some(b"k"), value: None, headers: &headers });
        builder.push(&NewRecord { timestamp: -70_000, key: None, value: Some(b""), headers: &[] });
        let records: Vec<_> = RecordSlices::new(builder.records(), 2).map(Result::unwrap).collect();
        let [first, second] = records[..] else { panic!("{records:?}") };
        assert_eq!([first.bytes, second.bytes].concat(), builder.records());
        assert_eq!((first.key, first.value, first.offset_delta), (Some(b"k".as_slice()), None, 0));
        assert_eq!(first.last_header("a"), Ok(Some(b"2".as_slice())));
        assert_eq!(first.last_header("b"), Ok(Some(b"".as_slice())));
        assert_eq!(first.last_header("c"), Ok(None));
        assert_eq!((second.timestamp_delta, second.offset_delta), (-70_005, 1));
        assert_eq!((second.key, second.value, second.last_header("a")), (None, Some(b"".as_slice()), Ok(None)));
    }

    #[test]
    fn what_is_left_over_is_an_error_and_headers_are_read_when_they_are_asked_for() {
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord { timestamp: 0, key: None, value: Some(b"v"), headers: &[] });
        let block = [builder.records(), b"x"].concat();
        let mut records = RecordSlices::new(&block, 1);
        assert!(records.next().unwrap().is_ok());
        assert_eq!(records.next(), Some(Err(RecordError::LeftOver(1))));
        assert_eq!(records.next(), None);
        // Nothing but a count, of three headers, then of none with a byte behind it.
        for (body, error) in
            [(&[0, 0, 0, 1, 1, 6][..], RecordError::HeaderCount(3)), (&[0, 0, 0, 1, 1, 0, 9], RecordError::LeftOver(1))]
        {
            let block = [&[u8::try_from(body.len() * 2).unwrap()], body].concat();
            let record = RecordSlices::new(&block, 1).next().unwrap().unwrap();
            assert_eq!(record.last_header("a"), Err(error.clone()));
            assert_eq!(Records::new(Bytes::from(block), 1).next(), Some(Err(error)));
        }
    }

    proptest! {
        /// Whatever the bytes are: nothing panics, and no record is more than its bytes.
        #[test]
        fn any_bytes_are_records_or_an_error(block in proptest::collection::vec(any::<u8>(), 0..64), count in -1..4) {
            let mut size = 0;
            for record in RecordSlices::new(&block, count).flatten() {
                size += record.bytes.len();
                let size_of = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
                let headers = record.headers().flatten().map(|(key, value)| key.len() + size_of(value));
                let parts = size_of(record.key) + size_of(record.value) + headers.sum::<usize>();
                prop_assert!(parts < record.bytes.len());
            }
            prop_assert!(size <= block.len());
        }
    }
}
