//! Kafka's wire protocol as of Kafka 4.3.1: bytes to structs and back, and nothing else.
//!
//! Messages are generated (`cargo xtask codegen`) from the schema text in `schema/`; see [`messages`].
//!
//! ```
//! use bytes::Bytes;
//! use levada_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
//! use levada_protocol::messages::{ProduceRequest, ProduceResponse};
//! use levada_protocol::{ApiKey, ErrorCode, Message, RequestHeader, decode_request_header};
//! use levada_protocol::{encode_request, encode_response};
//!
//! // A client writes a frame: size, header, body.
//! let header = RequestHeader { api_key: ApiKey::Produce.code(), api_version: 9, correlation_id: 7, client_id: None };
//! let request = ProduceRequest { acks: -1, timeout_ms: 1_000, ..ProduceRequest::default() };
//! let mut frame = encode_request(&header, &request)?.into_bytes();
//!
//! // A server takes off the size, reads the header, then the body in the header's version.
//! let frame = frame.split_off(4);
//! let (header, mut decoder) = decode_request_header(frame)?;
//! assert_eq!(header.api(), Some(ApiKey::Produce));
//! assert_eq!(ProduceRequest::decode(&mut decoder, header.api_version)?, request);
//!
//! // It answers in the same version; segments go to a vectored write.
//! let error_code = ErrorCode::None.code();
//! let partition = PartitionProduceResponse { error_code, base_offset: 42, ..Default::default() };
//! let topic = TopicProduceResponse { name: "orders".into(), partition_responses: vec![partition], ..Default::default() };
//! let response = ProduceResponse { responses: vec![topic], ..Default::default() };
//! let segments: Vec<Bytes> = encode_response(header.correlation_id, &response, header.api_version)?.into_segments();
//! assert_eq!(segments.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Bounds.** Strings, bytes and records share memory with the frame. Every length is checked against what is left
//! of the frame before it is acted upon, and arrays are charged to a budget: see [`Decoder`]. Nesting is as deep as
//! the schema. Bytes after a message are tolerated, as Kafka does.
//!
//! **Versions.** Writing a field that the version does not have fails if the field is set and not ignorable, and
//! drops it otherwise, as Kafka does. Tagged fields are written in the order of their tags, and only if they differ
//! from their default; unknown tags are passed over when read.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod api_versions;
#[cfg(feature = "arbitrary")]
pub mod arbitrary;
mod decoder;
mod elements;
mod encoder;
mod error;
mod error_code;
mod generated;
mod headers;
pub mod message;
pub mod messages;
mod records;

pub use decoder::Decoder;
pub use encoder::{Encoder, Part};
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use error_code::ErrorCode;
pub use generated::api_key::ApiKey;
pub use headers::{RequestHeader, ResponseHeader, decode_request_header, encode_request, encode_response};
pub use message::{Message, RecordKey, Request, Response};
pub use records::Records;
