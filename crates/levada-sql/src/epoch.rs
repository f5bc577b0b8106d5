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
    /// Of each source: whether nobody waits for it, as nothing came for long. None is where nothing is said.
    pub idle: Vec<bool>,
}

impl Time {
    /// The watermark of those that read these sources: the earliest of those that are not idle. Where all are, it
    /// stands.
    #[must_use]
    pub fn watermark(&self, sources: &[usize]) -> Option<Timestamp> {
        let of = |source: &usize| self.watermarks.get(*source).copied().flatten();
        let is_awaited = |source: &&usize| !self.idle.get(**source).copied().unwrap_or(false);
        let awaited = sources.iter().filter(is_awaited).map(of).min();
        awaited.unwrap_or_else(|| sources.iter().map(of).min().flatten())
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
        for (source, watermark) in self.time.watermarks.iter().enumerate() {
            let is_idle = self.time.idle.get(source).copied().unwrap_or(false);
            to.u8(u8::from(watermark.is_some()) | u8::from(is_idle) << 1);
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
        let (mut watermarks, mut idle) = (Vec::new(), Vec::new());
        for _ in 0..from.count()? {
            let (flags, watermark) = (from.u8()?, from.i64()?);
            watermarks.push((flags & 1 != 0).then_some(watermark));
            idle.push(flags & 2 != 0);
        }
        let output_hash = from.u64()?;
        from.end()?;
        Ok(Self { number, cut, time: Time { processing_ms, watermarks, idle }, output_hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let time = Time { processing_ms: 7, watermarks: vec![None, Some(-3)], idle: vec![true, false] };
        let epoch = Epoch { number: 9, cut: vec![0, 1 << 40], time, output_hash: u64::MAX };
        let bytes = epoch.encode();
        assert_eq!(Epoch::decode(&bytes), Ok(epoch));
        assert_eq!(bytes.len(), 1 + 8 + 8 + 16 + 8 + 8 + 18 + 8 + 4);
        assert_eq!(Epoch::decode(&bytes[..20]), Err(SnapshotError::Checksum));
    }

    #[test]
    fn a_watermark_is_known_once_all_sources_have_one() {
        let time = Time { watermarks: vec![Some(5), None, Some(3)], ..Time::default() };
        assert_eq!((time.watermark(&[0, 2]), time.watermark(&[0, 1])), (Some(3), None));
    }

    #[test]
    fn nobody_waits_for_a_source_that_is_idle_unless_all_are() {
        let time = Time { watermarks: vec![Some(5), None, Some(3)], idle: vec![false, true, true], processing_ms: 0 };
        assert_eq!((time.watermark(&[0, 1]), time.watermark(&[0, 2])), (Some(5), Some(5)));
        assert_eq!((time.watermark(&[2]), time.watermark(&[1, 2])), (Some(3), None));
    }
}
