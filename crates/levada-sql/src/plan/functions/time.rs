//! Functions of time: `FLOOR` and `CEIL` to a unit, `EXTRACT`, `TIMESTAMPADD`, `TIMESTAMPDIFF`, `DATE_FORMAT`,
//! `TO_TIMESTAMP` and `TO_TIMESTAMP_LTZ`.
//!
//! They come to what Flink's come to where `table.local-time-zone` is `UTC`; also where that is not what a calendar
//! says: `CEIL` to a month and longer units does not look at the time of day, and before 1970 days are cut off.

mod calendar;
mod text;

use crate::types::{Item, Type};
use calendar::{Time, Unit};
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, Date32Array, Int32Array, Int64Array, StringArray},
        compute::cast,
        datatypes::{DataType, Date32Type, Field, FieldRef, Int64Type, TimeUnit},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
    sql::sqlparser::ast::{
        self, CeilFloorKind, DateTimeField, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
    },
};
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};
use text::Pattern;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    Floor,
    Ceil,
    Extract,
    Add,
    Difference,
    Format,
    ToTimestamp,
    ToTimestampLtz,
}

use Function::{Add, Ceil, Difference, Extract, Floor, Format, ToTimestamp, ToTimestampLtz};

impl Function {
    /// Its name; those with a blank are written otherwise.
    const fn name(self) -> &'static str {
        match self {
            Floor => "floor to",
            Ceil => "ceil to",
            Extract => "extract from",
            Add => "timestampadd",
            Difference => "timestampdiff",
            Format => "date_format",
            ToTimestamp => "to_timestamp",
            ToTimestampLtz => "to_timestamp_ltz",
        }
    }

    const fn arguments(self) -> usize {
        match self {
            ToTimestamp => 1,
            Floor | Ceil | Extract | Format | ToTimestampLtz => 2,
            Add | Difference => 3,
        }
    }
}

/// The functions, by the names that calls of them have once they were [`rewritten`].
pub(in crate::plan) fn functions() -> BTreeMap<String, Arc<ScalarUDF>> {
    let all = [Floor, Ceil, Extract, Add, Difference, Format, ToTimestamp, ToTimestampLtz];
    let of = |function: Function| {
        let signature = Signature::any(function.arguments(), Volatility::Immutable);
        (function.name().to_owned(), Arc::new(ScalarUDF::from(TimeFunction { function, signature })))
    };
    all.map(of).into()
}

/// Functions that are `EXTRACT` with this unit.
const PARTS: [(&str, &str); 10] = [
    ("YEAR", "YEAR"),
    ("QUARTER", "QUARTER"),
    ("MONTH", "MONTH"),
    ("WEEK", "WEEK"),
    ("DAYOFYEAR", "DOY"),
    ("DAYOFMONTH", "DAY"),
    ("DAYOFWEEK", "DOW"),
    ("HOUR", "HOUR"),
    ("MINUTE", "MINUTE"),
    ("SECOND", "SECOND"),
];

/// The query with units as texts, so that functions of time are called as others are.
pub(in crate::plan) fn rewritten(query: &ast::Query) -> ast::Query {
    let mut query = query.clone();
    let ControlFlow::Continue(()) = levada_sql_syntax::walk_mut(&mut query, &mut Rewriting);
    query
}

struct Rewriting;

impl ast::VisitorMut for Rewriting {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let unit = |field: &DateTimeField| text(&field.to_string());
        let called = match expr {
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(field) } if *field != DateTimeField::NoDateTime => {
                Some(call(Floor.name(), vec![unit(field), taken(expr)]))
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(field) } if *field != DateTimeField::NoDateTime => {
                Some(call(Ceil.name(), vec![unit(field), taken(expr)]))
            }
            Expr::Extract { field, expr, .. } => Some(call(Extract.name(), vec![unit(field), taken(expr)])),
            Expr::Function(function) => {
                named_unit(function);
                part(function)
            }
            _ => None,
        };
        if let Some(called) = called {
            *expr = called;
        }
        ControlFlow::Continue(())
    }
}

fn text(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_uppercase()).into())
}

fn taken(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.into()))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn plain_name(function: &ast::Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ast::ObjectNamePart::Identifier(name)] => Some(name.value.to_uppercase()),
        _ => None,
    }
}

/// `TIMESTAMPADD(DAY, …)`: the unit is no column.
fn named_unit(function: &mut ast::Function) {
    let name = plain_name(function);
    if !matches!(name.as_deref(), Some("TIMESTAMPADD" | "TIMESTAMPDIFF")) {
        return;
    }
    if let FunctionArguments::List(list) = &mut function.args
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
        && let Expr::Identifier(unit) = first
    {
        *first = text(&unit.value);
    }
}

/// `YEAR(x)` as `EXTRACT(YEAR FROM x)`.
fn part(function: &ast::Function) -> Option<Expr> {
    let name = plain_name(function)?;
    let (_, unit) = PARTS.iter().find(|(part, _)| *part == name)?;
    let FunctionArguments::List(list) = &function.args else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_slice() else { return None };
    Some(call(Extract.name(), vec![text(unit), argument.clone()]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeFunction {
    function: Function,
    signature: Signature,
}

/// A function with what it says literally.
enum Call {
    Floor(Unit),
    Ceil(Unit),
    Extract(Unit),
    Add(Unit),
    Difference(Unit),
    Format(Pattern),
    ToTimestamp,
    ToTimestampLtz { per_second: i64 },
}

impl TimeFunction {
    /// What is called, if its types are those that it takes.
    fn call(&self, types: &[DataType], literals: &[Option<&ScalarValue>]) -> Result<Call> {
        let literal = |at: usize| literals.get(at).copied().flatten();
        let unit = || match literal(0) {
            Some(ScalarValue::Utf8(Some(name))) => Unit::named(name).map_or_else(|| no_unit(name), Ok),
            _ => plan_err!("a function of time has a unit such as DAY, HOUR or MINUTE"),
        };
        let of = |at: usize| types.get(at).unwrap_or(&DataType::Null);
        let call = match self.function {
            Floor => Call::Floor(unit()?),
            Ceil => Call::Ceil(unit()?),
            Extract => Call::Extract(unit()?),
            Add => Call::Add(unit()?),
            Difference => Call::Difference(unit()?),
            Format => match literal(1) {
                Some(ScalarValue::Utf8(Some(pattern))) => Call::Format(Pattern::read(pattern)?),
                _ => return plan_err!("the format of DATE_FORMAT is a text, such as 'yyyy-MM-dd HH:mm:ss'"),
            },
            ToTimestamp => Call::ToTimestamp,
            ToTimestampLtz => match literal(1).and_then(|it| it.cast_to(&DataType::Int64).ok()) {
                Some(ScalarValue::Int64(Some(0))) => Call::ToTimestampLtz { per_second: 1 },
                Some(ScalarValue::Int64(Some(3))) => Call::ToTimestampLtz { per_second: 1_000 },
                _ => return plan_err!("the precision of TO_TIMESTAMP_LTZ is 0 for seconds or 3 for milliseconds"),
            },
        };
        let is_date = |of: &DataType| *of == DataType::Date32;
        let is_time = |of: &DataType| matches!(of, DataType::Timestamp(unit, _) if *unit != TimeUnit::Second);
        let is_sound = match &call {
            Call::Floor(unit) | Call::Ceil(unit) => {
                unit.is_floored() && (is_time(of(1)) || is_date(of(1)) && unit.is_days())
            }
            Call::Extract(unit) => is_time(of(1)) || is_date(of(1)) && unit.is_of_date(),
            Call::Add(unit) => {
                let is_fit = is_time(of(2)) || is_date(of(2)) && unit.is_days();
                unit.is_added() && of(1).is_signed_integer() && is_fit
            }
            Call::Difference(unit) => {
                let zone = |of: &DataType| matches!(of, DataType::Timestamp(_, Some(_)));
                let is_either = |of: &DataType| is_time(of) || is_date(of);
                unit.is_subtracted() && is_either(of(1)) && is_either(of(2)) && zone(of(1)) == zone(of(2))
            }
            Call::Format(_) => is_time(of(0)),
            Call::ToTimestamp => *of(0) == DataType::Utf8,
            Call::ToTimestampLtz { .. } => of(0).is_signed_integer(),
        };
        if is_sound {
            return Ok(call);
        }
        let name = self.function.name().to_uppercase();
        let has_unit = matches!(self.function, Floor | Ceil | Extract | Add | Difference);
        let unit = literal(0).filter(|_| has_unit).map_or_else(String::new, |unit| format!(" with {unit}"));
        let named = |of: &DataType| {
            Type::of(&Field::new("", of.clone(), true)).map_or_else(|_| of.to_string(), |of| of.to_string())
        };
        let types: Vec<String> = types.iter().skip(usize::from(has_unit)).map(named).collect();
        plan_err!("{name}{unit} is not supported for {}: cast its arguments", types.join(", "))
    }
}

fn no_unit<T>(name: &str) -> Result<T> {
    plan_err!("`{name}` is no unit of time; write one such as YEAR, MONTH, DAY, HOUR, MINUTE or SECOND")
}

impl ScalarUDFImpl for TimeFunction {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("{} has a type by its arguments", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let of = |at: usize| match args.arg_fields.get(at).map(|field| Type::of(field)) {
            Some(Ok(of)) => Ok(of),
            _ => plan_err!("{} has a time", self.name()),
        };
        let value = match self.call(&types, args.scalar_arguments)? {
            Call::Floor(_) | Call::Ceil(_) => of(1)?,
            Call::Add(Unit::Millisecond) => match of(2)? {
                Type::Timestamp(precision) => Type::Timestamp(precision.max(3)),
                Type::TimestampLtz(precision) => Type::TimestampLtz(precision.max(3)),
                other => other,
            },
            Call::Add(_) => of(2)?,
            Call::Extract(_) => Type::BigInt,
            Call::Difference(_) => Type::Int,
            Call::Format(_) => Type::String,
            Call::ToTimestamp => Type::Timestamp(3),
            Call::ToTimestampLtz { .. } => Type::TimestampLtz(3),
        };
        Ok(Arc::new(Item { value, is_nullable: true }.field(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let literals: Vec<Option<&ScalarValue>> = args
            .args
            .iter()
            .map(|arg| if let ColumnarValue::Scalar(value) = arg { Some(value) } else { None })
            .collect();
        let call = self.call(&types, &literals)?;
        let column = |at: usize| args.args[at].to_array(args.number_rows);
        let output = args.return_field.data_type();
        let value: ArrayRef = match &call {
            Call::Floor(unit) | Call::Ceil(unit) => {
                let is_ceil = matches!(call, Call::Ceil(_));
                let bounded = |time: Time| time.bounded(*unit, is_ceil).map_or_else(beyond, Ok);
                let bounded = times(&column(1)?)?.into_iter().map(|time| time.map(bounded).transpose());
                column_of(bounded.collect::<Result<_>>()?, output)?
            }
            Call::Extract(unit) => {
                let times = times(&column(1)?)?;
                Arc::new(times.into_iter().map(|time| time.map(|time| time.extract(*unit))).collect::<Int64Array>())
            }
            Call::Add(unit) => {
                let counts = cast(&column(1)?, &DataType::Int64)?;
                let counts = counts.as_primitive::<Int64Type>().iter();
                let added = times(&column(2)?)?.into_iter().zip(counts).map(|(time, count)| {
                    time.zip(count).map(|(time, count)| time.plus(*unit, count).map_or_else(beyond, Ok)).transpose()
                });
                column_of(added.collect::<Result<_>>()?, output)?
            }
            Call::Difference(unit) => {
                let (from, to) = (times(&column(1)?)?, times(&column(2)?)?);
                let difference = |(from, to): (Option<Time>, Option<Time>)| Some(to?.since(from?, *unit));
                Arc::new(from.into_iter().zip(to).map(difference).collect::<Int32Array>())
            }
            Call::Format(pattern) => Arc::new(pattern.write_all(times(&column(0)?)?)),
            Call::ToTimestamp => {
                let texts = column(0)?;
                let parsed =
                    texts.as_string::<i32>().iter().map(|it| it.and_then(text::timestamp)).collect::<Int64Array>();
                cast(&parsed, output)?
            }
            Call::ToTimestampLtz { per_second } => {
                let numbers = cast(&column(0)?, &DataType::Int64)?;
                let numbers = numbers.as_primitive::<Int64Type>();
                let moment =
                    |number: i64| number.checked_mul(1_000 / *per_second).filter(|ms| calendar::is_moment(*ms));
                let moments = numbers.iter().map(|it| it.and_then(moment)).collect::<Int64Array>();
                cast(&moments, output)?
            }
        };
        Ok(ColumnarValue::Array(value))
    }
}

/// Timestamps as texts, with so many digits of a second's fraction.
pub(super) fn texts(column: &ArrayRef, digits: usize) -> Result<StringArray> {
    Ok(Pattern::to_the_second(digits).write_all(times(column)?))
}

/// Timestamps in other units, cut off.
pub(super) fn in_units(column: &ArrayRef, of: &DataType) -> Result<ArrayRef> {
    column_of(times(column)?, of)
}

/// Dates and timestamps.
fn times(column: &ArrayRef) -> Result<Vec<Option<Time>>> {
    if let DataType::Date32 = column.data_type() {
        let days = column.as_primitive::<Date32Type>();
        return Ok(days.iter().map(|days| days.map(|days| Time::date(i64::from(days)))).collect());
    }
    let per_ms = per_ms(column.data_type())?;
    let units = cast(column, &DataType::Int64)?;
    Ok(units.as_primitive::<Int64Type>().iter().map(|units| units.map(|units| Time::new(units, per_ms))).collect())
}

fn per_ms(of: &DataType) -> Result<i64> {
    match of {
        DataType::Timestamp(TimeUnit::Millisecond, _) => Ok(1),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Ok(1_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Ok(1_000_000),
        other => exec_err!("{other} is no timestamp"),
    }
}

fn beyond<T>() -> Result<T> {
    exec_err!("a time is beyond what functions of time can have")
}

/// Dates or timestamps as a column.
fn column_of(times: Vec<Option<Time>>, of: &DataType) -> Result<ArrayRef> {
    if *of == DataType::Date32 {
        let day = |time: Time| i32::try_from(time.day()).or_else(|_| beyond());
        let days = times.into_iter().map(|time| time.map(day).transpose());
        return Ok(Arc::new(days.collect::<Result<Date32Array>>()?));
    }
    let per_ms = per_ms(of)?;
    let units = |time: Time| time.units(per_ms).map_or_else(beyond, Ok);
    let units = times.into_iter().map(|time| time.map(units).transpose()).collect::<Result<Int64Array>>()?;
    Ok(cast(&units, of)?)
}
