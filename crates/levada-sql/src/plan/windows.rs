//! Window functions: TUMBLE, HOP, CUMULATE and SESSION give each row the windows that its event time falls into.
//!
//! Sessions depend on other rows, and are a node of their own. As to the others, a row that falls into several windows
//! comes once for each: such a function is the union of one projection a window.
//! The columns that it adds are marked, so that an aggregation by them knows when its groups are closed.

pub(super) mod session;

use super::{marks::is_event_time, temporal};
use crate::table::ROWTIME_KEY;
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, TimestampMillisecondArray},
        compute::cast,
        datatypes::{DataType, Field, FieldRef, TimeUnit, TimestampMillisecondType},
    },
    common::{DataFusionError, Result, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature, Union, Volatility,
        planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
    },
    prelude::{Column, col},
    sql::sqlparser::ast::{Ident, ObjectName, TableFactor},
};
use levada_sql_syntax::{WindowFunction, WindowKind, window_function};
use session::SessionWindows;
use std::sync::Arc;

/// A column's metadata says with this key that it is a bound of a window: `start`, `end` or `time`.
pub(crate) const WINDOW_KEY: &str = "levada.window";
/// The value of [`WINDOW_KEY`] for the first moment of a window.
pub(crate) const WINDOW_START: &str = "start";
/// The value of [`WINDOW_KEY`] for the first moment behind a window.
pub(crate) const WINDOW_END: &str = "end";
/// A row falls into no more windows than this.
const WINDOWS_MAX: i64 = 1_000;

/// Plans window functions in the place of tables.
#[derive(Debug)]
pub(super) struct Windows;

impl RelationPlanner for Windows {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if let TableFactor::Table { version: Some(_), .. } = &relation {
            return temporal::relation(relation, context);
        }
        let function = match window_function(&relation) {
            None => return Ok(RelationPlanning::Original(Box::new(relation))),
            Some(Err(error)) => return plan_err!("{error}"),
            Some(Ok(function)) => function,
        };
        if !function.options.is_empty() {
            return plan_err!("a hint on the table of a window is not supported");
        }
        let input = context.plan(named_table(function.table.clone()))?;
        let plan = plan(&input, &function)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, function.alias))))
    }
}

/// A table, and nothing but its name.
pub(super) fn named_table(name: ObjectName) -> TableFactor {
    TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

fn plan(input: &LogicalPlan, function: &WindowFunction) -> Result<LogicalPlan> {
    let schema = input.schema();
    let (qualifier, time) = schema.qualified_field_with_unqualified_name(&function.time_column.value)?;
    let at = schema.maybe_index_of_column(&Column::new(qualifier.cloned(), time.name()));
    if !at.is_some_and(|at| is_event_time(input, at)) {
        let (column, table) = (&function.time_column.value, &function.table);
        return plan_err!("`{column}` is no event time: declare WATERMARK FOR {column} in the table `{table}`");
    }
    let time = Expr::Column(Column::new(qualifier.cloned(), time.name()));
    if let WindowKind::Session { gap_ms, partition_by } = &function.kind {
        let key = |key: &Ident| {
            let (qualifier, field) = schema.qualified_field_with_unqualified_name(&key.value)?;
            Ok(Expr::Column(Column::new(qualifier.cloned(), field.name())))
        };
        let keys = partition_by.iter().map(key).collect::<Result<_>>()?;
        return Ok(SessionWindows::new(input.clone(), time, keys, *gap_ms)?.plan());
    }
    let spans = match &function.kind {
        WindowKind::Tumble { size_ms } => vec![Span::hop(*size_ms, *size_ms, 0)],
        WindowKind::Hop { slide_ms, size_ms } => {
            (0..windows(*size_ms, *slide_ms)?).map(|back| Span::hop(*size_ms, *slide_ms, back)).collect()
        }
        WindowKind::Cumulate { step_ms, size_ms } => {
            (1..=windows(*size_ms, *step_ms)?).map(|steps| Span::cumulate(*size_ms, *step_ms, steps)).collect()
        }
        WindowKind::Session { .. } => Vec::new(),
    };
    let piece = |span: Span| projected(input, &time, Span { offset_ms: function.offset_ms, ..span }).map(Arc::new);
    let pieces = spans.into_iter().map(piece).collect::<Result<Vec<_>>>()?;
    match pieces.as_slice() {
        [] => Err(DataFusionError::Internal("a window function has windows".to_owned())),
        [whole] => Ok(LogicalPlan::clone(whole)),
        // One union of all pieces: nested ones would be as deep as there are windows.
        _ => Ok(LogicalPlan::Union(Union::try_new(pieces)?)),
    }
}

fn windows(size_ms: i64, part_ms: i64) -> Result<i64> {
    let count = size_ms / part_ms;
    if count > WINDOWS_MAX {
        return plan_err!("each row would fall into {count} windows; at most {WINDOWS_MAX} are supported");
    }
    Ok(count)
}

fn projected(input: &LogicalPlan, time: &Expr, span: Span) -> Result<LogicalPlan> {
    let bound = |which: Bound| {
        let function = ScalarUDF::from(WindowBound::new(which, span));
        function.call(vec![time.clone()]).alias(which.name())
    };
    let columns = input.schema().columns().into_iter().map(Expr::Column);
    let columns: Vec<Expr> = columns.chain([bound(Bound::Start), bound(Bound::End), bound(Bound::Time)]).collect();
    let piece = LogicalPlanBuilder::from(input.clone()).project(columns)?;
    if span.steps == 0 {
        return piece.build();
    }
    // The window may have ended before the row's time.
    let ends_later = col(Bound::End.name()).gt(datafusion::prelude::cast(time.clone(), MILLISECONDS));
    piece.filter(ends_later)?.build()
}

/// Whether an expression gives a row its window.
pub(super) fn gives_window(expr: &Expr) -> bool {
    let names = [Bound::Start, Bound::End, Bound::Time].map(Bound::name);
    matches!(expr.clone().unalias(), Expr::ScalarFunction(call) if names.contains(&call.name()))
}

/// Of an expression that gives a row one of several windows that overlap: the time that it looks at, and what gives the
/// first moment of the part of them all that this time is in.
pub(super) fn slice_of(expr: &Expr) -> Option<(Expr, ScalarUDF)> {
    let Expr::ScalarFunction(call) = expr.clone().unalias() else { return None };
    let inner: &dyn std::any::Any = call.func.inner().as_ref();
    let span = inner.downcast_ref::<WindowBound>()?.span;
    let [time] = call.args.as_slice() else { return None };
    let slice = Span { offset_ms: span.offset_ms, ..Span::hop(span.slide_ms, span.slide_ms, 0) };
    (span.steps == 0).then(|| (time.clone(), ScalarUDF::from(WindowBound::new(Bound::Start, slice))))
}

/// The windows of one projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Span {
    size_ms: i64,
    /// Windows begin at multiples of this.
    slide_ms: i64,
    /// So many slides before the last one that began.
    back: i64,
    step_ms: i64,
    /// So many steps long; 0: as long as the size.
    steps: i64,
    offset_ms: i64,
}

impl Span {
    const fn hop(size_ms: i64, slide_ms: i64, back: i64) -> Self {
        Self { size_ms, slide_ms, back, step_ms: 0, steps: 0, offset_ms: 0 }
    }

    const fn cumulate(size_ms: i64, step_ms: i64, steps: i64) -> Self {
        Self { size_ms, slide_ms: size_ms, back: 0, step_ms, steps, offset_ms: 0 }
    }

    /// Start and end of the window of a moment; `None` beyond what times can be.
    fn of(&self, time_ms: i64) -> Option<(i64, i64)> {
        let into = time_ms.checked_sub(self.offset_ms)?.rem_euclid(self.slide_ms);
        let start = time_ms.checked_sub(into)?.checked_sub(self.back.checked_mul(self.slide_ms)?)?;
        let length = if self.steps == 0 { self.size_ms } else { self.steps.checked_mul(self.step_ms)? };
        Some((start, start.checked_add(length)?))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Bound {
    Start,
    End,
    Time,
}

impl Bound {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "window_start",
            Self::End => "window_end",
            Self::Time => "window_time",
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Start => WINDOW_START,
            Self::End => WINDOW_END,
            Self::Time => "time",
        }
    }
}

const MILLISECONDS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// A bound of a row's window.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WindowBound {
    which: Bound,
    span: Span,
    signature: Signature,
}

impl WindowBound {
    fn new(which: Bound, span: Span) -> Self {
        Self { which, span, signature: Signature::any(1, Volatility::Immutable) }
    }

    fn output(&self, time: &DataType) -> DataType {
        match (self.which, time) {
            (Bound::Time, DataType::Timestamp(_, zone)) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
            _ => MILLISECONDS,
        }
    }
}

impl ScalarUDFImpl for WindowBound {
    fn name(&self) -> &str {
        self.which.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().map_or_else(|| plan_err!("a window has a time"), |time| Ok(self.output(time)))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let Some(time) = args.arg_fields.first() else { return plan_err!("a window has a time") };
        let mut metadata = vec![(WINDOW_KEY.to_owned(), self.which.mark().to_owned())];
        if self.which == Bound::Time {
            metadata.push((ROWTIME_KEY.to_owned(), "true".to_owned()));
        }
        let field = Field::new(self.name(), self.output(time.data_type()), false);
        Ok(Arc::new(field.with_metadata(metadata.into_iter().collect())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(times) = args.args.first() else { return exec_err!("a window has a time") };
        let times = cast(&times.to_array(args.number_rows)?, &MILLISECONDS_IN_UTC)?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        if times.null_count() > 0 {
            return exec_err!("the event time of a row is NULL: filter such rows out before the window");
        }
        let bound = |time_ms: &i64| {
            let (start, end) = self.span.of(*time_ms)?;
            Some(match self.which {
                Bound::Start => start,
                Bound::End => end,
                Bound::Time => end - 1,
            })
        };
        let bounds: Option<Vec<i64>> = times.values().iter().map(bound).collect();
        let Some(bounds) = bounds else { return exec_err!("the event time of a row is beyond what a window can have") };
        let bounds = TimestampMillisecondArray::from(bounds);
        let output: ArrayRef = match args.return_field.data_type() {
            DataType::Timestamp(_, Some(zone)) => Arc::new(bounds.with_timezone(Arc::clone(zone))),
            _ => Arc::new(bounds),
        };
        Ok(ColumnarValue::Array(output))
    }
}

const MILLISECONDS_IN_UTC: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_moments() {
        let tumble = Span::hop(10, 10, 0);
        assert_eq!(
            [0, 9, 10, -1].map(|time| tumble.of(time)),
            [Some((0, 10)), Some((0, 10)), Some((10, 20)), Some((-10, 0))]
        );
        assert_eq!([0, 1].map(|back| Span::hop(10, 5, back).of(7)), [Some((5, 15)), Some((0, 10))]);
        assert_eq!([1, 2].map(|steps| Span::cumulate(10, 5, steps).of(17)), [Some((10, 15)), Some((10, 20))]);
        assert_eq!(Span { offset_ms: 3, ..tumble }.of(2), Some((-7, 3)));
        assert_eq!(tumble.of(i64::MAX), None);
    }
}
