//! [`Project`]: keeps the rows for which a condition holds, and computes columns of them. It remembers nothing.

use super::{
    Operator, Out, Stats,
    describe::{Description, Memory, names, text},
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
};
use datafusion::{
    arrow::{
        array::{Array as _, BooleanArray},
        datatypes::SchemaRef,
    },
    common::cast::as_boolean_array,
    physical_expr::PhysicalExpr,
};
use std::sync::Arc;

/// Filter, then projection; either may be missing.
pub(crate) struct Project {
    filter: Option<Arc<dyn PhysicalExpr>>,
    projection: Option<(Vec<Arc<dyn PhysicalExpr>>, SchemaRef)>,
    /// Whether it only brings several inputs together.
    is_union: bool,
}

impl Project {
    pub(crate) fn filter(condition: Arc<dyn PhysicalExpr>) -> Self {
        Self { filter: Some(condition), projection: None, is_union: false }
    }

    pub(crate) fn columns(columns: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Self {
        Self { filter: None, projection: Some((columns, schema)), is_union: false }
    }

    /// As [`Self::columns`], of several inputs with the same columns.
    pub(crate) fn union(columns: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Self {
        Self { is_union: true, ..Self::columns(columns, schema) }
    }
}

/// Of which rows `condition` holds.
pub(crate) fn holds(condition: &dyn PhysicalExpr, changes: &Changes) -> Result<BooleanArray, RunError> {
    let value = condition.evaluate(changes.rows())?.into_array(changes.len())?;
    Ok(as_boolean_array(&value)?.clone())
}

impl Operator for Project {
    fn push(&mut self, _: usize, changes: &Changes, out: &mut Out) -> Result<(), RunError> {
        let kept = match &self.filter {
            Some(condition) => changes.filter(&holds(&**condition, changes)?)?,
            None => changes.clone(),
        };
        if kept.is_empty() {
            return Ok(());
        }
        let Some((columns, schema)) = &self.projection else {
            out.push(kept);
            return Ok(());
        };
        let compute = |column: &Arc<dyn PhysicalExpr>| column.evaluate(kept.rows())?.into_array(kept.len());
        let columns = columns.iter().map(compute).collect::<Result<Vec<_>, _>>()?;
        debug_assert!(columns.iter().all(|column| column.len() == kept.len()), "one value a row");
        out.push(kept.with_columns(Arc::clone(schema), columns)?);
        Ok(())
    }

    fn save(&self, _: &mut Writer) {}

    fn load(&mut self, _: &mut Reader<'_>) -> Result<(), SnapshotError> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn describe(&self) -> Description {
        let mut it = Description::new(if self.is_union { "Union" } else { "Calc" }, Memory::Nothing);
        if let Some((columns, schema)) = &self.projection {
            let column = |(column, name): (&Arc<dyn PhysicalExpr>, String)| {
                let text = text(column);
                if text == name { text } else { format!("{text} AS {name}") }
            };
            it = it.with(if self.is_union { "union" } else { "select" }, columns.iter().zip(names(schema)).map(column));
        }
        match &self.filter {
            Some(condition) => it.with_one("where", text(condition)),
            None => it,
        }
    }
}
