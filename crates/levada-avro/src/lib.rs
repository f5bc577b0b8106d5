//! Avro: schemas as text, which of them read which, and values in the binary encoding.
//!
//! [`parse`] reads a schema as Java's parser does, [`Schema::canonical`] prints it as Java does, and
//! [`incompatibilities`] judges as Java's `SchemaCompatibility` does, which is what registries are compared with.
//! Nothing here reads a file or follows a link: what a schema refers to is given by the caller.
//!
//! Text comes from strangers. What it can cost is bounded: bytes, types, nesting, steps of a comparison.

mod canonical;
mod compatibility;
pub mod datum;
mod defaults;
mod error;
mod fingerprint;
mod json;
mod logical;
mod name;
mod normalize;
mod parse;
mod schema;
mod tags;

pub use compatibility::{
    CompatibilityError, INCOMPATIBILITIES_MAX, Incompatibility, IncompatibilityKind, STEPS_MAX, incompatibilities,
};
pub use error::{ParseError, Problem};
pub use json::{Json, JsonError};
pub use name::Name;
pub use parse::{REFERENCES_MAX, Reference, TEXT_BYTES_MAX, TYPES_MAX, Validation, parse, parse_with};
pub use schema::{Enum, Field, Fixed, Kind, Node, Order, Record, Schema, TypeId};
