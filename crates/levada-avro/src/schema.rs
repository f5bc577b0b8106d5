//! [`Schema`]: the types of a schema, each with a number; types refer to each other by these, so that recursion is
//! no cycle of pointers.

use crate::canonical;
use crate::error::Problem;
use crate::json::Json;
use crate::logical;
use crate::name::Name;

/// A type within its [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub(crate) u32);

impl TypeId {
    pub(crate) fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A parsed schema with all that it refers to.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: TypeId,
    /// Full names of the references' outermost types: they are printed by name only.
    pub(crate) referenced: Vec<String>,
    pub(crate) canonical: String,
}

/// A type with what is noted beside it.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Members that Avro gives no meaning, and `logicalType` with its own, in the order of the text.
    pub properties: Vec<(String, Json)>,
}

/// What a type is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Nothing.
    Null,
    /// True or false.
    Boolean,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    Long,
    /// 32 bits, IEEE 754.
    Float,
    /// 64 bits, IEEE 754.
    Double,
    /// Any bytes.
    Bytes,
    /// Text.
    String,
    /// Any number of values of one type.
    Array(TypeId),
    /// Values of one type under names.
    Map(TypeId),
    /// A value of one of these.
    Union(Vec<TypeId>),
    /// Fields.
    Record(Record),
    /// One of some symbols.
    Enum(Enum),
    /// So many bytes.
    Fixed(Fixed),
}

/// A record, or an error, which is a record by another name.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it is called.
    pub name: Name,
    /// What else it was called.
    pub aliases: Vec<Name>,
    /// What people should know of it.
    pub doc: Option<String>,
    /// Whether it was declared as `error`.
    pub is_error: bool,
    /// Its fields in the order in which they are written.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Clone, Debug)]
pub struct Field {
    /// What it is called.
    pub name: String,
    /// What else it was called.
    pub aliases: Vec<String>,
    /// What people should know of it.
    pub doc: Option<String>,
    /// Its type.
    pub schema: TypeId,
    /// What a reader takes where the writer had no such field.
    pub default: Option<Json>,
    /// What it does to the order of records.
    pub order: Order,
    /// Members that Avro gives no meaning, in the order of the text.
    pub properties: Vec<(String, Json)>,
}

/// What a field does to the order of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Less comes first.
    #[default]
    Ascending,
    /// More comes first.
    Descending,
    /// Nothing.
    Ignore,
}

/// An enum.
#[derive(Clone, Debug)]
pub struct Enum {
    /// What it is called.
    pub name: Name,
    /// What else it was called.
    pub aliases: Vec<Name>,
    /// What people should know of it.
    pub doc: Option<String>,
    /// Its symbols in the order by which they are written.
    pub symbols: Vec<String>,
    /// What a reader takes for a symbol that it does not know.
    pub default: Option<String>,
}

/// A fixed.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// What it is called.
    pub name: Name,
    /// What else it was called.
    pub aliases: Vec<Name>,
    /// What people should know of it.
    pub doc: Option<String>,
    /// How many bytes.
    pub size: usize,
}

impl Schema {
    /// The outermost type.
    #[must_use]
    pub fn root(&self) -> TypeId {
        self.root
    }

    /// The type of that number.
    ///
    /// # Panics
    /// For the number of another schema's type, where this one has fewer.
    #[must_use]
    pub fn node(&self, id: TypeId) -> &Node {
        self.nodes.get(id.index()).expect("a type's number comes from its own schema")
    }

    /// What the type of that number is.
    ///
    /// # Panics
    /// As [`Self::node`] does.
    #[must_use]
    pub fn kind(&self, id: TypeId) -> &Kind {
        &self.node(id).kind
    }

    /// One line that stands for the schema: what Java's `Schema.toString` prints, with references left as names.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// As [`Self::canonical`], with references printed where they are first used: Confluent's format `resolved`.
    ///
    /// # Errors
    /// [`Problem::TooDeep`], which the canonical line cannot be.
    pub fn resolved(&self) -> Result<String, Problem> {
        Ok(canonical::line(self, [])?)
    }

    /// The canonical line of [`Self::normalize`].
    #[must_use]
    pub fn normalized(&self) -> String {
        self.normalize().canonical
    }

    /// The record's full name, where the outermost type is a record.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self.kind(self.root) {
            Kind::Record(record) => Some(record.name.full().to_owned()),
            _ => None,
        }
    }

    /// The full name of a named type, the type's word of another.
    pub(crate) fn full_name(&self, id: TypeId) -> &str {
        let kind = self.kind(id);
        kind.name().map_or_else(|| kind.word(), Name::full)
    }
}

impl Node {
    /// Its logical type, if it has one that its type can have.
    #[must_use]
    pub fn logical_type(&self) -> Option<&str> {
        logical::of(self)
    }

    /// The precision and scale of a decimal, as [`Self::logical_type`] calls it.
    #[must_use]
    pub fn decimal(&self) -> Option<(u32, u32)> {
        let number = |name| match self.properties.iter().find(|(key, _)| key == name) {
            Some((_, Json::Integer(value))) => u32::try_from(*value).ok(),
            _ => None,
        };
        let precision = number("precision").filter(|_| self.logical_type() == Some("decimal"))?;
        Some((precision, number("scale").unwrap_or_default()))
    }
}

impl Kind {
    /// The word that schemas have for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Record(_) => "record",
            Self::Enum(_) => "enum",
            Self::Fixed(_) => "fixed",
        }
    }

    /// The primitive type of that word.
    pub(crate) fn primitive(word: &str) -> Option<Self> {
        Some(match word {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "bytes" => Self::Bytes,
            "string" => Self::String,
            _ => return None,
        })
    }

    /// What a record, an enum or a fixed is called.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Record(Record { name, .. }) | Self::Enum(Enum { name, .. }) | Self::Fixed(Fixed { name, .. }) => {
                Some(name)
            }
            _ => None,
        }
    }

    /// What else a record, an enum or a fixed was called.
    #[must_use]
    pub fn aliases(&self) -> &[Name] {
        match self {
            Self::Record(Record { aliases, .. })
            | Self::Enum(Enum { aliases, .. })
            | Self::Fixed(Fixed { aliases, .. }) => aliases,
            _ => &[],
        }
    }

    /// The types within, in order.
    pub(crate) fn children(&self) -> Vec<TypeId> {
        match self {
            Self::Array(element) => vec![*element],
            Self::Map(value) => vec![*value],
            Self::Union(branches) => branches.clone(),
            Self::Record(record) => record.fields.iter().map(|field| field.schema).collect(),
            _ => Vec::new(),
        }
    }

    /// The numbers of the types within, to be changed.
    pub(crate) fn children_mut(&mut self) -> Vec<&mut TypeId> {
        match self {
            Self::Array(child) | Self::Map(child) => vec![child],
            Self::Union(branches) => branches.iter_mut().collect(),
            Self::Record(record) => record.fields.iter_mut().map(|field| &mut field.schema).collect(),
            _ => Vec::new(),
        }
    }
}

impl Order {
    /// The word that schemas have for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
            Self::Ignore => "ignore",
        }
    }
}
