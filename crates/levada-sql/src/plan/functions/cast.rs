//! Casts that mean something else in Flink than in DataFusion.
//!
//! | from | to | |
//! |---|---|---|
//! | text | `BOOLEAN` | `true`, `t`, `yes`, `y`, `1` and their opposites, in any case |
//! | text | whole numbers | digits; those behind a point are left out, and blanks around |
//! | text | `FLOAT`, `DOUBLE` | what Java's `parseDouble` takes, but no hexadecimal digits |
//! | text, `FLOAT`, `DOUBLE` | `DECIMAL` | rounded half up; NULL where it has too many digits |
//! | `FLOAT`, `DOUBLE` | whole numbers | cut off, and brought to the nearest there is |
//! | whole numbers | `BOOLEAN` | whether it is not 0 |
//! | timestamps | timestamps | cut off; with a zone and without, the zone being UTC |
//! | `BOOLEAN`, numbers, timestamps | text | as Java writes them; timestamps with all digits of their precision |
//!
//! What is no value of the type is an error, and NULL with `TRY_CAST`. For decimals with up to 18 digits Flink also
//! takes texts that are no numbers, as `t` and `1e`: here they are read as it reads larger ones.

mod number;

use super::{scalar::named, time};
use crate::{format::decimal_text, types::Type};
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Decimal128Array, StringArray},
        compute::cast,
        datatypes::{
            ArrowPrimitiveType, DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Int8Type,
            Int16Type, Int32Type, Int64Type,
        },
    },
    common::{DFSchema, Result, exec_err, plan_err, tree_node::Transformed},
    logical_expr::{
        Cast, ColumnarValue, Expr, ExprSchemable as _, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, TryCast, Volatility, expr::ScalarFunction,
    },
    sql::sqlparser::ast,
};
use std::{convert::Infallible, ops::ControlFlow, sync::Arc};

/// So much of a text that is no value is told.
const TOLD_MAX: usize = 64;

/// The query with numbers such as `1e9` as the doubles that they are.
pub(in crate::plan) fn with_doubles(query: &mut ast::Query) {
    let ControlFlow::Continue(()) = levada_sql_syntax::walk_mut(query, &mut Doubles);
}

struct Doubles;

impl ast::VisitorMut for Doubles {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Infallible> {
        if let ast::Expr::Value(value) = expr
            && let ast::Value::Number(digits, _) = &value.value
            && digits.contains(['e', 'E'])
        {
            let text = ast::Value::SingleQuotedString(digits.clone());
            *expr = ast::Expr::Cast {
                kind: ast::CastKind::Cast,
                expr: Box::new(ast::Expr::Value(text.into())),
                data_type: ast::DataType::DoublePrecision,
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

/// A cast as it is asked for, or a call of a function where it is one of these.
pub(super) fn rewritten(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (value, to, is_try) = match &expr {
        Expr::Cast(Cast { expr, field }) => (expr, field, false),
        Expr::TryCast(TryCast { expr, field }) => (expr, field, true),
        _ => return Ok(Transformed::no(expr)),
    };
    // What has no type yet gets the one that it is cast to.
    let Ok(from) = value.get_type(schema) else { return Ok(Transformed::no(expr)) };
    if !is_ours(&from, to.data_type()) {
        return Ok(Transformed::no(expr));
    }
    if is_literal(value) && *to.data_type() == DataType::Utf8 {
        return plan_err!("a TIMESTAMP that is written out has another precision in Flink: write its text at once");
    }
    let (name, to) = (if is_try { "try_cast" } else { "cast" }, to.data_type().clone());
    let casting = Casting { name, to, signature: Signature::any(1, Volatility::Immutable) };
    let func = Arc::new(ScalarUDF::from(casting));
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args: vec![(**value).clone()] })))
}

/// `TIMESTAMP '…'`.
fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Cast(Cast { expr, field }) if matches!(**expr, Expr::Literal(..))
        && matches!(field.data_type(), DataType::Timestamp(..)))
}

fn is_ours(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Decimal128, Float32, Float64, Timestamp, Utf8};
    match (from, to) {
        (Utf8, Boolean | Float32 | Float64 | Decimal128(..)) => true,
        (Utf8, to) if to.is_signed_integer() => true,
        (Float32 | Float64, Decimal128(..)) => true,
        (Float32 | Float64, to) if to.is_signed_integer() => true,
        (from, Boolean) if from.is_signed_integer() => true,
        (Boolean | Float32 | Float64 | Decimal128(..) | Timestamp(..), Utf8) => true,
        (Timestamp(from, zone), Timestamp(to, other)) => from > to || zone != other,
        _ => false,
    }
}

/// A call of such a cast as SQL has it, with its argument as it is written there.
pub(crate) fn text_of(function: &ScalarUDF, argument: &str) -> Option<String> {
    let casting = function.inner().downcast_ref::<Casting>()?;
    Some(format!("{}({argument} AS {})", casting.name.to_uppercase(), named(&casting.to)))
}

/// See the module.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Casting {
    name: &'static str,
    to: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for Casting {
    fn name(&self) -> &str {
        self.name
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        Ok(format!("{}({} AS {})", self.name.to_uppercase(), args.join(","), named(&self.to)))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match args.arg_fields {
            [from] if is_ours(from.data_type(), &self.to) => Ok(Arc::new(Field::new(self.name, self.to.clone(), true))),
            [from] => plan_err!("a cast from {} to {} is not supported", named(from.data_type()), named(&self.to)),
            _ => plan_err!("a cast has one argument"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ([value], [from]) = (args.args.as_slice(), args.arg_fields.as_slice()) else {
            return exec_err!("a cast has one argument");
        };
        Ok(ColumnarValue::Array(self.cast(&value.to_array(args.number_rows)?, from)?))
    }
}

impl Casting {
    fn cast(&self, column: &ArrayRef, from: &Field) -> Result<ArrayRef> {
        match (column.data_type(), &self.to) {
            (DataType::Utf8, to) => self.read(column.as_string(), to),
            (_, DataType::Boolean) => {
                let numbers = cast(column, &DataType::Int64)?;
                let truths = numbers.as_primitive::<Int64Type>().iter().map(|it| it.map(|number| number != 0));
                Ok(Arc::new(truths.collect::<BooleanArray>()))
            }
            (_, DataType::Utf8) => Ok(Arc::new(written(column, from)?)),
            (DataType::Timestamp(..), to) => time::in_units(column, to),
            (_, to) => {
                let doubles = cast(column, &DataType::Float64)?;
                self.cut(doubles.as_primitive::<Float64Type>().iter(), to)
            }
        }
    }

    /// What texts say.
    fn read(&self, texts: &StringArray, to: &DataType) -> Result<ArrayRef> {
        Ok(match to {
            DataType::Boolean => Arc::new(self.each::<_, BooleanArray>(texts, truth)?),
            DataType::Int8 => Arc::new(self.each_number::<Int8Type>(texts, number::whole)?),
            DataType::Int16 => Arc::new(self.each_number::<Int16Type>(texts, number::whole)?),
            DataType::Int32 => Arc::new(self.each_number::<Int32Type>(texts, number::whole)?),
            DataType::Int64 => Arc::new(self.each_number::<Int64Type>(texts, number::whole)?),
            DataType::Float32 => Arc::new(self.each_number::<Float32Type>(texts, number::read)?),
            DataType::Float64 => Arc::new(self.each_number::<Float64Type>(texts, number::read)?),
            &DataType::Decimal128(precision, scale) => {
                let read = |text: Option<&str>| match text {
                    None => Ok(None),
                    Some(text) => match number::decimal(text.trim_matches(' '), precision, scale) {
                        Some(decimal) => Ok(decimal),
                        None => self.no_value(text),
                    },
                };
                let decimals = texts.iter().map(read).collect::<Result<Decimal128Array>>()?;
                Arc::new(decimals.with_precision_and_scale(precision, scale)?)
            }
            other => return exec_err!("a text is not cast to {other}"),
        })
    }

    fn each<T, A: FromIterator<Option<T>>>(&self, texts: &StringArray, of: fn(&str) -> Option<T>) -> Result<A> {
        let read = |text: Option<&str>| match text {
            None => Ok(None),
            Some(text) => of(text).map_or_else(|| self.no_value(text), |value| Ok(Some(value))),
        };
        texts.iter().map(read).collect()
    }

    fn each_number<T: ArrowPrimitiveType>(
        &self,
        texts: &StringArray,
        of: fn(&str) -> Option<T::Native>,
    ) -> Result<datafusion::arrow::array::PrimitiveArray<T>> {
        self.each(texts, of)
    }

    /// What stands for a text that is no value.
    fn no_value<T>(&self, text: &str) -> Result<Option<T>> {
        if self.name == "try_cast" {
            return Ok(None);
        }
        let told: String = text.chars().take(TOLD_MAX).collect();
        let more = if told.len() < text.len() { "…" } else { "" };
        exec_err!("`{told}{more}` is no {}: TRY_CAST gives NULL instead", named(&self.to))
    }

    /// Doubles as numbers of a kind that has less of them.
    fn cut(&self, doubles: impl Iterator<Item = Option<f64>>, to: &DataType) -> Result<ArrayRef> {
        #[expect(clippy::cast_possible_truncation, reason = "it is what is asked for: Java's casts do the same")]
        let small = |it: Option<f64>| it.map(|it| it as i32);
        #[expect(clippy::cast_possible_truncation, reason = "as above")]
        let large = |it: Option<f64>| it.map(|it| it as i64);
        Ok(match to {
            // Through INT, whose upper bits are left out.
            #[expect(clippy::cast_possible_truncation, reason = "as above")]
            DataType::Int8 => Arc::new(primitive::<Int8Type>(doubles.map(small).map(|it| it.map(|it| it as i8)))),
            #[expect(clippy::cast_possible_truncation, reason = "as above")]
            DataType::Int16 => Arc::new(primitive::<Int16Type>(doubles.map(small).map(|it| it.map(|it| it as i16)))),
            DataType::Int32 => Arc::new(primitive::<Int32Type>(doubles.map(small))),
            DataType::Int64 => Arc::new(primitive::<Int64Type>(doubles.map(large))),
            &DataType::Decimal128(precision, scale) => {
                let decimal = |it: Option<f64>| match it.map(|it| (it, number::double_text(it))) {
                    None => Ok(None),
                    Some((it, text)) if it.is_finite() => Ok(number::decimal(&text, precision, scale).flatten()),
                    Some((_, text)) => self.no_value(&text),
                };
                let decimals = doubles.map(decimal).collect::<Result<Decimal128Array>>()?;
                Arc::new(decimals.with_precision_and_scale(precision, scale)?)
            }
            other => return exec_err!("a DOUBLE is not cast to {other}"),
        })
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: impl Iterator<Item = Option<T::Native>>,
) -> datafusion::arrow::array::PrimitiveArray<T> {
    datafusion::arrow::array::PrimitiveArray::from_iter(values)
}

fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Values as texts.
fn written(column: &ArrayRef, from: &Field) -> Result<StringArray> {
    Ok(match column.data_type() {
        DataType::Boolean => {
            let truths = column.as_boolean().iter();
            truths.map(|it| it.map(|truth| if truth { "TRUE" } else { "FALSE" })).collect()
        }
        &DataType::Decimal128(_, scale) => {
            let scale = u8::try_from(scale).unwrap_or(0);
            let decimals = column.as_primitive::<Decimal128Type>().iter();
            decimals.map(|it| it.map(|unscaled| decimal_text(unscaled, scale))).collect()
        }
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().map(|it| it.map(number::float_text)).collect(),
        DataType::Float64 => {
            column.as_primitive::<Float64Type>().iter().map(|it| it.map(number::double_text)).collect()
        }
        DataType::Timestamp(..) => {
            let digits = match Type::of(from) {
                Ok(Type::Timestamp(digits) | Type::TimestampLtz(digits)) => digits,
                _ => return exec_err!("{} is no timestamp", from.data_type()),
            };
            time::texts(column, usize::from(digits))?
        }
        other => return exec_err!("{other} is not written as text"),
    })
}
