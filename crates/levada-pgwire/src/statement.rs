//! Whose a statement is: PostgreSQL's own, its catalog's, or ours.

use crate::problem::Problem;
use levada_sql::pg_catalog::is_of_catalog;
use levada_sql_syntax::{Fragment, Lexeme};

/// A statement that is of the protocol's world alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Begin,
    Commit,
    Rollback,
    Savepoint,
    Release,
    /// Back to a savepoint, from which nothing was written.
    RollbackTo,
    /// None: back to where it was.
    Set {
        name: String,
        value: Option<String>,
    },
    /// Characteristics of transactions, which are as they are.
    Characteristics,
    /// None: all.
    Reset(Option<String>),
    /// None: all.
    Show(Option<String>),
    Discard,
    /// None: all.
    Deallocate(Option<String>),
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Own(Own),
    Catalogs,
    Ours,
}

/// What `SHOW` shows of ours.
const SHOWN: [&str; 8] = ["TABLES", "VIEWS", "MATERIALIZED", "STATEMENTS", "FUNCTIONS", "COLUMNS", "CREATE", "JOBS"];

/// Whose statement that is.
pub(crate) fn whose(fragment: &Fragment) -> Result<Whose, Problem> {
    let words = fragment.lexemes.as_slice();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|lexeme| lexeme.is(word));
    let Some(Lexeme::Word(first)) = words.first() else { return Ok(Whose::Ours) };
    let own = match first.to_ascii_uppercase().as_str() {
        "BEGIN" if is(1, "STATEMENT") => return Ok(Whose::Ours),
        "START" if !is(1, "TRANSACTION") => return Ok(Whose::Ours),
        "BEGIN" | "START" => begin(words)?,
        "COMMIT" | "END" if is(1, "PREPARED") => return Err(unsupported("two-phase commit")),
        "COMMIT" | "END" => Own::Commit,
        "ROLLBACK" if is(1, "TO") || is(2, "TO") => Own::RollbackTo,
        "ROLLBACK" | "ABORT" => Own::Rollback,
        "SAVEPOINT" => Own::Savepoint,
        "RELEASE" => Own::Release,
        "SET" => match words.get(1) {
            None | Some(Lexeme::Text(_)) => return Ok(Whose::Ours),
            Some(_) => set(&words[1..])?,
        },
        "RESET" => match words.get(1) {
            None | Some(Lexeme::Text(_)) => return Ok(Whose::Ours),
            Some(_) => Own::Reset(Some(dotted(&words[1..]).0).filter(|name| !name.eq_ignore_ascii_case("ALL"))),
        },
        "SHOW" if SHOWN.iter().any(|word| is(1, word)) => return Ok(Whose::Ours),
        "SHOW" => show(&words[1..])?,
        "DISCARD" => Own::Discard,
        "DEALLOCATE" => {
            let name = words.get(if is(1, "PREPARE") { 2 } else { 1 });
            match name {
                Some(Lexeme::Word(word)) if word.eq_ignore_ascii_case("ALL") => Own::Deallocate(None),
                Some(Lexeme::Word(word)) => Own::Deallocate(Some(word.to_ascii_lowercase())),
                Some(Lexeme::Name(name)) => Own::Deallocate(Some(name.clone())),
                _ => return Err(Problem::new("42601", "DEALLOCATE names a prepared statement, or ALL")),
            }
        }
        "SELECT" | "WITH" | "VALUES" if is_catalogs(words) => return Ok(Whose::Catalogs),
        _ => return Ok(Whose::Ours),
    };
    Ok(Whose::Own(own))
}

fn unsupported(what: &str) -> Problem {
    Problem::new("0A000", format!("{what} is not supported"))
}

/// `BEGIN` with its characteristics: whoever asks for more than there is, is told.
fn begin(words: &[Lexeme]) -> Result<Own, Problem> {
    check_characteristics(words)?;
    Ok(Own::Begin)
}

fn check_characteristics(words: &[Lexeme]) -> Result<(), Problem> {
    let has = |word: &str| words.iter().any(|lexeme| lexeme.is(word));
    match has("SERIALIZABLE") || has("REPEATABLE") {
        true => {
            let problem = Problem::new("0A000", "each statement of a transaction sees what is there when it begins");
            Err(problem.with_hint("leave out the isolation level, or write READ COMMITTED"))
        }
        false => Ok(()),
    }
}

/// A name with points, and what follows it.
fn dotted(words: &[Lexeme]) -> (String, &[Lexeme]) {
    let mut name = String::new();
    let mut rest = words;
    while let Some((Lexeme::Word(part) | Lexeme::Name(part), behind)) = rest.split_first() {
        name.push_str(part);
        rest = behind;
        match rest.split_first() {
            Some((Lexeme::Sign(sign), behind)) if sign == "." => {
                name.push('.');
                rest = behind;
            }
            _ => break,
        }
    }
    (name, rest)
}

fn set(words: &[Lexeme]) -> Result<Own, Problem> {
    let words = match words.first() {
        Some(first) if first.is("LOCAL") => return Err(unsupported("SET LOCAL").with_hint("write SET")),
        Some(first) if first.is("SESSION") => &words[1..],
        _ => words,
    };
    let is = |at: usize, word: &str| words.get(at).is_some_and(|lexeme| lexeme.is(word));
    if is(0, "TRANSACTION") || is(0, "CHARACTERISTICS") {
        check_characteristics(words)?;
        return Ok(Own::Characteristics);
    }
    if is(0, "TIME") && is(1, "ZONE") {
        return Ok(Own::Set { name: "TimeZone".to_owned(), value: value(&words[2..])? });
    }
    if is(0, "NAMES") {
        return Ok(Own::Set { name: "client_encoding".to_owned(), value: value(&words[1..])? });
    }
    let (name, rest) = dotted(words);
    let is_assigned = rest.first().is_some_and(|sign| sign.is("TO") || *sign == Lexeme::Sign("=".to_owned()));
    if name.is_empty() || !is_assigned {
        let problem =
            Problem::new("42601", "a setting is written SET name = value, one of statements SET 'key' = 'value'");
        return Err(problem);
    }
    Ok(Own::Set { name, value: value(&rest[1..])? })
}

/// The value that a setting is given; none: what it was at first.
fn value(words: &[Lexeme]) -> Result<Option<String>, Problem> {
    if let [only] = words
        && (only.is("DEFAULT") || only.is("LOCAL"))
    {
        return Ok(None);
    }
    let mut text = String::new();
    for word in words {
        match word {
            Lexeme::Word(part) | Lexeme::Name(part) | Lexeme::Text(part) | Lexeme::Number(part) => text.push_str(part),
            Lexeme::Sign(sign) if sign == "," => text.push_str(", "),
            Lexeme::Sign(sign) if sign == "-" || sign == "/" => text.push_str(sign),
            Lexeme::Sign(sign) => return Err(Problem::new("42601", format!("`{sign}` is part of no value"))),
        }
    }
    match words.is_empty() {
        true => Err(Problem::new("42601", "the setting has no value")),
        false => Ok(Some(text)),
    }
}

fn show(words: &[Lexeme]) -> Result<Own, Problem> {
    let is = |at: usize, word: &str| words.get(at).is_some_and(|lexeme| lexeme.is(word));
    let (name, rest) = match () {
        () if is(0, "TRANSACTION") && is(1, "ISOLATION") && is(2, "LEVEL") => {
            ("transaction_isolation".to_owned(), &words[3..])
        }
        () if is(0, "TIME") && is(1, "ZONE") => ("TimeZone".to_owned(), &words[2..]),
        () if is(0, "SESSION") && is(1, "AUTHORIZATION") => ("session_authorization".to_owned(), &words[2..]),
        () => dotted(words),
    };
    match (name.is_empty(), rest.is_empty()) {
        (false, true) => Ok(Own::Show(Some(name).filter(|name| !name.eq_ignore_ascii_case("ALL")))),
        _ => {
            let problem = Problem::new("42601", "SHOW names no setting");
            Err(problem.with_hint("SHOW ALL, SHOW server_version, SHOW TABLES, SHOW STATEMENTS, …"))
        }
    }
}

/// Whether a query asks for what only PostgreSQL's catalog has.
fn is_catalogs(words: &[Lexeme]) -> bool {
    let sign = |at: Option<usize>, wanted: &str| {
        let found = at.and_then(|at| words.get(at));
        matches!(found, Some(Lexeme::Sign(sign)) if sign == wanted)
    };
    words.iter().enumerate().any(|(at, lexeme)| {
        let (Lexeme::Word(word) | Lexeme::Name(word)) = lexeme else { return false };
        let before = at.checked_sub(1);
        let is_call = sign(Some(at + 1), "(");
        let behind = |word: &str| before.and_then(|before| words.get(before)).is_some_and(|lexeme| lexeme.is(word));
        match word.to_ascii_lowercase().as_str() {
            "pg_catalog" | "information_schema" => sign(Some(at + 1), "."),
            "regclass" | "regtype" => sign(before, "::"),
            // Words that stand alone, as a value.
            "current_catalog" | "current_schema" | "current_user" | "session_user" | "current_role" => {
                matches!(lexeme, Lexeme::Word(_)) && (is_call || behind("SELECT") || sign(before, ","))
            }
            word if is_call => is_of_catalog(word, true),
            word => (behind("FROM") || behind("JOIN")) && !sign(before, ".") && is_of_catalog(word, false),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_sql_syntax::fragments;

    fn of(sql: &str) -> Whose {
        whose(&fragments(sql).unwrap()[0]).unwrap_or_else(|problem| panic!("{sql}: {problem:?}"))
    }

    fn setting(name: &str, value: Option<&str>) -> Whose {
        Whose::Own(Own::Set { name: name.to_owned(), value: value.map(str::to_owned) })
    }

    #[test]
    fn what_clients_send_by_themselves_is_the_protocols() {
        assert_eq!(of("BEGIN"), Whose::Own(Own::Begin));
        assert_eq!(of("START TRANSACTION READ ONLY"), Whose::Own(Own::Begin));
        assert_eq!(of("ROLLBACK TO SAVEPOINT x"), Whose::Own(Own::RollbackTo));
        assert_eq!(of("SET client_encoding TO 'UTF8'"), setting("client_encoding", Some("UTF8")));
        assert_eq!(of("SET SESSION datestyle = ISO, MDY"), setting("datestyle", Some("ISO, MDY")));
        assert_eq!(of("set time zone 'UTC'"), setting("TimeZone", Some("UTC")));
        assert_eq!(of("SET levada.read_after = 'a:0:1'"), setting("levada.read_after", Some("a:0:1")));
        assert_eq!(of("SET statement_timeout = DEFAULT"), setting("statement_timeout", None));
        let characteristics = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";
        assert_eq!(of(characteristics), Whose::Own(Own::Characteristics));
        let show = |name: &str| Whose::Own(Own::Show(Some(name.to_owned())));
        assert_eq!(of("SHOW TRANSACTION ISOLATION LEVEL"), show("transaction_isolation"));
        assert_eq!(of("show server_version"), show("server_version"));
        assert_eq!(of("SHOW ALL"), Whose::Own(Own::Show(None)));
        assert_eq!(of("DEALLOCATE ALL"), Whose::Own(Own::Deallocate(None)));
        for refused in ["BEGIN ISOLATION LEVEL SERIALIZABLE", "SET x", "SET x = (", "SHOW", "SET LOCAL x = 1"] {
            assert!(whose(&fragments(refused).unwrap()[0]).is_err(), "{refused}");
        }
    }

    #[test]
    fn queries_of_the_catalog_are_told_from_ours() {
        for sql in [
            "SELECT * FROM pg_catalog.pg_class",
            "select version()",
            "SELECT current_schema(), 1",
            "SELECT CURRENT_USER",
            "SELECT oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace",
            "SELECT 'x'::regclass",
            "SELECT table_name FROM information_schema.tables",
        ] {
            assert_eq!(of(sql), Whose::Catalogs, "{sql}");
        }
        for sql in [
            "SELECT 'pg_catalog.pg_class' FROM t",
            "SELECT version FROM t",
            "SELECT pg_type, pg_class FROM t",
            "SHOW TABLES",
            "SET 'pipeline.name' = 'x'",
            "SET",
            "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END",
            "START STATEMENT s",
            "INSERT INTO pg_class SELECT 1",
        ] {
            assert_eq!(of(sql), Whose::Ours, "{sql}");
        }
    }
}
