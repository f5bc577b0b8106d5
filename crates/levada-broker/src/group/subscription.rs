//! Which topics a group reads, from what its members say under the `consumer` protocol.
//!
//! ```text
//! i16 version · i32 count · count × (i16 size · topic) · …
//! ```
//!
//! What follows the topics differs by version and is not looked at.

use crate::group::Group;
use bytes::Bytes;
use levada_model::reader::{ReadError, Reader};
use std::collections::BTreeSet;

/// The protocol type of ordinary consumers.
const CONSUMER: &str = "consumer";

impl Group {
    /// Whether its members are ordinary consumers.
    pub(super) fn is_consumers(&self) -> bool {
        self.protocol_type.as_ref().is_some_and(|kind| kind.as_str() == CONSUMER)
    }

    /// The topics that members subscribe to; `None` where that cannot be known.
    pub(super) fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.is_consumers() {
            return None;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(read_topics(member.metadata(self.protocol.as_ref())).ok()?);
        }
        Some(topics)
    }

    /// Whether offsets of `topic` may be in use.
    pub(super) fn may_read(&self, topic: &str) -> bool {
        self.subscribed_topics().map_or_else(|| self.is_consumers(), |topics| topics.contains(topic))
    }
}

fn read_topics(metadata: Bytes) -> Result<Vec<String>, ReadError> {
    let mut reader = Reader::new(metadata);
    reader.i16()?;
    let count = reader.i32()?;
    let mut topics = Vec::new();
    for _ in 0..count.max(0) {
        let size = reader.i16()?;
        let size = usize::try_from(size).map_err(|_| ReadError::NegativeLength(i64::from(size)))?;
        topics.push(String::from_utf8_lossy(&reader.take(size)?).into_owned());
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_topics_of_a_subscription_and_stops_at_its_end() {
        let metadata = Bytes::from_static(b"\x00\x01\x00\x00\x00\x02\x00\x01a\x00\x02bcxyz");
        assert_eq!(read_topics(metadata), Ok(vec!["a".to_owned(), "bc".to_owned()]));
        assert!(read_topics(Bytes::from_static(b"\x00\x01\x7f\xff\xff\xff\x00\x01a")).is_err());
    }
}
