//! `a / b` where one is a `DECIMAL` and the other exact, too: as Flink has it, a quotient of 38 digits, rounded half
//! up, which is then brought to the digits of its type. It is NULL where it has too many before the point.

use super::scalar::{Call, Function, named};
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, Decimal128Array},
        compute::cast,
        datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, i256},
    },
    common::{Result, exec_err, plan_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

/// A quotient has at least so many digits behind the point, where there is room.
const SCALE_MIN: i32 = 6;

pub(super) fn quotient() -> Arc<ScalarUDF> {
    Function::define("divide", exact, |types, _| quotient_type(types), run)
}

/// Whether a division is one of these.
pub(super) fn is_quotient(left: &DataType, right: &DataType) -> bool {
    let is_decimal = |of: &DataType| matches!(of, DataType::Decimal128(..));
    (is_decimal(left) || is_decimal(right)) && digits(left).is_some() && digits(right).is_some()
}

/// How many digits a number has, and how many of them behind the point.
fn digits(of: &DataType) -> Option<(u8, i8)> {
    Some(match of {
        DataType::Int8 => (3, 0),
        DataType::Int16 => (5, 0),
        DataType::Int32 => (10, 0),
        DataType::Int64 => (19, 0),
        &DataType::Decimal128(precision, scale) => (precision, scale),
        _ => return None,
    })
}

fn exact(_: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [left, right] if is_quotient(left, right) => Ok(types.to_vec()),
        [left, right] => plan_err!("a division of {} by {} is not supported", named(left), named(right)),
        _ => plan_err!("a division has two sides"),
    }
}

fn quotient_type(types: &[DataType]) -> Result<DataType> {
    let [Some((precision, scale)), Some((other_precision, other_scale))] =
        [types.first(), types.get(1)].map(|of| digits(of?))
    else {
        return plan_err!("a division has two numbers");
    };
    let [precision, other_precision] = [precision, other_precision].map(i32::from);
    let [scale, other_scale] = [scale, other_scale].map(i32::from);
    let digits = SCALE_MIN.max(scale + other_precision + 1);
    let whole = precision - scale + other_scale;
    let most = i32::from(DECIMAL128_MAX_PRECISION);
    let (precision, scale) = match whole + digits > most {
        true => (most, (most - whole).max(digits.min(SCALE_MIN))),
        false => (whole + digits, digits),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) => Ok(DataType::Decimal128(precision, scale)),
        _ => plan_err!("a division has no type"),
    }
}

fn run(call: &Call<'_>) -> Result<ArrayRef> {
    let ([left, right], &DataType::Decimal128(precision, scale)) = (call.arguments, call.output) else {
        return exec_err!("a division has two sides");
    };
    let decimals = |side: &ArrayRef| match digits(side.data_type()) {
        Some((precision, scale)) => Ok((cast(side, &DataType::Decimal128(precision, scale))?, i32::from(scale))),
        None => exec_err!("{} is not divided exactly", side.data_type()),
    };
    let ((left, left_scale), (right, right_scale)) = (decimals(left)?, decimals(right)?);
    let (left, right) = (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
    let divide = |(left, right): (Option<i128>, Option<i128>)| match left.zip(right) {
        Some((_, 0)) => exec_err!("a decimal is divided by zero"),
        Some((left, right)) => Ok(divided(left, right, right_scale - left_scale, precision, i32::from(scale))),
        None => Ok(None),
    };
    let quotients = left.iter().zip(right).map(divide).collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(quotients.with_precision_and_scale(precision, scale)?))
}

/// `left / right · 10^exponent`, all its digits with `scale` of them behind the point; `right` is not 0.
fn divided(left: i128, right: i128, mut exponent: i32, precision: u8, scale: i32) -> Option<i128> {
    let by = right.unsigned_abs();
    let (mut value, mut rest) = (left.unsigned_abs() / by, left.unsigned_abs() % by);
    let mut count = value.checked_ilog10().map_or(0, |tens| tens + 1);
    while rest != 0 && count < u32::from(DECIMAL128_MAX_PRECISION) {
        let digit;
        (digit, rest) = next(rest, by);
        value = value * 10 + digit;
        exponent -= 1;
        count += u32::from(value > 0);
    }
    value += u128::from(rest != 0 && next(rest, by).0 >= 5);
    let places = exponent + scale;
    let unit = 10_u128.checked_pow(places.unsigned_abs());
    let value = match (unit, places < 0) {
        (Some(unit), true) => value / unit + u128::from(value % unit >= unit.div_ceil(2)),
        (Some(unit), false) => value.checked_mul(unit)?,
        (None, true) => 0,
        (None, false) if value == 0 => 0,
        (None, false) => return None,
    };
    let value = i128::try_from(value).ok().filter(|value| *value < 10_i128.pow(u32::from(precision)))?;
    Some(if (left < 0) == (right < 0) { value } else { -value })
}

/// The next digit of `rest / by`, which is below 1, and what is left.
fn next(rest: u128, by: u128) -> (u128, u128) {
    if let Some(tens) = rest.checked_mul(10) {
        return (tens / by, tens % by);
    }
    let wide = |value: u128| i256::from_parts(value, 0);
    let tens = wide(rest).wrapping_mul(wide(10));
    let narrow = |value: Option<i256>| value.map_or(0, |value| value.to_parts().0);
    (narrow(tens.checked_div(wide(by))), narrow(tens.checked_rem(wide(by))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_have_the_digits_that_flink_gives_them() {
        let of = |left: (u8, i8), right: (u8, i8)| {
            let types = [left, right].map(|(precision, scale)| DataType::Decimal128(precision, scale));
            quotient_type(&types).unwrap()
        };
        assert_eq!(of((32, 8), (38, 8)), DataType::Decimal128(38, 6));
        assert_eq!(of((30, 20), (30, 20)), DataType::Decimal128(38, 8));
        assert_eq!(of((14, 2), (12, 2)), DataType::Decimal128(29, 15));
        let whole = [DataType::Decimal128(38, 2), DataType::Int64];
        assert_eq!(quotient_type(&whole).unwrap(), DataType::Decimal128(38, 6));
    }

    #[test]
    fn quotients_are_rounded_half_up() {
        // 10.00 / 3.00, 20.00 / -3.00, and 1 / 8 with two digits.
        assert_eq!(divided(1000, 300, 0, 20, 6), Some(3_333_333));
        assert_eq!(divided(2000, -300, 0, 20, 6), Some(-6_666_667));
        assert_eq!(divided(1, 8, 0, 20, 2), Some(13));
        assert_eq!(divided(0, 7, 0, 20, 6), Some(0));
        // 1 / 0.01, which has no room, and what is less than a half of the last digit.
        assert_eq!(divided(1, 1, 2, 2, 0), None);
        assert_eq!(divided(1, 10_i128.pow(37), 0, 38, 6), Some(0));
        let most = 10_i128.pow(38) - 1;
        assert_eq!(divided(most, most, 0, 38, 6), Some(1_000_000));
        assert_eq!(divided(most - 1, most, 0, 38, 38), Some(most));
        assert_eq!(divided(most - 1, most, 0, 38, 37), Some(10_i128.pow(37)));
        assert_eq!(divided(1, most, 0, 38, 38), Some(1));
    }

    #[test]
    fn digits_of_large_numbers_are_those_of_small_ones() {
        let by = 10_u128.pow(38) - 7;
        let rest = by - 3;
        let (digit, left) = next(rest, by);
        // 10 · rest = 9 · by + (by − 30).
        assert_eq!((digit, left), (9, by - 30));
        assert_eq!(next(1, 3), (3, 1));
    }
}
