//! Bytes of a snapshot: written by one life of a statement, read by the next. Bounded when they are read.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | format, 2 |
//! | 1 | … | sections as operators write them: counts and sizes as `u64`, numbers little endian |
//! | end − 4 | 4 | CRC-32C of all before it |

use levada_model::crc::crc32c;

const FORMAT: u8 = 2;
const CRC_SIZE: usize = 4;

/// Why a snapshot is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Of a format that this build does not know.
    #[error("snapshot has format {0}, which this version does not know")]
    Format(u8),
    /// The checksum is not that of the bytes.
    #[error("snapshot is damaged: its checksum does not fit")]
    Checksum,
    /// It ends early, or says what cannot be.
    #[error("snapshot is not one of this statement's plan")]
    Malformed,
}

/// Writes a snapshot.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { bytes: vec![FORMAT] }
    }
}

impl Writer {
    /// For a snapshot of about this size: its memory is taken once.
    #[must_use]
    pub fn sized(size: usize) -> Self {
        let mut bytes = Vec::with_capacity(size);
        bytes.push(FORMAT);
        Self { bytes }
    }

    /// A count or a size.
    pub(crate) fn count(&mut self, count: usize) {
        self.u64(u64::try_from(count).expect("an address has 64 bits at most"));
    }

    pub(crate) fn u8(&mut self, number: u8) {
        self.bytes.push(number);
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, number: i64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn i128(&mut self, number: i128) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn f64(&mut self, number: f64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn optional_bytes(&mut self, bytes: Option<&[u8]>) {
        self.u8(u8::from(bytes.is_some()));
        if let Some(bytes) = bytes {
            self.bytes(bytes);
        }
    }

    /// The whole snapshot.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let crc = crc32c(&self.bytes);
        self.u32(crc);
        self.bytes
    }
}

/// Reads a snapshot.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks format and checksum.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, SnapshotError> {
        let end = bytes.len().checked_sub(CRC_SIZE).ok_or(SnapshotError::Malformed)?;
        let (body, crc) = bytes.split_at(end);
        if crc != crc32c(body).to_le_bytes() {
            return Err(SnapshotError::Checksum);
        }
        match body.split_first() {
            Some((&FORMAT, rest)) => Ok(Self { rest }),
            Some((&format, _)) => Err(SnapshotError::Format(format)),
            None => Err(SnapshotError::Malformed),
        }
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], SnapshotError> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(SnapshotError::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        self.take(N)?.try_into().map_err(|_| SnapshotError::Malformed)
    }

    /// A count, of things that take a byte each at least.
    pub(crate) fn count(&mut self) -> Result<usize, SnapshotError> {
        let count = usize::try_from(self.u64()?).map_err(|_| SnapshotError::Malformed)?;
        if count > self.rest.len() { Err(SnapshotError::Malformed) } else { Ok(count) }
    }

    /// That there are so many bytes at least of so many things, before there is room for them.
    pub(crate) fn check_room(&self, count: usize, size_min: usize) -> Result<(), SnapshotError> {
        let size = count.checked_mul(size_min);
        if size.is_some_and(|size| size <= self.rest.len()) { Ok(()) } else { Err(SnapshotError::Malformed) }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, SnapshotError> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, SnapshotError> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn i128(&mut self) -> Result<i128, SnapshotError> {
        self.array().map(i128::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, SnapshotError> {
        self.array().map(f64::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], SnapshotError> {
        let size = self.count()?;
        self.take(size)
    }

    pub(crate) fn optional_bytes(&mut self) -> Result<Option<&'a [u8]>, SnapshotError> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.bytes().map(Some),
            _ => Err(SnapshotError::Malformed),
        }
    }

    /// All was read.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] where something is left.
    pub fn end(&self) -> Result<(), SnapshotError> {
        if self.rest.is_empty() { Ok(()) } else { Err(SnapshotError::Malformed) }
    }
}
