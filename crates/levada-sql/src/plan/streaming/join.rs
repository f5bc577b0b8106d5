//! Which joins remember no more than time demands: those of windows, and those whose rows are bounded in time.

use super::{Builder, Stream, internal};
use crate::{
    operator::{
        Clock, Operator,
        interval_join::{Bounds, IntervalJoin},
        join::{Join, Spec},
        window_join::WindowJoin,
    },
    plan::{
        PlanError,
        marks::{is_bound, is_event_time},
        windows::{WINDOW_END, WINDOW_START},
    },
};
use datafusion::{
    arrow::datatypes::{DataType, TimeUnit},
    common::{DFSchema, JoinType, ScalarValue},
    logical_expr::{
        self as logical, Between, BinaryExpr, Cast, Expr, LogicalPlan, Operator as Op, utils::split_conjunction,
    },
};

impl Builder<'_> {
    /// Joins two sides as their condition allows.
    pub(super) fn joined(
        &mut self,
        join: &logical::Join,
        spec: Spec,
        left: &Stream,
        right: &Stream,
    ) -> Result<Stream, PlanError> {
        let kind = join.join_type;
        let is_append_only = left.is_append_only && right.is_append_only;
        let delay_ms = left.delay_ms.zip(right.delay_ms).map(|(left, right)| left.max(right));
        let sources = [left, right].iter().flat_map(|side| side.sources.clone()).collect();
        if let Some(clock) = delay_ms.filter(|_| is_append_only).map(|delay_ms| Clock { sources, delay_ms }) {
            if let Some(ends) = windows(join) {
                let operator = WindowJoin::new(spec, ends, clock).map_err(internal)?;
                return Ok(self.add(&[left, right], Box::new(operator), true));
            }
            let shows_pairs = matches!(kind, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full);
            if let Some(bounds) = bounds(join).filter(|_| shows_pairs && !spec.nulls_are_equal) {
                let operator = IntervalJoin::new(spec, bounds, clock.clone()).map_err(internal)?;
                let stream = self.add(&[left, right], Box::new(operator), true);
                return Ok(Stream { delay_ms: Some(clock.delay_ms + bounds.delay_ms()), ..stream });
            }
        }
        let only_adds = matches!(kind, JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi);
        let operator: Box<dyn Operator> =
            Box::new(Join::new(spec, [left.is_append_only, right.is_append_only]).map_err(internal)?);
        let stream = self.add(&[left, right], operator, is_append_only && only_adds);
        // A row may find its partner at any time.
        Ok(Stream { delay_ms: None, ..stream })
    }
}

/// The places of the windows' ends, where start and end of both sides are equal.
fn windows(join: &logical::Join) -> Option<[usize; 2]> {
    let pair = |mark: &str| {
        join.on
            .iter()
            .find_map(|(left, right)| Some([bound(left, &join.left, mark)?, bound(right, &join.right, mark)?]))
    };
    pair(WINDOW_START).and(pair(WINDOW_END))
}

fn bound(expr: &Expr, input: &LogicalPlan, mark: &str) -> Option<usize> {
    let Expr::Column(column) = expr else { return None };
    let at = input.schema().index_of_column(column).ok()?;
    is_bound(input, at, mark).then_some(at)
}

/// A time: a column of one side, plus some span.
#[derive(Clone, Copy)]
struct Moment {
    side: usize,
    column: usize,
    plus_ms: i64,
    /// Whether it has parts of milliseconds.
    is_fine: bool,
}

/// The bounds within which the event times of a join's sides lie, if there are both.
fn bounds(join: &logical::Join) -> Option<Bounds> {
    let mut comparisons: Vec<(Expr, Op, Expr)> =
        join.on.iter().map(|(left, right)| (left.clone(), Op::Eq, right.clone())).collect();
    for condition in join.filter.iter().flat_map(split_conjunction) {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                comparisons.push((left.as_ref().clone(), *op, right.as_ref().clone()));
            }
            Expr::Between(Between { expr, negated: false, low, high }) => {
                comparisons.push((expr.as_ref().clone(), Op::GtEq, low.as_ref().clone()));
                comparisons.push((expr.as_ref().clone(), Op::LtEq, high.as_ref().clone()));
            }
            _ => {}
        }
    }
    let (mut times, mut least, mut most): (Option<[usize; 2]>, Option<i64>, Option<i64>) = (None, None, None);
    for (left, op, right) in comparisons {
        let (Some(a), Some(b)) = (moment(&left, join), moment(&right, join)) else { continue };
        // As `left + x op right + y`.
        let (a, op, b) = if a.side == 0 { (a, op, b) } else { (b, op.swap()?, a) };
        let columns = [a.column, b.column];
        if a.side == b.side || !same_zone(join, a, b) || *times.get_or_insert(columns) != columns {
            continue;
        }
        let (apart_ms, fine_ms) = (a.plus_ms.checked_sub(b.plus_ms)?, i64::from(a.is_fine || b.is_fine));
        if matches!(op, Op::LtEq | Op::Lt | Op::Eq) {
            least = least.max(Some(apart_ms.checked_sub(fine_ms)?));
        }
        if matches!(op, Op::GtEq | Op::Gt | Op::Eq) {
            let apart_ms = apart_ms.checked_add(fine_ms)?;
            most = Some(most.map_or(apart_ms, |most| most.min(apart_ms)));
        }
    }
    Some(Bounds { times: times?, before_ms: least?.checked_neg()?, after_ms: most? })
}

fn same_zone(join: &logical::Join, a: Moment, b: Moment) -> bool {
    let zone = |schema: &DFSchema, at: usize| match schema.field(at).data_type() {
        DataType::Timestamp(_, zone) => zone.is_some(),
        _ => false,
    };
    zone(join.left.schema(), a.column) == zone(join.right.schema(), b.column)
}

fn moment(expr: &Expr, join: &logical::Join) -> Option<Moment> {
    match expr {
        Expr::Column(column) => {
            let find = |schema: &DFSchema| schema.maybe_index_of_column(column);
            let (side, input, column) = match (find(join.left.schema()), find(join.right.schema())) {
                (Some(at), None) => (0, &join.left, at),
                (None, Some(at)) => (1, &join.right, at),
                _ => return None,
            };
            let field = input.schema().field(column);
            let DataType::Timestamp(unit, _) = field.data_type() else { return None };
            let is_fine = matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond);
            is_event_time(input, column).then_some(Moment { side, column, plus_ms: 0, is_fine })
        }
        Expr::Cast(Cast { expr, field }) if matches!(field.data_type(), DataType::Timestamp(..)) => moment(expr, join),
        Expr::BinaryExpr(BinaryExpr { left, op: Op::Plus, right }) => match (moment(left, join), moment(right, join)) {
            (Some(at), None) => at.plus(span(right)?),
            (None, Some(at)) => at.plus(span(left)?),
            _ => None,
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Op::Minus, right }) => {
            moment(left, join)?.plus(span(right)?.checked_neg()?)
        }
        _ => None,
    }
}

impl Moment {
    fn plus(self, span_ms: i64) -> Option<Self> {
        Some(Self { plus_ms: self.plus_ms.checked_add(span_ms)?, ..self })
    }
}

/// Milliseconds of an interval; months are not alike.
fn span(expr: &Expr) -> Option<i64> {
    const DAY_MS: i64 = 86_400_000;
    match expr.as_literal()? {
        ScalarValue::IntervalMonthDayNano(Some(span)) if span.months == 0 && span.nanoseconds % 1_000_000 == 0 => {
            i64::from(span.days).checked_mul(DAY_MS)?.checked_add(span.nanoseconds / 1_000_000)
        }
        ScalarValue::IntervalDayTime(Some(span)) => {
            i64::from(span.days).checked_mul(DAY_MS)?.checked_add(i64::from(span.milliseconds))
        }
        ScalarValue::DurationMillisecond(span) => *span,
        _ => None,
    }
}
