//! [`Target`]: the query's columns as those of the table that they go to.

use super::{Statement, StatementError};
use crate::{changes::Changes, table::Table};
use datafusion::arrow::{
    array::{Array as _, ArrayRef, new_null_array},
    compute::cast,
    datatypes::{Field, Schema},
};
use std::sync::Arc;

/// How the query's columns become those of the sink.
pub(super) struct Target {
    table: Arc<Table>,
    wanted: Vec<usize>,
}

impl Target {
    pub(super) fn of(statement: &Statement) -> Result<Self, StatementError> {
        Ok(Self { table: Arc::clone(&statement.sink), wanted: statement.wanted_columns()? })
    }

    /// Changes with the sink's columns.
    pub(super) fn columns(&self, changes: &Changes) -> Result<Changes, StatementError> {
        let rows = changes.rows();
        let column = |(place, field): (usize, &Arc<Field>)| match self.wanted.iter().position(|wanted| *wanted == place)
        {
            Some(from) if !field.is_nullable() && rows.column(from).logical_null_count() > 0 => {
                let (column, table) = (field.name(), &self.table.name);
                let message = format!("a row has NULL for `{column}`, which is NOT NULL in table `{table}`");
                Err(StatementError::Columns(message))
            }
            Some(from) => Ok(cast(rows.column(from), field.data_type())?),
            None => Ok(new_null_array(field.data_type(), changes.len())),
        };
        let columns = self.table.schema.fields().iter().enumerate().map(column);
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, StatementError>>()?;
        // A column that is not null may have no value here: it is one that is not written.
        let nullable = self.table.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        Ok(changes.with_columns(schema, columns)?)
    }
}
