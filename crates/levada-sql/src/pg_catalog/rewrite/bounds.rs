//! How large a query of the catalog may be, in every direction in which what it comes to grows.

use super::{PlanError, expand, functions, last};
use datafusion::sql::sqlparser::{
    ast::{Expr, Query, Select, TableFactor, Value, ValueWithSpan, Visitor},
    tokenizer::{Token, TokenWithSpan},
};
use levada_sql_syntax::walk;
use std::{collections::BTreeMap, ops::ControlFlow};

/// The largest text of such a query, in bytes.
pub(in super::super) const TEXT_SIZE_MAX: usize = 64 << 10;
/// The most words, signs and texts of one.
const TOKENS_MAX: usize = 8_000;
/// The most elements that are taken out of arrays, and dimensions of types.
const SUBSCRIPTS_MAX: usize = 64;
/// The most tables of one, those counted each time that a query of its `WITH` is named.
const TABLES_MAX: usize = 64;
/// The most columns of one `SELECT`.
const COLUMNS_MAX: usize = 256;
/// A text in it, or in the place of a parameter, in bytes. Each row has it once for each column that shows it.
pub(in super::super) const VALUE_SIZE_MAX: usize = 4 << 10;

fn refused(what: String) -> PlanError {
    PlanError::unsupported(what, Some("ask for less at once"))
}

pub(super) fn check_size(sql: &str) -> Result<(), PlanError> {
    match sql.len() > TEXT_SIZE_MAX {
        true => Err(refused(format!("a query of the catalog with more than {TEXT_SIZE_MAX} bytes"))),
        false => Ok(()),
    }
}

pub(super) fn check_tokens(tokens: &[TokenWithSpan]) -> Result<(), PlanError> {
    if tokens.len() > TOKENS_MAX {
        return Err(refused(format!("a query of the catalog with more than {TOKENS_MAX} words and signs")));
    }
    if tokens.iter().filter(|token| token.token == Token::LBracket).count() > SUBSCRIPTS_MAX {
        return Err(refused(format!("a query of the catalog with more than {SUBSCRIPTS_MAX} subscripts")));
    }
    Ok(())
}

/// Refuses a query that is too large; answers how often a parameter stands in it.
pub(super) fn check(query: &Query) -> Result<usize, PlanError> {
    let mut measure = Measure { frames: vec![Frame::default()], placeholders: 0 };
    match walk(query, &mut measure) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(measure.placeholders),
    }
}

struct Measure {
    /// Of each query around, from without.
    frames: Vec<Frame>,
    placeholders: usize,
}

#[derive(Default)]
struct Frame {
    tables: usize,
    /// How many tables the queries of its `WITH` stand for, those that were passed.
    named: BTreeMap<String, usize>,
    /// The queries of its `WITH` by their places, which are where they are while one looks at them.
    places: BTreeMap<usize, String>,
}

fn place(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}

impl Visitor for Measure {
    type Break = PlanError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<PlanError> {
        let named = query.with.iter().flat_map(|with| &with.cte_tables);
        let places = named.map(|cte| (place(&cte.query), cte.alias.name.value.to_ascii_lowercase())).collect();
        self.frames.push(Frame { places, ..Frame::default() });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<PlanError> {
        let tables = self.frames.pop().map_or(0, |frame| frame.tables);
        if let Some(around) = self.frames.last_mut() {
            match around.places.get(&place(query)) {
                Some(name) => drop(around.named.insert(name.clone(), tables)),
                None => around.tables = around.tables.saturating_add(tables),
            }
        }
        match tables > TABLES_MAX {
            true => ControlFlow::Break(refused(format!("a query of the catalog with more than {TABLES_MAX} tables"))),
            false => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<PlanError> {
        let counts = match factor {
            TableFactor::Table { name, .. } => {
                let name = last(name).unwrap_or_default().to_ascii_lowercase();
                self.frames.iter().rev().find_map(|frame| frame.named.get(&name).copied()).unwrap_or(1)
            }
            // Its tables are counted by themselves.
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => 0,
            _ => 1,
        };
        if let Some(frame) = self.frames.last_mut() {
            frame.tables = frame.tables.saturating_add(counts);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<PlanError> {
        // Each `SELECT` with such calls is joined with their places.
        if let Expr::Function(function) = expr
            && last(&function.name).is_some_and(expand::is_expanded)
            && let Some(frame) = self.frames.last_mut()
        {
            frame.tables = frame.tables.saturating_add(1);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<PlanError> {
        match select.projection.len() > COLUMNS_MAX {
            true => ControlFlow::Break(refused(format!("a query of the catalog with more than {COLUMNS_MAX} columns"))),
            false => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<PlanError> {
        match &value.value {
            Value::Placeholder(_) => self.placeholders += 1,
            Value::Null | Value::Boolean(_) | Value::Number(..) => {}
            text if text.clone().into_string().is_some_and(|text| text.len() > VALUE_SIZE_MAX) => {
                let what = format!("a text of more than {VALUE_SIZE_MAX} bytes in a query of the catalog");
                return ControlFlow::Break(refused(what));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Refuses functions that queries of the catalog do not call.
pub(super) fn check_functions(query: &Query) -> Result<(), PlanError> {
    struct Called;
    impl Visitor for Called {
        type Break = String;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            match expr {
                Expr::Function(function) if !last(&function.name).is_some_and(functions::may_be_called) => {
                    ControlFlow::Break(function.name.to_string())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match walk(query, &mut Called) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(name) => {
            let hint = "ask for what it is made of, and call it yourself";
            Err(PlanError::unsupported(format!("the function `{name}` in a query of the catalog"), Some(hint)))
        }
    }
}
