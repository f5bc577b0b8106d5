//! Apache Flink's SQL dialect as text: scripts are split into statements, and each becomes a [`Statement`].
//!
//! Queries and expressions are the AST of `sqlparser`, the one that DataFusion plans; this crate adds what Flink has
//! beside it, and refuses what Flink does not have, always with the place in the text and, where there is something,
//! with what to write instead. In the AST,
//!
//! - types are [`ast::DataType::Custom`] with a name that [`DataType::from_ast`] reads;
//! - window functions are found by [`window_function`], hints by [`table_options`], intervals by [`interval_value`];
//! - [`TABLE_ARGUMENT`], [`BETWEEN_SYMMETRIC`] and [`OPTIONS_HINT`] are functions that no text can name;
//! - `MAP[k, v]` is [`ast::Expr::Map`], and `UNNEST(a)` in `FROM` is [`ast::TableFactor::UNNEST`];
//! - names in backticks have that as their quote style, and unquoted ones keep their letters: Flink tells `a` from
//!   `A`.
//!
//! Everything is bounded before it is looked into, see [`limits`]; no text makes this crate panic or overflow the
//! stack.

mod cursor;
mod data_type;
mod dialect;
mod error;
mod interval;
pub mod limits;
mod parameters;
mod parse;
mod query;
mod script;
mod statement;
mod walk;
mod words;

pub use data_type::{
    DECIMAL_PRECISION_MAX, DataType, Field, IntervalType, IntervalUnit, LENGTH_MAX, NullableType, SECOND_PRECISION_MAX,
};
pub use dialect::FlinkDialect;
pub use error::{Position, Span, SyntaxError};
pub use interval::{IntervalValue, interval_value};
pub use parameters::{
    PARAMETERS_MAX, bind, bytes_value, cast_value, number_value, parameter_count, parameter_count_of, parse_prepared,
    text_value, typed_value,
};
pub use query::{
    BETWEEN_SYMMETRIC, OPTIONS_HINT, TABLE_ARGUMENT, WindowFunction, WindowKind, join_constraint, query_text,
    table_options, window_function,
};
pub use script::{Fragment, Lexeme, fragments};
pub use sqlparser::ast;
pub use statement::{
    ColumnDef, CreateMaterializedTable, CreateTable, CreateView, DropObject, Explain, ExplainDetail, Insert,
    ObjectKind, RefreshMode, Show, Statement, ViewColumn, WatermarkDef,
};
pub use walk::{Walk, walk, walk_mut};

/// A statement with where it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// Where it is in the whole text.
    pub span: Span,
    /// Its own text, as it was written, without the semicolon.
    pub text: String,
}

/// Splits a script at its semicolons and reads each statement.
///
/// Comments (`--` and `/* … */`) and empty statements are skipped; `EXECUTE STATEMENT SET BEGIN …; END` is one
/// statement.
///
/// # Errors
/// [`SyntaxError`] with the first place that is not understood, or beyond one of the [`limits`].
pub fn parse_script(text: &str) -> Result<Vec<Parsed>, SyntaxError> {
    let read = |piece: script::Piece| {
        let (span, own) = (piece.span, text.get(piece.bytes.clone()).unwrap_or_default().to_owned());
        parse::parse(piece).map(|statement| Parsed { statement, span, text: own })
    };
    script::split(text)?.into_iter().map(read).collect()
}

/// Reads a text that is one statement, with or without a semicolon behind it.
///
/// # Errors
/// As [`parse_script`], and where there is none or more than one.
pub fn parse_statement(text: &str) -> Result<Parsed, SyntaxError> {
    let mut statements = parse_script(text)?.into_iter();
    let Some(first) = statements.next() else {
        return Err(SyntaxError::new(Position::START, "there is no statement"));
    };
    match statements.next() {
        Some(second) => Err(SyntaxError::new(second.span.start, "there is a second statement")),
        None => Ok(first),
    }
}

/// Whether a text that somebody types ends with a whole statement: with a semicolon that is part of no text, name,
/// comment or statement set. What is complete need not be right.
#[must_use]
pub fn is_complete(text: &str) -> bool {
    script::is_complete(text)
}
