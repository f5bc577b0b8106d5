//! [`Description`]: what an operator says of itself, for `EXPLAIN`.

use datafusion::{
    arrow::datatypes::{IntervalMonthDayNano, Schema, SchemaRef},
    common::{
        ScalarValue,
        tree_node::{Transformed, TreeNode as _},
    },
    physical_expr::{
        PhysicalExpr, ScalarFunctionExpr,
        expressions::{Column, Literal},
    },
    physical_expr_common::physical_expr::fmt_sql,
};
use std::sync::Arc;

use crate::plan::text_of;

/// What an operator says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// Flink's name for it, where Flink has it.
    pub(crate) name: &'static str,
    /// What it does, in the order in which it is shown; the first says what it is keyed by, where it is.
    pub(crate) details: Vec<(&'static str, String)>,
    pub(crate) memory: Memory,
}

/// How long an operator remembers what it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Nothing beyond the epoch.
    Nothing,
    /// What takes no more room however long it runs.
    Bounded(String),
    /// What takes more room the longer it runs.
    Unbounded(String),
    /// What is forgotten when the watermark of these sources has passed; rows that come later are left out.
    Windows { what: String, sources: Vec<usize> },
    /// What is forgotten when the watermark of these sources has passed; rows that come later meet what is left.
    Times { what: String, sources: Vec<usize> },
    /// What takes more room the longer it runs, beside what is forgotten as of [`Self::Times`].
    Versions { what: String, sources: Vec<usize> },
}

impl Description {
    pub(crate) const fn new(name: &'static str, memory: Memory) -> Self {
        Self { name, details: Vec::new(), memory }
    }

    /// Adds a detail that is a list.
    pub(crate) fn with(self, key: &'static str, values: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<String> = values.into_iter().collect();
        self.with_one(key, values.join(", "))
    }

    pub(crate) fn with_one(mut self, key: &'static str, value: String) -> Self {
        self.details.push((key, value));
        self
    }
}

/// An expression as SQL has it.
pub(crate) fn text(expr: &Arc<dyn PhysicalExpr>) -> String {
    let named = |name: String| Transformed::yes(Arc::new(Column::new(&name, 0)) as Arc<dyn PhysicalExpr>);
    let plain = Arc::clone(expr).transform_up(|expr| {
        if let Some(column) = expr.downcast_ref::<Column>() {
            return Ok(named(short(column.name())));
        }
        if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>()
            && let [argument] = call.args()
            && let Some(cast) = text_of(call.fun(), &fmt_sql(&**argument).to_string())
        {
            return Ok(named(cast));
        }
        Ok(match expr.downcast_ref::<Literal>().map(Literal::value) {
            Some(ScalarValue::Utf8(Some(text))) => named(format!("'{}'", text.replace('\'', "''"))),
            Some(ScalarValue::IntervalMonthDayNano(Some(span))) => named(interval(*span)),
            _ => Transformed::no(expr),
        })
    });
    plain.map_or_else(|_| fmt_sql(&**expr).to_string(), |plain| fmt_sql(&*plain.data).to_string())
}

/// A span as SQL has it.
fn interval(IntervalMonthDayNano { months, days, nanoseconds }: IntervalMonthDayNano) -> String {
    let seconds = match (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000) {
        (seconds, 0) => seconds.to_string(),
        (seconds, rest) => format!("{seconds}.{:03}", rest.abs() / 1_000_000),
    };
    let parts = [(months.to_string(), "MONTH"), (days.to_string(), "DAY"), (seconds, "SECOND")];
    let some = parts.into_iter().filter(|(count, _)| count != "0");
    let some: Vec<String> = some.map(|(count, unit)| format!("INTERVAL '{count}' {unit}")).collect();
    if some.is_empty() { "INTERVAL '0' SECOND".to_owned() } else { some.join(" + ") }
}

/// The planner's name of a column, without what the operator that gives it says anyway.
fn short(name: &str) -> String {
    if name.starts_with("row_number() ") {
        return "ROW_NUMBER()".to_owned();
    }
    // Numbers stand with Arrow's type around them.
    let mut name = name.to_owned();
    for of in ["Int32(", "Int64("] {
        while let Some((head, (number, tail))) =
            name.split_once(of).and_then(|(head, it)| Some((head, it.split_once(')')?)))
        {
            name = format!("{head}{number}{tail}");
        }
    }
    name
}

/// The names of columns.
pub(crate) fn names(schema: &SchemaRef) -> impl Iterator<Item = String> + '_ {
    schema.fields().iter().map(|field| short(field.name()))
}

/// The name of the column at a place.
pub(crate) fn name(schema: &Schema, at: usize) -> String {
    schema.fields().get(at).map_or_else(String::new, |field| short(field.name()))
}

/// `a, b and c`; what stands for none is `nothing`.
pub(crate) fn listed(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
