//! One statement from its tokens.

mod create;
mod insert;
mod table;

use crate::{
    FlinkDialect, Statement, SyntaxError,
    cursor::{Cursor, Read},
    error::{hint, quoted},
    limits, query,
    script::Piece,
    statement::{DropObject, Explain, ExplainDetail, ObjectKind, Show},
    words,
};
use sqlparser::{ast::Ident, ast::ObjectName, parser::Parser, tokenizer::Token};
use std::collections::BTreeSet;

/// What the parser beneath must have left of its stack before it recurses, in bytes, or it goes on with another one.
///
/// Its own 128 KiB are less than what one step takes in a build without optimisation.
const STACK_LEFT_MIN: usize = 512 << 10;

/// Whether `$1` may be in the place of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Parameters {
    Allowed,
    #[default]
    Refused,
}

/// What a piece of a script says.
pub(crate) fn parse(piece: Piece) -> Read<Statement> {
    parse_with(piece, Parameters::Refused)
}

/// The same, with or without parameters.
pub(crate) fn parse_with(piece: Piece, parameters: Parameters) -> Read<Statement> {
    recursive::set_minimum_stack_size(recursive::get_minimum_stack_size().max(STACK_LEFT_MIN));
    limits::check_depth(&piece.tokens)?;
    // What is tried and taken back may cost some times the tokens, and not the power of their nesting.
    let fuel = piece.tokens.len().saturating_mul(8) + 10_000;
    let dialect = FlinkDialect::with_fuel(fuel).with_parameters(parameters);
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(limits::RECURSION_MAX).with_tokens_with_locations(piece.tokens);
    let mut cursor = Cursor::new(&mut parser, &dialect);
    let read = statement(&mut cursor).and_then(|statement| match cursor.peek().token {
        Token::EOF => Ok(statement),
        _ => cursor.expected("the end of the statement"),
    });
    read.map_err(|error| {
        let tokens = parser.into_tokens();
        let error = error.among(&tokens);
        let hint = error.hint.clone().or_else(|| hint(&error, &tokens));
        SyntaxError { hint, ..error }.ending_at(piece.span.end)
    })
}

fn statement(cursor: &mut Cursor<'_, '_>) -> Read<Statement> {
    let Some(word) = words::of(&cursor.peek().token) else {
        return match cursor.peek().token {
            Token::LParen => query::parse(cursor).map(Statement::Query),
            _ => cursor.expected("a statement"),
        };
    };
    match word.as_str() {
        "SELECT" | "WITH" | "VALUES" => query::parse(cursor).map(Statement::Query),
        "INSERT" => insert::insert(cursor).map(Statement::Insert),
        "EXECUTE" => execute(cursor),
        "BEGIN" => insert::begin_set(cursor).map(Statement::StatementSet),
        "CREATE" => create::create(cursor),
        "DROP" => drop_object(cursor).map(Statement::Drop),
        "SHOW" => show(cursor).map(Statement::Show),
        "DESCRIBE" | "DESC" => describe(cursor),
        "EXPLAIN" => explain(cursor).map(Statement::Explain),
        "SET" => set(cursor),
        "RESET" => reset(cursor),
        "START" => named_statement(cursor).map(Statement::StartStatement),
        "STOP" => named_statement(cursor).map(Statement::StopStatement),
        _ => unknown(cursor, &word),
    }
}

/// Statements that Flink or other databases have, with what to write instead.
fn unknown<T>(cursor: &Cursor<'_, '_>, word: &str) -> Read<T> {
    let second = words::of(cursor.peek_at(1)).unwrap_or_default();
    let both = format!("{word} {second}");
    let (what, instead) = match word {
        "ALTER" if second == "MATERIALIZED" => (both, "drop it and create it anew"),
        "ALTER" => (both, "drop it and create it anew"),
        "UPDATE" | "DELETE" | "MERGE" | "UPSERT" | "TRUNCATE" | "REPLACE" => {
            (word.to_owned(), "a topic is only added to: write to an upsert table with `INSERT INTO`")
        }
        "ANALYZE" | "LOAD" | "UNLOAD" | "ADD" | "REMOVE" | "COMPILE" => (both, ""),
        "USE" => (word.to_owned(), "there is one catalog and one database"),
        "CALL" | "GRANT" | "REVOKE" | "COMMENT" | "REFRESH" | "TABLE" => (word.to_owned(), ""),
        "COMMIT" | "ROLLBACK" | "END" => (word.to_owned(), "each statement stands for itself"),
        "QUIT" | "EXIT" | "CLEAR" | "HELP" | "SOURCE" => (word.to_owned(), "it is a command of a client"),
        _ => {
            let known = "SELECT, INSERT, CREATE, DROP, SHOW, DESCRIBE, EXPLAIN, SET, RESET, EXECUTE, START and STOP";
            let error = SyntaxError::new(cursor.position(), format!("`{}` begins no statement", quoted(word)));
            return Err(error.with_hint(format!("there are {known}")));
        }
    };
    cursor.not_supported(what.trim_end(), instead)
}

fn execute(cursor: &mut Cursor<'_, '_>) -> Read<Statement> {
    cursor.expect("EXECUTE")?;
    if cursor.is("INSERT") {
        return insert::insert(cursor).map(Statement::Insert);
    }
    if cursor.is("STATEMENT") {
        return insert::set(cursor).map(Statement::StatementSet);
    }
    match cursor.is("PLAN") {
        true => cursor.not_supported("EXECUTE PLAN", "execute the statement itself"),
        false => cursor.expected("`INSERT` or `STATEMENT SET`"),
    }
}

fn kind(cursor: &mut Cursor<'_, '_>, verb: &str) -> Read<ObjectKind> {
    for (word, kind) in [
        ("TABLE", ObjectKind::Table),
        ("VIEW", ObjectKind::View),
        ("MATERIALIZED TABLE", ObjectKind::MaterializedTable),
        ("STATEMENT", ObjectKind::Statement),
    ] {
        if cursor.eat(word) {
            return Ok(kind);
        }
    }
    for (word, instead) in [
        ("TEMPORARY", "leave `TEMPORARY` out"),
        ("MATERIALIZED VIEW", "write `MATERIALIZED TABLE`"),
        ("FUNCTION", ""),
        ("CATALOG", "there is one catalog"),
        ("DATABASE", "there is one database"),
        ("SCHEMA", "there is one database"),
        ("MODEL", ""),
        ("CONNECTION", ""),
    ] {
        let is_there = word.split(' ').enumerate().all(|(index, word)| words::is(cursor.peek_at(index), word));
        if is_there {
            return cursor.not_supported(&format!("{verb} {word}"), instead);
        }
    }
    cursor.expected("`TABLE`, `VIEW`, `MATERIALIZED TABLE` or `STATEMENT`")
}

fn drop_object(cursor: &mut Cursor<'_, '_>) -> Read<DropObject> {
    cursor.expect("DROP")?;
    let kind = kind(cursor, "DROP")?;
    let if_exists = cursor.eat("IF EXISTS");
    let name = match kind {
        ObjectKind::Statement => ObjectName::from(vec![statement_name(cursor)?]),
        ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedTable => cursor.name("a name")?,
    };
    if cursor.is("CASCADE") || cursor.is("RESTRICT") {
        return cursor.not_supported("CASCADE and RESTRICT", "drop what reads it first");
    }
    Ok(DropObject { kind, if_exists, name })
}

fn show(cursor: &mut Cursor<'_, '_>) -> Read<Show> {
    cursor.expect("SHOW")?;
    for (word, show) in [
        ("TABLES", Show::Tables),
        ("VIEWS", Show::Views),
        ("MATERIALIZED TABLES", Show::MaterializedTables),
        ("STATEMENTS", Show::Statements),
        ("FUNCTIONS", Show::Functions),
    ] {
        if cursor.eat(word) {
            return Ok(show);
        }
    }
    if cursor.eat("COLUMNS") {
        if !cursor.eat("IN") {
            cursor.expect("FROM")?;
        }
        return Ok(Show::Columns(cursor.name("the name of a table")?));
    }
    if cursor.eat("CREATE") {
        let at = cursor.position();
        return match kind(cursor, "SHOW CREATE")? {
            ObjectKind::Statement => {
                Err(SyntaxError::not_supported(at, "SHOW CREATE STATEMENT").with_hint("write `SHOW STATEMENTS`"))
            }
            kind => Ok(Show::Create(kind, cursor.name("a name")?)),
        };
    }
    if cursor.is("JOBS") {
        return cursor.not_supported("SHOW JOBS", "write `SHOW STATEMENTS`");
    }
    let known =
        "`TABLES`, `VIEWS`, `MATERIALIZED TABLES`, `STATEMENTS`, `FUNCTIONS`, `COLUMNS FROM t` or `CREATE TABLE t`";
    cursor.expected(known)
}

fn describe(cursor: &mut Cursor<'_, '_>) -> Read<Statement> {
    cursor.next();
    for what in ["EXTENDED", "JOB", "CATALOG", "DATABASE", "FUNCTION", "MODEL"] {
        if cursor.is(what) && matches!(cursor.peek_at(1), Token::Word(_)) {
            return cursor.not_supported(&format!("DESCRIBE {what}"), "write `DESCRIBE t`");
        }
    }
    if matches!(cursor.peek_at(1), Token::Word(_)) {
        cursor.eat("TABLE");
    }
    cursor.name("the name of a table").map(Statement::Describe)
}

fn explain(cursor: &mut Cursor<'_, '_>) -> Read<Explain> {
    cursor.expect("EXPLAIN")?;
    let mut details = BTreeSet::new();
    if !cursor.eat("PLAN FOR") {
        while let Some(detail) = detail(cursor) {
            details.insert(detail);
            let is_more = cursor.eat_token(&Token::Comma);
            if is_more && !is_detail(cursor) {
                return cursor.expected("`CHANGELOG_MODE`, `ESTIMATED_COST`, `JSON_EXECUTION_PLAN` or `PLAN_ADVICE`");
            }
        }
    }
    let at = cursor.position();
    let statement = match cursor.is("STATEMENT") {
        true => Statement::StatementSet(insert::set(cursor)?),
        false if cursor.is("EXPLAIN") => return cursor.expected("a query or an `INSERT`"),
        false => statement(cursor)?,
    };
    let is_planned = match &statement {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::StatementSet(_)
        | Statement::CreateView(_)
        | Statement::CreateMaterializedTable(_) => true,
        Statement::CreateTable(table) => table.as_query.is_some(),
        _ => false,
    };
    if !is_planned {
        let error = SyntaxError::new(at, "this statement has no plan to explain");
        return Err(error.with_hint("explain a query or an `INSERT`"));
    }
    Ok(Explain { details, statement: Box::new(statement) })
}

const DETAILS: [(&str, ExplainDetail); 4] = [
    ("ESTIMATED_COST", ExplainDetail::EstimatedCost),
    ("CHANGELOG_MODE", ExplainDetail::ChangelogMode),
    ("JSON_EXECUTION_PLAN", ExplainDetail::JsonExecutionPlan),
    ("PLAN_ADVICE", ExplainDetail::PlanAdvice),
];

fn detail(cursor: &mut Cursor<'_, '_>) -> Option<ExplainDetail> {
    DETAILS.into_iter().find_map(|(word, detail)| cursor.eat(word).then_some(detail))
}

fn is_detail(cursor: &Cursor<'_, '_>) -> bool {
    DETAILS.iter().any(|(word, _)| cursor.is(word))
}

fn set(cursor: &mut Cursor<'_, '_>) -> Read<Statement> {
    cursor.expect("SET")?;
    if cursor.peek().token == Token::EOF {
        return Ok(Statement::Set(None));
    }
    let key = cursor.text("the key in quotes, as in `SET 'key' = 'value'`")?;
    cursor.expect_token(&Token::Eq)?;
    Ok(Statement::Set(Some((key, cursor.text("the value in quotes, as in `SET 'key' = 'value'`")?))))
}

fn reset(cursor: &mut Cursor<'_, '_>) -> Read<Statement> {
    cursor.expect("RESET")?;
    if cursor.peek().token == Token::EOF {
        return Ok(Statement::Reset(None));
    }
    cursor.text("the key in quotes, as in `RESET 'key'`").map(|key| Statement::Reset(Some(key)))
}

fn named_statement(cursor: &mut Cursor<'_, '_>) -> Read<Ident> {
    let verb = cursor.next();
    if cursor.is("JOB") {
        return cursor.not_supported(&format!("{verb} JOB"), "write `STOP STATEMENT name`");
    }
    cursor.expect("STATEMENT")?;
    statement_name(cursor)
}

/// The name of a statement, also in quotes, as Flink has ids.
fn statement_name(cursor: &mut Cursor<'_, '_>) -> Read<Ident> {
    let span = cursor.peek().span;
    match &cursor.peek().token {
        Token::SingleQuotedString(name) if !name.is_empty() && !name.contains('`') => {
            let name = name.clone();
            cursor.next();
            Ok(Ident::with_quote_and_span('`', span, name))
        }
        _ => cursor.ident("the name of a statement"),
    }
}
