//! `CREATE …`.

use super::{kind, table};
use crate::{
    IntervalValue, Statement, SyntaxError,
    cursor::{Cursor, Read},
    interval::{self, interval_value},
    query,
    statement::{CreateMaterializedTable, CreateView, ObjectKind, RefreshMode, ViewColumn},
};
use sqlparser::tokenizer::Token;
use std::collections::BTreeSet;

pub(super) fn create(cursor: &mut Cursor<'_, '_>) -> Read<Statement> {
    cursor.expect("CREATE")?;
    if cursor.is("OR") {
        if cursor.eat("OR ALTER") {
            return match cursor.eat("MATERIALIZED TABLE") {
                true => materialized(cursor, true),
                false => cursor.expected("`MATERIALIZED TABLE`"),
            };
        }
        return cursor.not_supported("CREATE OR REPLACE", "drop it first");
    }
    let at = cursor.position();
    match kind(cursor, "CREATE")? {
        ObjectKind::Table => table::table(cursor).map(|table| Statement::CreateTable(Box::new(table))),
        ObjectKind::View => view(cursor).map(Statement::CreateView),
        ObjectKind::MaterializedTable => materialized(cursor, false),
        ObjectKind::Statement => {
            let error = SyntaxError::not_supported(at, "CREATE STATEMENT");
            Err(error.with_hint("`INSERT INTO t …` makes one that goes on"))
        }
    }
}

fn view(cursor: &mut Cursor<'_, '_>) -> Read<CreateView> {
    let if_not_exists = cursor.eat("IF NOT EXISTS");
    let name = cursor.name("the name of the view")?;
    let mut names = BTreeSet::new();
    let columns = match cursor.peek().token {
        Token::LParen => cursor.bracketed(|cursor| {
            let name = cursor.ident("the name of a column")?;
            if !names.insert(name.value.clone()) {
                return Err(SyntaxError::new(name.span.start, format!("`{}` is a column already", name.value)));
            }
            Ok(ViewColumn { name, comment: table::comment(cursor)? })
        })?,
        _ => Vec::new(),
    };
    let comment = table::comment(cursor)?;
    cursor.expect("AS")?;
    Ok(CreateView { name, if_not_exists, columns, comment, query: query::parse(cursor)? })
}

fn materialized(cursor: &mut Cursor<'_, '_>, or_alter: bool) -> Read<Statement> {
    if cursor.is("IF") {
        return cursor.not_supported("IF NOT EXISTS", "leave it out");
    }
    let name = cursor.name("the name of the table")?;
    let primary_key = match cursor.eat_token(&Token::LParen) {
        true => {
            let columns = table::primary_key(cursor)?;
            cursor.expect_token(&Token::RParen)?;
            Some(columns)
        }
        false => None,
    };
    let comment = table::comment(cursor)?;
    table::refuse_distribution(cursor)?;
    let options = table::options(cursor)?;
    let freshness_ms = if cursor.eat("FRESHNESS") { Some(freshness(cursor)?) } else { None };
    let refresh_mode = if cursor.eat("REFRESH_MODE") { Some(refresh_mode(cursor)?) } else { None };
    if !cursor.eat("AS") {
        return cursor.expected("`WITH (…)`, `FRESHNESS = …`, `REFRESH_MODE = …` or `AS` and a query, in this order");
    }
    let query = query::parse(cursor)?;
    let table =
        CreateMaterializedTable { name, or_alter, primary_key, comment, options, freshness_ms, refresh_mode, query };
    Ok(Statement::CreateMaterializedTable(Box::new(table)))
}

fn freshness(cursor: &mut Cursor<'_, '_>) -> Read<i64> {
    /// Ten digits of seconds are three hundred years.
    const FRESHNESS_MAX_MS: i64 = 9_999_999_999_000;
    cursor.expect_token(&Token::Eq)?;
    cursor.expect("INTERVAL")?;
    let at = cursor.position();
    match interval_value(&interval::parse(cursor)?)? {
        IntervalValue::Milliseconds(freshness_ms @ 1..=FRESHNESS_MAX_MS) => Ok(freshness_ms),
        _ => {
            let error = SyntaxError::new(at, "the freshness is a span of days at most, and longer than nothing");
            Err(error.with_hint("write `FRESHNESS = INTERVAL '1' MINUTE`"))
        }
    }
}

fn refresh_mode(cursor: &mut Cursor<'_, '_>) -> Read<RefreshMode> {
    cursor.expect_token(&Token::Eq)?;
    match () {
        () if cursor.eat("CONTINUOUS") => Ok(RefreshMode::Continuous),
        () if cursor.eat("FULL") => Ok(RefreshMode::Full),
        () => cursor.expected("`CONTINUOUS` or `FULL`"),
    }
}
