//! The prompt: statements as somebody types them, over several lines if need be.

use super::Session;
use crate::output::note;
use levada_sql_syntax::is_complete;
use rustyline::{
    CompletionType, Config, Context, Editor, Helper,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::MemHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};
use std::collections::BTreeSet;

const HELP: &str = "  statements end with a semicolon; ctrl-C ends a live query; `quit` or ctrl-D leaves
  SHOW TABLES;  DESCRIBE t;  CREATE TABLE t (a STRING) WITH ('format' = 'json');
  SELECT * FROM t;  SET 'execution.runtime-mode' = 'batch';
  INSERT INTO t SELECT …;  SHOW STATEMENTS;  STOP STATEMENT s;  DROP STATEMENT s;";

const WORDS: [&str; 60] = [
    "ALL",
    "AND",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COUNT",
    "CREATE",
    "DESC",
    "DESCRIBE",
    "DESCRIPTOR",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXISTS",
    "FROM",
    "GROUP",
    "HAVING",
    "IF",
    "IN",
    "INNER",
    "INSERT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MAX",
    "METADATA",
    "MIN",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "PRIMARY",
    "RESET",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "STATEMENT",
    "STATEMENTS",
    "STOP",
    "STRING",
    "SUM",
    "TABLE",
    "TABLES",
    "THEN",
    "UNION",
    "VALUES",
    "VIEW",
    "WATERMARK",
    "WHEN",
    "WHERE",
];

/// Reads statements and carries them out until somebody leaves.
pub(super) fn run(session: &mut Session, runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let mut editor: Editor<Typing, MemHistory> = Editor::with_history(config, MemHistory::new())?;
    editor.set_helper(Some(Typing::default()));
    note("`help` says what can be written");
    loop {
        let names = runtime.block_on(session.remote.named());
        if let Some(helper) = editor.helper_mut() {
            let each = names.into_iter().flat_map(|table| table.columns.into_iter().chain([table.name]));
            helper.names = each.collect();
        }
        let text = match editor.readline("sql> ") {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match command(&text) {
            Some(Command::Leave) => return Ok(()),
            Some(Command::Help) => note(HELP),
            None => {
                if let Err(failure) = runtime.block_on(session.carry_out(&text)) {
                    let error = failure.shown(&text);
                    if crate::output::is_closed_pipe(&error) {
                        return Err(error);
                    }
                    note(format_args!("error: {error:#}"));
                }
            }
        }
    }
}

enum Command {
    Leave,
    Help,
}

fn command(text: &str) -> Option<Command> {
    match text.trim().trim_end_matches(';').trim_end().to_ascii_lowercase().as_str() {
        "quit" | "exit" => Some(Command::Leave),
        "help" => Some(Command::Help),
        _ => None,
    }
}

/// What is known while somebody types.
#[derive(Default)]
struct Typing {
    /// Tables and their columns.
    names: BTreeSet<String>,
}

impl Helper for Typing {}
impl Highlighter for Typing {}
impl Hinter for Typing {
    type Hint = String;
}

impl Validator for Typing {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let is_whole = text.trim().is_empty() || command(text).is_some() || is_complete(text);
        Ok(if is_whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Completer for Typing {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(self.candidates(line.get(..at).unwrap_or_default()))
    }
}

impl Typing {
    /// What the last word before the cursor may become, and where it begins.
    fn candidates(&self, before: &str) -> (usize, Vec<Pair>) {
        let is_of_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '$');
        let start = before.rfind(|letter| !is_of_word(letter));
        let start = start.map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let word = &before[start..];
        if word.is_empty() {
            return (start, Vec::new());
        }
        let begins = |name: &str| name.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
        let is_plain = |name: &str| {
            let mut letters = name.chars();
            letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
                && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        };
        let named = self.names.iter().filter(|name| begins(name)).map(|name| {
            let replacement = if is_plain(name) { name.clone() } else { format!("`{name}`") };
            Pair { display: name.clone(), replacement }
        });
        let words = WORDS.iter().filter(|name| begins(name)).map(|name| {
            // As it was begun.
            let lower = word.chars().all(|letter| !letter.is_uppercase());
            let text = if lower { name.to_lowercase() } else { (*name).to_owned() };
            Pair { display: text.clone(), replacement: text }
        });
        (start, named.chain(words).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_names_are_completed() {
        let typing = Typing { names: ["orders", "order-lines", "ordinary"].map(str::to_owned).into() };
        let found = |text: &str| {
            let (start, pairs) = typing.candidates(text);
            (start, pairs.into_iter().map(|pair| pair.replacement).collect::<Vec<_>>())
        };
        let expected = ["`order-lines`", "orders", "order"].map(str::to_owned).to_vec();
        assert_eq!(found("SELECT * FROM orde"), (14, expected));
        assert_eq!(found("SEL"), (0, vec!["SELECT".to_owned()]));
        assert_eq!(found("SELECT "), (7, vec![]));
        assert_eq!(found("SELECT é"), (7, vec![]));
    }
}
