//! What stands behind `BEGIN`, `COMMIT` and their kin: kept, or refused with what can be had instead.

use crate::{problem::Problem, statement::Own};
use levada_sql_syntax::Lexeme;

/// What is wanted of a transaction beside that it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    /// Whether it only reads; none where nothing is said.
    pub(crate) is_read_only: Option<bool>,
}

/// The words of a statement behind those that were read.
struct Words<'a>(&'a [Lexeme]);

impl Words<'_> {
    /// Reads a word, if it is the next.
    fn takes(&mut self, word: &str) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if first.is(word) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn comma(&mut self) -> bool {
        match self.0.split_first() {
            Some((Lexeme::Sign(sign), rest)) if sign == "," => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads the name of a savepoint.
    fn name(&mut self) -> Result<(), Problem> {
        match self.0.split_first() {
            Some((Lexeme::Word(_) | Lexeme::Name(_), rest)) => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(Problem::new("42601", "a savepoint has a name")),
        }
    }

    fn end(&self) -> Result<(), Problem> {
        let shown = match self.0.first() {
            None => return Ok(()),
            Some(
                Lexeme::Word(text)
                | Lexeme::Name(text)
                | Lexeme::Text(text)
                | Lexeme::Number(text)
                | Lexeme::Sign(text),
            ) => text.chars().take(40).collect::<String>(),
        };
        Err(Problem::new("42601", format!("`{shown}` is not understood here")))
    }
}

fn unsupported(what: &str) -> Problem {
    Problem::new("0A000", format!("{what} is not supported"))
}

/// Modes up to the end.
pub(crate) fn modes(words: &[Lexeme]) -> Result<Modes, Problem> {
    let (mut words, mut modes) = (Words(words), Modes::default());
    while !words.0.is_empty() {
        if words.takes("ISOLATION") {
            level(&mut words)?;
        } else if words.takes("READ") {
            modes.is_read_only = Some(words.takes("ONLY"));
            if modes.is_read_only == Some(false) && !words.takes("WRITE") {
                return Err(Problem::new("42601", "READ is followed by ONLY or WRITE"));
            }
        } else if words.takes("DEFERRABLE") || words.takes("NOT") && words.takes("DEFERRABLE") {
            // It says something of serializable transactions alone.
        } else {
            words.end()?;
            return Err(Problem::new("42601", "NOT is followed by DEFERRABLE"));
        }
        if words.comma() && words.0.is_empty() {
            return Err(Problem::new("42601", "nothing follows the comma"));
        }
    }
    Ok(modes)
}

fn level(words: &mut Words<'_>) -> Result<(), Problem> {
    if !words.takes("LEVEL") {
        return Err(Problem::new("42601", "ISOLATION is followed by LEVEL"));
    }
    // What was not committed is never seen, which the lowest level does not ask for.
    if words.takes("READ") && (words.takes("COMMITTED") || words.takes("UNCOMMITTED")) {
        return Ok(());
    }
    let problem = Problem::new("0A000", "each statement of a transaction sees what is there when it begins");
    Err(problem.with_hint("leave out the isolation level, or write READ COMMITTED"))
}

/// `BEGIN` or `START`, and what follows it.
pub(crate) fn begin(words: &[Lexeme]) -> Result<Own, Problem> {
    let mut words = Words(words);
    let is_start = words.takes("START");
    let _begin = is_start || words.takes("BEGIN");
    let is_named = words.takes("TRANSACTION") || !is_start && words.takes("WORK");
    if is_start && !is_named {
        return Err(Problem::new("42601", "START is followed by TRANSACTION"));
    }
    modes(words.0)?;
    Ok(Own::Begin)
}

/// What ends a transaction, whatever it is called, and what follows.
pub(crate) fn end(words: &[Lexeme]) -> Result<Own, Problem> {
    let mut words = Words(words);
    let is_commit = words.takes("COMMIT") || words.takes("END");
    let is_rollback = words.takes("ROLLBACK");
    let _abort = words.takes("ABORT");
    if words.takes("PREPARED") {
        return Err(unsupported("two-phase commit"));
    }
    let _noise = words.takes("WORK") || words.takes("TRANSACTION");
    if is_rollback && words.takes("TO") {
        let _noise = words.takes("SAVEPOINT");
        words.name()?;
        words.end()?;
        return Ok(Own::RollbackTo);
    }
    if words.takes("AND") {
        let is_chained = !words.takes("NO");
        if !words.takes("CHAIN") {
            return Err(Problem::new("42601", "AND is followed by CHAIN or NO CHAIN"));
        }
        if is_chained {
            return Err(unsupported("AND CHAIN").with_hint("BEGIN the next transaction"));
        }
    }
    words.end()?;
    Ok(if is_commit { Own::Commit } else { Own::Rollback })
}

/// `SAVEPOINT` or `RELEASE`, and its name.
pub(crate) fn savepoint(words: &[Lexeme]) -> Result<Own, Problem> {
    let mut words = Words(words);
    let is_release = words.takes("RELEASE");
    let _noise = words.takes("SAVEPOINT");
    words.name()?;
    words.end()?;
    Ok(if is_release { Own::Release } else { Own::Savepoint })
}

/// `SET TRANSACTION …`, or `SET SESSION CHARACTERISTICS AS TRANSACTION …` without `SET` and `SESSION`.
pub(crate) fn characteristics(words: &[Lexeme]) -> Result<Own, Problem> {
    let mut words = Words(words);
    if words.takes("TRANSACTION") {
        modes(words.0)?;
        return Ok(Own::Characteristics);
    }
    if !(words.takes("CHARACTERISTICS") && words.takes("AS") && words.takes("TRANSACTION")) {
        return Err(Problem::new("42601", "write SET SESSION CHARACTERISTICS AS TRANSACTION"));
    }
    let value = |is_read_only| if is_read_only { "on" } else { "off" }.to_owned();
    Ok(match modes(words.0)?.is_read_only {
        Some(is_read_only) => {
            Own::Set { name: "default_transaction_read_only".to_owned(), value: Some(value(is_read_only)) }
        }
        None => Own::Characteristics,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Whose, whose};
    use levada_sql_syntax::fragments;

    fn of(sql: &str) -> Result<Whose, Problem> {
        whose(&fragments(sql).unwrap()[0])
    }

    #[test]
    fn what_drivers_send_around_transactions_is_understood() {
        for (sql, own) in [
            ("BEGIN", Own::Begin),
            ("begin work", Own::Begin),
            ("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE", Own::Begin),
            ("BEGIN ISOLATION LEVEL READ UNCOMMITTED READ ONLY NOT DEFERRABLE", Own::Begin),
            ("BEGIN READ ONLY", Own::Begin),
            ("START TRANSACTION READ ONLY, DEFERRABLE", Own::Begin),
            ("COMMIT", Own::Commit),
            ("COMMIT WORK AND NO CHAIN", Own::Commit),
            ("END TRANSACTION", Own::Commit),
            ("ROLLBACK", Own::Rollback),
            ("ABORT WORK", Own::Rollback),
            ("ROLLBACK TO SAVEPOINT \"x\"", Own::RollbackTo),
            ("ROLLBACK WORK TO x", Own::RollbackTo),
            ("SAVEPOINT x", Own::Savepoint),
            ("RELEASE SAVEPOINT x", Own::Release),
            ("RELEASE x", Own::Release),
            ("SET TRANSACTION READ ONLY", Own::Characteristics),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED", Own::Characteristics),
        ] {
            assert_eq!(of(sql), Ok(Whose::Own(own)), "{sql}");
        }
        let read_only = Own::Set { name: "default_transaction_read_only".to_owned(), value: Some("on".to_owned()) };
        let found = of("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY");
        assert_eq!(found, Ok(Whose::Own(read_only)));
    }

    #[test]
    fn what_would_not_be_kept_is_refused() {
        for (sql, code) in [
            ("BEGIN ISOLATION LEVEL SERIALIZABLE", "0A000"),
            ("START TRANSACTION ISOLATION LEVEL REPEATABLE READ", "0A000"),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "0A000"),
            ("COMMIT AND CHAIN", "0A000"),
            ("ROLLBACK AND CHAIN", "0A000"),
            ("COMMIT PREPARED 'x'", "0A000"),
            ("ROLLBACK PREPARED 'x'", "0A000"),
            ("BEGIN IMMEDIATE", "42601"),
            ("BEGIN READ", "42601"),
            ("BEGIN READ ONLY,", "42601"),
            ("BEGIN NOT", "42601"),
            ("COMMIT x", "42601"),
            ("ROLLBACK TO", "42601"),
            ("SAVEPOINT", "42601"),
            ("RELEASE SAVEPOINT x y", "42601"),
            ("SET TRANSACTION SNAPSHOT 'x'", "42601"),
            ("SET SESSION CHARACTERISTICS READ ONLY", "42601"),
        ] {
            assert_eq!(of(sql).map_err(|problem| problem.code), Err(code), "{sql}");
        }
    }
}
