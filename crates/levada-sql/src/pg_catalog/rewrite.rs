//! PostgreSQL's dialect in terms of the planner beneath: what only PostgreSQL has is written otherwise.
//!
//! | PostgreSQL | here |
//! |---|---|
//! | `pg_catalog.f(x)` | `f(x)` |
//! | `a OPERATOR(pg_catalog.~) b` | `a ~ b` |
//! | `a COLLATE c` | `a` |
//! | `'t'::regclass`, `n::regclass` | `regclass_oid('t')`, `regclass_name(n)` |
//! | `a = ANY (b)` | `pg_any(a, b)`: arrays are texts, as `{1,2}` |
//! | `a[1]` | `pg_element(a, 1)` |
//! | `unnest(a)`, `_pg_expandarray(a)` | a join, see [`expand`] |
//! | `(row).x` | `pg_field(row, 'x')` |
//! | `a LIKE b ESCAPE c` | `a LIKE pg_pattern(b, c)` |
//! | `ARRAY (SELECT a …)` | `(SELECT pg_array(STRING_AGG(a, ',')) …)` |
//! | `(SELECT a …)` as a value | a join, see [`lift`] |

mod bounds;
mod expand;
mod lift;

pub(super) use bounds::{TEXT_SIZE_MAX, VALUE_SIZE_MAX};
#[cfg(test)]
pub(super) use lift::KEYS;

use super::{PlanError, functions};
use datafusion::sql::sqlparser::{
    ast::{
        AccessExpr, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
        FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Select, SelectItem, SetExpr,
        Statement, Subscript, TableAlias, TableFactor, Value, VisitorMut,
    },
    dialect::PostgreSqlDialect,
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};
use levada_sql_syntax::{limits, walk_mut};
use std::ops::ControlFlow;

/// A query in terms of the planner.
pub(super) struct Read {
    pub(super) statement: Statement,
    /// The names that PostgreSQL gives its columns, where the query does not.
    pub(super) names: Vec<Option<String>>,
    /// How often a parameter stands in it.
    pub(super) placeholders: usize,
}

/// Reads a query.
pub(super) fn read(sql: &str) -> Result<Read, PlanError> {
    let syntax = |message: String| PlanError::Meaning(datafusion::error::DataFusionError::Plan(message));
    bounds::check_size(sql)?;
    let dialect = PostgreSqlDialect {};
    let mut tokens =
        Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|error| syntax(error.to_string()))?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    bounds::check_tokens(&tokens)?;
    limits::check_depth(&tokens).map_err(|error| syntax(error.to_string()))?;
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(limits::RECURSION_MAX).with_tokens_with_locations(tokens);
    let mut statements = parser.parse_statements().map_err(|error| syntax(error.to_string()))?.into_iter();
    let (Some(Statement::Query(mut query)), None) = (statements.next(), statements.next()) else {
        return Err(PlanError::unsupported("anything but a query of the catalog", None));
    };
    let placeholders = bounds::check(&query)?;
    let names = name_columns(&mut query.body);
    if let ControlFlow::Break(error) = walk_mut(query.as_mut(), &mut Rewrite::default()) {
        return Err(error);
    }
    bounds::check_functions(&query)?;
    Ok(Read { statement: Statement::Query(query), names, placeholders })
}

/// Gives columns without a name one of their own, since two may not have the same; answers those of PostgreSQL.
fn name_columns(body: &mut SetExpr) -> Vec<Option<String>> {
    match body {
        SetExpr::Select(select) => name_items(select),
        SetExpr::Query(query) => name_columns(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            name_columns(right);
            name_columns(left)
        }
        _ => Vec::new(),
    }
}

fn name_items(select: &mut Select) -> Vec<Option<String>> {
    let is_plain = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if !select.projection.iter().all(is_plain) {
        return Vec::new();
    }
    let name = |(at, item): (usize, &mut SelectItem)| {
        let SelectItem::UnnamedExpr(expr) = &*item else { return None };
        let given = match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => return None,
            expr => name_of(expr).unwrap_or_else(|| "?column?".to_owned()),
        };
        let alias = Ident::with_quote('"', format!("?{at}"));
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        Some(given)
    };
    select.projection.iter_mut().enumerate().map(name).collect()
}

/// The name that PostgreSQL gives to the column of an expression.
fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()),
        Expr::Function(function) => last(&function.name).map(|name| name.to_ascii_lowercase()),
        Expr::Nested(expr) | Expr::Collate { expr, .. } => name_of(expr),
        Expr::Cast { expr, data_type, .. } => name_of(expr).or_else(|| Some(type_name(data_type))),
        Expr::Case { .. } => Some("case".to_owned()),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first()? {
                SelectItem::UnnamedExpr(expr) => name_of(expr),
                SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn last(name: &ObjectName) -> Option<&str> {
    name.0.last().and_then(ObjectNamePart::as_ident).map(|ident| ident.value.as_str())
}

#[derive(Default)]
struct Rewrite {
    /// How many queries were lifted.
    lifted: usize,
    /// In how many queries arrays were expanded.
    expanded: usize,
}

impl VisitorMut for Rewrite {
    type Break = PlanError;

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<PlanError> {
        let rewritten = expand::expand(select, &mut self.expanded).and_then(|()| lift::lift(select, &mut self.lifted));
        match rewritten {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<PlanError> {
        match rewritten(expr) {
            Ok(Some(written)) => *expr = written,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<PlanError> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor {
            unqualify(name);
        }
        match unnested(factor) {
            Ok(Some(nothing)) => *factor = nothing,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

/// Columns with arrays that no row has.
const NULL_ARRAYS: [&str; 5] = ["reloptions", "attoptions", "relacl", "datacl", "nspacl"];

/// `unnest` of an array that no row has: no rows.
fn unnested(factor: &TableFactor) -> Result<Option<TableFactor>, PlanError> {
    let TableFactor::Table { name, args: Some(args), alias: Some(alias), .. } = factor else { return Ok(None) };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = args.args.as_slice() else { return Ok(None) };
    let column = match array {
        Expr::Identifier(name) => Some(name.value.as_str()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.as_str()),
        _ => None,
    };
    if last(name) != Some("unnest") || !column.is_some_and(|column| NULL_ARRAYS.contains(&column)) {
        return Ok(None);
    }
    let column = alias.columns.first().map_or(&alias.name, |column| &column.name);
    derived(&format!("SELECT '' AS {column} WHERE false"), alias.clone()).map(Some)
}

/// A query of ours in the place of a table.
fn derived(sql: &str, alias: TableAlias) -> Result<TableFactor, PlanError> {
    let syntax = |message: String| PlanError::Meaning(datafusion::error::DataFusionError::Plan(message));
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(|error| syntax(error.to_string()))?;
    let Some(Statement::Query(subquery)) = statements.into_iter().next() else {
        return Err(syntax(format!("`{sql}` is no query")));
    };
    Ok(TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None })
}

fn rewritten(expr: &mut Expr) -> Result<Option<Expr>, PlanError> {
    Ok(match expr {
        Expr::Collate { expr, .. } => Some((**expr).clone()),
        Expr::BinaryOp { op, left, right } => {
            if let BinaryOperator::PGCustomBinaryOperator(parts) = op
                && let Some(known) = parts.last().and_then(|sign| operator(sign))
            {
                *op = known;
            }
            match op {
                BinaryOperator::StringConcat => Some(call("pg_concat", vec![(**left).clone(), (**right).clone()])),
                // Elements of vectors are texts here.
                BinaryOperator::BitwiseAnd => Some(Expr::BinaryOp {
                    left: Box::new(big_integer(left)),
                    op: BinaryOperator::BitwiseAnd,
                    right: Box::new(big_integer(right)),
                }),
                _ => None,
            }
        }
        Expr::Function(function) => called(function)?,
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => Some(any(left, right)),
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => Some(Expr::UnaryOp {
            op: datafusion::sql::sqlparser::ast::UnaryOperator::Not,
            expr: Box::new(Expr::Nested(Box::new(any(left, right)))),
        }),
        Expr::CompoundFieldAccess { root, access_chain } => accessed(root, access_chain),
        Expr::Cast { expr, data_type, kind, .. } => cast(expr, data_type, kind),
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            if let Some(escape) = escape_char.take() {
                **pattern = call("pg_pattern", vec![(**pattern).clone(), Expr::Value(escape)]);
            }
            None
        }
        _ => None,
    })
}

/// `a.b[1]`, `(row).x`.
fn accessed(root: &Expr, chain: &[AccessExpr]) -> Option<Expr> {
    let mut chain = chain.iter().peekable();
    let mut expr = root.clone();
    if let Expr::Identifier(first) = root {
        let mut parts = vec![first.clone()];
        while let Some(AccessExpr::Dot(Expr::Identifier(part))) = chain.peek() {
            parts.push(part.clone());
            chain.next();
        }
        if parts.len() > 1 {
            expr = Expr::CompoundIdentifier(parts);
        }
    }
    for access in chain {
        expr = match access {
            AccessExpr::Subscript(Subscript::Index { index }) => call("pg_element", vec![expr, index.clone()]),
            AccessExpr::Dot(Expr::Identifier(field)) => {
                let field = Value::SingleQuotedString(field.value.to_ascii_lowercase());
                call("pg_field", vec![expr, Expr::Value(field.into())])
            }
            _ => return None,
        };
    }
    Some(expr)
}

/// A call as the planner has it, or what stands in its place.
fn called(function: &mut Function) -> Result<Option<Expr>, PlanError> {
    unqualify(&mut function.name);
    let Some(name) = last(&function.name).map(str::to_ascii_lowercase) else { return Ok(None) };
    match &mut function.args {
        FunctionArguments::Subquery(query) if name == "array" => return lift::array_of(query.clone()).map(Some),
        args @ FunctionArguments::None if functions::has_function(&name) => *args = arguments(Vec::new()),
        _ if name == "replace" => function.name = ObjectName::from(vec![Ident::new("pg_replace")]),
        _ => {}
    }
    Ok(None)
}

/// `pg_catalog.f` as `f`.
fn unqualify(name: &mut ObjectName) {
    let schema = name.0.first().and_then(ObjectNamePart::as_ident);
    if name.0.len() == 2 && schema.is_some_and(|schema| schema.value == "pg_catalog") {
        name.0.remove(0);
    }
}

fn operator(sign: &str) -> Option<BinaryOperator> {
    use BinaryOperator as B;
    Some(match sign {
        "~" => B::PGRegexMatch,
        "~*" => B::PGRegexIMatch,
        "!~" => B::PGRegexNotMatch,
        "!~*" => B::PGRegexNotIMatch,
        "~~" => B::PGLikeMatch,
        "!~~" => B::PGNotLikeMatch,
        "=" => B::Eq,
        "<>" => B::NotEq,
        "<" => B::Lt,
        ">" => B::Gt,
        "<=" => B::LtEq,
        ">=" => B::GtEq,
        "||" => B::StringConcat,
        "+" => B::Plus,
        "-" => B::Minus,
        _ => return None,
    })
}

fn any(left: &Expr, right: &Expr) -> Expr {
    let mut right = right;
    while let Expr::Nested(inner) = right {
        right = inner;
    }
    match right {
        Expr::Array(array) if !array.elem.is_empty() => {
            Expr::InList { expr: Box::new(left.clone()), list: array.elem.clone(), negated: false }
        }
        Expr::Subquery(subquery) => {
            Expr::InSubquery { expr: Box::new(left.clone()), subquery: subquery.clone(), negated: false }
        }
        right => call("pg_any", vec![left.clone(), right.clone()]),
    }
}

/// The last part of a type's name, in small letters.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Custom(name, _) => last(name).unwrap_or_default().to_ascii_lowercase(),
        DataType::Regclass => "regclass".to_owned(),
        other => other.to_string().to_ascii_lowercase(),
    }
}

fn cast(expr: &Expr, data_type: &mut DataType, kind: &mut CastKind) -> Option<Expr> {
    *kind = CastKind::Cast;
    let is_text = matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
    let to = match type_name(data_type).as_str() {
        "regclass" if is_text => return Some(call("regclass_oid", vec![expr.clone()])),
        "regclass" => return Some(call("regclass_name", vec![expr.clone()])),
        "regtype" if is_text => return Some(call("regtype_oid", vec![expr.clone()])),
        "regtype" => {
            let null = Expr::Value(Value::Null.into());
            return Some(call("format_type", vec![expr.clone(), null]));
        }
        "oid" | "xid" | "int8" => DataType::BigInt(None),
        "int4" => DataType::Integer(None),
        "int2" => DataType::SmallInt(None),
        "bool" => DataType::Boolean,
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "text" | "varchar" | "name" | "char" | "bpchar" | "cstring" | "regproc" | "regprocedure" | "regnamespace"
        | "regrole" | "int2vector" | "oidvector" | "anyarray" | "json" | "jsonb" | "aclitem" => DataType::Text,
        _ if matches!(data_type, DataType::Array(_)) => DataType::Text,
        _ => return None,
    };
    *data_type = to;
    None
}

fn big_integer(expr: &Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr.clone()),
        data_type: DataType::BigInt(None),
        array: false,
        format: None,
    }
}

fn arguments(args: Vec<Expr>) -> FunctionArguments {
    let args = args.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] })
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: arguments(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}
