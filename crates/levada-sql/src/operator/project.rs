//! [`Project`]: keeps the rows for which a condition holds, and computes columns of them. It remembers nothing.

use super::{
    Operator, Out, Stats,
    describe::{Description, Memory, names, text},
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    left_out::LeftOut,
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
    left_out: LeftOut,
}

impl Project {
    pub(crate) fn filter(condition: Arc<dyn PhysicalExpr>) -> Self {
        Self { filter: Some(condition), projection: None, is_union: false, left_out: LeftOut::default() }
    }

    pub(crate) fn columns(columns: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Self {
        Self { filter: None, projection: Some((columns, schema)), is_union: false, left_out: LeftOut::default() }
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

fn projected(columns: &[Arc<dyn PhysicalExpr>], schema: &SchemaRef, changes: &Changes) -> Result<Changes, RunError> {
    let compute = |column: &Arc<dyn PhysicalExpr>| column.evaluate(changes.rows())?.into_array(changes.len());
    let columns = columns.iter().map(compute).collect::<Result<Vec<_>, _>>()?;
    debug_assert!(columns.iter().all(|column| column.len() == changes.len()), "one value a row");
    Ok(changes.with_columns(Arc::clone(schema), columns)?)
}

impl Operator for Project {
    fn push(&mut self, _: usize, changes: &Changes, out: &mut Out) -> Result<(), RunError> {
        let Self { filter, projection, left_out, .. } = self;
        let (filter, projection) = (&*filter, &*projection);
        let compute = |changes: &Changes| {
            let kept = match filter {
                Some(condition) => changes.filter(&holds(&**condition, changes)?)?,
                None => changes.clone(),
            };
            match projection {
                Some((columns, schema)) if !kept.is_empty() => projected(columns, schema, &kept),
                _ => Ok(kept),
            }
        };
        left_out.computed(changes, &compute, out)
    }

    fn left_out(&mut self) -> Option<&mut LeftOut> {
        Some(&mut self.left_out)
    }

    fn save(&self, _: &mut Writer) {}

    fn load(&mut self, _: &mut Reader<'_>) -> Result<(), SnapshotError> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats { state_bytes: self.left_out.size(), ..Stats::default() }
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
