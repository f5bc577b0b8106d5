//! [`Progress`]: up to where a log is compacted, in the file `compaction-checkpoint` of its directory.
//!
//! A hint: where it is missing, all counts as not compacted. Text: `version: 0`, `first_dirty_offset: N`,
//! `left_segments: N`.

use crate::{error::DiskError, partition::LogFiles};
use levada_model::Offset;
use std::path::Path;

const FILE: &str = "compaction-checkpoint";
const SIZE_MAX: u64 = 4_096;

/// Up to where a log is compacted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// No two records below have the same key, but for those in segments that were left.
    pub first_dirty: Offset,
    /// Segments that could not be read and were left as they are. While there are any, tombstones stay and all keys
    /// are looked at again, so that nothing comes back to life should they be read later.
    pub left_segments: u64,
}

impl Progress {
    /// What the directory says.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn read(files: &LogFiles, dir: &Path) -> Result<Self, DiskError> {
        let bytes = files.read_all(&dir.join(FILE), SIZE_MAX)?;
        Ok(bytes.and_then(|bytes| Self::parse(&String::from_utf8_lossy(&bytes))).unwrap_or_default())
    }

    /// Replaces what the directory says.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn write(&self, files: &LogFiles, dir: &Path) -> Result<(), DiskError> {
        files.replace(&dir.join(FILE), self.to_text().as_bytes())
    }

    fn to_text(self) -> String {
        let Self { first_dirty, left_segments } = self;
        format!("version: 0\nfirst_dirty_offset: {first_dirty}\nleft_segments: {left_segments}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(": ")?.parse::<i64>().ok();
        let (version, first_dirty, left) = (field("version")?, field("first_dirty_offset")?, field("left_segments")?);
        (version == 0).then_some(Self { first_dirty, left_segments: u64::try_from(left).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_round_trips_and_anything_else_is_no_progress() {
        let progress = Progress { first_dirty: 1_234, left_segments: 2 };
        assert_eq!(progress.to_text(), "version: 0\nfirst_dirty_offset: 1234\nleft_segments: 2\n");
        assert_eq!(Progress::parse(&progress.to_text()), Some(progress));
        for text in ["", "version: 1\nfirst_dirty_offset: 1\nleft_segments: 0\n", "version: 0\nfirst_dirty_offset: x\n"]
        {
            assert_eq!(Progress::parse(text), None, "{text:?}");
        }
    }
}
