//! `CREATE TABLE` and the parts of it that others have too.

use crate::{
    SyntaxError,
    cursor::{Cursor, Read},
    data_type::parse_nullable,
    limits, query,
    statement::{ColumnDef, CreateTable, WatermarkDef},
    words,
};
use sqlparser::{ast::Ident, tokenizer::Token};
use std::collections::{BTreeMap, BTreeSet};

/// What is between the brackets of a table.
#[derive(Default)]
struct Parts {
    columns: Vec<ColumnDef>,
    names: BTreeSet<String>,
    watermark: Option<WatermarkDef>,
    primary_key: Option<Vec<Ident>>,
}

/// What is behind `CREATE TABLE`.
pub(super) fn table(cursor: &mut Cursor<'_, '_>) -> Read<CreateTable> {
    let if_not_exists = cursor.eat("IF NOT EXISTS");
    let name = cursor.name("the name of the table")?;
    let mut parts = Parts::default();
    if cursor.eat_token(&Token::LParen) {
        cursor.list(|cursor| part(cursor, &mut parts))?;
        cursor.expect_token(&Token::RParen)?;
    }
    let comment = comment(cursor)?;
    refuse_distribution(cursor)?;
    let options = options(cursor)?;
    if cursor.is("LIKE") {
        return cursor.not_supported("CREATE TABLE … LIKE", "name the columns and options");
    }
    let as_query = if cursor.eat("AS") { Some(query::parse(cursor)?) } else { None };
    if as_query.is_none() {
        if parts.columns.is_empty() && cursor.peek().token == Token::EOF {
            return cursor.expected("the columns in brackets, or `AS` and a query");
        }
        parts.check_names()?;
    }
    let Parts { columns, watermark, primary_key, .. } = parts;
    Ok(CreateTable { name, if_not_exists, columns, watermark, primary_key, comment, options, as_query })
}

impl Parts {
    /// The key and the watermark are of columns that are there.
    fn check_names(&self) -> Read<()> {
        let watermark = self.watermark.iter().map(|watermark| &watermark.column);
        match watermark.chain(self.primary_key.iter().flatten()).find(|name| !self.names.contains(&name.value)) {
            Some(name) => Err(SyntaxError::new(name.span.start, format!("`{}` is no column of the table", name.value))),
            None => Ok(()),
        }
    }
}

fn part(cursor: &mut Cursor<'_, '_>, parts: &mut Parts) -> Read<()> {
    let at = cursor.position();
    let twice = |what: &str| Err(SyntaxError::new(at, format!("a table has one {what}")));
    if cursor.is("WATERMARK") && words::is(cursor.peek_at(1), "FOR") {
        let watermark = watermark(cursor)?;
        return if parts.watermark.replace(watermark).is_some() { twice("watermark") } else { Ok(()) };
    }
    let is_key = cursor.is("PRIMARY") && words::is(cursor.peek_at(1), "KEY");
    if is_key || cursor.is("CONSTRAINT") {
        let key = primary_key(cursor)?;
        return if parts.primary_key.replace(key).is_some() { twice("primary key") } else { Ok(()) };
    }
    for (first, second) in [("UNIQUE", "("), ("FOREIGN", "KEY"), ("CHECK", "("), ("INDEX", "("), ("PERIOD", "FOR")] {
        if cursor.is(first) && cursor.peek_at(1).to_string().eq_ignore_ascii_case(second) {
            return cursor.not_supported(first, "there is `PRIMARY KEY (a) NOT ENFORCED`");
        }
    }
    let (column, is_key) = column(cursor)?;
    let name = column.name();
    if is_key && parts.primary_key.replace(vec![name.clone()]).is_some() {
        return twice("primary key");
    }
    if !parts.names.insert(name.value.clone()) {
        return Err(SyntaxError::new(at, format!("`{}` is a column already", name.value)));
    }
    parts.columns.push(column);
    match parts.columns.len() > limits::COLUMNS_MAX {
        true => Err(SyntaxError::new(at, format!("more than {} columns", limits::COLUMNS_MAX))),
        false => Ok(()),
    }
}

/// A column, and whether it is the key.
fn column(cursor: &mut Cursor<'_, '_>) -> Read<(ColumnDef, bool)> {
    let name = cursor.ident("the name of a column")?;
    if cursor.eat("AS") {
        let expr = Box::new(query::parse_expr(cursor)?);
        return Ok((ColumnDef::Computed { name, expr, comment: comment(cursor)? }, false));
    }
    let data_type = parse_nullable(cursor)?;
    let (not_null, data_type) = (!data_type.nullable, data_type.data_type);
    if cursor.eat("METADATA") {
        let from = if cursor.eat("FROM") { Some(cursor.text("the key in quotes")?) } else { None };
        let is_virtual = cursor.eat("VIRTUAL");
        let comment = comment(cursor)?;
        return Ok((ColumnDef::Metadata { name, data_type, not_null, from, is_virtual, comment }, false));
    }
    let is_key = cursor.eat("PRIMARY KEY");
    if is_key {
        not_enforced(cursor)?;
    }
    for (word, instead) in [
        ("DEFAULT", "give the value with `INSERT`, or `COALESCE` in the query"),
        ("AUTO_INCREMENT", "there are no generated values: name rows where they are written"),
        ("AUTOINCREMENT", "there are no generated values: name rows where they are written"),
        ("IDENTITY", "there are no generated values: name rows where they are written"),
        ("GENERATED", "write a computed column: `name AS expression`"),
        ("UNIQUE", "there is `PRIMARY KEY (a) NOT ENFORCED`"),
        ("REFERENCES", "there is `PRIMARY KEY (a) NOT ENFORCED`"),
        ("CHECK", "filter with `WHERE` when you insert"),
        ("COLLATE", "text is compared by its characters' numbers"),
    ] {
        if cursor.is(word) {
            return cursor.not_supported(word, instead);
        }
    }
    Ok((ColumnDef::Physical { name, data_type, not_null, comment: comment(cursor)? }, is_key))
}

fn watermark(cursor: &mut Cursor<'_, '_>) -> Read<WatermarkDef> {
    cursor.expect("WATERMARK FOR")?;
    let column = cursor.ident("the name of a column")?;
    if cursor.peek().token == Token::Period {
        return cursor.not_supported("a watermark of a field", "compute a column from the field first");
    }
    cursor.expect("AS")?;
    Ok(WatermarkDef { column, expr: query::parse_expr(cursor)? })
}

/// `[CONSTRAINT c] PRIMARY KEY (a, b) NOT ENFORCED`.
pub(super) fn primary_key(cursor: &mut Cursor<'_, '_>) -> Read<Vec<Ident>> {
    if cursor.eat("CONSTRAINT") {
        cursor.ident("the name of the constraint")?;
    }
    cursor.expect("PRIMARY KEY")?;
    let mut names = BTreeSet::new();
    let columns = cursor.bracketed(|cursor| {
        let name = cursor.ident("the name of a column")?;
        match names.insert(name.value.clone()) {
            true => Ok(name),
            false => Err(SyntaxError::new(name.span.start, format!("`{}` is in the key already", name.value))),
        }
    })?;
    not_enforced(cursor)?;
    Ok(columns)
}

fn not_enforced(cursor: &mut Cursor<'_, '_>) -> Read<()> {
    if cursor.eat("NOT ENFORCED") {
        return Ok(());
    }
    match cursor.is("ENFORCED") {
        true => cursor
            .not_supported("ENFORCED", "write `NOT ENFORCED`: rows come from topics, and are not held against others"),
        false => match cursor.expected("`NOT ENFORCED` behind `PRIMARY KEY`") {
            Err(error) => Err(error.with_hint("rows come from topics, and are not held against others")),
            ok => ok,
        },
    }
}

pub(super) fn comment(cursor: &mut Cursor<'_, '_>) -> Read<Option<String>> {
    match cursor.eat("COMMENT") {
        true => cursor.text("the comment in quotes").map(Some),
        false => Ok(None),
    }
}

pub(super) fn refuse_distribution(cursor: &Cursor<'_, '_>) -> Read<()> {
    for what in ["PARTITIONED", "DISTRIBUTED"] {
        if cursor.is(what) {
            let hint = "a topic has its own partitions; rows go there by their key, see the option `key.fields`";
            return cursor.not_supported(&format!("{what} BY"), hint);
        }
    }
    Ok(())
}

/// `WITH ('key' = 'value', …)`, where there is one.
pub(super) fn options(cursor: &mut Cursor<'_, '_>) -> Read<BTreeMap<String, String>> {
    let mut options = BTreeMap::new();
    if !cursor.eat("WITH") {
        return Ok(options);
    }
    cursor.bracketed(|cursor| {
        let at = cursor.position();
        let key = cursor.text("a key in quotes, as in `'connector' = 'kafka'`")?;
        cursor.expect_token(&Token::Eq)?;
        let value = cursor.text("a value in quotes, as in `'connector' = 'kafka'`")?;
        if options.len() >= limits::OPTIONS_MAX {
            return Err(SyntaxError::new(at, format!("more than {} options", limits::OPTIONS_MAX)));
        }
        match options.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(SyntaxError::new(at, "this key is there twice")),
        }
    })?;
    Ok(options)
}
