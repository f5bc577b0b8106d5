//! Flink's functions where DataFusion has none with their meaning, each kind in a module of its own; and Flink's
//! aggregate and window functions where DataFusion's give other types: the sum of whole numbers is of their own
//! type, the average of whole numbers is whole.
//!
//! Streams have operators of their own for them. What is here runs in batch, on DataFusion's sums and counts, whose
//! results are brought to Flink's types.

mod cast;
mod math;
mod pattern;
mod quotient;
mod rewrite;
mod scalar;
mod text;
pub(super) mod time;

pub(crate) use cast::text_of;
pub(super) use cast::with_doubles;
pub(super) use rewrite::rewritten;
pub(super) use scalar::named;

use crate::RunError;
use datafusion::{
    arrow::{
        array::{ArrayRef, Decimal128Array},
        compute::{CastOptions, cast, cast_with_options},
        datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef},
    },
    common::{DataFusionError, Result, ScalarValue, exec_err, plan_err},
    functions_aggregate::{
        count::count_udaf,
        min_max::{max_udaf, min_udaf},
        sum::sum_udaf,
    },
    functions_window::row_number::row_number_udwf,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, LimitEffect, PartitionEvaluator, ScalarUDF,
        Signature, Volatility, WindowUDF, WindowUDFImpl,
        function::{AccumulatorArgs, PartitionEvaluatorArgs, StateFieldsArgs, WindowUDFFieldArgs},
    },
    physical_expr::{PhysicalExpr, expressions::cast as cast_expr},
};
use std::{ops::Range, sync::Arc};

/// Scalar functions of Flink that are refused, with a reason.
pub(super) fn refused_scalars() -> impl Iterator<Item = Arc<ScalarUDF>> {
    rewrite::refused()
}

/// Scalar functions of our own.
pub(super) fn scalars() -> impl Iterator<Item = Arc<ScalarUDF>> {
    [math::all(), pattern::all(), rewrite::all(), text::all()].into_iter().flatten()
}

/// The decimal places of an average of decimals, at least.
const AVERAGE_SCALE_MIN: i8 = 6;

/// `SUM` as Flink has it.
pub(super) fn sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Reduction { name: "sum", signature: Signature::user_defined(Volatility::Immutable) }))
}

/// `AVG` as Flink has it.
pub(super) fn avg() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Reduction { name: "avg", signature: Signature::user_defined(Volatility::Immutable) }))
}

/// `ROW_NUMBER` as Flink has it: a `BIGINT`.
pub(super) fn row_number() -> Arc<WindowUDF> {
    Arc::new(WindowUDF::from(RowNumber { signature: Signature::nullary(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowNumber {
    signature: Signature,
}

impl WindowUDFImpl for RowNumber {
    fn name(&self) -> &str {
        "row_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Numbering { inner: row_number_udwf().partition_evaluator_factory(args)? }))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::Int64, false)))
    }

    fn limit_effect(&self, _: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        LimitEffect::None
    }
}

/// DataFusion's numbers as `BIGINT`.
#[derive(Debug)]
struct Numbering {
    inner: Box<dyn PartitionEvaluator>,
}

impl PartitionEvaluator for Numbering {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        Ok(cast(&self.inner.evaluate_all(values, rows)?, &DataType::Int64)?)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        self.inner.evaluate(values, range)?.cast_to(&DataType::Int64)
    }

    fn supports_bounded_execution(&self) -> bool {
        self.inner.supports_bounded_execution()
    }

    fn is_causal(&self) -> bool {
        self.inner.is_causal()
    }
}

/// The type in which batch adds up numbers of a type: wider than all that there can be of them, as DataFusion's sums
/// wrap around.
fn wide(argument: &DataType) -> DataType {
    match argument {
        DataType::Decimal128(_, scale) => DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale),
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        _ => DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0),
    }
}

/// The averages of numbers with these sums; null of none. Whole numbers are cut off, decimals rounded half up.
pub(crate) fn averages(sums: &ArrayRef, counts: &[i64], output: &DataType) -> Result<ArrayRef> {
    use datafusion::arrow::{array::AsArray as _, datatypes::Decimal128Type, datatypes::Float64Type};
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    match output {
        DataType::Float32 | DataType::Float64 => {
            let sums = cast(sums, &DataType::Float64)?;
            let sums = sums.as_primitive::<Float64Type>();
            #[expect(clippy::cast_precision_loss, reason = "an average of doubles is as exact as doubles are")]
            let average = |(sum, count): (Option<f64>, &i64)| sum.filter(|_| *count > 0).map(|sum| sum / *count as f64);
            let averages: ArrayRef =
                Arc::new(datafusion::arrow::array::Float64Array::from_iter(sums.iter().zip(counts).map(average)));
            Ok(cast(&averages, output)?)
        }
        _ => {
            let scale = if let DataType::Decimal128(_, scale) = output { *scale } else { 0 };
            let wide = DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale);
            let sums = cast_with_options(sums, &wide, &strict)?;
            let is_whole = !matches!(output, DataType::Decimal128(..));
            let average = |(sum, count): (Option<i128>, &i64)| {
                sum.filter(|_| *count > 0).map(|sum| divided(sum, i128::from(*count), is_whole))
            };
            let averages = sums.as_primitive::<Decimal128Type>().iter().zip(counts).map(average);
            let averages =
                Decimal128Array::from_iter(averages).with_precision_and_scale(DECIMAL128_MAX_PRECISION, scale)?;
            Ok(cast_with_options(&(Arc::new(averages) as ArrayRef), output, &strict)?)
        }
    }
}

const fn divided(sum: i128, count: i128, is_whole: bool) -> i128 {
    let (quotient, rest) = (sum / count, sum % count);
    if is_whole || 2 * rest.unsigned_abs() < count.unsigned_abs() { quotient } else { quotient + sum.signum() }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Reduction {
    name: &'static str,
    signature: Signature,
}

impl Reduction {
    fn is_average(&self) -> bool {
        self.name == "avg"
    }
}

impl AggregateUDFImpl for Reduction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Null] => Ok(vec![DataType::Int32]),
            [of] if of.is_signed_integer()
                || matches!(of, DataType::Decimal128(..) | DataType::Float32 | DataType::Float64) =>
            {
                Ok(vec![of.clone()])
            }
            [other] => plan_err!("{} takes a number, and this is {other}; cast it", self.name.to_uppercase()),
            _ => plan_err!("{} takes one argument", self.name.to_uppercase()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (types.first(), self.is_average()) {
            (Some(DataType::Decimal128(_, scale)), true) => {
                DataType::Decimal128(DECIMAL128_MAX_PRECISION, (*scale).max(AVERAGE_SCALE_MIN))
            }
            (Some(DataType::Decimal128(_, scale)), false) => DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale),
            (Some(other), _) => other.clone(),
            (None, _) => return plan_err!("{} takes one argument", self.name.to_uppercase()),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let of = wide(args.input_fields.first().map_or(&DataType::Int64, |field| field.data_type()));
        let inner_field = |name: &str, of: &DataType| Arc::new(Field::new(name, of.clone(), true));
        let (sum, count) = (inner_field("sum", &of), inner_field("count", &DataType::Int64));
        let mut fields = sum_udaf().state_fields(StateFieldsArgs {
            name: "sum",
            input_fields: std::slice::from_ref(&sum),
            return_field: Arc::clone(&sum),
            ordering_fields: &[],
            is_distinct: args.is_distinct,
        })?;
        fields.extend(count_udaf().state_fields(StateFieldsArgs {
            name: "count",
            input_fields: std::slice::from_ref(&sum),
            return_field: count,
            ordering_fields: &[],
            is_distinct: args.is_distinct,
        })?);
        let named = |(place, field): (usize, FieldRef)| {
            Arc::new(field.as_ref().clone().with_name(format!("{}[{place}]", args.name))) as FieldRef
        };
        Ok(fields.into_iter().enumerate().map(named).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let Some((argument, expr)) = args.expr_fields.first().zip(args.exprs.first()) else {
            return exec_err!("{} has no argument", self.name);
        };
        let of = wide(argument.data_type());
        let exprs: [Arc<dyn PhysicalExpr>; 1] = [cast_expr(Arc::clone(expr), args.schema, of.clone())?];
        let field: FieldRef = Arc::new(Field::new("value", of.clone(), true));
        let inner = |function: Arc<AggregateUDF>, output: DataType| {
            function.accumulator(AccumulatorArgs {
                return_field: Arc::new(Field::new("result", output, true)),
                schema: args.schema,
                ignore_nulls: args.ignore_nulls,
                order_bys: &[],
                is_reversed: false,
                name: args.name,
                is_distinct: args.is_distinct,
                exprs: &exprs,
                expr_fields: std::slice::from_ref(&field),
            })
        };
        let (sum, count) = (inner(sum_udaf(), of.clone())?, inner(count_udaf(), DataType::Int64)?);
        let output = args.return_type().clone();
        Ok(Box::new(Reducing { sum, count, of, output, is_average: self.is_average() }))
    }
}

/// A sum and a count by DataFusion, and what Flink makes of them.
#[derive(Debug)]
struct Reducing {
    sum: Box<dyn Accumulator>,
    count: Box<dyn Accumulator>,
    of: DataType,
    output: DataType,
    is_average: bool,
}

impl Accumulator for Reducing {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values.iter().map(|values| cast(values, &self.of)).collect::<Result<Vec<_>, _>>()?;
        self.sum.update_batch(&values)?;
        self.count.update_batch(&values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.sum.evaluate()?;
        let result = if self.is_average {
            let ScalarValue::Int64(count) = self.count.evaluate()? else { return exec_err!("a count is no number") };
            averages(&sum.to_array()?, &[count.unwrap_or(0)], &self.output)
        } else {
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(&sum.to_array()?, &self.output, &strict).map_err(DataFusionError::from)
        };
        match result {
            Ok(result) => ScalarValue::try_from_array(&result, 0),
            Err(_) => exec_err!("{}", RunError::SumTooLarge),
        }
    }

    fn size(&self) -> usize {
        self.sum.size() + self.count.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut state = self.sum.state()?;
        state.extend(self.count.state()?);
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let of_sum = states.len().checked_sub(1).ok_or_else(|| DataFusionError::Internal("no state".to_owned()))?;
        let (sum, count) = states.split_at(of_sum);
        self.sum.merge_batch(sum)?;
        self.count.merge_batch(count)
    }
}

/// `MIN` and `MAX`, of floating point numbers without DataFusion's accumulators of groups: there infinity is no more
/// than the largest number.
pub(super) fn extremes() -> [Arc<AggregateUDF>; 2] {
    [min_udaf(), max_udaf()].map(|inner| Arc::new(AggregateUDF::from(Extreme { inner })))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        let is_float = matches!(args.return_type(), DataType::Float32 | DataType::Float64);
        !is_float && self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_of_whole_numbers_are_cut_off_and_of_decimals_rounded_half_up() {
        let averages = [(7, 2), (-7, 2), (8, 3), (-8, 3)];
        assert_eq!(averages.map(|(sum, count)| divided(sum, count, true)), [3, -3, 2, -2]);
        assert_eq!(averages.map(|(sum, count)| divided(sum, count, false)), [4, -4, 3, -3]);
    }
}
