//! The headers before every request and response. Written by hand: the request header has to be read before it is
//! known which version of it is there.
//!
//! Version 1 of the request header: api key · api version · correlation id · client id (with a two-byte length in
//! every version). Version 2 adds tagged fields. The response header is the correlation id; version 1 adds tagged
//! fields. Version 0 of the request header had no client id and went with an API that Kafka 4 no longer has.

use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message};
use bytes::{Bytes, BytesMut};
use levada_model::Str;

/// What stands before the body of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API, as numbered on the wire; [`Self::api`] gives the API if we know it.
    pub api_key: i16,
    /// The version of the body.
    pub api_version: i16,
    /// What the response repeats.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
}

impl RequestHeader {
    /// The API called, if we know it.
    #[must_use]
    pub fn api(&self) -> Option<ApiKey> {
        ApiKey::from_code(self.api_key)
    }

    /// Reads the header at the start of a request; after it stands the body.
    ///
    /// An unknown API key is no error here: the header of such a request is read in version 1, whose fields stand
    /// at the same place in both versions.
    ///
    /// # Errors
    /// [`DecodeError`] says where the bytes broke.
    pub fn decode(decoder: &mut Decoder) -> Result<Self, DecodeError> {
        let api_key = decoder.i16("RequestHeader.request_api_key")?;
        let api_version = decoder.i16("RequestHeader.request_api_version")?;
        let correlation_id = decoder.i32("RequestHeader.correlation_id")?;
        let client_id = decoder.inflexible_nullable_string("RequestHeader.client_id")?;
        let header = Self { api_key, api_version, correlation_id, client_id };
        if header.api().is_some_and(|api| api.request_header_version(api_version) >= 2) {
            decoder.skip_tags("RequestHeader")?;
        }
        Ok(header)
    }

    /// Writes the header; after it comes the body.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] where the client id is.
    pub fn encode(&self, encoder: &mut Encoder) -> Result<(), EncodeError> {
        encoder.i16(self.api_key);
        encoder.i16(self.api_version);
        encoder.i32(self.correlation_id);
        encoder.inflexible_nullable_string(self.client_id.as_ref(), "RequestHeader.client_id")?;
        if self.api().is_some_and(|api| api.request_header_version(self.api_version) >= 2) {
            encoder.no_tags();
        }
        Ok(())
    }
}

/// What stands before the body of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The correlation id of the request.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Reads the header of a response to `api` in `version`; after it stands the body.
    ///
    /// # Errors
    /// [`DecodeError`] says where the bytes broke.
    pub fn decode(decoder: &mut Decoder, api: ApiKey, version: i16) -> Result<Self, DecodeError> {
        let correlation_id = decoder.i32("ResponseHeader.correlation_id")?;
        if api.response_header_version(version) >= 1 {
            decoder.skip_tags("ResponseHeader")?;
        }
        Ok(Self { correlation_id })
    }

    /// Writes the header of a response to `api` in `version`; after it comes the body.
    pub fn encode(self, encoder: &mut Encoder, api: ApiKey, version: i16) {
        encoder.i32(self.correlation_id);
        if api.response_header_version(version) >= 1 {
            encoder.no_tags();
        }
    }
}

/// Reads the header at the start of `frame`; the decoder then stands at the body.
///
/// # Errors
/// [`DecodeError`] says where the bytes broke.
pub fn decode_request_header(frame: Bytes) -> Result<(RequestHeader, Decoder), DecodeError> {
    let mut decoder = Decoder::new(frame);
    let header = RequestHeader::decode(&mut decoder)?;
    Ok((header, decoder))
}

/// A whole request as it goes over the wire: size, header, body. The body is written in the header's version.
///
/// # Errors
/// [`EncodeError`] names the field that the version cannot carry.
pub fn encode_request<M: Message>(header: &RequestHeader, body: &M) -> Result<Encoder, EncodeError> {
    let mut encoder = sized_frame();
    header.encode(&mut encoder)?;
    body.encode(&mut encoder, header.api_version)?;
    encoder.set_frame_size()?;
    Ok(encoder)
}

/// A whole response as it goes over the wire: size, header, body.
///
/// Take it with [`Encoder::into_segments`], which shares the memory of records, or [`Encoder::into_bytes`].
///
/// # Errors
/// [`EncodeError`] names the field that the version cannot carry.
pub fn encode_response<M: crate::message::Response>(
    correlation_id: i32,
    body: &M,
    version: i16,
) -> Result<Encoder, EncodeError> {
    let mut encoder = sized_frame();
    ResponseHeader { correlation_id }.encode(&mut encoder, M::KEY, version);
    body.encode(&mut encoder, version)?;
    encoder.set_frame_size()?;
    Ok(encoder)
}

/// An encoder after four bytes for the frame's size.
fn sized_frame() -> Encoder {
    let mut buffer = BytesMut::with_capacity(256);
    buffer.extend_from_slice(&[0; 4]);
    Encoder::with_buffer(buffer)
}

#[cfg(test)]
mod tests;
