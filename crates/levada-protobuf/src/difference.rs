//! [`Difference`]: one thing in which two schemas differ, and whether it keeps data from being read.

use std::fmt;

/// In what two schemas differ; the names are those of the Confluent registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// The package has another name.
    PackageChanged,
    /// A message is new.
    MessageAdded,
    /// A message is gone.
    MessageRemoved,
    /// A message has another place among its siblings.
    MessageMoved,
    /// An enum is new.
    EnumAdded,
    /// An enum is gone.
    EnumRemoved,
    /// A number of an enum is new.
    EnumConstAdded,
    /// A number of an enum has another name.
    EnumConstChanged,
    /// A number of an enum is gone.
    EnumConstRemoved,
    /// A field is new.
    FieldAdded,
    /// A field is gone.
    FieldRemoved,
    /// A field has another name.
    FieldNameChanged,
    /// A field went from one of scalar, message, group and map to another.
    FieldKindChanged,
    /// A scalar field is encoded in another way.
    FieldScalarKindChanged,
    /// A field's message has another name, or does not fit itself.
    FieldNamedTypeChanged,
    /// A numeric field went from one of optional, required and repeated to another.
    FieldNumericLabelChanged,
    /// A field of text or bytes did.
    FieldStringOrBytesLabelChanged,
    /// A required field is new, or a field became required.
    RequiredFieldAdded,
    /// A required field is gone.
    RequiredFieldRemoved,
    /// A oneof is new.
    OneofAdded,
    /// A oneof is gone.
    OneofRemoved,
    /// A field of a oneof is new.
    OneofFieldAdded,
    /// A field of a oneof is gone, others stay.
    OneofFieldRemoved,
    /// A field left its oneof and stands alone.
    OneofFieldMovedToTopLevel,
    /// Fields that could be set together exclude each other now.
    MultipleFieldsMovedToOneof,
    /// A field joined others, which excluded only each other before.
    FieldMovedToExistingOneof,
}

impl DifferenceKind {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::PackageChanged,
        Self::MessageAdded,
        Self::MessageRemoved,
        Self::MessageMoved,
        Self::EnumAdded,
        Self::EnumRemoved,
        Self::EnumConstAdded,
        Self::EnumConstChanged,
        Self::EnumConstRemoved,
        Self::FieldAdded,
        Self::FieldRemoved,
        Self::FieldNameChanged,
        Self::FieldKindChanged,
        Self::FieldScalarKindChanged,
        Self::FieldNamedTypeChanged,
        Self::FieldNumericLabelChanged,
        Self::FieldStringOrBytesLabelChanged,
        Self::RequiredFieldAdded,
        Self::RequiredFieldRemoved,
        Self::OneofAdded,
        Self::OneofRemoved,
        Self::OneofFieldAdded,
        Self::OneofFieldRemoved,
        Self::OneofFieldMovedToTopLevel,
        Self::MultipleFieldsMovedToOneof,
        Self::FieldMovedToExistingOneof,
    ];

    /// The documented name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PackageChanged => "PACKAGE_CHANGED",
            Self::MessageAdded => "MESSAGE_ADDED",
            Self::MessageRemoved => "MESSAGE_REMOVED",
            Self::MessageMoved => "MESSAGE_MOVED",
            Self::EnumAdded => "ENUM_ADDED",
            Self::EnumRemoved => "ENUM_REMOVED",
            Self::EnumConstAdded => "ENUM_CONST_ADDED",
            Self::EnumConstChanged => "ENUM_CONST_CHANGED",
            Self::EnumConstRemoved => "ENUM_CONST_REMOVED",
            Self::FieldAdded => "FIELD_ADDED",
            Self::FieldRemoved => "FIELD_REMOVED",
            Self::FieldNameChanged => "FIELD_NAME_CHANGED",
            Self::FieldKindChanged => "FIELD_KIND_CHANGED",
            Self::FieldScalarKindChanged => "FIELD_SCALAR_KIND_CHANGED",
            Self::FieldNamedTypeChanged => "FIELD_NAMED_TYPE_CHANGED",
            Self::FieldNumericLabelChanged => "FIELD_NUMERIC_LABEL_CHANGED",
            Self::FieldStringOrBytesLabelChanged => "FIELD_STRING_OR_BYTES_LABEL_CHANGED",
            Self::RequiredFieldAdded => "REQUIRED_FIELD_ADDED",
            Self::RequiredFieldRemoved => "REQUIRED_FIELD_REMOVED",
            Self::OneofAdded => "ONEOF_ADDED",
            Self::OneofRemoved => "ONEOF_REMOVED",
            Self::OneofFieldAdded => "ONEOF_FIELD_ADDED",
            Self::OneofFieldRemoved => "ONEOF_FIELD_REMOVED",
            Self::OneofFieldMovedToTopLevel => "ONEOF_FIELD_MOVED_TO_TOP_LEVEL",
            Self::MultipleFieldsMovedToOneof => "MULTIPLE_FIELDS_MOVED_TO_ONEOF",
            Self::FieldMovedToExistingOneof => "FIELD_MOVED_TO_EXISTING_ONEOF",
        }
    }

    /// Whether data written before the change is read after it.
    #[must_use]
    pub const fn is_compatible(self) -> bool {
        match self {
            Self::MessageAdded
            | Self::MessageMoved
            | Self::EnumAdded
            | Self::EnumRemoved
            | Self::EnumConstAdded
            | Self::EnumConstChanged
            | Self::EnumConstRemoved
            | Self::FieldAdded
            | Self::FieldRemoved
            | Self::FieldNameChanged
            | Self::FieldStringOrBytesLabelChanged
            | Self::OneofAdded
            | Self::OneofRemoved
            | Self::OneofFieldAdded
            | Self::OneofFieldMovedToTopLevel => true,
            Self::PackageChanged
            | Self::MessageRemoved
            | Self::FieldKindChanged
            | Self::FieldScalarKindChanged
            | Self::FieldNamedTypeChanged
            | Self::FieldNumericLabelChanged
            | Self::RequiredFieldAdded
            | Self::RequiredFieldRemoved
            | Self::OneofFieldRemoved
            | Self::MultipleFieldsMovedToOneof
            | Self::FieldMovedToExistingOneof => false,
        }
    }
}

/// A difference between what writes and what reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Difference {
    /// What it is.
    pub kind: DifferenceKind,
    /// Where: `#/Order/Line/3` is field 3 of the message `Line` within the message `Order`, `#/Order/payment` the
    /// oneof `payment`; `#/` is the file.
    pub path: String,
}

impl Difference {
    /// What the difference is, in words; `reader` and `writer` say which schema is which, as in `new` and `old`.
    #[must_use]
    pub fn description(&self, reader: &str, writer: &str) -> String {
        let path = format!("path '{}'", self.path);
        let changed =
            |what: &str| format!("{what} at {path} in the {reader} schema is not that of the {writer} schema");
        let added = |what: &str| format!("{what} at {path} is in the {reader} schema and not in the {writer} schema");
        let removed = |what: &str| format!("{what} at {path} is in the {writer} schema and not in the {reader} schema");
        match self.kind {
            DifferenceKind::PackageChanged => changed("The package"),
            DifferenceKind::MessageAdded => added("A message"),
            DifferenceKind::MessageRemoved => removed("A message"),
            DifferenceKind::MessageMoved => changed("The place of the message"),
            DifferenceKind::EnumAdded => added("An enum"),
            DifferenceKind::EnumRemoved => removed("An enum"),
            DifferenceKind::EnumConstAdded => added("A value of an enum"),
            DifferenceKind::EnumConstChanged => changed("The name of the value of an enum"),
            DifferenceKind::EnumConstRemoved => removed("A value of an enum"),
            DifferenceKind::FieldAdded => added("A field"),
            DifferenceKind::FieldRemoved => removed("A field"),
            DifferenceKind::FieldNameChanged => changed("The name of the field"),
            DifferenceKind::FieldKindChanged => changed("Whether it is a scalar, a message, a group or a map"),
            DifferenceKind::FieldScalarKindChanged => changed("The encoding of the scalar field"),
            DifferenceKind::FieldNamedTypeChanged => changed("The message that is the type of the field"),
            DifferenceKind::FieldNumericLabelChanged => changed("The label of the numeric field"),
            DifferenceKind::FieldStringOrBytesLabelChanged => changed("The label of the field of text or bytes"),
            DifferenceKind::RequiredFieldAdded => {
                format!("The field at {path} is required in the {reader} schema and not in the {writer} schema")
            }
            DifferenceKind::RequiredFieldRemoved => removed("A required field"),
            DifferenceKind::OneofAdded => added("A oneof"),
            DifferenceKind::OneofRemoved => removed("A oneof"),
            DifferenceKind::OneofFieldAdded => added("A field of a oneof"),
            DifferenceKind::OneofFieldRemoved => removed("A field of a oneof"),
            DifferenceKind::OneofFieldMovedToTopLevel => {
                format!("The field at {path} is within a oneof in the {writer} schema and not in the {reader} schema")
            }
            DifferenceKind::MultipleFieldsMovedToOneof => format!(
                "Several fields of the oneof at {path} in the {reader} schema can be set together in the {writer} schema"
            ),
            DifferenceKind::FieldMovedToExistingOneof => format!(
                "A field of the oneof at {path} in the {reader} schema does not exclude the others in the {writer} schema"
            ),
        }
    }

    /// The difference as one entry of a registry's verbose answer, as in `{errorType:"…", description:"…"}`.
    #[must_use]
    pub fn message(&self, reader: &str, writer: &str) -> String {
        format!("{{errorType:\"{}\", description:\"{}\"}}", self.kind.name(), self.description(reader, writer))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message("reader", "writer"))
    }
}
