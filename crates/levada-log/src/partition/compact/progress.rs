//! [`Progress`]: up to where a log is compacted, in the file `compaction-checkpoint` of its directory.
//!
//! A hint: where it is missing, or another topic's, all counts as not compacted. Text, a line each: `version: 0`,
//! `topic_id: <base64>`, `first_dirty_offset: N`, `left_segments: N`.

use crate::{error::DiskError, partition::LogFiles};
use levada_model::{Offset, TopicId, Uuid};
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
    pub fn read(files: &LogFiles, dir: &Path, topic: TopicId) -> Result<Self, DiskError> {
        let bytes = files.read_all(&dir.join(FILE), SIZE_MAX)?;
        Ok(bytes.and_then(|bytes| Self::parse(&String::from_utf8_lossy(&bytes), topic)).unwrap_or_default())
    }

    /// Replaces what the directory says.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn write(&self, files: &LogFiles, dir: &Path, topic: TopicId) -> Result<(), DiskError> {
        files.replace(&dir.join(FILE), self.to_text(topic).as_bytes())
    }

    fn to_text(self, topic: TopicId) -> String {
        let Self { first_dirty, left_segments } = self;
        format!("version: 0\ntopic_id: {topic}\nfirst_dirty_offset: {first_dirty}\nleft_segments: {left_segments}\n")
    }

    fn parse(text: &str, topic: TopicId) -> Option<Self> {
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(": ");
        let is_ours = field("version")? == "0" && Uuid::parse(field("topic_id")?)? == topic;
        let first_dirty = field("first_dirty_offset")?.parse().ok()?;
        is_ours.then_some(Self { first_dirty, left_segments: field("left_segments")?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_round_trips_and_anything_else_is_no_progress() {
        let (topic, other) = (Uuid::from_bytes([7; 16]), Uuid::from_bytes([8; 16]));
        let progress = Progress { first_dirty: 1_234, left_segments: 2 };
        let text = progress.to_text(topic);
        assert_eq!(text, "version: 0\ntopic_id: BwcHBwcHBwcHBwcHBwcHBw\nfirst_dirty_offset: 1234\nleft_segments: 2\n");
        assert_eq!(Progress::parse(&text, topic), Some(progress));
        assert_eq!(Progress::parse(&text, other), None);
        for broken in ["", "version: 1", &text.replace("1234", "x"), &text.replace("left", "kept")] {
            assert_eq!(Progress::parse(broken, topic), None, "{broken:?}");
        }
    }
}
