//! [`Encoder`]: gathers a message as a list of segments, so that records are sent from where they lie.

use crate::{EncodeError, Records, message::Wire};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{Str, Uuid, writer::WriteVarint};

/// Pieces of records from this size on become segments of their own; smaller ones are copied.
const SEGMENT_SIZE_MIN: usize = 256;

/// Writes messages into segments: small fields gather in a buffer, and every piece of [`Records`] of 256 bytes
/// or more is a segment of its own that shares the memory of the piece.
///
/// Take the result with [`Self::into_segments`] for a vectored write, with [`Self::into_bytes`], or, where records may
/// lie elsewhere, with [`Self::into_parts`].
#[derive(Debug, Default)]
pub struct Encoder {
    /// Everything before the first shared piece, kept writable for the frame size; empty until then.
    head: Option<BytesMut>,
    /// What follows the head, in order.
    done: Vec<Bytes>,
    /// What gathers now.
    tail: BytesMut,
    /// Records that lie elsewhere: before how many of `done` they belong, and how many bytes they are.
    elsewhere: Vec<(usize, usize)>,
    /// Bytes in `head` and `done`, and elsewhere.
    sealed_size: usize,
    flexible: bool,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Bytes(Bytes),
    /// So many bytes of records that lie elsewhere, in the order in which they were written.
    Elsewhere(usize),
}

impl Encoder {
    /// Writes a bare message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a message after `buffer`, whose capacity is used.
    #[must_use]
    pub fn with_buffer(buffer: BytesMut) -> Self {
        Self { tail: buffer, ..Self::default() }
    }

    /// How many bytes were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sealed_size + self.tail.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The segments in order, none of them empty. What lies elsewhere is not among them.
    #[must_use]
    pub fn into_segments(self) -> Vec<Bytes> {
        let parts = self.into_parts().into_iter();
        parts.filter_map(|part| if let Part::Bytes(segment) = part { Some(segment) } else { None }).collect()
    }

    /// All parts in order, none of them empty.
    #[must_use]
    pub fn into_parts(mut self) -> Vec<Part> {
        self.seal();
        let mut parts = Vec::with_capacity(1 + self.done.len() + self.elsewhere.len());
        let mut elsewhere = self.elsewhere.into_iter().peekable();
        parts.extend(self.head.take().map(|head| Part::Bytes(head.freeze())));
        for (index, segment) in self.done.into_iter().enumerate() {
            while let Some((_, size)) = elsewhere.next_if(|(before, _)| *before <= index) {
                parts.push(Part::Elsewhere(size));
            }
            parts.push(Part::Bytes(segment));
        }
        parts.extend(elsewhere.map(|(_, size)| Part::Elsewhere(size)));
        parts.retain(|part| !matches!(part, Part::Bytes(segment) if segment.is_empty()));
        parts
    }

    /// Everything in one piece, copied only where there are several segments. What lies elsewhere is left out.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if self.head.is_none() {
            return self.tail.freeze();
        }
        self.seal();
        let size = self.sealed_size;
        let mut whole = self.head.take().unwrap_or_default();
        whole.reserve(size - whole.len());
        self.done.iter().for_each(|segment| whole.extend_from_slice(segment));
        whole.freeze()
    }

    /// The first four bytes become the size of what follows them.
    pub(crate) fn set_frame_size(&mut self) -> Result<(), EncodeError> {
        let size = self.len().saturating_sub(4);
        let prefix = u32::try_from(size)
            .ok()
            .filter(|&size| size <= i32::MAX.unsigned_abs())
            .ok_or(EncodeError::TooLong { field: "frame", size })?;
        let start = self.head.as_mut().unwrap_or(&mut self.tail);
        if let Some(place) = start.first_chunk_mut::<4>() {
            *place = prefix.to_be_bytes();
        }
        Ok(())
    }

    pub(crate) const fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    fn seal(&mut self) {
        let tail = self.tail.split();
        self.sealed_size += tail.len();
        if self.head.is_none() {
            self.head = Some(tail);
        } else if !tail.is_empty() {
            self.done.push(tail.freeze());
        }
    }

    fn share(&mut self, piece: &Bytes) {
        if piece.len() < SEGMENT_SIZE_MIN {
            self.tail.extend_from_slice(piece);
            return;
        }
        self.seal();
        self.sealed_size += piece.len();
        self.done.push(piece.clone());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.tail.put_u8(u8::from(value));
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.tail.put_i8(value);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.tail.put_i16(value);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.tail.put_i32(value);
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.tail.put_i64(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.tail.put_u16(value);
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.tail.put_f64(value);
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.tail.put_slice(value.as_bytes());
    }

    pub(crate) fn string(&mut self, value: &Str, field: &'static str) -> Result<(), EncodeError> {
        if !self.flexible {
            return self.inflexible_nullable_string(Some(value), field);
        }
        self.compact_length(value.as_bytes().len(), field)?;
        self.tail.put_slice(value.as_bytes());
        Ok(())
    }

    pub(crate) fn nullable_string(&mut self, value: Option<&Str>, field: &'static str) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.string(value, field)?,
            None if self.flexible => self.tail.put_u8(0),
            None => self.tail.put_i16(-1),
        }
        Ok(())
    }

    /// A nullable string with a two-byte length in every version: only the request header has one.
    pub(crate) fn inflexible_nullable_string(
        &mut self,
        value: Option<&Str>,
        field: &'static str,
    ) -> Result<(), EncodeError> {
        let Some(value) = value else {
            self.tail.put_i16(-1);
            return Ok(());
        };
        let size = value.as_bytes().len();
        self.tail.put_i16(i16::try_from(size).map_err(|_| EncodeError::TooLong { field, size })?);
        self.tail.put_slice(value.as_bytes());
        Ok(())
    }

    pub(crate) fn bytes(&mut self, value: &Bytes, field: &'static str) -> Result<(), EncodeError> {
        self.length(value.len(), field)?;
        self.tail.put_slice(value);
        Ok(())
    }

    pub(crate) fn nullable_bytes(&mut self, value: Option<&Bytes>, field: &'static str) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.bytes(value, field)?,
            None => self.null_length(),
        }
        Ok(())
    }

    /// Records where the version has no null.
    pub(crate) fn records(&mut self, value: &Records, field: &'static str, version: i16) -> Result<(), EncodeError> {
        if value.is_null() {
            return Err(EncodeError::Null { field, version });
        }
        self.nullable_records(value, field)
    }

    pub(crate) fn nullable_records(&mut self, value: &Records, field: &'static str) -> Result<(), EncodeError> {
        if value.is_null() {
            self.null_length();
            return Ok(());
        }
        self.length(value.len(), field)?;
        if let Records::Elsewhere(size) = *value {
            self.put_elsewhere(size);
        }
        value.pieces().iter().for_each(|piece| self.share(piece));
        Ok(())
    }

    fn put_elsewhere(&mut self, size: usize) {
        self.seal();
        self.sealed_size += size;
        self.elsewhere.push((self.done.len(), size));
    }

    pub(crate) fn array<T: Wire>(
        &mut self,
        elements: &[T],
        field: &'static str,
        version: i16,
    ) -> Result<(), EncodeError> {
        self.length(elements.len(), field)?;
        elements.iter().try_for_each(|element| element.write(self, field, version))
    }

    pub(crate) fn nullable_array<T: Wire>(
        &mut self,
        elements: Option<&Vec<T>>,
        field: &'static str,
        version: i16,
    ) -> Result<(), EncodeError> {
        match elements {
            Some(elements) => self.array(elements, field, version)?,
            None => self.null_length(),
        }
        Ok(())
    }

    /// A struct after one byte: 1, or −1 for null.
    pub(crate) fn nullable_struct<T: Wire>(
        &mut self,
        value: Option<&T>,
        field: &'static str,
        version: i16,
    ) -> Result<(), EncodeError> {
        let Some(value) = value else {
            self.i8(-1);
            return Ok(());
        };
        self.i8(1);
        value.write(self, field, version)
    }

    /// A struct in a tagged field, after one byte: 1, or 0 for null.
    pub(crate) fn tagged_nullable_struct<T: Wire>(
        &mut self,
        value: Option<&T>,
        field: &'static str,
        version: i16,
    ) -> Result<(), EncodeError> {
        let Some(value) = value else {
            self.i8(0);
            return Ok(());
        };
        self.i8(1);
        value.write(self, field, version)
    }

    /// Ends a struct that has no tagged field to write.
    pub(crate) fn no_tags(&mut self) {
        self.tail.put_u8(0);
    }

    /// Starts the tagged fields of a struct; [`Self::finish_tags`] ends them.
    pub(crate) fn tags(&self) -> Tags {
        Tags { count: 0, fields: Self { flexible: self.flexible, ..Self::default() } }
    }

    pub(crate) fn finish_tags(&mut self, tags: Tags) {
        self.tail.put_unsigned_varint(tags.count);
        self.append(tags.fields);
    }

    fn append(&mut self, other: Self) {
        if other.head.is_none() {
            self.tail.extend_from_slice(&other.tail);
        } else {
            for part in other.into_parts() {
                match part {
                    Part::Bytes(segment) => self.share(&segment),
                    Part::Elsewhere(size) => self.put_elsewhere(size),
                }
            }
        }
    }

    fn length(&mut self, size: usize, field: &'static str) -> Result<(), EncodeError> {
        if self.flexible {
            return self.compact_length(size, field);
        }
        self.tail.put_i32(i32::try_from(size).map_err(|_| EncodeError::TooLong { field, size })?);
        Ok(())
    }

    fn compact_length(&mut self, size: usize, field: &'static str) -> Result<(), EncodeError> {
        let length = i32::try_from(size).map_err(|_| EncodeError::TooLong { field, size })?;
        self.tail.put_unsigned_varint(length.unsigned_abs() + 1);
        Ok(())
    }

    fn null_length(&mut self) {
        if self.flexible {
            self.tail.put_u8(0);
        } else {
            self.tail.put_i32(-1);
        }
    }
}

/// The tagged fields of one struct, put in the order of their tags.
pub(crate) struct Tags {
    count: u32,
    fields: Encoder,
}

impl Tags {
    pub(crate) fn put(
        &mut self,
        tag: u32,
        field: &'static str,
        write: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut value = Encoder { flexible: self.fields.flexible, ..Encoder::default() };
        write(&mut value)?;
        let size = value.len();
        self.count += 1;
        self.fields.tail.put_unsigned_varint(tag);
        self.fields.tail.put_unsigned_varint(u32::try_from(size).map_err(|_| EncodeError::TooLong { field, size })?);
        self.fields.append(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
