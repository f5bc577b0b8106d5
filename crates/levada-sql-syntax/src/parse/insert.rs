//! `INSERT INTO`, and sets of them.

use crate::{
    cursor::{Cursor, Read},
    query,
    statement::Insert,
};
use sqlparser::tokenizer::Token;

/// `INSERT INTO t [(a, b)] query`.
pub(super) fn insert(cursor: &mut Cursor<'_, '_>) -> Read<Insert> {
    cursor.expect("INSERT")?;
    if cursor.is("OVERWRITE") {
        return cursor.not_supported("INSERT OVERWRITE", "a topic is only added to: write `INSERT INTO`");
    }
    cursor.expect("INTO")?;
    if cursor.is("TABLE") {
        return cursor.not_supported("INSERT INTO TABLE", "write `INSERT INTO t`");
    }
    let (table, hint) = cursor.name_with_options("the name of a table")?;
    if cursor.is("PARTITION") {
        return cursor.not_supported("PARTITION (…)", "name the column with the others");
    }
    let is_query = ["SELECT", "WITH", "VALUES"].iter().any(|word| crate::words::is(cursor.peek_at(1), word));
    let columns = match cursor.peek().token == Token::LParen && !is_query && *cursor.peek_at(1) != Token::LParen {
        true => cursor.bracketed(|cursor| cursor.ident("the name of a column"))?,
        false => Vec::new(),
    };
    let options = hint.map(|(_, options)| options).unwrap_or_default();
    Ok(Insert { table, options, columns, query: query::parse(cursor)? })
}

/// `STATEMENT SET BEGIN …; END`.
pub(super) fn set(cursor: &mut Cursor<'_, '_>) -> Read<Vec<Insert>> {
    cursor.expect("STATEMENT SET BEGIN")?;
    inserts(cursor)
}

/// `BEGIN STATEMENT SET; …; END`, the same in an older form.
pub(super) fn begin_set(cursor: &mut Cursor<'_, '_>) -> Read<Vec<Insert>> {
    cursor.expect("BEGIN")?;
    if !cursor.is("STATEMENT") {
        return cursor.not_supported("BEGIN", "each statement stands for itself; `BEGIN STATEMENT SET` takes several");
    }
    cursor.expect("STATEMENT SET")?;
    cursor.expect_token(&Token::SemiColon)?;
    inserts(cursor)
}

fn inserts(cursor: &mut Cursor<'_, '_>) -> Read<Vec<Insert>> {
    let mut inserts = Vec::new();
    while inserts.is_empty() || !cursor.eat("END") {
        cursor.eat("EXECUTE");
        if !cursor.is("INSERT") {
            return cursor.expected(if inserts.is_empty() { "`INSERT`" } else { "`INSERT` or `END`" });
        }
        inserts.push(insert(cursor)?);
        cursor.expect_token(&Token::SemiColon)?;
    }
    Ok(inserts)
}
