//! [`Table`]: a topic as rows of columns, as it was declared.

pub(crate) mod computed;
mod options;

use crate::{
    datagen::DataGen,
    format::{Format, FormatError},
    types::{Item, Type, UnsupportedType},
};
use computed::{Computed, Definition};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use levada_sql_syntax::{self as syntax, ColumnDef, CreateTable, IntervalValue, ast, interval_value};
use std::{collections::BTreeMap, sync::Arc};

/// A column's metadata says with this key that it is the table's event time.
pub(crate) const ROWTIME_KEY: &str = "levada.rowtime";

/// Why a table is not what it was declared to be.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A format is not set up soundly.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A type is not supported.
    #[error(transparent)]
    Type(#[from] UnsupportedType),
    /// An option is missing, unknown, or cannot have its value.
    #[error("{0}")]
    Option(String),
    /// The declaration is not supported, or contradicts itself.
    #[error("{0}")]
    Declaration(String),
}

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A field of the record's key.
    Key,
    /// A field of the record's value.
    Value,
    /// The record's timestamp.
    Timestamp,
    /// Its partition.
    Partition,
    /// Its offset.
    Offset,
    /// Other columns of the row.
    Computed,
}

/// How rows change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changelog {
    /// They only come.
    Append,
    /// Of each key the last one counts; a record without a value takes it away.
    Upsert,
}

/// When all rows before some time are taken to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The column with the time of events.
    pub column: usize,
    /// How far it lags behind the latest of them, in milliseconds.
    pub delay_ms: i64,
}

/// What a table's rows are.
#[derive(Clone, Debug, PartialEq)]
pub enum Connector {
    /// Records of the topic of this name.
    Topic(String),
    /// Made up; they can only be read.
    DataGen(Arc<DataGen>),
    /// Gone when they are written; they can only be written.
    Blackhole,
}

/// Rows with columns, as it was declared.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Where its rows come from or go to.
    pub connector: Connector,
    /// Its columns; the field of event time is marked.
    pub schema: SchemaRef,
    /// Of each column: where it comes from.
    pub origins: Vec<Origin>,
    /// Its columns that are computed.
    pub(crate) computed: BTreeMap<usize, Computed>,
    /// Its event time.
    pub watermark: Option<Watermark>,
    /// The columns of its primary key.
    pub primary_key: Vec<usize>,
    /// How it changes.
    pub changelog: Changelog,
    /// How keys are understood, where columns come from them.
    pub key_format: Option<Format>,
    /// How values are understood.
    pub value_format: Format,
}

impl Table {
    /// The table that a statement declares.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn declared(create: &CreateTable) -> Result<Self, TableError> {
        let Columns { mut fields, mut origins, computed } = Columns::declared(&create.columns)?;
        let position = |name: &ast::Ident| {
            let found = fields.iter().position(|field| *field.name() == name.value);
            found.ok_or_else(|| TableError::Declaration(format!("there is no column `{}`", name.value)))
        };
        let watermark = match &create.watermark {
            Some(watermark) => {
                let column = position(&watermark.column)?;
                Some(Watermark { column, delay_ms: delay(&watermark.column, &watermark.expr)? })
            }
            None => None,
        };
        let primary_key = create.primary_key.iter().flatten().map(position).collect::<Result<Vec<_>, _>>()?;
        if let Some(watermark) = watermark {
            mark_rowtime(&mut fields, watermark.column)?;
        }
        let name = name_of(&create.name)?;
        let options = options::Options::read(&name, &create.options, &primary_key, &fields, &origins)?;
        if let Some(key) = primary_key.iter().find(|key| origins[**key] == Origin::Computed) {
            let message = format!("`{}` is computed, and cannot be part of the key", fields[*key].name());
            return Err(TableError::Declaration(message));
        }
        for key in &options.key_fields {
            let at = fields.iter().position(|field| field.name() == key);
            let at = at.ok_or_else(|| TableError::Option(format!("`key.fields` names `{key}`, which is no column")))?;
            if origins[at] == Origin::Computed {
                return Err(TableError::Option(format!("`key.fields` names `{key}`, which is computed")));
            }
            origins[at] = Origin::Key;
        }
        if options.changelog == Changelog::Upsert {
            primary_key.iter().for_each(|key| origins[*key] = Origin::Key);
            // Of a row that goes only the key is known.
            computed.keys().for_each(|place| fields[*place] = fields[*place].clone().with_nullable(true));
        }
        if origins.contains(&Origin::Key) && options.key_format.is_none() {
            return Err(TableError::Option("`key.format` is missing: columns come from the key".to_owned()));
        }
        Ok(Self {
            name,
            connector: options.connector,
            schema: Arc::new(Schema::new(fields)),
            origins,
            computed,
            watermark,
            primary_key,
            changelog: options.changelog,
            key_format: options.key_format,
            value_format: options.value_format,
        })
    }

    /// Names and types of its columns.
    #[must_use]
    pub fn attributes(&self) -> Vec<(String, Item)> {
        let named = |field: &Arc<Field>| Some((field.name().clone(), Item::of(field).ok()?));
        self.schema.fields().iter().filter_map(named).collect()
    }

    /// Its topic, if it is one.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        match &self.connector {
            Connector::Topic(topic) => Some(topic),
            Connector::DataGen(_) | Connector::Blackhole => None,
        }
    }

    /// The format of its keys or values that needs the schema registry, if one does.
    #[must_use]
    pub fn registry_format(&self) -> Option<&'static str> {
        self.key_format.as_ref().and_then(Format::of_registry).or_else(|| self.value_format.of_registry())
    }

    /// The type of a column as SQL has it, and whether it may be NULL.
    #[must_use]
    pub fn column_type(&self, name: &str) -> Option<(String, bool)> {
        let (_, field) = self.schema.column_with_name(name)?;
        Some((Type::of(field).ok()?.to_string(), field.is_nullable()))
    }

    /// The columns of its key, where of each key the last row counts.
    pub(crate) fn upsert_key(&self) -> Option<Vec<usize>> {
        (self.changelog == Changelog::Upsert).then(|| self.primary_key.clone())
    }

    /// Whether a statement that writes the table has a value for the column.
    pub(crate) fn is_written(&self, column: usize) -> bool {
        matches!(self.origins[column], Origin::Key | Origin::Value | Origin::Timestamp)
    }

    /// The columns that come from an origin.
    pub(crate) fn columns_of(&self, origin: Origin) -> Vec<usize> {
        (0..self.origins.len()).filter(|column| self.origins[*column] == origin).collect()
    }
}

/// The last part of a name: there is one database.
///
/// # Errors
/// Where it has more parts.
pub fn name_of(name: &ast::ObjectName) -> Result<String, TableError> {
    match name.0.as_slice() {
        [ast::ObjectNamePart::Identifier(name)] => Ok(name.value.clone()),
        _ => {
            Err(TableError::Declaration(format!("`{name}` has several parts; there is one catalog with one database")))
        }
    }
}

/// Columns as they are declared.
struct Columns {
    fields: Vec<Field>,
    origins: Vec<Origin>,
    computed: BTreeMap<usize, Computed>,
}

impl Columns {
    fn declared(columns: &[ColumnDef]) -> Result<Self, TableError> {
        let (mut stored, mut definitions, mut origins) = (Vec::new(), Vec::new(), Vec::new());
        for (place, column) in columns.iter().enumerate() {
            if let ColumnDef::Computed { name, expr, .. } = column {
                definitions.push(Definition { place, name, expr });
                origins.push(Origin::Computed);
                continue;
            }
            let (field, origin) = column_of(column)?;
            stored.push((place, field));
            origins.push(origin);
        }
        let mut computed = BTreeMap::new();
        if !definitions.is_empty() {
            for (definition, (field, how)) in definitions.iter().zip(computed::planned(&stored, &definitions)?) {
                stored.push((definition.place, field));
                computed.insert(definition.place, how);
            }
        }
        stored.sort_by_key(|(place, _)| *place);
        Ok(Self { fields: stored.into_iter().map(|(_, field)| field).collect(), origins, computed })
    }
}

/// The field of a column that is not computed, and where it comes from.
fn column_of(column: &ColumnDef) -> Result<(Field, Origin), TableError> {
    match column {
        ColumnDef::Physical { name, data_type, not_null, .. } => {
            let item = Item { value: type_of(data_type)?, is_nullable: !not_null };
            Ok((item.field(&name.value), Origin::Value))
        }
        ColumnDef::Metadata { name, data_type, from, .. } => {
            let key = from.as_deref().unwrap_or(&name.value);
            let (origin, expected) = match key {
                "timestamp" => (Origin::Timestamp, Type::TimestampLtz(3)),
                "partition" => (Origin::Partition, Type::Int),
                "offset" => (Origin::Offset, Type::BigInt),
                other => {
                    let known = "`timestamp`, `partition` and `offset`";
                    return Err(TableError::Declaration(format!("there is no metadata `{other}`, but {known}")));
                }
            };
            let declared = type_of(data_type)?;
            if declared != expected {
                let message = format!("metadata `{key}` is of type {expected}, and `{}` of {declared}", name.value);
                return Err(TableError::Declaration(message));
            }
            Ok((expected.not_null().field(&name.value), origin))
        }
        ColumnDef::Computed { name, .. } => Err(TableError::Declaration(format!("`{}` is computed", name.value))),
    }
}

/// How far a watermark lags: `column` or `column - INTERVAL …`.
fn delay(column: &ast::Ident, expr: &ast::Expr) -> Result<i64, TableError> {
    let is_column = |expr: &ast::Expr| matches!(expr, ast::Expr::Identifier(name) if name.value == column.value);
    let unsupported = || {
        let message = format!("a watermark is `{0}` or `{0} - INTERVAL …`, not `{expr}`", column.value);
        TableError::Declaration(message)
    };
    match expr {
        expr if is_column(expr) => Ok(0),
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Minus, right } if is_column(left) => {
            let ast::Expr::Interval(interval) = &**right else { return Err(unsupported()) };
            match interval_value(interval) {
                Ok(IntervalValue::Milliseconds(delay_ms)) if delay_ms >= 0 => Ok(delay_ms),
                _ => Err(unsupported()),
            }
        }
        _ => Err(unsupported()),
    }
}

fn mark_rowtime(fields: &mut [Field], column: usize) -> Result<(), TableError> {
    let field = &fields[column];
    let DataType::Timestamp(..) = field.data_type() else {
        let message =
            format!("event time is TIMESTAMP or TIMESTAMP_LTZ, and `{}` is {}", field.name(), Type::of(field)?);
        return Err(TableError::Declaration(message));
    };
    let mut metadata: BTreeMap<String, String> = field.metadata().clone().into_iter().collect();
    metadata.insert(ROWTIME_KEY.to_owned(), "true".to_owned());
    fields[column] = field.clone().with_metadata(metadata.into_iter().collect());
    Ok(())
}

/// A type of the dialect as one of the engine.
pub(crate) fn type_of(data_type: &syntax::DataType) -> Result<Type, TableError> {
    use syntax::DataType as Written;
    let digits = |count: u32| u8::try_from(count).unwrap_or(u8::MAX);
    let item = |of: &syntax::NullableType| {
        Ok::<_, TableError>(Item { value: type_of(&of.data_type)?, is_nullable: of.nullable })
    };
    Ok(match data_type {
        Written::Char(length) => Type::Char(*length),
        Written::VarChar(syntax::LENGTH_MAX) => Type::String,
        Written::VarChar(length) => Type::Varchar(*length),
        Written::Boolean => Type::Boolean,
        Written::Binary(length) => Type::Binary(*length),
        Written::VarBinary(syntax::LENGTH_MAX) => Type::Bytes,
        Written::VarBinary(length) => Type::Varbinary(*length),
        Written::Decimal { precision, scale } => Type::Decimal { precision: digits(*precision), scale: digits(*scale) },
        Written::TinyInt => Type::TinyInt,
        Written::SmallInt => Type::SmallInt,
        Written::Int => Type::Int,
        Written::BigInt => Type::BigInt,
        Written::Float => Type::Float,
        Written::Double => Type::Double,
        Written::Date => Type::Date,
        Written::Time(precision) => Type::Time(digits(*precision)),
        Written::Timestamp(precision) => Type::Timestamp(digits(*precision)),
        Written::TimestampLtz(precision) => Type::TimestampLtz(digits(*precision)),
        Written::Array(of) => Type::Array(Box::new(item(of)?)),
        Written::Map(key, value) => Type::Map(Box::new(item(key)?), Box::new(item(value)?)),
        Written::Row(fields) => {
            let field = |field: &syntax::Field| Ok::<_, TableError>((field.name.clone(), item(&field.data_type)?));
            Type::Row(fields.iter().map(field).collect::<Result<_, _>>()?)
        }
        other => return Err(TableError::Declaration(format!("the type {other} is not supported"))),
    })
}
