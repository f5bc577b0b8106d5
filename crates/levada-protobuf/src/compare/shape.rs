//! How a field is encoded, as far as two fields with one number have to agree.

use prost_reflect::{Cardinality, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::BTreeMap;

/// A field, or an extension field.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) cardinality: Cardinality,
    pub(super) shape: Shape,
    /// The oneof that it lies in, other than one that stands for `optional`.
    pub(super) oneof: Option<String>,
}

/// What a field holds.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Scalar(Scalar),
    Message(MessageDescriptor),
    Group(MessageDescriptor),
    /// Key and value.
    Map(Box<(Shape, Shape)>),
}

/// Scalars that are read as each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// `int32`, `int64`, `uint32`, `uint64`, `bool` and enums.
    Varint,
    /// `sint32` and `sint64`.
    Zigzag,
    /// `fixed32` and `sfixed32`.
    Fixed32,
    /// `fixed64` and `sfixed64`.
    Fixed64,
    Float,
    Double,
    /// `string` and `bytes`.
    Text,
}

/// The fields of `message` by their numbers, extension fields among them.
pub(super) fn members(message: &MessageDescriptor) -> BTreeMap<u32, Member> {
    let fields = message.fields().map(|field| (field.number(), Member::of(&field)));
    fields.chain(message.extensions().map(|extension| (extension.number(), Member::of_extension(&extension)))).collect()
}

impl Member {
    fn of(field: &FieldDescriptor) -> Self {
        let shape = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let part = |part: FieldDescriptor| Shape::of(part.kind(), part.is_group());
                Shape::Map(Box::new((part(entry.map_entry_key_field()), part(entry.map_entry_value_field()))))
            }
            kind => Shape::of(kind, field.is_group()),
        };
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        Self {
            name: field.name().to_owned(),
            cardinality: field.cardinality(),
            shape,
            oneof: oneof.map(|oneof| oneof.name().to_owned()),
        }
    }

    fn of_extension(extension: &ExtensionDescriptor) -> Self {
        Self {
            name: extension.full_name().to_owned(),
            cardinality: extension.cardinality(),
            shape: Shape::of(extension.kind(), extension.is_group()),
            oneof: None,
        }
    }
}

impl Shape {
    fn of(kind: Kind, is_group: bool) -> Self {
        Self::Scalar(match kind {
            Kind::Message(message) if is_group => return Self::Group(message),
            Kind::Message(message) => return Self::Message(message),
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => Scalar::Varint,
            Kind::Sint32 | Kind::Sint64 => Scalar::Zigzag,
            Kind::Fixed32 | Kind::Sfixed32 => Scalar::Fixed32,
            Kind::Fixed64 | Kind::Sfixed64 => Scalar::Fixed64,
            Kind::Float => Scalar::Float,
            Kind::Double => Scalar::Double,
            Kind::String | Kind::Bytes => Scalar::Text,
        })
    }
}
