//! JSON Schemas of drafts 4, 6, 7, 2019-09 and 2020-12 for the registry: read, written, compared, and applied.
//!
//! * [`parse`] reads a schema and the texts that it refers to, checks it against its draft's meta-schema, and bounds
//!   everything about it. Nothing is ever fetched: a `$ref` leads into the schema, to a given reference, or to one of
//!   the drafts' own meta-schemas. Without `$schema`, and with one that is not known, the draft is 7.
//! * [`Schema::canonical`] and [`Schema::normalized`] are what the registry stores.
//! * [`incompatibilities`] and [`differences`] tell how two schemas differ, by Confluent's types of differences.
//! * [`resolved`] makes one text of a schema and its references.
//! * [`Schema::validate`] applies a schema to an instance.
//!
//! `format` and the `content…` keywords are annotations, to comparison as to validation. `$dynamicRef` and
//! `$recursiveRef` are followed where they can lead to one place only.
//!
//! # Where compatibility is decided otherwise than by Confluent's registry
//!
//! The names of differences, which of them are compatible, and the two policies are Confluent's. Under
//! [`Policy::Strict`], a pair that is called compatible has no instance that the writer's schema takes and the
//! reader's does not, once the reader has filled in its defaults; [`Policy::Lenient`] gives that up on purpose.
//! Confluent's registry gives it up elsewhere too, and there it is **stricter here**:
//!
//! | change in the reader | Confluent's | here |
//! |---|---|---|
//! | `required` names a property that not both sides describe | not looked at | `REQUIRED_ATTRIBUTE_ADDED` |
//! | a property without a schema is added to an open model, and required | compatible | `REQUIRED_ATTRIBUTE_ADDED` |
//! | a property with a default is required, and the default is not valid, or may not be filled in (`maxProperties`, `propertyNames`, dependencies, or combined schemas are in the way) | compatible | as without a default |
//! | `patternProperties` differ | not looked at | as properties that are added and removed |
//! | a pattern of the reader matches a named property | not looked at | its schema must take the property |
//! | `propertyNames` is added or narrowed | not looked at | `SCHEMA_ADDED`, or what differs |
//! | `contains` is added or changed | not looked at | `MIN_CONTAINS_ADDED`, or what differs |
//! | `minContains` of 0 is taken back | compatible | `MIN_CONTAINS_INCREASED` |
//! | `if`, `then`, `else` are added or changed | not looked at | `COMBINED_TYPE_CHANGED`, or what differs |
//! | `oneOf` gains an alternative that an instance of another may fit too | compatible | `COMBINED_TYPE_SUBSCHEMAS_CHANGED` |
//! | a schema becomes one of `oneOf`, and may fit another alternative too | compatible | `TYPE_CHANGED` |
//! | bounds and multiples are compared | rounded, multiples as integers | exactly |
//! | within `not`, a required property gains a default | compatible | `NOT_TYPE_EXTENDED` |
//! | both sides are marked `connect.type: bytes` and differ in type | compatible | `TYPE_CHANGED` |
//! | a draft 4 reader reads `integer`s of a later draft, `1.0` among them | compatible | `TYPE_NARROWED` |
//!
//! An alternative that can be told apart from the others, by a type, by a `const` or `enum` of a required property,
//! or by a required property that the others exclude, extends `oneOf` compatibly; other `oneOf`s can be `anyOf`s.
//!
//! And it is **less strict here** where what Confluent's registry calls incompatible follows from what the writer
//! promises otherwise: a bound that another keyword of the writer implies; a list of values all of which the reader
//! takes; alternatives that the reader takes all of, though not by alternatives of its own; what is said in `allOf`
//! on one side and plainly on the other; and schemas that differ in nothing but labels.

mod bundle;
mod compare;
mod compile;
mod decimal;
mod documents;
mod draft;
mod error;
mod json;
mod kind;
mod node;
mod pattern;
mod schema;
mod tags;
mod types;
mod uri;
mod validate;

pub use bundle::{BundleError, resolved};
pub use compare::{COMPARISON_STEPS_MAX, TooComplex};
pub use draft::Draft;
pub use error::ParseError;
pub use json::parser::JsonError;
pub use kind::{Difference, Kind, Policy};
pub use schema::{
    INSTANCE_BYTES_MAX, REFERENCES_BYTES_MAX, Reference, SCHEMA_BYTES_MAX, Schema, differences, incompatibilities,
    parse, reserved_differences,
};
pub use validate::{VALIDATION_STEPS_MAX, VIOLATIONS_MAX, ValidateError, Violation};
