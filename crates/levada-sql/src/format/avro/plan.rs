//! [`Plan`]: how a value of the writer's type becomes one of a column's type.

use crate::format::leaf::Leaf;
use crate::types::{Item, Type};
use levada_avro::{Kind, Node, Schema, TypeId};

/// How the outermost value becomes columns.
pub(super) enum Root {
    /// A record, whose fields are columns.
    Row(Vec<Step>),
    /// The column, if it is wanted.
    Single(Step),
}

/// A field as it was written.
pub(super) enum Step {
    /// It becomes the column of that index.
    Read(usize, String, Plan),
    /// Nothing wants it.
    Skip(TypeId),
}

/// How one value becomes another.
pub(super) enum Plan {
    Null,
    /// What the writer has, read as that.
    Leaf(Source, Leaf),
    /// One plan for each branch.
    Union(Vec<Plan>),
    Array {
        element: Box<Plan>,
        is_nullable: bool,
    },
    Map {
        value: Box<Plan>,
        is_nullable: bool,
    },
    Row {
        steps: Vec<Step>,
        fields: Vec<(String, bool)>,
    },
    /// It does not, which is an error once there is such a value.
    Mismatch {
        found: String,
        expected: String,
    },
}

/// A type without types in it, as it was written.
#[derive(Clone)]
pub(super) enum Source {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<String>),
    /// Digits behind the point, and how many bytes where they are fixed.
    Decimal {
        scale: u32,
        size: Option<usize>,
    },
    Date,
    /// In units of which a second has so many.
    Time {
        units_of_second: i64,
    },
    Timestamp {
        units_of_second: i64,
    },
}

pub(super) fn root(schema: &Schema, wanted: &[(String, Item)], is_single: bool) -> Root {
    match schema.kind(schema.root()) {
        Kind::Record(_) => Root::Row(steps(schema, schema.root(), wanted)),
        _ => Root::Single(match wanted.first() {
            Some((name, item)) if is_single => Step::Read(0, name.clone(), plan(schema, schema.root(), item)),
            _ => Step::Skip(schema.root()),
        }),
    }
}

fn steps(schema: &Schema, id: TypeId, wanted: &[(String, Item)]) -> Vec<Step> {
    let Kind::Record(record) = schema.kind(id) else { return Vec::new() };
    let step = |field: &levada_avro::Field| match wanted.iter().enumerate().find(|(_, (name, _))| *name == field.name) {
        Some((index, (name, item))) => Step::Read(index, name.clone(), plan(schema, field.schema, item)),
        None => Step::Skip(field.schema),
    };
    record.fields.iter().map(step).collect()
}

/// The plan for one type and the type of a column. It goes as deep as the latter: unions do not lie in unions.
fn plan(schema: &Schema, id: TypeId, item: &Item) -> Plan {
    let node = schema.node(id);
    let mismatch = || Plan::Mismatch { found: described(node), expected: item.value.to_string() };
    match (&node.kind, &item.value) {
        (Kind::Null, _) => Plan::Null,
        (Kind::Union(branches), _) => Plan::Union(branches.iter().map(|branch| plan(schema, *branch, item)).collect()),
        (Kind::Array(inner), Type::Array(element)) => {
            Plan::Array { element: Box::new(plan(schema, *inner, element)), is_nullable: element.is_nullable }
        }
        (Kind::Map(inner), Type::Map(key, value)) if Leaf::of(&key.value) == Some(Leaf::Text) => {
            Plan::Map { value: Box::new(plan(schema, *inner, value)), is_nullable: value.is_nullable }
        }
        (Kind::Record(_), Type::Row(fields)) => Plan::Row {
            steps: steps(schema, id, fields),
            fields: fields.iter().map(|(name, item)| (name.clone(), item.is_nullable)).collect(),
        },
        (_, of) => match (source(node), Leaf::of(of)) {
            (Some(source), Some(leaf)) if is_read_as(&source, leaf) => Plan::Leaf(source, leaf),
            // As what it is without its logical type.
            (Some(_), Some(leaf)) => match plain(&node.kind) {
                Some(source) if is_read_as(&source, leaf) => Plan::Leaf(source, leaf),
                _ => mismatch(),
            },
            _ => mismatch(),
        },
    }
}

pub(super) fn described(node: &Node) -> String {
    match node.logical_type() {
        Some(logical) => format!("{} ({logical})", node.kind.word()),
        None => node.kind.word().to_owned(),
    }
}

pub(super) fn source(node: &Node) -> Option<Source> {
    Some(match node.logical_type() {
        Some("decimal") => {
            let (_, scale) = node.decimal()?;
            let size = if let Kind::Fixed(fixed) = &node.kind { Some(fixed.size) } else { None };
            Source::Decimal { scale, size }
        }
        Some("date") => Source::Date,
        Some("time-millis") => Source::Time { units_of_second: 1_000 },
        Some("time-micros") => Source::Time { units_of_second: 1_000_000 },
        Some("timestamp-millis" | "local-timestamp-millis") => Source::Timestamp { units_of_second: 1_000 },
        Some("timestamp-micros" | "local-timestamp-micros") => Source::Timestamp { units_of_second: 1_000_000 },
        Some("timestamp-nanos" | "local-timestamp-nanos") => Source::Timestamp { units_of_second: 1_000_000_000 },
        _ => return plain(&node.kind),
    })
}

fn plain(kind: &Kind) -> Option<Source> {
    Some(match kind {
        Kind::Boolean => Source::Boolean,
        Kind::Int => Source::Int,
        Kind::Long => Source::Long,
        Kind::Float => Source::Float,
        Kind::Double => Source::Double,
        Kind::Bytes => Source::Bytes,
        Kind::String => Source::String,
        Kind::Fixed(fixed) => Source::Fixed(fixed.size),
        Kind::Enum(symbols) => Source::Enum(symbols.symbols.clone()),
        Kind::Null | Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Record(_) => return None,
    })
}

fn is_read_as(source: &Source, leaf: Leaf) -> bool {
    match source {
        Source::Boolean => leaf == Leaf::Boolean,
        // Flink writes its small integers as ints.
        Source::Int => matches!(leaf, Leaf::I8 | Leaf::I16 | Leaf::I32 | Leaf::I64 | Leaf::F32 | Leaf::F64),
        Source::Long => matches!(leaf, Leaf::I64 | Leaf::F32 | Leaf::F64),
        Source::Float => matches!(leaf, Leaf::F32 | Leaf::F64),
        Source::Double => leaf == Leaf::F64,
        Source::Bytes | Source::String => matches!(leaf, Leaf::Bytes | Leaf::Text),
        Source::Fixed(_) => leaf == Leaf::Bytes,
        Source::Enum(_) => leaf == Leaf::Text,
        Source::Decimal { .. } => matches!(leaf, Leaf::Decimal { .. }),
        Source::Date => leaf == Leaf::Date,
        Source::Time { .. } => matches!(leaf, Leaf::Time { .. }),
        Source::Timestamp { .. } => matches!(leaf, Leaf::Timestamp { .. }),
    }
}
