//! What every message is: a struct with the fields of all versions, read and written in one of them.
//!
//! The impls are generated; see [`crate::messages`].

use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder};
use bytes::Bytes;
use std::{fmt::Debug, ops::RangeInclusive};

/// A struct that stands in messages. [`Message`] is how it is reached from outside.
pub trait Wire: Sized {
    /// Reads one; `field` names the place for errors.
    ///
    /// # Errors
    /// [`DecodeError`] says where the bytes broke.
    fn read(decoder: &mut Decoder, field: &'static str, version: i16) -> Result<Self, DecodeError>;

    /// Writes one; `field` names the place for errors.
    ///
    /// # Errors
    /// [`EncodeError`] says which field the version cannot carry.
    fn write(&self, encoder: &mut Encoder, field: &'static str, version: i16) -> Result<(), EncodeError>;

    /// The fewest bytes one can take on the wire, never 0.
    fn size_min(version: i16, flexible: bool) -> usize;
}

/// A whole message: the body of a request or response, or the key or value of an internal record.
pub trait Message: Wire + Clone + Debug + Default + PartialEq {
    /// Kafka's name, `ProduceRequest` say.
    const NAME: &'static str;
    /// The versions that exist.
    const VERSIONS: RangeInclusive<i16>;
    /// The first version with compact lengths and tagged fields.
    const FLEXIBLE_FROM: Option<i16>;

    /// Whether `version` has compact lengths and tagged fields.
    #[must_use]
    fn is_flexible(version: i16) -> bool {
        Self::FLEXIBLE_FROM.is_some_and(|from| version >= from)
    }

    /// Reads one message where `decoder` stands. Bytes after it stay there: see [`Decoder::remaining`].
    ///
    /// # Errors
    /// [`DecodeError::UnsupportedVersion`] outside [`Self::VERSIONS`]; others say where the bytes broke.
    fn decode(decoder: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(&version) {
            return Err(DecodeError::UnsupportedVersion { message: Self::NAME, version });
        }
        decoder.set_flexible(Self::is_flexible(version));
        Self::read(decoder, Self::NAME, version)
    }

    /// Writes the message after what `encoder` holds.
    ///
    /// # Errors
    /// [`EncodeError::UnsupportedVersion`] outside [`Self::VERSIONS`]; others name the field that `version`
    /// cannot carry.
    fn encode(&self, encoder: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if !Self::VERSIONS.contains(&version) {
            return Err(EncodeError::UnsupportedVersion { message: Self::NAME, version });
        }
        encoder.set_flexible(Self::is_flexible(version));
        self.write(encoder, Self::NAME, version)
    }

    /// Reads one message from the start of `bytes`; like Kafka, does not mind bytes after it.
    ///
    /// # Errors
    /// As [`Self::decode`].
    fn from_bytes(bytes: Bytes, version: i16) -> Result<Self, DecodeError> {
        Self::decode(&mut Decoder::new(bytes), version)
    }

    /// The message in one piece.
    ///
    /// # Errors
    /// As [`Self::encode`].
    fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder, version)?;
        Ok(encoder.into_bytes())
    }

    /// The message after two bytes with its version: the form of values in internal topics, of what members of a
    /// group tell each other, and of control records.
    ///
    /// # Errors
    /// As [`Self::encode`].
    fn to_versioned_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut encoder = Encoder::new();
        encoder.i16(version);
        self.encode(&mut encoder, version)?;
        Ok(encoder.into_bytes())
    }

    /// Reads a message after two bytes with its version.
    ///
    /// # Errors
    /// As [`Self::decode`].
    fn from_versioned_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let version = decoder.i16("version")?;
        Self::decode(&mut decoder, version)
    }
}

/// The body of a request.
pub trait Request: Message {
    /// Which API it calls.
    const KEY: ApiKey;
    /// What answers it.
    type Response: Response;
}

/// The body of a response.
pub trait Response: Message {
    /// Which API it answers.
    const KEY: ApiKey;

    /// Says for how long the client is muted, where the response has a place for that.
    fn set_throttle_time_ms(&mut self, _: i32) {}
}

/// The key of a record in an internal topic.
pub trait RecordKey: Message {
    /// What its first two bytes say; the value of such a record is the message with the same name, but for its end.
    const RECORD_TYPE: i16;

    /// The key as it stands in the record: its type, then its fields in version 0.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`].
    fn to_key_bytes(&self) -> Result<Bytes, EncodeError> {
        let mut encoder = Encoder::new();
        encoder.i16(Self::RECORD_TYPE);
        self.encode(&mut encoder, 0)?;
        Ok(encoder.into_bytes())
    }

    /// Reads a key; `None` where it is of another type.
    ///
    /// # Errors
    /// [`DecodeError`] says where the bytes broke.
    fn from_key_bytes(bytes: Bytes) -> Result<Option<Self>, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        if decoder.i16("record type")? != Self::RECORD_TYPE {
            return Ok(None);
        }
        Self::decode(&mut decoder, 0).map(Some)
    }
}
