//! What the parser beneath is told about Flink's language: its characters, its operators, and expressions of its own.

mod infix;
mod prefix;

use crate::{SyntaxError, parse::Parameters};
use sqlparser::{
    ast::Expr,
    dialect::{Dialect, Precedence},
    keywords::Keyword,
    parser::{Parser, ParserError},
};
use std::cell::{Cell, RefCell};

/// Flink's dialect for the parser beneath, for expressions and queries.
///
/// Statements are not its business. What it accepts is more than Flink has: [`crate::parse_script`] also refuses the
/// rest.
#[derive(Debug)]
pub struct FlinkDialect {
    /// How many expressions may still be begun. The parser beneath tries things and takes them back, within each other,
    /// which costs more than any text is worth where somebody wants it to.
    fuel: Cell<usize>,
    /// An error that is certain. The parser beneath would otherwise try something else, and report that.
    certain: RefCell<Option<SyntaxError>>,
    parameters: Parameters,
}

impl Default for FlinkDialect {
    fn default() -> Self {
        Self::with_fuel(usize::MAX)
    }
}

impl FlinkDialect {
    pub(crate) fn with_fuel(fuel: usize) -> Self {
        Self { fuel: Cell::new(fuel), certain: RefCell::default(), parameters: Parameters::Refused }
    }

    pub(crate) fn with_parameters(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    pub(crate) const fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// The error that no other way of reading the text can change.
    pub(crate) fn take_certain(&self) -> Option<SyntaxError> {
        self.certain.take()
    }

    /// Notes an error that is certain, and gives what makes the parser beneath give up at once.
    fn fail<T>(&self, error: SyntaxError) -> Result<T, ParserError> {
        self.certain.borrow_mut().get_or_insert(error);
        Err(ParserError::RecursionLimitExceeded)
    }
}

impl Dialect for FlinkDialect {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '$'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    /// Those of Calcite: `LIKE` and `BETWEEN` bind tighter than `=`.
    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Period => 100,
            Precedence::DoubleColon => 50,
            Precedence::AtTz => 41,
            Precedence::MulDivModOp => 40,
            Precedence::PlusMinus => 30,
            Precedence::Xor | Precedence::Ampersand | Precedence::Caret | Precedence::Pipe | Precedence::Colon => 25,
            Precedence::Between | Precedence::Like => 22,
            Precedence::Eq => 20,
            Precedence::Is => 17,
            Precedence::PgOther => 16,
            Precedence::UnaryNot => 15,
            Precedence::And => 10,
            Precedence::Or => 5,
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        Some(Ok(infix::precedence(self, parser)))
    }

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        infix::parse(self, parser, left)
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let Some(rest) = self.fuel.get().checked_sub(1) else {
            let at = parser.peek_token_ref().span.start;
            return Some(self.fail(SyntaxError::new(at, "too entangled to be read").with_hint("split it with views")));
        };
        self.fuel.set(rest);
        prefix::parse(self, parser)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        matches!(keyword, Keyword::EXISTS | Keyword::INTERVAL | Keyword::TRIM | Keyword::CASE | Keyword::CAST)
    }
}

pub(crate) use infix::{is_comparison, is_known};
