//! The columns that a schema of a registry describes: what makes a table of a topic that nobody declared.
//!
//! What has no type in SQL is refused with its place, unless text or bytes hold all of it. Schemas come from strangers:
//! how deep they go and how many columns they make, however they refer to themselves, is bounded.

mod avro;
mod json_schema;
mod protobuf;

pub use avro::columns_of_avro;
pub use json_schema::columns_of_json_schema;
pub use protobuf::columns_of_protobuf;
pub(in crate::format) use protobuf::{TIMESTAMP, wrapped};

use crate::types::{Item, TYPE_DEPTH_MAX};
use arrow::datatypes::Fields;

/// How many types a schema may come to, those within others counted where they are used.
const TYPES_MAX: usize = 10_000;

/// Why a schema makes no columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// There is no type of SQL for it.
    #[error("{}{found} has no type in SQL: declare the table with the columns that you need", place(.path))]
    NoType {
        /// The fields that lead to it.
        path: Vec<String>,
        /// What it is.
        found: String,
    },
    /// A type lies within itself.
    #[error("{}`{name}` lies within itself: declare the table with the columns that you need", place(.path))]
    Recursive {
        /// The fields that lead to it.
        path: Vec<String>,
        /// Its name.
        name: String,
    },
    /// Types within types within types.
    #[error("{}nested deeper than {TYPE_DEPTH_MAX} levels", place(.path))]
    TooDeep {
        /// The fields that lead to it.
        path: Vec<String>,
    },
    /// More types than are taken.
    #[error("more than {TYPES_MAX} types: declare the table with the columns that you need")]
    TooMany,
    /// It is no schema, or what it refers to is not there.
    #[error("no schema: {reason}")]
    Schema {
        /// Why not.
        reason: String,
    },
}

fn place(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!("field `{}`: ", path.join(".")) }
}

impl ColumnsError {
    fn no_type(found: impl Into<String>) -> Self {
        Self::NoType { path: Vec::new(), found: found.into() }
    }

    fn under(mut self, name: &str) -> Self {
        match &mut self {
            Self::NoType { path, .. } | Self::Recursive { path, .. } | Self::TooDeep { path } => {
                path.insert(0, name.to_owned());
            }
            Self::TooMany | Self::Schema { .. } => {}
        }
        self
    }
}

/// The way that led to a type, and how many types there were before.
struct Walk<K> {
    /// Types with names, or with places, within which one is.
    open: Vec<K>,
    depth: usize,
    types: usize,
}

impl<K: PartialEq> Walk<K> {
    const fn new() -> Self {
        Self { open: Vec::new(), depth: 0, types: 0 }
    }

    /// Goes one type deeper while `within` runs; `key` may not be open already.
    fn enter<T>(
        &mut self,
        key: K,
        name: &str,
        within: impl FnOnce(&mut Self) -> Result<T, ColumnsError>,
    ) -> Result<T, ColumnsError> {
        if self.open.contains(&key) {
            return Err(ColumnsError::Recursive { path: Vec::new(), name: name.to_owned() });
        }
        if self.depth >= TYPE_DEPTH_MAX {
            return Err(ColumnsError::TooDeep { path: Vec::new() });
        }
        self.types += 1;
        if self.types > TYPES_MAX {
            return Err(ColumnsError::TooMany);
        }
        self.open.push(key);
        self.depth += 1;
        let outcome = within(self);
        self.depth -= 1;
        self.open.pop();
        outcome
    }
}

fn fields(columns: &[(String, Item)]) -> Fields {
    columns.iter().map(|(name, item)| item.field(name)).collect()
}
