//! Whose a statement is: PostgreSQL's own, its catalog's, or ours.

use crate::{problem::Problem, transaction};
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
    /// Characteristics of a transaction, which are as they are.
    Characteristics,
    /// None: all.
    Reset(Option<String>),
    /// None: all.
    Show(Option<String>),
    Discard(Discarded),
    /// None: all.
    Deallocate(Option<String>),
}

/// What `DISCARD` gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discarded {
    All,
    Plans,
    Sequences,
    Temp,
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
        "BEGIN" | "START" => transaction::begin(words)?,
        "COMMIT" | "END" | "ROLLBACK" | "ABORT" => transaction::end(words)?,
        // The word is the kind and the noise in one.
        "SAVEPOINT" | "RELEASE" => transaction::savepoint(words)?,
        "SET" => match words.get(1) {
            None | Some(Lexeme::Text(_)) => return Ok(Whose::Ours),
            Some(_) => set(&words[1..])?,
        },
        "RESET" => match words.get(1) {
            None | Some(Lexeme::Text(_)) => return Ok(Whose::Ours),
            Some(_) => reset(&words[1..])?,
        },
        "SHOW" if SHOWN.iter().any(|word| is(1, word)) => return Ok(Whose::Ours),
        "SHOW" => show(&words[1..])?,
        "DISCARD" => discard(&words[1..])?,
        "DEALLOCATE" => match &words[if is(1, "PREPARE") { 2 } else { 1 }..] {
            [Lexeme::Word(word)] if word.eq_ignore_ascii_case("ALL") => Own::Deallocate(None),
            [Lexeme::Word(word)] => Own::Deallocate(Some(word.to_ascii_lowercase())),
            [Lexeme::Name(name)] => Own::Deallocate(Some(name.clone())),
            _ => return Err(Problem::new("42601", "DEALLOCATE names a prepared statement, or ALL")),
        },
        "SELECT" | "WITH" | "VALUES" if is_catalogs(words) => return Ok(Whose::Catalogs),
        _ => return Ok(Whose::Ours),
    };
    Ok(Whose::Own(own))
}

fn unsupported(what: &str) -> Problem {
    Problem::new("0A000", format!("{what} is not supported"))
}

fn reset(words: &[Lexeme]) -> Result<Own, Problem> {
    match dotted(words) {
        (name, []) if !name.is_empty() => Ok(Own::Reset(Some(name).filter(|name| !name.eq_ignore_ascii_case("ALL")))),
        _ => Err(Problem::new("42601", "RESET names a setting, or ALL")),
    }
}

fn discard(words: &[Lexeme]) -> Result<Own, Problem> {
    let discarded = match words {
        [what] if what.is("ALL") => Discarded::All,
        [what] if what.is("PLANS") => Discarded::Plans,
        [what] if what.is("SEQUENCES") => Discarded::Sequences,
        [what] if what.is("TEMP") || what.is("TEMPORARY") => Discarded::Temp,
        _ => return Err(Problem::new("42601", "DISCARD is followed by ALL, PLANS, SEQUENCES or TEMP")),
    };
    Ok(Own::Discard(discarded))
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
        return transaction::characteristics(words);
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
        assert_eq!(of("DISCARD PLANS"), Whose::Own(Own::Discard(Discarded::Plans)));
        assert_eq!(of("RESET ALL"), Whose::Own(Own::Reset(None)));
        assert_eq!(of("DEALLOCATE ALL"), Whose::Own(Own::Deallocate(None)));
        for refused in [
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
            "SET x",
            "SET x = (",
            "SHOW",
            "SET LOCAL x = 1",
            "DISCARD",
            "DISCARD x",
            "RESET a b",
            "DEALLOCATE a b",
        ] {
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
