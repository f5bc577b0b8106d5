//! Names and numbers that identify things: topics, partitions, producers, members.

use crate::{Str, rng::Rng};
use std::fmt;

/// A position in a partition: the first record has offset 0.
pub type Offset = i64;
/// Milliseconds since 1970-01-01 UTC; −1 where there is none.
pub type Timestamp = i64;
/// The generation of a partition's leadership; rises at every start of the broker.
pub type LeaderEpoch = i32;
/// A partition's number within its topic, from 0.
pub type PartitionIndex = i32;
/// The generation of a producer id.
pub type ProducerEpoch = i16;
/// A broker's number in its cluster.
pub type NodeId = i32;

/// No timestamp.
pub const NO_TIMESTAMP: Timestamp = -1;
/// No offset.
pub const NO_OFFSET: Offset = -1;

/// A 128-bit identifier in RFC 4122 byte order.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// All bits zero: *no id*.
    pub const ZERO: Self = Self([0; 16]);

    /// Takes the 16 bytes as they stand on the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes as they stand on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether this is *no id*.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// A random version-4 id whose text form does not start with `-` (command lines would take it for a flag).
    ///
    /// Source: RFC 4122 §4.4.
    #[must_use]
    pub fn random(rng: &dyn Rng) -> Self {
        loop {
            let mut bytes = [0; 16];
            rng.fill(&mut bytes);
            let mut value = u128::from_be_bytes(bytes);
            value = (value & !(0xf << 76)) | (0x4 << 76);
            value = (value & !(0x3 << 62)) | (0x2 << 62);
            let id = Self(value.to_be_bytes());
            if !id.to_string().starts_with('-') {
                return id;
            }
        }
    }

    /// Reads the 22-character URL-safe base64 form that Kafka's tools print.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 22 {
            return None;
        }
        let mut value: u128 = 0;
        for (index, byte) in text.bytes().enumerate() {
            let digit = u128::try_from(URL_SAFE.iter().position(|&symbol| symbol == byte)?).ok()?;
            // 21 digits carry 126 bits; the last carries 2 and four zero bits.
            value = if index < 21 {
                (value << 6) | digit
            } else if digit & 0xf == 0 {
                (value << 2) | (digit >> 4)
            } else {
                return None;
            };
        }
        Some(Self(value.to_be_bytes()))
    }
}

impl fmt::Display for Uuid {
    /// URL-safe base64 without padding, as Kafka prints ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = u128::from_be_bytes(self.0);
        for index in 0..22_u32 {
            let digit = if index < 21 { (value >> (128 - 6 * (index + 1))) & 0x3f } else { (value & 0x3) << 4 };
            let symbol = usize::try_from(digit).ok().and_then(|digit| URL_SAFE.get(digit)).copied().unwrap_or(b'A');
            write!(f, "{}", char::from(symbol))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A topic's identity, which survives no deletion: a topic created again under the same name has another.
pub type TopicId = Uuid;

/// One partition's log: the unit of order, of storage and of journalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The topic.
    pub topic: TopicId,
    /// The partition within it.
    pub partition: PartitionIndex,
}

/// The identity of an idempotent producer, given by the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A legal topic name: 1 to 249 of `a-z A-Z 0-9 . _ -`, neither `.` nor `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Str);

/// Why a text is no topic name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    /// No character at all.
    #[error("a topic name is not empty")]
    Empty,
    /// `.` or `..`, which would be directories.
    #[error("`{0}` is not a topic name")]
    Reserved(String),
    /// Longer than a file name can carry beside the partition number.
    #[error("a topic name has at most 249 characters, this one has {0}")]
    TooLong(usize),
    /// A character outside the legal set.
    #[error("topic name `{name}` has a character other than a-z, A-Z, 0-9, `.`, `_` and `-`")]
    Illegal {
        /// The text.
        name: String,
    },
}

impl TopicName {
    /// The longest name, in characters.
    pub const LENGTH_MAX: usize = 249;

    /// Checks `name`; the name is detached from its frame.
    ///
    /// # Errors
    /// [`TopicNameError`] says which rule it breaks.
    pub fn new(name: &str) -> Result<Self, TopicNameError> {
        if name.is_empty() {
            return Err(TopicNameError::Empty);
        }
        if name == "." || name == ".." {
            return Err(TopicNameError::Reserved(name.to_owned()));
        }
        if name.len() > Self::LENGTH_MAX {
            return Err(TopicNameError::TooLong(name.len()));
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
            return Err(TopicNameError::Illegal { name: name.to_owned() });
        }
        Ok(Self(Str::from(name)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shared text.
    #[must_use]
    pub const fn as_shared(&self) -> &Str {
        &self.0
    }

    /// Whether the broker itself writes it (`__consumer_offsets`, `__transaction_state`).
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(self.as_str(), "__consumer_offsets" | "__transaction_state")
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl std::borrow::Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    #[test]
    fn topic_names_follow_kafkas_rule() {
        for legal in ["orders", "a.b_c-D9", "__consumer_offsets", &"x".repeat(249)] {
            assert!(TopicName::new(legal).is_ok(), "{legal}");
        }
        for illegal in ["", ".", "..", "a/b", "ü", "a b", "nul\0", &"x".repeat(250)] {
            assert!(TopicName::new(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn uuid_text_round_trips_and_is_base64() {
        let id = Uuid::from_bytes([0xff; 16]);
        assert_eq!(id.to_string(), "_____________________w");
        assert_eq!(Uuid::parse(&id.to_string()), Some(id));
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        let rng = SeededRng::new(7);
        for _ in 0..1_000 {
            let id = Uuid::random(&rng);
            assert_eq!(Uuid::parse(&id.to_string()), Some(id));
        }
        assert_eq!(Uuid::parse("too short"), None);
    }
}
