//! [`LogConfig`]: the settings of one partition's log.

use std::time::Duration;

/// How a partition's log is cut into segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A segment that would grow beyond this is sealed and a new one begun (`segment.bytes`).
    pub segment_bytes: u32,
    /// A segment whose first append is older than this is sealed at the next append (`segment.ms`).
    pub segment_age_max: Duration,
    /// Bytes of log between two index entries (`index.interval.bytes`).
    pub index_interval_bytes: u32,
    /// How many idempotent producers one partition remembers; the least recently active is forgotten first.
    pub producers_max: usize,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 128 << 20,
            segment_age_max: Duration::from_secs(7 * 24 * 3_600),
            index_interval_bytes: 16 << 10,
            producers_max: 10_000,
        }
    }
}

/// Which setting is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogConfigError {
    /// Kafka's own floor is 14 bytes from 0.8 and 1 MiB from 4.0; positions are 31-bit.
    #[error("`segment.bytes` is {0}, it lies between 1024 and 2147483647")]
    SegmentBytes(u32),
    /// A segment has to live for a while.
    #[error("`segment.ms` is 0, it is at least 1")]
    SegmentAge,
    /// Sparse, but useful.
    #[error("`index.interval.bytes` is {0}, it lies between 512 and 1048576")]
    IndexInterval(u32),
    /// Without memory of producers there is no idempotence.
    #[error("the number of producers remembered for one partition is 0, it is at least 1")]
    Producers,
}

impl LogConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LogConfigError`] names the first setting that is out of its range.
    pub fn validate(&self) -> Result<(), LogConfigError> {
        if !(1_024..=i32::MAX.cast_unsigned()).contains(&self.segment_bytes) {
            return Err(LogConfigError::SegmentBytes(self.segment_bytes));
        }
        if self.segment_age_max.as_millis() == 0 {
            return Err(LogConfigError::SegmentAge);
        }
        if !(512..=1 << 20).contains(&self.index_interval_bytes) {
            return Err(LogConfigError::IndexInterval(self.index_interval_bytes));
        }
        if self.producers_max == 0 {
            return Err(LogConfigError::Producers);
        }
        Ok(())
    }

    pub(crate) fn segment_age_max_ms(&self) -> i64 {
        i64::try_from(self.segment_age_max.as_millis()).unwrap_or(i64::MAX)
    }
}
