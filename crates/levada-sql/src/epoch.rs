//! [`Epoch`]: what is recorded of an epoch, so that its replay comes to the same.

use crate::snapshot::{Reader, SnapshotError, Writer};
use levada_model::{Offset, Timestamp};

/// What time it is in an epoch: the same in its replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// The wall clock when the epoch ended, in milliseconds since 1970.
    pub processing_ms: Timestamp,
    /// Of each source: no row at or before it is expected any more, in milliseconds since 1970. `None`: not known yet.
    pub watermarks: Vec<Option<Timestamp>>,
}

impl Time {
    /// The watermark of those that read these sources: the earliest.
    #[must_use]
    pub fn watermark(&self, sources: &[usize]) -> Option<Timestamp> {
        let of = |source: &usize| self.watermarks.get(*source).copied().flatten();
        sources.iter().map(of).min().flatten()
    }
}

/// The record of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// Counts a statement's epochs, from 1.
    pub number: u64,
    /// Of each partition that is read, in the order of the statement's inputs: the first offset that is not part of it.
    pub cut: Vec<Offset>,
    /// What time it was.
    pub time: Time,
    /// A hash over the epoch's output: a replay that comes to another is not what was shown.
    pub output_hash: u64,
}

impl Epoch {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.u64(self.number);
        to.count(self.cut.len());
        self.cut.iter().for_each(|offset| to.i64(*offset));
        to.i64(self.time.processing_ms);
        to.count(self.time.watermarks.len());
        for watermark in &self.time.watermarks {
            to.u8(u8::from(watermark.is_some()));
            to.i64(watermark.unwrap_or(0));
        }
        to.u64(self.output_hash);
        to.finish()
    }

    /// Reads [`Self::encode`]'s bytes.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut from = Reader::open(bytes)?;
        let number = from.u64()?;
        let cut = (0..from.count()?).map(|_| from.i64()).collect::<Result<_, _>>()?;
        let processing_ms = from.i64()?;
        let mut watermarks = Vec::new();
        for _ in 0..from.count()? {
            let (is_known, watermark) = (from.u8()? != 0, from.i64()?);
            watermarks.push(is_known.then_some(watermark));
        }
        let output_hash = from.u64()?;
        from.end()?;
        Ok(Self { number, cut, time: Time { processing_ms, watermarks }, output_hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let time = Time { processing_ms: 7, watermarks: vec![None, Some(-3)] };
        let epoch = Epoch { number: 9, cut: vec![0, 1 << 40], time, output_hash: u64::MAX };
        let bytes = epoch.encode();
        assert_eq!(Epoch::decode(&bytes), Ok(epoch));
        assert_eq!(bytes.len(), 1 + 8 + 8 + 16 + 8 + 8 + 18 + 8 + 4);
        assert_eq!(Epoch::decode(&bytes[..20]), Err(SnapshotError::Checksum));
    }

    #[test]
    fn a_watermark_is_known_once_all_sources_have_one() {
        let time = Time { processing_ms: 0, watermarks: vec![Some(5), None, Some(3)] };
        assert_eq!((time.watermark(&[0, 2]), time.watermark(&[0, 1])), (Some(3), None));
    }
}
