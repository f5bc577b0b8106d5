//! Functions that are others: they are put in their place before types are worked out.

use super::{
    quotient,
    scalar::{Function, named, sharpened},
};
use datafusion::{
    arrow::datatypes::DataType,
    common::{DFSchema, Result, exec_err, plan_err, tree_node::Transformed},
    functions::core,
    logical_expr::{BinaryExpr, Case, Expr, ExprSchemable as _, Operator, ScalarUDF, expr::ScalarFunction},
};
use std::sync::Arc;

/// Functions of Flink whose values are not determined by their arguments: a replay would come to others.
const UNDETERMINED: [&str; 3] = ["rand", "rand_integer", "uuid"];

/// Functions that are known, and never supported.
pub(super) fn refused() -> impl Iterator<Item = Arc<ScalarUDF>> {
    let never = |_: &super::scalar::Call<'_>| exec_err!("it is refused");
    let any = |_: &'static str, types: &[DataType]| Ok(types.to_vec());
    UNDETERMINED.into_iter().map(move |name| Function::define(name, any, |_, _| Ok(DataType::Null), never))
}

/// Those that stand for others; none of them is ever run.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let never = |_: &super::scalar::Call<'_>| exec_err!("it is another function");
    vec![
        Function::define("if", if_types, |types, _| Ok(common(types.get(1..).unwrap_or_default())), never),
        Function::define("ifnull", ifnull_types, |types, _| Ok(common(types)), never),
    ]
}

/// An expression, or what it stands for.
pub(crate) fn rewritten(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let Expr::ScalarFunction(ScalarFunction { func, args }) = &expr {
        let types = || args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>();
        match func.name() {
            "if" => drop(if_types("if", &types()?)?),
            "ifnull" => drop(ifnull_types("ifnull", &types()?)?),
            name if UNDETERMINED.contains(&name) => {
                let name = name.to_uppercase();
                return plan_err!(
                    "{name} is not supported: a replay would come to other values; write it with the rows"
                );
            }
            _ => {}
        }
    }
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, mut args }) if func.name() == "if" => {
            let (otherwise, then) = (args.pop().map(Box::new), args.pop());
            let when_then = args.pop().zip(then).map(|(when, then)| (Box::new(when), Box::new(then)));
            let case = Case { expr: None, when_then_expr: when_then.into_iter().collect(), else_expr: otherwise };
            Ok(Transformed::yes(Expr::Case(case)))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "ifnull" => {
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: core::coalesce(), args })))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => Ok(match sharpened(&func) {
            Some(func) => Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })),
            None => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
        }),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
            for side in [&left, &right] {
                let of = side.get_type(schema)?;
                if !matches!(of, DataType::Utf8 | DataType::Null) {
                    return plan_err!("`||` joins texts, and `{side}` is {}; cast it to STRING", named(&of));
                }
            }
            let (func, args) = (super::text::joined(), vec![*left, *right]);
            let func = sharpened(&func).unwrap_or(func);
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right }) => {
            let is_exact = match (left.get_type(schema), right.get_type(schema)) {
                (Ok(left), Ok(right)) => quotient::is_quotient(&left, &right),
                _ => false,
            };
            match sharpened(&quotient::quotient()).filter(|_| is_exact) {
                Some(func) => {
                    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args: vec![*left, *right] })))
                }
                None => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right }))),
            }
        }
        other => super::cast::rewritten(other, schema),
    }
}

/// The type of values of which some may be NULL without a type.
fn common(types: &[DataType]) -> DataType {
    let known = types.iter().filter(|of| !of.is_null());
    known.max_by_key(|of| of.primitive_width()).cloned().unwrap_or(DataType::Null)
}

/// That two values have one type, or are whole numbers.
fn check_alike(name: &str, left: &DataType, right: &DataType) -> Result<()> {
    let is_alike =
        left == right || left.is_null() || right.is_null() || (left.is_signed_integer() && right.is_signed_integer());
    match is_alike {
        true => Ok(()),
        false => plan_err!("{name} gives {} or {}; cast one to the other", named(left), named(right)),
    }
}

fn if_types(_: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [condition, left, right] = types else {
        return plan_err!("IF takes three arguments, and gets {}", types.len());
    };
    if !matches!(condition, DataType::Boolean | DataType::Null) {
        return plan_err!("the first argument of IF is a condition, and not {}", named(condition));
    }
    check_alike("IF", left, right)?;
    Ok(types.to_vec())
}

fn ifnull_types(_: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [left, right] = types else { return plan_err!("IFNULL takes two arguments, and gets {}", types.len()) };
    check_alike("IFNULL", left, right)?;
    Ok(types.to_vec())
}
