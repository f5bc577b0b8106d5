//! [`Kind`]: Confluent's types of differences, and which of them are compatible under which [`Policy`].
//!
//! Source: `Difference.Type` and `SchemaDiff` of Confluent's `json-schema-provider` 8.x, for names and policies.

use std::fmt::{self, Display, Formatter};

/// How much a reader must be able to read of what an open writer may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// All of it. An open content model may write any property, also such as the reader describes.
    #[default]
    Strict,
    /// What the schemas describe. That one side does not know a property of the other makes nothing incompatible.
    Lenient,
}

/// When a difference is compatible.
enum Compatible {
    Always,
    IfLenient,
    Never,
}

macro_rules! kinds {
    ($($variant:ident, $compatible:ident, $name:literal, $text:literal;)*) => {
        /// What differs between the schema of a writer and that of a reader.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(
                #[doc = concat!("`", $name, "`: ", $text, ".")]
                $variant,
            )*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that Confluent documents.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a few words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            const fn compatible(self) -> Compatible {
                match self { $(Self::$variant => Compatible::$compatible,)* }
            }
        }
    };
}

kinds! {
    IdChanged, Always, "ID_CHANGED", "the id is another";
    DescriptionChanged, Always, "DESCRIPTION_CHANGED", "the description is another";
    TitleChanged, Always, "TITLE_CHANGED", "the title is another";
    DefaultChanged, Always, "DEFAULT_CHANGED", "the default is another";
    SchemaAdded, Never, "SCHEMA_ADDED", "the reader sets a schema where the writer sets none";
    SchemaRemoved, Always, "SCHEMA_REMOVED", "the reader sets no schema where the writer sets one";
    TypeExtended, Always, "TYPE_EXTENDED", "the reader takes more types than the writer";
    TypeNarrowed, Never, "TYPE_NARROWED", "the writer's numbers need not be integers, the reader's must be";
    TypeChanged, Never, "TYPE_CHANGED", "the reader does not take the type that the writer writes";
    MaxLengthAdded, Never, "MAX_LENGTH_ADDED", "the reader limits the length, the writer does not";
    MaxLengthRemoved, Always, "MAX_LENGTH_REMOVED", "the writer limits the length, the reader does not";
    MaxLengthIncreased, Always, "MAX_LENGTH_INCREASED", "the reader takes longer texts than the writer";
    MaxLengthDecreased, Never, "MAX_LENGTH_DECREASED", "the writer's texts can be longer than the reader takes";
    MinLengthAdded, Never, "MIN_LENGTH_ADDED", "the reader asks for a length, the writer does not";
    MinLengthRemoved, Always, "MIN_LENGTH_REMOVED", "the writer asks for a length, the reader does not";
    MinLengthIncreased, Never, "MIN_LENGTH_INCREASED", "the writer's texts can be shorter than the reader takes";
    MinLengthDecreased, Always, "MIN_LENGTH_DECREASED", "the reader takes shorter texts than the writer";
    PatternAdded, Never, "PATTERN_ADDED", "the reader asks for a pattern, the writer does not";
    PatternRemoved, Always, "PATTERN_REMOVED", "the writer asks for a pattern, the reader does not";
    PatternChanged, Never, "PATTERN_CHANGED", "the reader asks for another pattern than the writer";
    MaximumAdded, Never, "MAXIMUM_ADDED", "the reader sets a maximum, the writer does not";
    MaximumRemoved, Always, "MAXIMUM_REMOVED", "the writer sets a maximum, the reader does not";
    MaximumIncreased, Always, "MAXIMUM_INCREASED", "the reader's maximum is above the writer's";
    MaximumDecreased, Never, "MAXIMUM_DECREASED", "the reader's maximum is below the writer's";
    MinimumAdded, Never, "MINIMUM_ADDED", "the reader sets a minimum, the writer does not";
    MinimumRemoved, Always, "MINIMUM_REMOVED", "the writer sets a minimum, the reader does not";
    MinimumIncreased, Never, "MINIMUM_INCREASED", "the reader's minimum is above the writer's";
    MinimumDecreased, Always, "MINIMUM_DECREASED", "the reader's minimum is below the writer's";
    ExclusiveMaximumAdded, Never, "EXCLUSIVE_MAXIMUM_ADDED", "the reader sets an exclusive maximum, the writer does not";
    ExclusiveMaximumRemoved, Always, "EXCLUSIVE_MAXIMUM_REMOVED", "the writer sets an exclusive maximum, the reader does not";
    ExclusiveMaximumIncreased, Always, "EXCLUSIVE_MAXIMUM_INCREASED", "the reader's exclusive maximum is above the writer's bound";
    ExclusiveMaximumDecreased, Never, "EXCLUSIVE_MAXIMUM_DECREASED", "the reader's exclusive maximum is below the writer's bound";
    ExclusiveMinimumAdded, Never, "EXCLUSIVE_MINIMUM_ADDED", "the reader sets an exclusive minimum, the writer does not";
    ExclusiveMinimumRemoved, Always, "EXCLUSIVE_MINIMUM_REMOVED", "the writer sets an exclusive minimum, the reader does not";
    ExclusiveMinimumIncreased, Never, "EXCLUSIVE_MINIMUM_INCREASED", "the reader's exclusive minimum is above the writer's bound";
    ExclusiveMinimumDecreased, Always, "EXCLUSIVE_MINIMUM_DECREASED", "the reader's exclusive minimum is below the writer's bound";
    MultipleOfAdded, Never, "MULTIPLE_OF_ADDED", "the reader asks for multiples, the writer does not";
    MultipleOfRemoved, Always, "MULTIPLE_OF_REMOVED", "the writer asks for multiples, the reader does not";
    MultipleOfExpanded, Never, "MULTIPLE_OF_EXPANDED", "the reader asks for multiples of a multiple of what the writer asks for";
    MultipleOfReduced, Always, "MULTIPLE_OF_REDUCED", "the reader asks for multiples of a divisor of what the writer asks for";
    MultipleOfChanged, Never, "MULTIPLE_OF_CHANGED", "the reader asks for other multiples than the writer";
    RequiredAttributeAdded, Never, "REQUIRED_ATTRIBUTE_ADDED", "the reader requires a property that the writer may leave out";
    RequiredAttributeWithDefaultAdded, Always, "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED", "the reader requires a property that the writer may leave out, and has a default for it";
    RequiredAttributeRemoved, Always, "REQUIRED_ATTRIBUTE_REMOVED", "the writer requires a property that the reader does not";
    MaxPropertiesAdded, Never, "MAX_PROPERTIES_ADDED", "the reader limits how many properties there are, the writer does not";
    MaxPropertiesRemoved, Always, "MAX_PROPERTIES_REMOVED", "the writer limits how many properties there are, the reader does not";
    MaxPropertiesIncreased, Always, "MAX_PROPERTIES_INCREASED", "the reader takes more properties than the writer";
    MaxPropertiesDecreased, Never, "MAX_PROPERTIES_DECREASED", "the writer can write more properties than the reader takes";
    MinPropertiesAdded, Never, "MIN_PROPERTIES_ADDED", "the reader asks for a number of properties, the writer does not";
    MinPropertiesRemoved, Always, "MIN_PROPERTIES_REMOVED", "the writer asks for a number of properties, the reader does not";
    MinPropertiesIncreased, Never, "MIN_PROPERTIES_INCREASED", "the writer can write fewer properties than the reader takes";
    MinPropertiesDecreased, Always, "MIN_PROPERTIES_DECREASED", "the reader takes fewer properties than the writer";
    AdditionalPropertiesAdded, Always, "ADDITIONAL_PROPERTIES_ADDED", "the reader takes additional properties, the writer has none";
    AdditionalPropertiesRemoved, IfLenient, "ADDITIONAL_PROPERTIES_REMOVED", "the reader takes no additional properties, the writer has some";
    AdditionalPropertiesExtended, Always, "ADDITIONAL_PROPERTIES_EXTENDED", "the reader takes any additional properties, the writer only such as its schema says";
    AdditionalPropertiesNarrowed, IfLenient, "ADDITIONAL_PROPERTIES_NARROWED", "the reader takes additional properties as its schema says, the writer has any";
    DependencyArrayAdded, Never, "DEPENDENCY_ARRAY_ADDED", "with this property the reader requires others, the writer does not";
    DependencyArrayRemoved, Always, "DEPENDENCY_ARRAY_REMOVED", "with this property the writer requires others, the reader does not";
    DependencyArrayExtended, Never, "DEPENDENCY_ARRAY_EXTENDED", "with this property the reader requires more others than the writer";
    DependencyArrayNarrowed, Always, "DEPENDENCY_ARRAY_NARROWED", "with this property the reader requires fewer others than the writer";
    DependencyArrayChanged, Never, "DEPENDENCY_ARRAY_CHANGED", "with this property the reader requires other ones than the writer";
    DependencySchemaAdded, Never, "DEPENDENCY_SCHEMA_ADDED", "with this property the reader asks for a schema, the writer does not";
    DependencySchemaRemoved, Always, "DEPENDENCY_SCHEMA_REMOVED", "with this property the writer asks for a schema, the reader does not";
    PropertyAddedToOpenContentModel, Never, "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", "the reader describes a property that the writer may write as it likes (what releases before 8 say; never said here)";
    RequiredPropertyAddedToOpenContentModel, Never, "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", "the reader requires and describes a property that the writer may leave out or write as it likes";
    RequiredPropertyWithDefaultAddedToOpenContentModel, IfLenient, "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL", "the reader describes a property that the writer may write as it likes, and requires it with a default";
    OptionalPropertyAddedToOpenContentModel, IfLenient, "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", "the reader describes a property that the writer may write as it likes";
    PropertyWithEmptySchemaAddedToOpenContentModel, Always, "PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL", "the reader names a property without saying anything of it, and the writer may write it as it likes";
    RequiredPropertyAddedToUnopenContentModel, Never, "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", "the reader requires a property that the writer does not know";
    RequiredPropertyWithDefaultAddedToUnopenContentModel, Always, "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL", "the reader requires a property that the writer does not know, and has a default for it";
    OptionalPropertyAddedToUnopenContentModel, Always, "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", "the reader knows a property that the writer does not know, and does not require it";
    PropertyRemovedFromOpenContentModel, Always, "PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL", "the writer describes a property that the reader takes as it is";
    PropertyWithFalseRemovedFromClosedContentModel, Always, "PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", "the writer excludes a property that the reader does not know";
    PropertyRemovedFromClosedContentModel, IfLenient, "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", "the writer may write a property that the reader excludes";
    PropertyRemovedIsCoveredByPartiallyOpenContentModel, Always, "PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "the writer describes a property that the reader's patterns or additional properties take";
    PropertyRemovedNotCoveredByPartiallyOpenContentModel, IfLenient, "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "the writer describes a property that the reader's patterns or additional properties do not take";
    PropertyAddedIsCoveredByPartiallyOpenContentModel, Always, "PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "the reader describes a property and takes what the writer's patterns or additional properties allow for it";
    PropertyAddedNotCoveredByPartiallyOpenContentModel, IfLenient, "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "the reader describes a property and does not take what the writer's patterns or additional properties allow for it";
    ReservedPropertyRemoved, Never, "RESERVED_PROPERTY_REMOVED", "a property that was reserved no longer is";
    ReservedPropertyConflictsWithProperty, Never, "RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY", "the schema describes a property that is reserved";
    UnevaluatedPropertiesAdded, Always, "UNEVALUATED_PROPERTIES_ADDED", "the reader takes unevaluated properties, the writer has none";
    UnevaluatedPropertiesRemoved, IfLenient, "UNEVALUATED_PROPERTIES_REMOVED", "the reader takes no unevaluated properties, the writer has some";
    UnevaluatedPropertiesExtended, Always, "UNEVALUATED_PROPERTIES_EXTENDED", "the reader takes any unevaluated properties, the writer only such as its schema says";
    UnevaluatedPropertiesNarrowed, IfLenient, "UNEVALUATED_PROPERTIES_NARROWED", "the reader takes unevaluated properties as its schema says, the writer has others";
    MaxItemsAdded, Never, "MAX_ITEMS_ADDED", "the reader limits how many items there are, the writer does not";
    MaxItemsRemoved, Always, "MAX_ITEMS_REMOVED", "the writer limits how many items there are, the reader does not";
    MaxItemsIncreased, Always, "MAX_ITEMS_INCREASED", "the reader takes more items than the writer";
    MaxItemsDecreased, Never, "MAX_ITEMS_DECREASED", "the writer can write more items than the reader takes";
    MinItemsAdded, Never, "MIN_ITEMS_ADDED", "the reader asks for a number of items, the writer does not";
    MinItemsRemoved, Always, "MIN_ITEMS_REMOVED", "the writer asks for a number of items, the reader does not";
    MinItemsIncreased, Never, "MIN_ITEMS_INCREASED", "the writer can write fewer items than the reader takes";
    MinItemsDecreased, Always, "MIN_ITEMS_DECREASED", "the reader takes fewer items than the writer";
    MaxContainsAdded, Never, "MAX_CONTAINS_ADDED", "the reader limits how many items are of a kind, the writer does not";
    MaxContainsRemoved, Always, "MAX_CONTAINS_REMOVED", "the writer limits how many items are of a kind, the reader does not";
    MaxContainsIncreased, Always, "MAX_CONTAINS_INCREASED", "the reader takes more items of a kind than the writer";
    MaxContainsDecreased, Never, "MAX_CONTAINS_DECREASED", "the writer can write more items of a kind than the reader takes";
    MinContainsAdded, Never, "MIN_CONTAINS_ADDED", "the reader asks for items of a kind, the writer does not";
    MinContainsRemoved, Always, "MIN_CONTAINS_REMOVED", "the writer asks for items of a kind, the reader does not";
    MinContainsIncreased, Never, "MIN_CONTAINS_INCREASED", "the writer can write fewer items of a kind than the reader takes";
    MinContainsDecreased, Always, "MIN_CONTAINS_DECREASED", "the reader takes fewer items of a kind than the writer";
    UniqueItemsAdded, Never, "UNIQUE_ITEMS_ADDED", "the reader asks for items that differ, the writer does not";
    UniqueItemsRemoved, Always, "UNIQUE_ITEMS_REMOVED", "the writer asks for items that differ, the reader does not";
    AdditionalItemsAdded, Always, "ADDITIONAL_ITEMS_ADDED", "the reader takes additional items, the writer has none";
    AdditionalItemsRemoved, Never, "ADDITIONAL_ITEMS_REMOVED", "the reader takes no additional items, the writer has some";
    AdditionalItemsExtended, Always, "ADDITIONAL_ITEMS_EXTENDED", "the reader takes any additional items, the writer only such as its schema says";
    AdditionalItemsNarrowed, Never, "ADDITIONAL_ITEMS_NARROWED", "the reader takes additional items as its schema says, the writer has any";
    UnevaluatedItemsAdded, Always, "UNEVALUATED_ITEMS_ADDED", "the reader takes unevaluated items, the writer has none";
    UnevaluatedItemsRemoved, Never, "UNEVALUATED_ITEMS_REMOVED", "the reader takes no unevaluated items, the writer has some";
    UnevaluatedItemsExtended, Always, "UNEVALUATED_ITEMS_EXTENDED", "the reader takes any unevaluated items, the writer only such as its schema says";
    UnevaluatedItemsNarrowed, Never, "UNEVALUATED_ITEMS_NARROWED", "the reader takes unevaluated items as its schema says, the writer has others";
    ItemAddedToOpenContentModel, Never, "ITEM_ADDED_TO_OPEN_CONTENT_MODEL", "the reader describes an item that the writer may write as it likes";
    ItemWithEmptySchemaAddedToOpenContentModel, Always, "ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL", "the reader names an item without saying anything of it, and the writer may write it as it likes";
    ItemAddedToClosedContentModel, Always, "ITEM_ADDED_TO_CLOSED_CONTENT_MODEL", "the reader knows an item that the writer does not know";
    ItemRemovedFromOpenContentModel, Always, "ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL", "the writer describes an item that the reader takes as it is";
    ItemWithFalseRemovedFromClosedContentModel, Always, "ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", "the writer excludes an item that the reader does not know";
    ItemRemovedFromClosedContentModel, Never, "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL", "the writer may write an item that the reader excludes";
    ItemRemovedIsCoveredByPartiallyOpenContentModel, Always, "ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "the writer describes an item that the reader's additional items take";
    ItemRemovedNotCoveredByPartiallyOpenContentModel, Never, "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "the writer describes an item that the reader's additional items do not take";
    ItemAddedIsCoveredByPartiallyOpenContentModel, Always, "ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "the reader describes an item and takes what the writer's additional items allow for it";
    ItemAddedNotCoveredByPartiallyOpenContentModel, Never, "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "the reader describes an item and does not take what the writer's additional items allow for it";
    EnumArrayExtended, Always, "ENUM_ARRAY_EXTENDED", "the reader takes more values than the writer";
    EnumArrayNarrowed, Never, "ENUM_ARRAY_NARROWED", "the reader takes fewer values than the writer";
    EnumArrayChanged, Never, "ENUM_ARRAY_CHANGED", "the reader takes other values than the writer";
    CombinedTypeExtended, Always, "COMBINED_TYPE_EXTENDED", "the reader combines schemas in a way that takes more than the writer's";
    CombinedTypeChanged, Never, "COMBINED_TYPE_CHANGED", "the reader combines schemas in another way than the writer";
    ProductTypeExtended, Never, "PRODUCT_TYPE_EXTENDED", "the reader asks for something beside all that the writer asks for";
    ProductTypeNarrowed, Always, "PRODUCT_TYPE_NARROWED", "the writer asks for something beside all that the reader asks for";
    SumTypeExtended, Always, "SUM_TYPE_EXTENDED", "the reader takes alternatives that the writer does not have";
    SumTypeNarrowed, Never, "SUM_TYPE_NARROWED", "the writer has alternatives that the reader does not take";
    CombinedTypeSubschemasChanged, Never, "COMBINED_TYPE_SUBSCHEMAS_CHANGED", "not every alternative of the writer is taken, once, by one of the reader's";
    NotTypeExtended, Never, "NOT_TYPE_EXTENDED", "the reader excludes something that the writer may write";
    NotTypeNarrowed, Always, "NOT_TYPE_NARROWED", "the writer excludes all that the reader excludes";
}

impl Kind {
    /// Whether a reader can read what was written, in spite of such a difference.
    #[must_use]
    pub const fn is_compatible(self, policy: Policy) -> bool {
        match self.compatible() {
            Compatible::Always => true,
            Compatible::IfLenient => matches!(policy, Policy::Lenient),
            Compatible::Never => false,
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One difference between the schema of a writer and that of a reader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// What differs.
    pub kind: Kind,
    /// Where, as Confluent writes it: `#/properties/a`, and `#/` for the whole.
    pub path: String,
}

/// As Confluent's verbose messages have it.
impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { kind, path } = self;
        let path = path.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "{{errorType:\"{kind}\", description:\"At path '{path}' {}\"}}", kind.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient_takes_nine_kinds_more_than_strict() {
        let count = |policy| Kind::ALL.iter().filter(|kind| kind.is_compatible(policy)).count();
        assert_eq!((Kind::ALL.len(), count(Policy::Strict), count(Policy::Lenient)), (132, 65, 74));
    }

    #[test]
    fn a_difference_reads_as_confluents_messages_do() {
        let difference = Difference { kind: Kind::MaximumAdded, path: "#/properties/a\"/maximum".to_owned() };
        let text = r#"{errorType:"MAXIMUM_ADDED", description:"At path '#/properties/a\"/maximum' the reader sets a maximum, the writer does not"}"#;
        assert_eq!(difference.to_string(), text);
    }
}
