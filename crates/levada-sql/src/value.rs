//! [`Value`]: what comes in the place of a query's `$1`.

use crate::{
    StatementError,
    format::{date_text, decimal_text, timestamp_text},
    plan::PlanError,
    query::{Column, Query, columns},
    statement::planner,
    types::{Item, Type},
};
use datafusion::{
    common::{ParamValues, ScalarValue},
    logical_expr::LogicalPlan,
};
use levada_sql_syntax::{
    SyntaxError, ast, bytes_value, cast_value, number_value, parameter_count_of, text_value, typed_value,
};

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// None, of that type.
    Null(Type),
    /// True or false.
    Boolean(bool),
    /// A `SMALLINT`.
    SmallInt(i16),
    /// An `INT`.
    Int(i32),
    /// A `BIGINT`.
    BigInt(i64),
    /// A `FLOAT`.
    Float(f32),
    /// A `DOUBLE`.
    Double(f64),
    /// A `DECIMAL(precision, scale)`.
    Decimal {
        /// All its digits.
        unscaled: i128,
        /// How many digits it may have.
        precision: u8,
        /// How many of them stand behind the point.
        scale: u8,
    },
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01 00:00, nowhere in particular.
    Timestamp(i64),
    /// Microseconds since 1970-01-01 00:00 UTC.
    TimestampLtz(i64),
}

/// What a query takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The types of its parameters.
    pub parameters: Vec<Type>,
    /// The columns of its answer.
    pub columns: Vec<Column>,
}

impl Query {
    /// The types of its parameters: those that are given, and of the others what stands beside them, or text.
    ///
    /// # Errors
    /// [`StatementError::Plan`].
    pub fn signature(&self, given: &[Option<Type>]) -> Result<Signature, StatementError> {
        let planner = planner(&self.tables)?;
        let parameters = match parameter_count_of(&self.query) {
            0 => Vec::new(),
            count => types(&planner.unbound(&self.query)?, count, given)?,
        };
        let nulls: Vec<Value> = parameters.iter().cloned().map(Value::Null).collect();
        let plan = planner.logical_with(&self.query, &nulls)?;
        Ok(Signature { parameters, columns: columns(plan.schema().inner())? })
    }
}

/// The types of `count` parameters of a plan.
pub(crate) fn types(plan: &LogicalPlan, count: usize, given: &[Option<Type>]) -> Result<Vec<Type>, PlanError> {
    // Where one stands beside values of several types, text can be any of them.
    let beside = plan.get_parameter_fields().unwrap_or_default();
    let of = |at: usize| {
        let found = || {
            let field = beside.get(&format!("${}", at + 1))?.as_ref()?;
            Item::of(field).ok().map(|item| item.value)
        };
        given.get(at).cloned().flatten().or_else(found).unwrap_or(Type::String)
    };
    Ok((0..count).map(of).collect())
}

/// A plan with values in the places of its parameters.
pub(crate) fn bound(plan: LogicalPlan, values: &[Value]) -> Result<LogicalPlan, PlanError> {
    if values.is_empty() {
        return Ok(plan);
    }
    let scalars = values.iter().map(scalar).collect::<Result<Vec<_>, PlanError>>()?;
    Ok(plan.replace_params_with_values(&ParamValues::from(scalars))?)
}

fn scalar(value: &Value) -> Result<ScalarValue, PlanError> {
    Ok(match value {
        Value::Null(of) => ScalarValue::try_from(&of.data_type())?,
        Value::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Value::SmallInt(value) => ScalarValue::Int16(Some(*value)),
        Value::Int(value) => ScalarValue::Int32(Some(*value)),
        Value::BigInt(value) => ScalarValue::Int64(Some(*value)),
        Value::Float(value) => ScalarValue::Float32(Some(*value)),
        Value::Double(value) => ScalarValue::Float64(Some(*value)),
        &Value::Decimal { unscaled, precision, scale } => {
            ScalarValue::Decimal128(Some(unscaled), precision, i8::try_from(scale).unwrap_or(i8::MAX))
        }
        Value::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Bytes(bytes) => ScalarValue::Binary(Some(bytes.clone())),
        Value::Date(days) => ScalarValue::Date32(Some(*days)),
        Value::Time(micros) => ScalarValue::Time64Microsecond(Some(*micros)),
        Value::Timestamp(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), None),
        Value::TimestampLtz(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), Some("UTC".into())),
    })
}

impl Value {
    /// It as an expression, for a text that is kept; `None` where no literal means it.
    ///
    /// # Errors
    /// Where its type cannot be written.
    pub fn literal(&self) -> Result<Option<ast::Expr>, SyntaxError> {
        Ok(Some(match self {
            Self::Null(of) => typed_value(&of.to_string(), None)?,
            Self::Boolean(value) => ast::Expr::Value(ast::Value::Boolean(*value).into()),
            Self::SmallInt(value) => number_value("SMALLINT", i128::from(*value))?,
            Self::Int(value) => number_value("INT", i128::from(*value))?,
            Self::BigInt(value) => number_value("BIGINT", i128::from(*value))?,
            Self::Text(text) => text_value(text),
            Self::Bytes(bytes) => bytes_value(bytes),
            Self::Date(days) => {
                let Some(text) = date_text(*days) else { return Ok(None) };
                typed_value("DATE", Some(&text))?
            }
            &Self::Decimal { unscaled, scale: 0, precision } => {
                number_value(&format!("DECIMAL({precision}, 0)"), unscaled)?
            }
            &Self::Decimal { unscaled, scale, precision } => {
                typed_value(&format!("DECIMAL({precision}, {scale})"), Some(&decimal_text(unscaled, scale)))?
            }
            Self::Float(value) => typed_value("FLOAT", Some(&java(&format!("{value:e}"))))?,
            Self::Double(value) => typed_value("DOUBLE", Some(&java(&format!("{value:e}"))))?,
            Self::Timestamp(micros) => {
                let Some(text) = timestamp_text(*micros) else { return Ok(None) };
                typed_value("TIMESTAMP(6)", Some(&text))?
            }
            Self::TimestampLtz(micros) => {
                let Some(text) = timestamp_text(*micros) else { return Ok(None) };
                cast_value(typed_value("TIMESTAMP(6)", Some(&text))?, "TIMESTAMP_LTZ(6)")?
            }
            Self::Time(_) => return Ok(None),
        }))
    }
}

/// A floating point number as Java reads it.
fn java(number: &str) -> String {
    number.replace("inf", "Infinity")
}
