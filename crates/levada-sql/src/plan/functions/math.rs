//! Functions of numbers.

use super::scalar::{Call, Function, named};
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, Decimal128Array, Float64Array, PrimitiveArray},
        compute::{cast, kernels::numeric::rem, kernels::zip::zip},
        datatypes::{
            ArrowPrimitiveType, DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Float32Type, Float64Type, Int8Type,
            Int16Type, Int32Type, Int64Type,
        },
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let of = Function::define;
    vec![
        of("ceil", number, whole, |call| whole_number(call, Way::Up)),
        of("ceiling", number, whole, |call| whole_number(call, Way::Up)),
        of("floor", number, whole, |call| whole_number(call, Way::Down)),
        of("round", rounded, rounded_type, |call| rounding(call, Way::Nearest)),
        of("truncate", rounded, rounded_type, |call| rounding(call, Way::ToZero)),
        of("mod", whole_numbers, second, remainder),
        of("sign", number, first, sign),
        of("exp", as_double, double, |call| doubles(call, f64::exp)),
        of("ln", as_double, double, |call| doubles(call, f64::ln)),
        of("log10", as_double, double, |call| doubles(call, f64::log10)),
        of("power", as_doubles, double, power),
        of("greatest", comparable, first, |call| extreme(call, Extreme::Greatest)),
        of("least", comparable, first, |call| extreme(call, Extreme::Least)),
    ]
}

fn is_whole(of: &DataType) -> bool {
    of.is_signed_integer()
}

fn is_number(of: &DataType) -> bool {
    is_whole(of) || matches!(of, DataType::Float32 | DataType::Float64 | DataType::Decimal128(..))
}

fn refused<T>(name: &str, of: &DataType) -> Result<T> {
    plan_err!("{} takes a number, and this is {}; cast it", name.to_uppercase(), named(of))
}

fn number(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [DataType::Null] => Ok(vec![DataType::Int32]),
        [of] if is_number(of) => Ok(vec![of.clone()]),
        [of] => refused(name, of),
        _ => plan_err!("{} takes one argument", name.to_uppercase()),
    }
}

fn as_double(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    number(name, types).map(|_| vec![DataType::Float64])
}

fn as_doubles(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [left, right] => {
            as_double(name, std::slice::from_ref(left))?;
            as_double(name, std::slice::from_ref(right))?;
            Ok(vec![DataType::Float64; 2])
        }
        _ => plan_err!("{} takes two arguments", name.to_uppercase()),
    }
}

/// Two whole numbers.
fn whole_numbers(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [left, right] if is_whole(left) && is_whole(right) => Ok(types.to_vec()),
        [DataType::Null, of] | [of, DataType::Null] if is_whole(of) => Ok(vec![of.clone(); 2]),
        [left, right] => {
            let (name, left, right) = (name.to_uppercase(), named(left), named(right));
            plan_err!("{name} takes two whole numbers, not {left} and {right}; cast them")
        }
        _ => plan_err!("{} takes two arguments", name.to_uppercase()),
    }
}

/// One type, or whole numbers, which come to the widest of them.
fn comparable(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    let known: Vec<&DataType> = types.iter().filter(|of| !of.is_null()).collect();
    let Some(first) = known.first() else {
        return plan_err!("{} takes one argument at least that has a type", name.to_uppercase());
    };
    let widest = if known.iter().all(|of| is_whole(of)) {
        known.iter().max_by_key(|of| of.primitive_width()).unwrap_or(first)
    } else {
        first
    };
    if let Some(other) = known.iter().find(|of| *of != widest && !(is_whole(of) && is_whole(widest))) {
        let (name, one, other) = (name.to_uppercase(), named(widest), named(other));
        return plan_err!("{name} compares {one} with {other}; cast one of them");
    }
    if widest.is_nested() || matches!(widest, DataType::Boolean) {
        return plan_err!("{} of {} is not supported", name.to_uppercase(), named(widest));
    }
    Ok(vec![(*widest).clone(); types.len()])
}

fn first(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(types.first().cloned().unwrap_or(DataType::Null))
}

/// The divisor's: what is left is smaller than it.
fn second(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(types.get(1).cloned().unwrap_or(DataType::Null))
}

fn remainder(call: &Call<'_>) -> Result<ArrayRef> {
    let [left, right] = call.arguments else { return exec_err!("MOD takes two arguments") };
    let width = |of: &ArrayRef| of.data_type().primitive_width();
    let wider = if width(left) < width(right) { right.data_type() } else { left.data_type() };
    Ok(cast(&rem(&cast(left, wider)?, &cast(right, wider)?)?, call.output)?)
}

fn double(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Float64)
}

fn whole(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(match types.first() {
        Some(DataType::Decimal128(precision, _)) => DataType::Decimal128(*precision, 0),
        other => other.cloned().unwrap_or(DataType::Null),
    })
}

/// Where a number goes that lies between two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
    ToZero,
    /// A half goes away from zero.
    Nearest,
}

/// `value / 10^digits`, brought to a whole number.
fn divided(value: i128, digits: u32, way: Way) -> i128 {
    let Some(unit) = 10_i128.checked_pow(digits) else {
        // It is less than a half of that.
        return match way {
            Way::Up => i128::from(value > 0),
            Way::Down => -i128::from(value < 0),
            Way::ToZero | Way::Nearest => 0,
        };
    };
    let (quotient, rest) = (value / unit, value % unit);
    quotient
        + match way {
            Way::Up => i128::from(rest > 0),
            Way::Down => -i128::from(rest < 0),
            Way::ToZero => 0,
            Way::Nearest if rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs() => value.signum(),
            Way::Nearest => 0,
        }
}

fn whole_number(call: &Call<'_>, way: Way) -> Result<ArrayRef> {
    let Some(values) = call.arguments.first() else { return exec_err!("there is no argument") };
    Ok(match values.data_type() {
        DataType::Float32 => {
            let round = |value: f32| if way == Way::Up { value.ceil() } else { value.floor() };
            Arc::new(values.as_primitive::<Float32Type>().unary::<_, Float32Type>(round))
        }
        DataType::Float64 => {
            let round = |value: f64| if way == Way::Up { value.ceil() } else { value.floor() };
            Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(round))
        }
        DataType::Decimal128(_, scale) => {
            let digits = u32::try_from(*scale).unwrap_or(0);
            decimals(values, call.output, |value| Some(divided(value, digits, way)))?
        }
        _ => Arc::clone(values),
    })
}

/// Decimals of others, of the type that is to come out; NULL what has more digits than that.
fn decimals(values: &ArrayRef, output: &DataType, each: impl Fn(i128) -> Option<i128>) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = output else { return exec_err!("{output} is no DECIMAL") };
    let most = 10_i128.pow(u32::from((*precision).min(DECIMAL128_MAX_PRECISION)));
    let fits = |value: &i128| value.unsigned_abs() < most.unsigned_abs();
    let each = |value: Option<i128>| value.and_then(&each).filter(fits);
    let array: Decimal128Array = values.as_primitive::<Decimal128Type>().iter().map(each).collect();
    Ok(Arc::new(array.with_precision_and_scale(*precision, *scale)?))
}

fn rounded(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    let Some((of, rest)) = types.split_first() else { return plan_err!("{} has no argument", name.to_uppercase()) };
    if matches!(of, DataType::Float32) {
        return plan_err!("{} of FLOAT is not supported; cast it to DOUBLE", name.to_uppercase());
    }
    let mut taken = number(name, std::slice::from_ref(of))?;
    match rest {
        [] => {}
        [DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Null] => taken.push(DataType::Int32),
        [other] => {
            let name = name.to_uppercase();
            return plan_err!("the digits of {name} are INT, and not {}; cast them", named(other));
        }
        _ => return plan_err!("{} takes two arguments at most", name.to_uppercase()),
    }
    Ok(taken)
}

/// Source: the type of Flink's `ROUND`, which `TRUNCATE` has, too.
fn rounded_type(types: &[DataType], constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    let Some(DataType::Decimal128(precision, scale)) = types.first() else { return first(types, constants) };
    let digits = match (types.len(), constants.get(1).copied().flatten()) {
        (1, _) => 0,
        (_, Some(ScalarValue::Int32(Some(digits)))) => *digits,
        _ => return plan_err!("the digits to which a DECIMAL is rounded are to be a number, not computed"),
    };
    let (digits_before, scale) = (i32::from(*precision) - i32::from(*scale), i32::from(*scale));
    let (precision, scale) = match digits {
        digits if digits >= scale => return first(types, constants),
        digits if digits < 0 => (1 + digits_before, 0),
        digits => (1 + digits_before + digits, digits),
    };
    let precision = u8::try_from(precision).unwrap_or(u8::MAX).min(DECIMAL128_MAX_PRECISION);
    Ok(DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(0)))
}

#[expect(clippy::cast_possible_truncation, reason = "what goes beyond a whole number's type wraps around")]
fn rounding(call: &Call<'_>, way: Way) -> Result<ArrayRef> {
    let Some(values) = call.arguments.first() else { return exec_err!("there is no argument") };
    let digits: Vec<Option<i32>> = match call.arguments.get(1) {
        Some(_) => call.ints(1)?.iter().collect(),
        None => vec![Some(0); call.rows],
    };
    Ok(match values.data_type() {
        DataType::Int8 => wholes::<Int8Type>(values, &digits, way, |value| value as i8),
        DataType::Int16 => wholes::<Int16Type>(values, &digits, way, |value| value as i16),
        DataType::Int32 => wholes::<Int32Type>(values, &digits, way, |value| value as i32),
        DataType::Int64 => wholes::<Int64Type>(values, &digits, way, |value| value as i64),
        DataType::Float64 => {
            let each = values.as_primitive::<Float64Type>().iter().zip(&digits);
            let each = each.map(|(value, digits)| match (value, digits) {
                (Some(value), Some(digits)) => rounded_double(value, *digits, way).map(Some),
                _ => Ok(None),
            });
            Arc::new(each.collect::<Result<Float64Array>>()?)
        }
        DataType::Decimal128(_, scale) => {
            // They are a constant.
            let Some(digits) = digits.first().copied().flatten() else { return cast_null(call) };
            let from = i32::from(*scale);
            if digits >= from {
                return Ok(Arc::clone(values));
            }
            let dropped = u32::try_from(i64::from(from) - i64::from(digits)).unwrap_or(u32::MAX);
            let kept = digits.min(0).unsigned_abs();
            let back = |value: i128| 10_i128.checked_pow(kept).and_then(|unit| value.checked_mul(unit));
            let each = |value| match divided(value, dropped, way) {
                0 => Some(0),
                value => back(value),
            };
            decimals(values, call.output, each)?
        }
        other => return exec_err!("{other} cannot be rounded"),
    })
}

fn cast_null(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(datafusion::arrow::array::new_null_array(call.output, call.rows))
}

/// What goes beyond the type wraps around, as it does in Java.
fn wholes<T>(values: &ArrayRef, digits: &[Option<i32>], way: Way, narrow: impl Fn(i128) -> T::Native) -> ArrayRef
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128>,
{
    let one = |(value, digits): (Option<T::Native>, &Option<i32>)| {
        let (value, digits) = ((value?).into(), (*digits)?);
        let dropped = digits.min(0).unsigned_abs();
        let quotient = divided(value, dropped, way);
        let back = if quotient == 0 { 0 } else { quotient * 10_i128.checked_pow(dropped).unwrap_or(0) };
        Some(narrow(if digits >= 0 { value } else { back }))
    };
    Arc::new(values.as_primitive::<T>().iter().zip(digits).map(one).collect::<PrimitiveArray<T>>())
}

/// Of the decimal number that the double is written as.
fn rounded_double(value: f64, digits: i32, way: Way) -> Result<f64> {
    if !value.is_finite() {
        return exec_err!("{value} cannot be rounded");
    }
    // `-d.ddde-dd`
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return exec_err!("{value} has no exponent") };
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let read = mantissa.replace('.', "").parse::<i128>().ok().zip(exponent.parse::<i32>().ok());
    let Some((unscaled, exponent)) = read else { return exec_err!("{value} is no number") };
    // The value is `unscaled * 10^-scale`.
    let scale = i64::try_from(fraction).unwrap_or(0) - i64::from(exponent);
    let dropped = scale - i64::from(digits);
    // Decimal numbers have no negative zero.
    if dropped <= 0 {
        return Ok(value + 0.0);
    }
    let quotient = divided(unscaled, u32::try_from(dropped).unwrap_or(u32::MAX), way);
    let rounded: f64 = format!("{quotient}e{}", -i64::from(digits)).parse().unwrap_or(0.0);
    Ok(rounded + 0.0)
}

fn sign(call: &Call<'_>) -> Result<ArrayRef> {
    let Some(values) = call.arguments.first() else { return exec_err!("there is no argument") };
    Ok(match values.data_type() {
        DataType::Int8 => Arc::new(values.as_primitive::<Int8Type>().unary::<_, Int8Type>(i8::signum)),
        DataType::Int16 => Arc::new(values.as_primitive::<Int16Type>().unary::<_, Int16Type>(i16::signum)),
        DataType::Int32 => Arc::new(values.as_primitive::<Int32Type>().unary::<_, Int32Type>(i32::signum)),
        DataType::Int64 => Arc::new(values.as_primitive::<Int64Type>().unary::<_, Int64Type>(i64::signum)),
        DataType::Float32 => Arc::new(
            values
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(|value| if value == 0.0 { value } else { value.signum() }),
        ),
        DataType::Float64 => Arc::new(
            values
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|value| if value == 0.0 { value } else { value.signum() }),
        ),
        DataType::Decimal128(_, scale) => {
            let one = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
            decimals(values, call.output, |value| Some(value.signum() * one))?
        }
        other => return exec_err!("{other} has no sign"),
    })
}

fn doubles(call: &Call<'_>, each: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    let Some(values) = call.arguments.first() else { return exec_err!("there is no argument") };
    Ok(Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(each)))
}

fn power(call: &Call<'_>) -> Result<ArrayRef> {
    let [base, exponent] = call.arguments else { return exec_err!("there are not two arguments") };
    let pairs = base.as_primitive::<Float64Type>().iter().zip(exponent.as_primitive::<Float64Type>());
    let power = |(base, exponent): (Option<f64>, Option<f64>)| Some(java_power(base?, exponent?));
    Ok(Arc::new(pairs.map(power).collect::<Float64Array>()))
}

/// One to the power of what is no number, or of infinity, is no number in Java.
fn java_power(base: f64, exponent: f64) -> f64 {
    if (exponent.is_nan()) || (base.abs() == 1.0 && exponent.is_infinite()) { f64::NAN } else { base.powf(exponent) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extreme {
    Least,
    Greatest,
}

/// NULL where any is.
fn extreme(call: &Call<'_>, which: Extreme) -> Result<ArrayRef> {
    use datafusion::arrow::compute::{is_not_null, kernels::cmp, nullif};
    let Some((first, rest)) = call.arguments.split_first() else { return exec_err!("there is no argument") };
    let mut found = Arc::clone(first);
    for values in rest {
        let values = cast(values, found.data_type())?;
        let is_more = match which {
            Extreme::Greatest => cmp::gt(&values, &found)?,
            Extreme::Least => cmp::lt(&values, &found)?,
        };
        let known = is_not_null(&is_more)?;
        let unknown = datafusion::arrow::compute::not(&known)?;
        found = nullif(&zip(&is_more, &values, &found)?, &unknown)?;
    }
    debug_assert_eq!(found.len(), call.rows, "one value a row");
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_rounded_as_they_are_written() {
        let round = |value, digits| rounded_double(value, digits, Way::Nearest).unwrap();
        assert_eq!([round(2.5, 0), round(-2.5, 0), round(0.5, 0), round(1.005, 2)], [3.0, -3.0, 1.0, 1.01]);
        assert_eq!([round(1234.5678, -2), round(1e300, 3), round(5e-324, 2), round(0.0, 4)], [1200.0, 1e300, 0.0, 0.0]);
        let truncate = |value, digits| rounded_double(value, digits, Way::ToZero).unwrap();
        assert_eq!([truncate(42.349, 2), truncate(-1.99, 0), truncate(1999.0, -3)], [42.34, -1.0, 1000.0]);
        assert!(truncate(-0.4, 0).is_sign_positive() && round(-0.0, 2).is_sign_positive());
        assert!(rounded_double(f64::NAN, 0, Way::Nearest).is_err());
    }
}
